//! Looks at every point and every watched room by the clock, and raises notices: water may leak, a day used far more than
//! others, a meter is silent, a room is too cold. Each once, and cleared when it is over; the notice becomes an alert where
//! alerts are made. What nobody can know raises nothing and clears nothing.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::time::Duration;

use domovoi_model::{Date, MeteringPoint, Resource, Source, Tariff, Timestamp};
use domovoi_store::{Level, Notice};
use rust_decimal::Decimal;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use super::days::{HOUR, at_hour};
use super::flow::{Flow, Leak, LeakRules, Shown, flow, leak};
use super::room::{Insight, InsightError};
use super::stretches::Gaps;
use super::unusual::{Unusual, unusual};
use crate::bus::Event;

/// How it is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How often.
    pub every: Duration,
    /// Water.
    pub leak: LeakRules,
    /// A meter that a device reads is silent after so long.
    pub silent_after_hours: i64,
    /// A room is too cold after so many minutes below its norm.
    pub cold_after_minutes: i64,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            every: Duration::from_secs(3600),
            leak: LeakRules::default(),
            silent_after_hours: 48,
            cold_after_minutes: 120,
        }
    }
}

/// Before the clock is trusted it is looked at again after so long.
const CLOCK_CHECK: Duration = Duration::from_secs(30);

/// Among so many of a point's newest rows a device's word is looked for.
const ROWS_READ: u32 = 100;

/// Days that a usual day is judged by.
const USUAL_DAYS: i64 = 57;

/// What the watch remembers of itself.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// Since when nobody is at home, if somebody knows.
    away_since: Option<Timestamp>,
    /// What was said and stands: somebody who takes a notice away is not told the same again.
    said: BTreeSet<String>,
}

/// What is found about a point now.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// A leak is suspected.
    pub leak: Option<Leak>,
    /// How water flowed in the last watch; `None` where there is no device to hear.
    pub flow: Option<Flow>,
    /// Yesterday was unusual.
    pub unusual: Option<Unusual>,
    /// When a device last said anything, where that is too long ago.
    pub silent_since: Option<Timestamp>,
}

impl Insight {
    /// Looks by the clock until `stop` turns true.
    pub async fn run(&self, mut stop: watch::Receiver<bool>) {
        let mut ears = self.0.bus.listen();
        let mut next = tokio::time::Instant::now();
        loop {
            let heard = tokio::select! {
                () = tokio::time::sleep_until(next) => None,
                heard = ears.recv() => Some(heard),
                () = stopped(&mut stop) => return,
            };
            match heard {
                None => {
                    let wait = if self.0.clock.trusted().is_some() { self.0.rules.every } else { CLOCK_CHECK };
                    if let Err(error) = self.look().await {
                        tracing::error!("consumption is looked at again later: {error}");
                    }
                    next = tokio::time::Instant::now() + wait;
                }
                Some(Ok(Event::Presence(news))) => {
                    self.nobody_home_since(news.at.wall().filter(|_| news.anybody == Some(false)));
                }
                Some(Ok(_)) => {}
                // Whether somebody came home is not known any more.
                Some(Err(RecvError::Lagged(_))) => self.nobody_home_since(None),
                Some(Err(RecvError::Closed)) => return,
            }
        }
    }

    /// Nobody is at home since then; `None`: somebody is, or nobody knows.
    pub fn nobody_home_since(&self, since: Option<Timestamp>) {
        let mut watched = self.0.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.away_since = match (watched.away_since, since) {
            (Some(before), Some(since)) => Some(before.min(since)),
            (_, since) => since,
        };
    }

    fn away_since(&self) -> Option<Timestamp> {
        self.0.watched.lock().unwrap_or_else(PoisonError::into_inner).away_since
    }

    /// Looks once. Before the clock is trusted nothing is judged: every rule here is about time.
    pub async fn look(&self) -> Result<(), InsightError> {
        let Some(now) = self.0.clock.trusted() else { return Ok(()) };
        let register = self.0.metering.register();
        let mut standing: BTreeSet<String> = BTreeSet::new();
        for point in &register.points {
            let id = point.id.to_string();
            let found = match self.findings(point, now).await {
                Ok(found) => found,
                Err(error) => {
                    // One point that does not open must not keep the others unwatched, nor end what was said of it.
                    tracing::error!("a point is not looked at: {error}");
                    standing.extend(self.said_of(&id));
                    continue;
                }
            };
            let leak_key = format!("insight-leak:{id}");
            match (&found.leak, &found.flow) {
                (Some(leak), _) => {
                    self.say(&leak_key, "water_may_leak", &leak_words(point, leak)).await?;
                    standing.insert(leak_key);
                }
                // Not heard: not over.
                (None, flow) if flow.is_none_or(|flow| flow.heard_millis < self.rest_millis()) => {
                    standing.insert(leak_key);
                }
                _ => {}
            }
            if let Some(day) = &found.unusual {
                let key = format!("insight-unusual:{id}:{}", day.day);
                let (used, usual, date) = (short(day.used), short(day.usual), day.day.to_string());
                let params = [
                    ("point", point.name.as_str()),
                    ("day", &date),
                    ("used", &used),
                    ("usual", &usual),
                    ("unit", point.resource.unit().symbol()),
                ];
                self.say(&key, "use_unusual", &owned(&params)).await?;
                standing.insert(key);
            }
            if let Some(since) = found.silent_since {
                let key = format!("insight-silent:{id}");
                let hours = ((now.0 - since.0) / HOUR).to_string();
                self.say(&key, "readings_stopped", &owned(&[("point", &point.name), ("hours", &hours)])).await?;
                standing.insert(key);
            }
        }
        for (id, place) in self.places() {
            let key = format!("insight-cold:{id}");
            let from = now.plus_millis(-24 * HOUR);
            let warmth = match self.warmth_between(place, from, now, true).await {
                Ok(warmth) => warmth,
                Err(error) => {
                    tracing::error!("a watched room is not looked at: {error}");
                    standing.insert(key);
                    continue;
                }
            };
            let silent = warmth.evidence.gaps.last().is_some_and(|gap| gap.to >= now);
            let cold = warmth.evidence.cold.last().filter(|cold| cold.to >= now);
            let long = cold.filter(|cold| cold.to.0 - cold.from.0 >= self.0.rules.cold_after_minutes * 60_000);
            if let Some(cold) = long {
                let hours = ((cold.to.0 - cold.from.0) / HOUR).to_string();
                let (lowest, norm) = (short(cold.lowest), short(warmth.place.norm.day));
                let params =
                    [("room", warmth.place.name.as_str()), ("norm", &norm), ("hours", &hours), ("lowest", &lowest)];
                self.say(&key, "flat_cold", &owned(&params)).await?;
                standing.insert(key);
            } else if silent || cold.is_some() {
                standing.insert(key);
            }
        }
        self.clear_what_is_over(&standing).await
    }

    fn rest_millis(&self) -> i64 {
        self.0.rules.leak.rest_minutes * 60_000
    }

    /// What is found about a point.
    pub async fn findings(&self, point: &MeteringPoint, now: Timestamp) -> Result<Findings, InsightError> {
        let mut found = Findings::default();
        let today = super::days::day_at(&self.0.zone, now);
        if let Some(first) = today.plus_days(-USUAL_DAYS) {
            let register = self.0.metering.register();
            let used = self.consumption_of(&register, point.clone(), first, today, Gaps::USUAL).await?;
            found.unusual = unusual(used.asked(), point.resource);
        }
        let Some(binding) = &point.binding else { return Ok(found) };
        let series = self.0.store.history().series().await?;
        let of_point = |property: &str| binding.registers.iter().any(|(_, own)| own == property);
        let heard = series.iter().filter(|one| one.device == binding.device && of_point(&one.property));
        // What was said when the meter was put in is nobody's voice.
        let rows = self.0.store.ledger().newest(point.id, ROWS_READ).await?;
        let read = rows.iter().find(|row| matches!(row.reading.source, Source::Device(_)));
        let seen = heard.filter_map(|one| one.newest).max().max(read.and_then(|row| row.reading.at.wall()));
        found.silent_since = seen.filter(|seen| now.0 - seen.0 >= self.0.rules.silent_after_hours * HOUR);
        if !matches!(point.resource, Resource::ColdWater | Resource::HotWater) {
            return Ok(found);
        }
        let Some((_, property)) = binding.registers.iter().find(|(tariff, _)| *tariff == Tariff::T1) else {
            return Ok(found);
        };
        let rules = &self.0.rules.leak;
        let nights = self.nights(today, now, rules.nights);
        let watch = now.plus_millis(-rules.watch_hours * HOUR);
        let from = nights.last().map_or(watch, |(from, _)| (*from).min(watch));
        let from = self.away_since().map_or(from, |since| from.min(since.max(now.plus_millis(-30 * 24 * HOUR))));
        let rolled = self.0.store.history().rolled(&binding.device, property, Level::FiveMinutes, from, now).await?;
        let unit = binding.unit;
        let can_be = |value: &Decimal| value.abs() < Decimal::from(10i64.pow(15));
        let said = series.iter().find(|one| one.device == binding.device && one.property == *property);
        let unit = said.map(|one| one.unit).filter(|unit| *unit != domovoi_model::Unit::None).or(unit);
        let shown: Vec<Shown> = rolled
            .buckets
            .iter()
            .filter(|bucket| can_be(&bucket.last))
            .filter_map(|bucket| {
                // Litres or cubic metres: the rules know the resource's unit only.
                let wanted = point.resource.unit();
                let value = unit.map_or(Some(bucket.last), |unit| unit.convert(bucket.last, wanted).ok())?;
                Some(Shown { at: bucket.from.plus_millis(300_000).min(now), value })
            })
            .collect();
        found.flow = Some(flow(&shown, watch, now));
        found.leak = leak(&shown, now, &nights, self.away_since(), rules);
        Ok(found)
    }

    /// The last nights that are over, from one to five, the newest first.
    fn nights(&self, today: Date, now: Timestamp, count: usize) -> Vec<(Timestamp, Timestamp)> {
        let zone = &self.0.zone;
        let days = (0..).map_while(|back: i64| today.plus_days(-back));
        let spans = days.map(|day| (at_hour(zone, day, 1), at_hour(zone, day, 5)));
        spans.filter(|(_, to)| *to <= now).take(count).collect()
    }

    fn said_of(&self, id: &str) -> Vec<String> {
        let watched = self.0.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.said.iter().filter(|key| key.contains(id)).cloned().collect()
    }

    async fn say(&self, key: &str, kind: &str, params: &[(String, String)]) -> Result<(), InsightError> {
        let known = |watched: &mut Watched| !watched.said.insert(key.to_owned());
        if known(&mut self.0.watched.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(());
        }
        let notice = Notice { kind: kind.to_owned(), params: params.to_vec(), at: self.0.clock.moment() };
        let raised = self.0.store.notices().raise(key, &notice).await;
        match raised {
            Ok(true) => {
                tracing::warn!(kind, "notice raised: see `domovoi notices`");
                self.0.bus.tell(Event::Notice(key.into()));
                Ok(())
            }
            Ok(false) => Ok(()),
            Err(error) => {
                self.0.watched.lock().unwrap_or_else(PoisonError::into_inner).said.remove(key);
                Err(error.into())
            }
        }
    }

    /// Notices of this watch that do not stand any more are over.
    async fn clear_what_is_over(&self, standing: &BTreeSet<String>) -> Result<(), InsightError> {
        for open in self.0.store.notices().open().await? {
            if open.key.starts_with("insight-") && !standing.contains(&open.key) {
                self.0.store.notices().clear(&open.key).await?;
                self.0.bus.tell(Event::Notice(open.key.as_str().into()));
            }
        }
        let mut watched = self.0.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.said.retain(|key| standing.contains(key));
        Ok(())
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the house is gone, which is a stop too.
    let _ = stop.wait_for(|stop| *stop).await;
}

fn short(amount: Decimal) -> String {
    amount.round_dp(3).normalize().to_string()
}

fn owned(params: &[(&str, &str)]) -> Vec<(String, String)> {
    params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn leak_words(point: &MeteringPoint, leak: &Leak) -> Vec<(String, String)> {
    let (hours, used) = match leak {
        Leak::NeverRests { hours, used } | Leak::NobodyHome { hours, used } => (*hours, *used),
        Leak::Nights { nights, least } => (i64::try_from(*nights).unwrap_or(0), *least),
    };
    let (hours, used) = (hours.to_string(), short(used));
    owned(&[("point", &point.name), ("why", leak.code()), ("hours", &hours), ("used", &used)])
}
