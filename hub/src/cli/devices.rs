//! `device` and `room`: what is there, how it stands, and commands that wait for the device's own word.

use serde_json::{Value, json};

use super::client::{Client, segment};
use super::commands::plain;
use super::connect;
use super::device_args::{DeviceCommand, ErrandArgs, RoomCommand};
use super::people::sure;
use super::text::{list, table};
use super::{Failure, Said, exit};

/// The longest that one answer is waited for.
const ONE_WAIT_SECONDS: u64 = 60;

pub async fn perform(client: &Client, command: DeviceCommand) -> Result<Said, Failure> {
    match command {
        DeviceCommand::List { room, hidden, all } => {
            let room = room.map(|room| format!("&room={}", segment(&room))).unwrap_or_default();
            let standing = if all { "all" } else { "accepted" };
            let path = format!("/api/v1/devices?standing={standing}&hidden={hidden}{room}");
            let answer = client.list(&path, "devices", usize::MAX).await?;
            let text = devices(&answer, "no device was accepted yet; `domovoi device inbox` shows what was heard");
            Ok(Said::new(answer, text))
        }
        DeviceCommand::Inbox => {
            let answer = client.list("/api/v1/inbox", "devices", usize::MAX).await?;
            let text = devices(&answer, "nothing waits");
            Ok(Said::new(answer, text))
        }
        DeviceCommand::Show { device } => {
            let answer = client.get(&format!("/api/v1/devices/{}", segment(&device))).await?;
            let text = one(&answer);
            Ok(Said::new(answer, text))
        }
        DeviceCommand::Accept { device, name, room } => {
            let form = json!({ "name": name, "room": room });
            let answer = client.post(&format!("/api/v1/devices/{}/acceptance", segment(&device)), form).await?;
            let text = format!("accepted: {}", plain(&answer["name"]));
            Ok(Said::new(answer, text))
        }
        DeviceCommand::Catalogue { text } => connect::catalogue(client, &text.join(" ")).await,
        DeviceCommand::Connect(args) => {
            heard_by_somebody(client)?;
            connect::connect(client, *args).await
        }
        DeviceCommand::Ignore { device } => edit(client, &device, json!({ "standing": "ignored" })).await,
        DeviceCommand::Rename { device, name } => edit(client, &device, json!({ "name": name })).await,
        DeviceCommand::Move { device, room } => edit(client, &device, json!({ "room": room })).await,
        DeviceCommand::Command { device, property, value, wait } => {
            heard_by_somebody(client)?;
            let form = json!({ "property": property, "value": value });
            let given = client.post(&format!("/api/v1/devices/{}/commands", segment(&device)), form).await?;
            let mut answer = given;
            let mut left = wait;
            while answer["state"] == "sent" && left > 0 {
                let now = left.min(ONE_WAIT_SECONDS);
                left -= now;
                answer = client.get(&format!("/api/v1/commands/{}?wait={now}", plain(&answer["id"]))).await?;
            }
            Ok(told(answer))
        }
        DeviceCommand::Errand(args) => errand(client, args).await,
        DeviceCommand::Forget { device, erase_history, leave, yes } => {
            if !yes {
                sure(&format!("Forget «{device}»{}?", if erase_history { " and everything it said" } else { "" }))?;
            }
            let history = if erase_history { "erase" } else { "keep" };
            let path = format!("/api/v1/devices/{}?history={history}&leave={leave}", segment(&device));
            let answer = client.delete(&path).await?;
            let mut text = format!("forgotten: {} topic(s) cleared at the broker", plain(&answer["topics"]));
            if let Some(credential) = answer["credential"].as_str() {
                text.push_str(&format!("; the credential «{credential}» counts for nothing now"));
            }
            if erase_history {
                match answer["why"].as_str() {
                    Some(_) => text.push_str(&format!("; its history is NOT erased: {}", plain(&answer["why"]))),
                    None => text.push_str(&format!("; {} sample(s) erased", plain(&answer["samples"]))),
                }
            }
            Ok(Said::new(answer, text))
        }
    }
}

pub async fn room(client: &Client, command: RoomCommand) -> Result<Said, Failure> {
    match command {
        RoomCommand::List => {
            let answer = client.get("/api/v1/rooms").await?;
            let rows: Vec<Vec<String>> = list(&answer, "rooms")
                .map(|room| ["name", "devices", "room"].map(|key| plain(&room[key])).to_vec())
                .collect();
            let text = if rows.is_empty() {
                "there is no room yet: `domovoi room add NAME`".to_owned()
            } else {
                table(&["name", "devices", "id"], rows)
            };
            Ok(Said::new(answer, text))
        }
        RoomCommand::Add { name } => {
            let answer = client.post("/api/v1/rooms", json!({ "name": name })).await?;
            Ok(Said::new(answer, "added"))
        }
        RoomCommand::Rename { room, name } => {
            let answer = client.patch(&format!("/api/v1/rooms/{}", segment(&room)), json!({ "name": name })).await?;
            Ok(Said::new(answer, "renamed"))
        }
        RoomCommand::Place { room, position } => {
            let form = json!({ "position": position.saturating_sub(1) });
            let answer = client.patch(&format!("/api/v1/rooms/{}", segment(&room)), form).await?;
            Ok(Said::new(answer, "placed"))
        }
        RoomCommand::Remove { room } => {
            let answer = client.delete(&format!("/api/v1/rooms/{}", segment(&room))).await?;
            Ok(Said::new(answer, "removed"))
        }
    }
}

/// Without a daemon there is no broker through which a device could hear anything.
fn heard_by_somebody(client: &Client) -> Result<(), Failure> {
    match client.is_daemon() {
        true => Ok(()),
        false => Err(Failure::new(exit::REFUSED, "no daemon is running: no device would hear it")),
    }
}

async fn edit(client: &Client, device: &str, form: Value) -> Result<Said, Failure> {
    let answer = client.patch(&format!("/api/v1/devices/{}", segment(device)), form).await?;
    let text = devices(&json!({ "devices": [answer] }), "");
    Ok(Said::new(answer, text))
}

async fn errand(client: &Client, args: ErrandArgs) -> Result<Said, Failure> {
    heard_by_somebody(client)?;
    let form = json!({
        "errand": args.errand, "device": args.device, "seconds": args.seconds, "to": args.to, "force": args.force,
    });
    let mut answer = client.post("/api/v1/devices/errands", form).await?;
    if args.wait > 0 && answer["state"] == "sent" {
        let wait = args.wait.min(ONE_WAIT_SECONDS);
        answer = client.get(&format!("/api/v1/devices/errands/{}?wait={wait}", plain(&answer["id"]))).await?;
    }
    Ok(told(answer))
}

/// What came of it, with an exit code that a script can rely on.
fn told(answer: Value) -> Said {
    let mut text = match answer["state"].as_str() {
        Some("sent") => "told; the device has not said yet that it is done".to_owned(),
        Some("confirmed") => "done: the device says so itself".to_owned(),
        Some("done") => "done: the bridge says so".to_owned(),
        Some("unconfirmable") => "told; this device never says whether it is done".to_owned(),
        Some("timed-out") => "told, and nothing was heard of it in time".to_owned(),
        Some("superseded") => "a later command took its place".to_owned(),
        Some(other) => other.to_owned(),
        None => String::new(),
    };
    if answer["why"].is_string() {
        text.push_str(&format!(": {}", plain(&answer["why"])));
    }
    if answer["thought_unreachable"] == true {
        text.push_str(" (it was thought to be out of reach, and was tried all the same)");
    }
    if answer["sleeps"] == true && answer["state"] == "sent" {
        text.push_str(" (it sleeps, and may take as long)");
    }
    let over = ["refused", "timed-out", "failed"].iter().any(|state| answer["state"] == *state);
    Said { code: if over { exit::REFUSED } else { 0 }, ..Said::new(answer, text) }
}

/// The value of a property as a line has it, with what is to be known of its age.
fn shown(property: &Value) -> String {
    let mut text = format!("{} {}", plain(&property["value"]), property["unit"].as_str().unwrap_or_default());
    if property["restored"] == true {
        text.push_str(" (from before the restart)");
    } else if property["expired"] == true {
        text.push_str(" (old)");
    }
    text.trim().to_owned()
}

fn devices(answer: &Value, none: &str) -> String {
    let rows: Vec<Vec<String>> = list(answer, "devices")
        .map(|device| {
            let main: Vec<String> = list(device, "properties")
                .filter(|property| property["category"] == "main" && property["hidden"] == false)
                .filter(|property| !property["value"].is_null())
                .take(3)
                .map(|property| format!("{} {}", plain(&property["name"]), shown(property)))
                .collect();
            let standing = device["standing"].as_str().filter(|standing| *standing != "accepted").unwrap_or_default();
            vec![
                plain(&device["name"]),
                plain(&device["room_name"]),
                main.join(", "),
                if device["reachable"] == false { "out of reach?".to_owned() } else { String::new() },
                plain(&device["heard_at"]),
                standing.to_owned(),
                plain(&device["device"]),
            ]
        })
        .collect();
    if rows.is_empty() {
        return none.to_owned();
    }
    table(&["name", "room", "says", "", "last heard", "", "device"], rows)
}

fn one(device: &Value) -> String {
    let mut lines = Vec::new();
    for key in ["name", "device", "room_name", "standing", "model", "serial", "via", "road", "reachable", "heard_at"] {
        if !device[key].is_null() {
            lines.push(format!("{key}: {}", plain(&device[key])));
        }
    }
    let rows = list(device, "properties")
        .map(|property| {
            let takes = match (property["writable"] == true, property["dangerous"] == true) {
                (true, true) => "takes commands, with a factor shown",
                (true, false) => "takes commands",
                _ => "",
            };
            vec![
                plain(&property["name"]),
                shown(property),
                plain(&property["at"]),
                takes.to_owned(),
                property["broken"].as_str().unwrap_or_default().to_owned(),
            ]
        })
        .collect();
    format!("{}\n{}", lines.join("\n"), table(&["property", "says", "since", "", ""], rows))
}
