//! Which properties tell of a danger, by their names, and which of their words say that it is there. Deliberately knows no
//! device: what a detector is called by its maker decides only where its own list names nothing.

use domovoi_model::Hazard;

use super::{PropertyInfo, Shape};
use crate::property::is_alarm;

/// The dangers, by the name that the converters give them. `tamper` is none: somebody is at the sensor, not the house
/// in danger.
const HAZARDS: &[(&str, Hazard)] = &[
    ("water_leak", Hazard::WaterLeak),
    ("gas", Hazard::Gas),
    ("smoke", Hazard::Smoke),
    ("carbon_monoxide", Hazard::CarbonMonoxide),
];

/// What dangers are called where the bits of an IAS zone are told apart, and by detectors that say more than yes and no.
const HAZARDS_TOO: &[(&str, Hazard)] = &[
    ("water_leak_alarm_1", Hazard::WaterLeak),
    ("water_leak_alarm_2", Hazard::WaterLeak),
    ("active_water_leak", Hazard::WaterLeak),
    ("gas_alarm_1", Hazard::Gas),
    ("gas_alarm_2", Hazard::Gas),
    ("gas_sensor_state", Hazard::Gas),
    ("smoke_alarm_1", Hazard::Smoke),
    ("smoke_alarm_2", Hazard::Smoke),
    ("smoke_state", Hazard::Smoke),
    ("carbon_monoxide_alarm_1", Hazard::CarbonMonoxide),
    ("carbon_monoxide_alarm_2", Hazard::CarbonMonoxide),
    // Lincukoo's E04CF-Z10T: gas and carbon monoxide in one case.
    ("co_state", Hazard::CarbonMonoxide),
    // FrankEver's FK-BV05, Sonoff's SWV and SWV-ZFE: valves that see water run where none should.
    ("water_leakage_state", Hazard::WaterLeak),
    ("current_device_status", Hazard::WaterLeak),
    ("valve_abnormal_state", Hazard::WaterLeak),
    // Namron's 4512785: a relay with a wire that feels water.
    ("water_sensor", Hazard::WaterLeak),
    ("water_condition_alarm", Hazard::WaterLeak),
];

/// The end of a name that tells of a leak on one line of many: `input_3_leak_detect` (Ensystec's leak protection).
const LEAKS: &str = "_leak_detect";

/// What reports the danger of a detector that calls it nothing but an alarm, where its description says which it is: Lincukoo's
/// W04-Z10T and SZW08 (water), MultIR's MIR-SM100-E (smoke), Ecolink's FFZB1-SM-ECO (hears a smoke detector).
const NAMELESS: &[&str] = &["alarm", "alarm_1", "alarm_2", "alarm_status"];

/// Words of a description for the danger that a detector is there for.
const DETECTS: &[(&str, Hazard)] = &[
    ("water leak", Hazard::WaterLeak),
    ("leakage sensor", Hazard::WaterLeak),
    ("leak sensor", Hazard::WaterLeak),
    ("flood sensor", Hazard::WaterLeak),
    ("smoke", Hazard::Smoke),
    ("gas sensor", Hazard::Gas),
    ("gas detector", Hazard::Gas),
    ("gas alarm", Hazard::Gas),
    ("gas leak", Hazard::Gas),
    ("carbon monoxide", Hazard::CarbonMonoxide),
];

/// The danger of this name.
pub(super) fn hazard(name: &str) -> Option<Hazard> {
    let known = HAZARDS.iter().chain(HAZARDS_TOO).find(|(other, _)| *other == name).map(|(_, hazard)| *hazard);
    known.or_else(|| name.ends_with(LEAKS).then_some(Hazard::WaterLeak))
}

/// A detector that names no danger reports the one that its description names.
pub(super) fn name_the_alarm(properties: &mut [PropertyInfo], words: &str) {
    if properties.iter().any(|property| property.hazard.is_some()) {
        return;
    }
    let words = words.to_lowercase();
    let Some((_, hazard)) = DETECTS.iter().find(|(word, _)| words.contains(word)) else { return };
    for info in properties.iter_mut().filter(|info| NAMELESS.contains(&info.name.as_str())) {
        // What can be set is a siren, and says that it sounds.
        let warns = !info.writable && can_warn(&info.shape);
        info.hazard = warns.then_some(*hazard);
    }
}

/// Whether values of this shape can say that there is a danger.
pub(super) fn can_warn(shape: &Shape) -> bool {
    match shape {
        Shape::Switch { .. } => true,
        Shape::Choice(words) => words.iter().any(|word| is_alarm(word)),
        _ => false,
    }
}
