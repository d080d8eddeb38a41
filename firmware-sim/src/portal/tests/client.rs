//! A hub small enough to read: DPoP proofs, the device grant, acts signed by hand. It shares nothing with the portal's own
//! JOSE code but base64 and SHA-256.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use p256::ecdsa::{Signature, SigningKey, signature::Signer as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::portal::{ALL_SCOPES, AccountSpec, MeteringPointSpec, PortalSettings, Resource, SandboxPortal};

/// 2026-11-20 12:00 UTC.
pub(super) const NOW_MS: i64 = 1_795_176_000_000;

pub(super) fn settings() -> PortalSettings {
    let clock: crate::Clock = std::sync::Arc::new(|| NOW_MS);
    PortalSettings {
        auto_approve: true,
        poll_interval_s: 0,
        sandbox_calls: true,
        clock,
        accounts: vec![AccountSpec {
            metering_points: vec![
                MeteringPointSpec { last_accepted: vec!["100".into()], ..MeteringPointSpec::default() },
                MeteringPointSpec {
                    resource: Resource::Electricity,
                    serial: "E-1".into(),
                    tariff_count: 4,
                    ..MeteringPointSpec::default()
                },
            ],
            ..AccountSpec::default()
        }],
        ..PortalSettings::default()
    }
}

pub(super) fn sha_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn key() -> SigningKey {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).unwrap();
    bytes[0] = 1;
    SigningKey::from_slice(&bytes).unwrap()
}

fn jwk(key: &SigningKey) -> (String, String) {
    let point = key.verifying_key().to_sec1_bytes();
    let point: Vec<u8> =
        if point.len() == 65 { point.to_vec() } else { key.verifying_key().to_sec1_point(false).as_bytes().to_vec() };
    (b64(&point[1..33]), b64(&point[33..65]))
}

fn thumbprint(key: &SigningKey) -> String {
    let (x, y) = jwk(key);
    b64(Sha256::digest(format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)))
}

fn sign(key: &SigningKey, text: &str) -> String {
    let signature: Signature = key.sign(text.as_bytes());
    b64(signature.to_bytes())
}

pub(super) struct Hub {
    pub(super) http: reqwest::Client,
    pub(super) base: String,
    dpop_key: SigningKey,
    act_key: SigningKey,
    pub(super) access: String,
    pub(super) refresh: String,
}

impl Hub {
    pub(super) fn new(portal: &SandboxPortal) -> Self {
        // Another test may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
        Self {
            http,
            base: portal.base_url().to_owned(),
            dpop_key: key(),
            act_key: key(),
            access: String::new(),
            refresh: String::new(),
        }
    }

    pub(super) async fn linked(portal: &SandboxPortal) -> Self {
        let mut hub = Self::new(portal);
        hub.link(&ALL_SCOPES.join(" ")).await;
        assert_eq!(hub.register_key().await, 201);
        hub
    }

    pub(super) fn kid(&self) -> String {
        thumbprint(&self.act_key)
    }

    pub(super) fn proof(&self, method: &str, url: &str, with_token: bool, nonce: Option<&str>) -> String {
        let (x, y) = jwk(&self.dpop_key);
        let header =
            json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": { "kty": "EC", "crv": "P-256", "x": x, "y": y } });
        let mut claims = json!({
            "jti": uuid::Uuid::new_v4().to_string(), "htm": method, "htu": url, "iat": NOW_MS / 1000,
        });
        if with_token {
            claims["ath"] = b64(Sha256::digest(&self.access)).into();
        }
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        let signed = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let signature = sign(&self.dpop_key, &signed);
        format!("{signed}.{signature}")
    }

    pub(super) async fn post_form(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        nonce: Option<&str>,
    ) -> reqwest::Response {
        let url = format!("{}{path}", self.base);
        let proof = self.proof("POST", &url, false, nonce);
        self.http.post(&url).header("dpop", proof).form(fields).send().await.unwrap()
    }

    pub(super) async fn device(&self, scope: &str) -> Value {
        let fields = [("client_id", "domovoi-hub"), ("scope", scope)];
        self.post_form("/oauth/device_authorization", &fields, None).await.json().await.unwrap()
    }

    pub(super) async fn poll(&self, device: &Value) -> Value {
        let fields = [
            ("client_id", "domovoi-hub"),
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", device["device_code"].as_str().unwrap()),
        ];
        self.post_form("/oauth/token", &fields, None).await.json().await.unwrap()
    }

    pub(super) fn take(&mut self, tokens: &Value) {
        self.access = tokens["access_token"].as_str().expect("an access token").to_owned();
        self.refresh = tokens["refresh_token"].as_str().unwrap_or_default().to_owned();
    }

    pub(super) async fn link(&mut self, scope: &str) {
        let device = self.device(scope).await;
        assert_eq!(self.poll(&device).await["error"], "authorization_pending");
        let tokens = self.poll(&device).await;
        assert_eq!(tokens["token_type"], "DPoP", "{tokens}");
        self.take(&tokens);
    }

    pub(super) async fn refresh(&self, refresh_token: &str) -> reqwest::Result<reqwest::Response> {
        let url = format!("{}/oauth/token", self.base);
        let proof = self.proof("POST", &url, false, None);
        let fields = [("client_id", "domovoi-hub"), ("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        self.http.post(&url).header("dpop", proof).form(&fields).send().await
    }

    pub(super) fn call(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.call_with(method, path, None)
    }

    pub(super) fn call_with(&self, method: &str, path: &str, nonce: Option<&str>) -> reqwest::RequestBuilder {
        let url = format!("{}/api/v1{path}", self.base);
        // RFC 9449 4.2: htu has neither query nor fragment.
        let proof = self.proof(method, url.split('?').next().unwrap(), true, nonce);
        self.http
            .request(method.parse().unwrap(), url)
            .header("authorization", format!("DPoP {}", self.access))
            .header("dpop", proof)
    }

    pub(super) fn public_key(&self) -> Value {
        let (x, y) = jwk(&self.act_key);
        json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "use": "sig", "alg": "ES256" })
    }

    pub(super) async fn register_key(&self) -> u16 {
        self.call("PUT", &format!("/hub-keys/{}", self.kid()))
            .json(&self.public_key())
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    }

    pub(super) fn jws(&self, body: &[u8]) -> String {
        let header = b64(json!({ "alg": "ES256", "kid": self.kid(), "typ": "domovoi-act" }).to_string());
        let signature = sign(&self.act_key, &format!("{header}.{}", b64(body)));
        format!("{header}..{signature}")
    }

    pub(super) async fn try_put(&self, id: &str, body: &[u8]) -> reqwest::Result<reqwest::Response> {
        let jws = self.jws(body);
        self.call("PUT", &format!("/acts/{id}"))
            .header("x-jws-signature", jws)
            .header("content-type", "application/json")
            .body(body.to_vec())
            .send()
            .await
    }

    /// Status and body.
    pub(super) async fn put(&self, act: &Value) -> (u16, Value) {
        let response = self.try_put(act["act_id"].as_str().unwrap(), act.to_string().as_bytes()).await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap())
    }

    pub(super) async fn get(&self, path: &str) -> (u16, Value) {
        let response = self.call("GET", path).send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or(Value::Null))
    }

    pub(super) fn act(&self, month: u8, water_m3: &str, previous: Option<&Value>) -> Value {
        json!({
            "type": "domovoi.meter-act", "version": 1,
            "act_id": uuid::Uuid::new_v4().to_string(),
            "created_at": "2026-11-20T15:00:00+03:00",
            "period": { "year": 2026, "month": month },
            "account": { "supplier_id": "vodokanal", "account_number": "1234567890" },
            "previous_act_sha256": previous.map(|act| sha_hex(act.to_string().as_bytes())),
            "supersedes": null,
            "key_id": self.kid(),
            "readings": [reading("12345699", "cold_water", "113", 1, json!({ "t1": water_m3 }))],
        })
    }
}

pub(super) fn reading(serial: &str, resource: &str, okei: &str, tariffs: u8, values: Value) -> Value {
    json!({
        "reading_id": uuid::Uuid::new_v4().to_string(),
        "meter": {
            "serial": serial, "resource": resource, "unit_okei": okei, "digits_int": 5, "digits_frac": 3,
            "tariff_count": tariffs, "transformation_ratio": "1",
        },
        "values": values,
        "taken_at": "2026-11-20T14:59:00+03:00",
        "date_value": "2026-11-20",
        "source": { "kind": "device", "protocol": "wmbusmeters", "raw_sha256": "a".repeat(64) },
    })
}

pub(super) fn code(problem: &Value) -> &str {
    problem["type"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default()
}
