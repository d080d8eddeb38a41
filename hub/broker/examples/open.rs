//! A broker that lets everybody in, for trying it by hand and for other people's conformance suites.
//!
//! `cargo run -p domovoi-broker --example open -- 127.0.0.1:18830`. Subscribing to `test/nosubscribe` is refused, and
//! MQTT 5 clients are told a keep-alive of at most 60 seconds. Not for a network.

use std::sync::Arc;

use domovoi_broker::{Admission, Broker, ConnectRefusal, ConnectRequest, Gate, Peer, Publish, Settings};
use tokio::net::TcpListener;

struct Open;

impl Gate for Open {
    type Access = ();

    async fn connect(&self, _request: ConnectRequest) -> Result<(), ConnectRefusal> {
        Ok(())
    }

    fn publish(&self, _peer: &Peer<()>, _publish: &Publish) -> Admission {
        Admission::forward_now()
    }

    fn subscribe(&self, _peer: &Peer<()>, filter: &str) -> bool {
        filter != "test/nosubscribe"
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:18830".into());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(&address).await?;
        println!("listening on {}", listener.local_addr()?);
        let settings = Settings { max_keep_alive_secs: Some(60), ..Settings::default() };
        Broker::new(settings, Arc::new(Open)).serve(listener, std::future::pending()).await;
        Ok(())
    })
}
