//! Tariffs and watched rooms as they are written: one spelling for the store's rows, for the API and for the file that a
//! household takes with it. Amounts are texts, so that no reader makes floats of them.

use domovoi_model::{Date, DeviceRef, Id, PointId};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::evidence::Norm;
use super::room::Place;
use super::tariff::{Charge, Step, Tariffs, Version, Wrong};

/// Up to how much in a month a price counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepPaper {
    /// Since the month began, all zones together; none in the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to: Option<String>,
    /// The price of a unit in zone T1, T2, …; one counts for all.
    pub prices: Vec<String>,
}

/// Prices from a day on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VersionPaper {
    /// `2026-07-01`
    pub from: String,
    /// Per month, whatever is used.
    #[serde(default = "nothing")]
    pub fee: String,
    /// In rising order.
    pub steps: Vec<StepPaper>,
}

fn nothing() -> String {
    "0".to_owned()
}

/// A tariff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TariffPaper {
    pub name: String,
    /// `cold_water`, `hot_water`, `sewage`, `electricity`, `gas`, `heat`
    pub charge: String,
    /// Ids of points; none: every point of the resource.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub points: Vec<String>,
    /// `RUB`
    pub currency: String,
    pub versions: Vec<VersionPaper>,
}

/// A room whose warmth is watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WarmthPaper {
    pub name: String,
    /// `dialect:id` of the thermometer.
    pub device: String,
    /// Which of its properties.
    pub property: String,
    /// °C; 18 where nothing is said, 20 in a corner room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub norm: Option<String>,
    /// A corner room.
    #[serde(default)]
    pub corner: bool,
    /// By how many degrees it may be colder at night; 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub night_tolerance: Option<String>,
    /// The hours of the night; 0 and 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub night: Option<[i8; 2]>,
    /// How long a value holds until the next, minutes; 120.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds_minutes: Option<i64>,
}

/// Why a paper cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    /// A number, a day, an id or a name of something is none; the text that it is not.
    Text(String),
    /// It can be read and cannot be.
    Wrong(Wrong),
    /// A norm out of any reason.
    Norm,
}

fn amount(text: &str) -> Result<Decimal, Unreadable> {
    // People write commas, and spaces between thousands.
    let plain: String = text.chars().filter(|c| !c.is_whitespace()).map(|c| if c == ',' { '.' } else { c }).collect();
    let digits = plain.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number = plain.parse().ok().filter(|_| digits && plain.len() <= 24);
    number.ok_or_else(|| Unreadable::Text(short(text)))
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}

fn no(text: &str) -> Unreadable {
    Unreadable::Text(short(text))
}

/// What a tariff's paper says.
pub fn read_tariff(paper: &TariffPaper) -> Result<Tariffs, Unreadable> {
    let version = |paper: &VersionPaper| -> Result<Version, Unreadable> {
        let step = |paper: &StepPaper| -> Result<Step, Unreadable> {
            let up_to = paper.up_to.as_deref().filter(|text| !text.trim().is_empty()).map(amount).transpose()?;
            Ok(Step { up_to, prices: paper.prices.iter().map(|text| amount(text)).collect::<Result<_, _>>()? })
        };
        Ok(Version {
            from: paper.from.trim().parse::<Date>().map_err(|_| no(&paper.from))?,
            fee: amount(&paper.fee)?,
            steps: paper.steps.iter().map(step).collect::<Result<_, _>>()?,
        })
    };
    let tariffs = Tariffs {
        name: paper.name.clone(),
        charge: Charge::from_code(paper.charge.trim()).ok_or_else(|| no(&paper.charge))?,
        points: paper
            .points
            .iter()
            .map(|text| text.trim().parse::<Id>().map(PointId).map_err(|_| no(text)))
            .collect::<Result<_, _>>()?,
        currency: paper.currency.trim().to_owned(),
        versions: paper.versions.iter().map(version).collect::<Result<_, _>>()?,
    };
    tariffs.checked().map_err(Unreadable::Wrong)
}

impl From<&Tariffs> for TariffPaper {
    fn from(tariffs: &Tariffs) -> Self {
        let step = |step: &Step| StepPaper {
            up_to: step.up_to.map(|up_to| up_to.to_string()),
            prices: step.prices.iter().map(Decimal::to_string).collect(),
        };
        let version = |version: &Version| VersionPaper {
            from: version.from.to_string(),
            fee: version.fee.to_string(),
            steps: version.steps.iter().map(step).collect(),
        };
        TariffPaper {
            name: tariffs.name.clone(),
            charge: tariffs.charge.code().to_owned(),
            points: tariffs.points.iter().map(PointId::to_string).collect(),
            currency: tariffs.currency.clone(),
            versions: tariffs.versions.iter().map(version).collect(),
        }
    }
}

/// What a watched room's paper says.
pub fn read_warmth(paper: &WarmthPaper) -> Result<Place, Unreadable> {
    let name = paper.name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(Unreadable::Wrong(Wrong::Name));
    }
    let usual = if paper.corner { Norm::CORNER } else { Norm::ROOM };
    let degrees = |text: &Option<String>, usual: Decimal| {
        text.as_deref().filter(|text| !text.trim().is_empty()).map_or(Ok(usual), amount)
    };
    let norm = Norm {
        day: degrees(&paper.norm, usual.day)?,
        night_tolerance: degrees(&paper.night_tolerance, usual.night_tolerance)?,
        night: paper.night.map_or(usual.night, |[from, to]| (from, to)),
        holds_minutes: paper.holds_minutes.unwrap_or(usual.holds_minutes),
    };
    if !norm.is_well() {
        return Err(Unreadable::Norm);
    }
    let (dialect, id) = paper.device.trim().split_once(':').ok_or_else(|| no(&paper.device))?;
    let property = paper.property.trim();
    let well = |text: &str| !text.is_empty() && text.len() <= 256 && !text.chars().any(char::is_control);
    if !well(dialect) || !well(id) || !well(property) {
        return Err(no(&paper.device));
    }
    Ok(Place {
        name: name.to_owned(),
        sensor: DeviceRef::new(dialect, id),
        property: property.to_owned(),
        corner: paper.corner,
        norm,
    })
}

impl From<&Place> for WarmthPaper {
    fn from(place: &Place) -> Self {
        WarmthPaper {
            name: place.name.clone(),
            device: place.sensor.to_string(),
            property: place.property.clone(),
            norm: Some(place.norm.day.to_string()),
            corner: place.corner,
            night_tolerance: Some(place.norm.night_tolerance.to_string()),
            night: Some([place.norm.night.0, place.norm.night.1]),
            holds_minutes: Some(place.norm.holds_minutes),
        }
    }
}
