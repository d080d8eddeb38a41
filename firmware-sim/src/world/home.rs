//! A whole home to try a hub with: a bridge, three Tasmota devices, three with Home Assistant's discovery, one that is
//! paired by QR; and a person's hands in it, as lines of text. For a terminal; tests use the simulators themselves.

use std::{collections::BTreeMap, fmt::Write as _, net::SocketAddr, time::Duration};

use super::{
    AnnouncedSettings, BridgeSettings, Credentials, Esp, EspError, EspSettings, Fault, Hazard, Order, Pace, Simulator,
    TasmotaSettings, Thing,
};
use crate::Clock;

#[derive(Clone)]
pub struct HomeSettings {
    /// `host:port`.
    pub broker: String,
    pub clock: Clock,
    /// Name and password by device; one that is not in here uses `login`.
    pub logins: BTreeMap<String, (String, String)>,
    /// Empty: none.
    pub login: (String, String),
    /// Empty: all of `Home::DEVICES`.
    pub only: Vec<String>,
    pub base: String,
    pub prefix: String,
    pub interval: Option<Duration>,
    pub answer: Option<Duration>,
    /// Where the setup page of the one with a QR code listens.
    pub setup: SocketAddr,
    /// That one tries serial and token at the broker by itself.
    pub esp_tries_token: bool,
}

pub struct Home {
    devices: BTreeMap<&'static str, Simulator>,
    esp: Option<Esp>,
}

/// What a terminal shows when asked.
pub const HELP: &str = "\
on|off|toggle|stop DEVICE THING        wet or dry, open or shut, by hand
press DEVICE single|double|hold THING  a button
position|brightness DEVICE 0..100 THING
room DEVICE DEGREES THING              a temperature
lost|found DEVICE THING                out of the bridge's reach, and back
join zigbee                            a new leak sensor next to the bridge
report|retire|clear DEVICE             say all now; factory reset; end all faults
fault DEVICE silence|garbage|clock|flood|storm|ghost-command|ghost-discovery|slow|lie|stuck|deaf|no-will
fault DEVICE outside TOPIC | eavesdrop FILTER | steal CLIENT_ID
truth [DEVICE]                         what is so, whatever was said";

impl Home {
    pub const DEVICES: [&str; 8] = ["zigbee", "plug", "light", "shutter", "single", "device", "esphome", "esp"];

    pub async fn start(settings: HomeSettings) -> Result<Self, EspError> {
        let login = |device: &str, own: Credentials| {
            let (username, password) = settings.logins.get(device).unwrap_or(&settings.login).clone();
            Credentials { username, password, ..own }
        };
        let pace = |own: Pace| Pace { answer: settings.answer.unwrap_or(own.answer), ..own };
        let wanted = |device: &str| settings.only.is_empty() || settings.only.iter().any(|only| only == device);
        let (broker, clock) = (settings.broker.as_str(), &settings.clock);
        let mut devices = BTreeMap::new();
        for device in Self::DEVICES.into_iter().filter(|device| wanted(device)) {
            let simulator = match device {
                "zigbee" => {
                    let own = BridgeSettings::default();
                    let own = BridgeSettings {
                        credentials: login(device, own.credentials.clone()),
                        base: settings.base.clone(),
                        birth_topic: format!("{}/status", settings.prefix),
                        pace: pace(own.pace),
                        interval: settings.interval,
                        ..own
                    };
                    Simulator::bridge(broker, own, clock.clone())?
                }
                "plug" | "light" | "shutter" => {
                    let own = match device {
                        "plug" => TasmotaSettings::plug(),
                        "light" => TasmotaSettings::light(),
                        _ => TasmotaSettings::shutter(),
                    };
                    let own = TasmotaSettings {
                        credentials: login(device, own.credentials.clone()),
                        pace: pace(own.pace),
                        interval: settings.interval,
                        ..own
                    };
                    Simulator::tasmota(broker, own, clock.clone())?
                }
                "single" | "device" | "esphome" => {
                    let own = match device {
                        "single" => AnnouncedSettings::single(),
                        "device" => AnnouncedSettings::device(),
                        _ => AnnouncedSettings::esphome(),
                    };
                    let own = AnnouncedSettings {
                        credentials: login(device, own.credentials.clone()),
                        prefix: settings.prefix.clone(),
                        pace: pace(own.pace),
                        interval: settings.interval,
                        ..own
                    };
                    Simulator::announced(broker, own, clock.clone())?
                }
                _ => continue,
            };
            devices.insert(device, simulator);
        }
        let esp = if wanted("esp") {
            let own = EspSettings::default();
            let own = EspSettings {
                prefix: settings.prefix.clone(),
                broker: settings.esp_tries_token.then(|| settings.broker.clone()),
                setup: Some(settings.setup),
                pace: pace(own.pace),
                interval: settings.interval,
                ..own
            };
            Some(Esp::start(own, clock.clone()).await?)
        } else {
            None
        };
        Ok(Self { devices, esp })
    }

    pub fn esp(&self) -> Option<&Esp> {
        self.esp.as_ref()
    }

    pub fn device(&self, name: &str) -> Option<&Simulator> {
        self.devices.get(name)
    }

    /// One line of a person's. What to show, or what is wrong with it.
    pub fn hand(&self, line: &str) -> Result<String, String> {
        let (verb, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        let (device, rest) = rest.trim().split_once(' ').unwrap_or((rest.trim(), ""));
        match (verb, device) {
            ("" | "help", _) => return Ok(HELP.to_owned()),
            ("truth", "") => return Ok(self.truth()),
            _ => {}
        }
        let paired = if device == "esp" { self.esp.as_ref().and_then(Esp::device) } else { None };
        let one = paired.as_deref().or_else(|| self.devices.get(device));
        let one = one.ok_or_else(|| match device {
            "esp" => "it has no access yet: pair it first".to_owned(),
            _ => format!("no device {device:?} here; there are: {}", self.names().join(", ")),
        })?;
        match verb {
            "truth" => return Ok(truth_of(device, one)),
            "report" => one.report_now(),
            "retire" => one.retire(),
            "clear" => one.clear_faults(),
            "join" => one.join("0x00158d0001abcdff", Thing::Alarm { hazard: Hazard::Leak, on: false }),
            "fault" => one.fault(fault(rest)?),
            "lost" | "found" => one.reach(known(one, rest)?, verb == "found"),
            _ => {
                let (order, thing) = order(verb, rest)?;
                one.touch(known(one, thing)?, order);
            }
        }
        Ok("done".to_owned())
    }

    fn names(&self) -> Vec<&str> {
        self.devices.keys().copied().chain(self.esp.is_some().then_some("esp")).collect()
    }

    fn truth(&self) -> String {
        let mut text: String = self.devices.iter().map(|(name, one)| truth_of(name, one)).collect();
        if let Some(device) = self.esp.as_ref().and_then(Esp::device) {
            text += &truth_of("esp", &device);
        }
        text
    }

    /// Power off: each says goodbye.
    pub async fn stop(self) {
        for (_, one) in self.devices {
            one.stop().await;
        }
        if let Some(esp) = self.esp {
            esp.stop().await;
        }
    }
}

fn truth_of(name: &str, one: &Simulator) -> String {
    let truth = one.truth();
    let link = truth.link;
    let mut text = format!(
        "{name}: {}, refused {} times, {} orders\n",
        if link.connected { "connected" } else { "not connected" },
        link.refused,
        truth.orders
    );
    for (id, thing) in &truth.things {
        let called = truth.names.get(id).map_or("", String::as_str);
        // Writing into a String does not fail.
        let _ = writeln!(text, "  {called} ({id}): {thing:?}");
    }
    text
}

/// The only thing there is needs no name.
fn known<'a>(one: &Simulator, thing: &'a str) -> Result<&'a str, String> {
    let (thing, truth) = (thing.trim(), one.truth());
    if thing.is_empty() && truth.things.len() == 1 {
        return Ok("1");
    }
    let names = || truth.names.values().cloned().collect::<Vec<_>>().join(", ");
    truth.thing(thing).map(|_| thing).ok_or_else(|| format!("no {thing:?} there; there are: {}", names()))
}

fn order<'a>(verb: &str, rest: &'a str) -> Result<(Order, &'a str), String> {
    let with = || rest.split_once(' ').unwrap_or((rest, ""));
    let percent = || with().0.parse::<u8>().ok().filter(|percent| *percent <= 100).ok_or("0 to 100, then the thing");
    Ok(match verb {
        "on" => (Order::On(true), rest),
        "off" => (Order::On(false), rest),
        "toggle" => (Order::Toggle, rest),
        "stop" => (Order::Stop, rest),
        "press" => (Order::Press(with().0.to_owned()), with().1),
        "position" => (Order::PositionPercent(percent()?), with().1),
        "brightness" => (Order::BrightnessPermille(u16::from(percent()?) * 10), with().1),
        "room" => {
            let degrees = with().0.parse::<f64>().map_err(|_| "degrees, then the thing")?;
            (Order::Room { tenths_c: super::things::tenths(degrees), humidity_percent: 50 }, with().1)
        }
        _ => return Err(format!("{verb:?} is not known; help says what is")),
    })
}

fn fault(words: &str) -> Result<Fault, String> {
    let (kind, rest) = words.trim().split_once(' ').unwrap_or((words.trim(), ""));
    let given = || (!rest.is_empty()).then(|| rest.to_owned()).ok_or_else(|| format!("{kind} of what?"));
    Ok(match kind {
        "silence" => Fault::Silence,
        "garbage" => Fault::Garbage { times: 3 },
        "clock" => Fault::WrongClock { offset_s: -1_700_000_000 },
        "flood" => Fault::Flood { messages: 2000 },
        "storm" => Fault::ReconnectStorm { times: 20 },
        "ghost-command" => Fault::GhostCommand,
        "ghost-discovery" => Fault::GhostDiscovery,
        "slow" => Fault::SlowAnswer { by: Duration::from_secs(20) },
        "lie" => Fault::LyingAnswer,
        "stuck" => Fault::Stuck,
        "deaf" => Fault::Deaf,
        "no-will" => Fault::MissingWill,
        "outside" => Fault::Outside { topic: given()?, payload: b"not mine".to_vec(), retain: false },
        "eavesdrop" => Fault::Eavesdrop { filter: given()? },
        "steal" => Fault::StolenId { client_id: given()? },
        _ => return Err(format!("no fault {kind:?}; help says which there are")),
    })
}
