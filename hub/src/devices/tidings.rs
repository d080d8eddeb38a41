//! What devices want of people: a warning that stands, a device that is silent for longer than it says that it ever is, a
//! radio meter that wants its key. Each is told once and taken back when it is over. Only of devices that somebody accepted:
//! the neighbours' meters are heard too. No reflex comes of it, and it decides nothing about readings.
//!
//! How things stand is looked at as a whole, so that nothing hangs on an event that was missed: a warning is what its
//! property said last, also before a restart; what nobody knows is neither raised nor taken back. Silence is measured by the
//! monotonic clock where the device was heard in this run, so that a clock that jumps raises nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domovoi_adapters::{Announcement, Lock, PropertyInfo, Warning};
use domovoi_model::{DeviceRef, Observation, Sample, Value};
use domovoi_store::{Notice, StoreError};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::live::{LiveDevice, Now, lock};
use super::view::name_of;
use super::{Inner, Standing};
use crate::bus::Event;

/// It is looked at so often although nothing rings, and again after so long where it could not be kept.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// What rings meanwhile is looked at together.
const BREATH: Duration = Duration::from_secs(1);

/// After a start the house has not listened for long: whoever was silent before may speak now. At the most so long.
const LISTENS_FIRST: Duration = Duration::from_secs(3600);

/// How the keys of notices begin; the device follows, and after a slash the property.
const WARNS: &str = "device_warns:";
const SILENT: &str = "device_silent:";
const LOCKED: &str = "meter_locked:";

/// What is known to be raised, by its key: the kind.
pub(super) struct Tidings {
    raised: Mutex<BTreeMap<String, String>>,
    bell: Notify,
    since: Instant,
    /// Somebody is told to be silent: nothing is looked up as long as nobody is.
    some_silent: AtomicBool,
}

impl Default for Tidings {
    fn default() -> Self {
        Tidings {
            raised: Mutex::default(),
            bell: Notify::new(),
            since: Instant::now(),
            some_silent: AtomicBool::new(false),
        }
    }
}

/// What is to become of a notice.
enum Wanted {
    Raise(&'static str, Vec<(&'static str, String)>),
    /// Nobody knows whether it is still so.
    Stay,
}

type AllWanted = BTreeMap<String, Wanted>;

impl Tidings {
    pub(super) fn ring(&self) {
        self.bell.notify_one();
    }

    /// A device has spoken: it rings if people were told that it is silent.
    pub(super) fn heard(&self, observations: &[Observation]) {
        if !self.some_silent.load(Ordering::Relaxed) {
            return;
        }
        let raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        let told = |one: &Observation| raised.contains_key(&format!("{SILENT}{}", one.device));
        if observations.chunk_by(|a, b| a.device == b.device).filter_map(<[Observation]>::first).any(told) {
            self.ring();
        }
    }

    /// A property that warns was recorded: it rings if that is otherwise than what people were told.
    pub(super) fn recorded(&self, info: &PropertyInfo, sample: &Sample) {
        let raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        if info.cautions(&sample.value) != raised.contains_key(&warns_key(&sample.device, &sample.property)) {
            self.ring();
        }
    }
}

fn warns_key(device: &DeviceRef, property: &str) -> String {
    format!("{WARNS}{device}/{property}")
}

/// The kind of the notice of a warning.
fn kind_of(warning: Warning) -> &'static str {
    match warning {
        Warning::Battery => "device_warns_battery",
        Warning::Tamper => "device_warns_tamper",
        Warning::Fault => "device_warns_fault",
        Warning::Overload => "device_warns_overload",
        Warning::Leak => "device_warns_leak",
        Warning::Backflow => "device_warns_backflow",
        Warning::Burst => "device_warns_burst",
        Warning::Frost => "device_warns_frost",
    }
}

impl Inner {
    /// Looks and tells until `stop` turns true.
    pub(super) async fn tell_tidings(&self, mut stop: watch::Receiver<bool>) {
        let mut recalled = false;
        loop {
            if !recalled {
                match self.recall_tidings().await {
                    Ok(()) => recalled = true,
                    Err(error) => tracing::warn!("what was told of devices cannot be read: {error}"),
                }
            }
            let mut look_in = LOOK_EVERY;
            if recalled {
                match self.settle_tidings().await {
                    Ok(soonest) => look_in = soonest.unwrap_or(LOOK_EVERY).min(LOOK_EVERY),
                    Err(error) => tracing::warn!("what devices want of people cannot be told yet: {error}"),
                }
            }
            tokio::select! {
                () = self.tidings.bell.notified() => {}
                () = tokio::time::sleep(look_in) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            tokio::select! {
                () = tokio::time::sleep(BREATH) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// What was told before the restart stands until somebody knows better.
    async fn recall_tidings(&self) -> Result<(), StoreError> {
        let open = self.store.notices().open().await?;
        let ours =
            open.into_iter().filter(|open| [WARNS, SILENT, LOCKED].iter().any(|ours| open.key.starts_with(ours)));
        let mut raised = BTreeMap::new();
        for open in ours {
            if let Some(device) = open.key.strip_prefix(LOCKED).and_then(DeviceRef::parse) {
                self.ingest.watch_lock(&device);
            }
            raised.insert(open.key, open.notice.kind);
        }
        *self.tidings.raised.lock().unwrap_or_else(PoisonError::into_inner) = raised;
        Ok(())
    }

    /// Raises what is so, once, and takes back what is so no more. Says in how long the next silence may begin.
    pub(super) async fn settle_tidings(&self) -> Result<Option<Duration>, StoreError> {
        let (wanted, soonest) = self.wanted_tidings();
        let raised = self.tidings.raised.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (key, kind) in &raised {
            let stays = match wanted.get(key) {
                Some(Wanted::Stay) => true,
                Some(Wanted::Raise(now, _)) => now == kind,
                None => false,
            };
            if !stays {
                self.store.notices().clear(key).await?;
                self.tidings.raised.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
                self.bus.tell(Event::Notice(key.as_str().into()));
            }
        }
        for (key, wanted) in wanted {
            let Wanted::Raise(kind, params) = wanted else { continue };
            if raised.get(&key).is_some_and(|raised| raised == kind) {
                continue;
            }
            let params = params.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let notice = Notice { kind: kind.to_owned(), params, at: self.clock.moment() };
            let is_new = self.store.notices().raise(&key, &notice).await?;
            self.tidings.raised.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), kind.to_owned());
            if is_new {
                tracing::warn!(kind, "notice raised: see `domovoi notices`");
                self.bus.tell(Event::Notice(key.into()));
            }
        }
        let raised = self.tidings.raised.lock().unwrap_or_else(PoisonError::into_inner);
        let some_silent = raised.keys().any(|key| key.starts_with(SILENT));
        self.tidings.some_silent.store(some_silent, Ordering::Relaxed);
        Ok(soonest)
    }

    fn wanted_tidings(&self) -> (AllWanted, Option<Duration>) {
        let now = self.now();
        let directory = self.ingest.directory();
        let locked = self.ingest.locked_meters().into_iter();
        let locked: BTreeMap<DeviceRef, (Option<Lock>, bool)> =
            locked.map(|meter| (meter.device, (meter.why, meter.is_heard))).collect();
        let mut wanted = AllWanted::new();
        let mut soonest: Option<Duration> = None;
        let cards: Vec<(DeviceRef, String)> = {
            let cards = self.cards();
            let accepted = cards.values().filter(|card| Standing::of(card) == Standing::Accepted);
            accepted.map(|card| (card.device.clone(), name_of(card, &directory))).collect()
        };
        let raised = self.tidings.raised.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (device, name) in cards {
            let lock_key = format!("{LOCKED}{device}");
            match locked.get(&device) {
                Some((Some(why), true)) => {
                    let kind = match why {
                        Lock::NoKey => "meter_key_missing",
                        Lock::WrongKey => "meter_key_wrong",
                        Lock::UnknownCipher => "meter_cipher_unknown",
                    };
                    let number = crate::ingest::meter_number(&device.id).unwrap_or_else(|| device.id.clone());
                    wanted.insert(lock_key, Wanted::Raise(kind, vec![("name", name.clone()), ("meter", number)]));
                }
                Some((None, _)) => {}
                // It was told before the restart, and nobody knows better yet.
                Some((Some(_), false)) | None => drop(wanted.insert(lock_key, Wanted::Stay)),
            }
            let Some(announcement) = directory.shared(&device) else {
                let ours = |key: &&String| {
                    key.starts_with(&format!("{WARNS}{device}/")) || **key == format!("{SILENT}{device}")
                };
                wanted.extend(raised.keys().filter(ours).map(|key| (key.clone(), Wanted::Stay)));
                continue;
            };
            let live = self.live.of(&device);
            let nothing = LiveDevice::default();
            let guard = live.as_ref().map(|live| lock(live));
            let live = guard.as_deref().unwrap_or(&nothing);
            Self::want_warnings(&device, &name, announcement, live, &mut wanted);
            let is_locked = locked.get(&device).is_some_and(|(why, is_heard)| why.is_some() && *is_heard);
            self.want_silence(&device, &name, announcement, live, now, is_locked, &mut wanted);
            if let (Some(limit), Some(heard)) = (announcement.silent_after_s, live.heard) {
                let left = (heard + Duration::from_secs(limit.into())).saturating_duration_since(now.instant);
                soonest = Some(left).filter(|left| !left.is_zero()).into_iter().chain(soonest).min();
            }
        }
        (wanted, soonest)
    }

    fn want_warnings(
        device: &DeviceRef,
        name: &str,
        announcement: &Announcement,
        live: &LiveDevice,
        wanted: &mut AllWanted,
    ) {
        for info in &announcement.properties {
            let Some(warning) = info.warning else { continue };
            let key = warns_key(device, &info.name);
            let value: Option<&Value> = live.properties.get(&info.name).and_then(|property| property.value.as_ref());
            match value {
                None => drop(wanted.insert(key, Wanted::Stay)),
                Some(value) if info.cautions(value) => {
                    let label = info.label.as_deref().unwrap_or(&info.name).to_owned();
                    let params = vec![("name", name.to_owned()), ("what", label)];
                    wanted.insert(key, Wanted::Raise(kind_of(warning), params));
                }
                Some(_) => {}
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what is known of one device")]
    fn want_silence(
        &self,
        device: &DeviceRef,
        name: &str,
        announcement: &Announcement,
        live: &LiveDevice,
        now: Now,
        is_locked: bool,
        wanted: &mut AllWanted,
    ) {
        let Some(limit) = announcement.silent_after_s else { return };
        let key = format!("{SILENT}{device}");
        match is_silent(live, limit, now, self.tidings.since) {
            None => drop(wanted.insert(key, Wanted::Stay)),
            // Its telegrams come, they only do not open.
            Some(true) if !is_locked => {
                let counts = announcement.properties.iter().any(|info| info.unit.is_register());
                let kind = if counts { "meter_silent" } else { "device_silent" };
                let (count, span) =
                    if limit >= 7200 { (limit / 3600, "hours") } else { (limit.div_ceil(60), "minutes") };
                let params = vec![("name", name.to_owned()), ("count", count.to_string()), ("span", span.to_owned())];
                wanted.insert(key, Wanted::Raise(kind, params));
            }
            Some(_) => {}
        }
    }
}

/// Whether a device is silent for longer than it says that it ever is; `None`: nobody can say.
fn is_silent(live: &LiveDevice, limit_s: u32, now: Now, since: Instant) -> Option<bool> {
    let limit = Duration::from_secs(limit_s.into());
    if let Some(heard) = live.heard {
        return Some(now.instant.saturating_duration_since(heard) >= limit);
    }
    // Not heard in this run: judged by what is known from before, once the house has listened for a while.
    let listened = now.instant.saturating_duration_since(since);
    if listened >= limit {
        return Some(true);
    }
    let newest = live.properties.values().filter_map(|property| property.at?.wall()).max();
    let last = live.heard_at.and_then(|at| at.wall()).or(newest)?;
    let silent_ms = now.wall?.0.saturating_sub(last.0);
    let is_over = silent_ms >= i64::from(limit_s).saturating_mul(1000);
    match is_over {
        true if listened < LISTENS_FIRST.min(limit) => None,
        // What was told before the restart is not taken back because nothing came yet.
        true => Some(true),
        false => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use domovoi_model::{Moment, Timestamp, Unit};

    use super::super::live::LiveProperty;
    use super::*;

    const LIMIT: u32 = 86_400;

    fn judged(heard_s_ago: Option<u64>, known_s_ago: Option<i64>, listened_s: u64, wall: Option<i64>) -> Option<bool> {
        let instant = Instant::now() + Duration::from_secs(1_000_000);
        let ago = |seconds: u64| instant.checked_sub(Duration::from_secs(seconds)).unwrap();
        let mut live = LiveDevice { heard: heard_s_ago.map(ago), ..LiveDevice::default() };
        if let Some(seconds) = known_s_ago {
            let at = Some(Moment::Wall(Timestamp(wall.unwrap_or(0) - seconds * 1000)));
            let value = Some(Value::Bool(true));
            let unit = Unit::None;
            let live_one =
                LiveProperty { value, unit, suspect: None, at, heard: None, expired_told: false, told: None };
            live.properties.insert("total".into(), live_one);
        }
        is_silent(&live, LIMIT, Now { instant, wall: wall.map(Timestamp) }, ago(listened_s))
    }

    #[test]
    fn silence_is_measured_by_what_lasted_and_not_by_a_clock_that_jumps() {
        let wall = 1_795_262_400_000;
        assert_eq!(judged(Some(60), None, 999_999, Some(wall)), Some(false));
        assert_eq!(judged(Some(60), None, 999_999, Some(wall * 4)), Some(false), "the clock jumped by a century");
        assert_eq!(judged(Some(86_400), None, 999_999, None), Some(true), "nobody knows the time, and it is silent");
        // After a restart.
        assert_eq!(judged(None, Some(600), 10, Some(wall)), Some(false));
        assert_eq!(judged(None, Some(90_000), 10, Some(wall)), None, "it may speak in a minute");
        assert_eq!(judged(None, Some(90_000), 3600, Some(wall)), Some(true));
        assert_eq!(judged(None, Some(90_000), 3600, None), None, "in 1970 nothing is old");
        assert_eq!(judged(None, None, 3600, Some(wall)), None);
        assert_eq!(judged(None, None, 86_400, None), Some(true), "a whole day of listening");
    }
}
