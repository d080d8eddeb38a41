//! Reads the ledger and history for the rules of insight, and keeps tariffs and watched rooms. It decides nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domovoi_model::{Date, DeviceRef, Id, MeteringPoint, Period, Timestamp};
use domovoi_store::{Bucket, InsightDrawer, InsightPaper, Level, Store, StoreError};
use jiff::tz::TimeZone;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::days::{HOUR, Unit, day_at, start_of};
use super::evidence::{Evidence, Norm, Told, evidence, spelled};
use super::forecast::{Forecast, LOOKS_BACK_DAYS, forecast};
use super::paper::{TariffPaper, Unreadable, WarmthPaper, read_tariff, read_warmth};
use super::stretches::Gaps;
use super::tariff::{Cost, Tariffs, month, span};
use super::usage::{UnknownSpan, Use, by_day, together, unknown};
use super::watch::{Rules, Watched};
use crate::bus::Bus;
use crate::clock::Clock;
use crate::metering::clerk::new_id;
use crate::metering::register::Register;
use crate::metering::sign::{hex, sha256};
use crate::metering::{Metering, MeteringError};

/// So many tariffs and so many watched rooms there may be.
const MOST_TARIFFS: usize = 60;
const MOST_PLACES: usize = 40;

/// The longest span of days that is looked at: ten years and a bit.
pub const MOST_DAYS: i64 = 3_700;

/// The longest span of evidence: a heating season and a bit.
const MOST_EVIDENCE_DAYS: i64 = 370;

/// Up to so many days evidence is made of five minutes, beyond that of hours.
const FINE_EVIDENCE_DAYS: i64 = 62;

/// Why something of insight cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum InsightError {
    /// There is no such thing.
    #[error("there is no such {0}")]
    NoSuch(&'static str),
    /// What was written cannot be.
    #[error("this cannot be a tariff or a watched room: {0:?}")]
    Unreadable(Unreadable),
    /// There are as many as there may be.
    #[error("there may be at most {0}")]
    Full(usize),
    /// The span is empty, or too long.
    #[error("a span of 1 to {0} days")]
    Span(i64),
    /// The ledger's room.
    #[error(transparent)]
    Metering(#[from] MeteringError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A room whose warmth is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What people call it.
    pub name: String,
    /// Its thermometer.
    pub sensor: DeviceRef,
    /// Which of its properties.
    pub property: String,
    /// A corner room.
    pub corner: bool,
    /// What its warmth is held against.
    pub norm: Norm,
}

/// What a point used.
#[derive(Debug, Clone)]
pub struct Consumption {
    /// The point.
    pub point: MeteringPoint,
    /// How many tariff registers it has or had.
    pub zones: usize,
    /// Every day from the first of the month of `from`.
    pub days: Vec<Use>,
    /// Stretches whose use lies on no day.
    pub unknown: Vec<UnknownSpan>,
    /// The first day that was asked for.
    pub from: Date,
    /// The day behind the last.
    pub to: Date,
}

impl Consumption {
    /// The days that were asked for.
    pub fn asked(&self) -> &[Use] {
        let first = self.days.iter().position(|day| day.from >= self.from).unwrap_or(self.days.len());
        self.days.get(first..).unwrap_or_default()
    }

    /// What a period of it costs by one tariff, without the fee, which is of the month and not of the point.
    pub fn cost(&self, tariffs: &Tariffs, period: &Use) -> Cost {
        let first = self.days.iter().position(|day| day.from >= period.from.period().day(1)).unwrap_or(0);
        let last = self.days.iter().position(|day| day.from >= period.to).unwrap_or(self.days.len());
        let days = self.days.get(first..last).unwrap_or_default();
        span(tariffs, days, &self.unknown, period.from, false)
    }
}

/// A month by the household's tariffs.
#[derive(Debug, Clone)]
pub struct Bill {
    /// Which.
    pub period: Period,
    /// Each tariff that takes some point.
    pub lines: Vec<BillLine>,
}

/// A line of it.
#[derive(Debug, Clone)]
pub struct BillLine {
    /// Which tariff.
    pub id: Id,
    /// The tariff.
    pub tariff: Tariffs,
    /// What all its points used in the month.
    pub used: Use,
    /// What that costs, with the fee.
    pub cost: Cost,
}

/// What can be shown of a room's warmth.
#[derive(Debug, Clone)]
pub struct Warmth {
    /// Which room.
    pub place: Place,
    /// The span.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
    /// What it comes to.
    pub evidence: Evidence,
    /// SHA-256 over the intervals that it was made of, in the spelling of `evidence::spelled`, in hex.
    pub digest: String,
    /// How long each of those intervals is.
    pub interval_millis: i64,
    /// How many of them there were.
    pub intervals: usize,
    /// What of history could not be read.
    pub troubles: usize,
}

/// The room. Clones are the same.
#[derive(Clone)]
pub struct Insight(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub store: Store,
    pub clock: Clock,
    pub bus: Bus,
    pub metering: Metering,
    pub zone: TimeZone,
    pub rules: Rules,
    kept: Mutex<Kept>,
    pub watched: Mutex<Watched>,
    /// One change after the other.
    changing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Kept {
    tariffs: BTreeMap<Id, Tariffs>,
    places: BTreeMap<Id, Place>,
    damaged: usize,
}

fn row<T: DeserializeOwned>(paper: &InsightPaper) -> Option<T> {
    serde_json::from_slice(&paper.body).ok()
}

fn paper(id: Id, row: &impl Serialize) -> InsightPaper {
    InsightPaper { id, body: Zeroizing::new(serde_json::to_vec(row).unwrap_or_default()) }
}

impl Insight {
    /// Reads what was kept. What cannot be read is left out, and counted.
    pub async fn open(store: Store, clock: Clock, bus: Bus, metering: Metering, zone: TimeZone, rules: Rules) -> Self {
        let mut kept = Kept::default();
        let shelf = store.insight();
        for drawer in InsightDrawer::ALL {
            let (papers, damaged) = shelf.all(drawer).await.unwrap_or_else(|error| {
                tracing::error!("tariffs and watched rooms cannot be read: {error}");
                (Vec::new(), 1)
            });
            kept.damaged += damaged;
            for paper in &papers {
                let read = match drawer {
                    InsightDrawer::Tariff => {
                        let tariffs = row::<TariffPaper>(paper).and_then(|row| read_tariff(&row).ok());
                        tariffs.map(|tariffs| kept.tariffs.insert(paper.id, tariffs)).is_some()
                    }
                    InsightDrawer::Warmth => {
                        let place = row::<WarmthPaper>(paper).and_then(|row| read_warmth(&row).ok());
                        place.map(|place| kept.places.insert(paper.id, place)).is_some()
                    }
                };
                if !read {
                    tracing::error!("a tariff or a watched room cannot be read");
                    kept.damaged += 1;
                }
            }
        }
        Insight(Arc::new(Inner {
            store,
            clock,
            bus,
            metering,
            zone,
            rules,
            kept: Mutex::new(kept),
            watched: Mutex::default(),
            changing: tokio::sync::Mutex::new(()),
        }))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rows that could not be read at the start.
    pub fn damaged(&self) -> usize {
        self.kept().damaged
    }

    /// The home's zone.
    pub fn zone(&self) -> &TimeZone {
        &self.0.zone
    }

    /// The day that it is at home.
    pub fn today(&self) -> Date {
        day_at(&self.0.zone, self.0.clock.wall())
    }

    /// Every tariff.
    pub fn tariffs(&self) -> Vec<(Id, Tariffs)> {
        let mut all: Vec<_> = self.kept().tariffs.iter().map(|(id, tariffs)| (*id, tariffs.clone())).collect();
        all.sort_by(|a, b| (a.1.charge, &a.1.name).cmp(&(b.1.charge, &b.1.name)));
        all
    }

    /// One tariff.
    pub fn tariff(&self, id: Id) -> Result<Tariffs, InsightError> {
        self.kept().tariffs.get(&id).cloned().ok_or(InsightError::NoSuch("tariff"))
    }

    /// Keeps a tariff, a new one without an id.
    pub async fn keep_tariff(&self, id: Option<Id>, written: &TariffPaper) -> Result<(Id, Tariffs), InsightError> {
        let tariffs = read_tariff(written).map_err(InsightError::Unreadable)?;
        let _one = self.0.changing.lock().await;
        let id = match id {
            Some(id) => {
                self.tariff(id)?;
                id
            }
            None if self.kept().tariffs.len() >= MOST_TARIFFS => return Err(InsightError::Full(MOST_TARIFFS)),
            None => new_id()?,
        };
        self.0.store.insight().put(InsightDrawer::Tariff, &paper(id, &TariffPaper::from(&tariffs))).await?;
        self.kept().tariffs.insert(id, tariffs.clone());
        Ok((id, tariffs))
    }

    /// Forgets a tariff.
    pub async fn remove_tariff(&self, id: Id) -> Result<Tariffs, InsightError> {
        let _one = self.0.changing.lock().await;
        let tariffs = self.tariff(id)?;
        self.0.store.insight().remove(InsightDrawer::Tariff, id).await?;
        self.kept().tariffs.remove(&id);
        Ok(tariffs)
    }

    /// Every watched room.
    pub fn places(&self) -> Vec<(Id, Place)> {
        let mut all: Vec<_> = self.kept().places.iter().map(|(id, place)| (*id, place.clone())).collect();
        all.sort_by(|a, b| a.1.name.cmp(&b.1.name));
        all
    }

    /// One of them.
    pub fn place(&self, id: Id) -> Result<Place, InsightError> {
        self.kept().places.get(&id).cloned().ok_or(InsightError::NoSuch("watched room"))
    }

    /// Keeps a watched room, a new one without an id.
    pub async fn keep_place(&self, id: Option<Id>, written: &WarmthPaper) -> Result<(Id, Place), InsightError> {
        let place = read_warmth(written).map_err(InsightError::Unreadable)?;
        let _one = self.0.changing.lock().await;
        let id = match id {
            Some(id) => {
                self.place(id)?;
                id
            }
            None if self.kept().places.len() >= MOST_PLACES => return Err(InsightError::Full(MOST_PLACES)),
            None => new_id()?,
        };
        self.0.store.insight().put(InsightDrawer::Warmth, &paper(id, &WarmthPaper::from(&place))).await?;
        self.kept().places.insert(id, place.clone());
        Ok((id, place))
    }

    /// Watches a room no longer.
    pub async fn remove_place(&self, id: Id) -> Result<Place, InsightError> {
        let _one = self.0.changing.lock().await;
        let place = self.place(id)?;
        self.0.store.insight().remove(InsightDrawer::Warmth, id).await?;
        self.kept().places.remove(&id);
        Ok(place)
    }

    /// What a point used on the days of `from <= day < to`.
    pub async fn consumption(
        &self,
        point: &str,
        from: Date,
        to: Date,
        gaps: Gaps,
    ) -> Result<Consumption, InsightError> {
        let register = self.0.metering.register();
        let point = register.find(point)?.clone();
        self.consumption_of(&register, point, from, to, gaps).await
    }

    pub(super) async fn consumption_of(
        &self,
        register: &Register,
        point: MeteringPoint,
        from: Date,
        to: Date,
        gaps: Gaps,
    ) -> Result<Consumption, InsightError> {
        if !(1..=MOST_DAYS).contains(&(to.days_since_epoch() - from.days_since_epoch())) {
            return Err(InsightError::Span(MOST_DAYS));
        }
        let first = from.period().day(1);
        let meters = register.meters.iter().filter(|meter| meter.point == point.id);
        let zones = meters.map(|meter| usize::from(meter.tariffs.clamp(1, 4))).max().unwrap_or(1);
        let stretches = self.stretches(register, &point, first, to, gaps).await?;
        let days = by_day(&stretches, zones, &self.0.zone, first, to);
        Ok(Consumption { point, zones, days, unknown: unknown(&stretches), from, to })
    }

    /// What the running month of a point will come to.
    pub async fn forecast(&self, point: &str) -> Result<(Consumption, Option<Forecast>), InsightError> {
        let today = self.today();
        let from = today.plus_days(-LOOKS_BACK_DAYS).unwrap_or(today);
        let used = self.consumption(point, from, Unit::Day.end(today), Gaps::USUAL).await?;
        let said = forecast(used.asked());
        Ok((used, said))
    }

    /// What the running month of a point is likely to cost by one tariff, without the fee.
    pub fn likely_cost(&self, used: &Consumption, said: &Forecast, tariffs: &Tariffs) -> Option<Cost> {
        let Forecast::Says { ahead, .. } = said else { return None };
        let month_of = |day: &&Use| day.from.period() == self.today().period();
        let mut days: Vec<_> = used.days.iter().filter(month_of).map(|day| (day.from, day.amounts)).collect();
        let mut zones = [rust_decimal::Decimal::ZERO; 4];
        for (_, amounts) in &days {
            for (zone, amount) in zones.iter_mut().zip(amounts) {
                *zone += amount;
            }
        }
        let total: rust_decimal::Decimal = zones.iter().sum();
        for (day, amount) in ahead {
            // The zones of what is ahead as they were in what is behind.
            let parts = if total.is_zero() {
                let zero = rust_decimal::Decimal::ZERO;
                [*amount, zero, zero, zero]
            } else {
                zones.map(|zone| (zone / total * amount).round_dp(6))
            };
            days.push((*day, parts));
        }
        Some(Cost { fee: rust_decimal::Decimal::ZERO, ..month(tariffs, &days, rust_decimal::Decimal::ZERO) })
    }

    /// What a month costs by every tariff.
    pub async fn bill(&self, period: Period, sees: impl Fn(&MeteringPoint) -> bool) -> Result<Bill, InsightError> {
        let register = self.0.metering.register();
        let (from, to) = (period.day(1), Unit::Month.end(period.day(1)));
        let mut used: Vec<Consumption> = Vec::new();
        for point in register.points.iter().filter(|point| sees(point)) {
            used.push(self.consumption_of(&register, point.clone(), from, to, Gaps::USUAL).await?);
        }
        let mut lines = Vec::new();
        for (id, tariff) in self.tariffs() {
            let takes = |one: &&Consumption| tariff.takes(one.point.id, one.point.resource);
            let days = together(used.iter().filter(takes).map(|one| one.days.clone()));
            let spans: Vec<UnknownSpan> = used.iter().filter(takes).flat_map(|one| one.unknown.clone()).collect();
            let Some(sum) = super::usage::whole(&days, &spans) else { continue };
            // A month that no version reaches costs nothing, and is no line.
            if tariff.on(to.plus_days(-1).unwrap_or(from)).is_none() {
                continue;
            }
            let cost = span(&tariff, &days, &spans, from, true);
            lines.push(BillLine { id, tariff, used: sum, cost });
        }
        Ok(Bill { period, lines })
    }

    /// How warm a watched room was.
    pub async fn warmth(&self, id: Id, from: Date, to: Date) -> Result<Warmth, InsightError> {
        let place = self.place(id)?;
        let days = to.days_since_epoch() - from.days_since_epoch();
        if !(1..=MOST_EVIDENCE_DAYS).contains(&days) {
            return Err(InsightError::Span(MOST_EVIDENCE_DAYS));
        }
        let (begin, end) = (start_of(&self.0.zone, from), start_of(&self.0.zone, to).min(self.0.clock.wall()));
        self.warmth_between(place, begin, end.max(begin.plus_millis(1)), days <= FINE_EVIDENCE_DAYS).await
    }

    pub(super) async fn warmth_between(
        &self,
        place: Place,
        from: Timestamp,
        to: Timestamp,
        fine: bool,
    ) -> Result<Warmth, InsightError> {
        let history = self.0.store.history();
        let before = from.plus_millis(-place.norm.holds_minutes * 60_000);
        let mut fine = fine;
        let mut rolled = None;
        if fine {
            let five = history.rolled(&place.sensor, &place.property, Level::FiveMinutes, before, to).await?;
            // Thinned out already: hours are kept longer.
            fine = five.since.is_none_or(|since| since <= from);
            rolled = fine.then_some(five);
        }
        let rolled = match rolled {
            Some(rolled) => rolled,
            None => history.rolled(&place.sensor, &place.property, Level::Hour, before, to).await?,
        };
        let millis = if fine { 300_000 } else { HOUR };
        let told = |bucket: &Bucket| Told {
            from: bucket.from,
            millis,
            count: bucket.count,
            min: bucket.min,
            mean: bucket.mean,
            max: bucket.max,
        };
        let told: Vec<Told> = rolled.buckets.iter().map(told).collect();
        let within: Vec<Told> = told.iter().copied().filter(|one| one.from >= from).collect();
        let source = format!("{} {}", place.sensor, place.property);
        Ok(Warmth {
            evidence: evidence(&told, &place.norm, &self.0.zone, from, to),
            digest: hex(&sha256(spelled(&source, &within).as_bytes())),
            interval_millis: millis,
            intervals: within.len(),
            troubles: rolled.troubles.len(),
            place,
            from,
            to,
        })
    }
}
