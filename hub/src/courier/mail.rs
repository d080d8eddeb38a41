//! Codes and news by mail: short and plain. It keeps no queue: a code that comes late is worth nothing.

use futures_util::future::BoxFuture;
use lettre::Address;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder, SinglePart};

use super::{Channel, Message, Post, Undelivered, one_line};
use crate::people::{Contact, ContactKind};

/// Mail.
pub struct Mail {
    post: Post,
}

impl Mail {
    pub(super) fn open(post: Post) -> Self {
        Mail { post }
    }

    /// The message as it travels. Everything in it that people wrote is encoded by the builder or has no line breaks.
    fn letter(&self, to: &Contact, message: &Message) -> Result<lettre::Message, Undelivered> {
        let unwritable = || Undelivered("this e-mail address is not one that mail can be written to".into());
        let to: Address = to.value.parse().map_err(|_| unwritable())?;
        let id = domovoi_vault::random::<16>().map_err(|error| Undelivered(error.to_string()))?;
        let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        let letter: MessageBuilder = lettre::Message::builder()
            .from(self.post.from().clone())
            .to(Mailbox::new(None, to))
            .subject(one_line(&message.subject))
            // Of our own making: the builder would tell the name of this machine.
            .message_id(Some(format!("<{id}@{}>", self.post.from().email.domain())))
            // RFC 3834 section 5: nobody's holiday notice has to answer.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        let text = SinglePart::builder().header(ContentType::TEXT_PLAIN).body(message.text.clone());
        letter.singlepart(text).map_err(|_| unwritable())
    }

    async fn send(&self, to: &Contact, message: &Message) -> Result<(), Undelivered> {
        let letter = self.letter(to, message)?;
        self.post.hand_in(letter).await.map_err(|error| Undelivered(error.to_string()))
    }
}

impl Channel for Mail {
    fn name(&self) -> &'static str {
        "mail"
    }

    fn reaches(&self, kind: ContactKind) -> bool {
        kind == ContactKind::Email
    }

    fn deliver<'a>(&'a self, to: &'a Contact, message: &'a Message) -> BoxFuture<'a, Result<(), Undelivered>> {
        Box::pin(self.send(to, message))
    }
}
