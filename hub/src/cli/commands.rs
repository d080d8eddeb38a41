//! Commands that are one call of the API, and how their answers read.

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domovoi_config::Language;
use serde_json::{Value, json};

use super::args::{
    ActCommand, Command, Common, KeyCommand, MeterCommand, MqttCommand, NewMeter, PortalCommand, SecretCommand,
};
use super::client::{Client, segment};
use super::offline::beside;
use super::{
    Failure, Said, alerts, calendar, cameras, clouds, consumption, devices, exit, history, linking, mappings, messages,
    people, safety, scenario, telling, text,
};
use crate::words::{Words, words};

/// How often the progress of a rotation is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub async fn perform(client: &Client, command: Command, common: &Common, language: Language) -> Result<Said, Failure> {
    match command {
        Command::Portal(command) => portal(client, command, common, language).await,
        Command::Device(command) => devices::perform(client, command).await,
        Command::Room(command) => devices::room(client, command).await,
        Command::Meter(command) => meter(client, command).await,
        Command::Act(command) => act(client, command).await,
        Command::Mqtt(command) => mqtt(client, command).await,
        Command::People(command) => people::perform(client, command, common.json).await,
        Command::Journal(args) => people::journal(client, args).await,
        Command::History(command) => history::perform(client, command).await,
        Command::Safety(command) => safety::perform(client, command).await,
        Command::Camera(command) => Box::pin(cameras::perform(client, command)).await,
        Command::Alerts(command) => Box::pin(alerts::perform(client, command)).await,
        Command::Telling(command) => Box::pin(telling::perform(client, command)).await,
        Command::Calendar(command) => Box::pin(calendar::perform(client, command)).await,
        Command::Cloud(command) => Box::pin(clouds::perform(client, command, common.json)).await,
        Command::Consumption(command) => Box::pin(consumption::perform(client, command)).await,
        Command::Tariff(command) => Box::pin(consumption::tariff(client, command)).await,
        Command::Evidence(command) => Box::pin(consumption::evidence(client, command)).await,
        Command::Messages(command) => Box::pin(messages::perform(client, command)).await,
        Command::Mapping(command) => Box::pin(mappings::perform(client, command)).await,
        Command::MeterKey(command) => Box::pin(mappings::meter_key(client, command)).await,
        Command::Scenario(command) => Box::pin(scenario::perform(client, command)).await,
        Command::Presence(command) => Box::pin(scenario::presence(client, command)).await,
        Command::Token(command) => people::token(client, command).await,
        Command::Certificate(command) => people::certificate(client, command).await,
        Command::Secret(SecretCommand::Set { name }) => secret(client, &name).await,
        Command::Key(KeyCommand::Status) => {
            let answer = client.get("/api/v1/keys").await?;
            Ok(Said::new(answer.clone(), text::keys(&answer)))
        }
        Command::Key(KeyCommand::Rotate { master }) => rotate(client, master).await,
        Command::Notices(args) => {
            if let Some(key) = args.done {
                let answer = client.delete(&format!("/api/v1/notices/{}", segment(&key))).await?;
                return Ok(Said::new(answer, "done"));
            }
            let mut answer = client.list("/api/v1/notices", "notices", usize::MAX).await?;
            let words = words(language);
            for notice in answer["notices"].as_array_mut().into_iter().flatten() {
                notice["text"] = json!(sentence(words, notice));
            }
            Ok(Said::new(answer.clone(), text::notices(&answer)))
        }
        Command::Doctor(args) => {
            let answer = client.get(&format!("/api/v1/doctor?verify={}", args.verify)).await?;
            let ill = answer["findings"].as_array().into_iter().flatten().any(|finding| finding["level"] == "broken");
            let mut said = Said::new(answer.clone(), text::doctor(&answer, client.is_daemon()));
            said.code = if ill { exit::UNWELL } else { 0 };
            Ok(said)
        }
        // `perform` in the module above has dealt with these.
        _ => Err(Failure::new(exit::USAGE, "this command speaks to no daemon")),
    }
}

fn sentence(words: &Words, notice: &Value) -> String {
    let params: Vec<(String, String)> = notice["params"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect();
    words.notice(notice["kind"].as_str().unwrap_or_default(), &params)
}

async fn portal(client: &Client, command: PortalCommand, common: &Common, language: Language) -> Result<Said, Failure> {
    match command {
        PortalCommand::Link(args) => linking::link(client, args, common.json, language).await,
        PortalCommand::Status => {
            let answer = client.get("/api/v1/portal").await?;
            Ok(Said::new(answer.clone(), text::portal(&answer, language)))
        }
        PortalCommand::Unlink => {
            let answer = client.delete("/api/v1/portal/link").await?;
            let text =
                match (answer["was_linked"].as_bool(), answer["told_portal"].as_bool(), answer["detail"].as_str()) {
                    (Some(false), ..) => "there was no link".to_owned(),
                    (_, Some(true), _) => {
                        "unlinked: the portal has confirmed that the tokens are worthless now".to_owned()
                    }
                    (_, _, detail) => format!(
                        "unlinked here; the portal did not confirm it: {}",
                        detail.unwrap_or("withdraw the consent there too")
                    ),
                };
            Ok(Said::new(answer, text))
        }
        PortalCommand::Consent { set: None } => {
            let answer = client.get("/api/v1/portal/consent").await?;
            Ok(Said::new(answer.clone(), text::consent(&answer)))
        }
        PortalCommand::Consent { set: Some(set) } => {
            let answer = client.put("/api/v1/portal/consent", json!({ "given": set == "on" })).await?;
            Ok(Said::new(answer.clone(), text::consent(&answer)))
        }
        PortalCommand::Accounts => {
            let answer = client.get("/api/v1/portal/accounts").await?;
            Ok(Said::new(answer.clone(), text::accounts(&answer)))
        }
    }
}

fn meter_form(meter: &NewMeter) -> Value {
    json!({
        "serial": meter.serial, "model": meter.model, "digits": meter.digits, "tariffs": meter.tariffs,
        "multiplier": meter.multiplier, "installed": meter.installed, "start": meter.start,
        "verified": meter.verified, "valid_until": meter.valid_until,
    })
}

async fn meter(client: &Client, command: MeterCommand) -> Result<Said, Failure> {
    match command {
        MeterCommand::List => {
            let answer = client.list("/api/v1/meters", "points", usize::MAX).await?;
            Ok(Said::new(answer.clone(), text::meters(&answer)))
        }
        MeterCommand::Add(args) => {
            let form = json!({
                "supplier": args.supplier, "account": args.account, "els": args.els, "resource": args.resource,
                "name": args.name, "meter": meter_form(&args.meter), "device": args.device,
                "registers": args.register, "unit": args.unit, "remind": args.remind,
            });
            let answer = client.post("/api/v1/meters", form).await?;
            let text = format!("added: {} ({})", plain(&answer["name"]), plain(&answer["id"]));
            Ok(Said::new(answer, text))
        }
        MeterCommand::Replace(args) => {
            let form = json!({ "end": args.end, "meter": meter_form(&args.meter) });
            let answer = client.post(&format!("/api/v1/meters/{}/replacement", segment(&args.point)), form).await?;
            let text = format!("meter {} hangs there now", plain(&answer["serial"]));
            Ok(Said::new(answer, text))
        }
        MeterCommand::Verify(args) => {
            let form = json!({ "verified": args.verified, "valid_until": args.valid_until });
            let answer = client.put(&format!("/api/v1/meters/{}/verification", segment(&args.point)), form).await?;
            let text =
                format!("meter {} is verified until {}", plain(&answer["serial"]), plain(&answer["valid_until"]));
            Ok(Said::new(answer, text))
        }
        MeterCommand::Submit(args) => {
            let photo = args.photo.as_deref().map(read_photo).transpose()?;
            let route = if photo.is_some() { "readings/with-photo" } else { "readings" };
            let form = json!({ "values": args.values, "person": args.person, "confirm": args.confirm, "photo": photo });
            let answer = client.post(&format!("/api/v1/meters/{}/{route}", segment(&args.point)), form).await?;
            let text = text::submitted(&answer);
            if answer["taken"] == json!(true) {
                Ok(Said::new(answer, text))
            } else {
                Err(Failure { detail: Some(answer), ..Failure::new(exit::REFUSED, text) })
            }
        }
        MeterCommand::History(args) => {
            let path = format!("/api/v1/meters/{}/readings", segment(&args.point));
            let answer = client.list(&path, "readings", args.limit.max(1) as usize).await?;
            Ok(Said::new(answer.clone(), text::history(&answer)))
        }
        MeterCommand::Decide(args) => {
            let path = format!("/api/v1/readings/{}/decision", args.reading);
            let answer = client.post(&path, json!({ "accept": args.accept })).await?;
            Ok(Said::new(answer, if args.accept { "believed" } else { "dismissed" }))
        }
    }
}

fn read_photo(path: &Path) -> Result<String, Failure> {
    let failed = |what: String| Failure::new(exit::FAILED, format!("{}: {what}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if size > crate::metering::photo::MOST_BYTES as u64 {
        return Err(failed("a photo has at most 5 MB".into()));
    }
    Ok(STANDARD.encode(std::fs::read(path).map_err(|error| failed(error.to_string()))?))
}

async fn act(client: &Client, command: ActCommand) -> Result<Said, Failure> {
    match command {
        ActCommand::List => {
            let answer = client.list("/api/v1/acts", "acts", usize::MAX).await?;
            Ok(Said::new(answer.clone(), text::acts(&answer)))
        }
        ActCommand::Show { act, export } => {
            let answer = client.get(&format!("/api/v1/acts/{}", segment(&act))).await?;
            let mut text = text::act(&answer);
            if let Some(folder) = export {
                text.push_str(&export_act(&answer, &folder)?);
            }
            Ok(Said::new(answer, text))
        }
        ActCommand::Approve { act, incomplete } => {
            let answer = client
                .post(&format!("/api/v1/acts/{}/approval", segment(&act)), json!({ "incomplete": incomplete }))
                .await?;
            Ok(Said::new(answer, "approved and signed"))
        }
        ActCommand::Correct { act } => {
            let answer = client.post(&format!("/api/v1/acts/{}/correction", segment(&act)), json!({})).await?;
            let text = format!("corrected by act {}", plain(&answer["act"]));
            Ok(Said::new(answer, text))
        }
        ActCommand::Verify { .. } => Err(Failure::new(exit::USAGE, "this command speaks to no daemon")),
    }
}

fn export_act(answer: &Value, folder: &Path) -> Result<String, Failure> {
    let failed = |what: String| Failure::new(exit::FAILED, format!("{}: {what}", folder.display()));
    let (Some(document), Some(signature)) = (answer["document"].as_str(), answer["signature"].as_str()) else {
        return Err(Failure::new(exit::REFUSED, "the act is not signed yet: there is nothing to export"));
    };
    let document = STANDARD.decode(document).map_err(|error| failed(error.to_string()))?;
    std::fs::create_dir_all(folder).map_err(|error| failed(error.to_string()))?;
    let file = folder.join(format!("act-{}.json", plain(&answer["act"])));
    let write = |path: &Path, bytes: &[u8]| std::fs::write(path, bytes).map_err(|error| failed(error.to_string()));
    write(&file, &document)?;
    write(&beside(&file, "jws"), signature.as_bytes())?;
    let key = folder.join("act-key.jwk");
    write(&key, answer["key"].to_string().as_bytes())?;
    Ok(format!(
        "\nwritten: {0}, {0}.jws, {1}\nverify: domovoi act verify {0} --key {1}\n",
        file.display(),
        key.display()
    ))
}

async fn mqtt(client: &Client, command: MqttCommand) -> Result<Said, Failure> {
    match command {
        MqttCommand::Add { username, publish, subscribe, role, certificate } => {
            let mut form = json!({ "username": username, "publish": publish, "subscribe": subscribe, "role": role });
            if let Some(days) = certificate {
                form["certificate_days"] = days.into();
            }
            let answer = client.post("/api/v1/mqtt/credentials", form).await?;
            if certificate.is_some() {
                // As a file has it: nothing around the two of them.
                let pem = |key: &str| answer[key].as_str().unwrap_or_default().trim_end().to_owned();
                let text = format!("{}\n{}", pem("certificate"), pem("key"));
                return Ok(Said::new(answer, text));
            }
            let text = format!(
                "user name: {}\npassword:  {}\n(shown once; the hub keeps only a hash of it)",
                plain(&answer["username"]),
                plain(&answer["password"])
            );
            Ok(Said::new(answer, text))
        }
        MqttCommand::List => {
            let answer = client.list("/api/v1/mqtt/credentials", "credentials", usize::MAX).await?;
            Ok(Said::new(answer.clone(), text::credentials(&answer)))
        }
        MqttCommand::Remove { username } => {
            let answer = client.delete(&format!("/api/v1/mqtt/credentials/{}", segment(&username))).await?;
            Ok(Said::new(answer, "withdrawn"))
        }
    }
}

async fn secret(client: &Client, name: &str) -> Result<Said, Failure> {
    use std::io::IsTerminal as _;
    let failed = |error: std::io::Error| Failure::new(exit::FAILED, format!("the secret could not be read: {error}"));
    let value = if std::io::stdin().is_terminal() {
        rpassword::prompt_password(format!("{name}: ")).map_err(failed)?
    } else {
        let mut value = String::new();
        std::io::stdin().take(8192).read_to_string(&mut value).map_err(failed)?;
        value
    };
    let value = value.trim_end_matches(['\r', '\n']);
    let answer = client.put(&format!("/api/v1/secrets/{}", segment(name)), json!({ "value": value })).await?;
    Ok(Said::new(answer, "sealed"))
}

async fn rotate(client: &Client, master: bool) -> Result<Said, Failure> {
    use std::io::Write as _;
    let status = client.get("/api/v1/keys").await?;
    let passphrase = if master && status["master_is"] == "passphrase" {
        let typed = rpassword::prompt_password("New passphrase / Новая парольная фраза: ")
            .and_then(|first| Ok((first, rpassword::prompt_password("Again / Ещё раз: ")?)));
        match typed {
            Ok((first, second)) if first == second => Some(first),
            Ok(_) => return Err(Failure::new(exit::REFUSED, "the two passphrases differ: nothing was changed")),
            Err(error) => return Err(Failure::new(exit::REFUSED, format!("no passphrase was typed: {error}"))),
        }
    } else {
        None
    };
    client.post("/api/v1/keys/rotation", json!({ "master": master, "passphrase": passphrase })).await?;
    let mut out = std::io::stderr();
    loop {
        let view = client.get("/api/v1/keys/rotation").await?;
        match view["state"].as_str() {
            Some("running") => {
                let _ = write!(out, "\rsealing anew: {} of {} rows ", plain(&view["done"]), plain(&view["total"]));
                let _ = out.flush();
            }
            Some("done") => {
                let _ = writeln!(out);
                let outcome = &view["outcome"];
                return Ok(Said::new(outcome.clone(), text::rotation(outcome)));
            }
            _ => return Err(Failure::new(exit::FAILED, plain(&view["why"]))),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A JSON value as it stands in a sentence.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => clean(text),
        Value::Null => "–".to_owned(),
        other => other.to_string(),
    }
}

/// Text as it may stand in a terminal. Devices and portals choose names and reasons: one that moves the cursor, breaks the
/// line or turns the writing round would say something else than is so.
pub fn clean(text: &str) -> String {
    let moves = |c: char| {
        c.is_control()
            || matches!(c, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if moves(c) { '\u{FFFD}' } else { c }).collect()
}
