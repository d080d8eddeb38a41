//! How far the connecting of a device has come, put together when somebody asks from what was seen at the broker and what
//! stands in the registry. Codes only: the words are in the locale files (`page-progress-<code>`).

use std::sync::atomic::Ordering;

use domovoi_config::catalogue::ConnectBy;
use domovoi_model::{DeviceRef, Id};
use tokio::time::Instant;

use super::super::{Inner, Wish};
use super::{Connection, End, HandOver};

/// How far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// The hub gives the device its access.
    HandingOver,
    /// It could not be given; why.
    NotHandedOver(String),
    /// Nobody came with the access yet.
    Waiting,
    /// Its bridge lets new devices join; none has yet.
    Joining,
    /// Nobody of this kind waits in the inbox yet.
    Listening,
    /// Somebody came with its name and a wrong password.
    WrongPassword,
    /// It is connected, and has said nothing yet.
    Connected,
    /// It was connected, and went.
    Gone,
    /// It tried a topic that is not its own.
    Outside(String),
    /// It speaks, and nothing of it tells what it is.
    NotUnderstood(String),
    /// Somebody is there, and is to be confirmed.
    Found,
    /// It is connected.
    Done,
    /// It was not heard in time.
    Expired,
    Cancelled,
}

impl Progress {
    /// Its code on the wire and in the locale files.
    pub fn code(&self) -> &'static str {
        match self {
            Progress::HandingOver => "handing-over",
            Progress::NotHandedOver(_) => "not-handed-over",
            Progress::Waiting => "waiting",
            Progress::Joining => "joining",
            Progress::Listening => "listening",
            Progress::WrongPassword => "wrong-password",
            Progress::Connected => "connected",
            Progress::Gone => "gone",
            Progress::Outside(_) => "outside",
            Progress::NotUnderstood(_) => "not-understood",
            Progress::Found => "found",
            Progress::Done => "done",
            Progress::Expired => "expired",
            Progress::Cancelled => "cancelled",
        }
    }

    /// The topic, or the reason.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Progress::NotHandedOver(what) | Progress::Outside(what) | Progress::NotUnderstood(what) => Some(what),
            _ => None,
        }
    }

    /// Whether nothing more comes of it.
    pub fn is_over(&self) -> bool {
        matches!(self, Progress::Done | Progress::Expired | Progress::Cancelled)
    }
}

/// A connection as it is shown.
#[derive(Debug, Clone)]
pub struct ConnectionView {
    pub id: Id,
    /// The type of the catalogue.
    pub type_id: String,
    pub by: ConnectBy,
    pub wish: Wish,
    pub model: Option<String>,
    pub username: Option<String>,
    pub publish: Vec<String>,
    pub subscribe: Vec<String>,
    /// The hub gives the device its access itself.
    pub hands_over: bool,
    pub progress: Progress,
    /// Who may be meant, to be confirmed.
    pub candidates: Vec<DeviceRef>,
    pub device: Option<DeviceRef>,
    pub bridge: Option<DeviceRef>,
    /// Where the broker is: names and addresses, its ports in clear and on TLS.
    pub hosts: Vec<String>,
    pub port: Option<u16>,
    pub tls_port: Option<u16>,
    /// For how many seconds it is still waited for.
    pub left_s: u64,
}

pub(super) fn view(inner: &Inner, id: Id) -> Option<ConnectionView> {
    let all = inner.connecting.all();
    let one = all.get(&id)?;
    let candidates = match one.plan.by {
        ConnectBy::Bridge | ConnectBy::Heard if one.end.is_none() => inner.candidates(one),
        _ => Vec::new(),
    };
    let device = match &one.end {
        Some((End::Done(device), _)) => device.clone(),
        _ => None,
    };
    let port = |port: u16| (port != 0).then_some(port);
    Some(ConnectionView {
        id,
        type_id: one.plan.type_id.clone(),
        by: one.plan.by,
        wish: one.wish.clone(),
        model: one.plan.model.clone(),
        username: one.username.clone(),
        publish: one.plan.publish.clone(),
        subscribe: one.plan.subscribe.clone(),
        hands_over: one.plan.hands_over(),
        progress: progress(inner, one, !candidates.is_empty()),
        candidates,
        device,
        bridge: one.bridge.clone(),
        hosts: inner.connecting.around().map(|around| around.hosts.clone()).unwrap_or_default(),
        port: port(inner.connecting.plain_port.load(Ordering::Relaxed)),
        tls_port: port(inner.connecting.tls_port.load(Ordering::Relaxed)),
        left_s: one.until.saturating_duration_since(Instant::now()).as_secs(),
    })
}

fn progress(inner: &Inner, one: &Connection, found: bool) -> Progress {
    match &one.end {
        Some((End::Done(_), _)) => return Progress::Done,
        Some((End::Expired, _)) => return Progress::Expired,
        Some((End::Cancelled, _)) => return Progress::Cancelled,
        None => {}
    }
    match one.plan.by {
        _ if found => return Progress::Found,
        ConnectBy::Bridge => return Progress::Joining,
        ConnectBy::Heard => return Progress::Listening,
        ConnectBy::Access | ConnectBy::Code => {}
    }
    let seen = one.username.as_deref().and_then(|username| inner.ingest.caller(username)).unwrap_or_default();
    match &one.hand_over {
        HandOver::Under if !seen.came => return Progress::HandingOver,
        HandOver::Failed(why) if !seen.came => return Progress::NotHandedOver(why.clone()),
        _ => {}
    }
    // What is wrong is said before what is merely not yet.
    match seen {
        seen if seen.wrong_passwords > 0 => Progress::WrongPassword,
        seen if seen.refused.is_some() => Progress::Outside(seen.refused.unwrap_or_default()),
        seen if seen.said > 0 && one.plan.is_bridge => Progress::Done,
        seen if seen.said > 0 => Progress::NotUnderstood(seen.topic),
        seen if seen.connections > 0 => Progress::Connected,
        seen if seen.came => Progress::Gone,
        _ => Progress::Waiting,
    }
}
