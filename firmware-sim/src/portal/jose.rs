//! The little of JOSE that the portal checks: EC P-256 keys, their thumbprints (RFC 7638) and ES256 signatures. It
//! verifies only; nothing here can sign.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use p256::ecdsa::{Signature, VerifyingKey, signature::Verifier as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn unb64(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

pub(crate) fn sha256(bytes: impl AsRef<[u8]>) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

pub(crate) fn sha256_hex(bytes: impl AsRef<[u8]>) -> String {
    sha256(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// At least 128 bits, from the system.
#[expect(clippy::expect_used, reason = "without randomness there is no portal to run")]
pub(crate) fn random(bytes: usize) -> Vec<u8> {
    let mut buffer = vec![0; bytes];
    getrandom::fill(&mut buffer).expect("the system gives randomness");
    buffer
}

pub(crate) fn random_token() -> String {
    b64(random(24))
}

/// The members of a JWK that make its thumbprint. A private member (`d`) is refused where keys come from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EcKey {
    pub(crate) kty: String,
    pub(crate) crv: String,
    pub(crate) x: String,
    pub(crate) y: String,
}

impl EcKey {
    /// RFC 7638: the required members in lexical order, no white space.
    pub(crate) fn thumbprint(&self) -> String {
        b64(sha256(format!(r#"{{"crv":"{}","kty":"{}","x":"{}","y":"{}"}}"#, self.crv, self.kty, self.x, self.y)))
    }

    /// `None` when it is no point of P-256.
    pub(crate) fn verifying_key(&self) -> Option<VerifyingKey> {
        let (x, y) = (unb64(&self.x)?, unb64(&self.y)?);
        if self.kty != "EC" || self.crv != "P-256" || x.len() != 32 || y.len() != 32 {
            return None;
        }
        VerifyingKey::from_sec1_bytes(&[&[4], x.as_slice(), y.as_slice()].concat()).ok()
    }

    /// RFC 7518 3.4: the signature is r and s, 32 bytes each, not DER.
    pub(crate) fn verifies(&self, signed: &[u8], signature: &str) -> bool {
        let Some(key) = self.verifying_key() else { return false };
        let Some(Ok(signature)) = unb64(signature).map(|bytes| Signature::from_slice(&bytes)) else { return false };
        key.verify(signed, &signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::EcKey;

    fn key(x: &str, y: &str) -> EcKey {
        EcKey { kty: "EC".into(), crv: "P-256".into(), x: x.into(), y: y.into() }
    }

    /// RFC 7515 appendix A.3.
    #[test]
    fn es256_agrees_with_the_rfc() {
        let key = key("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
        let signed = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNv\
                      bS9pc19yb290Ijp0cnVlfQ";
        let signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
        assert!(key.verifies(signed.as_bytes(), signature));
        assert!(!key.verifies(signed.to_lowercase().as_bytes(), signature));
        assert!(!key.verifies(signed.as_bytes(), "AAAA"));
    }

    /// RFC 9449 6.1: the key of the example proof and its `jkt`.
    #[test]
    fn thumbprint_agrees_with_the_rfc() {
        let key = key("l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs", "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA");
        assert_eq!(key.thumbprint(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
        assert!(EcKey { x: key.y.clone(), ..key }.verifying_key().is_none(), "no point of the curve");
    }
}
