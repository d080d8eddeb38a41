//! Keeps one camera's session alive for ever: opens, passes items on, waits, tries again; says how it stands. Nothing that
//! happens here, a panic included, reaches another camera.
//! Deliberately no words for people and no notices: `Status` is watched by whoever has them.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::feed::Feed;
use super::{Options, Session, Trouble, clean};
use crate::frame::Item;
use crate::relay;

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
/// A camera without a free place frees one when it gives up on a dead viewer, or when somebody closes a page.
const LONGEST_BUSY: Duration = Duration::from_secs(10);
/// Where only a person can help: cameras lock an account after a handful of wrong passwords.
const SHORTEST_HOPELESS: Duration = Duration::from_secs(30);
const LONGEST_HOPELESS: Duration = Duration::from_secs(300);
/// Between two looks whether anything listens at the address of a camera that is gone. They make the return of a camera
/// that was away for an hour as quick as that of one that was away for a second.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// While a camera starts, and for one that answers nothing: it is to be seen within five seconds when it does.
const LONGEST_NEAR: Duration = Duration::from_secs(4);
/// How long a camera may take from its first open port to its first picture.
const STARTING: Duration = Duration::from_secs(120);
/// A session that lasted this long was well: the next trouble begins a new count.
const WELL: Duration = Duration::from_secs(10);

/// How a camera stands. Times are those of the wall clock that was handed in, in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub state: State,
    /// Tries since it was last online, the current one included.
    pub tries: u32,
    /// Streams of the camera that are not kept, in its words.
    pub left_out: Vec<String>,
    /// How far the camera's clock is ahead of ours, as it says.
    pub clock_offset_ms: Option<i64>,
    /// Frames that the reader was too slow for, since the beginning.
    pub frames_left_out: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// No try has ended yet.
    Starting,
    Online {
        since: i64,
    },
    /// Since when there are no frames, and why the last try failed.
    Offline {
        since: i64,
        trouble: Trouble,
    },
    Stopped,
}

impl Status {
    pub fn starting() -> Status {
        Status { state: State::Starting, tries: 0, left_out: Vec::new(), clock_offset_ms: None, frames_left_out: 0 }
    }
}

/// Runs until `shutdown` is true (or its sender gone) or nobody reads. Ends with TEARDOWN.
pub async fn supervise(
    options: Options,
    feed: Feed,
    status: watch::Sender<Status>,
    mut shutdown: watch::Receiver<bool>,
) {
    // After a power cut the hub and its cameras start together.
    let mut backoff = Backoff::starting();
    loop {
        status.send_modify(|status| status.tries = status.tries.saturating_add(1));
        let begun = Instant::now();
        let once = AssertUnwindSafe(run_once(&options, &feed, &status, &mut shutdown)).catch_unwind().await;
        let trouble = match once {
            Ok(None) => break,
            Ok(Some(trouble)) => trouble,
            Err(panic) => Trouble::Ours { text: words_of(&*panic) },
        };
        tracing::info!(camera = %options.address, code = trouble.code(), "{trouble}");
        let was_well = matches!(status.borrow().state, State::Online { .. }) && begun.elapsed() >= WELL;
        let now = (options.wall)();
        status.send_modify(|status| {
            let since = match status.state {
                State::Offline { since, .. } => since,
                _ => now,
            };
            status.state = State::Offline { since, trouble: trouble.clone() };
            status.frames_left_out = feed.left_out();
        });
        if was_well {
            backoff = Backoff::starting();
        }
        if !wait(&options, &trouble, &mut backoff, &mut shutdown).await {
            break;
        }
    }
    status.send_modify(|status| status.state = State::Stopped);
}

/// One session from its opening to its end. `None`: nobody wants it any more.
async fn run_once(
    options: &Options,
    feed: &Feed,
    status: &watch::Sender<Status>,
    shutdown: &mut watch::Receiver<bool>,
) -> Option<Trouble> {
    let opened = tokio::select! {
        opened = Box::pin(Session::open(options.clone())) => opened,
        () = over(shutdown) => return None,
    };
    let mut session = match opened {
        Ok(session) => session,
        Err(trouble) => return Some(trouble),
    };
    let trouble = loop {
        let item = tokio::select! {
            item = session.next() => item,
            () = over(shutdown) => break None,
        };
        if feed.is_abandoned() {
            break None;
        }
        match item {
            Ok(item) => {
                tell(&item, &session, options, feed, status);
                feed.push(item);
            }
            Err(trouble) => break Some(trouble),
        }
    };
    session.close().await;
    trouble
}

/// Online begins with the first run, not with PLAY: many a camera plays and sends nothing.
fn tell(item: &Item, session: &Session, options: &Options, feed: &Feed, status: &watch::Sender<Status>) {
    if !matches!(item, Item::Begins { .. } | Item::Placed { .. }) {
        return;
    }
    let now = (options.wall)();
    status.send_if_modified(|status| {
        let before = status.clone();
        if !matches!(status.state, State::Online { .. }) {
            status.state = State::Online { since: now };
            status.tries = 0;
        }
        status.left_out = session.left_out().to_vec();
        status.clock_offset_ms = session.clock_offset_ms();
        status.frames_left_out = feed.left_out();
        *status != before
    });
}

/// Resolves when the session is to end.
async fn over(shutdown: &mut watch::Receiver<bool>) {
    // A sender that is gone cannot say anything any more: that is an end as well.
    let _ = shutdown.wait_for(|over| *over).await;
}

/// Waits until the next try. False: there is none.
async fn wait(
    options: &Options,
    trouble: &Trouble,
    backoff: &mut Backoff,
    shutdown: &mut watch::Receiver<bool>,
) -> bool {
    let until = Instant::now() + backoff.next(trouble);
    let mut limits = options.limits.clone();
    limits.connect = limits.connect.min(LOOK_EVERY);
    let look = async {
        loop {
            sleep(LOOK_EVERY).await;
            if relay::listens(&options.address, &options.policy, &limits).await {
                return;
            }
        }
    };
    tokio::select! {
        () = over(shutdown) => false,
        () = sleep_until(until) => true,
        () = look, if trouble.is_absence() => {
            // It is back. A device that boots listens before it serves: from here on it is tried often again.
            *backoff = Backoff::starting();
            true
        }
    }
}

#[derive(Default)]
struct Backoff {
    last: Option<Duration>,
    /// Until when it is expected any moment.
    near_until: Option<Instant>,
}

impl Backoff {
    /// For a camera that was well a moment ago, or that listens again: what it answers while it boots (404, 503, an end) is
    /// not its last word.
    fn starting() -> Backoff {
        Backoff { last: None, near_until: Some(Instant::now() + STARTING) }
    }

    /// Doubles up to the longest pause of this trouble; a quarter of it is chance, so that the cameras of a house that lost
    /// its power do not all come at once.
    fn next(&mut self, trouble: &Trouble) -> Duration {
        let near = self.near_until.is_some_and(|until| Instant::now() < until);
        let (shortest, longest) = match trouble {
            // A wrong password is never tried in a row.
            Trouble::Unauthorized { .. } => (SHORTEST_HOPELESS, LONGEST_HOPELESS),
            // Such a try is itself a wait for the answer.
            Trouble::Timeout { .. } => (SHORTEST, LONGEST_NEAR),
            _ if near => (SHORTEST, LONGEST_NEAR),
            Trouble::Busy { .. } => (SHORTEST, LONGEST_BUSY),
            trouble if trouble.needs_somebody() => (SHORTEST_HOPELESS, LONGEST_HOPELESS),
            _ => (SHORTEST, LONGEST),
        };
        let pause = self.last.map_or(shortest, |last| last.saturating_mul(2)).clamp(shortest, longest);
        self.last = Some(pause);
        let chance = domovoi_vault::random::<1>().map_or(0, |[byte]| u32::from(byte));
        pause.saturating_mul(768 + chance) / 1024
    }
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    clean(words.unwrap_or("a panic without words"), &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_that_depends_on_the_trouble() {
        for (trouble, shortest, longest) in [
            (Trouble::Closed, SHORTEST, LONGEST),
            (Trouble::Busy { status: 503 }, SHORTEST, LONGEST_BUSY),
            (Trouble::Unauthorized { given: true }, SHORTEST_HOPELESS, LONGEST_HOPELESS),
            (Trouble::NotFound, SHORTEST_HOPELESS, LONGEST_HOPELESS),
            (Trouble::Timeout { step: super::super::Step::Describe, after: SHORTEST }, SHORTEST, LONGEST_NEAR),
        ] {
            let mut backoff = Backoff::default();
            let first = backoff.next(&trouble);
            assert!(first >= shortest * 3 / 4 && first <= shortest, "{first:?}");
            for _ in 0..20 {
                assert!(backoff.next(&trouble) <= longest);
            }
            assert!(backoff.next(&trouble) >= longest * 3 / 4);
        }
    }
    #[test]
    fn a_camera_that_starts_is_expected_any_moment() {
        let mut backoff = Backoff::starting();
        for trouble in [Trouble::NotFound, Trouble::Busy { status: 503 }, Trouble::Closed].iter().cycle().take(30) {
            assert!(backoff.next(trouble) <= LONGEST_NEAR);
        }
        assert!(backoff.next(&Trouble::Unauthorized { given: true }) > LONGEST_NEAR);
        backoff.near_until = Some(Instant::now());
        assert!(backoff.next(&Trouble::NotFound) > LONGEST_NEAR);
    }
}
