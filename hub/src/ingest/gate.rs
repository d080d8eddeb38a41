//! The gate of the embedded broker: who may come in, and when what they publish is kept. What may be published and
//! subscribed to is the policy's word; it is asked for every packet, on the task that reads the socket.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use domovoi_adapters::Road;
use domovoi_broker::{
    Admission, ConnectRefusal, ConnectRequest, Durable, Ending, Gate, NotKept, Peer, Publish, Refusal, Verdict,
};
use domovoi_store::CredentialInfo;

use super::refusals::Tried;
use super::{Arrival, Ingest, printable};
use crate::audit::Actor;
use crate::policy::{self, Assurance, Decision, Network, Role, Subject, Verb, Who, decide_topic};

/// A connected client, as the policy sees it.
#[derive(Debug)]
pub struct Access {
    /// The credential's name.
    pub username: String,
    who: Who,
}

impl Access {
    fn new(credential: &CredentialInfo, address: IpAddr) -> Self {
        let subject = Subject::Credential {
            username: credential.username.clone(),
            publish: credential.publish.clone(),
            subscribe: credential.subscribe.clone(),
        };
        let network = Network::of(address);
        let who = Who { subject, role: Some(Role::Service), assurance: Assurance::Single, ..Who::nobody(network) };
        Access { username: credential.username.clone(), who }
    }

    /// The refusal, if the policy has one.
    fn refusal(&self, verb: Verb, topic: &str) -> Option<policy::Refusal> {
        match decide_topic(&self.who, verb, topic) {
            Decision::Allow => None,
            Decision::Refuse(refusal) => Some(refusal),
        }
    }
}

/// The gate that the broker asks.
pub struct HubGate {
    ingest: Arc<Ingest>,
    private_peers_only: bool,
}

impl HubGate {
    /// `private_peers_only`: an address outside loopback, private and link-local ranges is turned away.
    pub fn new(ingest: Arc<Ingest>, private_peers_only: bool) -> Self {
        HubGate { ingest, private_peers_only }
    }
}

impl Gate for HubGate {
    type Access = Access;

    async fn connect(&self, request: ConnectRequest) -> Result<Access, ConnectRefusal> {
        let refuse = |refusal, code: &'static str, why: &str| {
            let claimed = request.username.as_deref().unwrap_or_default();
            if self.ingest.refusals.add(Tried::Connect, &Actor::Nobody, request.peer.ip(), claimed, code) {
                tracing::warn!(peer = %request.peer, client = %printable(&request.client_id), "not let in: {why}");
            }
            self.ingest.turned_away(&format!("{} ({})", request.client_id, request.peer.ip()), why);
            Err(refusal)
        };
        if self.private_peers_only && Network::of(request.peer.ip()) != Network::Home {
            return refuse(ConnectRefusal::NotAuthorized, "home-only", "the address is not a private one");
        }
        let (Some(username), Some(password)) = (&request.username, &request.password) else {
            return refuse(
                ConnectRefusal::BadCredentials,
                "sign-in",
                "no user name and password; issue one with `domovoi mqtt add`",
            );
        };
        let found = match self.ingest.store().credentials().find(username).await {
            Ok(found) => found,
            Err(error) => {
                tracing::error!("credentials cannot be read: {error}");
                return Err(ConnectRefusal::Unavailable);
            }
        };
        let Some(credential) = found.filter(|c| std::str::from_utf8(password).is_ok_and(|p| c.verify(p))) else {
            return refuse(ConnectRefusal::BadCredentials, "sign-in", "user name or password is wrong");
        };
        let access = Access::new(&credential.info, request.peer.ip());
        if let Some(will) = &request.will
            && let Some(refusal) = access.refusal(Verb::Submit, &will.topic)
        {
            return refuse(
                ConnectRefusal::NotAuthorized,
                refusal.code(),
                "its will is for a topic that is not its own",
            );
        }
        if !self.ingest.came_in(&request.client_id, username) {
            return refuse(
                ConnectRefusal::BadClientId,
                "denied",
                "the client id belongs to another credential, which is connected",
            );
        }
        Ok(access)
    }

    fn publish(&self, peer: &Peer<Access>, publish: &Publish) -> Admission {
        if let Some(refusal) = peer.access.refusal(Verb::Submit, &publish.topic) {
            self.refused(peer, Tried::Publish, &publish.topic, &refusal);
            return Admission::refuse(Refusal::NotAuthorized);
        }
        let sender = peer.access.username.as_str();
        let commit = self.ingest.take(Arrival {
            road: Road::Embedded,
            sender,
            topic: &publish.topic,
            payload: &publish.payload,
            retained: publish.retain,
            again: publish.dup,
        });
        let durable = match commit {
            None => Durable::Now,
            Some(commit) => Durable::when(async { commit.await.map(drop).map_err(|_| NotKept) }),
        };
        Admission { verdict: Verdict::Forward, durable }
    }

    fn disconnected(&self, peer: &Peer<Access>, ending: &Ending) {
        self.ingest.went_out(&peer.client_id);
        if let Ending::Violation { what, .. } = ending {
            tracing::warn!(user = %printable(&peer.access.username), peer = %peer.address, "sent away: {what}");
            self.ingest.turned_away(&format!("{} ({})", peer.access.username, peer.address.ip()), what);
        }
    }

    fn subscribe(&self, peer: &Peer<Access>, filter: &str) -> bool {
        let refusal = peer.access.refusal(Verb::See, filter);
        if let Some(refusal) = &refusal {
            self.refused(peer, Tried::Subscribe, filter, refusal);
        }
        refusal.is_none()
    }
}

impl HubGate {
    fn refused(&self, peer: &Peer<Access>, tried: Tried, topic: &str, refusal: &policy::Refusal) {
        self.ingest.counters().refused.fetch_add(1, Ordering::Relaxed);
        let actor = Actor::Credential(peer.access.username.clone());
        if self.ingest.refusals.add(tried, &actor, peer.address.ip(), topic, refusal.code()) {
            tracing::warn!(
                user = %printable(&peer.access.username),
                topic = %printable(topic),
                "refused: the credential does not name this topic"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_address_is_told_from_a_public_one() {
        for (text, yes) in [
            ("127.0.0.1", true),
            ("192.168.1.5", true),
            ("10.1.2.3", true),
            ("::1", true),
            ("fd00::1", true),
            ("fe80::1", true),
            ("::ffff:192.168.1.5", true),
            ("8.8.8.8", false),
            ("2001:db8::1", false),
            ("::ffff:8.8.8.8", false),
        ] {
            assert_eq!(Network::of(text.parse().unwrap()) == Network::Home, yes, "{text}");
        }
    }
}
