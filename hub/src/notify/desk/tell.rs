//! Telling: the first time, and anew when it is worse.

use std::collections::{BTreeMap, BTreeSet};

use domovoi_model::{Id, PersonId, Timestamp};

use super::{Desk, MOST_CASES, Member, Members, Out, millis};
use crate::notify::letters;
use crate::notify::paper;
use crate::notify::policy::{Call, Decision, Matter, Now, Reason, decide};
use crate::notify::record::{At, Case, Decided, Delivery, HouseUse, Kept, LetterState, Line, Why};
use crate::notify::{News, Subject};

/// So many lines of an inbox are shown.
pub const MOST_LINES: usize = 200;

/// So much is kept back for somebody one by one; what is more is counted.
pub const MOST_KEPT: usize = 500;

impl Desk {
    /// A piece of news. Nothing comes of one that is known already.
    pub fn tell(&mut self, mut news: News, members: &dyn Members, now: At) -> Out {
        let mut out = Out::default();
        self.note_languages(members);
        if self.known.has(&news.subject, news.telling) {
            return out;
        }
        for text in [&mut news.title.ru, &mut news.title.en] {
            *text = letters::clip(text, letters::TITLE_CHARS);
        }
        for text in [&mut news.body.ru, &mut news.body.en] {
            *text = letters::clip(text, letters::BODY_CHARS);
        }
        let subject = news.subject.clone();
        let worse = match self.cases.get(&subject) {
            Some(case) if case.news.telling >= news.telling => return out,
            Some(_) => {
                // What was not carried yet says less than this.
                self.drop_letters(&subject, now, &mut out);
                self.let_go(&subject, &mut out);
                true
            }
            None => self.known.forget(&subject),
        };
        let (id, at, why) = match self.cases.remove(&subject) {
            Some(case) => (case.id, case.at, case.why),
            None => ((self.new_id)(now.wall), now.wall, BTreeMap::new()),
        };
        let case = Case {
            id,
            at,
            began: now.tick,
            told_at: now.tick,
            again: 0,
            widened: now.tick,
            told: BTreeMap::new(),
            house_ways: BTreeSet::new(),
            asked: BTreeSet::new(),
            everybody: false,
            house: false,
            costs: false,
            answered: None,
            over: None,
            quiet: false,
            why,
            news,
        };
        self.cases.insert(subject.clone(), case);
        let mut notes = Vec::new();
        if worse {
            notes.push(Reason::Worse);
        }
        self.begin(&subject, members, &notes, now, &mut out);
        self.write_case(&subject, now, &mut out);
        self.put_away(now, &mut out);
        out
    }

    /// The first who are told: everybody, or the first of the household's order.
    fn begin(&mut self, subject: &Subject, members: &dyn Members, notes: &[Reason], now: At, out: &mut Out) {
        let Some(case) = self.cases.get(subject) else { return };
        let news = case.news.clone();
        let by_order = case.wants_answer() && !case.is_life();
        let (meant, others) = self.meant(&news, members);
        for (member, named) in others {
            let reason = if named { Reason::MayNotSee } else { Reason::MeantForOthers };
            let decision = Decision { why: vec![reason], ..Decision::default() };
            self.remember(subject, &member, Call::First, &decision, now, out);
        }
        let first = if by_order { self.first_of_order(&news, &meant, now) } else { None };
        match first {
            None => {
                for member in &meant {
                    self.tell_one(subject, member, Call::First, notes, now, out);
                }
                self.with_case(subject, |case| case.everybody = true);
            }
            Some(first) => {
                let name = meant.iter().find(|member| member.id == first).map(|member| member.name.clone());
                let name = name.unwrap_or_default();
                for member in &meant {
                    if member.id == first {
                        self.tell_one(subject, member, Call::First, notes, now, out);
                        continue;
                    }
                    let why = vec![Reason::OthersFirst(name.clone())];
                    let decision = Decision { inbox: true, why, ..Decision::default() };
                    self.remember(subject, member, Call::First, &decision, now, out);
                    self.put_into_inbox(subject, member, now, out);
                }
                self.with_case(subject, |case| {
                    case.asked.insert(first);
                });
            }
        }
        self.house_at_once(subject, now, out);
    }

    /// The first of the order who can be told now.
    fn first_of_order(&self, news: &News, meant: &[Member], now: At) -> Option<PersonId> {
        let mut order = self.household.order.iter().filter_map(|id| meant.iter().find(|member| member.id == *id));
        order.find(|member| !self.decided(news, member, Call::First, now).now.is_empty()).map(|member| member.id)
    }

    pub(super) fn decided(&self, news: &News, member: &Member, call: Call, now: At) -> Decision {
        let matter = matter(news);
        let moment = Now { at: now.wall, zone: &self.zone, trusted: now.trusted };
        self.ask(member, now, |listener, habits| decide(listener, matter, call, habits, moment))
    }

    /// Tells one person, as the policy says.
    pub(super) fn tell_one(
        &mut self,
        subject: &Subject,
        member: &Member,
        call: Call,
        notes: &[Reason],
        now: At,
        out: &mut Out,
    ) {
        let Some(case) = self.cases.get(subject) else { return };
        let (news, told) = (case.news.clone(), case.told.get(&member.id).cloned().unwrap_or_default());
        let mut decision = self.decided(&news, member, call, now);
        decision.why.splice(0..0, notes.iter().cloned());
        if call == Call::Costly {
            // Only what is new: the others are told again by themselves.
            decision.now.retain(|way| !told.contains(way));
        }
        self.remember(subject, member, call, &decision, now, out);
        if call == Call::First && decision.inbox {
            self.put_into_inbox(subject, member, now, out);
        }
        if decision.later.is_some() && (call == Call::First || told.is_empty()) {
            self.keep_back(&news, member, now, out);
        }
        for way in &decision.now {
            self.write_to(subject, Some(member.id), *way, call, None, now, out);
        }
        if !decision.now.is_empty() {
            self.with_case(subject, |case| case.told.entry(member.id).or_default().extend(&decision.now));
        }
    }

    /// The house's ways that are taken at once.
    fn house_at_once(&mut self, subject: &Subject, now: At, out: &mut Out) {
        let Some(case) = self.cases.get(subject) else { return };
        let (life, everybody) = (case.is_life(), matches!(case.news.audience, crate::notify::Audience::Household));
        // What is somebody's own is not said aloud.
        if !everybody {
            return;
        }
        let loud = life || (!case.news.drill && !self.house_is_quiet(now));
        let taken: Vec<Id> = self
            .house_routes()
            .filter(|(_, used)| *used == HouseUse::Silent || (*used == HouseUse::Speaks && loud))
            .map(|(id, _)| id)
            .collect();
        for way in taken {
            self.write_to(subject, None, way, Call::First, None, now, out);
            self.with_case(subject, |case| {
                case.house_ways.insert(way);
            });
        }
    }

    pub(super) fn house_routes(&self) -> impl Iterator<Item = (Id, HouseUse)> {
        let usable = self.routes.values().filter(|route| route.person.is_none() && route.off.is_none());
        usable.map(|route| (route.id, route.used))
    }

    pub(super) fn house_is_quiet(&self, now: At) -> bool {
        now.trusted && crate::notify::policy::quiet_until(&self.quiet, now.wall, &self.zone).is_some()
    }

    /// Makes a letter for somebody, or for the house, by one way.
    #[allow(
        clippy::too_many_arguments,
        reason = "each of them is another thing, and there is one caller for each shape"
    )]
    pub(super) fn write_to(
        &mut self,
        subject: &Subject,
        person: Option<PersonId>,
        way: Id,
        call: Call,
        text: Option<(String, String)>,
        now: At,
        out: &mut Out,
    ) {
        let Some(route) = self.routes.get(&way) else { return };
        let Some(case) = self.cases.get(subject) else { return };
        let (life, severity) = (case.is_life(), case.news.severity);
        let delivery = Delivery {
            id: (self.new_id)(now.wall),
            subject: subject.clone(),
            telling: case.news.telling,
            person,
            way,
            channel: route.channel.clone(),
            call,
            life,
            severity,
            topic: case.news.topic,
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

    /// Enters a letter and hands it out.
    pub(super) fn enter(&mut self, delivery: Delivery, now: At, out: &mut Out) {
        if delivery.person.is_some() {
            self.goes(delivery.way, delivery.life, now);
        }
        out.rows.push(paper::of_delivery(&delivery, now.wall, true));
        let id = delivery.id;
        self.live.insert(id, (delivery, i64::MAX));
        self.hand_out(id, now, out);
    }

    /// Remembers what was decided about somebody.
    pub(super) fn remember(
        &mut self,
        subject: &Subject,
        member: &Member,
        call: Call,
        decision: &Decision,
        now: At,
        out: &mut Out,
    ) {
        let by = decision.now.iter().filter_map(|way| Some(self.routes.get(way)?.channel.clone())).collect();
        let decided = Decided { at: now.wall, call, by, later: decision.later, why: decision.why.clone() };
        let id = (self.new_id)(now.wall);
        let Some(case) = self.cases.get_mut(subject) else { return };
        let why = case.why.entry(member.id).or_insert_with(|| Why {
            id,
            subject: subject.clone(),
            person: member.id,
            decided: Vec::new(),
            left_out: 0,
        });
        why.add(decided);
        out.rows.push(paper::of_why(why));
    }

    pub(super) fn put_into_inbox(&mut self, subject: &Subject, member: &Member, now: At, out: &mut Out) {
        let Some(case) = self.cases.get(subject) else { return };
        let (title, body) = letters::about(&case.news, self.language_of(Some(member.id)));
        let line = Line {
            id: (self.new_id)(now.wall),
            subject: subject.clone(),
            topic: case.news.topic,
            severity: case.news.severity,
            life: case.news.life,
            drill: case.news.drill,
            over: false,
            title,
            body: letters::clip(&body, letters::LINE_CHARS),
            link: case.news.link.clone(),
            at: now.wall,
            seen: None,
        };
        self.add_line(member.id, line, out);
    }

    /// A line about what is over or known, in the inbox of somebody who was told.
    pub(super) fn say_quietly(&mut self, subject: &Subject, member: &Member, title: String, now: At, out: &mut Out) {
        let Some(case) = self.cases.get(subject) else { return };
        let line = Line {
            id: (self.new_id)(now.wall),
            subject: subject.clone(),
            topic: case.news.topic,
            severity: case.news.severity,
            life: case.news.life,
            drill: case.news.drill,
            over: true,
            title,
            body: String::new(),
            link: case.news.link.clone(),
            at: now.wall,
            seen: None,
        };
        self.add_line(member.id, line, out);
    }

    fn add_line(&mut self, person: PersonId, line: Line, out: &mut Out) {
        out.rows.push(paper::of_line(person, &line, true));
        let seat = self.seat(person);
        seat.inbox.push_back(line);
        while seat.inbox.len() > MOST_LINES {
            if let Some(oldest) = seat.inbox.pop_front() {
                out.rows.push(paper::of_line(person, &oldest, false));
            }
        }
    }

    /// Keeps something back for somebody.
    pub(super) fn keep_back(&mut self, news: &News, member: &Member, now: At, out: &mut Out) {
        let (title, _) = letters::about(news, self.language_of(Some(member.id)));
        let kept = Kept {
            id: (self.new_id)(now.wall),
            person: member.id,
            subject: news.subject.clone(),
            telling: news.telling,
            title,
            topic: news.topic,
            severity: news.severity,
            life: news.life && !news.drill,
            drill: news.drill,
            at: now.wall,
            more: 0,
        };
        let seat = self.seat(member.id);
        if let Some(place) = seat.kept.iter().position(|one| one.subject == news.subject) {
            out.rows.push(paper::of_kept(&seat.kept.remove(place), false));
        }
        // What life hangs on is never merely counted: it is the first to be named.
        if seat.kept.len() >= MOST_KEPT
            && !kept.life
            && let Some(last) = seat.kept.iter_mut().rev().find(|one| !one.life)
        {
            last.more = last.more.saturating_add(1);
            out.rows.push(paper::of_kept(last, true));
            return;
        }
        out.rows.push(paper::of_kept(&kept, true));
        seat.kept.push(kept);
    }

    /// Nothing of this is kept back any more.
    pub(super) fn let_go(&mut self, subject: &Subject, out: &mut Out) {
        for seat in self.seats.values_mut() {
            while let Some(place) = seat.kept.iter().position(|one| one.subject == *subject && one.more == 0) {
                out.rows.push(paper::of_kept(&seat.kept.remove(place), false));
            }
        }
    }

    /// Letters of a subject that were not carried yet are not carried any more. One that a channel has in hand is.
    pub(super) fn drop_letters(&mut self, subject: &Subject, now: At, out: &mut Out) {
        let waiting: Vec<Id> = self
            .live
            .values()
            .filter(|(one, _)| one.subject == *subject && one.state == LetterState::Queued)
            .filter(|(one, _)| !self.flying.contains(&one.id))
            .map(|(one, _)| one.id)
            .collect();
        for id in waiting {
            self.moves(id, LetterState::Dropped, now, out);
        }
    }

    pub(super) fn with_case(&mut self, subject: &Subject, change: impl FnOnce(&mut Case)) {
        if let Some(case) = self.cases.get_mut(subject) {
            change(case);
        }
    }

    pub(super) fn write_case(&self, subject: &Subject, now: At, out: &mut Out) {
        if let Some(case) = self.cases.get(subject) {
            out.rows.push(paper::of_case(case, now));
        }
    }

    /// Keeps memory bounded: what is over, or told to the end, is remembered by its telling alone.
    fn put_away(&mut self, now: At, out: &mut Out) {
        if self.cases.len() <= MOST_CASES {
            return;
        }
        let waits = |subject: &Subject| {
            self.live.values().any(|(one, _)| one.subject == *subject && one.state == LetterState::Queued)
        };
        let mut ended: Vec<(bool, bool, Timestamp, Subject)> = self
            .cases
            .values()
            .filter(|case| !case.climbs() && !waits(&case.news.subject))
            .map(|case| (case.over.is_none(), case.is_life(), case.at, case.news.subject.clone()))
            .collect();
        ended.sort();
        for (_, _, _, subject) in ended.into_iter().take(MOST_CASES / 4) {
            if let Some(mut case) = self.cases.remove(&subject) {
                self.known.add(subject.clone(), case.news.telling);
                if case.over.is_none() {
                    case.quiet = true;
                    out.rows.push(paper::of_case(&case, now));
                }
                self.tokens.retain(|_, (about, _, _)| *about != subject);
            }
        }
    }
}

pub(super) fn matter(news: &News) -> Matter<'_> {
    Matter {
        topic: news.topic,
        severity: news.severity,
        life: news.life,
        drill: news.drill,
        room: news.room.as_deref(),
    }
}
