//! The words of `domovoi alerts`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub enum AlertsCommand {
    /// What stands, the gravest first; with --history, what has stood too, the newest first
    List(AlertsList),
    /// One alert: why it concerns the home, what to do about it, who knows of it
    Show {
        /// By id
        alert: String,
    },
    /// Say "I know"
    Acknowledge {
        /// By id
        alert: String,
        /// In whose name, by id; the owner's, if there is one only
        #[arg(long, value_name = "PERSON")]
        person: Option<String>,
    },
    /// Tick a recommended step off
    Done {
        /// By id
        alert: String,
        /// Its key, as `show` has it
        step: String,
        /// It was not done after all
        #[arg(long)]
        undo: bool,
        /// In whose name, by id; the owner's, if there is one only
        #[arg(long, value_name = "PERSON")]
        person: Option<String>,
    },
    /// Take history away as a file
    Export(AlertsExport),
    /// The feeds: when each was read, what is wrong, whom it is believed
    Feeds,
    /// Read a feed now
    Poll {
        /// Its name in the settings
        feed: String,
    },
}

#[derive(Debug, Clone, Default, Args)]
pub struct AlertsChoice {
    /// Raised then or later: 2026-11-21T22:00:00Z
    #[arg(long, value_name = "MOMENT")]
    pub since: Option<String>,
    /// Raised before then
    #[arg(long, value_name = "MOMENT")]
    pub until: Option<String>,
    /// feed, portal, hazard, device, camera, metering, submission, security, house
    #[arg(long, value_name = "ORIGIN")]
    pub origin: Option<String>,
    /// flood, wind, gas, camera, …
    #[arg(long, value_name = "PERIL")]
    pub peril: Option<String>,
    /// At least: minor, moderate, severe, extreme
    #[arg(long, value_name = "SEVERITY")]
    pub severity: Option<String>,
    /// raised, updated, cancelled, expired
    #[arg(long, value_name = "STATE")]
    pub state: Option<String>,
    /// Where this occurs in any text
    #[arg(long, value_name = "TEXT")]
    pub text: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub struct AlertsList {
    /// What has stood too
    #[arg(long)]
    pub history: bool,
    #[command(flatten)]
    pub choice: AlertsChoice,
    /// At most so many
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    pub limit: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AlertsFormat {
    /// A table, as RFC 4180 has it
    Csv,
    /// A list
    Json,
}

#[derive(Debug, Clone, Args)]
pub struct AlertsExport {
    #[command(flatten)]
    pub choice: AlertsChoice,
    /// As what
    #[arg(long, value_enum, default_value_t = AlertsFormat::Csv)]
    pub format: AlertsFormat,
    /// Begin with a byte order mark, by which spreadsheets know the encoding
    #[arg(long)]
    pub bom: bool,
    /// The file; it must not be there yet. `-` is standard output
    pub out: PathBuf,
}
