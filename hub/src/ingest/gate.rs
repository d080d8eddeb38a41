//! The gate of the embedded broker: who may come in, and when what they publish is kept. What may be published and
//! subscribed to is the policy's word; it is asked for every packet, on the task that reads the socket. The order of
//! reasons is the order of prices: the topic, the size, the rate, and only then what the message is.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use domovoi_adapters::Road;
use domovoi_broker::{
    Absent, Admission, ConnectRefusal, ConnectRequest, Durable, Ending, Gate, NotKept, Peer, Protocol, Publish, QoS,
    Refusal, Verdict, WillSummary,
};
use domovoi_config::{Mqtt, Refusal311, RetainedCommands};
use domovoi_model::Timestamp;
use domovoi_store::{Credential, CredentialInfo, Opened, StoreError};
use tokio::time::Instant;

use super::access::Access;
use super::guesses::Guesses;
use super::limits::Limits;
use super::refusals::Tried;
use super::{Arrival, Ingest, printable};
use crate::audit::Actor;
use crate::certificates::shown_by;
use crate::policy::{self, MqttRole, Network, Verb};

/// Why a message is refused beside what the policy has to say: codes for the journal of deeds.
const TOO_LARGE: &str = "too-large";
const OVER_LIMIT: &str = "over-limit";
const RETAINED_COMMAND: &str = "retained-command";

/// The gate that the broker asks.
pub struct HubGate {
    ingest: Arc<Ingest>,
    settings: Mqtt,
    limits: Limits,
    guesses: Guesses,
    /// Whose new password was just used for the first time, and is being written down so.
    used: Arc<Mutex<HashSet<String>>>,
}

/// Why somebody is not let in.
struct Stranger {
    refusal: ConnectRefusal,
    code: &'static str,
    why: &'static str,
    /// A password or certificate was shown, and was wrong.
    guessed: bool,
}

impl Stranger {
    fn new(refusal: ConnectRefusal, code: &'static str, why: &'static str) -> Self {
        Self { refusal, code, why, guessed: false }
    }

    fn guess(why: &'static str) -> Self {
        Self { guessed: true, ..Self::new(ConnectRefusal::BadCredentials, "sign-in", why) }
    }

    fn unreadable(error: &StoreError) -> Self {
        tracing::error!("credentials cannot be read: {error}");
        Self::new(ConnectRefusal::Unavailable, "", "")
    }
}

impl HubGate {
    /// With what the settings say of clients.
    pub fn new(ingest: Arc<Ingest>, settings: Mqtt) -> Self {
        HubGate { ingest, settings, limits: Limits::new(), guesses: Guesses::default(), used: Arc::default() }
    }

    /// From memory: a sensor that connects because it is wet waits for no disk.
    async fn identify(&self, request: &ConnectRequest) -> Result<(Arc<Credential>, Opened), Stranger> {
        let credentials = self.ingest.store().credentials();
        let find =
            async |username: &str| credentials.at_hand(username).await.map_err(|error| Stranger::unreadable(&error));
        if let (Some(username), Some(password)) = (&request.username, &request.password) {
            let found = find(username).await?;
            let open = |credential: Arc<Credential>| {
                let opened = std::str::from_utf8(password).ok().and_then(|password| credential.open(password))?;
                Some((credential, opened))
            };
            return found.and_then(open).ok_or_else(|| Stranger::guess("user name or password is wrong"));
        }
        let Some(der) = &request.certificate else {
            return Err(Stranger::new(
                ConnectRefusal::BadCredentials,
                "sign-in",
                "no user name and password; issue one with `domovoi mqtt add`",
            ));
        };
        let Some((username, fingerprint)) = shown_by(der) else {
            return Err(Stranger::guess("its certificate cannot be read"));
        };
        // A device that warns of gas must come in before the clock is right, so what has surely ended has ended.
        let now = self.ingest.clock.at_least();
        let known = find(&username).await?.and_then(|credential| {
            let opened = credential.shown(&fingerprint)?;
            opened.ends_at.is_some_and(|ends_at| ends_at > now).then_some((credential, opened))
        });
        known.ok_or_else(|| Stranger::guess("its certificate was withdrawn, has ended, or is not for MQTT"))
    }

    /// Somebody has come with the new password of a credential that was issued anew: the one before opens nothing any more,
    /// and who is there with it goes.
    fn is_used(&self, username: &str) {
        let begun = self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(username.to_owned());
        if !begun {
            return;
        }
        self.ingest.send_away(username);
        let (store, used, username) = (self.ingest.store().clone(), Arc::clone(&self.used), username.to_owned());
        tokio::spawn(async move {
            if let Err(error) = store.credentials().used(&username).await {
                tracing::warn!("a password that was replaced still counts: {error}");
            }
            used.lock().unwrap_or_else(PoisonError::into_inner).remove(&username);
        });
    }

    fn access(&self, info: &CredentialInfo, address: IpAddr, ends_at: Option<Timestamp>) -> Access {
        let role = MqttRole::from_code(&info.role).unwrap_or(MqttRole::Service);
        let (rate, largest) = if role.is_one_thing() {
            (self.settings.device_max_rate, self.settings.device_max_message)
        } else {
            (self.settings.max_rate, self.settings.max_packet)
        };
        let ends = ends_at.zip(self.ingest.clock.trusted()).map(|(ends_at, now)| {
            let left_millis = u64::try_from(ends_at.0.saturating_sub(now.0)).unwrap_or(0);
            self.limits.now().saturating_add(left_millis.saturating_mul(1_000_000))
        });
        Access::new(info, role, address, self.limits.of(&info.username, rate, largest), ends)
    }

    /// Why a client may not have this will, which is judged once it speaks, too.
    fn will_refused(&self, access: &Access, will: &WillSummary) -> Option<(&'static str, &'static str)> {
        if let Some(refusal) = access.refusal(Verb::Submit, &will.topic) {
            return Some((refusal.code(), "its will is for a topic that is not its own"));
        }
        if !self.ingest.is_command(&will.topic) {
            return None;
        }
        let refused_retained = self.settings.retained_commands == RetainedCommands::Refuse;
        if !access.role.may_command() {
            Some((policy::Refusal::Role.code(), "its will is a command, and its role commands nobody"))
        } else if will.retain && will.payload_bytes > 0 && refused_retained {
            Some((RETAINED_COMMAND, "its will is a command that is to be retained"))
        } else {
            None
        }
    }

    async fn turn_away(&self, request: &ConnectRequest, stranger: Stranger) -> ConnectRefusal {
        if stranger.code.is_empty() {
            return stranger.refusal;
        }
        let (address, why) = (request.peer.ip(), stranger.why);
        let claimed = request.username.as_deref().unwrap_or_default();
        if self.ingest.refusals.add(Tried::Connect, &Actor::Nobody, address, claimed, stranger.code) {
            tracing::warn!(peer = %request.peer, client = %printable(&request.client_id), "not let in: {why}");
        }
        self.ingest.turned_away(&format!("{} ({address})", request.client_id), why);
        if stranger.guessed {
            self.ingest.callers.wrong_password(claimed);
            self.ingest.counters().wrong_passwords.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(self.guesses.wrong(address, Instant::now())).await;
        }
        stranger.refusal
    }

    /// How a message is refused: MQTT 5 has words for it, 3.1.1 has what the settings say.
    fn refuse(peer: &Peer<Access>, publish: &Publish, refusal: Refusal, in_311: Refusal311) -> Admission {
        let closes =
            peer.protocol == Protocol::V311 && publish.qos != QoS::AtMostOnce && in_311 == Refusal311::Disconnect;
        let verdict = if closes { Verdict::Disconnect(refusal) } else { Verdict::Refuse(refusal) };
        Admission { verdict, durable: Durable::Now }
    }

    /// Whether a message is larger than such a client's may be.
    fn is_too_large(&self, access: &Access, bytes: usize) -> bool {
        access.role.is_one_thing() && bytes as u64 > self.settings.device_max_message
    }

    /// Somebody tells a device something past the policy, which asks for no factor here: that is written down, the first at
    /// once and the others of a quarter of an hour together.
    fn note_command(&self, peer: &Peer<Access>, publish: &Publish) {
        if self.ingest.is_command(&publish.topic) {
            let actor = Actor::Credential(peer.access.username.clone());
            self.ingest.refusals.add(Tried::Command, &actor, peer.address.ip(), &publish.topic, "");
        }
    }

    /// Looks at a message that is refused for its rate, or because its sender's time has just run out: what warns of a danger
    /// is heard, in bounds of its own.
    fn glance(&self, peer: &Peer<Access>, publish: &Publish, now: u64) {
        let access = &peer.access;
        if access.role.speaks_for_devices() && access.allowance.glance(now, self.ingest.is_close(&publish.topic)) {
            self.look(access, publish);
        }
    }

    fn look(&self, access: &Access, publish: &Publish) {
        if access.role.speaks_for_devices() {
            self.ingest.glance(&arrival(access, publish), Some(&access.topics));
        }
    }

    fn not_allowed(&self, peer: &Peer<Access>, publish: &Publish, code: &'static str) -> Admission {
        self.ingest.counters().refused.fetch_add(1, Ordering::Relaxed);
        self.tell(peer, Tried::Publish, &publish.topic, code);
        Self::refuse(peer, publish, Refusal::NotAuthorized, self.settings.refusals_311)
    }

    fn tell(&self, peer: &Peer<Access>, tried: Tried, topic: &str, code: &'static str) {
        self.ingest.callers.refused(&peer.access.username, topic);
        let actor = Actor::Credential(peer.access.username.clone());
        if self.ingest.refusals.add(tried, &actor, peer.address.ip(), topic, code) {
            tracing::warn!(
                user = %printable(&peer.access.username),
                topic = %printable(topic),
                "refused ({code}); what repeats is counted"
            );
        }
    }
}

fn arrival<'a>(access: &'a Access, publish: &'a Publish) -> Arrival<'a> {
    Arrival {
        road: Road::Embedded,
        sender: &access.username,
        topic: &publish.topic,
        payload: &publish.payload,
        retained: publish.retain,
        again: publish.dup,
    }
}

impl Gate for HubGate {
    type Access = Access;

    async fn connect(&self, request: ConnectRequest) -> Result<Access, ConnectRefusal> {
        let address = request.peer.ip();
        let found = if self.settings.private_peers_only && Network::of(address) != Network::Home {
            Err(Stranger::new(ConnectRefusal::NotAuthorized, "home-only", "the address is not a private one"))
        } else {
            self.identify(&request).await
        };
        let stranger = match found {
            Err(stranger) => stranger,
            Ok((credential, opened)) => {
                let access = self.access(&credential.info, address, opened.ends_at);
                match request.will.as_ref().and_then(|will| self.will_refused(&access, will)) {
                    Some((code, why)) => Stranger::new(ConnectRefusal::NotAuthorized, code, why),
                    None => {
                        if opened.first {
                            self.is_used(&access.username);
                        }
                        self.ingest.callers.came(&access.username);
                        return Ok(access);
                    }
                }
            }
        };
        Err(self.turn_away(&request, stranger).await)
    }

    fn owner(&self, access: &Access, _username: Option<&str>) -> Option<String> {
        Some(access.username.clone())
    }

    fn publish(&self, peer: &Peer<Access>, publish: &Publish) -> Admission {
        let access = &peer.access;
        let counters = self.ingest.counters();
        if let Some(refusal) = access.refusal(Verb::Submit, &publish.topic) {
            return self.not_allowed(peer, publish, refusal.code());
        }
        let bytes = publish.topic.len() + publish.payload.len();
        if self.is_too_large(access, bytes) {
            counters.too_large.fetch_add(1, Ordering::Relaxed);
            self.tell(peer, Tried::Publish, &publish.topic, TOO_LARGE);
            return Self::refuse(peer, publish, Refusal::QuotaExceeded, self.settings.refusals_311);
        }
        let now = self.limits.now();
        if access.ends.is_some_and(|ends| now >= ends) {
            self.glance(peer, publish, now);
            return Admission { verdict: Verdict::Disconnect(Refusal::NotAuthorized), durable: Durable::Now };
        }
        if !access.allowance.take(now, bytes) {
            counters.over_limit.fetch_add(1, Ordering::Relaxed);
            self.tell(peer, Tried::Publish, &publish.topic, OVER_LIMIT);
            self.glance(peer, publish, now);
            return Self::refuse(peer, publish, Refusal::QuotaExceeded, self.settings.over_limit_311);
        }
        let mut verdict = Verdict::Forward;
        if (publish.retain || !access.role.may_command()) && self.ingest.is_command(&publish.topic) {
            if !access.role.may_command() {
                return self.not_allowed(peer, publish, policy::Refusal::Role.code());
            }
            // An empty one takes back what somebody left there.
            if !publish.payload.is_empty() {
                counters.retained_commands.fetch_add(1, Ordering::Relaxed);
                if self.settings.retained_commands == RetainedCommands::Refuse {
                    return self.not_allowed(peer, publish, RETAINED_COMMAND);
                }
                self.tell(peer, Tried::Publish, &publish.topic, RETAINED_COMMAND);
                verdict = Verdict::ForwardUnretained;
            }
        }
        if !access.role.speaks_for_devices() {
            self.note_command(peer, publish);
            return Admission { verdict, durable: Durable::Now };
        }
        self.ingest.callers.said(&access.username, &publish.topic);
        let commit = self.ingest.take_from(arrival(access, publish), Some(&access.topics));
        let durable = match commit {
            None => {
                // A bridge speaks to its own all day long.
                if access.role == MqttRole::Service {
                    self.note_command(peer, publish);
                }
                Durable::Now
            }
            Some(commit) => Durable::when(async { commit.await.map(drop).map_err(|_| NotKept) }),
        };
        Admission { verdict, durable }
    }

    /// Past the bound of what waits to be durable. Rates are not asked: a flood of its own telemetry is what a sensor
    /// that burns may send, and only hazards are looked at.
    fn overflow(&self, peer: &Peer<Access>, publish: &Publish) {
        let access = &peer.access;
        if !self.is_too_large(access, publish.topic.len() + publish.payload.len())
            && access.refusal(Verb::Submit, &publish.topic).is_none()
        {
            self.look(access, publish);
        }
    }

    fn subscribe(&self, peer: &Peer<Access>, filter: &str) -> bool {
        let refusal = peer.access.refusal(Verb::See, filter);
        if let Some(refusal) = &refusal {
            self.ingest.counters().refused.fetch_add(1, Ordering::Relaxed);
            self.tell(peer, Tried::Subscribe, filter, refusal.code());
        } else {
            self.ingest.came(filter);
        }
        refusal.is_none()
    }

    async fn recall(&self, absent: &Absent) -> Option<Access> {
        let found = self.ingest.store().credentials().at_hand(absent.username.as_deref()?).await;
        let credential = found.inspect_err(|error| tracing::error!("credentials cannot be read: {error}")).ok()??;
        let ends_at = credential.info.certificate.map(|tied| tied.ends_at);
        Some(self.access(&credential.info, absent.address.ip(), ends_at))
    }

    fn may_stay_retained(&self, topic: &str) -> bool {
        let command = self.ingest.is_command(topic);
        if command {
            self.ingest.counters().retained_commands.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(topic = %printable(topic), "a command was retained here before; it is forgotten");
        }
        !command
    }

    fn disconnected(&self, peer: &Peer<Access>, ending: &Ending) {
        self.ingest.callers.went(&peer.access.username);
        if let Ending::Violation { what, .. } = ending {
            tracing::warn!(user = %printable(&peer.access.username), peer = %peer.address, "sent away: {what}");
            self.ingest.turned_away(&format!("{} ({})", peer.access.username, peer.address.ip()), what);
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
