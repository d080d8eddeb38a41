//! Rights beside those of the role: what is taken, and how far a delegation reaches.

use super::*;
use crate::policy::{Effect, Grant, Hours, Kind, Verb};

fn allow(kind: Kind, verbs: &[Verb]) -> Grant {
    Grant { id: "chosen by the caller".into(), ..Grant::new(Effect::Allow, verbs.to_vec(), kind) }
}

#[tokio::test]
async fn grants_are_checked_numbered_and_counted() {
    let home = Home::new();
    let people = home.people().await;
    let anna = add(&people, "Анна", Role::Owner).await;
    let child = add(&people, "Саша", Role::Child).await;
    let good = Grant {
        id_is: Some("Кухня".into()),
        hours: Some(Hours { from_minute: 1320, to_minute: 60 }),
        until: Some(NOW.plus_millis(DAY)),
        ..allow(Kind::Device, &[Verb::See, Verb::See, Verb::Command])
    };
    let granted = people.grant(child, good.clone()).await.unwrap();
    assert!(granted.id.parse::<Id>().is_ok() && granted.verbs == [Verb::See, Verb::Command]);
    assert_eq!(people.get(child).unwrap().epoch, 1);
    assert_eq!(people.grants(child), std::slice::from_ref(&granted));
    assert_eq!(home.people().await.get(child), people.get(child));
    for bad in [
        allow(Kind::Device, &[]),
        allow(Kind::Rights, &[Verb::Edit]),
        allow(Kind::Threshold, &[Verb::See]),
        Grant { id_is: Some(String::new()), ..good.clone() },
        Grant { room: Some("a\nb".into()), ..good.clone() },
        Grant { capability: Some("x".repeat(201)), ..good.clone() },
        Grant { hours: Some(Hours { from_minute: 1440, to_minute: 0 }), ..good.clone() },
        Grant { until: Some(NOW), ..good.clone() },
        Grant { from: Some(anna), ..good.clone() },
    ] {
        invalid(people.grant(child, bad).await);
    }
    for _ in 1..50 {
        people.grant(child, good.clone()).await.unwrap();
    }
    refused(people.grant(child, good.clone()).await);
    home.later(DAY);
    let later = Grant { until: None, ..good };
    people.grant(child, later).await.unwrap();
    assert_eq!(people.get(child).unwrap().grants.len(), 1, "what is over makes room");
    assert!(matches!(people.withdraw_grant(child, &granted.id).await, Err(PeopleError::NoSuch("grant"))));
}

#[tokio::test]
async fn nobody_hands_on_more_than_they_have() {
    let home = Home::new();
    let people = home.people().await;
    let anna = add(&people, "Анна", Role::Owner).await;
    let adult = add(&people, "Борис", Role::Adult).await;
    let guest = add(&people, "Гость", Role::Guest).await;
    let until = NOW.plus_millis(DAY);
    let camera = |from, verbs: &[Verb]| people.delegate(from, guest, verbs.to_vec(), Kind::Camera, None, until);

    refused(camera(adult, &[Verb::See, Verb::Export]).await);
    camera(adult, &[Verb::See]).await.unwrap();
    refused(people.delegate(adult, guest, vec![Verb::Submit], Kind::Act, None, until).await);
    refused(people.delegate(anna, guest, vec![Verb::Edit], Kind::Rights, None, until).await);
    refused(people.delegate(guest, adult, vec![Verb::See], Kind::Room, None, until).await);
    invalid(people.delegate(anna, anna, vec![Verb::See], Kind::Camera, None, until).await);
    invalid(people.delegate(anna, guest, vec![Verb::See], Kind::Camera, None, NOW.plus_millis(91 * DAY)).await);
    invalid(people.delegate(anna, guest, vec![Verb::See], Kind::Camera, None, NOW).await);
    invalid(people.delegate(anna, guest, Vec::new(), Kind::Camera, None, until).await);

    // What was handed on is not handed further.
    people.delegate(anna, adult, vec![Verb::Submit], Kind::Act, None, until).await.unwrap();
    refused(people.delegate(adult, guest, vec![Verb::Submit], Kind::Act, None, until).await);
}

#[tokio::test]
async fn a_delegation_is_worth_what_its_giver_has_now() {
    let home = Home::new();
    let people = home.people().await;
    add(&people, "Анна", Role::Owner).await;
    let boris = add(&people, "Борис", Role::Owner).await;
    let adult = add(&people, "Вера", Role::Adult).await;
    let verbs = vec![Verb::Submit, Verb::See];
    let given = people.delegate(boris, adult, verbs, Kind::Act, None, NOW.plus_millis(DAY)).await.unwrap();
    assert_eq!(given.from, Some(boris));
    let counts = || people.grants(adult).into_iter().flat_map(|grant| grant.verbs).collect::<Vec<_>>();
    assert_eq!(counts(), [Verb::See, Verb::Submit]);

    people.edit(boris, Edit { role: Some(Role::Adult), ..Edit::default() }).await.unwrap();
    assert_eq!(counts(), [Verb::See], "an adult sees acts and submits none");
    people.edit(boris, Edit { role: Some(Role::Owner), ..Edit::default() }).await.unwrap();
    assert_eq!(counts(), [Verb::See, Verb::Submit]);
    people.edit(boris, Edit { locked: Some(true), ..Edit::default() }).await.unwrap();
    assert!(counts().is_empty());
    people.edit(boris, Edit { locked: Some(false), ..Edit::default() }).await.unwrap();
    let hole = Grant { effect: Effect::Deny, id_is: Some("act-7".into()), ..allow(Kind::Act, &[Verb::Submit]) };
    people.grant(boris, hole).await.unwrap();
    assert_eq!(counts(), [Verb::See], "a right with a hole in it is not handed on without the hole");

    assert_eq!(people.delegated_by(boris), [(adult, given.clone())]);
    people.erase(boris, Actor::Console).await.unwrap();
    assert!(counts().is_empty() && people.get(adult).unwrap().grants.is_empty());
}

#[tokio::test]
async fn both_sides_can_end_a_delegation_and_nobody_else() {
    let home = Home::new();
    let people = home.people().await;
    let anna = add(&people, "Анна", Role::Owner).await;
    let boris = add(&people, "Борис", Role::Adult).await;
    let vera = add(&people, "Вера", Role::Adult).await;
    let own = people.grant(boris, allow(Kind::Journal, &[Verb::See])).await.unwrap();
    assert!(
        people.withdraw_delegation(boris, &own.id).await.is_err(),
        "what an owner gave is the owner's to take back"
    );
    for by in [anna, boris] {
        let until = NOW.plus_millis(DAY);
        let given = people.delegate(anna, boris, vec![Verb::Submit], Kind::Act, None, until).await.unwrap();
        assert!(matches!(people.withdraw_delegation(vera, &given.id).await, Err(PeopleError::NoSuch("grant"))));
        people.withdraw_delegation(by, &given.id).await.unwrap();
        assert_eq!(people.grants(boris), std::slice::from_ref(&own));
    }
}
