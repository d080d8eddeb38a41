//! `portal link`: says what will be allowed before anything is asked for, then shows the code and waits.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use domovoi_config::Language;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use serde_json::{Value, json};

use super::args::LinkArgs;
use super::client::Client;
use super::{Failure, Said, exit};

/// How often the daemon is asked how far the linking is; the portal is polled by the daemon at its own interval.
const LOOK_EVERY: Duration = Duration::from_millis(300);

pub async fn link(client: &Client, args: LinkArgs, as_json: bool, language: Language) -> Result<Said, Failure> {
    let status = client.get("/api/v1/portal").await?;
    let mut out = std::io::stderr();
    let _ = writeln!(out, "{}", permissions(&status, language));
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
    client.post("/api/v1/portal/link", json!({ "browser": args.browser })).await?;
    let mut shown = false;
    loop {
        let view = tokio::select! {
            view = client.get("/api/v1/portal/linking") => view?,
            _ = tokio::signal::ctrl_c() => {
                client.delete("/api/v1/portal/linking").await?;
                return Err(Failure::new(exit::REFUSED, "cancelled"));
            }
        };
        match view["state"].as_str() {
            Some("linked") => {
                let text = match view["link"]["missing"].as_array() {
                    Some(missing) if !missing.is_empty() => {
                        let names: Vec<&str> = missing.iter().filter_map(|scope| scope["scope"].as_str()).collect();
                        format!("linked, but not allowed: {}", names.join(", "))
                    }
                    _ => "linked / связано".to_owned(),
                };
                return Ok(Said::new(view["link"].clone(), text));
            }
            Some("linking") => {}
            _ => {
                let why = view["why"].as_str().unwrap_or("the linking ended without a word");
                return Err(Failure::new(exit::FAILED, why));
            }
        }
        if !shown && let Some(text) = invitation(&view) {
            let _ = if as_json { writeln!(out, "{}", view) } else { writeln!(out, "{text}") };
            shown = true;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What the owner is about to allow, in words.
pub fn permissions(status: &Value, language: Language) -> String {
    let (title, key) = match language {
        Language::Russian => ("Хаб попросит у портала разрешение:", "ru"),
        Language::English => ("The hub will ask the portal for permission:", "en"),
    };
    let mut lines = vec![format!("{title} ({})", status["issuer"].as_str().unwrap_or_default())];
    for scope in status["asks_for"].as_array().into_iter().flatten() {
        lines.push(format!(
            "  • {}  [{}]",
            scope[key].as_str().unwrap_or_default(),
            scope["scope"].as_str().unwrap_or_default()
        ));
    }
    lines.join("\n")
}

fn invitation(view: &Value) -> Option<String> {
    if let Some(url) = view["browser"].as_str() {
        return Some(format!("Open in a browser on this machine / Откройте в браузере:\n  {url}\n"));
    }
    let code = &view["code"];
    let user_code = code["user_code"].as_str()?;
    let uri = code["verification_uri"].as_str()?;
    let mut text = format!("Open / Откройте: {uri}\nCode / Код: {user_code}\n");
    if let Some(complete) = code["verification_uri_complete"].as_str()
        && let Ok(qr) = QrCode::new(complete)
    {
        text.push_str(&qr.render::<Dense1x2>().quiet_zone(true).build());
        text.push_str("\nCompare the code on the page with the one above. / Сравните код на странице с кодом выше.\n");
    }
    Some(text)
}
