//! What the room hears by itself: the reflex, at once and from memory; notices of other rooms; the time. Each in a task of its
//! own, so that none waits for another's disk.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use domovoi_model::{Alert, AlertOrigin, AlertState, Id, Moment, Timestamp};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::board::Board;
use super::own::{self, NOTICE, danger_key};
use super::{Inner, marks, row};
use crate::bus::{Event, SafetyNews};

/// The reflex remembers what was open before the restart within this time.
const REMEMBERS_IN: Duration = Duration::from_secs(30);

/// What the reflex does not have, twice, so long apart, is over.
const LOOKS_APART: Duration = Duration::from_secs(2);

/// Notices are looked at anew at the latest so often.
const NOTICES_EVERY: Duration = Duration::from_secs(60);

/// The wall clock can be turned: it is looked at so often.
const TIME_EVERY: Duration = Duration::from_secs(30);

/// What is old is forgotten so often.
const THIN_EVERY: Duration = Duration::from_secs(6 * 3600);
const THIN_FIRST: Duration = Duration::from_secs(600);

impl Inner {
    /// Hears the reflex until `stop`.
    pub(super) async fn listen(self: &Arc<Self>, mut stop: watch::Receiver<bool>) {
        let ears = self.ears.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let mut ears = ears.unwrap_or_else(|| self.bus.listen());
        let mut compare_at = Some(Instant::now() + REMEMBERS_IN);
        loop {
            let compares = async {
                match compare_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let heard = tokio::select! {
                biased;
                heard = ears.recv() => Some(heard),
                () = compares => None,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            match heard {
                Some(Ok(Event::Safety(news))) => self.felt(&news),
                Some(Ok(Event::Notice(_))) => self.notices.notify_one(),
                Some(Ok(_)) => {}
                Some(Err(RecvError::Closed)) => return,
                Some(Err(RecvError::Lagged(missed))) => {
                    tracing::warn!(missed, "alerts missed what happened: they look at what stands");
                    self.raise_hazards();
                    self.notices.notify_one();
                    compare_at = Some(Instant::now());
                }
                None => {
                    self.raise_hazards();
                    // Not here: a danger that begins meanwhile must not wait.
                    let ours = Arc::clone(self);
                    tokio::spawn(async move { ours.end_hazards(LOOKS_APART).await });
                    compare_at = None;
                }
            }
        }
    }

    /// What the reflex felt.
    pub(super) fn felt(&self, news: &SafetyNews) {
        let Some(danger) = news.danger else { return };
        match news.what {
            "began" | "remembered" => {
                let room = news.device.as_ref().and_then(|device| self.rooms.get().and_then(|rooms| rooms(device)));
                if let Some(own) = own::hazard(news, room) {
                    self.raise(own);
                }
            }
            "over" => {
                let key = danger_key(danger, news.device.as_ref(), &news.property, news.test);
                self.over(AlertOrigin::Hazard, &key);
            }
            _ => {}
        }
    }

    /// Whatever the reflex has stands.
    fn raise_hazards(&self) {
        for news in self.hazards.get().map(|list| list()).unwrap_or_default() {
            self.felt(&news);
        }
    }

    /// What stands and the reflex does not have is over. Looked at twice: it may have begun just now.
    pub(super) async fn end_hazards(&self, looks_apart: Duration) {
        let first = self.missing_hazards();
        if first.is_empty() {
            return;
        }
        sleep(looks_apart).await;
        let again = self.missing_hazards();
        for (key, changed) in first.intersection(&again) {
            tracing::info!(key, changed, "a danger from before is over: the reflex does not have it");
            self.over(AlertOrigin::Hazard, key);
        }
    }

    fn missing_hazards(&self) -> BTreeSet<(String, String)> {
        let Some(list) = self.hazards.get() else { return BTreeSet::new() };
        let there: BTreeSet<String> = list()
            .iter()
            .filter_map(|news| Some(danger_key(news.danger?, news.device.as_ref(), &news.property, news.test)))
            .collect();
        let standing = self.board().standing();
        let missing =
            standing.iter().filter(|alert| alert.origin == AlertOrigin::Hazard && !there.contains(&alert.key));
        missing.map(|alert| (alert.key.clone(), format!("{:?}", alert.changed_at))).collect()
    }

    /// Follows the notices until `stop`.
    pub(super) async fn watch_notices(&self, mut stop: watch::Receiver<bool>) {
        loop {
            self.look_at_notices().await;
            tokio::select! {
                () = self.notices.notified() => {}
                () = sleep(NOTICES_EVERY) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Open notices stand as alerts, and no others.
    pub(super) async fn look_at_notices(&self) {
        let open = match self.store.notices().open().await {
            Ok(open) => open,
            Err(error) => {
                tracing::warn!("notices cannot be read, so their alerts stay as they are: {error}");
                return;
            }
        };
        let mut there = BTreeSet::new();
        for notice in &open {
            if let Some(own) = own::notice(notice) {
                there.insert((own.origin, own.key.clone()));
                self.raise(own);
            }
        }
        // Not in the loop's head: the board would be held while it runs.
        let standing = self.board().standing();
        for alert in standing {
            let is_notice = alert.key.starts_with(NOTICE) && alert.feed.is_none();
            if is_notice && !there.contains(&(alert.origin, alert.key.clone())) {
                self.over(alert.origin, &alert.key);
            }
        }
    }

    /// Ends what expires, finds room for what stands in history only, forgets what is old, until `stop`.
    pub(super) async fn watch_time(&self, mut stop: watch::Receiver<bool>) {
        let mut thin_at = Instant::now() + THIN_FIRST;
        loop {
            let wait = self.expire();
            self.settle_spilled().await;
            if Instant::now() >= thin_at {
                self.thin().await;
                thin_at = Instant::now() + THIN_EVERY;
            }
            tokio::select! {
                () = sleep(wait) => {}
                () = self.expiry.notified() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Ends what has expired, and says how long nothing does.
    pub(super) fn expire(&self) -> Duration {
        let now = self.now();
        let mut board = self.board();
        let news = board.expire(now);
        self.tell(&mut board, news);
        let next = board.next_expiry().zip(now.trusted).map(|(at, now)| at.0.saturating_sub(now.0).max(0));
        let next = next.and_then(|millis| u64::try_from(millis).ok()).map(|millis| Duration::from_millis(millis + 1));
        next.unwrap_or(TIME_EVERY).min(TIME_EVERY)
    }

    /// Alerts that found no place in memory stand in history: those whose time is over or whose message was taken back end
    /// there, others come in when there is room.
    pub(super) async fn settle_spilled(&self) {
        {
            let board = self.board();
            if !board.has_spilled
                || (board.room() == 0 && board.to_end.is_empty() && board.len() > 0 && !self.is_quiet(&board))
            {
                return;
            }
        }
        if tokio::time::timeout(TIME_EVERY, self.keeping.settled()).await.is_err() {
            return;
        }
        let Ok((rows, _)) = self.store.alerts().standing(super::RECALLED).await else { return };
        let now = self.now();
        let mut board = self.board();
        let to_end: BTreeSet<Id> = std::mem::take(&mut board.to_end).into_iter().collect();
        let mut left = false;
        for row in &rows {
            if board.get(row.id).is_some() {
                continue;
            }
            let Some(alert) = row::alert_of(row).filter(Alert::stands) else { continue };
            let is_late = alert.expires.zip(now.trusted).is_some_and(|(expires, now)| expires <= now);
            let state = if to_end.contains(&alert.id) {
                AlertState::Cancelled
            } else if is_late {
                AlertState::Expired
            } else if board.room() > 0 {
                board.adopt(Arc::new(alert));
                continue;
            } else {
                left = true;
                continue;
            };
            let ended = Alert { state, changed_at: now.moment, ended_at: Some(now.moment), ..alert };
            let news = crate::bus::AlertNews { alert: Arc::new(ended), change: crate::bus::AlertChange::Over };
            self.tell(&mut board, vec![news]);
        }
        board.has_spilled = left;
    }

    /// Whether it is time to look at what has no place in memory although there is no room: some of it may have expired.
    fn is_quiet(&self, board: &Board) -> bool {
        let changed = board.standing().iter().filter_map(|alert| alert.changed_at.wall()).max();
        changed.zip(self.clock.trusted()).is_some_and(|(changed, now)| now.0.saturating_sub(changed.0) > 600_000)
    }

    /// Forgets what is older than the settings say.
    pub(super) async fn thin(&self) {
        let Some(now) = self.clock.trusted() else { return };
        let keep = i64::try_from(self.section.keep.as_millis()).unwrap_or(i64::MAX);
        let before = Timestamp(now.0.saturating_sub(keep));
        match self.store.alerts().thin(before, now, marks::MAX_MARKS).await {
            Ok(0) => {}
            Ok(rows) => tracing::info!(rows, "old alerts were forgotten"),
            Err(error) => tracing::warn!("old alerts cannot be forgotten now: {error}"),
        }
        self.board().marks.forget(now);
    }

    /// The wall time of a moment of this run, where it is known by now.
    pub(super) fn resolved(&self, moment: Moment) -> Moment {
        match moment {
            Moment::SinceBoot { boot, millis } if boot == self.clock.boot() => {
                self.clock.boot_began_at().map_or(moment, |began| Moment::Wall(began.plus_millis(millis)))
            }
            other => other,
        }
    }
}
