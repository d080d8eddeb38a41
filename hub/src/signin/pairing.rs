//! Pairing: a new phone or a tablet shows a QR code, a signed-in person approves it. The code in the picture names the
//! pairing and nothing else; what opens the session is a secret of 256 bits that never leaves the new device.
//!
//! In memory only: a restart ends what is under way.

use domovoi_model::{PersonId, Timestamp};
use domovoi_vault::Secret;

use super::session::Shown;
use super::throttle::{Key, Pace, at_home, neighbourhood};
use super::view::{Pairing, PairingKind, PairingState};
use super::{Result, SignIn, SignInError, Why, could_be_secret, label, locked, new_secret};
use crate::audit::{Actor, Origin, Outcome};

const LIFE_MILLIS: i64 = 5 * 60_000;
const OPEN_MAX: usize = 20;
/// From one address, so that one neighbour does not take all of them.
const FROM_ONE: usize = 3;
/// Without those that are read or typed for one another: 0 O, 1 I L, 2 Z, 5 S, 8 B, U V.
const SYMBOLS: &[u8; 24] = b"34679ACDEFGHJKMNPQRTVWXY";
const CODE_LENGTH: usize = 8;

enum Verdict {
    Waiting,
    Approved { by: PersonId, epoch: u32, name: String },
    Refused,
}

struct Held {
    code: String,
    secret: Key,
    kind: PairingKind,
    from: Origin,
    ends_run: i64,
    verdict: Verdict,
}

/// Those under way.
#[derive(Default)]
pub(super) struct Pairings(Vec<Held>);

impl SignIn {
    /// Begins a pairing on the new device.
    pub async fn pair(&self, kind: PairingKind, from: &Origin) -> Result<Pairing> {
        let place = neighbourhood(from.address);
        self.take_one(self.line("pairing", &[&place], Pace::PAIRING))?;
        let (code, secret) = (new_code()?, new_secret()?);
        let now = self.now();
        let held = Held {
            code: code.clone(),
            secret: self.pairing_key(secret.expose()),
            kind,
            from: from.clone(),
            ends_run: now.run.saturating_add(LIFE_MILLIS),
            verdict: Verdict::Waiting,
        };
        let mut pairings = locked(&self.0.pairings);
        pairings.0.retain(|held| held.ends_run > now.run);
        let of_place = pairings.0.iter().filter(|held| neighbourhood(held.from.address) == place).count();
        if of_place >= FROM_ONE {
            // Whoever reloads the page wants the new code, not the old one.
            if let Some(oldest) = pairings.0.iter().position(|held| neighbourhood(held.from.address) == place) {
                pairings.0.remove(oldest);
            }
        }
        if pairings.0.len() >= OPEN_MAX && at_home(from.address) {
            // Strangers outside do not keep the home from pairing a phone.
            if let Some(outside) = pairings.0.iter().position(|held| !at_home(held.from.address)) {
                pairings.0.remove(outside);
            }
        }
        if pairings.0.len() >= OPEN_MAX || pairings.0.iter().any(|held| held.code == code) {
            return Err(Why::TooManyPairings.into());
        }
        let view = view(&held, secret, now.wall.plus_millis(LIFE_MILLIS));
        pairings.0.push(held);
        Ok(view)
    }

    /// What is being approved, for the person who scanned the code.
    pub async fn pairing(&self, code: &str) -> Result<Pairing> {
        let now = self.now();
        let found = {
            let pairings = locked(&self.0.pairings);
            let held = pairings.0.iter().find(|held| is_open(held, code, now.run));
            held.map(|held| view(held, Secret::new(String::new()), now.wall.plus_millis(held.ends_run - now.run)))
        };
        match found {
            Some(pairing) => Ok(pairing),
            None => {
                // Of 110 thousand millions twenty are open: still, nobody tries them all.
                self.take_one(self.line("pairing-code", &[], Pace::PAIRING))?;
                Err(SignInError::NoSuch("pairing"))
            }
        }
    }

    /// A person approves, and names the device; it is theirs then (a phone) or the home's (a tablet).
    pub async fn approve_pairing(&self, code: &str, person: PersonId, name: &str) -> Result<()> {
        let person = self.person(person)?;
        let name = label(name)?;
        self.pairing(code).await?;
        self.decide_pairing(code, Verdict::Approved { by: person.id, epoch: person.epoch, name })?;
        Ok(())
    }

    /// A person says no.
    pub async fn refuse_pairing(&self, code: &str) -> Result<()> {
        self.pairing(code).await?;
        self.decide_pairing(code, Verdict::Refused).map(|_| ())
    }

    /// The new device asks whether it was approved, with the secret that only it has. The answer is given once.
    pub async fn pairing_state(&self, secret: &str, from: &Origin) -> Result<PairingState> {
        if !could_be_secret(secret) {
            return Err(SignInError::NoSuch("pairing"));
        }
        let (key, now) = (self.pairing_key(secret), self.now());
        let held = {
            let mut pairings = locked(&self.0.pairings);
            let place = pairings.0.iter().position(|held| held.secret == key);
            let Some(place) = place else { return Ok(PairingState::Over) };
            let waits = pairings
                .0
                .get(place)
                .is_some_and(|held| matches!(held.verdict, Verdict::Waiting) && held.ends_run > now.run);
            if waits {
                return Ok(PairingState::Waiting);
            }
            pairings.0.remove(place)
        };
        let Verdict::Approved { by, epoch, name } = held.verdict else { return Ok(PairingState::Over) };
        // Approved by somebody who may not any more, or picked up too late.
        let person = self.0.people.get(by).filter(|person| person.epoch == epoch && self.is_welcome(person));
        let Some(person) = person.filter(|_| held.ends_run > now.run) else { return Ok(PairingState::Over) };
        let opened = match held.kind {
            PairingKind::Phone => {
                let mut opened = self.open_session(&person, &[Shown::Paired], from).await?;
                self.name_session(person.id, &opened.session.id, &name).await?;
                opened.session.name = name;
                opened
            }
            PairingKind::Tablet => {
                let opened = self.new_session(None, &[], from, Some(name.clone())).await?;
                let (actor, facts) = (Actor::Person(person.id), [("name", name.as_str())]);
                self.tell_more("tablet.paired", actor, None, from, Outcome::Done, &facts).await;
                opened
            }
        };
        Ok(PairingState::Approved(opened))
    }

    fn decide_pairing(&self, code: &str, verdict: Verdict) -> Result<Origin> {
        let now = self.0.clock.since_boot_millis();
        let mut pairings = locked(&self.0.pairings);
        let held = pairings.0.iter_mut().find(|held| is_open(held, code, now));
        let held = held.ok_or(SignInError::NoSuch("pairing"))?;
        held.verdict = verdict;
        Ok(held.from.clone())
    }

    fn pairing_key(&self, secret: &str) -> Key {
        self.key("signin.pairing", &[secret.as_bytes()])
    }
}

/// Still to be decided. Once it was, nobody can decide otherwise.
fn is_open(held: &Held, code: &str, now_run: i64) -> bool {
    held.ends_run > now_run && matches!(held.verdict, Verdict::Waiting) && held.code == typed(code)
}

/// As it was typed: in any case, in groups.
fn typed(code: &str) -> String {
    code.chars().take(32).filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}

fn view(held: &Held, secret: Secret<String>, ends_at: Timestamp) -> Pairing {
    Pairing {
        code: held.code.clone(),
        secret,
        kind: held.kind,
        device: held.from.device.clone().unwrap_or_default(),
        address: held.from.address,
        ends_at,
    }
}

fn new_code() -> Result<String> {
    let mut code = String::with_capacity(CODE_LENGTH);
    while code.len() < CODE_LENGTH {
        for byte in domovoi_vault::random::<16>()? {
            // 240 is 10 * 24: what lies above would make some symbols likelier.
            let symbol = SYMBOLS.get(usize::from(byte) % SYMBOLS.len()).filter(|_| byte < 240);
            if let Some(symbol) = symbol.filter(|_| code.len() < CODE_LENGTH) {
                code.push(char::from(*symbol));
            }
        }
    }
    Ok(code)
}
