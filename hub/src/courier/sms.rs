//! Codes by short message, through the gateway of the settings.

use futures_util::future::BoxFuture;

use super::{Channel, Gateway, Message, Undelivered};
use crate::people::{Contact, ContactKind};

/// Short messages.
pub struct Sms {
    gateway: Gateway,
}

impl Sms {
    pub(super) fn open(gateway: Gateway) -> Self {
        Sms { gateway }
    }

    async fn send(&self, to: &Contact, message: &Message) -> Result<(), Undelivered> {
        let taken = self.gateway.hand_in(&to.value, &message.text).await;
        taken.map(|_| ()).map_err(|error| Undelivered(error.to_string()))
    }
}

impl Channel for Sms {
    fn name(&self) -> &'static str {
        "sms"
    }

    fn reaches(&self, kind: ContactKind) -> bool {
        kind == ContactKind::Phone
    }

    fn deliver<'a>(&'a self, to: &'a Contact, message: &'a Message) -> BoxFuture<'a, Result<(), Undelivered>> {
        Box::pin(self.send(to, message))
    }
}
