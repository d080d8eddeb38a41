//! Tests of wishes and of the ledger of what was told.

use super::*;

/// A row of the ledger.
pub fn row(subject: &str, person: Option<PersonId>, at: i64, open: bool) -> TellingRow {
    TellingRow {
        id: new_segment_id(Timestamp(at)).unwrap(),
        kind: TellingKind::Letter,
        subject: subject.to_owned(),
        person,
        at: Timestamp(at),
        open,
        body: "{\"title\":\"Котёл погас\"}".to_owned(),
    }
}

/// All there is.
pub fn everything() -> TellingFilter {
    TellingFilter { limit: 100, ..TellingFilter::default() }
}

/// A row in each table.
pub async fn furnish(store: &Store, person: PersonId, n: u8) {
    let wish = WishRow { id: id(), person: Some(person), body: "{\"to\":\"grandma@example.org\"}".into() };
    store.tellings().put_wishes(&[wish], &[]).await.unwrap();
    let subject = format!("alert:0707070{n}");
    store.tellings().put(&[row(&subject, Some(person), 1_795_300_000_000, false)]).await.unwrap();
}

#[tokio::test]
async fn the_ledger_is_found_by_subject_by_person_and_by_what_is_open() {
    let house = House::new();
    let store = house.open().await;
    let (anna, boris) = (PersonId(id()), PersonId(id()));
    let rows = [
        row("alert:a", Some(anna), 1_795_300_000_000, true),
        row("alert:a", Some(boris), 1_795_300_001_000, false),
        row("alert:b", None, 1_795_300_002_000, true),
    ];
    let tellings = store.tellings();
    tellings.put(&rows).await.unwrap();
    let find = async |filter: TellingFilter| {
        let (found, damaged) = tellings.find(&TellingFilter { limit: 10, ..filter }).await.unwrap();
        assert_eq!(damaged, 0);
        found
    };
    let all = find(TellingFilter::default()).await;
    assert_eq!(all, [rows[2].clone(), rows[1].clone(), rows[0].clone()], "newest first");
    let of_a = find(TellingFilter { subject: Some("alert:a".into()), ..TellingFilter::default() }).await;
    assert_eq!(of_a.len(), 2);
    let annas = find(TellingFilter { person: Some(anna), ..TellingFilter::default() }).await;
    assert_eq!(annas, [rows[0].clone()]);
    let open = find(TellingFilter { open: true, ..TellingFilter::default() }).await;
    assert_eq!(open, [rows[2].clone(), rows[0].clone()]);
    let older = find(TellingFilter { before: Some(rows[1].id), ..TellingFilter::default() }).await;
    assert_eq!(older, [rows[0].clone()]);

    let done = TellingRow { open: false, body: "{}".into(), ..rows[0].clone() };
    tellings.put(std::slice::from_ref(&done)).await.unwrap();
    assert_eq!(find(TellingFilter::default()).await.len(), 3, "a row takes the place of its elder");
    assert_eq!(tellings.prune(Timestamp(1_795_300_002_500), 1).await.unwrap(), 1, "only so many at once");
    assert_eq!(tellings.prune(Timestamp(1_795_300_002_500), 9).await.unwrap(), 1);
    assert_eq!(find(TellingFilter::default()).await, [rows[2].clone()], "what is open stays");
}

#[tokio::test]
async fn what_is_somebodys_goes_with_them() {
    let house = House::new();
    let store = house.open().await;
    let (anna, boris) = (PersonId(id()), PersonId(id()));
    let tellings = store.tellings();
    let wish = |person| WishRow { id: id(), person, body: "{\"to\":\"grandma@example.org\"}".to_owned() };
    let (hers, his, home) = (wish(Some(anna)), wish(Some(boris)), wish(None));
    tellings.put_wishes(&[hers.clone(), his.clone(), home.clone()], &[]).await.unwrap();
    for person in [anna, boris] {
        tellings.put(&[row("alert:a", Some(person), 1_795_300_000_000, true)]).await.unwrap();
    }
    let without_her = WishRow { body: "{}".into(), ..home };
    assert_eq!(tellings.forget(anna, std::slice::from_ref(&without_her)).await.unwrap(), 2);
    let (left, _) = tellings.wishes().await.unwrap();
    assert_eq!(left.len(), 2);
    assert!(left.contains(&his) && left.contains(&without_her));
    let (told, _) = tellings.find(&everything()).await.unwrap();
    assert!(told.iter().all(|row| row.person == Some(boris)) && told.len() == 1);
    tellings.put_wishes(&[], &[his.id]).await.unwrap();
    assert_eq!(tellings.wishes().await.unwrap().0, [without_her]);
}

#[tokio::test]
async fn tokens_are_of_their_parts() {
    let house = House::new();
    let store = house.open().await;
    let token = store.tellings().token(&[b"a", b"b"]);
    assert_eq!(store.tellings().token(&[b"a", b"b"]), token);
    assert_ne!(store.tellings().token(&[b"ab", b""]), token);
    store.keys().rotate(None, |_, _| {}).await.unwrap();
    assert_eq!(store.tellings().token(&[b"a", b"b"]), token, "a link in a letter outlives a rotation");
}
