//! Tests only: an authenticator in software, with the browser in front of it. It makes one ES256 credential and answers
//! with it; what it says can be bent in every way that an attacker would try.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::elliptic_curve::Generate as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const BACKED_UP: u8 = 0x18;
const HAS_KEY: u8 = 0x40;

/// A passkey.
pub struct SoftKey {
    signing: SigningKey,
    pub id: [u8; 32],
    /// What the relying party called its user.
    pub user: Vec<u8>,
    /// The next signature's counter; 0 stays 0, as synchronised passkeys have it.
    pub counter: u32,
    /// Whether it asks for a finger or a PIN.
    pub verifies_user: bool,
    /// Whether it goes with its owner's account to other phones.
    pub synchronised: bool,
    /// For which name it signs, whatever the options say.
    pub host: Option<String>,
}

impl SoftKey {
    /// `navigator.credentials.create` with these options on a page of this origin, and what `toJSON` gives.
    pub fn create(options: &Value, origin: &str) -> (Self, Value) {
        let mut id = [0u8; 32];
        getrandom::fill(&mut id).unwrap();
        let key = SoftKey {
            signing: SigningKey::generate(),
            id,
            user: B64.decode(options["user"]["id"].as_str().unwrap()).unwrap(),
            counter: 0,
            verifies_user: true,
            synchronised: false,
            host: None,
        };
        let response = key.attest(options, origin);
        (key, response)
    }

    /// The answer to a registration.
    pub fn attest(&self, options: &Value, origin: &str) -> Value {
        let host = options["rp"]["id"].as_str().unwrap();
        let mut data = self.authenticator_data(host, HAS_KEY);
        data.extend_from_slice(&[0; 16]);
        data.extend_from_slice(&(self.id.len() as u16).to_be_bytes());
        data.extend_from_slice(&self.id);
        data.extend_from_slice(&self.cose_key());
        // {"fmt": "none", "attStmt": {}, "authData": data}
        let mut object = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59".to_vec();
        object.extend_from_slice(&(data.len() as u16).to_be_bytes());
        object.extend_from_slice(&data);
        let client = client_data("webauthn.create", options, origin);
        json!({
            "id": B64.encode(self.id), "rawId": B64.encode(self.id), "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": { "credProps": { "rk": true }, "somethingNew": [1] },
            "response": {
                "attestationObject": B64.encode(object), "clientDataJSON": B64.encode(client),
                "authenticatorData": B64.encode(data), "publicKeyAlgorithm": -7, "transports": ["internal", "smart-card"],
            },
        })
    }

    /// `navigator.credentials.get`, likewise.
    pub fn get(&mut self, options: &Value, origin: &str) -> Value {
        if self.counter > 0 {
            self.counter += 1;
        }
        let data = self.authenticator_data(options["rpId"].as_str().unwrap(), 0);
        let client = client_data("webauthn.get", options, origin);
        let signed = [data.as_slice(), Sha256::digest(&client).as_slice()].concat();
        let signature: Signature = self.signing.sign(&signed);
        json!({
            "id": B64.encode(self.id), "rawId": B64.encode(self.id), "type": "public-key",
            "authenticatorAttachment": "platform", "clientExtensionResults": {},
            "response": {
                "authenticatorData": B64.encode(data), "clientDataJSON": B64.encode(client),
                "signature": B64.encode(signature.to_der().as_bytes()), "userHandle": B64.encode(&self.user),
            },
        })
    }

    fn authenticator_data(&self, host: &str, more: u8) -> Vec<u8> {
        let verified = if self.verifies_user { USER_VERIFIED } else { 0 };
        let synchronised = if self.synchronised { BACKED_UP } else { 0 };
        let mut data = Sha256::digest(self.host.as_deref().unwrap_or(host)).to_vec();
        data.push(USER_PRESENT | verified | synchronised | more);
        data.extend_from_slice(&self.counter.to_be_bytes());
        data
    }

    /// {1: 2, 3: -7, -1: 1, -2: x, -3: y}: EC2, ES256, P-256.
    fn cose_key(&self) -> Vec<u8> {
        let point = self.signing.verifying_key().to_sec1_point(false);
        let (x, y) = point.as_bytes()[1..].split_at(32);
        [b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20".as_slice(), x, b"\x22\x58\x20", y].concat()
    }
}

fn client_data(kind: &str, options: &Value, origin: &str) -> Vec<u8> {
    json!({ "type": kind, "challenge": options["challenge"], "origin": origin, "crossOrigin": false })
        .to_string()
        .into_bytes()
}
