//! What a person wants a camera to be, how it is checked and becomes the card that is kept, and how a card becomes the options
//! of a session. It connects to nothing.

use std::fmt;
use std::time::Duration;

use domovoi_config::{CamerasSection, Network};
use domovoi_model::{Id, Moment};
use domovoi_store::{CameraCard, PlanSpan, RecordingPlan, StreamTrust};
use domovoi_vault::Secret;
use domovoi_video::address::{Address, AddressError, Allow, Login, OwnSocket, Policy};
use domovoi_video::session::{Audio, Limits, Options, Quirks, Transport, WallClock};
use domovoi_video::trust::{Fingerprint, Names, Trust};

use super::event::Start;
use super::habits::{quirks_of, spelled_quirks, spelled_transport, transport_of};
use super::schedule::{Mode, Plan, Span, Weekdays};

const NAME_CHARS: usize = 100;
const LOGIN_CHARS: usize = 256;
const PASSWORD_CHARS: usize = 512;
const MOST_STARTS: usize = 32;
/// Of seconds before and after an event.
const LONGEST_ROLL: u32 = 600;
const LEAST_QUOTA: u64 = 100_000_000;
const MOST_DAYS: u32 = 3650;

/// How a camera was added; it changes nothing but what is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CameraKind {
    /// By its address and a maker's usual paths.
    Ip,
    /// By the address of its stream.
    #[default]
    Rtsp,
    /// It was found and asked by ONVIF.
    Onvif,
}

/// Which of a camera's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Stream {
    /// The large one.
    #[default]
    Main,
    /// The small one.
    Sub,
}

macro_rules! codes {
    ($of:ident, $($name:ident = $code:literal),*) => {
        impl $of {
            /// As it is kept and spelled on the wire.
            pub fn code(self) -> &'static str {
                match self { $($of::$name => $code),* }
            }

            /// What a code stands for.
            pub fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some($of::$name),)* _ => None }
            }
        }
    };
}

codes!(CameraKind, Ip = "ip", Rtsp = "rtsp", Onvif = "onvif");
codes!(Stream, Main = "main", Sub = "sub");

/// Whose certificate is to be the right one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TrustWish {
    /// As it is known; of a new camera: none yet, and the check says which it has.
    #[default]
    AsIs,
    /// Exactly this one: the SHA-256 that a person has looked at.
    Pin([u8; 32]),
    /// Those of the owner's authority.
    Authority {
        /// PEM.
        pem: String,
        /// Whether it must name the camera's address too.
        names_checked: bool,
    },
}

/// A camera as a person wants it. For a change begin with [`Draft::of`].
#[derive(Clone)]
pub struct Draft {
    /// What the household calls it.
    pub name: String,
    /// The room it is in.
    pub room: Option<Id>,
    /// How it was found.
    pub kind: CameraKind,
    /// `rtsp://` or `rtsps://`, host, port, path of the main stream; a login in it counts where [`Draft::login`] is none.
    pub address: Secret<String>,
    /// Path and query of the small stream, at the same host.
    pub sub_path: Option<Secret<String>>,
    /// As whom; without one the camera is asked without a password.
    pub login: Option<String>,
    /// `None`: the one that is known.
    pub password: Option<Secret<String>>,
    /// How packets travel.
    pub transport: Transport,
    /// Whose certificate.
    pub trust: TrustWish,
    /// Habits of its firmware.
    pub quirks: Quirks,
    /// Whether sound is kept.
    pub sound: bool,
    /// Which stream is recorded, and shown.
    pub recorded: Stream,
    /// Where to; `None`: the folder of this machine.
    pub place: Option<String>,
    /// When.
    pub mode: Mode,
    /// Of the week.
    pub spans: Vec<Span>,
    /// What starts a recording on event.
    pub starts: Vec<Start>,
    /// So much before it.
    pub pre_roll_secs: u32,
    /// So much after it.
    pub post_roll_secs: u32,
    /// `None`: as the settings say.
    pub quota_bytes: Option<u64>,
    /// Likewise.
    pub keep_days: Option<u32>,
    /// Whether anything is done with it at all.
    pub enabled: bool,
    /// By which it is found again.
    pub mac: Option<[u8; 6]>,
    /// Where it answers ONVIF.
    pub onvif: Option<String>,
    /// What it calls itself there.
    pub onvif_id: Option<String>,
    /// Maker, model, firmware.
    pub made: Option<String>,
}

impl Default for Draft {
    fn default() -> Self {
        Draft {
            name: String::new(),
            room: None,
            kind: CameraKind::default(),
            address: Secret::new(String::new()),
            sub_path: None,
            login: None,
            password: None,
            transport: Transport::default(),
            trust: TrustWish::default(),
            quirks: Quirks::default(),
            sound: true,
            recorded: Stream::default(),
            place: None,
            mode: Mode::Always,
            spans: Vec::new(),
            starts: Vec::new(),
            pre_roll_secs: 5,
            post_roll_secs: 30,
            quota_bytes: None,
            keep_days: None,
            enabled: true,
            mac: None,
            onvif: None,
            onvif_id: None,
            made: None,
        }
    }
}

/// Neither the address, in which a password may stand, nor the password.
impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What is wrong with a draft. Each is a field and the sentence for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct Wrong {
    /// As it is called in [`Draft`].
    pub field: &'static str,
    /// In the locale files.
    pub message: &'static str,
    /// What of a plan it is about, from 1.
    pub number: Option<usize>,
}

fn wrong(field: &'static str, message: &'static str) -> Wrong {
    Wrong { field, message, number: None }
}

fn address_message(error: AddressError) -> &'static str {
    match error {
        AddressError::Empty => "camera-address-empty",
        AddressError::TooLong => "camera-address-long",
        AddressError::Scheme => "camera-address-scheme",
        AddressError::NoHost | AddressError::Host => "camera-address-host",
        AddressError::Ipv6 | AddressError::Ipv6Bare => "camera-address-ipv6",
        AddressError::Port => "camera-address-port",
        AddressError::Login => "camera-address-login",
        AddressError::Blank => "camera-address-blank",
    }
}

impl Draft {
    /// What is known of a camera, to be changed. The password stays where it is.
    pub fn of(card: &CameraCard) -> Self {
        let plan = plan_of(card);
        Draft {
            name: card.name.clone(),
            room: card.room,
            kind: CameraKind::from_code(&card.kind).unwrap_or_default(),
            address: Secret::new(typed(card, &card.main_path)),
            sub_path: card.sub_path.clone().map(Secret::new),
            login: card.login.clone(),
            password: None,
            transport: transport_of(card),
            trust: TrustWish::AsIs,
            quirks: quirks_of(card),
            sound: card.sound,
            recorded: Stream::from_code(&card.recorded).unwrap_or_default(),
            place: card.place.clone(),
            mode: plan.mode(),
            spans: plan.spans().to_vec(),
            starts: starts_of(card),
            pre_roll_secs: card.pre_roll_secs,
            post_roll_secs: card.post_roll_secs,
            quota_bytes: card.quota_bytes,
            keep_days: card.keep_days,
            enabled: card.enabled,
            mac: card.mac,
            onvif: card.onvif.clone(),
            onvif_id: card.onvif_id.clone(),
            made: card.made.clone(),
        }
    }

    /// The card of it. `before` is what is known of the camera, if it is changed.
    pub(super) fn card(
        &self,
        id: Id,
        before: Option<&CameraCard>,
        settings: &CamerasSection,
        now: Moment,
    ) -> Result<CameraCard, Wrong> {
        let name = self.name.trim();
        if name.is_empty() || name.chars().count() > NAME_CHARS || name.chars().any(char::is_control) {
            return Err(wrong("name", "camera-name-wrong"));
        }
        let (address, login_of_address) =
            Address::parse(self.address.expose()).map_err(|error| wrong("address", address_message(error)))?;
        let sub_path = match &self.sub_path {
            None => None,
            Some(path) => Some(sub_path(&address, path.expose())?),
        };
        let (login, password) = self.login(&address, login_of_address, before)?;
        if self.transport == Transport::Udp && address.tls {
            return Err(wrong("transport", "camera-udp-over-tls"));
        }
        let trust = match &self.trust {
            TrustWish::AsIs => before.map_or(StreamTrust::Unknown, |card| card.trust.clone()),
            TrustWish::Pin(sha256) => StreamTrust::Pinned(*sha256),
            TrustWish::Authority { pem, names_checked } => {
                StreamTrust::Authority { pem: pem.clone(), names_checked: *names_checked }
            }
        };
        trust_of(&trust)?;
        if self.recorded == Stream::Sub && sub_path.is_none() {
            return Err(wrong("recorded", "camera-no-sub-stream"));
        }
        if self.place.as_ref().is_some_and(|place| settings.places.iter().all(|known| known.name != *place)) {
            return Err(wrong("place", "camera-no-such-place"));
        }
        let plan = Plan::new(self.mode, self.spans.clone()).map_err(|error| Wrong {
            field: "spans",
            message: error.message(),
            number: error.number(),
        })?;
        if self.starts.len() > MOST_STARTS || (self.mode == Mode::OnEvent && self.starts.is_empty()) {
            return Err(wrong("starts", "camera-starts-wrong"));
        }
        if self.pre_roll_secs > LONGEST_ROLL || self.post_roll_secs > LONGEST_ROLL {
            return Err(wrong("post_roll_secs", "camera-roll-long"));
        }
        if self.quota_bytes.is_some_and(|quota| quota < LEAST_QUOTA) {
            return Err(wrong("quota_bytes", "camera-quota-small"));
        }
        if self.keep_days.is_some_and(|days| days == 0 || days > MOST_DAYS) {
            return Err(wrong("keep_days", "camera-days-wrong"));
        }
        Ok(CameraCard {
            id,
            name: name.to_owned(),
            room: self.room,
            kind: self.kind.code().to_owned(),
            tls: address.tls,
            host: address.host(),
            port: address.port,
            main_path: address.path().to_owned(),
            sub_path,
            login,
            password,
            transport: spelled_transport(self.transport).to_owned(),
            trust,
            quirks: spelled_quirks(self.quirks),
            sound: self.sound,
            recorded: self.recorded.code().to_owned(),
            place: self.place.clone(),
            plan: RecordingPlan {
                mode: plan.mode().code().to_owned(),
                spans: plan
                    .spans()
                    .iter()
                    .map(|span| PlanSpan { days: span.days.0, from: span.from, to: span.to })
                    .collect(),
            },
            starts: self.starts.iter().map(Start::code).collect(),
            pre_roll_secs: self.pre_roll_secs,
            post_roll_secs: self.post_roll_secs,
            quota_bytes: self.quota_bytes,
            keep_days: self.keep_days,
            enabled: self.enabled,
            mac: self.mac,
            host_name: before.and_then(|card| card.host_name.clone()),
            onvif: self.onvif.clone(),
            onvif_id: self.onvif_id.clone(),
            made: self.made.clone(),
            found_at: before.and_then(|card| card.found_at),
            added_at: before.map_or(now, |card| card.added_at),
        })
    }

    /// A password that nobody typed again goes to nobody else: whoever may change a camera could send it to a machine of
    /// their own.
    fn login(
        &self,
        address: &Address,
        of_address: Option<Login>,
        before: Option<&CameraCard>,
    ) -> Result<(Option<String>, Option<Secret<String>>), Wrong> {
        let (login, password) = match (&self.login, of_address) {
            (Some(login), _) if !login.is_empty() => (Some(login.clone()), self.password.clone()),
            (_, Some(login)) => (Some(login.user), Some(login.password)),
            _ => (None, None),
        };
        let Some(login) = login else { return Ok((None, None)) };
        if login.chars().count() > LOGIN_CHARS || login.chars().any(char::is_control) {
            return Err(wrong("login", "camera-login-wrong"));
        }
        let password = match (password, before) {
            (Some(password), _) => password,
            (None, None) => Secret::new(String::new()),
            (None, Some(card)) => {
                let same = card.host == address.host()
                    && card.port == address.port
                    && (address.tls || !card.tls)
                    && card.login.as_ref() == Some(&login);
                match &card.password {
                    Some(known) if same => known.clone(),
                    Some(_) => return Err(wrong("password", "camera-password-anew")),
                    None => Secret::new(String::new()),
                }
            }
        };
        if password.expose().chars().count() > PASSWORD_CHARS {
            return Err(wrong("password", "camera-password-long"));
        }
        Ok((Some(login), Some(password)))
    }
}

fn sub_path(main: &Address, typed: &str) -> Result<String, Wrong> {
    let host = if main.host().contains(':') { format!("[{}]", main.host()) } else { main.host() };
    let scheme = if main.tls { "rtsps" } else { "rtsp" };
    let slash = if typed.starts_with('/') { "" } else { "/" };
    let whole = format!("{scheme}://{host}:{}{slash}{typed}", main.port);
    let (address, login) = Address::parse(&whole).map_err(|error| wrong("sub_path", address_message(error)))?;
    if login.is_some() || address.host() != main.host() || address.port != main.port {
        return Err(wrong("sub_path", "camera-address-host"));
    }
    Ok(address.path().to_owned())
}

/// As somebody would type it.
fn typed(card: &CameraCard, path: &str) -> String {
    let scheme = if card.tls { "rtsps" } else { "rtsp" };
    let host = if card.host.contains(':') { format!("[{}]", card.host) } else { card.host.clone() };
    format!("{scheme}://{host}:{}{path}", card.port)
}

/// The plan of a card. One that cannot be read records always: too much is better than nothing.
pub fn plan_of(card: &CameraCard) -> Plan {
    let spans = card.plan.spans.iter().map(|span| Span { days: Weekdays(span.days), from: span.from, to: span.to });
    let mode = Mode::from_code(&card.plan.mode);
    let plan = mode.and_then(|mode| Plan::new(mode, spans.collect()).ok());
    plan.unwrap_or_default()
}

/// What starts its recordings.
pub fn starts_of(card: &CameraCard) -> Vec<Start> {
    card.starts.iter().filter_map(|code| Start::from_code(code)).collect()
}

fn trust_of(trust: &StreamTrust) -> Result<Trust, Wrong> {
    match trust {
        StreamTrust::Unknown => Ok(Trust::Unknown),
        StreamTrust::Pinned(sha256) => Ok(Trust::Pinned(Fingerprint(*sha256))),
        StreamTrust::Authority { pem, names_checked } => {
            let names = if *names_checked { Names::Checked } else { Names::Ignored };
            Trust::authority(pem.as_bytes(), names).map_err(|_| wrong("trust", "camera-authority-wrong"))
        }
    }
}

/// What a session with a card's stream is opened with.
pub(super) fn options(
    card: &CameraCard,
    stream: Stream,
    settings: &CamerasSection,
    own: Vec<OwnSocket>,
    wall: WallClock,
) -> Result<Options, Wrong> {
    let path = match (stream, &card.sub_path) {
        (Stream::Sub, Some(path)) => path,
        _ => &card.main_path,
    };
    let (address, _) = Address::parse(&typed(card, path)).map_err(|error| wrong("address", address_message(error)))?;
    let login = card.login.as_ref().map(|user| Login {
        user: user.clone(),
        password: card.password.clone().unwrap_or_else(|| Secret::new(String::new())),
    });
    let mut options = Options::new(address, login, wall);
    options.transport = transport_of(card);
    options.trust = trust_of(&card.trust)?;
    options.audio = if card.sound { Audio::Keep } else { Audio::Leave };
    options.policy = policy(&settings.allow, own);
    options.quirks = quirks_of(card);
    let defaults = Limits::default();
    options.limits = Limits {
        connect: settings.patience.connect,
        step: settings.patience.step,
        frame: settings.patience.frame,
        key_frame: settings.patience.key_frame,
        silence: defaults.silence.max(settings.patience.frame + Duration::from_secs(5)),
        // The client's buffer doubles at each power of two, and a flood of small packets costs three times its bytes.
        unanswered_bytes: settings.byte_budget.saturating_mul(7) / 12,
        access_unit_bytes: usize::try_from(settings.byte_budget / 2).unwrap_or(defaults.access_unit_bytes),
        pace_bytes_per_second: settings.bytes_per_second,
        ..defaults
    };
    Ok(options)
}

/// Where a camera may be. The hub's own machine and link-local addresses only where such a network is named: what holds
/// everything (`0.0.0.0/0`) does not mean them.
pub(super) fn policy(allow: &[Network], own: Vec<OwnSocket>) -> Policy {
    let networks: Vec<_> = allow.iter().map(Network::parts).collect();
    let named = |is: fn(&std::net::IpAddr) -> bool| {
        if networks.iter().any(|(first, _)| is(first)) { Allow::Yes } else { Allow::No }
    };
    let link_local = |ip: &std::net::IpAddr| match ip {
        std::net::IpAddr::V4(v4) => v4.is_link_local(),
        std::net::IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    Policy {
        loopback: named(std::net::IpAddr::is_loopback),
        link_local: named(link_local),
        own,
        networks: Some(networks),
    }
}
