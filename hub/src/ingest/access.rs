//! A client of the broker that was let in: who it is for the policy, and what it may send. It decides nothing by itself.

use std::net::IpAddr;
use std::sync::Arc;

use domovoi_adapters::{Right, Rights, Scale, common};
use domovoi_store::CredentialInfo;

use super::limits::Allowance;
use crate::policy::{Assurance, Decision, MqttRole, Network, Refusal, Role, Subject, Verb, Who, covers, decide_topic};

/// A connected client, as the policy sees it.
#[derive(Debug)]
pub struct Access {
    /// The credential's name.
    pub username: String,
    pub(super) role: MqttRole,
    pub(super) allowance: Arc<Allowance>,
    /// When its certificate ends, in nanoseconds since the start of the limits' clock.
    pub(super) ends: Option<u64>,
    who: Who,
    pub(super) topics: TopicRights,
}

/// What a credential may do with topics, for what its device announces.
#[derive(Debug, Clone)]
pub struct TopicRights {
    publish: Vec<String>,
    subscribe: Vec<String>,
    scale: Scale,
}

impl TopicRights {
    /// Of a credential.
    pub fn of(credential: &CredentialInfo) -> Self {
        let role = MqttRole::from_code(&credential.role).unwrap_or(MqttRole::Service);
        TopicRights {
            publish: credential.publish.clone(),
            subscribe: credential.subscribe.clone(),
            scale: if role.is_one_thing() { Scale::One } else { Scale::Many },
        }
    }

    /// How much it may announce.
    pub fn scale(&self) -> Scale {
        self.scale
    }
}

impl Rights for TopicRights {
    fn reaches(&self, right: Right, topic: &str) -> bool {
        let below = format!("{topic}/#");
        let filters = match right {
            Right::Speak => &self.publish,
            Right::Listen => &self.subscribe,
        };
        filters.iter().any(|filter| common(filter, &below).is_some())
    }

    fn narrowed(&self, filter: &str) -> Vec<String> {
        if self.publish.iter().any(|own| covers(own, filter)) {
            return vec![filter.to_owned()];
        }
        let mut own: Vec<String> = self.publish.iter().filter_map(|own| common(own, filter)).collect();
        own.sort();
        own.dedup();
        own
    }
}

impl Access {
    pub(super) fn new(
        credential: &CredentialInfo,
        role: MqttRole,
        address: IpAddr,
        allowance: Arc<Allowance>,
        ends: Option<u64>,
    ) -> Self {
        let by_role = role.subscribes().iter().map(|filter| (*filter).to_owned());
        let subject = Subject::Credential {
            username: credential.username.clone(),
            publish: credential.publish.clone(),
            subscribe: credential.subscribe.iter().cloned().chain(by_role).collect(),
        };
        let network = Network::of(address);
        let who = Who { subject, role: Some(Role::Service), assurance: Assurance::Single, ..Who::nobody(network) };
        let topics = TopicRights::of(credential);
        Access { username: credential.username.clone(), role, allowance, ends, who, topics }
    }

    /// The refusal, if the policy has one.
    pub(super) fn refusal(&self, verb: Verb, topic: &str) -> Option<Refusal> {
        match decide_topic(&self.who, verb, topic) {
            Decision::Allow => None,
            Decision::Refuse(refusal) => Some(refusal),
        }
    }
}
