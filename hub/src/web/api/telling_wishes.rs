//! What somebody wants to be told, as JSON: read, checked, kept. Whether it can be taken is the room's to say.

use axum::Json;
use axum::extract::{Extension, State};
use domovoi_config::Language;
use domovoi_model::{Severity, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::telling::{told, warning};
use super::{ApiProblem, millis_of};
use crate::audit::Note;
use crate::notify::Topic;
use crate::notify::policy::{Mute, Place, QuietSpan, TopicWish, WayRule, Wishes};
use crate::web::{Caller, Desk, Of};

/// Hours on days of the week.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HoursForm {
    /// On which days they begin: 1 is Monday, 7 Sunday.
    #[schema(max_items = 7)]
    pub days: Vec<u8>,
    /// `22:30`
    #[schema(max_length = 5)]
    pub from: String,
    /// `7:30`; not after `from`: on the next day.
    #[schema(max_length = 5)]
    pub to: String,
}

/// What is wanted of a topic.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TopicForm {
    /// `danger`, `emergency`, `outage`, `device`, `camera`, `meter`, `money`, `security`, `house`, `calendar`, `message`
    pub topic: String,
    pub on: bool,
    /// `unknown`, `minor`, `moderate`, `severe`, `extreme`: what is less severe is in the inbox only.
    #[serde(default = "unknown")]
    pub from: String,
}

/// By which channels something comes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleForm {
    /// Of these topics; empty: of any.
    #[serde(default)]
    pub topics: Vec<String>,
    #[serde(default = "unknown")]
    pub from: String,
    /// `any`, `home`, `away`
    #[serde(default = "any")]
    pub place: String,
    #[serde(default)]
    pub hours: Option<HoursForm>,
    /// By these channels; empty: only in the inbox.
    #[serde(default)]
    pub by: Vec<String>,
}

/// Not wanted for a time.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MuteForm {
    /// `null`: everything that life does not hang on.
    #[serde(default)]
    pub topic: Option<String>,
    /// RFC 3339; a month at most.
    pub until: String,
}

/// What somebody wants. What life hangs on is told at any hour, whatever is wished.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WishesForm {
    /// `ru`, `en`; `null`: the person's own, or the home's.
    #[serde(default)]
    pub language: Option<String>,
    /// `null`: the home's quiet hours; empty: none.
    #[serde(default)]
    pub quiet: Option<Vec<HoursForm>>,
    #[serde(default)]
    pub topics: Vec<TopicForm>,
    /// The first that fits counts.
    #[serde(default)]
    pub rules: Vec<RuleForm>,
    /// By which channels what life hangs on comes; empty: by all.
    #[serde(default)]
    pub life_by: Vec<String>,
    /// Only what these rooms are about; empty: all.
    #[serde(default)]
    pub rooms: Vec<String>,
    #[serde(default)]
    pub muted: Vec<MuteForm>,
    /// Ways in the order in which they are tried.
    #[serde(default)]
    pub order: Vec<String>,
}

/// Somebody's wishes.
#[derive(Debug, Serialize, ToSchema)]
pub struct WishesView {
    pub wishes: WishesForm,
    /// Nobody grown up can be reached when life is at stake: a sentence that says so, and what to do.
    pub warning: Option<String>,
}

fn unknown() -> String {
    Severity::Unknown.code().to_owned()
}

fn any() -> String {
    Place::Any.code().to_owned()
}

fn clock(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

fn hours_view(span: &QuietSpan) -> HoursForm {
    let days = (0u8..7).filter(|day| span.days & (1 << day) != 0).map(|day| day + 1).collect();
    HoursForm { days, from: clock(span.from_minute), to: clock(span.to_minute) }
}

fn view(wishes: &Wishes) -> WishesForm {
    WishesForm {
        language: wishes.language.map(|language| language.code().to_owned()),
        quiet: wishes.quiet.as_ref().map(|spans| spans.iter().map(hours_view).collect()),
        topics: wishes
            .topics
            .iter()
            .map(|(topic, wish)| TopicForm {
                topic: topic.code().to_owned(),
                on: wish.on,
                from: wish.from.code().to_owned(),
            })
            .collect(),
        rules: wishes
            .rules
            .iter()
            .map(|rule| RuleForm {
                topics: rule.topics.iter().map(|topic| topic.code().to_owned()).collect(),
                from: rule.from.code().to_owned(),
                place: rule.place.code().to_owned(),
                hours: rule.hours.as_ref().map(hours_view),
                by: rule.by.clone(),
            })
            .collect(),
        life_by: wishes.life_by.clone(),
        rooms: wishes.rooms.clone(),
        muted: wishes
            .muted
            .iter()
            .map(|mute| MuteForm {
                topic: mute.topic.map(|topic| topic.code().to_owned()),
                until: mute.until.to_string(),
            })
            .collect(),
        order: wishes.order.iter().map(ToString::to_string).collect(),
    }
}

/// `22:30`, as a minute of the day.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |part: &str| {
        let digits = (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<u16>().ok().filter(|_| digits)
    };
    let (hour, minute) = (number(hour)?, number(minute).filter(|_| minute.len() == 2)?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

fn hours(form: &HoursForm) -> Result<QuietSpan, ApiProblem> {
    let wrong = || ApiProblem::invalid("hours are days from 1 to 7, and times like \"22:30\"");
    let mut days = 0u8;
    for day in &form.days {
        days |= 1u8.checked_shl(u32::from(*day).wrapping_sub(1)).filter(|_| (1..=7).contains(day)).ok_or_else(wrong)?;
    }
    let (from_minute, to_minute) = (minute(&form.from).ok_or_else(wrong)?, minute(&form.to).ok_or_else(wrong)?);
    Ok(QuietSpan { days, from_minute, to_minute })
}

fn topic(code: &str) -> Result<Topic, ApiProblem> {
    let codes = Topic::ALL.map(Topic::code).join(", ");
    Topic::from_code(code).ok_or_else(|| ApiProblem::invalid(format!("a topic is one of: {codes}")))
}

fn severity(code: &str) -> Result<Severity, ApiProblem> {
    let all: Vec<&str> = Severity::ALL.iter().map(|one| one.code()).collect();
    Severity::from_code(code).ok_or_else(|| ApiProblem::invalid(format!("a severity is one of: {}", all.join(", "))))
}

fn read(form: WishesForm) -> Result<Wishes, ApiProblem> {
    let language = match form.language.as_deref() {
        None => None,
        Some("ru") => Some(Language::Russian),
        Some("en") => Some(Language::English),
        Some(_) => return Err(ApiProblem::invalid("a language is \"ru\" or \"en\"")),
    };
    let mut topics = std::collections::BTreeMap::new();
    for one in &form.topics {
        topics.insert(topic(&one.topic)?, TopicWish { on: one.on, from: severity(&one.from)? });
    }
    let rule = |rule: RuleForm| -> Result<WayRule, ApiProblem> {
        Ok(WayRule {
            topics: rule.topics.iter().map(|code| topic(code)).collect::<Result<_, _>>()?,
            from: severity(&rule.from)?,
            place: Place::from_code(&rule.place)
                .ok_or_else(|| ApiProblem::invalid("a place is \"any\", \"home\" or \"away\""))?,
            hours: rule.hours.as_ref().map(hours).transpose()?,
            by: rule.by,
        })
    };
    let mute = |mute: &MuteForm| -> Result<Mute, ApiProblem> {
        let until: Option<Timestamp> = millis_of(&mute.until);
        Ok(Mute {
            topic: mute.topic.as_deref().map(topic).transpose()?,
            until: until.ok_or_else(|| ApiProblem::invalid("`until` is a time like \"2026-12-01T08:00:00Z\""))?,
        })
    };
    let order = |text: &String| text.parse().map_err(|_| ApiProblem::invalid("`order` has ids of ways"));
    Ok(Wishes {
        language,
        quiet: form.quiet.map(|spans| spans.iter().map(hours).collect::<Result<_, _>>()).transpose()?,
        topics,
        rules: form.rules.into_iter().map(rule).collect::<Result<_, _>>()?,
        life_by: form.life_by,
        rooms: form.rooms,
        muted: form.muted.iter().map(mute).collect::<Result<_, _>>()?,
        order: form.order.iter().map(order).collect::<Result<_, _>>()?,
    })
}

/// What a person wants.
#[utoipa::path(get, path = "/api/v1/people/{person}/wishes", tag = "telling", responses((status = 200, body = WishesView)))]
pub async fn show(State(desk): State<Desk>, caller: Caller, of: Of) -> Json<WishesView> {
    // A mute that is over is none.
    let mut wishes = desk.notify.wishes(of.0);
    if let Some(now) = desk.clock.trusted() {
        wishes.muted.retain(|mute| mute.until > now);
    }
    Json(WishesView { wishes: view(&wishes), warning: warning(&desk, caller.language) })
}

/// Says what a person wants, whole; it counts at once. Refused with `409 nobody-for-life` if nobody grown up could be
/// reached any more when life is at stake.
#[utoipa::path(put, path = "/api/v1/people/{person}/wishes", tag = "telling", request_body = WishesForm, responses((status = 200, body = WishesView)))]
pub async fn set(
    State(desk): State<Desk>,
    caller: Caller,
    of: Of,
    Extension(note): Extension<Note>,
    Json(form): Json<WishesForm>,
) -> Result<Json<WishesView>, ApiProblem> {
    let wishes = read(form)?;
    let before = desk.notify.wishes(of.0);
    desk.notify.set_wishes(of.0, wishes.clone()).await.map_err(|error| told(error, caller.language))?;
    // Which parts changed; what is wished is the person's own.
    for (field, changed) in [
        ("quiet", before.quiet != wishes.quiet),
        ("topics", before.topics != wishes.topics),
        ("rules", before.rules != wishes.rules),
        ("life_by", before.life_by != wishes.life_by),
        ("muted", before.muted != wishes.muted),
    ] {
        if changed {
            note.change(field, None, None);
        }
    }
    Ok(show(State(desk), caller, of).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_read_as_they_are_shown() {
        let text = r#"{"language":"en","quiet":[{"days":[1,7],"from":"22:30","to":"7:05"}],
            "topics":[{"topic":"money","on":false}],
            "rules":[{"by":["mail"],"place":"away","hours":{"days":[2],"from":"9:00","to":"18:00"}}],
            "life_by":["web-push"],"rooms":["hall"],"muted":[{"until":"2026-12-01T08:00:00Z"}],
            "order":["00112233-4455-6677-8899-aabbccddeeff"]}"#;
        let wishes = read(serde_json::from_str(text).unwrap()).unwrap();
        assert_eq!(wishes.quiet, Some(vec![QuietSpan { days: 0b100_0001, from_minute: 1350, to_minute: 425 }]));
        assert_eq!(read(view(&wishes)).unwrap(), wishes);
        for bad in [
            r#"{"language":"de"}"#,
            r#"{"quiet":[{"days":[0],"from":"1:00","to":"2:00"}]}"#,
            r#"{"quiet":[{"days":[8],"from":"1:00","to":"2:00"}]}"#,
            r#"{"quiet":[{"days":[1],"from":"24:00","to":"2:00"}]}"#,
            r#"{"topics":[{"topic":"gossip","on":true}]}"#,
            r#"{"topics":[{"topic":"money","on":true,"from":"bad"}]}"#,
            r#"{"rules":[{"place":"work"}]}"#,
            r#"{"muted":[{"until":"tomorrow"}]}"#,
            r#"{"order":["1"]}"#,
        ] {
            assert!(read(serde_json::from_str(bad).unwrap()).is_err(), "{bad}");
        }
    }
}
