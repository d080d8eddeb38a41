//! What is known of an account's points, collected from ledger and acts for whoever draws up an act. It decides nothing:
//! whether a reading counts is `act`'s.

use domovoi_model::{
    AccountId, Act, ActId, ActReading, ActState, Date, Finding, Meter, MeterId, MeteringPoint, Period, PhotoRef,
    PortalVerdict, PreviousReading, ReadingId, RegisterValues, Reminder, Source, Timestamp,
};
use domovoi_store::ActFilter;

use super::act::{self, Believed, Draft, PointFacts, Span};
use super::clerk::{DAY_MILLIS, is_reminded, new_id};
use super::register::Register;
use super::sign::sha256;
use super::terms::Terms;
use super::{Metering, MeteringError};

impl Metering {
    /// Collects what is known of the account's points and draws up their readings.
    pub(super) async fn draw_up(
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
                let same =
                    drafted.and_then(|act| act.readings.iter().find(|r| r.point == point.id && Some(r.meter) == meter));
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
fn is_held(finding: &Finding) -> bool {
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
