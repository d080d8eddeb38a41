//! Web Push: to a browser that subscribed on the hub's page (RFC 8030, 8291, 8292).

use futures_util::future::BoxFuture;

use super::push::{FIELDS, Push};
use super::{Address, Channel, Failed, Field, Letter, Sent};

/// Browsers.
pub(super) struct WebPush {
    push: Push,
}

impl WebPush {
    pub(super) fn open(push: Push) -> Self {
        WebPush { push }
    }
}

impl Channel for WebPush {
    fn name(&self) -> &'static str {
        "web-push"
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
