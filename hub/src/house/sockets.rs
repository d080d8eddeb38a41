//! The sockets of the house: bound by the caller, so that a test hands in port 0. They are only bound here; who
//! serves them is the house's business.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use domovoi_config::Settings;
use tokio::net::{TcpListener, UnixListener};

use super::HouseError;

/// The sockets that the house listens on: bound by the caller, so that a test can hand in port 0.
#[derive(Debug, Default)]
pub struct Sockets {
    /// For MQTT in clear.
    pub mqtt: Vec<TcpListener>,
    /// For MQTT on TLS.
    pub mqtt_tls: Vec<TcpListener>,
    /// For the command line.
    pub control: Option<UnixListener>,
    /// For the page and the API, on https.
    pub https: Vec<TcpListener>,
    /// For the page that helps to trust the certificate, in clear.
    pub help: Vec<TcpListener>,
    /// For the whole site in clear, on loopback only: the demo's `http://localhost:8080`.
    pub in_clear: Option<TcpListener>,
}

impl Sockets {
    /// Binds what the settings name.
    pub async fn bind(settings: &Settings) -> Result<Self, HouseError> {
        let (mqtt, web) = (&settings.mqtt, &settings.web);
        let of = |enabled: bool, addresses: &'_ [SocketAddr]| if enabled { addresses.to_vec() } else { Vec::new() };
        Ok(Sockets {
            mqtt: bind_all(&of(mqtt.enabled, &mqtt.listen), "mqtt.listen").await?,
            mqtt_tls: bind_all(&of(mqtt.enabled, &mqtt.listen_tls), "mqtt.listen_tls").await?,
            https: bind_all(&of(web.enabled, &web.listen), "web.listen").await?,
            help: bind_all(&of(web.enabled, &web.help_listen), "web.help_listen").await?,
            in_clear: None,
            control: Some(bind_control(&settings.control.socket)?),
        })
    }

    /// Where the house listens.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let all = [&self.mqtt, &self.mqtt_tls, &self.https, &self.help].into_iter().flatten().chain(&self.in_clear);
        all.filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// The same ports once more, for who takes over later. The control socket is not among them: it goes with its file.
    pub(super) fn spare(&self) -> Result<Self, HouseError> {
        let again = |all: &[TcpListener]| all.iter().map(again).collect::<Result<Vec<_>, _>>();
        Ok(Sockets {
            mqtt: again(&self.mqtt)?,
            mqtt_tls: again(&self.mqtt_tls)?,
            https: again(&self.https)?,
            help: again(&self.help)?,
            ..Sockets::default()
        })
    }

    /// The control socket alone, for a caller that brings its own listener for MQTT.
    pub fn bind_control_only(settings: &Settings) -> Result<UnixListener, HouseError> {
        bind_control(&settings.control.socket)
    }
}

fn again(listener: &TcpListener) -> Result<TcpListener, HouseError> {
    use std::os::fd::AsFd as _;
    let made = || {
        let listener = std::net::TcpListener::from(listener.as_fd().try_clone_to_owned()?);
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    };
    made().map_err(|error| HouseError::Bind { what: "the ports of the standby".into(), error })
}

async fn bind_all(addresses: &[SocketAddr], key: &str) -> Result<Vec<TcpListener>, HouseError> {
    let mut listeners = Vec::with_capacity(addresses.len());
    for address in addresses {
        let failed = |error| HouseError::Bind { what: format!("{address} ({key})"), error };
        listeners.push(TcpListener::bind(address).await.map_err(failed)?);
    }
    Ok(listeners)
}

/// Binds the control socket, private from its first moment. One that a killed daemon left behind is replaced: the
/// caller holds the folder's lock.
fn bind_control(path: &Path) -> Result<UnixListener, HouseError> {
    let failed = |error| HouseError::Bind { what: path.display().to_string(), error };
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}
