//! What happens without a connection: sessions expire, delayed wills fall due, orphaned publishes become durable.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{
    broker::Shared,
    counters::{add, count},
    gate::{Gate, Verdict},
    message::Message,
    pending::{Entry, Pending, Receipt, Settled},
    router::Claim,
    session::Will,
};

/// Expired retained messages are looked for at least this often.
const AT_LEAST_EVERY: Duration = Duration::from_secs(60);

impl<G: Gate> Shared<G> {
    /// Passes a will through the gate, as a publish of the client it speaks for, into a line of pending ones.
    pub(crate) fn offer_will(&self, mut will: Will<G::Access>, pending: &mut Pending) {
        let admission = self.gate.publish(&will.peer, &will.publish);
        match admission.verdict {
            Verdict::Forward => {}
            Verdict::ForwardUnretained => will.publish.retain = false,
            Verdict::Keep => return,
            Verdict::Refuse(_) | Verdict::Disconnect(_) => return count(&self.router.tally.refused_publishes),
        }
        count(&self.router.tally.wills_published);
        let message = Message::new(will.publish, None, Instant::now());
        let bytes = message.bytes;
        pending.push(Entry { receipt: Receipt::None, forward: Some(message), durable: admission.durable, bytes });
    }

    /// Forwards what a closed connection left behind as it becomes durable. A client that publishes and disconnects at
    /// once has published all the same. `kept_refusals`: a refused QoS 2 message counts as received (3.1.1).
    pub(crate) async fn see_out(
        &self,
        claim: &Claim,
        mut pending: Pending,
        kept_refusals: bool,
        stop: &mut watch::Receiver<bool>,
    ) {
        let (bytes, len) = (pending.bytes(), pending.len());
        if len == 0 {
            return;
        }
        let taken = Orphans::take(self, bytes);
        if taken.is_none() {
            add(&self.router.tally.orphans_dropped, len as u64);
            for receipt in pending.into_receipts() {
                if let Receipt::PubRec { id, .. } = receipt {
                    self.router.settle_qos2(claim, id, false);
                }
            }
            return;
        }
        loop {
            // At a stop only what is durable by now is forwarded.
            let settled = if *stop.borrow() {
                pending.try_settled()
            } else {
                tokio::select! {
                    settled = pending.settled() => settled,
                    _ = stop.changed() => continue,
                }
            };
            let Some(settled) = settled else { return };
            if let Receipt::PubRec { id, refusal } = settled.receipt {
                self.router.settle_qos2(claim, id, settled.kept && (refusal.is_none() || kept_refusals));
            }
            self.forward(settled);
        }
    }

    fn forward(&self, settled: Settled) {
        if !settled.kept {
            return count(&self.router.tally.not_kept);
        }
        if let Some(message) = settled.forward {
            self.router.route([message]);
        }
    }

    pub(crate) async fn keep_house(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut wills = Pending::default();
        loop {
            let now = Instant::now();
            let (due, next) = self.router.sweep(now);
            for will in due {
                self.offer_will(will, &mut wills);
            }
            let status = self.router.tell_status(now);
            let latest = now + AT_LEAST_EVERY;
            tokio::select! {
                settled = wills.settled(), if !wills.is_empty() => settled.into_iter().for_each(|s| self.forward(s)),
                () = self.router.housekeeping.notified() => {}
                () = sleep_until(next.into_iter().chain(status).fold(latest, Instant::min)) => {}
                _ = stop.changed() => return,
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
