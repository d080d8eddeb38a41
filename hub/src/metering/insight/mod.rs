//! Consumption insight: what was used by day, month and year, what it costs by the household's own tariffs, what the month
//! will come to, whether water leaks, whether the flat is too cold. The rules are pure and stand in the files beside this one;
//! `room` and `reads` read the ledger and history for them, `watch` looks by the clock and raises notices. It changes no reading, and it
//! knows no price that nobody wrote.

pub mod chart;
pub mod compare;
pub mod days;
pub mod evidence;
pub mod flow;
pub mod forecast;
mod paper;
mod reads;
mod room;
pub mod stretches;
pub mod tariff;
pub mod unusual;
pub mod usage;
mod watch;

#[cfg(test)]
mod laws_tests;
#[cfg(test)]
mod tables_tests;

pub use paper::{StepPaper, TariffPaper, Unreadable, VersionPaper, WarmthPaper, read_tariff, read_warmth};
pub use room::{Bill, BillLine, Consumption, Insight, InsightError, Place, Warmth};
pub use watch::{Findings, Rules};
