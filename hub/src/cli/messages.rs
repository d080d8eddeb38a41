//! `messages`: what the portal wrote, what the home wrote to it.

use serde_json::{Value, json};

use super::calendar_args::MessagesCommand;
use super::client::{Client, segment};
use super::commands::plain;
use super::text::{list, table};
use super::{Failure, Said};

/// So many are shown.
const MOST: usize = 1000;

pub async fn perform(client: &Client, command: MessagesCommand) -> Result<Said, Failure> {
    match command {
        MessagesCommand::List { unread } => {
            let path = if unread { "/api/v1/messages?unread=true" } else { "/api/v1/messages" };
            let answer = client.list(path, "messages", MOST).await?;
            let row = |message: &Value| {
                let read = if message["read"] == true { "read" } else { "new" };
                let words = ["kind", "account_number", "text", "message"].map(|key| plain(&message[key]));
                [plain(&message["at"]), read.to_owned()].into_iter().chain(words).collect()
            };
            let rows: Vec<Vec<String>> = list(&answer, "messages").map(row).collect();
            let text = if rows.is_empty() {
                "nothing".to_owned()
            } else {
                table(&["when", "", "kind", "account", "text", "message"], rows)
            };
            Ok(Said::new(answer, text))
        }
        MessagesCommand::Read { message } => {
            let answer = client.put(&format!("/api/v1/messages/{}/read", segment(&message)), json!({})).await?;
            Ok(Said::new(answer, "read"))
        }
        MessagesCommand::Outgoing => {
            let answer = client.list("/api/v1/messages/outgoing", "messages", MOST).await?;
            let keys = ["at", "state", "kind", "text", "words", "message"];
            let rows: Vec<Vec<String>> =
                list(&answer, "messages").map(|one| keys.map(|key| plain(&one[key])).to_vec()).collect();
            let text = if rows.is_empty() {
                "nothing".to_owned()
            } else {
                table(&["when", "", "kind", "text", "how it stands", "message"], rows)
            };
            Ok(Said::new(answer, text))
        }
        MessagesCommand::Send { text, kind, account } => {
            let mut form = json!({ "text": text });
            for (key, value) in [("kind", kind), ("account_number", account)] {
                if let Some(value) = value {
                    form[key] = json!(value);
                }
            }
            let answer = client.post("/api/v1/messages/outgoing", form).await?;
            let text = format!("{}: {}", plain(&answer["message"]), plain(&answer["words"]));
            Ok(Said::new(answer, text))
        }
        MessagesCommand::Withdraw { message } => {
            let answer = client.delete(&format!("/api/v1/messages/outgoing/{}", segment(&message))).await?;
            Ok(Said::new(answer, "taken back"))
        }
    }
}
