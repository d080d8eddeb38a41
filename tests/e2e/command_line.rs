//! The command line, as a person uses it: the real binary, once without a daemon and once with one, every command as
//! text and as JSON, and the exit codes of README.md.

mod program;
mod with_a_daemon;
mod without_a_daemon;

pub(crate) use program::Program;

use e2e::png;
use serde_json::Value;

/// README.md's table.
pub(crate) const FAILED: i32 = 1;
pub(crate) const USAGE: i32 = 2;
pub(crate) const SETTINGS: i32 = 3;
pub(crate) const UNWELL: i32 = 4;
pub(crate) const NOT_FOUND: i32 = 5;
pub(crate) const REFUSED: i32 = 6;

const KITCHEN: &str = "Кухня, холодная";
const BATH: &str = "Ванная, холодная";

/// `meter add` as README.md has it.
fn add<'a>(name: &'a str, serial: &'a str, device: &'a str) -> Vec<&'a str> {
    [
        &["meter", "add", "--supplier", "vodokanal", "--account", "7712345678", "--resource", "cold_water"][..],
        &["--name", name, "--serial", serial, "--digits", "5.3", "--installed", "2024-03-01", "--start", "0"],
        &["--device", device, "--register", "t1=total_m3"],
    ]
    .concat()
}

fn array<'a>(value: &'a Value, name: &str) -> &'a Vec<Value> {
    value[name].as_array().unwrap_or_else(|| panic!("no list `{name}` in {value}"))
}

/// Puts two meters in, one as text and one as JSON, and sees what must not be taken.
async fn meters_are_added_and_listed(program: &Program) {
    let empty = program.well(&["meter", "list"]).await;
    assert!(empty.contains("no meter is known"), "{empty}");
    let text = program.well(&add(KITCHEN, "12345699", "wmbusmeters:12345699")).await;
    assert!(text.starts_with("added: ") && text.contains(KITCHEN), "{text}");
    let bath = program.json(&add(BATH, "12345700", "wmbusmeters:12345700")).await;
    assert_eq!(bath["name"], BATH);
    assert_eq!(bath["id"].as_str().unwrap().len(), 36);

    let wrong = |change: &'static str, to: &'static str| {
        let mut args = add("Другое место", "12345701", "wmbusmeters:12345701");
        let at = args.iter().position(|arg| *arg == change).unwrap() + 1;
        args[at] = to;
        args
    };
    for (args, says) in [
        (wrong("--supplier", "gorgaz"), "gorgaz"),
        (wrong("--resource", "steam"), "cold_water, hot_water"),
        (wrong("--name", KITCHEN), "already"),
        (wrong("--serial", "12345699"), "already"),
        (wrong("--device", "wmbusmeters:12345699"), "already"),
        (wrong("--device", "nonsense"), "DIALECT:ID"),
        (wrong("--register", "total_m3"), "TARIFF=PROPERTY"),
        (wrong("--digits", "five"), "5.3"),
        (wrong("--installed", "yesterday"), "yesterday"),
        (wrong("--start", "123456"), "123456"),
    ] {
        let said = program.fails(&args, FAILED).await;
        assert!(said.contains(says) && said.trim_end().lines().count() == 1, "{args:?}: {said}");
    }
    let list = program.well(&["meter", "list"]).await;
    for word in [KITCHEN, "12345699", "wmbusmeters:12345700", "m³", "vodokanal 7712345678"] {
        assert!(list.contains(word), "no {word} in\n{list}");
    }
    let list = program.json(&["meter", "list"]).await;
    assert_eq!(array(&list, "points").len(), 2);
    assert_eq!(list["points"][0]["account"], "7712345678");
}

/// Readings that a person hands in: taken, held, confirmed, with a photo.
async fn readings_are_handed_in(program: &Program) {
    let text = program.well(&["meter", "submit", KITCHEN, "12.5", "--person", "Агния"]).await;
    assert!(text.contains("12.5: accepted"), "{text}");
    let picture = program.folder().join("face.png");
    std::fs::write(&picture, png(32, 5)).unwrap();
    let picture = picture.display().to_string();
    let taken = program.json(&["meter", "submit", "12345699", "13", "--photo", &picture]).await;
    assert_eq!((&taken["taken"], &taken["registers"][0]["verdict"]["is"]), (&true.into(), &"accepted".into()));

    // Below the last value: held, and not kept until a person insists.
    let held = ["meter", "submit", KITCHEN, "12"];
    let said = program.fails(&held, REFUSED).await;
    assert!(said.contains("decreased") && said.contains("--confirm"), "{said}");
    let json = program.fails_json(&held, REFUSED).await;
    assert_eq!((&json["taken"], &json["registers"][0]["verdict"]["finding"]), (&false.into(), &"decreased".into()));
    assert_eq!(history(program, KITCHEN).await, [("13", "accepted"), ("12.5", "accepted"), ("0", "accepted")]);
    let said = program.well(&["meter", "submit", KITCHEN, "12", "--confirm"]).await;
    assert!(said.contains("confirmed_by_person"), "{said}");
    assert_eq!(history(program, KITCHEN).await.len(), 4);

    let text = program.well(&["meter", "history", KITCHEN, "--limit", "2"]).await;
    assert!(text.contains("verdict") && text.trim_end().lines().count() == 3, "{text}");
    std::fs::write(program.folder().join("face.png"), b"GIF89a").unwrap();
    let said = program.fails(&["meter", "submit", KITCHEN, "14", "--photo", &picture], FAILED).await;
    assert!(said.contains("neither a JPEG nor a PNG"), "{said}");
    assert!(
        program.fails(&["meter", "submit", KITCHEN, "14", "--photo", "nowhere.png"], FAILED).await.contains("nowhere")
    );
    assert!(program.fails(&["meter", "submit", KITCHEN, "fourteen"], FAILED).await.contains("fourteen"));
    for args in [
        &["meter", "submit", "Чердак", "1"][..],
        &["meter", "history", "Чердак"],
        &["meter", "decide", "4711", "--accept"],
        &["meter", "replace", "Чердак", "--end", "1", "--serial", "1", "--installed", "2026-11-20"],
    ] {
        program.fails(args, NOT_FOUND).await;
    }
}

/// Value and verdict, newest first.
async fn history(program: &Program, point: &str) -> Vec<(&'static str, &'static str)> {
    let rows = program.json(&["meter", "history", point]).await;
    let word = |value: &Value| -> &'static str { value.as_str().unwrap().to_owned().leak() };
    array(&rows, "readings").iter().map(|row| (word(&row["value"]), word(&row["verdict"]["is"]))).collect()
}

/// Another meter at the second point.
async fn a_meter_is_replaced(program: &Program) {
    let new = ["--serial", "88120077", "--installed", "2026-11-20", "--start", "0.4"];
    let too_low = [&["meter", "replace", BATH, "--end", "-1"][..], &new].concat();
    program.fails(&too_low, USAGE).await;
    let text = program.well(&[&["meter", "replace", BATH, "--end", "77.1"][..], &new].concat()).await;
    assert!(text.contains("88120077"), "{text}");
    let new = ["--serial", "88120078", "--installed", "2026-11-20"];
    let json = program.json(&[&["meter", "replace", "88120077", "--end", "0.5"][..], &new].concat()).await;
    assert_eq!(json["serial"], "88120078");
    let list = program.well(&["meter", "list"]).await;
    assert!(list.contains("88120078") && !list.contains("88120077"), "{list}");
}

/// Credentials, secrets, consent, notices: the small commands.
async fn credentials_and_secrets_are_kept(program: &Program) {
    assert!(program.well(&["mqtt", "list"]).await.contains("nobody"));
    let text = program.well(&["mqtt", "add", "wmbusmeters", "--publish", "wmbusmeters/#"]).await;
    assert!(text.contains("password:") && text.contains("shown once"), "{text}");
    let json = program.json(&["mqtt", "add", "plug", "--publish", "tele/plug/+", "--subscribe", "cmnd/plug/#"]).await;
    assert!(json["password"].as_str().unwrap().len() >= 22, "128 bits at least");
    program.fails(&["mqtt", "add", "", "--publish", "a"], FAILED).await;
    assert!(program.fails(&["mqtt", "add", "x", "--publish", "a/#/b"], FAILED).await.contains("a/#/b"));
    program.fails(&["mqtt", "add", "x"], USAGE).await;
    let text = program.well(&["mqtt", "list"]).await;
    assert!(text.contains("wmbusmeters/#") && text.contains("cmnd/plug/#"), "{text}");
    assert!(!text.contains(json["password"].as_str().unwrap()), "it is shown once: {text}");
    assert_eq!(array(&program.json(&["mqtt", "list"]).await, "credentials").len(), 2);
    assert!(program.well(&["mqtt", "remove", "plug"]).await.contains("withdrawn"));
    program.fails(&["mqtt", "remove", "plug"], NOT_FOUND).await;

    let said = program.say_in(&["secret", "set", "external_broker"], b"hunter2\n").await;
    assert_eq!((said.code, said.out.trim_end()), (0, "sealed"), "{said:?}");
    let said = program.say_in(&["--json", "secret", "set", "external_broker"], b"hunter3").await;
    assert_eq!(said.json()["kept"], true);
    assert_eq!(program.say_in(&["secret", "set", "empty"], b"\n").await.code, FAILED);
    assert_eq!(program.say_in(&["secret", "set", "a b"], b"x").await.code, FAILED);

    assert!(program.well(&["portal", "consent"]).await.contains("off"));
    assert_eq!(program.json(&["portal", "consent", "off"]).await["standing_consent"], false);
    program.fails(&["portal", "consent", "perhaps"], USAGE).await;

    array(&program.json(&["notices"]).await, "notices");
    program.well(&["notices"]).await;
    program.fails(&["notices", "--done", "no-such-notice"], NOT_FOUND).await;
    assert!(program.well(&["act", "list"]).await.lines().count() >= 1);
    array(&program.json(&["act", "list"]).await, "acts");
    program.fails(&["act", "show", "0198c0de-0000-7000-8000-000000000001"], NOT_FOUND).await;
    program.fails(&["act", "show", "2020-01"], NOT_FOUND).await;
    program.fails(&["act", "show", "soon"], FAILED).await;
    for verb in ["approve", "correct"] {
        program.fails(&["act", verb, "0198c0de-0000-7000-8000-000000000001"], NOT_FOUND).await;
    }
}

/// History goes in as a file, is asked in every way, and goes out as the file that it was.
async fn history_goes_in_and_out(program: &Program) {
    let file = program.folder().join("past.csv").display().to_string();
    let mut text = String::from("at,device,property,value,is,unit,suspect,device_time\r\n");
    for n in 0..30 {
        text.push_str(&format!("2026-11-21T11:{n:02}:00.000Z,tasmota:plug,energy,{}.5,number,kWh,,\r\n", 100 + n));
    }
    std::fs::write(&file, &text).unwrap();
    assert!(program.well(&["history", "import", &file]).await.contains("kept: 30; there already: 0"));
    let again = program.say_in(&["--json", "history", "import", "-"], text.as_bytes()).await.json();
    assert_eq!((&again["kept"], &again["duplicates"]), (&0.into(), &30.into()), "{again}");
    let broken = program.folder().join("broken.csv").display().to_string();
    std::fs::write(&broken, "at,device,property,value\nsoon,a:b,p,1\n").unwrap();
    assert!(program.fails(&["history", "import", &broken], FAILED).await.contains("line 2, column 1"));
    program.fails(&["history", "import", "nowhere.csv"], FAILED).await;

    assert!(program.well(&["history", "series"]).await.contains("tasmota:plug"));
    let of = ["tasmota:plug", "energy"];
    let span = ["--from", "2026-11-21T11:00:00Z", "--to", "2026-11-21T12:00:00Z"];
    let ask = |verb: &'static str, more: &[&'static str]| [&["history", verb][..], &of, more].concat();
    assert_eq!(array(&program.json(&ask("show", &span)).await, "samples").len(), 30);
    let two = program.well(&[&ask("show", &span)[..], &["--limit", "2"]].concat()).await;
    assert!(two.contains("100.5") && two.contains("there is more") && !two.contains("102.5"), "{two}");
    let at = program.well(&ask("at", &["2026-11-21T11:10:30Z"])).await;
    assert!(at.contains("110.5") && at.contains("kWh"), "{at}");
    let change =
        program.json(&ask("change", &["--from", "2026-11-21T11:00:00Z", "--to", "2026-11-21T11:29:30Z"])).await;
    assert_eq!((&change["increase"], &change["exact"]), (&"29".into(), &true.into()), "{change}");
    let rolled = program.json(&[&ask("rollup", &span)[..], &["--level", "5m"]].concat()).await;
    assert_eq!(array(&rolled, "buckets").len(), 6, "a gap is a gap: {rolled}");
    assert!(program.fails(&ask("show", &["--from", "soon"]), FAILED).await.contains("from"));
    let usage = program.json(&["history", "usage"]).await;
    assert!(usage["journal_samples"].as_u64().unwrap() + usage["block_samples"].as_u64().unwrap() >= 30, "{usage}");

    let out = program.folder().join("out.csv").display().to_string();
    program.well(&["history", "export", "--device", "tasmota:plug", "--out", &out]).await;
    assert_eq!(std::fs::read_to_string(&out).unwrap(), text, "what went in comes out");
    program.fails(&["history", "export", "--device", "tasmota:plug", "--out", &out], FAILED).await;
    let lines = program.well(&["history", "export", "--format", "jsonl", "--device", "tasmota:plug"]).await;
    assert_eq!(lines.lines().count(), 30);
}

/// A new data key; then a new master key. Everything opens with the new one and nothing with the old one.
async fn keys_are_rotated(program: &Program) {
    let before = program.json(&["key", "status"]).await;
    assert_eq!(array(&before, "keys").len(), 1);
    let text = program.well(&["key", "status"]).await;
    assert!(text.contains("master key") && text.contains("whoever takes the card"), "{text}");
    let text = program.well(&["key", "rotate"]).await;
    assert!(text.contains("rows sealed anew"), "{text}");
    let rotated = program.json(&["key", "rotate", "--master"]).await;
    assert!(rotated["resealed"].as_u64().unwrap() > 5 && array(&rotated, "damaged").is_empty(), "{rotated}");
    let after = program.json(&["key", "status"]).await;
    assert_ne!(before["master"], after["master"]);
    assert_eq!(rotated["master"], after["master"]);
    assert!(after["keys"][0]["rows"].as_u64().unwrap() > 5, "{after}");
}
