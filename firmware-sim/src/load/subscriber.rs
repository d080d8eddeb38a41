//! One connection that listens: counts what comes, once and again, and how long it took from the publisher. QoS 2 is
//! received exactly once as the standard has it (MQTT 4.3.3), across connections if its session persists.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::bits::Bits;
use super::line::{Line, Lost};
use super::payload::number_of;
use super::settings::Listening;
use super::wire::{AckKind, Connect, DISCONNECT, Incoming, PING, put_ack, put_subscribe};
use super::{MOST, Shared, Tally};

/// Between two attempts to connect.
const RETRY: Duration = Duration::from_millis(50);

pub(super) struct Subscriber {
    shared: Arc<Shared>,
    listening: Listening,
    index: usize,
    subscribed: Option<mpsc::Sender<()>>,
    was_here: bool,
    /// Packet ids of QoS 2 whose PUBREL has not come.
    unreleased: Bitmap,
    pub tally: Tally,
    /// By number, less the run's first.
    pub seen: Bits,
}

/// Packet ids.
struct Bitmap(Box<[u64; 1024]>);

impl Bitmap {
    /// Whether it was there before.
    fn set(&mut self, packet_id: u16, to: bool) -> bool {
        let (word, bit) = (&mut self.0[usize::from(packet_id) / 64], 1_u64 << (packet_id % 64));
        let before = *word & bit != 0;
        *word = if to { *word | bit } else { *word & !bit };
        before
    }
}

impl Subscriber {
    pub fn new(shared: Arc<Shared>, listening: Listening, index: usize, subscribed: mpsc::Sender<()>) -> Self {
        Subscriber {
            shared,
            listening,
            index,
            subscribed: Some(subscribed),
            was_here: false,
            unreleased: Bitmap(Box::new([0; 1024])),
            tally: Tally::default(),
            seen: Bits::default(),
        }
    }

    /// Until the run needs no listeners any more.
    pub async fn run(mut self) -> Self {
        while !self.shared.is_heard_out() {
            match self.connected().await {
                Ok(()) => break,
                Err(lost) => {
                    self.tally.lost(&lost);
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
        self
    }

    async fn connected(&mut self) -> Result<(), Lost> {
        let shared = Arc::clone(&self.shared);
        let settings = &shared.settings;
        let client_id = format!("{}-listener-{}", settings.client_prefix, self.index);
        let connect = Connect {
            version: settings.version,
            client_id: &client_id,
            login: settings.login(self.index),
            keep_alive_s: settings.keep_alive_s,
            persistent: self.listening.persistent,
        };
        let (mut line, welcome) = Line::open(&settings.connect, &connect).await?;
        if std::mem::replace(&mut self.was_here, true) {
            self.tally.reconnects += 1;
            self.tally.sessions_lost += u64::from(self.listening.persistent && !welcome.session_present);
        }
        if !welcome.session_present {
            self.unreleased = Bitmap(Box::new([0; 1024]));
            put_subscribe(&mut line.out, settings.version, &self.listening.filter, self.listening.qos);
        }
        let beat = Duration::from_secs(u64::from(settings.keep_alive_s.max(2)) / 2);
        let mut spoken = Instant::now();
        let mut heard_out = shared.heard_out.subscribe();
        loop {
            if line.waiting() > 0 {
                spoken = Instant::now();
            } else if spoken.elapsed() >= beat {
                line.out.extend_from_slice(&PING);
                spoken = Instant::now();
            }
            line.flush()?;
            tokio::select! {
                ready = line.ready(Some(spoken + beat)) => ready?,
                _ = heard_out.wait_for(|over| *over) => {
                    line.out.extend_from_slice(&DISCONNECT);
                    let _ = line.flush();
                    return Ok(());
                }
            }
            let now_ns = shared.nanos(Instant::now());
            let mut refused = false;
            let before = self.tally.delivered;
            let heard = line.take(|packet, out| match packet {
                Incoming::Subscribed { refused: true } => refused = true,
                Incoming::Subscribed { refused: false } => drop(self.subscribed.take()),
                Incoming::Publish { qos, packet_id, payload, .. } => {
                    let again = qos == 2 && self.unreleased.set(packet_id, true);
                    if !again {
                        self.count(payload, now_ns);
                    }
                    match qos {
                        1 => put_ack(out, AckKind::Ack, packet_id),
                        2 => put_ack(out, AckKind::Rec, packet_id),
                        _ => {}
                    }
                }
                Incoming::Ack { kind: AckKind::Rel, packet_id, .. } => {
                    self.unreleased.set(packet_id, false);
                    put_ack(out, AckKind::Comp, packet_id);
                }
                _ => {}
            });
            shared.delivered(self.tally.delivered - before);
            heard?;
            if refused {
                return Err(Lost::NotSubscribed);
            }
        }
    }

    fn count(&mut self, payload: &[u8], now_ns: u64) {
        let first = self.shared.settings.first;
        let number = number_of(payload).and_then(|number| number.checked_sub(first)).filter(|n| *n < MOST);
        let Some(number) = number else {
            self.tally.strays += 1;
            return;
        };
        if self.seen.insert(number) {
            self.tally.delivered += 1;
            if let Some(since_ns) = self.shared.progress.was_sent_at(first + number) {
                self.tally.delivery.record_ns(now_ns.saturating_sub(since_ns));
            }
        } else {
            self.tally.repeated += 1;
        }
    }
}
