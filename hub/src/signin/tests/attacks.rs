//! What somebody would try who should not be let in.

use super::*;

/// From everywhere, at once or slowly; the owner is at the door meanwhile.
#[tokio::test]
async fn ten_thousand_guesses_are_few_that_are_compared_and_the_owner_gets_in() {
    let home = Home::new().await;
    let owner = home.owner().await;
    let person = owner.session.person.unwrap();
    let mut key = home.passkey(person).await;
    let kept = home.room.factors(person).await.unwrap();
    let passkey = kept.iter().find(|factor| factor.kind == FactorKind::Passkey).unwrap();
    let before = home.room.evaluations();
    let mut throttled = 0;
    for guess in 0..10_000u32 {
        home.pass(if guess % 100 == 0 { 10 * MINUTE } else { SECOND });
        let from = match guess % 3 {
            0 => stranger(guess),
            1 => from(&format!("2001:db8:{:x}:{:x}::{guess:x}", guess >> 8, guess & 255), "curl"),
            // One /64 with all the addresses in it.
            _ => from(&format!("2001:db8:ffff:1::{guess:x}"), "curl"),
        };
        match home.room.with_password("anna@example.org", secret(&format!("угадай-{guess}")), &from).await {
            Err(SignInError::Wrong) => {}
            Err(SignInError::Throttled(seconds)) => {
                assert!(seconds > 0);
                throttled += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    let evaluations = home.room.evaluations() - before;
    assert!(evaluations <= 100, "{evaluations} of 10,000 reached the hash");
    assert!(evaluations >= 10 && throttled >= 9_900, "the test has tried nothing: {evaluations}, {throttled}");
    // The right password does not help a stranger now, not even from an address that was never seen.
    let right = home.room.with_password("anna@example.org", secret(PASSWORD), &stranger(1 << 20)).await;
    assert!(matches!(right, Err(SignInError::Throttled(_))), "{right:?}");
    // A passkey is not guessed, and so is never closed, wherever it is.
    done(home.by_passkey(&mut key, &stranger(1 << 21)).await);
    // And the phone at home was never concerned.
    home.room.remove_factor(person, &passkey.id).await.unwrap();
    done(home.room.with_password("anna@example.org", secret(PASSWORD), &home_phone()).await);
}

/// As above, but the owner comes in by the phone before the passkey has taken anything back.
#[tokio::test]
async fn the_phone_that_was_let_in_before_gets_in_during_the_storm() {
    let home = Home::new().await;
    home.owner().await;
    for guess in 0..300 {
        home.pass(SECOND);
        let _ =
            home.room.with_password("anna@example.org", secret("угадай меня, если сможешь"), &stranger(guess)).await;
    }
    done(home.room.with_password("anna@example.org", secret(PASSWORD), &home_phone()).await);
}

/// Slow guesses, one for each address: sixty are compared, then none, and the answer stays the same.
#[tokio::test]
async fn after_sixty_wrong_ones_in_a_row_the_right_one_is_wrong_too() {
    let home = Home::new().await;
    let person = home.owner().await.session.person.unwrap();
    home.confirm(person, "anna@example.org").await;
    let mut tried = 0;
    for guess in 0.. {
        home.pass(DAY);
        let answer = home.room.with_password("anna@example.org", secret("не тот"), &stranger(guess)).await;
        tried += u32::from(is_wrong(&answer));
        if tried == u32::from(acquaintance::STRANGERS_MAX) {
            break;
        }
        assert!(guess < 1_000, "only {tried} were let in");
    }
    home.pass(DAY);
    let before = home.room.evaluations();
    let answer = home.room.with_password("anna@example.org", secret(PASSWORD), &stranger(5_000)).await;
    assert!(is_wrong(&answer), "{answer:?}");
    assert_eq!(home.room.evaluations() - before, 1, "it costs the same");
    // The household sees it, the person hears of it.
    assert_eq!(home.store.notices().open().await.unwrap().len(), 1);
    let sent = home.mail.all(1).await;
    assert!(
        sent.iter().any(|(to, message)| to == "anna@example.org" && message.subject.contains("подбирает")),
        "{sent:?}"
    );
    // Coming in where one is known ends it.
    done(home.room.with_password("anna@example.org", secret(PASSWORD), &home_phone()).await);
    assert!(home.store.notices().open().await.unwrap().is_empty());
    home.pass(DAY);
    done(home.room.with_password("anna@example.org", secret(PASSWORD), &stranger(5_001)).await);
}

#[tokio::test]
async fn a_login_that_is_nobodys_cannot_be_told_from_one_that_is() {
    let home = Home::new().await;
    home.owner().await;
    let guest = home.people.add(home.person("Гость", Role::Guest)).await.unwrap();
    home.people.vouch(guest.id, "guest@example.org").await.unwrap();
    home.room.set_password(guest.id, secret(OTHER_PASSWORD), None).await.unwrap();
    let nothing = home.people.add(home.person("Никто", Role::Adult)).await.unwrap();
    home.people.vouch(nothing.id, "other@example.org").await.unwrap();
    let boris = home.somebody("Борис", Role::Adult).await;
    home.people.edit(boris, crate::people::Edit { locked: Some(true), ..Default::default() }).await.unwrap();
    home.pass(2 * DAY);
    // Nobody, a wrong password, nobody's password, a guest whose time is over, somebody whose phone was lost.
    let tries = [
        ("nobody@example.org", PASSWORD),
        ("+7 916 000-00-00", PASSWORD),
        ("", PASSWORD),
        ("anna@example.org", OTHER_PASSWORD),
        ("other@example.org", OTHER_PASSWORD),
        ("guest@example.org", OTHER_PASSWORD),
        ("boris@example.org", OTHER_PASSWORD),
    ];
    for (number, (login, password)) in (0..).zip(tries) {
        home.pass(MINUTE);
        let before = home.room.evaluations();
        let answer = home.room.with_password(login, secret(password), &stranger(number << 8)).await;
        assert!(is_wrong(&answer), "{login}: {answer:?}");
        assert_eq!(home.room.evaluations() - before, 1, "{login}");
        assert_eq!(answer.unwrap_err().to_string(), SignInError::Wrong.to_string());
    }
    // The waits are the same too.
    let waits = |login: &'static str, place: u32| {
        let home = &home;
        async move {
            let mut waits = Vec::new();
            for _ in 0..8 {
                home.pass(10 * SECOND);
                let answer = home.room.with_password(login, secret("не тот пароль"), &stranger(place)).await;
                waits.push(match answer {
                    Err(SignInError::Throttled(seconds)) => seconds,
                    Err(SignInError::Wrong) => 0,
                    other => panic!("{other:?}"),
                });
            }
            waits
        }
    };
    let (real, unreal) = (waits("anna@example.org", 1 << 16).await, waits("else@example.org", 2 << 16).await);
    assert_eq!(real, unreal);
    assert!(real.iter().any(|wait| *wait > 0));
}

#[tokio::test]
async fn a_code_seems_to_be_sent_to_anybody() {
    let home = Home::new().await;
    let person = home.owner().await.session.person.unwrap();
    for login in ["nobody@example.org", "anna@example.org", "", "anna"] {
        home.pass(10 * MINUTE);
        let pending = home.room.send_code(login, &stranger(1)).await.unwrap();
        for _ in 0..5 {
            assert!(is_wrong(&home.room.with_code(&pending, "000000", &stranger(1)).await), "{login}");
        }
        let sixth = home.room.with_code(&pending, "000000", &stranger(2)).await;
        assert!(matches!(sixth, Err(SignInError::Expired)), "{login}: {sixth:?}");
    }
    assert!(home.mail.all(0).await.is_empty(), "an address that nobody confirmed gets no code");
    home.confirm(person, "anna@example.org").await;
    home.pass(DAY);
    let pending = home.room.send_code("Anna@Example.ORG ", &stranger(3)).await.unwrap();
    let sent = home.mail.all(1).await;
    assert_eq!(sent.len(), 1);
    let code: String = sent[0].1.text.chars().take_while(char::is_ascii_digit).collect();
    let opened = done(home.room.with_code(&pending, &code, &stranger(3)).await);
    assert_eq!(home.who(&opened.cookie).await.unwrap().assurance, Assurance::Single);
    assert!(matches!(home.room.with_code(&pending, &code, &stranger(3)).await, Err(SignInError::Expired)), "once");
    // Another one, too late.
    home.pass(MINUTE);
    let pending = home.room.send_code("anna@example.org", &stranger(3)).await.unwrap();
    let sent = home.mail.all(2).await;
    let code: String = sent.last().unwrap().1.text.chars().take_while(char::is_ascii_digit).collect();
    home.pass(10 * MINUTE);
    assert!(matches!(home.room.with_code(&pending, &code, &stranger(3)).await, Err(SignInError::Expired)));
}

#[tokio::test]
async fn codes_are_not_sent_without_end() {
    let home = Home::new().await;
    let person = home.owner().await.session.person.unwrap();
    home.confirm(person, "anna@example.org").await;
    let mut sent = 0;
    for number in 0..500 {
        home.pass(20 * SECOND);
        sent += u32::from(home.room.send_code("anna@example.org", &stranger(number << 8)).await.is_ok());
    }
    assert!((3..=12).contains(&sent), "{sent} messages in three hours");
    home.room.send_code("anna@example.org", &home_phone()).await.unwrap();
}

/// A cookie that somebody planted before the sign-in is nothing afterwards.
#[tokio::test]
async fn a_planted_cookie_is_never_taken_over() {
    let home = Home::new().await;
    let owner = home.owner().await;
    let planted = "A".repeat(43);
    assert!(home.room.by_cookie(&planted, Network::Home).await.unwrap().is_none());
    let again = done(home.room.with_password("anna@example.org", secret(PASSWORD), &home_phone()).await);
    assert_ne!(again.cookie.expose(), owner.cookie.expose());
    assert_ne!(again.cookie.expose(), &planted);
    assert!(home.room.by_cookie(&planted, Network::Home).await.unwrap().is_none());
    for junk in ["", "x", "a b", "' OR 1", &"z".repeat(100_000), "мяу"] {
        assert!(home.room.by_cookie(junk, Network::Home).await.unwrap().is_none());
        assert!(home.room.by_token(junk, Network::Home).await.unwrap().is_none());
        assert!(matches!(home.room.pairing_state(junk, &home_phone()).await, Err(_) | Ok(PairingState::Over)));
        assert!(home.room.second_factor(junk, Answer::Totp("000000".into()), &home_phone()).await.is_err());
    }
    // The session's own id is no cookie, and neither is the form's token.
    assert!(home.room.by_cookie(&again.session.id, Network::Home).await.unwrap().is_none());
    assert!(home.room.by_cookie(again.session.csrf.expose(), Network::Home).await.unwrap().is_none());
    assert_ne!(again.session.csrf.expose(), owner.session.csrf.expose());
}

#[tokio::test]
async fn a_step_up_changes_the_cookie_and_the_old_one_is_worth_nothing() {
    let home = Home::new().await;
    let owner = home.owner().await;
    home.pass(6 * MINUTE);
    assert_eq!(home.who(&owner.cookie).await.unwrap().proved_at, None);
    let raised = home.room.step_up(&owner.session.id, Answer::Password(secret(PASSWORD)), &home_phone()).await.unwrap();
    assert!(home.who(&owner.cookie).await.is_none(), "whoever stole the cookie before has nothing");
    let who = home.who(&raised.cookie).await.unwrap();
    assert_eq!(who.proved_at, Some(home.clock.wall()));
    assert_eq!(raised.session.id, owner.session.id);
    home.pass(5 * MINUTE);
    assert_eq!(home.who(&raised.cookie).await.unwrap().proved_at, None);
    // Somebody who holds the session but not the password loses the session too.
    for _ in 0..5 {
        assert!(home.who(&raised.cookie).await.is_some());
        let wrong = home.room.step_up(&raised.session.id, Answer::Password(secret("x")), &home_phone()).await;
        assert!(is_wrong(&wrong), "{wrong:?}");
    }
    assert!(home.who(&raised.cookie).await.is_none());
}

#[tokio::test]
async fn what_is_used_once_is_used_once() {
    let home = Home::new().await;
    let person = home.owner().await.session.person.unwrap();
    let offer = home.room.totp_offer(person).await.unwrap();
    let code = code_of(&offer.secret, home.clock.wall());
    home.room.add_totp(person, &offer.pending, &code).await.unwrap();
    let codes = home.room.new_recovery_codes(person).await.unwrap();
    let at_home = home_phone();
    let sign_in = || home.room.with_password("anna@example.org", secret(PASSWORD), &at_home);
    // The code that confirmed the app signs nobody in.
    let (step, offered, _) = pending(sign_in().await);
    assert_eq!(offered, [FactorKind::Totp, FactorKind::Recovery]);
    assert!(is_wrong(&home.room.second_factor(&step, Answer::Totp(code), &home_phone()).await));
    // The password again is no second proof.
    let twice = home.room.second_factor(&step, Answer::Password(secret(PASSWORD)), &home_phone()).await;
    assert!(is_wrong(&twice));
    home.pass(MINUTE);
    let (step, _, _) = pending(sign_in().await);
    let code = code_of(&offer.secret, home.clock.wall());
    let opened = done(home.room.second_factor(&step, Answer::Totp(code.clone()), &home_phone()).await);
    assert_eq!(home.who(&opened.cookie).await.unwrap().assurance, Assurance::Strong);
    assert!(matches!(
        home.room.second_factor(&step, Answer::Totp(code.clone()), &home_phone()).await,
        Err(SignInError::Expired)
    ));
    let (step, _, _) = pending(sign_in().await);
    assert!(
        is_wrong(&home.room.second_factor(&step, Answer::Totp(code), &home_phone()).await),
        "in its own half minute"
    );
    // A recovery code.
    let (step, _, _) = pending(sign_in().await);
    done(home.room.second_factor(&step, Answer::Recovery(codes[3].clone()), &home_phone()).await);
    let (step, _, _) = pending(sign_in().await);
    assert!(is_wrong(&home.room.second_factor(&step, Answer::Recovery(codes[3].clone()), &home_phone()).await));
    let left = home.room.factors(person).await.unwrap().into_iter().find_map(|factor| factor.left);
    assert_eq!(left, Some(9));
    assert_eq!(home.deeds("recovery.used").await.len(), 1);
    // A step that waited too long.
    home.pass(MINUTE);
    let (step, _, _) = pending(sign_in().await);
    home.pass(5 * MINUTE);
    let code = code_of(&offer.secret, home.clock.wall());
    let late = home.room.second_factor(&step, Answer::Totp(code), &home_phone()).await;
    assert!(matches!(late, Err(SignInError::Expired)));
}

/// Somebody knows the password: a million codes are still not tried.
#[tokio::test]
async fn second_factors_are_not_guessed_either() {
    let home = Home::new().await;
    let person = home.owner().await.session.person.unwrap();
    let offer = home.room.totp_offer(person).await.unwrap();
    home.room.add_totp(person, &offer.pending, &code_of(&offer.secret, home.clock.wall())).await.unwrap();
    let mut judged = 0;
    'attack: for round in 0..60 {
        home.pass(2 * MINUTE);
        let step = home.room.with_password("anna@example.org", secret(PASSWORD), &stranger(round << 8)).await;
        let Ok(Step::SecondFactor { pending, .. }) = step else { continue };
        for _ in 0..20 {
            match home.room.second_factor(&pending, Answer::Totp("123456".into()), &stranger(round << 8)).await {
                Err(SignInError::Wrong) => judged += 1,
                Err(SignInError::Throttled(_)) => continue 'attack,
                Err(SignInError::Expired) => break,
                other => panic!("{other:?}"),
            }
        }
    }
    assert!((10..=60).contains(&judged), "{judged}");
    // The owner, where they are known, with the next code.
    let (step, _, _) = pending(home.room.with_password("anna@example.org", secret(PASSWORD), &home_phone()).await);
    let code = code_of(&offer.secret, home.clock.wall());
    done(home.room.second_factor(&step, Answer::Totp(code), &home_phone()).await);
}

#[tokio::test]
async fn an_answer_of_one_passkey_opens_one_session() {
    let home = Home::new().await;
    let person = home.owner().await.session.person.unwrap();
    let mut key = home.passkey(person).await;
    let (pending, options) = home.room.passkey_challenge(&home_phone()).await.unwrap();
    let response = key.get(&options, ORIGIN);
    let opened = done(home.room.with_passkey(&pending, response.clone(), &home_phone()).await);
    assert_eq!(home.who(&opened.cookie).await.unwrap().assurance, Assurance::Strong);
    let replayed = home.room.with_passkey(&pending, response.clone(), &home_phone()).await;
    assert!(matches!(replayed, Err(SignInError::Expired)));
    let (other, _) = home.room.passkey_challenge(&home_phone()).await.unwrap();
    assert!(is_wrong(&home.room.with_passkey(&other, response, &home_phone()).await), "another challenge");
    // On a page of somebody else's.
    let (pending, options) = home.room.passkey_challenge(&home_phone()).await.unwrap();
    let phished = key.get(&options, "https://dom0voi.local:8443");
    assert!(is_wrong(&home.room.with_passkey(&pending, phished, &home_phone()).await));
    // A person whose devices are locked is not let in by the passkey on the lost phone.
    home.somebody("Борис", Role::Owner).await;
    home.people.edit(person, crate::people::Edit { locked: Some(true), ..Default::default() }).await.unwrap();
    assert!(is_wrong(&home.by_passkey(&mut key, &home_phone()).await));
    assert!(home.who(&opened.cookie).await.is_none());
}

/// Nothing that was typed is in the journal; what was refused is.
#[tokio::test]
async fn the_journal_says_what_was_refused_and_never_what_was_typed() {
    let home = Home::new().await;
    home.owner().await;
    let typed = "секретное-слово-не-для-журнала";
    let _ = home.room.with_password(typed, secret(typed), &stranger(1)).await;
    let _ = home.room.with_password("anna@example.org", secret(typed), &stranger(1)).await;
    home.journal.flush().await.unwrap();
    let all = home.journal.search(&Query { limit: 500, ..Query::default() }).await.unwrap();
    assert!(all.records.iter().all(|record| !format!("{record:?}").contains("секретное")));
    assert!(all.records.iter().all(|record| !format!("{record:?}").contains(PASSWORD)));
    let refused = all.records.iter().filter(|record| record.entry.deed == "session.opened");
    assert!(refused.filter(|record| record.entry.outcome == Outcome::Refused("wrong".into())).count() >= 1);
}
