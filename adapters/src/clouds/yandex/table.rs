//! What a capability or a property of Yandex's is called here, and what it is: the names, the units, the dangers.
//!
//! The same instance may be a capability and a property at once (`temperature` is what a thermostat is set to, and what it
//! measures), so what is set has a name of its own. From a name alone it follows which capability it is: an announcement
//! that was read again after a restart needs nothing else.

use domovoi_model::{Hazard, Unit};

/// Why a value of a capability is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Capability {
    /// `on`.
    OnOff,
    /// A number within bounds.
    Range,
    /// One of a few words.
    Mode,
    /// Yes or no.
    Toggle,
    /// A colour, a warmth, or a scene of a lamp.
    Colour,
}

impl Capability {
    pub(super) const ALL: [Capability; 5] =
        [Capability::OnOff, Capability::Range, Capability::Mode, Capability::Toggle, Capability::Colour];

    /// As Yandex spells it.
    pub(super) fn spelled(self) -> &'static str {
        match self {
            Capability::OnOff => "devices.capabilities.on_off",
            Capability::Range => "devices.capabilities.range",
            Capability::Mode => "devices.capabilities.mode",
            Capability::Toggle => "devices.capabilities.toggle",
            Capability::Colour => "devices.capabilities.color_setting",
        }
    }

    pub(super) fn of(spelled: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.spelled() == spelled)
    }

    /// What an instance of it is called here.
    pub(super) fn property(self, instance: &str) -> String {
        match (self, instance) {
            (Capability::OnOff, _) => "on".to_owned(),
            (Capability::Range, "temperature") => "target_temperature".to_owned(),
            (Capability::Range, "humidity") => "target_humidity".to_owned(),
            (Capability::Range, "open") => "position".to_owned(),
            (Capability::Range, "brightness" | "volume" | "channel") => instance.to_owned(),
            (Capability::Range, other) => format!("range.{other}"),
            (Capability::Mode, other) => format!("mode.{other}"),
            (Capability::Toggle, other) => format!("toggle.{other}"),
            (Capability::Colour, "temperature_k") => "colour_temperature".to_owned(),
            (Capability::Colour, other) => other.to_owned(),
        }
    }

    /// Which instance of which capability a property is.
    pub(super) fn behind(property: &str) -> Option<(Self, &str)> {
        if let Some((kind, instance)) = property.split_once('.') {
            let kind = match kind {
                "range" => Capability::Range,
                "mode" => Capability::Mode,
                "toggle" => Capability::Toggle,
                _ => return None,
            };
            return Some((kind, instance));
        }
        Some(match property {
            "on" => (Capability::OnOff, "on"),
            "target_temperature" => (Capability::Range, "temperature"),
            "target_humidity" => (Capability::Range, "humidity"),
            "position" => (Capability::Range, "open"),
            "brightness" | "volume" | "channel" => (Capability::Range, property),
            "colour_temperature" => (Capability::Colour, "temperature_k"),
            "rgb" | "hsv" | "scene" => (Capability::Colour, property),
            _ => return None,
        })
    }
}

/// The unit that Yandex spells so.
pub(super) fn unit(spelled: &str) -> Option<Unit> {
    Some(match spelled.strip_prefix("unit.")? {
        "ampere" => Unit::Ampere,
        "cubic_meter" => Unit::CubicMetre,
        "gigacalorie" => Unit::Gigacalorie,
        "kilowatt_hour" => Unit::KilowattHour,
        "illumination.lux" => Unit::Lux,
        "density.mcg_m3" => Unit::MicrogramPerCubicMetre,
        "percent" => Unit::Percent,
        "ppm" => Unit::PartsPerMillion,
        "pressure.bar" => Unit::Bar,
        "pressure.mmhg" => Unit::MillimetreOfMercury,
        "pressure.pascal" => Unit::Pascal,
        "temperature.celsius" => Unit::Celsius,
        "temperature.kelvin" => Unit::Kelvin,
        "volt" => Unit::Volt,
        "watt" => Unit::Watt,
        _ => return None,
    })
}

/// What a number measures, in the words of Home Assistant's device classes.
pub(super) fn class_of_number(instance: &str) -> Option<&'static str> {
    Some(match instance {
        "amperage" => "current",
        "battery_level" => "battery",
        "co2_level" => "carbon_dioxide",
        "electricity_meter" => "energy",
        "gas_meter" => "gas",
        "heat_meter" => "energy",
        "water_meter" => "water",
        "humidity" => "humidity",
        "illumination" => "illuminance",
        "pm1_density" => "pm1",
        "pm2.5_density" => "pm25",
        "pm10_density" => "pm10",
        "power" => "power",
        "pressure" => "pressure",
        "temperature" => "temperature",
        "tvoc" => "volatile_organic_compounds",
        "voltage" => "voltage",
        _ => return None,
    })
}

/// An event that is yes or no: what Yandex says for yes and for no.
pub(super) struct TwoWords {
    /// What it is called here.
    pub(super) property: &'static str,
    /// Every word for yes.
    pub(super) yes: &'static [&'static str],
    pub(super) no: &'static [&'static str],
    pub(super) class: &'static str,
    pub(super) hazard: Option<Hazard>,
}

/// The events that are yes or no. Gas and smoke are `high` where they are worst, not where they end.
pub(super) fn two_words(instance: &str) -> Option<TwoWords> {
    let of = |property, yes, no, class, hazard| Some(TwoWords { property, yes, no, class, hazard });
    const THERE: &[&str] = &["detected", "high"];
    const NOT: &[&str] = &["not_detected"];
    match instance {
        "water_leak" => of("water_leak", &["leak"], &["dry"], "moisture", Some(Hazard::WaterLeak)),
        "smoke" => of("smoke", THERE, NOT, "smoke", Some(Hazard::Smoke)),
        "gas" => of("gas", THERE, NOT, "gas", Some(Hazard::Gas)),
        "motion" => of("motion", &["detected"], NOT, "motion", None),
        "open" => of("open", &["opened"], &["closed"], "opening", None),
        "battery_level" => of("battery_low", &["low"], &["normal", "high"], "battery", None),
        _ => None,
    }
}

/// Whether a thing that says so of itself can be reached; `None`: it says nothing of it.
pub(super) fn available(state: Option<&str>) -> Option<bool> {
    match state {
        Some("online") => Some(true),
        Some("offline" | "not_found") => Some(false),
        _ => None,
    }
}

/// What a thing is, in the words of Home Assistant's components, and its class as a whole.
pub(super) fn kind(type_of: &str) -> Option<(&'static str, Option<&'static str>)> {
    let rest = type_of.strip_prefix("devices.types.")?;
    Some(match rest {
        _ if rest == "openable.valve" => ("valve", None),
        _ if rest == "openable.curtain" => ("cover", Some("curtain")),
        // Doors, gates, windows: nobody says which, so what could let somebody in is taken to do so.
        _ if rest.starts_with("openable") => ("cover", Some("gate")),
        _ if rest.starts_with("light") => ("light", None),
        _ if rest.starts_with("socket") => ("switch", Some("outlet")),
        _ if rest.starts_with("switch") => ("switch", None),
        _ if rest.starts_with("thermostat") => ("climate", None),
        _ if rest.starts_with("humidifier") || rest.starts_with("purifier") => ("humidifier", None),
        _ if rest.starts_with("ventilation") => ("fan", None),
        _ if rest.starts_with("media_device") || rest.starts_with("smart_speaker") => ("media_player", None),
        _ if rest.starts_with("vacuum_cleaner") => ("vacuum", None),
        _ => return None,
    })
}
