//! How the store spells what people wish: wishes, ways, the household's order; and back.

use std::collections::BTreeMap;

use domovoi_config::Language;
use domovoi_model::{Id, PersonId, Severity, Timestamp};
use domovoi_store::WishRow;
use serde::{Deserialize, Serialize};

use super::Topic;
use super::channels::Address;
use super::paper::{json, spelled};
use super::policy::{Mute, Place, QuietSpan, TopicWish, WayRule, Wishes};
use super::record::{HouseUse, Household, Off, Route};

/// What a row of wishes is.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WishPaper {
    Wishes(WishesRow),
    Way(RouteRow),
    Household { order: Vec<String> },
}

/// See [`WishPaper`].
#[derive(Debug)]
pub enum Wish {
    /// Somebody's wishes.
    Wishes(PersonId, Wishes),
    /// A way.
    Way(Route),
    /// The household's.
    Household(Household),
}

type SpanRow = (u8, u16, u16);

fn span_of(span: &QuietSpan) -> SpanRow {
    (span.days, span.from_minute, span.to_minute)
}

fn to_span((days, from_minute, to_minute): SpanRow) -> QuietSpan {
    QuietSpan { days, from_minute, to_minute }
}

#[derive(Serialize, Deserialize)]
struct WishesRow {
    language: Option<String>,
    quiet: Option<Vec<SpanRow>>,
    topics: Vec<(String, bool, String)>,
    rules: Vec<RuleRow>,
    life_by: Vec<String>,
    rooms: Vec<String>,
    muted: Vec<(Option<String>, i64)>,
    order: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct RuleRow {
    topics: Vec<String>,
    from: String,
    place: String,
    hours: Option<SpanRow>,
    by: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct RouteRow {
    channel: String,
    label: String,
    address: BTreeMap<String, String>,
    of_contact: bool,
    used: String,
    added_at: Option<i64>,
    off: Option<String>,
    last_ok: Option<i64>,
    last_failure: Option<(i64, String)>,
    tested_at: Option<i64>,
    test_anyway: bool,
}

/// Somebody's wishes as a row.
pub fn of_wishes(id: Id, person: PersonId, wishes: &Wishes) -> WishRow {
    let rule = |rule: &WayRule| RuleRow {
        topics: rule.topics.iter().map(|topic| topic.code().to_owned()).collect(),
        from: rule.from.code().into(),
        place: rule.place.code().into(),
        hours: rule.hours.as_ref().map(span_of),
        by: rule.by.clone(),
    };
    let row = WishesRow {
        language: wishes.language.map(|language| language.code().to_owned()),
        quiet: wishes.quiet.as_ref().map(|spans| spans.iter().map(span_of).collect()),
        topics: wishes
            .topics
            .iter()
            .map(|(topic, wish)| (topic.code().to_owned(), wish.on, wish.from.code().to_owned()))
            .collect(),
        rules: wishes.rules.iter().map(rule).collect(),
        life_by: wishes.life_by.clone(),
        rooms: wishes.rooms.clone(),
        muted: wishes
            .muted
            .iter()
            .map(|mute| (mute.topic.map(|topic| topic.code().to_owned()), mute.until.0))
            .collect(),
        order: spelled(&wishes.order),
    };
    WishRow { id, person: Some(person), body: json(&WishPaper::Wishes(row)) }
}

/// A way as a row.
pub fn of_route(route: &Route) -> WishRow {
    let row = RouteRow {
        channel: route.channel.clone(),
        label: route.label.clone(),
        // A contact's address stands with the contact.
        address: if route.of_contact { BTreeMap::new() } else { route.address.0.clone() },
        of_contact: route.of_contact,
        used: route.used.code().into(),
        added_at: route.added_at.map(|at| at.0),
        off: route.off.map(|off| off.code().to_owned()),
        last_ok: route.last_ok.map(|at| at.0),
        last_failure: route.last_failure.as_ref().map(|(at, why)| (at.0, why.clone())),
        tested_at: route.tested_at.map(|at| at.0),
        test_anyway: route.test_anyway,
    };
    WishRow { id: route.id, person: route.person, body: json(&WishPaper::Way(row)) }
}

/// The household's as a row.
pub fn of_household(id: Id, household: &Household) -> WishRow {
    WishRow { id, person: None, body: json(&WishPaper::Household { order: spelled(&household.order) }) }
}

/// What a row of wishes says.
pub fn to_wish(row: &WishRow) -> Option<Wish> {
    Some(match serde_json::from_str(&row.body).ok()? {
        WishPaper::Household { order } => {
            Wish::Household(Household { order: order.iter().filter_map(|text| text.parse().ok()).collect() })
        }
        WishPaper::Way(read) => Wish::Way(Route {
            id: row.id,
            person: row.person,
            channel: read.channel,
            label: read.label,
            address: Address(read.address),
            of_contact: read.of_contact,
            used: HouseUse::from_code(&read.used)?,
            added_at: read.added_at.map(Timestamp),
            off: read.off.as_deref().and_then(Off::from_code),
            last_ok: read.last_ok.map(Timestamp),
            last_failure: read.last_failure.map(|(at, why)| (Timestamp(at), why)),
            tested_at: read.tested_at.map(Timestamp),
            test_anyway: read.test_anyway,
        }),
        WishPaper::Wishes(read) => Wish::Wishes(row.person?, wishes_of(read)?),
    })
}

fn wishes_of(read: WishesRow) -> Option<Wishes> {
    let topic = |(code, on, from): &(String, bool, String)| {
        Some((Topic::from_code(code)?, TopicWish { on: *on, from: Severity::from_code(from)? }))
    };
    let rule = |rule: RuleRow| {
        Some(WayRule {
            topics: rule.topics.iter().filter_map(|code| Topic::from_code(code)).collect(),
            from: Severity::from_code(&rule.from)?,
            place: Place::from_code(&rule.place)?,
            hours: rule.hours.map(to_span),
            by: rule.by,
        })
    };
    Some(Wishes {
        language: read.language.as_deref().and_then(language),
        quiet: read.quiet.map(|spans| spans.into_iter().map(to_span).collect()),
        topics: read.topics.iter().filter_map(topic).collect(),
        rules: read.rules.into_iter().filter_map(rule).collect(),
        life_by: read.life_by,
        rooms: read.rooms,
        muted: read
            .muted
            .iter()
            .map(|(topic, until)| Mute { topic: topic.as_deref().and_then(Topic::from_code), until: Timestamp(*until) })
            .collect(),
        order: read.order.iter().filter_map(|text| text.parse().ok()).collect(),
    })
}

fn language(code: &str) -> Option<Language> {
    [Language::Russian, Language::English].into_iter().find(|language| language.code() == code)
}
