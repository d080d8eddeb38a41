//! Before a secret is compared: whose it would be, whether it is anybody's turn, and how many were wrong before. A login
//! that does not exist passes the same counters as one that does.

use domovoi_model::PersonId;

use super::acquaintance::Lane;
use super::throttle::{Key, Line, Pace, at_home, neighbourhood};
use super::view::SessionView;
use super::{Result, SignIn, SignInError, locked};
use crate::audit::{Actor, Origin, Outcome};
use crate::people::Person;

/// Whom a login names, or nobody.
pub(super) struct Account {
    pub person: Option<Person>,
    key: Key,
}

/// A try that was let in to be judged.
pub(super) struct Admission {
    lane: Lane,
    known: bool,
    /// Counted; a right answer takes them back.
    lines: Vec<Line>,
    /// Whatever it says, it is wrong: too many were before it.
    pub closed: bool,
}

impl SignIn {
    /// Whom a typed login names.
    pub(super) fn account(&self, login: &str) -> Account {
        match self.0.people.by_login(login) {
            Some(person) => self.account_of(person),
            None => Account { key: self.key("signin.login", &[spelling(login).as_bytes()]), person: None },
        }
    }

    pub(super) fn account_of(&self, person: Person) -> Account {
        Account { key: self.key("signin.person", &[&person.id.0.0]), person: Some(person) }
    }

    /// Lets a try in to be judged, and counts it. An error is the wait; it is the same for a login that does not exist.
    pub(super) async fn admit(&self, lane: Lane, account: &Account, from: &Origin) -> Result<Admission> {
        let person = account.person.as_ref().map(|person| person.id);
        let known = person.is_some_and(|person| self.is_known(person, from));
        let lines = self.lines(lane, account.key, known, from);
        let mut all = lines.clone();
        if !known {
            all.push(self.line("address", &[&neighbourhood(from.address)], Pace::ADDRESS));
        }
        let gate = (!known).then(|| at_home(from.address));
        let taken = locked(&self.0.throttle).take(self.0.clock.since_boot_millis(), &all, gate);
        if let Err(seconds) = taken {
            self.tell_refused(lane.code(), person, from, "throttled").await;
            return Err(SignInError::Throttled(seconds));
        }
        let Some(person) = person else { return Ok(Admission { lane, known, lines, closed: false }) };
        let counted = locked(&self.0.acquaintances).entry(person).or_default().count(lane, known);
        if counted.write {
            self.write_acquaintance(person).await?;
        }
        if counted.last {
            self.under_attack(person).await;
        }
        Ok(Admission { lane, known, lines, closed: counted.closed })
    }

    /// It was right. What strangers tried meanwhile stays counted until the person is in (`meet`).
    pub(super) async fn was_right(&self, admission: &Admission, person: PersonId) -> Result<()> {
        locked(&self.0.throttle).forget(&admission.lines);
        let forgotten =
            admission.known && locked(&self.0.acquaintances).entry(person).or_default().known_was_right(admission.lane);
        if forgotten { self.write_acquaintance(person).await } else { Ok(()) }
    }

    /// It was wrong: the journal hears of it, without what was typed. A login that is nobody's is not written down
    /// either: people type passwords into the wrong field.
    pub(super) async fn was_wrong(&self, lane: &str, person: Option<PersonId>, from: &Origin) -> SignInError {
        self.tell_refused(lane, person, from, "wrong").await;
        SignInError::Wrong
    }

    pub(super) async fn tell_refused(&self, how: &str, person: Option<PersonId>, from: &Origin, why: &str) {
        let refused = Outcome::Refused(why.to_owned());
        self.tell_more("session.opened", Actor::Nobody, person, from, refused, &[("how", how)]).await;
    }

    /// The person is in: wrong tries in a row begin anew, tablets take the PIN again, and the device is remembered. One
    /// whose like was never seen is told to the person.
    pub(super) async fn meet(&self, person: &Person, session: &SessionView, from: &Origin) {
        let (exact, near) = self.device_keys(person.id, from);
        let account = self.account_of(person.clone());
        {
            let mut throttle = locked(&self.0.throttle);
            for lane in [Lane::Password, Lane::Second, Lane::Code] {
                for known in [false, true] {
                    throttle.forget(&self.lines(lane, account.key, known, from));
                }
            }
        }
        let (changed, is_new) = {
            let mut all = locked(&self.0.acquaintances);
            let acquaintance = all.entry(person.id).or_default();
            let first = acquaintance.is_new();
            let forgiven = acquaintance.came_in();
            let unlocked = acquaintance.unlock_tablets();
            let met = acquaintance.meet(exact, near);
            (forgiven || unlocked || met.is_some(), met == Some(true) && !first)
        };
        if changed && let Err(error) = self.write_acquaintance(person.id).await {
            // The person is in already; what is lost is a device's name in a list of friends.
            tracing::warn!("a device could not be remembered: {error}");
        }
        self.attack_is_over(person.id).await;
        if is_new {
            let actor = Actor::Person(person.id);
            self.tell("device.new", actor, Some(person.id), from, Outcome::Done).await;
            self.news(person, super::news::News::NewDevice { name: session.name.clone() }, from);
        }
    }

    /// One counter outside the sign-in proper.
    pub(super) fn take_one(&self, line: Line) -> Result<()> {
        let now = self.0.clock.since_boot_millis();
        locked(&self.0.throttle).take(now, &[line], None).map_err(SignInError::Throttled)
    }

    /// Likewise several, by a stranger or not.
    pub(super) fn take_some(&self, lines: &[Line], gate: Option<bool>) -> Result<()> {
        let now = self.0.clock.since_boot_millis();
        locked(&self.0.throttle).take(now, lines, gate).map_err(SignInError::Throttled)
    }

    pub(super) fn line(&self, what: &str, parts: &[&[u8]], pace: Pace) -> Line {
        let mut all = vec![what.as_bytes()];
        all.extend_from_slice(parts);
        Line { key: self.key("signin.line", &all), pace }
    }

    /// The counter of codes that are sent to one login.
    pub(super) fn sending_line(&self, account: &Account, from: &Origin) -> Line {
        let known = account.person.as_ref().is_some_and(|person| self.is_known(person.id, from));
        match known {
            true => self.line("sent-known", &[&account.key, &self.device(from)], Pace::SENT_KNOWN),
            false => self.line("sent", &[&account.key], Pace::SENT),
        }
    }

    fn lines(&self, lane: Lane, account: Key, known: bool, from: &Origin) -> Vec<Line> {
        let lane = lane.code().as_bytes();
        if known {
            return vec![self.line("known", &[lane, &account, &self.device(from)], Pace::KNOWN)];
        }
        // Those at home and those outside are counted apart: a storm from outside leaves the home's own doors open.
        let side: &[u8] = if at_home(from.address) { b"home" } else { b"outside" };
        let place = neighbourhood(from.address);
        vec![
            self.line("pair", &[lane, &account, &place], Pace::STRANGER),
            self.line("login", &[lane, &account, side], Pace::LOGIN),
        ]
    }

    fn is_known(&self, person: PersonId, from: &Origin) -> bool {
        let (exact, _) = self.device_keys(person, from);
        locked(&self.0.acquaintances).get(&person).is_some_and(|acquaintance| acquaintance.knows(exact))
    }

    /// The device as it presents itself from where it is: its own words and its address. Words alone anybody can say;
    /// from the same address only those can who share the connection.
    fn device(&self, from: &Origin) -> Key {
        let words = from.device.as_deref().unwrap_or_default();
        self.key("signin.device", &[words.as_bytes(), &neighbourhood(from.address)])
    }

    fn device_keys(&self, person: PersonId, from: &Origin) -> (Key, Key) {
        let words = from.device.as_deref().unwrap_or_default();
        let mut near = neighbourhood(from.address);
        // An IPv4 /24, an IPv6 /48: the network of a home or of a mobile operator's gateway.
        match near {
            [4, _, _, _, ref mut last @ ..] => last.fill(0),
            [_, _, _, _, _, _, _, ref mut last @ ..] => last.fill(0),
        }
        let exact = self.key("signin.exact", &[&person.0.0, &self.device(from)]);
        let near = self.key("signin.near", &[&person.0.0, words.as_bytes(), &near]);
        (exact, near)
    }
}

/// Spellings of a login that is nobody's, made into one as far as it matters for counting.
fn spelling(login: &str) -> String {
    let bare: String = login.chars().take(300).filter(|c| c.is_alphanumeric() || *c == '@').collect();
    let bare = bare.to_lowercase();
    let digits = bare.bytes().all(|byte| byte.is_ascii_digit());
    match bare.len().checked_sub(10).filter(|_| digits) {
        Some(start) => bare.get(start..).unwrap_or_default().to_owned(),
        None => bare,
    }
}
