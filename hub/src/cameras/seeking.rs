//! A camera that nobody answers for is looked for in the network: by its name, by ONVIF, by its hardware address. It is
//! believed only by what `again` takes for proof, and its owner is told. While it is there, what it can be found by later is
//! noted.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use domovoi_model::Id;
use domovoi_video::again::{self, Known, Outcome, Seeking};
use domovoi_video::onvif::Multicast;
use domovoi_video::session::State;
use tokio::time::Instant;

use super::seat::Seat;
use super::{Cameras, Inner, draft};

/// Whether somebody has to be looked for.
const LOOK_EVERY: Duration = Duration::from_secs(20);

/// A camera that restarts is not looked for.
const SETTLED: Duration = Duration::from_secs(60);

/// Between two searches for the same camera: at first, and at most. One that is switched off for a month is no reason to ask
/// the whole network each minute.
const AGAIN: Duration = Duration::from_secs(120);
const AGAIN_AT_MOST: Duration = Duration::from_secs(3600);

/// When one camera is looked for.
struct Search {
    gone_since: Instant,
    next: Instant,
    pause: Duration,
}

impl Inner {
    /// Looks for cameras that are gone, one after another.
    pub(super) async fn seek_on(self: &Arc<Self>) {
        let mut searches: HashMap<Id, Search> = HashMap::new();
        let mut learned: HashMap<Id, String> = HashMap::new();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            for seat in self.seats().values() {
                let State::Offline { trouble, .. } = seat.status().state else {
                    searches.remove(&seat.id);
                    let host = seat.card().host;
                    if seat.is_online() && learned.insert(seat.id, host.clone()) != Some(host) {
                        self.learn(seat).await;
                    }
                    continue;
                };
                if !trouble.is_absence() {
                    continue;
                }
                let now = Instant::now();
                let search =
                    searches.entry(seat.id).or_insert(Search { gone_since: now, next: now + SETTLED, pause: AGAIN });
                if now < search.next {
                    continue;
                }
                search.next = now + search.pause;
                search.pause = (search.pause * 2).min(AGAIN_AT_MOST);
                tracing::info!(camera = %seat.id, gone = search.gone_since.elapsed().as_secs(), "it is looked for");
                self.seek(seat).await;
            }
        }
    }

    async fn seek(self: &Arc<Self>, seat: &Arc<Seat>) {
        let card = seat.card();
        let Ok(options) = self.options(&card) else { return };
        let known = Known {
            stream: options.address,
            trust: options.trust,
            host_name: card.host_name,
            mac: card.mac,
            endpoint: card.onvif_id,
        };
        let mut seeking = Seeking::new(draft::policy(&self.settings.allow, self.own_sockets()), self.wall());
        if !self.settings.discovery {
            seeking.network = Multicast::Nowhere;
        }
        match Box::pin(again::find(&known, &seeking)).await {
            Outcome::Moved { to, service, .. } => {
                let cameras = Cameras(Arc::clone(self));
                let service = service.map(String::from);
                match cameras.found(seat.id, &to.to_string(), service.as_deref()).await {
                    Ok(moved) => tracing::info!(camera = %seat.id, %to, moved, "it was found"),
                    Err(error) => tracing::warn!(camera = %seat.id, "it was found and cannot be used: {error}"),
                }
            }
            Outcome::Doubtful { at } => {
                tracing::info!(camera = %seat.id, ?at, "something there may be it; nobody can tell but its owner");
                self.tell_may_be(seat, &at).await;
            }
            Outcome::Unmoved | Outcome::Unseen => {}
        }
    }

    /// Notes a camera's hardware address, if it is in this network.
    async fn learn(&self, seat: &Seat) {
        let host = seat.card().host;
        let ip = match host.parse::<IpAddr>() {
            Ok(ip) => Some(ip),
            Err(_) => {
                let found = tokio::net::lookup_host((host.as_str(), seat.card().port)).await;
                found.ok().and_then(|mut all| all.next()).map(|at| at.ip())
            }
        };
        let Some(mac) = ip.and_then(again::hardware_address) else { return };
        let _turn = self.turn.lock().await;
        let mut card = seat.card();
        if card.mac == Some(mac) || card.host != host {
            return;
        }
        card.mac = Some(mac);
        card.found_at = Some(self.clock.moment());
        match self.store.cameras().put(&card).await {
            // Nothing that its session hangs on.
            Ok(()) => seat.become_(card),
            Err(error) => tracing::warn!(camera = %seat.id, "its hardware address was not kept: {error}"),
        }
    }
}
