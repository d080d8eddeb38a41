//! A firmware as on an ESP32 that is paired by a QR code: it shows who it is, a token and what it wishes to publish and
//! hear; it takes the access that it is given (by the hand of a test, or at its setup page) and from then on is a device
//! with discovery in device form. A second access replaces the first, as after a change of password. Until it is given one
//! it tries serial and token as name and password, if it was told of a broker. Its setup page is for loopback only.
//!
//! The code's text: `domovoi://device?v=1&serial=…&token=…&model=…&name=…&publish=…&subscribe=…&setup=…`, each value
//! percent-encoded as in a form; `publish` and `subscribe` come once for each topic filter; `setup` is left out where there
//! is no setup page.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use serde::Deserialize;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use super::{AnnouncedSettings, Colour, Credentials, Form, Pace, Simulator, Thing, WorldError};
use crate::Clock;

/// What a hub gives a device.
#[derive(Debug, Clone)]
pub struct Access {
    /// `host:port`.
    pub broker: String,
    pub credentials: Credentials,
}

/// No `Debug`: the token is a secret.
#[derive(Clone)]
pub struct EspSettings {
    pub serial: String,
    /// 128 bits at least, from the factory.
    pub token: String,
    pub name: String,
    pub model: String,
    pub prefix: String,
    /// Where it tries serial and token before it is given anything.
    pub broker: Option<String>,
    /// Where its setup page listens; port 0 for any.
    pub setup: Option<SocketAddr>,
    /// It wishes for every topic there is.
    pub greedy: bool,
    pub pace: Pace,
    pub interval: Option<Duration>,
}

impl Default for EspSettings {
    fn default() -> Self {
        Self {
            serial: "ESP-7C9EBD4A5B6C".into(),
            token: uuid::Uuid::new_v4().simple().to_string(),
            name: "Лампа на кухне".into(),
            model: "esp32-lamp".into(),
            prefix: "homeassistant".into(),
            broker: None,
            setup: None,
            greedy: false,
            pace: Pace { answer: Duration::from_millis(60), ..Pace::default() },
            interval: Some(Duration::from_secs(30)),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum EspError {
    #[error("the token is not this device's")]
    Token,
    #[error(transparent)]
    World(#[from] WorldError),
    #[error("the setup page of the pretend device cannot listen: {0}")]
    Setup(#[from] std::io::Error),
}

pub struct Esp {
    firmware: Arc<Firmware>,
    setup: Option<(SocketAddr, JoinHandle<()>)>,
}

struct Firmware {
    settings: EspSettings,
    clock: Clock,
    /// The device that it became with its last access.
    device: watch::Sender<Option<Arc<Simulator>>>,
}

impl Esp {
    pub async fn start(settings: EspSettings, clock: Clock) -> Result<Self, EspError> {
        let firmware = Arc::new(Firmware { settings, clock, device: watch::Sender::new(None) });
        let setup = match firmware.settings.setup {
            Some(addr) => {
                let listener = TcpListener::bind(addr).await?;
                let addr = listener.local_addr()?;
                let page =
                    Router::new().route("/", get(greeting)).route("/setup", post(set_up)).with_state(firmware.clone());
                let task = tokio::spawn(async move {
                    if let Err(error) = axum::serve(listener, page).await {
                        tracing::warn!(%error, "a pretend device's setup page ended");
                    }
                });
                Some((addr, task))
            }
            None => None,
        };
        if let Some(broker) = firmware.settings.broker.clone() {
            let EspSettings { serial, token, .. } = &firmware.settings;
            let (client_id, username, password) = (serial.clone(), serial.clone(), token.clone());
            firmware.begin(Access { broker, credentials: Credentials { client_id, username, password } })?;
        }
        Ok(Self { firmware, setup })
    }

    /// What its QR code says.
    pub fn qr_text(&self) -> String {
        let EspSettings { serial, token, model, name, greedy, .. } = &self.firmware.settings;
        let mut text = url::form_urlencoded::Serializer::new(String::from("domovoi://device?"));
        let known = [("v", "1"), ("serial", serial), ("token", token), ("model", model), ("name", name)];
        text.extend_pairs(known);
        let (publish, subscribe) = self.firmware.wishes();
        let all = vec!["#".to_owned()];
        text.extend_pairs((if *greedy { &all } else { &publish }).iter().map(|filter| ("publish", filter)));
        text.extend_pairs((if *greedy { &all } else { &subscribe }).iter().map(|filter| ("subscribe", filter)));
        if let Some((addr, _)) = &self.setup {
            text.append_pair("setup", &format!("http://{addr}/setup"));
        }
        text.finish().replace('+', "%20")
    }

    pub fn setup_addr(&self) -> Option<SocketAddr> {
        self.setup.as_ref().map(|(addr, _)| *addr)
    }

    /// It takes the access only from somebody who read its code.
    pub fn give(&self, token: &str, access: Access) -> Result<(), EspError> {
        self.firmware.take(token, access)
    }

    /// The device that it is by its last access.
    pub fn device(&self) -> Option<Arc<Simulator>> {
        self.firmware.device.borrow().clone()
    }

    /// Resolves when a broker has let it in.
    pub async fn connected(&self) -> Arc<Simulator> {
        let mut shown = self.firmware.device.subscribe();
        loop {
            let device = shown.borrow_and_update().clone();
            match device {
                Some(device) => tokio::select! {
                    _ = device.wait_until(|truth| truth.link.connected) => return device,
                    _ = shown.changed() => {}
                },
                // The sender lives as long as `self`.
                None => drop(shown.changed().await),
            }
        }
    }

    /// Power off. A device that somebody still holds ends when it is let go.
    pub async fn stop(self) {
        if let Some((_, task)) = self.setup {
            task.abort();
            let _ = task.await;
        }
        if let Some(Ok(device)) = self.firmware.device.send_replace(None).map(Arc::try_unwrap) {
            device.stop().await;
        }
    }
}

impl Firmware {
    fn node(&self) -> String {
        self.settings.serial.to_lowercase()
    }

    /// To publish, to hear.
    fn wishes(&self) -> (Vec<String>, Vec<String>) {
        let (prefix, node) = (&self.settings.prefix, self.node());
        let own = format!("esp/{node}/#");
        (vec![own.clone(), format!("{prefix}/device/{node}/config")], vec![own, format!("{prefix}/status")])
    }

    fn take(&self, token: &str, access: Access) -> Result<(), EspError> {
        if token != self.settings.token {
            return Err(EspError::Token);
        }
        self.begin(access)
    }

    fn begin(&self, access: Access) -> Result<(), EspError> {
        let EspSettings { serial, name, model, prefix, pace, interval, .. } = self.settings.clone();
        let lamp = Thing::Lamp { on: false, brightness_permille: 1000, colour: Colour::White { mired: 370 } };
        let parts = [
            ("lamp", "Свет", lamp),
            ("leak", "Протечка", Thing::Alarm { hazard: super::Hazard::Leak, on: false }),
            ("air", "Воздух", Thing::Climate { tenths_c: 228, humidity_percent: 51 }),
        ];
        let settings = AnnouncedSettings {
            credentials: access.credentials,
            prefix,
            form: Form::Device,
            node: self.node(),
            root: format!("esp/{}", self.node()),
            name,
            mac: serial.rsplit('-').next().unwrap_or_default().to_lowercase(),
            maker: "Espressif".into(),
            model,
            parts: parts.map(|(id, name, thing)| (id.into(), name.into(), thing)).into(),
            pace,
            interval,
        };
        let device = Simulator::announced(&access.broker, settings, self.clock.clone())?;
        // The one before says goodbye when nobody holds it any more.
        self.device.send_replace(Some(Arc::new(device)));
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    token: String,
    broker: String,
    client_id: String,
    username: String,
    password: String,
}

async fn greeting(State(firmware): State<Arc<Firmware>>) -> String {
    let paired = firmware.device.borrow().is_some();
    format!(
        "{} ({}), {}\nPOST /setup with JSON: token, broker, client_id, username, password\n",
        firmware.settings.serial,
        firmware.settings.model,
        if paired { "has an access" } else { "waits for an access" }
    )
}

async fn set_up(State(firmware): State<Arc<Firmware>>, Json(given): Json<Given>) -> (StatusCode, String) {
    let Given { token, broker, client_id, username, password } = given;
    match firmware.take(&token, Access { broker, credentials: Credentials { client_id, username, password } }) {
        Ok(()) => (StatusCode::NO_CONTENT, String::new()),
        Err(error @ EspError::Token) => (StatusCode::FORBIDDEN, format!("{error}\n")),
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")),
    }
}
