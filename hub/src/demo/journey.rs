//! The reading's journey as it happens, line by line. Only tells; the demo goes its way without being watched.

use std::collections::HashSet;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use domovoi_model::{Act, ActState};
use domovoi_store::{ActFilter, Store};
use firmware_sim::portal::PortalEvent;
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::is_over;
use crate::bus::{Ears, Event};
use crate::metering::{Metering, source_in_words};
use crate::portal::LinkProgress;

/// How many readings of each register are told before the screen is left to the acts.
const READINGS_TOLD: usize = 3;

/// Nobody may be reading any more (`demo | head`): that is no reason to stop.
fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A teller with the time since the start.
#[derive(Clone)]
pub struct Journey {
    json: bool,
    started: Instant,
}

impl Journey {
    pub fn new(json: bool) -> Self {
        Journey { json, started: Instant::now() }
    }

    fn say(&self, who: &str, what: &str) {
        let seconds = (self.started.elapsed().as_secs_f64() * 100.0).round() / 100.0;
        if self.json {
            print(&json!({ "s": seconds, "who": who, "what": what }).to_string());
        } else {
            print(&format!("{seconds:7.2} s  {who:<9} {what}"));
        }
    }

    pub fn welcome(&self, folder: &Path, file: &Path, portal: &str, mqtt: SocketAddr) {
        if self.json {
            let where_to_look = json!({
                "folder": folder.display().to_string(), "settings": file.display().to_string(),
                "portal": portal, "mqtt": mqtt.to_string(),
            });
            print(&where_to_look.to_string());
            return;
        }
        let (folder, file) = (folder.display(), file.display());
        print(&format!(
            "Domovoi demo: a pretend home and a sandbox portal, on 127.0.0.1 only. / Демо: понарошечный дом и портал.\n  \
             everything is kept in   {folder}\n  \
             the sandbox portal      {portal}\n  \
             MQTT                    {mqtt}  (try: domovoi --config {file} mqtt add me --publish 'test/#')\n  \
             ask the running hub     domovoi --config {file} meter list   (or act list, doctor, …)\n  \
             stop                    Ctrl-C\n"
        ));
    }

    /// The one-time link. It goes to the terminal and nowhere else.
    pub fn invitation(&self, link: &str) {
        if self.json {
            print(&json!({ "owner_link": link }).to_string());
            return;
        }
        print(&format!(
            "Become the owner of this home / Станьте хозяином этого дома:\n  {link}\n  \
             once, within 10 minutes; Enter prints another / один раз, в течение 10 минут; Enter — новая ссылка\n"
        ));
    }

    /// Where the page is, once somebody owns the home.
    pub fn page(&self, origin: &str) {
        if self.json {
            print(&json!({ "page": origin }).to_string());
        } else {
            print(&format!("The page / Страница: {origin}\n"));
        }
    }

    pub fn linked_already(&self) {
        self.say("portal", "the link of last time is still good");
    }

    pub fn linking(&self, step: &LinkProgress) {
        match step {
            LinkProgress::Permissions(scopes) => {
                for (scope, ru, _) in scopes {
                    self.say("owner", &format!("allows: {ru} [{scope}]"));
                }
            }
            LinkProgress::ShowCode(code) => {
                self.say("hub", &format!("asks for a link: code {} at {}", code.user_code, code.verification_uri));
                self.say("owner", "types the code in at the portal (the demo does it for you)");
            }
            LinkProgress::OpenBrowser(url) => self.say("hub", &format!("open {url}")),
            LinkProgress::Linked(_) => self.say("portal", "linked; tokens are bound to this hub's key (DPoP)"),
        }
    }

    pub fn already(&self, acts: &[Act], held: usize) {
        for act in acts {
            self.say("hub", &format!("act of {} from last time: {}", act.period, act.state.code()));
        }
        if held > 0 {
            self.say("portal", &format!("holds {held} act(s) from last time; nothing is submitted twice"));
        }
    }

    pub fn farewell(&self, held: usize) {
        self.say("portal", &format!("holds {held} accepted act(s)"));
    }

    /// Tells until every act has its end, if that is wanted; else for ever.
    pub async fn follow(
        &self,
        mut events: Ears,
        mut portal: Receiver<PortalEvent>,
        metering: &Metering,
        store: &Store,
        until_receipt: bool,
    ) {
        let mut told = Vec::new();
        let mut quiet = HashSet::new();
        loop {
            if until_receipt && self.all_over(metering, store).await {
                return;
            }
            tokio::select! {
                event = events.recv() => match event {
                    Ok(event) => self.tell(&event, metering, &mut told, &mut quiet),
                    Err((RecvError::Lagged(_), _)) => {}
                    Err((RecvError::Closed, _)) => return,
                },
                line = portal.recv() => match line {
                    Ok(event) => self.say("portal", &event.line),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                },
            }
        }
    }

    async fn all_over(&self, metering: &Metering, store: &Store) -> bool {
        let accounts = metering.register().accounts.len();
        match store.acts().list(ActFilter::default()).await {
            Ok(acts) => acts.len() >= accounts && acts.iter().all(|act| is_over(&act.state)),
            Err(_) => false,
        }
    }

    fn tell(
        &self,
        event: &Event,
        metering: &Metering,
        told: &mut Vec<domovoi_model::PointId>,
        quiet: &mut HashSet<domovoi_model::PointId>,
    ) {
        let register = metering.register();
        let name = |point| register.point(point).map_or("?", |point| point.name.as_str());
        match event {
            Event::Recorded(batch) => {
                for recorded in batch.iter() {
                    let sample = &recorded.item;
                    let Some(bound) = register.bound(&sample.device, &sample.property) else { continue };
                    if told.iter().filter(|point| **point == bound.point).count() < READINGS_TOLD {
                        told.push(bound.point);
                        let said = format!("{} {}", sample.value, sample.unit.symbol());
                        self.say("meter", &format!("{} says {} = {said}", sample.device, sample.property));
                        self.say(
                            "hub",
                            &format!("recorded as no. {} (sealed, durable), then acknowledged", recorded.seq.0),
                        );
                    }
                }
            }
            Event::Reading(reading) => {
                if told.iter().filter(|point| **point == reading.point).count() < READINGS_TOLD {
                    self.say(
                        "ledger",
                        &format!(
                            "{}: {} {} {} from {}",
                            name(reading.point),
                            reading.tariff,
                            reading.value,
                            reading.verdict.code(),
                            source_in_words(&reading.source)
                        ),
                    );
                } else if quiet.insert(reading.point) {
                    self.say("ledger", &format!("{}: further readings go on in silence", name(reading.point)));
                }
            }
            Event::Act(act) => self.act(act, metering),
            Event::RegisterChanged(_)
            | Event::Notice(_)
            | Event::State(_)
            | Event::Device(_)
            | Event::Rooms
            | Event::Command(_)
            | Event::Safety(_)
            | Event::Camera(_)
            | Event::Alert(_)
            | Event::Calendar
            | Event::Messages
            | Event::Presence(_)
            | Event::Scenario(_)
            | Event::Cloud(_) => {}
        }
    }

    fn act(&self, act: &Act, metering: &Metering) {
        let register = metering.register();
        let account = register.account(act.account).map_or("?", |account| account.label.as_str());
        let what = match &act.state {
            ActState::Draft { .. } => "act drawn up; waits for readings".to_owned(),
            ActState::Checked => "act checked: nothing speaks against it".to_owned(),
            ActState::Approved => "act approved by standing consent and signed (ES256)".to_owned(),
            ActState::Sent { tries, .. } => format!("act on its way to the portal (try {tries})"),
            ActState::Confirmed { .. } => {
                "act read back from the portal: same bytes, every reading has its verdict".to_owned()
            }
            ActState::Received { receipt } => format!("RECEIPT {} for act {}", receipt.id, act.id),
            ActState::Refused { code, detail, .. } => format!("the portal refused: {code} {detail}"),
            ActState::Superseded { .. } => "superseded by a correction".to_owned(),
        };
        self.say("act", &format!("{account}, {}: {what}", act.period));
    }
}
