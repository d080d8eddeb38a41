//! Reads a file of the catalogue: tables `[[device]]`, each whole or told as a mistake with its line.

use toml::de::DeTable;

use super::topics::{self, Serial};
use super::{ConnectBy, DeviceKind, DeviceType, MAX_FILE, MAX_TYPES, Maker, PRESETS, Text};
use crate::mistake::{Mistake, Source, Wrong};
use crate::reader::{self, Section};
use crate::scalar;

/// The longest id, name and hint, in bytes.
const MAX_ID: usize = 48;
const MAX_NAME: usize = 160;
const MAX_HINT: usize = 1200;

/// How many words, models and topics a type has at most.
const MAX_LISTED: usize = 16;

/// The types of a file that are whole, and what is wrong with the others.
pub(super) fn types(file: &str, text: &str) -> (Vec<DeviceType>, Vec<Mistake>) {
    if text.len() as u64 > MAX_FILE {
        return (Vec::new(), vec![Mistake::of_file(file, "is larger than 1 MiB".to_owned(), None)]);
    }
    let source = Source::new(file, text);
    let entries: DeTable<'_> = reader::document(&source, text);
    let base = std::path::Path::new("/");
    let mut root = Section::root(&source, base, entries);
    let tables = root.take_tables("device", MAX_TYPES);
    root.finish();
    let (mut types, mut repeated) = (Vec::<DeviceType>::new(), Vec::new());
    for section in tables {
        let at = section.place_of("id");
        let line = section.line_of(at);
        let Some(one) = read(section) else { continue };
        if types.iter().any(|other| other.id == one.id) {
            let twice = format!("line {line}: there is a type «{}» already in this file", one.id);
            repeated.push(Mistake::of_file(file, twice, Some("give each an id of its own")));
        } else {
            types.push(one);
        }
    }
    let mut mistakes = source.into_findings().0;
    mistakes.extend(repeated);
    (types, mistakes)
}

fn read(mut section: Section<'_>) -> Option<DeviceType> {
    for (key, example) in [
        ("id", "\"aqara-leak\""),
        ("name", "{ ru = \"Датчик\", en = \"Sensor\" }"),
        ("kind", "\"leak\""),
        ("dialect", "\"zigbee2mqtt\""),
        ("by", "\"bridge\""),
        ("hint", "{ ru = \"Нажмите кнопку.\", en = \"Press the button.\" }"),
    ] {
        section.must_have(key, example);
    }
    let places: Vec<Option<usize>> = ["publish", "subscribe"].map(|key| section.place_of(key)).into();
    let id = section.take_parsed("id", word);
    let brand = section.take_string("brand", MAX_NAME);
    let model = section.take_string("model", MAX_NAME);
    let name = section.take_table("name").and_then(|table| words(table, MAX_NAME));
    let kind = section.take_enum("kind", &DeviceKind::ALL);
    let dialect = section.take_parsed("dialect", dialect);
    let by = section.take_enum("by", &ConnectBy::ALL);
    let measures = section.take_list("measures", 0..=MAX_LISTED, |item| item.parsed(word));
    let hint = section.take_table("hint").and_then(|table| words(table, MAX_HINT));
    let recognised = section.take_list("recognised", 0..=MAX_LISTED, |item| item.parsed(|text| plain(text, MAX_NAME)));
    let presets = section.take_list("presets", 0..=PRESETS.len(), |item| item.parsed(preset));
    let serial = section.take_enum("serial", &Serial::ALL).unwrap_or_default();
    let publish = section.take_list("publish", 0..=MAX_LISTED, |item| item.parsed(|text| plain(text, 256)));
    let subscribe = section.take_list("subscribe", 0..=MAX_LISTED, |item| item.parsed(|text| plain(text, 256)));
    let is_bridge = section.take_bool("bridge").unwrap_or(false);
    let maker = section.take_enum("maker", &[("tasmota", Maker::Tasmota)]);
    let (publish, subscribe) = (publish.unwrap_or_default(), subscribe.unwrap_or_default());
    let mut right = true;
    for ((filters, at), publishes) in [(&publish, &places), (&subscribe, &places)].into_iter().zip([true, false]) {
        for filter in filters {
            if let Err(wrong) = topics::check(filter, serial, is_bridge, publishes) {
                let place = at.get(usize::from(!publishes)).copied().flatten();
                section.wrong_at(place, if publishes { "publish" } else { "subscribe" }, wrong);
                right = false;
            }
        }
    }
    if by == Some(ConnectBy::Access) && publish.is_empty() {
        section.wrong_at(
            places.first().copied().flatten(),
            "publish",
            Wrong::new("an access without topics says nothing"),
        );
        right = false;
    }
    section.finish();
    Some(DeviceType {
        id: id?,
        brand: brand.unwrap_or_default(),
        model: model.unwrap_or_default(),
        name: name?,
        kind: kind?,
        dialect: dialect?,
        by: by?,
        measures: measures.unwrap_or_default(),
        hint: hint?,
        recognised: recognised.unwrap_or_default(),
        presets: presets.unwrap_or_default(),
        serial,
        publish,
        subscribe,
        is_bridge,
        maker,
    })
    .filter(|_| right)
}

fn words(mut table: Section<'_>, max: usize) -> Option<Text> {
    table.must_have("ru", "\"…\"");
    table.must_have("en", "\"…\"");
    let (ru, en) = (table.take_string("ru", max), table.take_string("en", max));
    table.finish();
    Some(Text { ru: ru?, en: en? })
}

fn plain(text: &str, max: usize) -> Result<String, Wrong> {
    scalar::plain(text, max)
}

fn word(text: &str) -> Result<String, Wrong> {
    let right = !text.is_empty()
        && text.len() <= MAX_ID
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let wrong =
        || Wrong::new(format!("{} is no id", scalar::quoted(text))).hint("lower-case letters, digits and hyphens");
    right.then(|| text.to_owned()).ok_or_else(wrong)
}

fn dialect(text: &str) -> Result<String, Wrong> {
    let known = domovoi_adapters::mqtt::DIALECTS.iter().map(|dialect| dialect.name);
    let wrong = || Wrong::new(format!("{} is no dialect", scalar::quoted(text))).hint_nearest(text, known);
    domovoi_adapters::dialect(text).map(|dialect| dialect.name.to_owned()).ok_or_else(wrong)
}

fn preset(text: &str) -> Result<String, Wrong> {
    let wrong = || Wrong::new(format!("{} is no preset", scalar::quoted(text))).hint_nearest(text, PRESETS);
    PRESETS.contains(&text).then(|| text.to_owned()).ok_or_else(wrong)
}
