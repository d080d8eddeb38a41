//! What is signed and sent, byte for byte, and what each error asks for.

use std::sync::Mutex;

use serde_json::json;

use super::sign::{Signed, client_secret, string_to_sign, timestamp};
use super::*;
use crate::portal::fake::{Fake, clock, told_json};

const HASH: &str = "0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF";

/// Stands for a token: remembers what it signed. Signatures are 64 times the same byte, whose base64url has `-` in it.
#[derive(Default)]
struct TestSigner(Mutex<Vec<String>>);

impl Signer for &TestSigner {
    async fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.0.lock().unwrap().push(String::from_utf8(bytes.to_vec()).unwrap());
        Ok(vec![0xfb; SIGNATURE_LEN])
    }

    fn certificate_hash(&self) -> &str {
        HASH
    }
}

struct ShortSigner;

impl Signer for ShortSigner {
    async fn sign(&self, _: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(vec![0x30; 1200])
    }

    fn certificate_hash(&self) -> &str {
        HASH
    }
}

fn settings(host: &str) -> EsiaSettings {
    EsiaSettings {
        host: Url::parse(host).unwrap(),
        token_issuer: "http://esia-portal1.test.gosuslugi.ru/".to_owned(),
        client_id: "DOMOVOI".to_owned(),
        scopes: vec!["openid".to_owned(), "fullname".to_owned()],
        redirect_uri: Url::parse("https://gateway.example/back").unwrap(),
        offline: true,
        permissions: vec![],
        pkce: EsiaPkce::LeftOut,
        utc_offset: Offset::constant(3),
    }
}

#[test]
fn the_signed_bytes_of_each_request() {
    let signed = |what| string_to_sign("DOMOVOI", "openid fullname", "2026.11.16 10:00:00 +0300", "s-1", what);
    let redirect_uri = "https://gateway.example/back";
    assert_eq!(
        signed(Signed::Redirect { redirect_uri }),
        "DOMOVOIopenid fullname2026.11.16 10:00:00 +0300s-1https://gateway.example/back"
    );
    assert_eq!(
        signed(Signed::Code { redirect_uri, code: "c.o.de" }),
        "DOMOVOIopenid fullname2026.11.16 10:00:00 +0300s-1https://gateway.example/backc.o.de"
    );
    assert_eq!(signed(Signed::Refresh { refresh_token: "rt" }), "DOMOVOIopenid fullname2026.11.16 10:00:00 +0300s-1rt");
}

#[test]
fn times_are_written_as_esia_wants_them() {
    let at = Timestamp(1_794_812_400_999);
    assert_eq!(timestamp(at, Offset::constant(3)).as_deref(), Some("2026.11.16 10:00:00 +0300"));
    assert_eq!(timestamp(at, Offset::UTC).as_deref(), Some("2026.11.16 07:00:00 +0000"));
    assert_eq!(timestamp(at, Offset::constant(-9)).as_deref(), Some("2026.11.15 22:00:00 -0900"));
}

#[tokio::test]
async fn only_raw_signatures_and_gost_hashes_pass() {
    let why = client_secret(&ShortSigner, "x").await.unwrap_err().to_string();
    assert!(why.contains("1200 bytes"), "{why}");
    struct Sha1;
    impl Signer for Sha1 {
        async fn sign(&self, _: &[u8]) -> Result<Vec<u8>, SignerError> {
            Ok(vec![0; 64])
        }
        fn certificate_hash(&self) -> &str {
            "0123456789ABCDEF0123456789ABCDEF01234567"
        }
    }
    assert!(client_secret(&Sha1, "x").await.is_err());
}

#[tokio::test]
async fn the_authorisation_request_byte_for_byte() {
    let signer = TestSigner::default();
    let mut settings = settings("https://esia-portal1.test.gosuslugi.ru");
    settings.permissions = vec![Permission {
        responsible_object: "Домовой".to_owned(),
        sysname: "APIPGU".to_owned(),
        expire: 525_600,
        actions: vec![Sysname { sysname: "ALL_ACTIONS_TO_DATA".to_owned() }],
        purposes: vec![Sysname { sysname: "APIPGU".to_owned() }],
        scopes: vec![Sysname { sysname: "http://lk.gosuslugi.ru/api-order".to_owned() }],
    }];
    let json = r#"[{"responsibleObject":"Домовой","sysname":"APIPGU","expire":525600,"actions":[{"sysname":"ALL_ACTIONS_TO_DATA"}],"purposes":[{"sysname":"APIPGU"}],"scopes":[{"sysname":"http://lk.gosuslugi.ru/api-order"}]}]"#;
    let transport = PortalSettings::new("https://x.example", "https://x.example", "x").unwrap();
    let esia = Esia::new(settings, &signer, &transport, clock()).unwrap();
    let url = esia.authorization_url("s-1", None).await.unwrap();
    let secret = B64.encode([0xfb; 64]);
    let want = format!(
        "https://esia-portal1.test.gosuslugi.ru/aas/oauth2/v2/ac?client_id=DOMOVOI&client_secret={secret}\
         &client_certificate_hash={HASH}&scope=openid+fullname&timestamp=2027.01.15+11%3A00%3A00+%2B0300&state=s-1\
         &redirect_uri=https%3A%2F%2Fgateway.example%2Fback&response_type=code&access_type=offline&permissions={}",
        B64.encode(json)
    );
    assert_eq!(url.as_str(), want);
    let signed = signer.0.lock().unwrap().clone();
    assert_eq!(signed, ["DOMOVOIopenid fullname2027.01.15 11:00:00 +0300s-1https://gateway.example/back"]);
}

fn jwt(claims: &Value) -> String {
    format!("{}.{}.c2ln", B64.encode("{}"), B64.encode(claims.to_string()))
}

/// A v3/te that echoes the state and gives tokens of this issuer.
async fn token_server(issuer: &'static str, expires_in: Value, echo: bool) -> Fake {
    Fake::start(move |_, asked| {
        asked.is("POST", "/aas/oauth2/v3/te").then(|| {
            let state = if echo { asked.form("state").unwrap() } else { "other".to_owned() };
            let claims =
                json!({ "iss": issuer, "scope": "openid fullname?oid=1000299681", "urn:esia:sbj_id": 1_000_299_681 });
            told_json(
                200,
                &json!({ "access_token": jwt(&claims), "refresh_token": "rt-2", "state": state, "token_type": "Bearer",
                    "expires_in": expires_in, "id_token": "x" }),
            )
        })
    })
    .await
}

#[tokio::test]
async fn code_refresh_and_consent_requests() {
    let fake = token_server("http://esia-portal1.test.gosuslugi.ru/", json!("3600"), true).await;
    let signer = TestSigner::default();
    let mut settings = settings(&fake.base);
    settings.pkce = EsiaPkce::S256;
    let esia = Esia::new(settings, &signer, &fake.settings(), clock()).unwrap();

    let attempt = esia.begin().await.unwrap();
    let state = attempt.state.clone();
    assert!(esia.code(&attempt, "code=x&state=other").is_err());
    let code = esia.code(&attempt, &format!("code=eyJ.co.de&state={state}")).unwrap();
    let tokens = esia.exchange(attempt, &code).await.unwrap();
    assert_eq!((tokens.expires_in, tokens.oid), (Some(3600), Some(1_000_299_681)));
    assert_eq!(tokens.granted, ["openid", "fullname"]);
    assert!(!format!("{tokens:?}").contains("rt-2"));

    esia.refresh(&RefreshToken::new("rt-1".to_owned())).await.unwrap();
    esia.by_consent(77).await.unwrap();

    let asked = fake.asked();
    let form = |n: usize, name: &str| asked[n].form(name).unwrap_or_default();
    assert_eq!(
        (form(0, "grant_type"), form(0, "code"), form(0, "code_verifier").len()),
        ("authorization_code".into(), "eyJ.co.de".into(), 43)
    );
    let body = String::from_utf8(asked[0].body.to_vec()).unwrap();
    assert!(body.contains("timestamp=2027.01.15+11%3A00%3A00+%2B0300"), "the plus is escaped: {body}");
    assert_eq!((form(1, "grant_type"), form(1, "refresh_token")), ("refresh_token".into(), "rt-1".into()));
    assert_eq!((form(2, "grant_type"), form(2, "scope")), ("client_credentials".into(), "prm_chg?oid=77".into()));
    let signed = signer.0.lock().unwrap().clone();
    let at = "2027.01.15 11:00:00 +0300";
    assert_eq!(signed[1], format!("DOMOVOIopenid fullname{at}{state}https://gateway.example/backeyJ.co.de"));
    assert_eq!(signed[2], format!("DOMOVOIopenid fullname{at}{}rt-1", form(1, "state")));
    assert_eq!(signed[3], format!("DOMOVOIprm_chg?oid=77{at}{}https://gateway.example/back", form(2, "state")));
}

#[tokio::test]
async fn a_wrong_issuer_and_a_wrong_state_are_thrown_away() {
    let signer = TestSigner::default();
    let lying = token_server("https://esia-portal1.test.gosuslugi.ru/", json!(3600), true).await;
    let esia = Esia::new(settings(&lying.base), &signer, &lying.settings(), clock()).unwrap();
    let why = esia.by_consent(1).await.unwrap_err().to_string();
    assert!(why.contains("to the letter"), "{why}");
    let mixed_up = token_server("http://esia-portal1.test.gosuslugi.ru/", json!(3600), false).await;
    let esia = Esia::new(settings(&mixed_up.base), &signer, &mixed_up.settings(), clock()).unwrap();
    assert!(matches!(esia.by_consent(1).await, Err(EsiaError::Answer(_))));
}

#[tokio::test]
async fn no_request_while_the_clock_is_not_trusted() {
    let signer = TestSigner::default();
    let transport = PortalSettings::new("https://x.example", "https://x.example", "x").unwrap();
    let clock = clock();
    clock.set(Timestamp(0));
    let esia = Esia::new(settings("https://esia.gosuslugi.ru"), &signer, &transport, clock).unwrap();
    assert!(matches!(esia.begin().await, Err(EsiaError::ClockUntrusted)));
}

#[test]
fn each_error_asks_for_something() {
    let of = |number: &str| fault("invalid_request", &format!("ESIA-{number}: слова"));
    for number in ["007004", "007011", "007019"] {
        assert!(matches!(of(number), EsiaFault::Relink { .. }), "{number}");
    }
    for number in ["007007", "007008"] {
        assert!(matches!(of(number), EsiaFault::RetryLater { .. }), "{number}");
    }
    for number in [
        "007002", "007003", "007005", "007006", "007014", "007015", "007023", "007039", "007040", "007053", "007055",
        "007194", "008010", "036700", "036799", "009999",
    ] {
        assert!(matches!(of(number), EsiaFault::Misconfigured { .. }), "{number}");
    }
    assert!(of("007015").to_string().contains("clock") && of("007015").to_string().contains("ESIA-007015"));
    assert!(matches!(fault("invalid_grant", ""), EsiaFault::Relink { .. }));
    assert!(matches!(fault("server_error", "x"), EsiaFault::RetryLater { .. }));
}
