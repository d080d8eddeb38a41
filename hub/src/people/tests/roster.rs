//! Who lives here: kept, named, ended, and never without an owner.

use std::future::Future as _;

use super::*;

#[tokio::test]
async fn people_outlive_a_restart_whole() {
    let home = Home::new();
    let people = home.people().await;
    let owner = add(&people, "Анна", Role::Owner).await;
    let mut guest = new("Гость", Role::Guest);
    guest.contacts = vec!["8 (916) 123-45-67".into(), "Guest@Example.org".into(), "гость-1".into()];
    guest.profile = Profile {
        language: Some(domovoi_config::Language::English),
        relation: Some(" дядя ".into()),
        colour: 11,
        large_type: true,
    };
    let guest = people.add(guest).await.unwrap();
    assert_eq!(guest.profile.relation.as_deref(), Some("дядя"));
    people.edit(guest.id, Edit { locked: Some(true), ..Edit::default() }).await.unwrap();
    let before = people.list();
    assert_eq!(before.iter().map(|person| person.id).collect::<Vec<_>>(), [owner, guest.id], "owners first");
    assert_eq!(home.people().await.list(), before);
}

#[tokio::test]
async fn names_are_one_line_that_reads_one_way() {
    let home = Home::new();
    let people = home.people().await;
    let composed = people.add(new(" Е\u{308}жик  ", Role::Adult)).await.unwrap();
    assert_eq!(composed.name, "Ёжик");
    let emoji = people.add(new("👩\u{200d}🚀 Вера", Role::Adult)).await.unwrap();
    assert_eq!(emoji.name, "👩\u{200d}🚀 Вера");
    for name in ["", "   ", "\u{200b}", "a\nb", "a\u{0}b", "\u{202e}аннА", "a\u{2066}b", "a\u{2028}b", &"я".repeat(101)]
    {
        invalid(people.add(new(name, Role::Adult)).await);
    }
    invalid(people.add(new(&"\u{301}".repeat(100_000), Role::Adult)).await);
    let profile = Profile { colour: 12, ..Profile::default() };
    invalid(people.add(NewPerson { profile, ..new("Вера", Role::Adult) }).await);
}

#[tokio::test]
async fn a_guest_has_an_end_and_an_owner_has_none() {
    let home = Home::new();
    let people = home.people().await;
    let until = |until: Option<Timestamp>, role: Role| NewPerson { until, ..new("Гость", role) };
    invalid(people.add(until(None, Role::Guest)).await);
    invalid(people.add(until(Some(NOW), Role::Guest)).await);
    invalid(people.add(until(Some(NOW.plus_millis(367 * DAY)), Role::Guest)).await);
    invalid(people.add(until(Some(NOW.plus_millis(DAY)), Role::Owner)).await);
    let guest = people.add(until(Some(NOW.plus_millis(DAY)), Role::Guest)).await.unwrap();
    invalid(people.edit(guest.id, Edit { until: Some(None), ..Edit::default() }).await);
    invalid(people.edit(guest.id, Edit { role: Some(Role::Owner), ..Edit::default() }).await);
    assert!(!People::is_over(&guest, NOW));
    home.later(DAY);
    assert!(People::is_over(&guest, home.clock.wall()));
    // Somebody whose time is over can still become somebody else.
    let stays = Edit { role: Some(Role::Adult), until: Some(None), ..Edit::default() };
    assert_eq!(people.edit(guest.id, stays).await.unwrap().epoch, 1);
    let renamed = Edit { name: Some("Вера".into()), ..Edit::default() };
    assert_eq!(people.edit(guest.id, renamed).await.unwrap().epoch, 1, "a name is no right");
}

#[tokio::test]
async fn while_nobody_knows_the_time_nothing_gets_an_end() {
    let home = Home { clock: Clock::by_hand(Id([1; 16]), Timestamp(5_000)), ..Home::new() };
    let people = home.people().await;
    add(&people, "Анна", Role::Owner).await;
    let why = invalid(people.add(new("Гость", Role::Guest)).await);
    assert!(why.contains("does not know the time"), "{why}");
}

#[tokio::test]
async fn the_home_never_loses_its_last_owner() {
    let home = Home::new();
    let people = home.people().await;
    let anna = add(&people, "Анна", Role::Owner).await;
    let boris = add(&people, "Борис", Role::Adult).await;
    let demote = || Edit { role: Some(Role::Adult), ..Edit::default() };
    let lock = || Edit { locked: Some(true), ..Edit::default() };
    refused(people.edit(anna, demote()).await);
    refused(people.edit(anna, lock()).await);
    refused(people.erase(anna, Actor::Console).await);
    let guest = Edit { role: Some(Role::Guest), until: Some(Some(NOW.plus_millis(DAY))), ..Edit::default() };
    refused(people.edit(anna, guest).await);

    people.edit(boris, Edit { role: Some(Role::Owner), ..Edit::default() }).await.unwrap();
    people.edit(boris, lock()).await.unwrap();
    refused(people.edit(anna, lock()).await);
    refused(people.erase(anna, Actor::Console).await);
    people.edit(boris, Edit { locked: Some(false), ..Edit::default() }).await.unwrap();
    people.edit(anna, demote()).await.unwrap();
    assert_eq!(people.get(boris).unwrap().epoch, 3);
    assert!(people.list().iter().any(|person| person.role == Role::Owner));
}

#[tokio::test]
async fn two_owners_who_leave_at_once_do_not_both_leave() {
    let home = Home::new();
    let people = home.people().await;
    let (anna, boris) = (add(&people, "Анна", Role::Owner).await, add(&people, "Борис", Role::Owner).await);
    let demote = Edit { role: Some(Role::Adult), ..Edit::default() };
    let both = tokio::join!(people.edit(anna, demote.clone()), people.edit(boris, demote));
    assert!(both.0.is_ok() != both.1.is_ok(), "{both:?}");
}

#[tokio::test]
async fn a_home_has_a_hundred_people() {
    let home = Home::new();
    let people = home.people().await;
    for n in 0..super::super::roster::MAX_PEOPLE {
        add(&people, &format!("Гость {n}"), Role::Guest).await;
    }
    refused(people.add(new("Лишний", Role::Guest)).await);
}

/// A browser that goes away in the middle of a change leaves the memory and the disk of one mind.
#[tokio::test]
async fn a_change_is_finished_when_nobody_waits_for_it() {
    let home = Home::new();
    let people = home.people().await;
    let anna = add(&people, "Анна", Role::Owner).await;
    for n in 0..20 {
        let edit = Edit { name: Some(format!("Анна {n}")), ..Edit::default() };
        let mut change = Box::pin(people.edit(anna, edit));
        std::future::poll_fn(|cx| {
            let _ = change.as_mut().poll(cx);
            std::task::Poll::Ready(())
        })
        .await;
        drop(change);
        // One that has not begun yet is not begun; one that has is waited for here.
        drop(people.changes().await);
    }
    assert_eq!(home.people().await.list(), people.list());
    assert_eq!(people.get(anna).unwrap().name, "Анна 19");
}

#[tokio::test]
async fn a_record_that_is_not_known_whole_is_not_opened() {
    let home = Home::new();
    let people = home.people().await;
    let anna = people.add(new("Анна", Role::Owner)).await.unwrap();
    let mut paper = paper::of_person(&anna).unwrap();
    let later = String::from_utf8(paper.body.to_vec()).unwrap().replace("\"epoch\":0", "\"epoch\":0,\"pet\":\"cat\"");
    paper.body = later.into_bytes().into();
    people.store.papers().put(Drawer::Person, &paper).await.unwrap();
    let journal = people.journal.clone();
    let why = paper::to_person(&paper).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(why.contains(&anna.id.to_string()) && !why.contains("Анна"), "{why}");
    // The others live on; whose paper it is may do nothing.
    let opened = People::open(people.store.clone(), home.clock.clone(), journal).await.unwrap();
    assert_eq!((opened.damaged(), opened.get(anna.id)), (1, None));
}
