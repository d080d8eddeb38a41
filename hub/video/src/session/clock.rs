//! Where a run lies in the hub's wall time. The start is the least over frames of (time of arrival - media time elapsed):
//! the least delayed frame wins, and a camera's initial burst does not matter. After that the start follows the hub's clock
//! by at most 500 ppm. The camera's own clock has no say: some are years off, and they step.
//! Deliberately no reading of wall time: it is handed in with each frame.

use std::sync::Arc;
use std::time::{Duration, Instant};

/// Milliseconds since 1970.
pub type WallClock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The start may move freely while the first frames come.
const SETTLING: Duration = Duration::from_secs(10);
const WINDOW: Duration = Duration::from_secs(60);
/// 500 ppm of a window.
const SLEW_MS: i64 = 30;
/// A wall clock that went this far without the monotonic one was set.
const JUMP_MS: i64 = 2_000;
/// A smaller gain while settling is not worth a word.
const WORTH_MS: i64 = 5;

/// What a frame says of the run's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Nothing,
    /// The start is better known.
    Placed(i64),
    /// The wall clock was set: what follows belongs into another run.
    ClockSet,
}

/// When a frame came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) received: Instant,
    pub(super) now: Instant,
    pub(super) wall_now: i64,
}

impl Arrival {
    fn wall_received(&self) -> i64 {
        self.wall_now.saturating_sub(millis(self.now.saturating_duration_since(self.received)))
    }
}

pub(super) struct Placement {
    started: i64,
    told: i64,
    told_at: Instant,
    begun: Instant,
    settled: bool,
    window: Option<i64>,
    window_begun: Instant,
    wall_before: i64,
    now_before: Instant,
}

impl Placement {
    /// `elapsed_ms`: media time of the run's first frame, which is not zero where frames are shown later than decoded.
    pub(super) fn begin(arrival: Arrival, elapsed_ms: i64) -> Placement {
        let started = arrival.wall_received().saturating_sub(elapsed_ms);
        Placement {
            started,
            told: started,
            told_at: arrival.now,
            begun: arrival.now,
            settled: false,
            window: None,
            window_begun: arrival.now,
            wall_before: arrival.wall_now,
            now_before: arrival.now,
        }
    }

    pub(super) fn started(&self) -> i64 {
        self.started
    }

    pub(super) fn observe(&mut self, arrival: Arrival, elapsed_ms: i64) -> Verdict {
        let expected = self.wall_before.saturating_add(millis(arrival.now.saturating_duration_since(self.now_before)));
        self.wall_before = arrival.wall_now;
        self.now_before = arrival.now;
        if arrival.wall_now.abs_diff(expected) > JUMP_MS.unsigned_abs() {
            return Verdict::ClockSet;
        }
        let candidate = arrival.wall_received().saturating_sub(elapsed_ms);
        if !self.settled {
            self.started = self.started.min(candidate);
            self.settled = arrival.now.saturating_duration_since(self.begun) >= SETTLING;
            self.window_begun = arrival.now;
            let rested = arrival.now.saturating_duration_since(self.told_at) >= Duration::from_secs(1);
            if (rested || self.settled) && self.told.saturating_sub(self.started) >= WORTH_MS {
                return self.tell(arrival.now);
            }
            return Verdict::Nothing;
        }
        let least = self.window.map_or(candidate, |least| least.min(candidate));
        self.window = Some(least);
        if arrival.now.saturating_duration_since(self.window_begun) < WINDOW {
            return Verdict::Nothing;
        }
        self.window = None;
        self.window_begun = arrival.now;
        let step = least.saturating_sub(self.started).clamp(-SLEW_MS, SLEW_MS);
        self.started = self.started.saturating_add(step);
        if self.started == self.told { Verdict::Nothing } else { self.tell(arrival.now) }
    }

    fn tell(&mut self, now: Instant) -> Verdict {
        self.told = self.started;
        self.told_at = now;
        Verdict::Placed(self.started)
    }
}

pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: i64 = 1_700_000_000_000;

    struct World(Instant);

    impl World {
        /// At `at_ms` of monotonic time, with the wall clock `off_ms` from it.
        fn at(&self, at_ms: i64, off_ms: i64) -> Arrival {
            let now = self.0 + Duration::from_millis(at_ms.unsigned_abs());
            Arrival { received: now, now, wall_now: WALL + at_ms + off_ms }
        }
    }

    #[test]
    fn a_burst_at_the_beginning_does_not_matter() {
        let world = World(Instant::now());
        // The camera held two seconds back and sends them at once: frame 0 is two seconds old when it comes.
        let mut place = Placement::begin(world.at(2_000, 0), 0);
        assert_eq!(place.started(), WALL + 2_000);
        let mut told = Vec::new();
        for elapsed in (100..15_000).step_by(100) {
            let arrives = elapsed.max(2_000) + 20 + elapsed % 30;
            if let Verdict::Placed(started) = place.observe(world.at(arrives, 0), elapsed) {
                told.push(started);
            }
        }
        assert!((WALL + 20..WALL + 50).contains(&place.started()), "{}", place.started() - WALL);
        assert!(told.len() <= 3 && told.last() == Some(&place.started()), "{told:?}");
    }

    #[test]
    fn a_camera_that_counts_too_fast_is_followed_slowly() {
        let world = World(Instant::now());
        let mut place = Placement::begin(world.at(0, 0), 0);
        let mut before = place.started();
        // 1,000 ppm fast: media time says more than passed.
        for second in 1..3_600i64 {
            if let Verdict::Placed(started) = place.observe(world.at(second * 1_000, 0), second * 1_001) {
                assert!((started - before).abs() <= SLEW_MS || second <= 10, "{second}");
                before = started;
            }
        }
        let moved = WALL - place.started();
        assert!((1_500..=1_850).contains(&moved), "{moved} ms in an hour is about 500 ppm");
    }

    #[test]
    fn a_clock_that_is_set_ends_the_run_and_one_that_is_slewed_does_not() {
        let world = World(Instant::now());
        let mut place = Placement::begin(world.at(0, 0), 0);
        for second in 1..100i64 {
            assert_ne!(place.observe(world.at(second * 1_000, second * 50), second * 1_000), Verdict::ClockSet);
        }
        assert_eq!(place.observe(world.at(100_000, 100 * 50 + 2_500), 100_000), Verdict::ClockSet);
        // A Pi boots in 1970.
        let mut place = Placement::begin(world.at(0, -WALL), 0);
        assert_eq!(place.observe(world.at(1_000, 0), 1_000), Verdict::ClockSet);
    }
}
