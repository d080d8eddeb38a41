//! The words of `domovoi cloud`.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum CloudCommand {
    /// The clouds: how each stands, how much is there
    List,
    /// One cloud: what was allowed, what is there, its scenarios
    Show {
        /// Its name, as `list` shows it
        cloud: String,
    },
    /// Link one: shows what is asked for, then a code and where it is typed in
    Link(CloudLink),
    /// End a linking with the code that the cloud's page showed; it is asked for, or read from standard input
    Code {
        /// The cloud's name
        cloud: String,
    },
    /// Ask a cloud for everything now
    Look {
        /// The cloud's name
        cloud: String,
    },
    /// Start a scenario of the cloud's own
    Start {
        /// The cloud's name
        cloud: String,
        /// The scenario's id, as `show` shows it
        scenario: String,
    },
    /// Take the tokens back at the cloud, and forget them here
    Unlink {
        /// The cloud's name
        cloud: String,
        /// Forget everything that came from there, too: devices with their history
        #[arg(long)]
        forget: bool,
    },
}

#[derive(Debug, Args)]
pub struct CloudLink {
    /// The cloud's name
    pub cloud: String,
    /// By a page whose code is copied with `cloud code`, not by a code that is typed in there
    #[arg(long)]
    pub page: bool,
    /// Do not ask before linking
    #[arg(long)]
    pub yes: bool,
}
