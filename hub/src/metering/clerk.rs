//! The clerk: draws up an act when a window opens, has it approved, signs it, and tells people in time when something
//! stands in the way. Decisions about readings are `act`'s; here they are performed.

use domovoi_model::{
    Account, AccountId, Act, ActId, ActReading, ActState, Date, Id, Meter, MeterId, MeteringPoint, Period, PhotoRef,
    PortalVerdict, PreviousReading, ReadingId, RegisterValues, Reminder, Resource, Source, Tariff, Timestamp,
};
use domovoi_store::{ActFilter, Notice};

use super::act::{self, Believed, Draft, PointFacts, Span};
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

/// How long before a window's end what stands against one meter no longer keeps the others waiting.
const LAST_CALL_MILLIS: i64 = 6 * 3_600_000;

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
        self.remind(register, account, &points, &window).await?;
        let mut act = self.live_act(account.id, window.period).await?;
        let due = due_at(&self.rules, account.id, window.period, window.opens, window.closes);
        if now >= due && act.as_ref().is_none_or(|act| !act.state.is_signed()) {
            let span = Span { period: window.period, until: None };
            let draft = self.draw_up(terms, register, account.id, &points, span, act.as_ref()).await?;
            act = self.keep_draft(account, &window, act, draft, now).await?;
        }
        if let Some(act) = act.as_ref().filter(|act| act.state == ActState::Checked)
            && self.standing_consent().await?
        {
            self.sign(act.id).await?;
        }
        let act = self.live_act(account.id, window.period).await?;
        self.say_what_is_left_out(register, account, &points, act.as_ref(), &window).await?;
        self.warn(account, act.as_ref(), &window, now, today).await
    }

    /// Collects what is known of the account's points and draws up their readings.
    async fn draw_up(
        &self,
        terms: &Terms,
        register: &Register,
        account: AccountId,
        points: &[&MeteringPoint],
        span: Span,
        earlier: Option<&Act>,
    ) -> Result<Draft, MeteringError> {
        let stated = self.stated_before(account, span.period).await?;
        let mut facts = Vec::with_capacity(points.len());
        for point in points {
            let reading_id = |meter: Option<MeterId>| {
                let drafted = earlier.filter(|act| !act.state.is_signed());
                let same = drafted
                    .and_then(|act| act.readings.iter().find(|r| r.point == point.id && Some(r.meter) == meter));
                same.map_or_else(|| new_id().map(ReadingId), |reading| Ok(reading.id))
            };
            for meter in register.meters.iter().filter(|meter| meter.point == point.id) {
                // A meter that was taken out since the last act: what it counted until then is stated with its end.
                let Some((date, end)) = meter.removed else { continue };
                let already = stated.iter().any(|r| r.meter == meter.id && r.date_value >= date);
                if !already && date.period() >= span.period.previous() && date.period() <= span.period {
                    facts.push(closing(point, meter, date, &end, &stated, reading_id(Some(meter.id))?));
                }
            }
            let meter = register.meter_at(point.id);
            facts.push(self.facts(meter, point, &stated, span, reading_id(meter.map(|meter| meter.id))?).await?);
        }
        Ok(act::draw_up(terms, &facts, span))
    }

    async fn facts(
        &self,
        meter: Option<&Meter>,
        point: &MeteringPoint,
        stated: &[ActReading],
        span: Span,
        reading_id: ReadingId,
    ) -> Result<PointFacts, MeteringError> {
        let mut facts = PointFacts {
            point: point.clone(),
            meter: meter.cloned(),
            believed: [None, None, None, None],
            doubts: Vec::new(),
            previous: None,
            taken_out: None,
            awaited: point.reminder != Reminder::Quarterly || is_reminded(point, span.period),
            photo: None,
            reading_id,
        };
        let Some(meter) = meter else { return Ok(facts) };
        facts.previous = previous(stated, meter);
        let mut standings = self.standings.lock().await;
        for tariff in meter.tariff_registers() {
            let standing = standings.of(&self.store, point.id, meter.id, *tariff).await?;
            if let Some(doubted) = standing.doubted.as_ref().filter(|d| is_held(&d.finding)) {
                let what = format!(
                    "register {tariff} was said to be {}, which is held ({}); decide with `domovoi meter decide` or \
                     read it by hand",
                    doubted.value,
                    doubted.finding.code()
                );
                facts.doubts.push((*tariff, what));
            }
            // The register as it stood when it was put in is where counting begins, and no reading.
            if let (Some(last), Some(seen_at), Some(source)) = (standing.last, standing.seen_at, &standing.source)
                && *source != Source::Installation
            {
                let raw_sha256 = standing.raw_sha256;
                let believed = Believed { value: last.value, seen_at, source: source.clone(), raw_sha256 };
                facts.believed[tariff.index()] = Some(believed);
            }
        }
        drop(standings);
        let photo = facts.believed.iter().flatten().find_map(|believed| match &believed.source {
            Source::Photo { photo, .. } => Some(*photo),
            _ => None,
        });
        if let Some(id) = photo
            && let Some(kept) = self.store.photos().get(id).await?
        {
            facts.photo = Some(PhotoRef { id, sha256: kept.sha256, media_type: kept.media_type });
        }
        Ok(facts)
    }

    /// The readings of earlier months that stand: in acts that were signed, not refused, not replaced by a correction
    /// that went through, and not rejected one by one.
    async fn stated_before(&self, account: AccountId, period: Period) -> Result<Vec<ActReading>, MeteringError> {
        let acts = self.store.acts().list(ActFilter { account: Some(account), ..ActFilter::default() }).await?;
        let refused = |id: ActId| acts.iter().any(|act| act.id == id && matches!(act.state, ActState::Refused { .. }));
        let stands = |act: &&Act| match act.state {
            ActState::Refused { .. } => false,
            ActState::Superseded { by } => refused(by),
            _ => act.state.is_signed(),
        };
        let readings = acts.iter().filter(|act| act.period < period).filter(stands).flat_map(|act| act.readings.iter());
        let taken = readings.filter(|reading| !matches!(reading.portal_verdict, PortalVerdict::Rejected { .. }));
        Ok(taken.cloned().collect())
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
        // A device that has not spoken yet on the first day is no news; near the end of the window it is.
        let settled = now.0 >= window.opens.0 + DAY_MILLIS || now.0 >= window.closes.0 - 3 * DAY_MILLIS;
        for problem in draft.problems.iter().filter(|problem| settled || !problem.may_come) {
            let params = [("point", problem.point.as_str()), ("problem", problem.what.as_str())];
            let key = format!("reading:{}:{}:{}", account.id, window.period, problem.point);
            self.raise(&key, "reading_missing", &params).await?;
        }
        if draft.readings.is_empty() && draft.problems.is_empty() {
            return Ok(earlier);
        }
        let last_call = now.0 >= window.closes.0 - LAST_CALL_MILLIS;
        let state = if last_call && !draft.readings.is_empty() {
            ActState::Checked
        } else {
            act::draft_state(&draft.problems)
        };
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
        if draft.problems.is_empty() {
            self.clear_all(&format!("reading:{}:{}:", account.id, window.period)).await?;
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
        self.is_the_latest(&act).await?;
        let act = self.signed(act, None).await?;
        self.store.acts().update(&act).await?;
        tracing::info!(act = %act.id, period = %act.period, "act signed");
        self.tell_act(&act);
        Ok(act)
    }

    /// What was drawn up in a window must not be signed when a later month has been stated: its readings would overlap.
    async fn is_the_latest(&self, act: &Act) -> Result<(), MeteringError> {
        let acts = self.store.acts().list(ActFilter { account: Some(act.account), ..ActFilter::default() }).await?;
        match acts.iter().find(|other| other.period > act.period && other.state.is_signed()) {
            Some(later) => Err(MeteringError::LaterMonthStated { period: act.period, later: later.period }),
            None => Ok(()),
        }
    }

    async fn signed(&self, act: Act, held_by_portal: Option<ActId>) -> Result<Act, MeteringError> {
        let now = self.clock.trusted().ok_or(MeteringError::ClockNotTrusted)?;
        let register = self.register();
        let (account, terms) = self.account_and_terms(&register, act.account)?;
        let before = self.store.acts().last_signed(act.account).await?.map(|(_, document)| sha256(&document));
        // What was drawn up keeps its time in the store; the document says when it was signed.
        let dated = Act { created_at: now, ..act.clone() };
        let kid = self.key.public().thumbprint();
        let document = act::document(terms, account, &dated, &register.meters, before, held_by_portal, &kid)
            .map_err(MeteringError::Document)?;
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

    /// A person corrects an act that the portal has receipted, or has refused: a new act from what is believed now,
    /// signed, takes its place. Asking for it is approving it. A meter of which nothing better is known keeps the
    /// reading that it had: a correction takes the place of the whole act.
    pub async fn correct(&self, id: ActId) -> Result<Act, MeteringError> {
        let now = self.clock.trusted().ok_or(MeteringError::ClockNotTrusted)?;
        let _turn = self.signing.lock().await;
        let old = self.act(id).await?;
        if !matches!(old.state, ActState::Received { .. } | ActState::Refused { .. }) {
            return Err(MeteringError::NotCorrectable { id, state: old.state.code() });
        }
        self.is_the_latest(&old).await?;
        let register = self.register();
        let (account, terms) = self.account_and_terms(&register, old.account)?;
        let points: Vec<&MeteringPoint> = register.points_of(account.id).collect();
        // A correction may come after the window: what was read since then counts.
        let span = Span { period: old.period, until: terms.day_at(now) };
        let mut readings = self.draw_up(terms, &register, account.id, &points, span, Some(&old)).await?;
        for kept in &old.readings {
            let rejected = matches!(kept.portal_verdict, PortalVerdict::Rejected { .. });
            if !rejected && !readings.readings.iter().any(|new| new.meter == kept.meter) {
                let id = ReadingId(new_id()?);
                readings.readings.push(ActReading { id, portal_verdict: PortalVerdict::Pending, ..kept.clone() });
            }
        }
        if readings.readings.is_empty() {
            let problems = readings.problems.iter().map(|p| format!("{}: {}", p.point, p.what));
            return Err(MeteringError::NothingToSay(problems.collect::<Vec<_>>().join("; ")));
        }
        let held_by_portal = self.held_by_portal(old.clone()).await?;
        let act = Act {
            id: ActId(new_id()?),
            supersedes: Some(old.id),
            created_at: now,
            document: None,
            signature: None,
            readings: readings.readings,
            state: ActState::Checked,
            ..old.clone()
        };
        let act = self.signed(act, held_by_portal).await?;
        let old = Act { state: ActState::Superseded { by: act.id }, ..old };
        self.store.acts().supersede(&old, &act).await?;
        self.clear_act(old.id).await?;
        self.tell_act(&old);
        self.tell_act(&act);
        Ok(act)
    }

    /// The newest act of a chain of corrections that the portal took: what a further correction has to name.
    async fn held_by_portal(&self, mut act: Act) -> Result<Option<ActId>, MeteringError> {
        loop {
            if act.readings.iter().any(|r| matches!(r.portal_verdict, PortalVerdict::Accepted { .. })) {
                return Ok(Some(act.id));
            }
            match act.supersedes {
                Some(before) => act = self.act(before).await?,
                None => return Ok(None),
            }
        }
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
                self.clear(&key).await?;
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
            let key = format!("reading:{}:{}:{}", account.id, window.period, point.name);
            let awaited = point.reminder != Reminder::Quarterly || is_reminded(point, window.period);
            if act.readings.iter().any(|reading| reading.point == point.id) || !awaited {
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

    async fn clear(&self, key: &str) -> Result<(), MeteringError> {
        self.store.notices().clear(key).await?;
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
    async fn clear_act(&self, act: ActId) -> Result<(), MeteringError> {
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

/// What the last act of an earlier month said of this meter; for a new one, its registers when it was put in.
fn previous(stated: &[ActReading], meter: &Meter) -> Option<PreviousReading> {
    let last = stated.iter().filter(|reading| reading.meter == meter.id).max_by_key(|reading| reading.taken_at);
    match last {
        Some(reading) => Some(PreviousReading { values: reading.values, date: reading.date_value }),
        None if meter.start != RegisterValues::default() => {
            Some(PreviousReading { values: meter.start, date: meter.installed })
        }
        None => None,
    }
}

/// The end reading of a meter that was taken out.
fn closing(
    point: &MeteringPoint,
    meter: &Meter,
    date: Date,
    end: &RegisterValues,
    stated: &[ActReading],
    reading_id: ReadingId,
) -> PointFacts {
    // Noon, so that every time zone calls it that day.
    let seen_at = Timestamp(date.days_since_epoch() * DAY_MILLIS + DAY_MILLIS / 2);
    let mut believed = [None, None, None, None];
    for (tariff, value) in end.iter() {
        let raw_sha256 = sha256(format!("{tariff} {value}").as_bytes());
        believed[tariff.index()] = Some(Believed { value, seen_at, source: Source::Installation, raw_sha256 });
    }
    PointFacts {
        point: point.clone(),
        meter: Some(meter.clone()),
        believed,
        doubts: Vec::new(),
        previous: previous(stated, meter),
        taken_out: Some(date),
        awaited: true,
        photo: None,
        reading_id,
    }
}

/// Ignored values are evidence; held ones wait for a person and stand in the way of an act.
fn is_held(finding: &domovoi_model::Finding) -> bool {
    use domovoi_model::Finding;
    // Dismissed counts as looked at.
    !matches!(
        finding,
        Finding::GlitchToZero
            | Finding::Negative
            | Finding::TooManyDigits
            | Finding::WrongUnit
            | Finding::ConfirmedByPerson
    )
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
