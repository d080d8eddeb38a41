//! `telling`: what people want to be told and how, their ways and inboxes, what was told and why.

use std::io::Read as _;
use std::path::Path;

use serde_json::{Value, json};

use super::client::{Client, segment};
use super::commands::plain;
use super::people::find;
use super::telling_args::{TellingAdd, TellingCommand, TellingWay};
use super::text::{list, table};
use super::{Failure, Said, exit};

/// Wishes are never longer, nor is a part of an address.
const MAX_FILE: u64 = 256 * 1024;

pub async fn perform(client: &Client, command: TellingCommand) -> Result<Said, Failure> {
    match command {
        TellingCommand::Wishes { person, set } => {
            let path = format!("/api/v1/people/{}/wishes", id_of(client, &person).await?);
            let answer = match set {
                None => client.get(&path).await?,
                Some(file) => client.put(&path, wishes(&file)?).await?,
            };
            let text = shown(&answer);
            Ok(Said::new(answer, text))
        }
        TellingCommand::Ways { person } => {
            let answer = client.get(&ways(client, person.as_deref()).await?).await?;
            let text = listed(&answer);
            Ok(Said::new(answer, text))
        }
        TellingCommand::Add(args) => add(client, *args).await,
        TellingCommand::On { at } => switch(client, &at, true).await,
        TellingCommand::Off { at } => switch(client, &at, false).await,
        TellingCommand::Remove { at } => {
            let answer = client.delete(&way(client, &at).await?).await?;
            Ok(Said::new(answer, "removed"))
        }
        TellingCommand::Test { at } => {
            let answer = client.post(&format!("{}/test", way(client, &at).await?), json!({})).await?;
            let text = plain(&answer["state"]);
            Ok(Said::new(answer, text))
        }
        TellingCommand::Channels => {
            let answer = client.get("/api/v1/telling/channels").await?;
            let rows = list(&answer, "channels").map(|channel| {
                let fields: Vec<String> = list(channel, "fields").map(|field| plain(&field["name"])).collect();
                let whose = if channel["house"] == true { "the house's" } else { "a person's" };
                let costs = if channel["costs"] == true { "costs money" } else { "" };
                vec![plain(&channel["name"]), whose.to_owned(), fields.join(", "), costs.to_owned()]
            });
            let text = table(&["channel", "", "address", ""], rows.collect());
            Ok(Said::new(answer, text))
        }
        TellingCommand::Order { people, none } => order(client, &people, none).await,
        TellingCommand::Inbox { person, seen } => {
            let person = id_of(client, &person).await?;
            let answer = client.get(&format!("/api/v1/people/{person}/inbox")).await?;
            if seen {
                client.post(&format!("/api/v1/people/{person}/inbox/seen"), json!({})).await?;
            }
            let rows = list(&answer, "lines").map(|line| {
                let fresh = if line["seen_at"].is_null() { "*" } else { "" };
                vec![fresh.to_owned(), plain(&line["at"]), plain(&line["title"]), plain(&line["subject"])]
            });
            let text = table(&["", "at", "title", "about"], rows.collect());
            Ok(Said::new(answer, text))
        }
        TellingCommand::Ledger { person, subject, limit } => {
            let mut path = format!("/api/v1/deliveries?limit={limit}");
            if let Some(person) = person {
                path.push_str(&format!("&person={}", id_of(client, &person).await?));
            }
            if let Some(subject) = subject {
                path.push_str(&format!("&subject={}", segment(&subject)));
            }
            let answer = client.get(&path).await?;
            let text = letters(client, &answer).await?;
            Ok(Said::new(answer, text))
        }
        TellingCommand::Why { subject, person } => {
            let person = id_of(client, &person).await?;
            let path = format!("/api/v1/deliveries/why?subject={}&person={person}", segment(&subject));
            let answer = client.get(&path).await?;
            let lines: Vec<String> = list(&answer, "decided")
                .map(|one| {
                    let by: Vec<String> = list(one, "by").map(plain).collect();
                    let what = match (by.is_empty(), one["later"].as_str()) {
                        (false, _) => format!("told by {}", by.join(", ")),
                        (true, Some(later)) => format!("later ({later})"),
                        (true, None) => "not told".to_owned(),
                    };
                    let words: Vec<String> = list(one, "words").map(plain).collect();
                    format!("{}  {what}\n  {}", plain(&one["at"]), words.join("\n  "))
                })
                .collect();
            Ok(Said::new(answer, lines.join("\n")))
        }
    }
}

async fn id_of(client: &Client, person: &str) -> Result<String, Failure> {
    Ok(plain(&find(client, person).await?["id"]))
}

/// Where somebody's ways are, or the house's.
async fn ways(client: &Client, person: Option<&str>) -> Result<String, Failure> {
    Ok(match person {
        Some(person) => of(Some(&id_of(client, person).await?)),
        None => of(None),
    })
}

fn of(person: Option<&str>) -> String {
    match person {
        Some(person) => format!("/api/v1/people/{person}/ways"),
        None => "/api/v1/telling/ways".to_owned(),
    }
}

/// Where the one way is that a person means.
async fn way(client: &Client, at: &TellingWay) -> Result<String, Failure> {
    let person = match &at.person {
        Some(person) => Some(id_of(client, person).await?),
        None => None,
    };
    let answer = client.get(&of(person.as_deref())).await?;
    let wanted = at.way.trim().to_lowercase();
    let named = |one: &&Value| {
        let called = |key: &str| plain(&one[key]).to_lowercase() == wanted;
        called("way") || called("label") || called("channel")
    };
    let found: Vec<&Value> = list(&answer, "ways").filter(named).collect();
    match found.as_slice() {
        [one] => Ok(match (person, plain(&one["way"])) {
            (Some(person), way) => format!("/api/v1/people/{person}/ways/{way}"),
            (None, way) => format!("/api/v1/telling/ways/{way}"),
        }),
        [] => Err(Failure::new(exit::NOT_FOUND, format!("there is no way «{}»: see `domovoi telling ways`", at.way))),
        _ => Err(Failure::new(exit::USAGE, format!("several ways are called «{}»: use the id", at.way))),
    }
}

async fn switch(client: &Client, at: &TellingWay, on: bool) -> Result<Said, Failure> {
    let answer = client.patch(&way(client, at).await?, json!({ "on": on })).await?;
    Ok(Said::new(answer, if on { "on" } else { "off" }))
}

async fn add(client: &Client, args: TellingAdd) -> Result<Said, Failure> {
    let mut address = serde_json::Map::new();
    for field in &args.field {
        let (name, value) = match field.split_once('=') {
            Some((name, value)) => (name, value.to_owned()),
            None => (field.as_str(), asked(field)?),
        };
        address.insert(name.to_owned(), json!(value));
    }
    let mut form = json!({
        "channel": args.channel, "label": args.label, "address": address, "test_anyway": args.test_anyway,
    });
    if let Some(used) = &args.used {
        form["used"] = json!(used);
    }
    let answer = client.post(&ways(client, args.person.as_deref()).await?, form).await?;
    let text = format!("added: {} ({})", plain(&answer["channel"]), plain(&answer["way"]));
    Ok(Said::new(answer, text))
}

/// A part of an address that no other process is to see.
fn asked(field: &str) -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::new(exit::FAILED, format!("`{field}` could not be read: {error}"));
    rpassword::prompt_password(format!("{field}: ")).map_err(failed)
}

fn wishes(file: &Path) -> Result<Value, Failure> {
    let failed = |error: String| Failure::new(exit::FAILED, format!("{}: {error}", file.display()));
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().take(MAX_FILE).read_to_string(&mut text)
    } else {
        let opened = std::fs::File::open(file).map_err(|error| failed(error.to_string()))?;
        opened.take(MAX_FILE).read_to_string(&mut text)
    };
    read.map_err(|error| failed(error.to_string()))?;
    let mut wishes: Value = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
    // What `--json` shows has them under a name.
    Ok(match wishes.get_mut("wishes") {
        Some(inner) => inner.take(),
        None => wishes,
    })
}

async fn order(client: &Client, people: &[String], none: bool) -> Result<Said, Failure> {
    let answer = if none || !people.is_empty() {
        let mut order = Vec::new();
        for person in people {
            order.push(id_of(client, person).await?);
        }
        client.put("/api/v1/telling/household", json!({ "order": order })).await?
    } else {
        client.get("/api/v1/telling/household").await?
    };
    let mut names = Vec::new();
    for id in list(&answer, "order") {
        names.push(plain(&find(client, &plain(id)).await?["name"]));
    }
    let text = if names.is_empty() { "everybody at once".to_owned() } else { names.join(", then ") };
    Ok(Said::new(answer, text))
}

fn shown(answer: &Value) -> String {
    let wishes = &answer["wishes"];
    let hours = |span: &Value| {
        let days: Vec<String> = list(span, "days").map(plain).collect();
        format!("{} to {} (days {})", plain(&span["from"]), plain(&span["to"]), days.join(", "))
    };
    let mut lines = Vec::new();
    lines.push(match wishes["quiet"].as_array() {
        None => "quiet hours: the home's".to_owned(),
        Some(spans) if spans.is_empty() => "quiet hours: none".to_owned(),
        Some(spans) => format!("quiet hours: {}", spans.iter().map(hours).collect::<Vec<_>>().join("; ")),
    });
    for topic in list(wishes, "topics") {
        let wanted = if topic["on"] == true { format!("from {}", plain(&topic["from"])) } else { "off".to_owned() };
        lines.push(format!("{}: {wanted}", plain(&topic["topic"])));
    }
    for rule in list(wishes, "rules") {
        let names = |key: &str| list(rule, key).map(plain).collect::<Vec<_>>().join(", ");
        let by = names("by");
        let topics = names("topics");
        lines.push(format!(
            "rule: {} from {}, {}: {}",
            if topics.is_empty() { "everything" } else { &topics },
            plain(&rule["from"]),
            plain(&rule["place"]),
            if by.is_empty() { "the inbox only" } else { &by }
        ));
    }
    for mute in list(wishes, "muted") {
        let what = mute["topic"].as_str().unwrap_or("everything");
        lines.push(format!("muted until {}: {what}", plain(&mute["until"])));
    }
    if let Some(warning) = answer["warning"].as_str() {
        lines.push(warning.to_owned());
    }
    lines.join("\n")
}

fn listed(answer: &Value) -> String {
    let rows = list(answer, "ways").map(|way| {
        let on = match way["off"].as_str() {
            None => "on".to_owned(),
            Some(why) => format!("off ({why})"),
        };
        let stands = match (way["last_ok"].as_str(), way["failure"].as_str()) {
            (_, Some(why)) if way["last_failure"].as_str() > way["last_ok"].as_str() => format!("fails: {why}"),
            (Some(at), _) => format!("worked {at}"),
            _ => "not used yet".to_owned(),
        };
        vec![plain(&way["way"]), plain(&way["channel"]), plain(&way["label"]), on, stands]
    });
    let mut text = table(&["way", "channel", "called", "", ""], rows.collect());
    if let Some(warning) = answer["warning"].as_str() {
        text.push_str(&format!("\n{warning}"));
    }
    text
}

async fn letters(client: &Client, answer: &Value) -> Result<String, Failure> {
    let people = client.get("/api/v1/people").await?;
    let name = |id: &Value| match id.as_str() {
        None => "the house".to_owned(),
        Some(id) => {
            let known = list(&people, "people").find(|person| person["id"] == id);
            known.map_or_else(|| id.to_owned(), |person| plain(&person["name"]))
        }
    };
    let rows = list(answer, "deliveries").map(|one| {
        let at = list(one, "times").next().map(|time| plain(&time["at"])).unwrap_or_default();
        let state = match one["why"].as_str() {
            Some(why) => format!("{}: {why}", plain(&one["state"])),
            None => plain(&one["state"]),
        };
        vec![at, name(&one["person"]), plain(&one["channel"]), state, plain(&one["subject"])]
    });
    Ok(table(&["at", "to", "by", "", "about"], rows.collect()))
}
