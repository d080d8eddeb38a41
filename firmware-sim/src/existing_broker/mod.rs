//! The broker that a home already has: `rumqttd` in this process, 3.1.1, plain TCP on a free loopback port. Its router
//! thread cannot be stopped (it owns a sender of its own channel): `stop` frees the port and the connections, the thread
//! sleeps until the process ends. Not for the hub's own front door: decision 0001 says why.

use std::{
    collections::HashMap,
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rumqttd::{ConnectionSettings, LinkType, Router, RouterConfig, Server, ServerSettings, protocol::v4::V4};
use tokio::sync::oneshot;

/// rumqttd cannot be told port 0, so another process may take the port between our look and its bind.
const TRIES: u32 = 20;
const COMING_UP: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum ExistingBrokerError {
    #[error("no loopback port could be had for the pretend home's broker: {0}")]
    Port(#[from] io::Error),
    #[error("the pretend home's broker did not come up in {TRIES} tries")]
    Start,
}

pub struct ExistingBroker {
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ExistingBroker {
    /// Anybody may connect. Blocks for some milliseconds; may be called inside and outside a runtime.
    pub fn start() -> Result<Self, ExistingBrokerError> {
        Self::with_users(&[])
    }

    /// Only these users (name, password) may connect; the list empty, anybody may.
    pub fn with_users(users: &[(&str, &str)]) -> Result<Self, ExistingBrokerError> {
        for _ in 0..TRIES {
            let addr = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
            let mut broker = Self::spawn(addr, users)?;
            let deadline = Instant::now() + COMING_UP;
            while Instant::now() < deadline && broker.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
                if TcpStream::connect(addr).is_ok() {
                    return Ok(broker);
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            broker.end();
        }
        Err(ExistingBrokerError::Start)
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The port is free when this returns.
    pub fn stop(mut self) {
        self.end();
    }

    fn spawn(addr: SocketAddr, users: &[(&str, &str)]) -> Result<Self, ExistingBrokerError> {
        let router = RouterConfig {
            max_connections: 200,
            max_outgoing_packet_count: 200,
            max_segment_size: 10 * 1024 * 1024,
            max_segment_count: 4,
            ..RouterConfig::default()
        };
        let auth: HashMap<String, String> =
            users.iter().map(|(name, password)| ((*name).to_owned(), (*password).to_owned())).collect();
        let settings = ServerSettings {
            name: "existing-broker".into(),
            listen: addr,
            tls: None,
            next_connection_delay_ms: 1,
            connections: ConnectionSettings {
                connection_timeout_ms: 5000,
                max_payload_size: 2 * 1024 * 1024,
                max_inflight_count: 100,
                auth: (!auth.is_empty()).then_some(auth),
                external_auth: None,
                dynamic_filters: true,
            },
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("existing-broker".into()).spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
            let router = Router::new(0, router).spawn();
            let mut server = Server::new(settings, router, V4);
            runtime.block_on(async move {
                tokio::select! {
                    ended = server.start(LinkType::Remote) => {
                        if let Err(error) = ended {
                            tracing::warn!(%error, "the pretend home's broker ended");
                        }
                    }
                    _ = stopped => {}
                }
            });
            // Dropping the runtime drops the connections' tasks.
        })?;
        Ok(Self { addr, stop: Some(stop), thread: Some(thread) })
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for ExistingBroker {
    fn drop(&mut self) {
        self.end();
    }
}
