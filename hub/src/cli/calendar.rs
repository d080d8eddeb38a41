//! `calendar`: what is in it, events of the household, what is done; secret addresses, calendars elsewhere.

use std::io::{IsTerminal as _, Read as _};

use serde_json::{Value, json};

use super::calendar_args::{CalendarAdd, CalendarAddress, CalendarCommand, CalendarElsewhere, CalendarList};
use super::client::{Client, segment};
use super::commands::{clean, plain};
use super::text::{list, table};
use super::{Failure, Said, exit};

/// An address is never longer.
const MAX_ADDRESS: u64 = 4096;

pub async fn perform(client: &Client, command: CalendarCommand) -> Result<Said, Failure> {
    let place =
        |event: &str, occurrence: i64| format!("/api/v1/calendar/events/{}/occurrences/{occurrence}", segment(event));
    match command {
        CalendarCommand::List(args) => listed(client, &args).await,
        CalendarCommand::Add(args) => {
            let answer = client.post("/api/v1/calendar/events", form(&args)).await?;
            let text = format!("written down: {} ({})", plain(&answer["title"]), plain(&answer["event"]));
            Ok(Said::new(answer, text))
        }
        CalendarCommand::Show { event } => {
            let answer = client.get(&format!("/api/v1/calendar/events/{}", segment(&event))).await?;
            let text = one(&answer);
            Ok(Said::new(answer, text))
        }
        CalendarCommand::Change { event, to } => {
            let answer = client.put(&format!("/api/v1/calendar/events/{}", segment(&event)), form(&to)).await?;
            let text = one(&answer);
            Ok(Said::new(answer, text))
        }
        CalendarCommand::Remove { event } => {
            let answer = client.delete(&format!("/api/v1/calendar/events/{}", segment(&event))).await?;
            Ok(Said::new(answer, "removed"))
        }
        CalendarCommand::Done { event, occurrence, undo } => {
            let path = format!("{}/done", place(&event, occurrence));
            let answer = client.put(&path, json!({ "done": !undo })).await?;
            let text = format!("{}: {}", plain(&answer["title"]), plain(&answer["standing"]));
            Ok(Said::new(answer, text))
        }
        CalendarCommand::Cancel { event, occurrence, undo } => {
            let action = if undo { "restore" } else { "cancel" };
            let answer = client.put(&place(&event, occurrence), json!({ "action": action })).await?;
            Ok(Said::new(answer, if undo { "as the others again" } else { "cancelled" }))
        }
        CalendarCommand::Move { event, occurrence, to } => {
            let form = json!({ "action": "move", "start": to });
            let answer = client.put(&place(&event, occurrence), form).await?;
            Ok(Said::new(answer, "moved"))
        }
        CalendarCommand::Address(command) => address(client, command).await,
        CalendarCommand::Elsewhere(command) => elsewhere(client, command).await,
    }
}

async fn listed(client: &Client, args: &CalendarList) -> Result<Said, Failure> {
    let mut query = vec![format!("sort={}", segment(&args.sort))];
    for (name, value) in [("from", &args.from), ("to", &args.to), ("kinds", &args.kinds), ("text", &args.text)] {
        query.extend(value.as_ref().map(|value| format!("{name}={}", segment(value))));
    }
    if args.overdue {
        query.push("overdue=true".to_owned());
    }
    let answer = client.get(&format!("/api/v1/calendar?{}", query.join("&"))).await?;
    let row = |entry: &Value| {
        let when = entry["day"].as_str().map_or_else(|| plain(&entry["begin"]), str::to_owned);
        let words = ["standing", "kind", "priority", "title", "event", "occurrence"].map(|key| plain(&entry[key]));
        std::iter::once(when).chain(words).collect::<Vec<String>>()
    };
    let rows: Vec<Vec<String>> = list(&answer, "entries").map(row).collect();
    let mut text = if rows.is_empty() {
        "nothing".to_owned()
    } else {
        table(&["when", "", "kind", "priority", "title", "event", "occurrence"], rows)
    };
    if answer["more"] == true {
        text.push_str("\n… and more");
    }
    Ok(Said::new(answer, text))
}

fn form(args: &CalendarAdd) -> Value {
    let mut form = json!({
        "title": args.title, "start": args.start, "minutes": args.minutes, "todo": args.todo, "notes": args.notes,
    });
    for (key, value) in [("rule", &args.rule), ("kind", &args.kind), ("priority", &args.priority), ("zone", &args.zone)]
    {
        if let Some(value) = value {
            form[key] = json!(value);
        }
    }
    if args.silent || !args.remind.is_empty() {
        form["remind"] = json!(args.remind);
    }
    form
}

fn one(answer: &Value) -> String {
    let keys =
        ["event", "title", "origin", "kind", "priority", "start", "zone", "minutes", "rule", "remind", "todo", "notes"];
    let shown = keys.iter().filter(|key| !answer[**key].is_null());
    let line = |key: &&str| {
        let value = &answer[*key];
        let value = if value.is_array() { clean(&value.to_string()) } else { plain(value) };
        format!("{key}: {value}")
    };
    shown.map(line).collect::<Vec<_>>().join("\n")
}

async fn address(client: &Client, command: CalendarAddress) -> Result<Said, Failure> {
    match command {
        CalendarAddress::List => {
            let answer = client.get("/api/v1/calendar/feeds").await?;
            let keys = ["feed", "label", "person", "made_at", "read_on"];
            let rows: Vec<Vec<String>> =
                list(&answer, "feeds").map(|feed| keys.map(|key| plain(&feed[key])).to_vec()).collect();
            let text = if rows.is_empty() {
                "there is none".to_owned()
            } else {
                table(&["address", "label", "whose", "made", "last read"], rows)
            };
            Ok(Said::new(answer, text))
        }
        CalendarAddress::Make { label } => {
            let answer = client.post("/api/v1/calendar/feeds", json!({ "label": label })).await?;
            let text = format!(
                "{}\nThis is shown once. Whoever has it reads the calendar; revoke it with `domovoi calendar address revoke {}`",
                plain(&answer["address"]),
                plain(&answer["feed"])
            );
            Ok(Said::new(answer, text))
        }
        CalendarAddress::Revoke { address } => {
            let answer = client.delete(&format!("/api/v1/calendar/feeds/{}", segment(&address))).await?;
            Ok(Said::new(answer, "revoked"))
        }
    }
}

async fn elsewhere(client: &Client, command: CalendarElsewhere) -> Result<Said, Failure> {
    let shown =
        |calendar: &Value| ["calendar", "label", "host", "events", "read_at", "words"].map(|key| plain(&calendar[key]));
    let header = ["calendar", "label", "host", "events", "read", ""];
    match command {
        CalendarElsewhere::List => {
            let answer = client.get("/api/v1/calendar/elsewhere").await?;
            let rows: Vec<Vec<String>> = list(&answer, "calendars").map(|one| shown(one).to_vec()).collect();
            let text = if rows.is_empty() { "there is none".to_owned() } else { table(&header, rows) };
            Ok(Said::new(answer, text))
        }
        CalendarElsewhere::Add { label, alarms, kind } => {
            let mut form = json!({ "label": label, "address": address_of()?, "alarms": alarms });
            if let Some(kind) = kind {
                form["kind"] = json!(kind);
            }
            let answer = client.post("/api/v1/calendar/elsewhere", form).await?;
            let text = table(&header, vec![shown(&answer).to_vec()]);
            Ok(Said::new(answer, text))
        }
        CalendarElsewhere::Look { calendar } => {
            let answer =
                client.post(&format!("/api/v1/calendar/elsewhere/{}/look", segment(&calendar)), json!({})).await?;
            let text = table(&header, vec![shown(&answer).to_vec()]);
            let failed = !answer["trouble"].is_null();
            let mut said = Said::new(answer, text);
            said.code = if failed { exit::UNWELL } else { 0 };
            Ok(said)
        }
        CalendarElsewhere::Remove { calendar } => {
            let answer = client.delete(&format!("/api/v1/calendar/elsewhere/{}", segment(&calendar))).await?;
            Ok(Said::new(answer, "removed"))
        }
    }
}

/// The address is a secret: it never stands among the arguments, where every process could read it.
fn address_of() -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::new(exit::FAILED, format!("the address could not be read: {error}"));
    if std::io::stdin().is_terminal() {
        return rpassword::prompt_password("https:// or webcal:// address: ").map_err(failed);
    }
    let mut text = String::new();
    std::io::stdin().take(MAX_ADDRESS).read_to_string(&mut text).map_err(failed)?;
    Ok(text.trim().to_owned())
}
