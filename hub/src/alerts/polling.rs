//! Reading the feeds of the settings: each by a task of its own, no more often than it wants; what is new in one is heard as
//! soon as it is there. What is remembered of a feed stands in `feeds`, what an HTTP request may do in `fetch`.

use std::collections::BTreeSet;
use std::time::Duration;

use domovoi_adapters::cap::{self, CapDocument, CapFeed, CapMessage, FeedEntry};
use domovoi_config::AlertFeed;
use domovoi_model::AlertOrigin;
use futures_util::StreamExt as _;
use tokio::sync::watch;
use tokio::time::Instant;

use super::board::FeedRef;
use super::feeds::{Row, entry_hash};
use super::fetch::{self, Allowed};
use super::{Alerts, Heard, own, part};
use crate::outside::{Fetched, Known, Trouble};

/// Messages that are fetched after one look at a feed; the rest comes with the next.
const MAX_FETCHED: usize = 200;

/// Messages that are fetched at the same time.
const AT_A_TIME: usize = 4;

/// A message that cannot be had is given up after so many looks.
const MAX_TRIES: u8 = 5;

/// A feed that fails is looked at at the latest so often.
const LONGEST_PAUSE: Duration = Duration::from_secs(1800);

/// After so long somebody should know that a feed cannot be read.
const SILENT_FOR: Duration = Duration::from_secs(6 * 3600);

fn reference(feed: &AlertFeed) -> FeedRef {
    FeedRef { name: feed.name.clone(), origin: AlertOrigin::Feed, local: feed.local, senders: feed.senders.clone() }
}

impl Alerts {
    /// Reads all feeds until `stop`.
    pub(super) async fn read_feeds(&self, stop: watch::Receiver<bool>) {
        if self.0.feeds.feeds.is_empty() {
            return;
        }
        let client = match fetch::client() {
            Ok(client) => client,
            Err(trouble) => {
                tracing::error!("no feed of warnings can be read: {}", trouble.detail);
                for feed in &self.0.feeds.feeds {
                    self.0.feeds.with(&feed.name, |state| state.trouble = Some((trouble.code, trouble.detail.clone())));
                }
                return;
            }
        };
        let mut each = Vec::new();
        for feed in &self.0.feeds.feeds {
            each.push(part(self.read_one(feed, &client, stop.clone())));
        }
        futures_util::future::join_all(each).await;
    }

    async fn read_one(&self, feed: &AlertFeed, client: &reqwest::Client, mut stop: watch::Receiver<bool>) {
        let Some(poke) = self.0.feeds.pokes.get(&feed.name) else { return };
        loop {
            let wait = tokio::select! {
                wait = part(self.read_once(feed, client)) => wait,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = poke.notified() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Reads a feed once, and says after what time it is to be read again.
    pub(super) async fn read_once(&self, feed: &AlertFeed, client: &reqwest::Client) -> Duration {
        let outcome = part(self.look(feed, client)).await;
        let moment = self.0.clock.moment();
        let failures = self.0.feeds.with(&feed.name, |state| match &outcome {
            Ok(()) => {
                state.read_at = Some(moment);
                if state.failures > 0 {
                    tracing::info!(feed = feed.name, "the feed of warnings is read again");
                }
                state.failures = 0;
                state.failing_since = None;
                state.trouble = None;
                0
            }
            Err(trouble) => {
                if state.failures == 0 {
                    tracing::warn!(
                        feed = feed.name,
                        code = trouble.code,
                        "a feed of warnings cannot be read: {}",
                        trouble.detail
                    );
                }
                state.failures = state.failures.saturating_add(1);
                state.failing_since.get_or_insert_with(Instant::now);
                state.trouble = Some((trouble.code, trouble.detail.clone()));
                state.failures
            }
        });
        self.tell_of_silence(feed, outcome.as_ref().err());
        let asked = outcome.err().and_then(|trouble| trouble.after);
        pause(feed.every, failures, asked)
    }

    /// A feed that cannot be read for long warns nobody, and that is something to know itself.
    fn tell_of_silence(&self, feed: &AlertFeed, trouble: Option<&Trouble>) {
        let key = format!("feed:{}", feed.name);
        let Some(trouble) = trouble else {
            self.over(AlertOrigin::House, &key);
            return;
        };
        let since = self.0.feeds.with(&feed.name, |state| state.failing_since);
        if since.is_some_and(|since| since.elapsed() >= SILENT_FOR) {
            self.raise(own::silent_feed(key, &feed.name, trouble.code, &trouble.detail));
        }
    }

    async fn look(&self, feed: &AlertFeed, client: &reqwest::Client) -> Result<(), Trouble> {
        let feeds = &self.0.feeds;
        let allowed = Allowed::of(feed);
        let known =
            feeds.with(&feed.name, |state| Known { etag: state.etag.clone(), modified: state.modified.clone() });
        let fetched = fetch::fetch(client, &feed.address, &allowed, cap::MAX_FEED, &known).await?;
        let Fetched::Document { bytes, known: Known { etag, modified } } = fetched else { return Ok(()) };
        let read = tokio::task::spawn_blocking(move || cap::read_document(&bytes)).await;
        let document = read
            .map_err(|error| Trouble::new("unreadable", error.to_string()))?
            .map_err(|error| Trouble::new("unreadable", error.to_string()))?;
        let outcome = match document {
            CapDocument::Messages(messages) => {
                for message in &messages {
                    self.heard(feed, message);
                }
                Ok(())
            }
            CapDocument::Feed(read) => part(self.entries(feed, client, &allowed, read)).await,
        };
        // Only of a document whose every entry was had: else the server would say that nothing is new.
        let is_whole = outcome.is_ok();
        let body = feeds.with(&feed.name, |state| {
            let before = (state.etag.take(), state.modified.take());
            if is_whole {
                (state.etag, state.modified) = (etag, modified);
            }
            let is_same = is_whole && before == (state.etag.clone(), state.modified.clone()) && state.etag.is_some();
            let row = Row {
                settings: self.0.fingerprints.get(&feed.name).cloned().unwrap_or_default(),
                etag: state.etag.clone(),
                modified: state.modified.clone(),
                seen: state.seen.iter().copied().collect(),
            };
            (!is_same).then(|| serde_json::to_vec(&row).unwrap_or_default())
        });
        if let Some(body) = body {
            self.0.keeping.keep_feed(&feed.name, body);
        }
        outcome
    }

    /// Hears what is new in a feed, the oldest first, each as soon as it is there.
    async fn entries(
        &self,
        feed: &AlertFeed,
        client: &reqwest::Client,
        allowed: &Allowed,
        read: CapFeed,
    ) -> Result<(), Trouble> {
        let feeds = &self.0.feeds;
        let is_cut = read.notes.iter().any(|note| note.code == "feed-cut");
        let mut new: Vec<(u64, FeedEntry)> = feeds.with(&feed.name, |state| {
            state.entries = read.entries.len();
            for note in &read.notes {
                state.note(note.code, &note.at);
            }
            let seen: BTreeSet<u64> = state.seen.iter().copied().collect();
            // Feeds begin with what is newest.
            let entries = read.entries.into_iter().rev().map(|entry| (entry_hash(&entry), entry));
            entries.filter(|(hash, _)| !seen.contains(hash)).collect()
        });
        new.sort_by_key(|(_, entry)| entry.updated);
        let left = new.len().saturating_sub(MAX_FETCHED);
        // A chain is told as it grew; of too much, the newest counts.
        let new = new.split_off(left);
        let mut fetching = Vec::with_capacity(new.len());
        for (hash, entry) in &new {
            fetching.push(part(async move { (*hash, entry, messages_of(entry, feed, client, allowed).await) }));
        }
        let mut coming = futures_util::stream::iter(fetching).buffered(AT_A_TIME);
        let (mut failed, mut last) = (0_usize, None);
        while let Some((hash, entry, messages)) = coming.next().await {
            let (messages, trouble) = messages;
            for message in &messages {
                self.heard(feed, message);
            }
            feeds.with(&feed.name, |state| {
                let Some(trouble) = trouble else { return state.see(hash) };
                state.note(trouble.code, &format!("{}: {}", entry.title, trouble.detail));
                let tries = state.tries.entry(hash).or_default();
                *tries = tries.saturating_add(1);
                if *tries >= MAX_TRIES {
                    tracing::warn!(
                        feed = feed.name,
                        entry = entry.id,
                        "a warning cannot be had, and is given up: {}",
                        trouble.detail
                    );
                    return state.see(hash);
                }
                failed += 1;
                last = Some(trouble);
            });
        }
        match last {
            Some(trouble) => {
                Err(Trouble { code: "some-missing", detail: format!("{failed}: {}", trouble.detail), ..trouble })
            }
            None if is_cut => Err(Trouble::new("cut", "")),
            // The rest is fetched with the next look.
            None if left > 0 => Err(Trouble::new("many", left.to_string())),
            None => Ok(()),
        }
    }

    fn heard(&self, feed: &AlertFeed, message: &CapMessage) {
        let heard = self.hear(&reference(feed), message);
        if let Heard::Raised(id) | Heard::Updated(id) = &heard {
            tracing::info!(feed = feed.name, alert = %id, notes = message.notes.len(), "a warning that concerns the home");
            self.0.feeds.with(&feed.name, |state| {
                for note in message.notes.iter().filter(|note| note.code != "signed") {
                    state.note(note.code, &note.at);
                }
            });
        }
    }
}

/// The messages of an entry: those that stand in it; else its document; else what the entry itself says, and why there is
/// nothing better.
async fn messages_of(
    entry: &FeedEntry,
    feed: &AlertFeed,
    client: &reqwest::Client,
    allowed: &Allowed,
) -> (Vec<CapMessage>, Option<Trouble>) {
    if !entry.messages.is_empty() {
        return (entry.messages.clone(), None);
    }
    let mut trouble = None;
    // The likeliest, and one more: a link that says nothing of itself may lead to a page.
    for link in entry.links.iter().take(2) {
        let Ok(url) = feed.address.join(&link.address) else {
            trouble = trouble.or(Some(Trouble::new("bad-link", &link.address)));
            continue;
        };
        match fetch::fetch(client, &url, allowed, cap::MAX_MESSAGE, &Known::default()).await {
            Ok(Fetched::Document { bytes, .. }) => match cap::read_document(&bytes) {
                Ok(CapDocument::Messages(messages)) => return (messages, None),
                Ok(CapDocument::Feed(_)) => trouble = trouble.or(Some(Trouble::new("unreadable", "a feed"))),
                Err(error) => trouble = trouble.or(Some(Trouble::new("unreadable", error.to_string()))),
            },
            Ok(Fetched::Same) => {}
            Err(error) => trouble = trouble.or(Some(error)),
        }
        if link.is_cap {
            break;
        }
    }
    let inline: Vec<CapMessage> = entry.inline.iter().cloned().collect();
    // An entry that leads nowhere and says nothing of a warning is not one: "no warnings at present".
    if trouble.is_none() || (inline.is_empty() && !entry.links.iter().any(|link| link.is_cap)) {
        return (inline, None);
    }
    (inline, trouble)
}

/// As the settings say; longer while it fails or as the server asks; never all at the same moment.
fn pause(every: Duration, failures: u32, asked: Option<Duration>) -> Duration {
    let longest = LONGEST_PAUSE.max(every);
    let backed_off = every.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(10))).min(longest);
    let base = backed_off.max(asked.unwrap_or_default());
    let mut random = [0u8; 1];
    // Without randomness there is no jitter.
    let _ = getrandom::fill(&mut random);
    let [random] = random;
    base + base.mul_f64(f64::from(random) / 255.0 / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_that_fails_is_read_less_often_and_as_its_server_asks() {
        let every = Duration::from_secs(120);
        let about = |pause: Duration, secs: u64| (secs..=secs + secs / 10 + 1).contains(&pause.as_secs());
        assert!(about(pause(every, 0, None), 120) && about(pause(every, 1, None), 120));
        assert!(about(pause(every, 3, None), 480) && about(pause(every, 40, None), 1800));
        assert!(about(pause(every, 1, Some(Duration::from_secs(3600))), 3600));
        assert!(about(pause(Duration::from_secs(7200), 9, None), 7200));
    }
}
