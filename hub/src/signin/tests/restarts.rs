//! The power goes: what stays, what ends, and what is mended.

use domovoi_store::{Drawer, Paper};

use super::*;
use crate::people::Edit;

#[tokio::test]
async fn sessions_and_tokens_outlive_a_restart() {
    let home = Home::new().await;
    let owner = home.owner().await;
    let person = owner.session.person.unwrap();
    let issued = home.room.issue_token(person, "Панель", vec![], 30).await.unwrap();
    let home = home.again(8, Timestamp(NOW + DAY)).await;
    assert!(!home.room.needs_owner());
    let who = home.who(&owner.cookie).await.unwrap();
    assert_eq!(who.person(), Some(person));
    assert_eq!(who.proved_at, None, "a factor is shown again after a restart");
    assert!(home.room.by_token(issued.token.expose(), Network::Home).await.unwrap().is_some());
    // Ended while the hub was off by its time alone.
    let home = home.again(9, Timestamp(NOW + 20 * DAY)).await;
    assert!(home.who(&owner.cookie).await.is_none());
}

#[tokio::test]
async fn what_was_ended_stays_ended() {
    let home = Home::new().await;
    let owner = home.owner().await;
    let person = owner.session.person.unwrap();
    let other = done(home.room.with_password("anna@example.org", secret(PASSWORD), &home_phone()).await);
    let raised = home.room.step_up(&other.session.id, Answer::Password(secret(PASSWORD)), &home_phone()).await.unwrap();
    home.room.end_session(person, &owner.session.id).await.unwrap();
    let issued = home.room.issue_token(person, "Панель", vec![], 30).await.unwrap();
    home.room.end_token(person, &issued.view.id).await.unwrap();
    let home = home.again(8, Timestamp(NOW + MINUTE)).await;
    assert!(home.who(&owner.cookie).await.is_none());
    assert!(home.who(&other.cookie).await.is_none(), "the cookie before the step-up");
    assert!(home.who(&raised.cookie).await.is_some());
    assert!(home.room.by_token(issued.token.expose(), Network::Home).await.unwrap().is_none());
}

#[tokio::test]
async fn a_pi_without_a_network_knows_its_people_and_believes_no_date() {
    let home = Home::new().await;
    let owner = home.owner().await;
    let person = owner.session.person.unwrap();
    let guest = home.somebody("Гость", Role::Guest).await;
    let visit = done(home.room.with_password("guest@example.org", secret(OTHER_PASSWORD), &home_phone()).await);
    let issued = home.room.issue_token(person, "Панель", vec![], 30).await.unwrap();
    let home = home.again(8, Timestamp(5_000)).await;
    assert_eq!(home.clock.trusted(), None);
    assert!(home.who(&owner.cookie).await.is_some());
    done(home.room.with_password("anna@example.org", secret(PASSWORD), &home_phone()).await);
    assert!(home.room.by_token(issued.token.expose(), Network::Home).await.unwrap().is_none(), "it ends at a time");
    assert!(home.room.issue_token(person, "Ещё", vec![], 1).await.is_err());
    assert!(is_wrong(&home.room.with_password("guest@example.org", secret(OTHER_PASSWORD), &home_phone()).await));
    // The guest's session is kept, and says when the guest's time is over: the policy lets it do nothing.
    let who = home.who(&visit.cookie).await.unwrap();
    assert_eq!((who.person(), who.until.is_some()), (Some(guest), true));
    // The time is known again, and nothing has passed but an hour.
    home.clock.set(Timestamp(NOW + 60 * MINUTE));
    assert!(home.who(&owner.cookie).await.is_some());
    assert!(home.who(&visit.cookie).await.is_some());
    assert!(home.room.by_token(issued.token.expose(), Network::Home).await.unwrap().is_some());
    // Or a quarter of a year.
    let home = home.again(9, Timestamp(5_000)).await;
    assert!(home.who(&owner.cookie).await.is_some());
    home.clock.set(Timestamp(NOW + 100 * DAY));
    assert!(home.who(&owner.cookie).await.is_none());
}

/// The power goes after the person was written and before the way in was.
#[tokio::test]
async fn a_half_made_owner_is_finished_by_the_next_try() {
    let home = Home::new().await;
    let token = home.room.setup_token().await.unwrap();
    home.room.set_up(token.expose(), home.person("Анна", Role::Owner), secret(PASSWORD), &home_phone()).await.unwrap();
    // As if: the factor is not there, the token is.
    for paper in home.store.papers().all(Drawer::Factor).await.unwrap() {
        home.store.papers().delete(Drawer::Factor, paper.id).await.unwrap();
    }
    let home = home.again(8, Timestamp(NOW + MINUTE)).await;
    assert!(home.room.needs_owner(), "nobody can come in");
    let token = home.room.setup_token().await.unwrap();
    let boris = NewPerson { name: "Анна Петровна".into(), ..home.person("Анна", Role::Owner) };
    // The person before is in the way of her own address: she is the one who is finished.
    mark_as_begun(&home).await;
    let opened = home.room.set_up(token.expose(), boris, secret(OTHER_PASSWORD), &home_phone()).await.unwrap();
    assert_eq!(home.people.list().len(), 1);
    assert_eq!(home.people.get(opened.session.person.unwrap()).unwrap().name, "Анна Петровна");
    done(home.room.with_password("anna@example.org", secret(OTHER_PASSWORD), &home_phone()).await);
}

async fn mark_as_begun(home: &Home) {
    let kept = home.store.secrets().get("signin.setup").await.unwrap().unwrap();
    let mut row: Value = serde_json::from_slice(kept.expose()).unwrap();
    row["begun"] = Value::Bool(true);
    home.store.secrets().put("signin.setup", row.to_string().as_bytes()).await.unwrap();
}

#[tokio::test]
async fn a_set_up_token_printed_before_a_restart_is_good_if_the_time_is_known() {
    let home = Home::new().await;
    let token = home.room.setup_token().await.unwrap();
    let home = home.again(8, Timestamp(NOW + MINUTE)).await;
    let owner = home.person("Анна", Role::Owner);
    home.room.set_up(token.expose(), owner, secret(PASSWORD), &home_phone()).await.unwrap();
    let home = Home::new().await;
    let token = home.room.setup_token().await.unwrap();
    let home = home.again(8, Timestamp(5_000)).await;
    let owner = home.person("Анна", Role::Owner);
    let answer = home.room.set_up(token.expose(), owner, secret(PASSWORD), &home_phone()).await;
    assert!(matches!(answer, Err(SignInError::Expired)));
}

#[tokio::test]
async fn wrong_tries_are_not_forgiven_by_pulling_the_plug() {
    let mut home = Home::new().await;
    home.owner().await;
    let mut compared = 0;
    for boot in 20..33 {
        for guess in 0..6 {
            let place = stranger(u32::from(boot) << 8 | guess);
            compared +=
                u32::from(is_wrong(&home.room.with_password("anna@example.org", secret("не то"), &place).await));
        }
        home = home.again(boot, Timestamp(NOW + i64::from(boot) * MINUTE)).await;
    }
    assert_eq!(compared, 78, "the pace itself begins anew");
    let place = stranger(1 << 20);
    let answer = home.room.with_password("anna@example.org", secret(PASSWORD), &place).await;
    assert!(is_wrong(&answer), "but more than sixty were wrong in a row: {answer:?}");
    done(home.room.with_password("anna@example.org", secret(PASSWORD), &home_phone()).await);
}

#[tokio::test]
async fn damaged_documents_let_nobody_in_and_keep_nobody_out() {
    let home = Home::new().await;
    let owner = home.owner().await;
    let person = owner.session.person.unwrap();
    let papers = home.store.papers();
    for (number, drawer) in (1u8..).zip([Drawer::Session, Drawer::Token, Drawer::Factor]) {
        for (kind, text) in (1u8..).zip(["{}", "мусор", "{\"kind\":\"session\",\"cookie\":[]}", "null"]) {
            let body = zeroize::Zeroizing::new(text.as_bytes().to_vec());
            let id = Id([16 * number + kind; 16]);
            papers.put(drawer, &Paper { id, person: Some(person), body }).await.unwrap();
        }
    }
    let home = home.again(8, Timestamp(NOW + MINUTE)).await;
    assert!(home.who(&owner.cookie).await.is_some());
    done(home.room.with_password("anna@example.org", secret(PASSWORD), &home_phone()).await);
}

#[tokio::test]
async fn a_lock_holds_over_a_restart() {
    let home = Home::new().await;
    home.owner().await;
    let boris = home.somebody("Борис", Role::Adult).await;
    let opened = done(home.room.with_password("boris@example.org", secret(OTHER_PASSWORD), &home_phone()).await);
    home.people.edit(boris, Edit { locked: Some(true), ..Edit::default() }).await.unwrap();
    let home = home.again(8, Timestamp(NOW + MINUTE)).await;
    assert!(home.who(&opened.cookie).await.is_none());
    home.people.edit(boris, Edit { locked: Some(false), ..Edit::default() }).await.unwrap();
    assert!(home.who(&opened.cookie).await.is_none());
}
