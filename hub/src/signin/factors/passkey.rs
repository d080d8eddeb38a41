//! Passkeys (WebAuthn): options for the browser, answers from it, as JSON in the shape of
//! `PublicKeyCredential.parseCreationOptionsFromJSON`, `parseRequestOptionsFromJSON` and `toJSON`. The ceremonies
//! themselves are `webauthn-rs`'s.
//!
//! A passkey here always verifies its user and can always be found without a login: it is two factors at once. Its user
//! handle is the person's opaque id, because an authenticator shows it to whoever holds the key. Challenges are values
//! that the sign-in room keeps in memory, for five minutes and one use; nothing here remembers them.

#[cfg(test)]
mod tests;

use domovoi_model::{Id, PersonId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;
use webauthn_rs::prelude::{
    AuthenticationResult, CredentialID, DiscoverableAuthentication, DiscoverableKey, Passkey, PasskeyAuthentication,
    PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential, WebauthnError,
};
use webauthn_rs::{Webauthn, WebauthnBuilder};

use super::super::view::Policy;

/// A TPM's attestation with its certificates has some 6 KiB.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Passkeys of one person.
pub const KEYS_MAX: usize = 20;

/// Why a passkey was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasskeyError {
    /// This home has no origin that passkeys can be bound to; the sentence says why.
    #[error("{0}")]
    NotPossible(String),
    /// The answer is not of this challenge, not of this home, or not signed by the key. The words are for the log.
    #[error("the passkey's answer was refused: {0}")]
    Wrong(String),
    /// The signature counter went back: the key has been copied. Refused, and to be written into the journal.
    #[error("the passkey's counter went back: there is a copy of the key")]
    Copied,
    /// The person has as many as there may be.
    #[error("there are {KEYS_MAX} passkeys already: remove one first")]
    TooMany,
}

/// A passkey as it is kept: the public half, its id, its counter.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeptPasskey(Passkey);

impl KeptPasskey {
    /// Opaque; the same key has the same id.
    pub fn id(&self) -> &[u8] {
        self.0.cred_id()
    }
}

impl std::fmt::Debug for KeptPasskey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeptPasskey")
    }
}

/// A registration under way.
#[derive(Debug)]
pub struct Registration {
    person: PersonId,
    state: PasskeyRegistration,
}

/// A challenge for whoever has a passkey of this home.
#[derive(Debug)]
pub struct AnyonesChallenge(DiscoverableAuthentication);

/// A challenge for one person's passkeys.
#[derive(Debug)]
pub struct PersonsChallenge {
    person: PersonId,
    state: PasskeyAuthentication,
}

/// The relying party.
#[derive(Debug, Clone)]
pub struct Passkeys(Webauthn);

impl Passkeys {
    /// Passkeys of the configured host, taken from the origins that lie under it. An address (`https://192.168.1.5`) can
    /// have no passkeys, and such origins are passed over.
    pub fn new(policy: &Policy) -> Result<Self, PasskeyError> {
        let host = policy.host.as_str();
        let under = |url: &Url| {
            let secure = url.scheme() == "https" || (url.scheme() == "http" && url.domain() == Some("localhost"));
            let of_host = url.domain().is_some_and(|domain| {
                domain == host || domain.strip_suffix(host).is_some_and(|before| before.ends_with('.'))
            });
            secure && of_host
        };
        let origins: Vec<Url> =
            policy.origins.iter().filter_map(|origin| Url::parse(origin).ok()).filter(under).collect();
        let Some((first, rest)) = origins.split_first() else {
            return Err(PasskeyError::NotPossible(format!(
                "passkeys are bound to a name that is reached by https; no origin of `{host}` is"
            )));
        };
        let not_possible = |why: WebauthnError| PasskeyError::NotPossible(format!("passkeys for `{host}`: {why}"));
        let home = if policy.home.is_empty() { host } else { &policy.home };
        let mut builder = WebauthnBuilder::new(host, first).map_err(not_possible)?.rp_name(home);
        for origin in rest {
            builder = builder.append_allowed_origin(origin);
        }
        builder.build().map(Passkeys).map_err(not_possible)
    }

    /// Options for `navigator.credentials.create`. `name` is what the authenticator shows its owner.
    pub fn offer(
        &self,
        person: PersonId,
        name: &str,
        existing: &[KeptPasskey],
    ) -> Result<(Value, Registration), PasskeyError> {
        if existing.len() >= KEYS_MAX {
            return Err(PasskeyError::TooMany);
        }
        let exclude: Vec<CredentialID> = existing.iter().map(|key| key.0.cred_id().clone()).collect();
        let name = if name.trim().is_empty() { "?" } else { name };
        let (options, state) =
            self.0.start_passkey_registration(handle(person), name, name, Some(exclude)).map_err(wrong)?;
        let mut options = public_key(&options)?;
        if let Some(selection) = options.get_mut("authenticatorSelection").and_then(Value::as_object_mut) {
            // A sign-in without a login finds only keys that the authenticator can list by itself.
            selection.insert("residentKey".to_owned(), json!("required"));
            selection.insert("requireResidentKey".to_owned(), json!(true));
        }
        if let Some(extensions) = options.get_mut("extensions").and_then(Value::as_object_mut) {
            extensions.retain(|name, _| name != "uvm");
        }
        Ok((options, Registration { person, state }))
    }

    /// The key that was made.
    pub fn add(&self, pending: &Registration, person: PersonId, response: Value) -> Result<KeptPasskey, PasskeyError> {
        if pending.person != person {
            return Err(PasskeyError::Wrong("the registration was begun by another person".to_owned()));
        }
        let response: RegisterPublicKeyCredential = read(response)?;
        if response.extensions.cred_props.as_ref().and_then(|props| props.rk) == Some(false) {
            return Err(PasskeyError::Wrong("the authenticator did not make it discoverable".to_owned()));
        }
        self.0.finish_passkey_registration(&response, &pending.state).map(KeptPasskey).map_err(wrong)
    }

    /// Options for `navigator.credentials.get` without a login.
    pub fn challenge(&self) -> Result<(Value, AnyonesChallenge), PasskeyError> {
        let (options, state) = self.0.start_discoverable_authentication().map_err(wrong)?;
        let mut options = public_key(&options)?;
        if let Some(options) = options.as_object_mut() {
            options.remove("extensions");
        }
        Ok((options, AnyonesChallenge(state)))
    }

    /// Whose passkey an answer claims to be. Nothing is proved by it: it says whose keys to try.
    pub fn claimed(&self, response: &Value) -> Result<PersonId, PasskeyError> {
        let response: PublicKeyCredential = read(response.clone())?;
        let (handle, _) = self.0.identify_discoverable_authentication(&response).map_err(wrong)?;
        Ok(PersonId(Id(handle.into_bytes())))
    }

    /// Verifies an answer to `challenge` with the claimed person's keys. Gives the place of the key that signed; it has
    /// its new counter, and is to be kept again.
    pub fn answer(
        &self,
        pending: AnyonesChallenge,
        response: Value,
        keys: &mut [KeptPasskey],
    ) -> Result<usize, PasskeyError> {
        let response: PublicKeyCredential = read(response)?;
        let place = keys.iter().position(|key| key.id() == response.get_credential_id());
        let Some((place, key)) = place.and_then(|place| Some((place, keys.get_mut(place)?))) else {
            return Err(PasskeyError::Wrong("no such passkey".to_owned()));
        };
        let discoverable = DiscoverableKey::from(&key.0);
        let result =
            self.0.finish_discoverable_authentication_v2(&response, pending.0, &discoverable).map_err(wrong)?;
        used(key, &result)?;
        Ok(place)
    }

    /// Options for `navigator.credentials.get` with one person's keys: a second factor, or a step-up.
    pub fn challenge_for(
        &self,
        person: PersonId,
        keys: &[KeptPasskey],
    ) -> Result<(Value, PersonsChallenge), PasskeyError> {
        if keys.is_empty() {
            return Err(PasskeyError::Wrong("the person has no passkey".to_owned()));
        }
        let keys: Vec<Passkey> = keys.iter().map(|key| key.0.clone()).collect();
        let (options, state) = self.0.start_passkey_authentication(&keys).map_err(wrong)?;
        Ok((public_key(&options)?, PersonsChallenge { person, state }))
    }

    /// Verifies an answer to `challenge_for`, as `answer` does.
    pub fn answer_for(
        &self,
        pending: &PersonsChallenge,
        person: PersonId,
        response: Value,
        keys: &mut [KeptPasskey],
    ) -> Result<usize, PasskeyError> {
        if pending.person != person {
            return Err(PasskeyError::Wrong("the challenge was another person's".to_owned()));
        }
        let response: PublicKeyCredential = read(response)?;
        if response.get_user_unique_id().is_some_and(|id| id != person.0.0) {
            return Err(PasskeyError::Wrong("the key names another person".to_owned()));
        }
        let result = self.0.finish_passkey_authentication(&response, &pending.state).map_err(wrong)?;
        let place = keys.iter().position(|key| key.id() == response.get_credential_id());
        let Some((place, key)) = place.and_then(|place| Some((place, keys.get_mut(place)?))) else {
            return Err(PasskeyError::Wrong("the passkey was removed meanwhile".to_owned()));
        };
        used(key, &result)?;
        Ok(place)
    }
}

/// Writes the new counter into a key. The state of a ceremony holds the counter of its beginning, so two answers within
/// five minutes are compared with what is kept now.
fn used(key: &mut KeptPasskey, result: &AuthenticationResult) -> Result<(), PasskeyError> {
    if !result.user_verified() {
        return Err(PasskeyError::Wrong("the authenticator did not verify its user".to_owned()));
    }
    let known = counter(&key.0);
    if result.counter() > 0 && known.is_some_and(|known| result.counter() <= known) {
        return Err(PasskeyError::Copied);
    }
    key.0.update_credential(result);
    Ok(())
}

/// The crate shows the counter in the stored form only.
fn counter(key: &Passkey) -> Option<u32> {
    serde_json::to_value(key).ok()?.get("cred")?.get("counter")?.as_u64()?.try_into().ok()
}

fn handle(person: PersonId) -> Uuid {
    Uuid::from_bytes(person.0.0)
}

fn public_key(options: &impl Serialize) -> Result<Value, PasskeyError> {
    let mut options = serde_json::to_value(options).map_err(|why| PasskeyError::Wrong(why.to_string()))?;
    Ok(options.get_mut("publicKey").map(Value::take).unwrap_or_default())
}

/// A browser's `toJSON`, within the caps. What the browser says of extensions is dropped but for `credProps`: the shapes
/// differ between browsers, and nothing is decided by them.
fn read<T: serde::de::DeserializeOwned>(mut response: Value) -> Result<T, PasskeyError> {
    let too_long = |value: &Value| value.as_str().is_some_and(|text| text.len() > ANSWER_BYTES_MAX);
    let parts = response.get("response").and_then(Value::as_object);
    if !response.is_object() || parts.is_none_or(|parts| parts.len() > 32 || parts.values().any(too_long)) {
        return Err(PasskeyError::Wrong("the answer is not a credential, or too large".to_owned()));
    }
    if let Some(object) = response.as_object_mut() {
        let extensions = object.remove("clientExtensionResults").or_else(|| object.remove("extensions"));
        object.remove("extensions");
        let discoverable = extensions.as_ref().and_then(|all| all.get("credProps")?.get("rk")?.as_bool());
        object
            .insert("extensions".to_owned(), discoverable.map_or(json!({}), |rk| json!({ "credProps": { "rk": rk } })));
        if let Some(parts) = object.get_mut("response").and_then(Value::as_object_mut) {
            parts.entry("userHandle").or_insert(Value::Null);
            parts.entry("transports").or_insert(Value::Null);
        }
    }
    serde_json::from_value(response).map_err(|why| PasskeyError::Wrong(format!("the answer cannot be read: {why}")))
}

fn wrong(why: WebauthnError) -> PasskeyError {
    match why {
        WebauthnError::CredentialPossibleCompromise => PasskeyError::Copied,
        why => PasskeyError::Wrong(why.to_string()),
    }
}
