//! The words of `domovoi telling`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum TellingCommand {
    /// What somebody wants to be told, and how
    Wishes {
        /// By id, name, phone number or e-mail address
        person: String,
        /// Take the wishes of this JSON file, as `--json` without it shows them; `-` reads standard input
        #[arg(long, value_name = "FILE")]
        set: Option<PathBuf>,
    },
    /// The ways by which somebody is reached; without a person, the house's own
    Ways {
        /// By id, name, phone number or e-mail address
        person: Option<String>,
    },
    /// Add a way
    Add(Box<TellingAdd>),
    /// Switch a way on
    On {
        #[command(flatten)]
        at: TellingWay,
    },
    /// Switch a way off
    Off {
        #[command(flatten)]
        at: TellingWay,
    },
    /// Take a way off for good
    Remove {
        #[command(flatten)]
        at: TellingWay,
    },
    /// Try a way now: a letter that says that it is a test
    Test {
        #[command(flatten)]
        at: TellingWay,
    },
    /// The channels that there are, and what their addresses consist of
    Channels,
    /// Who is asked first when somebody is to say that it is known; life is everybody's at once
    Order {
        /// In this order; without people, it is shown
        people: Vec<String>,
        /// Nobody is asked before the others
        #[arg(long, conflicts_with = "people")]
        none: bool,
    },
    /// Somebody's inbox
    Inbox {
        /// By id, name, phone number or e-mail address
        person: String,
        /// Everything in it was seen
        #[arg(long)]
        seen: bool,
    },
    /// What was told to whom by which way, and how far it came
    Ledger {
        /// To this person only
        #[arg(long)]
        person: Option<String>,
        /// About this only, as the ledger spells it
        #[arg(long)]
        subject: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Why somebody was, or was not, told
    Why {
        /// As the ledger spells it: `alert:…`
        subject: String,
        /// By id, name, phone number or e-mail address
        person: String,
    },
}

#[derive(Debug, Args)]
pub struct TellingWay {
    /// Its id, or what it is called
    pub way: String,
    /// Whose it is; without a person, the house's own
    #[arg(long)]
    pub person: Option<String>,
}

#[derive(Debug, Args)]
pub struct TellingAdd {
    /// See `domovoi telling channels`
    pub channel: String,
    /// Whose it is; without a person, the house's own
    #[arg(long)]
    pub person: Option<String>,
    /// What it is called
    #[arg(long, default_value = "")]
    pub label: String,
    /// A part of the address: FIELD=VALUE; without the value it is asked for, and is seen by no other process
    #[arg(long, value_name = "FIELD[=VALUE]")]
    pub field: Vec<String>,
    /// Of the house's own: when it is used
    #[arg(long, value_parser = ["silent", "speaks", "last"])]
    pub used: Option<String>,
    /// Try it every week although it sounds or costs
    #[arg(long)]
    pub test_anyway: bool,
}
