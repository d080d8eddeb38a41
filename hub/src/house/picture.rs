//! The devices as the reflex sees them: what it needs of the registry, and nothing else. Made when somebody's decision or a
//! device's description changed, not when it is dangerous.

use domovoi_adapters::{Category, PropertyInfo};
use domovoi_model::{Moment, Unit};

use crate::clock::Clock;
use crate::devices::{DeviceView, Devices, Standing};
use crate::safety::HomeDevice;

/// All of them.
pub fn of(devices: &Devices, clock: &Clock) -> Vec<HomeDevice> {
    devices.each(|view| Some(seen(view, clock)))
}

fn seen(view: DeviceView, clock: &Clock) -> HomeDevice {
    let mut properties = Vec::new();
    // Not collected from what is consumed: that would keep the room of all that is left out.
    properties.extend(view.properties.into_iter().filter_map(|property| property.info).filter(counts));
    properties.shrink_to_fit();
    HomeDevice {
        name: view.name,
        room: view.card.room.map(|room| room.to_string()),
        accepted: Standing::of(&view.card) == Standing::Accepted,
        reached: view.reachable,
        agreed: view.card.agreed,
        credential: view.card.credential,
        guards: view.card.guards,
        heard_ms_ago: view.heard_at.and_then(|at| ago(at, clock)),
        properties,
        device: view.card.device,
    }
}

/// What senses a danger or a temperature, and what can be set in one. A home of ten thousand properties is remembered once
/// elsewhere already.
fn counts(property: &PropertyInfo) -> bool {
    property.hazard.is_some()
        || matches!(property.unit, Unit::Celsius | Unit::Fahrenheit)
        || (property.writable && property.category == Category::Main)
}

fn ago(at: Moment, clock: &Clock) -> Option<i64> {
    match at {
        Moment::Wall(at) => clock.trusted().map(|now| now.0.saturating_sub(at.0)),
        Moment::SinceBoot { boot, millis } => {
            (boot == clock.boot()).then(|| clock.since_boot_millis().saturating_sub(millis))
        }
    }
}
