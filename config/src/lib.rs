//! The settings file `domovoi.toml`, typed and checked. It is static and without secrets: what a page can change lives
//! in the store, what must not be read lives in the vault.
//!
//! Deliberately without environment variables, includes and merging: what is in the file is what counts.

pub mod catalogue;
mod mistake;
mod reader;
mod rooms;
mod scalar;
mod sections;
mod window;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use toml::de::DeTable;

pub use mistake::Mistake;
pub use sections::alerts::{AlertFeed, AlertsSection};
pub use sections::calendar::CalendarSection;
pub use sections::cameras::{CameraPlace, CamerasSection, Network, Patience, SpoolFull};
pub use sections::channels::{BotSection, ChannelsSection, NtfySection, SirenSection, VoiceSection};
pub use sections::clouds::{CloudSection, CloudsSection};
pub use sections::devices::DevicesSection;
pub use sections::dialects::Dialects;
pub use sections::external_broker::ExternalBroker;
pub use sections::history::{HistorySection, Kept};
pub use sections::home::{Home, Language};
pub use sections::log::{Log, LogFormat};
pub use sections::mail::{Mail, MailTls};
pub use sections::mqtt::{Mqtt, OldestTls, Rate, Refusal311, RetainedCommands};
pub use sections::notify::NotifySection;
pub use sections::portal::{Dpop, Portal, Profile};
pub use sections::presence::PresenceSection;
pub use sections::scenarios::ScenariosSection;
pub use sections::sift::SiftRule;
pub use sections::sign_in::SignInSection;
pub use sections::sms::{Sms, SmsFormat, SmsGateway};
pub use sections::store::{Control, StoreSection};
pub use sections::submission::Submission;
pub use sections::supplier::{Late, Rounding, Service, Supplier};
pub use sections::vault::{Master, PassphraseFrom, VaultSection};
pub use sections::web::{Acme, Certificate, Challenge, Web, WebName};
pub use window::{MonthDay, Window};

use mistake::Source;
use reader::Section;

/// A settings file of this size was not written by a person.
const MAX_FILE: u64 = 1 << 20;

/// Everything that the settings file can say.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The home as a whole.
    pub home: Home,
    /// Where data are kept.
    pub store: StoreSection,
    /// How much of the past is kept.
    pub history: HistorySection,
    /// How the vault is opened.
    pub vault: VaultSection,
    /// The embedded broker.
    pub mqtt: Mqtt,
    /// The page and the API.
    pub web: Web,
    /// How long people stay signed in.
    pub sign_in: SignInSection,
    /// The mail server for messages to people.
    pub mail: Option<Mail>,
    /// The gateway for short messages.
    pub sms: Option<Sms>,
    /// The other ways to reach people.
    pub channels: ChannelsSection,
    /// A broker that the home already has.
    pub external_broker: Option<ExternalBroker>,
    /// Where devices speak.
    pub dialects: Dialects,
    /// How devices are connected.
    pub devices: DevicesSection,
    /// Cameras and recordings.
    pub cameras: CamerasSection,
    /// Warnings of weather and emergency services.
    pub alerts: AlertsSection,
    /// How people are told.
    pub notify: NotifySection,
    /// The calendar.
    pub calendar: CalendarSection,
    /// Makers' clouds.
    pub clouds: CloudsSection,
    /// Who is at home.
    pub presence: PresenceSection,
    /// Scenarios.
    pub scenarios: ScenariosSection,
    /// What is left out of history.
    pub sift: Vec<SiftRule>,
    /// Whom the hub may be linked with.
    pub portal: Option<Portal>,
    /// The pace of submission.
    pub submission: Submission,
    /// Who takes readings.
    pub suppliers: Vec<Supplier>,
    /// The daemon's log.
    pub log: Log,
    /// The way in for the command line.
    pub control: Control,
}

impl Settings {
    /// Reads the file. Relative paths in it start from its own folder.
    pub fn load(path: &Path) -> Result<Settings, Vec<Mistake>> {
        let file = path.display().to_string();
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let base_dir = whole.parent().unwrap_or(Path::new("/"));
        let of_file = |message: String, suggestion| vec![Mistake::of_file(&file, message, suggestion)];
        let bytes = read_capped(path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => of_file(
                "there is no such file".to_owned(),
                Some("name another with `--config`, or start from `config/domovoi.toml`"),
            ),
            _ => of_file(format!("cannot be read: {e}"), Some("look at its owner and mode")),
        })?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(vec![too_large(&file)]);
        }
        match String::from_utf8(bytes) {
            Ok(text) => Settings::parse(&text, &file, base_dir),
            Err(e) => {
                let line = e.as_bytes().iter().take(e.utf8_error().valid_up_to()).filter(|b| **b == b'\n').count() + 1;
                Err(of_file(format!("is not UTF-8 text (line {line})"), Some("save it in the encoding UTF-8")))
            }
        }
    }

    /// Reads the text of a file. `file` is only for the mistakes; relative paths start from `base_dir`.
    pub fn parse(text: &str, file: &str, base_dir: &Path) -> Result<Settings, Vec<Mistake>> {
        let (settings, mistakes, _) = inspect(text, file, base_dir);
        if mistakes.is_empty() { Ok(settings) } else { Err(mistakes) }
    }

    /// What an empty file says.
    pub fn defaults(base_dir: &Path) -> Settings {
        // A relative folder would be joined to itself where a path within it is looked up.
        let base_dir = std::path::absolute(base_dir).unwrap_or_else(|_| base_dir.to_owned());
        read(&Source::new("", ""), &base_dir, DeTable::new())
    }
}

/// Also every key that a reader asked for, for the tests of the reference file.
fn inspect(text: &str, file: &str, base_dir: &Path) -> (Settings, Vec<Mistake>, BTreeSet<String>) {
    if text.len() as u64 > MAX_FILE {
        return (Settings::defaults(base_dir), vec![too_large(file)], BTreeSet::new());
    }
    let source = Source::new(file, text);
    let entries = reader::document(&source, text);
    let settings = read(&source, base_dir, entries);
    let (mistakes, known) = source.into_findings();
    (settings, mistakes, known)
}

/// Always answers with something; it counts only if no mistake was reported.
fn read<'s>(source: &'s Source<'s>, base_dir: &'s Path, entries: DeTable<'s>) -> Settings {
    use sections::{
        alerts, calendar, cameras, channels, clouds, devices, dialects, external_broker, history, home, log, mail,
        mqtt, notify, portal, presence, scenarios, sift, sign_in, sms, store, submission, supplier, vault, web,
    };

    let mut root = Section::root(source, base_dir, entries);
    let home = home::read(root.take_section("home"));
    let store = store::read(root.take_section("store"));
    let history = history::read(root.take_section("history"));
    let vault = vault::read(root.take_section("vault"), &store.data_dir);
    let mqtt_line = root.place_of("mqtt").map_or(0, |at| source.line(at));
    let mqtt = mqtt::read(root.take_section("mqtt"));
    let web = web::read(root.take_section("web"));
    let sign_in = sign_in::read(root.take_section("sign_in"));
    let mail = root.take_table("mail").map(mail::read);
    let sms = root.take_table("sms").and_then(sms::read);
    let channels = channels::read(root.take_section("channels"));
    let external_broker =
        root.take_table("external_broker").map(|section| external_broker::read(section, &mqtt, mqtt_line));
    let dialects = dialects::read(root.take_section("dialects"));
    let devices = devices::read(root.take_section("devices"));
    let cameras = cameras::read(root.take_section("cameras"), &store.data_dir);
    let alerts = alerts::read(root.take_section("alerts"), &home);
    let notify = notify::read(root.take_section("notify"));
    let calendar = calendar::read(root.take_section("calendar"));
    let clouds = clouds::read(root.take_section("clouds"));
    let presence = presence::read(root.take_section("presence"));
    let scenarios = scenarios::read(root.take_section("scenarios"));
    let sift = sift::read_all(&mut root);
    let portal = root.take_table("portal").and_then(portal::read);
    let suppliers = supplier::read_all(&mut root, &home.time_zone);
    let submission = submission::read(root.take_section("submission"), &suppliers);
    let log = log::read(root.take_section("log"));
    let control = store::read_control(root.take_section("control"), &store.data_dir);
    root.finish();
    let suppliers = suppliers.into_iter().map(|(_, supplier)| supplier).collect();
    Settings {
        home,
        store,
        history,
        vault,
        mqtt,
        web,
        sign_in,
        mail,
        sms,
        channels,
        external_broker,
        dialects,
        devices,
        cameras,
        alerts,
        notify,
        calendar,
        clouds,
        presence,
        scenarios,
        sift,
        portal,
        submission,
        suppliers,
        log,
        control,
    }
}

fn too_large(file: &str) -> Mistake {
    Mistake::of_file(file, "is larger than 1 MiB".to_owned(), Some("is it the right file?"))
}

/// At most one byte more than a settings file may have. A pipe or a device is refused before it can block.
fn read_capped(path: &Path) -> io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not an ordinary file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
