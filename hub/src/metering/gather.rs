//! What is known of an account's points, collected from ledger and acts for whoever draws up an act. It decides nothing:
//! whether a reading counts is `act`'s.

use std::collections::BTreeMap;

use domovoi_model::{
    AccountId, Act, ActReading, Date, Finding, Meter, MeterId, MeteringPoint, Period, PhotoRef, PortalVerdict,
    PreviousReading, ReadingId, RegisterValues, Source, Timestamp,
};
use domovoi_store::ActFilter;

use super::act::{self, Believed, Draft, PointFacts, Span};
use super::clerk::{DAY_MILLIS, is_awaited, new_id};
use super::judge::Doubted;
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
        // A correction is drawn up by a person, and what nobody agreed to in advance is looked at by one.
        let is_unattended = span.until.is_none() && self.standing_consent().await?;
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
                // One that no act has ever spoken of, and that went long ago, is history.
                let known = stated.iter().any(|r| r.meter == meter.id) || date.period() >= span.period.previous();
                let last = terms.days(span.period, &[point.resource]).map_or(date, |(_, last)| last);
                if !already && known && date <= last {
                    facts.push(closing(terms, point, meter, date, &end, &stated, reading_id(Some(meter.id))?));
                }
            }
            let meter = register.meter_at(point.id);
            let reading_id = reading_id(meter.map(|meter| meter.id))?;
            let mut known = self.facts(terms, meter, point, &stated, span, reading_id).await?;
            if is_unattended {
                self.doubt_hearsay(terms, &mut known, span);
            }
            facts.push(known);
        }
        let mut draft = act::draw_up(terms, &facts, span);
        // A reading that was good while its resource's window was open is not lost when a later one passes that window.
        for kept in earlier.filter(|act| !act.state.is_signed()).into_iter().flat_map(|act| &act.readings) {
            let Some(point) = points.iter().find(|point| point.id == kept.point) else { continue };
            // A meter that was taken out since speaks for itself: its end is in the draft already.
            if draft.readings.iter().any(|reading| reading.meter == kept.meter) {
                continue;
            }
            let missing = draft.problems.iter().any(|problem| problem.point == point.name);
            let may_come = draft.problems.iter().filter(|p| p.point == point.name).all(|problem| problem.may_come);
            if missing && may_come && terms.takes_on(span.period, kept.resource, kept.date_value) {
                draft.problems.retain(|problem| problem.point != point.name);
                draft.readings.push(kept.clone());
            }
        }
        Ok(draft)
    }

    /// What is only known by hearsay goes into no act that nobody looks at, unless a person has looked at the meter within
    /// its window.
    fn doubt_hearsay(&self, terms: &Terms, facts: &mut PointFacts, span: Span) {
        let Some(binding) = &facts.point.binding else { return };
        let resource = facts.point.resource;
        let looked = |believed: &Believed| {
            let day = believed.confirmed_at.and_then(|at| terms.day_at(at));
            day.is_some_and(|day| terms.takes_on(span.period, resource, day))
        };
        for (tariff, property) in &binding.registers {
            let Some(believed) = facts.believed.get(tariff.index()).and_then(Option::as_ref) else { continue };
            let Source::Device(device) = &believed.source else { continue };
            let Some(hearsay) = self.word_of(device, property).hearsay.filter(|_| !looked(believed)) else { continue };
            let why = match hearsay {
                "overheard" => "was overheard by radio: anybody near could have sent it",
                "relayed" => "was passed on by a maker's cloud",
                _ => "is an estimate of another program",
            };
            let what = format!(
                "register {tariff} {why}, so it is not sent unseen; look at the meter and enter what it shows \
                 (`domovoi meter read`), or approve acts by hand"
            );
            facts.doubts.push((*tariff, what));
        }
    }

    async fn facts(
        &self,
        terms: &Terms,
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
            awaited: is_awaited(point, span.period),
            photo: None,
            reading_id,
        };
        let Some(meter) = meter else { return Ok(facts) };
        facts.previous = previous(stated, meter);
        let mut photo = None;
        let mut standings = self.standings.lock().await;
        for tariff in meter.tariff_registers() {
            let standing = standings.of(&self.store, point.id, meter.id, *tariff).await?;
            // A person has read the face; a device that stands lower is the device's matter.
            let read_by_person = matches!(standing.source, Some(Source::Person(_) | Source::Photo { .. }));
            let only_lower =
                |finding: &Finding| matches!(finding, Finding::Decreased | Finding::SwapSuspected) && read_by_person;
            let waits = |d: &&Doubted| is_held(&d.finding) && !only_lower(&d.finding);
            if let Some(doubted) = standing.doubted.as_ref().filter(waits) {
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
                facts.believed[tariff.index()] = Some(Believed {
                    value: last.value,
                    seen_at,
                    source: source.clone(),
                    raw_sha256: standing.raw_sha256,
                    confirmed_at: standing.confirmed_at,
                });
            }
            photo = standing.photo.or(photo);
        }
        drop(standings);
        let taken_in_window = |at: Timestamp| {
            terms.day_at(at).is_some_and(|day| terms.takes_on(span.period, point.resource, day) || span.until.is_some())
        };
        if let Some((id, _)) = photo.filter(|(_, at)| taken_in_window(*at))
            && let Some(kept) = self.store.photos().get(id).await?
        {
            facts.photo = Some(PhotoRef { id, sha256: kept.sha256, media_type: kept.media_type });
        }
        Ok(facts)
    }

    /// The readings of earlier months that stand: of each month the last word that the portal took or is about to get,
    /// but for those that it rejected one by one.
    async fn stated_before(&self, account: AccountId, period: Period) -> Result<Vec<ActReading>, MeteringError> {
        let mut acts = self.store.acts().list(ActFilter { account: Some(account), ..ActFilter::default() }).await?;
        acts.retain(|act| act.period < period);
        // Of each month the newest that the portal took, or that is still on its way there.
        let taken = |act: &Act| act.readings.iter().any(|r| matches!(r.portal_verdict, PortalVerdict::Accepted { .. }));
        let mut months: BTreeMap<Period, &Act> = BTreeMap::new();
        for act in acts.iter().filter(|act| taken(act) || act.state.is_on_its_way()) {
            months.insert(act.period, act);
        }
        let readings = months.into_values().flat_map(|act| act.readings.iter());
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
    terms: &Terms,
    point: &MeteringPoint,
    meter: &Meter,
    date: Date,
    end: &RegisterValues,
    stated: &[ActReading],
    reading_id: ReadingId,
) -> PointFacts {
    let midnight = terms.start_of(date).unwrap_or(Timestamp(date.days_since_epoch() * DAY_MILLIS));
    let seen_at = midnight.plus_millis(DAY_MILLIS / 2);
    let mut believed = [None, None, None, None];
    for (tariff, value) in end.iter() {
        let raw_sha256 = sha256(format!("{tariff} {value}").as_bytes());
        let source = Source::Installation;
        believed[tariff.index()] = Some(Believed { value, seen_at, source, raw_sha256, confirmed_at: None });
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
