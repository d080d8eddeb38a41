//! Who is at home, decided: from what trackers say, what was said by hand, and for how long. Pure: no clock, no store, no
//! bus; time comes in as a number of milliseconds that only goes on.
//!
//! One tracker that says «home» is enough. Leaving takes a quiet time, because a phone's Wi-Fi sleeps and a watch is taken
//! off. Nobody leaves because nothing is heard: that is «unknown», and it too takes the quiet time. What was said by hand
//! counts at once, and until a tracker says something else than it said then.

use domovoi_model::{DeviceRef, Id, PersonId, Timestamp, Value};
use rust_decimal::Decimal;

/// What a tracker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// The person is here.
    Home,
    /// The person is elsewhere.
    Away,
    /// It says nothing that counts.
    Unknown,
}

/// Which values of a property mean «home». A value of another kind says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// One of these words; `true` and `false`, numbers as they are written. Any other value means «away».
    Is(Vec<String>),
    /// Less than so many: a distance from home.
    Below(Decimal),
    /// More than so many: the strength of a signal.
    Above(Decimal),
}

/// What trackers write when they do not know.
const NOT_KNOWN: [&str; 6] = ["", "unknown", "unavailable", "none", "null", "n/a"];

impl Meaning {
    /// What a value means.
    pub fn of(&self, value: &Value) -> Said {
        let is_home = match (self, value) {
            (Meaning::Is(words), value) => {
                let spelled = spelled(value);
                if NOT_KNOWN.contains(&spelled.as_str()) {
                    return Said::Unknown;
                }
                words.iter().any(|word| folded(word) == spelled)
            }
            (Meaning::Below(most), Value::Number(number)) => number < most,
            (Meaning::Above(least), Value::Number(number)) => number > least,
            (Meaning::Below(_) | Meaning::Above(_), _) => return Said::Unknown,
        };
        if is_home { Said::Home } else { Said::Away }
    }
}

fn folded(word: &str) -> String {
    word.trim().to_lowercase()
}

fn spelled(value: &Value) -> String {
    match value {
        Value::Number(number) => number.normalize().to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Text(text) => folded(text),
    }
}

/// A property of a device by which somebody is seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracker {
    /// The device.
    pub device: DeviceRef,
    /// Its property.
    pub property: String,
    /// What of it means «home».
    pub home: Meaning,
}

/// A tracker and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Which.
    pub tracker: Tracker,
    /// What it says now.
    pub now: Said,
    /// Whether it last said «home» or «away», when it last said either.
    pub definite: Option<bool>,
}

/// Who said it by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A person, on the page or by a program; `None`: the console.
    Person(Option<PersonId>),
    /// A secret address.
    Link(Id),
}

/// What was said by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hand {
    /// At home or not.
    pub home: bool,
    /// Who said so.
    pub by: By,
}

/// Why it stands as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Nothing was ever heard.
    Nothing,
    /// A tracker says so.
    Tracker,
    /// Somebody said so.
    Hand,
    /// A secret address said so.
    Link,
    /// No tracker says anything any more.
    Silence,
}

impl Why {
    /// All of them.
    pub const ALL: [Why; 5] = [Why::Nothing, Why::Tracker, Why::Hand, Why::Link, Why::Silence];

    /// Its code on the wire, in the store and in the locale files (`presence-why-<code>`).
    pub fn code(self) -> &'static str {
        match self {
            Why::Nothing => "nothing",
            Why::Tracker => "tracker",
            Why::Hand => "hand",
            Why::Link => "link",
            Why::Silence => "silence",
        }
    }

    /// The reason of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|why| why.code() == code)
    }
}

/// How somebody stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// `None`: nobody can say.
    pub home: Option<bool>,
    /// Since when; `None`: the clock did not know.
    pub since: Option<Timestamp>,
    /// Why.
    pub why: Why,
}

/// One person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// By what the person is seen.
    pub seen: Vec<Seen>,
    /// What was said by hand and still counts.
    pub hand: Option<Hand>,
    /// How it stands.
    pub standing: Standing,
    /// After so long without «home» the person has left; `None`: as the settings have it.
    pub quiet_millis: Option<i64>,
    /// What it will stand like, and when, unless something is heard before.
    pub turning: Option<(Option<bool>, i64)>,
    /// It stands as it stood before the restart, and nothing was heard since.
    pub last_known: bool,
}

impl Default for Card {
    fn default() -> Self {
        Card {
            seen: Vec::new(),
            hand: None,
            standing: Standing { home: None, since: None, why: Why::Nothing },
            quiet_millis: None,
            turning: None,
            last_known: false,
        }
    }
}

impl Card {
    /// A tracker says something. What was said by hand counts no longer if it is something else than it said before.
    pub fn hear(&mut self, which: usize, said: Said) {
        let Some(seen) = self.seen.get_mut(which) else { return };
        seen.now = said;
        let definite = match said {
            Said::Home => true,
            Said::Away => false,
            Said::Unknown => return,
        };
        if seen.definite.replace(definite) != Some(definite) {
            self.hand = None;
        }
    }

    /// Somebody says something; `None`: nothing is said any more.
    pub fn say(&mut self, hand: Option<Hand>) {
        self.hand = hand;
        // What a tracker thought of it before is nothing that comes afterwards.
        self.turning = None;
    }

    /// Other trackers from now on. What those that stay said is not forgotten.
    pub fn track(&mut self, trackers: Vec<Tracker>) {
        let before = std::mem::take(&mut self.seen);
        self.seen = trackers
            .into_iter()
            .map(|tracker| match before.iter().find(|seen| seen.tracker == tracker) {
                Some(seen) => seen.clone(),
                None => Seen { tracker, now: Said::Unknown, definite: None },
            })
            .collect();
    }

    fn says(&self, said: Said) -> bool {
        self.seen.iter().any(|seen| seen.now == said)
    }

    /// What all that is heard comes to, why, and whether that counts at once.
    fn verdict(&self) -> (Option<bool>, Why, bool) {
        match self.hand {
            Some(Hand { home, by: By::Link(_) }) => (Some(home), Why::Link, true),
            Some(Hand { home, .. }) => (Some(home), Why::Hand, true),
            None if self.says(Said::Home) => (Some(true), Why::Tracker, true),
            None if self.says(Said::Away) => (Some(false), Why::Tracker, false),
            None => (None, Why::Silence, self.seen.is_empty()),
        }
    }

    /// Looks how it stands now. `now` only goes on; `wall` is written beside a change. Whether it stands otherwise.
    pub fn settle(&mut self, now: i64, wall: Option<Timestamp>, usual_quiet: i64) -> bool {
        let (home, why, at_once) = self.verdict();
        if why != Why::Silence {
            self.last_known = false;
        }
        if home == self.standing.home {
            self.turning = None;
            if why != Why::Silence {
                self.standing.why = why;
            }
            return false;
        }
        if !at_once {
            let quiet = self.quiet_millis.unwrap_or(usual_quiet);
            let due = match self.turning {
                Some((to, due)) if to == home => due,
                _ => now.saturating_add(quiet),
            };
            self.turning = Some((home, due));
            if now < due {
                return false;
            }
        }
        self.turning = None;
        self.last_known = false;
        self.standing = Standing { home, since: wall, why };
        true
    }
}

/// Whether anybody is at home, of those who are followed. `None`: nobody can say, because nobody is followed, or because
/// somebody may be.
pub fn anybody(homes: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let (mut some, mut unknown) = (false, false);
    for home in homes {
        match home {
            Some(true) => return Some(true),
            Some(false) => some = true,
            None => unknown = true,
        }
    }
    (some && !unknown).then_some(false)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUIET: i64 = 600_000;

    fn tracker(name: &str) -> Tracker {
        Tracker {
            device: DeviceRef::new("ble", name),
            property: "presence".into(),
            home: Meaning::Is(vec!["home".into(), "true".into()]),
        }
    }

    fn card(trackers: &[&str]) -> Card {
        let mut card = Card::default();
        card.track(trackers.iter().map(|name| tracker(name)).collect());
        card
    }

    fn at(card: &mut Card, now: i64) -> Option<bool> {
        card.settle(now, Some(Timestamp(now)), QUIET);
        card.standing.home
    }

    #[test]
    fn a_value_means_home_away_or_nothing() {
        let is = |words: &[&str]| Meaning::Is(words.iter().map(|word| (*word).to_owned()).collect());
        let number = |n: i64| Value::Number(Decimal::from(n));
        for (meaning, value, said) in [
            (is(&["home"]), Value::Text(" Home ".into()), Said::Home),
            (is(&["home"]), Value::Text("not_home".into()), Said::Away),
            (is(&["home"]), Value::Text("Unknown".into()), Said::Unknown),
            (is(&["home"]), Value::Text(String::new()), Said::Unknown),
            (is(&["дом", "дача"]), Value::Text("ДАЧА".into()), Said::Home),
            (is(&["true"]), Value::Bool(true), Said::Home),
            (is(&["true"]), Value::Bool(false), Said::Away),
            (is(&["1"]), Value::Number(Decimal::new(100, 2)), Said::Home),
            (Meaning::Below(Decimal::from(150)), number(149), Said::Home),
            (Meaning::Below(Decimal::from(150)), number(150), Said::Away),
            (Meaning::Below(Decimal::from(150)), Value::Text("far".into()), Said::Unknown),
            (Meaning::Above(Decimal::from(-80)), number(-60), Said::Home),
            (Meaning::Above(Decimal::from(-80)), number(-90), Said::Away),
        ] {
            assert_eq!(meaning.of(&value), said, "{meaning:?} {value:?}");
        }
    }

    #[test]
    fn one_tracker_is_enough_to_be_home_and_leaving_takes_the_quiet_time() {
        let mut card = card(&["wifi", "gps"]);
        assert_eq!(at(&mut card, 0), None);
        card.hear(0, Said::Home);
        card.hear(1, Said::Away);
        assert_eq!(at(&mut card, 1), Some(true));
        card.hear(0, Said::Away);
        assert_eq!(at(&mut card, 1000), Some(true));
        assert_eq!(at(&mut card, 1000 + QUIET - 1), Some(true), "a phone's Wi-Fi sleeps");
        card.hear(0, Said::Home);
        assert_eq!(at(&mut card, 1000 + QUIET), Some(true));
        card.hear(0, Said::Away);
        assert_eq!(at(&mut card, 2 * QUIET), Some(true), "the quiet time begins anew");
        assert_eq!(at(&mut card, 3 * QUIET), Some(false));
        assert_eq!((card.standing.why, card.standing.since), (Why::Tracker, Some(Timestamp(3 * QUIET))));
        card.hear(1, Said::Home);
        assert_eq!(at(&mut card, 3 * QUIET), Some(true), "coming takes no time");
    }

    #[test]
    fn unknown_is_not_away() {
        let mut card = card(&["wifi", "gps"]);
        card.hear(0, Said::Home);
        assert_eq!(at(&mut card, 0), Some(true));
        card.hear(0, Said::Unknown);
        assert_eq!(at(&mut card, 10), Some(true));
        assert_eq!(at(&mut card, 10 + QUIET), None, "nobody can say");
        assert_eq!(card.standing.why, Why::Silence);
        card.hear(1, Said::Away);
        assert_eq!(at(&mut card, 20 + QUIET), None);
        assert_eq!(at(&mut card, 20 + 2 * QUIET), Some(false), "one that knows says so");
    }

    #[test]
    fn what_was_said_by_hand_holds_until_a_tracker_says_something_else() {
        let mut card = card(&["wifi"]);
        card.hear(0, Said::Home);
        at(&mut card, 0);
        let hand = |home| Some(Hand { home, by: By::Person(None) });
        card.say(hand(false));
        assert_eq!(at(&mut card, 1), Some(false), "at once");
        card.hear(0, Said::Home);
        card.hear(0, Said::Unknown);
        card.hear(0, Said::Home);
        assert_eq!(at(&mut card, 10 * QUIET), Some(false), "the same again, or nothing, is no other word");
        card.hear(0, Said::Away);
        assert_eq!(card.hand, None);
        assert_eq!(at(&mut card, 11 * QUIET), Some(false));
        card.hear(0, Said::Home);
        assert_eq!(at(&mut card, 11 * QUIET + 1), Some(true));
        card.say(hand(false));
        at(&mut card, 11 * QUIET + 2);
        card.say(None);
        assert_eq!(at(&mut card, 11 * QUIET + 3), Some(true), "taken back");
    }

    #[test]
    fn somebody_without_trackers_stands_as_was_said() {
        let mut card = Card::default();
        card.say(Some(Hand { home: true, by: By::Link(Id([1; 16])) }));
        assert_eq!((at(&mut card, 0), card.standing.why), (Some(true), Why::Link));
        assert_eq!(at(&mut card, i64::MAX), Some(true));
        card.say(None);
        assert_eq!(at(&mut card, 1), None, "nobody is asked, so there is nothing to wait for");
    }

    #[test]
    fn after_a_restart_it_stands_as_before_until_something_is_heard() {
        let mut card = card(&["wifi"]);
        card.standing.home = Some(false);
        card.last_known = true;
        assert_eq!(at(&mut card, 0), Some(false));
        assert!(card.last_known);
        card.hear(0, Said::Away);
        at(&mut card, 1);
        assert!(!card.last_known);
    }

    #[test]
    fn the_house_is_empty_only_if_everybody_is_known_to_be_away() {
        assert_eq!(anybody([]), None);
        assert_eq!(anybody([Some(false), Some(true), None]), Some(true));
        assert_eq!(anybody([Some(false), None]), None);
        assert_eq!(anybody([Some(false), Some(false)]), Some(false));
    }

    proptest! {
        /// Whatever is heard in whatever order: nobody is away before some tracker has said «away» and the quiet time has
        /// gone by without «home», unless somebody said so.
        #[test]
        fn nobody_leaves_unheard(words in proptest::collection::vec((0usize..3, 0u8..3, 0i64..QUIET), 1..60)) {
            let mut card = card(&["a", "b", "c"]);
            let (mut now, mut home_at) = (0, -1);
            for (which, word, passes) in words {
                now += passes;
                card.settle(now, None, QUIET);
                card.hear(which, [Said::Home, Said::Away, Said::Unknown][usize::from(word)]);
                card.settle(now, None, QUIET);
                let says_home = card.seen.iter().any(|seen| seen.now == Said::Home);
                if says_home {
                    home_at = now;
                    prop_assert_eq!(card.standing.home, Some(true));
                }
                if card.standing.home == Some(false) {
                    prop_assert!(card.seen.iter().any(|seen| seen.definite == Some(false)));
                    prop_assert!(home_at < 0 || now - home_at >= QUIET);
                }
            }
        }
    }
}
