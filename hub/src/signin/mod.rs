//! Signing in: who is let in, for how long, and how they prove it. It knows factors and sessions and lets the policy
//! judge what a person may then do. Every wrong answer looks the same from outside and costs the same work.
//!
//! Each file is one flow and adds its own functions to [`SignIn`]; here is what they share.

mod acquaintance;
mod begun;
mod enrolment;
mod entry;
pub mod factors;
mod guard;
mod issued;
mod kept;
mod news;
mod pairing;
mod session;
mod sessions;
mod setup;
mod steps;
mod term;
#[cfg(test)]
mod tests;
mod throttle;
mod view;
mod why;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domovoi_config::Language;
use domovoi_model::PersonId;
use domovoi_store::{Store, StoreError};
use domovoi_vault::Secret;

use self::acquaintance::Acquaintances;
use self::begun::Steps;
use self::factors::passkey::{PasskeyError, Passkeys};
use self::factors::password::{HashError, Hasher};
use self::issued::Issued;
use self::pairing::Pairings;
use self::session::Moments;
use self::sessions::Sessions;
use self::throttle::{Key, Throttle};
use self::why::Why;
use crate::audit::{Actor, Change, Entry, Journal, Origin, Outcome};
use crate::clock::Clock;
use crate::courier::Courier;
use crate::people::{People, Person};
use crate::policy::{Assurance, Network, Role, Subject, Who};

pub use view::{
    Answer, CertificateView, FactorKind, FactorView, IssuedToken, Opened, Pairing, PairingKind, PairingState, Policy,
    SessionView, Step, TokenView, TotpOffer, Unmet,
};

/// Why not. What a stranger is told never depends on whether the login exists.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The login, password, code, PIN or passkey is wrong, or was used already.
    #[error("that is not right: check the login and the password or code")]
    Wrong,
    /// Too many tries; this many seconds to wait.
    #[error("too many tries: wait {0} s")]
    Throttled(u64),
    /// The step was begun too long ago, or never.
    #[error("this took too long: begin again")]
    Expired,
    /// The chosen password or PIN is too weak; every unmet rule.
    #[error("the password does not meet {} rule(s)", .0.len())]
    Weak(Vec<Unmet>),
    /// Not possible here and now; the sentence says why and what to do.
    #[error("{0}")]
    Refused(String),
    /// There is no such session, factor, token, pairing.
    #[error("there is no such {0}")]
    NoSuch(&'static str),
    /// The people's room refused.
    #[error(transparent)]
    People(#[from] crate::people::PeopleError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SignInError {
    /// Its code in the journal and in the locale files (`signin-<code>`).
    pub fn code(&self) -> &'static str {
        match self {
            SignInError::Wrong => "wrong",
            SignInError::Throttled(_) => "throttled",
            SignInError::Expired => "expired",
            SignInError::Weak(_) => "weak",
            SignInError::Refused(_) => "refused",
            SignInError::NoSuch(_) => "no-such",
            SignInError::People(_) => "people",
            SignInError::Store(_) => "store",
        }
    }
}

impl From<HashError> for SignInError {
    fn from(error: HashError) -> Self {
        match error {
            // A storm is on; the next free moment is seconds away.
            HashError::Busy => SignInError::Throttled(3),
            HashError::Failed(why) => SignInError::Refused(why),
        }
    }
}

impl From<domovoi_vault::RandomError> for SignInError {
    fn from(error: domovoi_vault::RandomError) -> Self {
        SignInError::Refused(error.to_string())
    }
}

type Result<T> = std::result::Result<T, SignInError>;

/// The sign-in room. Clones are the same room.
#[derive(Clone)]
pub struct SignIn(Arc<Room>);

struct Room {
    store: Store,
    clock: Clock,
    people: People,
    journal: Journal,
    courier: Courier,
    policy: Policy,
    hasher: Hasher,
    passkeys: std::result::Result<Passkeys, PasskeyError>,
    language: OnceLock<Language>,
    sessions: Mutex<Sessions>,
    issued: Mutex<Issued>,
    throttle: Mutex<Throttle>,
    acquaintances: Mutex<Acquaintances>,
    steps: Mutex<Steps>,
    pairings: Mutex<Pairings>,
    /// People of whom the household was told that strangers guess at their secrets.
    attacked: Mutex<HashSet<PersonId>>,
    /// An owner can come in. Whoever holds the machine sets up the first one; nobody else ever.
    owned: AtomicBool,
    /// One writer of sessions at a time: a late note of the last use must not bring an ended session back.
    writing: tokio::sync::Mutex<()>,
    /// One writer of factors, set-up and links at a time: a code is used once, an owner is set up once.
    changing: tokio::sync::Mutex<()>,
}

impl SignIn {
    /// Opens the room.
    pub async fn open(
        store: Store,
        clock: Clock,
        people: People,
        journal: Journal,
        courier: Courier,
        policy: Policy,
    ) -> Result<Self> {
        let (sessions, acquaintances) = sessions::load(&store).await?;
        let passkeys = Passkeys::new(&policy);
        if let Err(error) = &passkeys {
            tracing::warn!("nobody can use a passkey here: {error}");
        }
        let room = SignIn(Arc::new(Room {
            hasher: Hasher::new(store.passwords()),
            passkeys,
            language: OnceLock::new(),
            sessions: Mutex::new(sessions),
            issued: Mutex::new(issued::load(&store).await?),
            throttle: Mutex::new(Throttle::new()),
            acquaintances: Mutex::new(acquaintances),
            steps: Mutex::new(Steps::default()),
            pairings: Mutex::new(Pairings::default()),
            attacked: Mutex::new(HashSet::new()),
            owned: AtomicBool::new(false),
            writing: tokio::sync::Mutex::new(()),
            changing: tokio::sync::Mutex::new(()),
            store,
            clock,
            people,
            journal,
            courier,
            policy,
        }));
        room.look_for_an_owner().await;
        // Nobody is let in for either: what is over is over wherever it is looked at.
        for swept in [room.look_for_attacks().await, room.sweep_sessions().await] {
            if let Err(error) = swept {
                tracing::error!("what is left of former sessions stays: {error}");
            }
        }
        Ok(room)
    }

    /// Whether nobody owns the home yet: no owner could come in. One whom a power cut left half-made does not count.
    pub fn needs_owner(&self) -> bool {
        !self.0.owned.load(Ordering::SeqCst)
    }

    /// How often Argon2id was evaluated so far, for those who want to see that a guess costs the same either way.
    pub fn evaluations(&self) -> u64 {
        self.0.hasher.evaluations()
    }

    fn now(&self) -> Moments {
        Moments::of(&self.0.clock)
    }

    /// A key for a table in memory or a secret to be found by: nobody else can compute it.
    fn key(&self, what: &str, parts: &[&[u8]]) -> Key {
        self.0.store.papers().id_of(what, parts).0
    }

    fn person(&self, id: PersonId) -> Result<Person> {
        self.0.people.get(id).ok_or(SignInError::NoSuch("person"))
    }

    /// Whether a person may be in at all now. A guest's time counts as over while nobody knows the time.
    fn is_welcome(&self, person: &Person) -> bool {
        let over = match self.0.clock.trusted() {
            Some(now) => People::is_over(person, now),
            None => person.until.is_some(),
        };
        !person.locked && !over
    }

    fn who(&self, person: &Person, network: Network, assurance: Assurance) -> Who {
        Who {
            subject: Subject::Person(person.id),
            role: Some(person.role),
            grants: self.0.people.grants(person.id),
            network,
            assurance,
            proved_at: None,
            scopes: None,
            until: person.until,
            locked: person.locked,
        }
    }

    /// Writes what only this room knows. Secrets never get here: changes name kinds and ids.
    async fn tell(&self, deed: &str, actor: Actor, about: Option<PersonId>, from: &Origin, outcome: Outcome) {
        self.tell_more(deed, actor, about, from, outcome, &[]).await;
    }

    async fn tell_more(
        &self,
        deed: &str,
        actor: Actor,
        about: Option<PersonId>,
        from: &Origin,
        outcome: Outcome,
        facts: &[(&str, &str)],
    ) {
        let fact = |(field, after): &(&str, &str)| Change {
            field: (*field).to_owned(),
            before: None,
            after: Some((*after).to_owned()),
            // What somebody called a thing of theirs goes with them.
            of: about.filter(|_| *field == "name"),
        };
        let entry = Entry {
            actor,
            origin: from.clone(),
            deed: deed.to_owned(),
            object: about.map(|person| ("person".to_owned(), Some(person.to_string()))),
            outcome,
            changes: facts.iter().map(fact).collect(),
        };
        self.0.journal.note(entry).await;
    }

    /// What does not open may be the owner's: a damaged row must not give the home to who comes next.
    async fn look_for_an_owner(&self) {
        let mut owned = self.0.people.damaged() > 0;
        for person in self.0.people.list().iter().filter(|person| person.role == Role::Owner) {
            owned = owned
                || self.can_come_in(person.id).await.unwrap_or_else(|error| {
                    tracing::error!("how an owner signs in cannot be read: {error}");
                    true
                });
        }
        self.0.owned.fetch_or(owned, Ordering::SeqCst);
    }
}

/// What is behind a lock that some panic poisoned is as good as it was: each change here is one assignment.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// 256 bits that nobody can guess, for addresses, cookies and headers.
fn new_secret() -> Result<Secret<String>> {
    let bytes = Secret::new(domovoi_vault::random::<32>()?);
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes.expose())))
}

/// What could be one of [`new_secret`]'s: nothing longer is hashed.
fn could_be_secret(text: &str) -> bool {
    (16..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// A name that a person gives to a thing of theirs: one line, 1 to 100 characters.
fn label(text: &str) -> Result<String> {
    let text = text.trim();
    let fits = (1..=100).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned()).ok_or_else(|| Why::Label.into())
}
