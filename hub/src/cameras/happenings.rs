//! What happens in the home and concerns cameras: a danger, motion, a property that says what somebody waits for. It begins
//! the windows in which cameras are recorded on event, and has a picture taken. Which these are, `event` says.

use std::sync::Arc;

use domovoi_model::{DeviceRef, Hazard, Id, Timestamp};
use domovoi_store::CameraCard;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use super::event::{self, Event as Window, Happened, Roll};
use super::schedule::{self, Mode};
use super::seat::{Seat, lock};
use super::{Inner, plan_of, starts_of};
use crate::bus::{Event, PropertyState, SafetyNews};

/// A camera remembers so many events at once; a window has room for all that matter.
const MOST: usize = 64;

/// Who said something, of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    device: Option<DeviceRef>,
    property: String,
}

/// Something that happened at a camera, and who has to say that it is over.
#[derive(Debug, Clone)]
pub(super) struct Lasting {
    source: Source,
    pub window: Window,
}

impl Inner {
    /// Listens until the house stops.
    pub(super) async fn listen(self: &Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut ears = self.bus.listen();
        loop {
            let heard = tokio::select! {
                heard = ears.recv() => heard,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            match heard {
                Ok(Event::Safety(news)) => self.felt(&news).await,
                Ok(Event::State(states)) => {
                    for state in states.iter() {
                        self.said(state).await;
                    }
                }
                Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "cameras missed what happened"),
                Err(RecvError::Closed) => return,
                Ok(_) => {}
            }
        }
    }

    async fn felt(self: &Arc<Self>, news: &SafetyNews) {
        if news.test {
            return;
        }
        let Some(hazard) = news.danger.and_then(hazard_of) else { return };
        let source = Source { device: news.device.clone(), property: news.property.clone() };
        match news.what {
            "began" => self.begins(&Happened::Hazard(hazard), &source),
            "over" => self.ends(&source),
            _ => {}
        }
    }

    async fn said(self: &Arc<Self>, state: &PropertyState) {
        let source = Source { device: Some(state.device.clone()), property: state.property.clone() };
        // What was said before the restart is no news, and what is too old to count has ended.
        let Some(value) = state.value.as_ref().filter(|_| !state.restored && !state.expired) else {
            return self.ends(&source);
        };
        let (device, property) = (&state.device, state.property.as_str());
        self.begins(&Happened::Said { device, property, value, here: true }, &source);
    }

    /// Something that is over at once happened.
    pub(super) async fn happened(self: &Arc<Self>, happened: &Happened<'_>, device: Option<&DeviceRef>) {
        let source = Source { device: device.cloned(), property: String::new() };
        self.begins(happened, &source);
        self.ends(&source);
    }

    /// Begins a window at each camera that waits for this, and has pictures taken; what does not start anything any more
    /// ends the window that it began.
    fn begins(self: &Arc<Self>, happened: &Happened<'_>, source: &Source) {
        let mut room = None;
        for seat in self.seats().values() {
            let card = seat.card();
            let starts = starts_of(&card);
            if starts.is_empty() || !card.enabled || seat.is_former() {
                continue;
            }
            // Asked once, and only if somebody waits for anything.
            let room = *room.get_or_insert_with(|| self.room_of(source.device.as_ref()));
            if event::starts(&starts, &is_here(seat, happened, room)) {
                self.begin_window(seat, source);
            } else {
                self.end_window(seat, source);
            }
        }
    }

    fn ends(&self, source: &Source) {
        for seat in self.seats().values() {
            self.end_window(seat, source);
        }
    }

    fn room_of(&self, device: Option<&DeviceRef>) -> Option<Id> {
        let whereabouts = self.whereabouts.get()?;
        whereabouts(device?)
    }

    fn begin_window(self: &Arc<Self>, seat: &Arc<Seat>, source: &Source) {
        let card = seat.card();
        let plan = plan_of(&card);
        let now = self.now();
        if self.clock.trusted().is_some() && !schedule::is_on(&plan, &self.zone, now) {
            return;
        }
        let roll = roll_of(&card);
        {
            let mut lasting = lock(&seat.events);
            forget_past(&mut lasting, roll, now);
            if lasting.iter().any(|one| one.source == *source && one.window.until.is_none()) {
                return;
            }
            if lasting.len() >= MOST {
                lasting.remove(0);
            }
            let window = Window { from: now, until: None };
            lasting.push(Lasting { source: source.clone(), window });
        }
        if plan.mode() == Mode::OnEvent {
            seat.wake.notify_one();
        }
        // One picture of what happened, not one of each word of a sensor.
        if seat.may_take_picture() {
            let (inner, seat) = (Arc::clone(self), Arc::clone(seat));
            tokio::spawn(async move { inner.keep_picture(&seat).await });
        }
    }

    fn end_window(&self, seat: &Seat, source: &Source) {
        let now = self.now();
        let mut lasting = lock(&seat.events);
        for one in lasting.iter_mut().filter(|one| one.source == *source && one.window.until.is_none()) {
            one.window.until = Some(now);
            seat.wake.notify_one();
        }
    }
}

/// Around what happens at a camera so much is recorded.
pub(super) fn roll_of(card: &CameraCard) -> Roll {
    Roll { before: i64::from(card.pre_roll_secs) * 1000, after: i64::from(card.post_roll_secs) * 1000 }
}

/// Drops what is of no use any more.
pub(super) fn forget_past(lasting: &mut Vec<Lasting>, roll: Roll, now: Timestamp) {
    lasting.retain(|one| {
        let mut alone = vec![one.window];
        event::forget_past(&mut alone, roll, now);
        !alone.is_empty()
    });
}

/// Until when it is recorded, if it is now.
pub(super) fn recorded_until(lasting: &[Lasting], roll: Roll, now: Timestamp) -> Option<Timestamp> {
    let windows: Vec<Window> = lasting.iter().map(|one| one.window).collect();
    event::recorded_until(&windows, roll, now)
}

fn is_here<'a>(seat: &Seat, happened: &Happened<'a>, room: Option<Id>) -> Happened<'a> {
    match *happened {
        Happened::Said { device, property, value, .. } => {
            let card = seat.card();
            // Where the camera has no room, motion anywhere would be meant: it is meant nowhere.
            let here = card.room.is_some() && card.room == room;
            Happened::Said { device, property, value, here }
        }
        other => other,
    }
}

fn hazard_of(danger: &str) -> Option<Hazard> {
    match event::Start::from_code(&danger.replace('-', "_"))? {
        event::Start::Hazard(hazard) => Some(hazard),
        _ => None,
    }
}
