//! The contract: `config/portal-api.yaml`, the hub's calls and the sandbox portal name the same things.
//!
//! The YAML is read by its indentation, line by line: its own layout is fixed, and a parser would be one more peer.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use e2e::{NOON, hand_clock, sandbox};
use reqwest::Method;

/// One operation of the contract.
#[derive(Debug, PartialEq, Eq)]
struct Operation {
    method: String,
    path: String,
    id: String,
}

const METHODS: [&str; 5] = ["get:", "put:", "post:", "delete:", "patch:"];

/// Paths stand at two blanks below `paths:`, methods at four, `operationId` at six.
fn operations(yaml: &str) -> Vec<Operation> {
    let (mut path, mut method, mut found) = (String::new(), String::new(), Vec::new());
    let section = yaml.lines().skip_while(|line| *line != "paths:").skip(1);
    for line in section.take_while(|line| line.is_empty() || line.starts_with([' ', '#'])) {
        let (indent, word) = (line.len() - line.trim_start().len(), line.trim());
        if indent == 2 && word.starts_with('/') {
            path = word.trim_end_matches(':').to_owned();
        } else if indent == 4 && METHODS.contains(&word) {
            method = word.trim_end_matches(':').to_uppercase();
        } else if let (6, Some(id)) = (indent, word.strip_prefix("operationId:")) {
            found.push(Operation { method: method.clone(), path: path.clone(), id: id.trim().to_owned() });
        }
    }
    found
}

/// `putHubKey` → `put_hub_key`
fn snake_case(id: &str) -> String {
    id.chars().fold(String::new(), |mut name, letter| {
        if letter.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
        name
    })
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn contract() -> Vec<Operation> {
    operations(&std::fs::read_to_string(root().join("config/portal-api.yaml")).unwrap())
}

/// What is in one and not in the other, as complaints.
fn differences(contract: &BTreeSet<String>, calls: &BTreeSet<String>) -> Vec<String> {
    let missing = contract.difference(calls).map(|name| format!("hub/src/portal/calls/{name}.rs is missing"));
    let extra = calls.difference(contract).map(|name| format!("{name}.rs is no operation of portal-api.yaml"));
    missing.chain(extra).collect()
}

#[test]
fn every_operation_has_its_file_and_every_file_its_operation() {
    let contract: BTreeSet<String> = contract().iter().map(|operation| snake_case(&operation.id)).collect();
    let calls: BTreeSet<String> = std::fs::read_dir(root().join("hub/src/portal/calls"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".rs").map(str::to_owned))
        .filter(|name| !["mod", "wire", "tests"].contains(&name.as_str()))
        .collect();
    assert!(contract.len() >= 16, "the scanner lost its way: {contract:?}");
    assert_eq!(differences(&contract, &calls), Vec::<String>::new());
}

#[test]
fn the_scanner_and_the_comparison_find_what_they_are_for() {
    let yaml = "info:\n  /not/a/path:\npaths:\n  /a/{id}:\n    put:\n      operationId: putAb\n    get:\n      tags: [x]\n      \
                operationId: getAb\ncomponents:\n  /b:\n    get:\n      operationId: getB\n";
    let operation = |method: &str, id: &str| Operation { method: method.into(), path: "/a/{id}".into(), id: id.into() };
    assert_eq!(operations(yaml), [operation("PUT", "putAb"), operation("GET", "getAb")]);
    assert_eq!(snake_case("markNotificationRead"), "mark_notification_read");
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(differences(&set(&["a", "b"]), &set(&["b", "c"])).len(), 2);
}

/// A path as somebody would ask for it: every parameter filled with something of its form.
fn filled(path: &str) -> String {
    path.replace("{kid}", &"A".repeat(43))
        .replace("{act_id}", "0198c0de-0000-7000-8000-000000000001")
        .replace("{sha256}", &"0".repeat(64))
        .replace("{id}", "0198c0de-0000-7000-8000-000000000002")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sandbox_serves_every_operation_and_tells_nothing_to_strangers() {
    let portal = sandbox(&hand_clock(NOON), |_| {}).await;
    let client = reqwest::Client::new();
    let ask = async |method: &str, path: &str| {
        let url = format!("{}{path}", portal.api_base());
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = client.request(method, url).body("{}").send().await.unwrap();
        let media_type = answer.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
        (answer.status().as_u16(), media_type, answer.headers().contains_key("www-authenticate"))
    };
    for operation in contract() {
        assert!(!filled(&operation.path).contains('{'), "an unknown parameter in {}", operation.path);
        let (status, media_type, challenge) = ask(&operation.method, &filled(&operation.path)).await;
        let what = format!("{} {} ({})", operation.method, operation.path, operation.id);
        assert_eq!(status, 401, "{what}");
        assert_eq!(media_type.as_deref(), Some("application/problem+json"), "{what}");
        assert!(challenge, "{what}: RFC 6750 wants WWW-Authenticate");
    }
    // The control: what is not served is told apart.
    assert_eq!(ask("GET", "/no-such-thing").await.0, 404);
    assert_eq!(ask("DELETE", "/accounts").await.0, 405);
}
