//! The reflex's promises: each as a property over homes, dangers and orders of arrival, and a few as plain stories.

mod promises;
mod queue;
mod room;
mod stories;
mod waits;

use std::collections::BTreeMap;
use std::sync::Arc;

use domovoi_adapters::{PropertyInfo, Shape};
use domovoi_model::{Command, DeviceRef, Hazard, Moment, Observation, Quality, Timestamp, Unit, Value};

use super::danger::{Deed, Doing, Keep, Key, News, Now, Owed, Remembered, Why};
use super::home::{Home, HomeDevice};
use super::reflex::Reflex;
use super::rule::{Danger, Place, built_in};

pub(super) fn at(millis: i64) -> Now {
    Now { millis, moment: Moment::Wall(Timestamp(1_795_176_000_000 + millis)) }
}

pub(super) fn device(name: &str) -> DeviceRef {
    DeviceRef::new("zigbee2mqtt", name)
}

pub(super) fn place(name: &str, property: &str) -> Place {
    Place::new(device(name), property)
}

fn switch(name: &str, class: Option<&str>, writable: bool) -> PropertyInfo {
    let shape = Shape::Switch { on: Value::Text("ON".into()), off: Value::Text("OFF".into()) };
    PropertyInfo::new(name, shape).with(|one| {
        one.writable = writable;
        one.class = class.map(Into::into);
    })
}

pub(super) fn thing(name: &str, room: &str, accepted: bool, properties: Vec<PropertyInfo>) -> HomeDevice {
    HomeDevice {
        device: device(name),
        name: name.to_owned(),
        room: Some(room.to_owned()),
        accepted,
        reached: None,
        heard_ms_ago: None,
        agreed: None,
        credential: None,
        guards: false,
        properties,
    }
}

pub(super) fn sensor(name: &str, room: &str, hazard: Hazard, accepted: bool) -> HomeDevice {
    let info = switch("alarm", None, false).with(|one| one.hazard = Some(hazard));
    thing(name, room, accepted, vec![info])
}

pub(super) fn valve(name: &str, room: &str, accepted: bool) -> HomeDevice {
    thing(name, room, accepted, vec![switch("state", Some("valve"), true)])
}

pub(super) fn siren(name: &str, room: &str) -> HomeDevice {
    thing(name, room, true, vec![switch("state", Some("siren"), true)])
}

pub(super) fn plug(name: &str, room: &str) -> HomeDevice {
    thing(name, room, true, vec![switch("state", Some("switch"), true)])
}

pub(super) fn thermometer(name: &str, room: &str) -> HomeDevice {
    let shape = Shape::Number { min: None, max: None };
    let info = PropertyInfo::new("temperature", shape).with(|one| {
        one.unit = Unit::Celsius;
        one.class = Some("temperature".into());
    });
    thing(name, room, true, vec![info])
}

pub(super) fn said(name: &str, property: &str, value: Value, hazard: Option<Hazard>) -> Observation {
    Observation {
        device: device(name),
        property: property.to_owned(),
        value,
        unit: Unit::None,
        quality: Quality::Good,
        device_time: None,
        hazard,
    }
}

pub(super) fn alarm(name: &str, hazard: Hazard) -> Observation {
    said(name, "alarm", Value::Bool(true), Some(hazard))
}

pub(super) fn calm(name: &str) -> Observation {
    said(name, "alarm", Value::Bool(false), None)
}

pub(super) fn state(name: &str, on: bool) -> Observation {
    said(name, "state", Value::Bool(on), None)
}

/// A report of what was wanted fulfils the command.
pub(super) fn same(command: &Command, observation: &Observation) -> bool {
    command.value == observation.value
}

/// With the built-in rules, in a home of these devices, from the first millisecond on.
pub(super) fn reflex(devices: Vec<HomeDevice>) -> Reflex {
    let mut reflex = Reflex::new(built_in());
    reflex.home_is(Arc::new(Home::new(devices)), at(0));
    reflex.tick(at(0));
    reflex
}

/// What was said to devices, in order.
pub(super) fn commands(deeds: &[Deed]) -> Vec<(Place, Value)> {
    let said = |deed: &Deed| match deed {
        Deed::Say(command) => {
            let place = Place::new(command.target.device.clone(), command.target.property.clone());
            Some((place, command.value.clone()))
        }
        _ => None,
    };
    deeds.iter().filter_map(said).collect()
}

pub(super) fn began(deeds: &[Deed]) -> Vec<Danger> {
    let begun = |deed: &Deed| match deed {
        Deed::Tell(News::Began(key, _)) => Some(key.danger),
        _ => None,
    };
    deeds.iter().filter_map(begun).collect()
}

/// What was said last to each.
pub(super) fn last_said(all: &[(Place, Value)]) -> BTreeMap<Place, Value> {
    all.iter().cloned().collect()
}
