//! Every command opens the house itself where no daemon runs.

use e2e::{png, settings_text};

use super::{
    BATH, KITCHEN, NOT_FOUND, Program, REFUSED, SETTINGS, UNWELL, USAGE, a_meter_is_replaced,
    credentials_and_secrets_are_kept, history_goes_in_and_out, keys_are_rotated, meters_are_added_and_listed,
    readings_are_handed_in,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_does_its_work_with_no_daemon_running() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::new(folder.path(), &settings_text(None));

    assert!(program.well(&["check"]).await.contains("no mistakes"));
    let checked = program.json(&["check"]).await;
    assert_eq!(checked["mistakes"], serde_json::json!([]));
    assert!(!program.data().exists(), "`check` changes nothing");
    assert!(program.well(&["help", "meter", "add"]).await.contains("DIALECT:ID"));
    assert!(program.well(&["--version"]).await.contains("domovoi"));
    assert!(program.fails(&["metre", "list"], USAGE).await.contains("meter"));
    program.fails(&["meter", "decide", "1"], USAGE).await;
    let said = program.fails(&["meter", "list", "--config", "elsewhere.toml"], SETTINGS).await;
    assert!(said.contains("elsewhere.toml: there is no such file"), "{said}");

    credentials_and_secrets_are_kept(&program).await;
    meters_are_added_and_listed(&program).await;
    readings_are_handed_in(&program).await;
    a_meter_is_replaced(&program).await;
    history_goes_in_and_out(&program).await;
    // Nor is there anybody to agree with.
    for args in [
        &["portal", "status"][..],
        &["portal", "link", "--yes"],
        &["portal", "unlink"],
        &["portal", "accounts"],
        &["portal", "consent", "on"],
    ] {
        let said = program.fails(args, REFUSED).await;
        assert!(said.contains("[portal]"), "{args:?}: {said}");
    }
    let text = program.well(&["doctor"]).await;
    assert!(text.contains("no daemon runs") && text.contains("whoever takes the card"), "{text}");
    assert!(!program.json(&["doctor"]).await["findings"].as_array().unwrap().is_empty());

    let key_file = program.data().join("master.key");
    let old = std::fs::read(&key_file).unwrap();
    keys_are_rotated(&program).await;
    let new = std::fs::read(&key_file).unwrap();
    assert_ne!(old, new);
    let everything = program.well(&["meter", "list"]).await;
    assert!(everything.contains(KITCHEN) && everything.contains(BATH), "{everything}");
    assert!(program.well(&["doctor", "--verify"]).await.contains("every sealed thing opens"));

    // Whoever has the old key file and today's card has nothing.
    std::fs::write(&key_file, &old).unwrap();
    let said = program.fails(&["meter", "list"], REFUSED).await;
    assert!(said.contains("key") && said.trim_end().lines().count() == 1, "{said}");
    std::fs::remove_file(&key_file).unwrap();
    let said = program.fails(&["meter", "list"], REFUSED).await;
    assert!(said.contains("put the file back"), "{said}");
    assert!(!key_file.exists(), "no new key is made where something is sealed already");
    std::fs::write(&key_file, &new).unwrap();
    let said = program.fails(&["meter", "list"], REFUSED).await;
    assert!(said.contains("chmod 600"), "{said}");
    private(&key_file);
    assert_eq!(program.well(&["meter", "list"]).await, everything);
}

fn private(file: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_names_the_table_and_the_row_that_does_not_open() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::new(folder.path(), &settings_text(None));
    program.well(&super::add(KITCHEN, "12345699", "wmbusmeters:12345699")).await;
    let database = program.data().join("domovoi.db");
    let before = std::fs::metadata(&database).unwrap().len();
    let picture = folder.path().join("face.png").display().to_string();
    std::fs::write(&picture, png(300, 1)).unwrap();
    program.well(&["meter", "submit", KITCHEN, "7", "--photo", &picture]).await;
    assert!(program.well(&["doctor", "--verify"]).await.contains("every sealed thing opens"));

    // What the file grew by is almost all the photo: its middle is a page of nothing else.
    let mut bytes = std::fs::read(&database).unwrap();
    let grown = bytes.len() - before as usize;
    assert!(grown > 200_000, "the photo is not in the file ({grown} bytes)");
    let page = (before as usize + grown / 2) / 4096 * 4096;
    bytes[page + 2000] ^= 1;
    std::fs::write(&database, &bytes).unwrap();

    let said = program.say(&["doctor", "--verify"]).await;
    assert_eq!(said.code, UNWELL, "{said:?}");
    let line = said.out.lines().find(|line| line.contains("✗ photo ")).unwrap_or_else(|| panic!("{said:?}"));
    let row = line.split_once("photo ").unwrap().1.split(' ').next().unwrap();
    assert!(row.len() == 32 && row.bytes().all(|b| b.is_ascii_hexdigit()), "{line}");
    let said = program.say(&["--json", "doctor", "--verify"]).await;
    assert_eq!(said.code, UNWELL);
    let broken: Vec<_> = said.json()["findings"].as_array().unwrap().clone();
    let broken: Vec<_> = broken.iter().filter(|finding| finding["level"] == "broken").collect();
    assert_eq!(broken.len(), 1, "only that row: {broken:?}");
    assert!(broken[0]["what"].as_str().unwrap().contains(row));
    // The rest of the house lives on.
    assert!(program.well(&["meter", "history", KITCHEN]).await.contains("accepted"));
    program.fails(&["meter", "history", "12345700"], NOT_FOUND).await;
}
