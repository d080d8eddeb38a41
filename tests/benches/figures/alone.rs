//! Our broker alone, as a process of its own: behind a gate that lets everything pass, or behind one whose every message
//! is a row in SQLite, fsync included, before it is acknowledged.

use std::sync::Arc;

use domovoi_broker::{
    Admission, Broker, ConnectRefusal, ConnectRequest, Durable, Gate, NotKept, Peer, Publish, Settings, Verdict,
};
use domovoi_model::{DeviceRef, Moment, Quality, Sample, Timestamp, Unit, Value};
use domovoi_store::{Store, Urgency};
use domovoi_vault::MasterKey;
use tokio::net::TcpListener;

struct Open {
    store: Option<Store>,
}

impl Gate for Open {
    type Access = ();

    async fn connect(&self, _: ConnectRequest) -> Result<(), ConnectRefusal> {
        Ok(())
    }

    fn publish(&self, _: &Peer<()>, publish: &Publish) -> Admission {
        let Some(store) = &self.store else { return Admission::forward_now() };
        let sample = Sample {
            device: DeviceRef::new("bench", "one"),
            property: "n".to_owned(),
            value: Value::Number(publish.payload.len().into()),
            unit: Unit::None,
            quality: Quality::Good,
            at: Moment::Wall(Timestamp(1_795_176_000_000)),
            device_time: None,
        };
        let kept = store.history().record(vec![sample], Urgency::Now);
        let durable = Durable::when(async move { kept.await.map(drop).map_err(|_| NotKept) });
        Admission { verdict: Verdict::Forward, durable }
    }

    fn subscribe(&self, _: &Peer<()>, _: &str) -> bool {
        true
    }
}

/// `PORT none` or `PORT commit FOLDER`.
pub fn serve(words: &[String]) {
    let port: u16 = words[0].parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = match words.get(2) {
            Some(folder) => {
                let master = MasterKey::generate().unwrap();
                Some(Store::open(&domovoi_store::Settings::new(folder), &master).await.unwrap())
            }
            None => None,
        };
        let settings = Settings {
            max_connections: 2000,
            queue_messages_per_session: 1_000_000,
            // Mosquitto beside it has no bound either.
            queue_bytes_per_session: 1 << 30,
            queue_bytes_total: 1 << 30,
            ..Settings::default()
        };
        let broker = Broker::new(settings, Arc::new(Open { store }));
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        broker.serve(listener, std::future::pending()).await;
    });
}
