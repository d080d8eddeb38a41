//! Prints messages where the hub was started. For the demo: there the person at the terminal is the whole household.

use futures_util::future::{BoxFuture, ready};

use super::{Channel, Message, Undelivered, one_line};
use crate::people::{Contact, ContactKind};

/// The terminal.
#[derive(Debug, Default)]
pub struct Terminal;

impl Channel for Terminal {
    fn name(&self) -> &'static str {
        "terminal"
    }

    fn reaches(&self, kind: ContactKind) -> bool {
        kind != ContactKind::Name
    }

    fn deliver<'a>(&'a self, to: &'a Contact, message: &'a Message) -> BoxFuture<'a, Result<(), Undelivered>> {
        println!("\n✉ {} — {}", one_line(&to.value), one_line(&message.subject));
        for line in message.text.lines() {
            println!("  {}", one_line(line));
        }
        println!();
        Box::pin(ready(Ok(())))
    }
}
