//! An alert, a mark and a feed's place as they are kept: plain JSON of this room's own, so that what is stored does not change
//! because a field was renamed elsewhere.

use domovoi_model::{
    Acknowledged, Alert, AlertCategory, AlertOrigin, AlertState, AlertStatus, AlertText, AlertUrgency, BootId,
    Certainty, Concern, DeviceRef, Id, Moment, Peril, PersonId, Severity, Timestamp,
};
use domovoi_store::{AlertMark, AlertRow};
use serde::{Deserialize, Serialize};

use super::marks::Mark;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum MomentRow {
    Wall(i64),
    SinceBoot(String, i64),
}

impl From<Moment> for MomentRow {
    fn from(moment: Moment) -> Self {
        match moment {
            Moment::Wall(at) => MomentRow::Wall(at.0),
            Moment::SinceBoot { boot, millis } => MomentRow::SinceBoot(boot.to_string(), millis),
        }
    }
}

impl MomentRow {
    fn moment(self) -> Option<Moment> {
        Some(match self {
            MomentRow::Wall(at) => Moment::Wall(Timestamp(at)),
            MomentRow::SinceBoot(boot, millis) => Moment::SinceBoot { boot: boot.parse::<BootId>().ok()?, millis },
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ConcernRow {
    Home,
    Polygon(String),
    Circle(String),
    Code(String, String, String),
    Region(String, String),
    LocalFeed,
}

#[derive(Serialize, Deserialize)]
struct TextRow {
    language: String,
    event: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    headline: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    instruction: String,
}

#[derive(Serialize, Deserialize)]
struct Row {
    origin: String,
    key: String,
    status: String,
    state: String,
    severity: String,
    urgency: String,
    certainty: String,
    categories: Vec<String>,
    peril: String,
    life: bool,
    texts: Vec<TextRow>,
    areas: Vec<String>,
    concerns: Vec<ConcernRow>,
    sender: String,
    web: Option<String>,
    feed: Option<String>,
    device: Option<(String, String)>,
    room: Option<String>,
    raised_at: MomentRow,
    changed_at: MomentRow,
    sent: Option<i64>,
    onset: Option<i64>,
    expires: Option<i64>,
    expires_assumed: bool,
    ended_at: Option<MomentRow>,
    acknowledged: Vec<(String, MomentRow)>,
    steps_done: Vec<(String, String, MomentRow)>,
    telling: u32,
}

/// An alert as it is kept. `at_least`: what stands for a moment of a clock that was not true yet.
pub(super) fn alert_row(alert: &Alert, at_least: Timestamp) -> AlertRow {
    let wall = |moment: Moment| moment.wall().unwrap_or(at_least);
    let row = Row {
        origin: alert.origin.code().to_owned(),
        key: alert.key.clone(),
        status: alert.status.code().to_owned(),
        state: alert.state.code().to_owned(),
        severity: alert.severity.code().to_owned(),
        urgency: alert.urgency.code().to_owned(),
        certainty: alert.certainty.code().to_owned(),
        categories: alert.categories.iter().map(|category| category.code().to_owned()).collect(),
        peril: alert.peril.code().to_owned(),
        life: alert.life,
        texts: alert.texts.iter().map(text_row).collect(),
        areas: alert.areas.clone(),
        concerns: alert.concerns.iter().map(concern_row).collect(),
        sender: alert.sender.clone(),
        web: alert.web.clone(),
        feed: alert.feed.clone(),
        device: alert.device.as_ref().map(|device| (device.dialect.clone(), device.id.clone())),
        room: alert.room.clone(),
        raised_at: alert.raised_at.into(),
        changed_at: alert.changed_at.into(),
        sent: alert.sent.map(|at| at.0),
        onset: alert.onset.map(|at| at.0),
        expires: alert.expires.map(|at| at.0),
        expires_assumed: alert.expires_assumed,
        ended_at: alert.ended_at.map(MomentRow::from),
        acknowledged: alert.acknowledged.iter().map(|one| (one.by.to_string(), one.at.into())).collect(),
        steps_done: alert
            .steps_done
            .iter()
            .map(|(key, one)| (key.clone(), one.by.to_string(), one.at.into()))
            .collect(),
        telling: alert.telling,
    };
    AlertRow {
        id: alert.id,
        raised_at: wall(alert.raised_at),
        ended_at: alert.ended_at.map(wall),
        // Strings, numbers and lists: it can be written.
        body: serde_json::to_vec(&row).unwrap_or_default(),
    }
}

/// The alert of a row; `None` if this program does not know what is in it.
pub(super) fn alert_of(row: &AlertRow) -> Option<Alert> {
    let read: Row = serde_json::from_slice(&row.body).ok()?;
    let known = |by: String, at: MomentRow| Some(Acknowledged { by: by.parse::<PersonId>().ok()?, at: at.moment()? });
    let acknowledged: Option<Vec<_>> = read.acknowledged.into_iter().map(|(by, at)| known(by, at)).collect();
    let steps: Option<Vec<_>> = read.steps_done.into_iter().map(|(key, by, at)| Some((key, known(by, at)?))).collect();
    Some(Alert {
        id: row.id,
        origin: AlertOrigin::from_code(&read.origin)?,
        key: read.key,
        status: AlertStatus::from_code(&read.status)?,
        state: AlertState::from_code(&read.state)?,
        severity: Severity::from_code(&read.severity)?,
        urgency: AlertUrgency::from_code(&read.urgency)?,
        certainty: Certainty::from_code(&read.certainty)?,
        categories: read.categories.iter().filter_map(|code| AlertCategory::from_code(code)).collect(),
        peril: Peril::from_code(&read.peril).unwrap_or(Peril::Other),
        life: read.life,
        texts: read.texts.into_iter().map(text_of).collect(),
        areas: read.areas,
        concerns: read.concerns.into_iter().map(concern_of).collect(),
        sender: read.sender,
        web: read.web,
        feed: read.feed,
        device: read.device.map(|(dialect, id)| DeviceRef { dialect, id }),
        room: read.room,
        raised_at: read.raised_at.moment()?,
        changed_at: read.changed_at.moment()?,
        sent: read.sent.map(Timestamp),
        onset: read.onset.map(Timestamp),
        expires: read.expires.map(Timestamp),
        expires_assumed: read.expires_assumed,
        ended_at: read.ended_at.and_then(MomentRow::moment),
        acknowledged: acknowledged?,
        steps_done: steps?,
        telling: read.telling,
    })
}

fn text_row(text: &AlertText) -> TextRow {
    TextRow {
        language: text.language.clone(),
        event: text.event.clone(),
        headline: text.headline.clone(),
        description: text.description.clone(),
        instruction: text.instruction.clone(),
    }
}

fn text_of(row: TextRow) -> AlertText {
    AlertText {
        language: row.language,
        event: row.event,
        headline: row.headline,
        description: row.description,
        instruction: row.instruction,
    }
}

fn concern_row(concern: &Concern) -> ConcernRow {
    match concern.clone() {
        Concern::Home => ConcernRow::Home,
        Concern::Polygon { area } => ConcernRow::Polygon(area),
        Concern::Circle { area } => ConcernRow::Circle(area),
        Concern::Code { area, name, value } => ConcernRow::Code(area, name, value),
        Concern::Region { area, region } => ConcernRow::Region(area, region),
        Concern::LocalFeed => ConcernRow::LocalFeed,
    }
}

fn concern_of(row: ConcernRow) -> Concern {
    match row {
        ConcernRow::Home => Concern::Home,
        ConcernRow::Polygon(area) => Concern::Polygon { area },
        ConcernRow::Circle(area) => Concern::Circle { area },
        ConcernRow::Code(area, name, value) => Concern::Code { area, name, value },
        ConcernRow::Region(area, region) => Concern::Region { area, region },
        ConcernRow::LocalFeed => Concern::LocalFeed,
    }
}

#[derive(Serialize, Deserialize)]
struct MarkBody {
    alert: Option<String>,
    over: bool,
    cut: bool,
    feed: String,
}

/// A mark as it is kept.
pub(super) fn mark_row(name: &str, mark: &Mark) -> AlertMark {
    let body = MarkBody {
        alert: mark.alert.map(|id| id.to_string()),
        over: mark.is_over,
        cut: mark.is_cut,
        feed: mark.feed.clone(),
    };
    AlertMark { key: name.to_owned(), keep_until: mark.keep_until, body: serde_json::to_vec(&body).unwrap_or_default() }
}

/// The mark of a row.
pub(super) fn mark_of(row: &AlertMark) -> Option<Mark> {
    let body: MarkBody = serde_json::from_slice(&row.body).ok()?;
    Some(Mark {
        alert: body.alert.and_then(|id| id.parse::<Id>().ok()),
        is_over: body.over,
        is_cut: body.cut,
        feed: body.feed,
        keep_until: row.keep_until,
    })
}
