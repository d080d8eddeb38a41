//! The words of `domovoi safety`.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum SafetyCommand {
    /// Rules, open dangers, and what is being set
    Show,
    /// What the house does in danger
    #[command(subcommand)]
    Rule(SafetyRuleCommand),
    /// Try a rule out: tell what it would do, or do it
    Test {
        /// The rule, by id or name
        rule: String,
        /// Close, cut and sound in earnest, and wait for what the devices say. What was closed stays closed
        #[arg(long)]
        in_earnest: bool,
    },
    /// Silence the sirens; what has confirmed that it is closed may be opened again, what has not is closed all the same
    Hush,
}

#[derive(Debug, Subcommand)]
pub enum SafetyRuleCommand {
    /// Add a rule
    Add(Box<SafetyRuleAdd>),
    /// Remove a rule of the household
    Remove {
        /// By id or name
        rule: String,
    },
    /// Let a rule count again
    On {
        /// By id or name
        rule: String,
    },
    /// Let a rule not count; a built-in one too
    Off {
        /// By id or name
        rule: String,
    },
}

#[derive(Debug, Args)]
pub struct SafetyRuleAdd {
    /// What to call it
    pub name: String,
    /// gas, carbon-monoxide, smoke, water-leak, freezing or silence
    #[arg(long, value_name = "DANGER")]
    pub when: String,
    /// Only this sensor: DEVICE or DEVICE/PROPERTY; may be repeated
    #[arg(long, value_name = "SENSOR")]
    pub sensor: Vec<String>,
    /// Only the sensors of this room
    #[arg(long, value_name = "ROOM")]
    pub room: Option<String>,
    /// For freezing: at and below so many °C
    #[arg(long, value_name = "DEGREES", allow_hyphen_values = true)]
    pub below: Option<String>,
    /// For silence: after so many seconds
    #[arg(long, value_name = "SECONDS")]
    pub silent_after: Option<u32>,
    /// Close every accepted valve of the home, or of a room
    #[arg(long, value_name = "ROOM", num_args = 0..=1, default_missing_value = "home")]
    pub close_valves: Option<String>,
    /// Sound every accepted siren of the home, or of a room
    #[arg(long, value_name = "ROOM", num_args = 0..=1, default_missing_value = "home")]
    pub sound_sirens: Option<String>,
    /// Set a property: DEVICE/PROPERTY=VALUE; may be repeated
    #[arg(long, value_name = "WHAT")]
    pub set: Vec<String>,
}
