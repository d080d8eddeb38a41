//! `device catalogue` and `device connect`: what there is to connect, and the way of one device until it is there. Secrets
//! come from files and standard input, never from the command line, where other users could read them.

use std::io::Read as _;
use std::path::Path;

use serde_json::{Value, json};

use super::client::{Client, segment};
use super::commands::plain;
use super::device_args::ConnectArgs;
use super::text::{list, table};
use super::{Failure, Said, exit};

/// The longest that one answer is waited for.
const ONE_WAIT_SECONDS: u64 = 60;

/// A token or a code is no longer.
const MAX_SECRET: u64 = 4096;

pub async fn catalogue(client: &Client, text: &str) -> Result<Said, Failure> {
    let answer = client.get(&format!("/api/v1/catalogue?text={}", segment(text))).await?;
    let row = |one: &Value| ["type", "brand", "model", "name", "by", "serial"].map(|key| plain(&one[key])).to_vec();
    let rows: Vec<Vec<String>> = list(&answer, "types").map(row).collect();
    let text = match rows.is_empty() {
        true => "no type is called so; `domovoi device catalogue` shows them all".to_owned(),
        false => table(&["type", "brand", "model", "name", "by", "asks"], rows),
    };
    Ok(Said::new(answer, text))
}

fn read(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = match path == Path::new("-") {
        true => std::io::stdin().take(MAX_SECRET).read_to_string(&mut text),
        false => std::fs::File::open(path).and_then(|file| file.take(MAX_SECRET).read_to_string(&mut text)),
    };
    read.map_err(|error| Failure::new(exit::REFUSED, format!("{}: {error}", path.display())))?;
    Ok(text.trim().to_owned())
}

pub async fn connect(client: &Client, args: ConnectArgs) -> Result<Said, Failure> {
    let code = args.code.map(|code| if code == "-" { read(Path::new("-")) } else { Ok(code) }).transpose()?;
    let token = args.token_file.as_deref().map(read).transpose()?;
    let password = args.page_password_file.as_deref().map(read).transpose()?.unwrap_or_default();
    let page = args.page.map(|address| json!({ "address": address, "user": args.page_user, "password": password }));
    let form = json!({
        "code": code, "type": args.device_type, "serial": args.serial, "token": token, "bridge": args.bridge,
        "maker_page": page, "name": args.name, "room": args.room, "certificate_days": args.certificate_days,
    });
    let begun = client.post("/api/v1/connections", form).await?;
    let mut text = access(&begun);
    let id = plain(&begun["connection"]);
    let mut now = begun.clone();
    let mut left = args.wait;
    while left > 0 && !matches!(now["state"].as_str(), Some("done" | "expired" | "cancelled" | "found")) {
        let wait = left.min(ONE_WAIT_SECONDS).min(5);
        left -= wait;
        let seen = plain(&now["state"]);
        now = client.get(&format!("/api/v1/connections/{id}?wait={wait}&state={seen}")).await?;
    }
    let mut answer = begun;
    if let (Some(answer), Some(now)) = (answer.as_object_mut(), now.as_object()) {
        answer.extend(now.clone());
    }
    text.push_str(&told(&answer));
    let wrong = matches!(answer["state"].as_str(), Some("expired" | "not-handed-over" | "wrong-password" | "outside"));
    Ok(Said { code: if wrong { exit::REFUSED } else { 0 }, ..Said::new(answer, text) })
}

/// What a person enters into the device.
fn access(begun: &Value) -> String {
    let mut lines = Vec::new();
    if let Some(password) = begun["password"].as_str() {
        let hosts: Vec<String> = begun["hosts"].as_array().into_iter().flatten().map(plain).collect();
        lines.push(format!("broker: {} port {}", hosts.join(" or "), plain(&begun["port"])));
        lines.push(format!("user name: {}", plain(&begun["username"])));
        lines.push(format!("password: {password}"));
        let topics: Vec<String> = begun["publish"].as_array().into_iter().flatten().map(plain).collect();
        lines.push(format!("topics: {}", topics.join(" ")));
    }
    for key in ["certificate", "key"] {
        if let Some(pem) = begun[key].as_str() {
            lines.push(pem.trim_end().to_owned());
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn told(answer: &Value) -> String {
    let detail = plain(&answer["detail"]);
    match answer["state"].as_str().unwrap_or_default() {
        "done" if answer["device"].is_null() => "connected".to_owned(),
        "done" => format!("connected: {}", plain(&answer["device"])),
        "found" => {
            let found: Vec<String> = answer["candidates"].as_array().into_iter().flatten().map(plain).collect();
            format!("found: {}; confirm with `domovoi device accept`", found.join(", "))
        }
        "waiting" => {
            "nobody has come with this access yet: is it entered, is the device in the same network?".to_owned()
        }
        "handing-over" => "the device is being told its access".to_owned(),
        "not-handed-over" => format!("the device was not told its access: {detail}"),
        "joining" => "the bridge lets new devices join; none has yet".to_owned(),
        "listening" => "nothing of the kind was heard yet".to_owned(),
        "wrong-password" => "the device came with a wrong password: enter it once more".to_owned(),
        "connected" => "the device is connected, and has said nothing yet".to_owned(),
        "gone" => "the device was connected, and went again".to_owned(),
        "outside" => format!("the device speaks on a topic that is not its own: {detail}"),
        "not-understood" => format!("the device speaks, and nothing of it tells what it is: {detail}"),
        "expired" => "the device was not heard in time; begin anew".to_owned(),
        other => other.to_owned(),
    }
}
