//! Passkeys with a software authenticator: what is taken, and every bent answer that is not.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
use proptest::prelude::*;

use super::super::soft_authenticator::SoftKey;
use super::super::{KeptFactor, StoredFactor};
use super::*;

const HERE: &str = "https://domovoi.local:8443";
const ANNA: PersonId = PersonId(Id([0xa1; 16]));
const BORIS: PersonId = PersonId(Id([0xb0; 16]));

fn policy(host: &str, origins: &[&str]) -> Policy {
    Policy {
        host: host.to_owned(),
        origins: origins.iter().map(ToString::to_string).collect(),
        home: "Дом на горе".to_owned(),
        idle: Duration::from_secs(1),
        absolute: Duration::from_secs(1),
    }
}

fn home() -> Passkeys {
    Passkeys::new(&policy("domovoi.local", &[HERE, "https://192.168.1.5:8443"])).unwrap()
}

fn registered(passkeys: &Passkeys, person: PersonId) -> (SoftKey, KeptPasskey) {
    let (options, pending) = passkeys.offer(person, "Анна", &[]).unwrap();
    let (soft, response) = SoftKey::create(&options, HERE);
    (soft, passkeys.add(&pending, person, response).unwrap())
}

#[test]
fn options_have_the_shape_that_browsers_parse() {
    let passkeys = home();
    let (_, existing) = registered(&passkeys, ANNA);
    let (options, _) = passkeys.offer(ANNA, "Анна", std::slice::from_ref(&existing)).unwrap();
    assert_eq!(options["rp"], json!({ "name": "Дом на горе", "id": "domovoi.local" }));
    assert_eq!(options["user"]["id"], B64.encode([0xa1; 16]), "the handle is the opaque id");
    assert_eq!(options["user"]["name"], "Анна");
    assert!(B64.decode(options["challenge"].as_str().unwrap()).unwrap().len() >= 16);
    assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
    assert_eq!(options["authenticatorSelection"]["residentKey"], "required");
    assert_eq!(options["authenticatorSelection"]["requireResidentKey"], true);
    assert_eq!(options["excludeCredentials"][0]["id"], B64.encode(existing.id()));
    assert_eq!(options["attestation"], "none");
    let algorithms: Vec<i64> =
        options["pubKeyCredParams"].as_array().unwrap().iter().map(|param| param["alg"].as_i64().unwrap()).collect();
    assert_eq!(algorithms, [-7, -35, -257], "ES256, ES384, RS256");

    let (options, _) = passkeys.challenge().unwrap();
    assert_eq!((&options["rpId"], &options["userVerification"]), (&json!("domovoi.local"), &json!("required")));
    assert_eq!(options["allowCredentials"], json!([]));
    assert!(options.get("mediation").is_none(), "the page decides about that");
    let (options, _) = passkeys.challenge_for(ANNA, std::slice::from_ref(&existing)).unwrap();
    assert_eq!(options["allowCredentials"][0]["id"], B64.encode(existing.id()));
}

#[test]
fn a_passkey_signs_in_without_a_login_also_after_a_restart() {
    let (mut soft, key) = registered(&home(), ANNA);
    soft.counter = 7;
    let kept = KeptFactor::new("Телефон", None, StoredFactor::Passkey { key: Box::new(key) });
    assert!(kept.to_body().unwrap().len() < 4096);
    let back = KeptFactor::from_body(&kept.to_body().unwrap()).unwrap();
    let StoredFactor::Passkey { key } = back.factor else { panic!() };

    let passkeys = home();
    let mut keys = [registered(&passkeys, ANNA).1, *key];
    for _ in 0..2 {
        let (options, pending) = passkeys.challenge().unwrap();
        let response = soft.get(&options, HERE);
        assert_eq!(passkeys.claimed(&response), Ok(ANNA));
        assert_eq!(passkeys.answer(pending, response, &mut keys), Ok(1));
    }
    assert_eq!(counter(&keys[1].0), Some(9), "the counter is written into the key");
}

#[test]
fn a_passkey_is_a_second_factor_of_its_owner_only() {
    let passkeys = home();
    let (mut soft, key) = registered(&passkeys, ANNA);
    let mut keys = [key];
    let (options, pending) = passkeys.challenge_for(ANNA, &keys).unwrap();
    let response = soft.get(&options, HERE);
    assert!(matches!(passkeys.answer_for(&pending, BORIS, response.clone(), &mut keys), Err(PasskeyError::Wrong(_))));
    assert_eq!(passkeys.answer_for(&pending, ANNA, response, &mut keys), Ok(0));
    soft.user = BORIS.0.0.to_vec();
    let response = soft.get(&options, HERE);
    assert!(matches!(passkeys.answer_for(&pending, ANNA, response, &mut keys), Err(PasskeyError::Wrong(_))));
    assert!(matches!(passkeys.challenge_for(ANNA, &[]), Err(PasskeyError::Wrong(_))));
    let (_, pending) = passkeys.offer(ANNA, "Анна", &[]).unwrap();
    assert!(passkeys.add(&pending, BORIS, json!({})).is_err(), "begun by another person");
}

#[test]
fn a_bent_answer_is_refused() {
    let passkeys = home();
    let (mut soft, key) = registered(&passkeys, ANNA);
    type Bend = fn(&mut SoftKey, &mut Value) -> &'static str;
    let bends: [(&str, Bend); 9] = [
        ("another origin", |_, _| "https://evil.example"),
        ("a name that looks alike", |_, _| "https://notdomovoi.local:8443"),
        ("another port", |_, _| "https://domovoi.local:9443"),
        ("plain http", |_, _| "http://domovoi.local:8443"),
        ("an address", |_, _| "https://192.168.1.5:8443"),
        ("another challenge", |_, options| {
            options["challenge"] = json!(B64.encode([7; 32]));
            HERE
        }),
        ("another relying party", |soft, _| {
            soft.host = Some("evil.example".to_owned());
            HERE
        }),
        ("a user who is not verified", |soft, _| {
            soft.verifies_user = false;
            HERE
        }),
        ("another key with the same id", |soft, _| {
            let (id, user) = (soft.id, soft.user.clone());
            let (options, _) = home().offer(ANNA, "Анна", &[]).unwrap();
            *soft = SoftKey::create(&options, HERE).0;
            (soft.id, soft.user) = (id, user);
            HERE
        }),
    ];
    for (what, bend) in bends {
        let mut keys = [key.clone()];
        let (mut options, pending) = passkeys.challenge().unwrap();
        let origin = bend(&mut soft, &mut options);
        let response = soft.get(&options, origin);
        let refused = passkeys.answer(pending, response, &mut keys);
        assert!(matches!(refused, Err(PasskeyError::Wrong(_))), "{what}: {refused:?}");
        soft.host = None;
        soft.verifies_user = true;
    }
    // A registration by a page elsewhere, and one by an authenticator that verifies nobody.
    let (options, pending) = passkeys.offer(ANNA, "Анна", &[]).unwrap();
    let (mut other, response) = SoftKey::create(&options, "https://evil.example");
    assert!(passkeys.add(&pending, ANNA, response).is_err());
    other.verifies_user = false;
    assert!(passkeys.add(&pending, ANNA, other.attest(&options, HERE)).is_err());
    other.verifies_user = true;
    let mut response = other.attest(&options, HERE);
    response["clientExtensionResults"]["credProps"]["rk"] = json!(false);
    assert!(passkeys.add(&pending, ANNA, response).is_err(), "it could not be found without a login");
    assert!(passkeys.add(&pending, ANNA, other.attest(&options, HERE)).is_ok());
    // The same key once more.
    let (_, known) = registered(&passkeys, BORIS);
    let (options, pending) = passkeys.offer(BORIS, "Борис", std::slice::from_ref(&known)).unwrap();
    other.id = known.id().try_into().unwrap();
    assert!(
        passkeys.add(&pending, BORIS, other.attest(&options, HERE)).is_err(),
        "it is on the list of those not wanted"
    );
}

#[test]
fn a_counter_that_goes_back_is_a_copy() {
    let passkeys = home();
    let (mut soft, key) = registered(&passkeys, ANNA);
    let mut keys = [key];
    soft.counter = 40;
    let (options, pending) = passkeys.challenge().unwrap();
    passkeys.answer(pending, soft.get(&options, HERE), &mut keys).unwrap();
    soft.counter = 10;
    let (options, pending) = passkeys.challenge().unwrap();
    assert_eq!(passkeys.answer(pending, soft.get(&options, HERE), &mut keys), Err(PasskeyError::Copied));
    // Two challenges at a time: the second answer is compared with what is kept by then.
    let (first, first_pending) = passkeys.challenge_for(ANNA, &keys).unwrap();
    let (second, second_pending) = passkeys.challenge_for(ANNA, &keys).unwrap();
    soft.counter = 60;
    let late = soft.get(&second, HERE);
    soft.counter = 70;
    passkeys.answer_for(&first_pending, ANNA, soft.get(&first, HERE), &mut keys).unwrap();
    assert_eq!(passkeys.answer_for(&second_pending, ANNA, late, &mut keys), Err(PasskeyError::Copied));
    // A synchronised passkey counts nothing.
    let (options, pending) = passkeys.offer(ANNA, "Анна", &[]).unwrap();
    let (mut soft, _) = SoftKey::create(&options, HERE);
    soft.synchronised = true;
    let mut keys = [passkeys.add(&pending, ANNA, soft.attest(&options, HERE)).unwrap()];
    for _ in 0..2 {
        let (options, pending) = passkeys.challenge().unwrap();
        assert_eq!(passkeys.answer(pending, soft.get(&options, HERE), &mut keys), Ok(0));
    }
}

#[test]
fn a_home_without_a_name_has_no_passkeys() {
    for (host, origins) in [
        ("192.168.1.5", vec!["https://192.168.1.5:8443"]),
        ("domovoi.local", vec!["http://domovoi.local:8080"]),
        ("domovoi.local", vec!["https://notdomovoi.local"]),
        ("domovoi.local", vec!["rubbish"]),
        ("domovoi.local", vec![]),
        ("", vec!["https://domovoi.local"]),
    ] {
        assert!(
            matches!(Passkeys::new(&policy(host, &origins)), Err(PasskeyError::NotPossible(_))),
            "{host} {origins:?}"
        );
    }
    let demo = Passkeys::new(&policy("localhost", &["http://localhost:8080"])).unwrap();
    let (options, pending) = demo.offer(ANNA, "", &[]).unwrap();
    let (_, response) = SoftKey::create(&options, "http://localhost:8080");
    assert!(demo.add(&pending, ANNA, response).is_ok());
}

#[test]
fn there_is_an_end_to_keys_and_to_sizes() {
    let passkeys = home();
    let (mut soft, key) = registered(&passkeys, ANNA);
    let many = vec![key.clone(); KEYS_MAX];
    assert!(matches!(passkeys.offer(ANNA, "Анна", &many), Err(PasskeyError::TooMany)));
    let (options, pending) = passkeys.challenge().unwrap();
    let mut response = soft.get(&options, HERE);
    response["response"]["signature"] = json!("A".repeat(ANSWER_BYTES_MAX + 1));
    assert!(matches!(passkeys.answer(pending, response, &mut [key]), Err(PasskeyError::Wrong(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn noise_is_refused_and_does_not_panic(
        data in prop::collection::vec(any::<u8>(), 0..200), cut in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let passkeys = home();
        let (options, pending) = passkeys.offer(ANNA, "Анна", &[]).unwrap();
        let (_, whole) = SoftKey::create(&options, HERE);
        let mut object = B64.decode(whole["response"]["attestationObject"].as_str().unwrap()).unwrap();
        let at = cut.index(object.len());
        object[at] = byte;
        let mut bent = whole.clone();
        bent["response"]["attestationObject"] = json!(B64.encode(&object));
        let _ = passkeys.add(&pending, ANNA, bent);
        let mut noise = whole.clone();
        noise["response"]["attestationObject"] = json!(B64.encode(&data));
        prop_assert!(passkeys.add(&pending, ANNA, noise).is_err());
        let mut noise = whole;
        noise["response"]["clientDataJSON"] = json!(B64.encode(&data));
        prop_assert!(passkeys.add(&pending, ANNA, noise).is_err());
        let text = String::from_utf8_lossy(&data).into_owned();
        let claim = json!({ "response": { "userHandle": text } });
        prop_assert!(passkeys.claimed(&claim).is_err());
    }
}
