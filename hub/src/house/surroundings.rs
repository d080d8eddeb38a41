//! What the devices' room has to know of the house to connect a device: the catalogue, the base topics, where the broker is
//! found, how a connection is closed.

use std::sync::Arc;

use domovoi_broker::Broker;
use domovoi_config::catalogue::Catalogue;
use domovoi_config::{Settings, WebName};

use crate::certificates::home_addresses;
use crate::devices::{Devices, Surroundings};
use crate::ingest::HubGate;

/// Tells it.
pub fn tell(devices: &Devices, settings: &Settings, broker: &Arc<Broker<HubGate>>) {
    let catalogue = match &settings.devices.catalogue {
        None => Catalogue::built_in(),
        Some(folder) => {
            let (catalogue, mistakes) = Catalogue::with_folder(folder);
            // What can be read counts: gas and water do not wait for a catalogue.
            mistakes.iter().for_each(|mistake| tracing::error!("the catalogue of devices: {mistake}"));
            catalogue
        }
    };
    let dialects = &settings.dialects;
    let mut hosts = vec![settings.web.host.clone()];
    hosts.extend(settings.web.names.iter().map(|name| match name {
        WebName::Name(name) => name.clone(),
        WebName::Address(address) => address.to_string(),
    }));
    hosts.extend(home_addresses().iter().map(ToString::to_string));
    hosts.dedup();
    // Weakly: the room lives as long as the house, and so does its broker.
    let broker = Arc::downgrade(broker);
    devices.stand_in(Surroundings {
        catalogue,
        bases: vec![
            ("prefix", dialects.homeassistant_prefixes.clone()),
            ("zigbee2mqtt", dialects.zigbee2mqtt_bases.clone()),
            ("wmbusmeters", vec![dialects.wmbusmeters_base.clone()]),
        ],
        hosts,
        setup_on_this_machine: settings.devices.setup_on_this_machine,
        kick: Box::new(move |username| {
            if let Some(broker) = broker.upgrade() {
                broker.disconnect(Some(username));
            }
        }),
    });
}
