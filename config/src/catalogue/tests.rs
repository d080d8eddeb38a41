//! The built-in catalogue is whole and of use; what is wrong in a file is told with its line; a folder adds and replaces.

use std::collections::BTreeSet;
use std::path::Path;

use proptest::prelude::*;

use super::*;

fn bases(word: &str) -> Vec<String> {
    match word {
        "prefix" => vec!["homeassistant".into(), "ha".into()],
        other => vec![other.to_owned()],
    }
}

fn said(text: &str) -> Vec<String> {
    Catalogue::default().add("own.toml", text).iter().map(ToString::to_string).collect()
}

const WHOLE: &str = r#"[[device]]
id = "own-plug"
kind = "plug"
dialect = "tasmota"
by = "access"
serial = "mac"
name = { ru = "Моя", en = "Mine" }
hint = { ru = "Так", en = "So" }
publish = ["tele/own_{mac6}/#"]
subscribe = ["cmnd/own_{mac6}/#"]
"#;

#[test]
fn what_is_built_in_is_every_file_of_the_folder_without_a_mistake() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalogue");
    let there: BTreeSet<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(there, BUILT_IN.iter().map(|(file, _)| (*file).to_owned()).collect());
    let mut all = Catalogue::default();
    let mut tables = 0;
    for (file, text) in BUILT_IN {
        assert_eq!(all.add(file, text).iter().map(ToString::to_string).collect::<Vec<_>>(), Vec::<String>::new());
        tables += text.matches("[[device]]").count();
    }
    assert_eq!(all.types.len(), tables, "no two files have a type of the same id");
    assert_eq!(all, Catalogue::built_in());
    assert!(all.types.len() >= 25);
    for dialect in ["zigbee2mqtt", "tasmota", "homeassistant"] {
        assert!(all.types.values().filter(|one| one.dialect == dialect).count() >= 4, "{dialect}");
    }
}

#[test]
fn each_has_topics_that_a_broker_takes_and_that_are_its_own() {
    for one in Catalogue::built_in().all().into_iter().filter(|one| one.by == ConnectBy::Access) {
        let (mac, name) = ("5C:CF:7F:A1:B2:D1", "node-1");
        let given = Named::read(one.serial, if one.serial == Serial::Mac { mac } else { name }).unwrap();
        for filter in given.fill(&one.publish, bases).iter().chain(&given.fill(&one.subscribe, bases)) {
            assert!(domovoi_broker::check_filter(filter, 32).is_ok() && !filter.contains('{'), "{}: {filter}", one.id);
        }
        if !one.is_bridge {
            let other = Named::read(one.serial, if one.serial == Serial::Mac { "000000000001" } else { "node-2" });
            let (own, others) = (given.fill(&one.publish, bases), other.unwrap().fill(&one.publish, bases));
            assert!(own.iter().all(|filter| !others.contains(filter)), "{}: {own:?}", one.id);
        }
    }
}

#[test]
fn topics_are_filled_in_as_the_device_spells_them() {
    let mac = Named::read(Serial::Mac, "5c-cf-7f-a1-b2-d1").unwrap();
    let filters = ["tele/tasmota_{mac6}/#", "x/{mac}/{mac_lower}", "{prefix}/status"].map(str::to_owned);
    let filled = mac.fill(&filters, bases);
    assert_eq!(filled, ["tele/tasmota_A1B2D1/#", "x/5CCF7FA1B2D1/5ccf7fa1b2d1", "homeassistant/status", "ha/status"]);
    for (serial, wrong) in [
        (Serial::Mac, "5CCF7FA1B2"),
        (Serial::Mac, "5CCF7FA1B2DZ"),
        (Serial::Name, ""),
        (Serial::Name, "a/b"),
        (Serial::Name, "#"),
        (Serial::Name, "лампа"),
    ] {
        assert!(Named::read(serial, wrong).is_err(), "{wrong}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_the_rest_counts() {
    assert_eq!(said(WHOLE), Vec::<String>::new());
    for (from, to, what) in [
        ("\"plug\"", "\"plugg\"", "own.toml:3:8: device[0].kind: \"plugg\" is none of"),
        (
            "\"tasmota\"",
            "\"tazmota\"",
            "own.toml:4:11: device[0].dialect: \"tazmota\" is no dialect; did you mean `tasmota`?",
        ),
        ("id = \"own-plug\"", "id = \"Own plug\"", "own.toml:2:6: device[0].id:"),
        ("kind = \"plug\"\n", "", "device[0].kind: is missing"),
        ("hint = ", "hnt = ", "device[0].hnt: unknown key; did you mean `hint`?"),
        (", en = \"Mine\"", "", "device[0].name.en: is missing"),
        ("tele/own_{mac6}/#", "tele/#", "device[0].publish: «tele/#» is not the device's own"),
        ("tele/own_{mac6}/#", "#", "device[0].publish: «#» is not the device's own"),
        ("tele/own_{mac6}/#", "domovoi/{mac}", "«domovoi/{mac}» is not the device's own"),
        ("tele/own_{mac6}/#", "tele/{name}/#", "nothing is put in for {name} here"),
        ("tele/own_{mac6}/#", "tele/{mac6/#", "a brace is not closed"),
        ("cmnd/own_{mac6}/#", "cmnd/#", "device[0].subscribe: «cmnd/#» is not the device's own"),
        ("publish = [\"tele/own_{mac6}/#\"]\n", "", "an access without topics says nothing"),
    ] {
        let text = WHOLE.replace(from, to);
        assert_ne!(text, WHOLE, "{from}");
        let said = said(&text);
        assert!(said.iter().any(|line| line.contains(what)), "{what}: {said:?}");
        let mut catalogue = Catalogue::default();
        let second = WHOLE.replace("own-plug", "other");
        assert!(!catalogue.add("own.toml", &format!("{text}\n{second}")).is_empty());
        assert!(catalogue.find("other").is_some(), "the other one counts: {from}");
    }
    let twice = said(&format!("{WHOLE}{WHOLE}"));
    assert!(twice.len() == 1 && twice[0].contains("there is a type «own-plug» already"), "{twice:?}");
}

#[test]
fn a_folder_adds_and_replaces_and_its_mistakes_keep_nothing_else_away() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.toml"), WHOLE.replace("own-plug", "tasmota-plug")).unwrap();
    std::fs::write(folder.path().join("b.toml"), "[[device]\n").unwrap();
    std::fs::write(folder.path().join("c.txt"), "not ours").unwrap();
    let (catalogue, mistakes) = Catalogue::with_folder(folder.path());
    assert_eq!(catalogue.find("tasmota-plug").unwrap().name.en, "Mine");
    assert_eq!(catalogue.types.len(), Catalogue::built_in().types.len());
    assert!(!mistakes.is_empty() && mistakes.iter().all(|mistake| mistake.file.ends_with("b.toml")), "{mistakes:?}");
    let (catalogue, mistakes) = Catalogue::with_folder(&folder.path().join("none"));
    assert_eq!((catalogue, mistakes.len()), (Catalogue::built_in(), 1));
}

#[test]
fn a_type_is_found_by_words_of_either_language_and_by_how_the_device_calls_itself() {
    let all = Catalogue::built_in();
    let ids = |text: &str| all.search(text).into_iter().map(|one| one.id.clone()).collect::<Vec<_>>();
    assert!(ids("aqara протечки").contains(&"aqara-leak".to_owned()));
    assert!(ids("AQARA leak").contains(&"aqara-leak".to_owned()));
    assert!(ids("").len() == all.types.len() && ids("нет такого").is_empty());
    assert_eq!(all.recognise("zigbee2mqtt", "Aqara SJCGQ11LM").map(|one| one.kind), Some(DeviceKind::Leak));
    assert!(all.recognise("tasmota", "Aqara SJCGQ11LM").is_none());
    assert_eq!(all.all()[0].kind, DeviceKind::Leak, "what keeps a home safe comes first");
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in "\\PC{0,200}", tail in "(\\[\\[device\\]\\]|id|name|=|\"|\\{|\\}|publish|\\[|\\]|[a-z#+/{} \n]){0,60}") {
        let _ = Catalogue::default().add("x.toml", &text);
        let _ = Catalogue::default().add("x.toml", &format!("{WHOLE}{tail}"));
    }
}
