//! Commands: each is a client of doors, or does its work in its own process. A command that is not in the table fails,
//! and so does a call of the API that the table does not know of.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use clap::CommandFactory as _;
use domovoi::cli::args::Cli;
use domovoi::policy::{Object, Who, decide};
use domovoi::web::Door;

use super::callers::now;
use super::{code, table};

/// A command, and the doors it goes through; `local` needs none.
const COMMANDS: &[(&str, &[&str])] = &[
    ("run", &["local"]),
    ("demo", &["local"]),
    ("check", &["local"]),
    (
        "portal link",
        &[
            "GET /api/v1/portal",
            "POST /api/v1/portal/link",
            "GET /api/v1/portal/linking",
            "DELETE /api/v1/portal/linking",
        ],
    ),
    ("portal status", &["GET /api/v1/portal"]),
    ("portal unlink", &["DELETE /api/v1/portal/link"]),
    ("portal consent", &["GET /api/v1/portal/consent", "PUT /api/v1/portal/consent"]),
    ("portal accounts", &["GET /api/v1/portal/accounts"]),
    ("device list", &["GET /api/v1/devices"]),
    ("device inbox", &["GET /api/v1/inbox"]),
    ("device show", &["GET /api/v1/devices/{device}"]),
    ("device accept", &["POST /api/v1/devices/{device}/acceptance"]),
    ("device catalogue", &["GET /api/v1/catalogue"]),
    ("device connect", &["POST /api/v1/connections", "GET /api/v1/connections/{connection}"]),
    ("device ignore", &["PATCH /api/v1/devices/{device}"]),
    ("device rename", &["PATCH /api/v1/devices/{device}"]),
    ("device move", &["PATCH /api/v1/devices/{device}"]),
    ("device command", &["POST /api/v1/devices/{device}/commands", "GET /api/v1/commands/{command}"]),
    ("device errand", &["POST /api/v1/devices/errands", "GET /api/v1/devices/errands/{errand}"]),
    ("device forget", &["DELETE /api/v1/devices/{device}"]),
    ("room list", &["GET /api/v1/rooms"]),
    ("room add", &["POST /api/v1/rooms"]),
    ("room rename", &["PATCH /api/v1/rooms/{room}"]),
    ("room place", &["PATCH /api/v1/rooms/{room}"]),
    ("room remove", &["DELETE /api/v1/rooms/{room}"]),
    ("meter list", &["GET /api/v1/meters"]),
    ("meter add", &["POST /api/v1/meters"]),
    ("meter replace", &["POST /api/v1/meters/{point}/replacement"]),
    ("meter verify", &["PUT /api/v1/meters/{point}/verification"]),
    ("meter submit", &["POST /api/v1/meters/{point}/readings", "POST /api/v1/meters/{point}/readings/with-photo"]),
    ("meter history", &["GET /api/v1/meters/{point}/readings"]),
    ("meter decide", &["POST /api/v1/readings/{row}/decision"]),
    ("act list", &["GET /api/v1/acts"]),
    ("act show", &["GET /api/v1/acts/{act}"]),
    ("act approve", &["POST /api/v1/acts/{act}/approval"]),
    ("act correct", &["POST /api/v1/acts/{act}/correction"]),
    ("act verify", &["local"]),
    ("mqtt add", &["POST /api/v1/mqtt/credentials"]),
    ("mqtt list", &["GET /api/v1/mqtt/credentials"]),
    ("mqtt remove", &["DELETE /api/v1/mqtt/credentials/{username}"]),
    ("secret set", &["PUT /api/v1/secrets/{name}"]),
    ("key status", &["GET /api/v1/keys"]),
    ("key rotate", &["GET /api/v1/keys", "GET /api/v1/keys/rotation", "POST /api/v1/keys/rotation"]),
    ("mapping list", &["GET /api/v1/mappings"]),
    ("mapping show", &["GET /api/v1/mappings/{mapping}"]),
    ("mapping topics", &["GET /api/v1/overheard-topics"]),
    ("mapping try", &["POST /api/v1/mapping-trials"]),
    ("mapping export", &["GET /api/v1/mappings"]),
    ("mapping import", &["PUT /api/v1/mappings"]),
    ("mapping remove", &["DELETE /api/v1/mappings/{mapping}"]),
    ("meter-key list", &["GET /api/v1/meter-keys"]),
    ("meter-key set", &["PUT /api/v1/meter-keys/{meter}"]),
    ("meter-key forget", &["DELETE /api/v1/meter-keys/{meter}"]),
    ("people list", &["GET /api/v1/people"]),
    ("people owner-link", &["POST /api/v1/setup-link"]),
    ("people add", &["POST /api/v1/people"]),
    ("people edit", &["GET /api/v1/people", "PATCH /api/v1/people/{person}"]),
    ("people role", &["GET /api/v1/people", "PATCH /api/v1/people/{person}"]),
    ("people remove", &["GET /api/v1/people", "DELETE /api/v1/people/{person}"]),
    ("people invite", &["GET /api/v1/people", "POST /api/v1/people/{person}/entry-link"]),
    ("people recover", &["GET /api/v1/people", "POST /api/v1/people/{person}/entry-link"]),
    ("people lock", &["GET /api/v1/people", "PUT /api/v1/people/{person}/lock"]),
    ("people unlock", &["GET /api/v1/people", "DELETE /api/v1/people/{person}/lock"]),
    (
        "people sessions",
        &["GET /api/v1/people", "GET /api/v1/people/{person}/sessions", "DELETE /api/v1/people/{person}/sessions"],
    ),
    (
        "people grant",
        &[
            "GET /api/v1/people",
            "GET /api/v1/people/{person}/grants",
            "POST /api/v1/people/{person}/grants",
            "DELETE /api/v1/people/{person}/grants/{grant}",
        ],
    ),
    ("journal", &["GET /api/v1/journal"]),
    ("journal export", &["GET /api/v1/journal/export"]),
    ("journal verify", &["GET /api/v1/journal/verification"]),
    ("history series", &["GET /api/v1/history/series"]),
    ("history show", &["GET /api/v1/history/samples"]),
    ("history rollup", &["GET /api/v1/history/rollups"]),
    ("history at", &["GET /api/v1/history/at"]),
    ("history change", &["GET /api/v1/history/change"]),
    ("history export", &["GET /api/v1/history/export"]),
    ("history import", &["POST /api/v1/history/import"]),
    ("history usage", &["GET /api/v1/history/usage"]),
    ("safety show", &["GET /api/v1/safety"]),
    ("safety rule add", &["POST /api/v1/safety/rules"]),
    ("safety rule remove", &["GET /api/v1/safety", "DELETE /api/v1/safety/rules/{rule}"]),
    ("safety rule on", &["GET /api/v1/safety", "PUT /api/v1/safety/rules/{rule}"]),
    ("safety rule off", &["GET /api/v1/safety", "PUT /api/v1/safety/rules/{rule}"]),
    (
        "safety test",
        &["GET /api/v1/safety", "POST /api/v1/safety/rules/{rule}/tests", "GET /api/v1/safety/tests/{test}"],
    ),
    ("safety hush", &["POST /api/v1/safety/hush"]),
    ("alerts list", &["GET /api/v1/alerts"]),
    ("alerts show", &["GET /api/v1/alerts/{alert}"]),
    ("alerts acknowledge", &["POST /api/v1/alerts/{alert}/acknowledge"]),
    ("alerts done", &["POST /api/v1/alerts/{alert}/steps/{step}"]),
    ("alerts export", &["GET /api/v1/alerts/export.csv", "GET /api/v1/alerts/export.json"]),
    ("alerts feeds", &["GET /api/v1/alerts/feeds"]),
    ("alerts poll", &["POST /api/v1/alerts/feeds/{feed}/poll"]),
    (
        "telling wishes",
        &["GET /api/v1/people", "GET /api/v1/people/{person}/wishes", "PUT /api/v1/people/{person}/wishes"],
    ),
    ("telling ways", &["GET /api/v1/people", "GET /api/v1/people/{person}/ways", "GET /api/v1/telling/ways"]),
    ("telling add", &["GET /api/v1/people", "POST /api/v1/people/{person}/ways", "POST /api/v1/telling/ways"]),
    (
        "telling on",
        &[
            "GET /api/v1/people",
            "GET /api/v1/people/{person}/ways",
            "GET /api/v1/telling/ways",
            "PATCH /api/v1/people/{person}/ways/{way}",
            "PATCH /api/v1/telling/ways/{way}",
        ],
    ),
    (
        "telling off",
        &[
            "GET /api/v1/people",
            "GET /api/v1/people/{person}/ways",
            "GET /api/v1/telling/ways",
            "PATCH /api/v1/people/{person}/ways/{way}",
            "PATCH /api/v1/telling/ways/{way}",
        ],
    ),
    (
        "telling remove",
        &[
            "GET /api/v1/people",
            "GET /api/v1/people/{person}/ways",
            "GET /api/v1/telling/ways",
            "DELETE /api/v1/people/{person}/ways/{way}",
            "DELETE /api/v1/telling/ways/{way}",
        ],
    ),
    (
        "telling test",
        &[
            "GET /api/v1/people",
            "GET /api/v1/people/{person}/ways",
            "GET /api/v1/telling/ways",
            "POST /api/v1/people/{person}/ways/{way}/test",
            "POST /api/v1/telling/ways/{way}/test",
        ],
    ),
    ("telling channels", &["GET /api/v1/telling/channels"]),
    ("telling order", &["GET /api/v1/people", "GET /api/v1/telling/household", "PUT /api/v1/telling/household"]),
    (
        "telling inbox",
        &["GET /api/v1/people", "GET /api/v1/people/{person}/inbox", "POST /api/v1/people/{person}/inbox/seen"],
    ),
    ("telling ledger", &["GET /api/v1/people", "GET /api/v1/deliveries"]),
    ("telling why", &["GET /api/v1/people", "GET /api/v1/deliveries/why"]),
    ("camera list", &["GET /api/v1/cameras"]),
    ("camera show", &["GET /api/v1/cameras/{camera}"]),
    ("camera search", &["POST /api/v1/cameras/search"]),
    ("camera check", &["POST /api/v1/cameras/check"]),
    ("camera add", &["POST /api/v1/cameras"]),
    ("camera on", &["PATCH /api/v1/cameras/{camera}"]),
    ("camera off", &["PATCH /api/v1/cameras/{camera}"]),
    ("camera forget", &["DELETE /api/v1/cameras/{camera}"]),
    ("camera timeline", &["GET /api/v1/cameras/{camera}/timeline"]),
    ("camera export", &["GET /api/v1/cameras/{camera}/export", "POST /api/v1/cameras/{camera}/export"]),
    ("camera verify", &["POST /api/v1/cameras/{camera}/verification"]),
    ("camera archive", &["GET /api/v1/cameras/archive"]),
    ("consumption list", &["GET /api/v1/consumption"]),
    ("consumption show", &["GET /api/v1/consumption/{point}"]),
    ("consumption bill", &["GET /api/v1/bill"]),
    ("tariff list", &["GET /api/v1/tariffs"]),
    ("tariff show", &["GET /api/v1/tariffs/{tariff}"]),
    ("tariff form", &["local"]),
    ("tariff import", &["POST /api/v1/tariffs", "PUT /api/v1/tariffs/{tariff}"]),
    ("tariff remove", &["DELETE /api/v1/tariffs/{tariff}"]),
    ("evidence list", &["GET /api/v1/evidence/places"]),
    ("evidence watch", &["POST /api/v1/evidence/places"]),
    ("evidence change", &["PUT /api/v1/evidence/places/{place}"]),
    ("evidence show", &["GET /api/v1/evidence/places/{place}"]),
    (
        "evidence export",
        &["GET /api/v1/evidence/places/{place}/export.csv", "GET /api/v1/evidence/places/{place}/export.json"],
    ),
    ("evidence remove", &["DELETE /api/v1/evidence/places/{place}"]),
    ("scenario list", &["GET /api/v1/scenarios"]),
    ("scenario show", &["GET /api/v1/scenarios/{scenario}"]),
    ("scenario export", &["GET /api/v1/scenarios/{scenario}/export"]),
    ("scenario import", &["POST /api/v1/scenarios/import"]),
    ("scenario on", &["PUT /api/v1/scenarios/{scenario}/on"]),
    ("scenario off", &["PUT /api/v1/scenarios/{scenario}/on"]),
    ("scenario start", &["POST /api/v1/scenarios/{scenario}/runs"]),
    ("scenario try", &["POST /api/v1/scenarios/{scenario}/dry-run"]),
    ("scenario runs", &["GET /api/v1/scenarios/{scenario}/runs", "GET /api/v1/runs"]),
    ("scenario trace", &["GET /api/v1/runs/{run}"]),
    ("scenario stop", &["DELETE /api/v1/runs/{run}"]),
    ("scenario remove", &["DELETE /api/v1/scenarios/{scenario}"]),
    (
        "scenario preset",
        &["GET /api/v1/scenarios/presets", "POST /api/v1/scenarios/presets/{preset}", "POST /api/v1/scenarios"],
    ),
    ("presence list", &["GET /api/v1/presence"]),
    ("presence say", &["GET /api/v1/people", "PUT /api/v1/people/{person}/presence"]),
    ("presence track", &["GET /api/v1/people", "PUT /api/v1/people/{person}/presence/trackers"]),
    ("presence links", &["GET /api/v1/people", "GET /api/v1/people/{person}/presence/links"]),
    ("presence link", &["GET /api/v1/people", "POST /api/v1/people/{person}/presence/links"]),
    ("presence unlink", &["GET /api/v1/people", "DELETE /api/v1/people/{person}/presence/links/{link}"]),
    ("calendar list", &["GET /api/v1/calendar"]),
    ("calendar add", &["POST /api/v1/calendar/events"]),
    ("calendar show", &["GET /api/v1/calendar/events/{event}"]),
    ("calendar change", &["PUT /api/v1/calendar/events/{event}"]),
    ("calendar remove", &["DELETE /api/v1/calendar/events/{event}"]),
    ("calendar done", &["PUT /api/v1/calendar/events/{event}/occurrences/{occurrence}/done"]),
    ("calendar cancel", &["PUT /api/v1/calendar/events/{event}/occurrences/{occurrence}"]),
    ("calendar move", &["PUT /api/v1/calendar/events/{event}/occurrences/{occurrence}"]),
    ("calendar address list", &["GET /api/v1/calendar/feeds"]),
    ("calendar address make", &["POST /api/v1/calendar/feeds"]),
    ("calendar address revoke", &["DELETE /api/v1/calendar/feeds/{feed}"]),
    ("calendar elsewhere list", &["GET /api/v1/calendar/elsewhere"]),
    ("calendar elsewhere add", &["POST /api/v1/calendar/elsewhere"]),
    ("calendar elsewhere look", &["POST /api/v1/calendar/elsewhere/{calendar}/look"]),
    ("calendar elsewhere remove", &["DELETE /api/v1/calendar/elsewhere/{calendar}"]),
    ("cloud list", &["GET /api/v1/clouds"]),
    ("cloud show", &["GET /api/v1/clouds/{cloud}"]),
    (
        "cloud link",
        &["GET /api/v1/clouds/{cloud}", "POST /api/v1/clouds/{cloud}/link", "DELETE /api/v1/clouds/{cloud}/linking"],
    ),
    ("cloud code", &["POST /api/v1/clouds/{cloud}/link/code"]),
    ("cloud look", &["POST /api/v1/clouds/{cloud}/look"]),
    ("cloud start", &["POST /api/v1/clouds/{cloud}/scenarios/{scenario}/start"]),
    ("cloud unlink", &["DELETE /api/v1/clouds/{cloud}/link"]),
    ("messages list", &["GET /api/v1/messages"]),
    ("messages read", &["PUT /api/v1/messages/{message}/read"]),
    ("messages outgoing", &["GET /api/v1/messages/outgoing"]),
    ("messages send", &["POST /api/v1/messages/outgoing"]),
    ("messages withdraw", &["DELETE /api/v1/messages/outgoing/{message}"]),
    ("token list", &["GET /api/v1/people", "GET /api/v1/people/{person}/tokens"]),
    ("token add", &["GET /api/v1/people", "POST /api/v1/people/{person}/tokens"]),
    ("token end", &["GET /api/v1/people", "DELETE /api/v1/people/{person}/tokens/{token}"]),
    ("certificate show", &["GET /api/v1/authority"]),
    ("certificate client", &["GET /api/v1/people", "POST /api/v1/people/{person}/certificates"]),
    ("notices", &["GET /api/v1/notices", "DELETE /api/v1/notices/{key}"]),
    ("doctor", &["GET /api/v1/doctor"]),
];

/// Every command that does something, as it is typed.
fn typed() -> Vec<String> {
    fn leaves(command: &clap::Command, name: &str, out: &mut Vec<String>) {
        let below: Vec<&clap::Command> = command.get_subcommands().filter(|sub| sub.get_name() != "help").collect();
        // `journal` does something by itself as well.
        if below.is_empty() || (!name.is_empty() && !command.is_subcommand_required_set()) {
            out.push(name.trim().to_owned());
        }
        for sub in below {
            leaves(sub, &format!("{name} {}", sub.get_name()), out);
        }
    }
    let mut out = Vec::new();
    leaves(&Cli::command(), "", &mut out);
    out
}

fn name_of(door: &Door) -> String {
    format!("{} {}", door.method, door.path)
}

/// One line per command and door, as the console, which is who the command line is.
pub fn lines(doors: &[Door]) -> Vec<String> {
    let doors: BTreeMap<String, &Door> = doors.iter().map(|door| (name_of(door), door)).collect();
    let mut rows = vec![vec!["command".to_owned(), "door".to_owned(), "console".to_owned()]];
    for command in typed() {
        let through = COMMANDS.iter().find(|(name, _)| *name == command).map(|(_, doors)| *doors);
        let Some(through) = through else {
            panic!("`domovoi {command}` is not in the table of tests/e2e/matrix/commands.rs: which doors does it use?")
        };
        for name in through {
            let may = match (*name, doors.get(*name)) {
                ("local", _) => "-",
                (_, Some(door)) => {
                    let object = Object { dangerous: door.rule.dangerous, ..Object::all(door.rule.kind) };
                    code(&decide(&Who::console(), door.rule.verb, &object, now()))
                }
                (_, None) => panic!("`domovoi {command}` is said to use {name}, and there is no such door"),
            };
            rows.push(vec![command.clone(), (*name).to_owned(), may.to_owned()]);
        }
    }
    table(&rows)
}

/// A path with every parameter, or what a call fills in, as `{}`.
fn shape(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let part = |part: &str| if part.starts_with('{') { "{}".to_owned() } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// Calls of the API in a source: a method and the shape of a path.
fn calls(source: &str) -> Vec<(String, String)> {
    let source = source.split("\n#[cfg(test)]").next().unwrap_or_default();
    let mut found = Vec::new();
    for method in ["get", "post", "put", "patch", "delete"] {
        for rest in source.split(&format!(".{method}(")).skip(1) {
            let rest = rest.trim_start().trim_start_matches("&format!(").trim_start();
            if let Some(path) = rest.strip_prefix('"').and_then(|rest| rest.split('"').next())
                && path.starts_with("/api/")
            {
                found.push((method.to_uppercase(), shape(path)));
            }
        }
    }
    found
}

fn sources(dir: &Path, out: &mut String) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        if entry.path().is_dir() {
            sources(&entry.path(), out);
        } else {
            out.push_str(&std::fs::read_to_string(entry.path()).unwrap());
        }
    }
}

/// The table says what the sources of the command line do.
#[test]
fn the_table_knows_every_call_of_the_command_line() {
    let (mut found, mut written) = (BTreeSet::new(), BTreeSet::new());
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hub/src/cli");
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let mut source = String::new();
        if entry.path().is_dir() {
            sources(&entry.path(), &mut source);
        } else {
            source = std::fs::read_to_string(entry.path()).unwrap();
        }
        found.extend(calls(&source));
        written.extend(source.split('"').filter(|text| text.starts_with("/api/")).map(shape));
    }
    assert!(found.len() > 20, "only {} calls found: the search is broken", found.len());
    let table = COMMANDS.iter().flat_map(|(_, doors)| doors.iter());
    let known: BTreeSet<(String, String)> =
        table.filter_map(|door| door.split_once(' ')).map(|(method, path)| (method.to_owned(), shape(path))).collect();
    let fits = |call: &(String, String), known: &(String, String)| {
        let (a, b): (Vec<&str>, Vec<&str>) = (call.1.split('/').collect(), known.1.split('/').collect());
        call.0 == known.0 && a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a == b || *a == "{}" || *b == "{}")
    };
    let strays: Vec<_> = found.iter().filter(|call| !known.iter().any(|known| fits(call, known))).collect();
    assert!(strays.is_empty(), "calls that no command of the table makes: {strays:?}");
    // A path may stand apart from the call that takes it, and a parameter may stand for more than one part.
    let reaches = |written: &str, known: &str| {
        let (a, b): (Vec<&str>, Vec<&str>) = (written.split('/').collect(), known.split('/').collect());
        let open_end = a.last() == Some(&"{}") && b.len() > a.len();
        (a.len() == b.len() || open_end) && a.iter().zip(&b).all(|(a, b)| a == b || *a == "{}" || *b == "{}")
    };
    let idle: Vec<_> = known.iter().filter(|known| !written.iter().any(|path| reaches(path, &known.1))).collect();
    assert!(idle.is_empty(), "the table names doors that the command line does not use: {idle:?}");
}

#[test]
fn a_planted_call_is_found() {
    let source =
        "let a = client\n    .post(\n &format!(\"/api/v1/people/{}/lock?x={}\", id), b);\n client.get(\"/api/v1/x\");";
    let found = calls(source);
    assert_eq!(found, [("GET".into(), "/api/v1/x".into()), ("POST".to_owned(), "/api/v1/people/{}/lock".to_owned())]);
}
