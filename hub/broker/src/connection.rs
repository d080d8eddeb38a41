//! One client's connection after CONNACK: a single task, a single loop, nothing in it that waits for anything but all.
//!
//! **Reading never waits for a commit.** Each PUBLISH is offered to the gate as it is read; what waits to become
//! durable stands in [`Pending`], and one branch of the loop watches its first entry while the others go on reading,
//! answering pings and sending. Past `max_uncommitted_packets` or `max_uncommitted_bytes` the socket is still read
//! (an alarm may be among what comes next) and publishes are shown to [`Gate::overflow`] but not taken: QoS 0 is lost
//! and counted; QoS 1 and 2 stay unacknowledged, and when all that was taken is durable the connection is closed, so
//! that the client sends them again. Back-pressure through TCP was the alternative; it would leave the alarm unread.
//!
//! Reading stops for one reason only: the client does not take what is sent to it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::{Buf, BytesMut};
use bytestring::ByteString;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{
    broker::Shared,
    counters::{add, count},
    gate::{Durable, Ending, Gate, Peer, Protocol},
    handshake::Admitted,
    intake::Intake,
    outbox::Outgoing,
    packet::{code, refusal_code},
    pending::{Answer, Line, Receipt, Settled},
    router::{Acknowledgement, Claim, Pulled},
    session::Will,
    stream::{close, fill},
    wire::Wire,
};

/// Packets handled before the loop looks at everything else.
const BATCH_PACKETS: usize = 256;
/// Bytes collected for one write.
const OUTPUT_BYTES: usize = 64 << 10;
/// Output at which reading stops. Far above what is collected for one write: a peer has to leave much unread for it.
const OUTPUT_STOPS_READING: usize = 256 << 10;

pub(crate) struct Connection<G: Gate> {
    pub(crate) shared: Arc<Shared<G>>,
    pub(crate) peer: Arc<Peer<G::Access>>,
    pub(crate) seat: Seat<G>,
    pub(crate) wire: Wire,
    pub(crate) output: BytesMut,
    input: BytesMut,
    pub(crate) intake: Intake<G>,
    /// What is due once the log is settled: answers, and messages that were drawn and must not be on the wire before.
    /// Both stay empty unless the session is in the log.
    pub(crate) answers: Line<Answer>,
    held: Line<Vec<Outgoing>>,
    /// The session outlives the connection and the process.
    pub(crate) logged: bool,
    pub(crate) aliases: HashMap<u16, ByteString>,
    /// A QoS 1 or 2 publish was not taken; so no later one may be acknowledged (4.6).
    pub(crate) overflowed: bool,
    /// Unacknowledged QoS 1 publishes, and QoS 2 ids of this connection not released: what Receive Maximum counts.
    pub(crate) unacked: usize,
    pub(crate) unreleased: usize,
    /// The session may have something to send.
    pub(crate) wake: bool,
    pub(crate) keep_alive: Option<Duration>,
    /// The session's expiry, as DISCONNECT may change it.
    pub(crate) expiry: Duration,
}

/// The hold on a session. Dropped without [`Seat::leave`], by a panic or an abort, it lets go all the same, tells the
/// gate, and leaves the will to the housekeeper.
pub(crate) struct Seat<G: Gate> {
    shared: Arc<Shared<G>>,
    peer: Arc<Peer<G::Access>>,
    pub(crate) claim: Claim,
    left: bool,
}

impl<G: Gate> Seat<G> {
    pub(crate) fn new(shared: Arc<Shared<G>>, peer: Arc<Peer<G::Access>>, claim: Claim) -> Self {
        Self { shared, peer, claim, left: false }
    }

    fn leave(&mut self, ending: &Ending, expiry: Option<Duration>) -> Option<Will<G::Access>> {
        self.left = true;
        self.shared.router.detach(&self.claim, ending, expiry)
    }
}

impl<G: Gate> Drop for Seat<G> {
    fn drop(&mut self) {
        if self.left {
            return;
        }
        if let Some(will) = self.leave(&Ending::Lost, None) {
            self.shared.router.leave_will(will);
        }
        self.shared.gate.disconnected(&self.peer, &Ending::Lost);
    }
}

enum Event {
    Read(std::io::Result<usize>),
    Wrote(std::io::Result<usize>),
    Settled(Option<Settled>),
    Answer(Option<Answer>),
    Held(Option<Vec<Outgoing>>),
    Bell,
    Stop,
    Time,
    Again,
}

impl<G: Gate> Connection<G> {
    pub(crate) fn new(shared: Arc<Shared<G>>, admitted: Admitted<G>, input: BytesMut) -> Self {
        let Admitted { peer, seat, will_due, logged, wire, output, keep_alive, expiry } = admitted;
        let mut intake = Intake::new(shared.clone(), Some(seat.claim.clone()));
        if let Some(will) = will_due {
            // First in line, so that "offline" is never heard after this connection's "online".
            shared.offer_will(will, &mut intake.pending);
        }
        Self {
            shared,
            peer,
            seat,
            wire,
            output,
            input,
            intake,
            answers: Line::default(),
            held: Line::default(),
            logged,
            aliases: HashMap::new(),
            overflowed: false,
            unacked: 0,
            unreleased: 0,
            wake: true,
            keep_alive,
            expiry,
        }
    }

    /// Serves the client until one side has had enough, then takes leave: session, will, farewell, and whatever was
    /// taken in and is not durable yet. `slot` is given back as soon as the socket is closed.
    pub(crate) async fn run<R, W, P>(
        mut self: Box<Self>,
        mut reader: R,
        mut writer: W,
        mut stop: watch::Receiver<bool>,
        slot: P,
    ) where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let ending = self.converse(&mut reader, &mut writer, &mut stop).await;
        // In a box of its own: the task keeps room for no more than the conversation.
        Box::pin(self.take_leave(ending, reader, writer, stop, slot)).await;
    }

    async fn take_leave<R, W, P>(
        mut self: Box<Self>,
        ending: Ending,
        mut reader: R,
        mut writer: W,
        mut stop: watch::Receiver<bool>,
        slot: P,
    ) where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        self.intake.route_ready();
        tracing::debug!(client = %self.peer.client_id, address = %self.peer.address, "connection ended: {ending}");
        let will = self.seat.leave(&ending, Some(self.expiry));
        self.shared.gate.disconnected(&self.peer, &ending);
        if let Some(will) = will {
            self.shared.offer_will(will, &mut self.intake.pending);
        }
        if let Some(code) = farewell_code(&ending) {
            self.wire.disconnect(code, &mut self.output);
        }
        let Self { shared, intake, output, peer, .. } = *self;
        let farewell = async {
            if ending != Ending::WriteTimeout {
                let linger = farewell_code(&ending).is_some();
                close(&mut reader, &mut writer, &output, shared.router.settings.stop_timeout, linger).await;
            }
            drop((reader, writer, slot, output));
        };
        let kept_refusals = peer.protocol == Protocol::V311;
        let orphans = shared.see_out(intake, kept_refusals, &mut stop);
        tokio::join!(farewell, orphans);
    }

    async fn converse<R, W>(&mut self, reader: &mut R, writer: &mut W, stop: &mut watch::Receiver<bool>) -> Ending
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        match self.converse_until(reader, writer, stop).await {
            Ok(never) => match never {},
            Err(ending) => ending,
        }
    }

    async fn converse_until<R, W>(
        &mut self,
        reader: &mut R,
        writer: &mut W,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<std::convert::Infallible, Ending>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let write_timeout = self.shared.router.settings.write_timeout;
        let mut last_read = Instant::now();
        let mut writing_since = None;
        let mut timer = std::pin::pin!(sleep_until(last_read + Duration::from_secs(3600)));
        loop {
            let reading = self.output.len() < OUTPUT_STOPS_READING;
            let more_input = reading && self.take_input()?;
            while let Some(settled) = self.intake.pending.try_settled() {
                self.settle(settled)?;
            }
            self.intake.route_ready();
            if self.overflowed && self.intake.pending.is_empty() {
                return Err(Ending::Overflow);
            }
            let more_output = self.draw_output();

            let now = Instant::now();
            if !reading {
                last_read = now;
            }
            writing_since = if self.output.is_empty() { None } else { writing_since.or(Some(now)) };
            let silence = self.keep_alive.filter(|_| reading).map(|limit| (last_read + limit, Ending::KeepAlive));
            let stall = writing_since.map(|since| (since + write_timeout, Ending::WriteTimeout));
            if let Some((deadline, ending)) = silence.into_iter().chain(stall).min_by_key(|(deadline, _)| *deadline) {
                if deadline <= now {
                    return Err(ending);
                }
                // A deadline moves away with each read; the timer follows only when it has fired too early.
                if deadline < timer.deadline() || timer.is_elapsed() {
                    timer.as_mut().reset(deadline);
                }
            } else if timer.is_elapsed() {
                timer.as_mut().reset(now + Duration::from_secs(3600));
            }

            let Self { input, output, intake: Intake { pending, .. }, answers, held, seat, .. } = self;
            let event = tokio::select! {
                read = fill(reader, input), if reading && !more_input => Event::Read(read),
                wrote = writer.write(output), if !output.is_empty() => Event::Wrote(wrote),
                settled = pending.settled(), if !pending.is_empty() => Event::Settled(settled),
                answer = answers.next(), if !answers.is_empty() => Event::Answer(answer),
                drawn = held.next(), if !held.is_empty() => Event::Held(drawn),
                () = seat.claim.link.bell.notified() => Event::Bell,
                _ = stop.changed() => Event::Stop,
                () = &mut timer => Event::Time,
                () = tokio::task::yield_now(), if more_input || (more_output && output.is_empty()) => Event::Again,
            };
            match event {
                Event::Read(Ok(read @ 1..)) => {
                    add(&self.shared.router.tally.bytes_read, read as u64);
                    last_read = Instant::now();
                }
                Event::Wrote(Ok(written @ 1..)) => {
                    add(&self.shared.router.tally.bytes_written, written as u64);
                    self.output.advance(written);
                    if self.output.is_empty() {
                        // An idle connection holds no buffers.
                        self.output = BytesMut::new();
                    }
                    writing_since = None;
                }
                Event::Read(_) | Event::Wrote(_) => return Err(Ending::Lost),
                Event::Settled(Some(settled)) => self.settle(settled)?,
                Event::Answer(answer) => answer.into_iter().for_each(|answer| self.say(answer)),
                Event::Held(drawn) => {
                    self.send(drawn.unwrap_or_default());
                    self.wake = true;
                }
                Event::Bell => {
                    if let Some(ending) = self.seat.claim.link.ending() {
                        return Err(ending);
                    }
                    self.wake = true;
                }
                Event::Stop => return Err(Ending::Shutdown),
                Event::Settled(None) | Event::Time | Event::Again => {}
            }
        }
    }

    /// Handles a batch of what has been read, and lets the log know what must be kept of it. True if whole packets are
    /// left.
    fn take_input(&mut self) -> Result<bool, Ending> {
        if !self.wire.is_ready(&self.input) {
            return self.take_batch();
        }
        let shared = self.shared.clone();
        let mut left = Ok(false);
        shared.router.together(&mut || {
            left = self.take_batch();
            self.plan();
        });
        left
    }

    pub(crate) fn plan(&mut self) {
        if let Some(entries) = self.intake.pending.take_unplanned() {
            self.shared.router.plan(entries);
        }
    }

    fn take_batch(&mut self) -> Result<bool, Ending> {
        for _ in 0..BATCH_PACKETS {
            match self.wire.decode(&mut self.input) {
                Ok(Some(packet)) => self.handle(packet)?,
                Ok(None) => {
                    if self.input.is_empty() {
                        self.input = BytesMut::new();
                    }
                    return Ok(false);
                }
                Err(violation) => {
                    count(&self.shared.router.tally.violations);
                    return Err(violation.into());
                }
            }
        }
        Ok(self.wire.is_ready(&self.input))
    }

    /// Answers at once, or when the log is settled. Past the bound of what may wait the connection is closed; the client
    /// asks again.
    pub(crate) fn answer(&mut self, answer: Answer) -> Result<(), Ending> {
        let router = &self.shared.router;
        if self.logged {
            let durable = router.settled();
            if !self.answers.is_empty() || matches!(durable, Durable::When(_)) {
                if self.answers.len() >= router.settings.max_uncommitted_packets.into() {
                    return Err(Ending::Overflow);
                }
                self.answers.push(answer, durable);
                return Ok(());
            }
        }
        self.say(answer);
        Ok(())
    }

    fn say(&mut self, answer: Answer) {
        match answer {
            Answer::PubRel { id, known } => self.wire.pubrel(id, known, &mut self.output),
            Answer::PubComp { id, known } => self.wire.pubcomp(id, known, &mut self.output),
            Answer::SubAck { id, granted } => self.wire.suback(id, &granted, &mut self.output),
            Answer::UnsubAck { id, verdicts } => self.wire.unsuback(id, verdicts, &mut self.output),
        }
    }

    /// A publish of this connection has met its fate: acknowledge and forward, or neither.
    pub(crate) fn settle(&mut self, settled: Settled) -> Result<(), Ending> {
        let router = &self.shared.router;
        let claim = &self.seat.claim;
        if !settled.kept {
            count(&router.tally.not_kept);
            self.intake.give_up(settled.receipt, settled.number);
            return match settled.receipt {
                Receipt::None | Receipt::Will(_) => Ok(()),
                Receipt::PubAck { .. } | Receipt::PubRec { .. } => Err(Ending::NotKept),
            };
        }
        match settled.forward {
            Some(message) => self.intake.ready.push((message, settled.number)),
            None if settled.number != 0 => router.forget_plan(settled.number),
            None => {}
        }
        match settled.receipt {
            Receipt::None => {}
            Receipt::Will(will) => router.will_arrives(will, true),
            Receipt::PubAck { id, refusal } => {
                self.unacked = self.unacked.saturating_sub(1);
                self.wire.puback(id, refusal, &mut self.output);
            }
            Receipt::PubRec { id, refusal } => {
                // 4.3.3: PUBREC with an error ends the exchange; 3.1.1 cannot say it and goes on to PUBREL.
                let received = refusal.is_none() || !self.wire.is_v5();
                if !received {
                    self.unreleased = self.unreleased.saturating_sub(1);
                }
                if router.settle_qos2(claim, id, received) {
                    self.wire.pubrec(id, refusal, &mut self.output);
                }
            }
        }
        Ok(())
    }

    /// Moves what the session has to send into the output. True if more waits for room.
    fn draw_output(&mut self) -> bool {
        let room = OUTPUT_BYTES.saturating_sub(self.output.len());
        // What is held goes first, and it is one batch at most.
        if !self.wake || room == 0 || !self.held.is_empty() {
            return self.wake && self.held.is_empty();
        }
        let mut drawn = Vec::new();
        let Pulled { more, wait } = self.shared.router.pull(&self.seat.claim, room, &mut drawn);
        self.wake = more;
        if wait && let durable @ Durable::When(_) = self.shared.router.settled() {
            self.held.push(drawn, durable);
            return false;
        }
        self.send(drawn);
        self.wake
    }

    fn send(&mut self, drawn: Vec<Outgoing>) {
        let mut delivered = 0;
        for outgoing in drawn {
            match outgoing {
                Outgoing::PubRel(id) => self.wire.pubrel(id, true, &mut self.output),
                Outgoing::PubRec(id) => self.wire.pubrec(id, None, &mut self.output),
                Outgoing::Publish { delivery, id, dup } => {
                    if self.wire.publish(&delivery, id, dup, &mut self.output).is_ok() {
                        delivered += 1;
                        continue;
                    }
                    count(&self.shared.router.tally.too_large_for_client);
                    if let Some(id) = id {
                        self.shared.router.acknowledge(&self.seat.claim, Acknowledgement::Abandon(id));
                        self.wake = true;
                    }
                }
            }
        }
        add(&self.shared.router.tally.delivered, delivered);
    }
}

/// What a MQTT 5 client is told; None if the ending was its own.
fn farewell_code(ending: &Ending) -> Option<u8> {
    Some(match ending {
        Ending::Disconnected { .. } | Ending::Lost | Ending::WriteTimeout => return None,
        Ending::KeepAlive => code::KEEP_ALIVE,
        Ending::TakenOver => code::TAKEN_OVER,
        Ending::Violation { code, .. } => *code,
        Ending::Refused(refusal) => refusal_code(*refusal),
        Ending::NotKept => code::SERVER_BUSY,
        Ending::Overflow => code::QUOTA,
        Ending::Administrative => code::ADMINISTRATIVE,
        Ending::Shutdown => code::SHUTTING_DOWN,
    })
}
