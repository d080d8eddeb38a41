//! What of the reflex has gone mute without anybody's deed: a rule that names what is not there any more, a sensor or a valve
//! that nobody describes any more. Pure; who tells people is the room.

use std::collections::BTreeMap;

use super::home::{Home, HomeDevice, Organ};
use super::rule::{Answer, Place, Rule, Sensors, is_built_in};

/// What people are told: the notice's key, its kind, and the name of what is mute.
pub type Mute = BTreeMap<String, (&'static str, String)>;

/// Whether a rule would hear nobody, or would tell something to what is not there. The built-in ones hear whoever there is.
fn is_mute(rule: &Rule, home: &Home) -> bool {
    let is_there =
        |place: &Place| home.accepts(&place.device) && (place.property.is_empty() || home.property(place).is_some());
    let in_room = |room: &String| {
        home.devices()
            .iter()
            .any(|device| device.accepted && device.room.as_ref() == Some(room) && !device.properties.is_empty())
    };
    let is_heard = match &rule.sensors {
        Sensors::Any => true,
        Sensors::Room(room) => in_room(room),
        Sensors::These(places) => places.iter().all(is_there),
    };
    let is_told = |answer: &Answer| match answer {
        Answer::Set(place, _) => is_there(place),
        Answer::Valves(room) => room.is_none() || home.organs(Organ::Valve, room.as_deref()).next().is_some(),
        Answer::Sirens(room) => room.is_none() || home.organs(Organ::Siren, room.as_deref()).next().is_some(),
    };
    rule.is_on && !is_built_in(&rule.id) && !(is_heard && rule.answers.iter().all(is_told))
}

/// Whether a device is there for danger.
pub fn is_guard(device: &HomeDevice, home: &Home) -> bool {
    let organs = [Organ::Valve, Organ::Siren];
    let is_organ =
        || organs.iter().any(|organ| home.organs(*organ, None).any(|(place, _)| place.device == device.device));
    device.accepted && (device.is_sensor() || is_organ())
}

/// What is mute in a home, where `guards` were there for danger before.
pub fn mute<'a>(rules: &[Rule], home: &Home, guards: impl IntoIterator<Item = &'a domovoi_model::DeviceRef>) -> Mute {
    let mut mute = Mute::new();
    for rule in rules.iter().filter(|rule| is_mute(rule, home)) {
        mute.insert(format!("rule-mute:{}", rule.id), ("safety_rule_mute", rule.name.clone()));
    }
    for device in guards {
        // Who forgot it or took it back knows so.
        let Some(device) = home.find(device).filter(|device| device.accepted) else { continue };
        if !is_guard(device, home) {
            let key = format!("undescribed:{}", device.device);
            mute.insert(key, ("safety_device_undescribed", device.name.clone()));
        }
    }
    mute
}

#[cfg(test)]
mod tests {
    use domovoi_model::{Hazard, Value};

    use super::super::rule::{Danger, built_in};
    use super::super::tests::{device, place, plug, sensor, thing, valve};
    use super::*;

    #[test]
    fn a_rule_is_mute_where_what_it_names_is_gone_and_a_guard_where_nobody_describes_it() {
        let whole =
            || vec![sensor("leak", "bath", Hazard::WaterLeak, true), valve("v", "bath", true), plug("pump", "cellar")];
        let own = |sensors, answers| Rule {
            id: "own".into(),
            name: "Подвал".into(),
            is_on: true,
            danger: Danger::WaterLeak,
            sensors,
            below: None,
            silent_after_s: None,
            answers,
        };
        let cut = || vec![Answer::Set(place("pump", "state"), Value::Bool(false))];
        let named = || Sensors::These(vec![place("leak", "alarm")]);
        let guards = [device("leak"), device("v")];
        let of = |rule: Rule, devices: Vec<HomeDevice>| {
            let mut rules = built_in();
            rules.push(rule);
            mute(&rules, &Home::new(devices), &guards).into_keys().collect::<Vec<_>>()
        };
        assert!(of(own(named(), cut()), whole()).is_empty());
        let without = |name: &str| whole().into_iter().filter(|one| one.device != device(name)).collect::<Vec<_>>();
        for rule in [own(named(), cut()), own(Sensors::Any, cut())] {
            assert_eq!(of(rule, without("pump")), ["rule-mute:own"]);
        }
        assert_eq!(of(own(named(), Vec::new()), without("leak")), ["rule-mute:own"]);
        assert!(of(own(Sensors::Any, vec![Answer::Valves(None)]), without("v")).is_empty(), "it names none");
        assert_eq!(of(own(Sensors::Any, vec![Answer::Valves(Some("hall".into()))]), whole()), ["rule-mute:own"]);
        assert_eq!(of(own(Sensors::Room("hall".into()), Vec::new()), whole()), ["rule-mute:own"]);
        assert!(of(Rule { is_on: false, ..own(named(), cut()) }, without("pump")).is_empty(), "it is off");
        let mut undescribed = whole();
        undescribed[0] = thing("leak", "bath", true, Vec::new());
        assert_eq!(of(own(Sensors::Any, Vec::new()), undescribed), ["undescribed:zigbee2mqtt:leak"]);
    }
}
