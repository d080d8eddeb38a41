//! Shared subscriptions: which member of a group gets a message, and what becomes of it when that member is no more.
//!
//! Members take turns. One that is connected and has room goes before one that is connected and has none, and that one
//! before one that is away: a message waits for an absent client only if nobody is there.

use std::sync::Arc;

use super::forward::{Late, delivery};
use super::{Router, State};
use crate::{
    message::Message,
    outbox::Delivery,
    record::Receiver,
    tree::{Group, Subscription},
};

impl<A> State<A> {
    /// Those whose turn it is, each for its group. Nothing is promised to them yet.
    pub(super) fn choose_shared(&self, message: &Message, router: &Router<A>) -> Vec<Receiver> {
        let mut chosen = Vec::new();
        if self.subscriptions.has_groups() {
            self.subscriptions.visit_groups(&message.publish.topic, &mut |group| {
                chosen.extend(self.choose(group, message, router));
            });
        }
        chosen
    }

    /// Who takes a message in the place of one that has ended.
    pub(super) fn heir(&self, share: Option<&Arc<str>>, message: &Message, router: &Router<A>) -> Option<Receiver> {
        self.choose(self.subscriptions.group(share?)?, message, router)
    }

    fn choose(&self, group: &Group, message: &Message, router: &Router<A>) -> Option<Receiver> {
        let rank = |session| self.sessions.get(&session)?.rank(&router.settings);
        let (session, Subscription { qos, retain_as_published, identifier, .. }) = group.choose(rank)?;
        Some(Receiver {
            session,
            number: 0,
            qos: qos.min(message.publish.qos),
            retain: message.publish.retain && retain_as_published,
            identifiers: identifier.into_iter().collect(),
            share: Some(group.filter.clone()),
        })
    }

    /// Finds new receivers in their groups for what one that has ended did not take.
    pub(super) fn hand_over(&mut self, deliveries: Vec<Delivery>, router: &Router<A>) {
        for Delivery { message, share, .. } in deliveries {
            if let Some(heir) = self.heir(share.as_ref(), &message, router) {
                let mut late = Late::default();
                self.enqueue(heir.session, delivery(&message, heir), router, &mut late);
                self.write_late(&message, late, false);
            }
        }
    }
}
