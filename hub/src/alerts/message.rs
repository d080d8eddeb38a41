//! A CAP message as it is about this home: its languages and phases put together into what an alert says. Pure: what becomes
//! of the alert is decided by the board.

use domovoi_adapters::cap::{CapInfo, CapMessage};
use domovoi_config::Language;
use domovoi_model::{
    AlertCategory, AlertStatus, AlertText, AlertUrgency, Certainty, Concern, Peril, Severity, Timestamp,
};

use super::geography::Place;
use super::peril;

/// An alert whose sender gave no end ends so long after it was sent.
const ASSUMED_MILLIS: i64 = 24 * 3_600_000;

/// As many languages are kept.
const MAX_LANGUAGES: usize = 3;

/// Characters of a description and of an instruction, per language.
const MAX_DESCRIPTION: usize = 4000;
const MAX_INSTRUCTION: usize = 2000;

/// Names of areas and reasons that are kept.
const MAX_AREAS: usize = 16;

/// What a message says that is about the home.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    pub severity: Severity,
    pub urgency: AlertUrgency,
    pub certainty: Certainty,
    pub categories: Vec<AlertCategory>,
    pub peril: Peril,
    pub life: bool,
    pub texts: Vec<AlertText>,
    pub areas: Vec<String>,
    pub concerns: Vec<Concern>,
    pub sender: String,
    pub web: Option<String>,
    pub onset: Option<Timestamp>,
    pub expires: Timestamp,
    pub expires_assumed: bool,
}

/// How a message stands to the home.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum About {
    /// It says something to it.
    Home(Box<Told>),
    /// It is about other places, or says that all is clear here.
    Elsewhere,
    /// It would be, and its time is over.
    TooLate,
}

/// What a message means here and now. `now` is `None` while the clock cannot be true: then nothing is too late.
pub(super) fn about(
    message: &CapMessage,
    place: &Place,
    is_local: bool,
    language: Language,
    now: Option<Timestamp>,
    heard: Timestamp,
) -> About {
    let status = message.status.unwrap_or(AlertStatus::Test);
    let all = concerned(message, place, is_local);
    let mut live: Vec<(&CapInfo, Vec<Concern>, (Timestamp, bool))> = Vec::new();
    let mut is_late = false;
    for (info, concerns) in all {
        let end = ends(info, message.sent, heard);
        if info.is_all_clear || info.urgency == AlertUrgency::Past && info.severity <= Severity::Minor {
            continue;
        }
        if now.is_some_and(|now| end.0 <= now) {
            is_late = true;
            continue;
        }
        live.push((info, concerns, end));
    }
    if live.is_empty() {
        return if is_late { About::TooLate } else { About::Elsewhere };
    }
    // The gravest leads: of phases and of languages.
    live.sort_by_key(|(info, _, _)| std::cmp::Reverse((info.severity, info.urgency, info.certainty)));
    let peril = |info: &CapInfo| peril::of(info);
    let life = live
        .iter()
        .any(|(info, _, _)| peril::is_life(status, info.severity, info.urgency, info.certainty, peril(info)));
    let texts = texts(live.iter().map(|(info, _, _)| *info), language);
    // Names of areas in the language that is shown first.
    let first = texts.first().map(|text| text.language.clone()).unwrap_or_default();
    let spoken = |info: &CapInfo| language_of(info) == first;
    let mut concerns: Vec<Concern> = Vec::new();
    for (info, why, _) in &live {
        if spoken(info) || !live.iter().any(|(info, why, _)| spoken(info) && !why.is_empty()) {
            concerns.extend(why.iter().cloned());
        }
    }
    let mut seen: Vec<Concern> = Vec::new();
    concerns.retain(|one| {
        !seen.contains(one) && {
            seen.push(one.clone());
            true
        }
    });
    concerns.truncate(MAX_AREAS);
    let mut areas: Vec<String> = Vec::new();
    for area in concerns.iter().filter_map(area_of) {
        if !area.is_empty() && !areas.contains(area) {
            areas.push(area.clone());
        }
    }
    let mut categories: Vec<AlertCategory> = Vec::new();
    for category in live.iter().flat_map(|(info, _, _)| &info.categories) {
        if !categories.contains(category) {
            categories.push(*category);
        }
    }
    if categories.is_empty() {
        categories.push(AlertCategory::Other);
    }
    let perils = || live.iter().map(|(info, _, _)| peril(info));
    let lead = perils().find(|peril| *peril != Peril::Other).unwrap_or(Peril::Other);
    let graver = live.first().map(|(info, _, _)| (info.severity, info.urgency, info.certainty));
    let (severity, urgency, certainty) =
        graver.unwrap_or((Severity::Unknown, AlertUrgency::Unknown, Certainty::Unknown));
    let end = live.iter().map(|(_, _, end)| *end).max();
    let (expires, expires_assumed) = end.unwrap_or((heard.plus_millis(ASSUMED_MILLIS), true));
    let named = live.iter().map(|(info, _, _)| info.sender_name.as_str()).find(|name| !name.is_empty());
    let web = live.iter().map(|(info, _, _)| info.web.as_str()).find(|web| is_page(web));
    About::Home(Box::new(Told {
        severity,
        urgency,
        certainty,
        categories,
        peril: lead,
        life,
        texts,
        areas,
        concerns,
        sender: named.unwrap_or(&message.sender).to_owned(),
        web: web.map(str::to_owned),
        onset: live.iter().filter_map(|(info, _, _)| info.onset.or(info.effective)).min(),
        expires,
        expires_assumed,
    }))
}

/// An address that a page may link to.
fn is_page(text: &str) -> bool {
    text.len() <= 1000
        && (text.starts_with("https://") || text.starts_with("http://"))
        && !text.contains(['"', '<', '>', ' '])
}

fn area_of(concern: &Concern) -> Option<&String> {
    match concern {
        Concern::Polygon { area }
        | Concern::Circle { area }
        | Concern::Code { area, .. }
        | Concern::Region { area, .. } => Some(area),
        Concern::Home | Concern::LocalFeed => None,
    }
}

/// When an information ends, and whether that is assumed.
fn ends(info: &CapInfo, sent: Option<Timestamp>, heard: Timestamp) -> (Timestamp, bool) {
    match info.expires {
        Some(expires) => (expires, false),
        None => {
            let from = [info.onset, info.effective, sent].into_iter().flatten().max().unwrap_or(heard);
            (from.plus_millis(ASSUMED_MILLIS), true)
        }
    }
}

/// The informations that are about the home, and why. One that names no area is a translation of those that do, if there are
/// any; if there are none, its feed has to be about this place.
fn concerned<'a>(message: &'a CapMessage, place: &Place, is_local: bool) -> Vec<(&'a CapInfo, Vec<Concern>)> {
    let has_areas = message.infos.iter().any(|info| !info.areas.is_empty());
    let mut found: Vec<(&CapInfo, Vec<Concern>)> = Vec::new();
    for info in &message.infos {
        let why: Vec<Concern> = info.areas.iter().filter_map(|area| place.concern(area)).collect();
        if !why.is_empty() {
            found.push((info, why));
        } else if is_local && !has_areas {
            found.push((info, vec![Concern::LocalFeed]));
        }
    }
    if !found.is_empty() && has_areas {
        let translations = message.infos.iter().filter(|info| {
            let says_as = |(other, _): &(&CapInfo, Vec<Concern>)| {
                (other.severity, other.urgency, other.expires) == (info.severity, info.urgency, info.expires)
            };
            info.areas.is_empty() && found.iter().any(says_as)
        });
        let translations: Vec<&CapInfo> = translations.collect();
        found.extend(translations.into_iter().map(|info| (info, Vec::new())));
    }
    found
}

/// Lower case; of a sender who does not say, what the letters look like.
fn language_of(info: &CapInfo) -> String {
    let said = info.language.replace('_', "-");
    if !said.is_empty() {
        return said;
    }
    let is_cyrillic = |text: &str| text.chars().any(|c| matches!(c, 'а'..='я' | 'А'..='Я' | 'ё' | 'Ё'));
    // CAP's own default.
    if is_cyrillic(&info.event) || is_cyrillic(&info.headline) { "ru".to_owned() } else { "en-us".to_owned() }
}

/// What is said, language by language: the home's first, then Russian, then English, then whatever there is. Phases follow
/// one another in the order of their gravity.
fn texts<'a>(infos: impl Iterator<Item = &'a CapInfo>, language: Language) -> Vec<AlertText> {
    let mut texts: Vec<AlertText> = Vec::new();
    for info in infos {
        let said = language_of(info);
        match texts.iter_mut().find(|text| text.language == said) {
            None => texts.push(AlertText {
                language: said,
                event: info.event.clone(),
                headline: info.headline.clone(),
                description: info.description.clone(),
                instruction: info.instruction.clone(),
            }),
            Some(text) => {
                let head = if info.headline.is_empty() { &info.event } else { &info.headline };
                let is_other = *head != text.headline && *head != text.event;
                let more = [if is_other { head.as_str() } else { "" }, info.description.as_str()];
                for more in more.into_iter().filter(|more| !more.is_empty()) {
                    add(&mut text.description, more);
                }
                add(&mut text.instruction, &info.instruction);
            }
        }
    }
    let rank = |text: &AlertText| {
        let short = text.language.split('-').next().unwrap_or_default();
        match short {
            short if short == language.code() => 0,
            "ru" => 1,
            "en" => 2,
            _ => 3,
        }
    };
    texts.sort_by_key(rank);
    texts.truncate(MAX_LANGUAGES);
    for text in &mut texts {
        cut(&mut text.description, MAX_DESCRIPTION);
        cut(&mut text.instruction, MAX_INSTRUCTION);
    }
    texts
}

fn add(to: &mut String, more: &str) {
    if more.is_empty() || to.contains(more) {
        return;
    }
    if !to.is_empty() {
        to.push('\n');
    }
    to.push_str(more);
}

fn cut(text: &mut String, most: usize) {
    if let Some((end, _)) = text.char_indices().nth(most) {
        text.truncate(end);
        text.push('…');
    }
}
