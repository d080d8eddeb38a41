//! The form of a camera, as it was typed, and the draft that is made of it: a maker's usual paths, the address of a stream,
//! or what a camera says of itself by ONVIF. What is wrong with a draft the room of cameras says.

use domovoi_model::Id;
use domovoi_store::CameraCard;
use domovoi_vault::Secret;
use domovoi_video::address::Login;
use domovoi_video::onvif::Failure;
use domovoi_video::session::Transport;

use super::form::Form;
use super::view::View;
use crate::cameras::event::Start;
use crate::cameras::schedule::{Mode, Span, Weekdays};
use crate::cameras::{CameraKind, Draft, Stream, TrustWish, plan_of, starts_of};
use crate::web::Desk;
use crate::web::api::cameras as api;
use crate::web::camera_words as said;

/// Paths by which makers' cameras give their streams: code, name, main, sub. As their manuals have them.
pub const MAKERS: [(&str, &str, &str, &str); 8] = [
    ("hikvision", "Hikvision, HiWatch, HiLook", "/Streaming/Channels/101", "/Streaming/Channels/102"),
    ("dahua", "Dahua, Imou, RVi", "/cam/realmonitor?channel=1&subtype=0", "/cam/realmonitor?channel=1&subtype=1"),
    ("tplink", "TP-Link Tapo, VIGI", "/stream1", "/stream2"),
    ("reolink", "Reolink", "/h264Preview_01_main", "/h264Preview_01_sub"),
    ("uniview", "Uniview", "/media/video1", "/media/video2"),
    ("axis", "Axis", "/axis-media/media.amp", "/axis-media/media.amp?resolution=640x360"),
    ("foscam", "Foscam", "/videoMain", "/videoSub"),
    ("trassir", "Trassir, ActiveCam", "/live/main", "/live/sub"),
];

/// As many spans as the form has.
const SPANS: usize = 3;

/// What starts a recording that the form knows.
const STARTS: [&str; 6] = ["motion", "water_leak", "smoke", "gas", "carbon_monoxide", "alarm"];

/// A span of the plan as it was typed.
#[derive(Default, Clone)]
pub struct SpanLine {
    pub number: usize,
    /// Monday first: its short name, and whether it is ticked.
    pub days: Vec<(usize, bool)>,
    pub from: String,
    pub to: String,
}

/// What was typed. Neither a password nor the path of a known camera.
#[derive(Default, Clone)]
pub struct Typed {
    pub kind: String,
    pub name: String,
    pub room: String,
    pub maker: String,
    pub host: String,
    pub port: String,
    pub tls: bool,
    pub main: String,
    pub sub: String,
    pub address: String,
    pub place_onvif: String,
    pub onvif_id: String,
    pub channel: String,
    pub login: String,
    pub udp: bool,
    pub sound: bool,
    pub recorded: String,
    pub place: String,
    pub mode: String,
    pub spans: Vec<SpanLine>,
    pub starts: Vec<(&'static str, bool)>,
    pub pre: String,
    pub post: String,
    pub quota: String,
    pub days: String,
    pub enabled: bool,
    /// The certificate that was confirmed.
    pub pin: String,
    pub unchecked: bool,
}

impl Typed {
    /// A new camera.
    pub fn new() -> Self {
        let draft = Draft::default();
        Typed {
            kind: "ip".to_owned(),
            sound: draft.sound,
            enabled: true,
            recorded: Stream::Main.code().to_owned(),
            mode: draft.mode.code().to_owned(),
            pre: draft.pre_roll_secs.to_string(),
            post: draft.post_roll_secs.to_string(),
            spans: span_lines(&[]),
            starts: STARTS.map(|code| (code, code == "motion")).to_vec(),
            ..Typed::default()
        }
    }

    /// What is known of a camera. Its paths stay out of the page.
    pub fn of(card: &CameraCard) -> Self {
        let plan = plan_of(card);
        let starts: Vec<String> = starts_of(card).iter().map(Start::code).collect();
        let gb = |bytes: u64| format!("{}", bytes / 1_000_000_000);
        Typed {
            kind: "rtsp".to_owned(),
            name: card.name.clone(),
            room: card.room.map(|room| room.to_string()).unwrap_or_default(),
            login: card.login.clone().unwrap_or_default(),
            udp: card.transport == "udp",
            sound: card.sound,
            recorded: card.recorded.clone(),
            place: card.place.clone().unwrap_or_default(),
            mode: plan.mode().code().to_owned(),
            spans: span_lines(plan.spans()),
            starts: STARTS.map(|code| (code, starts.iter().any(|start| start == code))).to_vec(),
            pre: card.pre_roll_secs.to_string(),
            post: card.post_roll_secs.to_string(),
            quota: card.quota_bytes.map(gb).unwrap_or_default(),
            days: card.keep_days.map(|days| days.to_string()).unwrap_or_default(),
            enabled: card.enabled,
            ..Typed::default()
        }
    }

    /// What a form says.
    pub fn read(form: &Form) -> Self {
        let text = |name: &str| form.text(name).chars().take(2_100).collect::<String>();
        let spans = (1..=SPANS).map(|number| {
            let ticked: Vec<&str> = form.all(&format!("days-{number}")).collect();
            SpanLine {
                number,
                days: (1..=7).map(|day| (day, ticked.contains(&day.to_string().as_str()))).collect(),
                from: text(&format!("from-{number}")),
                to: text(&format!("to-{number}")),
            }
        });
        Typed {
            kind: text("kind"),
            name: text("name"),
            room: text("room"),
            maker: text("maker"),
            host: text("host"),
            port: text("port"),
            tls: form.is("tls"),
            main: text("path"),
            sub: text("sub"),
            address: text("address"),
            place_onvif: text("onvif"),
            onvif_id: text("onvif-id"),
            channel: text("channel"),
            login: text("login"),
            udp: form.is("udp"),
            sound: form.is("sound"),
            recorded: text("recorded"),
            place: text("place"),
            mode: text("mode"),
            spans: spans.collect(),
            starts: STARTS.map(|code| (code, form.all("starts").any(|start| start == code))).to_vec(),
            pre: text("pre"),
            post: text("post"),
            quota: text("quota"),
            days: text("days"),
            enabled: form.is("enabled"),
            pin: text("pin"),
            unchecked: form.is("unchecked"),
        }
    }

    /// The makers to choose from.
    pub fn makers(&self) -> impl Iterator<Item = (&'static str, &'static str, bool)> + '_ {
        MAKERS.iter().map(|(code, name, ..)| (*code, *name, *code == self.maker))
    }
}

fn span_lines(spans: &[Span]) -> Vec<SpanLine> {
    (0..SPANS.max(spans.len()))
        .map(|at| {
            let span = spans.get(at);
            let has = |day: usize| span.is_some_and(|span| span.days.0 >> (day - 1) & 1 == 1);
            SpanLine {
                number: at + 1,
                days: (1..=7).map(|day| (day, has(day))).collect(),
                from: span.map(|span| api::clock_of(span.from)).unwrap_or_default(),
                to: span.map(|span| api::clock_of(span.to)).unwrap_or_default(),
            }
        })
        .collect()
}

/// What is wrong: the field, and the words.
type Wrong = (&'static str, String);

/// The draft that a form makes of another.
pub async fn draft_of(
    desk: &Desk,
    view: &View,
    typed: &Typed,
    form: &Form,
    mut draft: Draft,
    room: Option<Id>,
) -> Result<Draft, Wrong> {
    let say = |key: &str| view.t(key);
    let is_known = !draft.address.expose().is_empty();
    draft.name.clone_from(&typed.name);
    draft.room = room;
    draft.login = Some(typed.login.clone()).filter(|login| !login.is_empty());
    let password = form.secret("password");
    let is_typed = !password.expose().is_empty();
    if is_typed || !is_known {
        draft.password = Some(password).filter(|_| draft.login.is_some());
    }
    let sub = Some(typed.sub.clone()).filter(|path| !path.is_empty()).map(Secret::new);
    match typed.kind.as_str() {
        "onvif" => by_onvif(desk, view, typed, &mut draft).await?,
        "ip" => {
            draft.kind = CameraKind::Ip;
            let (address, path) = by_maker(typed);
            draft.address = Secret::new(address);
            draft.sub_path = sub.or_else(|| path.map(Secret::new));
        }
        _ => {
            draft.kind = CameraKind::Rtsp;
            // The known path is not on the page; an empty field leaves it.
            if !typed.address.is_empty() || !is_known {
                draft.address = Secret::new(typed.address.clone());
                draft.sub_path = sub;
            } else if sub.is_some() {
                draft.sub_path = sub;
            }
        }
    }
    if !typed.pin.is_empty() {
        let pinned = api::fingerprint(&typed.pin).ok_or_else(|| ("pin", say("camera-authority-wrong")))?;
        draft.trust = TrustWish::Pin(pinned);
    }
    draft.transport = if typed.udp { Transport::Udp } else { Transport::Tcp };
    draft.sound = typed.sound;
    draft.enabled = typed.enabled;
    draft.recorded = Stream::from_code(&typed.recorded).unwrap_or_default();
    draft.place = Some(typed.place.clone()).filter(|place| !place.is_empty());
    draft.mode = Mode::from_code(&typed.mode).unwrap_or(Mode::Always);
    draft.spans = spans(view, typed, draft.mode)?;
    let kept = draft.starts.iter().filter(|start| matches!(start, Start::Property { .. })).cloned().collect::<Vec<_>>();
    let ticked = typed.starts.iter().filter(|(_, is)| *is).filter_map(|(code, _)| Start::from_code(code));
    draft.starts = ticked.chain(kept).collect();
    draft.pre_roll_secs = figure(&typed.pre, "pre", || say("camera-roll-long"))?.unwrap_or(0);
    draft.post_roll_secs = figure(&typed.post, "post", || say("camera-roll-long"))?.unwrap_or(0);
    let quota: Option<u64> = figure(&typed.quota, "quota", || say("camera-quota-small"))?;
    draft.quota_bytes = quota.map(|gb| gb.saturating_mul(1_000_000_000));
    draft.keep_days = figure(&typed.days, "days", || say("camera-days-wrong"))?;
    Ok(draft)
}

/// A number of a field; an empty one is none.
fn figure<T: std::str::FromStr>(
    text: &str,
    field: &'static str,
    words: impl Fn() -> String,
) -> Result<Option<T>, Wrong> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| (field, words()))
}

fn spans(view: &View, typed: &Typed, mode: Mode) -> Result<Vec<Span>, Wrong> {
    // Spans that mean nothing in this mode stay on the page and nowhere else.
    if matches!(mode, Mode::Always | Mode::Never) {
        return Ok(Vec::new());
    }
    let mut spans = Vec::new();
    for line in &typed.spans {
        if line.from.is_empty() && line.to.is_empty() && line.days.iter().all(|(_, ticked)| !ticked) {
            continue;
        }
        let wrong = || ("spans", view.t1("camera-plan-no-time", "number", line.number));
        let (from, to) = api::minutes_of(&line.from).zip(api::minutes_of(&line.to)).ok_or_else(wrong)?;
        let days = line.days.iter().filter(|(_, ticked)| *ticked).fold(0u8, |days, (day, _)| days | 1 << (day - 1));
        spans.push(Span { days: Weekdays(days), from, to });
    }
    Ok(spans)
}

/// The address by host, port and path, and the path of the small stream if the maker is known.
fn by_maker(typed: &Typed) -> (String, Option<String>) {
    let maker = MAKERS.iter().find(|(code, ..)| *code == typed.maker);
    let path = match (typed.main.as_str(), maker) {
        ("", Some((_, _, main, _))) => (*main).to_owned(),
        (path, _) if path.is_empty() || path.starts_with('/') => path.to_owned(),
        (path, _) => format!("/{path}"),
    };
    let scheme = if typed.tls { "rtsps" } else { "rtsp" };
    let bare = typed.host.trim_matches(['[', ']']);
    let host = if bare.contains(':') { format!("[{bare}]") } else { typed.host.clone() };
    let port = if typed.port.is_empty() { String::new() } else { format!(":{}", typed.port) };
    let sub = maker.filter(|_| typed.main.is_empty()).map(|(_, _, _, sub)| (*sub).to_owned());
    (format!("{scheme}://{host}{port}{path}"), sub)
}

/// What the camera itself says.
async fn by_onvif(desk: &Desk, view: &View, typed: &Typed, draft: &mut Draft) -> Result<(), Wrong> {
    draft.kind = CameraKind::Onvif;
    let login = draft
        .login
        .clone()
        .map(|user| Login { user, password: draft.password.clone().unwrap_or_else(|| Secret::new(String::new())) });
    if typed.place_onvif.is_empty() {
        return Err(("onvif", view.t("camera-address-empty")));
    }
    let survey = Box::pin(desk.cameras.survey(&typed.place_onvif, login)).await.map_err(|failure| {
        let why = match &failure {
            Failure::Trouble(trouble) => said::trouble(trouble, view.language()),
            other => other.to_string(),
        };
        ("onvif", view.t1("page-camera-onvif-failed", "why", why))
    })?;
    let channel = typed.channel.parse::<usize>().unwrap_or(1).max(1);
    let channel = survey.channels.get(channel - 1).or(survey.channels.first());
    let Some(channel) = channel else {
        return Err(("onvif", view.t1("page-camera-onvif-failed", "why", "0")));
    };
    let address = &channel.main.address;
    let host = if address.host().contains(':') { format!("[{}]", address.host()) } else { address.host() };
    let scheme = if address.tls { "rtsps" } else { "rtsp" };
    draft.address = Secret::new(format!("{scheme}://{host}:{}{}", address.port, address.path()));
    draft.sub_path = channel.sub.as_ref().map(|sub| Secret::new(sub.address.path().to_owned()));
    draft.onvif = Some(typed.place_onvif.clone());
    draft.onvif_id = Some(typed.onvif_id.clone()).filter(|id| !id.is_empty());
    draft.mac = survey.mac;
    let information = &survey.information;
    let made = [&information.maker, &information.model, &information.firmware];
    let made: Vec<&str> = made.into_iter().map(|text| text.as_str()).filter(|text| !text.is_empty()).collect();
    draft.made = Some(made.join(" ")).filter(|made| !made.is_empty());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_put_together_of_its_fields() {
        let typed = |host: &str, port: &str, tls, maker: &str, main: &str| Typed {
            host: host.into(),
            port: port.into(),
            tls,
            maker: maker.into(),
            main: main.into(),
            ..Typed::new()
        };
        let of = |one: &Typed| by_maker(one);
        let hik = typed("192.168.1.20", "", false, "hikvision", "");
        assert_eq!(
            of(&hik),
            ("rtsp://192.168.1.20/Streaming/Channels/101".into(), Some("/Streaming/Channels/102".into()))
        );
        let own = typed("cam.lan", "8554", true, "hikvision", "live");
        assert_eq!(of(&own), ("rtsps://cam.lan:8554/live".into(), None));
        let six = typed("fd00::5", "554", false, "", "");
        assert_eq!(of(&six), ("rtsp://[fd00::5]:554".into(), None));
    }
}
