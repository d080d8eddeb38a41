//! `alerts`: what stands and what has stood, saying "I know", ticking steps off, taking history away, the feeds.

use serde_json::{Value, json};

use super::alert_args::{AlertsChoice, AlertsCommand, AlertsExport, AlertsFormat, AlertsList};
use super::client::{Client, segment};
use super::commands::plain;
use super::history::export_to;
use super::text::{list, table};
use super::{Failure, Said};

pub async fn perform(client: &Client, command: AlertsCommand) -> Result<Said, Failure> {
    let path = |alert: &str| format!("/api/v1/alerts/{}", segment(alert));
    match command {
        AlertsCommand::List(args) => show_list(client, &args).await,
        AlertsCommand::Show { alert } => {
            let answer = client.get(&path(&alert)).await?;
            let text = one(&answer);
            Ok(Said::new(answer, text))
        }
        AlertsCommand::Acknowledge { alert, person } => {
            let path = format!("{}/acknowledge{}", path(&alert), named(person.as_deref()));
            let answer = client.post(&path, json!({})).await?;
            Ok(Said::new(answer, "known"))
        }
        AlertsCommand::Done { alert, step, undo, person } => {
            let path = format!("{}/steps/{}{}", path(&alert), segment(&step), named(person.as_deref()));
            let answer = client.post(&path, json!({ "done": !undo })).await?;
            Ok(Said::new(answer, if undo { "not done" } else { "done" }))
        }
        AlertsCommand::Export(args) => export(client, &args).await,
        AlertsCommand::Feeds => {
            let answer = client.get("/api/v1/alerts/feeds").await?;
            let text = feeds(&answer);
            Ok(Said::new(answer, text))
        }
        AlertsCommand::Poll { feed } => {
            let answer = client.post(&format!("/api/v1/alerts/feeds/{}/poll", segment(&feed)), json!({})).await?;
            Ok(Said::new(answer, "it is being read"))
        }
    }
}

fn named(person: Option<&str>) -> String {
    person.map(|person| format!("?person={}", segment(person))).unwrap_or_default()
}

fn chosen(choice: &AlertsChoice) -> String {
    let given = [
        ("since", &choice.since),
        ("until", &choice.until),
        ("origin", &choice.origin),
        ("peril", &choice.peril),
        ("severity", &choice.severity),
        ("state", &choice.state),
        ("text", &choice.text),
    ];
    let given = given.into_iter().filter_map(|(name, value)| value.as_ref().map(|value| (name, value)));
    given.map(|(name, value)| format!("&{name}={}", segment(value))).collect()
}

async fn show_list(client: &Client, args: &AlertsList) -> Result<Said, Failure> {
    let limit = args.limit.clamp(1, 500);
    let answer =
        client.get(&format!("/api/v1/alerts?history={}&limit={limit}{}", args.history, chosen(&args.choice))).await?;
    let rows: Vec<Vec<String>> = list(&answer, "alerts")
        .map(|alert| {
            let title = [&alert["headline"], &alert["event"]].into_iter().map(plain).find(|text| !text.is_empty());
            let known: Vec<String> = list(alert, "acknowledged").map(|one| plain(&one["name"])).collect();
            vec![
                plain(&alert["raised_at"]),
                plain(&alert["words"]),
                title.unwrap_or_default(),
                known.join(", "),
                plain(&alert["alert"]),
            ]
        })
        .collect();
    let text = if rows.is_empty() {
        if args.history { "nothing of the kind has been" } else { "nothing stands" }.to_owned()
    } else {
        table(&["raised", "", "", "known to", "alert"], rows)
    };
    Ok(Said::new(answer, text))
}

async fn export(client: &Client, args: &AlertsExport) -> Result<Said, Failure> {
    let (ending, bom) = match args.format {
        AlertsFormat::Csv => ("csv", format!("bom={}", args.bom)),
        AlertsFormat::Json => ("json", String::new()),
    };
    let query = format!("{bom}{}", chosen(&args.choice));
    let path = format!("/api/v1/alerts/export.{ending}?{}", query.trim_start_matches('&'));
    export_to(client, &path, &args.out).await
}

fn one(answer: &Value) -> String {
    let fields = [
        "words",
        "event",
        "headline",
        "description",
        "instruction",
        "sender",
        "raised_at",
        "expires",
        "ended_at",
        "web",
    ];
    let mut lines: Vec<String> = fields
        .iter()
        .map(|field| (field, plain(&answer[*field])))
        .filter(|(_, text)| !text.is_empty())
        .map(|(field, text)| format!("{}: {text}", field.replace('_', " ")))
        .collect();
    if answer["expires_assumed"] == true {
        lines.push("(its sender gave no end)".to_owned());
    }
    lines.extend(list(answer, "areas").map(|area| format!("area: {}", plain(area))));
    lines.extend(list(answer, "why").map(|why| format!("why: {}", plain(why))));
    for known in list(answer, "acknowledged") {
        lines.push(format!("known to: {} {}", plain(&known["name"]), plain(&known["at"])));
    }
    for step in list(answer, "steps") {
        let mark = if step["done"].is_null() { " " } else { "x" };
        lines.push(format!("[{mark}] {} ({})", plain(&step["sentence"]), plain(&step["step"])));
    }
    let link = plain(&answer["link"]);
    if !link.is_empty() {
        lines.push(format!("more: {link}"));
    }
    for message in list(answer, "messages") {
        let over = if message["over"] == true { ", replaced or taken back" } else { "" };
        let (sender, identifier, sent) = (&message["sender"], &message["identifier"], &message["sent"]);
        lines.push(format!("message: {} {} {}{over}", plain(sender), plain(identifier), plain(sent)));
    }
    lines.join("\n")
}

fn feeds(answer: &Value) -> String {
    let mut lines = Vec::new();
    for feed in list(answer, "feeds") {
        lines.push(format!(
            "{}: {} entries, {} stand, read {} ({})",
            plain(&feed["feed"]),
            plain(&feed["entries"]),
            plain(&feed["standing"]),
            plain(&feed["read_at"]),
            plain(&feed["address"]),
        ));
        lines.extend(list(feed, "words").map(|words| format!("  {}", plain(words))));
        lines.extend(list(feed, "notes").map(|note| format!("  {} {}", plain(&note["code"]), plain(&note["at"]))));
    }
    if lines.is_empty() { "no feed is in the settings: `[[alerts.feeds]]`".to_owned() } else { lines.join("\n") }
}
