//! How answers read in a terminal. Nothing is computed here that the JSON does not say.

use std::fmt::Write as _;

use domovoi_config::Language;
use serde_json::Value;

use super::commands::{clean, plain};

pub fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

/// Rows with columns as wide as their widest cell.
pub fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows.into_iter().map(|row| row.iter().map(|cell| clean(cell)).collect()).collect();
    let mut widths: Vec<usize> = header.iter().map(|cell| cell.chars().count()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: Vec<String>| {
        let padded: Vec<String> = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell}{}", " ".repeat(width.saturating_sub(cell.chars().count()))))
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(header.iter().map(|cell| (*cell).to_owned()).collect())];
    lines.extend(rows.into_iter().map(line));
    lines.join("\n")
}

pub fn meters(answer: &Value) -> String {
    let rows: Vec<Vec<String>> = list(answer, "points")
        .map(|point| {
            let registers: Vec<String> =
                list(point, "registers").map(|r| format!("{} {}", plain(&r["tariff"]), plain(&r["value"]))).collect();
            let seen = list(point, "registers").filter_map(|r| r["seen_at"].as_str()).max().unwrap_or("never");
            vec![
                plain(&point["name"]),
                plain(&point["resource"]),
                plain(&point["meter"]["serial"]),
                format!("{} {}", registers.join(", "), plain(&point["unit"])),
                seen.to_owned(),
                plain(&point["device"]),
                format!("{} {}", plain(&point["supplier"]), plain(&point["account"])),
                if point["held"] == 0 { String::new() } else { format!("{} held", plain(&point["held"])) },
            ]
        })
        .collect();
    if rows.is_empty() {
        return "no meter is known; add one with `domovoi meter add`".into();
    }
    table(&["point", "resource", "serial", "registers", "last said", "device", "account", ""], rows)
}

fn verdict(value: &Value) -> String {
    match (value["finding"].as_str(), value["detail"].as_str()) {
        (None, _) => plain(&value["is"]),
        (Some(finding), None) => format!("{}: {finding}", plain(&value["is"])),
        (Some(finding), Some(detail)) => format!("{}: {finding} ({detail})", plain(&value["is"])),
    }
}

pub fn history(answer: &Value) -> String {
    let rows = list(answer, "readings")
        .map(|row| {
            vec![
                plain(&row["reading"]),
                row["at"].as_str().unwrap_or("before the clock was set").to_owned(),
                plain(&row["tariff"]),
                plain(&row["value"]),
                verdict(&row["verdict"]),
                plain(&row["source"]),
            ]
        })
        .collect();
    table(&["no", "at", "reg", "value", "verdict", "source"], rows)
}

pub fn submitted(answer: &Value) -> String {
    let mut text = String::new();
    for register in list(answer, "registers") {
        let _ = writeln!(
            text,
            "{} {}: {}",
            plain(&register["tariff"]),
            plain(&register["value"]),
            verdict(&register["verdict"])
        );
    }
    if answer["taken"] != true {
        text.push_str("not taken: look again; if it is right, add --confirm");
    }
    text
}

pub fn acts(answer: &Value) -> String {
    let rows: Vec<Vec<String>> = list(answer, "acts")
        .map(|act| {
            vec![
                plain(&act["act"]),
                plain(&act["period"]),
                format!("{} {}", plain(&act["supplier"]), plain(&act["account"])),
                plain(&act["readings"]),
                plain(&act["state"]),
            ]
        })
        .collect();
    if rows.is_empty() { "no act yet".into() } else { table(&["act", "period", "account", "readings", "state"], rows) }
}

pub fn act(answer: &Value) -> String {
    let state = &answer["state"];
    let mut text =
        format!("act {}\nperiod {}, {}\n", plain(&answer["act"]), plain(&answer["period"]), plain(&state["is"]));
    for problem in list(&state["detail"], "problems") {
        let _ = writeln!(text, "  against it: {}", plain(problem));
    }
    for key in ["receipt", "issued_at", "code", "detail", "by"] {
        if let Some(value) = state["detail"][key].as_str().filter(|value| !value.is_empty()) {
            let _ = writeln!(text, "  {key}: {value}");
        }
    }
    for reading in list(answer, "readings") {
        let values: Vec<String> = reading["values"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(tariff, value)| format!("{tariff} {}", plain(value)))
            .collect();
        let used: Vec<String> = reading["consumption"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(tariff, value)| format!("{tariff} {}", plain(value)))
            .collect();
        let _ = writeln!(
            text,
            "  {} {}: {} {} on {}{}; {}; portal: {}{}",
            plain(&reading["resource"]),
            plain(&reading["serial"]),
            values.join(", "),
            plain(&reading["unit"]),
            plain(&reading["date_value"]),
            if used.is_empty() { String::new() } else { format!(" (used: {})", used.join(", ")) },
            plain(&reading["source"]),
            plain(&reading["portal"]["is"]),
            reading["portal"]["code"].as_str().map(|code| format!(" ({code})")).unwrap_or_default(),
        );
    }
    if let Some(hash) = answer["sha256"].as_str() {
        let _ = writeln!(text, "sha256 {hash}\nsignature: {}", plain(&answer["signature_check"]));
    }
    text
}

pub fn portal(answer: &Value, language: Language) -> String {
    let link = &answer["link"];
    let word = if language == Language::Russian { "ru" } else { "en" };
    let mut text = format!("portal {}\nlink: {}\n", plain(&answer["issuer"]), plain(&link["is"]));
    for key in ["since", "why", "detail", "subject"] {
        if let Some(value) = link[key].as_str() {
            let _ = writeln!(text, "  {key}: {value}");
        }
    }
    for scope in list(link, "granted") {
        let _ = writeln!(text, "  allowed: {} [{}]", plain(&scope[word]), plain(&scope["scope"]));
    }
    for scope in list(link, "missing") {
        let _ = writeln!(text, "  not allowed: {} [{}]", plain(&scope[word]), plain(&scope["scope"]));
    }
    text.push_str(&consent(answer));
    let acts: Vec<String> = answer["acts"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, count)| **count != 0)
        .map(|(state, count)| format!("{state} {count}"))
        .collect();
    let _ = write!(text, "\nacts: {}", if acts.is_empty() { "none".to_owned() } else { acts.join(", ") });
    text
}

pub fn consent(answer: &Value) -> String {
    if answer["standing_consent"] == true {
        "standing consent: on (acts are approved without asking)".into()
    } else {
        "standing consent: off (each act waits for `domovoi act approve`)".into()
    }
}

pub fn accounts(answer: &Value) -> String {
    let mut text = String::new();
    for account in list(answer, "accounts") {
        let _ = writeln!(
            text,
            "{} ({}), account {}",
            plain(&account["supplier_name"]),
            plain(&account["supplier"]),
            plain(&account["account"])
        );
        for point in list(account, "points") {
            let _ = writeln!(text, "  {} meter {}", plain(&point["resource"]), plain(&point["serial"]));
        }
    }
    text
}

pub fn credentials(answer: &Value) -> String {
    let words = |value: &Value| value.as_array().into_iter().flatten().map(plain).collect::<Vec<_>>().join(" ");
    let rows: Vec<Vec<String>> = list(answer, "credentials")
        .map(|c| {
            let shows = match &c["certificate_ends_at"] {
                Value::String(at) => format!("certificate until {at}"),
                _ => "password".to_owned(),
            };
            let topics = [words(&c["publish"]), words(&c["subscribe"])];
            [vec![plain(&c["username"]), plain(&c["role"]), shows], topics.to_vec(), vec![plain(&c["created_at"])]]
                .concat()
        })
        .collect();
    if rows.is_empty() {
        "nobody has a credential".into()
    } else {
        table(&["user", "role", "shows", "publishes", "subscribes", "since"], rows)
    }
}

pub fn keys(answer: &Value) -> String {
    let rows = list(answer, "keys")
        .map(|key| {
            vec![
                plain(&key["key"]),
                if key["current"] == true { "seals".into() } else { "opens".into() },
                plain(&key["rows"]),
                plain(&key["created_at"]),
            ]
        })
        .collect();
    let mut text = format!("master key {} in {}\n", plain(&answer["master"]), plain(&answer["master_path"]));
    text.push_str(&table(&["data key", "use", "rows", "made"], rows));
    if let Some(warning) = answer["warning"].as_str() {
        let _ = write!(text, "\nnote: {warning}");
    }
    text
}

pub fn rotation(outcome: &Value) -> String {
    let mut text = format!(
        "data key {} seals everything now: {} rows sealed anew, keys forgotten: {}",
        plain(&outcome["current"]),
        plain(&outcome["resealed"]),
        plain(&outcome["retired"])
    );
    if let Some(master) = outcome["master"].as_str() {
        let _ = write!(text, "\nnew master key {master}");
    }
    for damaged in list(outcome, "damaged") {
        let _ = write!(text, "\ndamaged: {}", plain(damaged));
    }
    text
}

pub fn notices(answer: &Value) -> String {
    let lines: Vec<String> = list(answer, "notices")
        .map(|notice| format!("{}  {}\n    [{}]", plain(&notice["at"]), plain(&notice["text"]), plain(&notice["key"])))
        .collect();
    if lines.is_empty() { "nothing to tell".into() } else { lines.join("\n") }
}

pub fn doctor(answer: &Value, daemon: bool) -> String {
    let mut text = String::from(if daemon {
        "the daemon runs\n"
    } else {
        "no daemon runs in this folder: what is heard from devices is not known\n"
    });
    for finding in list(answer, "findings") {
        let mark = match finding["level"].as_str() {
            Some("broken") => "✗",
            Some("notice") => "!",
            _ => "✓",
        };
        let _ = writeln!(text, "{mark} {}", plain(&finding["what"]));
        if let Some(remedy) = finding["remedy"].as_str().filter(|remedy| !remedy.is_empty()) {
            let _ = writeln!(text, "    → {remedy}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_moves_no_cursor_and_turns_no_line() {
        let name = json!("Кран\u{1b}[2K\nclosed\u{202E}✓\u{200F}");
        let said = plain(&name);
        assert_eq!(said, "Кран\u{FFFD}[2K\u{FFFD}closed\u{FFFD}✓\u{FFFD}");
        let table = table(&["a"], vec![vec!["x\r\n\u{9b}y\u{2066}".into()]]);
        assert_eq!(table, "a\nx\u{FFFD}\u{FFFD}\u{FFFD}y\u{FFFD}");
    }
}
