//! `[home]`: what the home is called, where it is in time, what language it is spoken to in.

use jiff::tz::TimeZone;

use crate::reader::Section;
use crate::scalar;

/// The home as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Home {
    /// As people call it; goes into notices and nowhere else.
    pub name: String,
    /// In which days and months are counted unless a supplier has its own.
    pub time_zone: TimeZone,
    /// Of notices and pages.
    pub language: Language,
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
    };
    section.finish();
    home
}
