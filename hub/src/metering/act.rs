//! Drawing up an act: from what the ledger believes to the exact bytes that are signed. Pure.
//!
//! The document's shape is `components/schemas/Act` of config/portal-api.yaml, modelled on the fields of ГИС ЖКХ. It is
//! written once; from then on only its bytes count.

use domovoi_model::{
    Account, Act, ActId, ActReading, ActState, Date, Meter, MeteringPoint, Period, PhotoRef, PortalVerdict,
    PreviousReading, ReadingId, RegisterValues, Source, Tariff, Timestamp,
};
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

use super::sign::hex;
use super::terms::Terms;

/// The most decimals any Russian metering document takes (ГИС ЖКХ: `\d{1,15}(\.\d{1,7})?`).
const MOST_DECIMALS: u8 = 7;

/// What the ledger believes of one register now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Believed {
    /// What it shows.
    pub value: Decimal,
    /// When that was last said, by the device or a person; not when the value last changed.
    pub seen_at: Timestamp,
    /// Who says so.
    pub source: Source,
    /// SHA-256 of the bytes it came in.
    pub raw_sha256: [u8; 32],
    /// When a person last looked at the face, or decided about a value.
    pub confirmed_at: Option<Timestamp>,
}

/// All that is known of one point when an act is drawn up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointFacts {
    /// The point.
    pub point: MeteringPoint,
    /// The meter that hangs there now, if one does.
    pub meter: Option<Meter>,
    /// Per register of that meter, what is believed.
    pub believed: [Option<Believed>; 4],
    /// Values after the believed ones that wait for a person, in words.
    pub doubts: Vec<(Tariff, String)>,
    /// What the last act stated of this meter.
    pub previous: Option<PreviousReading>,
    /// The meter was taken out on this day, and this is its end reading: it belongs into the act whatever the window.
    pub taken_out: Option<Date>,
    /// Whether the act waits for this point. A meter that is read quarterly goes along in other months if it was read.
    pub awaited: bool,
    /// The photo that goes with the reading, if one does.
    pub photo: Option<PhotoRef>,
    /// A new id for the reading: made by the caller, so that this stays pure.
    pub reading_id: ReadingId,
}

/// A reading that cannot go into the act yet, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What the household calls the point.
    pub point: String,
    /// The sentence.
    pub what: String,
    /// Only a value is missing: it may still come by itself.
    pub may_come: bool,
}

/// What could be drawn up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Draft {
    /// Readings that nothing speaks against.
    pub readings: Vec<ActReading>,
    /// What speaks against the others.
    pub problems: Vec<Problem>,
}

/// When a reading may have been taken to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The month that is read.
    pub period: Period,
    /// For a correction: days after the window, up to this one, count too.
    pub until: Option<Date>,
}

/// Draws up the readings of one account.
pub fn draw_up(terms: &Terms, facts: &[PointFacts], span: Span) -> Draft {
    let mut draft = Draft::default();
    for point in facts {
        match reading(terms, point, span) {
            Ok(reading) => draft.readings.push(reading),
            Err(problems) if !point.awaited && problems.iter().all(|(may_come, _)| *may_come) => {}
            Err(problems) => draft.problems.extend(problems.into_iter().map(|(may_come, what)| Problem {
                point: point.point.name.clone(),
                what,
                may_come,
            })),
        }
    }
    draft
}

fn counts(terms: &Terms, facts: &PointFacts, span: Span, day: Date) -> bool {
    let resource = facts.point.resource;
    let later = span.until.is_some_and(|until| {
        day <= until && terms.days(span.period, &[resource]).is_some_and(|(first, _)| first <= day)
    });
    facts.taken_out.is_some() || later || terms.takes_on(span.period, resource, day)
}

/// No more decimals than the supplier takes and the face has; cut off, never rounded up.
fn cut(terms: &Terms, meter: &Meter, resource: domovoi_model::Resource, value: Decimal) -> Decimal {
    let decimals = u32::from(terms.service(resource).decimals.min(meter.digits_frac).min(MOST_DECIMALS));
    value.round_dp_with_strategy(decimals, RoundingStrategy::ToZero).normalize()
}

fn is_sent(terms: &Terms, tariff: Tariff) -> bool {
    // Kept in the ledger; ГИС ЖКХ and most suppliers know three registers.
    tariff != Tariff::T4 || terms.takes_t4
}

fn reading(terms: &Terms, facts: &PointFacts, span: Span) -> Result<ActReading, Vec<(bool, String)>> {
    let resource = facts.point.resource;
    let Some(meter) = &facts.meter else {
        return Err(vec![(false, "no meter hangs at this point: add one with `domovoi meter replace`".into())]);
    };
    let mut problems: Vec<(bool, String)> = facts
        .doubts
        .iter()
        .filter(|(tariff, _)| is_sent(terms, *tariff))
        .map(|(_, doubt)| (false, doubt.clone()))
        .collect();
    let mut values = RegisterValues::default();
    let mut newest: Option<&Believed> = None;
    for tariff in meter.tariff_registers().iter().filter(|tariff| is_sent(terms, **tariff)) {
        let Some(believed) = &facts.believed[tariff.index()] else {
            problems.push((true, format!("register {tariff} was never read")));
            continue;
        };
        let day = terms.day_at(believed.seen_at);
        if day.is_none_or(|day| !counts(terms, facts, span, day)) {
            let when = day.map_or_else(|| "at an unknown time".into(), |day| format!("on {day}"));
            let window = match terms.days(span.period, &[resource]) {
                Some((first, last)) => format!("{first} – {last}"),
                None => "of its supplier".into(),
            };
            problems.push((true, format!("register {tariff} was last read {when}, outside the window {window}")));
            continue;
        }
        values.set(*tariff, cut(terms, meter, resource, believed.value));
        if newest.is_none_or(|other| believed.seen_at > other.seen_at) {
            newest = Some(believed);
        }
    }
    let Some(newest) = newest else { return Err(problems) };
    let Some(date_value) = terms.day_at(newest.seen_at) else {
        problems.push((false, "the day of the reading is out of range".into()));
        return Err(problems);
    };
    let ended = meter.verification_valid_until.filter(|until| *until < date_value && facts.taken_out.is_none());
    if let Some(until) = ended {
        let what =
            format!("the meter's verification («поверка») ended on {until}; the supplier will not take its readings");
        problems.push((false, what));
    }
    let service = terms.service(resource);
    let mut consumption = RegisterValues::default();
    // Stated as the values are: the difference of a cut and an uncut number is no consumption.
    let previous = facts.previous.as_ref().map(|previous| {
        let mut values = RegisterValues::default();
        for (tariff, value) in previous.values.iter().filter(|(tariff, _)| is_sent(terms, *tariff)) {
            values.set(tariff, cut(terms, meter, resource, value));
        }
        PreviousReading { values, date: previous.date }
    });
    if let Some(previous) = &previous {
        for (tariff, value) in values.iter() {
            if let Some(used) = previous.values.get(tariff).and_then(|before| used(meter, before, value)) {
                consumption.set(tariff, used);
            }
        }
        let months = (date_value.days_since_epoch() - previous.date.days_since_epoch()).max(0) / 31 + 1;
        let total: Decimal = consumption.iter().map(|(_, used)| used).sum();
        // A person who looked at the meter's face has the last word on how much was used.
        let looked = facts.taken_out.is_some()
            || facts
                .believed
                .iter()
                .flatten()
                .filter_map(|believed| believed.confirmed_at.and_then(|at| terms.day_at(at)))
                .any(|day| counts(terms, facts, span, day));
        if let Some(most) = service.max_per_month.filter(|most| !looked && total > *most * Decimal::from(months)) {
            let what = format!(
                "{total} {} since {} is more than the {most} a month that the settings call plausible; confirm the reading",
                facts.point.resource.unit(),
                previous.date,
            );
            problems.push((false, what));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(ActReading {
        id: facts.reading_id,
        point: facts.point.id,
        meter: meter.id,
        serial: meter.serial.clone(),
        resource: facts.point.resource,
        values,
        taken_at: newest.seen_at,
        date_value,
        source: newest.source.clone(),
        raw_sha256: newest.raw_sha256,
        previous,
        consumption,
        photo: facts.photo.clone(),
        portal_verdict: PortalVerdict::Pending,
    })
}

/// What was used between two readings of a register. A lower value near the end of the face was let through by a person
/// as a rollover; any other lower one corrects an earlier mistake, and what was used cannot be told from the two.
pub fn used(meter: &Meter, before: Decimal, now: Decimal) -> Option<Decimal> {
    let limit = meter.rollover_at();
    let moved = if now >= before {
        now - before
    } else if before >= limit * Decimal::new(9, 1) {
        limit - before + now
    } else {
        return None;
    };
    let used = moved * meter.multiplier;
    Some(used.round_dp_with_strategy(u32::from(MOST_DECIMALS), RoundingStrategy::ToZero).normalize())
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: &'static str,
    version: u8,
    act_id: String,
    created_at: String,
    period: PeriodDoc,
    account: AccountDoc<'a>,
    previous_act_sha256: Option<String>,
    supersedes: Option<String>,
    key_id: &'a str,
    readings: Vec<ReadingDoc<'a>>,
}

#[derive(Serialize, Deserialize)]
struct PeriodDoc {
    year: i16,
    month: u8,
}

#[derive(Serialize)]
struct AccountDoc<'a> {
    supplier_id: &'a str,
    account_number: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    els: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jku_id: Option<&'a str>,
}

#[derive(Serialize)]
struct ReadingDoc<'a> {
    reading_id: String,
    meter: MeterDoc<'a>,
    values: RegistersDoc,
    taken_at: String,
    date_value: String,
    source: SourceDoc<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<PreviousDoc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumption: Option<RegistersDoc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    photo: Option<PhotoDoc<'a>>,
}

#[derive(Serialize)]
struct MeterDoc<'a> {
    serial: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    resource: &'static str,
    unit_okei: &'static str,
    digits_int: u8,
    digits_frac: u8,
    tariff_count: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    verification_valid_until: Option<String>,
    transformation_ratio: String,
}

#[derive(Serialize)]
struct RegistersDoc {
    #[serde(skip_serializing_if = "Option::is_none")]
    t1: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    t2: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    t3: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    t4: Option<String>,
}

#[derive(Serialize)]
struct SourceDoc<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<&'a str>,
    raw_sha256: String,
}

#[derive(Serialize)]
struct PreviousDoc {
    values: RegistersDoc,
    date: String,
}

#[derive(Serialize)]
struct PhotoDoc<'a> {
    sha256: String,
    media_type: &'a str,
}

impl From<&RegisterValues> for RegistersDoc {
    fn from(values: &RegisterValues) -> Self {
        let text = |tariff| values.get(tariff).map(|value| value.to_string());
        RegistersDoc { t1: text(Tariff::T1), t2: text(Tariff::T2), t3: text(Tariff::T3), t4: text(Tariff::T4) }
    }
}

/// Writes the document's bytes. `supersedes` is the act that the portal holds and this one replaces, which need not be
/// the one that the household corrects: a refused correction never got there. `meters` must hold the meter of every reading; a reading whose meter is missing is an
/// error, not a gap in the document.
pub fn document(
    terms: &Terms,
    account: &Account,
    act: &Act,
    meters: &[Meter],
    previous_act: Option<[u8; 32]>,
    supersedes: Option<ActId>,
    key_id: &str,
) -> Result<Vec<u8>, String> {
    let readings = act
        .readings
        .iter()
        .map(|reading| {
            let meter = meters
                .iter()
                .find(|meter| meter.id == reading.meter)
                .ok_or_else(|| format!("the meter of reading {} is no longer known", reading.id))?;
            let registers = if terms.takes_t4 { meter.tariffs } else { meter.tariffs.min(3) };
            Ok(ReadingDoc {
                reading_id: reading.id.to_string(),
                meter: MeterDoc {
                    serial: &reading.serial,
                    model: meter.model.as_deref(),
                    resource: reading.resource.code(),
                    unit_okei: reading.resource.unit().okei().unwrap_or("113"),
                    digits_int: meter.digits_int,
                    digits_frac: meter.digits_frac,
                    tariff_count: registers,
                    verification_valid_until: meter.verification_valid_until.map(|date| date.to_string()),
                    transformation_ratio: meter.multiplier.round_dp(4).normalize().to_string(),
                },
                values: (&reading.values).into(),
                taken_at: terms.rfc3339(reading.taken_at),
                date_value: reading.date_value.to_string(),
                source: SourceDoc {
                    kind: match &reading.source {
                        Source::Device(_) => "device",
                        Source::Person(_) => "person",
                        Source::Photo { .. } => "photo",
                        Source::Installation => "installation",
                    },
                    protocol: match &reading.source {
                        Source::Device(device) => Some(&device.dialect),
                        _ => None,
                    },
                    raw_sha256: hex(&reading.raw_sha256),
                },
                previous: reading
                    .previous
                    .as_ref()
                    .filter(|previous| previous.values.get(Tariff::T1).is_some())
                    .map(|previous| PreviousDoc { values: (&previous.values).into(), date: previous.date.to_string() }),
                consumption: reading.consumption.get(Tariff::T1).map(|_| (&reading.consumption).into()),
                photo: reading
                    .photo
                    .as_ref()
                    .map(|photo| PhotoDoc { sha256: hex(&photo.sha256), media_type: &photo.media_type }),
            })
        })
        .collect::<Result<Vec<_>, String>>()?;
    let document = Document {
        r#type: "domovoi.meter-act",
        version: 1,
        act_id: act.id.to_string(),
        created_at: terms.rfc3339(act.created_at),
        period: PeriodDoc { year: act.period.year, month: act.period.month },
        account: AccountDoc {
            supplier_id: &account.supplier,
            account_number: &account.number,
            els: account.els.as_deref(),
            jku_id: account.jku_id.as_deref(),
        },
        previous_act_sha256: previous_act.map(|hash| hex(&hash)),
        supersedes: supersedes.map(|id| id.to_string()),
        key_id,
        readings,
    };
    serde_json::to_vec_pretty(&document).map_err(|error| format!("the act could not be written: {error}"))
}

/// Whether two sets of readings say the same, ids and times apart: a draft that says the same is not drawn up anew.
pub fn says_the_same(a: &[ActReading], b: &[ActReading]) -> bool {
    let same = |left: &ActReading, right: &ActReading| {
        (left.point, left.meter, &left.values, &left.photo, &left.previous)
            == (right.point, right.meter, &right.values, &right.photo, &right.previous)
    };
    // Each in the other: a reading that stands twice in one would hide one that stands in the other only.
    let within = |a: &[ActReading], b: &[ActReading]| a.iter().all(|left| b.iter().any(|right| same(left, right)));
    a.len() == b.len() && within(a, b) && within(b, a)
}

/// The state of a draft: what stands against it, in words.
pub fn draft_state(problems: &[Problem]) -> ActState {
    if problems.is_empty() {
        ActState::Checked
    } else {
        ActState::Draft { problems: problems.iter().map(|p| format!("{}: {}", p.point, p.what)).collect() }
    }
}

#[cfg(test)]
#[path = "act_tests.rs"]
mod tests;
