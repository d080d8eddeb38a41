//! One connection that publishes: keeps its window full or its rate, counts the answers, and after a loss connects
//! again and sends what was not acknowledged once more, in the old order (MQTT 4.4).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::bits::Bits;
use super::line::{Line, Lost, Welcome};
use super::settings::Pace;
use super::wire::{AckKind, Connect, DISCONNECT, Incoming, PING, Publish, put_ack};
use super::{Shared, Tally};

/// So much is prepared before it is written.
const WRITE_AT_ONCE: usize = 32 << 10;
/// Between two attempts to connect.
const RETRY: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Free,
    /// PUBLISH went out.
    Sent,
    /// QoS 2: PUBREC came, PUBREL went out.
    Released,
}

/// What goes under a packet id (its index and one).
#[derive(Debug, Clone, Copy)]
struct Slot {
    state: State,
    id: u64,
    since_ns: u64,
}

pub(super) struct Publisher {
    shared: Arc<Shared>,
    pub index: usize,
    was_here: bool,
    slots: Vec<Slot>,
    free: Vec<u16>,
    /// Of the slots, how many the broker lets us use.
    allowed: usize,
    /// Messages made so far.
    made: u64,
    quota: u64,
    topics: Vec<Vec<u8>>,
    payload: Vec<u8>,
    begun: Instant,
    /// The last message was made.
    all_said: Option<Instant>,
    /// A message was due when there was no room for it.
    held_up: bool,
    pub tally: Tally,
    /// By the order of making.
    pub acknowledged: Bits,
    fresh: Vec<u64>,
}

impl Publisher {
    pub fn new(shared: Arc<Shared>, index: usize) -> Self {
        let settings = &shared.settings;
        let connections = settings.connections.max(1) as u64;
        let window = settings.window();
        let first = index as u64;
        let quota = match settings.count {
            Some(count) => count.saturating_sub(first).div_ceil(connections),
            None if settings.duration.is_some() => u64::MAX,
            None => 0,
        };
        // In the order in which this connection's devices take turns.
        let turns = settings.devices.div_ceil(connections).max(1);
        let own = (0..turns).map(|turn| settings.device_of(settings.first + turn * connections + first));
        let mut devices: Vec<u64> = Vec::new();
        for device in own {
            if devices.first() == Some(&device) {
                break;
            }
            devices.push(device);
        }
        let topics = devices.into_iter().map(|device| settings.topic_of(device).into_bytes()).collect();
        Publisher {
            index,
            was_here: false,
            slots: vec![Slot { state: State::Free, id: 0, since_ns: 0 }; window],
            free: (1..=window as u16).rev().collect(),
            allowed: window,
            made: 0,
            quota,
            topics,
            payload: Vec::new(),
            begun: Instant::now(),
            all_said: None,
            held_up: false,
            tally: Tally::default(),
            acknowledged: Bits::default(),
            fresh: Vec::new(),
            shared,
        }
    }

    /// Until everything is said and answered, or nobody waits any longer.
    pub async fn run(mut self) -> Self {
        self.begun = Instant::now();
        while !self.is_over() {
            match self.connected().await {
                Ok(()) => break,
                Err(lost) => {
                    self.tally.lost(&lost);
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
        self.tally.unacknowledged = self.in_flight() as u64;
        self
    }

    async fn connected(&mut self) -> Result<(), Lost> {
        let shared = Arc::clone(&self.shared);
        let settings = &shared.settings;
        let client_id = format!("{}-{}", settings.client_prefix, self.index);
        let connect = Connect {
            version: settings.version,
            client_id: &client_id,
            login: settings.login(self.index),
            keep_alive_s: settings.keep_alive_s,
            persistent: settings.persistent,
        };
        let (mut line, welcome) = Line::open(&settings.connect, &connect).await?;
        self.allowed = welcome.receive_maximum.map_or(self.slots.len(), |most| self.slots.len().min(usize::from(most)));
        if std::mem::replace(&mut self.was_here, true) {
            self.tally.reconnects += 1;
            self.tally.sessions_lost += u64::from(settings.persistent && !welcome.session_present);
        }
        self.resend(&mut line, welcome);
        let beat = Duration::from_secs(u64::from(settings.keep_alive_s.max(2)) / 2);
        let mut spoken = Instant::now();
        loop {
            let due = self.fill(&mut line);
            if line.waiting() > 0 {
                spoken = Instant::now();
            } else if spoken.elapsed() >= beat {
                line.out.extend_from_slice(&PING);
                spoken = Instant::now();
            }
            line.flush()?;
            if self.is_over() {
                line.out.extend_from_slice(&DISCONNECT);
                let _ = line.flush();
                return Ok(());
            }
            // Waits even if there is more to read: others share the thread.
            let given_up = self.all_said.map(|since| since + settings.drain);
            let wake = [due, Some(spoken + beat), given_up, self.shared.ends_at()].into_iter().flatten().min();
            line.ready(wake).await?;
            let heard = line.take(|packet, out| self.hear(&packet, out));
            // What was acknowledged with the last bytes of a connection was acknowledged.
            self.settle();
            heard?;
        }
    }

    /// Makes what is due and has room; says when the next is due.
    fn fill(&mut self, line: &mut Line) -> Option<Instant> {
        let shared = Arc::clone(&self.shared);
        let settings = &shared.settings;
        let share = match settings.pace {
            Pace::PerSecond(all) => Some(all / settings.connections.max(1) as f64),
            Pace::InFlight(_) => None,
        };
        loop {
            if self.made >= self.quota || shared.progress.is_enough() || shared.is_silent() {
                return None;
            }
            let mut due = None;
            if let Some(share) = share {
                // The connections begin one after the other within one interval.
                let phase = self.index as f64 / settings.connections.max(1) as f64;
                let at = self.begun + Duration::from_secs_f64((self.made as f64 + phase) / share.max(1e-6));
                if at > Instant::now() {
                    self.held_up = false;
                    return Some(at);
                }
                due = Some(at);
            }
            if line.waiting() > WRITE_AT_ONCE || (settings.qos > 0 && self.in_flight() >= self.allowed) {
                self.held_up = due.is_some();
                return None;
            }
            let packet_id = if settings.qos > 0 { self.free.pop()? } else { 0 };
            let id = settings.first + self.made * settings.connections.max(1) as u64 + self.index as u64;
            // Late because the broker was: that counts. Late because the timer was: that does not.
            let since = if self.held_up { due.unwrap_or_else(Instant::now) } else { Instant::now() };
            let since_ns = shared.nanos(since);
            if let Some(slot) = self.slot(packet_id) {
                *slot = Slot { state: State::Sent, id, since_ns };
            }
            shared.progress.sent_at(id, since_ns);
            self.write(&mut line.out, packet_id, id, self.made, false);
            self.made += 1;
            self.tally.sent += 1;
            if settings.qos == 0 {
                self.acknowledged.insert(self.made - 1);
                self.tally.acked += 1;
            }
        }
    }

    fn write(&mut self, out: &mut Vec<u8>, packet_id: u16, id: u64, turn: u64, dup: bool) {
        let settings = &self.shared.settings;
        settings.shape.write(id, &mut self.payload);
        let Some(topic) = self.topics.get((turn % self.topics.len().max(1) as u64) as usize) else { return };
        Publish {
            version: settings.version,
            topic,
            qos: settings.qos,
            dup,
            retain: settings.retain,
            packet_id,
            payload: &self.payload,
        }
        .write(out);
    }

    /// What was under way when the last connection ended. Without a session the broker knows nothing of it: it is new.
    fn resend(&mut self, line: &mut Line, welcome: Welcome) {
        let mut open: Vec<(u64, u16, State)> = (1..)
            .zip(&self.slots)
            .filter(|(_, slot)| slot.state != State::Free)
            .map(|(packet_id, slot)| (slot.id, packet_id, slot.state))
            .collect();
        open.sort_unstable_by_key(|(id, ..)| *id);
        for (id, packet_id, state) in open {
            self.tally.resent += 1;
            if state == State::Released {
                put_ack(&mut line.out, AckKind::Rel, packet_id);
            } else {
                let turn = self.turn(id);
                self.write(&mut line.out, packet_id, id, turn, welcome.session_present);
            }
        }
    }

    fn hear(&mut self, packet: &Incoming<'_>, out: &mut Vec<u8>) {
        let Incoming::Ack { kind, packet_id, refused } = *packet else { return };
        let qos = self.shared.settings.qos;
        let now_ns = self.shared.nanos(Instant::now());
        let Some(slot) = self.slot(packet_id) else { return };
        let (id, took) = (slot.id, now_ns.saturating_sub(slot.since_ns));
        match (qos, kind, slot.state) {
            (1, AckKind::Ack, State::Sent) | (2, AckKind::Comp, State::Released) => {
                slot.state = State::Free;
                self.free.push(packet_id);
                if refused && qos == 1 {
                    self.tally.refused += 1;
                } else {
                    self.tally.acked += 1;
                    self.tally.ack.record_ns(took);
                    if qos == 1 {
                        self.fresh.push(id);
                    }
                }
            }
            (2, AckKind::Rec, State::Sent) if refused => {
                slot.state = State::Free;
                self.free.push(packet_id);
                self.tally.refused += 1;
            }
            (2, AckKind::Rec, State::Sent) => {
                slot.state = State::Released;
                // From here on the message is the broker's to lose.
                self.fresh.push(id);
                put_ack(out, AckKind::Rel, packet_id);
            }
            (2, AckKind::Rec, State::Released) => put_ack(out, AckKind::Rel, packet_id),
            _ => self.tally.strays += 1,
        }
    }

    /// Writes down what was just acknowledged.
    fn settle(&mut self) {
        if self.fresh.is_empty() {
            return;
        }
        self.shared.acknowledged(&self.fresh);
        let mut fresh = std::mem::take(&mut self.fresh);
        for id in fresh.drain(..) {
            let turn = self.turn(id);
            self.acknowledged.insert(turn);
        }
        self.fresh = fresh;
    }

    fn turn(&self, id: u64) -> u64 {
        (id - self.shared.settings.first) / self.shared.settings.connections.max(1) as u64
    }

    fn slot(&mut self, packet_id: u16) -> Option<&mut Slot> {
        self.slots.get_mut(usize::from(packet_id).checked_sub(1)?)
    }

    fn in_flight(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    fn is_over(&mut self) -> bool {
        if (self.made >= self.quota || self.shared.progress.is_enough()) && self.all_said.is_none() {
            self.all_said = Some(Instant::now());
        }
        let said = self.all_said.is_some() || self.shared.is_silent();
        let waited = self.all_said.is_some_and(|since| since.elapsed() >= self.shared.settings.drain);
        (said && self.in_flight() == 0) || waited || self.shared.is_given_up()
    }
}
