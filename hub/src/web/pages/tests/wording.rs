//! Every key that the pages use has words, and every word is used.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const RU: &str = concat!(
    include_str!("../../../../../config/locales/ru/pages.ftl"),
    include_str!("../../../../../config/locales/ru/cameras.ftl"),
    include_str!("../../../../../config/locales/ru/mappings.ftl"),
    include_str!("../../../../../config/locales/ru/clouds.ftl"),
    include_str!("../../../../../config/locales/ru/insight.ftl"),
    include_str!("../../../../../config/locales/ru/presence.ftl"),
    include_str!("../../../../../config/locales/ru/scenarios.ftl")
);
const EN: &str = concat!(
    include_str!("../../../../../config/locales/en/pages.ftl"),
    include_str!("../../../../../config/locales/en/cameras.ftl"),
    include_str!("../../../../../config/locales/en/mappings.ftl"),
    include_str!("../../../../../config/locales/en/clouds.ftl"),
    include_str!("../../../../../config/locales/en/insight.ftl"),
    include_str!("../../../../../config/locales/en/presence.ftl"),
    include_str!("../../../../../config/locales/en/scenarios.ftl")
);

/// Keys that are put together in the code, and what they are put together of.
const MADE: &[(&str, &[&str])] = &[
    ("page-factor-", &["passkey", "password", "totp", "recovery", "pin", "portal"]),
    ("page-setup-", &["token-missing", "name-missing", "login-missing", "password-missing"]),
    ("page-road-", &["page", "api", "console", "mqtt", "house"]),
    (
        "page-field-",
        &[
            "name",
            "role",
            "until",
            "contact",
            "grant",
            "delegation",
            "consent",
            "device",
            "token",
            "scopes",
            "factor",
            "how",
            "locked",
            "profile",
            "person",
            "sessions",
            "relation",
        ],
    ),
    ("page-camera-mode-", &["always", "week", "event", "never"]),
    ("page-camera-start-", &["motion", "water-leak", "smoke", "gas", "carbon-monoxide", "alarm"]),
    ("page-cloud-", &["waiting", "accepted", "ignored"]),
    ("page-mapping-is-", &["number", "switch", "choice", "text"]),
    (
        "page-mapping-class-",
        &[
            "temperature",
            "humidity",
            "pressure",
            "power",
            "energy",
            "voltage",
            "current",
            "water",
            "gas",
            "battery",
            "moisture",
            "motion",
            "switch",
            "valve",
        ],
    ),
    (
        "page-mapping-means-",
        &[
            "danger-water-leak",
            "danger-gas",
            "danger-smoke",
            "danger-carbon-monoxide",
            "warning-battery",
            "warning-tamper",
            "warning-fault",
            "warning-overload",
            "warning-leak",
            "warning-backflow",
            "warning-burst",
            "warning-frost",
        ],
    ),
    ("page-charge-", &["cold-water", "hot-water", "sewage", "electricity", "gas", "heat"]),
    ("page-home-", &["morning", "day", "evening", "night"]),
    (
        "page-scenario-when-",
        &[
            "state",
            "edge",
            "time",
            "every",
            "sun",
            "arrives",
            "leaves",
            "webhook",
            "alert",
            "calendar",
            "house-start",
            "unknown",
        ],
    ),
    ("page-scenario-if-", &["state", "home", "time", "sun", "expression", "all", "any", "not", "unknown"]),
    (
        "page-scenario-do-",
        &[
            "command", "scene", "wait", "until", "choose", "repeat", "notify", "reading", "start", "stop", "set",
            "end", "unknown",
        ],
    ),
    ("page-scenario-mode-", &["single", "restart", "queued", "parallel"]),
    (
        "page-scenario-field-",
        &[
            "place",
            "test",
            "value",
            "value-hint",
            "for-s",
            "for-s-hint",
            "from-value",
            "from-value-hint",
            "to-value",
            "to-value-hint",
            "times",
            "times-hint",
            "weekdays",
            "weekdays-hint",
            "seconds",
            "seconds-hint",
            "event",
            "offset-minutes",
            "offset-minutes-hint",
            "person",
            "moment",
            "at-least",
            "life-only",
            "perils",
            "perils-hint",
            "title-has",
            "catch-up",
            "max-age-s",
            "is-on",
            "from",
            "to",
            "is-home",
            "up",
            "expression",
            "expression-hint",
            "scene",
            "timeout-s",
            "timeout-s-hint",
            "then-go-on",
            "count",
            "title",
            "title-hint",
            "text",
            "severity",
            "to-people",
            "to-people-hint",
            "point",
            "values",
            "values-hint",
            "scenario",
            "variable",
            "step-name",
            "go-on",
        ],
    ),
    ("page-scenario-test-", &["equals", "differs", "above", "below", "changed", "unknown"]),
    ("page-scenario-event-", &["rise", "set"]),
    ("page-scenario-moment-", &["raised", "over"]),
    ("page-scenario-catch-up-", &["skip", "once", "all"]),
    ("page-scenario-is-home-", &["yes", "no"]),
    ("page-scenario-up-", &["yes", "no"]),
];

fn keys(file: &str) -> BTreeSet<String> {
    let key = |line: &str| line.split_once(" =").map(|(key, _)| key.to_owned());
    file.lines().filter(|line| line.starts_with("page-")).filter_map(key).collect()
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "tests") {
                files(&path, out);
            }
        } else {
            out.push(path);
        }
    }
}

#[test]
fn every_key_has_words_and_every_word_is_used() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    files(&root.join("templates"), &mut paths);
    files(&root.join("src/web/pages"), &mut paths);
    let mut used: BTreeSet<String> = BTreeSet::new();
    for path in &paths {
        let text = std::fs::read_to_string(path).unwrap();
        for part in text.split('"').filter(|part| part.starts_with("page-")) {
            let plain = part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            if plain && !part.ends_with('-') {
                used.insert(part.to_owned());
            }
        }
    }
    for (prefix, endings) in MADE {
        used.extend(endings.iter().map(|ending| format!("{prefix}{ending}")));
    }
    let known = keys(RU);
    assert_eq!(known, keys(EN), "the two languages have the same keys");
    let missing: Vec<_> = used.difference(&known).collect();
    assert!(missing.is_empty(), "without words: {missing:?}");
    let unused: Vec<_> = known.difference(&used).collect();
    assert!(unused.is_empty(), "words that nobody says: {unused:?}");
}
