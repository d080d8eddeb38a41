//! The corpus and its table, sizes, and rubbish.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cap")
}

fn corpus() -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let named =
        files.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()));
    named.filter(|(name, _)| name != "outcomes.tsv" && name != "README.md").collect()
}

fn notes(list: &[CapNote]) -> BTreeSet<&'static str> {
    list.iter().map(|note| note.code).collect()
}

/// `read as`, how many informations, and what was noted.
fn outcome(bytes: &[u8]) -> (String, usize, String) {
    let said = |notes: BTreeSet<&str>| match notes.is_empty() {
        true => "-".to_owned(),
        false => notes.into_iter().collect::<Vec<_>>().join(","),
    };
    match read_document(bytes) {
        Err(_) => ("refused".to_owned(), 0, "-".to_owned()),
        Ok(CapDocument::Messages(messages)) => {
            let [message] = messages.as_slice() else { panic!("one message is expected") };
            ("message".to_owned(), message.infos.len(), said(notes(&message.notes)))
        }
        Ok(CapDocument::Feed(feed)) => {
            let messages = feed.entries.iter().flat_map(|entry| entry.messages.iter().chain(&entry.inline));
            let infos = messages.map(|message| message.infos.len()).sum();
            (format!("feed:{}", feed.entries.len()), infos, said(notes(&feed.notes)))
        }
    }
}

#[test]
fn the_corpus_is_read_as_its_table_says() {
    let files = corpus();
    let table = std::fs::read_to_string(folder().join("outcomes.tsv")).unwrap();
    let mut left: BTreeSet<&String> = files.keys().collect();
    let mut wrong = Vec::new();
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let [file, read, infos, notes, ..] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let found = outcome(files.get(file).unwrap_or_else(|| panic!("{file} is not there")));
        left.retain(|name| *name != file);
        if (found.0.as_str(), found.1.to_string().as_str(), found.2.as_str()) != (read, infos, notes) {
            wrong.push(format!("{file}: expected {read} {infos} {notes}, found {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(left.is_empty(), "no line in the table: {left:?}");
    assert!(files.len() >= 40);
}

fn file(name: &str) -> CapMessage {
    read_message(&std::fs::read(folder().join(name)).unwrap()).unwrap()
}

#[test]
fn encodings_give_back_the_letters() {
    let event = |name: &str| file(name).infos[0].event.clone();
    assert_eq!(event("latin1.cap"), "Orkanböen, Stürme: wind");
    assert_eq!(event("windows-1251.cap"), "Метель, снегопад");
    assert_eq!(event("koi8-r.cap"), "Гололёд");
    for name in ["utf-16le-bom.cap", "utf-16be-no-bom.cap", "utf-8-bom.cap"] {
        assert_eq!(event(name), "Туман", "{name}");
    }
    assert_eq!(event("utf-8-that-is-not.cap"), "Сильный ветер");
    let entities = file("bad-entities.cap").infos[0].description.clone();
    assert_eq!(entities, "Rain & wind &copy; Aв R&D & more");
}

#[test]
fn a_message_says_what_it_says() {
    let nws = file("shape-nws.cap");
    let info = &nws.infos[0];
    assert_eq!(info.event_codes[0], ("SAME".to_owned(), "TOR".to_owned()));
    assert_eq!(info.expires.unwrap().to_string(), "2026-11-21T22:30:00.000Z");
    assert!(info.description.contains("\n\n* HAZARD...Tornado."), "{}", info.description);
    assert_eq!(info.areas[0].codes.len(), 2);
    let roshydromet = file("shape-roshydromet.cap");
    assert_eq!(roshydromet.references[0].sender, "web@mecom.ru");
    assert_eq!(roshydromet.references[0].sent.unwrap().to_string(), "2026-11-21T19:00:00.000Z");
    let chain = file("chain-3-update-worse.cap");
    let referred: Vec<&str> = chain.references.iter().map(|reference| reference.identifier.as_str()).collect();
    assert_eq!(referred, ["R-1", "R-2"], "white space may stand anywhere");
    assert_eq!(chain.references[1].sent.unwrap().to_string(), "2026-11-21T19:00:00.000Z");
    let old = file("cap10.cap");
    assert_eq!(old.infos[0].certainty, Certainty::Likely);
    assert_eq!(old.infos[0].areas[0].codes, [("SAME".to_owned(), "048113".to_owned())]);
    let twice = [file("missing-everything.cap"), file("missing-everything.cap")];
    assert!(twice[0].identifier.starts_with('~') && twice[0].identifier == twice[1].identifier);
    assert!(file("signed.cap").is_signed && file("truncated-in-second-info.cap").is_cut);
    let open = &file("polygon-open.cap").infos[0].areas[0].polygons[0];
    assert_eq!((open.len(), open.first()), (5, open.last()));
}

#[test]
fn a_feed_says_where_its_messages_are() {
    let feed = |name: &str| read_feed(&std::fs::read(folder().join(name)).unwrap()).unwrap();
    let roshydromet = feed("feed-roshydromet.atom");
    let links: Vec<_> = roshydromet.entries.iter().map(|entry| entry.links[0].clone()).collect();
    assert!(links.iter().all(|link| link.is_cap) && links[1].address == "20261121190000-17.xml");
    let rss = feed("feed-rss.xml");
    assert_eq!(rss.entries[0].links[0].address, "https://meteo.example/cap/1.cap");
    assert!(rss.entries[1].links[0].is_cap);
    assert_eq!(rss.entries[1].updated.unwrap().to_string(), "2026-11-21T18:00:00.000Z");
    let google = feed("feed-google-embedded.atom");
    let identifiers: Vec<_> = google.entries.iter().map(|entry| entry.messages[0].identifier.as_str()).collect();
    assert_eq!(identifiers, ["G-1", "G-2"], "as elements and as text");
    let inline = feed("feed-nws-inline.atom").entries[0].inline.clone().unwrap();
    assert_eq!(inline.infos[0].areas[0].codes[0].1, "048085 048113");
    let alarm = feed("feed-meteoalarm.atom");
    assert!(alarm.entries[0].links[0].address.ends_with("/cap"));
    assert_eq!(alarm.entries[0].inline.as_ref().unwrap().identifier, "2.49.1");
}

#[test]
fn a_doctype_is_refused_and_too_much_is_not_read() {
    for name in ["bomb.cap", "external-entity.cap"] {
        assert_eq!(read_message(&std::fs::read(folder().join(name)).unwrap()), Err(CapError::Doctype), "{name}");
    }
    let large = |bytes: usize| {
        let filler = "x".repeat(bytes);
        format!("<alert><identifier>1</identifier><note>{filler}</note></alert>").into_bytes()
    };
    assert_eq!(read_message(&large(10 << 20)), Err(CapError::TooLarge(MAX_MESSAGE)));
    assert_eq!(read_document(&large(10 << 20)), Err(CapError::TooLarge(MAX_FEED)));
    assert_eq!(read_document(&large(2 << 20)), Err(CapError::TooLarge(MAX_MESSAGE)));
    assert!(read_message(&large(MAX_MESSAGE - 100)).is_ok());
    let many = format!("<alert>{}</alert>", "<a/>".repeat(200_000));
    assert!(matches!(read_document(many.as_bytes()), Err(CapError::TooLarge(_))));
    let open = format!("<alert>{}", "<a>".repeat(100_000));
    assert!(matches!(read_document(open.as_bytes()), Err(CapError::TooDeep(_))));
    let points = "55.0,37.0 ".repeat(60_000);
    let polygon = format!("<alert><info><area><areaDesc>a</areaDesc><polygon>{points}</polygon></area></info></alert>");
    let read = read_message(polygon.as_bytes()).unwrap();
    assert!(read.infos[0].areas[0].polygons.is_empty() && notes(&read.notes).contains("shape-too-long"));
    let infos = format!("<alert>{}</alert>", "<info><event>x</event></info>".repeat(500));
    assert!(read_message(infos.as_bytes()).unwrap().infos.len() <= 64);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_bring_it_down(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _ = read_document(&bytes);
        let mut wrapped = b"<alert><info><area><polygon>".to_vec();
        wrapped.extend_from_slice(&bytes);
        let _ = read_document(&wrapped);
    }

    #[test]
    fn no_words_bring_it_down(text in "[-0-9.,:TZ+eE &;#x<>/a-я]{0,80}") {
        let document = format!(
            "<alert><identifier>{text}</identifier><sent>{text}</sent><references>{text}</references><info>\
             <expires>{text}</expires><area><polygon>{text}</polygon><circle>{text}</circle></area></info></alert>"
        );
        if let Ok(message) = read_message(document.as_bytes()) {
            for area in message.infos.iter().flat_map(|info| &info.areas) {
                for line in &area.polygons {
                    prop_assert!(line.len() >= 4 && line.first() == line.last());
                    prop_assert!(line.iter().all(|point| point.latitude.abs() <= 90.0 && point.longitude.abs() <= 360.0));
                }
            }
        }
    }

    #[test]
    fn no_mutation_of_the_corpus_brings_it_down(
        which in any::<prop::sample::Index>(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 1..12),
    ) {
        let files = corpus();
        let names: Vec<&String> = files.keys().collect();
        let mut bytes = files[names[which.index(names.len())]].clone();
        for (place, byte, how) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = place.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.remove(at)),
                _ => bytes.truncate(at),
            }
        }
        let _ = read_document(&bytes);
    }
}
