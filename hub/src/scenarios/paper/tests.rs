//! The wire form: read back as it was, mistakes with their field, and nothing that makes it stumble.

use domovoi_model::DeviceRef;
use proptest::prelude::*;
use serde_json::json;

use super::{KeptPaper, ScenarioPaper};
use crate::scenarios::plan::Scenario;

fn whole() -> serde_json::Value {
    json!({
        "id": "00112233-4455-6677-8899-aabbccddeeff",
        "name": "Всё сразу", "note": "n", "icon": "moon", "mode": "queued", "most": 3,
        "triggers": [
            {"id": "a", "when": "state", "device": "zigbee2mqtt:0x1", "property": "contact", "is": {"equals": true}, "for_s": 60},
            {"id": "b", "when": "edge", "device": "zigbee2mqtt:0x1", "property": "state", "from": "OFF", "to": "ON", "is_on": false},
            {"id": "c", "when": "time", "at": ["23:00", "07:30:15"], "weekdays": [1, 5], "catch_up": "all", "max_age_s": 3600},
            {"id": "d", "when": "every", "seconds": 900},
            {"id": "e", "when": "sun", "event": "set", "offset_minutes": -30},
            {"id": "f", "when": "arrives"},
            {"id": "g", "when": "leaves", "person": "00112233-4455-6677-8899-aabbccddeeff"},
            {"id": "h", "when": "webhook"},
            {"id": "i", "when": "alert", "perils": ["gas"], "at_least": "severe", "life_only": true, "moment": "over"},
            {"id": "j", "when": "calendar", "title_has": "мусор"},
            {"id": "k", "when": "house-start"}
        ],
        "conditions": [
            {"if": "state", "device": "zigbee2mqtt:0x1", "property": "t", "is": {"above": 21.3}},
            {"if": "any", "of": [{"if": "time", "from": "22:00", "to": "06:00"}, {"if": "not", "of": {"if": "sun", "up": true}}]},
            {"if": "home", "is": false},
            {"if": "expression", "expression": "state('zigbee2mqtt:0x1', 't') > 20 and not is_home('Анна')"}
        ],
        "actions": [
            {"do": "command", "device": "zigbee2mqtt:0x1", "property": "state", "value": "toggle", "after_doubt": "once", "name": "свет"},
            {"do": "scene", "scene": "ночь", "commands": [{"device": "zigbee2mqtt:0x1", "property": "state", "value": false}], "go_on": true},
            {"do": "wait", "seconds": 600},
            {"do": "until", "so": {"if": "sun", "up": true}, "timeout_s": 60, "then_go_on": true},
            {"do": "until", "happens": {"when": "arrives"}},
            {"do": "choose", "branches": [{"if": [{"if": "sun", "up": true}], "then": [{"do": "end"}]}], "else": [{"do": "set", "variable": "x", "value": {"expression": "1 + 1"}}]},
            {"do": "repeat", "each": [1, "a", true], "steps": [{"do": "notify", "title": "{{ repeat.item }}", "severity": "moderate"}]},
            {"do": "repeat", "while": [{"if": "sun", "up": true}], "steps": []},
            {"do": "reading", "point": "00112233-4455-6677-8899-aabbccddeeff", "values": [12.5]},
            {"do": "start", "scenario": "00112233-4455-6677-8899-aabbccddeeff"},
            {"do": "stop", "scenario": "00112233-4455-6677-8899-aabbccddeeff"}
        ]
    })
}

fn read(value: &serde_json::Value) -> Result<Scenario, String> {
    let paper: ScenarioPaper = serde_json::from_value(value.clone()).map_err(|error| error.to_string())?;
    paper.scenario(&DeviceRef::parse).map_err(|error| error.to_string())
}

#[test]
fn everything_is_read_back_as_it_was() {
    let scenario = read(&whole()).unwrap();
    assert_eq!(scenario.triggers.len(), 11);
    assert_eq!(scenario.actions.len(), 11);
    let again = ScenarioPaper::from(&scenario).scenario(&DeviceRef::parse).unwrap();
    assert_eq!(again, scenario);
    let mut kept = scenario.clone();
    (kept.sure, kept.changed_at) = (true, domovoi_model::Timestamp(7));
    let row = serde_json::to_vec(&KeptPaper::from(&kept)).unwrap();
    assert_eq!(serde_json::from_slice::<KeptPaper>(&row).unwrap().scenario().unwrap(), kept);
}

#[test]
fn a_mistake_is_told_with_its_field() {
    let cases = [
        ("/name", json!(" "), "name: "),
        ("/mode", json!("fast"), "mode: "),
        ("/most", json!(0), "most: "),
        ("/triggers/0/when", json!("stat"), "triggers[0]: unknown variant `stat`"),
        ("/triggers/0/device", json!("nobody"), "triggers[0].device: "),
        ("/triggers/0/is", json!({"equals": 1, "above": 1}), "triggers[0].is: exactly one"),
        ("/triggers/0/is", json!({"changed": true}), "triggers[0].for_s: "),
        ("/triggers/1/id", json!("a"), "triggers[1].id: "),
        ("/triggers/2/at/1", json!("7:30"), "triggers[2].at[1]: "),
        ("/triggers/2/weekdays", json!([8]), "triggers[2].weekdays: "),
        ("/triggers/3/seconds", json!(1), "triggers[3].seconds: "),
        ("/triggers/6/person", json!("Анна"), "triggers[6].person: "),
        ("/triggers/8/perils/0", json!("boredom"), "triggers[8].perils[0]: "),
        ("/conditions/0/is", json!({"changed": true}), "conditions[0].is: "),
        ("/conditions/0/is", json!({"above": "warm"}), "conditions[0].is.above: "),
        ("/conditions/1/of/0/to", json!("25:00"), "conditions[1].of[0].to: "),
        ("/conditions/3/expression", json!("state('a'"), "conditions[3].expression: "),
        ("/actions/0/valeu", json!(1), "actions[0]: unknown field `valeu`"),
        ("/actions/1/commands/0/device", json!("x"), "actions[1].commands[0].device: "),
        ("/actions/2/seconds", json!(-1), "actions[2].seconds: "),
        ("/actions/4/happens", json!({"when": "house-start"}), "actions[4].happens: "),
        ("/actions/5/branches/0/then/0/do", json!("jump"), "actions[5].branches[0].then[0]: "),
        ("/actions/5/else/0/variable", json!("1x"), "actions[5].else[0].variable: "),
        ("/actions/6/count", json!(2), "actions[6]: exactly one"),
        ("/actions/6/steps/0/title", json!("{{"), "actions[6].steps[0].title: "),
        ("/guards", json!({"runs_per_hour": 0}), "guards.runs_per_hour: "),
    ];
    for (at, value, wanted) in cases {
        let mut changed = whole();
        match changed.pointer_mut(at) {
            Some(place) => *place = value,
            None => {
                let (parent, field) = at.rsplit_once('/').unwrap();
                changed.pointer_mut(parent).unwrap()[field] = value;
            }
        }
        let error = read(&changed).expect_err(at);
        assert!(error.starts_with(wanted), "{at}: {error}");
    }
}

#[test]
fn what_is_too_deep_or_too_much_is_refused() {
    let mut deep = json!({"do": "end"});
    for _ in 0..9 {
        deep = json!({"do": "repeat", "count": 1, "steps": [deep]});
    }
    assert!(read(&json!({"name": "x", "actions": [deep]})).unwrap_err().contains("within each other"));
    let many: Vec<_> = (0..201).map(|_| json!({"do": "end"})).collect();
    assert!(read(&json!({"name": "x", "actions": many})).unwrap_err().contains("too many"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_json_makes_it_stumble(at in 0usize..60, text in "\\PC{0,12}", number in any::<i64>()) {
        // Some leaf or branch of a good one becomes something else.
        let mut value = whole();
        let mut places = Vec::new();
        walk(&value, String::new(), &mut places);
        let place = &places[at * 7 % places.len()];
        for other in [json!(text), json!(number), json!(null), json!([]), json!({"if": text}), json!(number as f64 / 7.0)] {
            if let Some(spot) = value.pointer_mut(place) {
                *spot = other;
                if let Ok(scenario) = read(&value) {
                    prop_assert_eq!(ScenarioPaper::from(&scenario).scenario(&DeviceRef::parse).unwrap(), scenario);
                }
            }
        }
    }
}

fn walk(value: &serde_json::Value, path: String, places: &mut Vec<String>) {
    places.push(path.clone());
    match value {
        serde_json::Value::Array(list) => {
            list.iter().enumerate().for_each(|(at, one)| walk(one, format!("{path}/{at}"), places));
        }
        serde_json::Value::Object(fields) => {
            fields.iter().for_each(|(name, one)| walk(one, format!("{path}/{name}"), places));
        }
        _ => {}
    }
}
