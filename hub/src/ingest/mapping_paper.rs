//! The owner's own mapping as it is written down: the row of the store, the body of the API and the TOML file are this one
//! document, so that what was exported can be handed in again. It checks no more than that its words are words; the rest is
//! checked where it is read (`domovoi_adapters::Mapping`).

use domovoi_adapters::{Hearsay, Mapping, MappingError, Row, Shape, Told, Warning};
use domovoi_model::{Hazard, Unit, Value};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The dangers by their codes.
const HAZARDS: [(&str, Hazard); 4] = [
    ("water-leak", Hazard::WaterLeak),
    ("gas", Hazard::Gas),
    ("smoke", Hazard::Smoke),
    ("carbon-monoxide", Hazard::CarbonMonoxide),
];

/// One device of the owner's own, or a family of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MappingPaper {
    /// Its identity, which never changes: `greenhouse`, `sensor-{1}`.
    pub id: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// It sleeps to spare its battery.
    #[serde(default, skip_serializing_if = "is_no")]
    pub sleeps: bool,
    /// It speaks at least once in so many seconds; people are told when it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_after_s: Option<u32>,
    /// Where it says whether it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence: Option<PresencePaper>,
    /// What it measures and does.
    pub rows: Vec<RowPaper>,
}

/// Where a device says whether it is there, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PresencePaper {
    pub topic: String,
    /// The word for yes.
    pub online: String,
    /// The word for no.
    pub offline: String,
}

/// One property.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RowPaper {
    /// Its name: `temperature`.
    pub property: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Where its value comes from: a topic, or a filter with `+`.
    pub topic: String,
    /// What of the payload it is: nothing for all of it, a path (`battery.voltage`), or a template (`{{ … }}`).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub read: String,
    /// `number`, `switch`, `choice` or `text`.
    #[serde(default)]
    pub is: ValueIs,
    /// Of a switch: the word for yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// Of a switch: the word for no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off: Option<String>,
    /// Of a choice: its words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<String>,
    /// Of a number: the least, as an exact decimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<String>,
    /// Of a number: the greatest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<String>,
    /// The unit of its numbers, after `factor` and `offset`: `°C`, `m³`, `kWh`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// What it measures or does: `temperature`, `moisture`, `water`, `valve`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Its numbers are multiplied by this: what a pulse weighs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<String>,
    /// And then this is added: what the meter showed before its pulses were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<String>,
    /// The danger that it reports: `water-leak`, `gas`, `smoke`, `carbon-monoxide`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hazard: Option<String>,
    /// What it warns of: `battery`, `tamper`, `fault`, `overload`, `leak`, `backflow`, `burst`, `frost`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// Why its value is not the word of the thing itself: `estimated`, `overheard`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hearsay: Option<String>,
    /// It happens: what a broker retained of it is over.
    #[serde(default, skip_serializing_if = "is_no")]
    pub event: bool,
    /// Its value says nothing any more so many seconds after it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_after_s: Option<u32>,
    /// Where it is told something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<ToldPaper>,
}

/// How a property is told something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ToldPaper {
    pub topic: String,
    /// Nothing for the value as it is, or a template of `value`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub payload: String,
}

/// What a value is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ValueIs {
    #[default]
    Number,
    Switch,
    Choice,
    Text,
}

/// Several mappings as a file has them: `[[mapping]]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MappingFile {
    #[serde(default)]
    pub mapping: Vec<MappingPaper>,
}

/// What is wrong with a mapping that was handed in: which row, a code, and what the sentence has a place for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingWrong {
    /// The mapping's id.
    pub id: String,
    /// Which row, from 0; `None`: the mapping itself.
    pub row: Option<usize>,
    /// Its sentence is `mapping-wrong-<code>`.
    pub code: &'static str,
    /// The name, number or reason.
    pub detail: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_no(flag: &bool) -> bool {
    !*flag
}

impl MappingPaper {
    /// In the words of the dialects.
    pub fn to_mapping(&self) -> Result<Mapping, MappingWrong> {
        let wrong = |row: usize, (code, detail): (&'static str, &str)| MappingWrong {
            id: self.id.clone(),
            row: Some(row),
            code,
            detail: detail.to_owned(),
        };
        let rows = self.rows.iter().enumerate();
        Ok(Mapping {
            id: self.id.clone(),
            name: self.name.clone().filter(|name| !name.trim().is_empty()),
            sleeps: self.sleeps,
            silent_after_s: self.silent_after_s,
            rows: rows.map(|(at, row)| row.to_row().map_err(|why| wrong(at, why))).collect::<Result<_, _>>()?,
            presence: self.presence.as_ref().map(|at| (at.topic.clone(), at.online.clone(), at.offline.clone())),
        })
    }

    /// What is wrong with it, as the dialects say.
    pub fn is_wrong(&self, error: &MappingError) -> MappingWrong {
        MappingWrong { id: self.id.clone(), row: error.row, code: error.why.code(), detail: error.why.detail() }
    }
}

impl RowPaper {
    fn to_row(&self) -> Result<Row, (&'static str, &str)> {
        let number = |text: &'_ Option<String>| -> Result<Option<Decimal>, String> {
            let Some(text) = text.as_deref().map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
            text.parse().map(Some).map_err(|_| text.to_owned())
        };
        let decimal = |text| number(text).map_err(|_| ("bad-number", text_of(text)));
        let word = |word: &'_ Option<String>| word.as_deref().map(str::trim).unwrap_or_default().to_owned();
        let shape = match self.is {
            ValueIs::Number => Shape::Number { min: decimal(&self.min)?, max: decimal(&self.max)? },
            ValueIs::Switch => {
                let (on, off) = (word(&self.on), word(&self.off));
                if on.is_empty() || off.is_empty() || on == off {
                    return Err(("no-words", ""));
                }
                Shape::Switch { on: Value::Text(on), off: Value::Text(off) }
            }
            ValueIs::Choice if self.words.is_empty() || self.words.len() > 64 => return Err(("no-words", "")),
            ValueIs::Choice => Shape::Choice(self.words.clone()),
            ValueIs::Text => Shape::Text,
        };
        let unit = match text_of(&self.unit) {
            "" => Unit::None,
            text => Unit::parse(text).ok_or(("bad-unit", text))?,
        };
        let hazard = match text_of(&self.hazard) {
            "" => None,
            code => Some(
                HAZARDS.iter().find(|(known, _)| *known == code).map(|(_, one)| *one).ok_or(("bad-hazard", code))?,
            ),
        };
        let warning = match text_of(&self.warning) {
            "" => None,
            code => Some(Warning::from_code(code).ok_or(("bad-warning", code))?),
        };
        let hearsay = match text_of(&self.hearsay) {
            "" => None,
            code => Some(Hearsay::from_code(code).ok_or(("bad-hearsay", code))?),
        };
        Ok(Row {
            label: self.label.clone().filter(|label| !label.trim().is_empty()),
            read: self.read.clone(),
            unit,
            class: self.class.clone().filter(|class| !class.trim().is_empty()),
            factor: decimal(&self.factor)?,
            offset: decimal(&self.offset)?,
            told: self.told.as_ref().map(|told| Told { topic: told.topic.clone(), payload: told.payload.clone() }),
            hazard,
            warning,
            hearsay,
            is_event: self.event,
            expires_after_s: self.expires_after_s,
            ..Row::new(self.property.clone(), self.topic.clone(), shape)
        })
    }
}

fn text_of(text: &Option<String>) -> &str {
    text.as_deref().map(str::trim).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        [[mapping]]
        id = "boiler"
        name = "Котёл"
        silent_after_s = 600
        presence = { topic = "boiler/alive", online = "1", offline = "0" }

        [[mapping.rows]]
        property = "flow"
        topic = "boiler/state"
        read = "water.flow"
        unit = "°C"
        min = "0"
        max = "90"

        [[mapping.rows]]
        property = "heating"
        topic = "boiler/state"
        read = "on"
        is = "switch"
        on = "true"
        off = "false"
        told = { topic = "boiler/set", payload = '{"on":{{ value }}}' }
    "#;

    #[test]
    fn a_file_the_api_and_the_store_have_one_document() {
        let file: MappingFile = toml::from_str(FILE).unwrap();
        let again: MappingFile = toml::from_str(&toml::to_string(&file).unwrap()).unwrap();
        assert_eq!(again, file);
        let json = serde_json::to_string(&file.mapping[0]).unwrap();
        assert_eq!(serde_json::from_str::<MappingPaper>(&json).unwrap(), file.mapping[0]);
        let mapping = file.mapping[0].to_mapping().unwrap();
        assert_eq!((mapping.rows.len(), mapping.rows[0].unit), (2, Unit::Celsius));
        assert!(toml::from_str::<MappingFile>("[[mapping]]\nid = \"x\"\nrows = []\ntopics = 1").is_err());
    }

    #[test]
    fn what_is_no_word_of_ours_is_told_with_its_row() {
        let row = || RowPaper { property: "a".into(), topic: "t".into(), ..RowPaper::default() };
        let text = |text: &str| Some(text.to_owned());
        let wrong = |row: RowPaper| {
            let rows = vec![RowPaper { property: "first".into(), topic: "t".into(), ..RowPaper::default() }, row];
            let paper = MappingPaper { id: "x".into(), rows, ..MappingPaper::default() };
            paper.to_mapping().map(|_| ()).map_err(|wrong| (wrong.row, wrong.code, wrong.detail))
        };
        for (row, code, detail) in [
            (RowPaper { unit: text("furlong"), ..row() }, "bad-unit", "furlong"),
            (RowPaper { factor: text("1,5"), ..row() }, "bad-number", "1,5"),
            (RowPaper { max: text("many"), ..row() }, "bad-number", "many"),
            (RowPaper { is: ValueIs::Switch, on: text("1"), off: text("1"), ..row() }, "no-words", ""),
            (RowPaper { is: ValueIs::Choice, ..row() }, "no-words", ""),
            (RowPaper { hazard: text("flood"), ..row() }, "bad-hazard", "flood"),
            (RowPaper { warning: text("doom"), ..row() }, "bad-warning", "doom"),
            (RowPaper { hearsay: text("gossip"), ..row() }, "bad-hearsay", "gossip"),
        ] {
            assert_eq!(wrong(row), Err((Some(1), code, detail.to_owned())));
        }
        assert_eq!(wrong(row()), Ok(()));
    }
}
