//! Shared subscriptions: which member of a group gets a message, and what becomes of it when that member is no more.
//!
//! Members take turns. One that is connected and has room goes before one that is connected and has none, and that one
//! before one that is away: a message waits for an absent client only if nobody is there.

use std::sync::Arc;

use super::{Router, State};
use crate::{message::Message, outbox::Delivery, tree::Subscription};

impl<A> State<A> {
    pub(super) fn route_shared(&mut self, message: &Arc<Message>, router: &Router<A>) {
        if !self.subscriptions.has_groups() {
            return;
        }
        let mut chosen = Vec::new();
        let sessions = &self.sessions;
        self.subscriptions.visit_groups(&message.publish.topic, &mut |group| {
            if let Some((session, subscription)) =
                group.choose(|session| sessions.get(&session)?.rank(&router.settings))
            {
                chosen.push((session, subscription, group.filter.clone()));
            }
        });
        for (session, subscription, share) in chosen {
            self.enqueue(session, shared_delivery(message.clone(), subscription, share), router);
        }
    }

    /// Finds new receivers in their groups for what one that has ended did not take.
    pub(super) fn hand_over(&mut self, deliveries: Vec<Delivery>, router: &Router<A>) {
        for Delivery { message, share, .. } in deliveries {
            let sessions = &self.sessions;
            let heir = share.and_then(|share| {
                let group = self.subscriptions.group(&share)?;
                let (session, subscription) = group.choose(|session| sessions.get(&session)?.rank(&router.settings))?;
                Some((session, shared_delivery(message, subscription, share)))
            });
            if let Some((session, delivery)) = heir {
                self.enqueue(session, delivery, router);
            }
        }
    }
}

fn shared_delivery(message: Arc<Message>, subscription: Subscription, share: Arc<str>) -> Delivery {
    Delivery {
        qos: subscription.qos.min(message.publish.qos),
        retain: message.publish.retain && subscription.retain_as_published,
        identifiers: subscription.identifier.into_iter().collect(),
        share: Some(share),
        message,
    }
}
