//! The sign-in room against a real store, with a clock that is turned by hand. Here: the home that the tests live in.

mod attacks;
mod flows;
mod restarts;
mod things;

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domovoi_model::{Id, PersonId, Timestamp};
use domovoi_store::Store;
use domovoi_vault::{MasterKey, Secret};
use futures_util::future::BoxFuture;
use serde_json::Value;

use super::factors::soft_authenticator::SoftKey;
use super::*;
use crate::audit::{Query, Record, Road};
use crate::courier::{Channel, Message, Undelivered};
use crate::people::{Contact, ContactKind, NewPerson, Profile};

pub const NOW: i64 = 1_800_000_000_000;
pub const SECOND: i64 = 1_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const DAY: i64 = 24 * 60 * MINUTE;
pub const ORIGIN: &str = "https://domovoi.local:8443";

pub const PASSWORD: &str = "сирень, насос и тридцать облаков";
pub const OTHER_PASSWORD: &str = "лестница ведёт к тихому маяку";

/// Keeps what is sent.
#[derive(Clone, Default)]
pub struct Mailbox(Arc<Mutex<Vec<(String, Message)>>>);

impl Channel for Mailbox {
    fn name(&self) -> &'static str {
        "mailbox"
    }

    fn reaches(&self, kind: ContactKind) -> bool {
        kind == ContactKind::Email
    }

    fn deliver<'a>(
        &'a self,
        to: &'a Contact,
        message: &'a Message,
    ) -> BoxFuture<'a, std::result::Result<(), Undelivered>> {
        Box::pin(async move {
            self.0.lock().unwrap().push((to.value.clone(), message.clone()));
            Ok(())
        })
    }
}

impl Mailbox {
    /// Everything that is under way has been delivered: background work runs while this yields.
    pub async fn all(&self, at_least: usize) -> Vec<(String, Message)> {
        for _ in 0..100_000 {
            if self.0.lock().unwrap().len() >= at_least {
                break;
            }
            tokio::task::yield_now().await;
        }
        self.0.lock().unwrap().clone()
    }
}

pub struct Home {
    pub room: SignIn,
    pub people: People,
    pub journal: Journal,
    pub clock: Clock,
    pub mail: Mailbox,
    pub store: Store,
    master: MasterKey,
    folder: tempfile::TempDir,
}

impl Home {
    pub async fn new() -> Home {
        Self::at(Timestamp(NOW)).await
    }

    pub async fn at(at: Timestamp) -> Home {
        let folder = tempfile::tempdir().unwrap();
        let master = MasterKey::generate().unwrap();
        Self::open(folder, master, Clock::by_hand(Id([7; 16]), at), Mailbox::default()).await
    }

    async fn open(folder: tempfile::TempDir, master: MasterKey, clock: Clock, mail: Mailbox) -> Home {
        let settings = domovoi_store::Settings::new(folder.path().join("data"));
        let store = Store::open(&settings, &master).await.unwrap();
        let journal = Journal::new(store.clone(), clock.clone());
        let people = People::open(store.clone(), clock.clone(), journal.clone()).await.unwrap();
        let courier = Courier::new(vec![Box::new(mail.clone())]);
        let policy = Policy {
            host: "domovoi.local".into(),
            origins: vec![ORIGIN.into()],
            home: "Дом".into(),
            idle: Duration::from_secs(14 * 86_400),
            absolute: Duration::from_secs(90 * 86_400),
        };
        let (store_of, clock_of) = (store.clone(), clock.clone());
        let room = SignIn::open(store_of, clock_of, people.clone(), journal.clone(), courier, policy).await.unwrap();
        Home { room, people, journal, clock, mail, store, master, folder }
    }

    /// The power goes and comes back at that moment. Nothing is closed in order.
    pub async fn again(self, boot: u8, at: Timestamp) -> Home {
        let Home { room, people, journal, mail, store, master, folder, clock } = self;
        drop((room, people, journal, store, clock));
        Self::open(folder, master, Clock::by_hand(Id([boot; 16]), at), mail).await
    }

    pub fn pass(&self, millis: i64) {
        self.clock.set(self.clock.wall().plus_millis(millis));
    }

    pub fn person(&self, name: &str, role: Role) -> NewPerson {
        NewPerson {
            name: name.into(),
            role,
            contacts: vec![format!("{}@example.org", latin(name))],
            profile: Profile::default(),
            until: (role == Role::Guest).then(|| self.clock.wall().plus_millis(DAY)),
        }
    }

    /// The first owner, signed in at home.
    pub async fn owner(&self) -> Opened {
        let token = self.room.setup_token().await.unwrap();
        let owner = self.person("Анна", Role::Owner);
        self.room.set_up(token.expose(), owner, secret(PASSWORD), &home_phone()).await.unwrap()
    }

    /// Somebody else, with a password, who has never been here.
    pub async fn somebody(&self, name: &str, role: Role) -> PersonId {
        let person = self.people.add(self.person(name, role)).await.unwrap();
        self.people.vouch(person.id, &format!("{}@example.org", latin(name))).await.unwrap();
        self.room.set_password(person.id, secret(OTHER_PASSWORD), None).await.unwrap();
        person.id
    }

    /// The person's address is one that they proved to be theirs.
    pub async fn confirm(&self, person: PersonId, address: &str) {
        let code = self.people.contact_code(person, address).await.unwrap();
        self.people.confirm_contact(person, address, code.expose()).await.unwrap();
    }

    pub async fn who(&self, cookie: &Secret<String>) -> Option<Who> {
        self.room.by_cookie(cookie.expose(), Network::Home).await.unwrap().map(|(who, _)| who)
    }

    /// A passkey in software, added to a person.
    pub async fn passkey(&self, person: PersonId) -> SoftKey {
        let (pending, options) = self.room.passkey_offer(person).await.unwrap();
        let (key, response) = SoftKey::create(&options, ORIGIN);
        self.room.add_passkey(person, &pending, "Ключ", response).await.unwrap();
        key
    }

    pub async fn by_passkey(&self, key: &mut SoftKey, from: &Origin) -> Result<Step> {
        let (pending, options) = self.room.passkey_challenge(from).await?;
        let response: Value = key.get(&options, ORIGIN);
        self.room.with_passkey(&pending, response, from).await
    }

    pub async fn deeds(&self, deed: &str) -> Vec<Record> {
        self.journal.flush().await.unwrap();
        let query = Query { deed: Some(deed.into()), limit: 500, ..Query::default() };
        self.journal.search(&query).await.unwrap().records
    }
}

pub fn latin(name: &str) -> &'static str {
    match name {
        "Анна" => "anna",
        "Борис" => "boris",
        "Гость" => "guest",
        _ => "other",
    }
}

pub fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

pub fn from(address: &str, device: &str) -> Origin {
    Origin { road: Road::Page, address: Some(address.parse::<IpAddr>().unwrap()), device: Some(device.into()) }
}

pub fn home_phone() -> Origin {
    from("192.168.1.20", "Firefox, Android")
}

pub fn stranger(number: u32) -> Origin {
    from(&format!("203.{}.{}.{}", number >> 16 & 255, number >> 8 & 255, number & 255), "curl")
}

pub fn done(step: Result<Step>) -> Opened {
    match step.unwrap() {
        Step::Done(opened) => opened,
        Step::SecondFactor { .. } => panic!("a second factor was asked for"),
    }
}

pub fn pending(step: Result<Step>) -> (String, Vec<FactorKind>, Option<Value>) {
    match step.unwrap() {
        Step::SecondFactor { pending, offered, passkey } => (pending, offered, passkey),
        Step::Done(_) => panic!("no second factor was asked for"),
    }
}

pub fn is_wrong<T>(result: &Result<T>) -> bool {
    matches!(result, Err(SignInError::Wrong))
}

/// The six digits that an app shows.
pub fn code_of(secret: &Secret<String>, at: Timestamp) -> String {
    let secret = totp_rs::Secret::try_from_base32(secret.expose()).unwrap();
    let totp: totp_rs::Totp = totp_rs::Builder::new()
        .with_algorithm(totp_rs::Algorithm::SHA1)
        .with_digits(6)
        .with_step_duration(30)
        .with_secret(secret)
        .build()
        .unwrap();
    totp.generate(u64::try_from(at.0).unwrap() / 1000).to_string()
}
