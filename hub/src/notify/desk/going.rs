//! How letters go: handed out, taken or not, tried again, asked about; and what happens while nobody answers.

use domovoi_model::{Id, Moment, PersonId, Severity};

use super::{Desk, Dispatch, Job, MOST_SETTLED, Member, Members, Out, millis};
use crate::notify::channels::{Answer, Failed, Fate, Letter, Sent};
use crate::notify::policy::{Call, Decision, Reason, Rung, Step, next};
use crate::notify::record::{At, Delivery, HouseUse, LetterState, Off, Route};
use crate::notify::{Audience, Subject, letters, paper};

/// The first wait before another try, in milliseconds; it doubles.
const FIRST_WAIT: i64 = 5_000;
/// The same where life hangs on it.
const FIRST_WAIT_LIFE: i64 = 2_000;
/// And the longest.
const LONGEST_WAIT: i64 = 10 * 60_000;
/// The same where life hangs on it.
const LONGEST_WAIT_LIFE: i64 = 30_000;
/// A carrier is asked after so long, and then after twice as long each time.
const FIRST_QUESTION: i64 = 10_000;
/// So often.
const MOST_QUESTIONS: u32 = 10;
/// After so many tries another way is taken beside this one.
const PATIENT_TRIES: u32 = 2;

impl Desk {
    /// Hands a letter out to its channel.
    pub(super) fn hand_out(&mut self, id: Id, now: At, out: &mut Out) {
        let Some((delivery, _)) = self.live.get(&id) else { return };
        let delivery = delivery.clone();
        let Some(route) = self.routes.get(&delivery.way).filter(|route| route.off.is_none()) else {
            return self.fails(id, "the way is not used any more", now, out);
        };
        let to = route.address.clone();
        let Some(channel) = self.channel(&route.channel).cloned() else {
            return self.fails(id, "there is no such channel any more", now, out);
        };
        if let Err(why) = channel.check(&to) {
            return self.fails(id, &why, now, out);
        }
        let letter = self.letter(&delivery, now);
        if let Some((delivery, due)) = self.live.get_mut(&id) {
            delivery.tries = delivery.tries.saturating_add(1);
            *due = i64::MAX;
        }
        let life = delivery.life;
        out.jobs.push(Job::Send(Box::new(Dispatch { id, channel, to, letter, life })));
    }

    /// What is carried.
    fn letter(&mut self, delivery: &Delivery, now: At) -> Letter {
        let case = self.cases.get(&delivery.subject);
        let language = self.language_of(delivery.person);
        let (title, body) = match (&delivery.text, case) {
            (Some(text), _) => text.clone(),
            (None, Some(case)) => letters::about(&case.news, language),
            (None, None) => Default::default(),
        };
        let over = delivery.call == Call::AllClear;
        let wants_answer = case.is_some_and(|case| case.wants_answer() && !over);
        let answer = match (delivery.person, case, &self.origin) {
            (Some(person), Some(case), Some(origin)) if wants_answer => {
                let token = (self.token)(case.id, person, delivery.telling);
                self.tokens.insert(token, (delivery.subject.clone(), person, delivery.telling));
                let token = spell(&token);
                // Behind `#`: no browser sends it, no log sees it, and nothing happens until a button is pressed.
                Some(Answer { page: format!("{origin}/known#{token}"), token })
            }
            _ => None,
        };
        let link = case.and_then(|case| case.news.link.as_deref());
        let link = link.and_then(|path| Some(format!("{}{path}", self.origin.as_deref()?)));
        let left = delivery.until.0.saturating_sub(now.wall.0).clamp(1_000, i64::MAX);
        Letter {
            id: delivery.id,
            subject: delivery.subject.clone(),
            topic: delivery.topic,
            severity: delivery.severity,
            pressing: letters::pressing(
                delivery.life && !over,
                delivery.severity,
                over || case.is_some_and(|case| case.news.drill) || matches!(delivery.subject, Subject::Test(_)),
            ),
            language,
            title,
            body,
            link,
            answer,
            over,
            at: case.map_or(Moment::Wall(now.wall), |case| case.news.at),
            good_for: std::time::Duration::from_millis(u64::try_from(left).unwrap_or(1_000)),
        }
    }

    /// A channel is about to have a letter in hand; whether it is still wanted.
    pub fn departs(&mut self, id: Id) -> bool {
        let wanted = self.live.get(&id).is_some_and(|(one, _)| one.state == LetterState::Queued);
        if wanted {
            self.flying.insert(id);
        }
        wanted
    }

    /// Whether nobody needs a letter any more: somebody knows, it is over, or a later one says more.
    fn is_stale(&self, one: &Delivery) -> bool {
        let case = self.cases.get(&one.subject);
        one.call != Call::AllClear
            && case
                .is_some_and(|case| case.news.telling > one.telling || case.over.is_some() || case.answered.is_some())
    }

    /// What came of handing a letter over.
    pub fn came(&mut self, id: Id, outcome: Result<Sent, Failed>, members: &dyn Members, now: At) -> Out {
        let mut out = Out::default();
        self.note_languages(members);
        self.flying.remove(&id);
        let Some((delivery, _)) = self.live.get(&id) else { return out };
        let delivery = delivery.clone();
        match outcome {
            Err(Failed::Again { .. }) if self.is_stale(&delivery) => {
                self.moves(id, LetterState::Dropped, now, &mut out);
            }
            Ok(sent) => {
                if let Some((delivery, _)) = self.live.get_mut(&id) {
                    delivery.receipt = sent.receipt.map(|receipt| letters::clip(&receipt, 200));
                    delivery.why = None;
                }
                self.route_does(delivery.way, now, &mut out);
                self.moves(id, state_of(sent.fate), now, &mut out);
            }
            Err(Failed::Again { why, after }) => {
                let why = letters::clip(&why, 300);
                let wait = after.map_or(0, millis).max(backoff(delivery.life, delivery.tries));
                let late = now.wall.plus_millis(wait) > delivery.until;
                if late {
                    self.fails(id, &why, now, &mut out);
                    self.route_fails(delivery.way, &why, false, now, &mut out);
                    self.by_another(&delivery, members, now, &mut out);
                } else if let Some((one, due)) = self.live.get_mut(&id) {
                    one.why = Some(why.clone());
                    *due = now.tick.saturating_add(wait);
                    out.rows.push(paper::of_delivery(one, now.wall, true));
                    if delivery.tries == PATIENT_TRIES {
                        self.route_fails(delivery.way, &why, false, now, &mut out);
                        self.by_another(&delivery, members, now, &mut out);
                    }
                }
            }
            Err(Failed::Gone(why)) => {
                let why = letters::clip(&why, 300);
                self.fails(id, &why, now, &mut out);
                self.route_fails(delivery.way, &why, true, now, &mut out);
                self.by_another(&delivery, members, now, &mut out);
            }
            Err(Failed::Refused(why)) => {
                let why = letters::clip(&why, 300);
                self.fails(id, &why, now, &mut out);
                self.route_fails(delivery.way, &why, false, now, &mut out);
                self.by_another(&delivery, members, now, &mut out);
            }
        }
        out
    }

    /// What a carrier said became of a letter.
    pub fn heard(&mut self, id: Id, said: Result<Option<Fate>, Failed>, now: At) -> Out {
        let mut out = Out::default();
        let Some((delivery, _)) = self.live.get(&id) else { return out };
        let asked = delivery.asked.saturating_add(1);
        match said {
            Ok(Some(fate)) if state_of(fate) > delivery.state => self.moves(id, state_of(fate), now, &mut out),
            Ok(Some(_)) | Err(Failed::Again { .. }) if asked < MOST_QUESTIONS => {
                if let Some((delivery, due)) = self.live.get_mut(&id) {
                    delivery.asked = asked;
                    *due = now.tick.saturating_add(FIRST_QUESTION.saturating_mul(1 << asked.min(12)));
                }
            }
            Err(Failed::Gone(why) | Failed::Refused(why)) => {
                let way = delivery.way;
                self.fails(id, &letters::clip(&why, 300), now, &mut out);
                self.route_fails(way, &why, false, now, &mut out);
            }
            _ => self.settle(id, now, &mut out),
        }
        out
    }

    /// The person's own device, or the page, says that a letter, or all about a subject, was seen.
    pub fn seen_letter(&mut self, id: Id, person: PersonId, now: At) -> Out {
        let mut out = Out::default();
        let of = |one: &Delivery| one.id == id && one.person == Some(person);
        let theirs = self.live.get(&id).is_some_and(|(one, _)| of(one)) || self.settled.iter().any(of);
        if theirs {
            self.moves(id, LetterState::Seen, now, &mut out);
        }
        out
    }

    /// A letter comes to another state; never back.
    pub(super) fn moves(&mut self, id: Id, state: LetterState, now: At, out: &mut Out) {
        if let Some(delivery) = self.settled.iter_mut().find(|one| one.id == id) {
            if state > delivery.state && delivery.state.was_taken() {
                delivery.state = state;
                delivery.times.push((state, now.wall));
                out.rows.push(paper::of_delivery(delivery, now.wall, false));
            }
            return;
        }
        let Some((delivery, due)) = self.live.get_mut(&id) else { return };
        if state <= delivery.state {
            return;
        }
        delivery.state = state;
        delivery.times.push((state, now.wall));
        if state == LetterState::Sent && delivery.receipt.is_some() {
            *due = now.tick.saturating_add(FIRST_QUESTION);
            out.rows.push(paper::of_delivery(delivery, now.wall, true));
        } else {
            self.settle(id, now, out);
        }
    }

    /// Nothing more is to be done about a letter.
    fn settle(&mut self, id: Id, now: At, out: &mut Out) {
        let Some((delivery, _)) = self.live.remove(&id) else { return };
        out.rows.push(paper::of_delivery(&delivery, now.wall, false));
        self.settled.push_back(delivery);
        while self.settled.len() > MOST_SETTLED {
            self.settled.pop_front();
        }
    }

    pub(super) fn fails(&mut self, id: Id, why: &str, now: At, out: &mut Out) {
        if let Some((delivery, _)) = self.live.get_mut(&id) {
            delivery.why = Some(why.to_owned());
        }
        self.moves(id, LetterState::Failed, now, out);
    }

    /// A way did its work.
    fn route_does(&mut self, way: Id, now: At, out: &mut Out) {
        let Some(route) = self.routes.get_mut(&way) else { return };
        let failed = route.last_failure.as_ref().is_some_and(|(at, _)| route.last_ok.is_none_or(|ok| ok <= *at));
        // Each letter need not write the way anew: an hour is near enough.
        let stale = route.last_ok.is_none_or(|at| now.wall.0.saturating_sub(at.0) > 3_600_000);
        route.last_ok = Some(now.wall);
        if failed || stale {
            out.ways.push(route.clone());
        }
        if failed {
            out.standing.push((route.clone(), true));
        }
    }

    /// A way did not.
    fn route_fails(&mut self, way: Id, why: &str, gone: bool, now: At, out: &mut Out) {
        let Some(route) = self.routes.get_mut(&way) else { return };
        route.last_failure = Some((now.wall, why.to_owned()));
        if gone {
            route.off = Some(Off::Gone);
        }
        out.ways.push(route.clone());
        out.standing.push((route.clone(), false));
    }

    /// Whoever could not be told by one way is told by another, if nothing has reached them yet.
    fn by_another(&mut self, failed: &Delivery, members: &dyn Members, now: At, out: &mut Out) {
        let Some(person) = failed.person else { return };
        if matches!(failed.subject, Subject::Test(_)) {
            return;
        }
        let same = |one: &Delivery| {
            one.subject == failed.subject
                && one.telling == failed.telling
                && one.person == Some(person)
                && one.call == failed.call
        };
        let others: Vec<&Delivery> =
            self.live.values().map(|(one, _)| one).chain(&self.settled).filter(|one| same(one)).collect();
        let reached = others.iter().any(|one| one.state.was_taken());
        let under_way =
            others.iter().any(|one| one.state == LetterState::Queued && one.id != failed.id && one.tries < 2);
        if reached || under_way {
            return;
        }
        let used: Vec<Id> = others.iter().map(|one| one.way).collect();
        let (life, text) = (failed.life, failed.text.clone());
        let fits =
            |route: &&Route| route.off.is_none() && !used.contains(&route.id) && self.has_room(route.id, life, now);
        let usable = self.ways_of(person).into_iter().filter(fits);
        let costs = |channel: &str| self.channel(channel).is_none_or(|channel| channel.costs());
        // What costs money is for what is severe at least.
        let affordable = |channel: &str| life || failed.severity >= Severity::Severe || !costs(channel);
        let Some(way) = usable.filter(|route| affordable(&route.channel)).map(|route| route.id).next() else { return };
        if let Some(case) = self.cases.get(&failed.subject) {
            let about = members.about(&case.news);
            if let Some(member) = about.iter().find(|member| member.id == person) {
                let decision = Decision { now: vec![way], inbox: true, why: vec![Reason::OtherWay], later: None };
                self.remember(&failed.subject, member, failed.call, &decision, now, out);
            }
            self.write_to(&failed.subject, Some(person), way, failed.call, text, now, out);
            self.with_case(&failed.subject, |case| {
                case.told.entry(person).or_default().insert(way);
            });
            self.write_case(&failed.subject, now, out);
        } else if let Some(route) = self.routes.get(&way) {
            // A digest is no piece of news of its own.
            let delivery = Delivery {
                id: (self.new_id)(now.wall),
                way,
                channel: route.channel.clone(),
                state: LetterState::Queued,
                times: vec![(LetterState::Queued, now.wall)],
                why: None,
                receipt: None,
                tries: 0,
                asked: 0,
                ..failed.clone()
            };
            self.enter(delivery, now, out);
        }
    }

    /// What is due: letters to be tried again, carriers to be asked, people to be told again, what was kept back.
    pub fn due(&mut self, members: &dyn Members, now: At) -> Out {
        let mut out = Out::default();
        self.note_languages(members);
        let due: Vec<Id> = self.live.iter().filter(|(_, (_, due))| *due <= now.tick).map(|(id, _)| *id).collect();
        for id in due {
            self.letter_is_due(id, now, &mut out);
        }
        // Before anything is told again: what nobody has heard of yet goes first where there is room for one.
        self.tell_kept(members, now, &mut out);
        let climbing: Vec<Subject> =
            self.cases.values().filter(|case| case.climbs()).map(|case| case.news.subject.clone()).collect();
        for subject in climbing {
            // A step may be followed by another at once: the next of the order may want to sleep.
            for _ in 0..8 {
                if !self.climb(&subject, members, now, &mut out) {
                    break;
                }
            }
        }
        out
    }

    /// When something is due next, as far as that is known; what is kept back is looked at by the second.
    pub fn next_due(&self) -> Option<i64> {
        let letters = self.live.values().map(|(_, due)| *due).min();
        let steps =
            self.cases.values().filter(|case| case.climbs()).map(|case| next(&rung(self, case), &self.section).0);
        letters.into_iter().chain(steps.min()).min().filter(|due| *due < i64::MAX)
    }

    /// Whether something is kept back.
    pub fn keeps_back(&self) -> bool {
        self.seats.values().any(|seat| !seat.kept.is_empty())
    }

    fn letter_is_due(&mut self, id: Id, now: At, out: &mut Out) {
        let Some((delivery, _)) = self.live.get(&id) else { return };
        let delivery = delivery.clone();
        if delivery.state == LetterState::Queued {
            if now.trusted && now.wall > delivery.until {
                let why = delivery.why.unwrap_or_else(|| "nobody wants it any more".to_owned());
                return self.fails(id, &why, now, out);
            }
            return self.hand_out(id, now, out);
        }
        let route = self.routes.get(&delivery.way);
        let channel = self.channel(&delivery.channel).cloned();
        match (route, channel, delivery.receipt) {
            (Some(route), Some(channel), Some(receipt)) if delivery.asked < MOST_QUESTIONS => {
                let to = route.address.clone();
                if let Some((_, due)) = self.live.get_mut(&id) {
                    *due = i64::MAX;
                }
                out.jobs.push(Job::Ask { id, channel, to, receipt });
            }
            _ => self.settle(id, now, out),
        }
    }

    /// Takes the next step of an unanswered piece of news, if it is due. Whether it took one.
    fn climb(&mut self, subject: &Subject, members: &dyn Members, now: At, out: &mut Out) -> bool {
        let Some(case) = self.cases.get(subject).filter(|case| case.climbs()) else { return false };
        let (due, step) = next(&rung(self, case), &self.section);
        if due > now.tick {
            return false;
        }
        let news = case.news.clone();
        let (meant, _) = self.meant(&news, members);
        let told: Vec<PersonId> = case.told.keys().copied().collect();
        match step {
            Step::NextPerson => {
                let asked = case.asked.clone();
                let next = self.household.order.iter().copied().find(|id| !asked.contains(id));
                let member = next.and_then(|id| meant.iter().find(|member| member.id == id)).cloned();
                let heard = member.is_some_and(|member| {
                    self.tell_one(subject, &member, Call::First, &[Reason::YourTurn], now, out);
                    self.cases.get(subject).is_some_and(|case| case.told.contains_key(&member.id))
                });
                self.with_case(subject, |case| {
                    case.asked.extend(next);
                    // Whoever cannot hear it now is not waited for.
                    if heard {
                        case.widened = now.tick;
                    }
                });
            }
            Step::Everybody => {
                for member in meant.iter().filter(|member| !told.contains(&member.id)) {
                    self.tell_one(subject, member, Call::First, &[Reason::Everybody], now, out);
                }
                self.with_case(subject, |case| {
                    case.everybody = true;
                    case.widened = now.tick;
                });
            }
            Step::House => {
                self.house_speaks(subject, now, out);
                self.with_case(subject, |case| case.house = true);
            }
            Step::Costs => {
                for member in of(&meant, &told) {
                    self.tell_one(subject, member, Call::Costly, &[], now, out);
                }
                self.with_case(subject, |case| case.costs = true);
            }
            Step::Again => {
                for member in of(&meant, &told) {
                    self.tell_one(subject, member, Call::Again, &[Reason::Again], now, out);
                }
                self.with_case(subject, |case| {
                    case.told_at = now.tick;
                    case.again = case.again.saturating_add(1);
                });
            }
            Step::GiveUp => self.with_case(subject, |case| case.quiet = true),
        }
        self.write_case(subject, now, out);
        true
    }

    /// The house's own means: what is only for the end, and what speaks. At night only for life; never for an exercise.
    fn house_speaks(&mut self, subject: &Subject, now: At, out: &mut Out) {
        let Some(case) = self.cases.get(subject) else { return };
        let for_all = matches!(case.news.audience, Audience::Household);
        let loud = case.is_life() || (case.news.severity >= Severity::Severe && !self.house_is_quiet(now));
        if !for_all || !loud {
            return;
        }
        let ways: Vec<Id> =
            self.house_routes().filter(|(_, used)| *used != HouseUse::Silent).map(|(id, _)| id).collect();
        for way in ways {
            self.write_to(subject, None, way, Call::Again, None, now, out);
            self.with_case(subject, |case| {
                case.house_ways.insert(way);
            });
        }
    }
}

fn of<'a>(meant: &'a [Member], told: &'a [PersonId]) -> impl Iterator<Item = &'a Member> {
    meant.iter().filter(|member| told.contains(&member.id))
}

/// How an unanswered piece of news stands.
fn rung(desk: &Desk, case: &crate::notify::record::Case) -> Rung {
    Rung {
        life: case.is_life(),
        severity: case.news.severity,
        began: case.began,
        told: case.told_at,
        again: case.again,
        widened: case.widened,
        left: desk.household.order.iter().filter(|id| !case.asked.contains(id)).count(),
        everybody: case.everybody,
        house: case.house,
        costs: case.costs,
    }
}

fn state_of(fate: Fate) -> LetterState {
    match fate {
        Fate::Sent => LetterState::Sent,
        Fate::Delivered => LetterState::Delivered,
        Fate::Seen => LetterState::Seen,
    }
}

fn backoff(life: bool, tries: u32) -> i64 {
    let (first, longest) = if life { (FIRST_WAIT_LIFE, LONGEST_WAIT_LIFE) } else { (FIRST_WAIT, LONGEST_WAIT) };
    first.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(longest)
}

/// Base64 for addresses, without padding: 22 letters.
pub fn spell(token: &[u8; 16]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(token)
}
