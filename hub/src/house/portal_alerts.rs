//! The portal's alerts: its feed names documents that only the linked hub may fetch. The portal's room fetches, the alerts'
//! room reads; here each document is asked for once, and again where the portal did not answer. Nothing is judged here.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use domovoi_adapters::cap::{self, CapDocument};
use domovoi_model::AlertOrigin;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::alerts::{Alerts, FeedRef, Heard};
use crate::portal::{CallError, Messages, Portal, calls};

/// So many of the portal's feeds may wait to be read.
const FEEDS: usize = 4;

/// Documents that wait, at most.
const WAITING: usize = 500;

/// What was fetched is remembered so long in the past.
const REMEMBERED: usize = 2000;

/// A document that could not be had is asked for again so soon, then after twice as long, and so on; after so many tries it
/// waits for the next feed that names it.
const FIRST_RETRY: Duration = Duration::from_secs(2);
const TRIES: u32 = 10;

/// Whose alerts are told here: the citizen's own portal. What names no area is meant for whoever it was sent to.
fn feed() -> FeedRef {
    FeedRef { name: "portal".to_owned(), origin: AlertOrigin::Portal, local: true, senders: Vec::new() }
}

/// What fetches them.
pub struct PortalAlerts {
    portal: Portal,
    alerts: Alerts,
    feeds: mpsc::Receiver<Bytes>,
    waiting: VecDeque<Wanted>,
    seen: VecDeque<String>,
}

struct Wanted {
    /// What the entry calls itself by: another version is another entry.
    entry: String,
    /// What the portal calls the document.
    document: String,
    tries: u32,
    at: Instant,
}

impl PortalAlerts {
    /// Listens for feeds from now on.
    pub fn connect(portal: &Portal, messages: &Messages, alerts: &Alerts) -> Self {
        let (sender, feeds) = mpsc::channel(FEEDS);
        messages.on_alerts(move |document| {
            if sender.try_send(document).is_err() {
                tracing::warn!("the portal's feed of alerts came before the last one was read: the next one is read");
            }
        });
        PortalAlerts {
            portal: portal.clone(),
            alerts: alerts.clone(),
            feeds,
            waiting: VecDeque::new(),
            seen: VecDeque::new(),
        }
    }

    /// Fetches what feeds name, until the house stops.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            () = self.fetch() => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn fetch(&mut self) {
        loop {
            let next = self.waiting.iter().map(|wanted| wanted.at).min();
            let due = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                document = self.feeds.recv() => match document {
                    Some(document) => self.read(&document),
                    None => return,
                },
                () = due => self.fetch_due().await,
            }
        }
    }

    fn read(&mut self, document: &[u8]) {
        match cap::read_document(document) {
            Ok(CapDocument::Messages(messages)) => {
                for message in &messages {
                    told(&self.alerts.hear(&feed(), message));
                }
            }
            Ok(CapDocument::Feed(read)) => {
                let mut wanted: BTreeMap<String, String> = BTreeMap::new();
                for entry in &read.entries {
                    for message in &entry.messages {
                        told(&self.alerts.hear(&feed(), message));
                    }
                    let is_new =
                        !self.seen.contains(&entry.id) && !self.waiting.iter().any(|waiting| waiting.entry == entry.id);
                    let link = entry.links.iter().find(|link| link.is_cap).or_else(|| entry.links.first());
                    if entry.messages.is_empty()
                        && is_new
                        && let Some(document) = link.and_then(|link| name_in(&link.address))
                    {
                        wanted.insert(entry.id.clone(), document);
                    }
                }
                for (entry, document) in wanted {
                    if self.waiting.len() >= WAITING {
                        tracing::warn!("the portal's feed names more alerts than can wait: the others are read later");
                        break;
                    }
                    self.waiting.push_back(Wanted { entry, document, tries: 0, at: Instant::now() });
                }
            }
            Err(error) => tracing::warn!("the portal's feed of alerts cannot be read: {error}"),
        }
    }

    /// One document after the other: a chain is heard in its order as far as the feed has it.
    async fn fetch_due(&mut self) {
        let now = Instant::now();
        let Some(at) = self.waiting.iter().position(|wanted| wanted.at <= now) else { return };
        let Some(mut wanted) = self.waiting.remove(at) else { return };
        match calls::get_alert::call(&self.portal, &wanted.document).await {
            Ok(document) => {
                for heard in self.alerts.hear_feed(&feed(), &document) {
                    told(&heard);
                }
                self.remember(wanted.entry);
            }
            Err(error) => {
                tracing::warn!("an alert of the portal was not had: {error}");
                wanted.tries += 1;
                if passes(&error) && wanted.tries < TRIES {
                    wanted.at = now + FIRST_RETRY * 2u32.saturating_pow(wanted.tries.min(8));
                    self.waiting.push_back(wanted);
                } else if !passes(&error) {
                    self.remember(wanted.entry);
                }
            }
        }
    }

    fn remember(&mut self, entry: String) {
        if self.seen.len() >= REMEMBERED {
            self.seen.pop_front();
        }
        self.seen.push_back(entry);
    }
}

/// The last part of an address: by which the portal hands the document out. Whatever else the address says is not followed,
/// so that a token goes nowhere but to the portal.
fn name_in(address: &str) -> Option<String> {
    let path = address.split(['?', '#']).next()?;
    let name = path.rsplit('/').next()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    (!name.is_empty() && name.len() <= 256 && name.chars().all(plain) && name != "." && name != "..")
        .then(|| name.to_owned())
}

fn passes(error: &CallError) -> bool {
    matches!(error, CallError::NotSent { .. } | CallError::RetryLater { .. } | CallError::Unknown { .. })
}

fn told(heard: &Heard) {
    if let Heard::Refused(why) = heard {
        tracing::warn!("an alert of the portal cannot be read: {why}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_known_by_the_last_part_of_its_address_and_by_nothing_else() {
        assert_eq!(name_in("https://portal.example/api/v1/alerts/2026-11.21_a").as_deref(), Some("2026-11.21_a"));
        assert_eq!(name_in("alerts/a?x=/../b#c").as_deref(), Some("a"));
        for hostile in ["https://portal.example/alerts/", "", "a/..", "a/%2e%2e", "a/b c", "a/б"] {
            assert_eq!(name_in(hostile), None, "{hostile}");
        }
    }
}
