//! What channels to people need of the house: its broker, its sirens. The channels themselves are the notify room's.

use std::sync::Arc;

use domovoi_adapters::{Outgoing, Road};
use domovoi_config::Settings;
use domovoi_model::DeviceRef;
use domovoi_store::Store;

use crate::audit::{Actor, Origin};
use crate::clock::Clock;
use crate::devices::{Asker, Devices};
use crate::ingest::Ingest;
use crate::notify::channels::{Publication, Tools};
use crate::safety::Safety;
use crate::web;

/// Puts it together.
pub fn tools(
    settings: &Settings,
    store: &Store,
    clock: &Clock,
    ingest: &Arc<Ingest>,
    devices: &Devices,
    safety: &Safety,
) -> Tools {
    let mouth = Arc::clone(ingest);
    let (devices, safety) = (devices.clone(), safety.clone());
    Tools {
        store: store.clone(),
        clock: clock.clone(),
        vault_name: web::secret_name,
        own: settings.web.listen.iter().chain(&settings.web.help_listen).copied().collect(),
        publish: Arc::new(move |one: Publication| {
            let outgoing = Outgoing { topic: one.topic, payload: one.payload, retain: one.retain, qos: 0 };
            mouth.say(Road::Embedded, vec![outgoing]).map_err(|error| error.to_string())
        }),
        switch: Arc::new(move |device, on| {
            let switched = switch(&devices, &safety, &device, on);
            Box::pin(std::future::ready(switched))
        }),
    }
}

/// Only what the reflex knows to be a siren sounds: a mistake in the settings must not open a valve.
fn switch(devices: &Devices, safety: &Safety, device: &str, on: bool) -> Result<(), String> {
    let device = DeviceRef::parse(device).ok_or_else(|| format!("«{device}» is not a device: dialect:id"))?;
    let commands = safety.standing().home.siren(&device, on);
    if commands.is_empty() {
        return Err(format!("{device} is no siren that was accepted"));
    }
    for command in commands {
        let by = Asker { actor: Actor::House, origin: Origin::default() };
        devices.command(by, command).map_err(|error| error.to_string())?;
    }
    Ok(())
}
