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
/// For a camera that was well within the hour: it is to be seen within five seconds of its return, and may need two of
/// them for its first key frame.
const LONGEST_RECENT: Duration = Duration::from_millis(2_500);
const RECENT: Duration = Duration::from_secs(3600);
const LONGEST: Duration = Duration::from_secs(15);
/// A camera without a free place frees one when it gives up on a dead viewer, or when somebody closes a page.
const LONGEST_BUSY: Duration = Duration::from_secs(10);
/// For a camera that breaks the protocol or floods: each try is work that it makes for the hub.
const LONGEST_ODD: Duration = Duration::from_secs(30);
/// Where only a person can help: cameras lock an account after a handful of wrong passwords.
const SHORTEST_HOPELESS: Duration = Duration::from_secs(30);
const LONGEST_HOPELESS: Duration = Duration::from_secs(300);
/// How long a camera may take from its first open port to its first picture: what it answers while it boots (404, 503, an
/// end) is not its last word.
const STARTING: Duration = Duration::from_secs(120);
/// Between two looks whether anything listens at the address of a camera that is gone. They make the return of a camera
/// that was away for a day as quick as that of one that was away for a second.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// For one connection to an address where nothing answered last time. The kernel repeats its first packet after 1, 3 and
/// 7 s: a new connection sees a camera that is back sooner than one that waits.
const LOOK: Duration = Duration::from_secs(2);
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
    let patient = options.limits.connect;
    let mut options = options;
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
        options.limits.connect = if trouble.is_absence() { patient.min(LOOK) } else { patient };
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
    limits.connect = limits.connect.min(LOOK);
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
    /// When it was well, or seen to listen again, for the last time.
    well: Option<Instant>,
}

impl Backoff {
    fn starting() -> Backoff {
        Backoff { last: None, well: Some(Instant::now()) }
    }

    /// Doubles up to the longest pause of this trouble; a quarter of it is chance, so that the cameras of a house that lost
    /// its power do not all come at once.
    fn next(&mut self, trouble: &Trouble) -> Duration {
        let well_within = |time: Duration| self.well.is_some_and(|well| well.elapsed() < time);
        let (shortest, longest) = match trouble {
            // A wrong password is never tried in a row.
            Trouble::Unauthorized { .. } => (SHORTEST_HOPELESS, LONGEST_HOPELESS),
            Trouble::TooMuch { .. } | Trouble::Protocol { .. } => (SHORTEST, LONGEST_ODD),
            trouble if trouble.needs_somebody() && !well_within(STARTING) => (SHORTEST_HOPELESS, LONGEST_HOPELESS),
            _ if well_within(RECENT) => (SHORTEST, LONGEST_RECENT),
            // Such a try is itself a wait for the answer.
            Trouble::Timeout { .. } => (SHORTEST, LONGEST_RECENT),
            Trouble::Busy { .. } => (SHORTEST, LONGEST_BUSY),
            _ => (SHORTEST, LONGEST),
        };
        let pause = self.last.map_or(shortest, |last| last.saturating_mul(2)).clamp(shortest, longest);
        self.last = Some(pause);
        let chance = domovoi_vault::random::<1>().map_or(0, |[byte]| u32::from(byte));
        pause.saturating_mul(768 + chance) / 1024
    }
}

pub(super) fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    clean(words.unwrap_or("a panic without words"), &[])
}

#[cfg(test)]
mod tests {
    use super::super::{Excess, Step};
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_that_depends_on_the_trouble() {
        for (trouble, shortest, longest) in [
            (Trouble::Closed, SHORTEST, LONGEST),
            (Trouble::Busy { status: 503 }, SHORTEST, LONGEST_BUSY),
            (Trouble::Unauthorized { given: true }, SHORTEST_HOPELESS, LONGEST_HOPELESS),
            (Trouble::NotFound, SHORTEST_HOPELESS, LONGEST_HOPELESS),
            (Trouble::TooMuch { of: Excess::Runs, limit: 1 }, SHORTEST, LONGEST_ODD),
            (Trouble::Timeout { step: Step::Describe, after: SHORTEST }, SHORTEST, LONGEST_RECENT),
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
            assert!(backoff.next(trouble) <= LONGEST_RECENT);
        }
        assert!(backoff.next(&Trouble::Unauthorized { given: true }) > LONGEST_RECENT);
        backoff.last = None;
        backoff.well = Instant::now().checked_sub(STARTING);
        assert!(backoff.next(&Trouble::NotFound) > LONGEST_RECENT, "now it is its last word");
        backoff.last = None;
        for _ in 0..20 {
            assert!(backoff.next(&Trouble::Closed) <= LONGEST_RECENT);
        }
        backoff.well = Instant::now().checked_sub(RECENT);
        for _ in 0..20 {
            backoff.next(&Trouble::Closed);
        }
        assert!(backoff.next(&Trouble::Closed) > LONGEST_RECENT);
    }
}
