//! Rules and open dangers as they are kept: JSON documents that the store seals. The room's own words, so that what is kept
//! does not change because a field was renamed.

use domovoi_model::{BootId, DeviceRef, Id, Moment, Timestamp, Value};
use domovoi_store::SafetyRow;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::danger::{Keep, Key, Owed, Remembered};
use super::rule::{Answer, Danger, Place, Rule, Sensors};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ValueRow {
    Number(String),
    Bool(bool),
    Text(String),
}

#[derive(Serialize, Deserialize)]
struct PlaceRow(String, String, String);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum MomentRow {
    Wall(i64),
    SinceBoot(String, i64),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SensorsRow {
    Any,
    Room(String),
    These(Vec<PlaceRow>),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AnswerRow {
    Valves(Option<String>),
    Sirens(Option<String>),
    Set(PlaceRow, ValueRow),
}

#[derive(Serialize, Deserialize)]
struct RuleRow {
    id: String,
    name: String,
    is_on: bool,
    danger: String,
    sensors: SensorsRow,
    below: Option<String>,
    silent_after_s: Option<u32>,
    answers: Vec<AnswerRow>,
}

#[derive(Serialize, Deserialize)]
struct DangerRow {
    danger: String,
    place: PlaceRow,
    since: MomentRow,
    value: ValueRow,
    answered: bool,
    #[serde(default)]
    hushed: bool,
}

/// Something that was to be closed in a danger that is over.
#[derive(Serialize, Deserialize)]
struct OwedRow {
    owed: PlaceRow,
    value: ValueRow,
    danger: String,
}

/// A siren that was told to sound.
#[derive(Serialize, Deserialize)]
struct SoundingRow {
    sounding: PlaceRow,
}

fn place_row(place: &Place) -> PlaceRow {
    PlaceRow(place.device.dialect.clone(), place.device.id.clone(), place.property.clone())
}

fn place_of(row: PlaceRow) -> Place {
    Place::new(DeviceRef { dialect: row.0, id: row.1 }, row.2)
}

fn value_row(value: &Value) -> ValueRow {
    match value {
        Value::Number(number) => ValueRow::Number(number.to_string()),
        Value::Bool(flag) => ValueRow::Bool(*flag),
        Value::Text(text) => ValueRow::Text(text.clone()),
    }
}

fn value_of(row: ValueRow) -> Option<Value> {
    Some(match row {
        ValueRow::Number(number) => Value::Number(number.parse().ok()?),
        ValueRow::Bool(flag) => Value::Bool(flag),
        ValueRow::Text(text) => Value::Text(text),
    })
}

/// A rule as it is kept.
pub fn rule_row(rule: &Rule) -> SafetyRow {
    let sensors = match &rule.sensors {
        Sensors::Any => SensorsRow::Any,
        Sensors::Room(room) => SensorsRow::Room(room.clone()),
        Sensors::These(places) => SensorsRow::These(places.iter().map(place_row).collect()),
    };
    let answer = |answer: &Answer| match answer {
        Answer::Valves(room) => AnswerRow::Valves(room.clone()),
        Answer::Sirens(room) => AnswerRow::Sirens(room.clone()),
        Answer::Set(place, value) => AnswerRow::Set(place_row(place), value_row(value)),
    };
    let row = RuleRow {
        id: rule.id.clone(),
        name: rule.name.clone(),
        is_on: rule.is_on,
        danger: rule.danger.code().to_owned(),
        sensors,
        below: rule.below.map(|below| below.to_string()),
        silent_after_s: rule.silent_after_s,
        answers: rule.answers.iter().map(answer).collect(),
    };
    SafetyRow { id: rule.id.clone(), body: serde_json::to_vec(&row).unwrap_or_default() }
}

/// A rule that was kept; `None` if this program cannot read it.
pub fn rule_of(row: &SafetyRow) -> Option<Rule> {
    let row: RuleRow = serde_json::from_slice(&row.body).ok()?;
    let sensors = match row.sensors {
        SensorsRow::Any => Sensors::Any,
        SensorsRow::Room(room) => Sensors::Room(room),
        SensorsRow::These(places) => Sensors::These(places.into_iter().map(place_of).collect()),
    };
    let answer = |answer| {
        Some(match answer {
            AnswerRow::Valves(room) => Answer::Valves(room),
            AnswerRow::Sirens(room) => Answer::Sirens(room),
            AnswerRow::Set(place, value) => Answer::Set(place_of(place), value_of(value)?),
        })
    };
    let below: Option<Decimal> = match row.below {
        None => None,
        Some(below) => Some(below.parse().ok()?),
    };
    Some(Rule {
        id: row.id,
        name: row.name,
        is_on: row.is_on,
        danger: Danger::from_code(&row.danger)?,
        sensors,
        below,
        silent_after_s: row.silent_after_s,
        answers: row.answers.into_iter().map(answer).collect::<Option<_>>()?,
    })
}

/// What is kept over a restart.
pub fn rows_of(keep: &Keep) -> Vec<SafetyRow> {
    let owed = keep.owed.iter().map(|owed| {
        let row = OwedRow {
            owed: place_row(&owed.place),
            value: value_row(&owed.value),
            danger: owed.danger.code().to_owned(),
        };
        SafetyRow { id: id_of("owed", &owed.place), body: serde_json::to_vec(&row).unwrap_or_default() }
    });
    let sounding = keep.sounding.iter().map(|place| {
        let row = SoundingRow { sounding: place_row(place) };
        SafetyRow { id: id_of("sounding", place), body: serde_json::to_vec(&row).unwrap_or_default() }
    });
    keep.dangers.iter().map(danger_row).chain(owed).chain(sounding).collect()
}

/// The same as it was kept; what this program cannot read is left out.
pub fn keep_of(rows: &[SafetyRow]) -> Keep {
    let mut keep = Keep::default();
    for row in rows {
        if let Some(danger) = danger_of(row) {
            keep.dangers.push(danger);
        } else if let Some(owed) = owed_of(row) {
            keep.owed.push(owed);
        } else if let Ok(row) = serde_json::from_slice::<SoundingRow>(&row.body) {
            keep.sounding.push(place_of(row.sounding));
        }
    }
    keep
}

fn owed_of(row: &SafetyRow) -> Option<Owed> {
    let row: OwedRow = serde_json::from_slice(&row.body).ok()?;
    Some(Owed { place: place_of(row.owed), value: value_of(row.value)?, danger: Danger::from_code(&row.danger)? })
}

fn id_of(what: &str, place: &Place) -> String {
    format!("{what}:{}:{}", place.device, place.property)
}

/// An open danger as it is kept.
fn danger_row(one: &Remembered) -> SafetyRow {
    let Key { danger, place, .. } = &one.key;
    let row = DangerRow {
        danger: danger.code().to_owned(),
        place: place_row(place),
        since: match one.since {
            Moment::Wall(at) => MomentRow::Wall(at.0),
            Moment::SinceBoot { boot, millis } => MomentRow::SinceBoot(boot.0.to_string(), millis),
        },
        value: value_row(&one.value),
        answered: one.answered,
        hushed: one.hushed,
    };
    SafetyRow { id: id_of(danger.code(), place), body: serde_json::to_vec(&row).unwrap_or_default() }
}

/// An open danger that was kept; `None` if this program cannot read it.
fn danger_of(row: &SafetyRow) -> Option<Remembered> {
    let row: DangerRow = serde_json::from_slice(&row.body).ok()?;
    let since = match row.since {
        MomentRow::Wall(at) => Moment::Wall(Timestamp(at)),
        MomentRow::SinceBoot(boot, millis) => Moment::SinceBoot { boot: BootId(boot.parse::<Id>().ok()?), millis },
    };
    Some(Remembered {
        key: Key { danger: Danger::from_code(&row.danger)?, place: place_of(row.place), test: None },
        since,
        value: value_of(row.value)?,
        answered: row.answered,
        hushed: row.hushed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_and_dangers_come_back_as_they_were() {
        let place = Place::new(DeviceRef::new("zigbee2mqtt", "0x1"), "state");
        for rule in super::super::rule::built_in() {
            assert_eq!(rule_of(&rule_row(&rule)), Some(rule));
        }
        let own = Rule {
            id: "7".into(),
            name: "Подвал".into(),
            is_on: false,
            danger: Danger::Freezing,
            sensors: Sensors::These(vec![place.clone()]),
            below: Some(Decimal::new(25, 1)),
            silent_after_s: None,
            answers: vec![
                Answer::Set(place.clone(), Value::Bool(true)),
                Answer::Set(place.clone(), Value::Number(Decimal::new(5, 0))),
                Answer::Set(place.clone(), Value::Text("on".into())),
                Answer::Sirens(Some("кухня".into())),
            ],
        };
        assert_eq!(rule_of(&rule_row(&own)), Some(own));
        let owed = Owed { place: place.clone(), value: Value::Bool(false), danger: Danger::Gas };
        let whole = Keep { dangers: Vec::new(), owed: vec![owed], sounding: vec![place.clone()] };
        assert_eq!(keep_of(&rows_of(&whole)), whole);
        let key = Key { danger: Danger::WaterLeak, place, test: None };
        for since in [Moment::Wall(Timestamp(5)), Moment::SinceBoot { boot: BootId(Id([3; 16])), millis: 9 }] {
            let one = Remembered { key: key.clone(), since, value: Value::Bool(true), answered: true, hushed: true };
            assert_eq!(danger_of(&danger_row(&one)), Some(one));
        }
        assert_eq!(rule_of(&SafetyRow { id: "x".into(), body: b"{}".to_vec() }), None);
    }
}
