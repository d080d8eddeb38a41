//! The hub's own broker: what stands is retained as `domovoi/alert/<id>` until it is over, for whatever listens there (panels,
//! scripts, other hubs). Anything but an alert is said once, as `domovoi/news/<what>`, and not retained.
//!
//! It is published at once and from memory: no disk and no network stands between the news and this channel.

use futures_util::future::BoxFuture;

use super::wording::{document, subject_code};
use super::{Address, Channel, Failed, Fate, Field, Letter, Publication, Publish, Sent};
use crate::notify::Subject;

/// The hub's own broker.
pub(super) struct Mqtt {
    publish: Publish,
}

impl Mqtt {
    pub(super) fn open(publish: Publish) -> Self {
        Mqtt { publish }
    }

    fn say(&self, topic: String, payload: Vec<u8>, retain: bool) -> Result<(), Failed> {
        (self.publish)(Publication { topic, payload, retain }).map_err(|why| Failed::Again { why, after: None })
    }
}

/// Where a subject is said, and whether it stands there.
fn place(subject: &Subject) -> (String, bool) {
    match subject {
        Subject::Alert(id) => (format!("domovoi/alert/{id}"), true),
        other => (format!("domovoi/news/{}", subject_code(other)), false),
    }
}

impl Channel for Mqtt {
    fn name(&self) -> &'static str {
        "mqtt"
    }

    fn fields(&self) -> &'static [Field] {
        &[]
    }

    fn check(&self, _to: &Address) -> Result<(), String> {
        Ok(())
    }

    fn is_of_the_house(&self) -> bool {
        true
    }

    fn send<'a>(&'a self, _to: &'a Address, letter: &'a Letter) -> BoxFuture<'a, Result<Sent, Failed>> {
        Box::pin(async move {
            let (topic, stands) = place(&letter.subject);
            // What is over is taken away: whoever subscribes now must not be told of it.
            let payload = if stands && letter.over { Vec::new() } else { document(letter).to_string().into_bytes() };
            self.say(topic, payload, stands)?;
            Ok(Sent { fate: Fate::Sent, receipt: None })
        })
    }

    fn clear<'a>(&'a self, _to: &'a Address, subject: &'a Subject) -> BoxFuture<'a, Result<(), Failed>> {
        Box::pin(async move {
            match place(subject) {
                (topic, true) => self.say(topic, Vec::new(), true),
                (_, false) => Ok(()),
            }
        })
    }
}
