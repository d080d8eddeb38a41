//! Bad input, from every side: each gives one clear sentence, and nothing is lost.

mod answers;
mod messages;
mod strangers;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use e2e::settings_text;

use crate::command_line::{Program, REFUSED, SETTINGS};

/// A mistake in the settings file: what is changed, and what has to be said about it.
struct Slip {
    from: &'static str,
    to: &'static str,
    /// The text that stands on the line that must be named.
    line_of: &'static str,
    key: &'static str,
    says: &'static [&'static str],
    suggests: &'static str,
}

const SLIPS: &[Slip] = &[
    Slip {
        from: "jitter = \"0 s\"",
        to: "jiter = \"0 s\"",
        line_of: "jiter",
        key: "submission.jiter",
        says: &[],
        suggests: "`jitter`",
    },
    Slip { from: "[store]", to: "[stroe]", line_of: "[stroe]", key: "stroe", says: &[], suggests: "`store`" },
    Slip {
        from: "retry_every = \"1 s\"",
        to: "retry_every = \"1 sec\"",
        line_of: "retry_every",
        key: "submission.retry_every",
        says: &["1 sec"],
        suggests: "s",
    },
    Slip {
        from: "resources = [\"cold_water\"]",
        to: "resources = [\"cold_water\"]\nservice = [{ resource = \"cold_water\", unit = \"kWh\" }]",
        line_of: "unit = \"kWh\"",
        key: "supplier[0].service[0].unit",
        says: &["kWh", "m³"],
        suggests: "m³",
    },
    Slip {
        from: "window = [{ start = { day = 1 }, end = { last_day = true } }]",
        to: "window = [\n{ start = { day = 15 }, end = { day = 26 } },\n{ start = { day = 25 }, end = { last_day = true } }]",
        line_of: "{ start = { day = 25 }",
        key: "supplier[0].window[1]",
        says: &["cold_water"],
        suggests: "",
    },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mistake_in_the_settings_is_named_with_its_line_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    for slip in SLIPS {
        let good = settings_text(None);
        assert_eq!(good.matches(slip.from).count(), 1, "the settings of the tests have changed: {}", slip.from);
        let text = good.replace(slip.from, slip.to);
        let line = text.lines().position(|line| line.contains(slip.line_of)).unwrap() + 1;
        let program = Program::new(folder.path(), &text);

        let said = program.fails(&["check"], SETTINGS).await;
        assert_eq!(said.trim_end().lines().count(), 1, "one sentence: {said}");
        assert!(said.starts_with(&format!("domovoi.toml:{line}:")), "line {line}: {said}");
        assert!(said.contains(&format!(" {}: ", slip.key)), "{}: {said}", slip.key);
        for word in slip.says.iter().chain([&slip.suggests]) {
            assert!(said.contains(word), "no «{word}» in: {said}");
        }
        let json = program.fails_json(&["check"], SETTINGS).await;
        assert_eq!(json["mistakes"].as_array().unwrap().len(), 1, "{json}");
        let mistake = &json["mistakes"][0];
        assert_eq!((mistake["line"].as_u64(), mistake["key"].as_str()), (Some(line as u64), Some(slip.key)));
        assert!(!mistake["message"].as_str().unwrap().is_empty());
        let suggestion = mistake["suggestion"].as_str().unwrap_or_else(|| panic!("no suggestion: {mistake}"));
        assert!(suggestion.contains(slip.suggests), "{mistake}");

        // No command works on settings that were not understood, and none makes anything.
        program.fails(&["run"], SETTINGS).await;
        program.fails(&["meter", "list"], SETTINGS).await;
        assert!(!program.data().exists(), "{said}");
    }
    // All mistakes are told at once.
    let text = SLIPS.iter().fold(settings_text(None), |text, slip| text.replace(slip.from, slip.to));
    let program = Program::new(folder.path(), &text);
    let json = program.fails_json(&["check"], SETTINGS).await;
    assert!(json["mistakes"].as_array().unwrap().len() >= SLIPS.len(), "{json}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_file_that_cannot_be_used_is_refused_with_what_to_do_and_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::new(folder.path(), &settings_text(None));
    program.well(&["mqtt", "add", "wmbusmeters", "--publish", "wmbusmeters/#"]).await;
    let (file, database) = (program.data().join("master.key"), program.data().join("domovoi.db"));
    let (key, sealed) = (std::fs::read(&file).unwrap(), std::fs::read(&database).unwrap());
    assert_eq!(key.len(), 65, "64 hex digits and a line feed");

    for (what, content, mode, says) in [
        ("too short", key[..40].to_vec(), 0o600, "expected 64 hex digits"),
        ("too long", key.repeat(2), 0o600, "expected 64 hex digits"),
        ("empty", Vec::new(), 0o600, "expected 64 hex digits"),
        ("not hex", vec![b'z'; 64], 0o600, "found other characters"),
        ("not text", vec![0xFF; 64], 0o600, "found other characters"),
        ("zeroes", vec![b'0'; 64], 0o600, "all zeroes"),
        ("for the group", key.clone(), 0o640, "chmod 600"),
        ("for all", key.clone(), 0o644, "chmod 600"),
    ] {
        std::fs::write(&file, &content).unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        for command in [&["mqtt", "list"][..], &["run"]] {
            let said = program.fails(command, REFUSED).await;
            assert!(said.contains("master.key") && said.contains(says), "{what}: {said}");
            assert_eq!(said.trim_end().lines().count(), 1, "{what}: one sentence: {said}");
        }
        let json = program.fails_json(&["mqtt", "list"], REFUSED).await;
        assert!(json["error"].as_str().unwrap().contains(says), "{what}: {json}");
        assert_eq!(std::fs::read(&file).unwrap(), content, "{what}: the file is the person's to mend");
        assert_eq!(std::fs::read(&database).unwrap(), sealed, "{what}: nothing was written");
    }
    std::fs::write(&file, &key).unwrap();
    std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    assert!(program.well(&["mqtt", "list"]).await.contains("wmbusmeters"));
}
