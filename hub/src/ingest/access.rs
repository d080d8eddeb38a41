//! A client of the broker that was let in: who it is for the policy, and what it may send. It decides nothing by itself.

use std::net::IpAddr;
use std::sync::Arc;

use domovoi_store::CredentialInfo;

use super::limits::Allowance;
use crate::policy::{Assurance, Decision, MqttRole, Network, Refusal, Role, Subject, Verb, Who, decide_topic};

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
        Access { username: credential.username.clone(), role, allowance, ends, who }
    }

    /// The refusal, if the policy has one.
    pub(super) fn refusal(&self, verb: Verb, topic: &str) -> Option<Refusal> {
        match decide_topic(&self.who, verb, topic) {
            Decision::Allow => None,
            Decision::Refuse(refusal) => Some(refusal),
        }
    }
}
