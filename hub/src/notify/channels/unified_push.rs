//! UnifiedPush: to a program on a phone whose distributor (ntfy, NextPush, …) gave it an address. Its specification wants
//! messages to be sealed as for Web Push, so it is that with another name: people choose between them.

use futures_util::future::BoxFuture;

use super::push::{FIELDS, Push};
use super::{Address, Channel, Failed, Field, Letter, Sent};

/// Programs on phones.
pub(super) struct UnifiedPush {
    push: Push,
}

impl UnifiedPush {
    pub(super) fn open(push: Push) -> Self {
        UnifiedPush { push }
    }
}

impl Channel for UnifiedPush {
    fn name(&self) -> &'static str {
        "unified-push"
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn check(&self, to: &Address) -> Result<(), String> {
        self.push.check(to)
    }

    fn send<'a>(&'a self, to: &'a Address, letter: &'a Letter) -> BoxFuture<'a, Result<Sent, Failed>> {
        Box::pin(self.push.send(to, letter))
    }
}
