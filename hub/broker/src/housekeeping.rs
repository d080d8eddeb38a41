//! What happens without a connection: sessions expire, delayed wills fall due, orphaned publishes become durable, the
//! log is written anew.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{
    broker::Shared,
    counters::{add, count},
    gate::{Absent, Gate, Peer, Verdict},
    intake::Intake,
    message::Message,
    pending::{Entry, Pending, Plan, Receipt, Settled},
    session::{Speaker, Will},
};

/// Expired retained messages are looked for at least this often.
const AT_LEAST_EVERY: Duration = Duration::from_secs(60);
/// How often it is asked whether the log has a hole or has grown too long.
const LOOK_AT_LOG_EVERY: Duration = Duration::from_secs(2);
/// First pause after a rewrite that failed; doubled up to [`AT_LEAST_EVERY`].
const REWRITE_AGAIN: Duration = Duration::from_secs(1);

impl<G: Gate> Shared<G> {
    /// Passes a will through the gate, as a publish of the client it speaks for, into a line of pending ones. One whose
    /// client is of an earlier run is left to the housekeeper, who asks the gate for it.
    pub(crate) fn offer_will(&self, will: Will<G::Access>, pending: &mut Pending) {
        match &will.speaker {
            Speaker::Peer(peer) => {
                let peer = peer.clone();
                self.offer_will_of(&peer, will, pending);
            }
            Speaker::Absent(_) => self.router.leave_will(will),
        }
    }

    fn offer_will_of(&self, peer: &Peer<G::Access>, will: Will<G::Access>, pending: &mut Pending) {
        let mut will = Some(will);
        self.router.together(&mut || {
            if let Some(will) = will.take() {
                self.take_will_in(peer, will, pending);
            }
        });
    }

    fn take_will_in(&self, peer: &Peer<G::Access>, will: Will<G::Access>, pending: &mut Pending) {
        let admission = self.gate.publish(peer, &will.publish);
        let mut publish = will.publish.clone();
        match admission.verdict {
            Verdict::Forward | Verdict::Keep => {}
            Verdict::ForwardUnretained => publish.retain = false,
            Verdict::Refuse(_) | Verdict::Disconnect(_) => {
                self.router.drop_will(will.number);
                return count(&self.router.tally.refused_publishes);
            }
        }
        // In the log the message takes the will's place: one of them survives a crash, and never both.
        let plan = if self.router.keeps() { Plan::Wanted { taken: None } } else { Plan::Number(0) };
        let receipt = Receipt::Will(self.router.will_departs(will));
        let forward = (admission.verdict != Verdict::Keep).then(|| Message::new(publish, None, Instant::now()));
        let bytes = forward.as_ref().map_or(0, |message| message.bytes);
        pending.push(Entry { receipt, forward, durable: admission.durable, plan, bytes });
        if let Some(entries) = pending.take_unplanned() {
            self.router.plan(entries);
        }
    }

    /// Forwards what a closed connection left behind as it becomes durable. A client that publishes and disconnects at
    /// once has published all the same. `kept_refusals`: a refused QoS 2 message counts as received (3.1.1).
    pub(crate) async fn see_out(&self, mut intake: Intake<G>, kept_refusals: bool, stop: &mut watch::Receiver<bool>) {
        if intake.pending.is_empty() {
            return;
        }
        let Some(_taken) = Orphans::take(self, intake.pending.bytes()) else {
            return add(&self.router.tally.orphans_dropped, intake.give_up_all() as u64);
        };
        loop {
            // At a stop only what is durable by now is forwarded.
            let settled = if *stop.borrow() {
                intake.pending.try_settled()
            } else {
                tokio::select! {
                    settled = intake.pending.settled() => settled,
                    _ = stop.changed() => continue,
                }
            };
            let Some(settled) = settled else {
                // The rest, at a stop, is as after a crash: it may be durable, and is not taken back.
                intake.pending = Pending::default();
                return;
            };
            if settled.kept
                && let Receipt::PubRec { id, refusal } = settled.receipt
            {
                intake.settle_qos2(id, refusal.is_none() || kept_refusals);
            }
            self.forward(settled, &intake);
        }
    }

    fn forward(&self, settled: Settled, intake: &Intake<G>) {
        if !settled.kept {
            intake.give_up(settled.receipt, settled.number);
            return count(&self.router.tally.not_kept);
        }
        if let Receipt::Will(will) = settled.receipt {
            self.router.will_arrives(will, true);
        }
        match settled.forward {
            Some(message) => self.router.route([(message, settled.number)]),
            None if settled.number != 0 => self.router.forget_plan(settled.number),
            None => {}
        }
    }

    pub(crate) async fn keep_house(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut wills = Intake::new(self.clone(), None);
        let mut recalls = FuturesUnordered::new();
        let mut rewriting = None;
        let mut next_rewrite = Instant::now();
        let mut backoff = REWRITE_AGAIN;
        let every = if self.router.keeps() { LOOK_AT_LOG_EVERY } else { AT_LEAST_EVERY };
        loop {
            let now = Instant::now();
            let (due, next) = self.router.sweep(now);
            for will in due {
                match &will.speaker {
                    Speaker::Peer(_) => self.offer_will(will, &mut wills.pending),
                    Speaker::Absent(absent) => {
                        let (me, absent) = (self.clone(), absent.clone());
                        recalls.push(Box::pin(async move { (me.gate.recall(&absent).await, absent, will) }));
                    }
                }
            }
            if rewriting.is_none() && now >= next_rewrite && self.router.claims_rewrite() {
                let me = self.clone();
                rewriting = Some(Box::pin(async move { me.router.rewrite().await }));
            }
            let status = self.router.tell_status(now);
            let latest = now + every;
            tokio::select! {
                settled = wills.pending.settled(), if !wills.pending.is_empty() => {
                    settled.into_iter().for_each(|settled| self.forward(settled, &wills));
                }
                Some((access, absent, will)) = recalls.next() => self.recalled(access, absent, will, &mut wills.pending),
                done = async { rewriting.as_mut()?.await.into() }, if rewriting.is_some() => {
                    rewriting = None;
                    if let Some(Err(error)) = done {
                        tracing::error!("{error}; until it is, nothing new of sessions and retained messages is durable");
                        next_rewrite = Instant::now() + backoff;
                        backoff = (backoff * 2).min(AT_LEAST_EVERY);
                    } else {
                        next_rewrite = Instant::now() + REWRITE_AGAIN;
                        backoff = REWRITE_AGAIN;
                    }
                }
                () = self.router.housekeeping.notified() => {}
                () = sleep_until(next.into_iter().chain(status).fold(latest, Instant::min)) => {}
                _ = stop.changed() => break,
            }
        }
        // At a stop wills stay in the log.
        wills.pending = Pending::default();
        self.router.flush();
    }

    fn recalled(&self, access: Option<G::Access>, absent: Absent, will: Will<G::Access>, wills: &mut Pending) {
        let Absent { client_id, username, address, protocol } = absent;
        match access {
            Some(access) => {
                let peer = Peer { client_id, username, address, protocol, access };
                self.offer_will_of(&peer, will, wills);
            }
            None => {
                tracing::warn!(client = %client_id, "the will of a client that is no longer known is not published");
                count(&self.router.tally.refused_publishes);
                self.router.drop_will(will.number);
            }
        }
    }
}

/// Bytes of publishes whose connection is gone, given back on drop.
struct Orphans<'a, G: Gate> {
    shared: &'a Shared<G>,
    bytes: usize,
}

impl<'a, G: Gate> Orphans<'a, G> {
    fn take(shared: &'a Shared<G>, bytes: usize) -> Option<Self> {
        let before = shared.orphaned_bytes.fetch_add(bytes, Ordering::Relaxed);
        let taken = Self { shared, bytes };
        (before + bytes <= shared.router.settings.max_orphaned_bytes).then_some(taken)
    }
}

impl<G: Gate> Drop for Orphans<'_, G> {
    fn drop(&mut self) {
        self.shared.orphaned_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
