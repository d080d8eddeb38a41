//! `cloud`: how makers' clouds stand, linking, what is there, the end of a link.

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::time::Duration;

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use serde_json::{Value, json};

use super::client::{Client, segment};
use super::cloud_args::{CloudCommand, CloudLink};
use super::commands::plain;
use super::text::{list, table};
use super::{Failure, Said, exit};

/// How often the daemon is asked how far a linking is.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// A code is never longer.
const MAX_CODE: u64 = 512;

fn place(cloud: &str, rest: &str) -> String {
    format!("/api/v1/clouds/{}{rest}", segment(cloud))
}

pub async fn perform(client: &Client, command: CloudCommand, as_json: bool) -> Result<Said, Failure> {
    match command {
        CloudCommand::List => {
            let answer = client.get("/api/v1/clouds").await?;
            let row = |cloud: &Value| {
                let things = list(cloud, "things").count().to_string();
                vec![plain(&cloud["cloud"]), plain(&cloud["state"]), things, plain(&cloud["words"])]
            };
            let rows: Vec<Vec<String>> = list(&answer, "clouds").map(row).collect();
            let text = table(&["cloud", "state", "things", "how it stands"], rows);
            Ok(Said::new(answer, text))
        }
        CloudCommand::Show { cloud } => {
            let answer = client.get(&place(&cloud, "")).await?;
            let text = one(&answer);
            Ok(Said::new(answer, text))
        }
        CloudCommand::Link(args) => link(client, &args, as_json).await,
        CloudCommand::Code { cloud } => {
            let answer = client.post(&place(&cloud, "/link/code"), json!({ "code": code()? })).await?;
            let text = plain(&answer["words"]);
            Ok(Said::new(answer, text))
        }
        CloudCommand::Look { cloud } => {
            let answer = client.post(&place(&cloud, "/look"), json!({})).await?;
            Ok(Said::new(answer, "asked"))
        }
        CloudCommand::Start { cloud, scenario } => {
            let path = place(&cloud, &format!("/scenarios/{}/start", segment(&scenario)));
            let answer = client.post(&path, json!({})).await?;
            Ok(Said::new(answer, "started"))
        }
        CloudCommand::Unlink { cloud, forget } => {
            let answer = client.delete(&place(&cloud, &format!("/link?forget={forget}"))).await?;
            let text = match (answer["was_linked"].as_bool(), answer["told_cloud"].as_bool()) {
                (Some(false), _) => "there was no link".to_owned(),
                (_, Some(true)) => "unlinked: the cloud has taken the tokens back".to_owned(),
                _ => format!("unlinked here; the cloud did not confirm it: {}", plain(&answer["detail"])),
            };
            Ok(Said::new(answer, text))
        }
    }
}

fn one(answer: &Value) -> String {
    let mut lines = vec![format!("{}: {}", plain(&answer["name"]), plain(&answer["words"]))];
    for (key, title) in [("looked_at", "answered"), ("trouble", "trouble"), ("until", "until")] {
        if !answer[key].is_null() {
            lines.push(format!("{title}: {}", plain(&answer[key])));
        }
    }
    lines.extend(list(answer, "granted").map(|scope| format!("  • {}", plain(&scope["words"]))));
    let thing = |thing: &Value| {
        let gone = if thing["gone_at"].is_null() { "" } else { "gone" };
        let standing = if thing["ours"] == true { "ours".to_owned() } else { plain(&thing["standing"]) };
        vec![plain(&thing["device"]), plain(&thing["name"]), plain(&thing["room"]), standing, gone.to_owned()]
    };
    let things: Vec<Vec<String>> = list(answer, "things").map(thing).collect();
    if !things.is_empty() {
        lines.push(table(&["device", "name", "room", "", ""], things));
    }
    let scenes = list(answer, "scenarios").map(|scene| vec![plain(&scene["scenario"]), plain(&scene["name"])]);
    let scenes: Vec<Vec<String>> = scenes.collect();
    if !scenes.is_empty() {
        lines.push(table(&["scenario", "name"], scenes));
    }
    lines.join("\n")
}

/// Typed by a person, or read whole where nobody is there; never an argument, which everybody on the machine could read.
fn code() -> Result<String, Failure> {
    let mut text = String::new();
    let input = std::io::stdin();
    let read = if input.is_terminal() {
        let mut out = std::io::stderr();
        let _ = write!(out, "Code / Код: ");
        let _ = out.flush();
        input.read_line(&mut text)
    } else {
        input.take(MAX_CODE).read_to_string(&mut text)
    };
    read.map_err(|error| Failure::new(exit::FAILED, format!("the code cannot be read: {error}")))?;
    Ok(text.trim().to_owned())
}

async fn link(client: &Client, args: &CloudLink, as_json: bool) -> Result<Said, Failure> {
    let status = client.get(&place(&args.cloud, "")).await?;
    let mut out = std::io::stderr();
    let _ = writeln!(out, "{}", plain(&status["name"]));
    for scope in list(&status, "asks_for") {
        let _ = writeln!(out, "  • {}  [{}]", plain(&scope["words"]), plain(&scope["scope"]));
    }
    if !args.yes && !as_json {
        if !std::io::stdin().is_terminal() {
            return Err(Failure::new(exit::REFUSED, "nobody is there to agree: use --yes to link without being asked"));
        }
        let _ = write!(out, "\nLink? / Связать? [y/N] ");
        let _ = out.flush();
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        if read.is_err() || !matches!(answer.trim().to_lowercase().as_str(), "y" | "yes" | "д" | "да") {
            return Err(Failure::new(exit::REFUSED, "not linked: you did not agree"));
        }
    }
    let way = if args.page { "page" } else { "device" };
    let begun = client.post(&place(&args.cloud, "/link"), json!({ "way": way })).await?;
    if args.page {
        let page = plain(&begun["linking"]["page"]);
        let next = format!("domovoi cloud code {}", args.cloud);
        let text = format!("Open / Откройте: {page}\nthen bring the code it shows / затем введите код: {next}");
        return Ok(Said::new(begun, text));
    }
    let (mut shown, cloud) = (false, place(&args.cloud, ""));
    loop {
        let view = tokio::select! {
            view = client.get(&cloud) => view?,
            _ = tokio::signal::ctrl_c() => {
                client.delete(&place(&args.cloud, "/linking")).await?;
                return Err(Failure::new(exit::REFUSED, "cancelled"));
            }
        };
        match view["linking"]["state"].as_str() {
            Some("linked") => {
                let text = plain(&view["words"]);
                return Ok(Said::new(view, text));
            }
            Some("begun" | "code") => {}
            _ => {
                let why = view["linking"]["why"].as_str().unwrap_or("the linking ended without a word");
                return Err(Failure::new(exit::FAILED, why));
            }
        }
        if !shown && view["linking"]["code"].is_object() {
            let _ = if as_json { writeln!(out, "{}", view["linking"]) } else { writeln!(out, "{}", invitation(&view)) };
            shown = true;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn invitation(view: &Value) -> String {
    let code = &view["linking"]["code"];
    let page = code["page_with_code"].as_str().or(code["page"].as_str()).unwrap_or_default();
    let mut text = format!("Open / Откройте: {}\nCode / Код: {}\n", plain(&code["page"]), plain(&code["user_code"]));
    if let Ok(qr) = QrCode::new(page) {
        text.push_str(&qr.render::<Dense1x2>().quiet_zone(true).build());
    }
    text
}
