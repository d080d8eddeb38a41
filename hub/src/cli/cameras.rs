//! `camera`: what is there and how it stands, looking at one, adding, forgetting, taking recordings away, verifying them.

use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::camera_args::{CameraAdd, CameraAt, CameraCommand, CameraExport};
use super::client::{Client, segment};
use super::commands::plain;
use super::history::export_to;
use super::people::sure;
use super::text::{list, table};
use super::{Failure, Said, exit};

/// A password of a camera is never longer.
const MAX_PASSWORD: u64 = 4096;

pub async fn perform(client: &Client, command: CameraCommand) -> Result<Said, Failure> {
    let path = |camera: &str| format!("/api/v1/cameras/{}", segment(camera));
    match command {
        CameraCommand::List => {
            let answer = client.get("/api/v1/cameras").await?;
            let text = cameras(&answer);
            Ok(Said::new(answer, text))
        }
        CameraCommand::Show { camera } => {
            let answer = client.get(&path(&camera)).await?;
            let text = one(&answer);
            Ok(Said::new(answer, text))
        }
        CameraCommand::Search => {
            let answer = client.post("/api/v1/cameras/search", json!({})).await?;
            let keys = ["host", "made", "onvif"];
            let rows: Vec<Vec<String>> =
                list(&answer, "found").map(|one| keys.map(|key| plain(&one[key])).to_vec()).collect();
            let text = if rows.is_empty() {
                "no camera that is not known answers".to_owned()
            } else {
                table(&["address", "maker and model", "ONVIF"], rows)
            };
            Ok(Said::new(answer, text))
        }
        CameraCommand::Check(at) => {
            let form = form(&at, "camera")?;
            let answer = client.post("/api/v1/cameras/check", form).await?;
            checked(answer, at.frame.as_deref())
        }
        CameraCommand::Add(args) => add(client, *args).await,
        CameraCommand::On { camera } => switch(client, &path(&camera), true).await,
        CameraCommand::Off { camera } => switch(client, &path(&camera), false).await,
        CameraCommand::Forget { camera, erase_recordings, yes } => {
            if !yes {
                let more = if erase_recordings { " and everything it recorded" } else { "" };
                sure(&format!("Forget «{camera}»{more}?"))?;
            }
            let recordings = if erase_recordings { "erase" } else { "keep" };
            let answer = client.delete(&format!("{}?recordings={recordings}", path(&camera))).await?;
            Ok(Said::new(answer, "forgotten"))
        }
        CameraCommand::Timeline { camera, span } => {
            let query = format!("from={}&to={}", segment(&span.from), segment(&span.to));
            let answer = client.get(&format!("{}/timeline?{query}", path(&camera))).await?;
            let text = timeline(&answer);
            Ok(Said::new(answer, text))
        }
        CameraCommand::Export(args) => export(client, &args).await,
        CameraCommand::Verify { camera } => {
            let answer = client.post(&format!("{}/verification", path(&camera)), json!({})).await?;
            let rows: Vec<Vec<String>> = list(&answer, "findings")
                .map(|finding| ["segment", "state", "what"].map(|key| plain(&finding[key])).to_vec())
                .collect();
            let sound = answer["sound"] == true;
            let text = if sound {
                "sound: every byte is as it was written, and nothing is missing".to_owned()
            } else {
                table(&["segment", "", "found"], rows)
            };
            let mut said = Said::new(answer, text);
            said.code = if sound { 0 } else { exit::UNWELL };
            Ok(said)
        }
        CameraCommand::Archive => {
            let answer = client.get("/api/v1/cameras/archive").await?;
            let keys = ["state", "folder", "bytes", "free", "floor"];
            let lines: Vec<String> = keys.iter().map(|key| format!("{key}: {}", plain(&answer[*key]))).collect();
            Ok(Said::new(answer, lines.join("\n")))
        }
    }
}

async fn switch(client: &Client, path: &str, on: bool) -> Result<Said, Failure> {
    let answer = client.patch(path, json!({ "enabled": on })).await?;
    Ok(Said::new(answer, if on { "on" } else { "off" }))
}

/// What a camera is asked with. A password never stands among the arguments, where every process could read it.
fn form(at: &CameraAt, name: &str) -> Result<Value, Failure> {
    let mut form = json!({ "name": name, "address": at.address });
    for (key, value) in [("login", &at.login), ("sub_path", &at.sub), ("certificate", &at.certificate)] {
        if let Some(value) = value {
            form[key] = json!(value);
        }
    }
    if at.udp {
        form["transport"] = json!("udp");
    }
    if let Some(login) = &at.login {
        form["password"] = json!(password(login)?);
    }
    Ok(form)
}

fn password(login: &str) -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::new(exit::FAILED, format!("the password could not be read: {error}"));
    if std::io::stdin().is_terminal() {
        return rpassword::prompt_password(format!("{login}: ")).map_err(failed);
    }
    let mut text = String::new();
    std::io::stdin().take(MAX_PASSWORD).read_to_string(&mut text).map_err(failed)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn checked(mut answer: Value, frame: Option<&Path>) -> Result<Said, Failure> {
    let mut lines: Vec<String> = list(&answer, "words").map(plain).collect();
    if answer["ok"] == true {
        let figures = [
            ("codec", answer["codec"].clone()),
            ("size", json!(format!("{} x {}", plain(&answer["width"]), plain(&answer["height"])))),
            ("frames/s", json!(answer["millihz"].as_f64().map(|rate| rate / 1000.0))),
            ("bits/s", answer["bits_per_second"].clone()),
            ("key frame every, ms", answer["group_ms"].clone()),
            ("sound", answer["audio"].clone()),
            ("plays", answer["playable"].clone()),
        ];
        lines.extend(figures.iter().map(|(name, value)| format!("{name}: {}", plain(value))));
    }
    if let Some(fingerprint) = answer["certificate"]["fingerprint"].as_str() {
        lines.push(format!("certificate: {fingerprint}"));
        lines.push("compare it with the one that the camera shows, then say --certificate with it".to_owned());
    }
    if let (Some(file), Some(picture)) = (frame, answer["picture"].as_str()) {
        let bytes = STANDARD.decode(picture).unwrap_or_default();
        let failed = |error: std::io::Error| Failure::new(exit::FAILED, format!("{}: {error}", file.display()));
        std::fs::write(file, bytes).map_err(failed)?;
        lines.push(format!("test frame: {}", file.display()));
        answer["picture"] = json!(file.display().to_string());
    }
    let ok = answer["ok"] == true;
    let mut said = Said::new(answer, lines.join("\n"));
    said.code = if ok { 0 } else { exit::UNWELL };
    Ok(said)
}

async fn add(client: &Client, args: CameraAdd) -> Result<Said, Failure> {
    let mut form = form(&args.at, &args.name)?;
    form["mode"] = json!(args.mode);
    form["unchecked"] = json!(args.unchecked);
    if args.mode == "event" {
        form["starts"] = json!([{ "on": "motion" }]);
    }
    for (key, value) in [("room", &args.room), ("place", &args.place)] {
        if let Some(value) = value {
            form[key] = json!(value);
        }
    }
    let answer = client.post("/api/v1/cameras", form).await?;
    let text = format!("added: {} ({})", plain(&answer["name"]), plain(&answer["camera"]));
    Ok(Said::new(answer, text))
}

async fn export(client: &Client, args: &CameraExport) -> Result<Said, Failure> {
    let mut path = format!(
        "/api/v1/cameras/{}/export?from={}&to={}&gaps={}",
        segment(&args.camera),
        segment(&args.span.from),
        segment(&args.span.to),
        if args.keep_gaps { "kept" } else { "closed" }
    );
    if let Some(part) = args.part {
        path.push_str(&format!("&part={part}"));
    }
    if !args.seal_for.is_empty() {
        path.push_str(&format!("&recipients={}", segment(&args.seal_for.join(","))));
    }
    export_to(client, &path, &args.out).await
}

fn cameras(answer: &Value) -> String {
    let rows: Vec<Vec<String>> = list(answer, "cameras")
        .map(|camera| {
            let state = if camera["state"] == "offline" {
                format!("offline ({})", plain(&camera["trouble"]))
            } else {
                plain(&camera["state"])
            };
            let sends = &camera["sends"];
            let picture = sends["codec"].as_str().map_or_else(String::new, |codec| {
                format!("{codec} {}x{}", plain(&sends["width"]), plain(&sends["height"]))
            });
            vec![plain(&camera["name"]), state, plain(&camera["recording_words"]), picture, plain(&camera["camera"])]
        })
        .collect();
    if rows.is_empty() {
        return "no camera is known; add one with `domovoi camera add`".to_owned();
    }
    table(&["name", "", "recording", "sends", "camera"], rows)
}

fn one(answer: &Value) -> String {
    let settings = &answer["settings"];
    let lines = [
        ("name", &answer["name"]),
        ("state", &answer["words"]),
        ("since", &answer["since"]),
        ("recording", &answer["recording_words"]),
        ("sends", &answer["sends"]["mime"]),
        ("bytes", &answer["bytes"]),
        ("days", &answer["days"]),
        ("address", &settings["address"]),
        ("login", &settings["login"]),
        ("mode", &settings["mode"]),
    ];
    let said = lines.iter().filter(|(_, value)| !value.is_null());
    said.map(|(name, value)| format!("{name}: {}", plain(value))).collect::<Vec<_>>().join("\n")
}

fn timeline(answer: &Value) -> String {
    let span = |one: &Value| vec![plain(&one["from"]), plain(&one["to"])];
    let stretches: Vec<Vec<String>> = list(answer, "stretches").map(span).collect();
    let mut parts =
        vec![if stretches.is_empty() { "nothing was recorded".to_owned() } else { table(&["from", "to"], stretches) }];
    let troubles: Vec<Vec<String>> = list(answer, "troubles")
        .map(|one| ["from", "to", "state", "trouble"].map(|key| plain(&one[key])).to_vec())
        .collect();
    if !troubles.is_empty() {
        parts.push(table(&["from", "to", "", "found"], troubles));
    }
    parts.join("\n\n")
}
