//! The world as it is: watched properties as they were recorded last, everything else as the surroundings say. Asks, and
//! remembers nothing but the sun of a day.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use domovoi_model::{DeviceRef, PersonId, Timestamp, Value};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Surroundings;
use super::plan::{Place, SunEvent};
use super::values::Values;
use super::world::World;

/// When the sun comes up or goes down somewhere on a day.
pub type Sun = fn(SunEvent, f64, f64, Date) -> Option<Timestamp>;

/// See above.
pub struct Live {
    values: Arc<Values>,
    around: Arc<OnceLock<Surroundings>>,
    zone: TimeZone,
    position: Option<(f64, f64)>,
    sun: Sun,
    suns: Mutex<HashMap<(Date, bool), Option<Timestamp>>>,
}

impl Live {
    pub fn new(
        values: Arc<Values>,
        around: Arc<OnceLock<Surroundings>>,
        zone: TimeZone,
        position: Option<(f64, f64)>,
        sun: Sun,
    ) -> Self {
        Live { values, around, zone, position, sun, suns: Mutex::default() }
    }
}

impl World for Live {
    fn value(&self, at: &Place) -> Option<Value> {
        match self.values.get(at) {
            Some(Some(value)) => Some(value),
            // Not heard yet, or not for too long: the devices know which.
            _ => (self.around.get()?.state)(at),
        }
    }

    fn find(&self, text: &str) -> Option<DeviceRef> {
        (self.around.get()?.find)(text)
    }

    fn home(&self, person: Option<PersonId>) -> Option<bool> {
        (self.around.get()?.home)(person)
    }

    fn person(&self, name: &str) -> Option<PersonId> {
        (self.around.get()?.person)(name)
    }

    fn sun(&self, event: SunEvent, on: Date) -> Option<Timestamp> {
        let (latitude, longitude) = self.position?;
        let mut suns = self.suns.lock().unwrap_or_else(PoisonError::into_inner);
        if suns.len() > 1000 {
            suns.clear();
        }
        let key = (on, event == SunEvent::Rise);
        *suns.entry(key).or_insert_with(|| (self.sun)(event, latitude, longitude, on))
    }

    fn zone(&self) -> &TimeZone {
        &self.zone
    }
}
