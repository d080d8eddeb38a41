//! A client of the broker that was let in: who it is for the policy, what it may send, and that it is there. It decides
//! nothing by itself.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domovoi_store::CredentialInfo;

use super::Ingest;
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
    here: Option<Here>,
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
        Access { username: credential.username.clone(), role, allowance, ends, who, here: None }
    }

    /// The refusal, if the policy has one.
    pub(super) fn refusal(&self, verb: Verb, topic: &str) -> Option<Refusal> {
        match decide_topic(&self.who, verb, topic) {
            Decision::Allow => None,
            Decision::Refuse(refusal) => Some(refusal),
        }
    }

    pub(super) fn is_here(&mut self, here: Here) {
        self.here = Some(here);
    }

    /// It is no longer connected.
    pub(super) fn left(&self) {
        if let Some(here) = &self.here {
            here.left();
        }
    }
}

/// That a client is connected under its id. The broker says when it is not; should it ever forget to, the client is gone
/// when nothing knows it any more, so that no id stays taken.
pub(super) struct Here {
    ingest: Arc<Ingest>,
    client_id: String,
    left: AtomicBool,
}

impl Here {
    /// None if the id belongs to another credential, which is connected.
    pub(super) fn take(ingest: &Arc<Ingest>, client_id: &str, username: &str) -> Option<Self> {
        ingest.came_in(client_id, username).then(|| Self {
            ingest: Arc::clone(ingest),
            client_id: client_id.to_owned(),
            left: AtomicBool::new(false),
        })
    }

    fn left(&self) {
        if !self.left.swap(true, Ordering::Relaxed) {
            self.ingest.went_out(&self.client_id);
        }
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        self.left();
    }
}

impl std::fmt::Debug for Here {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Here").field("left", &self.left).finish_non_exhaustive()
    }
}
