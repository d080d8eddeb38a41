//! The matrix: every door, every command and every kind of topic, and what each caller may do there, written down in
//! `matrix.txt`. A door, command or caller that is not written there fails the build, and so does one whose rule has
//! changed: what is right is decided by whoever reads the difference. `DOMOVOI_BLESS=1` writes the file anew.
//!
//! That the rules are enforced, and not only written, is shown in `matrix/live.rs` by real requests.

mod callers;
mod commands;
mod live;
mod reference;
mod topics;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use domovoi::House;
use domovoi::policy::{Decision, Object, Role, decide};
use domovoi::web::{Desk, Door, Whose, api, ics, pages};
use domovoi_config::Settings;
use domovoi_model::PersonId;
use e2e::{NOON, crypto, hand_clock, settings_text};

use callers::{Caller, OTHER, now};

/// A house with nobody in it, and its desk.
pub struct Opened {
    pub desk: Desk,
    _house: House,
    _folder: tempfile::TempDir,
}

/// Opens a house of its own.
pub async fn opened() -> Opened {
    crypto();
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::parse(&settings_text(None), "test.toml", folder.path()).unwrap();
    let house = House::open(settings, hand_clock(NOON), None).await.unwrap();
    Opened { desk: house.desk(false), _house: house, _folder: folder }
}

/// Every door of the API and of the page, and the calendar's.
pub fn doors(desk: &Desk) -> Vec<Door> {
    let (api, pages, calendar) = (api::doors(desk), pages::doors(desk), ics::doors(desk));
    api.list().iter().chain(pages.list()).chain(calendar.list()).cloned().collect()
}

/// Whose thing a caller tries: their own, another adult's, a child's; `None` where it is the home's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried {
    Home,
    Own,
    Other,
    Ward,
}

/// The variants of a door.
pub fn variants(door: &Door) -> &'static [Tried] {
    match door.rule.whose {
        Whose::Home => &[Tried::Home],
        Whose::Mine => &[Tried::Own],
        Whose::Of(_) => &[Tried::Own, Tried::Other, Tried::Ward],
    }
}

/// Who is spoken of beside the caller.
#[derive(Debug, Clone, Copy)]
pub struct Others {
    pub other: PersonId,
    pub ward: PersonId,
}

/// The object that a caller means at a door, said here once more: the test does not ask the code under test.
pub fn object(door: &Door, tried: Tried, caller: &Caller, others: Others) -> Option<Object> {
    let own = caller.who.person();
    let owner = match tried {
        Tried::Home => None,
        Tried::Own if door.rule.whose == Whose::Mine => own,
        Tried::Own => Some(own?),
        Tried::Other => Some(others.other),
        Tried::Ward => Some(others.ward),
    };
    let owner_role = (tried == Tried::Ward).then_some(Role::Child);
    let id = door.rule.which.map(|_| "x".to_owned());
    Some(Object { id, owner, owner_role, dangerous: door.rule.dangerous, ..Object::all(door.rule.kind) })
}

fn cell(door: &Door, caller: &Caller) -> String {
    let others = Others { other: OTHER, ward: PersonId(domovoi_model::Id([3; 16])) };
    let answer = |tried: &Tried| match object(door, *tried, caller, others) {
        None => "-",
        Some(object) => code(&decide(&caller.who, door.rule.verb, &object, now())),
    };
    let mut answers: Vec<&str> = variants(door).iter().map(answer).collect();
    if answers.iter().all(|answer| *answer == answers[0]) {
        answers.truncate(1);
    }
    answers.join("/")
}

/// A decision in a word.
pub fn code(decision: &Decision) -> &'static str {
    match decision {
        Decision::Allow => "yes",
        Decision::Refuse(refusal) => refusal.code(),
    }
}

fn rule_of(door: &Door) -> String {
    let rule = &door.rule;
    let mut text = format!("{} {}", rule.verb.code(), rule.kind.code());
    if let Some(which) = rule.which {
        text.push_str(&format!(" {{{which}}}"));
    }
    match rule.whose {
        Whose::Home => {}
        Whose::Mine => text.push_str(" mine"),
        Whose::Of(param) => text.push_str(&format!(" of {{{param}}}")),
    }
    if rule.dangerous {
        text.push_str(" dangerous");
    }
    if let Some(deed) = rule.deed {
        text.push_str(&format!(" → {deed}"));
    }
    text
}

/// One line per door, with a head.
fn door_lines(doors: &[Door]) -> Vec<String> {
    let callers = callers::all();
    let mut rows = vec![vec!["door".to_owned(), "asks".to_owned()]];
    rows[0].extend(callers.iter().map(|caller| caller.name.to_owned()));
    for door in doors {
        let mut row = vec![format!("{} {}", door.method, door.path), rule_of(door)];
        row.extend(callers.iter().map(|caller| cell(door, caller)));
        rows.push(row);
    }
    table(&rows)
}

/// Rows as lines, in columns.
pub fn table(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|at| width(at).unwrap_or_default()).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join(" | ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// Everything that the file says.
fn whole(doors: &[Door], topics: Vec<String>, commands: Vec<String>) -> String {
    let head = "What everybody may do at every door, command and topic. Written by tests/e2e/matrix.rs with \
                DOMOVOI_BLESS=1; read every difference before you keep it.\n\
                Three answers at one door are for one's own, another adult's and a child's; - does not apply.\n\
                Callers are at home, have signed in with a passkey just now, and own no grants, unless they say otherwise.\n";
    let sections = [("Doors", door_lines(doors)), ("Topics", topics), ("Commands", commands)];
    let text: Vec<String> =
        sections.into_iter().map(|(title, lines)| format!("## {title}\n\n{}\n", lines.join("\n"))).collect();
    format!("{head}\n{}", text.join("\n"))
}

fn words_of(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What differs, a complaint per line. Widths of columns do not count.
fn compare(golden: &str, now: &str) -> Vec<String> {
    let lines = |text: &str| text.lines().map(words_of).filter(|line| !line.is_empty()).collect::<BTreeSet<_>>();
    let (golden, now) = (lines(golden), lines(now));
    let new = now.difference(&golden).map(|line| format!("has no such line: + {line}"));
    let gone = golden.difference(&now).map(|line| format!("speaks of what is no more: - {line}"));
    new.chain(gone).collect()
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/matrix.txt")
}

#[tokio::test]
async fn every_door_topic_and_command_has_its_line() {
    let opened = opened().await;
    let doors = doors(&opened.desk);
    let text = whole(&doors, topics::lines(&opened).await, commands::lines(&doors));
    if std::env::var_os("DOMOVOI_BLESS").is_some() {
        std::fs::write(golden(), &text).unwrap();
    }
    let complaints = compare(&std::fs::read_to_string(golden()).unwrap_or_default(), &text);
    assert!(
        complaints.is_empty(),
        "tests/e2e/matrix.txt\n  {}\nIf each is right, run this test with DOMOVOI_BLESS=1 and keep the file.",
        complaints.join("\n  ")
    );
}

/// No two doors are one, and no path has a parameter that its rule forgets to speak of.
#[tokio::test]
async fn rules_speak_of_what_their_paths_name() {
    let opened = opened().await;
    let doors = doors(&opened.desk);
    assert!(doors.len() > 30, "only {} doors: the list is broken", doors.len());
    assert_eq!(forgotten(&doors), Vec::<String>::new());
}

/// Doors that change nothing that lasts, and why the journal need not hear of them.
const SILENT: &[(&str, &str)] = &[
    ("POST /api/v1/mapping-trials", "reads a payload as a mapping would, and keeps nothing"),
    ("POST /mappings/trial", "likewise"),
    ("POST /api/v1/scenarios/dry-run", "says what would happen, and nothing does"),
    ("POST /api/v1/scenarios/presets/{preset}", "makes a scenario that is kept by another call"),
    ("POST /scenarios/presets/{preset}", "likewise"),
    ("POST /scenarios/editor", "a form that is not saved yet"),
    ("DELETE /api/v1/clouds/{cloud}/linking", "gives up what was not done; what is done is a deed"),
    ("POST /clouds/{cloud}/cancel", "likewise"),
    ("POST /api/v1/clouds/{cloud}/look", "asks the cloud now and not in a minute"),
    ("POST /clouds/{cloud}/look", "likewise"),
    ("POST /api/v1/people/{person}/passkeys/offer", "a challenge; the passkey that comes of it is a deed"),
    ("POST /api/v1/people/{person}/totp/offer", "an offer; the factor that comes of it is a deed"),
    ("POST /security/totp/offer", "the same on the page"),
    ("POST /connect/photo", "a picture is looked through for a code; what comes of the code is a deed"),
    ("POST /api/v1/cameras/check", "a camera is looked at and nothing kept; adding it is a deed"),
    ("POST /api/v1/cameras/search", "who is in the network is asked, and nothing kept"),
    ("POST /cameras/check", "the same look on the page"),
    ("POST /cameras/{camera}/check", "the same look at a camera that is known"),
    ("POST /api/v1/people/{person}/ways/code", "a code to be shown to a bot; it changes nothing by itself"),
    ("POST /api/v1/people/{person}/inbox/seen", "what somebody has seen is in the ledger of what was told"),
    ("POST /api/v1/people/{person}/deliveries/{letter}/seen", "likewise"),
    ("POST /api/v1/step-up", "the sign-in room writes what came of it"),
    ("POST /step-up", "the same on the page"),
    ("POST /api/v1/step-up/passkey/challenge", "a challenge"),
];

/// A path that names a person is about that person; a door that changes something has a deed, unless it lets people in.
fn forgotten(doors: &[Door]) -> Vec<String> {
    use domovoi::policy::{Kind, Verb};
    let mut complaints = Vec::new();
    for door in doors {
        let name = format!("{} {}", door.method, door.path);
        if door.path.contains("{person}") && door.rule.whose != Whose::Of("person") {
            complaints.push(format!("{name}: the rule does not say whose it is: .of(\"person\")"));
        }
        if let Whose::Of(param) = door.rule.whose
            && !door.path.contains(&format!("{{{param}}}"))
        {
            complaints.push(format!("{name}: the path has no {{{param}}}"));
        }
        if let Some(which) = door.rule.which
            && !door.path.contains(&format!("{{{which}}}"))
        {
            complaints.push(format!("{name}: the path has no {{{which}}}"));
        }
        let changes = !matches!(door.method.as_str(), "GET" | "HEAD");
        let only_looks = door.rule.verb == Verb::See;
        let silent = SILENT.iter().any(|(silent, _)| *silent == name) || door.rule.kind == Kind::Threshold;
        if changes && !only_looks && !silent && door.rule.deed.is_none() {
            complaints.push(format!("{name}: changes something and has no deed for the journal"));
        }
        // A page with a form is shown to those only who may send it.
        let form = !door.path.starts_with("/api/") && door.rule.verb == Verb::Edit && door.rule.deed.is_none();
        let for_editors = FOR_EDITORS.iter().any(|(path, _)| *path == door.path);
        if !changes && !form && !for_editors && !matches!(door.rule.verb, Verb::See | Verb::Export) {
            complaints.push(format!("{name}: a GET changes nothing, but the rule says {:?}", door.rule.verb));
        }
    }
    complaints
}

/// What only those may look at who may change it, and why.
const FOR_EDITORS: &[(&str, &str)] = &[
    ("/api/v1/mappings", "which topics mean what is for whoever maps them"),
    ("/api/v1/mappings/{mapping}", "likewise"),
    ("/api/v1/overheard-topics", "what strangers publish may be anything, other people's too"),
    ("/api/v1/people/{person}/presence/links", "what a person's phone tells the home by is that person's own"),
    ("/api/v1/scenarios/presets", "what is offered names devices to whoever makes scenarios"),
];

/// Deeds of which two doors ask different things, and why.
const ASKED_DIFFERENTLY: &[(&str, &str)] = &[
    (
        "person.edited",
        "the page has a form of its own for role and end, which are rights; the API asks for them within",
    ),
    (
        "consent.given",
        "standing consent to hand readings in is the linked account's, and a person's consent the person's",
    ),
    ("consent.withdrawn", "likewise"),
];

/// What the page and the API call by one name wants one right: no door is a way around another.
#[tokio::test]
async fn one_deed_wants_one_right_by_whatever_door() {
    let opened = opened().await;
    assert_eq!(ways_around(&doors(&opened.desk)), Vec::<String>::new());
}

fn ways_around(doors: &[Door]) -> Vec<String> {
    let asks = |door: &Door| (door.rule.verb, door.rule.kind, door.rule.dangerous);
    let mut complaints = Vec::new();
    for (at, door) in doors.iter().enumerate() {
        let Some(deed) = door.rule.deed.filter(|deed| !ASKED_DIFFERENTLY.iter().any(|(known, _)| known == deed)) else {
            continue;
        };
        let others = doors[..at].iter().filter(|other| other.rule.deed == Some(deed) && asks(other) != asks(door));
        complaints.extend(others.map(|other| {
            format!(
                "{deed}: {} {} asks {:?}, {} {} asks {:?}",
                door.method,
                door.path,
                asks(door),
                other.method,
                other.path,
                asks(other)
            )
        }));
    }
    complaints
}

/// No route comes into being beside the doors.
#[test]
fn routes_are_made_in_one_file() {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hub/src");
    let mut files = Vec::new();
    walk(&web, &mut files);
    assert!(files.len() > 50, "only {} sources found", files.len());
    let strays: Vec<String> =
        files.iter().filter_map(|path| stray(path, &std::fs::read_to_string(path).unwrap())).collect();
    assert_eq!(strays, Vec::<String>::new(), "a route without a rule");
}

fn stray(path: &Path, text: &str) -> Option<String> {
    // What a test serves is no door of ours.
    let inside = path.to_string_lossy();
    if inside.rsplit("hub/src/").next().is_some_and(|inside| inside.contains("/tests/")) {
        return None;
    }
    let code = text.split("\n#[cfg(test)]").next().unwrap_or_default();
    let exempt =
        ["web/doors.rs", "tests.rs"].iter().any(|end| path.ends_with(end)) || path.to_string_lossy().contains("/fake");
    let makes = [".route(", ".route_service(", ".nest(", ".nest_service("].iter().find(|text| code.contains(**text));
    makes.filter(|_| !exempt).map(|makes| format!("{} says {makes}", path.display()))
}

fn walk(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
}

/// The positive control: what is planted is found.
#[tokio::test]
async fn a_planted_door_is_found() {
    use domovoi::policy::{Kind, Verb};
    use domovoi::web::rule;
    let opened = opened().await;
    let doors = doors(&opened.desk);
    let before = whole(&doors, Vec::new(), Vec::new());
    let door = |path, rule| Door { method: axum::http::Method::POST, path, rule };
    let with = |planted: Door| {
        let mut doors = doors.clone();
        doors.push(planted);
        compare(&before, &whole(&doors, Vec::new(), Vec::new()))
    };
    let found = with(door("/api/v1/back-door", rule(Verb::See, Kind::Threshold)));
    assert!(found.len() == 1 && found[0].contains("+ POST /api/v1/back-door"), "{found:?}");

    let at = doors.iter().position(|door| door.rule.dangerous).unwrap();
    let mut changed = doors.clone();
    changed[at].rule.dangerous = false;
    assert_eq!(
        compare(&before, &whole(&changed, Vec::new(), Vec::new())).len(),
        2,
        "the line that was and the line that is"
    );
    let mut changed = doors.clone();
    changed[at].rule.kind = Kind::Home;
    changed[at].rule.verb = Verb::See;
    let found = compare(&before, &whole(&changed, Vec::new(), Vec::new()));
    assert!(found.iter().any(|line| line.contains("see home")), "{found:?}");
    let gone = compare(&before, &whole(&doors[1..], Vec::new(), Vec::new()));
    assert!(gone.len() == 1 && gone[0].contains("no more"), "{gone:?}");

    let edit = rule(Verb::Edit, Kind::Person);
    assert!(forgotten(&[door("/api/v1/people/{person}/x", edit.deed("x.y"))])[0].contains("whose"));
    assert!(forgotten(&[door("/api/v1/x", edit)])[0].contains("no deed"));
    assert!(forgotten(&[door("/api/v1/x", edit.deed("x.y").which("x"))])[0].contains("no {x}"));
    let get = Door { method: axum::http::Method::GET, ..door("/api/v1/x", edit) };
    assert!(forgotten(&[get])[0].contains("GET changes nothing"));
    let twice = [door("/x", edit.deed("x.y")), door("/api/v1/x", edit.deed("x.y").dangerous())];
    assert!(ways_around(&twice)[0].contains("x.y: POST /api/v1/x"));
    assert!(stray(Path::new("/tests/../hub/src/web/x.rs"), "let app = app.route(\"/x\", get(x));").is_some());
}
