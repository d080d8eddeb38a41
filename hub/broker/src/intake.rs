//! What was taken in and has not been passed on: publishes in the order in which they were read, until their fate is
//! known. However its holder ends, by a panic too, nothing of it stays behind: what is durable is passed on, the rest is
//! given up, and its sender sends it again.

use std::sync::Arc;

use crate::{
    broker::Shared,
    gate::Gate,
    message::Message,
    pending::{Pending, Receipt},
    router::{Claim, Router},
};

pub(crate) struct Intake<G: Gate> {
    shared: Arc<Shared<G>>,
    /// The session for which it was read; wills are nobody's.
    claim: Option<Claim>,
    pub(crate) pending: Pending,
    /// Durable, to be routed at the end of the batch.
    pub(crate) ready: Vec<(Arc<Message>, u64)>,
    /// A QoS 2 id about whose message the gate is being asked.
    pub(crate) asked: Option<u16>,
}

impl<G: Gate> Intake<G> {
    pub(crate) fn new(shared: Arc<Shared<G>>, claim: Option<Claim>) -> Self {
        Self { shared, claim, pending: Pending::default(), ready: Vec::new(), asked: None }
    }

    pub(crate) fn route_ready(&mut self) {
        if !self.ready.is_empty() {
            self.shared.router.route(self.ready.drain(..));
        }
    }

    /// A message was not kept.
    pub(crate) fn give_up(&self, receipt: Receipt, number: u64) {
        self.shared.router.give_up(self.claim.as_ref(), receipt, number);
    }

    /// A QoS 2 message is durable.
    pub(crate) fn settle_qos2(&self, id: u16, received: bool) {
        if let Some(claim) = &self.claim {
            self.shared.router.settle_qos2(claim, id, received);
        }
    }

    /// Gives up what waits. Returns how much that was.
    pub(crate) fn give_up_all(&mut self) -> usize {
        let receipts: Vec<_> = std::mem::take(&mut self.pending).into_receipts().collect();
        receipts.iter().for_each(|(receipt, number)| self.give_up(*receipt, *number));
        receipts.len()
    }
}

impl<A> Router<A> {
    fn give_up(&self, claim: Option<&Claim>, receipt: Receipt, number: u64) {
        self.cancel(number);
        match (receipt, claim) {
            (Receipt::PubRec { id, .. }, Some(claim)) => drop(self.settle_qos2(claim, id, false)),
            (Receipt::Will(will), _) => self.will_arrives(will, false),
            _ => {}
        }
    }
}

impl<G: Gate> Drop for Intake<G> {
    fn drop(&mut self) {
        self.route_ready();
        if let Some(id) = self.asked.take() {
            self.give_up(Receipt::PubRec { id, refusal: None }, 0);
        }
        self.give_up_all();
    }
}
