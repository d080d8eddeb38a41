//! What is at the desk besides the telling: what it was loaded with, wishes and ways, inboxes, answers, what goes with a
//! person.

use std::collections::{HashMap, VecDeque};

use domovoi_model::{Id, PersonId};

use super::tell::MOST_LINES;
use super::{Desk, Out};
use crate::notify::policy::{Reachable, Wishes};
use crate::notify::record::{At, Case, Delivery, Household, Kept, LetterState, Line, Route, Why};
use crate::notify::{Subject, paper};

/// So many tellings are remembered of what is no more at hand.
const MOST_KNOWN: usize = 20_000;

/// Tellings of what is no more at hand; the oldest are forgotten first.
#[derive(Default)]
pub struct Known {
    tellings: HashMap<Subject, u32>,
    order: VecDeque<Subject>,
}

impl Known {
    /// Whether this telling, or a later one, is known.
    pub fn has(&self, subject: &Subject, telling: u32) -> bool {
        self.tellings.get(subject).is_some_and(|known| *known >= telling)
    }

    /// Remembers one.
    pub fn add(&mut self, subject: Subject, telling: u32) {
        if self.tellings.insert(subject.clone(), telling).is_none() {
            self.order.push_back(subject);
        }
        while self.order.len() > MOST_KNOWN {
            if let Some(oldest) = self.order.pop_front() {
                self.tellings.remove(&oldest);
            }
        }
    }

    /// Forgets one, because it is at hand again; whether it was known.
    pub fn forget(&mut self, subject: &Subject) -> bool {
        let known = self.tellings.remove(subject).is_some();
        if known {
            self.order.retain(|one| one != subject);
        }
        known
    }
}

/// What the desk begins with.
#[derive(Default)]
pub struct Loaded {
    /// What is not over.
    pub cases: Vec<Case>,
    /// What is, or was told to the end.
    pub known: Vec<(Subject, u32)>,
    /// Letters of which something is still to come.
    pub live: Vec<Delivery>,
    /// What is kept back.
    pub kept: Vec<Kept>,
    /// Lines of inboxes, the oldest first.
    pub lines: Vec<(PersonId, Line)>,
    /// What was decided about what is not over.
    pub why: Vec<Why>,
}

impl Desk {
    /// Takes up what was left. Letters that were under way go out again: at most one double each.
    pub fn load(&mut self, loaded: Loaded, now: At) {
        for (subject, telling) in loaded.known {
            self.known.add(subject, telling);
        }
        for case in loaded.cases {
            for (person, _) in case.told.iter().filter(|_| case.wants_answer()) {
                let token = (self.token)(case.id, *person, case.news.telling);
                self.tokens.insert(token, (case.news.subject.clone(), *person, case.news.telling));
            }
            self.cases.insert(case.news.subject.clone(), case);
        }
        for why in loaded.why {
            if let Some(case) = self.cases.get_mut(&why.subject) {
                case.why.insert(why.person, why);
            }
        }
        for delivery in loaded.live {
            // What is carried already is asked about after a while; what is not goes at once.
            let due = if delivery.state == LetterState::Queued { now.tick } else { now.tick.saturating_add(10_000) };
            if let Some(last) = delivery.times.last().filter(|_| delivery.person.is_some()) {
                let ago = now.wall.0.saturating_sub(last.1.0).max(0);
                let went = self.lately.entry(delivery.way).or_default();
                went.push_back((now.tick.saturating_sub(ago), delivery.life));
            }
            self.live.insert(delivery.id, (delivery, due));
        }
        for kept in loaded.kept {
            self.seat(kept.person).kept.push(kept);
        }
        for (person, line) in loaded.lines {
            let inbox = &mut self.seat(person).inbox;
            inbox.push_back(line);
            while inbox.len() > MOST_LINES {
                inbox.pop_front();
            }
        }
    }

    /// Where the page is.
    pub fn page_is_at(&mut self, origin: Option<String>) {
        self.origin = origin;
    }

    /// Somebody's wishes.
    pub fn wishes(&self, person: PersonId) -> Wishes {
        self.seats.get(&person).map(|seat| seat.wishes.clone()).unwrap_or_default()
    }

    /// Somebody wishes otherwise from now on.
    pub fn set_wishes(&mut self, person: PersonId, wishes: Wishes) {
        self.seat(person).wishes = wishes;
    }

    /// The household's.
    pub fn household(&self) -> Household {
        self.household.clone()
    }

    /// The household chose otherwise.
    pub fn set_household(&mut self, household: Household) {
        self.household = household;
    }

    /// Every way.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.routes.values()
    }

    /// A way.
    pub fn way(&self, id: Id) -> Option<&Route> {
        self.routes.get(&id)
    }

    /// Adds a way, or changes it.
    pub fn put_route(&mut self, route: Route) {
        self.routes.insert(route.id, route);
    }

    /// Takes a way off.
    pub fn remove_route(&mut self, id: Id) -> Option<Route> {
        self.lately.remove(&id);
        self.routes.remove(&id)
    }

    /// What is asked before wishes are taken: who can be reached by what. `instead`: as if these were somebody's wishes, and
    /// as if this way were not there.
    pub fn reachable(
        &self,
        adults: &[(PersonId, bool)],
        instead: Option<(PersonId, &Wishes)>,
        without: Option<Id>,
    ) -> Vec<Reachable> {
        adults
            .iter()
            .map(|(person, adult)| {
                let own = self.seats.get(person).map(|seat| &seat.wishes.life_by);
                let life_by = match instead {
                    Some((whose, wishes)) if whose == *person => Some(&wishes.life_by),
                    _ => own,
                };
                let usable = |route: &&Route| {
                    route.person == Some(*person)
                        && route.off.is_none()
                        && Some(route.id) != without
                        && self.channel(&route.channel).is_some()
                };
                let channels = self.routes.values().filter(usable).map(|route| route.channel.clone()).collect();
                Reachable { person: *person, adult: *adult, life_by: life_by.cloned().unwrap_or_default(), channels }
            })
            .collect()
    }

    /// The newest lines of an inbox, the newest first, and how many are unseen.
    pub fn inbox(&self, person: PersonId) -> (Vec<Line>, usize) {
        let Some(seat) = self.seats.get(&person) else { return (Vec::new(), 0) };
        let unseen = seat.inbox.iter().filter(|line| line.seen.is_none()).count();
        (seat.inbox.iter().rev().cloned().collect(), unseen)
    }

    /// Lines were seen: these, or all. How many were not before.
    pub fn see(&mut self, person: PersonId, which: Option<&[Id]>, now: At) -> (usize, Out) {
        let mut out = Out::default();
        let mut count = 0;
        let mut subjects = Vec::new();
        if let Some(seat) = self.seats.get_mut(&person) {
            let unseen = seat.inbox.iter_mut().filter(|line| line.seen.is_none());
            for line in unseen.filter(|line| which.is_none_or(|ids| ids.contains(&line.id))) {
                line.seen = Some(now.wall);
                out.rows.push(paper::of_line(person, line, false));
                subjects.push(line.subject.clone());
                count += 1;
            }
        }
        let letters: Vec<Id> = self
            .live
            .values()
            .map(|(one, _)| one)
            .chain(&self.settled)
            .filter(|one| one.person == Some(person) && subjects.contains(&one.subject) && one.state.was_taken())
            .map(|one| one.id)
            .collect();
        for id in letters {
            self.moves(id, LetterState::Seen, now, &mut out);
        }
        (count, out)
    }

    /// Whose answer a token is, and to what; `None`: it is none, or good no more.
    pub fn whose(&self, token: &[u8; 16]) -> Option<(Subject, PersonId)> {
        let (subject, person, telling) = self.tokens.get(token)?;
        let case = self.cases.get(subject)?;
        (case.news.telling == *telling && case.over.is_none()).then(|| (subject.clone(), *person))
    }

    /// What was decided about somebody, as far as it is at hand.
    pub fn why(&self, subject: &Subject, person: PersonId) -> Option<Why> {
        self.cases.get(subject)?.why.get(&person).cloned()
    }

    /// How a piece of news stands: whether it is known to be answered, and by whom; whether it is over.
    pub fn standing(&self, subject: &Subject) -> Option<(Option<PersonId>, bool)> {
        self.cases.get(subject).map(|case| (case.answered.map(|(by, _)| by), case.over.is_some()))
    }

    /// What is at hand and not over.
    pub fn unfinished(&self) -> Vec<Subject> {
        self.cases.iter().filter(|(_, case)| case.over.is_none()).map(|(subject, _)| subject.clone()).collect()
    }

    /// Letters at hand, as they stand now.
    pub fn letters(&self) -> impl Iterator<Item = &Delivery> {
        self.live.values().map(|(one, _)| one).chain(&self.settled)
    }

    /// Takes everything of a person's away. What is written about them goes with their rows.
    pub fn forget(&mut self, person: PersonId) {
        self.seats.remove(&person);
        let theirs: Vec<Id> =
            self.routes.values().filter(|route| route.person == Some(person)).map(|route| route.id).collect();
        for id in theirs {
            self.remove_route(id);
        }
        self.household.order.retain(|one| *one != person);
        self.live.retain(|_, (one, _)| one.person != Some(person));
        self.flying.retain(|id| self.live.contains_key(id));
        self.settled.retain(|one| one.person != Some(person));
        self.tokens.retain(|_, (_, whose, _)| *whose != person);
        for case in self.cases.values_mut() {
            case.told.remove(&person);
            case.asked.remove(&person);
            case.why.remove(&person);
            if case.answered.is_some_and(|(by, _)| by == person) {
                // That somebody knew stays; who it was does not.
                case.answered = case.answered.map(|(_, at)| (NOBODY, at));
            }
        }
    }

    /// The pieces of news that named somebody, written without them.
    pub fn cases_again(&self, now: At) -> Out {
        Out { rows: self.cases.values().map(|case| paper::of_case(case, now)).collect(), ..Out::default() }
    }

    /// Everything of a person's that is at hand, for the export.
    pub fn of(&self, person: PersonId) -> (Wishes, Vec<Route>, Vec<Line>) {
        let routes = self.ways_of(person).into_iter().cloned().collect();
        (self.wishes(person), routes, self.inbox(person).0)
    }

    /// Whether something is still to come of a letter to somebody. For the tests, which wait for it.
    #[cfg(test)]
    pub fn is_live(&self, person: PersonId) -> bool {
        self.live.values().any(|(one, _)| one.person == Some(person))
    }

    /// How much is at hand: pieces of news, letters, what is kept back, lines. For the tests of its bounds.
    pub fn weight(&self) -> (usize, usize, usize, usize) {
        let kept = self.seats.values().map(|seat| seat.kept.len()).sum();
        let lines = self.seats.values().map(|seat| seat.inbox.len()).sum();
        (self.cases.len(), self.live.len() + self.settled.len(), kept, lines)
    }
}

/// Nobody has this number.
const NOBODY: PersonId = PersonId(Id([0; 16]));
