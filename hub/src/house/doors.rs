//! The doors of the running house: the broker's, the page's, and the link to a broker that the home already has.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use domovoi_broker::{Door, WebSockets};
use domovoi_config::Settings;
use domovoi_store::Store;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::{House, HouseError};
use crate::bus::Bus;
use crate::certificates::Certificates;
use crate::clock::Clock;
use crate::ingest::{ExternalBroker, run_ear, run_external};
use crate::web;

impl House {
    /// The broker's doors: one in clear, one on TLS; WebSockets come through both.
    pub(super) fn start_broker(&self, rooms: &mut JoinSet<()>, in_clear: Vec<TcpListener>, on_tls: Vec<TcpListener>) {
        let mqtt = &self.settings.mqtt;
        let websockets = WebSockets {
            origins: self.front.origins.iter().chain(&mqtt.websocket_origins).cloned().collect(),
            max_message_bytes: usize::try_from(mqtt.max_packet).ok(),
        };
        let plain = Door { websockets: Some(websockets), ..Door::plain() };
        let tls = self.certificates.as_ref().map(|certificates| certificates.mqtt_tls(mqtt.oldest_tls));
        let tls = match tls {
            Some(Ok(tls)) => {
                Some(Door { plain: false, tls: Some(Arc::new(move || Arc::clone(&tls))), ..plain.clone() })
            }
            Some(Err(error)) => {
                tracing::error!("MQTT is not served on TLS: {error}");
                None
            }
            None => None,
        };
        let on_tls = on_tls.into_iter().filter_map(|listener| Some((listener, tls.clone()?)));
        for (listener, door) in in_clear.into_iter().map(|listener| (listener, plain.clone())).chain(on_tls) {
            let broker = Arc::clone(&self.broker);
            let mut stopped = self.stop.subscribe();
            let stop = async move {
                // An error means that the house is gone, which is a stop too.
                let _ = stopped.wait_for(|stop| *stop).await;
            };
            rooms.spawn(async move { Box::pin(broker.serve_door(listener, door, stop)).await });
        }
    }

    /// The page and the API, and what keeps their certificate alive.
    pub(super) fn start_web(
        &self,
        rooms: &mut JoinSet<()>,
        https: Vec<TcpListener>,
        help: Vec<TcpListener>,
        in_clear: Option<TcpListener>,
    ) {
        let web = &self.settings.web;
        let seats = web::seats(web.max_connections, web.max_connections_per_peer);
        let mut ways: Vec<(TcpListener, web::Way)> =
            in_clear.into_iter().map(|listener| (listener, web::Way::InClear)).collect();
        if let Some(certificates) = &self.certificates {
            rooms.spawn(Box::pin(certificates.clone().run(self.stop.subscribe())));
            ways.extend(https.into_iter().map(|listener| (listener, web::Way::Https(certificates.clone()))));
            ways.extend(help.into_iter().map(|listener| (listener, web::Way::Help)));
        }
        for (listener, way) in ways {
            let (desk, seats, stop) = (self.desk(true), seats.clone(), self.stop.subscribe());
            rooms.spawn(async move { Box::pin(web::listen(listener, way, desk, seats, stop)).await });
        }
    }

    pub(super) async fn start_external(&self, rooms: &mut JoinSet<()>) -> Result<(), HouseError> {
        let Some(section) = &self.settings.external_broker else { return Ok(()) };
        let login = match (&section.username, &section.password_secret) {
            (Some(username), Some(name)) => {
                let secret = self.store.secrets().get(&web::secret_name(name)).await?.ok_or_else(|| {
                    HouseError::Setting(format!(
                        "external_broker.password_secret: no secret «{name}»: set it with `domovoi secret set {name}`"
                    ))
                })?;
                let password = String::from_utf8(secret.expose().clone())
                    .map_err(|_| HouseError::Setting(format!("the secret «{name}» is not text")))?;
                Some((username.clone(), password))
            }
            (Some(username), None) => Some((username.clone(), String::new())),
            _ => None,
        };
        let broker = ExternalBroker {
            host: section.host.clone(),
            port: section.port,
            client_id: section.client_id.clone(),
            login,
            keep_alive: section.keep_alive,
            tls: section.tls.then(|| tls_config(section.ca_file.as_deref())).transpose()?,
        };
        rooms.spawn(run_ear(broker.clone(), Arc::clone(&self.ingest), self.stop.subscribe()));
        rooms.spawn(run_external(broker, Arc::clone(&self.ingest), self.stop.subscribe()));
        Ok(())
    }
}

/// Gas and water must not wait for a page: a certificate that cannot be had is told by the log and the doctor.
pub(super) async fn open_certificates(
    settings: &Settings,
    store: &Store,
    clock: &Clock,
    bus: &Bus,
) -> Option<Certificates> {
    if !settings.web.enabled && (!settings.mqtt.enabled || settings.mqtt.listen_tls.is_empty()) {
        return None;
    }
    let opened = Certificates::open(store.clone(), clock.clone(), bus.clone(), settings.web.clone()).await;
    opened.map_err(|error| tracing::error!("neither the page nor MQTT is served on TLS: {error}")).ok()
}

/// TLS to a broker of others: 1.3 or 1.2, the system's roots or the one CA that the settings name.
fn tls_config(ca_file: Option<&Path>) -> Result<Arc<rustls::ClientConfig>, HouseError> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    let setting = |what: String| HouseError::Setting(format!("external_broker: {what}"));
    let mut roots = rustls::RootCertStore::empty();
    let files: Vec<PathBuf> = match ca_file {
        Some(path) => vec![path.to_owned()],
        None => SYSTEM_ROOTS.iter().map(PathBuf::from).filter(|path| path.exists()).take(1).collect(),
    };
    for path in &files {
        let certificates =
            CertificateDer::pem_file_iter(path).map_err(|e| setting(format!("{}: {e}", path.display())))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|e| setting(format!("{}: {e}", path.display())))?;
            // One certificate that this library will not take must not keep the others from being trusted.
            let _ = roots.add(certificate);
        }
    }
    if roots.is_empty() {
        return Err(setting("tls = true, but no authority is trusted: name one with ca_file".into()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| setting(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Where Linux distributions keep the authorities they trust.
const SYSTEM_ROOTS: &[&str] =
    &["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
