//! Zigbee2MQTT's own MQTT contract: the list of devices with what they expose, states, availability, `…/set`.
//!
//! The identity is the IEEE address; a friendly name leads to it once the bridge has published its list, and until
//! then a device is `name:<friendly name>`. First forms only: no groups, no `output: attribute`, no composite in a
//! command. `bridge/info` is left alone: it carries the bridge's whole configuration.

mod exposes;

use std::borrow::Cow;

use std::time::Duration;

use domovoi_model::{Command, DeviceRef, Hazard, Observation, Quality, Timestamp, Unit, Value};

use crate::directory::is_base;
use crate::fault::printable;
use crate::json::{self, Json, MAX_PAYLOAD, Members};
use crate::plain;
use crate::{
    Announcement, Claim, DecodeError, Decoded, Dialect, Directory, EncodeError, Envelope, Fault, Outgoing,
    PropertyInfo, Shape, What, number, stamp,
};

const NAME: &str = "zigbee2mqtt";

/// The dialect.
pub const DIALECT: Dialect = Dialect {
    name: NAME,
    bases: &["zigbee2mqtt"],
    topics,
    claim,
    decode,
    encode,
    is_command,
    confirms: plain::confirms,
    greetings: plain::no_greetings,
    errand: plain::no_errands,
    retained: plain::nothing_retained,
    confirms_within: Duration::from_secs(10),
};

/// The list of devices has some 3.5 KB for each; the largest networks known have 300.
const MAX_DEVICES_PAYLOAD: usize = 4 << 20;
const MAX_DEVICES: usize = 2048;

/// Members of a state that are no property: firmware updates in progress, a copy of the device list's entry, and the
/// time, which becomes the observations' own.
const SKIPPED: &[&str] = &["update", "device", "last_seen"];

/// Units where the bridge's list is not known yet. A voltage is in mV on batteries and in V on plugs: no guess.
const WELL_KNOWN: &[(&str, Unit)] = &[
    ("temperature", Unit::Celsius),
    ("humidity", Unit::Percent),
    ("battery", Unit::Percent),
    ("power", Unit::Watt),
    ("energy", Unit::KilowattHour),
    ("linkquality", Unit::None),
    ("voltage", Unit::None),
    ("illuminance", Unit::Lux),
    ("pressure", Unit::Hectopascal),
];

const HAZARDS: &[(&str, Hazard)] = &[
    ("water_leak", Hazard::WaterLeak),
    ("gas", Hazard::Gas),
    ("smoke", Hazard::Smoke),
    ("carbon_monoxide", Hazard::CarbonMonoxide),
];

/// Everything below the base: names may contain slashes, so no narrower filter finds them all.
fn topics(directory: &Directory) -> Vec<String> {
    directory.bases(NAME).iter().map(|base| format!("{base}/#")).collect()
}

fn claim(envelope: &Envelope<'_>, directory: &Directory) -> Option<Claim> {
    let topic = envelope.topic;
    let (base, rest) = split(directory, topic)?;
    let claim = |device, part: &str| Some(Claim { dialect: NAME, device, part: part.to_owned() });
    match rest {
        "" | "bridge" => return None,
        "bridge/devices" | "bridge/state" => return claim(bridge(base), rest),
        _ if rest.starts_with("bridge/") => return None,
        _ => {}
    }
    match directory.speaker(NAME, topic) {
        Some((device, part @ ("" | "availability"))) => return claim(device.clone(), part),
        // What `output: attribute` writes below a device is never an object; what is may be a device not listed yet.
        Some(_) if !envelope.payload.starts_with(b"{") => return None,
        _ => {}
    }
    // Not known, so a name like «Кухня/set» cannot be told from a command and is taken for one.
    if rest.split('/').skip(1).any(|level| matches!(level, "set" | "get")) {
        return None;
    }
    match rest.strip_suffix("/availability") {
        Some(name) if !name.is_empty() => claim(provisional(directory, base, name), "availability"),
        _ => claim(provisional(directory, base, rest), ""),
    }
}

fn decode(claim: &Claim, envelope: &Envelope<'_>, directory: &Directory) -> Result<Decoded, DecodeError> {
    // An empty payload clears a retained message, as a rename does, and says nothing about the device.
    if envelope.payload.is_empty() {
        return Ok(Decoded::default());
    }
    match claim.part.as_str() {
        "bridge/devices" => devices(claim, envelope, directory),
        "bridge/state" => {
            let mut decoded = availability(claim, envelope)?;
            decoded.announcements.push(announce_bridge(&claim.device));
            Ok(decoded)
        }
        "availability" => availability(claim, envelope),
        _ => state(claim, envelope, directory),
    }
}

fn encode(command: &Command, directory: &Directory) -> Result<Vec<Outgoing>, EncodeError> {
    let (device, property) = (&command.target.device, &command.target.property);
    let unknown = || EncodeError::UnknownProperty { device: device.clone(), property: property.clone() };
    let known = directory.known(device);
    let topic = match known {
        Some(known) => known.listens.first().cloned(),
        None => provisional_topic(device, directory),
    };
    let Some(topic) = topic.filter(|_| device.dialect == NAME) else {
        return Err(EncodeError::UnknownDevice(device.clone()));
    };
    if !json::is_name(property) {
        return Err(unknown());
    }
    // A device that was not interviewed yet lists nothing; what it takes is then for the bridge to say.
    let info = known.and_then(|known| known.property(property));
    if info.is_none() && known.is_some_and(|known| !known.properties.is_empty()) {
        return Err(unknown());
    }
    if info.is_some_and(|info| !info.writable) {
        return Err(EncodeError::ReadOnly { device: device.clone(), property: property.clone() });
    }
    let said = say(property, &command.value, info).map_err(|wanted| EncodeError::BadValue {
        device: device.clone(),
        property: property.clone(),
        wanted,
    })?;
    let payload = format!("{{{}:{}}}", json::quoted(property), json::write(&said));
    Ok(vec![Outgoing::command(format!("{topic}/set"), payload)])
}

/// `…/set`, `…/get`, either with a property behind it, and what the bridge is asked to do.
fn is_command(topic: &str, directory: &Directory) -> bool {
    let Some((_, rest)) = split(directory, topic) else { return false };
    if let Some(asked) = rest.strip_prefix("bridge/") {
        return asked.starts_with("request/");
    }
    // A device may be called «Кухня/set».
    if let Some((_, "" | "availability")) = directory.speaker(NAME, topic) {
        return false;
    }
    rest.split('/').skip(1).any(|level| matches!(level, "set" | "get"))
}

/// The longest base that the topic is below, and what is below it.
fn split<'d, 't>(directory: &'d Directory, topic: &'t str) -> Option<(&'d str, &'t str)> {
    let below = |base: &'d String| Some((base.as_str(), topic.strip_prefix(base.as_str())?.strip_prefix('/')?));
    directory.bases(NAME).iter().filter_map(below).max_by_key(|(base, _)| base.len())
}

fn bridge(base: &str) -> DeviceRef {
    DeviceRef::new(NAME, format!("bridge:{base}"))
}

/// `0x` and 16 hexadecimal digits, lower case.
fn ieee(text: &str) -> Option<String> {
    let digits = text.strip_prefix("0x")?;
    let ok = digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    ok.then(|| text.to_ascii_lowercase())
}

/// A device without a name of its own goes by its address; the name of a bridge other than the first carries its base,
/// since two bridges may each have a «lamp».
fn provisional(directory: &Directory, base: &str, name: &str) -> DeviceRef {
    let is_first = directory.bases(NAME).first().is_some_and(|first| first == base);
    DeviceRef::new(
        NAME,
        match ieee(name) {
            Some(address) => address,
            None if is_first => format!("name:{name}"),
            None => format!("name:{base}/{name}"),
        },
    )
}

fn provisional_topic(device: &DeviceRef, directory: &Directory) -> Option<String> {
    let base = directory.bases(NAME).first()?;
    let topic = match device.id.strip_prefix("name:") {
        Some(name) => split(directory, name).map_or_else(|| format!("{base}/{name}"), |_| name.to_owned()),
        // The bridge takes an address for a name. With several bridges nobody knows yet which one has it.
        None if directory.bases(NAME).len() == 1 => format!("{base}/{}", ieee(&device.id)?),
        None => return None,
    };
    is_base(&topic).then_some(topic)
}

/// `{"state":"online"}`, or the bare word of versions before 2.0.
fn availability(claim: &Claim, envelope: &Envelope<'_>) -> Result<Decoded, DecodeError> {
    let text = json::text(envelope.payload, MAX_PAYLOAD)?.trim();
    let word = if text.starts_with('{') {
        let document = json::document(envelope.payload, MAX_PAYLOAD)?;
        let members = json::members(&document).map_err(|what| DecodeError::new(what, "state", text))?;
        members.text("state").unwrap_or_default()
    } else {
        text.to_owned()
    };
    let available = match word.as_str() {
        "online" => true,
        "offline" => false,
        _ => return Err(DecodeError::new(What::WrongType, "state (online or offline is wanted)", text)),
    };
    let observation = Observation {
        device: claim.device.clone(),
        property: "available".to_owned(),
        value: Value::Bool(available),
        unit: Unit::None,
        quality: Quality::Good,
        device_time: None,
        hazard: None,
    };
    Ok(Decoded { observations: vec![observation], ..Decoded::default() })
}

fn state(claim: &Claim, envelope: &Envelope<'_>, directory: &Directory) -> Result<Decoded, DecodeError> {
    let document = json::document(envelope.payload, MAX_PAYLOAD)?;
    let members = json::members(&document).map_err(|what| DecodeError::new(what, "the state", &document))?;
    let known = directory.known(&claim.device);
    let device_time = members.get("last_seen").and_then(last_seen);
    let mut out = Decoded::default();
    let mut pieces: Vec<(Cow<'_, str>, &str)> = Vec::with_capacity(members.list.len());
    for (key, raw) in members.list.iter().filter(|(key, _)| !SKIPPED.contains(&key.as_str())) {
        match Json::of(raw) {
            Json::Object(_) => match json::members(raw) {
                Ok(nested) => {
                    out.faults.extend(
                        nested.twice.iter().map(|(sub, raw)| Fault::new(What::SaidTwice, &format!("{key}_{sub}"), raw)),
                    );
                    let scalars = nested.list.iter().filter(|(_, raw)| !is_tree(raw));
                    pieces.extend(scalars.map(|(sub, raw)| (Cow::from(format!("{key}_{sub}")), *raw)));
                }
                Err(what) => out.faults.push(Fault::new(what, key, raw)),
            },
            Json::Array(_) => {}
            _ => pieces.push((Cow::from(key.as_str()), raw)),
        }
    }
    out.observations.reserve(pieces.len().min(json::MAX_MEMBERS));
    for (property, raw) in pieces.iter() {
        if out.observations.len() >= json::MAX_MEMBERS {
            out.faults.push(Fault::new(What::TooMany, property, ""));
            break;
        }
        match observe(claim, known, property, raw, device_time) {
            Ok(observation) => out.observations.extend(observation),
            Err(what) => out.faults.push(Fault::new(what, property, raw)),
        }
    }
    said_twice(claim, known, &members, device_time, &mut out);
    Ok(out)
}

/// A value given twice is not believed. But a danger given once is: better a false alarm than a silent leak.
fn said_twice(
    claim: &Claim,
    known: Option<&Announcement>,
    members: &Members<'_>,
    device_time: Option<Timestamp>,
    out: &mut Decoded,
) {
    for (key, raw) in &members.twice {
        out.faults.push(Fault::new(What::SaidTwice, key, raw));
        if let Ok(Some(observation)) = observe(claim, known, key, raw, device_time)
            && observation.hazard.is_some()
            && !out.observations.contains(&observation)
        {
            out.observations.push(observation);
        }
    }
}

fn is_tree(raw: &str) -> bool {
    matches!(Json::of(raw), Json::Array(_) | Json::Object(_))
}

fn observe(
    claim: &Claim,
    known: Option<&Announcement>,
    property: &str,
    raw: &str,
    device_time: Option<Timestamp>,
) -> Result<Option<Observation>, What> {
    if !json::is_name(property) {
        return Err(What::BadName);
    }
    let info = known.and_then(|known| known.property(property));
    let usual = WELL_KNOWN.iter().find(|(name, _)| *name == property).map(|(_, unit)| *unit);
    let Some(value) = json::scalar(raw)? else { return Ok(None) };
    let value = understand(property, value, info);
    let must_be_number = match info {
        Some(info) => matches!(info.shape, Shape::Number { .. }),
        None => usual.is_some(),
    };
    if must_be_number && value.number().is_none() {
        return Err(What::WrongType);
    }
    let unit = if value.number().is_some() { info.map(|info| info.unit).or(usual) } else { None };
    let hazard = HAZARDS.iter().find(|(name, _)| *name == property).map(|(_, hazard)| *hazard);
    Ok(Some(Observation {
        device: claim.device.clone(),
        property: property.to_owned(),
        hazard: hazard.filter(|_| value == Value::Bool(true)),
        value,
        unit: unit.unwrap_or(Unit::None),
        quality: Quality::Good,
        device_time,
    }))
}

/// A switch's words become yes and no. A JSON truth value stays what it is: `contact` has value_on = false, and its
/// `true` still means that the contact is closed.
fn understand(property: &str, value: Value, info: Option<&PropertyInfo>) -> Value {
    match (&value, info.map(|info| &info.shape)) {
        (Value::Bool(_), _) => value,
        (_, Some(Shape::Switch { on, .. })) if value == *on => Value::Bool(true),
        (_, Some(Shape::Switch { off, .. })) if value == *off => Value::Bool(false),
        (Value::Text(word), None) if is_state(property) && word == "ON" => Value::Bool(true),
        (Value::Text(word), None) if is_state(property) && word == "OFF" => Value::Bool(false),
        _ => value,
    }
}

fn is_state(property: &str) -> bool {
    property == "state" || property.starts_with("state_")
}

/// The opposite of `understand`; the error says what is wanted.
fn say(property: &str, value: &Value, info: Option<&PropertyInfo>) -> Result<Value, String> {
    match (info.map(|info| &info.shape), value) {
        (Some(Shape::Switch { on: Value::Bool(_), .. }), Value::Bool(_)) => Ok(value.clone()),
        (Some(Shape::Switch { on, off }), Value::Bool(flag)) => Ok(if *flag { on.clone() } else { off.clone() }),
        (Some(Shape::Switch { on, off }), _) if value == on || value == off => Ok(value.clone()),
        (Some(Shape::Switch { .. }), _) => Err("yes or no".to_owned()),
        (Some(Shape::Number { min, max }), Value::Number(number))
            if min.is_none_or(|min| *number >= min) && max.is_none_or(|max| *number <= max) =>
        {
            Ok(value.clone())
        }
        (Some(Shape::Number { min, max }), _) => {
            let bound = |bound: &Option<_>| bound.as_ref().map_or_else(|| "any".to_owned(), ToString::to_string);
            Err(format!("a number from {} to {}", bound(min), bound(max)))
        }
        (Some(Shape::Choice(words)), Value::Text(word)) if words.contains(word) => Ok(value.clone()),
        (Some(Shape::Choice(words)), _) => Err(format!("one of {}", words.join(", "))),
        (Some(Shape::Text), Value::Text(text)) if text.len() <= json::MAX_TEXT => Ok(value.clone()),
        (Some(Shape::Text), _) => Err("a text of at most 4 KiB".to_owned()),
        (_, Value::Bool(flag)) if is_state(property) => Ok(Value::Text(if *flag { "ON" } else { "OFF" }.to_owned())),
        (_, Value::Text(text)) if text.len() > json::MAX_TEXT => Err("a text of at most 4 KiB".to_owned()),
        (Some(Shape::Unknown) | None, _) => Ok(value.clone()),
    }
}

/// ISO 8601 with a zone, or milliseconds since 1970, as the bridge is configured. Its clock is the bridge's.
fn last_seen(raw: &str) -> Option<Timestamp> {
    match Json::of(raw) {
        Json::Number(text) => stamp::plausible(i64::try_from(number::decimal(text)?).ok()?),
        _ => stamp::timestamp(&json::string(raw).ok()?),
    }
}

fn announce_bridge(device: &DeviceRef) -> Announcement {
    let base = device.id.strip_prefix("bridge:").unwrap_or_default();
    let available = PropertyInfo::new("available", Shape::Switch { on: Value::Bool(true), off: Value::Bool(false) });
    Announcement {
        name: Some(format!("Zigbee2MQTT ({base})")),
        model: Some("Zigbee2MQTT".to_owned()),
        properties: vec![available],
        ..Announcement::of(device.clone())
    }
}

/// `bridge/devices`: the whole network, each time. Who was on it before and is not named now has left.
fn devices(claim: &Claim, envelope: &Envelope<'_>, directory: &Directory) -> Result<Decoded, DecodeError> {
    let base = claim.device.id.strip_prefix("bridge:").unwrap_or_default();
    let document = json::document(envelope.payload, MAX_DEVICES_PAYLOAD)?;
    let entries = json::elements(&document, MAX_DEVICES)
        .map_err(|what| DecodeError::new(what, "the list of devices", &document))?;
    let mut out = Decoded { announcements: vec![announce_bridge(&claim.device)], ..Decoded::default() };
    let mut all_named = true;
    for (i, raw) in entries.iter().enumerate() {
        match entry(base, raw) {
            Ok(announcement) => out.announcements.extend(announcement),
            Err((what, at)) => {
                all_named = false;
                out.faults.push(Fault::new(what, &format!("device {i}, {at}"), raw));
            }
        }
    }
    // An entry that could not be read may be anybody's: nobody is declared gone then.
    if all_named {
        let below = |known: &&Announcement| {
            let mine = |topic: &String| split(directory, topic).is_some_and(|(of, _)| of == base);
            known.device.dialect == NAME && known.speaks.iter().any(mine)
        };
        let listed = |device: &DeviceRef| out.announcements.iter().any(|new| new.device == *device);
        let left: Vec<DeviceRef> =
            directory.devices().filter(below).map(|known| known.device.clone()).filter(|d| !listed(d)).collect();
        out.announcements.extend(left.into_iter().map(|d| Announcement { gone: true, ..Announcement::of(d) }));
    }
    Ok(out)
}

fn entry(base: &str, raw: &str) -> Result<Option<Announcement>, (What, &'static str)> {
    let device = json::members(raw).map_err(|what| (what, "entry"))?;
    if device.text("type").as_deref() == Some("Coordinator") {
        return Ok(None);
    }
    let address = device.text("ieee_address").and_then(|text| ieee(&text)).ok_or((What::BadName, "ieee_address"))?;
    let name = device.text("friendly_name").ok_or((What::BadName, "friendly_name"))?;
    let topic = format!("{base}/{name}");
    if !is_base(&topic) {
        return Err((What::BadName, "friendly_name"));
    }
    let definition = device.get("definition").and_then(|raw| json::members(raw).ok()).unwrap_or_default();
    let model = match (definition.text("vendor"), definition.text("model")) {
        (Some(vendor), Some(model)) => Some(format!("{vendor} {model}")),
        (vendor, model) => model.or(vendor),
    };
    Ok(Some(Announcement {
        alias: Some(name.clone()),
        name: Some(name),
        model: model.map(|model| printable(&model)),
        properties: definition.get("exposes").map(exposes::properties).unwrap_or_default(),
        speaks: vec![topic.clone()],
        listens: vec![topic],
        ..Announcement::of(DeviceRef::new(NAME, address))
    }))
}
