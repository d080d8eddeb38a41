//! How an entry is kept: one small JSON of what is nobody's personal data, and one for each person who is spoken of, for
//! that person's own key. From where a person did something is the person's too. Names of fields are short: there is a
//! row for every deed of ten years.

use std::collections::BTreeMap;
use std::net::IpAddr;

use domovoi_model::{PersonId, Timestamp};
use domovoi_store::{DEED_LIMIT, DEED_PERSONS, Deed, KeptDeed};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::entry::{Actor, Change, Entry, Origin, Outcome, Record, Road};

/// The longest text kept, in characters; what is longer is cut.
const TEXT: usize = 400;

/// So many changes of one deed are kept, if they fit.
const CHANGES: usize = 50;

/// The field that says how many changes were left out.
const LEFT_OUT: &str = "left-out";

/// An entry that stands for several alike.
#[derive(Debug, Clone)]
pub(super) struct Counted {
    pub entry: Entry,
    pub times: u32,
    /// The first of them.
    pub since: Option<Timestamp>,
    /// The last of them.
    pub at: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WhoRow {
    Nobody,
    House,
    Console,
    /// A place among the deed's persons.
    P(usize),
    Credential(String),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OutcomeRow {
    Refused(String),
    Failed(String),
}

#[derive(Serialize, Deserialize, Default)]
struct OriginRow {
    #[serde(skip_serializing_if = "Option::is_none")]
    a: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    u: Option<String>,
}

/// Before and after, or the person in whose part the two stand.
#[derive(Serialize, Deserialize)]
struct ChangeRow {
    f: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    b: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    a: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p: Option<usize>,
}

#[derive(Serialize, Deserialize)]
struct BodyRow {
    d: String,
    w: WhoRow,
    r: String,
    #[serde(flatten)]
    from: OriginRow,
    #[serde(skip_serializing_if = "Option::is_none")]
    o: Option<(String, Option<String>)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<OutcomeRow>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    c: Vec<ChangeRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<i64>,
}

#[derive(Serialize, Deserialize, Default)]
struct PersonalRow {
    #[serde(flatten)]
    from: OriginRow,
    /// Before and after, in the order of the person's changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    c: Vec<(Option<String>, Option<String>)>,
}

/// The persons of a deed, each with what is theirs.
#[derive(Default)]
struct Persons(Vec<(PersonId, PersonalRow)>);

impl Persons {
    fn place(&mut self, person: PersonId) -> usize {
        if let Some(place) = self.0.iter().position(|(known, _)| *known == person) {
            return place;
        }
        self.0.push((person, PersonalRow::default()));
        self.0.len() - 1
    }
}

/// An entry as the store keeps it. It always fits: texts are cut, then changes left out, and both are said.
pub(super) fn to_deed(counted: &Counted) -> Deed {
    let mut changes = counted.entry.changes.len().min(CHANGES);
    loop {
        let deed = with_changes(counted, changes);
        let size = deed.body.len() + deed.personal.iter().map(|(_, text)| text.len()).sum::<usize>();
        if (size <= DEED_LIMIT && deed.personal.len() <= DEED_PERSONS) || changes == 0 {
            return deed;
        }
        changes /= 2;
    }
}

fn with_changes(counted: &Counted, kept: usize) -> Deed {
    let entry = &counted.entry;
    let mut persons = Persons::default();
    let mut from = OriginRow { a: entry.origin.address, u: entry.origin.device.as_deref().map(cut) };
    let w = match &entry.actor {
        Actor::Nobody => WhoRow::Nobody,
        Actor::House => WhoRow::House,
        Actor::Console => WhoRow::Console,
        Actor::Credential(username) => WhoRow::Credential(cut(username)),
        Actor::Person(person) => {
            let place = persons.place(*person);
            if let Some((_, theirs)) = persons.0.get_mut(place) {
                theirs.from = std::mem::take(&mut from);
            }
            WhoRow::P(place)
        }
    };
    let mut c: Vec<ChangeRow> = Vec::with_capacity(kept);
    for change in entry.changes.iter().take(kept) {
        let (b, a) = (change.before.as_deref().map(cut), change.after.as_deref().map(cut));
        let f = cut(&change.field);
        let Some(person) = change.of else {
            c.push(ChangeRow { f, b, a, p: None });
            continue;
        };
        let place = persons.place(person);
        if let Some((_, theirs)) = persons.0.get_mut(place) {
            theirs.c.push((b, a));
        }
        c.push(ChangeRow { f, b: None, a: None, p: Some(place) });
    }
    if kept < entry.changes.len() {
        let left_out = (entry.changes.len() - kept).to_string();
        c.push(ChangeRow { f: LEFT_OUT.into(), b: None, a: Some(left_out), p: None });
    }
    let body = BodyRow {
        d: cut(&entry.deed),
        w,
        r: entry.origin.road.code().to_owned(),
        from,
        o: entry.object.as_ref().map(|(kind, which)| (cut(kind), which.as_deref().map(cut))),
        x: match &entry.outcome {
            Outcome::Done => None,
            Outcome::Refused(code) => Some(OutcomeRow::Refused(cut(code))),
            Outcome::Failed(code) => Some(OutcomeRow::Failed(cut(code))),
        },
        c,
        n: (counted.times != 1).then_some(counted.times),
        s: counted.since.filter(|since| Some(*since) != counted.at).map(|since| since.0),
    };
    Deed {
        at: counted.at,
        body: serde_json::to_vec(&body).unwrap_or_default(),
        personal: persons
            .0
            .iter()
            .map(|(person, theirs)| (*person, Zeroizing::new(serde_json::to_vec(theirs).unwrap_or_default())))
            .collect(),
    }
}

/// An entry from what the store has kept. `None`: this program did not write it.
pub(super) fn of_deed(deed: &KeptDeed) -> Option<Record> {
    let body: BodyRow = serde_json::from_slice(&deed.body).ok()?;
    let mut personal = Vec::with_capacity(deed.personal.len());
    for (person, text) in &deed.personal {
        let row: Option<PersonalRow> = match text {
            Some(text) => Some(serde_json::from_slice(text).ok()?),
            None => None,
        };
        personal.push((*person, row));
    }
    let mut from = body.from;
    let actor = match body.w {
        WhoRow::Nobody => Actor::Nobody,
        WhoRow::House => Actor::House,
        WhoRow::Console => Actor::Console,
        WhoRow::Credential(username) => Actor::Credential(username),
        WhoRow::P(place) => {
            let (person, theirs) = personal.get_mut(place)?;
            from = theirs.as_mut().map(|theirs| std::mem::take(&mut theirs.from)).unwrap_or_default();
            Actor::Person(*person)
        }
    };
    let mut taken: BTreeMap<usize, usize> = BTreeMap::new();
    let mut changes = Vec::with_capacity(body.c.len());
    for row in body.c {
        let Some(place) = row.p else {
            changes.push(Change { field: row.f, before: row.b, after: row.a, of: None });
            continue;
        };
        let (person, theirs) = personal.get(place)?;
        let nth = taken.entry(place).or_default();
        let (before, after) = match theirs {
            Some(theirs) => theirs.c.get(*nth)?.clone(),
            None => (None, None),
        };
        *nth += 1;
        changes.push(Change { field: row.f, before, after, of: Some(*person) });
    }
    let outcome = match body.x {
        None => Outcome::Done,
        Some(OutcomeRow::Refused(code)) => Outcome::Refused(code),
        Some(OutcomeRow::Failed(code)) => Outcome::Failed(code),
    };
    let road = Road::from_code(&body.r)?;
    Some(Record {
        row: deed.row,
        at: deed.at,
        since: body.s.map(Timestamp).or(deed.at),
        entry: Entry {
            actor,
            origin: Origin { road, address: from.a, device: from.u },
            deed: body.d,
            object: body.o,
            outcome,
            changes,
        },
        times: body.n.unwrap_or(1),
    })
}

/// What stands for a row that does not open, so that a reader sees that there is one.
pub(super) fn unreadable(row: u64) -> Record {
    Record {
        row,
        at: None,
        since: None,
        entry: Entry {
            actor: Actor::House,
            origin: Origin::default(),
            deed: "journal.unreadable".into(),
            object: None,
            outcome: Outcome::Failed("damaged".into()),
            changes: Vec::new(),
        },
        times: 1,
    }
}

/// At most `TEXT` characters, and no control characters: what is read by a person in a terminal cannot move its cursor.
fn cut(text: &str) -> String {
    let mut kept: String =
        text.chars().take(TEXT).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    if text.chars().nth(TEXT).is_some() {
        kept.push('…');
    }
    kept
}
