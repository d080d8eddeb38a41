//! ONVIF, as little of it as a home needs: which cameras are in the network (`discovery`), who made one, how its clock goes
//! and where its streams are (`survey`). The specifications are the ONVIF Core, Device, Media and Media 2 services and
//! WS-Discovery of April 2005.
//! Deliberately no writing: nothing of a camera's settings is changed here, not even its clock. No events, no PTZ.

mod answers;
mod client;
mod date;
mod discovery;
mod message;
mod soap;
#[cfg(test)]
pub(crate) mod tests;
mod xml;

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;
use url::Url;

pub use answers::{Information, Interface, Profile};
pub use client::{AnswerHosts, PlaceError, TokenClock, device_service};
pub use discovery::{Found, Multicast, Search, search};
pub use xml::XmlError;

use crate::address::{Address, Login, Policy};
use crate::session::{Trouble, WallClock};
use crate::trust::{Certificate, Trust};
use answers::{DEVICE, MEDIA, MEDIA2, Services};
use client::{Client, service_at};

/// Sensors of one device whose streams are asked for: each is two questions.
const MOST_CHANNELS: usize = 16;

/// The text of the first element of a name, in whatever namespace, of XML that somebody else sent: for the short answers
/// of stores, which need the same care.
pub(crate) fn first_text(bytes: &[u8], name: &str) -> Option<String> {
    fn within(element: &xml::Element, name: &str) -> Option<String> {
        if element.name == name {
            return Some(element.text.trim().to_owned());
        }
        element.children.iter().find_map(|child| within(child, name))
    }
    within(&xml::read(bytes).ok()?, name)
}

/// Why a camera did not tell what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Address, connection, certificate, name and password: as with a stream, and said in the same sentences.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    #[error("the camera refuses {call} ({code}): {reason}")]
    Fault { call: &'static str, code: String, reason: String },
    #[error("the answer to {call} is not to be read: {why}")]
    Xml { call: &'static str, why: XmlError },
    #[error("the answer to {call} has no {what}")]
    Missing { call: &'static str, what: &'static str },
}

impl Failure {
    /// The stable name of the variant, for logs and the sentences of the page.
    pub fn code(&self) -> &'static str {
        match self {
            Failure::Trouble(trouble) => trouble.code(),
            Failure::Fault { .. } => "onvif-fault",
            Failure::Xml { .. } => "onvif-xml",
            Failure::Missing { .. } => "onvif-missing",
        }
    }
}

/// Whom to ask, and as whom.
#[derive(Clone)]
pub struct Options {
    /// The device service: see [`device_service`].
    pub device: Url,
    pub login: Option<Login>,
    /// For https.
    pub trust: Trust,
    pub policy: Policy,
    pub hosts: AnswerHosts,
    pub token_clock: TokenClock,
    /// Milliseconds since 1970: wall time is handed in, never read here.
    pub wall: WallClock,
    /// For all questions together.
    pub within: Duration,
}

impl Options {
    pub fn new(device: Url, login: Option<Login>, wall: WallClock) -> Options {
        Options {
            device,
            login,
            trust: Trust::default(),
            policy: Policy::default(),
            hosts: AnswerHosts::default(),
            token_clock: TokenClock::default(),
            wall,
            within: Duration::from_secs(10),
        }
    }
}

/// A stream that the camera offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    pub address: Address,
    pub profile: Profile,
}

/// The streams of one sensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    pub main: Stream,
    pub sub: Option<Stream>,
    /// Where a single picture is to be had, for the same name and password.
    pub snapshot: Option<Url>,
}

/// What a camera says of itself.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// How far its clock is ahead of ours; `None`: it did not say.
    pub clock_offset_ms: Option<i64>,
    pub information: Information,
    /// Of the interface that was reached, where that can be told, else of the first.
    pub mac: Option<[u8; 6]>,
    pub channels: Vec<Channel>,
    /// Over https: what it showed, with its dates.
    pub certificate: Option<Certificate>,
    /// From which address it answered.
    pub reached: Option<IpAddr>,
}

/// Asks a camera all that is needed to add it. What a camera leaves out is left out; that it cannot be reached, does not
/// know us, or has no stream that the house could show, is an error.
pub async fn survey(options: &Options) -> Result<Survey, Failure> {
    let mut device = Device::reach(options).await?;
    let mut survey = Survey { clock_offset_ms: device.clock_offset_ms, ..Survey::default() };
    survey.information = device.information().await?;
    survey.mac = optional(device.interfaces().await)?.and_then(|found| device.own_mac(&found));
    survey.channels = device.channels().await?;
    survey.certificate = device.client.certificate();
    survey.reached = device.client.reached;
    Ok(survey)
}

/// A camera's clock, and who made it: what is looked at again from day to day. No stream is asked for.
pub async fn look(options: &Options) -> Result<Survey, Failure> {
    let mut device = Device::reach(options).await?;
    let information = device.information().await?;
    Ok(Survey {
        clock_offset_ms: device.clock_offset_ms,
        information,
        mac: optional(device.interfaces().await)?.and_then(|found| device.own_mac(&found)),
        channels: Vec::new(),
        certificate: device.client.certificate(),
        reached: device.client.reached,
    })
}

/// What a camera need not be able to do: its refusal is no error, that it is gone is one.
fn optional<T>(answer: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Failure::Trouble(Trouble::Refused { .. } | Trouble::NotFound | Trouble::Unauthorized { .. })) => Ok(None),
        Err(failure @ Failure::Trouble(_)) => Err(failure),
        Err(_) => Ok(None),
    }
}

struct Device<'a> {
    options: &'a Options,
    client: Client,
    clock_offset_ms: Option<i64>,
}

impl<'a> Device<'a> {
    async fn reach(options: &'a Options) -> Result<Device<'a>, Failure> {
        let until = Instant::now() + options.within;
        let Options { device, login, trust, policy, wall, .. } = options;
        let client = Client::prepare(device, login.clone(), trust, policy, wall, until).await?;
        let mut device = Device { options, client, clock_offset_ms: None };
        device.clock().await?;
        Ok(device)
    }

    /// Asked first and of nobody's name, as ONVIF Core 5.12.1 has it: without the camera's time no token is good.
    async fn clock(&mut self) -> Result<(), Failure> {
        let sent = self.client.now_ms();
        let body = format!("<GetSystemDateAndTime xmlns=\"{DEVICE}\"/>");
        let answer = self.client.ask_openly(&self.options.device, "GetSystemDateAndTime", &body).await;
        let Some(answer) = optional(answer)? else { return Ok(()) };
        if !answer.is(&[DEVICE], "GetSystemDateAndTimeResponse") {
            return Err(Failure::Missing { call: "GetSystemDateAndTime", what: "GetSystemDateAndTimeResponse" });
        }
        let asked = sent.midpoint(self.client.now_ms());
        self.clock_offset_ms = answers::clock(&answer).and_then(|camera| camera.checked_sub(asked));
        if self.options.token_clock == TokenClock::Cameras {
            self.client.token_offset_ms = self.clock_offset_ms.unwrap_or(0);
        }
        Ok(())
    }

    async fn information(&mut self) -> Result<Information, Failure> {
        let body = format!("<GetDeviceInformation xmlns=\"{DEVICE}\"/>");
        let answer = self.client.ask(&self.options.device, "GetDeviceInformation", &body).await?;
        Ok(answers::information(&answer))
    }

    async fn interfaces(&mut self) -> Result<Vec<Interface>, Failure> {
        let body = format!("<GetNetworkInterfaces xmlns=\"{DEVICE}\"/>");
        let answer = self.client.ask(&self.options.device, "GetNetworkInterfaces", &body).await?;
        Ok(answers::interfaces(&answer))
    }

    fn own_mac(&self, interfaces: &[Interface]) -> Option<[u8; 6]> {
        let reached = self.client.reached.map(|ip| ip.to_canonical());
        let own = interfaces.iter().find(|one| reached.is_some_and(|ip| one.addresses.contains(&ip)));
        own.or(interfaces.first()).map(|interface| interface.mac)
    }

    async fn services(&mut self) -> Result<Services, Failure> {
        let body =
            format!("<GetServices xmlns=\"{DEVICE}\"><IncludeCapability>false</IncludeCapability></GetServices>");
        let answer = self.client.ask(&self.options.device, "GetServices", &body).await;
        let found = optional(answer)?.map(|answer| answers::services(&answer)).unwrap_or_default();
        if found != Services::default() {
            return Ok(found);
        }
        let body = format!("<GetCapabilities xmlns=\"{DEVICE}\"><Category>All</Category></GetCapabilities>");
        let answer = self.client.ask(&self.options.device, "GetCapabilities", &body).await?;
        Ok(answers::capabilities(&answer))
    }

    async fn channels(&mut self) -> Result<Vec<Channel>, Failure> {
        let services = self.services().await?;
        let at = |given: &Option<String>| given.as_deref().and_then(|given| service_at(&self.options.device, given));
        let (media, media2) = (at(&services.media), at(&services.media2));
        // Media 2 first: the older service has no word for H.265.
        let tried = [media2.map(|at| Media { at, second: true }), media.map(|at| Media { at, second: false })];
        let mut last = Failure::Missing { call: "GetServices", what: "media service" };
        for media in tried.into_iter().flatten() {
            match self.channels_of(&media).await {
                Ok(channels) if !channels.is_empty() => return Ok(channels),
                Ok(_) => last = Failure::Missing { call: "GetProfiles", what: "profile with video" },
                Err(failure @ Failure::Trouble(Trouble::Timeout { .. } | Trouble::Unauthorized { .. })) => {
                    return Err(failure);
                }
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    async fn channels_of(&mut self, media: &Media) -> Result<Vec<Channel>, Failure> {
        let answer = self.client.ask(&media.at, "GetProfiles", &media.profiles()).await?;
        let mut channels = Vec::new();
        let mut last = None;
        for (main, sub) in answers::chosen(&answers::profiles(&answer)).into_iter().take(MOST_CHANNELS) {
            let snapshot = self.snapshot(media, &main).await?;
            let main = match self.stream(media, main).await {
                Ok(main) => main,
                Err(failure @ Failure::Trouble(Trouble::Timeout { .. })) => return Err(failure),
                Err(failure) => {
                    // One channel of a recorder may have no camera.
                    last = Some(failure);
                    continue;
                }
            };
            let sub = match sub {
                Some(sub) => optional(self.stream(media, sub).await)?.filter(|sub| sub.address != main.address),
                None => None,
            };
            channels.push(Channel { main, sub, snapshot });
        }
        match last {
            Some(failure) if channels.is_empty() => Err(failure),
            _ => Ok(channels),
        }
    }

    async fn stream(&mut self, media: &Media, profile: Profile) -> Result<Stream, Failure> {
        let call = "GetStreamUri";
        let answer = self.client.ask(&media.at, call, &media.stream_uri(&profile.token)).await?;
        let given = answers::uri(&answer).ok_or(Failure::Missing { call, what: "Uri" })?;
        // Blanks have been seen in names of channels; a login in the address is the camera's idea of ours.
        let given = given.trim().replace(' ', "%20");
        let (address, _) = Address::parse(&given).map_err(|_| Failure::Missing { call, what: "RTSP address" })?;
        let address = match (self.options.hosts, self.options.device.host()) {
            (AnswerHosts::AsReached, Some(host)) => {
                address.at_host(&host.to_string()).ok_or(Failure::Missing { call, what: "RTSP address" })?
            }
            _ => address,
        };
        Ok(Stream { address, profile })
    }

    async fn snapshot(&mut self, media: &Media, profile: &Profile) -> Result<Option<Url>, Failure> {
        let answer = self.client.ask(&media.at, "GetSnapshotUri", &media.snapshot_uri(&profile.token)).await;
        let Some(answer) = optional(answer)? else { return Ok(None) };
        let at = answers::uri(&answer).and_then(|given| service_at(&self.options.device, given));
        Ok(at.filter(|at| self.client.is_allowed(at).is_ok()))
    }
}

/// One of the two media services.
struct Media {
    at: Url,
    second: bool,
}

impl Media {
    fn profiles(&self) -> String {
        if self.second {
            format!("<GetProfiles xmlns=\"{MEDIA2}\"><Type>VideoSource</Type><Type>VideoEncoder</Type></GetProfiles>")
        } else {
            format!("<GetProfiles xmlns=\"{MEDIA}\"/>")
        }
    }

    fn stream_uri(&self, token: &str) -> String {
        let token = xml::escaped(token);
        if self.second {
            format!(
                "<GetStreamUri xmlns=\"{MEDIA2}\"><Protocol>RTSP</Protocol><ProfileToken>{token}</ProfileToken>\
                 </GetStreamUri>"
            )
        } else {
            format!(
                "<GetStreamUri xmlns=\"{MEDIA}\" xmlns:t=\"http://www.onvif.org/ver10/schema\"><StreamSetup>\
                 <t:Stream>RTP-Unicast</t:Stream><t:Transport><t:Protocol>RTSP</t:Protocol></t:Transport></StreamSetup>\
                 <ProfileToken>{token}</ProfileToken></GetStreamUri>"
            )
        }
    }

    fn snapshot_uri(&self, token: &str) -> String {
        let space = if self.second { MEDIA2 } else { MEDIA };
        format!(
            "<GetSnapshotUri xmlns=\"{space}\"><ProfileToken>{}</ProfileToken></GetSnapshotUri>",
            xml::escaped(token)
        )
    }
}
