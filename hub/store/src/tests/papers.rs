//! Tests of the drawers, and of what an erased person leaves behind in the raw files.

use sqlx::{AssertSqlSafe, Connection as _, Row};

use super::*;

fn body(paper: Option<Paper>) -> Option<Vec<u8>> {
    paper.map(|paper| paper.body.to_vec())
}

#[tokio::test]
async fn a_document_is_kept_replaced_and_forgotten_in_its_own_drawer() {
    let house = House::new();
    let store = house.open().await;
    let papers = store.papers();
    let (anna, boris) = (PersonId(id()), PersonId(id()));
    for drawer in Drawer::ALL {
        let (mut mine, nobodys) = (paper(anna), Paper { person: None, body: Vec::new().into(), ..paper(anna) });
        papers.put(drawer, &mine).await.unwrap();
        papers.put(drawer, &nobodys).await.unwrap();
        assert_eq!(body(papers.get(drawer, mine.id).await.unwrap()).unwrap(), *mine.body);
        mine.body = b"other".to_vec().into();
        mine.person = Some(boris);
        papers.put(drawer, &mine).await.unwrap();
        assert_eq!(body(papers.get(drawer, mine.id).await.unwrap()).unwrap(), b"other");
        assert_eq!(papers.of(drawer, anna).await.unwrap().len(), 0);
        assert_eq!(papers.of(drawer, boris).await.unwrap()[0].id, mine.id);
        assert_eq!(papers.all(drawer).await.unwrap().len(), 2);
        for other in Drawer::ALL.into_iter().filter(|other| *other != drawer) {
            assert!(papers.get(other, mine.id).await.unwrap().is_none());
        }
        assert!(papers.delete(drawer, nobodys.id).await.unwrap());
        assert!(!papers.delete(drawer, nobodys.id).await.unwrap());
    }
    drop(store);
    let store = house.open().await;
    assert_eq!(store.papers().of(Drawer::Factor, boris).await.unwrap().len(), 1);
    let huge = Paper { body: vec![1; PAPER_LIMIT + 1].into(), ..paper(anna) };
    assert!(matches!(store.papers().put(Drawer::Person, &huge).await, Err(StoreError::TooLarge { .. })));
    assert_eq!(store.papers().id_of("a", &[b"bc"]), store.papers().id_of("a", &[b"bc"]));
    assert_ne!(store.papers().id_of("a", &[b"bc"]), store.papers().id_of("ab", &[b"c"]));
}

/// Every sealed blob of a person, as it stands in the tables.
async fn blobs(house: &House, person: PersonId) -> Vec<Vec<u8>> {
    let mut raw = house.raw().await;
    let mut blobs = Vec::new();
    for table in ["person", "factor", "session", "access_token", "consent"] {
        let query = format!("SELECT sealed FROM {table} WHERE person = ?1 OR id = ?1");
        let rows = sqlx::query(AssertSqlSafe(query)).bind(person.0.0.to_vec()).fetch_all(&mut raw).await.unwrap();
        blobs.extend(rows.iter().map(|row| row.get::<Vec<u8>, _>(0)));
    }
    let key = sqlx::query("SELECT sealed FROM person_key WHERE id = ?1").bind(person.0.0.to_vec());
    blobs.push(key.fetch_one(&mut raw).await.unwrap().get(0));
    // A connection that is only dropped goes on reading for a while, and the log cannot be emptied meanwhile.
    raw.close().await.unwrap();
    blobs
}

/// How many of the blobs have a piece of themselves in any file of the folder.
fn traces(folder: &Path, blobs: &[Vec<u8>]) -> usize {
    // Behind the header any 16 bytes are a blob's own. A long blob may be left in part: several places are looked for.
    let pieces: Vec<(usize, &[u8])> = (0..)
        .zip(blobs)
        .flat_map(|(n, blob)| blob[5..].chunks_exact(16).step_by(8).map(move |piece| (n, piece)))
        .collect();
    let by_start: std::collections::HashMap<[u8; 4], Vec<(usize, &[u8])>> =
        pieces.iter().fold(Default::default(), |mut map, (n, piece)| {
            let start = <[u8; 4]>::try_from(&piece[..4]).unwrap();
            Vec::push(std::collections::HashMap::entry(&mut map, start).or_default(), (*n, *piece));
            map
        });
    let mut found = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let Ok(bytes) = std::fs::read(entry.unwrap().path()) else { continue };
        for window in bytes.windows(16) {
            for (n, piece) in by_start.get(&window[..4]).into_iter().flatten() {
                if window == *piece {
                    found.insert(*n);
                }
            }
        }
    }
    found.len()
}

#[tokio::test]
async fn an_erased_person_is_gone_from_the_raw_files() {
    let house = House::new();
    let store = house.open().await;
    let papers = store.papers();
    let people: Vec<PersonId> = (0..8).map(|_| PersonId(id())).collect();
    // Sizes from a line to many pages, in an order that makes the tree split and move cells about.
    for n in 0..60usize {
        for person in &people {
            let drawer = Drawer::ALL[n % 5];
            let size = [40, 300, 900, 2500, 9000][(n / 5) % 5];
            papers.put(drawer, &Paper { body: vec![7; size].into(), ..paper(*person) }).await.unwrap();
            store.audit().append(&[deed(n as i64, *person)]).await.unwrap();
        }
    }
    let gone = people[3];
    papers.put(Drawer::Person, &Paper { id: gone.0, person: None, ..paper(gone) }).await.unwrap();
    let (theirs, others) = (blobs(&house, gone).await, blobs(&house, people[4]).await);
    assert_eq!((theirs.len(), others.len()), (62, 61));
    assert_eq!(traces(house.path(), &theirs), 62, "the search finds what is there");

    // A reader that is on its way does not keep the bytes alive.
    let reading = papers.clone();
    let reader = tokio::spawn(async move {
        for _ in 0..30 {
            reading.all(Drawer::Person).await.unwrap();
        }
    });
    assert_eq!(papers.erase(gone).await.unwrap(), 61);
    reader.await.unwrap();
    assert_eq!(traces(house.path(), &theirs), 0, "in the database file or its log");
    assert_eq!(traces(house.path(), &others), 61);
    for drawer in Drawer::ALL {
        assert_eq!(papers.of(drawer, gone).await.unwrap().len(), 0);
    }
    assert_eq!(papers.erase(gone).await.unwrap(), 0, "twice is once");

    let deeds = store.audit().before(None, None, None, 1000).await.unwrap();
    for (row, deed) in deeds {
        for (person, text) in deed.unwrap().personal {
            assert_eq!(text.is_none(), person == gone, "row {row}");
        }
    }
    assert_eq!(store.audit().verify(|_, _| {}).await.unwrap(), []);
    store.audit().append(&[deed(99, gone)]).await.unwrap();
    let newest = store.audit().before(None, None, None, 1).await.unwrap().remove(0).1.unwrap();
    assert_eq!(newest.personal, [(gone, None)], "nothing new is kept of who is to be forgotten");
    assert_eq!(store.keys().verify(|_, _| {}).await.unwrap(), []);
}

/// When SQLite moves rows from one page to its neighbour it leaves copies that `secure_delete` does not know. A few
/// hundred rows of all sizes, put, replaced and deleted in disorder, make such copies; none of a person's may stay.
#[tokio::test]
async fn rows_that_were_moved_about_leave_no_copies() {
    for seed in 0..6u64 {
        let house = House::new();
        let store = house.open().await;
        let papers = store.papers();
        let people: Vec<PersonId> = (0..12).map(|_| PersonId(id())).collect();
        let mut state = seed;
        let mut pick = |n: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % n
        };
        let mut known: Vec<(Drawer, Id, PersonId)> = Vec::new();
        for _ in 0..500 {
            let size = [40, 150, 300, 600, 900, 1500, 2500][pick(7)] + pick(50);
            match pick(8) {
                0 if !known.is_empty() => {
                    let (drawer, id, _) = known.swap_remove(pick(known.len()));
                    papers.delete(drawer, id).await.unwrap();
                }
                1 if !known.is_empty() => {
                    let (drawer, id, person) = known[pick(known.len())];
                    let larger = Paper { id, person: Some(person), body: vec![7; size].into() };
                    papers.put(drawer, &larger).await.unwrap();
                }
                _ => {
                    let (drawer, person) = (Drawer::ALL[pick(5)], people[pick(12)]);
                    let paper = Paper { body: vec![7; size].into(), ..paper(person) };
                    papers.put(drawer, &paper).await.unwrap();
                    known.push((drawer, paper.id, person));
                }
            }
        }
        store.audit().append(&[deed(1, people[3])]).await.unwrap();
        let theirs = blobs(&house, people[3]).await;
        papers.erase(people[3]).await.unwrap();
        assert_eq!(traces(house.path(), &theirs), 0, "of {} (seed {seed})", theirs.len());
        assert_eq!(papers.all(Drawer::Session).await.unwrap().len(), {
            known.iter().filter(|(drawer, _, person)| *drawer == Drawer::Session && *person != people[3]).count()
        });
    }
}

#[tokio::test]
async fn nothing_is_kept_of_somebody_who_was_erased_a_moment_ago() {
    let house = House::new();
    let store = house.open().await;
    let papers = store.papers();
    let (gone, other) = (PersonId(id()), PersonId(id()));
    papers.put(Drawer::Factor, &paper(gone)).await.unwrap();
    papers.erase(gone).await.unwrap();
    // A password that was being hashed meanwhile.
    let late = papers.put(Drawer::Factor, &paper(gone)).await;
    assert!(matches!(late, Err(StoreError::Conflict { .. })), "{late:?}");
    assert!(papers.all(Drawer::Factor).await.unwrap().is_empty());
    papers.put(Drawer::Factor, &paper(other)).await.unwrap();
}

/// SQLite lets one checkpoint run and tells another at once that it is busy: who is to be forgotten waits for it instead.
#[tokio::test(flavor = "multi_thread")]
async fn somebody_is_erased_while_the_log_is_folded_in() {
    let house = House::new();
    let store = house.open().await;
    let papers = store.papers();
    for _ in 0..30 {
        let person = PersonId(id());
        for _ in 0..20 {
            let body = vec![7; 2500].into();
            papers.put(Drawer::Session, &Paper { body, ..paper(person) }).await.unwrap();
        }
        let folding = {
            let db = Arc::clone(&store.db);
            tokio::spawn(async move { db.fold().await })
        };
        assert!(papers.erase(person).await.unwrap() > 0);
        folding.await.unwrap().unwrap();
    }
}
