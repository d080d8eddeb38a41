//! The end of a piece of news: it is over, or somebody knows. Whoever was told hears that, and what stands is taken away.

use std::collections::BTreeSet;

use domovoi_model::{Id, PersonId};

use super::{Desk, Job, Members, Out};
use crate::notify::policy::{Call, Decision, Reason};
use crate::notify::record::{At, Case, Delivery, LetterState, Off};
use crate::notify::{News, Subject, letters};

impl Desk {
    /// It does not stand any more: cancelled, expired, or known elsewhere. Whoever was told hears it once.
    pub fn over(&mut self, subject: &Subject, news: Option<News>, members: &dyn Members, now: At) -> Out {
        let mut out = Out::default();
        self.note_languages(members);
        match self.cases.get_mut(subject) {
            Some(case) if case.over.is_none() => case.over = Some(now.wall),
            Some(_) => return out,
            None => {
                // Told to the end and no more at hand; what stands in the house is taken away all the same.
                if self.known.forget(subject) {
                    let routes = self.routes.values().filter(|route| route.person.is_none());
                    out.jobs.extend(routes.filter_map(|route| {
                        let channel = self.channel(&route.channel)?.clone();
                        Some(Job::Clear { channel, to: route.address.clone(), subject: subject.clone() })
                    }));
                }
                return out;
            }
        }
        self.drop_letters(subject, now, &mut out);
        self.let_go(subject, &mut out);
        let Some(case) = self.cases.get(subject).cloned() else { return out };
        let about = members.about(&case.news);
        for (person, ways) in &case.told {
            let Some(member) = about.iter().find(|member| member.id == *person) else { continue };
            let (title, body) = letters::all_clear(&case.news, news.as_ref(), self.language_of(Some(member.id)));
            self.say_quietly(subject, member, title.clone(), now, &mut out);
            if case.news.drill {
                continue;
            }
            let mut decision = match case.is_life() {
                // By the same ways: whoever was woken may go back to sleep.
                true => {
                    let is_on = |way: &Id| self.routes.get(way).is_some_and(|route| route.off.is_none());
                    let usable = |way: &&Id| is_on(way) && self.has_room(**way, true, now);
                    let ways: Vec<Id> = ways.iter().filter(usable).copied().collect();
                    Decision { now: ways, inbox: true, why: vec![Reason::Life], later: None }
                }
                false => self.decided(&case.news, member, Call::AllClear, now),
            };
            decision.why.insert(0, Reason::Over);
            if decision.later.is_some() {
                // In the morning it is in the inbox, and nothing stands any more.
                decision.later = None;
            }
            self.remember(subject, member, Call::AllClear, &decision, now, &mut out);
            for way in decision.now {
                let text = Some((title.clone(), body.clone()));
                self.write_to(subject, Some(*person), way, Call::AllClear, text, now, &mut out);
            }
        }
        self.clear(&case, &mut out);
        self.write_case(subject, now, &mut out);
        out
    }

    /// Somebody said "I know": nobody is told again, nobody is handed it on; whoever was told hears who knows, quietly.
    /// Whether that is new.
    pub fn answered(&mut self, subject: &Subject, by: PersonId, members: &dyn Members, now: At) -> (bool, Out) {
        let mut out = Out::default();
        self.note_languages(members);
        match self.cases.get_mut(subject) {
            Some(case) if case.answered.is_none() && case.over.is_none() => case.answered = Some((by, now.wall)),
            _ => return (false, out),
        }
        let Some(case) = self.cases.get(subject).cloned() else { return (false, out) };
        let theirs: Vec<Id> = self.letters_of(subject, by).collect();
        for id in theirs {
            self.moves(id, LetterState::Answered, now, &mut out);
        }
        self.drop_letters(subject, now, &mut out);
        let about = members.about(&case.news);
        let name = about.iter().find(|member| member.id == by).map(|member| member.name.clone()).unwrap_or_default();
        for member in about.iter().filter(|member| member.id != by && case.told.contains_key(&member.id)) {
            let title = letters::known(&case.news, &name, self.language_of(Some(member.id)));
            self.say_quietly(subject, member, title, now, &mut out);
            let why = vec![Reason::Answered(name.clone())];
            let decision = Decision { inbox: true, why, ..Decision::default() };
            self.remember(subject, member, Call::Again, &decision, now, &mut out);
        }
        self.clear(&case, &mut out);
        self.write_case(subject, now, &mut out);
        (true, out)
    }

    /// Letters of a subject to somebody that were carried.
    fn letters_of(&self, subject: &Subject, person: PersonId) -> impl Iterator<Item = Id> {
        let all = self.live.values().map(|(one, _)| one).chain(&self.settled);
        let theirs =
            move |one: &&Delivery| one.subject == *subject && one.person == Some(person) && one.state.was_taken();
        all.filter(theirs).map(|one| one.id)
    }

    /// What stands by a channel until then is taken away.
    fn clear(&self, case: &Case, out: &mut Out) {
        let ways = case.told.values().flatten().chain(&case.house_ways);
        let ways: BTreeSet<Id> = ways.copied().collect();
        for route in ways.iter().filter_map(|way| self.routes.get(way)) {
            if let Some(channel) = self.channel(&route.channel).filter(|_| route.off != Some(Off::Gone)) {
                let (channel, to) = (channel.clone(), route.address.clone());
                out.jobs.push(Job::Clear { channel, to, subject: case.news.subject.clone() });
            }
        }
    }
}
