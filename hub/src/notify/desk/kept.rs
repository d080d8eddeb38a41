//! What was kept back, told in one letter as soon as it may be: after quiet hours, or when there is room again.

use domovoi_model::{PersonId, Severity};

use super::{Desk, Member, Members, Out, millis};
use crate::notify::policy::{Call, Decision, Matter, Now, Reason, decide};
use crate::notify::record::{At, Delivery, Kept, LetterState};
use crate::notify::{Audience, Bilingual, News, Subject, Topic, letters, paper};

impl Desk {
    /// Tells what was kept back, as far as it may be told now.
    pub(super) fn tell_kept(&mut self, members: &dyn Members, now: At, out: &mut Out) {
        let waiting: Vec<PersonId> =
            self.seats.iter().filter(|(_, seat)| !seat.kept.is_empty()).map(|(person, _)| *person).collect();
        if waiting.is_empty() {
            return;
        }
        let everybody = members.about(&blank(now));
        for person in waiting {
            let Some(member) = everybody.iter().find(|member| member.id == person).cloned() else {
                // Gone from the home: nobody is waiting any more.
                for kept in std::mem::take(&mut self.seat(person).kept) {
                    out.rows.push(paper::of_kept(&kept, false));
                }
                continue;
            };
            if !member.let_in {
                continue;
            }
            for life in [true, false] {
                self.tell_kept_of(&member, life, now, out);
            }
        }
    }

    fn tell_kept_of(&mut self, member: &Member, life: bool, now: At, out: &mut Out) {
        let mine = |kept: &&Kept| kept.life == life;
        let Some(seat) = self.seats.get(&member.id) else { return };
        let kept: Vec<Kept> = seat.kept.iter().filter(mine).cloned().collect();
        let Some(worst) = kept.iter().max_by_key(|one| one.severity) else { return };
        let matter = Matter {
            topic: worst.topic,
            severity: worst.severity,
            life,
            drill: kept.iter().all(|one| one.drill),
            room: None,
        };
        let moment = Now { at: now.wall, zone: &self.zone, trusted: now.trusted };
        let call = Call::Digest;
        let decision = self.ask(member, now, |who, habits| decide(who, matter, call, habits, moment));
        if decision.later.is_some() {
            return;
        }
        self.seat(member.id).kept.retain(|one| one.life != life);
        let (subject, text) = match kept.as_slice() {
            // One alone is told as itself.
            [one] if one.more == 0 => (one.subject.clone(), None),
            _ => {
                let subject = Subject::Digest((self.new_id)(now.wall));
                (subject, Some(letters::digest(&kept, self.language_of(Some(member.id)))))
            }
        };
        for one in &kept {
            let mut decision =
                Decision { now: decision.now.clone(), later: None, inbox: true, why: decision.why.clone() };
            decision.why.insert(0, Reason::InDigest);
            self.remember(&one.subject, member, Call::Digest, &decision, now, out);
            let ways = decision.now;
            self.with_case(&one.subject, |case| {
                if !ways.is_empty() {
                    case.told.entry(member.id).or_default().extend(ways);
                }
            });
            self.write_case(&one.subject, now, out);
            out.rows.push(paper::of_kept(one, false));
        }
        for way in decision.now {
            let Some(route) = self.routes.get(&way) else { continue };
            let first = kept.first();
            let text = match (&text, first) {
                (Some(text), _) => Some(text.clone()),
                // Its news may be no more at hand.
                (None, Some(one)) if !self.cases.contains_key(&one.subject) => Some((one.title.clone(), String::new())),
                _ => None,
            };
            let severity = kept.iter().map(|one| one.severity).max().unwrap_or(Severity::Unknown);
            let delivery = Delivery {
                id: (self.new_id)(now.wall),
                subject: subject.clone(),
                telling: first.map_or(1, |one| one.telling),
                person: Some(member.id),
                way,
                channel: route.channel.clone(),
                call,
                life,
                severity,
                topic: first.map_or(Topic::Message, |one| one.topic),
                text,
                state: LetterState::Queued,
                times: vec![(LetterState::Queued, now.wall)],
                why: None,
                receipt: None,
                tries: 0,
                asked: 0,
                until: now.wall.plus_millis(millis(letters::good_for(life, severity))),
            };
            self.enter(delivery, now, out);
        }
    }

    /// Until when something is kept back for somebody, if quiet hours are why.
    pub fn quiet_until(&self, member: &Member, now: At) -> Option<domovoi_model::Timestamp> {
        let moment = Now { at: now.wall, zone: &self.zone, trusted: now.trusted };
        self.ask(member, now, |who, habits| crate::notify::policy::quiet(who, habits, moment))
    }
}

/// What everybody may hear of: asked to know who is there.
fn blank(now: At) -> News {
    News {
        subject: Subject::Digest(domovoi_model::Id([0; 16])),
        telling: 0,
        topic: Topic::Message,
        severity: Severity::Unknown,
        life: false,
        drill: false,
        wants_answer: false,
        title: Bilingual::default(),
        body: Bilingual::default(),
        link: None,
        room: None,
        audience: Audience::Household,
        at: domovoi_model::Moment::Wall(now.wall),
    }
}
