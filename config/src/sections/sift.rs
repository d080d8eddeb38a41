//! `[[sift]]`: which values need not be recorded because they are as good as the one before. Without a rule everything is.

use std::time::Duration;

use rust_decimal::Decimal;

use crate::mistake::Wrong;
use crate::reader::Section;
use crate::scalar;

const MAX_RULES: usize = 64;

/// What is left out of the history of the properties that a rule names. Registers and hazards are beyond every rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiftRule {
    /// `dialect:id`; `*` stands for anything.
    pub device: String,
    /// The property; `*` stands for anything.
    pub property: String,
    /// A number that is nearer than this to the one that was recorded last is left out.
    pub deadband: Option<Decimal>,
    /// A value that is the one that was recorded last is left out.
    pub change_only: bool,
    /// After this time a value is recorded whatever it is.
    pub at_least_every: Duration,
}

pub(crate) fn read_all(root: &mut Section<'_>) -> Vec<SiftRule> {
    root.take_tables("sift", MAX_RULES).into_iter().map(read).collect()
}

fn read(mut section: Section<'_>) -> SiftRule {
    let at = section.place_of("change_only");
    let pattern = |text: &str| scalar::plain(text, 256);
    let rule = SiftRule {
        device: section.take_parsed("device", pattern).unwrap_or_else(|| "*".to_owned()),
        property: section.take_parsed("property", pattern).unwrap_or_else(|| "*".to_owned()),
        deadband: section.take_parsed("deadband", scalar::amount),
        change_only: section.take_bool("change_only").unwrap_or(false),
        at_least_every: section
            .take_duration("at_least_every", Duration::from_secs(1)..=Duration::from_secs(7 * 86_400))
            .unwrap_or(Duration::from_secs(3600)),
    };
    if rule.deadband.is_none() && !rule.change_only {
        let wrong = Wrong::new("a rule with neither `deadband` nor `change_only` leaves nothing out");
        section.wrong_at(at, "change_only", wrong.hint("write `change_only = true`, or a `deadband` like \"0.5\""));
    }
    section.finish();
    rule
}
