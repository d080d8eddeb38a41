//! A scenario as a TOML file, for those who keep them beside their other papers: the wire form spelled with lines that people
//! can read, and read back with the line and the field of whatever is wrong. What a scenario means is not known here.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Number, Value as Json};
use toml::de::{DeTable, DeValue};

use super::{PaperWrong, ScenarioPaper};

/// The largest file.
pub const MAX_BYTES: usize = 256 * 1024;

/// Tables within each other; no scenario has as many.
const MAX_DEPTH: usize = 48;

/// What is wrong in a file, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {}{why}", if .path.is_empty() { String::new() } else { format!("{}: ", .path) })]
pub struct TomlWrong {
    /// Counted from 1.
    pub line: usize,
    /// The field: `actions[2].then[0].value`; empty where none is meant.
    pub path: String,
    /// What is wrong and what would be right.
    pub why: String,
}

/// A file that was read: the wire form, and on which line each field stands.
#[derive(Debug)]
pub struct Read {
    /// What it says.
    pub paper: ScenarioPaper,
    lines: BTreeMap<String, usize>,
}

impl Read {
    /// Where something that only showed later is wrong.
    pub fn locate(&self, wrong: PaperWrong) -> TomlWrong {
        TomlWrong { line: line_of(&self.lines, &wrong.path, &wrong.why), path: wrong.path, why: wrong.why }
    }
}

/// The line of a field; of the nearest one around it, where it is not there.
fn line_of(lines: &BTreeMap<String, usize>, path: &str, why: &str) -> usize {
    // serde names the field that it does not know between backticks.
    if let Some(field) = why.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next())
        && let Some(line) = lines.get(&join(path, field))
    {
        return *line;
    }
    let mut path = path;
    loop {
        if let Some(line) = lines.get(path) {
            return *line;
        }
        match path.rfind(['.', '[']) {
            Some(end) => path = path.get(..end).unwrap_or_default(),
            None => return 1,
        }
    }
}

fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

/// Reads a file.
pub fn read(text: &str) -> Result<Read, TomlWrong> {
    let at = |line, path: &str, why: &str| TomlWrong { line, path: path.to_owned(), why: why.to_owned() };
    if text.len() > MAX_BYTES {
        return Err(at(1, "", &format!("the file is larger than {} KiB", MAX_BYTES / 1024)));
    }
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_at(text, span.start));
        at(line, "", &format!("this is not TOML: {}", error.message()))
    })?;
    let mut reader = Reader { text, lines: BTreeMap::new() };
    let json = reader.table("", table.get_ref(), 0)?;
    let lines = reader.lines;
    let paper = serde_json::from_value(Json::Object(json)).map_err(|error| {
        let why = error.to_string();
        let path = top_field(&why).unwrap_or_default();
        at(line_of(&lines, &path, &why), &path, &why)
    })?;
    Ok(Read { paper, lines })
}

/// The field that serde's sentence is about, if it names one.
fn top_field(why: &str) -> Option<String> {
    let named = why.strip_prefix("unknown field `").or_else(|| why.strip_prefix("missing field `"))?;
    Some(named.split('`').next()?.to_owned())
}

fn line_at(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|byte| *byte == b'\n').count() + 1
}

struct Reader<'a> {
    text: &'a str,
    lines: BTreeMap<String, usize>,
}

impl Reader<'_> {
    fn table(&mut self, path: &str, table: &DeTable<'_>, depth: usize) -> Result<Map<String, Json>, TomlWrong> {
        let mut object = Map::new();
        for (key, value) in table {
            let name: &str = key.get_ref();
            let here = join(path, name);
            // Of an array of tables the key stands at its first one.
            self.lines.insert(here.clone(), line_at(self.text, key.span().start));
            let line = line_at(self.text, value.span().start);
            object.insert(name.to_owned(), self.value(&here, value.get_ref(), line, depth + 1)?);
        }
        Ok(object)
    }

    fn value(&mut self, path: &str, value: &DeValue<'_>, line: usize, depth: usize) -> Result<Json, TomlWrong> {
        let wrong = |why: &str| TomlWrong { line, path: path.to_owned(), why: why.to_owned() };
        if depth > MAX_DEPTH {
            return Err(wrong("too many tables within each other"));
        }
        Ok(match value {
            DeValue::String(text) => Json::String(text.to_string()),
            DeValue::Boolean(flag) => Json::Bool(*flag),
            DeValue::Integer(integer) => {
                let number = if integer.radix() == 10 { integer.as_str().parse::<Number>().ok() } else { None };
                let number =
                    number.or_else(|| i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(Number::from));
                Json::Number(number.ok_or_else(|| wrong("this number is too large"))?)
            }
            DeValue::Float(float) => {
                let number = float.as_str().parse::<f64>().ok().and_then(Number::from_f64);
                Json::Number(number.ok_or_else(|| wrong("infinity and nan are no numbers here"))?)
            }
            // 07:30:00 without quotes is a time of the day in TOML too.
            DeValue::Datetime(moment) => Json::String(moment.to_string()),
            DeValue::Array(list) => {
                let mut all = Vec::new();
                for (n, one) in list.iter().enumerate() {
                    let here = format!("{path}[{n}]");
                    let line = line_at(self.text, one.span().start);
                    self.lines.insert(here.clone(), line);
                    all.push(self.value(&here, one.get_ref(), line, depth + 1)?);
                }
                Json::Array(all)
            }
            DeValue::Table(table) => Json::Object(self.table(path, table, depth)?),
        })
    }
}

/// Spells a scenario. What is read back is the same.
pub fn write(paper: &ScenarioPaper) -> String {
    let json = serde_json::to_value(paper).unwrap_or_default();
    let mut out = String::new();
    if let Json::Object(object) = &json {
        write_table(&mut out, "", object);
    }
    out
}

/// What stands on one line: no table of tables.
fn is_flat(value: &Json) -> bool {
    match value {
        Json::Object(object) => object.values().all(|member| !member.is_object() && !member.is_array()),
        Json::Array(list) => list.iter().all(|one| !one.is_object() && !one.is_array()),
        _ => true,
    }
}

/// A list that gets a heading of its own for each of its tables.
fn is_headed(path: &str, value: &Json) -> bool {
    match value {
        Json::Array(list) => {
            let tables = !list.is_empty() && list.iter().all(Json::is_object);
            tables && (path.is_empty() || !list.iter().all(is_flat))
        }
        Json::Object(_) => !is_flat(value) || path.is_empty(),
        _ => false,
    }
}

fn write_table(out: &mut String, path: &str, object: &Map<String, Json>) {
    let there = object.iter().filter(|(_, value)| !value.is_null());
    let (headed, plain): (Vec<_>, Vec<_>) = there.partition(|(_, value)| is_headed(path, value));
    for (name, value) in plain {
        let _ = write!(out, "{} = ", key(name));
        match value {
            Json::Array(list) if list.iter().any(|one| !is_flat(one) || one.is_object()) => {
                out.push_str("[\n");
                for one in list {
                    out.push_str("  ");
                    write_value(out, one);
                    out.push_str(",\n");
                }
                out.push(']');
            }
            value => write_value(out, value),
        }
        out.push('\n');
    }
    for (name, value) in headed {
        let here = join(path, &key(name));
        match value {
            Json::Array(list) => {
                for one in list.iter().filter_map(Json::as_object) {
                    let _ = write!(out, "\n[[{here}]]\n");
                    write_table(out, &here, one);
                }
            }
            Json::Object(object) => {
                let _ = write!(out, "\n[{here}]\n");
                write_table(out, &here, object);
            }
            _ => {}
        }
    }
}

fn write_value(out: &mut String, value: &Json) {
    match value {
        // There is none in TOML; the wire form leaves out what is not there.
        Json::Null => out.push_str("\"\""),
        Json::Bool(flag) => {
            let _ = write!(out, "{flag}");
        }
        Json::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(float) => {
                let _ = write!(out, "{float:?}");
            }
            None => {
                let _ = write!(out, "{number}");
            }
        },
        Json::String(text) => write_text(out, text),
        Json::Array(list) => {
            out.push('[');
            for (n, one) in list.iter().enumerate() {
                if n > 0 {
                    out.push_str(", ");
                }
                write_value(out, one);
            }
            out.push(']');
        }
        Json::Object(object) => {
            out.push('{');
            for (n, (name, one)) in object.iter().filter(|(_, one)| !one.is_null()).enumerate() {
                let _ = write!(out, "{}{} = ", if n > 0 { ", " } else { " " }, key(name));
                write_value(out, one);
            }
            out.push_str(" }");
        }
    }
}

fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(bare) {
        return name.to_owned();
    }
    let mut quoted = String::new();
    write_text(&mut quoted, name);
    quoted
}

fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use domovoi_model::DeviceRef;
    use proptest::prelude::*;

    use super::*;

    const NIGHT: &str = r#"
name = "Ночь"
mode = "restart"

[[triggers]]
id = "evening"
when = "time"
at = [23:00:00, "22:30"]
weekdays = [1, 2, 3, 4, 7]

[[conditions]]
if = "home"
is = true

[[actions]]
do = "choose"

[[actions.branches]]
if = [{ if = "sun", up = false }]

[[actions.branches.then]]
do = "scene"
commands = [
  { device = "zigbee2mqtt:0x1", property = "state", value = false },
  { device = "zigbee2mqtt:0x2", property = "target", value = 18.5 },
]

[[actions]]
do = "notify"
title = "Спокойной ночи"
"#;

    fn wrong(text: &str) -> String {
        match read(text) {
            Err(wrong) => wrong.to_string(),
            Ok(read) => match read.paper.scenario(&DeviceRef::parse) {
                Ok(_) => "right".to_owned(),
                Err(wrong) => read.locate(wrong).to_string(),
            },
        }
    }

    #[test]
    fn a_file_of_a_person_is_read_and_what_is_written_is_read_back() {
        let first = read(NIGHT).unwrap().paper;
        let scenario = first.scenario(&DeviceRef::parse).unwrap();
        assert_eq!(scenario.actions.len(), 2);
        let paper = ScenarioPaper::from(&scenario);
        let text = write(&paper);
        println!("{text}");
        assert_eq!(read(&text).unwrap().paper, paper);
        assert_eq!(read(&text).unwrap().paper.scenario(&DeviceRef::parse).unwrap(), scenario);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_field() {
        for (from, to, said) in [
            ("at = [23:00:00, \"22:30\"]", "at = \"23:00\"", "line 5: triggers[0]: "),
            ("\"22:30\"", "\"25:30\"", "line 8: triggers[0].at[1]: "),
            ("weekdays = [1", "weekdays = [9", "line 9: triggers[0].weekdays: "),
            ("mode = \"restart\"", "mode = \"fast\"", "line 3: mode: "),
            ("name = \"Ночь\"", "nmae = \"Ночь\"", "line 2: nmae: unknown field"),
            ("name = \"Ночь\"", "", "line 1: name: missing field"),
            ("is = true", "is = \"yes\"", "line 11: conditions[0]: "),
            ("value = 18.5", "valeu = 18.5", "line 21: actions[0].branches[0].then[0]"),
            ("value = false", "value = inf", "line 24: actions[0].branches[0].then[0].commands[0].value: "),
            ("up = false", "up = ", "line 19: this is not TOML: "),
            ("title = \"Спокойной ночи\"", "title = \" \"", "line 30: actions[1].title: "),
            ("title = \"Спокойной ночи\"", "titel = \"x\"", "line 30: actions[1]: unknown field"),
        ] {
            let text = NIGHT.replacen(from, to, 1);
            assert_ne!(text, NIGHT, "{from}");
            let found = wrong(&text);
            assert!(found.starts_with(said), "{to}: {found}");
        }
        assert_eq!(wrong(NIGHT), "right");
        assert!(wrong(&"#".repeat(MAX_BYTES + 1)).contains("larger"));
        assert!(wrong(&format!("a = {}{}", "[".repeat(60), "]".repeat(60))).starts_with("line 1"));
    }

    fn leaf() -> impl Strategy<Value = Json> {
        prop_oneof![
            any::<bool>().prop_map(Json::Bool),
            any::<i64>().prop_map(Json::from),
            any::<u64>().prop_map(Json::from),
            any::<f64>().prop_filter_map("a number", |float| Number::from_f64(float).map(Json::Number)),
            "\\PC{0,12}".prop_map(Json::String),
            prop_oneof![Just("\u{7f}\u{0}\r\n\t\"\\"), Just("'''"), Just("\u{85}\u{2028}"), Just("1979-05-27")]
                .prop_map(|text: &str| Json::String(text.to_owned())),
        ]
    }

    fn tree() -> impl Strategy<Value = Json> {
        leaf().prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Json::Array),
                proptest::collection::btree_map("[a-z_]{1,6}|\\PC{0,4}", inner, 0..5)
                    .prop_map(|members| Json::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        /// Whatever JSON can say in a scenario, a file says too.
        #[test]
        fn what_is_exported_is_what_is_imported(
            name in "\\PC{0,20}", note in any::<String>(), most in proptest::option::of(any::<u16>()),
            triggers in proptest::collection::vec(tree(), 0..4),
            conditions in proptest::collection::vec(tree(), 0..4),
            actions in proptest::collection::vec(tree(), 0..4),
        ) {
            let mut paper = read("name = \"x\"").unwrap().paper;
            (paper.name, paper.note, paper.most) = (name, note, most);
            (paper.triggers, paper.conditions, paper.actions) = (triggers, conditions, actions);
            let text = write(&paper);
            let back = read(&text).map(|read| read.paper);
            prop_assert_eq!(back.as_ref(), Ok(&paper), "{}", text);
        }

        #[test]
        fn no_text_makes_it_stumble(text in "\\PC{0,60}", at in 0usize..500) {
            let _ = read(&text);
            let at = NIGHT.char_indices().nth(at % NIGHT.chars().count()).map_or(0, |(at, _)| at);
            let _ = read(&format!("{}{text}{}", &NIGHT[..at], &NIGHT[at..]));
        }
    }
}
