//! Units that stand at the end of a name: `total_m3`, `temperature_c`, `wind_avg_km_h`. What is not here has no unit, and a
//! name that merely ends in such a letter is told from one that names a unit by what stands before the last word.

use domovoi_model::Unit;

/// The last words of a field's name → its unit; wmbusmeters' `src/units.h`, rtl_433's data format, and what codecs of
/// LoRaWAN devices write. The longest that fits counts.
const SUFFIXES: &[(&str, Unit)] = &[
    ("m3", Unit::CubicMetre),
    ("m3h", Unit::CubicMetrePerHour),
    ("m3_h", Unit::CubicMetrePerHour),
    ("l", Unit::Litre),
    ("lh", Unit::LitrePerHour),
    ("l_h", Unit::LitrePerHour),
    ("wh", Unit::WattHour),
    ("kwh", Unit::KilowattHour),
    ("mwh", Unit::MegawattHour),
    ("mj", Unit::Megajoule),
    ("gj", Unit::Gigajoule),
    ("gcal", Unit::Gigacalorie),
    ("kvarh", Unit::KilovarHour),
    ("w", Unit::Watt),
    ("kw", Unit::Kilowatt),
    ("va", Unit::VoltAmpere),
    ("kva", Unit::KilovoltAmpere),
    ("var", Unit::Var),
    ("v", Unit::Volt),
    ("mv", Unit::Millivolt),
    ("a", Unit::Ampere),
    ("ma", Unit::Milliampere),
    ("hz", Unit::Hertz),
    ("c", Unit::Celsius),
    ("f", Unit::Fahrenheit),
    ("k", Unit::Kelvin),
    ("pct", Unit::Percent),
    ("rh", Unit::Percent),
    ("pa", Unit::Pascal),
    ("hpa", Unit::Hectopascal),
    ("kpa", Unit::Kilopascal),
    ("bar", Unit::Bar),
    ("mbar", Unit::Millibar),
    ("psi", Unit::Psi),
    ("s", Unit::Second),
    ("min", Unit::Minute),
    ("h", Unit::Hour),
    ("d", Unit::Day),
    ("ms", Unit::Millisecond),
    ("m", Unit::Metre),
    ("cm", Unit::Centimetre),
    ("mm", Unit::Millimetre),
    ("km", Unit::Kilometre),
    ("m_s", Unit::MetrePerSecond),
    ("km_h", Unit::KilometrePerHour),
    ("mm_h", Unit::MillimetrePerHour),
    ("deg", Unit::Degree),
    ("kg", Unit::Kilogram),
    ("g", Unit::Gram),
    ("lux", Unit::Lux),
    ("klx", Unit::None),
    ("ppm", Unit::PartsPerMillion),
    ("ppb", Unit::PartsPerBillion),
    ("ug_m3", Unit::MicrogramPerCubicMetre),
    ("db", Unit::Decibel),
    ("dbm", Unit::DecibelMilliwatt),
    ("rpm", Unit::RevolutionPerMinute),
];

/// The unit at the end of a name, whatever the case of its letters.
pub(crate) fn unit(name: &str) -> Option<Unit> {
    let lower = name.to_ascii_lowercase();
    let ends = lower.match_indices('_').map(|(at, _)| at + 1);
    // From the left, so that `km_h` is found before `h`.
    ends.filter_map(|at| lower.get(at..))
        .find_map(|end| SUFFIXES.iter().find(|(word, _)| *word == end).map(|(_, unit)| *unit))
}

/// The class of what is measured in a unit, where the unit alone tells.
pub(crate) fn class(unit: Unit) -> Option<&'static str> {
    Some(match unit {
        Unit::Celsius | Unit::Fahrenheit => "temperature",
        Unit::Watt | Unit::Kilowatt => "power",
        Unit::WattHour | Unit::KilowattHour | Unit::MegawattHour => "energy",
        Unit::Volt | Unit::Millivolt => "voltage",
        Unit::Ampere | Unit::Milliampere => "current",
        Unit::Hertz => "frequency",
        Unit::Lux => "illuminance",
        Unit::Pascal | Unit::Hectopascal | Unit::Kilopascal | Unit::Bar | Unit::Millibar => "pressure",
        Unit::DecibelMilliwatt => "signal_strength",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_at_the_end_of_names() {
        for (name, wanted) in [
            ("total_m3", Some(Unit::CubicMetre)),
            ("wind_avg_km_h", Some(Unit::KilometrePerHour)),
            ("max_flow_m3h", Some(Unit::CubicMetrePerHour)),
            ("temperature_C", Some(Unit::Celsius)),
            ("pm2_5_ug_m3", Some(Unit::MicrogramPerCubicMetre)),
            ("total_energy_consumption_tariff_1_kwh", Some(Unit::KilowattHour)),
            ("consumption_hca", None),
            ("m3", None),
            ("temperature", None),
            ("", None),
        ] {
            assert_eq!(unit(name), wanted, "{name}");
        }
    }
}
