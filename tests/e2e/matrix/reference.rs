//! The reference pages about rights and threats say what the code says.

use std::path::{Path, PathBuf};

use domovoi::policy::{Column, Verb, Whose, table};

const BEGIN: &str = "<!-- the table: written by tests/e2e/matrix/reference.rs with DOMOVOI_BLESS=1 -->\n";
const END: &str = "<!-- end of the table -->";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn head(column: Column) -> &'static str {
    use domovoi::policy::Role::{Adult, Child, Guest, Owner, Service};
    match column {
        Column::Role(Owner) => "owner",
        Column::Role(Adult) => "adult",
        Column::Role(Child) => "child",
        Column::Role(Guest) => "guest",
        Column::Role(Service) => "program",
        Column::Console => "console",
        Column::House => "the hub itself",
        Column::Pin => "a PIN",
        Column::Given => "can be given",
    }
}

fn written() -> String {
    let heads: Vec<&str> = Column::ALL.into_iter().map(head).collect();
    let mut text = format!("| kind | whose | {} |\n|---|---|{}\n", heads.join(" | "), "---|".repeat(heads.len()));
    let cell = |verbs: &Vec<Verb>| {
        let codes: Vec<&str> = verbs.iter().map(|verb| verb.code()).collect();
        if codes.is_empty() { "–".to_owned() } else { codes.join(", ") }
    };
    for (kind, whose, columns) in table() {
        let cells: Vec<String> = columns.iter().map(cell).collect();
        text.push_str(&format!("| {} | {} | {} |\n", kind.code(), Whose::code(whose), cells.join(" | ")));
    }
    text
}

#[test]
fn the_page_of_rights_has_the_table_of_the_code() {
    let path = root().join("docs/reference/rights.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page marks where its table begins");
    let (shown, after) = rest.split_once(END).expect("the page marks where its table ends");
    if std::env::var_os("DOMOVOI_BLESS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{}{END}{after}", written())).unwrap();
    } else {
        assert_eq!(shown, written(), "docs/reference/rights.md; DOMOVOI_BLESS=1 writes it anew");
    }
}

/// What is said to be shown by a test that does not exist: `path/to/file.rs::name_of_the_test`.
fn unproved(page: &str, read: impl Fn(&str) -> Option<String>) -> (usize, Vec<String>) {
    let named: Vec<(&str, &str)> = page.split('`').filter_map(|word| word.split_once(".rs::")).collect();
    let missing = named.iter().filter(|(file, test)| {
        let source = read(&format!("{file}.rs")).unwrap_or_default();
        let body = source.find(&format!("fn {test}(")).map(|at| &source[..at]);
        // Between the attribute and the name stand other attributes, comments and `async`, but no other function.
        !body.is_some_and(|before| {
            before.rsplit("fn ").next().is_some_and(|since| ["test]", "test("].iter().any(|test| since.contains(test)))
        })
    });
    (named.len(), missing.map(|(file, test)| format!("{file}.rs has no test `{test}`")).collect())
}

#[test]
fn every_test_that_holds_a_threat_exists() {
    let page = std::fs::read_to_string(root().join("docs/reference/threats.md")).unwrap();
    let (named, missing) = unproved(&page, |file| std::fs::read_to_string(root().join(file)).ok());
    assert!(named > 40, "only {named} tests are named: the page is not read as it is written");
    assert_eq!(missing, Vec::<String>::new(), "docs/reference/threats.md");
    let (_, missing) = unproved("`hub/src/x.rs::is_there` `hub/src/x.rs::is_gone` `hub/src/x.rs::helps`", |_| {
        Some("#[test]\nfn is_there() {}\nfn helps() {}".into())
    });
    assert_eq!(missing.len(), 2, "{missing:?}");
}
