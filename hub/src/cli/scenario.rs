//! `scenario` and `presence`: what the home does by itself, and who is in it.

use std::fs::File;

use serde_json::{Value, json};

use super::client::{Client, segment};
use super::commands::{clean, plain};
use super::scenario_args::{PresenceCommand, PresetArgs, ScenarioCommand, TrackArgs};
use super::text::{list, table};
use super::{Failure, Said, exit};

pub async fn perform(client: &Client, command: ScenarioCommand) -> Result<Said, Failure> {
    match command {
        ScenarioCommand::List => {
            let answer = client.get("/api/v1/scenarios").await?;
            let row = |one: &Value| {
                let on = if one["is_on"] == true { "on" } else { "off" };
                let cells = [&one["name"], &one["last"]["words"], &one["next_at"], &one["id"]].map(plain);
                std::iter::once(on.to_owned()).chain(cells).collect()
            };
            let rows: Vec<Vec<String>> = list(&answer, "scenarios").map(row).collect();
            let text = match rows.is_empty() {
                true => "there is none".to_owned(),
                false => table(&["", "scenario", "last", "next", "id"], rows),
            };
            Ok(Said::new(answer, text))
        }
        ScenarioCommand::Show { scenario } => {
            let answer = client.get(&format!("/api/v1/scenarios/{}", segment(&scenario))).await?;
            let text = shown(&answer);
            Ok(Said::new(answer, text))
        }
        ScenarioCommand::Export { scenario, out } => {
            let text = client.text(&format!("/api/v1/scenarios/{}/export", segment(&scenario))).await?;
            let Some(out) = out else { return Ok(Said::new(json!({ "toml": text }), text.trim_end())) };
            let written = std::fs::write(&out, &text);
            written.map_err(|error| Failure::new(exit::FAILED, format!("{}: {error}", out.display())))?;
            Ok(Said::new(json!({ "file": out.display().to_string() }), format!("written to {}", out.display())))
        }
        ScenarioCommand::Import { file } => {
            let source: Box<dyn std::io::Read + Send> = if file.as_os_str() == "-" {
                Box::new(std::io::stdin())
            } else {
                let opened = File::open(&file);
                Box::new(opened.map_err(|error| Failure::new(exit::FAILED, format!("{}: {error}", file.display())))?)
            };
            let answer = client.upload("/api/v1/scenarios/import", "application/toml", source).await?;
            let text = saved(&answer);
            Ok(Said::new(answer, text))
        }
        ScenarioCommand::On { scenario } => switch(client, &scenario, true).await,
        ScenarioCommand::Off { scenario } => switch(client, &scenario, false).await,
        ScenarioCommand::Start { scenario } => {
            let answer = client.post(&format!("/api/v1/scenarios/{}/runs", segment(&scenario)), json!({})).await?;
            let said = answer["words"].as_str().map_or_else(|| "begun".to_owned(), clean);
            let text = format!("{said} ({})", plain(&answer["run"]));
            Ok(Said::new(answer, text))
        }
        ScenarioCommand::Try { scenario, trigger } => {
            let form = json!({ "trigger": trigger });
            let answer = client.post(&format!("/api/v1/scenarios/{}/dry-run", segment(&scenario)), form).await?;
            let text = lines(&answer);
            Ok(Said::new(answer, if text.is_empty() { "nothing would happen".to_owned() } else { text }))
        }
        ScenarioCommand::Runs { scenario, limit } => {
            let path = match scenario {
                Some(scenario) => format!("/api/v1/scenarios/{}/runs?limit={limit}", segment(&scenario)),
                None => format!("/api/v1/runs?limit={limit}"),
            };
            let answer = client.get(&path).await?;
            let row = |run: &Value| {
                let words = if run["end"].is_null() { "under way".to_owned() } else { plain(&run["words"]) };
                vec![plain(&run["began"]), plain(&run["name"]), plain(&run["begun_by"]), words, plain(&run["run"])]
            };
            let rows: Vec<Vec<String>> = list(&answer, "runs").map(row).collect();
            let text = match rows.is_empty() {
                true => "there is none".to_owned(),
                false => table(&["began", "scenario", "begun by", "", "run"], rows),
            };
            Ok(Said::new(answer, text))
        }
        ScenarioCommand::Trace { run } => {
            let answer = client.get(&format!("/api/v1/runs/{}", segment(&run))).await?;
            let head = format!("{}: {}", plain(&answer["name"]), plain(&answer["begun_by"]));
            let text = format!("{head}\n{}", lines(&answer));
            Ok(Said::new(answer, text))
        }
        ScenarioCommand::Stop { run } => {
            let answer = client.delete(&format!("/api/v1/runs/{}", segment(&run))).await?;
            Ok(Said::new(answer, "stopped"))
        }
        ScenarioCommand::Remove { scenario } => {
            let answer = client.delete(&format!("/api/v1/scenarios/{}", segment(&scenario))).await?;
            Ok(Said::new(answer, "removed"))
        }
        ScenarioCommand::Preset(args) => preset(client, args).await,
    }
}

async fn switch(client: &Client, scenario: &str, on: bool) -> Result<Said, Failure> {
    let answer = client.put(&format!("/api/v1/scenarios/{}/on", segment(scenario)), json!({ "on": on })).await?;
    Ok(Said::new(answer, if on { "on" } else { "off" }))
}

fn shown(answer: &Value) -> String {
    let mut all = vec![format!("{} ({})", plain(&answer["name"]), plain(&answer["id"]))];
    for (key, title) in [("begins", "when"), ("conditions", "if")] {
        all.extend(list(answer, key).map(|said| format!("{title}: {}", plain(said))));
    }
    all.extend(list(answer, "steps").map(|step| {
        let depth = usize::try_from(step["depth"].as_u64().unwrap_or(0)).unwrap_or(0).min(16);
        format!("{}- {}", "  ".repeat(depth), plain(&step["words"]))
    }));
    all.join("\n")
}

fn lines(answer: &Value) -> String {
    let line = |line: &Value| format!("{} {}", plain(&line["path"]), plain(&line["words"])).trim().to_owned();
    list(answer, "lines").map(line).collect::<Vec<_>>().join("\n")
}

/// What was kept, and addresses that are told once.
fn saved(answer: &Value) -> String {
    let mut text = format!("kept: {} ({})", plain(&answer["scenario"]["name"]), plain(&answer["id"]));
    for one in list(answer, "addresses") {
        text.push_str(&format!("\n{}: {}", plain(&one["trigger"]), plain(&one["address"])));
        text.push_str("\nThis is shown once. Whoever has it begins the scenario.");
    }
    text
}

async fn preset(client: &Client, args: PresetArgs) -> Result<Said, Failure> {
    let Some(preset) = args.preset else {
        let answer = client.get("/api/v1/scenarios/presets").await?;
        let mut text = Vec::new();
        for one in list(&answer, "presets") {
            text.push(format!("{}: {}", plain(&one["preset"]), plain(&one["text"])));
            for ask in list(one, "asks") {
                text.push(format!("  {}: {} {}", plain(&ask["key"]), plain(&ask["words"]), plain(&ask["usual"])));
                text.extend(
                    list(ask, "choices").map(|one| format!("    {} {}", plain(&one["value"]), plain(&one["name"]))),
                );
            }
        }
        return Ok(Said::new(answer, text.join("\n")));
    };
    let mut form = json!({ "switches": args.switch, "heaters": args.heater, "tell": args.tell, "name": args.name });
    for answer in &args.answer {
        let usage = || Failure::new(exit::USAGE, format!("«{}»: write KEY=VALUE, like minutes=10", clean(answer)));
        let (key, value) = answer.split_once('=').ok_or_else(usage)?;
        match value.parse::<u32>() {
            Ok(number) => form["numbers"][key] = json!(number),
            Err(_) => form["times"][key] = json!(value),
        }
    }
    for key in ["numbers", "times"] {
        if form[key].is_null() {
            form[key] = json!({});
        }
    }
    let paper = client.post(&format!("/api/v1/scenarios/presets/{}", segment(&preset)), form).await?;
    let answer = client.post("/api/v1/scenarios", paper).await?;
    let text = saved(&answer);
    Ok(Said::new(answer, text))
}

/// The person that a text means: an id, or a name that only one has.
async fn person_of(client: &Client, text: &str) -> Result<String, Failure> {
    let all = client.list("/api/v1/people", "people", usize::MAX).await?;
    let mut found = list(&all, "people").filter(|one| one["id"] == text || one["name"] == text);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(plain(&one["id"])),
        _ => Err(Failure::new(exit::NOT_FOUND, format!("there is no one person «{}»", clean(text)))),
    }
}

pub async fn presence(client: &Client, command: PresenceCommand) -> Result<Said, Failure> {
    let of = |person: &str| format!("/api/v1/people/{}/presence", segment(person));
    match command {
        PresenceCommand::List => {
            let answer = client.get("/api/v1/presence").await?;
            let row = |one: &Value| ["name", "words", "since", "person"].map(|key| plain(&one[key])).to_vec();
            let rows: Vec<Vec<String>> = list(&answer, "people").map(row).collect();
            let text = match rows.is_empty() {
                true => "nobody is followed".to_owned(),
                false => table(&["who", "", "since", "person"], rows),
            };
            Ok(Said::new(answer, text))
        }
        PresenceCommand::Say { person, word } => {
            let home = match word.as_str() {
                "home" => json!(true),
                "away" => json!(false),
                "devices" => Value::Null,
                _ => return Err(Failure::new(exit::USAGE, "say home, away or devices")),
            };
            let person = person_of(client, &person).await?;
            let answer = client.put(&of(&person), json!({ "home": home })).await?;
            let text = plain(&answer["words"]);
            Ok(Said::new(answer, text))
        }
        PresenceCommand::Track(args) => {
            let trackers = args.trackers.iter().map(|text| tracker(text)).collect::<Result<Vec<Value>, Failure>>()?;
            let TrackArgs { person, quiet, .. } = args;
            let person = person_of(client, &person).await?;
            let form = json!({ "trackers": trackers, "quiet_minutes": quiet });
            let answer = client.put(&format!("{}/trackers", of(&person)), form).await?;
            let text = plain(&answer["words"]);
            Ok(Said::new(answer, text))
        }
        PresenceCommand::Links { person } => {
            let person = person_of(client, &person).await?;
            let answer = client.get(&format!("{}/links", of(&person))).await?;
            let row = |one: &Value| ["link", "label", "made_at", "used_on"].map(|key| plain(&one[key])).to_vec();
            let rows: Vec<Vec<String>> = list(&answer, "links").map(row).collect();
            let text = match rows.is_empty() {
                true => "there is none".to_owned(),
                false => table(&["address", "label", "made", "last used"], rows),
            };
            Ok(Said::new(answer, text))
        }
        PresenceCommand::Link { person, label } => {
            let person = person_of(client, &person).await?;
            let answer = client.post(&format!("{}/links", of(&person)), json!({ "label": label })).await?;
            let text = format!(
                "{}\nThis is shown once. POST to it with /home or /away at its end; whoever has it speaks for this person.",
                plain(&answer["address"])
            );
            Ok(Said::new(answer, text))
        }
        PresenceCommand::Unlink { person, link } => {
            let person = person_of(client, &person).await?;
            let answer = client.delete(&format!("{}/links/{}", of(&person), segment(&link))).await?;
            Ok(Said::new(answer, "revoked"))
        }
    }
}

/// `zigbee2mqtt:0x1|presence=home,true`, `owntracks:anna|distance<150`.
fn tracker(text: &str) -> Result<Value, Failure> {
    let usage =
        || Failure::new(exit::USAGE, format!("«{}»: write DIALECT:ID|PROPERTY=home, <150 or >-80", clean(text)));
    let (device, rest) = text.split_once('|').ok_or_else(usage)?;
    let at = rest.find(['=', '<', '>']).ok_or_else(usage)?;
    let (property, meaning) = rest.split_at(at);
    let mut form = json!({ "device": device, "property": property });
    let value = meaning.get(1..).unwrap_or_default();
    match meaning.chars().next() {
        Some('<') => form["below"] = json!(value),
        Some('>') => form["above"] = json!(value),
        _ => form["is"] = value.split(',').map(str::trim).collect(),
    }
    Ok(form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tracker_is_read_as_it_is_written() {
        let read = |text: &str| tracker(text).unwrap();
        assert_eq!(read("a:b|presence=home, true")["is"], json!(["home", "true"]));
        assert_eq!(read("a:b|distance<150")["below"], "150");
        assert_eq!(
            (&read("a:b|rssi>-80")["above"], &read("a:b|rssi>-80")["property"]),
            (&json!("-80"), &json!("rssi"))
        );
        assert!(tracker("a:b").is_err() && tracker("a:b|presence").is_err());
    }
}
