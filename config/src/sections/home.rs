//! `[home]`: what the home is called, where it is in time, what language it is spoken to in.

use jiff::tz::TimeZone;

use crate::mistake::Wrong;
use crate::reader::Section;
use crate::scalar;

const MAX_NAMES: usize = 32;

/// The home as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Home {
    /// As people call it; goes into notices and nowhere else.
    pub name: String,
    /// In which days and months are counted unless a supplier has its own.
    pub time_zone: TimeZone,
    /// Of notices and pages.
    pub language: Language,
    /// Latitude and longitude in degrees, WGS 84: warnings are drawn on the map.
    pub position: Option<(f64, f64)>,
    /// What its region, district and town are called by those who warn; for warnings that are drawn nowhere.
    pub regions: Vec<String>,
    /// The codes of its area, each with its kind: `("EMMA_ID", "RU012")`.
    pub codes: Vec<(String, String)>,
}

impl Home {
    /// Whether anything is known of where it is.
    pub fn is_placed(&self) -> bool {
        self.position.is_some() || !self.regions.is_empty() || !self.codes.is_empty()
    }
}

/// A language that `locales/` has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// `ru`
    Russian,
    /// `en`
    English,
}

impl Language {
    /// `ru` or `en`, which is also the name of its file in `locales/`.
    pub fn code(self) -> &'static str {
        match self {
            Language::Russian => "ru",
            Language::English => "en",
        }
    }
}

pub(crate) fn read(mut section: Section<'_>) -> Home {
    let home = Home {
        name: section.take_string("name", 100).unwrap_or_else(|| "Дом".to_owned()),
        time_zone: section
            .take_parsed("time_zone", scalar::time_zone)
            .unwrap_or_else(|| scalar::time_zone("Europe/Moscow").unwrap_or(TimeZone::UTC)),
        language: section
            .take_enum("language", &[("ru", Language::Russian), ("en", Language::English)])
            .unwrap_or(Language::Russian),
        position: section.take_parsed("position", position),
        regions: section
            .take_list("regions", 1..=MAX_NAMES, |item| item.parsed(|text| scalar::plain(text, 200)))
            .unwrap_or_default(),
        codes: section.take_list("codes", 1..=MAX_NAMES, |item| item.parsed(code)).unwrap_or_default(),
    };
    section.finish();
    home
}

/// `55.7558, 37.6173`: latitude, longitude.
fn position(text: &str) -> Result<(f64, f64), Wrong> {
    let wrong = || {
        Wrong::new(format!("{} is no place on the map", scalar::quoted(text)))
            .hint("write latitude and longitude in degrees, like \"55.7558, 37.6173\"")
    };
    let (latitude, longitude) = text.split_once(',').ok_or_else(wrong)?;
    let degrees = |text: &str, most: f64| {
        let degrees: f64 = text.trim().parse().ok()?;
        (degrees.is_finite() && degrees.abs() <= most).then_some(degrees)
    };
    degrees(latitude, 90.0).zip(degrees(longitude, 180.0)).ok_or_else(wrong)
}

/// `EMMA_ID=RU012`
fn code(text: &str) -> Result<(String, String), Wrong> {
    scalar::plain(text, 200)?;
    let both = text.split_once('=').map(|(kind, code)| (kind.trim(), code.trim()));
    match both {
        Some((kind, code)) if !kind.is_empty() && !code.is_empty() => Ok((kind.to_owned(), code.to_owned())),
        _ => Err(Wrong::new(format!("{} is not a code with its kind", scalar::quoted(text)))
            .hint("write for example \"EMMA_ID=RU012\" or \"OKTMO=45000000\"")),
    }
}
