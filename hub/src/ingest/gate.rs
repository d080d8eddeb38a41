//! The gate of the embedded broker: who may come in, what may be published where, and when it is kept.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use domovoi_adapters::Road;
use domovoi_broker::{
    Admission, ConnectRefusal, ConnectRequest, Durable, Ending, Gate, NotKept, Peer, Publish, Refusal, Verdict, matches,
};

use tokio::sync::oneshot;

use super::{Ingest, printable};

/// The topics of our own. Nobody outside publishes there.
const OWN_PREFIX: &str = "domovoi/";

/// What a connected client may do.
#[derive(Debug)]
pub struct Access {
    /// The credential's name.
    pub username: String,
    publish: Vec<String>,
    subscribe: Vec<String>,
}

impl Access {
    fn may_publish(&self, topic: &str) -> bool {
        !topic.starts_with(OWN_PREFIX) && self.publish.iter().any(|filter| matches(filter, topic))
    }

    /// A subscription is allowed when every topic it could bring is one the credential names.
    fn may_subscribe(&self, filter: &str) -> bool {
        self.subscribe.iter().any(|allowed| covers(allowed, filter))
    }
}

/// Whether every topic that `asked` matches is matched by `allowed` too.
fn covers(allowed: &str, asked: &str) -> bool {
    // MQTT 4.7.2: a leading wildcard does not reach topics that begin with $, and a filter that names them does.
    if allowed.starts_with(['+', '#']) && asked.starts_with('$') {
        return false;
    }
    let mut allowed = allowed.split('/');
    let mut asked = asked.split('/');
    loop {
        match (allowed.next(), asked.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some(_), Some("#")) | (None, Some(_)) => return false,
            (Some("+"), Some(_)) => {}
            (Some(a), Some(b)) if a == b => {}
            _ => return false,
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
        let refuse = |refusal, why: &str| {
            tracing::warn!(peer = %request.peer, client = %printable(&request.client_id), "not let in: {why}");
            self.ingest.turned_away(&format!("{} ({})", request.client_id, request.peer.ip()), why);
            Err(refusal)
        };
        if self.private_peers_only && !is_private(request.peer.ip()) {
            return refuse(ConnectRefusal::NotAuthorized, "the address is not a private one");
        }
        let (Some(username), Some(password)) = (&request.username, &request.password) else {
            return refuse(
                ConnectRefusal::BadCredentials,
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
            return refuse(ConnectRefusal::BadCredentials, "user name or password is wrong");
        };
        let access = Access {
            username: username.clone(),
            publish: credential.info.publish.clone(),
            subscribe: credential.info.subscribe.clone(),
        };
        if let Some(will) = &request.will
            && !access.may_publish(&will.topic)
        {
            return refuse(ConnectRefusal::NotAuthorized, "its will is for a topic that is not its own");
        }
        if !self.ingest.came_in(&request.client_id, username) {
            return refuse(
                ConnectRefusal::BadClientId,
                "the client id belongs to another credential, which is connected",
            );
        }
        Ok(access)
    }

    fn publish(&self, peer: &Peer<Access>, publish: &Publish) -> Admission {
        if !peer.access.may_publish(&publish.topic) {
            self.ingest.counters().refused.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(
                user = %printable(&peer.access.username),
                topic = %printable(&publish.topic),
                "refused: the credential does not name this topic"
            );
            return Admission::refuse(Refusal::NotAuthorized);
        }
        let sender = peer.access.username.as_str();
        let commit = self.ingest.take(Road::Embedded, sender, &publish.topic, &publish.payload, publish.retain);
        let durable = match commit {
            None => Durable::Now,
            Some(commit) => {
                let (tell, told) = oneshot::channel();
                tokio::spawn(async move {
                    let kept = matches!(commit.await, Ok(Ok(_)));
                    // The connection may be gone by now; the sample is kept all the same.
                    let _ = tell.send(if kept { Ok(()) } else { Err(NotKept) });
                });
                Durable::When(told)
            }
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
        let may = peer.access.may_subscribe(filter);
        if !may {
            self.ingest.counters().refused.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(
                user = %printable(&peer.access.username),
                filter = %printable(filter),
                "refused: the credential does not name this subscription"
            );
        }
        may
    }
}

/// Loopback, private (RFC 1918, RFC 4193) and link-local addresses: the home's own.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_must_lie_within_what_is_allowed() {
        for (allowed, asked, yes) in [
            ("home/#", "home/#", true),
            ("home/#", "home/+/state", true),
            ("home/+", "home/x", true),
            ("home/+", "home/#", false),
            ("home/x", "home/+", false),
            ("home/+/set", "home/lamp/set", true),
            ("home/+/set", "home/lamp/get", false),
            ("home", "home/x", false),
            ("home/x", "home", false),
            ("#", "anything/at/all", true),
            ("#", "$SYS/#", false),
            ("+/x", "$SYS/x", false),
        ] {
            assert_eq!(covers(allowed, asked), yes, "{allowed} covers {asked}");
        }
    }

    proptest::proptest! {
        /// What `covers` allows never brings a topic that the credential does not name.
        #[test]
        fn covering_is_sound(
            allowed in "([ab+]/){0,3}[ab+#]",
            asked in "([ab+]/){0,3}[ab+#]",
            topic in "([ab]/){0,4}[ab]",
        ) {
            if covers(&allowed, &asked) && matches(&asked, &topic) {
                proptest::prop_assert!(matches(&allowed, &topic), "{} covers {} but not {}", allowed, asked, topic);
            }
        }
    }

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
            assert_eq!(is_private(text.parse().unwrap()), yes, "{text}");
        }
    }
}
