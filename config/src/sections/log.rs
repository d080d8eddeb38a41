//! `[log]`: how much the daemon says of itself, and in what form.

use crate::mistake::{Wrong, nearest};
use crate::reader::Section;
use crate::scalar;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Directives as `tracing-subscriber` reads them: `info,domovoi::portal=debug`.
    pub filter: String,
    /// The form of a line.
    pub format: LogFormat,
}

/// The form of a line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogFormat {
    /// For eyes.
    Text,
    /// One JSON object a line.
    Json,
}

pub(crate) fn read(mut section: Section<'_>) -> Log {
    let log = Log {
        filter: section.take_parsed("filter", filter).unwrap_or_else(|| "info".to_owned()),
        format: section
            .take_enum("format", &[("text", LogFormat::Text), ("json", LogFormat::Json)])
            .unwrap_or(LogFormat::Text),
    };
    section.finish();
    log
}

/// The filter's own reader takes `inof` for the name of a module and turns it on whole; this one asks.
fn filter(text: &str) -> Result<String, Wrong> {
    scalar::plain(text, 512)?;
    for directive in text.split(',').map(str::trim) {
        let (target, level) = match directive.rsplit_once('=') {
            Some((target, level)) => (target, Some(level)),
            None => (directive, None),
        };
        let word = level.unwrap_or(target);
        let known = LEVELS.iter().any(|l| l.eq_ignore_ascii_case(word));
        let near = nearest(word, LEVELS);
        // A bare word may be a module; only one that looks like a level misspelt is refused.
        if !known && (level.is_some() || near.is_some() || word.is_empty()) {
            let wrong = Wrong::new(format!("{} is not a log level", scalar::quoted(word)));
            return Err(match near {
                Some(near) => wrong.hint(format!("did you mean `{near}`?")),
                None => wrong.hint(format!("levels are {}", LEVELS.join(", "))),
            });
        }
        let fits = |c: char| c.is_alphanumeric() || "_:-.[]{}\"".contains(c);
        if !target.chars().all(fits) {
            return Err(Wrong::new(format!("{} is not the path of a module", scalar::quoted(target)))
                .hint("write for example \"info,domovoi::portal=debug\""));
        }
    }
    Ok(text.to_owned())
}
