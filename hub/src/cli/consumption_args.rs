//! The words of `domovoi consumption`, `domovoi tariff` and `domovoi evidence`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum ConsumptionCommand {
    /// What every meter used this month
    List,
    /// What one meter used, what it costs, what the month will come to
    Show {
        /// Its point: id, name, or serial number
        point: String,
        /// By day, month or year
        #[arg(long, value_name = "UNIT", default_value = "day")]
        by: String,
        /// From this day, 2026-11-01; the running month, year or five years if nothing is said
        #[arg(long, value_name = "DAY")]
        from: Option<String>,
        /// To this day, included
        #[arg(long, value_name = "DAY", requires = "from")]
        to: Option<String>,
        /// Lay nothing on days without readings
        #[arg(long)]
        strict: bool,
    },
    /// What a month costs by the household's tariffs
    Bill {
        /// 2026-11; the running month if nothing is said
        #[arg(long, value_name = "MONTH")]
        month: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub enum TariffCommand {
    /// Every tariff; with --json what `import` takes
    List,
    /// One tariff, as `import` takes it
    Show {
        /// Its id, as `list` shows it
        tariff: String,
    },
    /// An empty form to write prices into
    Form,
    /// Write tariffs down from a file of JSON: one, or a list
    Import {
        /// The file; - for standard input
        file: PathBuf,
        /// Change this tariff instead, as a whole
        #[arg(long, value_name = "TARIFF")]
        change: Option<String>,
    },
    /// Forget a tariff
    Remove {
        /// Its id, as `list` shows it
        tariff: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum EvidenceCommand {
    /// Rooms whose warmth is watched
    List,
    /// Watch a room's warmth
    Watch(WatchedRoom),
    /// Change how a room is watched, as a whole
    Change {
        /// Its id, as `list` shows it
        place: String,
        #[command(flatten)]
        to: WatchedRoom,
    },
    /// For how many hours a room was colder than the norm
    Show {
        /// Its id, as `list` shows it
        place: String,
        #[command(flatten)]
        span: EvidenceSpan,
    },
    /// The same to take away; the journal notes it
    Export {
        /// Its id, as `list` shows it
        place: String,
        /// As a table instead of JSON
        #[arg(long)]
        csv: bool,
        #[command(flatten)]
        span: EvidenceSpan,
    },
    /// Watch a room no longer
    Remove {
        /// Its id, as `list` shows it
        place: String,
    },
}

#[derive(Debug, Args)]
pub struct EvidenceSpan {
    /// From this day, 2026-11-01; the first of the month if nothing is said
    #[arg(long, value_name = "DAY")]
    pub from: Option<String>,
    /// To this day, included; today if nothing is said
    #[arg(long, value_name = "DAY")]
    pub to: Option<String>,
}

#[derive(Debug, Args)]
pub struct WatchedRoom {
    /// What to call it
    pub name: String,
    /// Its thermometer, dialect:id
    pub device: String,
    /// Which of its properties
    #[arg(default_value = "temperature")]
    pub property: String,
    /// A corner room: 20 °C instead of 18
    #[arg(long)]
    pub corner: bool,
    /// Another norm, °C
    #[arg(long, value_name = "DEGREES")]
    pub norm: Option<String>,
    /// By how many degrees it may be colder at night; 3
    #[arg(long, value_name = "DEGREES")]
    pub night_tolerance: Option<String>,
    /// How long a value holds until the next; 120
    #[arg(long, value_name = "MINUTES")]
    pub holds_minutes: Option<i64>,
}
