//! What the reflex remembers and what it wants done: dangers that are open, things that are being set, deeds. Plain values.

use domovoi_model::{Command, DeviceRef, Moment, Value};
use rust_decimal::Decimal;

use super::rule::{Danger, Place};
use super::testing::TestRun;

/// The moment that counts.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Monotonic milliseconds; they go on whatever the wall clock does.
    pub millis: i64,
    /// For people.
    pub moment: Moment,
}

/// Which danger.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// What.
    pub danger: Danger,
    /// Told where.
    pub place: Place,
    /// Of which test, if it is none in earnest.
    pub test: Option<u64>,
}

/// A danger that is not over.
#[derive(Debug, Clone, PartialEq)]
pub struct Open {
    /// Since when.
    pub since: Moment,
    /// What was said last.
    pub value: Value,
    /// Whether its sensor was accepted.
    pub accepted: bool,
    /// Somebody has heard enough of it: sirens are silent, and what was confirmed closed is left to people.
    pub hushed: bool,
    /// What is done about it, as people were told last.
    pub doing: Doing,
    /// What was confirmed closed is left to people: it stays so when sirens sound again after a hush.
    pub(super) left: bool,
    /// People are to be told anew.
    pub(super) retold: bool,
    /// Everything that was to be done had been confirmed before a restart.
    pub(super) answered: bool,
    /// It is from before a restart: sirens may sound that nobody here has told to.
    pub(super) carried: bool,
    pub(super) hushed_ms: i64,
    /// It is remembered from before a restart, and its sensor has not spoken since.
    pub remembered: bool,
    /// The lowest temperature, for freezing.
    pub(super) lowest: Option<Decimal>,
    /// It was said last then.
    pub(super) last_ms: i64,
    /// Remembered: from then on it counts all the same.
    pub(super) counts_from_ms: i64,
    pub(super) asked: u32,
    pub(super) ask_at_ms: i64,
}

/// What the house does about a danger, apart from sirens: nobody must wait for a valve that nothing closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Nobody has accepted its sensor.
    Unaccepted,
    /// No rule closes or cuts anything for it, or there is nothing that one could close.
    Nothing,
    /// So many valves and plugs are being set.
    Setting(usize),
    /// The same once its sensor has had time to deny it.
    Asking(usize),
    /// Everything had been confirmed before a restart: nothing is done again.
    DoneBefore,
    /// An old message of a broker says so: nothing is done because of it.
    Replayed,
}

/// Why a danger is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Its sensor says so.
    Said,
    /// Its sensor says beginnings only, and has said none for its time.
    RanOut,
    /// Its sensor was forgotten.
    TakenAway,
}

impl Why {
    /// Its code in notices.
    pub fn code(self) -> &'static str {
        match self {
            Why::Said => "said",
            Why::RanOut => "ran-out",
            Why::TakenAway => "taken-away",
        }
    }
}

/// Something that is being set.
#[derive(Debug, Clone, PartialEq)]
pub struct Pursuit {
    /// To what.
    pub value: Value,
    /// In which danger.
    pub danger: Danger,
    /// How often it was said since it was last confirmed, or since the last danger that wants it began.
    pub tries: u32,
    /// The device's own report says that it is so.
    pub confirmed: bool,
    /// Why it could not be said the last time.
    pub error: Option<String>,
    /// Since when.
    pub since: Moment,
    /// The siren is being silenced.
    pub quieting: bool,
    /// Every danger that wants it is hushed.
    pub(super) hushed: bool,
    /// It has confirmed, and people may open it again.
    pub(super) let_go: bool,
    /// Nothing wants it any more, and it has not confirmed: it is pursued until then.
    pub(super) outlives_until_ms: Option<i64>,
    /// When it is asked once more whether it is so, and that this was done.
    pub(super) look_ms: Option<i64>,
    pub(super) looked_at: bool,
    /// How often it confirmed and then said otherwise, without standing still in between.
    pub(super) undone: u32,
    /// It was told something, by this pursuit or by the one before it.
    pub(super) was_said: bool,
    /// Since when its word is waited for, and that people were told that it does not come.
    pub(super) unconfirmed_ms: Option<i64>,
    pub(super) unanswered: bool,
    pub(super) confirmed_ms: i64,
    /// It wants to be told where nobody has agreed to.
    pub(super) accept_again: bool,
    pub(super) is_siren: bool,
    /// Its next word is the first of a danger where none was.
    pub(super) is_first: bool,
    pub(super) test: Option<u64>,
    pub(super) next_ms: i64,
}

/// What came to be so.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// A danger began, or is remembered from before a restart.
    Began(Key, Open),
    /// It is over, and why.
    Over(Key, Open, Why),
    /// A device was told something, for the n-th time.
    Said(Place, Pursuit),
    /// It could not be told.
    NotSaid(Place, Pursuit),
    /// It confirmed it.
    Confirmed(Place, Pursuit),
    /// It has not confirmed it for some time.
    Unanswered(Place, Pursuit),
    /// It says otherwise again while the danger lasts.
    Undone(Place, Pursuit),
    /// It is not pursued any more, without a word from it that people had been told to wait for.
    Ended(Place, Pursuit),
    /// Somebody hushed so many dangers.
    Hushed(usize),
    /// A test ended.
    Tested(TestRun),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Deed {
    /// Say this to a device.
    Say(Command),
    /// Ask a device how it is.
    Ask(DeviceRef),
    /// Tell people, and write it down.
    Tell(News),
}

/// A danger as it was kept over a restart.
#[derive(Debug, Clone, PartialEq)]
pub struct Remembered {
    /// Which.
    pub key: Key,
    /// Since when.
    pub since: Moment,
    /// What was said.
    pub value: Value,
    /// Everything that was to be done had been confirmed: only another word of the sensor does it again.
    pub answered: bool,
    /// Somebody had heard enough of it.
    pub hushed: bool,
}

/// Something that was to be set in a danger that is over, and has not confirmed it.
#[derive(Debug, Clone, PartialEq)]
pub struct Owed {
    /// Where.
    pub place: Place,
    /// To what.
    pub value: Value,
    /// In which danger.
    pub danger: Danger,
}

/// What is kept over a restart.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Keep {
    /// Dangers that are not over.
    pub dangers: Vec<Remembered>,
    /// What is still to be closed.
    pub owed: Vec<Owed>,
    /// Sirens that were told to sound, and have not confirmed that they are silent.
    pub sounding: Vec<Place>,
}

impl Keep {
    /// Whether there is something in it that is not in the other. What changed in a row is nothing new.
    pub fn adds_to(&self, other: &Keep) -> bool {
        let is_new = |one: &Remembered| other.dangers.iter().all(|old| old.key != one.key);
        let is_owed = |one: &Owed| other.owed.iter().all(|old| old.place != one.place);
        self.dangers.iter().any(is_new)
            || self.owed.iter().any(is_owed)
            || self.sounding.iter().any(|place| !other.sounding.contains(place))
    }
}

impl Open {
    pub(super) fn begun(value: Value, accepted: bool, now: Now) -> Self {
        Open {
            since: now.moment,
            value,
            accepted,
            hushed: false,
            doing: Doing::Nothing,
            left: false,
            retold: false,
            answered: false,
            carried: false,
            hushed_ms: now.millis,
            remembered: false,
            lowest: None,
            last_ms: now.millis,
            counts_from_ms: now.millis,
            asked: 0,
            ask_at_ms: now.millis,
        }
    }
}

impl Pursuit {
    pub(super) fn begun(value: Value, danger: Danger, test: Option<u64>, now: Now) -> Self {
        Pursuit {
            value,
            danger,
            tries: 0,
            confirmed: false,
            error: None,
            since: now.moment,
            quieting: false,
            hushed: false,
            let_go: false,
            outlives_until_ms: None,
            look_ms: None,
            looked_at: false,
            undone: 0,
            was_said: false,
            unconfirmed_ms: None,
            unanswered: false,
            confirmed_ms: now.millis,
            accept_again: false,
            is_siren: false,
            is_first: true,
            test,
            next_ms: now.millis,
        }
    }

    /// Only a test wants it.
    pub fn is_test(&self) -> bool {
        self.test.is_some()
    }
}
