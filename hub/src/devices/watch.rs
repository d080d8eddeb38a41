//! The loops of the room: what is recorded becomes how things stand; what has lasted too long ends; those who watch are told,
//! four times a second for each property at most; what was found is written down.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use domovoi_model::{DeviceRef, Quality, Sample, Value};
use domovoi_store::{Recorded, Seq, Urgency};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Inner;
use super::live::{Now, lock};
use crate::bus::{Event, PropertyState};

/// A property is told four times a second at most.
const TOLD_EVERY: Duration = Duration::from_millis(250);

/// Those who watch are told of all that changed so often at most.
const TELL_EVERY: Duration = Duration::from_millis(50);

/// As many samples as are read at once from history when the bus was faster than we.
const CATCH_UP: usize = 1024;

/// How often it is looked after words and farewells although nothing rings.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// When a property is looked at again: its value may have expired, or be false again.
type Due = Reverse<(Instant, DeviceRef, String)>;

#[derive(Default)]
struct Watching {
    due: BinaryHeap<Due>,
    scheduled: HashSet<(DeviceRef, String)>,
    /// Changed, and told less than a quarter of a second ago.
    later: HashSet<(DeviceRef, String)>,
    told_to: Option<Seq>,
}

impl Inner {
    /// Keeps the states until the house stops.
    pub(super) async fn watch_states(&self, mut stop: watch::Receiver<bool>) {
        let mut ears = self.bus.listen_to_all();
        let mut watching = Watching::default();
        let mut tell_at: Option<Instant> = None;
        let mut last_tell = Instant::now();
        loop {
            let next_due = watching.due.peek().map(|Reverse((at, ..))| *at);
            tokio::select! {
                heard = ears.recv() => match heard {
                    Ok(Event::Recorded(samples)) => self.take_recorded(&mut watching, &samples).await,
                    // What was missed is read from history when the next samples come: their numbers say so.
                    Ok(_) | Err((tokio::sync::broadcast::error::RecvError::Lagged(_), _)) => {}
                    Err((tokio::sync::broadcast::error::RecvError::Closed, _)) => return,
                },
                () = self.live.bell.notified() => {
                    tell_at = tell_at.or_else(|| Some(Instant::now().max(last_tell + TELL_EVERY)));
                }
                () = until(tell_at) => {
                    last_tell = Instant::now();
                    tell_at = self.tell_changes(&mut watching).then(|| last_tell + TOLD_EVERY);
                }
                () = until(next_due) => self.look_at_due(&mut watching),
                () = stopped(&mut stop) => return,
            }
        }
    }

    async fn take_recorded(&self, watching: &mut Watching, samples: &[Recorded<Sample>]) {
        let Some((first, last)) = samples.first().zip(samples.last()).map(|(a, b)| (a.seq, b.seq)) else { return };
        while let Some(seen) = watching.told_to.filter(|seen| seen.0.saturating_add(1) < first.0) {
            let Ok(mut missed) = self.store.history().after(seen, CATCH_UP).await else { break };
            missed.retain(|recorded| recorded.seq < first);
            let Some(newest) = missed.last().map(|recorded| recorded.seq) else { break };
            missed.iter().for_each(|recorded| self.take_sample(watching, &recorded.item));
            watching.told_to = Some(newest);
        }
        samples.iter().for_each(|recorded| self.take_sample(watching, &recorded.item));
        watching.told_to = Some(last);
    }

    fn take_sample(&self, watching: &mut Watching, sample: &Sample) {
        self.live.apply(sample);
        let directory = self.ingest.directory();
        let Some(info) = directory.property(&sample.device, &sample.property) else { return };
        if info.warning.is_some() {
            self.tidings.recorded(info, sample);
        }
        let off = info.off_after_s.filter(|_| sample.value == Value::Bool(true));
        let Some(seconds) = info.expires_after_s.into_iter().chain(off).min() else { return };
        drop(directory);
        watching.schedule(&sample.device, &sample.property, Duration::from_secs(seconds.into()));
    }

    /// What has lasted long enough is looked at: it was heard again meanwhile, or it has expired, or it is false again.
    fn look_at_due(&self, watching: &mut Watching) {
        let now = Instant::now();
        while watching.due.peek().is_some_and(|Reverse((at, ..))| *at <= now) {
            let Some(Reverse((_, device, property))) = watching.due.pop() else { return };
            watching.scheduled.remove(&(device.clone(), property.clone()));
            if let Some(again) = self.look_at(&device, &property, now) {
                watching.schedule(&device, &property, again);
            }
        }
    }

    /// When it is to be looked at again.
    fn look_at(&self, device: &DeviceRef, name: &str, now: Instant) -> Option<Duration> {
        let info = self.ingest.directory().property(device, name).cloned()?;
        let known = self.live.of(device)?;
        let mut known = lock(&known);
        let property = known.properties.get_mut(name)?;
        let silent = now.saturating_duration_since(property.heard?);
        let left =
            |seconds: u32| Duration::from_secs(seconds.into()).checked_sub(silent).filter(|left| !left.is_zero());
        let mut again = Vec::new();
        if let Some(seconds) = info.expires_after_s {
            match left(seconds) {
                Some(left) => again.push(left),
                None => {
                    property.expired_told = true;
                    self.live.dirty(device, Some(name));
                }
            }
        }
        if let Some(seconds) = info.off_after_s.filter(|_| property.value == Some(Value::Bool(true))) {
            match left(seconds) {
                Some(left) => again.push(left),
                None => self.believe_off(device, name),
            }
        }
        again.into_iter().min()
    }

    /// Its device says only when something begins: the house believes that it is over, and writes that down.
    fn believe_off(&self, device: &DeviceRef, property: &str) {
        let sample = Sample {
            device: device.clone(),
            property: property.to_owned(),
            value: Value::Bool(false),
            unit: domovoi_model::Unit::None,
            quality: Quality::Good,
            at: self.clock.moment(),
            device_time: None,
        };
        self.ingest.believed_otherwise(device, property);
        // Nobody is acknowledged for it: what is not kept is believed again when the device next begins.
        drop(self.store.history().record(vec![sample], Urgency::Normal));
    }

    /// Tells what changed. Whether something is left for a quarter of a second later.
    fn tell_changes(&self, watching: &mut Watching) -> bool {
        let mut changed: HashSet<(DeviceRef, String)> = std::mem::take(&mut watching.later);
        for (device, property) in self.live.take_dirty() {
            match property {
                Some(property) => {
                    changed.insert((device, property));
                }
                // Whether it can be reached is said with each of its properties.
                None => {
                    let known = self.live.of(&device);
                    let names: Vec<String> =
                        known.map(|known| lock(&known).properties.keys().cloned().collect()).unwrap_or_default();
                    if names.is_empty() {
                        self.tell(&device);
                    }
                    changed.extend(names.into_iter().map(|name| (device.clone(), name)));
                }
            }
        }
        let now = Now { instant: Instant::now(), wall: self.clock.trusted() };
        let directory = self.ingest.directory();
        let mut states: Vec<PropertyState> = Vec::with_capacity(changed.len());
        for (device, name) in changed {
            let Some(known) = self.live.of(&device) else { continue };
            let mut known = lock(&known);
            let Some(property) = known.properties.get_mut(&name) else { continue };
            if property.told.is_some_and(|told| now.instant.saturating_duration_since(told) < TOLD_EVERY) {
                drop(known);
                watching.later.insert((device, name));
                continue;
            }
            property.told = Some(now.instant);
            states.push(known.state(&device, &name, &directory, now));
        }
        drop(directory);
        if !states.is_empty() {
            self.bus.tell(Event::State(Arc::new(states)));
        }
        !watching.later.is_empty()
    }

    /// Writes down what was found and what devices say about themselves, and clears what was forgotten.
    pub(super) async fn keep_registry(&self, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = self.found.bell.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = stopped(&mut stop) => break,
            }
            self.settle_found().await;
            self.words.write(&self.store, false).await;
            self.say_farewells().await;
            self.end_connections().await;
        }
        self.settle_found().await;
        self.words.write(&self.store, true).await;
    }
}

impl Watching {
    fn schedule(&mut self, device: &DeviceRef, property: &str, after: Duration) {
        if self.scheduled.insert((device.clone(), property.to_owned())) {
            self.due.push(Reverse((Instant::now() + after, device.clone(), property.to_owned())));
        }
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the house is gone, which is a stop too.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
