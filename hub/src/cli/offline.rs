//! Commands that speak to no daemon: run it, check the settings, verify an act.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use domovoi_config::Settings;
use domovoi_vault::{MasterKey, MasterSource};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::args::Common;
use super::{Failure, Said, client, exit, log, settings};
use crate::house::{self, House, Sockets};
use crate::metering::sign::PublicKey;

/// An act's file, signature or key is never larger.
const MAX_FILE: u64 = 4 << 20;

/// Runs the daemon until SIGTERM or Ctrl-C.
pub async fn run(common: &Common) -> Result<Said, Failure> {
    let settings = settings(common)?;
    log::to_stderr(&settings.log.filter, settings.log.format);
    let failed = |error: std::io::Error| Failure::new(exit::FAILED, format!("signals cannot be caught: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let passphrase = client::ask_passphrase(&settings)?;
    let clock = client::system_clock()?;
    let data_dir = settings.store.data_dir.clone();
    let opened = async |house: &House, sockets: &Sockets| {
        for listener in &sockets.mqtt {
            if let Ok(address) = listener.local_addr() {
                tracing::info!("MQTT on {address}");
            }
        }
        if !house.is_standby() {
            invite(&house.desk(true)).await;
            tracing::info!(data = %data_dir.display(), "the house is open");
        }
        // systemd is not there in a test or in a terminal; that is no error.
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    };
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    };
    Box::pin(house::keep(settings, clock, passphrase, opened, shutdown)).await.map_err(client::house_failure)?;
    Ok(Said::new(json!({ "state": "stopped" }), ""))
}

/// Somebody has to own the home. The link is for the eyes of whoever sits at the terminal: a log, and the journal of
/// systemd that keeps standard output, are read by others and for years.
async fn invite(desk: &crate::web::Desk) {
    if !desk.signin.needs_owner() || !desk.settings.web.enabled {
        return;
    }
    if !std::io::stdout().is_terminal() {
        return tracing::info!("nobody owns this home yet: `domovoi people owner-link` prints a one-time link");
    }
    if let Some(link) = desk.owner_link().await {
        let text = "Become the owner of this home / Станьте хозяином этого дома (10 min)";
        // A terminal that has gone away is no reason not to run.
        let _ = writeln!(std::io::stdout(), "{text}:\n  {}", link.expose());
    }
}

/// Loads everything, binds nothing, changes nothing.
pub fn check(common: &Common) -> Result<Said, Failure> {
    let settings = Settings::load(&common.config).map_err(|mistakes| Failure::mistakes(&mistakes))?;
    let troubles = files_named(&settings);
    if !troubles.is_empty() {
        let detail = json!({ "mistakes": [], "files": troubles });
        return Err(Failure { detail: Some(detail), ..Failure::new(exit::SETTINGS, troubles.join("\n")) });
    }
    if let Some(folder) = &settings.devices.catalogue {
        let (_, mistakes) = domovoi_config::catalogue::Catalogue::with_folder(folder);
        if !mistakes.is_empty() {
            return Err(Failure::mistakes(&mistakes));
        }
    }
    let mut lines = vec![format!("{}: no mistakes", common.config.display())];
    let mut warnings = Vec::new();
    if settings.vault.to_vault().key_lies_beside_the_data(&settings.store.data_dir) {
        warnings.push("the master key lies in the data folder: whoever takes the card opens everything".to_owned());
    }
    if settings.portal.is_none() {
        warnings.push("no [portal]: acts are drawn up but sent nowhere".to_owned());
    }
    if settings.suppliers.is_empty() {
        warnings.push("no [[supplier]]: no meter can be added".to_owned());
    }
    lines.extend(warnings.iter().map(|warning| format!("note: {warning}")));
    Ok(Said::new(
        json!({ "file": common.config.display().to_string(), "mistakes": [], "notes": warnings }),
        lines.join("\n"),
    ))
}

/// What is wrong with the files that the settings name. A master key that is not there yet is made at the first start.
fn files_named(settings: &Settings) -> Vec<String> {
    let mut troubles = Vec::new();
    let vault = settings.vault.to_vault();
    let key = vault.master_path(&settings.store.data_dir);
    if matches!(vault.master, MasterSource::File(_))
        && key.exists()
        && let Err(error) = MasterKey::from_file(&key)
    {
        troubles.push(format!("vault.key_file: {error}"));
    }
    let authorities = [
        ("portal.ca_file", settings.portal.as_ref().and_then(|portal| portal.ca_file.as_deref())),
        ("external_broker.ca_file", settings.external_broker.as_ref().and_then(|broker| broker.ca_file.as_deref())),
    ];
    for (name, path) in authorities.into_iter().filter_map(|(name, path)| Some((name, path?))) {
        match CertificateDer::pem_file_iter(path).map(|mut certificates| certificates.next()) {
            Ok(Some(Ok(_))) => {}
            Ok(None) => troubles.push(format!("{name}: {} holds no certificate in PEM", path.display())),
            Ok(Some(Err(error))) | Err(error) => troubles.push(format!("{name}: {}: {error}", path.display())),
        }
    }
    troubles
}

/// Checks a detached signature with nothing but three files.
pub fn verify(file: &Path, signature: Option<&Path>, key: &Path) -> Result<Said, Failure> {
    let signature = signature.map_or_else(|| beside(file, "jws"), Path::to_owned);
    let document = read(file)?;
    let text = |path: &Path| {
        String::from_utf8(read(path)?).map_err(|_| Failure::new(exit::FAILED, format!("{}: not text", path.display())))
    };
    let jws = text(&signature)?;
    let jwk = text(key)?;
    // `act show --export` writes the bare JWK; the API's answer wraps it.
    let wrapped: Option<PublicKey> = serde_json::from_str::<serde_json::Value>(&jwk)
        .ok()
        .and_then(|value| serde_json::from_value(value.get("jwk")?.clone()).ok());
    let key: PublicKey = match wrapped {
        Some(key) => key,
        None => serde_json::from_str(&jwk).map_err(|error| {
            Failure::new(exit::FAILED, format!("{}: not a public key as JWK: {error}", key.display()))
        })?,
    };
    match key.verify(&document, &jws) {
        Ok(()) => Ok(Said::new(
            json!({ "holds": true, "kid": key.thumbprint() }),
            format!("the signature holds: {} was signed with the key {}", file.display(), key.thumbprint()),
        )),
        Err(error) => Err(Failure {
            detail: Some(json!({ "holds": false })),
            ..Failure::new(exit::UNWELL, format!("{}: {error}", file.display()))
        }),
    }
}

/// `act.json` → `act.json.jws`
pub fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |what: String| Failure::new(exit::FAILED, format!("{}: {what}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if size > MAX_FILE {
        return Err(failed(format!("{size} bytes are too many for this kind of file")));
    }
    std::fs::read(path).map_err(|error| failed(error.to_string()))
}
