//! What the kinds of components measure and do: fields of their status, with units and classes. A field that is not here is
//! not reported: settings, counters of errors, where the firmware was loaded from.

use domovoi_model::{Hazard, Unit};

use crate::Warning;

/// What a field of a status is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// A number.
    Number(Unit, Option<&'static str>),
    /// Yes or no.
    Flag(Option<&'static str>),
    /// Yes or no, of a danger.
    Danger(Hazard, &'static str),
    /// Yes or no, of what wants somebody's attention.
    Warning(Warning),
    /// A word.
    Word,
}

use Field::{Danger, Flag, Number, Word};

/// The path of a field in the status, `a.b` for one in an object, and what it is.
type Row = (&'static str, Field);

/// What anything that carries a current measures.
const POWER: &[Row] = &[
    ("apower", Number(Unit::Watt, Some("power"))),
    ("voltage", Number(Unit::Volt, Some("voltage"))),
    ("current", Number(Unit::Ampere, Some("current"))),
    ("freq", Number(Unit::Hertz, Some("frequency"))),
    ("pf", Number(Unit::None, Some("power_factor"))),
    ("aprtpower", Number(Unit::VoltAmpere, Some("apparent_power"))),
    ("aenergy.total", Number(Unit::WattHour, Some("energy"))),
    ("ret_aenergy.total", Number(Unit::WattHour, Some("energy"))),
    ("temperature.tC", Number(Unit::Celsius, Some("temperature"))),
];

/// Of one phase of a three-phase meter, behind `a_`, `b_`, `c_`.
const PHASE: &[Row] = &[
    ("current", Number(Unit::Ampere, Some("current"))),
    ("voltage", Number(Unit::Volt, Some("voltage"))),
    ("act_power", Number(Unit::Watt, Some("power"))),
    ("aprt_power", Number(Unit::VoltAmpere, Some("apparent_power"))),
    ("pf", Number(Unit::None, Some("power_factor"))),
    ("freq", Number(Unit::Hertz, Some("frequency"))),
    ("total_act_energy", Number(Unit::WattHour, Some("energy"))),
    ("total_act_ret_energy", Number(Unit::WattHour, Some("energy"))),
];

const KINDS: &[(&str, &[Row])] = &[
    ("switch", &[("output", Flag(Some("switch")))]),
    ("light", &[("output", Flag(Some("light"))), ("brightness", Number(Unit::Percent, Some("light.brightness")))]),
    ("rgb", &[("output", Flag(Some("light"))), ("brightness", Number(Unit::Percent, Some("light.brightness")))]),
    (
        "rgbw",
        &[
            ("output", Flag(Some("light"))),
            ("brightness", Number(Unit::Percent, Some("light.brightness"))),
            ("white", Number(Unit::None, None)),
        ],
    ),
    (
        "cct",
        &[
            ("output", Flag(Some("light"))),
            ("brightness", Number(Unit::Percent, Some("light.brightness"))),
            ("ct", Number(Unit::Kelvin, Some("color_temp"))),
        ],
    ),
    (
        "cover",
        &[
            ("state", Word),
            ("current_pos", Number(Unit::Percent, Some("cover.position"))),
            ("slat_pos", Number(Unit::Percent, Some("cover.tilt"))),
        ],
    ),
    (
        "input",
        &[
            ("state", Flag(None)),
            ("percent", Number(Unit::Percent, None)),
            ("xpercent", Number(Unit::None, None)),
            // What a water meter with a reed contact is read by.
            ("counts.total", Number(Unit::None, None)),
            ("counts.xtotal", Number(Unit::None, None)),
            ("freq", Number(Unit::Hertz, Some("frequency"))),
        ],
    ),
    ("pm1", &[]),
    (
        "em",
        &[
            ("n_current", Number(Unit::Ampere, Some("current"))),
            ("total_current", Number(Unit::Ampere, Some("current"))),
            ("total_act_power", Number(Unit::Watt, Some("power"))),
            ("total_aprt_power", Number(Unit::VoltAmpere, Some("apparent_power"))),
        ],
    ),
    (
        "emdata",
        &[
            ("total_act", Number(Unit::WattHour, Some("energy"))),
            ("total_act_ret", Number(Unit::WattHour, Some("energy"))),
        ],
    ),
    ("em1", PHASE),
    ("em1data", PHASE),
    ("temperature", &[("tC", Number(Unit::Celsius, Some("temperature")))]),
    ("humidity", &[("rh", Number(Unit::Percent, Some("humidity")))]),
    ("illuminance", &[("lux", Number(Unit::Lux, Some("illuminance")))]),
    ("voltmeter", &[("voltage", Number(Unit::Volt, Some("voltage"))), ("xvoltage", Number(Unit::None, None))]),
    ("flood", &[("alarm", Danger(Hazard::WaterLeak, "moisture")), ("mute", Flag(None))]),
    ("smoke", &[("alarm", Danger(Hazard::Smoke, "smoke")), ("mute", Flag(None))]),
    (
        "devicepower",
        &[
            ("battery.percent", Number(Unit::Percent, Some("battery"))),
            ("battery.V", Number(Unit::Volt, Some("voltage"))),
            ("external.present", Flag(Some("plug"))),
        ],
    ),
    (
        "thermostat",
        &[
            ("enable", Flag(Some("climate"))),
            ("target_C", Number(Unit::Celsius, Some("climate.temperature"))),
            ("current_C", Number(Unit::Celsius, Some("temperature"))),
            ("output", Flag(None)),
        ],
    ),
    (
        "blutrv",
        &[
            ("target_C", Number(Unit::Celsius, Some("climate.temperature"))),
            ("current_C", Number(Unit::Celsius, Some("temperature"))),
            ("pos", Number(Unit::Percent, None)),
            ("battery", Number(Unit::Percent, Some("battery"))),
        ],
    ),
    ("presence", &[("num_objects", Number(Unit::None, None))]),
    ("wifi", &[("rssi", Number(Unit::DecibelMilliwatt, Some("signal_strength")))]),
    (
        "sys",
        &[("uptime", Number(Unit::Second, Some("duration"))), ("restart_required", Field::Warning(Warning::Fault))],
    ),
];

/// Of the phases of `em` and `emdata`.
const PHASES: &[&str] = &["a", "b", "c"];

/// The fields of a kind of component, by their paths. `None` for a kind of which nothing is reported.
pub(super) fn fields(kind: &str) -> Option<Vec<(String, Field)>> {
    let (_, own) = KINDS.iter().find(|(known, _)| *known == kind)?;
    let mut out: Vec<(String, Field)> = own.iter().map(|(path, field)| ((*path).to_owned(), *field)).collect();
    if matches!(kind, "switch" | "light" | "cover" | "rgb" | "rgbw" | "cct" | "pm1") {
        out.extend(POWER.iter().map(|(path, field)| ((*path).to_owned(), *field)));
    }
    if matches!(kind, "em" | "emdata") {
        let phases =
            PHASES.iter().flat_map(|phase| PHASE.iter().map(move |(path, field)| (format!("{phase}_{path}"), *field)));
        out.extend(phases);
    }
    Some(out)
}

/// Errors of components that somebody has to look at.
pub(super) fn warning(word: &str) -> Warning {
    match word {
        "overtemp" | "overpower" | "overvoltage" | "overcurrent" => Warning::Overload,
        "low_battery" => Warning::Battery,
        _ => Warning::Fault,
    }
}
