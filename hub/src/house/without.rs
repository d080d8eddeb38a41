//! What the house had to be opened without: a part that cannot be read or set up is left closed and told, because a valve
//! closes without it. What the reflex itself stands on (store, ingest, devices, safety, broker) is not of these.

use domovoi_store::{Notice, Store};

use crate::bus::{Bus, Event};
use crate::clock::Clock;

/// What each part is called in the notice.
const PARTS: [&str; 6] = ["people", "metering", "portal", "messages", "mappings", "external-broker"];

/// The parts that are missing, and why.
#[derive(Debug, Default, Clone)]
pub struct Without(Vec<(&'static str, String)>);

impl Without {
    /// A part that is there, or the word that it is not.
    pub fn unless<T>(&mut self, part: &'static str, opened: Result<T, impl std::fmt::Display>) -> Option<T> {
        opened.map_err(|error| self.add(part, &error.to_string())).ok()
    }

    /// A part is not there, or not whole.
    pub fn add(&mut self, part: &'static str, why: &str) {
        tracing::error!(part, "the house is opened without it: {why}");
        self.0.push((part, why.chars().take(300).collect()));
    }

    /// Raises a notice for each, and takes those of an earlier start back.
    pub async fn tell(&self, store: &Store, clock: &Clock, bus: &Bus) {
        for part in PARTS {
            let key = format!("opened_without:{part}");
            let told = match self.0.iter().find(|(missing, _)| *missing == part) {
                Some((_, why)) => {
                    let params = vec![("part".to_owned(), part.to_owned()), ("why".to_owned(), why.clone())];
                    let notice = Notice { kind: "opened_without".into(), params, at: clock.moment() };
                    store.notices().raise(&key, &notice).await
                }
                None => store.notices().clear(&key).await,
            };
            match told {
                Ok(true) => bus.tell(Event::Notice(key.into())),
                Ok(false) => {}
                Err(error) => tracing::warn!(part, "what the house was opened without is not told: {error}"),
            }
        }
    }
}
