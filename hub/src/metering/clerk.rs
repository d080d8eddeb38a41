//! The clerk: draws up an act when a window opens, has it approved, signs it, and tells people in time when something
//! stands in the way. Decisions about readings are `act`'s; here they are performed.

use domovoi_model::{
    Account, AccountId, Act, ActId, ActState, Date, Id, MeteringPoint, Period, PhotoRef, PreviousReading, ReadingId,
    RegisterValues, Reminder, Source, Tariff, Timestamp,
};
use domovoi_store::{ActFilter, Notice};

use super::act::{self, Believed, Draft, PointFacts};
use super::register::Register;
use super::sign::sha256;
use super::terms::Terms;
use super::{Metering, MeteringError};
use crate::bus::Event;

const DAY_MILLIS: i64 = 86_400_000;

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

/// An account's window as the clerk looks at it.
struct Window {
    period: Period,
    last: Date,
    opens: Timestamp,
    /// The first moment after it.
    closes: Timestamp,
}

impl Metering {
    /// Looks at every account once.
    pub async fn run_once(&self) -> Result<(), MeteringError> {
        let Some(now) = self.clock.trusted() else {
            self.raise("clock", "clock_untrusted", &[]).await?;
            return Ok(());
        };
        self.store.notices().clear("clock").await?;
        let register = self.register();
        for account in &register.accounts {
            let Some(terms) = self.suppliers.get(&account.supplier) else {
                let params = [("account", account.label.as_str()), ("supplier", account.supplier.as_str())];
                self.raise(&format!("supplier:{}", account.id), "supplier_unknown", &params).await?;
                continue;
            };
            self.look_at(terms, &register, account, now).await?;
        }
        Ok(())
    }

    async fn look_at(
        &self,
        terms: &Terms,
        register: &Register,
        account: &Account,
        now: Timestamp,
    ) -> Result<(), MeteringError> {
        let points: Vec<&MeteringPoint> = register.points_of(account.id).collect();
        let mut resources: Vec<_> = points.iter().map(|point| point.resource).collect();
        resources.sort();
        resources.dedup();
        let Some(today) = terms.day_at(now) else { return Ok(()) };
        self.say_what_was_missed(terms, account, &resources, today).await?;
        let Some((period, first, last)) = terms.open_period(today, &resources) else { return Ok(()) };
        let after = last.plus_days(1).and_then(|day| terms.start_of(day));
        let (Some(opens), Some(closes)) = (terms.start_of(first), after) else { return Ok(()) };
        let window = Window { period, last, opens, closes };
        self.remind(register, account, &points, &window).await?;
        let mut act = self.live_act(account.id, period).await?;
        if now >= due_at(&self.rules, account.id, period, opens, closes)
            && act.as_ref().is_none_or(|act| !act.state.is_signed())
        {
            let draft = self.draw_up(terms, register, account.id, &points, (first, last), act.as_ref()).await?;
            act = self.keep_draft(account, &window, act, draft, now).await?;
        }
        if let Some(act) = &act
            && act.state == ActState::Checked
            && self.standing_consent().await?
        {
            self.sign(act.id).await?;
        }
        let act = self.live_act(account.id, period).await?;
        self.warn(account, act.as_ref(), &window, now, today).await
    }

    /// Collects what is known of the account's points and draws up their readings.
    async fn draw_up(
        &self,
        terms: &Terms,
        register: &Register,
        account: AccountId,
        points: &[&MeteringPoint],
        (first, last): (Date, Date),
        earlier: Option<&Act>,
    ) -> Result<Draft, MeteringError> {
        let mut facts = Vec::with_capacity(points.len());
        for point in points {
            let reading_id = match earlier.and_then(|act| act.readings.iter().find(|r| r.point == point.id)) {
                Some(reading) if !earlier.is_some_and(|act| act.state.is_signed()) => reading.id,
                _ => ReadingId(new_id()?),
            };
            let mut known = self.facts(register, point, reading_id, (first, last), terms).await?;
            if let Some(meter) = known.meter.clone() {
                known.previous = self.previous(account, point, &meter, earlier.map(|act| act.id)).await?;
            }
            facts.push(known);
        }
        Ok(act::draw_up(terms, &facts, first, last))
    }

    async fn facts(
        &self,
        register: &Register,
        point: &MeteringPoint,
        reading_id: ReadingId,
        (first, last): (Date, Date),
        terms: &Terms,
    ) -> Result<PointFacts, MeteringError> {
        let mut facts = PointFacts {
            point: point.clone(),
            meter: register.meter_at(point.id).cloned(),
            believed: [None, None, None, None],
            doubts: Vec::new(),
            previous: None,
            photo: None,
            reading_id,
        };
        let Some(meter) = &facts.meter else { return Ok(facts) };
        let mut standings = self.standings.lock().await;
        for tariff in meter.tariff_registers() {
            let standing = standings.of(&self.store, point.id, meter.id, *tariff).await?;
            if let Some(doubted) = standing.doubted.as_ref().filter(|d| is_held(&d.finding)) {
                facts.doubts.push(format!(
                    "register {tariff} was said to be {}, which is held ({}); decide with `domovoi meter decide` or read it by hand",
                    doubted.value,
                    doubted.finding.code()
                ));
            }
            let (Some(believed), Some(seen_at), Some(source)) = (standing.last, standing.seen_at, &standing.source)
            else {
                continue;
            };
            // The register as it stood at installation is no reading of this period, unless it was put in within it.
            if *source == Source::Installation && terms.day_at(seen_at).is_none_or(|day| day < first || day > last) {
                continue;
            }
            let raw_sha256 = standing.raw_sha256;
            let believed = Believed { value: believed.value, seen_at, source: source.clone(), raw_sha256 };
            facts.believed[tariff.index()] = Some(believed);
        }
        drop(standings);
        if let Some(Source::Photo { photo, .. }) = facts.believed.iter().flatten().map(|b| &b.source).next()
            && let Some(kept) = self.store.photos().get(*photo).await?
        {
            facts.photo = Some(PhotoRef { id: *photo, sha256: kept.sha256, media_type: kept.media_type });
        }
        Ok(facts)
    }

    /// What the last act (but the one being corrected) said of this meter; for a new meter, its registers at installation.
    async fn previous(
        &self,
        account: AccountId,
        point: &MeteringPoint,
        meter: &domovoi_model::Meter,
        but: Option<ActId>,
    ) -> Result<Option<PreviousReading>, MeteringError> {
        let acts = self.store.acts().list(ActFilter { account: Some(account), ..ActFilter::default() }).await?;
        let stated = acts
            .iter()
            .filter(|act| Some(act.id) != but)
            .filter(|act| {
                act.state.is_signed() && !matches!(act.state, ActState::Refused { .. } | ActState::Superseded { .. })
            })
            .flat_map(|act| act.readings.iter())
            .filter(|reading| reading.point == point.id && reading.meter == meter.id)
            .max_by_key(|reading| reading.taken_at);
        Ok(match stated {
            Some(reading) => Some(PreviousReading { values: reading.values, date: reading.date_value }),
            None if meter.start != RegisterValues::default() => {
                Some(PreviousReading { values: meter.start, date: meter.installed })
            }
            None => None,
        })
    }

    /// Stores what was drawn up, if it says something new. On the last day, what stands against one meter no longer
    /// keeps the others waiting.
    async fn keep_draft(
        &self,
        account: &Account,
        window: &Window,
        earlier: Option<Act>,
        draft: Draft,
        now: Timestamp,
    ) -> Result<Option<Act>, MeteringError> {
        // A device that has not spoken yet on the first day is no news; near the end of the window it is.
        let settled = now.0 >= window.opens.0 + DAY_MILLIS || now.0 >= window.closes.0 - 3 * DAY_MILLIS;
        for problem in draft.problems.iter().filter(|problem| settled || !problem.may_come) {
            let params = [("point", problem.point.as_str()), ("problem", problem.what.as_str())];
            self.raise(
                &format!("reading:{}:{}:{}", account.id, window.period, problem.point),
                "reading_missing",
                &params,
            )
            .await?;
        }
        let last_day = now.0 >= window.closes.0 - DAY_MILLIS;
        let state =
            if last_day && !draft.readings.is_empty() { ActState::Checked } else { act::draft_state(&draft.problems) };
        if draft.readings.is_empty() && draft.problems.is_empty() {
            return Ok(earlier);
        }
        let act = match earlier {
            Some(act) if act.state == state && act::says_the_same(&act.readings, &draft.readings) => {
                return Ok(Some(act));
            }
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
        if act.state == ActState::Checked {
            let prefix = format!("reading:{}:{}:", account.id, window.period);
            for open in self.store.notices().open().await? {
                if open.key.starts_with(&prefix) && draft.problems.is_empty() {
                    self.store.notices().clear(&open.key).await?;
                }
            }
        }
        self.tell_act(&act);
        Ok(Some(act))
    }

    /// Signs a checked act: from here on its bytes never change. Whoever calls this has made sure of the approval.
    pub(super) async fn sign(&self, id: ActId) -> Result<Act, MeteringError> {
        // One signature at a time: the chain hash names the act signed before.
        let _turn = self.signing.lock().await;
        let act = self.act(id).await?;
        if act.state.is_signed() {
            return Ok(act);
        }
        if act.state != ActState::Checked {
            return Err(MeteringError::NotChecked(id));
        }
        let act = self.signed(act).await?;
        self.store.acts().update(&act).await?;
        tracing::info!(act = %act.id, period = %act.period, "act signed");
        self.tell_act(&act);
        Ok(act)
    }

    async fn signed(&self, act: Act) -> Result<Act, MeteringError> {
        let now = self.clock.trusted().ok_or(MeteringError::ClockNotTrusted)?;
        let register = self.register();
        let (account, terms) = self.account_and_terms(&register, act.account)?;
        let before = self.store.acts().last_signed(act.account).await?.map(|(_, document)| sha256(&document));
        // What was drawn up keeps its time in the store; the document says when it was signed.
        let kid = self.key.public().thumbprint();
        let dated = Act { created_at: now, ..act.clone() };
        let document =
            act::document(terms, account, &dated, &register.meters, before, &kid).map_err(MeteringError::Document)?;
        let signature = self.key.sign(&document);
        Ok(Act { document: Some(document), signature: Some(signature), state: ActState::Approved, ..act })
    }

    fn account_and_terms<'a>(
        &'a self,
        register: &'a Register,
        id: AccountId,
    ) -> Result<(&'a Account, &'a Terms), MeteringError> {
        let account = register.account(id).ok_or_else(|| MeteringError::NoSuch("account".into()))?;
        let terms = self.suppliers.get(&account.supplier);
        Ok((account, terms.ok_or_else(|| MeteringError::NoSupplier(account.supplier.clone()))?))
    }

    /// A person corrects an act that the portal has, or has refused: a new act from what is believed now, signed, takes
    /// its place. Asking for it is approving it.
    pub async fn correct(&self, id: ActId) -> Result<Act, MeteringError> {
        let now = self.clock.trusted().ok_or(MeteringError::ClockNotTrusted)?;
        let _turn = self.signing.lock().await;
        let old = self.act(id).await?;
        if !old.state.is_confirmed() && !matches!(old.state, ActState::Refused { .. }) {
            return Err(MeteringError::NotCorrectable { id, state: old.state.code() });
        }
        let register = self.register();
        let (account, terms) = self.account_and_terms(&register, old.account)?;
        let points: Vec<&MeteringPoint> = register.points_of(account.id).collect();
        let resources: Vec<_> = points.iter().map(|point| point.resource).collect();
        let (Some((first, last)), Some(today)) = (terms.days(old.period, &resources), terms.day_at(now)) else {
            return Err(MeteringError::NoSupplier(account.supplier.clone()));
        };
        // A correction may come after the window: what was read since then counts.
        let draft = self.draw_up(terms, &register, account.id, &points, (first, last.max(today)), Some(&old)).await?;
        if draft.readings.is_empty() {
            let why = draft.problems.iter().map(|p| format!("{}: {}", p.point, p.what)).collect::<Vec<_>>().join("; ");
            return Err(MeteringError::NothingToSay(why));
        }
        let act = Act {
            id: ActId(new_id()?),
            supersedes: Some(old.id),
            created_at: now,
            document: None,
            signature: None,
            readings: draft.readings,
            state: ActState::Checked,
            ..old.clone()
        };
        let act = self.signed(act).await?;
        let old = Act { state: ActState::Superseded { by: act.id }, ..old };
        self.store.acts().supersede(&old, &act).await?;
        self.tell_act(&old);
        self.tell_act(&act);
        Ok(act)
    }

    async fn remind(
        &self,
        register: &Register,
        account: &Account,
        points: &[&MeteringPoint],
        window: &Window,
    ) -> Result<(), MeteringError> {
        for point in points.iter().filter(|point| is_reminded(point, window.period)) {
            let Some(meter) = register.meter_at(point.id) else { continue };
            let seen = {
                let mut standings = self.standings.lock().await;
                standings.of(&self.store, point.id, meter.id, Tariff::T1).await?.seen_at
            };
            let key = format!("read:{}:{}", point.id, window.period);
            if seen.is_some_and(|seen| seen >= window.opens) {
                self.store.notices().clear(&key).await?;
            } else {
                let until = window.last.to_string();
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
            self.store.notices().clear(&key).await?;
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

    /// The window before this one: if its act never reached the portal, the household has to know.
    async fn say_what_was_missed(
        &self,
        terms: &Terms,
        account: &Account,
        resources: &[domovoi_model::Resource],
        today: Date,
    ) -> Result<(), MeteringError> {
        for period in [today.period().previous(), today.period()] {
            let Some((_, last)) = terms.days(period, resources) else { continue };
            if last >= today {
                continue;
            }
            let Some(act) = self.live_act(account.id, period).await? else { continue };
            let key = format!("missed:{}:{period}", account.id);
            if act.state.is_confirmed() {
                self.store.notices().clear(&key).await?;
                self.store.notices().clear(&format!("unconfirmed:{}:{period}", account.id)).await?;
            } else {
                let (spelled, ended) = (period.to_string(), last.to_string());
                let params = [
                    ("account", account.label.as_str()),
                    ("period", &spelled),
                    ("ended", &ended),
                    ("state", act.state.code()),
                ];
                self.raise(&key, "window_missed", &params).await?;
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

/// Ignored values are evidence; held ones wait for a person and stand in the way of an act.
fn is_held(finding: &domovoi_model::Finding) -> bool {
    use domovoi_model::Finding;
    !matches!(finding, Finding::GlitchToZero | Finding::Negative | Finding::TooManyDigits | Finding::WrongUnit)
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
