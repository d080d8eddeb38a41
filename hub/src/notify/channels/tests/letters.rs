//! Letters for the tests of the channels, and their texts as they are to be read: one file for each channel, each severity and
//! both languages in it. `DOMOVOI_BLESS=1` writes the files anew.

use std::time::Duration;

use domovoi_config::Language;
use domovoi_model::{Id, Moment, Severity, Timestamp};
use serde_json::Value;

use super::super::{Answer, Letter, Pressing};
use crate::notify::{Subject, Topic};

pub const TOKEN: &str = "k7mQ2xVb9sTq4LhZ0wYc8A";

/// A leak, in Russian, that somebody is to say "I know" to.
pub fn letter() -> Letter {
    Letter {
        id: Id([0xa1; 16]),
        subject: Subject::Alert(Id([0x11; 16])),
        topic: Topic::Danger,
        severity: Severity::Severe,
        pressing: Pressing::High,
        language: Language::Russian,
        title: "Протечка: ванная".into(),
        body: "Датчик под раковиной видит воду. Кран на вводе закрыт.".into(),
        link: Some("https://domovoi.local:8443/alerts/11111111-1111-1111-1111-111111111111".into()),
        answer: Some(Answer { page: format!("https://domovoi.local:8443/known#{TOKEN}"), token: TOKEN.into() }),
        over: false,
        at: Moment::Wall(Timestamp(1_795_392_000_000)),
        good_for: Duration::from_secs(3600),
    }
}

/// One for each severity and language, and one that says that it is over.
pub fn letters() -> Vec<(&'static str, Letter)> {
    let pressing = |severity| match severity {
        Severity::Unknown => Pressing::Low,
        Severity::Minor | Severity::Moderate => Pressing::Normal,
        Severity::Severe => Pressing::High,
        Severity::Extreme => Pressing::Life,
    };
    let (ru, en) = (
        letter(),
        Letter {
            language: Language::English,
            title: "Leak: bathroom".into(),
            body: "The sensor under the sink sees water. The main valve is closed.".into(),
            ..letter()
        },
    );
    let mut letters = Vec::new();
    for one in [&ru, &en] {
        for severity in Severity::ALL {
            let answer = one.answer.clone().filter(|_| *severity >= Severity::Severe);
            letters.push((
                severity.code(),
                Letter { severity: *severity, pressing: pressing(*severity), answer, ..one.clone() },
            ));
        }
    }
    let over = |one: Letter, title: &str| Letter {
        over: true,
        pressing: Pressing::Normal,
        answer: None,
        title: title.into(),
        body: String::new(),
        ..one
    };
    letters.push(("over", over(ru, "Отбой: протечка в ванной")));
    letters.push(("over", over(en, "All clear: leak in the bathroom")));
    letters
}

/// With its members in the order of their names: the order in which they are written hangs on what else is built.
pub fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let ordered: std::collections::BTreeMap<&String, Value> =
                members.iter().map(|(name, value)| (name, sorted(value))).collect();
            Value::Object(ordered.into_iter().map(|(name, value)| (name.clone(), value)).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

/// Compares what a channel makes of all of them with its file.
pub fn golden(channel: &str, written: impl Fn(&Letter) -> String) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/notify/channels/testdata")
        .join(format!("{channel}.txt"));
    let mut text = String::new();
    for (name, letter) in letters() {
        text.push_str(&format!("--- {} {name}\n{}\n", letter.language.code(), written(&letter).trim_end()));
    }
    if std::env::var_os("DOMOVOI_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let shown = path.display();
    for (written, kept) in text.lines().zip(kept.lines()) {
        assert_eq!(written, kept, "{shown} is not what is written now: look, then DOMOVOI_BLESS=1");
    }
    assert_eq!(text.lines().count(), kept.lines().count(), "{shown} has not as many lines as are written now");
}
