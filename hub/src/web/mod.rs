//! The ways in by HTTP: the API and the page, on https, on the control socket, and in the demo on http://localhost. Every
//! route is a door with a rule of the policy. It decides nothing itself: each call is one named function of a room.

mod answers;
pub mod api;
mod calendar_words;
mod caller;
mod camera_words;
mod cloud_words;
mod consumption;
mod control;
pub mod cookies;
mod doors;
mod feed;
mod headers;
pub mod help;
mod hooks;
pub mod ics;
mod limits;
mod mapping_words;
mod origin;
pub mod pages;
mod presets;
mod refused;
mod scenario_words;
mod serve;
mod trial;

use std::sync::{Arc, Mutex};

use domovoi_config::Settings;
use domovoi_model::Timestamp;
use domovoi_store::Store;
use domovoi_vault::Secret;

use crate::alerts::Alerts;
use crate::audit::Journal;
use crate::bus::Bus;
use crate::calendar::Calendar;
use crate::cameras::Cameras;
use crate::certificates::Certificates;
use crate::clock::Clock;
use crate::clouds::Clouds;
use crate::courier::Courier;
use crate::devices::Devices;
use crate::doctor::Doctor;
use crate::ingest::Ingest;
use crate::metering::Metering;
use crate::metering::insight::Insight;
use crate::notify::Notify;
use crate::people::People;
use crate::policy::Now;
use crate::portal::{Messages, Outbox, Portal};
use crate::presence::Presence;
use crate::safety::Safety;
use crate::scenarios::Scenarios;
use crate::signin::SignIn;

pub use api::{ApiProblem, status_of};
use caller::language_of;
pub use caller::{CSRF_HEADER, Caller, Peer, Shown, know_the_caller, same};
pub use control::{router, serve};
pub use doors::{Door, Doors, Of, Rule, Whose, person_in, rule};
pub use feed::Feed;
pub use headers::RequestId;
pub use limits::Limits;
pub use origin::own_path;
pub use refused::{problem, sentence};
pub use serve::{Reached, Way, listen, seats, site};

/// What the API and the page are made of.
#[derive(Clone)]
pub struct Desk {
    pub settings: Arc<Settings>,
    pub store: Store,
    pub bus: Bus,
    pub devices: Devices,
    pub safety: Safety,
    pub cameras: Cameras,
    pub alerts: Alerts,
    pub notify: Notify,
    pub calendar: Calendar,
    pub clouds: Clouds,
    pub messages: Messages,
    pub presence: Presence,
    pub scenarios: Scenarios,
    pub metering: Metering,
    pub insight: Insight,
    pub portal: Option<Portal>,
    pub outbox: Option<Outbox>,
    pub ingest: Arc<Ingest>,
    pub clock: Clock,
    pub doctor: Doctor,
    pub people: People,
    pub signin: SignIn,
    pub journal: Journal,
    pub courier: Courier,
    pub front: Front,
    /// Where the page is served from here.
    pub certificates: Option<Certificates>,
    pub linking: Linking,
    pub rotation: Rotation,
    pub limits: Limits,
    pub feed: Feed,
    /// Closes the connections of a credential at the broker, and says how many there were.
    pub kick: Arc<dyn Fn(&str) -> usize + Send + Sync>,
}

impl Desk {
    /// A one-time link that makes the first owner, while there is none. The token is in the fragment, which no browser
    /// sends and no log sees.
    pub async fn owner_link(&self) -> Option<Secret<String>> {
        if !self.signin.needs_owner() {
            return None;
        }
        let token = self.signin.setup_token().await.ok()?;
        let origin = self.front.origins.first()?;
        Some(Secret::new(format!("{origin}/setup#{}", token.expose())))
    }

    /// The moment, for the policy.
    pub fn now(&self) -> Now {
        let trusted = self.clock.trusted();
        let at = trusted.unwrap_or_else(|| self.clock.wall());
        Now { at, minute: minute_of_day(at, &self.settings.home.time_zone), trusted: trusted.is_some() }
    }
}

fn minute_of_day(at: Timestamp, zone: &jiff::tz::TimeZone) -> u16 {
    let Ok(at) = jiff::Timestamp::from_millisecond(at.0) else { return 0 };
    let local = at.to_zoned(zone.clone());
    u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs())
}

/// The front door as browsers see it.
#[derive(Debug, Clone)]
pub struct Front {
    /// Origins of our own: `https://domovoi.local:8443` first. A change that comes from another is refused.
    pub origins: Arc<Vec<String>>,
    /// Behind TLS. Cookies are `__Host-domovoi`, `Secure`; on the demo's `http://localhost:8080` they are `domovoi`.
    pub secure: bool,
}

/// A linking under way, as the command line follows it.
#[derive(Clone, Default)]
pub struct Linking(Arc<Mutex<api::LinkingView>>);

/// A rotation under way, likewise.
#[derive(Clone, Default)]
pub struct Rotation(Arc<Mutex<api::RotationView>>);

/// Secrets that a person names are kept apart from those of the house.
pub fn secret_name(name: &str) -> String {
    format!("owner.{name}")
}
