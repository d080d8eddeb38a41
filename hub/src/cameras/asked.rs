//! Small questions of those who show cameras: which one a text names, how one stands, who else is in the network and what it
//! says of itself. It keeps nothing.

use std::time::Duration;

use domovoi_model::Id;
use domovoi_video::address::Login;
use domovoi_video::onvif::{self, Found, Survey};
use domovoi_video::picture::Darkroom;
use domovoi_video::session::Status;

use super::{Cameras, CamerasError, Recording, draft};

/// Cameras wait up to half a second before they answer, Wi-Fi longer.
const SEARCH: Duration = Duration::from_secs(3);

/// Another search begins only after this one: each sends to the whole network.
static SEARCHING: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(1);

impl Cameras {
    /// The camera that a text names: its id, or a name that only one has.
    pub fn find(&self, text: &str) -> Option<Id> {
        let seats = self.0.seats();
        if let Ok(id) = text.parse::<Id>() {
            return seats.contains_key(&id).then_some(id);
        }
        let wanted = text.trim().to_lowercase();
        let mut called = seats.values().filter(|seat| seat.name().to_lowercase() == wanted);
        let one = called.next()?.id;
        called.next().is_none().then_some(one)
    }

    /// How a camera's session stands, and whether it is recorded; `None`: there is no such camera.
    pub fn standing(&self, id: Id) -> Option<(Status, Recording)> {
        let seat = self.0.seat(id).ok()?;
        Some((seat.status(), seat.recording()))
    }

    /// Where pictures are made of frames.
    pub fn darkroom(&self) -> &Darkroom {
        &self.0.darkroom
    }

    /// Cameras in the home's network that are not known yet. Nothing where the settings forbid to look.
    pub async fn discover(&self) -> Result<Vec<Found>, CamerasError> {
        if !self.0.settings.discovery {
            return Ok(Vec::new());
        }
        let _turn = SEARCHING.try_acquire().map_err(|_| CamerasError::Busy)?;
        let policy = draft::policy(&self.0.settings.allow, self.0.own_sockets());
        let search = onvif::Search { policy, within: SEARCH, ..onvif::Search::default() };
        let found = onvif::search(&search).await.map_err(|error| CamerasError::Disk(error.to_string()))?;
        let known: Vec<(Option<String>, String)> =
            self.0.seats().values().map(|seat| seat.card()).map(|card| (card.onvif_id, card.host)).collect();
        let is_new = |found: &Found| {
            let at = found.addresses();
            !known.iter().any(|(id, host)| {
                id.as_deref() == Some(found.endpoint.as_str()) || at.iter().any(|ip| ip.to_string() == *host)
            })
        };
        Ok(found.into_iter().filter(is_new).collect())
    }

    /// What a camera says of itself by ONVIF: who made it, and where its streams are. `place` is a host, or the address of
    /// its device service.
    pub async fn survey(&self, place: &str, login: Option<Login>) -> Result<Survey, onvif::Failure> {
        let device = onvif::device_service(place).map_err(|_| {
            onvif::Failure::Trouble(domovoi_video::session::Trouble::Unresolved {
                host: String::new(),
                why: "no address".to_owned(),
            })
        })?;
        let mut options = onvif::Options::new(device, login, self.0.wall());
        options.policy = draft::policy(&self.0.settings.allow, self.0.own_sockets());
        onvif::survey(&options).await
    }
}
