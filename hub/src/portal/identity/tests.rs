//! Sign-in with the portal account against a portal whose every answer is written here: what is taken, and each forged
//! token that is not.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD as B64};
use domovoi_model::{Id, Timestamp};
use p256::ecdsa::signature::Signer as _;
use p256::elliptic_curve::Generate as _;
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair};
use serde_json::{Value, json};

use super::*;
use crate::clock::Clock;
use crate::portal::fake::{Fake, TestShelf, clock, shelf, told_json};
use crate::portal::{Portal, PortalSettings};

/// 2048 bits, made for these tests; it guards nothing.
const RSA_PKCS8: &str = include_str!("rsa_of_the_tests.txt");
const NOW_S: i64 = 1_800_000_000;

enum Signer {
    Es256(p256::ecdsa::SigningKey),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
    Ps256(RsaKeyPair),
}

impl Signer {
    fn es256() -> Self {
        Signer::Es256(p256::ecdsa::SigningKey::generate())
    }

    fn all() -> [Signer; 4] {
        let rsa = || RsaKeyPair::from_pkcs8(&BASE64_STANDARD.decode(RSA_PKCS8.trim()).unwrap()).unwrap();
        let ed = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let ed = Ed25519KeyPair::from_pkcs8(ed.as_ref()).unwrap();
        [Signer::es256(), Signer::EdDsa(ed), Signer::Rs256(rsa()), Signer::Ps256(rsa())]
    }

    fn alg(&self) -> &'static str {
        match self {
            Signer::Es256(_) => "ES256",
            Signer::EdDsa(_) => "EdDSA",
            Signer::Rs256(_) => "RS256",
            Signer::Ps256(_) => "PS256",
        }
    }

    fn jwk(&self, kid: &str) -> Value {
        let mut jwk = match self {
            Signer::Es256(key) => {
                let point = key.verifying_key().to_sec1_point(false);
                let (x, y) = point.as_bytes()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "x": B64.encode(x), "y": B64.encode(y) })
            }
            Signer::EdDsa(key) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": B64.encode(key.public_key().as_ref()) })
            }
            Signer::Rs256(key) | Signer::Ps256(key) => {
                let public: ring::rsa::PublicKeyComponents<Vec<u8>> = key.public().into();
                json!({ "kty": "RSA", "n": B64.encode(public.n), "e": B64.encode(public.e) })
            }
        };
        jwk["kid"] = json!(kid);
        jwk["use"] = json!("sig");
        jwk
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", B64.encode(header.to_string()), B64.encode(claims.to_string()));
        let rsa = |key: &RsaKeyPair, padding: &'static dyn ring::signature::RsaEncoding| {
            let mut signature = vec![0; key.public().modulus_len()];
            key.sign(padding, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
            signature
        };
        let signature = match self {
            Signer::Es256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(signed.as_bytes());
                signature.to_bytes().to_vec()
            }
            Signer::EdDsa(key) => key.sign(signed.as_bytes()).as_ref().to_vec(),
            Signer::Rs256(key) => rsa(key, &RSA_PKCS1_SHA256),
            Signer::Ps256(key) => rsa(key, &RSA_PSS_SHA256),
        };
        format!("{signed}.{}", B64.encode(signature))
    }

    fn header(&self, kid: &str) -> Value {
        json!({ "alg": self.alg(), "kid": kid })
    }
}

#[derive(Default)]
struct Script {
    token: Option<String>,
    keys: Value,
}

/// A portal that says what its script says.
struct Issuer {
    fake: Fake,
    portal: Portal,
    script: Arc<Mutex<Script>>,
    _shelf: TestShelf,
}

fn redirect() -> Url {
    Url::parse("http://localhost:8080/sign-in/portal/return").unwrap()
}

impl Issuer {
    async fn new(keys: &[Value]) -> Self {
        Issuer::with(keys, clock(), |_| {}).await
    }

    async fn with(keys: &[Value], clock: Clock, change: impl FnOnce(&mut PortalSettings)) -> Self {
        let script = Arc::new(Mutex::new(Script { keys: json!({ "keys": keys }), ..Script::default() }));
        let told = Arc::clone(&script);
        let fake = Fake::start(move |base, asked| {
            let script = told.lock().unwrap();
            if asked.is("GET", "/.well-known/oauth-authorization-server") {
                return Some(told_json(
                    200,
                    &json!({
                        "issuer": base, "authorization_endpoint": format!("{base}/auth"),
                        "token_endpoint": format!("{base}/token"), "jwks_uri": format!("{base}/jwks"),
                        "code_challenge_methods_supported": ["S256"],
                        "authorization_response_iss_parameter_supported": true,
                    }),
                ));
            }
            if asked.is("GET", "/jwks") {
                return Some(told_json(200, &script.keys));
            }
            let mut answer = json!({ "access_token": "at-1", "token_type": "Bearer", "expires_in": 60 });
            if let Some(token) = &script.token {
                answer["id_token"] = json!(token);
            }
            asked.is("POST", "/token").then(|| told_json(200, &answer))
        })
        .await;
        let shelf = shelf().await;
        let mut settings = fake.settings();
        change(&mut settings);
        let portal = Portal::open(settings, shelf.shelf.clone(), clock).await.unwrap();
        Issuer { fake, portal, script, _shelf: shelf }
    }

    fn claims(&self, nonce: &str) -> Value {
        json!({
            "iss": self.fake.base, "sub": "citizen-1", "aud": "hub", "exp": NOW_S + 300, "iat": NOW_S, "nonce": nonce,
        })
    }

    /// A sign-in in which the portal answers with the token that `make` makes of the nonce.
    async fn sign_in(&self, make: impl FnOnce(&str) -> String) -> Result<Identity, IdentityError> {
        let (pending, url) = self.portal.begin_sign_in(redirect()).await?;
        self.script.lock().unwrap().token = Some(make(&given(&url, "nonce")));
        let query = self.query(&url, &[]);
        self.portal.finish_sign_in(pending, &query).await
    }

    fn query(&self, url: &Url, change: &[(&str, &str)]) -> String {
        let state = given(url, "state");
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in [("code", "c-1"), ("state", &state), ("iss", &self.fake.base)] {
            let value = change.iter().find(|(changed, _)| *changed == name).map_or(value, |(_, value)| value);
            query.append_pair(name, value);
        }
        query.finish()
    }

    fn asked_for_keys(&self) -> usize {
        self.fake.asked().iter().filter(|asked| asked.target == "/jwks").count()
    }
}

fn given(url: &Url, name: &str) -> String {
    url.query_pairs().find(|(given, _)| given == name).unwrap().1.into_owned()
}

#[tokio::test]
async fn a_citizen_signs_in_with_each_algorithm() {
    for signer in Signer::all() {
        let issuer = Issuer::new(&[signer.jwk("k-1")]).await;
        let identity = issuer
            .sign_in(|nonce| {
                let mut claims = issuer.claims(nonce);
                let hash = if signer.alg() == "EdDSA" { jws::Algorithm::EdDsa } else { jws::Algorithm::Es256 };
                claims["at_hash"] = json!(claims::half_hash(hash, "at-1"));
                claims["aud"] = json!(["hub"]);
                signer.sign(&signer.header("k-1"), &claims)
            })
            .await;
        let expected = Identity { issuer: issuer.fake.base.clone(), subject: "citizen-1".to_owned() };
        assert_eq!(identity, Ok(expected), "{}", signer.alg());
        assert_eq!(issuer.portal.status(), crate::portal::LinkState::Unlinked, "a sign-in is no link");
    }
}

#[tokio::test]
async fn the_request_asks_for_who_it_is_and_nothing_else() {
    let signer = Signer::es256();
    let issuer = Issuer::new(&[signer.jwk("k-1")]).await;
    let (pending, url) = issuer.portal.begin_sign_in(redirect()).await.unwrap();
    for (name, value) in [
        ("response_type", "code"),
        ("scope", "openid"),
        ("client_id", "hub"),
        ("code_challenge_method", "S256"),
        ("redirect_uri", redirect().as_str()),
    ] {
        assert_eq!(given(&url, name), value);
    }
    assert!(given(&url, "nonce").len() >= 32 && given(&url, "state").len() >= 32);
    assert_eq!(format!("{pending:?}"), "PendingSignIn(***)");
    let token = signer.sign(&signer.header("k-1"), &issuer.claims(&given(&url, "nonce")));
    issuer.script.lock().unwrap().token = Some(token);
    issuer.portal.finish_sign_in(pending, &issuer.query(&url, &[])).await.unwrap();
    let asked = issuer.fake.asked();
    let exchange = asked.iter().find(|asked| asked.target == "/token").unwrap();
    assert_eq!(exchange.form("code").as_deref(), Some("c-1"));
    assert_eq!(exchange.form("redirect_uri").as_deref(), Some(redirect().as_str()));
    let verifier = exchange.form("code_verifier").unwrap();
    assert_eq!(B64.encode(<sha2::Sha256 as sha2::Digest>::digest(verifier)), given(&url, "code_challenge"));
}

#[tokio::test]
async fn each_forged_token_is_refused() {
    let (signer, other) = (Signer::es256(), Signer::es256());
    let rsa = Signer::all().into_iter().nth(2).unwrap();
    let issuer = Issuer::new(&[signer.jwk("k-1"), other.jwk("k-2"), rsa.jwk("k-3")]).await;
    let fine = issuer.sign_in(|nonce| signer.sign(&signer.header("k-1"), &issuer.claims(nonce))).await;
    assert!(fine.is_ok(), "{fine:?}");

    let header = |alg: &str, kid: &str| json!({ "alg": alg, "kid": kid });
    let bare = |header: &Value, claims: &Value| {
        format!("{}.{}.", B64.encode(header.to_string()), B64.encode(claims.to_string()))
    };
    let by_hmac = |claims: &Value, secret: &[u8]| {
        let signed = format!("{}.{}", B64.encode(header("HS256", "k-1").to_string()), B64.encode(claims.to_string()));
        let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret), signed.as_bytes());
        format!("{signed}.{}", B64.encode(tag.as_ref()))
    };
    type Make<'a> = Box<dyn Fn(&Value) -> String + 'a>;
    let mut forged: Vec<(&str, Make<'_>)> = vec![
        ("none", Box::new(|claims| bare(&header("none", "k-1"), claims))),
        ("NONE", Box::new(|claims| bare(&header("NONE", "k-1"), claims))),
        ("no signature", Box::new(|claims| bare(&header("ES256", "k-1"), claims))),
        ("the public key as a secret", Box::new(|claims| by_hmac(claims, signer.jwk("k-1").to_string().as_bytes()))),
        ("its coordinates as a secret", {
            let Signer::Es256(key) = &signer else { panic!() };
            let point = key.verifying_key().to_sec1_point(false);
            Box::new(move |claims| by_hmac(claims, point.as_bytes()))
        }),
        ("a key that nobody publishes", Box::new(|claims| other.sign(&header("ES256", "k-9"), claims))),
        ("the kid of another key", Box::new(|claims| signer.sign(&header("ES256", "k-2"), claims))),
        ("another kind of key", Box::new(|claims| signer.sign(&header("ES256", "k-3"), claims))),
        ("another algorithm for the key", Box::new(|claims| signer.sign(&header("RS256", "k-1"), claims))),
        ("no kid, and several keys", Box::new(|claims| signer.sign(&json!({ "alg": "ES256" }), claims))),
        ("a key in its own header", {
            let stranger = Signer::es256();
            Box::new(move |claims| {
                let header = json!({ "alg": "ES256", "kid": "k-1", "jwk": stranger.jwk("k-1") });
                stranger.sign(&header, claims)
            })
        }),
        ("an access token", {
            Box::new(|claims| signer.sign(&json!({ "alg": "ES256", "kid": "k-1", "typ": "at+jwt" }), claims))
        }),
        ("something critical", {
            Box::new(|claims| {
                signer.sign(&json!({ "alg": "ES256", "kid": "k-1", "crit": ["b64"], "b64": false }), claims)
            })
        }),
        ("two algorithms", {
            Box::new(|claims| {
                let token = signer.sign(&header("ES256", "k-1"), claims);
                let (_, rest) = token.split_once('.').unwrap();
                format!("{}.{rest}", B64.encode(r#"{"alg":"ES256","kid":"k-1","alg":"none"}"#))
            })
        }),
        ("other claims under the same signature", {
            Box::new(|claims| {
                let token = signer.sign(&header("ES256", "k-1"), claims);
                let mut claims = claims.clone();
                claims["sub"] = json!("citizen-2");
                let mut parts = token.split('.');
                let (head, signature) = (parts.next().unwrap(), parts.nth(1).unwrap());
                format!("{head}.{}.{signature}", B64.encode(claims.to_string()))
            })
        }),
        ("five parts", Box::new(|claims| format!("{}.a.b", signer.sign(&header("ES256", "k-1"), claims)))),
        ("padding", Box::new(|claims| format!("{}=", signer.sign(&header("ES256", "k-1"), claims)))),
        ("a huge one", {
            Box::new(|claims| {
                let mut claims = claims.clone();
                claims["more"] = json!("x".repeat(20_000));
                signer.sign(&header("ES256", "k-1"), &claims)
            })
        }),
        ("nothing", Box::new(|_| String::new())),
        ("no JSON", Box::new(|_| format!("{0}.{0}.{0}", B64.encode("[")))),
    ];
    let base = issuer.fake.base.clone();
    let claims: Vec<(&str, &str, Value)> = vec![
        ("another audience", "aud", json!("somebody-else")),
        ("several audiences", "aud", json!(["hub", "somebody-else"])),
        ("no audience", "aud", json!([])),
        ("another authorised party", "azp", json!("somebody-else")),
        ("expired", "exp", json!(NOW_S - 61)),
        ("no end", "exp", Value::Null),
        ("of tomorrow", "iat", json!(NOW_S + 86_400)),
        ("of yesterday", "iat", json!(NOW_S - 86_400)),
        ("not yet", "nbf", json!(NOW_S + 3600)),
        ("another nonce", "nonce", json!("another")),
        ("no nonce", "nonce", Value::Null),
        ("another issuer", "iss", json!("https://evil.example")),
        ("an issuer with a slash", "iss", json!(format!("{base}/"))),
        ("nobody", "sub", json!("")),
        ("a number", "sub", json!(7)),
        ("a long name", "sub", json!("x".repeat(256))),
        ("a name that breaks lines", "sub", json!("a\nb")),
        ("another access token", "at_hash", json!("AAAA")),
    ];
    for (what, claim, value) in claims {
        let signer = &signer;
        let header = signer.header("k-1");
        forged.push((
            what,
            Box::new(move |claims| {
                let mut claims = claims.clone();
                claims[claim] = value.clone();
                if value.is_null() {
                    claims.as_object_mut().unwrap().remove(claim);
                }
                signer.sign(&header, &claims)
            }),
        ));
    }
    for (what, make) in forged {
        let refused = issuer.sign_in(|nonce| make(&issuer.claims(nonce))).await;
        assert!(matches!(refused, Err(IdentityError::Refused(_))), "{what}: {refused:?}");
    }
    let again = issuer.sign_in(|nonce| signer.sign(&signer.header("k-1"), &issuer.claims(nonce))).await;
    assert!(again.is_ok(), "{again:?}");
    assert_eq!(issuer.asked_for_keys(), 1, "unknown keys do not make the hub ask without end");
    // And a portal that gives no id_token at all.
    let (pending, url) = issuer.portal.begin_sign_in(redirect()).await.unwrap();
    issuer.script.lock().unwrap().token = None;
    let refused = issuer.portal.finish_sign_in(pending, &issuer.query(&url, &[])).await;
    assert!(matches!(&refused, Err(IdentityError::Refused(why)) if why.contains("openid")), "{refused:?}");
}

#[tokio::test]
async fn a_new_key_of_the_portal_is_fetched_once_and_not_oftener_than_once_a_minute() {
    let (old, new) = (Signer::es256(), Signer::es256());
    let issuer = Issuer::new(&[old.jwk("old")]).await;
    let with = async |signer: &Signer, kid: &str| {
        issuer.sign_in(|nonce| signer.sign(&signer.header(kid), &issuer.claims(nonce))).await
    };
    assert!(with(&old, "old").await.is_ok());
    issuer.script.lock().unwrap().keys = json!({ "keys": [new.jwk("new")] });
    assert!(with(&new, "new").await.is_err(), "too early to ask again");
    assert!(with(&old, "old").await.is_ok(), "what is known is known");
    assert_eq!(issuer.asked_for_keys(), 1);
    issuer.portal.0.keys.age(Duration::from_secs(61)).await;
    assert!(with(&new, "new").await.is_ok());
    assert_eq!(issuer.asked_for_keys(), 2);
    assert!(with(&old, "old").await.is_err(), "an old key is over");
    assert_eq!(issuer.asked_for_keys(), 2);
    issuer.portal.0.keys.age(Duration::from_secs(3601)).await;
    assert!(with(&new, "new").await.is_ok());
    assert_eq!(issuer.asked_for_keys(), 3, "after an hour they are read anew");
}

#[tokio::test]
async fn a_set_of_keys_is_read_with_care() {
    let (signer, other) = (Signer::es256(), Signer::es256());
    let sign_in = async |issuer: &Issuer, kid: Option<&str>| {
        let header = kid.map_or(json!({ "alg": "ES256" }), |kid| signer.header(kid));
        issuer.sign_in(|nonce| signer.sign(&header, &issuer.claims(nonce))).await
    };
    let changed = |name: &str, value: Value| {
        let mut jwk = signer.jwk("k-1");
        jwk[name] = value;
        jwk
    };
    let rubbish = [json!(null), json!(7), json!({ "kty": "EC" }), json!({ "kty": "oct", "k": "AAAA", "kid": "k-1" })];
    let weak = json!({ "kty": "RSA", "n": B64.encode([0xff; 128]), "e": "AQAB", "kid": "k-1" });
    for (what, keys, kid, fine) in [
        ("one key without a kid in the token", vec![signer.jwk("k-1")], None, true),
        ("rubbish beside it", [rubbish.as_slice(), &[weak, signer.jwk("k-1")]].concat(), Some("k-1"), true),
        ("two keys with one kid", vec![signer.jwk("k-1"), other.jwk("k-1")], Some("k-1"), false),
        ("the same key twice", vec![signer.jwk("k-1"), signer.jwk("k-1")], Some("k-1"), false),
        ("a key for encryption", vec![changed("use", json!("enc"))], Some("k-1"), false),
        ("a key for other deeds", vec![changed("key_ops", json!(["deriveKey"]))], Some("k-1"), false),
        ("a key for another algorithm", vec![changed("alg", json!("ES384"))], Some("k-1"), false),
        ("another curve", vec![changed("crv", json!("secp256k1"))], Some("k-1"), false),
        ("no point of the curve", vec![changed("x", json!(B64.encode([7; 32])))], Some("k-1"), false),
        ("no keys", vec![], Some("k-1"), false),
    ] {
        let issuer = Issuer::new(&keys).await;
        let answer = sign_in(&issuer, kid).await;
        assert_eq!(answer.is_ok(), fine, "{what}: {answer:?}");
    }
    let huge = Issuer::new(&[json!({ "x": "y".repeat(70_000) })]).await;
    assert!(sign_in(&huge, Some("k-1")).await.is_err());
}

#[tokio::test]
async fn only_the_answer_to_this_sign_in_counts() {
    let signer = Signer::es256();
    let issuer = Issuer::new(&[signer.jwk("k-1")]).await;
    let finish = async |change: &[(&str, &str)]| {
        let (pending, url) = issuer.portal.begin_sign_in(redirect()).await.unwrap();
        let token = signer.sign(&signer.header("k-1"), &issuer.claims(&given(&url, "nonce")));
        issuer.script.lock().unwrap().token = Some(token);
        issuer.portal.finish_sign_in(pending, &issuer.query(&url, change)).await
    };
    assert!(finish(&[]).await.is_ok());
    assert_eq!(finish(&[("state", "another")]).await, Err(IdentityError::Stranger));
    let mixed_up = finish(&[("iss", "https://evil.example")]).await;
    assert!(matches!(mixed_up, Err(IdentityError::Refused(_))), "{mixed_up:?}");
    let (pending, url) = issuer.portal.begin_sign_in(redirect()).await.unwrap();
    let query = issuer.query(&url, &[]);
    let twice = format!("{query}&code=another");
    assert_eq!(issuer.portal.finish_sign_in(pending, &twice).await, Err(IdentityError::Stranger));
    let (pending, url) = issuer.portal.begin_sign_in(redirect()).await.unwrap();
    let denied = issuer.query(&url, &[]).replace("code=c-1", "error=access_denied");
    assert_eq!(issuer.portal.finish_sign_in(pending, &denied).await, Err(IdentityError::Denied));
    let (pending, _) = issuer.portal.begin_sign_in(redirect()).await.unwrap();
    assert_eq!(issuer.portal.finish_sign_in(pending, &query).await, Err(IdentityError::Stranger), "of another sign-in");
    let (pending, url) = issuer.portal.begin_sign_in(redirect()).await.unwrap();
    let long = format!("{}&x={}", issuer.query(&url, &[]), "y".repeat(QUERY_MAX));
    assert_eq!(issuer.portal.finish_sign_in(pending, &long).await, Err(IdentityError::Stranger));
}

#[tokio::test]
async fn without_the_time_or_too_late_nobody_is_let_in() {
    let signer = Signer::es256();
    let at_boot = Clock::by_hand(Id([7; 16]), Timestamp(5_000));
    let issuer = Issuer::with(&[signer.jwk("k-1")], at_boot, |_| {}).await;
    let answer = issuer.sign_in(|nonce| signer.sign(&signer.header("k-1"), &issuer.claims(nonce))).await;
    assert_eq!(answer, Err(IdentityError::ClockNotSet));
    let slow = Issuer::with(&[signer.jwk("k-1")], clock(), |settings| settings.browser_timeout = Duration::ZERO).await;
    let answer = slow.sign_in(|nonce| signer.sign(&signer.header("k-1"), &slow.claims(nonce))).await;
    assert_eq!(answer, Err(IdentityError::Expired));
}

#[tokio::test]
async fn a_portal_that_cannot_do_it_is_said_so() {
    let esia = Issuer::with(&[], clock(), |settings| settings.profile = Profile::Esia).await;
    let refused = esia.portal.begin_sign_in(redirect()).await.map(|_| ());
    assert!(matches!(&refused, Err(IdentityError::NotOffered(why)) if why.contains("generic")), "{refused:?}");
    // Metadata without keys.
    let bare = Fake::start(|_, _| None).await;
    let shelf = shelf().await;
    let portal = bare.open(&shelf).await;
    let (pending, url) = match portal.begin_sign_in(redirect()).await {
        Ok(begun) => begun,
        Err(why) => return assert!(matches!(why, IdentityError::NotOffered(_)), "{why:?}"),
    };
    panic!("{pending:?} {url}");
}

fn expected<'a>(nonce: &'a str) -> claims::Expected<'a> {
    let now = Timestamp(NOW_S * 1000);
    claims::Expected { issuer: "https://portal.example", client_id: "hub", nonce, access_token: "at-1", now }
}

proptest! {
    #[test]
    fn no_token_makes_it_panic(token in "\\PC{0,200}", head in "\\PC{0,60}", claims in "\\PC{0,80}") {
        let key = jws::PublicKey::P256(vec![4; 65]);
        let built = format!("{}.{}.{}", B64.encode(&head), B64.encode(&claims), B64.encode(&token));
        for token in [token, built] {
            if let Ok(token) = jws::Compact::parse(&token) {
                prop_assert!(token.verify(&key).is_err());
            }
        }
        prop_assert!(claims::check(claims.as_bytes(), jws::Algorithm::Es256, &expected("n")).is_err());
    }

    #[test]
    fn no_value_of_a_claim_makes_it_panic(
        name in prop::sample::select(vec!["iss", "sub", "aud", "azp", "exp", "iat", "nbf", "nonce", "at_hash"]),
        number in any::<f64>(), text in "\\PC{0,20}", as_text in any::<bool>(),
    ) {
        let mut claims = json!({
            "iss": "https://portal.example", "sub": "7", "aud": "hub", "exp": NOW_S + 9, "iat": NOW_S, "nonce": "n",
        });
        prop_assert!(claims::check(claims.to_string().as_bytes(), jws::Algorithm::Es256, &expected("n")).is_ok());
        claims[name] = if as_text { json!(text) } else { json!(number) };
        let _ = claims::check(claims.to_string().as_bytes(), jws::Algorithm::Es256, &expected("n"));
    }

    #[test]
    fn no_set_of_keys_makes_it_panic(
        kty in "(RSA|EC|OKP|oct|)", crv in "(P-256|Ed25519|P-384|)", member in "[A-Za-z0-9_-]{0,90}", e in "[A-Za-z0-9_-]{0,8}",
    ) {
        let set = json!({ "keys": [{ "kty": kty, "crv": crv, "x": member, "y": member, "n": member, "e": e }] });
        for key in keys::keys_of_text(&set.to_string()) {
            let token = format!("{}.e30.{}", B64.encode(r#"{"alg":"ES256"}"#), B64.encode([1; 64]));
            prop_assert!(jws::Compact::parse(&token).unwrap().verify(&key).is_err());
        }
    }
}
