//! Runs every capture in `testdata/` and throws rubbish at every dialect. A dialect without captures fails here.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use domovoi_model::{Command, CommandTarget, DeviceRef, Moment, Observation, Quality, Timestamp, Unit, Value};
use proptest::prelude::*;
use rust_decimal::Decimal;
use serde::Deserialize;

use super::*;

/// How many cases each dialect must have at least.
const MIN_CASES: usize = 12;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Capture {
    provenance: Provenance,
    /// Base topics other than the default ones.
    bases: Option<Vec<String>>,
    /// What the owner mapped himself.
    #[serde(default)]
    mapping: Vec<Owned>,
    /// Keys of meters, as `id=32 hexadecimal digits`.
    #[serde(default)]
    keys: Vec<String>,
    /// What the directory has learnt from before any case.
    #[serde(default)]
    heard: Vec<Heard>,
    case: Vec<Case>,
}

/// A mapping, as a file spells it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Owned {
    id: String,
    name: Option<String>,
    /// Topic, the word for yes, the word for no.
    presence: Option<[String; 3]>,
    row: Vec<OwnedRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnedRow {
    property: String,
    topic: String,
    #[serde(default)]
    read: String,
    /// `number`, `text`, `on/off` for the two words of a switch, `a|b|c` for a choice.
    shape: String,
    #[serde(default)]
    unit: String,
    class: Option<String>,
    factor: Option<String>,
    offset: Option<String>,
    /// Topic and payload of commands.
    told: Option<[String; 2]>,
    #[serde(default)]
    leak: bool,
    #[serde(default)]
    event: bool,
}

fn mapping(owned: &Owned) -> Mapping {
    let row = |row: &OwnedRow| {
        let shape = match row.shape.as_str() {
            "number" => report::number(),
            "text" => Shape::Text,
            words if words.contains('|') => Shape::Choice(words.split('|').map(str::to_owned).collect()),
            words => report::switch(words.split_once('/').unwrap().0, words.split_once('/').unwrap().1),
        };
        let decimal = |text: &Option<String>| text.as_ref().map(|text| text.parse().unwrap());
        Row {
            read: row.read.clone(),
            unit: Unit::parse(&row.unit).unwrap(),
            class: row.class.clone(),
            factor: decimal(&row.factor),
            offset: decimal(&row.offset),
            told: row.told.clone().map(|[topic, payload]| Told { topic, payload }),
            hazard: row.leak.then_some(domovoi_model::Hazard::WaterLeak),
            is_event: row.event,
            ..Row::new(&row.property, &row.topic, shape)
        }
    };
    Mapping {
        id: owned.id.clone(),
        name: owned.name.clone(),
        presence: owned.presence.clone().map(|[topic, online, offline]| (topic, online, offline)),
        rows: owned.row.iter().map(row).collect(),
        ..Mapping::default()
    }
}

fn key(text: &str) -> (&str, [u8; 16]) {
    let (id, digits) = text.split_once('=').unwrap();
    (id, std::array::from_fn(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Provenance {
    document: String,
    firmware: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Heard {
    topic: String,
    payload: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// What is heard before it, for this case alone; it may be faulty.
    #[serde(default)]
    after: Vec<Heard>,
    topic: Option<String>,
    #[serde(default)]
    payload: String,
    /// `payload` as hexadecimal digits, for what is no text.
    #[serde(default)]
    hex: bool,
    /// `payload` has this word in it; it is replaced by its `times`-fold repetition.
    repeat: Option<String>,
    #[serde(default)]
    times: usize,
    #[serde(default)]
    retained: bool,
    /// Which device it is claimed for; nobody's when absent.
    claims: Option<String>,
    #[serde(default)]
    observations: Vec<String>,
    #[serde(default)]
    announcements: Vec<String>,
    #[serde(default)]
    faults: Vec<String>,
    /// What it says of who can be reached, if the case is about that.
    reached: Option<Vec<String>>,
    /// What is asked in return, as `topic payload`, if the case is about that.
    asks: Option<Vec<String>>,
    /// What a bridge answers, if the case is about that.
    replies: Option<Vec<String>>,
    /// Which telegrams only a key would open, if the case is about that.
    locked: Option<Vec<String>>,
    error: Option<String>,
    #[serde(default)]
    command: Vec<Said>,
    #[serde(default)]
    errand: Vec<Asked>,
    /// What the house says when its broker is there again.
    greetings: Option<Vec<String>>,
    #[serde(default)]
    property: Vec<Known>,
    #[serde(default)]
    retains: Vec<Retains>,
}

/// An errand: `permit_join`, `rename`, `remove`, `force_remove`, `interview`, `configure`, `refresh`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    errand: String,
    device: String,
    /// The new name.
    #[serde(default)]
    to: String,
    #[serde(default)]
    seconds: u16,
    #[serde(default)]
    sends: Vec<String>,
    refused: Option<String>,
}

/// What is known of a property besides what an announcement spells.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    device: String,
    name: String,
    is: String,
}

/// Where messages of a device may be retained.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Retains {
    device: String,
    topics: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    device: String,
    property: String,
    /// A TOML boolean, a string, or a number spelled as a string in `number`.
    flag: Option<bool>,
    text: Option<String>,
    number: Option<String>,
    /// `topic payload`, one for each publish.
    #[serde(default)]
    sends: Vec<String>,
    refused: Option<String>,
    /// Values (as JSON) that, reported of the property, confirm the command, and values that do not.
    #[serde(default)]
    confirmed_by: Vec<String>,
    #[serde(default)]
    not_by: Vec<String>,
}

fn envelope<'a>(topic: &'a str, payload: &'a [u8]) -> Envelope<'a> {
    Envelope {
        road: if clouds::is_topic(topic) { Road::Cloud } else { Road::Embedded },
        sender: "test",
        topic,
        payload,
        retained: false,
        received_at: Moment::Wall(Timestamp(1_795_300_000_000)),
    }
}

fn spell_value(value: &Value) -> String {
    match value {
        Value::Text(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}

fn spell(o: &Observation) -> String {
    let mut out = format!("{} {} = {}", o.device, o.property, spell_value(&o.value));
    if o.unit != Unit::None {
        write!(out, " {}", o.unit).unwrap();
    }
    if let Quality::Suspect(words) = &o.quality {
        write!(out, " suspect({words})").unwrap();
    }
    if let Some(at) = o.device_time {
        write!(out, " @{at}").unwrap();
    }
    if let Some(hazard) = o.hazard {
        write!(out, " !{hazard:?}").unwrap();
    }
    out
}

fn spell_property(p: &PropertyInfo) -> String {
    let bound = |b: &Option<Decimal>| b.map_or_else(String::new, |b| b.to_string());
    let mut out = format!("{}:", p.name);
    out += &match &p.shape {
        Shape::Unknown => "unknown".to_owned(),
        Shape::Number { min: None, max: None } => "number".to_owned(),
        Shape::Number { min, max } => format!("number {}..{}", bound(min), bound(max)),
        Shape::Switch { on, off } => format!("switch {on}/{off}"),
        Shape::Choice(words) => format!("choice {}", words.join("/")),
        Shape::Text => "text".to_owned(),
    };
    if p.unit != Unit::None {
        out += &format!(" {}", p.unit);
    }
    if p.writable {
        out += " set";
    }
    out
}

/// Everything that an announcement's line leaves out.
fn spell_details(p: &PropertyInfo) -> String {
    let mut out = spell_property(p);
    if !p.reported {
        out += " silent";
    }
    if let Some(step) = p.step {
        write!(out, " step {step}").unwrap();
    }
    for preset in &p.presets {
        write!(out, " {}={}", preset.name, preset.value).unwrap();
    }
    if let Some(label) = &p.label {
        write!(out, " «{label}»").unwrap();
    }
    if let Some(class) = &p.class {
        write!(out, " [{class}]").unwrap();
    }
    match p.category {
        Category::Main => {}
        Category::Setting => out += " setting",
        Category::Diagnostic => out += " diagnostic",
    }
    if let Some(hazard) = p.hazard {
        write!(out, " !{hazard:?}").unwrap();
    }
    if let Some(warning) = p.warning {
        write!(out, " warns of {}", warning.code()).unwrap();
    }
    if let Some(hearsay) = p.hearsay {
        write!(out, " {}", hearsay.code()).unwrap();
    }
    if let Some(date) = &p.dated_by {
        write!(out, " as of {date}").unwrap();
    }
    if let Some(after) = p.off_after_s {
        write!(out, " off after {after} s").unwrap();
    }
    if let Some(after) = p.expires_after_s {
        write!(out, " expires after {after} s").unwrap();
    }
    if p.reach != 0 {
        write!(out, " reach {}", p.reach).unwrap();
    }
    if let Some(why) = &p.broken {
        write!(out, " broken: {why}").unwrap();
    }
    out
}

fn spell_reached(reached: &Reached) -> String {
    let word = if reached.available { "yes" } else { "no" };
    format!("{} {}.{} {word}", reached.device, reached.group, reached.source)
}

fn spell_outgoing(out: &Outgoing) -> String {
    assert!(!out.retain && !out.topic.contains(['+', '#', '\0']), "{out:?}");
    format!("{} {}", out.topic, std::str::from_utf8(&out.payload).unwrap())
}

fn spell_reply(reply: &Reply) -> String {
    format!("{}: {}", reply.transaction, reply.error.as_deref().unwrap_or("done"))
}

fn errand(asked: &Asked) -> Errand {
    let device = DeviceRef::parse(&asked.device).unwrap();
    match asked.errand.as_str() {
        "permit_join" => Errand::PermitJoin { via: device, seconds: asked.seconds },
        "rename" => Errand::Rename { device, to: asked.to.clone() },
        "remove" => Errand::Remove { device, force: false },
        "force_remove" => Errand::Remove { device, force: true },
        "interview" => Errand::Interview(device),
        "configure" => Errand::Configure(device),
        "refresh" => Errand::Refresh(device),
        other => panic!("there is no errand {other}"),
    }
}

fn spell_announcement(a: &Announcement) -> String {
    if a.gone {
        return format!("{} gone", a.device);
    }
    let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let properties: Vec<String> = a.properties.iter().map(spell_property).collect();
    format!(
        "{} | {} | {} | {} | speaks {} | listens {} | {}",
        a.device,
        word(&a.alias),
        word(&a.name),
        word(&a.model),
        a.speaks.join(" "),
        a.listens.join(" "),
        properties.join(", ")
    )
}

fn spell_fault(fault: &Fault) -> String {
    assert!(fault.excerpt.chars().count() <= 80 && !fault.excerpt.chars().any(char::is_control), "{fault:?}");
    assert!(fault.at.chars().count() <= 80 && !fault.at.chars().any(char::is_control), "{fault:?}");
    format!("{} at {}", fault.what.code(), fault.at)
}

fn hear(directory: &mut Directory, topic: &str, payload: &str) {
    let envelope = envelope(topic, payload.as_bytes());
    let (dialect, found) = claim(&envelope, directory).unwrap_or_else(|| panic!("nobody claims {topic}"));
    let decoded = (dialect.decode)(&found, &envelope, directory).unwrap();
    assert!(decoded.faults.is_empty(), "{:?}", decoded.faults);
    for announcement in &decoded.announcements {
        directory.learn(announcement);
    }
}

fn payload(case: &Case) -> Vec<u8> {
    if case.hex {
        let digits: Vec<u8> = case.payload.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        return pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
    }
    match &case.repeat {
        Some(word) => case.payload.replacen(word.as_str(), &word.repeat(case.times), 1).into_bytes(),
        None => case.payload.clone().into_bytes(),
    }
}

fn compare(failures: &mut Vec<String>, place: &str, what: &str, wanted: &[String], got: &[String]) {
    if wanted != got {
        failures.push(format!("{place}: {what}\n  wanted {wanted:#?}\n  got {got:#?}"));
    }
}

fn run(name: &str, place: &str, case: &Case, directory: &Directory, failures: &mut Vec<String>) {
    if let Some(topic) = &case.topic {
        let payload = payload(case);
        let envelope = Envelope { retained: case.retained, ..envelope(topic, &payload) };
        let found = claim(&envelope, directory);
        let claimed = found.as_ref().map(|(_, found)| found.device.to_string());
        if claimed != case.claims {
            failures.push(format!("{place}: wanted the claim {:?}, got {claimed:?}", case.claims));
        }
        if let Some((dialect, found)) = found {
            assert_eq!((dialect.name, found.dialect, found.device.dialect.as_str()), (name, name, name), "{place}");
            let result = (dialect.decode)(&found, &envelope, directory);
            let error = result.as_ref().err().map(|error| spell_fault(&error.0));
            if error != case.error {
                failures.push(format!("{place}: wanted the error {:?}, got {error:?}", case.error));
            }
            let decoded = result.unwrap_or_default();
            let observations: Vec<String> = decoded.observations.iter().map(spell).collect();
            compare(failures, place, "observations", &case.observations, &observations);
            let announcements: Vec<String> = decoded.announcements.iter().map(spell_announcement).collect();
            compare(failures, place, "announcements", &case.announcements, &announcements);
            let faults: Vec<String> = decoded.faults.iter().map(spell_fault).collect();
            compare(failures, place, "faults", &case.faults, &faults);
            let reached: Vec<String> = decoded.reached.iter().map(spell_reached).collect();
            let asks: Vec<String> = decoded.asks.iter().map(spell_outgoing).collect();
            let replies: Vec<String> = decoded.replies.iter().map(spell_reply).collect();
            let locked: Vec<String> =
                decoded.locked.iter().map(|locked| format!("{} {:?}", locked.device, locked.why)).collect();
            for (what, wanted, got) in [
                ("reached", &case.reached, reached),
                ("asks", &case.asks, asks),
                ("replies", &case.replies, replies),
                ("locked", &case.locked, locked),
            ] {
                if let Some(wanted) = wanted {
                    compare(failures, place, what, wanted, &got);
                }
            }
        }
    }
    for said in &case.command {
        let value = match (said.flag, &said.text, &said.number) {
            (Some(flag), None, None) => Value::Bool(flag),
            (None, Some(text), None) => Value::Text(text.clone()),
            (None, None, Some(number)) => Value::Number(number.parse().unwrap()),
            _ => panic!("{place}: a command has one value"),
        };
        let device = DeviceRef::parse(&said.device).unwrap();
        let command = Command { target: CommandTarget { device, property: said.property.clone() }, value };
        for (reports, wanted) in [(&said.confirmed_by, true), (&said.not_by, false)] {
            for report in reports {
                let observation = Observation {
                    device: command.target.device.clone(),
                    property: command.target.property.clone(),
                    value: json::scalar(report).unwrap().unwrap(),
                    unit: Unit::None,
                    quality: Quality::Good,
                    device_time: None,
                    hazard: None,
                };
                if (dialect(name).unwrap().confirms)(&command, &observation, directory) != wanted {
                    failures.push(format!("{place}: {command:?} confirmed by {report}: wanted {wanted}"));
                }
            }
        }
        let (sends, refused) = match (dialect(name).unwrap().encode)(&command, directory) {
            Ok(sends) => (sends, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        assert!(sends.iter().all(|out| !out.retain && out.qos == 1), "{place}: a command is never retained");
        for out in &sends {
            assert!(is_command(&out.topic, directory), "{place}: {} is where a device takes commands", out.topic);
        }
        let sends: Vec<String> =
            sends.into_iter().map(|out| format!("{} {}", out.topic, String::from_utf8(out.payload).unwrap())).collect();
        compare(failures, place, "sends", &said.sends, &sends);
        if refused != said.refused {
            failures.push(format!("{place}: wanted the refusal {:?}, got {refused:?}", said.refused));
        }
    }
}

/// What a case says of a dialect besides messages and commands.
fn ask(name: &str, place: &str, case: &Case, directory: &Directory, failures: &mut Vec<String>) {
    let dialect = dialect(name).unwrap();
    for asked in &case.errand {
        let (sends, refused) = match (dialect.errand)(&errand(asked), "t-1", directory) {
            Ok(sends) => (sends.iter().map(spell_outgoing).collect(), None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        compare(failures, place, &format!("sends of {}", asked.errand), &asked.sends, &sends);
        if refused != asked.refused {
            failures.push(format!("{place}: wanted the refusal {:?}, got {refused:?}", asked.refused));
        }
    }
    if let Some(greetings) = &case.greetings {
        let said: Vec<String> = (dialect.greetings)(directory).iter().map(spell_outgoing).collect();
        compare(failures, place, "greetings", greetings, &said);
    }
    for known in &case.property {
        let device = DeviceRef::parse(&known.device).unwrap();
        let is = directory.property(&device, &known.name).map(spell_details).unwrap_or_default();
        compare(failures, place, "property", std::slice::from_ref(&known.is), &[is]);
    }
    for retains in &case.retains {
        let topics = (dialect.retained)(&DeviceRef::parse(&retains.device).unwrap(), directory);
        compare(failures, place, "retained", &retains.topics, &topics);
    }
}

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut out: Vec<PathBuf> = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    out.sort();
    out
}

#[test]
fn every_dialect_understands_its_captures() {
    let mut failures = Vec::new();
    let folders = folders();
    for dialect in mqtt::DIALECTS.iter().chain(clouds::CLOUDS.iter().map(|cloud| &cloud.dialect)) {
        let name = dialect.name;
        let Some(folder) = folders.iter().find(|folder| folder.ends_with(name)) else {
            failures.push(format!("{name}: no captures; put some into adapters/testdata/{name}/"));
            continue;
        };
        let mut cases = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let file = file.unwrap().path();
            let text = std::fs::read_to_string(&file).unwrap();
            let capture: Capture = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            assert!(!capture.provenance.document.is_empty() && !capture.provenance.firmware.is_empty());
            let mut directory = Directory::default();
            if let Some(bases) = &capture.bases {
                directory.set_bases(name, bases).unwrap();
            }
            directory.set_mappings(capture.mapping.iter().map(mapping).collect()).unwrap();
            for (id, key) in capture.keys.iter().map(|text| key(text)) {
                directory.set_key(id, Some(key));
            }
            for heard in &capture.heard {
                hear(&mut directory, &heard.topic, &heard.payload);
            }
            for case in &capture.case {
                cases += 1;
                let place = format!("{}: {}", file.file_name().unwrap().to_string_lossy(), case.name);
                let mut directory = Cow::Borrowed(&directory);
                for heard in &case.after {
                    // What cannot be read at all changes nothing.
                    let _ = take(directory.to_mut(), &heard.topic, heard.payload.clone().into_bytes());
                }
                run(name, &place, case, &directory, &mut failures);
                ask(name, &place, case, &directory, &mut failures);
            }
        }
        if cases < MIN_CASES {
            failures.push(format!("{name}: {cases} captured cases, at least {MIN_CASES} are wanted"));
        }
    }
    // Warnings come over no broker: they have a reader and a test of their own.
    for folder in folders.iter().filter(|folder| !folder.ends_with("cap")) {
        if dialect(&folder.file_name().unwrap().to_string_lossy()).is_none() {
            failures.push(format!("{}: no dialect of that name", folder.display()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What a library panics on is caught (`wmbus`): a profile that aborts would let a neighbour's noise stop the house.
#[test]
fn no_profile_aborts_on_a_panic() {
    let manifest = include_str!("../../Cargo.toml");
    let lines = manifest.lines().map(|line| line.split('#').next().unwrap_or_default().replace(' ', ""));
    let aborts: Vec<String> = lines.filter(|line| line.starts_with("panic=") && line.contains("abort")).collect();
    assert!(aborts.is_empty(), "{aborts:?}");
}

#[test]
fn no_two_dialects_have_one_name() {
    for (i, dialect) in mqtt::DIALECTS.iter().enumerate() {
        assert!(mqtt::DIALECTS.iter().skip(i + 1).all(|other| other.name != dialect.name));
        // What an owner maps himself he has yet to map.
        let asks = dialect.name == "mapping" || !(dialect.topics)(&Directory::default()).is_empty();
        assert!(asks, "{} asks for nothing", dialect.name);
    }
}

#[test]
fn brokers_are_asked_for_what_is_claimed() {
    let mut directory = Directory::default();
    directory.set_bases("tasmota", &["%prefix%/%topic%".to_owned(), "home/x%topic%y/%id%".to_owned()]).unwrap();
    let topics = |directory: &Directory, name| (dialect(name).unwrap().topics)(directory);
    assert_eq!(topics(&directory, "zigbee2mqtt"), ["zigbee2mqtt/#"]);
    assert_eq!(topics(&directory, "wmbusmeters"), ["wmbusmeters/#"]);
    let usual = [
        "tasmota/discovery/+/config",
        "tasmota/discovery/+/sensors",
        "tele/+/+",
        "stat/+/+",
        "home/+/+/tele/+",
        "home/+/+/stat/+",
    ];
    assert_eq!(topics(&directory, "tasmota"), usual);
    let config = r#"{"mac":"AABBCCDDEEFF","t":"lamp","ft":"дом/%topic%/%prefix%/"}"#;
    hear(&mut directory, "tasmota/discovery/AABBCCDDEEFF/config", config);
    let config = r#"{"mac":"AABBCCDDEE00","t":"plug","ft":"%prefix%/%topic%/"}"#;
    hear(&mut directory, "tasmota/discovery/AABBCCDDEE00/config", config);
    let more = [&usual[..], &["дом/lamp/stat/+", "дом/lamp/tele/+"]].concat();
    assert_eq!(topics(&directory, "tasmota"), more);
    let found = claim(&envelope("home/xpumpy/001122334455/tele/STATE", &[]), &directory);
    assert_eq!(found.map(|(_, found)| found.device.id).as_deref(), Some("topic:pump"));
}

#[test]
fn a_directory_follows_renames_and_tells_who_was_displaced() {
    let of = |id: &str, topic: &str| Announcement {
        alias: Some(topic.to_owned()),
        speaks: vec![topic.to_owned()],
        ..Announcement::of(DeviceRef::new("zigbee2mqtt", id))
    };
    let mut directory = Directory::default();
    assert!(directory.learn(&of("a", "z/1")).changed);
    assert!(!directory.learn(&of("a", "z/1")).changed);
    directory.learn(&of("b", "z/2"));
    // The two swap names in one list: for a moment both claim z/2.
    assert_eq!(directory.learn(&of("a", "z/2")).displaced, [DeviceRef::new("zigbee2mqtt", "b")]);
    assert_eq!(directory.learn(&of("b", "z/1")).displaced, []);
    let speaker = |directory: &Directory, topic| directory.speaker("zigbee2mqtt", topic).map(|(d, _)| d.id.clone());
    assert_eq!(speaker(&directory, "z/2").as_deref(), Some("a"));
    assert_eq!(speaker(&directory, "z/1/x").as_deref(), Some("b"));
    assert_eq!(directory.called("zigbee2mqtt", "z/2").map(|d| d.id.as_str()), Some("a"));
    let gone = Announcement { gone: true, ..of("a", "") };
    assert!(directory.learn(&gone).changed);
    assert_eq!(speaker(&directory, "z/2"), None);
    assert!(directory.known(&DeviceRef::new("zigbee2mqtt", "a")).is_none());
}

#[test]
fn a_directory_has_an_end() {
    let mut directory = Directory::default();
    let mut n = 0;
    while !directory.learn(&Announcement::of(DeviceRef::new("wmbusmeters", format!("{n:08x}")))).full {
        n += 1;
        assert!(n < 100_000);
    }
    assert_eq!(directory.devices().count(), n);
}

#[test]
fn base_topics_are_checked() {
    let mut directory = Directory::default();
    let bases = |list: &[&str]| list.iter().map(|base| (*base).to_owned()).collect::<Vec<_>>();
    assert_eq!(directory.set_bases("zigbee2mqtt", &bases(&["z2m/", "Дом/зигби", "z2m"])), Ok(()));
    assert_eq!(directory.bases("zigbee2mqtt"), ["z2m", "Дом/зигби"]);
    assert_eq!(directory.set_bases("zigbee2mqtt", &[]), Err(BasesError::Empty));
    assert!(matches!(directory.set_bases("zigbee", &bases(&["a"])), Err(BasesError::UnknownDialect(_))));
    for bad in ["", "/", "a/#", "+/a", "a\u{0}b", "$SYS", "domovoi", "domovoi/x"] {
        let refused = directory.set_bases("zigbee2mqtt", &bases(&[bad]));
        assert_eq!(refused, Err(BasesError::BadTopic(bad.to_owned())));
    }
}

#[test]
fn numbers_are_exact_or_refused() {
    for (text, wanted) in [
        ("0", "0"),
        ("-0", "0"),
        ("7.704", "7.704"),
        ("7.70", "7.70"),
        ("0.1", "0.1"),
        ("1e-3", "0.001"),
        ("1E+3", "1000"),
        ("12.5e1", "125"),
        ("0e999999", "0"),
        ("79228162514264337593543950335", "79228162514264337593543950335"),
        ("1.0000000000000000000000000000000000", "1.000000000000000000000000000"),
        ("0.0000000000000000000000000001", "0.0000000000000000000000000001"),
    ] {
        let got = number::decimal(text).map(|n| n.to_string());
        let wanted = if text == "0e999999" { got.clone() } else { Some(wanted.to_owned()) };
        assert_eq!(got, wanted, "{text}");
        assert!(got.is_some());
    }
    for text in [
        "79228162514264337593543950336",
        "1e29",
        "1e-29",
        "1e400",
        "1e99999999999999999999",
        "0.00000000000000000000000000001",
        "1.00000000000000000000000000001",
        "NaN",
        "",
        "-",
        ".",
    ] {
        assert_eq!(number::decimal(text), None, "{text}");
    }
    assert_eq!(number::decimal(&"9".repeat(100_000)), None);
}

#[test]
fn times_need_a_zone_and_a_likely_year() {
    let at = |text: &str| stamp::timestamp(text).map(|at| at.to_string());
    assert_eq!(at("2026-11-21T22:25:00Z").as_deref(), Some("2026-11-21T22:25:00.000Z"));
    assert_eq!(at("2026-11-21T22:25:00.5+03:00").as_deref(), Some("2026-11-21T19:25:00.500Z"));
    assert_eq!(at("2026-11-21T22:25:00-0330").as_deref(), Some("2026-11-22T01:55:00.000Z"));
    for text in [
        "1111-11-11T11:11:11Z",
        "1970-01-01T00:00:10Z",
        "2026-11-21T22:25:00",
        "2026-02-30T00:00:00Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T22:25Z",
        "2026-11-21T22:25:00Z0300",
        "2026-11-21T22:25:00+3",
        "2026-11-21T22:25:00+я0",
        "завтра",
        "",
    ] {
        assert_eq!(at(text), None, "{text}");
    }
}

/// Topics that some dialect looks at, with anything in the middle.
fn topic() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        ".{0,20}".prop_map(|s| format!("zigbee2mqtt/{s}")),
        ".{0,20}".prop_map(|s| format!("zigbee2mqtt/{s}/availability")),
        Just("zigbee2mqtt/bridge/devices".to_owned()),
        Just("zigbee2mqtt/bridge/state".to_owned()),
        ".{0,20}".prop_map(|s| format!("wmbusmeters/{s}")),
        "(tele|stat|cmnd)/.{0,10}/(SENSOR|STATE|LWT|RESULT|POWER[0-9]{0,2})",
        "tasmota/discovery/[0-9A-F]{12}/(config|sensors)",
        "homeassistant/(device|sensor|switch|light|cover|.{0,9})/.{0,9}(/.{0,5})?/config",
        "/devices/.{0,6}/(meta|controls/.{0,6}(/meta(/(type|error|units))?)?)",
        "(shellyplus1-a8032ab12345|.{0,6})/(online|events/rpc|domovoi/rpc|status/switch:0)",
        "shellies/(announce|shelly1-AABBCC/(online|relay/0|roller/0/pos|sensor/gas|light/0/status))",
        "homie/(5/)?d/(\\$state|\\$description|\\$alert/x|n/p(/\\$(datatype|format|target))?)",
        "node/(status|(sensor|light|cover|climate)/x(/position)?/state)",
        "application/a/device/a840410000000001/event/(up|status|join|log|ack)",
        "watermeter/(MAC|Connection|main/(json|value|error|raw))",
        "solar/(dtu/status|ac/power|116180123456/(0/power|status/[a-z_]{1,12}))",
        "dsmr(/(json|telegram|reading/phase_voltage_l1))?",
        "rtl_433/pi/events",
    ]
}

/// JSON-like text with the words that matter in it, not always well formed.
fn jsonish() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "_",
        "id",
        "total_m3",
        "status",
        "timestamp",
        "ENERGY",
        "Total",
        "POWER",
        "Wifi",
        "RSSI",
        "mac",
        "t",
        "ft",
        "tp",
        "rl",
        "state",
        "water_leak",
        "color",
        "last_seen",
        "ieee_address",
        "friendly_name",
        "definition",
        "exposes",
        "features",
        "property",
        "type",
        "access",
        "unit",
        "values",
        "value_on",
        "src",
        "method",
        "params",
        "result",
        "switch:0",
        "homie",
        "nodes",
        "properties",
        "datatype",
        "deviceInfo",
        "devEui",
        "object",
        "error",
        "model",
        "data",
        "",
    ]);
    let leaf = prop_oneof![
        "-?[0-9]{1,40}(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,12})?",
        prop::sample::select(vec![
            "true",
            "false",
            "null",
            "NaN",
            "-Infinity",
            "\"NaN\"",
            "\"telegram\"",
            "\"12345699\"",
            "\"ON\"",
            "\"numeric\"",
            "\"binary\"",
            "\"0x00158d0001a2b3c4\"",
            "\"AABBCCDDEEFF\"",
            "\"shellyplus1-a8032ab12345\"",
            "\"NotifyStatus\"",
            "\"5.0\"",
            "\"float\"",
            "\"a840410000000001\"",
            "\"Wireless-MBus\"",
            "\"1844AE4C4455223368077A55000000041389E20100023B0000\"",
            "\"%prefix%/%topic%/\"",
            "\"\\ud800\"",
            "\"",
        ])
        .prop_map(str::to_owned),
        any::<String>().prop_map(|s| json::quoted(&s)),
    ];
    leaf.prop_recursive(5, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec((word.clone(), inner.clone()), 0..8).prop_map(|members| {
                let members: Vec<String> =
                    members.into_iter().map(|(k, v)| format!("{}:{v}", json::quoted(k))).collect();
                format!("{{{}}}", members.join(","))
            }),
            prop::collection::vec(inner, 0..8).prop_map(|elements| format!("[{}]", elements.join(","))),
        ]
    })
}

/// Claims, decodes and learns; answers what was decoded.
fn take(directory: &mut Directory, topic: &str, payload: Vec<u8>) -> Option<Result<Decoded, DecodeError>> {
    let envelope = envelope(topic, &payload);
    let (dialect, found) = claim(&envelope, directory)?;
    let decoded = (dialect.decode)(&found, &envelope, directory);
    match &decoded {
        Ok(decoded) => {
            decoded.faults.iter().for_each(|fault| drop(spell_fault(fault)));
            for announcement in &decoded.announcements {
                directory.learn(announcement);
                for property in announcement.properties.iter().map(|p| p.name.as_str()).chain(["state", "power"]) {
                    let target = CommandTarget { device: announcement.device.clone(), property: property.to_owned() };
                    for out in
                        (dialect.encode)(&Command { target, value: Value::Bool(true) }, directory).iter().flatten()
                    {
                        assert!(!out.retain && !out.topic.contains(['+', '#', '\0']), "{out:?}");
                    }
                }
            }
        }
        Err(error) => drop(spell_fault(&error.0)),
    }
    (dialect.topics)(directory);
    Some(decoded)
}

#[test]
fn a_command_is_told_from_what_a_device_says() {
    let mut directory = Directory::default();
    for (topic, yes) in [
        ("zigbee2mqtt/Лампа/set", true),
        ("zigbee2mqtt/Лампа/set/state", true),
        ("zigbee2mqtt/Лампа/get", true),
        ("zigbee2mqtt/bridge/request/permit_join", true),
        ("zigbee2mqtt/bridge/devices", false),
        ("zigbee2mqtt/Лампа", false),
        ("zigbee2mqtt/Лампа/availability", false),
        ("zigbee2mqtt/set", true),
        ("cmnd/plug/POWER", true),
        ("tele/plug/STATE", false),
        ("stat/plug/RESULT", false),
        ("wmbusmeters/12345699", false),
        ("esphome/switch/relay/command", true),
        ("shellies/x/relay/0/command", true),
        ("shellyplus1-a/rpc", true),
        ("home/lamp/set", true),
        ("/devices/wb-mr6c_12/controls/K1/on", true),
        ("/devices/wb-mr6c_12/controls/K1", false),
        ("homie/5/boiler/heat/target/set", true),
        ("homie/5/boiler/heat/target", false),
        ("application/a/device/a840410000000001/command/down", true),
        ("application/a/device/a840410000000001/event/up", false),
        ("watermeter/ctrl/flow_start", true),
        ("solar/116180123456/cmd/power", true),
        ("solar/116180123456/0/power", false),
        ("esphome/ping/garage", true),
        ("shellies/shelly1-AABBCC/relay/0", false),
        ("home/lamp/settings", false),
        ("home/lamp", false),
        ("set", true),
        ("", false),
    ] {
        assert_eq!(is_command(topic, &directory), yes, "{topic}");
    }
    let mut lamp = Announcement::of(DeviceRef::new("zigbee2mqtt", "0x00158d0001a2b3c4"));
    lamp.speaks = vec!["zigbee2mqtt/Кухня/set".to_owned()];
    directory.learn(&lamp);
    assert!(!is_command("zigbee2mqtt/Кухня/set", &directory), "a device that is called so says its state there");
    assert!(is_command("zigbee2mqtt/Кухня/set/set", &directory));
    let mut plug = Announcement::of(DeviceRef::new("tasmota", "5CCF7FA1B2C3"));
    plug.listens = vec!["garden/plug/orders".to_owned()];
    directory.learn(&plug);
    assert!(is_command("garden/plug/orders/POWER", &directory) && !is_command("garden/plug/ordersX/POWER", &directory));
}

proptest! {
    #[test]
    fn rubbish_never_panics(topic in topic(), payload in any::<Vec<u8>>()) {
        is_command(&topic, &Directory::default());
        take(&mut Directory::default(), &topic, payload);
    }

    #[test]
    fn almost_json_never_panics(messages in prop::collection::vec((topic(), jsonish()), 1..6)) {
        let mut directory = Directory::default();
        for (topic, payload) in messages {
            take(&mut directory, &topic, payload.into_bytes());
        }
    }

    #[test]
    fn decoded_numbers_equal_the_decimal_text(mantissa in any::<i64>(), scale in 0u32..=28, negative_scale in 0u32..9) {
        let plain = Decimal::from_i128_with_scale(i128::from(mantissa), scale);
        let exponent = format!("{mantissa}e-{scale}");
        let shifted = format!("{mantissa}E+{negative_scale}");
        let large = Decimal::from(mantissa) * Decimal::from(10i64.pow(negative_scale));
        for (text, wanted) in [(plain.to_string(), plain), (exponent, plain), (shifted, large)] {
            for (topic, payload) in [
                ("wmbusmeters/x", format!(r#"{{"_":"telegram","id":"12345699","total_m3":{text}}}"#)),
                ("tele/plug/SENSOR", format!(r#"{{"ENERGY":{{"Total":{text}}}}}"#)),
                ("zigbee2mqtt/plug", format!(r#"{{"energy":{text}}}"#)),
                ("solar/116180123456/0/yieldtotal", text.clone()),
                ("rtl_433/pi/events", format!(r#"{{"model":"X","id":1,"energy_kWh":{text}}}"#)),
            ] {
                let decoded = take(&mut Directory::default(), topic, payload.into_bytes()).unwrap().unwrap();
                prop_assert_eq!(&decoded.faults, &[]);
                prop_assert_eq!(decoded.observations[0].value.number(), Some(wanted));
                prop_assert_eq!(decoded.observations[0].value.to_string(), wanted.to_string());
            }
        }
    }
}
