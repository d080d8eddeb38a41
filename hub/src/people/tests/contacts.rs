//! How people are reached: what counts as a login, and how a contact is proved.

use super::*;

const PHONE: &str = "+79161234567";

#[tokio::test]
async fn only_a_proved_contact_is_a_login() {
    let home = Home::new();
    let people = home.people().await;
    let anna = add(&people, "Анна", Role::Owner).await;
    let contact = people.add_contact(anna, "8 (916) 123-45-67").await.unwrap();
    assert_eq!((contact.kind, contact.value.as_str()), (ContactKind::Phone, PHONE));
    assert!(people.by_login(PHONE).is_none());
    refused(people.add_contact(anna, "9161234567").await);

    let code = people.contact_code(anna, PHONE).await.unwrap();
    assert!(code.expose().len() == 6 && code.expose().bytes().all(|b| b.is_ascii_digit()));
    let spaced = format!(" {}-{}", &code.expose()[..3], &code.expose()[3..]);
    people.confirm_contact(anna, "9161234567", &spaced).await.unwrap();
    for typed in [PHONE, "8 916 123 45 67", "９１６１２３４５６７"] {
        assert_eq!(people.by_login(typed).map(|person| person.id), Some(anna), "{typed}");
    }
    assert!(people.reached_by(PHONE).is_some());
    assert!(matches!(people.confirm_contact(anna, PHONE, code.expose()).await, Err(PeopleError::WrongCode)));
    refused(people.contact_code(anna, PHONE).await);
    assert_eq!(home.people().await.by_login(PHONE).map(|person| person.id), Some(anna));
}

#[tokio::test]
async fn a_vouched_contact_is_a_login_to_which_no_code_goes() {
    let home = Home::new();
    let people = home.people().await;
    let anna = add(&people, "Анна", Role::Owner).await;
    let contact = people.vouch(anna, "Anna@Example.ORG").await.unwrap();
    assert!(contact.vouched && contact.confirmed_at.is_none());
    assert_eq!(people.by_login("anna@example.org").map(|person| person.id), Some(anna), "case counts for nobody");
    assert!(people.reached_by("anna@example.org").is_none());
    let code = people.contact_code(anna, "anna@example.org").await.unwrap();
    people.confirm_contact(anna, "anna@example.org", code.expose()).await.unwrap();
    let contact = people.contact(anna, "anna@example.org").unwrap();
    assert!(!contact.vouched && contact.is_confirmed());
    assert_eq!(contact.value, "Anna@example.org", "the spelling stays");
    assert!(people.reached_by("anna@example.org").is_some());
}

#[tokio::test]
async fn a_login_name_needs_no_message_and_is_one_persons() {
    let home = Home::new();
    let people = home.people().await;
    let mut owner = new("Анна", Role::Owner);
    owner.contacts = vec!["Анна".into()];
    let anna = people.add(owner).await.unwrap().id;
    assert_eq!(people.by_login("АННА").map(|person| person.id), Some(anna));
    assert!(people.reached_by("Анна").is_none());
    invalid(people.contact_code(anna, "Анна").await);
    let boris = add(&people, "Борис", Role::Adult).await;
    refused(people.add_contact(boris, "анна").await);
    let mut taken = new("Вера", Role::Adult);
    taken.contacts = vec!["аННа".into()];
    refused(people.add(taken).await);
    assert_eq!(people.list().len(), 2, "nobody is added by half");
    let why = refused(people.remove_contact(anna, "анна").await);
    assert!(why.contains("last thing to sign in with"), "{why}");
    people.add_contact(anna, "anna2").await.unwrap();
    people.remove_contact(anna, "анна").await.unwrap();
    assert!(people.by_login("Анна").is_none());
}

#[tokio::test]
async fn one_contact_lets_one_person_in() {
    let home = Home::new();
    let people = home.people().await;
    let (anna, boris) = (add(&people, "Анна", Role::Owner).await, add(&people, "Борис", Role::Adult).await);
    for id in [anna, boris] {
        people.add_contact(id, PHONE).await.unwrap();
    }
    let (hers, his) =
        (people.contact_code(anna, PHONE).await.unwrap(), people.contact_code(boris, PHONE).await.unwrap());
    if hers.expose() != his.expose() {
        let crossed = people.confirm_contact(anna, PHONE, his.expose()).await;
        assert!(matches!(crossed, Err(PeopleError::WrongCode)), "a code is one person's");
    }
    people.confirm_contact(anna, PHONE, hers.expose()).await.unwrap();
    refused(people.confirm_contact(boris, PHONE, his.expose()).await);
    refused(people.vouch(boris, PHONE).await);
    assert_eq!(people.by_login(PHONE).map(|person| person.id), Some(anna));
}

#[tokio::test]
async fn a_code_lasts_ten_minutes_and_five_tries_and_a_new_one_ends_it() {
    let home = Home::new();
    let people = home.people().await;
    let anna = add(&people, "Анна", Role::Owner).await;
    people.add_contact(anna, PHONE).await.unwrap();
    let wrong = |code: &Secret<String>| if code.expose() == "000000" { "000001" } else { "000000" };

    let code = people.contact_code(anna, PHONE).await.unwrap();
    for _ in 0..5 {
        assert!(matches!(people.confirm_contact(anna, PHONE, wrong(&code)).await, Err(PeopleError::WrongCode)));
    }
    assert!(matches!(people.confirm_contact(anna, PHONE, code.expose()).await, Err(PeopleError::WrongCode)));

    let old = people.contact_code(anna, PHONE).await.unwrap();
    let code = people.contact_code(anna, PHONE).await.unwrap();
    if old.expose() != code.expose() {
        assert!(matches!(people.confirm_contact(anna, PHONE, old.expose()).await, Err(PeopleError::WrongCode)));
    }
    let why = refused(people.contact_code(anna, PHONE).await);
    assert!(why.contains("wait 10 min"), "{why}");
    home.later(10 * 60_000);
    assert!(matches!(people.confirm_contact(anna, PHONE, code.expose()).await, Err(PeopleError::WrongCode)));
    let code = people.contact_code(anna, PHONE).await.unwrap();
    home.later(10 * 60_000 - 1);
    people.confirm_contact(anna, PHONE, code.expose()).await.unwrap();
}

/// Whoever may add people may not use the hub to flood a stranger's phone.
#[tokio::test]
async fn three_messages_in_ten_minutes_whoever_asks() {
    let home = Home::new();
    let people = home.people().await;
    let mut sent = 0;
    for n in 0..10 {
        let id = add(&people, &format!("Гость {n}"), Role::Guest).await;
        people.add_contact(id, "8 916 123-45-67").await.unwrap();
        sent += usize::from(people.contact_code(id, PHONE).await.is_ok());
    }
    assert_eq!(sent, 3);
}

#[tokio::test]
async fn a_link_proves_as_a_code_does_and_both_are_used_up() {
    let home = Home::new();
    let people = home.people().await;
    let anna = add(&people, "Анна", Role::Owner).await;
    people.add_contact(anna, "mail@пример.рф").await.unwrap();
    let proof = people.contact_proof(anna, "mail@xn--e1afmkfd.xn--p1ai").await.unwrap();
    assert!(proof.link_token.expose().len() >= 22, "128 bits at least");
    assert!(matches!(people.confirm_by_link("").await, Err(PeopleError::WrongCode)));
    let (id, contact) = people.confirm_by_link(proof.link_token.expose()).await.unwrap();
    assert!(id == anna && contact.is_confirmed());
    assert!(matches!(people.confirm_by_link(proof.link_token.expose()).await, Err(PeopleError::WrongCode)));
    assert!(!format!("{proof:?}").contains(proof.code.expose().as_str()));
}

#[tokio::test]
async fn a_contact_is_found_by_its_opaque_id_and_its_proof_goes_with_it() {
    let home = Home::new();
    let people = home.people().await;
    let anna = add(&people, "Анна", Role::Owner).await;
    let contact = people.add_contact(anna, PHONE).await.unwrap();
    let id = people.contact_id(anna, &contact);
    assert!(!id.contains("916"));
    assert_eq!(people.contact(anna, &id).unwrap(), contact);
    let code = people.contact_code(anna, &id).await.unwrap();
    people.remove_contact(anna, &id).await.unwrap();
    people.add_contact(anna, PHONE).await.unwrap();
    assert!(matches!(people.confirm_contact(anna, PHONE, code.expose()).await, Err(PeopleError::WrongCode)));
}

#[tokio::test]
async fn a_person_has_ten_contacts() {
    let home = Home::new();
    let people = home.people().await;
    let anna = add(&people, "Анна", Role::Owner).await;
    for n in 0..10 {
        people.add_contact(anna, &format!("anna{n}@example.org")).await.unwrap();
    }
    refused(people.add_contact(anna, "anna@example.org").await);
    invalid(people.add_contact(anna, "two words").await);
}
