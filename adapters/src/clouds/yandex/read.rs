//! One thing of an account as observations: its properties, its capabilities, and whether it can be reached.

use domovoi_model::{Timestamp, Unit, Value};

use crate::clouds;
use crate::colour::Colour;
use crate::fault::printable;
use crate::json::{self, Json, MAX_PAYLOAD, Members};
use crate::report::{self, Report};
use crate::{
    Announcement, Category, Claim, DecodeError, Decoded, Directory, Envelope, Hearsay, PropertyInfo, Reach, Reached,
    Shape, Warning, What, number, stamp,
};

use super::CLOUD_NAME;
use super::table::{self, Capability};

/// Words of a choice.
const MAX_WORDS: usize = 128;

pub(super) fn decode(claim: &Claim, envelope: &Envelope<'_>, directory: &Directory) -> Result<Decoded, DecodeError> {
    let document = json::document(envelope.payload, MAX_PAYLOAD)?;
    let whole = json::members(&document).map_err(|what| DecodeError::new(what, "thing", &document))?;
    let mut report = Report::of(&claim.device, directory);
    let reached = |available| Reached { device: claim.device.clone(), group: 0, source: 0, available };
    // The cloud has it no more. It is kept here as it was, out of reach.
    let Some(raw) = whole.get("thing").filter(|raw| raw.trim() != "null") else {
        report.out.reached.push(reached(false));
        return Ok(report.finish());
    };
    let thing = json::members(raw).map_err(|what| DecodeError::new(what, "thing", raw))?;
    let known = directory.known(&claim.device);
    report.about = Announcement::of(claim.device.clone());
    introduce(&mut report.about, &thing, &whole, known);
    let kind = thing.text("type").as_deref().and_then(table::kind);
    for raw in listed(&mut report, &thing, "properties") {
        measured(&mut report, raw, envelope);
    }
    for raw in listed(&mut report, &thing, "capabilities") {
        settable(&mut report, raw, kind, envelope);
    }
    // The cloud may list them in another order each time, and that is no news.
    report.about.properties.sort_by(|a, b| a.name.cmp(&b.name));
    // Only who asks for one thing alone is told whether it can be reached; in the list of all nothing is said of it.
    let state = thing.text("state");
    report.out.reached.extend(table::available(state.as_deref()).map(reached));
    Ok(report.finish())
}

fn introduce(about: &mut Announcement, thing: &Members<'_>, whole: &Members<'_>, known: Option<&Announcement>) {
    let kept = |text: Option<String>, before: fn(&Announcement) -> Option<String>| {
        text.map(|text| printable(&text)).or_else(|| known.and_then(before))
    };
    about.name = kept(thing.text("name"), |known| known.name.clone());
    let words = thing.text("type").map(|kind| kind.trim_start_matches("devices.types.").replace('.', " "));
    about.model = kept(words, |known| known.model.clone());
    about.area = kept(whole.text("room"), |known| known.area.clone());
    about.listens = vec![clouds::topic(CLOUD_NAME, &about.device.id)];
    about.reaches = vec![Reach::Latest];
}

fn listed<'a>(report: &mut Report<'_>, thing: &Members<'a>, key: &str) -> Vec<&'a str> {
    let Some(raw) = thing.get(key).filter(|raw| raw.trim() != "null") else { return Vec::new() };
    json::elements(raw, json::MAX_MEMBERS).unwrap_or_else(|what| {
        report.fault(what, key, raw);
        Vec::new()
    })
}

/// A part of a thing: what it is about, and what was last said of it.
struct Part<'a> {
    instance: String,
    parameters: Members<'a>,
    value: Option<&'a str>,
    at: Option<Timestamp>,
    is_reported: bool,
}

fn part<'a>(members: &Members<'a>, envelope: &Envelope<'_>) -> Part<'a> {
    let parameters = members.get("parameters").and_then(|raw| json::members(raw).ok()).unwrap_or_default();
    let state = members.get("state").and_then(|raw| json::members(raw).ok());
    let said = state.as_ref().and_then(|state| state.text("instance"));
    // An on_off or a colour that never said anything names no instance; then its parameters say what it can.
    let instance = said.or_else(|| parameters.text("instance")).unwrap_or_default();
    let is_one = instance.len() <= 64 && (instance.is_empty() || json::is_name(&instance));
    let value = state.as_ref().and_then(|state| state.get("value")).filter(|raw| raw.trim() != "null");
    let at = members.get("last_updated").and_then(|raw| moment(raw, envelope));
    let instance = if is_one { instance } else { String::new() };
    Part { instance, parameters, value, at, is_reported: reports(members) }
}

/// What can be asked for, or is told by itself.
fn reports(members: &Members<'_>) -> bool {
    let says = |key: &str| members.get(key).map(str::trim);
    says("retrievable") != Some("false") || says("reportable") == Some("true")
}

/// Seconds since 1970 with a fraction; 0 is never. What lies ahead of the hub's own time is no time.
fn moment(raw: &str, envelope: &Envelope<'_>) -> Option<Timestamp> {
    let Json::Number(text) = Json::of(raw) else { return None };
    let millis = number::decimal(text)?.checked_mul(1000.into())?.trunc();
    let at = stamp::plausible(i64::try_from(millis).ok()?)?;
    let now = envelope.received_at.wall();
    now.is_none_or(|now| at.0 <= now.0.saturating_add(60_000)).then_some(at)
}

/// Everything that a cloud passes on is late and at second hand.
fn passed_on(info: PropertyInfo) -> PropertyInfo {
    info.with(|one| one.hearsay = Some(Hearsay::Relayed))
}

/// A property: a number, or an event.
fn measured(report: &mut Report<'_>, raw: &str, envelope: &Envelope<'_>) {
    let Ok(members) = json::members(raw) else { return report.fault(What::WrongType, "properties", raw) };
    let Some(kind) = members.text("type") else { return report.fault(What::WrongType, "properties.type", raw) };
    let part = part(&members, envelope);
    if part.instance.is_empty() {
        return report.fault(What::BadName, "properties.instance", raw);
    }
    report.device_time = part.at;
    match kind.as_str() {
        "devices.properties.float" => {
            let class = table::class_of_number(&part.instance);
            let mut info = report::measured(part.instance.clone(), Unit::None, class);
            let spelled = part.parameters.text("unit").unwrap_or_default();
            let unit = table::unit(&spelled);
            info.label = Some(part.instance.replace('_', " ").into());
            info.measured_in(unit, if unit.is_some() { "" } else { spelled.trim_start_matches("unit.") });
            if part.instance == "battery_level" {
                info.category = Category::Diagnostic;
            }
            give(report, passed_on(info), part.value);
        }
        "devices.properties.event" => happened(report, &part),
        // A kind that the house does not know yet.
        _ => {}
    }
    report.device_time = None;
}

fn happened(report: &mut Report<'_>, part: &Part<'_>) {
    let Some(words) = table::two_words(&part.instance) else {
        let info =
            PropertyInfo::new(event_name(&part.instance), Shape::Text).with(|one| one.class = Some("event".into()));
        return give(report, passed_on(info), part.value);
    };
    let info = PropertyInfo::new(words.property, report::flag()).with(|one| {
        one.class = Some(words.class.into());
        one.hazard = words.hazard;
        if words.property == "battery_low" {
            one.category = Category::Diagnostic;
            one.warning = Some(Warning::Battery);
        }
    });
    let info = passed_on(info);
    let Some(raw) = part.value else { return report.has(info) };
    match json::string(raw) {
        Ok(word) if words.yes.contains(&word.as_str()) => report.say(info, Value::Bool(true)),
        Ok(word) if words.no.contains(&word.as_str()) => report.say(info, Value::Bool(false)),
        // Not taken for "no": whoever does not understand a smoke detector says so.
        _ => {
            report.fault(What::WrongType, words.property, raw);
            report.has(info);
        }
    }
}

/// Levels are numbers too, under the same name.
fn event_name(instance: &str) -> String {
    if instance.ends_with("_level") { format!("{instance}_state") } else { instance.to_owned() }
}

/// A capability: what can be set.
fn settable(
    report: &mut Report<'_>,
    raw: &str,
    kind: Option<(&'static str, Option<&'static str>)>,
    envelope: &Envelope<'_>,
) {
    let Ok(members) = json::members(raw) else { return report.fault(What::WrongType, "capabilities", raw) };
    let Some(spelled) = members.text("type") else { return report.fault(What::WrongType, "capabilities.type", raw) };
    // Video, and the commands of Yandex's own speakers.
    let Some(capability) = Capability::of(&spelled) else { return };
    let part = part(&members, envelope);
    report.device_time = part.at;
    let dressed = |info: PropertyInfo, feature: &str| {
        passed_on(info).with(|one| {
            one.writable = true;
            one.reported = part.is_reported;
            if let Some((kind, whole)) = kind {
                let class = match feature {
                    "" => whole.unwrap_or(kind).to_owned(),
                    feature => format!("{kind}.{feature}"),
                };
                one.class.get_or_insert_with(|| class.into());
                one.kind = Some(kind.into());
                one.kind_class = whole.map(Into::into);
            }
        })
    };
    let name = capability.property(&part.instance);
    match capability {
        Capability::OnOff => give(report, dressed(PropertyInfo::new(name, report::flag()), ""), part.value),
        Capability::Toggle if !part.instance.is_empty() => {
            give(report, dressed(PropertyInfo::new(name, report::flag()), &part.instance), part.value);
        }
        Capability::Mode if !part.instance.is_empty() => {
            let shape = words(report, &part.parameters, "modes", "value");
            give(report, dressed(PropertyInfo::new(name, shape), &part.instance), part.value);
        }
        Capability::Range if !part.instance.is_empty() => {
            let info = range(&part, name);
            let feature = if part.instance == "open" { "position" } else { &part.instance };
            give(report, dressed(info, feature), part.value);
        }
        Capability::Colour => colours(report, &part, &dressed),
        _ => report.fault(What::BadName, "capabilities.instance", raw),
    }
    report.device_time = None;
}

fn range(part: &Part<'_>, name: String) -> PropertyInfo {
    let bounds = part.parameters.get("range").and_then(|raw| json::members(raw).ok()).unwrap_or_default();
    let bound = |key: &str| match bounds.get(key).map(json::scalar) {
        Some(Ok(Some(Value::Number(number)))) => Some(number),
        _ => None,
    };
    let unit = part.parameters.text("unit").as_deref().and_then(table::unit);
    PropertyInfo::new(name, Shape::Number { min: bound("min"), max: bound("max") }).with(|one| {
        one.unit = unit.unwrap_or(Unit::None);
        one.step = bound("precision").filter(|step| step.is_sign_positive() && !step.is_zero());
    })
}

/// `[{"value":"auto"},…]` as a choice.
fn words(report: &mut Report<'_>, parameters: &Members<'_>, list: &str, key: &str) -> Shape {
    let Some(raw) = parameters.get(list) else { return Shape::Text };
    match json::elements(raw, MAX_WORDS) {
        Ok(all) => {
            let words = all.into_iter().filter_map(|raw| json::members(raw).ok()?.text(key));
            Shape::Choice(words.filter(|word| word.len() <= 128 && json::is_name(word)).collect())
        }
        Err(what) => {
            report.fault(what, list, raw);
            Shape::Text
        }
    }
}

/// A lamp's colour, warmth and scenes are one capability whose state is one of them at a time.
fn colours(report: &mut Report<'_>, part: &Part<'_>, dressed: &impl Fn(PropertyInfo, &str) -> PropertyInfo) {
    let value_of = |instance: &str| part.value.filter(|_| part.instance == instance);
    if let Some(model) = part.parameters.text("color_model").filter(|model| matches!(model.as_str(), "rgb" | "hsv")) {
        let info = dressed(PropertyInfo::new(model.clone(), Shape::Text), "colour");
        match value_of(&model) {
            None => report.has(info),
            Some(raw) => match colour(&model, raw) {
                Some(colour) => report.say(info, Value::Text(colour.to_string())),
                None => {
                    report.fault(What::WrongType, &model, raw);
                    report.has(info);
                }
            },
        }
    }
    if let Some(bounds) = part.parameters.get("temperature_k").and_then(|raw| json::members(raw).ok()) {
        let bound = |key: &str| bounds.get(key).and_then(|raw| json::scalar(raw).ok().flatten()?.number());
        let shape = Shape::Number { min: bound("min"), max: bound("max") };
        let info = PropertyInfo::new("colour_temperature", shape).with(|one| one.unit = Unit::Kelvin);
        give(report, dressed(info, "colour_temperature"), value_of("temperature_k"));
    }
    if let Some(scenes) = part.parameters.get("color_scene").and_then(|raw| json::members(raw).ok()) {
        let shape = words(report, &scenes, "scenes", "id");
        give(report, dressed(PropertyInfo::new("scene", shape), "scene"), value_of("scene"));
    }
}

/// As the house spells it. How bright it is, is a property of its own.
fn colour(model: &str, raw: &str) -> Option<Colour> {
    if model == "rgb" {
        let number = u32::try_from(json::scalar(raw).ok()??.number()?).ok().filter(|number| *number <= 0x00ff_ffff)?;
        let [_, r, g, b] = number.to_be_bytes();
        return Colour::of(r.into(), g.into(), b.into());
    }
    let members = json::members(raw).ok()?;
    let channel = |key: &str| {
        let number = json::scalar(members.get(key)?).ok()??.number()?;
        u16::try_from(number.round()).ok().map(f64::from)
    };
    let (hue, saturation) = (channel("h")?, channel("s")?);
    (hue <= 360.0 && saturation <= 100.0).then(|| Colour::from_hs(hue, saturation)).flatten()
}

/// A value of a property, or only that there is such a property.
fn give(report: &mut Report<'_>, info: PropertyInfo, value: Option<&str>) {
    match value {
        Some(raw) => {
            let spare = info.clone();
            report.raw(info, raw);
            // What it said could not be read; it has the property all the same.
            report.has(spare);
        }
        None => report.has(info),
    }
}
