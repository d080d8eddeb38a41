//! Who the citizen is (OpenID Connect Core): an id_token for the code flow with the scope `openid`, signed with a key that
//! is new at each start, and the key set in which a client finds its public half. There is one citizen, and no userinfo.

use std::sync::Arc;

use axum::{Json, extract::State, response::IntoResponse};
use p256::{
    ecdsa::{Signature, SigningKey, signature::Signer as _},
    elliptic_curve::Generate as _,
};

use crate::portal::{
    Portal,
    jose::{EcKey, b64, sha256},
};

/// The scope that asks for it. It reaches nothing of the API, so it is not among the contract's.
pub(crate) const SCOPE: &str = "openid";
const LIFE_S: i64 = 300;

/// With which the portal signs who somebody is.
pub(crate) struct IdentityKey(SigningKey);

impl IdentityKey {
    pub(crate) fn generate() -> Self {
        Self(SigningKey::generate())
    }

    fn public(&self) -> EcKey {
        let point = self.0.verifying_key().to_sec1_point(false);
        let (x, y) = point.as_bytes().get(1..).unwrap_or_default().split_at_checked(32).unwrap_or_default();
        EcKey { kty: "EC".into(), crv: "P-256".into(), x: b64(x), y: b64(y) }
    }
}

pub(crate) async fn jwks(State(portal): State<Arc<Portal>>) -> impl IntoResponse {
    let key = portal.identity_key.public();
    Json(serde_json::json!({ "keys": [{
        "kty": key.kty, "crv": key.crv, "x": key.x, "y": key.y,
        "kid": key.thumbprint(), "alg": "ES256", "use": "sig",
    }] }))
}

impl Portal {
    /// OpenID Connect Core 2 and 3.1.3.6: `at_hash` ties it to the access token that goes out with it.
    pub(crate) fn id_token(&self, client_id: &str, nonce: Option<&str>, access_token: &str) -> String {
        let key = &self.identity_key;
        let header = serde_json::json!({ "alg": "ES256", "typ": "JWT", "kid": key.public().thumbprint() });
        let now_s = self.now_ms().div_euclid(1000);
        let hash = sha256(access_token);
        let mut claims = serde_json::json!({
            "iss": self.base_url, "sub": self.settings.citizen, "aud": client_id,
            "iat": now_s, "exp": now_s + LIFE_S, "at_hash": b64(hash.get(..16).unwrap_or_default()),
        });
        if let (Some(nonce), Some(claims)) = (nonce, claims.as_object_mut()) {
            claims.insert("nonce".into(), nonce.into());
        }
        let signed = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let signature: Signature = key.0.sign(signed.as_bytes());
        format!("{signed}.{}", b64(signature.to_bytes()))
    }
}
