//! `mapping` and `meter-key`: devices that speak no dialect of the house, and meters that encrypt what they say.

use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use domovoi_vault::Secret;
use serde_json::{Value, json};

use super::client::{Client, segment};
use super::commands::{clean, plain};
use super::mapping_args::{MappingCommand, MeterKeyCommand};
use super::text::{list, table};
use super::{Failure, Said, exit};
use crate::ingest::{MappingFile, MappingPaper};

/// The largest file that is taken.
const MAX_FILE: u64 = 1 << 20;

/// A key is never longer, however it is spaced.
const MAX_KEY: u64 = 256;

pub async fn perform(client: &Client, command: MappingCommand) -> Result<Said, Failure> {
    match command {
        MappingCommand::List => {
            let answer = client.get("/api/v1/mappings").await?;
            let row = |one: &Value| {
                let rows = one["rows"].as_array().map_or(0, Vec::len).to_string();
                vec![plain(&one["id"]), plain(&one["name"]), rows, plain(&one["rows"][0]["topic"])]
            };
            let rows: Vec<Vec<String>> = list(&answer, "mappings").map(row).collect();
            let text = if rows.is_empty() {
                "there is none; `domovoi mapping topics` shows what nobody understands".to_owned()
            } else {
                table(&["mapping", "name", "rows", "topic"], rows)
            };
            Ok(Said::new(answer, text))
        }
        MappingCommand::Show { mapping } => {
            let answer = client.get(&format!("/api/v1/mappings/{}", segment(&mapping))).await?;
            let text = written(vec![paper_of(&answer)?])?;
            Ok(Said::new(answer, text))
        }
        MappingCommand::Topics { mapped } => {
            let answer = client.get(&format!("/api/v1/overheard-topics?mapped={mapped}")).await?;
            let row = |one: &Value| {
                let newest: String = plain(&one["payloads"][0]).chars().take(60).collect();
                vec![plain(&one["topic"]), plain(&one["sender"]), plain(&one["times"]), newest]
            };
            let rows: Vec<Vec<String>> = list(&answer, "topics").map(row).collect();
            let text =
                if rows.is_empty() { "none".to_owned() } else { table(&["topic", "from", "times", "last"], rows) };
            Ok(Said::new(answer, text))
        }
        MappingCommand::Try { file, topic, payload } => tried(client, &file, &topic, payload.as_deref()).await,
        MappingCommand::Export { to } => {
            let answer = client.get("/api/v1/mappings").await?;
            let papers = list(&answer, "mappings").map(paper_of).collect::<Result<Vec<_>, _>>()?;
            let text = written(papers)?;
            let Some(to) = to else { return Ok(Said::new(answer, text)) };
            std::fs::write(&to, text)
                .map_err(|error| Failure::new(exit::FAILED, format!("{}: {error}", to.display())))?;
            Ok(Said::new(answer, format!("written: {}", to.display())))
        }
        MappingCommand::Import { file } => {
            let papers = read(&file)?;
            let many = papers.len();
            let answer = client.put("/api/v1/mappings", json!({ "mappings": papers })).await?;
            Ok(Said::new(answer, format!("taken: {many}")))
        }
        MappingCommand::Remove { mapping } => {
            let answer = client.delete(&format!("/api/v1/mappings/{}", segment(&mapping))).await?;
            Ok(Said::new(answer, "removed; its devices stay until `domovoi device forget`"))
        }
    }
}

async fn tried(client: &Client, file: &Path, topic: &str, payload: Option<&str>) -> Result<Said, Failure> {
    let mut answers = Vec::new();
    let mut lines = Vec::new();
    for paper in read(file)? {
        let form = json!({ "mapping": paper, "topic": topic, "payload": payload });
        let answer = client.post("/api/v1/mapping-trials", form).await?;
        for reading in list(&answer, "readings") {
            lines.push(format!("{}: {}", paper.id, clean(reading["payload"].as_str().unwrap_or_default())));
            if reading["unheard"] == true {
                lines.push("  none of its rows means this topic".to_owned());
            }
            if let Some(dialect) = reading["claimed_by"].as_str() {
                lines.push(format!("  {dialect} knows this topic and is asked first"));
            }
            for value in list(reading, "values") {
                let (property, unit) = (plain(&value["property"]), plain(&value["unit"]));
                lines.push(format!("  {property} = {} {unit}", plain(&value["value"])).trim_end().to_owned());
            }
            lines.extend(list(reading, "faults").map(|fault| format!("  {}", plain(fault))));
        }
        answers.push(answer);
    }
    let text = if lines.is_empty() {
        "nothing was heard on this topic yet; give --payload".to_owned()
    } else {
        lines.join("\n")
    };
    Ok(Said::new(json!({ "trials": answers }), text))
}

pub async fn meter_key(client: &Client, command: MeterKeyCommand) -> Result<Said, Failure> {
    match command {
        MeterKeyCommand::List => {
            let answer = client.get("/api/v1/meter-keys").await?;
            let keys: Vec<String> = list(&answer, "keys").map(plain).collect();
            let given = |meter: &str| if keys.iter().any(|key| key == meter) { "given" } else { "" }.to_owned();
            let mut rows: Vec<Vec<String>> = list(&answer, "meters")
                .map(|one| {
                    let meter = plain(&one["meter"]);
                    let key = given(&meter);
                    vec![meter, plain(&one["name"]), key, plain(&one["words"]), plain(&one["heard_at"])]
                })
                .collect();
            for key in
                keys.iter().filter(|key| rows.iter().all(|row| row.first() != Some(*key))).cloned().collect::<Vec<_>>()
            {
                rows.push(vec![key, String::new(), "given".to_owned(), String::new(), String::new()]);
            }
            let text = if rows.is_empty() {
                "no meter that encrypts was heard, and no key was given".to_owned()
            } else {
                table(&["meter", "name", "key", "", "heard"], rows)
            };
            Ok(Said::new(answer, text))
        }
        MeterKeyCommand::Set { meter } => {
            let key = key_of()?;
            let path = format!("/api/v1/meter-keys/{}", segment(&meter));
            let answer = client.put(&path, json!({ "key": key.expose() })).await?;
            let text = plain(&answer["words"]);
            let is_shut = answer["check"] == "shut";
            let mut said = Said::new(answer, text);
            said.code = if is_shut { exit::UNWELL } else { 0 };
            Ok(said)
        }
        MeterKeyCommand::Forget { meter } => {
            let answer = client.delete(&format!("/api/v1/meter-keys/{}", segment(&meter))).await?;
            Ok(Said::new(answer, "forgotten"))
        }
    }
}

/// A key never stands among the arguments, where every process could read it.
fn key_of() -> Result<Secret<String>, Failure> {
    let failed = |error: std::io::Error| Failure::new(exit::FAILED, format!("the key could not be read: {error}"));
    if std::io::stdin().is_terminal() {
        return rpassword::prompt_password("32 hexadecimal digits: ").map(Secret::new).map_err(failed);
    }
    let mut text = String::new();
    std::io::stdin().take(MAX_KEY).read_to_string(&mut text).map_err(failed)?;
    Ok(Secret::new(text))
}

fn read(file: &Path) -> Result<Vec<MappingPaper>, Failure> {
    let failed = |error: std::io::Error| Failure::new(exit::FAILED, format!("{}: {error}", file.display()));
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().take(MAX_FILE).read_to_string(&mut text).map_err(failed)?;
    } else {
        std::fs::File::open(file).and_then(|open| open.take(MAX_FILE).read_to_string(&mut text)).map_err(failed)?;
    }
    let file = toml::from_str::<MappingFile>(&text)
        .map_err(|error| Failure::new(exit::REFUSED, format!("{}: {error}", file.display())))?;
    Ok(file.mapping)
}

fn paper_of(answer: &Value) -> Result<MappingPaper, Failure> {
    serde_json::from_value(answer.clone())
        .map_err(|error| Failure::new(exit::FAILED, format!("the answer cannot be read: {error}")))
}

fn written(mapping: Vec<MappingPaper>) -> Result<String, Failure> {
    toml::to_string(&MappingFile { mapping })
        .map_err(|error| Failure::new(exit::FAILED, format!("it cannot be written as TOML: {error}")))
}
