//! A camera as programs describe it, made a draft of the room's; plans of the week and what starts a recording, as they are
//! spelled on the wire. What is wrong with a draft the room says.

use axum::Json;
use axum::extract::State;
use domovoi_config::Language;
use domovoi_model::DeviceRef;
use domovoi_store::CameraCard;
use domovoi_vault::Secret;
use domovoi_video::session::Transport;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiProblem;
use super::cameras::told;
use crate::cameras::event::Start;
use crate::cameras::schedule::{Mode, Plan, Span, Weekdays};
use crate::cameras::{CameraKind, Draft, Stream, TrustWish, quirks_from};
use crate::web::{Caller, Desk};

/// The most that a list in a form may have; the room has its own bounds below it.
const MOST: usize = 64;

/// A span of the week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SpanView {
    /// The days on which it begins: 1 is Monday, 7 is Sunday.
    pub days: Vec<u8>,
    /// `HH:MM` of the home's clock.
    pub from: String,
    /// Likewise, up to `24:00`; not after `from`: on the next day.
    pub to: String,
}

/// What starts a recording on event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartView {
    /// `water_leak`, `gas`, `smoke`, `carbon_monoxide`, `motion`, `alarm`, `property`
    pub on: String,
    /// Of a `property`: `dialect:id`, or a name that only one device has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property: Option<String>,
    /// What it says then; on, if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub says: Option<String>,
}

/// A camera as it is to be; of one that is changed, what is not named stays.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CameraForm {
    /// Of a check: the camera that is to be changed.
    #[serde(default)]
    pub camera: Option<String>,
    pub name: Option<String>,
    /// By id or name; empty: none.
    pub room: Option<String>,
    /// `ip`, `rtsp`, `onvif`
    pub kind: Option<String>,
    /// `rtsp://` or `rtsps://`, host, port, path of the main stream.
    pub address: Option<String>,
    /// Path of the small stream at the same host; empty: none.
    pub sub_path: Option<String>,
    /// Empty: the camera is asked without one.
    pub login: Option<String>,
    pub password: Option<String>,
    /// `tcp`, `udp`: what UDP carries can be read by everybody in the network.
    pub transport: Option<String>,
    /// SHA-256 of the camera's certificate, which somebody has looked at; `AA:BB:…`.
    pub certificate: Option<String>,
    /// PEM of the owner's authority, in its place.
    pub authority: Option<String>,
    /// With `authority`: whether the certificate must name the camera's address.
    pub names_checked: Option<bool>,
    pub quirks: Option<Vec<String>>,
    pub sound: Option<bool>,
    /// `main`, `sub`
    pub recorded: Option<String>,
    /// A place of the settings; `local`: the folder of this machine.
    pub place: Option<String>,
    /// `never`, `always`, `week`, `event`
    pub mode: Option<String>,
    pub spans: Option<Vec<SpanView>>,
    pub starts: Option<Vec<StartView>>,
    pub pre_roll_s: Option<u32>,
    pub post_roll_s: Option<u32>,
    /// 0: as the settings say.
    pub quota_bytes: Option<u64>,
    /// 0: as the settings say.
    pub keep_days: Option<u32>,
    pub enabled: Option<bool>,
    /// Where it answers ONVIF, and what it calls itself there: as discovery says.
    pub onvif: Option<String>,
    pub onvif_id: Option<String>,
    pub made: Option<String>,
    /// Of one that is added: without looking at it first.
    #[serde(default)]
    pub unchecked: bool,
}

/// Neither the address, in which a password may stand, nor the password.
impl std::fmt::Debug for CameraForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CameraForm").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A camera that was found in the network and is not known yet.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DiscoveredAnswer {
    /// Where it answers ONVIF.
    pub onvif: String,
    pub onvif_id: String,
    pub host: String,
    /// Maker and model, as it said itself.
    pub made: Option<String>,
}

/// What a search found.
#[derive(Debug, Serialize, ToSchema)]
pub struct SearchAnswer {
    pub found: Vec<DiscoveredAnswer>,
}

/// The draft that a form makes of another.
pub fn draft_of(desk: &Desk, mut draft: Draft, form: &CameraForm) -> Result<Draft, ApiProblem> {
    let invalid = |text: String| ApiProblem::invalid(text);
    let of = |text: &Option<String>| text.as_ref().map(|text| text.trim().to_owned());
    if let Some(name) = of(&form.name) {
        draft.name = name;
    }
    match of(&form.room).as_deref() {
        None => {}
        Some("") => draft.room = None,
        Some(text) => {
            let room = desk.devices.find_room(text).ok_or_else(|| invalid(format!("room: there is no «{text}»")))?;
            draft.room = Some(room.id);
        }
    }
    if let Some(code) = &form.kind {
        draft.kind = CameraKind::from_code(code).ok_or_else(|| invalid("kind: ip, rtsp or onvif".into()))?;
    }
    if let Some(address) = &form.address {
        draft.address = Secret::new(address.clone());
    }
    if let Some(path) = of(&form.sub_path) {
        draft.sub_path = Some(path).filter(|path| !path.is_empty()).map(Secret::new);
    }
    if let Some(login) = of(&form.login) {
        draft.login = Some(login).filter(|login| !login.is_empty());
    }
    if let Some(password) = &form.password {
        draft.password = Some(Secret::new(password.clone()));
    }
    if let Some(code) = &form.transport {
        draft.transport = match code.as_str() {
            "tcp" => Transport::Tcp,
            "udp" => Transport::Udp,
            _ => return Err(invalid("transport: tcp or udp".into())),
        };
    }
    if let Some(pem) = &form.authority {
        draft.trust = TrustWish::Authority { pem: pem.clone(), names_checked: form.names_checked.unwrap_or(true) };
    } else if let Some(text) = &form.certificate {
        let pinned = fingerprint(text).ok_or_else(|| invalid("certificate: a SHA-256, AA:BB:…".into()))?;
        draft.trust = TrustWish::Pin(pinned);
    }
    if let Some(codes) = &form.quirks {
        draft.quirks = quirks_from(codes).map_err(|code| invalid(format!("quirks: there is no «{code}»")))?;
    }
    if let Some(code) = &form.recorded {
        draft.recorded = Stream::from_code(code).ok_or_else(|| invalid("recorded: main or sub".into()))?;
    }
    if let Some(place) = of(&form.place) {
        draft.place = Some(place).filter(|place| !matches!(place.as_str(), "" | "local"));
    }
    if let Some(code) = &form.mode {
        draft.mode = Mode::from_code(code).ok_or_else(|| invalid("mode: never, always, week or event".into()))?;
        // Spans of another mode would mean nothing.
        if matches!(draft.mode, Mode::Always | Mode::Never) {
            draft.spans.clear();
        }
    }
    if let Some(spans) = &form.spans {
        draft.spans = spans
            .iter()
            .take(MOST + 1)
            .map(span_of)
            .collect::<Option<_>>()
            .ok_or_else(|| invalid("spans: days are 1 (Monday) to 7, `from` and `to` are HH:MM".into()))?;
    }
    if let Some(starts) = &form.starts {
        draft.starts = starts.iter().take(MOST).map(|start| start_of(desk, start)).collect::<Result<_, _>>()?;
    }
    for (wish, field) in [(form.sound, &mut draft.sound), (form.enabled, &mut draft.enabled)] {
        *field = wish.unwrap_or(*field);
    }
    draft.pre_roll_secs = form.pre_roll_s.unwrap_or(draft.pre_roll_secs);
    draft.post_roll_secs = form.post_roll_s.unwrap_or(draft.post_roll_secs);
    if let Some(quota) = form.quota_bytes {
        draft.quota_bytes = Some(quota).filter(|quota| *quota > 0);
    }
    if let Some(days) = form.keep_days {
        draft.keep_days = Some(days).filter(|days| *days > 0);
    }
    for (wish, field) in
        [(&form.onvif, &mut draft.onvif), (&form.onvif_id, &mut draft.onvif_id), (&form.made, &mut draft.made)]
    {
        if let Some(text) = of(wish) {
            *field = Some(text.chars().take(300).collect::<String>()).filter(|text| !text.is_empty());
        }
    }
    Ok(draft)
}

/// The bytes of a fingerprint, however its pairs are separated.
pub fn fingerprint(text: &str) -> Option<[u8; 32]> {
    let digits: String = text.trim().chars().filter(|c| !matches!(c, ':' | ' ' | '-')).collect();
    if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let (pairs, _) = digits.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    bytes.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

/// A span as it is spelled.
pub fn span_of(view: &SpanView) -> Option<Span> {
    let day = |day: &u8| (1..=7).contains(day).then(|| 1u8 << (day - 1));
    let days = view.days.iter().map(day).try_fold(0u8, |all, day| Some(all | day?))?;
    Some(Span { days: Weekdays(days), from: minutes_of(&view.from)?, to: minutes_of(&view.to)? })
}

/// Minutes after midnight of `HH:MM`, up to `24:00`.
pub fn minutes_of(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let figures = |text: &str| (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if !figures(hours) || !figures(minutes) {
        return None;
    }
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60 || hours == 24 && minutes == 0).then_some(hours * 60 + minutes)
}

/// `HH:MM`.
pub fn clock_of(minutes: u16) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// The spans of a plan.
pub fn spans_of(plan: &Plan) -> Vec<SpanView> {
    let days = |days: Weekdays| (1..=7u8).filter(|day| days.0 >> (day - 1) & 1 == 1).collect();
    plan.spans()
        .iter()
        .map(|span| SpanView { days: days(span.days), from: clock_of(span.from), to: clock_of(span.to) })
        .collect()
}

fn start_of(desk: &Desk, view: &StartView) -> Result<Start, ApiProblem> {
    let known = "starts: water_leak, gas, smoke, carbon_monoxide, motion, alarm or property";
    if view.on != "property" {
        let start = Start::from_code(&view.on).filter(|start| !matches!(start, Start::Property { .. }));
        return start.ok_or_else(|| ApiProblem::invalid(known));
    }
    let (Some(device), Some(property)) = (&view.device, &view.property) else {
        return Err(ApiProblem::invalid("starts: a property needs its device and its name"));
    };
    let device: DeviceRef = desk
        .devices
        .find(device)
        .ok_or_else(|| ApiProblem::invalid(format!("starts: there is no device «{device}»")))?;
    // Its code keeps these apart.
    if property.is_empty()
        || property.contains(['=', '\n'])
        || view.says.as_ref().is_some_and(|says| says.contains('\n'))
    {
        return Err(ApiProblem::invalid(known));
    }
    Ok(Start::Property { device, property: property.clone(), says: view.says.clone() })
}

/// What starts a camera's recordings.
pub fn starts_of(card: &CameraCard) -> Vec<StartView> {
    let view = |start: Start| match start {
        Start::Property { device, property, says } => {
            StartView { on: "property".to_owned(), device: Some(device.to_string()), property: Some(property), says }
        }
        other => StartView { on: other.code(), device: None, property: None, says: None },
    };
    crate::cameras::starts_of(card).into_iter().map(view).collect()
}

/// Cameras that answer in the home's network and are not known yet; searching takes three seconds.
#[utoipa::path(post, path = "/api/v1/cameras/search", tag = "cameras", responses((status = 200, body = SearchAnswer)))]
pub async fn search(State(desk): State<Desk>, caller: Caller) -> Result<Json<SearchAnswer>, ApiProblem> {
    let found = desk.cameras.discover().await.map_err(|error| told(error, caller.language))?;
    let found = found.into_iter().map(|one| DiscoveredAnswer {
        onvif: one.services.first().map(ToString::to_string).unwrap_or_default(),
        onvif_id: one.endpoint.clone(),
        host: one.from.to_string(),
        made: one.hardware.clone().or(one.name.clone()),
    });
    Ok(Json(SearchAnswer { found: found.collect() }))
}

/// The days of the week in short, Monday first.
pub fn day_names(language: Language) -> [&'static str; 7] {
    match language {
        Language::Russian => ["пн", "вт", "ср", "чт", "пт", "сб", "вс"],
        Language::English => ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_reads_back_as_it_is_written() {
        let view = SpanView { days: vec![1, 2, 7], from: "22:30".into(), to: "06:00".into() };
        let span = span_of(&view).unwrap();
        assert_eq!((span.days.0, span.from, span.to), (0b100_0011, 1350, 360));
        let plan = Plan::new(Mode::Week, vec![span]).unwrap();
        assert_eq!(spans_of(&plan), std::slice::from_ref(&view));
        for (from, to) in
            [("24:01", "1:00"), ("1", "2:00"), ("+1:00", "2:00"), ("", ""), ("12:60", "13:00"), ("1:2:3", "4:00")]
        {
            assert_eq!(span_of(&SpanView { from: from.into(), to: to.into(), ..view.clone() }), None, "{from} {to}");
        }
        assert_eq!(span_of(&SpanView { days: vec![0], ..view.clone() }), None);
        assert_eq!(span_of(&SpanView { days: vec![8], ..view }), None);
        assert_eq!(minutes_of("24:00"), Some(1440));
    }

    #[test]
    fn a_fingerprint_is_read_however_it_is_separated() {
        let plain = "0a".repeat(32);
        let colons = plain.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap().to_uppercase());
        assert_eq!(fingerprint(&colons.collect::<Vec<_>>().join(":")), Some([10; 32]));
        assert_eq!(fingerprint(&format!(" {plain} ")), Some([10; 32]));
        for bad in ["", "0a", &plain[..62], &"zz".repeat(32), &"ж".repeat(32)] {
            assert_eq!(fingerprint(bad), None, "{bad}");
        }
    }
}
