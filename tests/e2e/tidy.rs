//! The map of the house, kept true: `cargo metadata` and the sources against one table of what may know what.
//!
//! Every rule is a function from facts to complaints, so that the positive control can plant a violation of each and
//! see it found. What the rules mean is in docs/architecture.md.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which of our packages may depend on which of ours. What is not here is forbidden.
const PACKAGE_EDGES: &[(&str, &[&str])] = &[
    ("domovoi-model", &[]),
    ("domovoi-adapters", &["domovoi-model"]),
    ("domovoi-vault", &[]),
    ("domovoi-broker", &[]),
    ("domovoi-video", &["domovoi-vault"]),
    ("domovoi-store", &["domovoi-model", "domovoi-vault"]),
    ("domovoi-config", &["domovoi-model", "domovoi-adapters", "domovoi-broker", "domovoi-store", "domovoi-vault"]),
    (
        "domovoi",
        &[
            "domovoi-model",
            "domovoi-adapters",
            "domovoi-broker",
            "domovoi-store",
            "domovoi-vault",
            "domovoi-video",
            "domovoi-config",
            "firmware-sim",
        ],
    ),
    ("firmware-sim", &[]),
    (
        "e2e",
        &[
            "domovoi",
            "domovoi-model",
            "domovoi-adapters",
            "domovoi-broker",
            "domovoi-store",
            "domovoi-vault",
            "domovoi-video",
            "domovoi-config",
            "firmware-sim",
        ],
    ),
];

/// Crates of others that exactly these packages of ours may name.
const SOLE_OWNERS: &[(&str, &[&str])] = &[
    ("aes-gcm", &["domovoi-vault"]),
    ("argon2", &["domovoi-vault"]),
    ("scrypt", &["domovoi-vault"]),
    ("sqlx", &["domovoi-store"]),
    ("aead-stream", &["domovoi-vault"]),
    ("rmqtt-codec", &["domovoi-broker"]),
    ("retina", &["domovoi-video"]),
    ("mp4-atom", &["domovoi-video"]),
    ("object_store", &["domovoi-video"]),
    ("rumqttd", &["firmware-sim"]),
    ("oauth2", &["domovoi"]),
    ("image", &["domovoi"]),
];

/// Which rooms of the hub may use which. A room that is not here does not exist yet.
const ROOM_EDGES: &[(&str, &[&str])] = &[
    ("bus", &[]),
    ("clock", &[]),
    ("policy", &[]),
    ("outside", &[]),
    ("audit", &["clock", "words"]),
    ("people", &["clock", "policy", "audit"]),
    ("courier", &["outside", "people", "words"]),
    ("signin", &["clock", "policy", "audit", "people", "courier", "portal", "words"]),
    ("certificates", &["bus", "clock", "policy"]),
    ("extract", &["people", "signin", "metering"]),
    ("ingest", &["clock", "policy", "audit", "certificates"]),
    ("devices", &["bus", "clock", "audit", "ingest", "policy"]),
    ("safety", &["bus", "clock", "audit", "ingest", "policy"]),
    ("cameras", &["bus", "clock", "policy"]),
    ("metering", &["bus", "clock"]),
    ("portal", &["bus", "clock", "metering", "outside"]),
    ("alerts", &["bus", "clock", "outside", "words"]),
    ("notify", &["bus", "clock", "courier", "outside", "people", "policy", "words"]),
    ("calendar", &["bus", "clock", "outside", "words"]),
    ("scenarios", &["bus", "clock", "policy", "words"]),
    ("presence", &["bus", "clock"]),
    ("clouds", &["bus", "clock", "ingest", "outside"]),
    ("recorder", &["bus", "clock"]),
    (
        "web",
        &[
            "bus",
            "clock",
            "policy",
            "audit",
            "people",
            "courier",
            "signin",
            "certificates",
            "metering",
            "portal",
            "ingest",
            "devices",
            "safety",
            "cameras",
            "alerts",
            "notify",
            "calendar",
            "scenarios",
            "presence",
            "clouds",
            "doctor",
            "words",
        ],
    ),
    ("doctor", &["audit", "bus", "cameras", "clock", "metering", "portal", "ingest", "certificates"]),
    (
        "house",
        &[
            "bus",
            "alerts",
            "notify",
            "calendar",
            "scenarios",
            "presence",
            "clouds",
            "clock",
            "policy",
            "audit",
            "people",
            "courier",
            "signin",
            "certificates",
            "extract",
            "ingest",
            "devices",
            "safety",
            "cameras",
            "metering",
            "portal",
            "recorder",
            "web",
            "doctor",
            "words",
        ],
    ),
    ("words", &[]),
    ("cli", &["clock", "house", "ingest", "web", "demo", "metering", "words"]),
    ("demo", &["bus", "clock", "house", "metering", "portal", "web", "courier"]),
];

/// A text that must not occur in the sources of a place, with the reason that is given when it does.
struct Absence {
    /// Path prefix, relative to the workspace.
    under: &'static str,
    /// Paths under it that are exempt.
    except: &'static [&'static str],
    texts: &'static [&'static str],
    why: &'static str,
}

const ABSENCES: &[Absence] = &[
    Absence {
        under: "adapters/model/src",
        except: &[],
        texts: &["serde", "Serialize", "std::fs", "std::net", "tokio"],
        why: "the vocabulary does no I/O and crosses no wire",
    },
    Absence {
        under: "adapters/src",
        except: &[],
        texts: &["std::net", "std::fs", "std::env", "tokio", "SystemTime", "Instant::now", "std::process", "sqlx"],
        why: "a dialect opens no socket, reads no clock and touches no disk",
    },
    Absence {
        under: "hub/broker/src",
        except: &[],
        texts: &["device", "Device", "meter", "domovoi_"],
        why: "the broker knows bytes and topics, never what they mean",
    },
    Absence {
        under: "hub/src",
        except: &["hub/src/clock.rs"],
        texts: &["SystemTime::now", "Timestamp::now(", "Zoned::now(", "jiff::Timestamp::now"],
        why: "wall time is read in hub::clock only",
    },
    Absence {
        under: "hub/store/src",
        except: &[],
        texts: &["SystemTime::now", "Timestamp::now("],
        why: "wall time is read in hub::clock only",
    },
    Absence {
        under: "hub/vault/src",
        except: &[],
        texts: &["SystemTime::now"],
        why: "wall time is read in hub::clock only",
    },
    Absence {
        under: "hub/broker/src",
        except: &[],
        texts: &["SystemTime::now"],
        why: "wall time is read in hub::clock only",
    },
    Absence {
        under: "",
        except: &["hub/store", "tests/e2e"],
        texts: &["INSERT INTO ", "SELECT * ", "DELETE FROM ", "CREATE TABLE "],
        why: "store is the only crate with SQL",
    },
    Absence {
        under: "hub/src",
        except: &["hub/src/demo"],
        texts: &["firmware_sim"],
        why: "the outside world is linked by the demo only",
    },
    Absence {
        under: "firmware-sim/src",
        except: &[],
        texts: &["domovoi_"],
        why: "the outside world does not share our bugs",
    },
];

struct Source {
    path: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests have a folder of their own").to_owned()
}

fn sources() -> Vec<Source> {
    fn walk(dir: &Path, root: &Path, out: &mut Vec<Source>) {
        for entry in std::fs::read_dir(dir).unwrap().flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                if !name.starts_with('.') && name != "target" && name != "testdata" && name != "domovoi-demo" {
                    walk(&path, root, out);
                }
            } else if name.ends_with(".rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                out.push(Source { path, text });
            }
        }
    }
    let root = root();
    let mut out = Vec::new();
    walk(&root, &root, &mut out);
    assert!(out.len() > 30, "only {} sources found: the walk is broken", out.len());
    out
}

fn metadata() -> serde_json::Value {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).expect("cargo metadata is JSON")
}

/// (package, dependency, kind) of every declared dependency of the workspace's members.
fn declared(metadata: &serde_json::Value) -> Vec<(String, String, String)> {
    let members: BTreeSet<&str> =
        metadata["workspace_members"].as_array().unwrap().iter().filter_map(|id| id.as_str()).collect();
    let mut out = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        if members.contains(package["id"].as_str().unwrap()) {
            for dependency in package["dependencies"].as_array().unwrap() {
                let kind = dependency["kind"].as_str().unwrap_or("normal");
                let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
                out.push((text(&package["name"]), text(&dependency["name"]), kind.to_owned()));
            }
        }
    }
    out
}

fn check_packages(declared: &[(String, String, String)]) -> Vec<String> {
    let ours: BTreeMap<&str, &[&str]> = PACKAGE_EDGES.iter().copied().collect();
    let mut complaints = Vec::new();
    for (package, dependency, kind) in declared {
        let Some(allowed) = ours.get(package.as_str()) else {
            complaints.push(format!("{package} is not on the map"));
            continue;
        };
        if ours.contains_key(dependency.as_str()) && !allowed.contains(&dependency.as_str()) {
            complaints.push(format!("{package} depends on {dependency}: not an edge of the map"));
        }
        if kind == "normal" {
            if package == "domovoi-model" && dependency != "rust_decimal" {
                complaints.push(format!("domovoi-model depends on {dependency}: rust_decimal is its one dependency"));
            }
            if let Some((_, owners)) = SOLE_OWNERS.iter().find(|(name, _)| name == dependency)
                && !owners.contains(&package.as_str())
            {
                complaints.push(format!("{package} names {dependency}, which belongs to {}", owners.join(", ")));
            }
        }
    }
    complaints
}

/// One TLS stack and one provider of cryptography. The broker of others in firmware-sim (feature `existing-broker`,
/// tests only) brings an old rustls of its own and is exempt.
fn check_resolved(packages: &[(String, String)]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, version) in packages {
        if ["openssl-sys", "openssl", "native-tls", "aws-lc-rs", "aws-lc-sys"].contains(&name.as_str()) {
            complaints.push(format!("{name} {version} is in the build: rustls with ring is the only TLS"));
        }
        if name == "rustls" && !version.starts_with("0.23.") && !version.starts_with("0.22.") {
            complaints.push(format!("rustls {version}: 0.23 is ours, 0.22 is rumqttd's"));
        }
    }
    complaints
}

/// Drops test modules and comments: the rules are about what the program does.
fn program(source: &Source) -> String {
    if is_test(&source.path) {
        return String::new();
    }
    // A module in a file of its own is named among the others; one that stands in this file is its end.
    let code = source.text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn is_test(path: &str) -> bool {
    path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("tests.rs") || path.contains("/benches/")
}

fn check_absences(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        let code = program(source);
        for rule in ABSENCES.iter().filter(|rule| source.path.starts_with(rule.under)) {
            if rule.except.iter().any(|except| source.path.starts_with(except)) {
                continue;
            }
            for text in rule.texts.iter().filter(|text| code.contains(**text)) {
                complaints.push(format!("{} says `{text}`: {}", source.path, rule.why));
            }
        }
    }
    complaints
}

/// sqlx types stay inside the store: none in a signature that other crates can see.
fn check_signatures(sources: &[Source]) -> Vec<String> {
    sources
        .iter()
        .filter(|source| source.path.starts_with("hub/store/src"))
        .flat_map(|source| {
            let code = program(source);
            let lines: Vec<String> = code
                .lines()
                .filter(|line| line.trim_start().starts_with("pub fn") || line.trim_start().starts_with("pub async fn"))
                .filter(|line| line.contains("sqlx") || line.contains("Sqlite"))
                .map(|line| format!("{}: a public signature names sqlx: {}", source.path, line.trim()))
                .collect();
            lines
        })
        .collect()
}

fn room_of(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("hub/src/")?;
    let room = rest.split('/').next()?.trim_end_matches(".rs");
    (!matches!(room, "lib" | "main" | "tests")).then_some(room)
}

fn check_rooms(sources: &[Source]) -> Vec<String> {
    let table: BTreeMap<&str, &[&str]> = ROOM_EDGES.iter().copied().collect();
    let mut complaints = Vec::new();
    for source in sources {
        let Some(room) = room_of(&source.path) else { continue };
        let Some(allowed) = table.get(room) else {
            complaints.push(format!("{}: the room `{room}` is not on the map", source.path));
            continue;
        };
        for part in program(source).split("crate::").skip(1) {
            let other: String = part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            if other != room && table.contains_key(other.as_str()) && !allowed.contains(&other.as_str()) {
                complaints.push(format!("{}: `{room}` uses `{other}`: not an edge of the map", source.path));
            }
        }
    }
    complaints
}

/// No dialect imports another.
fn check_dialects(sources: &[Source]) -> Vec<String> {
    let dialects: Vec<(&str, &Source)> = sources
        .iter()
        .filter_map(|source| {
            let name =
                source.path.strip_prefix("adapters/src/mqtt/").or(source.path.strip_prefix("adapters/src/meters/"))?;
            let name = name.split('/').next()?.trim_end_matches(".rs");
            (name != "mod" && name != "json").then_some((name, source))
        })
        .collect();
    let mut complaints = Vec::new();
    for (name, source) in &dialects {
        let code = program(source);
        for (other, _) in &dialects {
            if name != other
                && (code.contains(&format!("mqtt::{other}::")) || code.contains(&format!("super::{other}")))
            {
                complaints.push(format!("{}: the dialect `{name}` imports `{other}`", source.path));
            }
        }
    }
    complaints
}

fn check_shape(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        if !source.text.trim_start().starts_with("//!") {
            complaints.push(format!("{} does not open with //!", source.path));
        }
        let lines = program(source).lines().count();
        let head: String = source.text.lines().take_while(|line| line.starts_with("//!")).collect();
        if lines > 500 && !head.contains("500 lines") {
            complaints.push(format!("{} has {lines} lines of code and does not say why", source.path));
        }
    }
    complaints
}

fn tell(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "the house is not tidy:\n  {}", complaints.join("\n  "));
}

#[test]
fn packages_depend_as_the_map_says() {
    let metadata = metadata();
    tell(check_packages(&declared(&metadata)));
    let resolved: Vec<(String, String)> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["name"].as_str().unwrap().to_owned(), p["version"].as_str().unwrap().to_owned()))
        .collect();
    tell(check_resolved(&resolved));
}

#[test]
fn sources_know_only_what_they_may() {
    let sources = sources();
    tell(check_absences(&sources));
    tell(check_signatures(&sources));
    tell(check_dialects(&sources));
    tell(check_shape(&sources));
}

#[test]
fn rooms_talk_only_along_the_map() {
    tell(check_rooms(&sources()));
}

#[test]
fn the_written_map_names_every_package_and_room() {
    let map = std::fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let missing: Vec<String> = PACKAGE_EDGES
        .iter()
        .map(|(name, _)| name)
        .chain(ROOM_EDGES.iter().map(|(name, _)| name))
        .filter(|name| !map.contains(&format!("`{name}`")))
        .map(|name| format!("docs/architecture.md does not name `{name}`"))
        .collect();
    tell(missing);
}

/// The positive control: each rule finds the violation that is planted for it.
#[test]
fn every_rule_finds_what_it_is_for() {
    let source = |path: &str, text: &str| Source { path: path.into(), text: text.into() };
    let edge = |a: &str, b: &str| (a.to_owned(), b.to_owned(), "normal".to_owned());
    let found = |complaints: Vec<String>, what: &str| {
        assert!(complaints.iter().any(|c| c.contains(what)), "not found: {what} in {complaints:?}");
    };
    found(check_packages(&[edge("domovoi-adapters", "domovoi-store")]), "not an edge");
    found(check_packages(&[edge("domovoi-model", "serde")]), "one dependency");
    found(check_packages(&[edge("domovoi", "sqlx")]), "belongs to domovoi-store");
    found(check_packages(&[edge("firmware-sim", "domovoi-model")]), "not an edge");
    found(check_packages(&[edge("stranger", "serde")]), "not on the map");
    assert!(check_packages(&[edge("domovoi", "domovoi-store")]).is_empty());
    found(check_resolved(&[("openssl-sys".into(), "0.9.1".into())]), "only TLS");
    found(check_absences(&[source("hub/broker/src/x.rs", "//! x\nlet device = 1;")]), "says `device`");
    found(check_absences(&[source("adapters/src/x.rs", "//! x\nuse std::net::TcpStream;")]), "no socket");
    found(check_absences(&[source("hub/src/web/x.rs", "//! x\nSystemTime::now()")]), "hub::clock");
    found(check_absences(&[source("hub/src/web/x.rs", "//! x\n\"DELETE FROM act\"")]), "SQL");
    assert!(check_absences(&[source("hub/src/web/x.rs", "//! x\n// SystemTime::now() is forbidden")]).is_empty());
    assert!(
        check_absences(&[source("hub/src/x.rs", "//! x\n#[cfg(test)]\nmod tests { SystemTime::now() }")]).is_empty()
    );
    found(check_signatures(&[source("hub/store/src/x.rs", "//! x\npub fn f(p: sqlx::Pool) {}")]), "names sqlx");
    found(check_rooms(&[source("hub/src/clock.rs", "//! x\nuse crate::portal::Portal;")]), "`clock` uses `portal`");
    found(check_rooms(&[source("hub/src/cellar/mod.rs", "//! x")]), "not on the map");
    let two = [source("adapters/src/mqtt/a.rs", "//! x\nuse super::b::f;"), source("adapters/src/mqtt/b.rs", "//! x")];
    found(check_dialects(&two), "imports `b`");
    found(check_shape(&[source("hub/src/x.rs", "fn main() {}")]), "does not open");
    found(
        check_shape(&[source("hub/src/x.rs", &format!("//! x\n{}", "let a = 1;\n".repeat(600)))]),
        "does not say why",
    );
}
