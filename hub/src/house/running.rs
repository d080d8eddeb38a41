//! The house at work: every room on a task of its own, from the first to the last moment. What is opened, and in which order,
//! is decided in `house`; here nothing is opened.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::correspondence::Correspondence;
use super::diary::Diary;
use super::portal_alerts::PortalAlerts;
use super::{House, HouseError, Sockets, standby};
use crate::recorder::Recorder;
use crate::web;

impl House {
    /// Runs until `shutdown` is there, then stops in the reverse order: first the sockets, last the store.
    pub async fn run(mut self, sockets: Sockets, shutdown: impl Future<Output = ()>) -> Result<(), HouseError> {
        let mut rooms = JoinSet::new();
        // First: nothing that follows may keep it waiting.
        let (safety, stop) = (self.safety.clone(), self.stop.subscribe());
        rooms.spawn(async move { safety.run(stop).await });
        // What the reflex felt is told to people from memory, whatever else does not start.
        if let Err(error) = self.start_external(&mut rooms).await {
            self.ingest.external_cannot(&error.to_string());
            self.without.add("external-broker", &error.to_string());
        }
        self.start_telling(&mut rooms);
        self.start_rooms(&mut rooms);
        if !self.is_standby {
            self.start_dates(&mut rooms);
            let (scenarios, stop) = (self.scenarios.clone(), self.stop.subscribe());
            rooms.spawn(async move {
                let mut stopped = stop.clone();
                Box::pin(scenarios.run(stop)).await;
                // It ends when the house does; a second life of it has nothing to do.
                let _ = stopped.wait_for(|stop| *stop).await;
            });
            let (clouds, stop) = (self.clouds.clone(), self.stop.subscribe());
            rooms.spawn(async move { Box::pin(clouds.run(stop)).await });
            self.cameras.hub_listens_at(sockets.addresses());
            let (cameras, stop) = (self.cameras.clone(), self.stop.subscribe());
            rooms.spawn(async move { Box::pin(cameras.run(stop)).await });
            let copy = self.store.standby(&self.settings.store.data_dir);
            rooms.spawn(standby::keep_copy(copy, self.bus.clone(), self.stop.subscribe()));
        }
        let (ingest, journal, stop) = (Arc::clone(&self.ingest), self.journal.clone(), self.stop.subscribe());
        rooms.spawn(async move { ingest.tell_refusals(journal, stop).await });
        let port =
            |listeners: &[TcpListener]| listeners.first().and_then(|one| one.local_addr().ok()).map(|at| at.port());
        self.devices.broker_is_at(port(&sockets.mqtt), port(&sockets.mqtt_tls));
        self.start_broker(&mut rooms, sockets.mqtt, sockets.mqtt_tls);
        let (ingest, stop) = (Arc::clone(&self.ingest), self.stop.subscribe());
        rooms.spawn(async move { ingest.speak(stop).await });
        if let Some(listener) = sockets.control {
            let desk = self.desk(true);
            let mut stopped = self.stop.subscribe();
            rooms.spawn(async move {
                web::serve(listener, desk, async move {
                    let _ = stopped.wait_for(|stop| *stop).await;
                })
                .await;
            });
        }
        if !self.is_standby {
            self.start_web(&mut rooms, sockets.https, sockets.help, sockets.in_clear);
        }
        let mut died = false;
        tokio::select! {
            () = shutdown => tracing::info!("stopping"),
            // No room ends by itself: a daemon that takes readings in and forgets them is worse than none.
            ended = rooms.join_next() => {
                died = true;
                tracing::error!("a room has died ({ended:?}); the daemon stops so that it can be started whole");
            }
        }
        self.feed.end();
        self.stop.send_replace(true);
        let grace = tokio::time::timeout(Duration::from_secs(8), async { while rooms.join_next().await.is_some() {} });
        if grace.await.is_err() {
            tracing::warn!("some rooms did not stop in time and are left behind");
            rooms.shutdown().await;
        }
        let _ = std::fs::remove_file(&self.settings.control.socket);
        // What a room did last, after the journal's own room had stopped.
        if let Err(error) = self.journal.flush().await {
            tracing::error!("the journal could not be written: {error}");
        }
        self.store.close().await;
        if died { Err(HouseError::RoomDied) } else { Ok(()) }
    }

    /// What people are told, and how: from memory, in a house that stands in for another too.
    fn start_telling(&mut self, rooms: &mut JoinSet<()>) {
        let (alerts, stop) = (self.alerts.clone(), self.stop.subscribe());
        rooms.spawn(async move { Box::pin(alerts.run(stop)).await });
        let (notify, stop) = (self.notify.clone(), self.stop.subscribe());
        rooms.spawn(async move { Box::pin(notify.run(stop)).await });
        if let Some(telling) = self.telling.take() {
            rooms.spawn(telling.run(self.stop.subscribe()));
        }
    }

    /// The calendar, who is at home, and what the portal and the home write to each other.
    fn start_dates(&self, rooms: &mut JoinSet<()>) {
        let (presence, stop) = (self.presence.clone(), self.stop.subscribe());
        rooms.spawn(async move { Box::pin(presence.run(stop)).await });
        let (calendar, stop) = (self.calendar.clone(), self.stop.subscribe());
        rooms.spawn(async move { Box::pin(calendar.run(stop)).await });
        let diary = Diary {
            calendar: self.calendar.clone(),
            metering: self.metering.clone(),
            certificates: self.certificates.clone(),
            store: self.store.clone(),
            clock: self.clock.clone(),
            bus: self.bus.clone(),
        };
        rooms.spawn(diary.run(self.stop.subscribe()));
        let correspondence = Correspondence::connect(
            &self.bus,
            &self.messages,
            &self.metering,
            &self.calendar,
            &self.notify,
            &self.people,
            self.settings.home.language,
        );
        rooms.spawn(correspondence.run(self.stop.subscribe()));
        if let Some(portal) = &self.portal {
            let alerts = PortalAlerts::connect(portal, &self.messages, &self.alerts);
            rooms.spawn(alerts.run(self.stop.subscribe()));
        }
        let (messages, stop) = (self.messages.clone(), self.stop.subscribe());
        rooms.spawn(async move { Box::pin(messages.run(stop)).await });
    }

    /// Runs the rooms that need no socket, for a command that does its work without a daemon.
    pub fn start_rooms(&self, rooms: &mut JoinSet<()>) {
        let (journal, stop) = (self.journal.clone(), self.stop.subscribe());
        rooms.spawn(async move { journal.run(stop).await });
        let (recorder, stop) =
            (Recorder::new(self.store.clone(), self.bus.clone(), self.clock.clone()), self.stop.subscribe());
        rooms.spawn(async move { recorder.run(stop).await });
        let (devices, stop) = (self.devices.clone(), self.stop.subscribe());
        rooms.spawn(async move { devices.run(stop).await });
        let (without, store, clock, bus) =
            (self.without.clone(), self.store.clone(), self.clock.clone(), self.bus.clone());
        let mut stop = self.stop.subscribe();
        rooms.spawn(async move {
            tokio::select! {
                () = without.tell(&store, &clock, &bus) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            // An error means that the house is gone, which is a stop too.
            let _ = stop.wait_for(|stop| *stop).await;
        });
        let metering = self.metering.clone();
        let stop = self.stop.subscribe();
        rooms.spawn(async move { metering.run_ledger(stop).await });
        let metering = self.metering.clone();
        let stop = self.stop.subscribe();
        let every = self.settings.submission.check_every;
        rooms.spawn(async move { metering.run_clerk(every, stop).await });
        if !self.is_standby {
            let (insight, stop) = (self.insight.clone(), self.stop.subscribe());
            rooms.spawn(async move { Box::pin(insight.run(stop)).await });
        }
        if let Some(outbox) = &self.outbox {
            let outbox = outbox.clone();
            let stop = self.stop.subscribe();
            rooms.spawn(async move { outbox.run(stop).await });
        }
    }

    /// Stops what `start_rooms` started, and closes the store.
    pub async fn close(self, mut rooms: JoinSet<()>) {
        self.stop.send_replace(true);
        let grace = tokio::time::timeout(Duration::from_secs(5), async { while rooms.join_next().await.is_some() {} });
        if grace.await.is_err() {
            rooms.shutdown().await;
        }
        // What a room did last, after the journal's own room had stopped.
        if let Err(error) = self.journal.flush().await {
            tracing::error!("the journal could not be written: {error}");
        }
        self.store.close().await;
    }
}
