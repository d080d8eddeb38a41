//! Resources a household is billed for, the units of what devices say, and exact conversion between units.

use std::fmt;

use rust_decimal::Decimal;

/// What a metering point measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Resource {
    /// «Холодная вода», m³.
    ColdWater,
    /// «Горячая вода», m³.
    HotWater,
    /// «Электрическая энергия», kWh.
    Electricity,
    /// «Газ», m³.
    Gas,
    /// «Тепловая энергия», Gcal.
    Heat,
}

impl Resource {
    /// Every resource, in the order people are shown them.
    pub const ALL: [Resource; 5] =
        [Resource::ColdWater, Resource::HotWater, Resource::Electricity, Resource::Gas, Resource::Heat];

    /// The unit in which it is billed, kept in the ledger and signed.
    pub fn unit(self) -> Unit {
        match self {
            Resource::ColdWater | Resource::HotWater | Resource::Gas => Unit::CubicMetre,
            Resource::Electricity => Unit::KilowattHour,
            Resource::Heat => Unit::Gigacalorie,
        }
    }

    /// `cold_water`, `hot_water`, `electricity`, `gas`, `heat`.
    pub fn code(self) -> &'static str {
        match self {
            Resource::ColdWater => "cold_water",
            Resource::HotWater => "hot_water",
            Resource::Electricity => "electricity",
            Resource::Gas => "gas",
            Resource::Heat => "heat",
        }
    }

    /// Reads what `code` spells.
    pub fn from_code(code: &str) -> Option<Self> {
        Resource::ALL.into_iter().find(|r| r.code() == code)
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// The unit of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unit {
    /// A number without a unit: states, counts, ratios.
    None,
    /// m³
    CubicMetre,
    /// l
    Litre,
    /// m³/h
    CubicMetrePerHour,
    /// l/h
    LitrePerHour,
    /// Wh
    WattHour,
    /// kWh
    KilowattHour,
    /// MWh
    MegawattHour,
    /// J
    Joule,
    /// MJ
    Megajoule,
    /// GJ
    Gigajoule,
    /// Gcal (the international-table calorie: 1 Gcal = 4.1868 GJ)
    Gigacalorie,
    /// W
    Watt,
    /// kW
    Kilowatt,
    /// var
    Var,
    /// VA
    VoltAmpere,
    /// kvarh
    KilovarHour,
    /// V
    Volt,
    /// A
    Ampere,
    /// Hz
    Hertz,
    /// °C
    Celsius,
    /// %
    Percent,
    /// lx
    Lux,
    /// hPa
    Hectopascal,
    /// dBm
    DecibelMilliwatt,
    /// s
    Second,
    /// kVA
    KilovoltAmpere,
    /// MW
    Megawatt,
    /// mAh
    MilliampereHour,
    /// mV
    Millivolt,
    /// mA
    Milliampere,
    /// kHz
    Kilohertz,
    /// MHz
    Megahertz,
    /// °F
    Fahrenheit,
    /// K
    Kelvin,
    /// mired
    Mired,
    /// Pa
    Pascal,
    /// kPa
    Kilopascal,
    /// bar
    Bar,
    /// mbar
    Millibar,
    /// psi
    Psi,
    /// mmHg
    MillimetreOfMercury,
    /// dB
    Decibel,
    /// dBA
    DecibelA,
    /// ppm
    PartsPerMillion,
    /// ppb
    PartsPerBillion,
    /// µg/m³
    MicrogramPerCubicMetre,
    /// mg/m³
    MilligramPerCubicMetre,
    /// µS/cm
    MicrosiemensPerCentimetre,
    /// kg
    Kilogram,
    /// g
    Gram,
    /// m
    Metre,
    /// cm
    Centimetre,
    /// mm
    Millimetre,
    /// km
    Kilometre,
    /// m/s
    MetrePerSecond,
    /// km/h
    KilometrePerHour,
    /// mm/h
    MillimetrePerHour,
    /// L/min
    LitrePerMinute,
    /// mL
    Millilitre,
    /// min
    Minute,
    /// h
    Hour,
    /// d
    Day,
    /// ms
    Millisecond,
    /// °
    Degree,
    /// W/m²
    WattPerSquareMetre,
    /// B
    Byte,
    /// kB
    Kilobyte,
    /// MB
    Megabyte,
    /// rpm
    RevolutionPerMinute,
    /// Ω
    Ohm,
}

/// A value in one unit cannot be said in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitError {
    /// The unit the value is in.
    pub from: Unit,
    /// The unit that was wanted.
    pub to: Unit,
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value in {} cannot be said in {}", self.from, self.to)
    }
}

impl std::error::Error for UnitError {}

const SYMBOLS: &[(Unit, &str, &[&str])] = &[
    (Unit::None, "", &[]),
    (Unit::CubicMetre, "m³", &["m3", "cbm", "м³", "м3"]),
    (Unit::Litre, "l", &["L", "litre", "liter", "litres", "liters", "л"]),
    (Unit::CubicMetrePerHour, "m³/h", &["m3/h", "m3h", "м³/ч"]),
    (Unit::LitrePerHour, "l/h", &["L/h", "lh", "л/ч"]),
    (Unit::WattHour, "Wh", &["wh", "Вт·ч"]),
    (Unit::KilowattHour, "kWh", &["kwh", "кВт·ч", "кВт*ч"]),
    (Unit::MegawattHour, "MWh", &["mwh", "МВт·ч"]),
    (Unit::Joule, "J", &["j"]),
    (Unit::Megajoule, "MJ", &["mj", "МДж"]),
    (Unit::Gigajoule, "GJ", &["gj", "ГДж"]),
    (Unit::Gigacalorie, "Gcal", &["gcal", "Гкал"]),
    (Unit::Watt, "W", &["w", "Вт"]),
    (Unit::Kilowatt, "kW", &["kw", "кВт"]),
    (Unit::Var, "var", &["VAr", "VAR"]),
    (Unit::VoltAmpere, "VA", &["va"]),
    (Unit::KilovarHour, "kvarh", &["kVArh"]),
    (Unit::Volt, "V", &["v"]),
    (Unit::Ampere, "A", &["a"]),
    (Unit::Hertz, "Hz", &["hz"]),
    (Unit::Celsius, "°C", &["C", "c", "℃"]),
    (Unit::Percent, "%", &["pct"]),
    (Unit::Lux, "lx", &["lux", "Lux", "Lx"]),
    (Unit::Hectopascal, "hPa", &["hpa"]),
    (Unit::DecibelMilliwatt, "dBm", &["dbm"]),
    (Unit::Second, "s", &["sec", "seconds", "с"]),
    (Unit::KilovoltAmpere, "kVA", &["kva"]),
    (Unit::Megawatt, "MW", &[]),
    (Unit::MilliampereHour, "mAh", &["mah"]),
    (Unit::Millivolt, "mV", &["mv", "мВ"]),
    (Unit::Milliampere, "mA", &["ma", "мА"]),
    (Unit::Kilohertz, "kHz", &["khz"]),
    (Unit::Megahertz, "MHz", &["mhz"]),
    (Unit::Fahrenheit, "°F", &["F", "℉"]),
    (Unit::Kelvin, "K", &[]),
    (Unit::Mired, "mired", &["mireds"]),
    (Unit::Pascal, "Pa", &["pa"]),
    (Unit::Kilopascal, "kPa", &["kpa", "кПа"]),
    (Unit::Bar, "bar", &["бар"]),
    (Unit::Millibar, "mbar", &[]),
    (Unit::Psi, "psi", &[]),
    (Unit::MillimetreOfMercury, "mmHg", &["мм рт. ст.", "мм рт.ст."]),
    (Unit::Decibel, "dB", &["db", "дБ"]),
    (Unit::DecibelA, "dBA", &["dB(A)"]),
    (Unit::PartsPerMillion, "ppm", &["ррм"]),
    (Unit::PartsPerBillion, "ppb", &[]),
    (Unit::MicrogramPerCubicMetre, "µg/m³", &["μg/m³", "ug/m3", "µg/m3", "μg/m3"]),
    (Unit::MilligramPerCubicMetre, "mg/m³", &["mg/m3"]),
    (Unit::MicrosiemensPerCentimetre, "µS/cm", &["μS/cm", "uS/cm"]),
    (Unit::Kilogram, "kg", &["кг"]),
    (Unit::Gram, "g", &["г"]),
    (Unit::Metre, "m", &["meters", "metres", "м"]),
    (Unit::Centimetre, "cm", &["см"]),
    (Unit::Millimetre, "mm", &["мм"]),
    (Unit::Kilometre, "km", &["км"]),
    (Unit::MetrePerSecond, "m/s", &["м/с"]),
    (Unit::KilometrePerHour, "km/h", &["kmh", "км/ч"]),
    (Unit::MillimetrePerHour, "mm/h", &[]),
    (Unit::LitrePerMinute, "L/min", &["l/min", "л/мин"]),
    (Unit::Millilitre, "mL", &["ml", "мл"]),
    (Unit::Minute, "min", &["minute", "minutes", "мин"]),
    (Unit::Hour, "h", &["hour", "hours", "hrs", "ч"]),
    (Unit::Day, "d", &["day", "days", "д"]),
    (Unit::Millisecond, "ms", &["мс"]),
    (Unit::Degree, "°", &["deg"]),
    (Unit::WattPerSquareMetre, "W/m²", &["W/m2"]),
    (Unit::Byte, "B", &[]),
    (Unit::Kilobyte, "kB", &["KB"]),
    (Unit::Megabyte, "MB", &[]),
    (Unit::RevolutionPerMinute, "rpm", &["r/min", "об/мин"]),
    (Unit::Ohm, "Ω", &["ohm", "Ом"]),
];

impl Unit {
    /// The symbol people see.
    pub fn symbol(self) -> &'static str {
        SYMBOLS.iter().find(|(unit, ..)| *unit == self).map_or("", |(_, symbol, _)| symbol)
    }

    /// Reads a symbol in any of its usual spellings; `None` when it is none that the house knows.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        SYMBOLS.iter().find(|(_, symbol, others)| *symbol == text || others.contains(&text)).map(|(unit, ..)| *unit)
    }

    /// The code of ОКЕИ that Russian metering documents use, for the units that are billed.
    pub fn okei(self) -> Option<&'static str> {
        match self {
            Unit::Litre => Some("112"),
            Unit::CubicMetre => Some("113"),
            Unit::KilowattHour => Some("245"),
            Unit::MegawattHour => Some("246"),
            Unit::Gigacalorie => Some("233"),
            Unit::Joule => Some("271"),
            Unit::Gigajoule => Some("A056"),
            Unit::Megajoule => Some("A058"),
            _ => None,
        }
    }

    /// The factor to the base unit of its kind, as a fraction: value × numerator ÷ denominator.
    fn factor(self) -> Option<(Kind, Decimal, Decimal)> {
        let d = |n: i64| Decimal::from(n);
        Some(match self {
            Unit::CubicMetre => (Kind::Volume, d(1), d(1)),
            Unit::Litre => (Kind::Volume, d(1), d(1000)),
            Unit::CubicMetrePerHour => (Kind::Flow, d(1), d(1)),
            Unit::LitrePerHour => (Kind::Flow, d(1), d(1000)),
            Unit::Joule => (Kind::Energy, d(1), d(1)),
            Unit::WattHour => (Kind::Energy, d(3600), d(1)),
            Unit::KilowattHour => (Kind::Energy, d(3_600_000), d(1)),
            Unit::MegawattHour => (Kind::Energy, d(3_600_000_000), d(1)),
            Unit::Megajoule => (Kind::Energy, d(1_000_000), d(1)),
            Unit::Gigajoule => (Kind::Energy, d(1_000_000_000), d(1)),
            Unit::Gigacalorie => (Kind::Energy, d(4_186_800_000), d(1)),
            Unit::Watt => (Kind::Power, d(1), d(1)),
            Unit::Kilowatt => (Kind::Power, d(1000), d(1)),
            _ => return None,
        })
    }

    /// Says `value` of this unit in `to`. Exact wherever the answer has a finite decimal form; otherwise (heat: joules
    /// or kWh to Gcal) rounded half-even at the tenth decimal, three beyond what any supplier takes.
    pub fn convert(self, value: Decimal, to: Unit) -> Result<Decimal, UnitError> {
        if self == to {
            return Ok(value);
        }
        let error = UnitError { from: self, to };
        let (kind, num, den) = self.factor().ok_or(error)?;
        let (to_kind, to_num, to_den) = to.factor().ok_or(error)?;
        if kind != to_kind {
            return Err(error);
        }
        let scaled = value.checked_mul(num).and_then(|v| v.checked_mul(to_den)).ok_or(error)?;
        let divisor = den.checked_mul(to_num).ok_or(error)?;
        Ok(scaled.checked_div(divisor).ok_or(error)?.round_dp(10).normalize())
    }

    /// Whether a number in this unit can be a meter's register. Spelled out because it is asked for every sample; that it is
    /// what [`Unit::measures`] says of all resources is tested below.
    pub fn is_register(self) -> bool {
        use Unit::*;
        matches!(
            self,
            CubicMetre | Litre | WattHour | KilowattHour | MegawattHour | Joule | Megajoule | Gigajoule | Gigacalorie
        )
    }

    /// Whether a value in this unit can be a register of this resource.
    pub fn measures(self, resource: Resource) -> bool {
        self.convert(Decimal::ZERO, resource.unit()).is_ok()
    }
}

#[derive(PartialEq, Eq)]
enum Kind {
    Volume,
    Flow,
    Energy,
    Power,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Unit::None { "no unit" } else { self.symbol() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dec(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn conversion_is_exact_where_it_can_be() {
        assert_eq!(Unit::Litre.convert(dec("123529"), Unit::CubicMetre), Ok(dec("123.529")));
        assert_eq!(Unit::WattHour.convert(dec("3196200"), Unit::KilowattHour), Ok(dec("3196.2")));
        assert_eq!(Unit::Gigajoule.convert(dec("4.1868"), Unit::Gigacalorie), Ok(dec("1")));
        assert_eq!(Unit::Joule.convert(dec("119382000000"), Unit::Gigacalorie), Ok(dec("28.5139008312")));
        assert_eq!(Unit::KilowattHour.convert(dec("1163"), Unit::Gigacalorie), Ok(dec("1")));
    }

    #[test]
    fn a_unit_of_another_kind_is_an_error() {
        assert!(Unit::KilowattHour.convert(dec("1"), Unit::CubicMetre).is_err());
        assert!(Unit::CubicMetrePerHour.convert(dec("1"), Unit::CubicMetre).is_err());
        assert!(!Unit::KilowattHour.measures(Resource::ColdWater));
        assert!(Unit::Gigajoule.measures(Resource::Heat));
    }

    #[test]
    fn a_huge_value_is_an_error_and_not_a_panic() {
        assert!(Unit::Gigacalorie.convert(Decimal::MAX, Unit::Joule).is_err());
    }

    #[test]
    fn every_symbol_reads_back() {
        for (unit, symbol, others) in SYMBOLS {
            assert_eq!(Unit::parse(symbol), Some(*unit));
            for other in *others {
                assert_eq!(Unit::parse(other), Some(*unit), "{other}");
            }
        }
        assert_eq!(Unit::parse("parsec"), None);
    }

    #[test]
    fn what_can_be_a_register_is_known_by_its_unit() {
        let units = [
            Unit::None,
            Unit::CubicMetre,
            Unit::Litre,
            Unit::CubicMetrePerHour,
            Unit::LitrePerHour,
            Unit::WattHour,
            Unit::KilowattHour,
            Unit::MegawattHour,
            Unit::Joule,
            Unit::Megajoule,
            Unit::Gigajoule,
            Unit::Gigacalorie,
            Unit::Watt,
            Unit::KilovarHour,
            Unit::Celsius,
            Unit::Percent,
        ];
        for unit in units {
            let measures = Resource::ALL.into_iter().any(|resource| unit.measures(resource));
            assert_eq!(unit.is_register(), measures, "{unit:?}");
        }
    }
}
