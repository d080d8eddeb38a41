//! `consumption`, `tariff` and `evidence`: what was used, what it costs, how warm it was.

use std::io::Read as _;

use serde_json::{Value, json};

use super::client::{Client, segment};
use super::commands::plain;
use super::consumption_args::{ConsumptionCommand, EvidenceCommand, EvidenceSpan, TariffCommand, WatchedRoom};
use super::text::{list, table};
use super::{Failure, Said, exit};

/// A file of tariffs is no larger.
const MAX_FILE: u64 = 256 << 10;

pub async fn perform(client: &Client, command: ConsumptionCommand) -> Result<Said, Failure> {
    match command {
        ConsumptionCommand::List => {
            let answer = client.get("/api/v1/consumption").await?;
            let keys = ["name", "resource", "month", "yesterday", "today", "measure", "leak"];
            let rows: Vec<Vec<String>> =
                list(&answer, "points").map(|point| keys.map(|key| plain(&point[key])).to_vec()).collect();
            let text = if rows.is_empty() {
                "there are no meters".to_owned()
            } else {
                table(&["point", "resource", "this month", "yesterday", "today", "", "leak"], rows)
            };
            Ok(Said::new(answer, text))
        }
        ConsumptionCommand::Show { point, by, from, to, strict } => {
            let mut query = vec![format!("unit={}", segment(&by))];
            for (name, value) in [("from", &from), ("to", &to)] {
                query.extend(value.as_ref().map(|value| format!("{name}={}", segment(value))));
            }
            if strict {
                query.push("gaps=unknown".to_owned());
            }
            let answer = client.get(&format!("/api/v1/consumption/{}?{}", segment(&point), query.join("&"))).await?;
            let text = used(&answer);
            Ok(Said::new(answer, text))
        }
        ConsumptionCommand::Bill { month } => {
            let month = month.map(|month| format!("month={}", segment(&month))).unwrap_or_default();
            let answer = client.get(&format!("/api/v1/bill?{month}")).await?;
            let row = |line: &Value| {
                let whole = if line["whole"] == true { "" } else { "not all is known" };
                let mut row: Vec<String> =
                    ["name", "charge", "used", "fee", "total", "currency"].map(|key| plain(&line[key])).to_vec();
                row.push(whole.to_owned());
                row
            };
            let rows: Vec<Vec<String>> = list(&answer, "lines").map(row).collect();
            let mut text = if rows.is_empty() {
                "there are no tariffs to reckon by: `domovoi tariff import`".to_owned()
            } else {
                table(&["tariff", "for", "used", "fee", "total", "", ""], rows)
            };
            for sum in list(&answer, "totals") {
                text.push_str(&format!(
                    "\n{}: {} {}",
                    plain(&answer["month"]),
                    plain(&sum["total"]),
                    plain(&sum["currency"])
                ));
            }
            Ok(Said::new(answer, text))
        }
    }
}

fn used(answer: &Value) -> String {
    let row = |period: &Value| {
        let zones: Vec<String> = list(period, "zones").map(plain).collect();
        let costs: Vec<String> = list(period, "costs")
            .map(|cost| format!("{} {}", plain(&cost["total"]), plain(&cost["currency"])))
            .collect();
        let marks = [
            (period["spread"] != "0", "estimate"),
            (period["by_hand"] != "0", "by hand"),
            (period["whole"] != true, "not all known"),
        ];
        let marks: Vec<&str> = marks.into_iter().filter(|(is, _)| *is).map(|(_, word)| word).collect();
        vec![
            plain(&period["from"]),
            plain(&period["total"]),
            zones.join(" / "),
            plain(&period["before"]),
            costs.join(", "),
            marks.join(", "),
        ]
    };
    let rows: Vec<Vec<String>> = list(answer, "periods").map(row).collect();
    let mut lines: Vec<String> = list(answer, "sentences").map(plain).collect();
    lines.push(table(&["from", "used", "zones", "before", "cost", ""], rows));
    lines.join("\n")
}

pub async fn tariff(client: &Client, command: TariffCommand) -> Result<Said, Failure> {
    match command {
        TariffCommand::List => {
            let answer = client.get("/api/v1/tariffs").await?;
            let row = |tariff: &Value| {
                let since: Vec<String> = list(tariff, "versions").map(|version| plain(&version["from"])).collect();
                let mut row: Vec<String> =
                    ["tariff", "name", "charge", "currency"].map(|key| plain(&tariff[key])).to_vec();
                row.push(since.join(", "));
                row
            };
            let rows: Vec<Vec<String>> = list(&answer, "tariffs").map(row).collect();
            let text = if rows.is_empty() {
                "there is none".to_owned()
            } else {
                table(&["tariff", "name", "for", "currency", "prices from"], rows)
            };
            Ok(Said::new(answer, text))
        }
        TariffCommand::Show { tariff } => {
            let answer = client.get(&format!("/api/v1/tariffs/{}", segment(&tariff))).await?;
            let text = serde_json::to_string_pretty(&answer).unwrap_or_default();
            Ok(Said::new(answer, text))
        }
        TariffCommand::Import { file, change } => {
            let mut form = read(&file)?;
            if let Some(tariff) = change {
                forget_id(&mut form);
                let answer = client.put(&format!("/api/v1/tariffs/{}", segment(&tariff)), form).await?;
                let text = format!("changed: {}", plain(&answer["name"]));
                return Ok(Said::new(answer, text));
            }
            // One tariff, or the list that `tariff list --json` gave.
            let forms = match form.get_mut("tariffs").map(Value::take) {
                Some(Value::Array(forms)) => forms,
                _ => vec![form],
            };
            let mut kept = Vec::new();
            for mut form in forms {
                forget_id(&mut form);
                kept.push(client.post("/api/v1/tariffs", form).await?);
            }
            let lines: Vec<String> = kept
                .iter()
                .map(|one| format!("written down: {} ({})", plain(&one["name"]), plain(&one["tariff"])))
                .collect();
            Ok(Said::new(json!({ "tariffs": kept }), lines.join("\n")))
        }
        TariffCommand::Form => {
            // An empty form: the house knows no prices.
            let form = json!({
                "name": "", "charge": "electricity", "currency": "RUB",
                "versions": [{ "from": "", "fee": "0", "steps": [{ "prices": ["", ""] }] }],
            });
            let text = serde_json::to_string_pretty(&form).unwrap_or_default();
            Ok(Said::new(form, text))
        }
        TariffCommand::Remove { tariff } => {
            let answer = client.delete(&format!("/api/v1/tariffs/{}", segment(&tariff))).await?;
            Ok(Said::new(answer, "removed"))
        }
    }
}

fn forget_id(form: &mut Value) {
    if let Some(fields) = form.as_object_mut() {
        fields.remove("tariff");
    }
}

/// A file of JSON, or standard input for `-`.
fn read(file: &std::path::Path) -> Result<Value, Failure> {
    let failed =
        |error: std::io::Error| Failure::new(exit::FAILED, format!("{} could not be read: {error}", file.display()));
    let mut text = String::new();
    if file.as_os_str() == "-" {
        std::io::stdin().take(MAX_FILE).read_to_string(&mut text).map_err(failed)?;
    } else {
        std::fs::File::open(file).map_err(failed)?.take(MAX_FILE).read_to_string(&mut text).map_err(failed)?;
    }
    serde_json::from_str(&text)
        .map_err(|error| Failure::new(exit::FAILED, format!("{} is no JSON: {error}", file.display())))
}

pub async fn evidence(client: &Client, command: EvidenceCommand) -> Result<Said, Failure> {
    let path = |place: &str| format!("/api/v1/evidence/places/{}", segment(place));
    match command {
        EvidenceCommand::List => {
            let answer = client.get("/api/v1/evidence/places").await?;
            let keys = ["place", "name", "norm", "device", "property"];
            let rows: Vec<Vec<String>> =
                list(&answer, "places").map(|place| keys.map(|key| plain(&place[key])).to_vec()).collect();
            let text = if rows.is_empty() {
                "no room is watched".to_owned()
            } else {
                table(&["room", "name", "norm, °C", "thermometer", "property"], rows)
            };
            Ok(Said::new(answer, text))
        }
        EvidenceCommand::Watch(room) => {
            let answer = client.post("/api/v1/evidence/places", form(&room)).await?;
            let text = format!("watched: {} ({})", plain(&answer["name"]), plain(&answer["place"]));
            Ok(Said::new(answer, text))
        }
        EvidenceCommand::Change { place, to } => {
            let answer = client.put(&path(&place), form(&to)).await?;
            let text = format!("watched: {}", plain(&answer["name"]));
            Ok(Said::new(answer, text))
        }
        EvidenceCommand::Show { place, span } => {
            let answer = client.get(&format!("{}{}", path(&place), query(&span))).await?;
            let text = warmth(&answer);
            Ok(Said::new(answer, text))
        }
        EvidenceCommand::Export { place, csv, span } => {
            let kind = if csv { "csv" } else { "json" };
            let address = format!("{}/export.{kind}{}", path(&place), query(&span));
            if csv {
                let text = client.text(&address).await?;
                return Ok(Said::new(json!({ "csv": text }), text.trim_end()));
            }
            let answer = client.get(&address).await?;
            let text = serde_json::to_string_pretty(&answer).unwrap_or_default();
            Ok(Said::new(answer, text))
        }
        EvidenceCommand::Remove { place } => {
            let answer = client.delete(&path(&place)).await?;
            Ok(Said::new(answer, "not watched any more"))
        }
    }
}

fn form(room: &WatchedRoom) -> Value {
    let mut form = json!({
        "name": room.name, "device": room.device, "property": room.property, "corner": room.corner,
    });
    for (key, value) in [("norm", &room.norm), ("night_tolerance", &room.night_tolerance)] {
        if let Some(value) = value {
            form[key] = json!(value);
        }
    }
    if let Some(minutes) = room.holds_minutes {
        form["holds_minutes"] = json!(minutes);
    }
    form
}

fn query(span: &EvidenceSpan) -> String {
    let parts = [("from", &span.from), ("to", &span.to)];
    let parts: Vec<String> =
        parts.iter().filter_map(|(name, value)| Some(format!("{name}={}", segment(value.as_ref()?)))).collect();
    if parts.is_empty() { String::new() } else { format!("?{}", parts.join("&")) }
}

fn warmth(answer: &Value) -> String {
    let mut lines: Vec<String> = list(answer, "sentences").map(plain).collect();
    let keys = ["month", "hours_below", "degree_hours", "lowest", "hours_known", "hours_unknown"];
    let rows: Vec<Vec<String>> =
        list(answer, "months").map(|month| keys.map(|key| plain(&month[key])).to_vec()).collect();
    lines.push(table(&["month", "hours below", "degree hours", "lowest", "hours known", "hours unknown"], rows));
    let rows: Vec<Vec<String>> = list(answer, "cold")
        .map(|cold| ["from", "to", "minutes", "lowest", "mean"].map(|key| plain(&cold[key])).to_vec())
        .collect();
    if !rows.is_empty() {
        lines.push(table(&["from", "to", "minutes", "lowest", "mean"], rows));
    }
    lines.push(format!("{} samples, sha256 {}", plain(&answer["samples"]), plain(&answer["sha256"])));
    lines.join("\n")
}
