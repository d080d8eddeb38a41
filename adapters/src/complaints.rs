//! What meters complain of, in the words of their status: `LEAKAGE DRY`, `LOW_BATTERY`. Each becomes a property of its own
//! that is true as long as the meter says so. Deliberately no danger: water that never rests behind a meter is for a person
//! to look at, and closes no valve.

use domovoi_model::Value;

use crate::report::{self, Report};
use crate::{Category, PropertyInfo, Warning};

/// Parts of words, and what they warn of. The first that is in a word counts.
const WORDS: &[(&str, Warning)] = &[
    ("BACKFLOW", Warning::Backflow),
    ("REVERSE", Warning::Backflow),
    ("LEAK", Warning::Leak),
    ("BURST", Warning::Burst),
    ("BATT", Warning::Battery),
    ("POWER_LOW", Warning::Battery),
    ("TAMPER", Warning::Tamper),
    ("MAGNET", Warning::Tamper),
    ("REMOV", Warning::Tamper),
    ("FRAUD", Warning::Tamper),
    ("MANIPULATION", Warning::Tamper),
    ("FROST", Warning::Frost),
    ("FREEZ", Warning::Frost),
    ("OVERLOAD", Warning::Overload),
    ("OVERFLOW", Warning::Overload),
    // Air in the pipe: what it measures is not water.
    ("DRY", Warning::Fault),
    ("ERROR", Warning::Fault),
    ("FAULT", Warning::Fault),
    ("FAIL", Warning::Fault),
    ("ALARM", Warning::Fault),
];

/// All that there are.
const ALL: &[Warning] = &[
    Warning::Battery,
    Warning::Tamper,
    Warning::Fault,
    Warning::Overload,
    Warning::Leak,
    Warning::Backflow,
    Warning::Burst,
    Warning::Frost,
];

/// What a status warns of, each once.
pub(crate) fn of_words(status: &str) -> Vec<Warning> {
    let mut out = Vec::new();
    for word in status.to_ascii_uppercase().split([' ', ',', ';']) {
        let found = WORDS.iter().find(|(part, _)| word.contains(part)).map(|(_, warning)| *warning);
        out.extend(found.filter(|warning| !out.contains(warning)));
    }
    out
}

/// The property of a warning.
fn property(warning: Warning) -> PropertyInfo {
    PropertyInfo::new(format!("warning.{}", warning.code()), report::flag()).with(|one| {
        one.class = Some(if warning == Warning::Battery { "battery" } else { "problem" }.into());
        one.category = Category::Diagnostic;
        one.warning = Some(warning);
    })
}

/// Says what is warned of now, and takes back what was.
pub(crate) fn say(report: &mut Report<'_>, now: &[Warning]) {
    for warning in ALL {
        let (info, is_now) = (property(*warning), now.contains(warning));
        if is_now || report.about.property(&info.name).is_some() {
            report.say(info, Value::Bool(is_now));
        }
    }
}
