//! The words of `domovoi mapping` and `domovoi meter-key`.

use std::path::PathBuf;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum MappingCommand {
    /// The mappings of devices that speak no dialect of the house
    List,
    /// One of them, as a file has it
    Show {
        /// Its id
        mapping: String,
    },
    /// Topics that were heard and that nobody claims, with their last messages
    Topics {
        /// Also those that a mapping means
        #[arg(long)]
        mapped: bool,
    },
    /// Say what the mappings of a file would read on a topic; nothing is kept
    Try {
        /// A TOML file with [[mapping]]; - for standard input
        file: PathBuf,
        /// The topic
        topic: String,
        /// What stands in the message; what was heard on the topic last, if nothing is said
        #[arg(long, value_name = "TEXT")]
        payload: Option<String>,
    },
    /// Write all mappings into a file, or to standard output
    Export {
        /// Where to
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// Take the mappings of a file, each in the place of the one of its id; all of them or none
    Import {
        /// A TOML file with [[mapping]]; - for standard input
        file: PathBuf,
    },
    /// Forget a mapping; its devices say nothing any more
    Remove {
        /// Its id
        mapping: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum MeterKeyCommand {
    /// Radio meters that encrypt what they say, and whose keys were given
    List,
    /// Give the key of a meter. It is asked for, or read from standard input where nobody is there
    Set {
        /// The number on its face
        meter: String,
    },
    /// Forget the key of a meter
    Forget {
        /// The number on its face
        meter: String,
    },
}
