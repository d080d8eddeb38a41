//! The wire form of a scenario: the same in the store, in the API's JSON and in a TOML file, so that what is exported is what
//! is taken back. Here are the shapes; `reading` checks them against the vocabulary, `writing` spells the vocabulary.
//!
//! Nested lists stay raw until their own turn: so every mistake is told with the path of the field where it is.

mod reading;
mod writing;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use utoipa::ToSchema;

pub use reading::{Finder, limits};

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {why}")]
pub struct PaperWrong {
    /// The field: `actions[2].then[0].value`.
    pub path: String,
    /// What is wrong with it and what would be right.
    pub why: String,
}

/// A scenario as it is written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScenarioPaper {
    /// Its id; a new one is made where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What people call it, up to 120 characters.
    pub name: String,
    /// A remark, up to 2000 characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// The name of a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    /// The id of the room it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    /// The preset it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Whether its triggers begin anything.
    #[serde(default = "yes")]
    pub is_on: bool,
    /// `single`, `restart`, `queued` or `parallel`: what happens when it is to begin while it runs.
    #[serde(default = "single")]
    pub mode: String,
    /// How many may wait or run, for `queued` and `parallel`; 10 where nobody says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<u16>,
    /// What begins it: `{"id", "when": "state"|"edge"|"time"|"every"|"sun"|"arrives"|"leaves"|"webhook"|"alert"|"calendar"|
    /// "house-start", …}`.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub triggers: Vec<Json>,
    /// What must be so: `{"if": "state"|"time"|"home"|"sun"|"expression"|"all"|"any"|"not", …}`.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub conditions: Vec<Json>,
    /// What it does: `{"do": "command"|"scene"|"wait"|"until"|"choose"|"repeat"|"notify"|"reading"|"start"|"stop"|"set"|"end", …}`.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub actions: Vec<Json>,
    /// What keeps it from running wild.
    #[serde(default)]
    pub guards: GuardsPaper,
}

fn yes() -> bool {
    true
}

fn single() -> String {
    "single".to_owned()
}

/// See [`super::Guards`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GuardsPaper {
    /// 1 to 3600.
    pub runs_per_hour: u32,
    /// 1 to 10.
    pub max_depth: u8,
    /// 1 to 31 days, in seconds.
    pub max_run_s: u32,
}

impl Default for GuardsPaper {
    fn default() -> Self {
        let guards = super::Guards::default();
        GuardsPaper { runs_per_hour: guards.runs_per_hour, max_depth: guards.max_depth, max_run_s: guards.max_run_s }
    }
}

/// What the store keeps of it beside the wire form.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct KeptPaper {
    pub scenario: ScenarioPaper,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    #[serde(default)]
    pub sure: bool,
    pub changed_at: i64,
    /// Keyed hashes of the secrets of webhooks, by trigger.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, String>,
}

/// A value: true, false, a number, a text; or `{"expression": "…"}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum GivenPaper {
    Expression(ExpressionPaper),
    Plain(PlainPaper),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpressionPaper {
    expression: String,
}

/// A value of the vocabulary. Numbers go through their spelling, so that 21.3 stays 21.3.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum PlainPaper {
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
}

/// What every trigger has; the rest depends on its `when`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TriggerPaper {
    id: String,
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    is_on: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    catch_up: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_age_s: Option<u32>,
}

fn is_yes(flag: &bool) -> bool {
    *flag
}

/// How a property is to stand: exactly one of these.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TestPaper {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    equals: Option<PlainPaper>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    differs: Option<PlainPaper>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    above: Option<PlainPaper>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    below: Option<PlainPaper>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changed: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unknown: Option<bool>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "when", rename_all = "kebab-case", deny_unknown_fields)]
enum WhenPaper {
    State {
        device: String,
        property: String,
        is: TestPaper,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        for_s: Option<u32>,
    },
    Edge {
        device: String,
        property: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<PlainPaper>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<PlainPaper>,
    },
    Time {
        at: Vec<String>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        weekdays: Vec<u8>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        monthdays: Vec<u8>,
    },
    Every {
        seconds: u32,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        weekdays: Vec<u8>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        monthdays: Vec<u8>,
    },
    Sun {
        event: SunPaper,
        #[serde(default, skip_serializing_if = "is_zero")]
        offset_minutes: i16,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        weekdays: Vec<u8>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        monthdays: Vec<u8>,
    },
    Arrives {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        person: Option<String>,
    },
    Leaves {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        person: Option<String>,
    },
    Webhook {},
    Alert {
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        perils: Vec<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_least: Option<String>,
        #[serde(default, skip_serializing_if = "is_false")]
        life_only: bool,
        #[serde(default)]
        moment: MomentPaper,
    },
    Calendar {
        #[serde(default, skip_serializing_if = "String::is_empty")]
        title_has: String,
    },
    HouseStart {},
}

fn is_zero(number: &i16) -> bool {
    *number == 0
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SunPaper {
    Rise,
    Set,
}

#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum MomentPaper {
    #[default]
    Raised,
    Over,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "if", rename_all = "kebab-case", deny_unknown_fields)]
enum ConditionPaper {
    State {
        device: String,
        property: String,
        is: TestPaper,
    },
    Time {
        from: String,
        to: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        weekdays: Vec<u8>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        monthdays: Vec<u8>,
    },
    Home {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        person: Option<String>,
        #[serde(default = "yes")]
        is: bool,
    },
    Sun {
        up: bool,
    },
    Expression {
        expression: String,
    },
    All {
        of: Vec<Json>,
    },
    Any {
        of: Vec<Json>,
    },
    Not {
        of: Json,
    },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
enum ActionPaper {
    Command {
        device: String,
        property: String,
        value: GivenPaper,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after_doubt: Option<DoubtPaper>,
    },
    Scene {
        #[serde(default, skip_serializing_if = "String::is_empty")]
        scene: String,
        commands: Vec<ScenePaper>,
    },
    Wait {
        seconds: GivenPaper,
    },
    Until {
        /// A condition; or else `happens`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        so: Option<Json>,
        /// What begins a scenario, without its `id`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        happens: Option<Json>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout_s: Option<u32>,
        #[serde(default)]
        then_go_on: bool,
    },
    Choose {
        branches: Vec<BranchPaper>,
        #[serde(default, rename = "else", skip_serializing_if = "Vec::is_empty")]
        otherwise: Vec<Json>,
    },
    Repeat {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        count: Option<u32>,
        #[serde(default, rename = "while", skip_serializing_if = "Option::is_none")]
        so_long: Option<Vec<Json>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        each: Option<Vec<GivenPaper>>,
        steps: Vec<Json>,
    },
    Notify {
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        to: Vec<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        severity: Option<String>,
        title: String,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        text: String,
    },
    Reading {
        point: String,
        values: Vec<GivenPaper>,
    },
    Start {
        scenario: String,
    },
    Stop {
        scenario: String,
    },
    Set {
        variable: String,
        value: GivenPaper,
    },
    End {},
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum DoubtPaper {
    Again,
    Once,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScenePaper {
    device: String,
    property: String,
    value: GivenPaper,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BranchPaper {
    #[serde(rename = "if")]
    conditions: Vec<Json>,
    then: Vec<Json>,
}
