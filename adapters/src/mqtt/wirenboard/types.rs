//! The types of controls, and the units that their values may name. Deliberately knows no device.

use domovoi_model::Unit;

/// What a type means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// 0 or 1.
    Switch,
    /// 0 or 1, where 1 is an alarm.
    Alarm,
    /// Pressed, and nothing in between.
    Button,
    /// A number that is set by a slider.
    Range,
    /// `R;G;B`.
    Colour,
    /// A number.
    Value,
    /// A text.
    Text,
}

/// A type: what it means, and, of those that name a quantity, unit and class.
type Type = (&'static str, Kind, &'static str, Option<&'static str>);

/// The types of the conventions, those included that are deprecated there and written by drivers all the same.
const TYPES: &[Type] = &[
    ("switch", Kind::Switch, "", Some("switch")),
    ("wo-switch", Kind::Switch, "", Some("switch")),
    ("alarm", Kind::Alarm, "", Some("problem")),
    ("pushbutton", Kind::Button, "", Some("button")),
    ("range", Kind::Range, "", None),
    ("dimmer", Kind::Range, "", Some("light")),
    ("rgb", Kind::Colour, "", Some("color")),
    ("text", Kind::Text, "", None),
    ("value", Kind::Value, "", None),
    ("temperature", Kind::Value, "deg C", Some("temperature")),
    ("rel_humidity", Kind::Value, "%, RH", Some("humidity")),
    ("atmospheric_pressure", Kind::Value, "mbar", Some("pressure")),
    ("rainfall", Kind::Value, "mm/h", None),
    ("wind_speed", Kind::Value, "m/s", Some("wind_speed")),
    ("power", Kind::Value, "W", Some("power")),
    ("power_consumption", Kind::Value, "kWh", Some("energy")),
    ("voltage", Kind::Value, "V", Some("voltage")),
    ("current", Kind::Value, "A", Some("current")),
    ("water_flow", Kind::Value, "m^3/h", None),
    ("water_consumption", Kind::Value, "m^3", Some("water")),
    ("resistance", Kind::Value, "Ohm", None),
    ("concentration", Kind::Value, "ppm", None),
    ("heat_power", Kind::Value, "Gcal/h", None),
    ("heat_energy", Kind::Value, "Gcal", Some("energy")),
    ("pressure", Kind::Value, "bar", Some("pressure")),
    ("lux", Kind::Value, "lx", Some("illuminance")),
    ("illuminance", Kind::Value, "lx", Some("illuminance")),
    ("sound_level", Kind::Value, "dB", None),
];

/// What a type means, the spelling of its unit, its class. One that nobody knows is a value like any other.
pub(super) fn of(name: &str) -> (Kind, &'static str, Option<&'static str>) {
    let found = TYPES.iter().find(|(known, ..)| *known == name);
    found.map_or((Kind::Value, "", None), |(_, kind, unit, class)| (*kind, *unit, *class))
}

/// A unit as the conventions spell it.
pub(super) fn unit(spelling: &str) -> Option<Unit> {
    Some(match spelling.trim() {
        "deg C" | "deg.C" => Unit::Celsius,
        "%, RH" | "%,RH" | "% RH" | "%RH" => Unit::Percent,
        "m^3" => Unit::CubicMetre,
        "m^3/h" | "m^3/hour" => Unit::CubicMetrePerHour,
        "Ohm" => Unit::Ohm,
        "VAr" => Unit::Var,
        "kVArh" | "kvarh" => Unit::KilovarHour,
        "ug/m^3" => Unit::MicrogramPerCubicMetre,
        "W/m^2" => Unit::WattPerSquareMetre,
        other => return Unit::parse(other),
    })
}

/// The class of what is measured in a unit, where the unit tells.
pub(super) fn class(unit: Unit) -> Option<&'static str> {
    Some(match unit {
        Unit::Celsius => "temperature",
        Unit::Watt | Unit::Kilowatt => "power",
        Unit::KilowattHour | Unit::WattHour | Unit::MegawattHour | Unit::Gigacalorie | Unit::Gigajoule => "energy",
        Unit::Volt | Unit::Millivolt => "voltage",
        Unit::Ampere | Unit::Milliampere => "current",
        Unit::Hertz => "frequency",
        Unit::Bar | Unit::Millibar | Unit::Pascal | Unit::Hectopascal | Unit::Kilopascal => "pressure",
        Unit::Lux => "illuminance",
        _ => return None,
    })
}
