//! What each packet of a connected client does. Nothing here waits.

use bytestring::ByteString;
use rmqtt_codec::{types::QoS, v5};
use std::time::Duration;

use crate::{
    connection::Connection,
    counters::count,
    gate::{Admission, Durable, Ending, Gate, Refusal, Verdict},
    message::{Message, Publish},
    packet::{Filter, Incoming, Violation, code},
    pending::{Answer, Entry, Plan, Receipt},
    router::{Acknowledgement, Begun},
    session::Incoming2,
    topic::{check_filter, check_name, is_reserved, share},
};

impl<G: Gate> Connection<G> {
    pub(crate) fn handle(&mut self, packet: Incoming) -> Result<(), Ending> {
        match packet {
            Incoming::Publish { publish, id, alias } => self.publish(publish, id, alias)?,
            Incoming::PubAck(id) => self.acknowledge(Acknowledgement::PubAck(id)),
            Incoming::PubRec { id, accepted } => {
                let known = self.shared.router.acknowledge(&self.seat.claim, Acknowledgement::PubRec { id, accepted });
                // An unknown id is answered too: the client would ask for ever (4.3.3, reason 0x92).
                self.wake = true;
                // Not before it is in the log that the client has the message: it forgets the id when it is released,
                // and would take the message for a new one.
                if accepted {
                    self.answer(Answer::PubRel { id, known })?;
                }
            }
            Incoming::PubComp(id) => self.acknowledge(Acknowledgement::PubComp(id)),
            Incoming::PubRel(id) => {
                let known = self.shared.router.release_qos2(&self.seat.claim, id);
                self.unreleased = self.unreleased.saturating_sub(known.into());
                // Not before the release is in the log: the client may use the id for another message at once, which
                // would be taken for a repetition after a crash.
                self.answer(Answer::PubComp { id, known })?;
            }
            Incoming::Subscribe { id, filters } => self.subscribe(id, filters)?,
            Incoming::Unsubscribe { id, filters } => self.unsubscribe(id, &filters)?,
            Incoming::Ping => self.wire.pingresp(&mut self.output),
            Incoming::Disconnect { will, expiry_secs } => return Err(self.disconnect(will, expiry_secs)),
        }
        Ok(())
    }

    fn acknowledge(&mut self, acknowledgement: Acknowledgement) {
        self.shared.router.acknowledge(&self.seat.claim, acknowledgement);
        self.wake = true;
    }

    fn violation(&self, violation: Violation) -> Ending {
        count(&self.shared.router.tally.violations);
        violation.into()
    }

    fn publish(&mut self, mut publish: Publish, id: Option<u16>, alias: Option<u16>) -> Result<(), Ending> {
        count(&self.shared.router.tally.publishes_read);
        if let Some(alias) = alias {
            self.resolve_alias(&mut publish.topic, alias).map_err(|violation| self.violation(violation))?;
        } else if publish.topic.is_empty() {
            return Err(self.violation(Violation::protocol("a message has neither topic nor alias")));
        }
        let settings = &self.shared.router.settings;
        if check_name(&publish.topic, settings.max_topic_levels).is_err() {
            return Err(self.violation(Violation::new(code::TOPIC_INVALID, "a message has a malformed topic")));
        }
        let bytes = publish.bytes();
        let pending = &self.intake.pending;
        let full = pending.len() >= settings.max_uncommitted_packets.into()
            || (!pending.is_empty() && pending.bytes() + bytes > settings.max_uncommitted_bytes);
        let unacked = self.unacked + self.unreleased;
        if self.wire.is_v5() && id.is_some() && unacked >= settings.max_uncommitted_packets.into() {
            self.shared.gate.overflow(&self.peer, &publish);
            return Err(self.violation(Violation::new(code::RECEIVE_MAXIMUM, "more messages than Receive Maximum")));
        }
        if full || (self.overflowed && id.is_some()) {
            return self.overflow(&publish, id);
        }
        if let (Some(id), QoS::ExactlyOnce) = (id, publish.qos) {
            match self.shared.router.begin_qos2(&self.seat.claim, id) {
                Begun::Known(Incoming2::Received) => {
                    self.wire.pubrec(id, None, &mut self.output);
                    return Ok(());
                }
                // Its PUBREC comes when the first one of this id is durable.
                Begun::Known(Incoming2::Uncommitted) => return Ok(()),
                Begun::Full => return self.overflow(&publish, Some(id)),
                Begun::New => self.unreleased += 1,
            }
            self.intake.asked = Some(id);
        } else if id.is_some() {
            self.unacked += 1;
        }
        let admission = if is_reserved(&publish.topic) {
            Admission::refuse(Refusal::NotAuthorized)
        } else {
            self.shared.gate.publish(&self.peer, &publish)
        };
        self.intake.asked = None;
        self.take_in(publish, id, admission, bytes)
    }

    /// Shows the gate what is not taken.
    fn overflow(&mut self, publish: &Publish, id: Option<u16>) -> Result<(), Ending> {
        count(&self.shared.router.tally.overflowed);
        self.overflowed |= id.is_some();
        self.shared.gate.overflow(&self.peer, publish);
        Ok(())
    }

    fn take_in(
        &mut self,
        mut publish: Publish,
        id: Option<u16>,
        admission: Admission,
        bytes: usize,
    ) -> Result<(), Ending> {
        let refusal = match admission.verdict {
            Verdict::Forward | Verdict::Keep => None,
            Verdict::ForwardUnretained => {
                publish.retain = false;
                None
            }
            Verdict::Refuse(refusal) => Some(refusal),
            Verdict::Disconnect(refusal) => {
                count(&self.shared.router.tally.refused_publishes);
                if let (Some(id), QoS::ExactlyOnce) = (id, publish.qos) {
                    self.shared.router.settle_qos2(&self.seat.claim, id, false);
                }
                return Err(Ending::Refused(refusal));
            }
        };
        if refusal.is_some() {
            count(&self.shared.router.tally.refused_publishes);
        }
        let receipt = match (id, publish.qos) {
            (Some(id), QoS::ExactlyOnce) => Receipt::PubRec { id, refusal },
            (Some(id), _) => Receipt::PubAck { id, refusal },
            (None, _) => Receipt::None,
        };
        let router = &self.shared.router;
        let session = self.seat.claim.session;
        // 4.3.3: a PUBREC with an error ends the exchange, so nothing of it is to be remembered.
        let taken = match receipt {
            Receipt::PubRec { id, refusal: None } if self.logged => Some((session, id)),
            _ => None,
        };
        let forwarded = matches!(admission.verdict, Verdict::Forward | Verdict::ForwardUnretained);
        let plan = if taken.is_some() || (forwarded && router.needs_plan(&publish)) {
            Plan::Wanted { taken }
        } else {
            Plan::Number(0)
        };
        let forward = forwarded.then(|| Message::new(publish, Some(session), tokio::time::Instant::now()));
        let entry = Entry { receipt, forward, durable: admission.durable, plan, bytes };
        if self.intake.pending.is_empty() && matches!((&entry.durable, plan), (Durable::Now, Plan::Number(_))) {
            return self.settle(entry.into());
        }
        self.intake.pending.push(entry);
        Ok(())
    }

    fn resolve_alias(&mut self, topic: &mut ByteString, alias: u16) -> Result<(), Violation> {
        if alias > self.shared.router.settings.max_topic_aliases {
            return Err(Violation::new(code::ALIAS_INVALID, "a topic alias is larger than allowed"));
        }
        if !topic.is_empty() {
            self.aliases.insert(alias, topic.clone());
            return Ok(());
        }
        let known = self.aliases.get(&alias).ok_or(Violation::protocol("a topic alias was never set up"))?;
        *topic = known.clone();
        Ok(())
    }

    fn subscribe(&mut self, id: u16, filters: Vec<Filter>) -> Result<(), Ending> {
        self.check_count(filters.len())?;
        // What was published before the subscription is not for it.
        self.plan();
        self.intake.route_ready();
        // 3.8.3.1: who shares cannot tell its own messages from the others'.
        if filters.iter().any(|f| f.subscription.no_local && share(&f.filter).is_some()) {
            return Err(self.violation(Violation::protocol("a shared subscription with No Local")));
        }
        let router = &self.shared.router;
        let granted: Vec<Result<QoS, u8>> = filters
            .into_iter()
            .map(|Filter { filter, subscription, handling }| {
                if check_filter(&filter, router.settings.max_topic_levels).is_err() {
                    Err(code::FILTER_INVALID)
                } else if !self.shared.gate.subscribe(&self.peer, share(&filter).map_or(&filter, |s| s.filter)) {
                    Err(code::NOT_AUTHORIZED)
                } else if !router.subscribe(&self.seat.claim, &filter, subscription, handling) {
                    Err(code::QUOTA)
                } else {
                    Ok(subscription.qos)
                }
            })
            .collect();
        self.wake = true;
        self.answer(Answer::SubAck { id, granted })
    }

    fn unsubscribe(&mut self, id: u16, filters: &[ByteString]) -> Result<(), Ending> {
        self.check_count(filters.len())?;
        self.plan();
        self.intake.route_ready();
        let router = &self.shared.router;
        let verdicts = filters
            .iter()
            .map(|filter| {
                if check_filter(filter, router.settings.max_topic_levels).is_err() {
                    v5::UnsubscribeAckReason::TopicFilterInvalid
                } else if router.unsubscribe(&self.seat.claim, filter) {
                    v5::UnsubscribeAckReason::Success
                } else {
                    v5::UnsubscribeAckReason::NoSubscriptionExisted
                }
            })
            .collect();
        self.answer(Answer::UnsubAck { id, verdicts })
    }

    /// A list longer than a session's subscriptions is no honest one.
    fn check_count(&self, filters: usize) -> Result<(), Ending> {
        if filters > self.shared.router.settings.max_subscriptions_per_session {
            return Err(self.violation(Violation::new(code::QUOTA, "more filters in a packet than a session may have")));
        }
        Ok(())
    }

    fn disconnect(&mut self, will: bool, expiry_secs: Option<u32>) -> Ending {
        if let Some(secs) = expiry_secs {
            // 3.14.2.2.2: a session that was to end with its connection cannot be made to last at the last moment.
            if self.expiry.is_zero() && secs > 0 {
                return self.violation(Violation::protocol("DISCONNECT prolongs a session that was not to last"));
            }
            self.expiry = Duration::from_secs(secs.into()).min(self.shared.router.settings.max_session_expiry);
        }
        Ending::Disconnected { will }
    }
}
