//! `people`, `journal`, `token`, `certificate`: whoever holds the machine looks after who may come in.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};

use serde_json::{Value, json};

use super::args::{CertificateCommand, GrantArgs, JournalArgs, JournalCommand, PeopleCommand, TokenCommand};
use super::client::{Client, segment};
use super::commands::plain;
use super::text::{list, table};
use super::{Failure, Said, exit};

pub async fn perform(client: &Client, command: PeopleCommand, as_json: bool) -> Result<Said, Failure> {
    match command {
        PeopleCommand::List => {
            let answer = everybody(client).await?;
            let text = people(&answer);
            Ok(Said::new(answer, text))
        }
        PeopleCommand::OwnerLink => link(client.post("/api/v1/setup-link", json!({})).await?),
        PeopleCommand::Add(args) => {
            let form = json!({
                "name": args.name, "role": args.role, "contacts": args.contact, "until": args.until,
                "profile": args.language.map(|language| json!({ "language": language })),
            });
            let answer = client.post("/api/v1/people", form).await?;
            let text = format!("added: {} ({})", plain(&answer["name"]), plain(&answer["id"]));
            Ok(Said::new(answer, text))
        }
        PeopleCommand::Edit(args) => {
            let person = find(client, &args.person).await?;
            let mut form = json!({});
            if let Some(name) = args.name {
                form["name"] = json!(name);
            }
            if let Some(until) = args.until {
                form["until"] = json!(until);
            }
            if let Some(language) = args.language {
                // The profile is one value: the rest of it stays as it is.
                form["profile"] = person["profile"].clone();
                form["profile"]["language"] = json!(language);
            }
            let answer = client.patch(&at(&person, ""), form).await?;
            Ok(Said::new(answer, "changed"))
        }
        PeopleCommand::Role { person, role } => {
            let person = find(client, &person).await?;
            let answer = client.patch(&at(&person, ""), json!({ "role": role })).await?;
            let text = format!("{} is {} now, and signs in anew", plain(&answer["name"]), plain(&answer["role"]));
            Ok(Said::new(answer, text))
        }
        PeopleCommand::Remove { person, yes } => {
            let person = find(client, &person).await?;
            if !yes && !as_json {
                sure(&format!("Erase {} for good? / Стереть навсегда?", plain(&person["name"])))?;
            }
            Ok(Said::new(client.delete(&at(&person, "")).await?, "erased; the proof stands in the journal"))
        }
        PeopleCommand::Invite { person } | PeopleCommand::Recover { person } => {
            let person = find(client, &person).await?;
            link(client.post(&at(&person, "/entry-link"), json!({})).await?)
        }
        PeopleCommand::Lock { person } => {
            let person = find(client, &person).await?;
            Ok(Said::new(client.put(&at(&person, "/lock"), json!({})).await?, "locked: nothing of theirs is let in"))
        }
        PeopleCommand::Unlock { person } => {
            let person = find(client, &person).await?;
            Ok(Said::new(client.delete(&at(&person, "/lock")).await?, "unlocked: they sign in anew"))
        }
        PeopleCommand::Sessions { person, end } => {
            let person = find(client, &person).await?;
            if end {
                let answer = client.delete(&at(&person, "/sessions")).await?;
                let text = format!("ended: {}", plain(&answer["ended"]));
                return Ok(Said::new(answer, text));
            }
            let answer = client.get(&at(&person, "/sessions")).await?;
            let rows = list(&answer, "sessions")
                .map(|s| ["name", "address", "opened_at", "used_at", "ends_at"].map(|key| plain(&s[key])).to_vec())
                .collect();
            let text = table(&["session", "from", "opened", "used", "ends"], rows);
            Ok(Said::new(answer, text))
        }
        PeopleCommand::Grant(args) => grant(client, args).await,
    }
}

async fn everybody(client: &Client) -> Result<Value, Failure> {
    client.list("/api/v1/people", "people", usize::MAX).await
}

/// The person whom a word names: an id, a contact, or a name that only one has.
pub async fn find(client: &Client, word: &str) -> Result<Value, Failure> {
    let answer = everybody(client).await?;
    let wanted = word.trim().to_lowercase();
    let digits: String = wanted.chars().filter(char::is_ascii_digit).collect();
    let is_contact = |value: &str| {
        let value = value.to_lowercase();
        // +7 and 8 begin the same number in this country.
        let same_number = digits.len() >= 10 && value.starts_with('+') && value.ends_with(&digits[digits.len() - 10..]);
        value == wanted || same_number
    };
    let by_key = list(&answer, "people").find(|person| {
        person["id"] == wanted.as_str()
            || list(person, "contacts").any(|c| is_contact(c["value"].as_str().unwrap_or_default()))
    });
    if let Some(person) = by_key {
        return Ok(person.clone());
    }
    let mut named =
        list(&answer, "people").filter(|person| person["name"].as_str().unwrap_or_default().to_lowercase() == wanted);
    match (named.next(), named.next()) {
        (Some(person), None) => Ok(person.clone()),
        (None, _) => Err(Failure::new(exit::NOT_FOUND, format!("there is no «{word}» here: `domovoi people list`"))),
        (Some(_), Some(_)) => {
            Err(Failure::new(exit::REFUSED, format!("several people are called «{word}»: use the id")))
        }
    }
}

fn at(person: &Value, rest: &str) -> String {
    format!("/api/v1/people/{}{rest}", segment(&plain(&person["id"])))
}

pub(super) fn sure(question: &str) -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(exit::REFUSED, "nobody is there to agree: use --yes to do it without being asked"));
    }
    let mut out = std::io::stderr();
    let _ = write!(out, "{question} [y/N] ");
    let _ = out.flush();
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    let yes = read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes" | "д" | "да");
    if yes { Ok(()) } else { Err(Failure::new(exit::REFUSED, "nothing was done: you did not agree")) }
}

fn link(answer: Value) -> Result<Said, Failure> {
    let text = format!(
        "{}\n(open it in a browser; it counts once, for {} minutes)",
        plain(&answer["link"]),
        plain(&answer["minutes"])
    );
    Ok(Said::new(answer, text))
}

fn people(answer: &Value) -> String {
    let rows: Vec<Vec<String>> = list(answer, "people")
        .map(|person| {
            let contacts: Vec<String> = list(person, "contacts").map(|contact| plain(&contact["value"])).collect();
            let mut state = Vec::new();
            if person["locked"] == true {
                state.push("locked".to_owned());
            }
            if let Some(until) = person["until"].as_str() {
                state.push(format!("until {until}"));
            }
            vec![
                plain(&person["name"]),
                plain(&person["role"]),
                contacts.join(", "),
                state.join(", "),
                plain(&person["id"]),
            ]
        })
        .collect();
    if rows.is_empty() {
        return "nobody lives here yet: `domovoi people owner-link` makes the link for the first owner".into();
    }
    table(&["name", "role", "logins", "", "id"], rows)
}

async fn grant(client: &Client, args: GrantArgs) -> Result<Said, Failure> {
    let person = find(client, &args.person).await?;
    if let Some(grant) = args.withdraw {
        let answer = client.delete(&at(&person, &format!("/grants/{}", segment(&grant)))).await?;
        return Ok(Said::new(answer, "withdrawn"));
    }
    if args.list {
        let answer = client.get(&at(&person, "/grants")).await?;
        let rows = list(&answer, "grants")
            .map(|grant| {
                let verbs: Vec<String> = list(grant, "verbs").map(plain).collect();
                let only: Vec<String> = ["one", "room", "capability", "until", "from"]
                    .iter()
                    .filter_map(|key| Some(format!("{key} {}", grant[*key].as_str()?)))
                    .collect();
                vec![
                    plain(&grant["id"]),
                    plain(&grant["effect"]),
                    verbs.join(" "),
                    plain(&grant["kind"]),
                    only.join(", "),
                ]
            })
            .collect();
        let text = table(&["grant", "", "verbs", "kind", "only"], rows);
        return Ok(Said::new(answer, text));
    }
    let hours = match args.hours.as_deref().map(|hours| hours.split_once('-')) {
        None => Value::Null,
        Some(Some((from, to))) => json!({ "from": from.trim(), "to": to.trim() }),
        Some(None) => return Err(Failure::new(exit::USAGE, "--hours: expected FROM-TO, as 08:00-22:00")),
    };
    let form = json!({
        "effect": if args.deny { "deny" } else { "allow" }, "verbs": args.verbs, "kind": args.kind, "one": args.one,
        "room": args.room, "hours": hours, "home_only": args.home_only, "until": args.until,
    });
    let answer = client.post(&at(&person, "/grants"), form).await?;
    let text = format!("granted ({})", plain(&answer["id"]));
    Ok(Said::new(answer, text))
}

pub async fn journal(client: &Client, args: JournalArgs) -> Result<Said, Failure> {
    match args.command {
        Some(JournalCommand::Export) => {
            let text = client.text("/api/v1/journal/export").await?;
            let entries: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
            return Ok(Said::new(json!({ "entries": entries }), text));
        }
        Some(JournalCommand::Verify) => {
            let answer = client.get("/api/v1/journal/verification").await?;
            let holds = answer["holds"] == true;
            let mut text = String::from(if holds { "the journal holds\n" } else { "the journal was tampered with:\n" });
            for complaint in list(&answer, "complaints") {
                let _ = writeln!(text, "  {}", plain(complaint));
            }
            let mut said = Said::new(answer, text);
            said.code = if holds { 0 } else { exit::UNWELL };
            return Ok(said);
        }
        None => {}
    }
    let mut path = String::from("/api/v1/journal?");
    let person = match args.person {
        Some(word) => Some(plain(&find(client, &word).await?["id"])),
        None => None,
    };
    let wanted = [
        ("person", person),
        ("deed", args.deed),
        ("outcome", args.outcome),
        ("since", args.since),
        ("until", args.until),
        ("text", args.text),
    ];
    for (name, value) in wanted {
        if let Some(value) = value {
            let _ = write!(path, "{name}={}&", segment(&value));
        }
    }
    let path = path.trim_end_matches(['&', '?']);
    let answer = client.list(path, "entries", args.limit.max(1)).await?;
    let rows: Vec<Vec<String>> = list(&answer, "entries").map(entry).collect();
    let text = if rows.is_empty() {
        "nothing like that stands in the journal".to_owned()
    } else {
        table(&["row", "at", "who", "deed", "what", "outcome", "changes"], rows)
    };
    Ok(Said::new(answer, text))
}

fn entry(entry: &Value) -> Vec<String> {
    let actor = &entry["actor"];
    let who = ["name", "id", "is"].iter().find_map(|key| actor[*key].as_str()).unwrap_or_default();
    let changes: Vec<String> = list(entry, "changes")
        .map(|change| {
            format!("{}: {} → {}", plain(&change["field"]), plain(&change["before"]), plain(&change["after"]))
        })
        .collect();
    let outcome = match entry["reason"].as_str() {
        Some(reason) => format!("{} ({reason})", plain(&entry["outcome"])),
        None => plain(&entry["outcome"]),
    };
    vec![
        plain(&entry["row"]),
        plain(&entry["at"]),
        format!("{who} [{}]", plain(&entry["road"])),
        plain(&entry["deed"]),
        entry["object"]["id"].as_str().or(entry["object"]["kind"].as_str()).unwrap_or_default().to_owned(),
        outcome,
        changes.join("; "),
    ]
}

pub async fn token(client: &Client, command: TokenCommand) -> Result<Said, Failure> {
    match command {
        TokenCommand::List { person } => {
            let person = find(client, &person).await?;
            let answer = client.get(&at(&person, "/tokens")).await?;
            let rows: Vec<Vec<String>> = list(&answer, "tokens")
                .map(|token| {
                    let scopes: Vec<String> = list(token, "scopes").map(plain).collect();
                    vec![
                        plain(&token["id"]),
                        plain(&token["name"]),
                        scopes.join(" "),
                        plain(&token["ends_at"]),
                        plain(&token["used_at"]),
                    ]
                })
                .collect();
            let text = if rows.is_empty() {
                "no token".to_owned()
            } else {
                table(&["token", "name", "may", "ends", "used"], rows)
            };
            Ok(Said::new(answer, text))
        }
        TokenCommand::Add { person, name, scope, days } => {
            let person = find(client, &person).await?;
            let form = json!({ "name": name, "scopes": scope, "days": days });
            let answer = client.post(&at(&person, "/tokens"), form).await?;
            let text = format!("{}\n(shown once; the hub keeps only a hash of it)", plain(&answer["token"]));
            Ok(Said::new(answer, text))
        }
        TokenCommand::End { person, token } => {
            let person = find(client, &person).await?;
            let answer = client.delete(&at(&person, &format!("/tokens/{}", segment(&token)))).await?;
            Ok(Said::new(answer, "ended"))
        }
    }
}

pub async fn certificate(client: &Client, command: CertificateCommand) -> Result<Said, Failure> {
    match command {
        CertificateCommand::Show => {
            let answer = client.get("/api/v1/authority").await?;
            let needed =
                if answer["needed"] == true { "" } else { "\n(devices need not trust it: the page shows another)" };
            let text = format!(
                "SHA-256 {}\nuntil {}{needed}\n{}",
                plain(&answer["fingerprint"]),
                plain(&answer["ends_at"]),
                plain(&answer["certificate"])
            );
            Ok(Said::new(answer, text))
        }
        CertificateCommand::Client { person, name, days } => {
            let person = find(client, &person).await?;
            let answer = client.post(&at(&person, "/certificates"), json!({ "name": name, "days": days })).await?;
            let text = format!("{}{}", plain(&answer["certificate"]), plain(&answer["key"]));
            Ok(Said::new(answer, text))
        }
    }
}
