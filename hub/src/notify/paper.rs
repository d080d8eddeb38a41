//! How the store spells what the room remembers: small documents of our own, and back. What this program does not know is
//! passed over, never guessed.

use std::collections::{BTreeMap, BTreeSet};

use domovoi_model::{BootId, Id, Moment, PersonId, Severity, Timestamp};
use domovoi_store::{TellingKind, TellingRow};
use serde::{Deserialize, Serialize};

use super::policy::{Call, Later, Reason};
use super::record::{At, Case, Decided, Delivery, Kept, LetterState, Line, Why};
use super::{Audience, Bilingual, News, Subject, Topic};

/// Codes of why something is told now.
const CALLS: [(&str, Call); 5] = [
    ("first", Call::First),
    ("again", Call::Again),
    ("costly", Call::Costly),
    ("all-clear", Call::AllClear),
    ("digest", Call::Digest),
];

/// The code of why something is told now (`call-<code>`).
pub fn call_code(call: Call) -> &'static str {
    CALLS.iter().find(|(_, one)| *one == call).map_or("first", |(code, _)| code)
}

fn call_of(code: &str) -> Option<Call> {
    CALLS.iter().find(|(one, _)| *one == code).map(|(_, call)| *call)
}

fn ids(texts: &[String]) -> BTreeSet<Id> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

fn people(texts: &[String]) -> BTreeSet<PersonId> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

pub(super) fn spelled<T: ToString>(things: impl IntoIterator<Item = T>) -> Vec<String> {
    things.into_iter().map(|thing| thing.to_string()).collect()
}

pub(super) fn json<T: Serialize>(value: &T) -> String {
    // Of plain strings and numbers: there is nothing in it that could not be written.
    serde_json::to_string(value).unwrap_or_default()
}

#[derive(Serialize, Deserialize)]
struct CaseRow {
    subject: String,
    telling: u32,
    topic: String,
    severity: String,
    life: bool,
    drill: bool,
    wants_answer: bool,
    title: [String; 2],
    body: [String; 2],
    link: Option<String>,
    room: Option<String>,
    /// `None`: the household.
    to: Option<Vec<String>>,
    /// Wall, or a boot and milliseconds.
    at: (Option<String>, i64),
    came: i64,
    /// How long ago, when this was written at `written`.
    began_ago: i64,
    told_ago: i64,
    widened_ago: i64,
    written: i64,
    again: u32,
    told: Vec<(String, Vec<String>)>,
    house_ways: Vec<String>,
    asked: Vec<String>,
    everybody: bool,
    house: bool,
    costs: bool,
    answered: Option<(String, i64)>,
    over: Option<i64>,
    quiet: bool,
}

/// A piece of news as a row.
pub fn of_case(case: &Case, now: At) -> TellingRow {
    let news = &case.news;
    let at = match news.at {
        Moment::Wall(at) => (None, at.0),
        Moment::SinceBoot { boot, millis } => (Some(boot.to_string()), millis),
    };
    let row = CaseRow {
        subject: news.subject.to_string(),
        telling: news.telling,
        topic: news.topic.code().into(),
        severity: news.severity.code().into(),
        life: news.life,
        drill: news.drill,
        wants_answer: news.wants_answer,
        title: [news.title.ru.clone(), news.title.en.clone()],
        body: [news.body.ru.clone(), news.body.en.clone()],
        link: news.link.clone(),
        room: news.room.clone(),
        to: match &news.audience {
            Audience::Household => None,
            Audience::People(people) => Some(spelled(people)),
        },
        at,
        came: case.at.0,
        began_ago: now.tick.saturating_sub(case.began),
        told_ago: now.tick.saturating_sub(case.told_at),
        widened_ago: now.tick.saturating_sub(case.widened),
        written: now.wall.0,
        again: case.again,
        told: case.told.iter().map(|(person, ways)| (person.to_string(), spelled(ways))).collect(),
        house_ways: spelled(&case.house_ways),
        asked: spelled(&case.asked),
        everybody: case.everybody,
        house: case.house,
        costs: case.costs,
        answered: case.answered.map(|(by, at)| (by.to_string(), at.0)),
        over: case.over.map(|at| at.0),
        quiet: case.quiet,
    };
    TellingRow {
        id: case.id,
        kind: TellingKind::News,
        subject: row.subject.clone(),
        person: None,
        at: case.at,
        // Only alerts are ever said to be over; of anything else nothing more is to be done once nobody is waited for.
        open: case.over.is_none() && (case.climbs() || matches!(news.subject, Subject::Alert(_))),
        body: json(&row),
    }
}

/// The piece of news of a row. What was being waited for goes on being waited for: the time in between counts, as far as the
/// clock can be believed.
pub fn to_case(row: &TellingRow, now: At, longest: i64) -> Option<Case> {
    let read: CaseRow = serde_json::from_str(&row.body).ok()?;
    let since = now.wall.0.saturating_sub(read.written).clamp(0, longest);
    let ago = |millis: i64| now.tick.saturating_sub(millis.clamp(0, longest).saturating_add(since));
    let [title_ru, title_en] = read.title;
    let [body_ru, body_en] = read.body;
    Some(Case {
        id: row.id,
        news: News {
            subject: read.subject.parse().ok()?,
            telling: read.telling,
            topic: Topic::from_code(&read.topic)?,
            severity: Severity::from_code(&read.severity)?,
            life: read.life,
            drill: read.drill,
            wants_answer: read.wants_answer,
            title: Bilingual { ru: title_ru, en: title_en },
            body: Bilingual { ru: body_ru, en: body_en },
            link: read.link,
            room: read.room,
            audience: match read.to {
                None => Audience::Household,
                Some(to) => Audience::People(people(&to).into_iter().collect()),
            },
            at: match read.at {
                (None, wall) => Moment::Wall(Timestamp(wall)),
                (Some(boot), millis) => Moment::SinceBoot { boot: boot.parse::<BootId>().ok()?, millis },
            },
        },
        at: Timestamp(read.came),
        began: ago(read.began_ago),
        told_at: ago(read.told_ago),
        again: read.again,
        widened: ago(read.widened_ago),
        told: read.told.iter().filter_map(|(person, ways)| Some((person.parse().ok()?, ids(ways)))).collect(),
        house_ways: ids(&read.house_ways),
        asked: people(&read.asked),
        everybody: read.everybody,
        house: read.house,
        costs: read.costs,
        answered: read.answered.and_then(|(by, at)| Some((by.parse().ok()?, Timestamp(at)))),
        over: read.over.map(Timestamp),
        quiet: read.quiet,
        why: BTreeMap::new(),
    })
}

#[derive(Serialize, Deserialize)]
struct DeliveryRow {
    subject: String,
    telling: u32,
    person: Option<String>,
    way: String,
    channel: String,
    call: String,
    life: bool,
    severity: String,
    topic: String,
    text: Option<(String, String)>,
    state: String,
    times: Vec<(String, i64)>,
    why: Option<String>,
    receipt: Option<String>,
    tries: u32,
    asked: u32,
    until: i64,
}

/// A letter as a row. `open`: something is still to be done about it.
pub fn of_delivery(one: &Delivery, at: Timestamp, open: bool) -> TellingRow {
    let row = DeliveryRow {
        subject: one.subject.to_string(),
        telling: one.telling,
        person: one.person.map(|person| person.to_string()),
        way: one.way.to_string(),
        channel: one.channel.clone(),
        call: call_code(one.call).into(),
        life: one.life,
        severity: one.severity.code().into(),
        topic: one.topic.code().into(),
        text: one.text.clone(),
        state: one.state.code().into(),
        times: one.times.iter().map(|(state, at)| (state.code().to_owned(), at.0)).collect(),
        why: one.why.clone(),
        receipt: one.receipt.clone(),
        tries: one.tries,
        asked: one.asked,
        until: one.until.0,
    };
    TellingRow {
        id: one.id,
        kind: TellingKind::Letter,
        subject: row.subject.clone(),
        person: one.person,
        at: one.times.first().map_or(at, |(_, at)| *at),
        open,
        body: json(&row),
    }
}

/// The letter of a row.
pub fn to_delivery(row: &TellingRow) -> Option<Delivery> {
    let read: DeliveryRow = serde_json::from_str(&row.body).ok()?;
    let time = |(state, at): &(String, i64)| Some((LetterState::from_code(state)?, Timestamp(*at)));
    Some(Delivery {
        id: row.id,
        subject: read.subject.parse().ok()?,
        telling: read.telling,
        person: row.person,
        way: read.way.parse().ok()?,
        channel: read.channel,
        call: call_of(&read.call)?,
        life: read.life,
        severity: Severity::from_code(&read.severity)?,
        topic: Topic::from_code(&read.topic)?,
        text: read.text,
        state: LetterState::from_code(&read.state)?,
        times: read.times.iter().filter_map(time).collect(),
        why: read.why,
        receipt: read.receipt,
        tries: read.tries,
        asked: read.asked,
        until: Timestamp(read.until),
    })
}

#[derive(Serialize, Deserialize)]
struct WhyRow {
    subject: String,
    decided: Vec<DecidedRow>,
    left_out: u32,
}

#[derive(Serialize, Deserialize)]
struct DecidedRow {
    at: i64,
    call: String,
    by: Vec<String>,
    /// `with-others`, or the end of quiet hours.
    later: Option<(String, i64)>,
    why: Vec<(String, Option<String>)>,
}

/// What was decided about somebody as a row.
pub fn of_why(why: &Why) -> TellingRow {
    let decided = |one: &Decided| DecidedRow {
        at: one.at.0,
        call: call_code(one.call).into(),
        by: one.by.clone(),
        later: one.later.map(|later| match later {
            Later::AfterQuiet(until) => ("after-quiet".into(), until.0),
            Later::WithOthers => ("with-others".into(), 0),
        }),
        why: one.why.iter().map(|reason| (reason.code().to_owned(), reason.detail())).collect(),
    };
    let row = WhyRow {
        subject: why.subject.to_string(),
        decided: why.decided.iter().map(decided).collect(),
        left_out: why.left_out,
    };
    TellingRow {
        id: why.id,
        kind: TellingKind::Why,
        subject: row.subject.clone(),
        person: Some(why.person),
        at: why.decided.first().map_or(Timestamp(0), |one| one.at),
        open: false,
        body: json(&row),
    }
}

/// What was decided, of a row.
pub fn to_why(row: &TellingRow) -> Option<Why> {
    let read: WhyRow = serde_json::from_str(&row.body).ok()?;
    let decided = |one: DecidedRow| {
        let later = one.later.and_then(|(code, at)| match code.as_str() {
            "after-quiet" => Some(Later::AfterQuiet(Timestamp(at))),
            "with-others" => Some(Later::WithOthers),
            _ => None,
        });
        let why = one.why.iter().filter_map(|(code, detail)| Reason::read(code, detail.as_deref())).collect();
        Some(Decided { at: Timestamp(one.at), call: call_of(&one.call)?, by: one.by, later, why })
    };
    Some(Why {
        id: row.id,
        subject: read.subject.parse().ok()?,
        person: row.person?,
        decided: read.decided.into_iter().filter_map(decided).collect(),
        left_out: read.left_out,
    })
}

#[derive(Serialize, Deserialize)]
struct KeptRow {
    subject: String,
    telling: u32,
    title: String,
    topic: String,
    severity: String,
    life: bool,
    drill: bool,
    more: u32,
}

/// What is kept back as a row; open until it was told or is not needed.
pub fn of_kept(kept: &Kept, open: bool) -> TellingRow {
    let row = KeptRow {
        subject: kept.subject.to_string(),
        telling: kept.telling,
        title: kept.title.clone(),
        topic: kept.topic.code().into(),
        severity: kept.severity.code().into(),
        life: kept.life,
        drill: kept.drill,
        more: kept.more,
    };
    TellingRow {
        id: kept.id,
        kind: TellingKind::KeptBack,
        subject: row.subject.clone(),
        person: Some(kept.person),
        at: kept.at,
        open,
        body: json(&row),
    }
}

/// What is kept back, of a row.
pub fn to_kept(row: &TellingRow) -> Option<Kept> {
    let read: KeptRow = serde_json::from_str(&row.body).ok()?;
    Some(Kept {
        id: row.id,
        person: row.person?,
        subject: read.subject.parse().ok()?,
        telling: read.telling,
        title: read.title,
        topic: Topic::from_code(&read.topic)?,
        severity: Severity::from_code(&read.severity)?,
        life: read.life,
        drill: read.drill,
        at: row.at,
        more: read.more,
    })
}

#[derive(Serialize, Deserialize)]
struct LineRow {
    subject: String,
    topic: String,
    severity: String,
    life: bool,
    drill: bool,
    over: bool,
    title: String,
    body: String,
    link: Option<String>,
    seen: Option<i64>,
}

/// A line of an inbox as a row; open until it is seen, or too old to be shown.
pub fn of_line(person: PersonId, line: &Line, open: bool) -> TellingRow {
    let row = LineRow {
        subject: line.subject.to_string(),
        topic: line.topic.code().into(),
        severity: line.severity.code().into(),
        life: line.life,
        drill: line.drill,
        over: line.over,
        title: line.title.clone(),
        body: line.body.clone(),
        link: line.link.clone(),
        seen: line.seen.map(|at| at.0),
    };
    TellingRow {
        id: line.id,
        kind: TellingKind::Inbox,
        subject: row.subject.clone(),
        person: Some(person),
        at: line.at,
        open,
        body: json(&row),
    }
}

/// The line of a row.
pub fn to_line(row: &TellingRow) -> Option<Line> {
    let read: LineRow = serde_json::from_str(&row.body).ok()?;
    Some(Line {
        id: row.id,
        subject: read.subject.parse().ok()?,
        topic: Topic::from_code(&read.topic)?,
        severity: Severity::from_code(&read.severity)?,
        life: read.life,
        drill: read.drill,
        over: read.over,
        title: read.title,
        body: read.body,
        link: read.link,
        at: row.at,
        seen: read.seen.map(Timestamp),
    })
}
