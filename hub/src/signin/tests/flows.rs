//! The flows as they are meant, and what ends them.

use super::*;
use crate::people::Edit;
use crate::policy::Scope;

#[tokio::test]
async fn the_first_owner_is_set_up_once() {
    let home = Home::new().await;
    assert!(home.room.needs_owner());
    let owner = || home.person("Анна", Role::Owner);
    let old = home.room.setup_token().await.unwrap();
    let token = home.room.setup_token().await.unwrap();
    for wrong in [old.expose().as_str(), "", "x"] {
        let answer = home.room.set_up(wrong, owner(), secret(PASSWORD), &home_phone()).await;
        assert!(matches!(answer, Err(SignInError::Expired)), "{answer:?}");
    }
    let weak = home.room.set_up(token.expose(), owner(), secret("анна"), &home_phone()).await;
    assert!(matches!(weak, Err(SignInError::Weak(unmet)) if unmet.len() >= 2), "every rule at once");
    let nameless = NewPerson { contacts: vec![" ".into()], ..owner() };
    assert!(matches!(
        home.room.set_up(token.expose(), nameless, secret(PASSWORD), &home_phone()).await,
        Err(SignInError::Refused(_))
    ));
    assert!(home.room.needs_owner() && home.people.list().is_empty(), "nothing was left behind");
    home.pass(10 * MINUTE);
    let late = home.room.set_up(token.expose(), owner(), secret(PASSWORD), &home_phone()).await;
    assert!(matches!(late, Err(SignInError::Expired)));
    let token = home.room.setup_token().await.unwrap();
    // A child of the house who was quicker becomes an owner, never something else.
    let child = NewPerson { role: Role::Child, ..owner() };
    let opened = home.room.set_up(token.expose(), child, secret(PASSWORD), &home_phone()).await.unwrap();
    assert!(!home.room.needs_owner());
    let who = home.who(&opened.cookie).await.unwrap();
    assert_eq!((who.role, who.assurance), (Some(Role::Owner), Assurance::Strong));
    assert_eq!(who.proved_at, Some(home.clock.wall()));
    let again = home.room.set_up(token.expose(), owner(), secret(PASSWORD), &home_phone()).await;
    assert!(matches!(again, Err(SignInError::Refused(_))), "{again:?}");
    assert!(home.room.setup_token().await.is_err());
    done(home.room.with_password(" Anna@example.org", secret(PASSWORD), &home_phone()).await);
}

#[tokio::test]
async fn two_who_set_up_at_the_same_time_are_one_owner() {
    let home = Home::new().await;
    let token = home.room.setup_token().await.unwrap();
    let at_home = home_phone();
    let set_up = |name| home.room.set_up(token.expose(), home.person(name, Role::Owner), secret(PASSWORD), &at_home);
    let (one, two) = tokio::join!(set_up("Анна"), set_up("Борис"));
    assert!(one.is_ok() != two.is_ok());
    assert_eq!(home.people.list().len(), 1);
}

#[tokio::test]
async fn sessions_end_when_they_should() {
    let home = Home::new().await;
    home.owner().await;
    let boris = home.somebody("Борис", Role::Adult).await;
    let at_home = home_phone();
    let sign_in = || home.room.with_password("boris@example.org", secret(OTHER_PASSWORD), &at_home);
    // Idle, and in any case.
    let opened = done(sign_in().await);
    home.pass(14 * DAY + 1);
    assert!(home.who(&opened.cookie).await.is_none());
    let opened = done(sign_in().await);
    for _ in 0..9 {
        home.pass(10 * DAY);
        assert!(home.who(&opened.cookie).await.is_some());
    }
    home.pass(1);
    assert!(home.who(&opened.cookie).await.is_none());
    // By hand.
    let (one, two) = (done(sign_in().await), done(sign_in().await));
    home.room.name_session(boris, &one.session.id, "Телефон Бориса").await.unwrap();
    let names: Vec<String> = home.room.sessions(boris).await.unwrap().into_iter().map(|view| view.name).collect();
    assert!(names.contains(&"Телефон Бориса".to_owned()) && names.len() == 2, "{names:?}");
    home.room.end_session(boris, &one.session.id).await.unwrap();
    assert!(home.who(&one.cookie).await.is_none() && home.who(&two.cookie).await.is_some());
    let other = home.room.end_session(boris, &one.session.id).await;
    assert!(matches!(other, Err(SignInError::NoSuch("session"))));
    // Another's session is not there at all.
    let anna = home.people.by_login("anna@example.org").unwrap().id;
    assert!(matches!(home.room.end_session(anna, &two.session.id).await, Err(SignInError::NoSuch("session"))));
    assert!(home.room.name_session(anna, &two.session.id, "чужое").await.is_err());
    // Other rights.
    home.people.edit(boris, Edit { role: Some(Role::Child), ..Edit::default() }).await.unwrap();
    assert!(home.who(&two.cookie).await.is_none());
    // A lost phone.
    let opened = done(sign_in().await);
    home.people.edit(boris, Edit { locked: Some(true), ..Edit::default() }).await.unwrap();
    assert!(home.who(&opened.cookie).await.is_none());
    assert!(is_wrong(&sign_in().await));
    home.people.edit(boris, Edit { locked: Some(false), ..Edit::default() }).await.unwrap();
    assert!(home.who(&opened.cookie).await.is_none(), "what was ended stays ended");
    // A new password: all but the one at which it was set.
    let (one, two) = (done(sign_in().await), done(sign_in().await));
    home.room.set_password(boris, secret(PASSWORD), Some(&one.session.id)).await.unwrap();
    assert!(home.who(&one.cookie).await.is_some() && home.who(&two.cookie).await.is_none());
    // Erased.
    home.people.erase(boris, Actor::Console).await.unwrap();
    assert!(home.who(&one.cookie).await.is_none());
    home.room.sweep_sessions().await.unwrap();
    assert!(home.store.papers().of(domovoi_store::Drawer::Session, boris).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_guests_session_ends_with_the_guest() {
    let home = Home::new().await;
    home.owner().await;
    let guest = home.somebody("Гость", Role::Guest).await;
    let opened = done(home.room.with_password("guest@example.org", secret(OTHER_PASSWORD), &home_phone()).await);
    assert_eq!(home.who(&opened.cookie).await.unwrap().person(), Some(guest));
    home.pass(DAY);
    assert!(home.who(&opened.cookie).await.is_none());
}

#[tokio::test]
async fn the_fifty_first_session_takes_the_place_of_the_one_unused_for_longest() {
    let home = Home::new().await;
    let owner = home.owner().await;
    let person = home.people.get(owner.session.person.unwrap()).unwrap();
    for _ in 0..49 {
        home.pass(SECOND);
        home.room.open_session(&person, &[session::Shown::Portal], &home_phone()).await.unwrap();
    }
    assert_eq!(home.room.sessions(person.id).await.unwrap().len(), 50);
    assert!(home.who(&owner.cookie).await.is_some(), "used now, so it is not the oldest");
    home.pass(SECOND);
    home.room.open_session(&person, &[session::Shown::Portal], &home_phone()).await.unwrap();
    assert_eq!(home.room.sessions(person.id).await.unwrap().len(), 50);
    assert!(home.who(&owner.cookie).await.is_some());
}

#[tokio::test]
async fn a_locked_out_owner_comes_back_by_the_console() {
    let home = Home::new().await;
    let owner = home.owner().await;
    let person = owner.session.person.unwrap();
    home.confirm(person, "anna@example.org").await;
    let old = home.room.entry_token(person, false).await.unwrap();
    let token = home.room.entry_token(person, false).await.unwrap();
    assert!(matches!(home.room.enter(old.expose(), None, &home_phone()).await, Err(SignInError::Expired)));
    let weak = home.room.enter(token.expose(), Some(secret("короткий")), &home_phone()).await;
    assert!(matches!(weak, Err(SignInError::Weak(_))), "and the link is still good");
    let opened = home.room.enter(token.expose(), Some(secret(OTHER_PASSWORD)), &home_phone()).await.unwrap();
    assert!(home.who(&owner.cookie).await.is_none(), "whoever was in is out");
    assert_eq!(home.who(&opened.cookie).await.unwrap().assurance, Assurance::Strong);
    assert!(matches!(home.room.enter(token.expose(), None, &home_phone()).await, Err(SignInError::Expired)));
    assert!(is_wrong(&home.room.with_password("anna@example.org", secret(PASSWORD), &home_phone()).await));
    done(home.room.with_password("anna@example.org", secret(OTHER_PASSWORD), &home_phone()).await);
    let sent = home.mail.all(1).await;
    assert!(sent.iter().any(|(_, message)| message.subject.contains("одноразовой ссылке")), "{sent:?}");
    assert_eq!(home.deeds("recovery.link").await.len(), 2);
    assert_eq!(home.deeds("recovery.entered").await.len(), 1);
    let late = home.room.entry_token(person, false).await.unwrap();
    home.pass(10 * MINUTE);
    assert!(matches!(home.room.enter(late.expose(), None, &home_phone()).await, Err(SignInError::Expired)));
}

#[tokio::test]
async fn an_invitation_lasts_a_day_and_what_it_was_given_for() {
    let home = Home::new().await;
    home.owner().await;
    let boris = home.people.add(home.person("Борис", Role::Adult)).await.unwrap();
    let token = home.room.entry_token(boris.id, true).await.unwrap();
    home.pass(23 * 60 * MINUTE);
    let opened = home.room.enter(token.expose(), None, &stranger(1)).await.unwrap();
    let who = home.who(&opened.cookie).await.unwrap();
    assert_eq!((who.person(), who.assurance), (Some(boris.id), Assurance::Single));
    let token = home.room.entry_token(boris.id, true).await.unwrap();
    home.people.edit(boris.id, Edit { role: Some(Role::Owner), ..Edit::default() }).await.unwrap();
    let stale = home.room.enter(token.expose(), None, &stranger(1)).await;
    assert!(matches!(stale, Err(SignInError::Expired)), "it was for an adult");
    let token = home.room.entry_token(boris.id, true).await.unwrap();
    home.pass(DAY);
    assert!(matches!(home.room.enter(token.expose(), None, &stranger(1)).await, Err(SignInError::Expired)));
}

#[tokio::test]
async fn the_last_way_in_stays_and_a_short_password_never_stays_alone() {
    let home = Home::new().await;
    let person = home.owner().await.session.person.unwrap();
    let of_kind = |kind: FactorKind| {
        let home = &home;
        async move {
            let factors = home.room.factors(person).await.unwrap();
            factors.into_iter().find(|factor| factor.kind == kind).unwrap().id
        }
    };
    let password = of_kind(FactorKind::Password).await;
    assert!(matches!(home.room.remove_factor(person, &password).await, Err(SignInError::Refused(_))));
    home.room.new_recovery_codes(person).await.unwrap();
    home.room.set_pin(person, secret("7294")).await.unwrap();
    let last = home.room.remove_factor(person, &password).await.unwrap_err();
    assert_eq!(last.say(Language::Russian), "Это последний способ входа. Сначала добавьте другой.");
    // Beside an app nine characters do.
    let short = "рыжк7vqzp";
    assert!(matches!(home.room.set_password(person, secret(short), None).await, Err(SignInError::Weak(_))));
    let offer = home.room.totp_offer(person).await.unwrap();
    home.room.add_totp(person, &offer.pending, &code_of(&offer.secret, home.clock.wall())).await.unwrap();
    home.room.set_password(person, secret(short), None).await.unwrap();
    let app = of_kind(FactorKind::Totp).await;
    let refused = home.room.remove_factor(person, &app).await.unwrap_err();
    assert!(refused.say(Language::English).contains("15"), "{refused}");
    home.passkey(person).await;
    home.room.remove_factor(person, &app).await.unwrap();
    home.room.remove_factor(person, &password).await.unwrap();
    let passkey = of_kind(FactorKind::Passkey).await;
    assert!(home.room.remove_factor(person, &passkey).await.is_err());
    let anothers = home.somebody("Борис", Role::Adult).await;
    assert!(matches!(home.room.remove_factor(anothers, &passkey).await, Err(SignInError::NoSuch("factor"))));
}

#[tokio::test]
async fn a_passkey_is_a_second_factor_and_a_step_up() {
    let home = Home::new().await;
    let person = home.owner().await.session.person.unwrap();
    let mut key = home.passkey(person).await;
    let (step, offered, options) =
        pending(home.room.with_password("anna@example.org", secret(PASSWORD), &home_phone()).await);
    assert_eq!(offered, [FactorKind::Passkey]);
    let response = key.get(&options.unwrap(), ORIGIN);
    let opened = done(home.room.second_factor(&step, Answer::Passkey(step.clone(), response), &home_phone()).await);
    home.pass(6 * MINUTE);
    let (step, options) = home.room.passkey_challenge_for(person).await.unwrap();
    let response = key.get(&options, ORIGIN);
    let answer = || Answer::Passkey(step.clone(), response.clone());
    let raised = home.room.step_up(&opened.session.id, answer(), &home_phone()).await.unwrap();
    assert!(home.who(&raised.cookie).await.unwrap().proved_at.is_some());
    assert!(home.room.step_up(&raised.session.id, answer(), &home_phone()).await.is_err(), "once");
    // Somebody else's challenge.
    let boris = home.somebody("Борис", Role::Adult).await;
    let mut his = home.passkey(boris).await;
    let (step, options) = home.room.passkey_challenge_for(boris).await.unwrap();
    let response = his.get(&options, ORIGIN);
    let answer = home.room.step_up(&raised.session.id, Answer::Passkey(step, response), &home_phone()).await;
    assert!(is_wrong(&answer), "{answer:?}");
}

#[tokio::test]
async fn an_account_of_the_portal_lets_in_whose_it_is() {
    let home = Home::new().await;
    let person = home.owner().await.session.person.unwrap();
    let boris = home.somebody("Борис", Role::Adult).await;
    assert!(is_wrong(&home.room.with_portal_account("https://portal.example", "42", &home_phone()).await));
    home.room.add_portal_account(person, "https://portal.example", "42").await.unwrap();
    home.room.add_portal_account(person, "https://portal.example", "42").await.unwrap();
    assert!(home.room.add_portal_account(boris, "https://portal.example", "42").await.is_err());
    assert!(is_wrong(&home.room.with_portal_account("https://other.example", "42", &home_phone()).await));
    let opened = done(home.room.with_portal_account("https://portal.example", "42", &home_phone()).await);
    let who = home.who(&opened.cookie).await.unwrap();
    assert_eq!((who.person(), who.assurance), (Some(person), Assurance::Single));
}

#[tokio::test]
async fn a_new_device_is_told_and_a_known_one_is_not() {
    let home = Home::new().await;
    let person = home.owner().await.session.person.unwrap();
    home.confirm(person, "anna@example.org").await;
    let sign_in = |origin: Origin| {
        let home = &home;
        async move { done(home.room.with_password("anna@example.org", secret(PASSWORD), &origin).await) }
    };
    sign_in(home_phone()).await;
    sign_in(from("192.168.1.99", "Firefox, Android")).await;
    assert!(home.deeds("device.new").await.is_empty(), "the phone got another address at home");
    sign_in(from("198.51.100.7", "Chrome, Windows")).await;
    assert_eq!(home.deeds("device.new").await.len(), 1);
    let sent = home.mail.all(1).await;
    assert!(sent[0].1.text.contains("Chrome, Windows"), "{sent:?}");
    sign_in(from("198.51.100.7", "Chrome, Windows")).await;
    assert_eq!(home.deeds("device.new").await.len(), 1);
}

#[tokio::test]
async fn a_token_follows_its_persons_rights_and_no_more() {
    let home = Home::new().await;
    home.owner().await;
    let boris = home.somebody("Борис", Role::Adult).await;
    let scope = Scope { verb: crate::policy::Verb::See, kind: Some(crate::policy::Kind::Meter) };
    for days in [0, 366, u32::MAX] {
        assert!(home.room.issue_token(boris, "Панель", vec![], days).await.is_err());
    }
    let issued = home.room.issue_token(boris, "Панель", vec![scope], 30).await.unwrap();
    let token = issued.token.expose().clone();
    assert!(token.starts_with("dmv_") && token.len() >= 47);
    let by_token = || home.room.by_token(&token, Network::Home);
    let who = by_token().await.unwrap().unwrap();
    assert_eq!((who.role, who.assurance, who.proved_at), (Some(Role::Adult), Assurance::Single, None));
    assert_eq!(who.scopes, Some(vec![scope]));
    home.room.came_from(&token, "192.168.1.40".parse().unwrap());
    let view = home.room.tokens(boris).await.unwrap().remove(0);
    assert_eq!((view.used_at, view.used_from), (Some(home.clock.wall()), Some("192.168.1.40".parse().unwrap())));
    // Another role needs no new token; a lock ends it for as long as it lasts.
    home.people.edit(boris, Edit { role: Some(Role::Child), ..Edit::default() }).await.unwrap();
    assert_eq!(by_token().await.unwrap().unwrap().role, Some(Role::Child));
    home.people.edit(boris, Edit { locked: Some(true), ..Edit::default() }).await.unwrap();
    assert!(by_token().await.unwrap().is_none());
    home.people.edit(boris, Edit { locked: Some(false), ..Edit::default() }).await.unwrap();
    assert!(by_token().await.unwrap().is_some());
    for other in [token.trim_start_matches("dmv_"), &token.to_uppercase(), &format!("{token}x")] {
        assert!(home.room.by_token(other, Network::Home).await.unwrap().is_none());
        assert!(home.room.by_cookie(other, Network::Home).await.unwrap().is_none());
    }
    let anna = home.people.by_login("anna@example.org").unwrap().id;
    assert!(home.room.end_token(anna, &issued.view.id).await.is_err());
    home.pass(30 * DAY);
    assert!(by_token().await.unwrap().is_none());
    let issued = home.room.issue_token(boris, "Ещё", vec![], 1).await.unwrap();
    let unlimited = home.room.by_token(issued.token.expose(), Network::Home).await.unwrap().unwrap();
    assert_eq!(unlimited.scopes, None);
    home.room.end_token(boris, &issued.view.id).await.unwrap();
    assert!(home.room.by_token(issued.token.expose(), Network::Home).await.unwrap().is_none());
}

#[tokio::test]
async fn a_certificate_is_one_persons() {
    let home = Home::new().await;
    let anna = home.owner().await.session.person.unwrap();
    let boris = home.somebody("Борис", Role::Adult).await;
    let until = home.clock.wall().plus_millis(DAY);
    let view = home.room.add_certificate(boris, "Ноутбук", [9; 32], until).await.unwrap();
    assert!(home.room.add_certificate(anna, "Чужой", [9; 32], until).await.is_err());
    let who = home.room.by_certificate(&[9; 32], Network::Home).await.unwrap().unwrap();
    assert_eq!(who.person(), Some(boris));
    assert!(home.room.by_certificate(&[8; 32], Network::Home).await.unwrap().is_none());
    home.pass(DAY);
    assert!(home.room.by_certificate(&[9; 32], Network::Home).await.unwrap().is_none());
    assert!(home.room.end_certificate(anna, &view.id).await.is_err());
}
