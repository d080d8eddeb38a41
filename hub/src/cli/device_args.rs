//! The words of `domovoi device` and `domovoi room`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum DeviceCommand {
    /// The devices of the home
    List {
        /// Only those in this room, by name or id; `none` for those in no room
        #[arg(long)]
        room: Option<String>,
        /// Also those that lists leave out
        #[arg(long)]
        hidden: bool,
        /// Also those that wait or are ignored
        #[arg(long)]
        all: bool,
    },
    /// Devices that were heard and that nobody has accepted yet
    Inbox,
    /// A device with everything that it says
    Show {
        /// By name, or as DIALECT:ID
        device: String,
    },
    /// Accept a device: from now on it is ours, and may be told something
    Accept {
        /// By name, or as DIALECT:ID
        device: String,
        /// What to call it
        #[arg(long)]
        name: Option<String>,
        /// Its room, by name or id
        #[arg(long)]
        room: Option<String>,
    },
    /// The types of devices that the hub knows by name
    Catalogue {
        /// Words of the brand, the model or the name
        text: Vec<String>,
    },
    /// Connect a device: issue its access or open its bridge, and wait until it is there
    Connect(Box<ConnectArgs>),
    /// It is none of ours: leave it out of the inbox
    Ignore {
        /// By name, or as DIALECT:ID
        device: String,
    },
    /// Call a device otherwise; without a name it gets its own back
    Rename {
        /// By name, or as DIALECT:ID
        device: String,
        /// The new name
        #[arg(default_value = "")]
        name: String,
    },
    /// Put a device into a room; without a room it is in none
    Move {
        /// By name, or as DIALECT:ID
        device: String,
        /// The room, by name or id
        #[arg(default_value = "")]
        room: String,
    },
    /// Tell a device to do something, and wait until it says itself that it is done
    Command {
        /// By name, or as DIALECT:ID
        device: String,
        /// Which of its properties
        property: String,
        /// on, off, 21.5, a word that the device knows
        #[arg(allow_hyphen_values = true)]
        value: String,
        /// How many seconds to wait for its own word; 0 does not wait
        #[arg(long, default_value_t = 15)]
        wait: u64,
    },
    /// Ask a bridge for something: let devices join, interview one, let one go
    Errand(ErrandArgs),
    /// Forget a device: what was decided, what the broker retains of it, its credential
    Forget {
        /// By name, or as DIALECT:ID
        device: String,
        /// Forget what it said, too
        #[arg(long)]
        erase_history: bool,
        /// Ask its bridge to let it go first
        #[arg(long)]
        leave: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub struct ConnectArgs {
    /// The type, as `domovoi device catalogue` names it
    #[arg(required_unless_present = "code")]
    pub device_type: Option<String>,
    /// The text of the device's QR code, instead of a type; `-` reads it from standard input
    #[arg(long, conflicts_with = "device_type")]
    pub code: Option<String>,
    /// Its hardware address, name or serial number, as the type asks
    #[arg(long)]
    pub serial: Option<String>,
    /// A file with the token that stands beside the device's code; `-` reads it from standard input
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The bridge that it joins, where there are several
    #[arg(long)]
    pub bridge: Option<String>,
    /// The address of the device's own page, where the hub is to enter the access itself
    #[arg(long, value_name = "ADDRESS")]
    pub page: Option<String>,
    /// The name that the device's page wants
    #[arg(long, default_value = "")]
    pub page_user: String,
    /// A file with the password that the device's page wants
    #[arg(long, value_name = "FILE")]
    pub page_password_file: Option<PathBuf>,
    /// What to call it
    #[arg(long)]
    pub name: Option<String>,
    /// Its room, by name or id
    #[arg(long)]
    pub room: Option<String>,
    /// A certificate of so many days instead of a password
    #[arg(long, value_name = "DAYS")]
    pub certificate_days: Option<u32>,
    /// How many seconds to wait for the device; 0 does not wait
    #[arg(long, default_value_t = 120)]
    pub wait: u64,
}

#[derive(Debug, Args)]
pub struct ErrandArgs {
    /// permit-join, rename, remove, interview, configure or refresh
    pub errand: String,
    /// The device, or the bridge; by name, or as DIALECT:ID
    pub device: String,
    /// Of permit-join: how long; 0 ends it
    #[arg(long)]
    pub seconds: Option<u16>,
    /// Of rename: what its topics are to call it
    #[arg(long)]
    pub to: Option<String>,
    /// Of remove: also one that does not answer
    #[arg(long)]
    pub force: bool,
    /// How many seconds to wait for the bridge's answer; 0 does not wait
    #[arg(long, default_value_t = 30)]
    pub wait: u64,
}

#[derive(Debug, Subcommand)]
pub enum RoomCommand {
    /// The rooms of the home
    List,
    /// A new room
    Add {
        /// What it is called
        name: String,
    },
    /// Call a room otherwise
    Rename {
        /// By name or id
        room: String,
        /// The new name
        name: String,
    },
    /// Put a room elsewhere among the others
    Place {
        /// By name or id
        room: String,
        /// 1 is the first
        position: usize,
    },
    /// Remove a room; what was in it is in none
    Remove {
        /// By name or id
        room: String,
    },
}
