//! A client of a broker that says exactly the bytes it is told to, once, and tells what came of it. Unlike the pretend
//! devices it neither reconnects nor repeats, so that a test sees each refusal.

use std::net::SocketAddr;
use std::time::Duration;

use firmware_sim::world::Credentials;
use rumqttc::{AsyncClient, Event, Incoming, MqttOptions, QoS};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How long a broker may take over anything on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Larger than any broker here takes: the limit that is tried out is the broker's.
const MAX_PACKET: usize = 16 << 20;

/// A connection.
pub struct Speaker {
    client: AsyncClient,
    events: mpsc::UnboundedReceiver<Result<Event, String>>,
    task: JoinHandle<()>,
}

impl Speaker {
    /// Connects; the error is what the broker said to that. An empty user name means that none is sent.
    pub async fn connect(broker: SocketAddr, credentials: &Credentials) -> Result<Speaker, String> {
        let mut options = MqttOptions::new(&credentials.client_id, broker.ip().to_string(), broker.port());
        options.set_max_packet_size(MAX_PACKET, MAX_PACKET);
        options.set_clean_session(true);
        if !credentials.username.is_empty() {
            options.set_credentials(&credentials.username, &credentials.password);
        }
        let (client, mut eventloop) = AsyncClient::new(options, 16);
        let (tell, events) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            loop {
                let event = eventloop.poll().await.map_err(|error| error.to_string());
                let over = event.is_err();
                if tell.send(event).is_err() || over {
                    return;
                }
            }
        });
        let mut speaker = Speaker { client, events, task };
        speaker.wait(|event| matches!(event, Event::Incoming(Incoming::ConnAck(_)))).await?;
        Ok(speaker)
    }

    /// Publishes with QoS 1 and waits for the acknowledgement; the error says how the connection ended instead.
    pub async fn say(&mut self, topic: &str, payload: impl Into<Vec<u8>>) -> Result<(), String> {
        self.publish(topic, payload, false).await
    }

    /// The same, retained.
    pub async fn say_retained(&mut self, topic: &str, payload: impl Into<Vec<u8>>) -> Result<(), String> {
        self.publish(topic, payload, true).await
    }

    /// Subscribes, and waits until that is granted.
    pub async fn hear(&mut self, filter: &str) -> Result<(), String> {
        self.client.subscribe(filter, QoS::AtLeastOnce).await.map_err(|error| error.to_string())?;
        self.wait(|event| matches!(event, Event::Incoming(Incoming::SubAck(_)))).await
    }

    /// The next publish that comes on a topic of this filter; what comes on others is left out.
    pub async fn heard(&mut self, filter: &str) -> (String, Vec<u8>) {
        let mut found = None;
        let wanted = |event: &Event| match event {
            Event::Incoming(Incoming::Publish(publish)) if rumqttc::matches(&publish.topic, filter) => {
                found = Some((publish.topic.clone(), publish.payload.to_vec(), publish.retain));
                true
            }
            _ => false,
        };
        self.wait(wanted).await.expect("the connection holds");
        let (topic, payload, _) = found.expect("it was found");
        (topic, payload)
    }

    /// Waits until the broker closes the connection.
    pub async fn closed(&mut self) -> String {
        match self.wait(|_| false).await {
            Ok(()) => String::new(),
            Err(why) => why,
        }
    }

    async fn publish(&mut self, topic: &str, payload: impl Into<Vec<u8>>, retain: bool) -> Result<(), String> {
        let sent = self.client.publish(topic, QoS::AtLeastOnce, retain, payload).await;
        sent.map_err(|error| error.to_string())?;
        self.wait(|event| matches!(event, Event::Incoming(Incoming::PubAck(_)))).await
    }

    async fn wait(&mut self, mut wanted: impl FnMut(&Event) -> bool) -> Result<(), String> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.events.recv()).await;
            match next.unwrap_or_else(|_| panic!("the broker says nothing at all")) {
                Some(Ok(event)) if wanted(&event) => return Ok(()),
                Some(Ok(_)) => {}
                Some(Err(why)) => return Err(why),
                None => return Err("the connection is over".into()),
            }
        }
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.task.abort();
    }
}
