//! `[channels]`: the ways to reach people that need more than an address. Mail and short messages have sections of their own,
//! which codes for sign-in go through as well. Who is told what is no setting of this file.

use std::net::IpAddr;
use std::time::Duration;

use url::{Host, Url};

use super::cameras::{Network, network};
use super::mail;
use crate::mistake::Wrong;
use crate::reader::Section;
use crate::scalar;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// The ways to reach people, apart from mail and short messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelsSection {
    /// Where an address that a person gave may lead although it is the hub's own machine or link-local.
    pub allow: Vec<Network>,
    /// Whom a push service may write to.
    pub push_contact: Option<String>,
    /// An ntfy server.
    pub ntfy: Option<NtfySection>,
    /// A bot.
    pub bot: Option<BotSection>,
    /// Loudspeakers.
    pub voice: Option<VoiceSection>,
    /// Sirens.
    pub siren: Option<SirenSection>,
}

/// An ntfy server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NtfySection {
    /// Where it listens.
    pub address: Url,
    /// The name in the vault under which its access token is kept.
    pub token_secret: Option<String>,
}

/// A bot with the HTTP API of Telegram's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BotSection {
    /// Where the API begins.
    pub address: Url,
    /// The name in the vault under which the bot's token is kept.
    pub token_secret: String,
}

/// Loudspeakers that speak Hermes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoiceSection {
    /// Their site ids; never empty.
    pub sites: Vec<String>,
}

/// Sirens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SirenSection {
    /// The devices, as `dialect:id`; never empty.
    pub devices: Vec<String>,
    /// They sound no longer at a stretch.
    pub longest: Duration,
}

pub(crate) fn read(mut section: Section<'_>) -> ChannelsSection {
    let channels = ChannelsSection {
        allow: section.take_list("allow", 0..=64, |item| item.parsed(network)).unwrap_or_default(),
        push_contact: section.take_parsed("push_contact", mail::address),
        ntfy: section.take_table("ntfy").and_then(ntfy),
        bot: section.take_table("bot").and_then(bot),
        voice: section.take_table("voice").map(voice),
        siren: section.take_table("siren").map(siren),
    };
    section.finish();
    channels
}

fn ntfy(mut section: Section<'_>) -> Option<NtfySection> {
    section.must_have("address", "\"https://ntfy.example.org\"");
    let address = section.take_parsed("address", server);
    let token_secret = section.take_parsed("token_secret", scalar::name);
    section.finish();
    Some(NtfySection { address: address?, token_secret })
}

fn bot(mut section: Section<'_>) -> Option<BotSection> {
    section.must_have("token_secret", "\"bot\"");
    let given = section.place_of("address").is_some();
    let address = section.take_parsed("address", server);
    let address = if given { address } else { Url::parse("https://api.telegram.org").ok() };
    let token_secret = section.take_parsed("token_secret", scalar::name);
    section.finish();
    Some(BotSection { address: address?, token_secret: token_secret? })
}

fn voice(mut section: Section<'_>) -> VoiceSection {
    section.must_have("sites", "[\"default\"]");
    let sites = section.take_list("sites", 1..=32, |item| item.parsed(|text| scalar::plain(text, 64)));
    section.finish();
    VoiceSection { sites: sites.unwrap_or_default() }
}

fn siren(mut section: Section<'_>) -> SirenSection {
    section.must_have("devices", "[\"zigbee2mqtt:0x00158d0001020304\"]");
    let devices = section.take_list("devices", 1..=16, |item| item.parsed(device));
    let longest = section.take_duration("longest", 10 * SECOND..=30 * MINUTE).unwrap_or(3 * MINUTE);
    section.finish();
    SirenSection { devices: devices.unwrap_or_default(), longest }
}

fn device(text: &str) -> Result<String, Wrong> {
    let wrong = || {
        Wrong::new(format!("{} is no device", scalar::quoted(text)))
            .hint("write its dialect and its id, like \"zigbee2mqtt:0x00158d0001020304\"")
    };
    let text = scalar::plain(text, 256)?;
    match text.split_once(':') {
        Some((dialect, id)) if !dialect.is_empty() && !id.is_empty() => Ok(text),
        _ => Err(wrong()),
    }
}

/// A server of the owner's choice: https, or plain http where the packets stay in the home.
fn server(text: &str) -> Result<Url, Wrong> {
    scalar::plain(text, 2048)?;
    let hint = "write for example \"https://ntfy.example.org\"";
    let url = Url::parse(text)
        .map_err(|why| Wrong::new(format!("{} is not an address ({why})", scalar::quoted(text))).hint(hint))?;
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(Wrong::new("an address here has no user name, no password and nothing after `?` or `#`").hint(hint));
    }
    let near = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_private(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback() || ip.is_unique_local(),
        _ => false,
    };
    match url.scheme() {
        "https" if url.host().is_some() => Ok(url),
        "http" if near => Ok(url),
        "http" => {
            Err(Wrong::new("plain http is only for a literal loopback address or one of the home's network").hint(hint))
        }
        _ => Err(Wrong::new("only https addresses are used").hint(hint)),
    }
}
