//! The fields of a trigger, a condition or an action in the editor's form, and what a filled form makes of them. It works on
//! the wire form, so that what is unfinished can be kept too; whether it can be taken is the room's to say.
//!
//! More than 500 lines: each kind of trigger, condition and action has its fields here twice, as they are shown and as they
//! are read, one under the other.

use domovoi_adapters::Shape;
use domovoi_model::{Peril, Severity, Value};
use serde_json::{Value as Json, json};

use super::form::Form;
use super::picks::{self, PickGroup};
use super::view::View;
use crate::web::Desk;

/// The kinds of each part, as the wire form names them.
pub const WHENS: [&str; 11] =
    ["state", "edge", "time", "every", "sun", "arrives", "leaves", "webhook", "alert", "calendar", "house-start"];
/// Of conditions.
pub const IFS: [&str; 8] = ["state", "home", "time", "sun", "expression", "all", "any", "not"];
/// Of actions.
pub const DOS: [&str; 12] =
    ["command", "scene", "wait", "until", "choose", "repeat", "notify", "reading", "start", "stop", "set", "end"];

/// So many commands of a scene have a row in the form; one more is always empty.
const SCENE_ROWS: usize = 16;

/// A field.
pub struct Field {
    /// Its name in the form; unique on the page.
    pub name: String,
    /// What it is called.
    pub label: String,
    /// `text`, `area`, `select`, `check`, `checks`, `place`
    pub kind: &'static str,
    /// What it says.
    pub value: String,
    /// More about it.
    pub hint: String,
    /// Of `select` and `checks`: value, words, whether it is chosen.
    pub options: Vec<(String, String, bool)>,
    /// Of `place`.
    pub groups: Vec<PickGroup>,
}

/// Which of the three a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Trigger,
    Condition,
    Action,
}

impl Family {
    /// Of a part of the wire form.
    pub fn of(item: &Json) -> Self {
        match (item.get("do").is_some(), item.get("if").is_some()) {
            (true, _) => Family::Action,
            (false, true) => Family::Condition,
            (false, false) => Family::Trigger,
        }
    }

    /// The member that names the kind.
    pub fn tag(self) -> &'static str {
        match self {
            Family::Trigger => "when",
            Family::Condition => "if",
            Family::Action => "do",
        }
    }

    /// All kinds of it.
    pub fn kinds(self) -> &'static [&'static str] {
        match self {
            Family::Trigger => &WHENS,
            Family::Condition => &IFS,
            Family::Action => &DOS,
        }
    }

    /// What one is called in the locale files: `page-scenario-when-state`.
    pub fn key(self, kind: &str) -> String {
        format!("page-scenario-{}-{kind}", self.tag())
    }
}

/// A new part of a kind, as little as can be.
pub fn fresh(family: Family, kind: &str, taken: &[Json]) -> Json {
    match (family, kind) {
        (Family::Trigger, _) => {
            let id = (1..).map(|n| format!("t{n}")).find(|id| taken.iter().all(|one| one["id"] != id.as_str()));
            let mut item = json!({ "id": id.unwrap_or_default(), "when": kind });
            match kind {
                "state" => merge(&mut item, json!({ "device": "", "property": "", "is": { "equals": true } })),
                "edge" => merge(&mut item, json!({ "device": "", "property": "" })),
                "time" => merge(&mut item, json!({ "at": ["08:00"] })),
                "every" => merge(&mut item, json!({ "seconds": 3600 })),
                "sun" => merge(&mut item, json!({ "event": "set" })),
                _ => {}
            }
            item
        }
        (Family::Condition, "state") => {
            json!({ "if": "state", "device": "", "property": "", "is": { "equals": true } })
        }
        (Family::Condition, "time") => json!({ "if": "time", "from": "22:00", "to": "07:00" }),
        (Family::Condition, "home") => json!({ "if": "home", "is": true }),
        (Family::Condition, "sun") => json!({ "if": "sun", "up": false }),
        (Family::Condition, "all" | "any") => json!({ "if": kind, "of": [] }),
        (Family::Condition, "not") => json!({ "if": "not", "of": { "if": "home", "is": true } }),
        (Family::Condition, _) => json!({ "if": "expression", "expression": "" }),
        (Family::Action, "command") => json!({ "do": "command", "device": "", "property": "", "value": true }),
        (Family::Action, "scene") => json!({ "do": "scene", "scene": "", "commands": [] }),
        (Family::Action, "wait") => json!({ "do": "wait", "seconds": 600 }),
        (Family::Action, "until") => json!({ "do": "until", "so": { "if": "home", "is": true }, "timeout_s": 3600 }),
        (Family::Action, "choose") => json!({ "do": "choose", "branches": [{ "if": [], "then": [] }] }),
        (Family::Action, "repeat") => json!({ "do": "repeat", "count": 2, "steps": [] }),
        (Family::Action, "notify") => json!({ "do": "notify", "title": "" }),
        (Family::Action, "reading") => json!({ "do": "reading", "point": "", "values": [0] }),
        (Family::Action, "start" | "stop") => json!({ "do": kind, "scenario": "" }),
        (Family::Action, "set") => json!({ "do": "set", "variable": "x", "value": 1 }),
        (Family::Action, _) => json!({ "do": "end" }),
    }
}

fn merge(item: &mut Json, more: Json) {
    if let (Json::Object(item), Json::Object(more)) = (item, more) {
        item.extend(more);
    }
}

/// Makes fields, and reads them back.
pub struct Fields<'a> {
    pub desk: &'a Desk,
    pub view: &'a View,
}

fn text_of(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        Json::Object(object) => {
            object.get("expression").and_then(Json::as_str).map_or_else(String::new, |source| format!("= {source}"))
        }
        other => other.to_string(),
    }
}

impl Fields<'_> {
    fn field(&self, name: &str, kind: &'static str, value: String) -> Field {
        let key =
            format!("page-scenario-field-{}", name.trim_end_matches(|c: char| c.is_ascii_digit()).replace('_', "-"));
        let hint = self.view.say_or(&format!("{key}-hint"), "");
        Field {
            name: name.to_owned(),
            label: self.view.t(&key),
            kind,
            value,
            hint,
            options: Vec::new(),
            groups: Vec::new(),
        }
    }

    fn text(&self, name: &str, value: &Json) -> Field {
        self.field(name, "text", text_of(value))
    }

    fn select(&self, name: &str, chosen: &str, options: Vec<(String, String)>) -> Field {
        let options = options.into_iter().map(|(value, words)| (value.clone(), words, value == chosen)).collect();
        Field { options, ..self.field(name, "select", chosen.to_owned()) }
    }

    fn coded(&self, name: &str, chosen: &str, codes: &[&str]) -> Field {
        let words = |code: &&str| {
            ((*code).to_owned(), self.view.t(&format!("page-scenario-{}-{code}", name.replace('_', "-"))))
        };
        self.select(name, chosen, codes.iter().map(words).collect())
    }

    fn check(&self, name: &str, is: bool) -> Field {
        self.field(name, "check", if is { "yes".to_owned() } else { String::new() })
    }

    fn place(&self, name: &str, item: &Json, settable: bool) -> Field {
        let chosen = format!("{}|{}", text_of(&item["device"]), text_of(&item["property"]));
        let mut groups = picks::properties(self.desk, self.view, settable, &chosen);
        let there = groups.iter().any(|group| group.properties.iter().any(|(value, ..)| *value == chosen));
        // One that is gone, or that the reader may not see, stays what it is unless another is chosen.
        if !there && chosen != "|" {
            let one = (chosen.clone(), chosen.replace('|', ": "), true);
            groups.insert(0, PickGroup { name: "…".to_owned(), properties: vec![one] });
        }
        Field { groups, ..self.field(name, "place", chosen) }
    }

    fn people(&self, name: &str, chosen: &str, nobody: &str) -> Field {
        let mut options = vec![(String::new(), self.view.t(nobody))];
        options.extend(self.desk.people.list().into_iter().map(|person| (person.id.to_string(), person.name)));
        self.select(name, chosen, options)
    }

    fn days(&self, item: &Json) -> Field {
        let chosen: Vec<u64> = item["weekdays"].as_array().into_iter().flatten().filter_map(Json::as_u64).collect();
        let day = |day: usize| (day.to_string(), self.view.weekday(&day).to_owned(), chosen.contains(&(day as u64)));
        Field { options: (1..=7).map(day).collect(), ..self.field("weekdays", "checks", String::new()) }
    }

    fn span(&self, name: &str, value: &Json) -> Field {
        let speaker = crate::web::scenario_words::Speaker::new(self.desk, self.view.language());
        let said = value.as_u64().map_or_else(|| text_of(value), |seconds| speaker.span(seconds));
        self.field(name, "text", said)
    }

    fn test(&self, item: &Json) -> Vec<Field> {
        const TESTS: [&str; 6] = ["equals", "differs", "above", "below", "changed", "unknown"];
        let is = &item["is"];
        let op = TESTS.into_iter().find(|op| is.get(op).is_some()).unwrap_or("equals");
        let value = if matches!(op, "changed" | "unknown") { Json::Null } else { is[op].clone() };
        vec![self.coded("test", op, &TESTS), self.text("value", &value)]
    }

    fn scenarios(&self, chosen: &str) -> Field {
        let all = self.desk.scenarios.list();
        let options = all.iter().map(|view| (view.scenario.id.to_string(), view.scenario.name.clone())).collect();
        self.select("scenario", chosen, options)
    }

    /// The fields of a part.
    pub fn of(&self, item: &Json) -> Vec<Field> {
        let family = Family::of(item);
        let kind = item[family.tag()].as_str().unwrap_or_default();
        let mut fields = match family {
            Family::Trigger => self.trigger(kind, item),
            Family::Condition => self.condition(kind, item),
            Family::Action => self.action(kind, item),
        };
        match family {
            // What a run waits for is no trigger of its own: nothing is made up for.
            Family::Trigger if item.get("id").is_some() => {
                fields.push(self.coded(
                    "catch_up",
                    item["catch_up"].as_str().unwrap_or("once"),
                    &["skip", "once", "all"],
                ));
                fields.push(self.span("max_age_s", item.get("max_age_s").unwrap_or(&json!(900))));
                fields.push(self.check("is_on", item["is_on"].as_bool().unwrap_or(true)));
            }
            Family::Action => {
                fields.push(self.text("step_name", &item["name"]));
                fields.push(self.check("go_on", item["go_on"].as_bool().unwrap_or(false)));
            }
            _ => {}
        }
        fields
    }

    fn trigger(&self, kind: &str, item: &Json) -> Vec<Field> {
        match kind {
            "state" => {
                let mut fields = vec![self.place("place", item, false)];
                fields.extend(self.test(item));
                fields.push(self.span("for_s", &item["for_s"]));
                fields
            }
            "edge" => vec![
                self.place("place", item, false),
                self.text("from_value", &item["from"]),
                self.text("to_value", &item["to"]),
            ],
            "time" => {
                let times: Vec<String> = item["at"].as_array().into_iter().flatten().map(text_of).collect();
                vec![self.field("times", "text", times.join(", ")), self.days(item)]
            }
            "every" => vec![self.span("seconds", &item["seconds"]), self.days(item)],
            "sun" => vec![
                self.coded("event", item["event"].as_str().unwrap_or("set"), &["rise", "set"]),
                self.field("offset_minutes", "text", item["offset_minutes"].as_i64().unwrap_or(0).to_string()),
                self.days(item),
            ],
            "arrives" => vec![self.people("person", &text_of(&item["person"]), "page-scenario-anybody")],
            "leaves" => vec![self.people("person", &text_of(&item["person"]), "page-scenario-the-last")],
            "alert" => {
                let said = crate::web::scenario_words::Speaker::new(self.desk, self.view.language());
                let chosen: Vec<String> = item["perils"].as_array().into_iter().flatten().map(text_of).collect();
                let peril = |peril: &Peril| {
                    let code = peril.code().to_owned();
                    let is = chosen.contains(&code);
                    (code.clone(), said.peril(&code), is)
                };
                let mut severities = vec![(String::new(), self.view.t("page-scenario-any-severity"))];
                severities.extend(severity_codes().map(|code| (code.to_owned(), said.severity(code))));
                let perils = Peril::ALL.iter().map(peril).collect();
                vec![
                    self.coded("moment", item["moment"].as_str().unwrap_or("raised"), &["raised", "over"]),
                    self.select("at_least", &text_of(&item["at_least"]), severities),
                    self.check("life_only", item["life_only"].as_bool().unwrap_or(false)),
                    Field { options: perils, ..self.field("perils", "checks", String::new()) },
                ]
            }
            "calendar" => vec![self.text("title_has", &item["title_has"])],
            _ => Vec::new(),
        }
    }

    fn condition(&self, kind: &str, item: &Json) -> Vec<Field> {
        match kind {
            "state" => {
                let mut fields = vec![self.place("place", item, false)];
                fields.extend(self.test(item).into_iter().map(|mut field| {
                    field.options.retain(|(code, ..)| code != "changed");
                    field
                }));
                fields
            }
            "time" => vec![self.text("from", &item["from"]), self.text("to", &item["to"]), self.days(item)],
            "home" => vec![
                self.people("person", &text_of(&item["person"]), "page-scenario-anybody"),
                self.coded("is_home", if item["is"].as_bool().unwrap_or(true) { "yes" } else { "no" }, &["yes", "no"]),
            ],
            "sun" => {
                vec![self.coded("up", if item["up"].as_bool().unwrap_or(true) { "yes" } else { "no" }, &["yes", "no"])]
            }
            "expression" => vec![self.field("expression", "area", text_of(&item["expression"]))],
            _ => Vec::new(),
        }
    }

    fn action(&self, kind: &str, item: &Json) -> Vec<Field> {
        match kind {
            "command" => vec![self.place("place", item, true), self.text("value", &item["value"])],
            "scene" => {
                let mut fields = vec![self.text("scene", &item["scene"])];
                let commands = item["commands"].as_array().cloned().unwrap_or_default();
                let rows = commands.iter().chain(std::iter::once(&Json::Null)).take(SCENE_ROWS).enumerate();
                for (n, command) in rows {
                    fields.push(self.place(&format!("place{n}"), command, true));
                    fields.push(self.text(&format!("value{n}"), &command["value"]));
                }
                fields
            }
            "wait" => vec![self.span("seconds", &item["seconds"])],
            "until" => vec![
                self.span("timeout_s", &item["timeout_s"]),
                self.check("then_go_on", item["then_go_on"].as_bool().unwrap_or(false)),
            ],
            // What is repeated for each, or while something is so, is edited as text.
            "repeat" if item.get("count").is_some() => vec![self.field("count", "text", text_of(&item["count"]))],
            "notify" => {
                let chosen: Vec<String> = item["to"].as_array().into_iter().flatten().map(text_of).collect();
                let people = self.desk.people.list().into_iter().map(|person| {
                    let id = person.id.to_string();
                    let is = chosen.contains(&id);
                    (id, person.name, is)
                });
                let said = crate::web::scenario_words::Speaker::new(self.desk, self.view.language());
                let severities = severity_codes().map(|code| (code.to_owned(), said.severity(code))).collect();
                vec![
                    self.text("title", &item["title"]),
                    self.field("text", "area", text_of(&item["text"])),
                    self.select("severity", item["severity"].as_str().unwrap_or("minor"), severities),
                    Field { options: people.collect(), ..self.field("to_people", "checks", String::new()) },
                ]
            }
            "reading" => {
                let values: Vec<String> = item["values"].as_array().into_iter().flatten().map(text_of).collect();
                vec![self.text("point", &item["point"]), self.field("values", "text", values.join(", "))]
            }
            "start" | "stop" => vec![self.scenarios(&text_of(&item["scenario"]))],
            "set" => vec![self.text("variable", &item["variable"]), self.text("value", &item["value"])],
            _ => Vec::new(),
        }
    }

    /// A value as somebody wrote it for a property: `= …` is an expression, yes and no are those of the language too.
    fn value(&self, item: &Json, text: &str) -> Json {
        let text = text.trim();
        if let Some(source) = text.strip_prefix('=') {
            return json!({ "expression": source.trim() });
        }
        let device = domovoi_model::DeviceRef::parse(&text_of(&item["device"]));
        let property = text_of(&item["property"]);
        let shape = device.as_ref().and_then(|device| {
            let shown = self.desk.devices.show(device)?;
            let found = shown.properties.into_iter().find(|one| one.state.property == property)?;
            Some(found.info?.shape.clone())
        });
        let lower = text.to_lowercase();
        let is_switch = matches!(shape, None | Some(Shape::Switch { .. } | Shape::Unknown));
        match (is_switch, lower.as_str()) {
            (true, "вкл" | "включено" | "да" | "yes") => return json!(true),
            (true, "выкл" | "выключено" | "нет" | "no") => return json!(false),
            _ => {}
        }
        let decimal = text.replace(',', ".");
        let spelled = if decimal.parse::<rust_decimal::Decimal>().is_ok() { decimal.as_str() } else { text };
        let value = match &device {
            Some(device) => self.desk.devices.read_value(device, &property, spelled),
            None => match lower.as_str() {
                "true" | "on" => Value::Bool(true),
                "false" | "off" => Value::Bool(false),
                _ => spelled.parse().map_or_else(|_| Value::Text(text.to_owned()), Value::Number),
            },
        };
        match value {
            Value::Bool(flag) => json!(flag),
            Value::Number(number) => {
                number.normalize().to_string().parse::<serde_json::Number>().map_or_else(|_| json!(text), Json::Number)
            }
            Value::Text(text) => json!(text),
        }
    }

    /// What the filled form makes of a part.
    pub fn take(&self, form: &Form, item: &mut Json) {
        let family = Family::of(item);
        let kind = item[family.tag()].as_str().unwrap_or_default().to_owned();
        let has = |name: &str| form.all(name).next().is_some();
        if let Some((device, property)) = form.text("place").split_once('|') {
            item["device"] = json!(device);
            item["property"] = json!(property);
        }
        if has("test") {
            let op = form.text("test");
            let value = match op {
                "changed" | "unknown" => json!(true),
                _ => self.value(item, form.text("value")),
            };
            item["is"] = json!({ op: value });
        } else if has("value") {
            item["value"] = self.value(item, form.text("value"));
        }
        for (name, member) in [("from_value", "from"), ("to_value", "to")] {
            if has(name) {
                let text = form.text(name);
                set(item, member, (!text.is_empty()).then(|| self.value(item, text)));
            }
        }
        for name in ["for_s", "seconds", "timeout_s", "max_age_s"] {
            if has(name) {
                let text = form.text(name);
                set(item, name, (!text.is_empty()).then(|| seconds_of(text)));
            }
        }
        for name in ["offset_minutes", "count"] {
            if has(name) {
                item[name] =
                    form.text(name).parse::<i64>().map_or_else(|_| json!(form.text(name)), |number| json!(number));
            }
        }
        for name in ["person", "at_least"] {
            if has(name) {
                set(item, name, Some(form.text(name)).filter(|text| !text.is_empty()).map(|text| json!(text)));
            }
        }
        let plain = [
            "event",
            "moment",
            "title_has",
            "from",
            "to",
            "expression",
            "scene",
            "title",
            "text",
            "severity",
            "point",
            "scenario",
            "variable",
            "catch_up",
        ];
        for name in plain.into_iter().filter(|name| has(name)) {
            item[name] = json!(form.text(name));
        }
        for (name, member) in [("is_home", "is"), ("up", "up")] {
            if has(name) {
                item[member] = json!(form.text(name) == "yes");
            }
        }
        if has("times") {
            let times = form.text("times").split(',').map(str::trim).filter(|time| !time.is_empty());
            item["at"] = times.map(|time| if time.len() == 4 { format!("0{time}") } else { time.to_owned() }).collect();
        }
        if has("values") {
            item["values"] = form.text("values").split(',').map(|text| self.value(&Json::Null, text)).collect();
        }
        if kind == "scene" {
            let row = |n: usize| {
                let (device, property) = form.text(&format!("place{n}")).split_once('|')?;
                let mut command = json!({ "device": device, "property": property });
                command["value"] = self.value(&command, form.text(&format!("value{n}")));
                (!device.is_empty()).then_some(command)
            };
            let mut commands: Vec<Json> = (0..SCENE_ROWS).filter_map(row).collect();
            // Those that had no row stay.
            commands.extend(item["commands"].as_array().into_iter().flatten().skip(SCENE_ROWS).cloned());
            item["commands"] = Json::Array(commands);
        }
        // A box that is not ticked is not sent: of those that the part has, it is a no.
        for field in self.of(item) {
            match (field.kind, field.name.as_str()) {
                ("check", "is_on") => item["is_on"] = json!(form.is("is_on")),
                ("check", name) => set(item, name, form.is(name).then_some(Json::Bool(true))),
                ("checks", "weekdays") => {
                    let days: Vec<u8> = form.all("weekdays").filter_map(|day| day.parse::<u8>().ok()).collect();
                    set(item, "weekdays", (!days.is_empty()).then(|| json!(days)));
                }
                ("checks", name) => {
                    let chosen: Vec<&str> = form.all(name).collect();
                    let member = if name == "to_people" { "to" } else { name };
                    set(item, member, (!chosen.is_empty()).then(|| json!(chosen)));
                }
                (_, "step_name") => {
                    let name = form.text("step_name");
                    set(item, "name", (!name.is_empty()).then(|| json!(name)));
                }
                _ => {}
            }
        }
    }
}

fn severity_codes() -> impl Iterator<Item = &'static str> {
    Severity::ALL.iter().copied().filter(|severity| *severity != Severity::Unknown).map(Severity::code)
}

/// Sets a member, or takes it away.
fn set(item: &mut Json, name: &str, value: Option<Json>) {
    if let Json::Object(members) = item {
        match value {
            Some(value) => members.insert(name.to_owned(), value),
            None => members.remove(name),
        };
    }
}

/// «1 ч 30 мин», «45 с», «90»: seconds. What is none stays as it was written, and is told later.
fn seconds_of(text: &str) -> Json {
    if let Some(source) = text.strip_prefix('=') {
        return json!({ "expression": source.trim() });
    }
    let mut seconds = 0u64;
    let mut number = String::new();
    let mut unit = String::new();
    let mut add = |number: &mut String, unit: &mut String| -> Option<()> {
        if number.is_empty() {
            return unit.is_empty().then_some(());
        }
        let each = match unit.trim().trim_end_matches('.') {
            "" | "s" | "с" | "сек" | "sec" => 1,
            "m" | "м" | "мин" | "min" => 60,
            "h" | "ч" | "час" => 3600,
            "d" | "д" => 86_400,
            _ => return None,
        };
        seconds = seconds.checked_add(number.parse::<u64>().ok()?.checked_mul(each)?)?;
        number.clear();
        unit.clear();
        Some(())
    };
    for c in text.to_lowercase().chars() {
        if c.is_ascii_digit() {
            if !unit.trim().is_empty() && add(&mut number, &mut unit).is_none() {
                return json!(text);
            }
            number.push(c);
        } else {
            unit.push(c);
        }
    }
    if add(&mut number, &mut unit).is_none() { json!(text) } else { json!(seconds) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_people_write_it() {
        for (text, seconds) in [
            ("90", 90),
            ("10 мин", 600),
            ("1 ч 30 мин", 5400),
            ("45 с", 45),
            ("1h 5min", 3900),
            ("2 д", 172_800),
            ("0 s", 0),
        ] {
            assert_eq!(seconds_of(text), json!(seconds), "{text}");
        }
        for text in ["soon", "10 лет", "мин", "99999999999999999999 ч"] {
            assert_eq!(seconds_of(text), json!(text), "{text}");
        }
        assert_eq!(seconds_of("= vars.x"), json!({ "expression": "vars.x" }));
    }

    #[test]
    fn a_new_part_of_every_kind_is_of_its_kind() {
        for family in [Family::Trigger, Family::Condition, Family::Action] {
            for kind in family.kinds() {
                let item = fresh(family, kind, &[]);
                assert_eq!((Family::of(&item), item[family.tag()].as_str()), (family, Some(*kind)));
            }
        }
        let second = fresh(Family::Trigger, "webhook", &[json!({ "id": "t1" })]);
        assert_eq!(second["id"], "t2");
    }
}
