//! Shared subscriptions: which member of a group gets a message, and what becomes of it when that member is no more.
//!
//! Members take turns. One that is connected and has room goes before one that is connected and has none, and that one
//! before one that is away: a message waits for an absent client only if nobody is there.

use std::sync::Arc;

use super::forward::{Late, shared_delivery};
use super::{Router, State};
use crate::{message::Message, outbox::Delivery, tree::Subscription};

impl<A> State<A> {
    /// Those whose turn it is, each for its group; the number that the log has for them is not given yet.
    pub(super) fn choose_shared(
        &self,
        message: &Message,
        router: &Router<A>,
    ) -> Vec<(u64, Subscription, Arc<str>, u64)> {
        let mut chosen = Vec::new();
        if self.subscriptions.has_groups() {
            self.subscriptions.visit_groups(&message.publish.topic, &mut |group| {
                let rank = |session| self.sessions.get(&session)?.rank(&router.settings);
                if let Some((session, subscription)) = group.choose(rank) {
                    chosen.push((session, subscription, group.filter.clone(), 0));
                }
            });
        }
        chosen
    }

    /// Finds new receivers in their groups for what one that has ended did not take.
    pub(super) fn hand_over(&mut self, deliveries: Vec<Delivery>, router: &Router<A>) {
        for Delivery { message, share, .. } in deliveries {
            let sessions = &self.sessions;
            let heir = share.and_then(|share| {
                let group = self.subscriptions.group(&share)?;
                let (session, subscription) = group.choose(|session| sessions.get(&session)?.rank(&router.settings))?;
                Some((session, shared_delivery(message.clone(), subscription, share)))
            });
            if let Some((session, delivery)) = heir {
                let mut late = Late::default();
                self.enqueue(session, delivery, router, &mut late);
                self.write_late(&message, late, false);
            }
        }
    }
}
