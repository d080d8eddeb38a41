//! What comes in on topics that nobody claims, or that only the owner's own mappings mean: the last few messages of each, so
//! that the owner can say what they are. In memory only, bounded for each sender and for all, gone with the process. It is
//! shown to those who may change which devices there are: a stranger's payload may hold anything.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use domovoi_adapters::Road;
use domovoi_model::Moment;
use serde_json::Value;

use super::Arrival;

/// Topics that are kept, and of one sender.
const MAX_TOPICS: usize = 256;
const MAX_TOPICS_EACH: usize = 64;
/// Messages of a topic, and bytes of one.
const MAX_MESSAGES: usize = 3;
const MAX_BYTES: usize = 2048;
/// Bytes of a topic.
const MAX_TOPIC: usize = 256;
/// Places of a payload that are offered, and how deep they lie.
const MAX_PLACES: usize = 64;
const MAX_DEPTH: usize = 6;
/// Characters of a value that are shown beside its place.
const MAX_SHOWN: usize = 80;

/// A topic on which something was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overheard {
    /// The topic.
    pub topic: String,
    /// Who spoke last.
    pub sender: String,
    /// By which road.
    pub road: Road,
    /// How often since the start, as long as it was remembered.
    pub times: u64,
    /// When last.
    pub at: Moment,
    /// A mapping of the owner's own means it.
    pub mapped: bool,
    /// The last payloads, newest first; of a long one its beginning.
    pub payloads: VecDeque<Vec<u8>>,
    /// The how many-th message this was.
    order: u64,
}

/// The topics.
#[derive(Debug, Default)]
pub(super) struct OverheardTopics(Mutex<(HashMap<String, Overheard>, u64)>);

impl OverheardTopics {
    /// Takes note of a message. What the house and brokers say themselves is nobody's device.
    pub fn note(&self, arrival: &Arrival<'_>, at: Moment, mapped: bool) {
        let topic = arrival.topic;
        let is_ours = topic.starts_with('$') || topic.starts_with("domovoi/");
        if is_ours || topic.is_empty() || topic.len() > MAX_TOPIC || topic.chars().any(char::is_control) {
            return;
        }
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (topics, order) = &mut *held;
        *order += 1;
        if !topics.contains_key(topic) {
            make_room(topics, arrival.sender);
        }
        let known = topics.entry(topic.to_owned()).or_insert_with(|| Overheard {
            topic: topic.to_owned(),
            sender: String::new(),
            road: arrival.road,
            times: 0,
            at,
            mapped,
            payloads: VecDeque::new(),
            order: 0,
        });
        if known.sender != arrival.sender {
            known.sender = arrival.sender.to_owned();
        }
        (known.road, known.at, known.mapped, known.order) = (arrival.road, at, mapped, *order);
        known.times = known.times.saturating_add(1);
        let kept = arrival.payload.get(..MAX_BYTES).unwrap_or(arrival.payload);
        // Nothing at all is how something retained is taken back.
        if !kept.is_empty() && known.payloads.front().is_none_or(|last| last != kept) {
            known.payloads.truncate(MAX_MESSAGES - 1);
            known.payloads.push_front(kept.to_vec());
        }
    }

    /// All of them, the latest first.
    pub fn all(&self) -> Vec<Overheard> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<Overheard> = held.0.values().cloned().collect();
        all.sort_by_key(|one| std::cmp::Reverse(one.order));
        all
    }

    /// One of them.
    pub fn of(&self, topic: &str) -> Option<Overheard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.get(topic).cloned()
    }
}

/// A loud sender takes the place of its own topics, not of others'.
fn make_room(topics: &mut HashMap<String, Overheard>, sender: &str) {
    let own = topics.values().filter(|one| one.sender == sender).count();
    if own < MAX_TOPICS_EACH && topics.len() < MAX_TOPICS {
        return;
    }
    let among = topics.values().filter(|one| own < MAX_TOPICS_EACH || one.sender == sender);
    if let Some(oldest) = among.min_by_key(|one| one.order).map(|one| one.topic.clone()) {
        topics.remove(&oldest);
    }
}

/// A place in a payload: the path that a row reads it by, and what stands there. All of the payload has an empty path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `battery.voltage`, `readings[0]['t in']`
    pub path: String,
    /// What stands there, shortened.
    pub value: String,
    /// Whether it is a number, or yes or no.
    pub is: super::ValueIs,
}

/// The values that stand in a payload. What is no JSON is one value.
pub fn places(payload: &[u8]) -> Vec<Place> {
    let Ok(text) = std::str::from_utf8(payload) else { return Vec::new() };
    let mut out = Vec::new();
    match serde_json::from_str::<Value>(text) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => walk(&value, "", MAX_DEPTH, &mut out),
        Ok(value) => out.extend(place("", &value)),
        Err(_) => out.extend(place("", &Value::String(text.trim().to_owned()))),
    }
    out
}

fn walk(value: &Value, path: &str, depth: usize, out: &mut Vec<Place>) {
    if out.len() >= MAX_PLACES {
        return;
    }
    match value {
        Value::Object(members) if depth > 0 => {
            for (name, member) in members {
                let is_word = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                    && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
                let step = match is_word {
                    true if path.is_empty() => name.clone(),
                    true => format!("{path}.{name}"),
                    // What would have to be escaped is left to a template.
                    false if name.contains(['\'', '\\']) || name.chars().any(char::is_control) => continue,
                    false => format!("{path}['{name}']"),
                };
                walk(member, &step, depth - 1, out);
            }
        }
        Value::Array(items) if depth > 0 => {
            for (at, item) in items.iter().enumerate().take(8) {
                walk(item, &format!("{path}[{at}]"), depth - 1, out);
            }
        }
        value => out.extend(place(path, value).filter(|_| out.len() < MAX_PLACES)),
    }
}

fn place(path: &str, value: &Value) -> Option<Place> {
    use super::ValueIs::{Number, Switch, Text};
    let (text, is) = match value {
        Value::Number(number) => (number.to_string(), Number),
        Value::Bool(flag) => (flag.to_string(), Switch),
        Value::String(text) => {
            let is_number = text.trim().parse::<rust_decimal::Decimal>().is_ok();
            let is_switch = ["on", "off", "true", "false", "open", "closed"].contains(&&*text.trim().to_lowercase());
            (text.clone(), if is_number { Number } else { if is_switch { Switch } else { Text } })
        }
        _ => return None,
    };
    let value = text.chars().take(MAX_SHOWN).map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect();
    Some(Place { path: path.to_owned(), value, is })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival<'a>(sender: &'a str, topic: &'a str, payload: &'a [u8]) -> Arrival<'a> {
        Arrival { road: Road::Embedded, sender, topic, payload, retained: false, again: false }
    }

    const AT: Moment = Moment::Wall(domovoi_model::Timestamp(0));

    #[test]
    fn the_last_messages_of_a_topic_are_kept_and_no_more() {
        let heard = OverheardTopics::default();
        for text in ["1", "1", "2", "3", "4", ""] {
            heard.note(&arrival("a", "garden/soil", text.as_bytes()), AT, false);
        }
        heard.note(&arrival("a", "garden/long", &[b'x'; 9000]), AT, true);
        for hidden in ["domovoi/status", "$SYS/uptime", "", "a\u{1}b"] {
            heard.note(&arrival("a", hidden, b"1"), AT, false);
        }
        let all = heard.all();
        assert_eq!(all.iter().map(|one| one.topic.as_str()).collect::<Vec<_>>(), ["garden/long", "garden/soil"]);
        assert_eq!((all[0].payloads[0].len(), all[0].mapped), (MAX_BYTES, true));
        let soil = heard.of("garden/soil").unwrap();
        assert_eq!((soil.times, soil.payloads.into()), (6, vec![b"4".to_vec(), b"3".to_vec(), b"2".to_vec()]));
    }

    #[test]
    fn a_loud_sender_pushes_out_nobody_but_itself() {
        let heard = OverheardTopics::default();
        heard.note(&arrival("quiet", "cellar/pump", b"1"), AT, false);
        for n in 0..5 * MAX_TOPICS {
            heard.note(&arrival("loud", &format!("spam/{n}"), b"1"), AT, false);
        }
        assert!(heard.of("cellar/pump").is_some());
        assert_eq!(heard.all().len(), MAX_TOPICS_EACH + 1);
        for n in 0..5 * MAX_TOPICS {
            heard.note(&arrival(&format!("sender-{n}"), &format!("crowd/{n}"), b"1"), AT, false);
        }
        assert_eq!(heard.all().len(), MAX_TOPICS);
    }

    #[test]
    fn places_are_found_as_rows_read_them() {
        let of = |text: &str| {
            let mut found: Vec<String> =
                places(text.as_bytes()).into_iter().map(|place| format!("{}={}", place.path, place.value)).collect();
            // In the order of the document or of its names: whichever the reader of JSON was built for.
            found.sort();
            found
        };
        assert_eq!(
            of(r#"{"t":21.5,"b":{"v":"3.01"},"r":[{"t in":true}],"it's":1,"n":null}"#),
            ["b.v=3.01", "r[0]['t in']=true", "t=21.5"]
        );
        assert_eq!(of("21.5"), ["=21.5"]);
        assert_eq!(of(" ON\n"), ["=ON"]);
        assert_eq!(of("[1,2]"), ["[0]=1", "[1]=2"]);
        assert!(places(&[0xff]).is_empty());
        assert_eq!(places("[[[[[[[[1]]]]]]]]".as_bytes()), []);
        let wide = format!("{{{}}}", (0..500).map(|n| format!("\"k{n}\":{n}")).collect::<Vec<_>>().join(","));
        assert_eq!(places(wide.as_bytes()).len(), MAX_PLACES);
    }

    proptest::proptest! {
        #[test]
        fn no_payload_is_too_strange(payload in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            for place in places(&payload) {
                proptest::prop_assert!(place.value.chars().count() <= MAX_SHOWN);
            }
        }
    }
}
