//! The clerk: draws up an act when a window opens, has it approved, signs it, and tells people in time when something
//! stands in the way. Decisions about readings are `act`'s; here they are performed.

use domovoi_model::{
    Account, AccountId, Act, ActId, ActReading, ActState, Date, Id, MeteringPoint, Period, Reminder, Resource, Source,
    Tariff, Timestamp,
};
use domovoi_store::{ActFilter, Notice};

use super::act::{self, Draft, Span};
use super::register::Register;
use super::sign::sha256;
use super::terms::Terms;
use super::{Metering, MeteringError};
use crate::bus::Event;

pub(super) const DAY_MILLIS: i64 = 86_400_000;

/// When acts are drawn up and people are warned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How far into its window a submission may be put off, so that a street of hubs does not come at once.
    pub jitter_millis: i64,
    /// How long before a window's end its owner hears that nothing is confirmed yet.
    pub warn_before_end_millis: i64,
    /// The day of the month by which the owner hears of it in any case.
    pub warn_by_day: u8,
}

impl Default for Rules {
    fn default() -> Self {
        Rules { jitter_millis: 6 * 3_600_000, warn_before_end_millis: 2 * DAY_MILLIS, warn_by_day: 23 }
    }
}

/// When within its window an account's act is drawn up. The put-off is the same at every look, and another for every
/// account and month.
pub fn due_at(rules: &Rules, account: AccountId, period: Period, opens: Timestamp, closes: Timestamp) -> Timestamp {
    // The last day of a window is for retries, not for jitter.
    let room = (closes.0 - opens.0 - DAY_MILLIS).max(0).min(rules.jitter_millis);
    if room == 0 {
        return opens;
    }
    let seed = sha256(format!("{account} {period}").as_bytes());
    let dice = seed.iter().take(7).fold(0i64, |sum, byte| (sum << 8) | i64::from(*byte));
    opens.plus_millis(dice % room)
}

/// Whether the owner is to hear now that a window's act is not confirmed.
pub fn is_time_to_warn(rules: &Rules, now: Timestamp, today: Date, period: Period, closes: Timestamp) -> bool {
    let near_the_end = now.0 >= closes.0 - rules.warn_before_end_millis;
    let by_day = today.period() > period || (today.period() == period && today.day() >= rules.warn_by_day);
    near_the_end || by_day
}

/// Whether a person is to be asked for a reading in this period.
pub fn is_reminded(point: &MeteringPoint, period: Period) -> bool {
    match point.reminder {
        Reminder::Never => false,
        Reminder::Monthly => true,
        Reminder::Quarterly => matches!(period.month, 3 | 6 | 9 | 12),
    }
}

/// How long before a window's end what stands against one meter no longer keeps the others waiting.
const LAST_CALL_MILLIS: i64 = 6 * 3_600_000;

/// So long after a start devices may not have been heard yet.
const WARMING_UP_MILLIS: i64 = 600_000;

/// How long after an act was due nobody is told yet that it is not confirmed.
const SETTLING_MILLIS: i64 = 3_600_000;

/// A draft whose readings only move on is written again after so long: a card is not for every kilowatt-hour.
const REDRAFT_MILLIS: i64 = 600_000;

/// An account's window as the clerk looks at it.
struct Window {
    period: Period,
    last: Date,
    opens: Timestamp,
    /// The first moment after it.
    closes: Timestamp,
}

impl Metering {
    /// Looks at every account once. What is wrong with one of them does not keep the others waiting.
    pub async fn run_once(&self) -> Result<(), MeteringError> {
        if self.is_closed() {
            return Ok(());
        }
        let Some(now) = self.clock.trusted() else {
            self.raise("clock", "clock_untrusted", &[]).await?;
            return Ok(());
        };
        self.clear("clock").await?;
        let register = self.register();
        let mut failed = None;
        for account in &register.accounts {
            let key = format!("supplier:{}", account.id);
            let looked = match self.suppliers.get(&account.supplier) {
                None => {
                    let params = [("account", account.label.as_str()), ("supplier", account.supplier.as_str())];
                    self.raise(&key, "supplier_unknown", &params).await
                }
                Some(terms) => {
                    self.clear(&key).await?;
                    self.look_at(terms, &register, account, now).await
                }
            };
            if let Err(error) = looked {
                tracing::error!(account = %account.id, "this account waits: {error}");
                failed = Some(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    async fn look_at(
        &self,
        terms: &Terms,
        register: &Register,
        account: &Account,
        now: Timestamp,
    ) -> Result<(), MeteringError> {
        let points: Vec<&MeteringPoint> = register.points_of(account.id).collect();
        let resources = resources_of(&points);
        let Some(today) = terms.day_at(now) else { return Ok(()) };
        self.say_what_was_missed(terms, account, &points, &resources, today).await?;
        let Some(window) = window_on(terms, &resources, today) else { return Ok(()) };
        self.remind(terms, register, account, &points, &window).await?;
        let mut act = self.live_act(account.id, window.period).await?;
        let due = due_at(&self.rules, account.id, window.period, window.opens, window.closes);
        if now >= due && act.as_ref().is_none_or(|act| !act.state.is_signed()) {
            let span = Span { period: window.period, until: None };
            let draft = self.draw_up(terms, register, account.id, &points, span, act.as_ref()).await?;
            // What was added while this look went on belongs in the act: whoever added it has asked for another look.
            if !std::ptr::eq(register, &*self.register()) {
                return Ok(());
            }
            act = self.keep_draft(account, &window, act, draft, now).await?;
        }
        if let Some(act) = act.as_ref().filter(|act| act.state == ActState::Checked)
            && self.standing_consent().await?
        {
            self.sign(act.id, false).await?;
        }
        let act = self.live_act(account.id, window.period).await?;
        self.say_what_is_left_out(register, account, &points, act.as_ref(), &window).await?;
        let awaited = points.iter().any(|point| is_awaited(point, window.period));
        if (act.is_none() && !awaited) || now.0 < due.0 + SETTLING_MILLIS {
            return Ok(());
        }
        self.warn(account, act.as_ref(), &window, now, today).await
    }

    /// Stores what was drawn up, if it says something new. In the window's last hours, what stands against one meter no
    /// longer keeps the others waiting.
    async fn keep_draft(
        &self,
        account: &Account,
        window: &Window,
        earlier: Option<Act>,
        draft: Draft,
        now: Timestamp,
    ) -> Result<Option<Act>, MeteringError> {
        // A device that has not spoken yet on the window's first day, or minutes after our own start, is no news; near the
        // end of the window it is.
        let spoken_by_now = now.0 >= window.opens.0 + DAY_MILLIS && self.clock.since_boot_millis() >= WARMING_UP_MILLIS;
        let settled = spoken_by_now || now.0 >= window.closes.0 - LAST_CALL_MILLIS;
        for problem in draft.problems.iter().filter(|problem| settled || !problem.may_come) {
            let params = [("point", problem.point.as_str()), ("problem", problem.what.as_str())];
            let key = format!("reading:{}:{}:{}", account.id, window.period, problem.point);
            self.raise(&key, "reading_missing", &params).await?;
        }
        if draft.readings.is_empty() && draft.problems.is_empty() {
            return Ok(earlier);
        }
        let last_call = now.0 >= window.closes.0 - LAST_CALL_MILLIS;
        let state =
            if last_call && !draft.readings.is_empty() { ActState::Checked } else { act::draft_state(&draft.problems) };
        let act = match earlier {
            Some(act) if act.state == state && act::says_the_same(&act.readings, &draft.readings) => {
                return Ok(Some(act));
            }
            Some(act) if act.state == state && only_moves_on(&act.readings, &draft.readings) => return Ok(Some(act)),
            Some(act) => {
                let act = Act { readings: draft.readings, state, ..act };
                self.store.acts().update(&act).await?;
                act
            }
            None => {
                let act = Act {
                    id: ActId(new_id()?),
                    account: account.id,
                    period: window.period,
                    supersedes: None,
                    created_at: now,
                    document: None,
                    signature: None,
                    readings: draft.readings,
                    state,
                };
                self.store.acts().insert(&act).await?;
                act
            }
        };
        if draft.problems.is_empty() {
            self.clear_all(&format!("reading:{}:{}:", account.id, window.period)).await?;
        }
        self.tell_act(&act);
        Ok(Some(act))
    }

    async fn remind(
        &self,
        terms: &Terms,
        register: &Register,
        account: &Account,
        points: &[&MeteringPoint],
        window: &Window,
    ) -> Result<(), MeteringError> {
        for point in points.iter().filter(|point| is_reminded(point, window.period)) {
            let Some(meter) = register.meter_at(point.id) else { continue };
            let seen = {
                let mut standings = self.standings.lock().await;
                let standing = standings.of(&self.store, point.id, meter.id, Tariff::T1).await?;
                let read = standing.source.as_ref().is_some_and(|source| *source != Source::Installation);
                standing.seen_at.filter(|_| read).and_then(|at| terms.day_at(at))
            };
            let key = format!("read:{}:{}", point.id, window.period);
            let its_last = terms.days(window.period, &[point.resource]).map_or(window.last, |(_, last)| last);
            if seen.is_some_and(|day| terms.takes_on(window.period, point.resource, day)) {
                self.clear(&key).await?;
            } else {
                let until = its_last.to_string();
                let params = [("point", point.name.as_str()), ("account", &account.label), ("until", &until)];
                self.raise(&key, "read_meter", &params).await?;
            }
        }
        Ok(())
    }

    async fn warn(
        &self,
        account: &Account,
        act: Option<&Act>,
        window: &Window,
        now: Timestamp,
        today: Date,
    ) -> Result<(), MeteringError> {
        let key = format!("unconfirmed:{}:{}", account.id, window.period);
        if act.is_some_and(|act| act.state.is_confirmed()) {
            self.clear(&key).await?;
            return Ok(());
        }
        let stands = act.map_or("none", |act| act.state.code());
        if is_time_to_warn(&self.rules, now, today, window.period, window.closes) {
            let (period, until) = (window.period.to_string(), window.last.to_string());
            let params =
                [("account", account.label.as_str()), ("period", &period), ("until", &until), ("state", stands)];
            self.raise(&key, "not_confirmed", &params).await?;
        }
        Ok(())
    }

    /// A meter that hangs there and is not in the act that was signed: nobody else would notice.
    async fn say_what_is_left_out(
        &self,
        register: &Register,
        account: &Account,
        points: &[&MeteringPoint],
        act: Option<&Act>,
        window: &Window,
    ) -> Result<(), MeteringError> {
        let Some(act) = act.filter(|act| act.state.is_signed()) else { return Ok(()) };
        for point in points.iter().filter(|point| register.meter_at(point.id).is_some()) {
            let key = format!("left:{}:{}:{}", account.id, window.period, point.name);
            let stated = act.readings.iter().any(|reading| reading.point == point.id);
            if stated || !is_awaited(point, window.period) {
                self.clear(&key).await?;
            } else {
                let id = act.id.to_string();
                let params = [("point", point.name.as_str()), ("act", id.as_str())];
                self.raise(&key, "left_out", &params).await?;
            }
        }
        Ok(())
    }

    /// The windows of this month and the last that have closed: what the portal never confirmed, the household has to
    /// know. And what it has confirmed since needs no warning any more.
    async fn say_what_was_missed(
        &self,
        terms: &Terms,
        account: &Account,
        points: &[&MeteringPoint],
        resources: &[Resource],
        today: Date,
    ) -> Result<(), MeteringError> {
        for act in self.store.acts().list(ActFilter { account: Some(account.id), ..ActFilter::default() }).await? {
            if act.state.is_confirmed() {
                self.clear(&format!("missed:{}:{}", account.id, act.period)).await?;
                self.clear(&format!("unconfirmed:{}:{}", account.id, act.period)).await?;
            }
        }
        for period in [today.period().previous(), today.period()] {
            let Some((first, last)) = terms.days(period, resources).filter(|(_, last)| *last < today) else { continue };
            self.clear_all(&format!("reading:{}:{period}:", account.id)).await?;
            for point in points {
                self.clear(&format!("read:{}:{period}", point.id)).await?;
            }
            let act = self.live_act(account.id, period).await?;
            let state = match &act {
                Some(act) if act.state.is_confirmed() => continue,
                Some(act) => act.state.code(),
                // Without an act there was something to miss only if the meters were read here before.
                None if !points.iter().any(|point| is_awaited(point, period)) => continue,
                None if !self.was_read_before(terms, points, first).await? => continue,
                None => "none",
            };
            let (spelled, ended) = (period.to_string(), last.to_string());
            let params =
                [("account", account.label.as_str()), ("period", &spelled), ("ended", &ended), ("state", state)];
            self.clear(&format!("unconfirmed:{}:{period}", account.id)).await?;
            self.raise(&format!("missed:{}:{period}", account.id), "window_missed", &params).await?;
        }
        Ok(())
    }

    async fn was_read_before(
        &self,
        terms: &Terms,
        points: &[&MeteringPoint],
        day: Date,
    ) -> Result<bool, MeteringError> {
        let Some(before) = terms.start_of(day) else { return Ok(false) };
        for point in points {
            let row = self.store.ledger().last_accepted_before(point.id, Tariff::T1, before).await?;
            if row.is_some_and(|row| row.reading.source != Source::Installation) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Most looks find nothing to clear, and a look must not write.
    async fn clear(&self, key: &str) -> Result<(), MeteringError> {
        if self.store.notices().open().await?.iter().any(|open| open.key == key) {
            self.store.notices().clear(key).await?;
        }
        Ok(())
    }

    async fn clear_all(&self, prefix: &str) -> Result<(), MeteringError> {
        for open in self.store.notices().open().await? {
            if open.key.starts_with(prefix) {
                self.clear(&open.key).await?;
            }
        }
        Ok(())
    }

    /// What was said about an act that a correction has replaced.
    pub(super) async fn clear_act(&self, act: ActId) -> Result<(), MeteringError> {
        let id = act.to_string();
        for open in self.store.notices().open().await? {
            if open.key.split(':').nth(1) == Some(id.as_str()) {
                self.clear(&open.key).await?;
            }
        }
        Ok(())
    }

    /// Raises a notice once per key.
    pub(super) async fn raise(&self, key: &str, kind: &str, params: &[(&str, &str)]) -> Result<(), MeteringError> {
        let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let notice = Notice { kind: kind.to_owned(), params, at: self.clock.moment() };
        if self.store.notices().raise(key, &notice).await? {
            tracing::warn!(kind, "notice raised: see `domovoi notices`");
            self.bus.tell(Event::Notice(key.into()));
        }
        Ok(())
    }
}

/// Whether a draft differs only in devices having counted on for a while.
fn only_moves_on(old: &[ActReading], new: &[ActReading]) -> bool {
    old.len() == new.len()
        && new.iter().all(|new| {
            old.iter().any(|old| {
                (old.meter, &old.source, &old.photo, &old.previous)
                    == (new.meter, &new.source, &new.photo, &new.previous)
                    && matches!(new.source, Source::Device(_))
                    && new.taken_at.0 - old.taken_at.0 < REDRAFT_MILLIS
            })
        })
}

/// Whether an act of this month waits for this point.
pub fn is_awaited(point: &MeteringPoint, period: Period) -> bool {
    point.reminder != Reminder::Quarterly || is_reminded(point, period)
}

fn resources_of(points: &[&MeteringPoint]) -> Vec<Resource> {
    let mut resources: Vec<_> = points.iter().map(|point| point.resource).collect();
    resources.sort();
    resources.dedup();
    resources
}

fn window_on(terms: &Terms, resources: &[Resource], today: Date) -> Option<Window> {
    let period = terms.open_period(today, resources)?;
    let (_, last) = terms.days(period, resources)?;
    let opens = terms.start_of(terms.whole_from(period, resources)?)?;
    let closes = terms.start_of(last.plus_days(1)?)?;
    Some(Window { period, last, opens, closes })
}

pub(super) fn new_id() -> Result<Id, MeteringError> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| MeteringError::Random(error.to_string()))?;
    Ok(Id(uuid::Builder::from_random_bytes(bytes).into_uuid().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(text: &str) -> Period {
        text.parse().unwrap()
    }

    #[test]
    fn jitter_stays_in_the_window_and_is_the_same_at_every_look() {
        let rules = Rules::default();
        let (opens, closes) = (Timestamp(0), Timestamp(10 * DAY_MILLIS));
        let mut seen = std::collections::BTreeSet::new();
        for n in 0..50u8 {
            let account = AccountId(Id([n; 16]));
            let due = due_at(&rules, account, period("2026-11"), opens, closes);
            assert!(due >= opens && due.0 < opens.0 + rules.jitter_millis);
            assert_eq!(due, due_at(&rules, account, period("2026-11"), opens, closes));
            seen.insert(due);
        }
        assert!(seen.len() > 40, "they spread");
        let short = due_at(&rules, AccountId(Id([1; 16])), period("2026-11"), opens, Timestamp(DAY_MILLIS));
        assert_eq!(short, opens, "a window of one day leaves no room");
    }

    #[test]
    fn the_owner_is_warned_two_days_before_the_end_and_by_the_23rd() {
        let rules = Rules::default();
        let closes = Timestamp(30 * DAY_MILLIS);
        let warned = |day: &str, now: i64| {
            is_time_to_warn(&rules, Timestamp(now), day.parse().unwrap(), period("2026-11"), closes)
        };
        assert!(!warned("2026-11-22", 20 * DAY_MILLIS));
        assert!(warned("2026-11-23", 20 * DAY_MILLIS));
        assert!(warned("2026-12-01", 20 * DAY_MILLIS));
        assert!(warned("2026-11-17", 28 * DAY_MILLIS));
    }
}
