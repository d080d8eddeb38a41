//! Presence among the other rooms: devices say how their properties stand, messages are sent to where people are, and what is
//! kept about a person is told to that person and forgotten with them.

use std::sync::Arc;

use domovoi_config::Settings;
use domovoi_store::{Store, StoreError};

use crate::bus::Bus;
use crate::clock::Clock;
use crate::devices::Devices;
use crate::notify::Notify;
use crate::people::People;
use crate::presence::Presence;

/// Opens the room and makes it known to the others.
pub async fn open(
    store: &Store,
    clock: &Clock,
    bus: &Bus,
    settings: &Settings,
    devices: &Devices,
    people: &People,
    notify: &Notify,
) -> Presence {
    let presence = Presence::open(store.clone(), clock.clone(), bus.clone(), settings.presence.quiet).await;
    let registry = devices.clone();
    presence.states_are(move |device, property| registry.state(device, property));
    let asked = presence.clone();
    notify.presence(move |person| asked.is_home(person));
    let kept = presence.clone();
    people.also_keeps(
        "presence",
        Arc::new(move |person| {
            let told = kept.export(person);
            Box::pin(async move { Ok(told) })
        }),
    );
    let kept = presence.clone();
    people.also_forgets(move |person| {
        let kept = kept.clone();
        Box::pin(async move { kept.forget_person(person).await.map_err(|error| StoreError::Io(error.to_string())) })
    });
    presence
}
