//! The words of `domovoi scenario` and `domovoi presence`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum ScenarioCommand {
    /// Scenarios, what each did last and will do next
    List,
    /// One scenario, in words
    Show {
        /// Its id, or a name that only one has
        scenario: String,
    },
    /// Write a scenario out as a TOML file
    Export {
        /// Its id, or a name that only one has
        scenario: String,
        /// The file; standard output, if nothing is said
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Keep the scenario of a TOML file: in the place of the one with its id, or as a new one
    Import {
        /// The file; `-` is standard input
        file: PathBuf,
    },
    /// Switch a scenario on: its triggers begin it
    On {
        /// Its id, or a name that only one has
        scenario: String,
    },
    /// Switch a scenario off: it begins by hand only
    Off {
        /// Its id, or a name that only one has
        scenario: String,
    },
    /// Begin a scenario now
    Start {
        /// Its id, or a name that only one has
        scenario: String,
    },
    /// Say what would happen if it began now; nothing is done
    Try {
        /// Its id, or a name that only one has
        scenario: String,
        /// As if this trigger had begun it
        #[arg(long, value_name = "TRIGGER")]
        trigger: Option<String>,
    },
    /// Runs, the newest first
    Runs {
        /// Of this scenario only
        scenario: Option<String>,
        /// At most so many, 1 to 500
        #[arg(long, value_name = "COUNT", default_value_t = 20)]
        limit: u32,
    },
    /// What happened in a run
    Trace {
        /// Its id, as `runs` lists it
        run: String,
    },
    /// Stop a run where it is
    Stop {
        /// Its id, as `runs` lists it
        run: String,
    },
    /// Forget a scenario
    Remove {
        /// Its id, or a name that only one has
        scenario: String,
    },
    /// Make a scenario from a preset, and keep it; without a name, list the presets and what they ask
    Preset(PresetArgs),
}

#[derive(Debug, Args)]
pub struct PresetArgs {
    /// all-off, night, heating-economy, night-tariff or holiday
    pub preset: Option<String>,
    /// What is switched: `DIALECT:ID|PROPERTY`; may be repeated
    #[arg(long, value_name = "PLACE")]
    pub switch: Vec<String>,
    /// A thermostat: `DIALECT:ID|PROPERTY`; may be repeated
    #[arg(long, value_name = "PLACE")]
    pub heater: Vec<String>,
    /// Another answer, `minutes=10` or `from=23:00`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub answer: Vec<String>,
    /// Tell people about it
    #[arg(long)]
    pub tell: bool,
    /// What to call it
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum PresenceCommand {
    /// Who is at home
    List,
    /// Say that somebody is at home, or has left
    Say {
        /// The person's id or name
        person: String,
        /// home or away; devices: what was said counts no longer
        word: String,
    },
    /// By which devices somebody is seen
    Track(TrackArgs),
    /// Secret addresses of somebody's phones
    Links {
        /// The person's id or name
        person: String,
    },
    /// Make a secret address for somebody's phone
    Link {
        /// The person's id or name
        person: String,
        /// What it is for
        label: String,
    },
    /// Revoke a secret address
    Unlink {
        /// The person's id or name
        person: String,
        /// The address's id, as `links` lists it
        link: String,
    },
}

#[derive(Debug, Args)]
pub struct TrackArgs {
    /// The person's id or name
    pub person: String,
    /// `DIALECT:ID|PROPERTY=home` with words and commas, `…<150`, `…>-80`; may be repeated. None: nothing sees them
    #[arg(long = "by", value_name = "TRACKER")]
    pub trackers: Vec<String>,
    /// After so many quiet minutes the person has left, 1 to 720
    #[arg(long, value_name = "MINUTES")]
    pub quiet: Option<u32>,
}
