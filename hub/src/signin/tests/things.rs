//! Devices: pairing, tablets on the wall, PINs.

use super::*;
use crate::people::Edit;

async fn tablet(home: &Home) -> Opened {
    let anna = home.people.by_login("anna@example.org").unwrap().id;
    let pairing = home.room.pair(PairingKind::Tablet, &from("192.168.1.50", "Tablet")).await.unwrap();
    home.room.approve_pairing(&pairing.code, anna, "Прихожая").await.unwrap();
    match home.room.pairing_state(pairing.secret.expose(), &from("192.168.1.50", "Tablet")).await.unwrap() {
        PairingState::Approved(opened) => opened,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_phone_is_paired_by_somebody_who_is_in() {
    let home = Home::new().await;
    let owner = home.owner().await;
    let person = owner.session.person.unwrap();
    let new = from("192.168.1.33", "Safari, iPhone");
    let pairing = home.room.pair(PairingKind::Phone, &new).await.unwrap();
    let state = |secret: String| {
        let (home, new) = (&home, new.clone());
        async move { home.room.pairing_state(&secret, &new).await.unwrap() }
    };
    assert!(matches!(state(pairing.secret.expose().clone()).await, PairingState::Waiting));
    // The code that anybody could photograph opens nothing.
    assert!(home.room.pairing_state(&pairing.code, &new).await.is_err());
    let seen = home.room.pairing(&pairing.code.to_lowercase()).await.unwrap();
    assert!(seen.secret.expose().is_empty() && seen.device == "Safari, iPhone");
    home.room.approve_pairing(&pairing.code, person, "Телефон Анны").await.unwrap();
    // Decided once: nobody takes it over or back.
    assert!(home.room.refuse_pairing(&pairing.code).await.is_err());
    assert!(home.room.approve_pairing(&pairing.code, person, "Ещё раз").await.is_err());
    let PairingState::Approved(opened) = state(pairing.secret.expose().clone()).await else { panic!("not approved") };
    let who = home.who(&opened.cookie).await.unwrap();
    assert_eq!((who.person(), who.assurance, who.proved_at), (Some(person), Assurance::Single, None));
    assert_eq!(opened.session.name, "Телефон Анны");
    assert!(matches!(state(pairing.secret.expose().clone()).await, PairingState::Over), "once");
    // Refused, and too late.
    let pairing = home.room.pair(PairingKind::Phone, &new).await.unwrap();
    home.room.refuse_pairing(&pairing.code).await.unwrap();
    assert!(matches!(state(pairing.secret.expose().clone()).await, PairingState::Over));
    let pairing = home.room.pair(PairingKind::Phone, &new).await.unwrap();
    home.room.approve_pairing(&pairing.code, person, "Поздно").await.unwrap();
    home.pass(5 * MINUTE);
    assert!(matches!(state(pairing.secret.expose().clone()).await, PairingState::Over));
    // Approved by somebody whose phone was lost meanwhile.
    let boris = home.somebody("Борис", Role::Adult).await;
    let pairing = home.room.pair(PairingKind::Phone, &new).await.unwrap();
    home.room.approve_pairing(&pairing.code, boris, "Чужой").await.unwrap();
    home.people.edit(boris, Edit { locked: Some(true), ..Edit::default() }).await.unwrap();
    assert!(matches!(state(pairing.secret.expose().clone()).await, PairingState::Over));
}

#[tokio::test]
async fn pairings_are_few_and_their_codes_are_not_guessed() {
    let home = Home::new().await;
    home.owner().await;
    let mine = home.room.pair(PairingKind::Phone, &home_phone()).await.unwrap();
    let open = |number: u32| {
        let home = &home;
        async move { home.room.pair(PairingKind::Phone, &stranger(number)).await.is_ok() }
    };
    let mut opened = 0;
    for number in 0..200 {
        opened += u32::from(open(number / 10).await);
    }
    assert!(opened >= 19 && home.room.pairing(&mine.code).await.is_ok(), "nobody pushes another's out");
    let next = home.room.pair(PairingKind::Phone, &from("192.168.1.77", "Phone")).await;
    assert!(next.is_ok(), "strangers outside do not keep the home from pairing: {next:?}");
    let mut looked = 0;
    for guess in 0..10_000u32 {
        home.pass(10);
        match home.room.pairing(&format!("AAAA{guess:04}")).await {
            Err(SignInError::NoSuch("pairing")) => looked += 1,
            Err(SignInError::Throttled(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!((5..=30).contains(&looked), "{looked}");
    assert!(home.room.pairing(&mine.code).await.is_ok(), "whoever has the code is not concerned");
}

#[tokio::test]
async fn a_tablet_is_nobodys_until_a_pin_is_typed() {
    let home = Home::new().await;
    let owner = home.owner().await;
    let person = owner.session.person.unwrap();
    home.room.set_pin(person, secret("7294")).await.unwrap();
    assert!(matches!(home.room.set_pin(person, secret("1234")).await, Err(SignInError::Weak(_))));
    let tablet = tablet(&home).await;
    let who = home.who(&tablet.cookie).await.unwrap();
    assert_eq!((who.subject.clone(), who.assurance), (Subject::Nobody, Assurance::None));
    assert!(tablet.session.tablet && tablet.session.person.is_none());
    assert_eq!(home.room.pin_people(tablet.cookie.expose()).await.unwrap(), [(person, "Анна".to_owned())]);
    // Only there: a session of a person is no tablet, and neither is nothing.
    for other in [owner.cookie.expose().as_str(), "", "A"] {
        assert!(home.room.with_pin(other, person, "7294", &home_phone()).await.is_err());
        assert!(home.room.pin_people(other).await.is_err());
    }
    let at = from("192.168.1.50", "Tablet");
    let opened = home.room.with_pin(tablet.cookie.expose(), person, "7294", &at).await.unwrap();
    assert!(home.who(&tablet.cookie).await.is_none(), "a new cookie at every sign-in");
    let who = home.who(&opened.cookie).await.unwrap();
    assert_eq!((who.person(), who.assurance, who.proved_at), (Some(person), Assurance::Pin, None));
    // A page that refreshes itself all the while does not keep it alive.
    home.pass(6 * MINUTE);
    let resting = home.room.by_resting_cookie(opened.cookie.expose(), Network::Home).await.unwrap().unwrap().0;
    assert_eq!(resting.person(), Some(person));
    home.pass(4 * MINUTE + 1);
    let who = home.who(&opened.cookie).await.unwrap();
    assert_eq!(who.person(), None, "ten minutes unused, and it is nobody's again");
    let again = home.room.with_pin(opened.cookie.expose(), person, "7294", &at).await.unwrap();
    home.room.end_session(person, &again.session.id).await.unwrap();
    assert_eq!(home.who(&again.cookie).await.unwrap().person(), None, "signed out, and still paired");
    // The owner takes it off the wall.
    let listed = home.room.sessions(person).await.unwrap();
    let listed = listed.iter().find(|view| view.tablet).unwrap();
    home.room.end_session(person, &listed.id).await.unwrap();
    assert!(home.who(&again.cookie).await.is_none());
}

#[tokio::test]
async fn five_wrong_pins_lock_the_tablet_until_the_password_is_used() {
    let home = Home::new().await;
    let person = home.owner().await.session.person.unwrap();
    home.room.set_pin(person, secret("7294")).await.unwrap();
    let tablet = tablet(&home).await;
    let at = from("192.168.1.50", "Tablet");
    for _ in 0..5 {
        assert!(is_wrong(&home.room.with_pin(tablet.cookie.expose(), person, "0000", &at).await));
    }
    let before = home.room.evaluations();
    let locked = home.room.with_pin(tablet.cookie.expose(), person, "7294", &at).await;
    assert!(matches!(locked, Err(SignInError::Refused(_))), "{locked:?}");
    assert_eq!(home.room.evaluations(), before);
    home.pass(30 * DAY);
    let locked = home.room.with_pin(tablet.cookie.expose(), person, "7294", &at).await;
    assert!(matches!(locked, Err(SignInError::Refused(_))), "time does not unlock it");
    done(home.room.with_password("anna@example.org", secret(PASSWORD), &home_phone()).await);
    home.room.with_pin(tablet.cookie.expose(), person, "7294", &at).await.unwrap();
}

/// Whoever may only look cannot make more of it by the tablet.
#[tokio::test]
async fn a_pin_is_raised_by_a_password_and_falls_back() {
    let home = Home::new().await;
    let person = home.owner().await.session.person.unwrap();
    home.room.set_pin(person, secret("7294")).await.unwrap();
    let tablet = tablet(&home).await;
    let at = from("192.168.1.50", "Tablet");
    let pinned = home.room.with_pin(tablet.cookie.expose(), person, "7294", &at).await.unwrap();
    let raised = home.room.step_up(&pinned.session.id, Answer::Password(secret(PASSWORD)), &at).await.unwrap();
    let who = home.who(&raised.cookie).await.unwrap();
    assert_eq!(who.proved_at, Some(home.clock.wall()));
    assert_eq!(who.assurance, Assurance::Single);
    home.pass(10 * MINUTE + 1);
    let who = home.who(&raised.cookie).await.unwrap();
    assert_eq!((who.person(), who.assurance), (None, Assurance::None));
}
