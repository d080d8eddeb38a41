//! The words of the command line. What they do is in the files beside this one. Over 500 lines because every word's help
//! stands beside it: one file is what `domovoi help` says.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use super::alert_args::AlertsCommand;
pub use super::calendar_args::{CalendarCommand, MessagesCommand};
pub use super::camera_args::CameraCommand;
pub use super::cloud_args::CloudCommand;
pub use super::consumption_args::{ConsumptionCommand, EvidenceCommand, TariffCommand};
pub use super::device_args::{DeviceCommand, RoomCommand};
pub use super::history_args::{HistoryCommand, HistoryOf, HistorySpan};
pub use super::mapping_args::{MappingCommand, MeterKeyCommand};
pub use super::safety_args::SafetyCommand;
pub use super::scenario_args::{PresenceCommand, ScenarioCommand};
pub use super::telling_args::TellingCommand;

/// Domovoi, the home daemon: reads the meters, keeps what it read, tells the portal once.
#[derive(Debug, Parser)]
#[command(name = "domovoi", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// The settings file. Without one that exists, defaults in ./domovoi-data
    #[arg(long, global = true, value_name = "FILE", default_value = "domovoi.toml")]
    pub config: PathBuf,
    /// Answer in JSON, on one line
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon until it is told to stop (SIGTERM, Ctrl-C)
    Run,
    /// A pretend home and a sandbox portal in one process; everything in ./domovoi-demo
    #[cfg(feature = "demo")]
    Demo(DemoArgs),
    /// Load and check the settings; bind nothing, change nothing
    Check,
    /// The link to the portal
    #[command(subcommand)]
    Portal(PortalCommand),
    /// Devices: what was heard, what is ours, how it stands, what it is told
    #[command(subcommand)]
    Device(DeviceCommand),
    /// The rooms of the home
    #[command(subcommand)]
    Room(RoomCommand),
    /// Meters and their readings
    #[command(subcommand)]
    Meter(MeterCommand),
    /// Acts: signed readings of an account and a period
    #[command(subcommand)]
    Act(ActCommand),
    /// Who may connect to the embedded broker
    #[command(subcommand)]
    Mqtt(MqttCommand),
    /// Secrets that the settings file names but does not hold
    #[command(subcommand)]
    Secret(SecretCommand),
    /// The keys that seal the store
    #[command(subcommand)]
    Key(KeyCommand),
    /// The people of the home: who they are, what they may, how they sign in
    #[command(subcommand)]
    People(PeopleCommand),
    /// The journal of deeds: who did what, from where, and how it ended
    Journal(JournalArgs),
    /// What devices said: samples, rollups, consumption; in and out as files
    #[command(subcommand)]
    History(HistoryCommand),
    /// What the house does by itself in danger
    #[command(subcommand)]
    Safety(SafetyCommand),
    /// Cameras: which there are, what they show, what they recorded
    #[command(subcommand)]
    Camera(CameraCommand),
    /// Alerts: what stands, what has stood, what to do about it
    #[command(subcommand)]
    Alerts(AlertsCommand),
    /// Who is told what, by which way: wishes, ways, inboxes, what was told and why
    #[command(subcommand)]
    Telling(TellingCommand),
    /// The calendar: what is to be remembered, what is overdue
    #[command(subcommand)]
    Calendar(CalendarCommand),
    /// Makers' clouds: linking, what is there, the end of a link
    #[command(subcommand)]
    Cloud(CloudCommand),
    /// What was used, what it costs, what the month will come to
    #[command(subcommand)]
    Consumption(ConsumptionCommand),
    /// What a unit of a resource costs, as the household writes it
    #[command(subcommand)]
    Tariff(TariffCommand),
    /// How warm rooms were, for a recalculation of the heating fee
    #[command(subcommand)]
    Evidence(EvidenceCommand),
    /// Messages of the portal and to it
    #[command(subcommand)]
    Messages(MessagesCommand),
    /// Devices that speak no dialect of the house: what their topics mean
    #[command(subcommand)]
    Mapping(MappingCommand),
    /// Keys of radio meters that encrypt what they say
    #[command(subcommand)]
    MeterKey(MeterKeyCommand),
    /// Scenarios: what the home does by itself
    #[command(subcommand)]
    Scenario(ScenarioCommand),
    /// Who is at home
    #[command(subcommand)]
    Presence(PresenceCommand),
    /// API tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// The hub's own authority, and certificates for clients
    #[command(subcommand)]
    Certificate(CertificateCommand),
    /// What a person must know or do: warnings, reminders, refusals
    Notices(NoticeArgs),
    /// What is wrong with this installation, in words
    Doctor(DoctorArgs),
}

#[cfg(feature = "demo")]
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Stop by itself after this many seconds; 0 runs until Ctrl-C
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub seconds: u64,
    /// Stop as soon as the portal's receipt is there
    #[arg(long)]
    pub until_receipt: bool,
    /// Where the demo keeps everything
    #[arg(long, value_name = "DIR", default_value = "./domovoi-demo")]
    pub folder: PathBuf,
}

#[derive(Debug, Subcommand)]
pub enum PortalCommand {
    /// Link this hub to the citizen's account: shows what will be allowed, then a code and a QR code
    Link(LinkArgs),
    /// How the link stands, and what was sent
    Status,
    /// Revoke the link at the portal and forget its tokens
    Unlink,
    /// Standing consent: may acts be approved without asking each time?
    Consent {
        /// on or off; without it, show how it stands
        #[arg(value_parser = ["on", "off"])]
        set: Option<String>,
    },
    /// The accounts and metering points that the portal knows
    Accounts,
}

#[derive(Debug, Args)]
pub struct LinkArgs {
    /// Sign in with a browser on this machine instead of a code on another
    #[arg(long)]
    pub browser: bool,
    /// Do not ask for confirmation of the scopes
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Subcommand)]
pub enum MeterCommand {
    /// Every metering point with its meter and last reading
    List,
    /// Add a metering point with its account and meter
    Add(Box<MeterAdd>),
    /// Another meter hangs at a point: the old one's end reading, the new one's start
    Replace(Box<MeterReplace>),
    /// A meter was verified («поверка»)
    Verify(MeterVerify),
    /// Hand in a reading that a person took
    Submit(MeterSubmit),
    /// Readings of a point, newest first, with every verdict
    History(MeterHistory),
    /// Decide about a reading that the ledger holds
    Decide(MeterDecide),
}

#[derive(Debug, Args)]
pub struct MeterAdd {
    /// The supplier's id in the settings
    #[arg(long)]
    pub supplier: String,
    /// Personal account number («лицевой счёт»)
    #[arg(long)]
    pub account: String,
    /// Unified account of ГИС ЖКХ, 10 characters
    #[arg(long)]
    pub els: Option<String>,
    /// cold_water, hot_water, electricity, gas or heat
    #[arg(long)]
    pub resource: String,
    /// What the household calls the place: «Кухня, холодная»
    #[arg(long)]
    pub name: String,
    #[command(flatten)]
    pub meter: NewMeter,
    /// The device that reads it, as DIALECT:ID; `domovoi doctor` lists what was heard
    #[arg(long, value_name = "DIALECT:ID")]
    pub device: Option<String>,
    /// Which property of the device is which register, as t1=total_m3; repeat for more tariffs
    #[arg(long, value_name = "TARIFF=PROPERTY")]
    pub register: Vec<String>,
    /// The unit of the device's values, where it does not name one
    #[arg(long)]
    pub unit: Option<String>,
    /// never, monthly or quarterly; a meter without a device is monthly unless told otherwise
    #[arg(long)]
    pub remind: Option<String>,
}

/// What is known of a meter when it is put in.
#[derive(Debug, Clone, Args)]
pub struct NewMeter {
    /// The number on its face
    #[arg(long)]
    pub serial: String,
    /// The maker's name for it
    #[arg(long)]
    pub model: Option<String>,
    /// Digits before and after the point, as 5.3
    #[arg(long, default_value = "5.3")]
    pub digits: String,
    /// How many tariff registers it has
    #[arg(long, default_value_t = 1)]
    pub tariffs: u8,
    /// What its movement is multiplied with (current transformers)
    #[arg(long, default_value = "1")]
    pub multiplier: String,
    /// The day it was put in, YYYY-MM-DD
    #[arg(long)]
    pub installed: String,
    /// Its register that day; T1,T2,… for more tariffs
    #[arg(long, default_value = "0")]
    pub start: String,
    /// The day of its last verification («поверка»)
    #[arg(long)]
    pub verified: Option<String>,
    /// The last day on which its verification counts
    #[arg(long)]
    pub valid_until: Option<String>,
}

#[derive(Debug, Args)]
pub struct MeterReplace {
    /// The point: its name, its id, or the old meter's serial number
    pub point: String,
    /// The old meter's registers when it was taken out; T1,T2,… for more tariffs
    #[arg(long)]
    pub end: String,
    #[command(flatten)]
    pub meter: NewMeter,
}

#[derive(Debug, Args)]
pub struct MeterVerify {
    /// The point: its name, its id, or the meter's serial number
    pub point: String,
    /// The day of the verification, YYYY-MM-DD
    #[arg(long)]
    pub verified: String,
    /// The last day on which it counts
    #[arg(long)]
    pub valid_until: String,
}

#[derive(Debug, Args)]
pub struct MeterSubmit {
    /// The point: its name, its id, or the meter's serial number
    pub point: String,
    /// What the registers show: 123.456, or T1,T2,… for more tariffs
    pub values: String,
    /// A photo of the meter's face, JPEG or PNG, at most 5 MB
    #[arg(long, value_name = "FILE")]
    pub photo: Option<PathBuf>,
    /// Who read it
    #[arg(long, default_value = "owner")]
    pub person: String,
    /// Believe the value though a rule speaks against it (a rollover, a large use)
    #[arg(long)]
    pub confirm: bool,
}

#[derive(Debug, Args)]
pub struct MeterHistory {
    /// The point: its name, its id, or the meter's serial number
    pub point: String,
    /// How many at most
    #[arg(long, default_value_t = 50)]
    pub limit: u32,
}

#[derive(Debug, Args)]
pub struct MeterDecide {
    /// The reading's number in `meter history`
    pub reading: i64,
    /// Believe it
    #[arg(long, conflicts_with = "dismiss", required_unless_present = "dismiss")]
    pub accept: bool,
    /// Do not believe it
    #[arg(long)]
    pub dismiss: bool,
}

#[derive(Debug, Subcommand)]
pub enum ActCommand {
    /// Every act and where it stands
    List,
    /// One act: its readings, its state, what the portal said
    Show {
        /// The act's id, or a period YYYY-MM where only one account is known
        act: String,
        /// Write the signed bytes, the signature and the public key into this folder
        #[arg(long, value_name = "DIR")]
        export: Option<PathBuf>,
    },
    /// Approve a checked act: it is signed and sent
    Approve {
        /// The act's id
        act: String,
        /// Sign a draft with the readings that it has, without those that something stands against
        #[arg(long)]
        incomplete: bool,
    },
    /// Draw up a correction of an act from what is believed now
    Correct {
        /// The id of the act to correct
        act: String,
    },
    /// Check an act's signature: needs only the file, its signature and the public key
    Verify {
        /// The act's bytes
        file: PathBuf,
        /// The detached signature; FILE.jws without it
        #[arg(long, value_name = "FILE")]
        signature: Option<PathBuf>,
        /// The public key as JWK
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub enum MqttCommand {
    /// Issue a credential; its password is shown once
    Add {
        /// The user name
        username: String,
        /// Topics it may publish to; + and # are wildcards
        #[arg(long, required = true)]
        publish: Vec<String>,
        /// Topics it may subscribe to
        #[arg(long)]
        subscribe: Vec<String>,
        /// What it is
        #[arg(long, default_value = "service", value_parser = ["device", "bridge", "voice", "display", "service"])]
        role: String,
        /// A certificate of so many days instead of a password, for MQTT on TLS
        #[arg(long, value_name = "DAYS")]
        certificate: Option<u32>,
    },
    /// Who has a credential
    List,
    /// Withdraw a credential and close its connections
    Remove {
        /// The user name
        username: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Seal a secret under a name; it is read from standard input
    Set {
        /// The name that the settings file uses
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// A new data key; everything is sealed anew with it. Can be interrupted and repeated
    Rotate {
        /// Replace the master key too
        #[arg(long)]
        master: bool,
    },
    /// Which keys seal how much, and where the master key is
    Status,
}

#[derive(Debug, Args)]
pub struct NoticeArgs {
    /// Mark this notice as done
    #[arg(long, value_name = "KEY")]
    pub done: Option<String>,
}

#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Open every sealed thing and name what is damaged
    #[arg(long)]
    pub verify: bool,
}

#[derive(Debug, Subcommand)]
pub enum PeopleCommand {
    /// Everybody
    List,
    /// A link, valid for ten minutes, with which the first owner is made
    OwnerLink,
    /// Add a person
    Add(PersonAdd),
    /// Change a person's name, language or last day
    Edit(PersonEdit),
    /// Make a person an owner, an adult, a child, a guest or a service
    Role {
        /// The person: a login, the name, or the id
        person: String,
        /// owner, adult, child, guest or service
        role: String,
    },
    /// Erase a person and everything that is kept about them, for good
    Remove {
        /// The person: a login, the name, or the id
        person: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// A one-time link with which a person comes in for the first time and chooses how to sign in
    Invite {
        /// The person: a login, the name, or the id
        person: String,
    },
    /// The same for somebody who is locked out
    Recover {
        /// The person: a login, the name, or the id
        person: String,
    },
    /// Lock a person's devices: a phone was lost
    Lock {
        /// The person: a login, the name, or the id
        person: String,
    },
    /// Take the lock off
    Unlock {
        /// The person: a login, the name, or the id
        person: String,
    },
    /// Where a person is signed in
    Sessions {
        /// The person: a login, the name, or the id
        person: String,
        /// End them all
        #[arg(long)]
        end: bool,
    },
    /// Give a person a right, or take one away
    Grant(GrantArgs),
}

#[derive(Debug, Args)]
pub struct PersonAdd {
    /// What the family calls them
    pub name: String,
    /// owner, adult, child, guest or service
    #[arg(long)]
    pub role: String,
    /// A phone number, an e-mail address or a login name; repeat for more
    #[arg(long, value_name = "LOGIN")]
    pub contact: Vec<String>,
    /// A guest's last moment, as 2026-12-31T18:00:00Z
    #[arg(long, value_name = "MOMENT")]
    pub until: Option<String>,
    /// ru or en
    #[arg(long)]
    pub language: Option<String>,
}

#[derive(Debug, Args)]
pub struct PersonEdit {
    /// The person: a login, the name, or the id
    pub person: String,
    /// Another name
    #[arg(long)]
    pub name: Option<String>,
    /// ru or en
    #[arg(long)]
    pub language: Option<String>,
    /// Another last moment, as 2026-12-31T18:00:00Z
    #[arg(long, value_name = "MOMENT")]
    pub until: Option<String>,
}

#[derive(Debug, Args)]
pub struct GrantArgs {
    /// The person: a login, the name, or the id
    pub person: String,
    /// see, command, edit, submit, export; repeat for more
    #[arg(long = "verb", required_unless_present_any = ["list", "withdraw"])]
    pub verbs: Vec<String>,
    /// device, camera, meter, act, notice, …
    #[arg(long, required_unless_present_any = ["list", "withdraw"])]
    pub kind: Option<String>,
    /// One thing of that kind only
    #[arg(long)]
    pub one: Option<String>,
    /// Things in this room only
    #[arg(long)]
    pub room: Option<String>,
    /// Take the right away instead of giving it
    #[arg(long)]
    pub deny: bool,
    /// Only at these hours, as 08:00-22:00
    #[arg(long)]
    pub hours: Option<String>,
    /// Only at home
    #[arg(long)]
    pub home_only: bool,
    /// Until this moment, as 2026-12-31T18:00:00Z
    #[arg(long, value_name = "MOMENT")]
    pub until: Option<String>,
    /// Show what the person was given
    #[arg(long, conflicts_with = "verbs")]
    pub list: bool,
    /// Withdraw a grant
    #[arg(long, value_name = "GRANT", conflicts_with_all = ["verbs", "list"])]
    pub withdraw: Option<String>,
}

#[derive(Debug, Args)]
pub struct JournalArgs {
    #[command(subcommand)]
    pub command: Option<JournalCommand>,
    /// Only this person's deeds: a login, the name, or the id
    #[arg(long)]
    pub person: Option<String>,
    /// Only deeds whose code begins so, as person. or reading.submitted
    #[arg(long)]
    pub deed: Option<String>,
    /// done, refused or failed
    #[arg(long)]
    pub outcome: Option<String>,
    /// Only from this moment on
    #[arg(long, value_name = "MOMENT")]
    pub since: Option<String>,
    /// Only before this moment
    #[arg(long, value_name = "MOMENT")]
    pub until: Option<String>,
    /// Only where this occurs
    #[arg(long)]
    pub text: Option<String>,
    /// How many at most
    #[arg(long, default_value_t = 50)]
    pub limit: usize,
}

#[derive(Debug, Subcommand)]
pub enum JournalCommand {
    /// The whole journal, one JSON document per line
    Export,
    /// Check the chain, row by row
    Verify,
}

#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// A person's tokens
    List {
        /// The person: a login, the name, or the id
        person: String,
    },
    /// Issue a token for a program of the home (role service); it is shown once
    Add {
        /// The program: a login, the name, or the id
        person: String,
        /// What it is for
        #[arg(long)]
        name: String,
        /// What it may do, as see:meter or submit:*; repeat for more
        #[arg(long, required = true)]
        scope: Vec<String>,
        /// It ends after so many days, at most 365
        #[arg(long, default_value_t = 90)]
        days: u32,
    },
    /// End a token
    End {
        /// The person: a login, the name, or the id
        person: String,
        /// The token's id in `token list`
        token: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum CertificateCommand {
    /// The authority that devices are told to trust, and its fingerprint
    Show,
    /// A certificate for a client of a program (role service); certificate and key are shown once
    Client {
        /// The program: a login, the name, or the id
        person: String,
        /// What it is for
        #[arg(long)]
        name: String,
        /// It ends after so many days, at most 825
        #[arg(long, default_value_t = 365)]
        days: u32,
    },
}
