//! `safety`: the rules of the reflex and how it stands. Nothing is decided here that the API does not say.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::{Client, segment};
use super::commands::plain;
use super::safety_args::{SafetyCommand, SafetyRuleAdd, SafetyRuleCommand};
use super::text::{list, table};
use super::{Failure, Said, exit};

/// A test in earnest ends after half a minute; it is looked at as often until then.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const LOOKS: usize = 200;

pub async fn perform(client: &Client, command: SafetyCommand) -> Result<Said, Failure> {
    match command {
        SafetyCommand::Show => {
            let answer = client.get("/api/v1/safety").await?;
            let text = shown(&answer);
            Ok(Said::new(answer, text))
        }
        SafetyCommand::Rule(SafetyRuleCommand::Add(args)) => {
            let answer = client.post("/api/v1/safety/rules", form(&args)?).await?;
            let text = format!("added: {} ({})", plain(&answer["name"]), plain(&answer["id"]));
            Ok(Said::new(answer, text))
        }
        SafetyCommand::Rule(SafetyRuleCommand::Remove { rule }) => {
            let id = find(client, &rule).await?;
            let answer = client.delete(&format!("/api/v1/safety/rules/{}", segment(&id))).await?;
            Ok(Said::new(answer, "removed"))
        }
        SafetyCommand::Rule(SafetyRuleCommand::On { rule }) => switch(client, &rule, true).await,
        SafetyCommand::Rule(SafetyRuleCommand::Off { rule }) => switch(client, &rule, false).await,
        SafetyCommand::Test { rule, in_earnest } => test(client, &rule, in_earnest).await,
        SafetyCommand::Hush => {
            // The reflex of this command's own process knows of nothing.
            if !client.is_daemon() {
                return Err(Failure::new(exit::REFUSED, "no daemon runs: there is nobody to hush"));
            }
            let answer = client.post("/api/v1/safety/hush", json!({})).await?;
            Ok(Said::new(
                answer,
                "hushed: sirens fall silent; what has not confirmed that it is closed is told to close until it does; what \
                 has confirmed is not closed again when somebody opens it",
            ))
        }
    }
}

async fn switch(client: &Client, rule: &str, on: bool) -> Result<Said, Failure> {
    let id = find(client, rule).await?;
    let answer = client.put(&format!("/api/v1/safety/rules/{}", segment(&id)), json!({ "on": on })).await?;
    Ok(Said::new(answer, if on { "on" } else { "off" }))
}

/// The id of the one rule that a person means.
async fn find(client: &Client, text: &str) -> Result<String, Failure> {
    let answer = client.get("/api/v1/safety").await?;
    let wanted = text.trim().to_lowercase();
    let meant = |rule: &&Value| rule["id"] == text || plain(&rule["name"]).to_lowercase() == wanted;
    let found: Vec<&Value> = list(&answer, "rules").filter(meant).collect();
    match found.as_slice() {
        [one] => Ok(plain(&one["id"])),
        [] => Err(Failure::new(exit::USAGE, format!("there is no rule «{text}»: see `domovoi safety show`"))),
        _ => Err(Failure::new(exit::USAGE, format!("several rules are called «{text}»: use the id"))),
    }
}

async fn test(client: &Client, rule: &str, in_earnest: bool) -> Result<Said, Failure> {
    if in_earnest && !client.is_daemon() {
        return Err(Failure::new(exit::REFUSED, "no daemon runs: there is nobody to close anything"));
    }
    let id = find(client, rule).await?;
    let path = format!("/api/v1/safety/rules/{}/tests", segment(&id));
    let mut answer = client.post(&path, json!({ "in_earnest": in_earnest })).await?;
    let number = plain(&answer["id"]);
    for _ in 0..LOOKS {
        if answer["done"] == true {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
        answer = client.get(&format!("/api/v1/safety/tests/{number}")).await?;
    }
    let rows: Vec<Vec<String>> = list(&answer, "steps").map(step).collect();
    let text = if rows.is_empty() {
        "the alert would be raised; there is nothing that this rule could close, cut or sound".to_owned()
    } else {
        table(&["device", "property", "value", "outcome"], rows)
    };
    let failed = in_earnest && list(&answer, "steps").any(|step| step["outcome"] != "confirmed");
    let mut said = Said::new(answer, text);
    said.code = if failed { exit::UNWELL } else { 0 };
    Ok(said)
}

fn step(step: &Value) -> Vec<String> {
    let outcome = match step["why"].as_str() {
        Some(why) => format!("{}: {why}", plain(&step["outcome"])),
        None if step["outcome"] == "said" => format!("said {} time(s), not confirmed", plain(&step["tries"])),
        None => plain(&step["outcome"]),
    };
    vec![plain(&step["name"]), plain(&step["property"]), plain(&step["value"]), outcome]
}

/// What a person typed, as the API takes it.
fn form(args: &SafetyRuleAdd) -> Result<Value, Failure> {
    let place = |text: &str| match text.rsplit_once('/') {
        Some((device, property)) => json!({ "device": device, "property": property }),
        None => json!({ "device": text }),
    };
    let mut answers = Vec::new();
    answers.extend(args.close_valves.iter().map(|room| json!({ "close_valves": room })));
    answers.extend(args.sound_sirens.iter().map(|room| json!({ "sound_sirens": room })));
    for set in &args.set {
        let whole = set.split_once('=').and_then(|(place, value)| Some((place.rsplit_once('/')?, value)));
        let Some(((device, property), value)) = whole else {
            return Err(Failure::new(exit::USAGE, format!("--set {set}: write DEVICE/PROPERTY=VALUE")));
        };
        answers.push(json!({ "set": { "device": device, "property": property }, "value": value }));
    }
    Ok(json!({
        "name": args.name, "danger": args.when, "room": args.room, "below": args.below,
        "silent_after_s": args.silent_after,
        "sensors": args.sensor.iter().map(|text| place(text)).collect::<Vec<_>>(),
        "answers": answers,
    }))
}

fn shown(answer: &Value) -> String {
    let count = |key: &str| plain(&answer[key]);
    let mut parts = vec![format!(
        "accepted: {} sensor(s) of danger, {} valve(s), {} siren(s)",
        count("sensors"),
        count("valves"),
        count("sirens")
    )];
    let rules = list(answer, "rules").map(|rule| {
        let name = if rule["built_in"] == true { "(built in)".to_owned() } else { plain(&rule["name"]) };
        let on = if rule["on"] == true { "on" } else { "off" };
        vec![plain(&rule["id"]), name, on.to_owned(), plain(&rule["danger"]), sensors(rule), answers(rule)]
    });
    parts.push(table(&["rule", "name", "", "danger", "sensors", "does"], rules.collect()));
    let dangers: Vec<Vec<String>> = list(answer, "dangers")
        .map(|danger| {
            let mut notes = Vec::new();
            for (key, when, note) in [
                ("accepted", false, "not accepted: nothing is closed"),
                ("remembered", true, "from before the restart; its sensor is asked"),
                ("hushed", true, "hushed"),
            ] {
                if danger[key] == when {
                    notes.push(note);
                }
            }
            let words = ["danger", "name", "property", "value", "since"].map(|key| plain(&danger[key]));
            words.into_iter().chain([notes.join("; ")]).collect()
        })
        .collect();
    if dangers.is_empty() {
        let counts = |key: &str| answer[key].as_u64().unwrap_or(0);
        let mut words = "no danger is open".to_owned();
        if counts("sensors") == 0 {
            words.push_str("; no sensor of danger was accepted, so nobody would say so");
        }
        if counts("strangers_beyond") > 0 {
            words.push_str("; dangers of unknown devices were too many to keep");
        }
        parts.push(words);
    } else {
        parts.push(table(&["danger", "sensor", "property", "value", "since", ""], dangers));
    }
    let setting: Vec<Vec<String>> = list(answer, "setting")
        .map(|one| {
            let state = match (&one["confirmed"], &one["error"]) {
                (Value::Bool(true), _) => "confirmed".to_owned(),
                (_, Value::String(why)) => format!("not said: {why}"),
                _ => format!("said {} time(s), not confirmed", plain(&one["tries"])),
            };
            vec![plain(&one["name"]), plain(&one["property"]), plain(&one["value"]), state]
        })
        .collect();
    if !setting.is_empty() {
        parts.push(table(&["device", "property", "set to", ""], setting));
    }
    parts.join("\n\n")
}

fn sensors(rule: &Value) -> String {
    let named: Vec<String> = list(rule, "sensors").map(place).collect();
    match (named.is_empty(), rule["room"].as_str()) {
        (false, _) => named.join(", "),
        (true, Some(room)) => format!("room {room}"),
        (true, None) => "all".to_owned(),
    }
}

fn place(place: &Value) -> String {
    format!("{}/{}", plain(&place["device"]), plain(&place["property"])).trim_end_matches('/').to_owned()
}

fn answers(rule: &Value) -> String {
    let said: Vec<String> = list(rule, "answers")
        .map(|answer| match (answer["close_valves"].as_str(), answer["sound_sirens"].as_str()) {
            (Some(room), _) => format!("close valves ({room})"),
            (_, Some(room)) => format!("sound sirens ({room})"),
            _ => format!("{} = {}", place(&answer["set"]), plain(&answer["value"])),
        })
        .collect();
    if said.is_empty() { "alert".to_owned() } else { said.join(", ") }
}

#[cfg(test)]
mod tests {
    use domovoi_config::Settings;

    use super::*;

    #[tokio::test]
    async fn without_a_daemon_nobody_is_hushed_and_nobody_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::parse("[store]\ndata_dir = \"hub\"", "test.toml", folder.path());
        let Ok(mut settings) = settings else { panic!("{settings:?}") };
        settings.control.socket = folder.path().join("none.sock");
        let client = Client::connect(settings).await.unwrap();
        assert!(!client.is_daemon());
        let refused = perform(&client, SafetyCommand::Hush).await.err().map(|failure| failure.code);
        assert_eq!(refused, Some(exit::REFUSED));
    }
}
