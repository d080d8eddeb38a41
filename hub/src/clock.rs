//! The only room that reads wall time. Everybody else is handed a value or this clock.
//!
//! A Raspberry Pi without a battery boots in 1970, or at the time of its last shutdown. Until the wall clock can be
//! true it is not trusted: moments are counted from the start of the daemon and no act is signed. It can be true when it
//! lies in this program's lifetime, not before what has certainly been, and when the system's own time service, where
//! one runs, has set it (or a battery-backed clock has). Monotonic
//! `tokio::time` is free everywhere; this room is not about it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use domovoi_model::{BootId, Id, Moment, Timestamp};

/// 2026-11-01T00:00:00Z: this program did not exist before it, so a clock that says less is wrong.
const BUILT_AFTER: Timestamp = Timestamp(1_793_491_200_000);

/// Twenty years after it: a clock that says more is wrong too.
const GONE_BY: Timestamp = Timestamp(BUILT_AFTER.0 + 20 * 365 * 86_400_000);

/// How far a clock may stand behind a moment that is known to have been before it is called wrong.
const TOLERATED_STEP_BACK_MILLIS: i64 = 10 * 60 * 1000;

/// Made by systemd-timesyncd: the folder while it runs, the file once it has set the clock.
const TIME_SERVICE: &str = "/run/systemd/timesync";

/// `1` when the kernel took the time from a battery-backed clock at boot.
const BATTERY_CLOCK: &str = "/sys/class/rtc/rtc0/hctosys";

enum WallSource {
    System,
    ByHand(AtomicI64),
    /// The process test writes milliseconds into this file; an unreadable file means the system's clock.
    #[cfg(feature = "test-clock")]
    File(std::path::PathBuf),
}

struct Inner {
    wall: WallSource,
    boot: BootId,
    started: Instant,
    /// Somebody has set the clock; that does not come undone.
    set: AtomicBool,
    /// The latest moment that is known to have been: nothing earlier can be now.
    floor: AtomicI64,
    /// What the hand-turned clock adds to the monotonic one, so that `SinceBoot` moments move with it.
    started_wall: Mutex<Timestamp>,
}

/// A clock that can be handed around. Clones are the same clock.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

impl Clock {
    /// The clock of a new run of the daemon. Built with `test-clock`, the file that `DOMOVOI_TEST_CLOCK` names overrules
    /// the machine's.
    pub fn for_this_run() -> std::io::Result<Self> {
        let mut bytes = [0u8; 16];
        getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
        let boot = Id(uuid::Builder::from_random_bytes(bytes).into_uuid().into_bytes());
        #[cfg(feature = "test-clock")]
        if let Some(path) = std::env::var_os("DOMOVOI_TEST_CLOCK") {
            return Ok(Self::from_file(boot, path.into()));
        }
        Ok(Self::system(boot))
    }

    /// The machine's clock.
    pub fn system(boot: Id) -> Self {
        Self::with(WallSource::System, boot)
    }

    /// A clock that a test turns by hand with `set`.
    pub fn by_hand(boot: Id, at: Timestamp) -> Self {
        Self::with(WallSource::ByHand(AtomicI64::new(at.0)), boot)
    }

    /// The machine's clock, overruled by a file of milliseconds while that file can be read.
    #[cfg(feature = "test-clock")]
    pub fn from_file(boot: Id, path: std::path::PathBuf) -> Self {
        Self::with(WallSource::File(path), boot)
    }

    fn with(wall: WallSource, boot: Id) -> Self {
        let clock = Clock(Arc::new(Inner {
            wall,
            boot: BootId(boot),
            started: Instant::now(),
            set: AtomicBool::new(false),
            floor: AtomicI64::new(BUILT_AFTER.0),
            started_wall: Mutex::new(Timestamp(0)),
        }));
        *clock.0.started_wall.lock().unwrap_or_else(PoisonError::into_inner) = clock.wall();
        clock
    }

    /// What the wall clock says, true or not. For showing and for scheduling retries; never for signing.
    pub fn wall(&self) -> Timestamp {
        match &self.0.wall {
            WallSource::System => system_time(),
            WallSource::ByHand(at) => Timestamp(at.load(Ordering::SeqCst)),
            #[cfg(feature = "test-clock")]
            WallSource::File(path) => std::fs::read_to_string(path)
                .ok()
                .and_then(|text| text.trim().parse().ok())
                .map_or_else(system_time, Timestamp),
        }
    }

    /// The wall time, if it can be true.
    pub fn trusted(&self) -> Option<Timestamp> {
        let wall = self.wall();
        let floor = self.0.floor.load(Ordering::SeqCst);
        let possible = wall.0 >= floor.saturating_sub(TOLERATED_STEP_BACK_MILLIS) && wall < GONE_BY;
        (possible && self.was_set()).then_some(wall)
    }

    /// The wall time, if it can be true; else the latest moment that is known to have been.
    pub fn at_least(&self) -> Timestamp {
        self.trusted().unwrap_or_else(|| Timestamp(self.0.floor.load(Ordering::SeqCst)))
    }

    /// Whether somebody who can know has set the machine's clock. Where no time service runs (another one's, a
    /// container's host), there is nothing to ask.
    fn was_set(&self) -> bool {
        if !matches!(self.0.wall, WallSource::System) || self.0.set.load(Ordering::Relaxed) {
            return true;
        }
        let set = is_set(Path::new(TIME_SERVICE), Path::new(BATTERY_CLOCK));
        self.0.set.store(set, Ordering::Relaxed);
        set
    }

    /// Now, as a sample keeps it: wall time if that is trusted, else the time since this run began.
    pub fn moment(&self) -> Moment {
        match self.trusted() {
            Some(at) => Moment::Wall(at),
            None => Moment::SinceBoot { boot: self.0.boot, millis: self.since_boot_millis() },
        }
    }

    /// Which run of the daemon this is.
    pub fn boot(&self) -> BootId {
        self.0.boot
    }

    /// Milliseconds since this run began. A hand-turned clock moves it too.
    pub fn since_boot_millis(&self) -> i64 {
        match &self.0.wall {
            WallSource::ByHand(at) => {
                let start = *self.0.started_wall.lock().unwrap_or_else(PoisonError::into_inner);
                at.load(Ordering::SeqCst).saturating_sub(start.0)
            }
            _ => i64::try_from(self.0.started.elapsed().as_millis()).unwrap_or(i64::MAX),
        }
    }

    /// Milliseconds that always go on: the machine's, and beside them what a hand-turned clock was turned. For what is
    /// repeated after a while.
    pub fn ticking_millis(&self) -> i64 {
        let machine = i64::try_from(self.0.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        match &self.0.wall {
            WallSource::ByHand(_) => machine.saturating_add(self.since_boot_millis()),
            _ => machine,
        }
    }

    /// Wall time of the start of this run, once the clock is trusted: what `SinceBoot` moments are to be added to.
    pub fn boot_began_at(&self) -> Option<Timestamp> {
        self.trusted().map(|now| now.plus_millis(-self.since_boot_millis()))
    }

    /// Tells the clock of a moment that has certainly been (the newest thing in the store).
    pub fn certainly_after(&self, at: Timestamp) {
        self.0.floor.fetch_max(at.0, Ordering::SeqCst);
    }

    /// Turns a hand-turned clock. Does nothing to the machine's clock.
    pub fn set(&self, to: Timestamp) {
        if let WallSource::ByHand(at) = &self.0.wall {
            let since = self.since_boot_millis();
            let was_wrong = self.trusted().is_none();
            at.store(to.0, Ordering::SeqCst);
            // A correction of a wrong clock takes no time: the run did not begin decades ago.
            if was_wrong && self.trusted().is_some() {
                *self.0.started_wall.lock().unwrap_or_else(PoisonError::into_inner) = to.plus_millis(-since);
            }
        }
    }
}

fn is_set(time_service: &Path, battery_clock: &Path) -> bool {
    !time_service.is_dir()
        || time_service.join("synchronized").exists()
        || std::fs::read_to_string(battery_clock).is_ok_and(|text| text.trim() == "1")
}

fn system_time() -> Timestamp {
    let millis = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(_) => 0,
    };
    Timestamp(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_year_1970_is_not_believed_and_moments_count_from_the_start() {
        let clock = Clock::by_hand(Id([1; 16]), Timestamp(5_000));
        assert_eq!(clock.trusted(), None);
        clock.set(Timestamp(9_000));
        assert_eq!(clock.moment(), Moment::SinceBoot { boot: clock.boot(), millis: 4_000 });
        let now = Timestamp(BUILT_AFTER.0 + 1_000_000);
        clock.set(now);
        assert_eq!(clock.trusted(), Some(now));
        assert_eq!(clock.boot_began_at(), Some(now.plus_millis(-4_000)));
    }

    #[test]
    fn a_time_service_that_has_not_set_the_clock_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (service, battery) = (folder.path().join("timesync"), folder.path().join("hctosys"));
        assert!(is_set(&service, &battery), "no service runs: there is nobody to wait for");
        std::fs::create_dir(&service).unwrap();
        std::fs::write(&battery, "0\n").unwrap();
        assert!(!is_set(&service, &battery));
        std::fs::write(&battery, "1\n").unwrap();
        assert!(is_set(&service, &battery));
        std::fs::remove_file(&battery).unwrap();
        std::fs::write(service.join("synchronized"), "").unwrap();
        assert!(is_set(&service, &battery));
    }

    #[test]
    fn a_clock_behind_what_has_certainly_been_is_not_believed() {
        let clock = Clock::by_hand(Id([1; 16]), Timestamp(BUILT_AFTER.0 + 1));
        clock.certainly_after(Timestamp(BUILT_AFTER.0 + 86_400_000));
        assert_eq!(clock.trusted(), None);
        clock.set(Timestamp(BUILT_AFTER.0 + 86_400_000 - 60_000));
        assert!(clock.trusted().is_some(), "a step back of a minute is an NTP correction");
    }
}
