//! What of the reflex has gone mute without anybody's deed: a rule that names what is not there any more, a sensor or a valve
//! that nobody describes any more. Pure; who tells people is the room.

use std::collections::BTreeMap;

use domovoi_model::DeviceRef;

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

/// The devices that are there for danger, or were when they were described last.
pub fn guards(home: &Home) -> impl Iterator<Item = &DeviceRef> {
    let is_one = |device: &&HomeDevice| (device.accepted && device.guards) || is_guard(device, home);
    home.devices().iter().filter(is_one).map(|device| &device.device)
}

/// Notices of this room about what is mute begin so.
pub const PREFIXES: [&str; 4] = ["rule-mute:", "undescribed:", "siren-unsilenced:", "accept-again:"];

/// The sirens that a rule sounds and that know no word for silence.
fn unsilenced<'a>(rules: &'a [Rule], home: &'a Home) -> impl Iterator<Item = &'a Place> {
    let rooms = rules.iter().filter(|rule| rule.is_on).flat_map(|rule| &rule.answers);
    let sounded = rooms.filter_map(|answer| match answer {
        Answer::Sirens(room) => Some(home.organs(Organ::Siren, room.as_deref())),
        _ => None,
    });
    sounded.flatten().map(|(place, _)| place).filter(|place| home.quiet(place).is_none())
}

/// What is mute in a home, where `guards` were there for danger before, and `moved` take commands where nobody has agreed to.
pub fn mute<'a>(
    rules: &[Rule],
    home: &Home,
    guards: impl IntoIterator<Item = &'a DeviceRef>,
    moved: &[DeviceRef],
) -> Mute {
    let mut mute = Mute::new();
    for place in unsilenced(rules, home) {
        let name = home.name(&place.device);
        mute.insert(format!("siren-unsilenced:{}", place.device), ("safety_siren_unsilenced", name));
    }
    for device in moved {
        mute.insert(format!("accept-again:{device}"), ("safety_accept_again", home.name(device)));
    }
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
    use super::super::tests::{device, place, plug, sensor, siren, thing, valve};
    use super::*;

    #[test]
    fn a_siren_that_cannot_be_silenced_and_a_valve_that_takes_commands_elsewhere_are_told() {
        let mut siren = siren("siren", "hall");
        siren.properties[0].shape = domovoi_adapters::Shape::Choice(vec!["alarm".into(), "melody".into()]);
        let home = Home::new(vec![siren, valve("v", "bath", true)]);
        let told = mute(&built_in(), &home, [], &[device("v")]);
        assert_eq!(
            told.keys().collect::<Vec<_>>(),
            ["accept-again:zigbee2mqtt:v", "siren-unsilenced:zigbee2mqtt:siren"]
        );
        let off: Vec<Rule> = built_in().into_iter().map(|rule| Rule { is_on: false, ..rule }).collect();
        assert!(mute(&off, &home, [], &[]).is_empty(), "no rule sounds it");
    }

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
            mute(&rules, &Home::new(devices), &guards, &[]).into_keys().collect::<Vec<_>>()
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
        let marked = HomeDevice { guards: true, ..thing("leak", "bath", true, Vec::new()) };
        let home = Home::new(vec![marked, thing("other", "bath", true, Vec::new())]);
        let marked: Vec<&DeviceRef> = super::guards(&home).collect();
        assert_eq!(marked, [&device("leak")], "its card says that it was one");
        assert_eq!(mute(&[], &home, marked, &[]).len(), 1);
        let mut undescribed = whole();
        undescribed[0] = thing("leak", "bath", true, Vec::new());
        assert_eq!(of(own(Sensors::Any, Vec::new()), undescribed), ["undescribed:zigbee2mqtt:leak"]);
    }
}
