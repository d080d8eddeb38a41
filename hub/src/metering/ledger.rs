//! The ledger performs what `judge` decides: it follows the journal by a durable cursor, and writes every register
//! reading with its source and verdict. A `kill -9` between journal and ledger loses nothing: the cursor stands in the
//! same transaction as the rows, and what comes twice is recognised by its place in the journal.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use domovoi_model::{
    DeviceRef, Finding, MeterId, Moment, PhotoId, PointId, Quality, RegisterReading, Sample, Source, Tariff, Timestamp,
    Unit, Verdict,
};
use domovoi_store::{LedgerEntry, Recorded, Store, StoreError};
use rust_decimal::Decimal;

use super::judge::{Doubted, Last, Offered, is_a_pulse_behind, judge};
use super::register::Register;
use super::sign::sha256;

/// The name of the ledger's cursor in the store.
pub(super) const CURSOR: &str = "ledger";

/// How many rows behind the last believed one are read after a start.
const DOUBTS_READ: u32 = 500;

/// How many of a point's newest rows are looked through for a person's word after a start.
const CONFIRMATIONS_READ: u32 = 500;

/// For so long a person's reading is stated as a person's, though a device says the same.
const PERSONS_WORD_MILLIS: i64 = 24 * 3_600_000;

/// What is known of one register between two values.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    pub last: Option<Last>,
    pub doubted: Option<Doubted>,
    /// When the believed value was last said, also when it did not change.
    pub seen_at: Option<Timestamp>,
    /// Who said it.
    pub source: Option<Source>,
    pub raw_sha256: [u8; 32],
    /// When a person last looked at the face, or decided.
    pub confirmed_at: Option<Timestamp>,
    /// The last photo, and when it was taken in.
    pub photo: Option<(PhotoId, Timestamp)>,
}

/// Standings of all registers, filled from the store as they are asked for.
#[derive(Debug, Default)]
pub(super) struct Standings(HashMap<(MeterId, Tariff), Standing>);

impl Standings {
    /// Forgets a meter: its rows changed by other means than `note`.
    pub fn forget(&mut self, meter: MeterId) {
        self.0.retain(|(known, _), _| *known != meter);
    }

    /// Forgets everything: moments were settled after the clock was set.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// How a register stands.
    pub async fn of(
        &mut self,
        store: &Store,
        point: PointId,
        meter: MeterId,
        tariff: Tariff,
    ) -> Result<&mut Standing, StoreError> {
        match self.0.entry((meter, tariff)) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(empty) => Ok(empty.insert(Self::load(store, point, meter, tariff).await?)),
        }
    }

    async fn load(store: &Store, point: PointId, meter: MeterId, tariff: Tariff) -> Result<Standing, StoreError> {
        let mut standing = Standing::default();
        let Some(row) = store.ledger().last_accepted(point, tariff).await? else { return Ok(standing) };
        if row.reading.meter != meter {
            // The last meter's end; the new one has not been entered yet.
            return Ok(standing);
        }
        for earlier in store.ledger().newest(point, CONFIRMATIONS_READ).await?.iter().rev() {
            if earlier.reading.meter == meter && earlier.reading.tariff == tariff {
                standing.note_person(&earlier.reading);
            }
        }
        standing.note(&row.reading);
        // A person who decided about one of a row of strange values has decided about those that came meanwhile.
        let decided = row.reading.verdict == Verdict::Accepted(Some(Finding::ConfirmedByPerson));
        // A broken device writes a row an hour: some hundred say as much as all.
        for doubt in store.ledger().doubts_after(point, tariff, row.id, DOUBTS_READ).await? {
            if doubt.reading.meter == meter && !(decided && matches!(doubt.reading.verdict, Verdict::Held(_))) {
                standing.note(&doubt.reading);
            }
        }
        Ok(standing)
    }
}

impl Standing {
    /// Takes in a judged reading.
    pub fn note(&mut self, reading: &RegisterReading) {
        self.note_person(reading);
        let at = reading.at.wall();
        match &reading.verdict {
            Verdict::Accepted(_) => {
                self.last = Some(Last {
                    value: reading.value,
                    at,
                    seen_at: at,
                    by_person: matches!(reading.source, Source::Person(_) | Source::Photo { .. }),
                    installation: matches!(reading.source, Source::Installation),
                });
                self.doubted = None;
                self.seen_at = at;
                self.source = Some(reading.source.clone());
                self.raw_sha256 = reading.raw_sha256;
            }
            // A glitch in between does not end a doubt that waits for a person.
            Verdict::Ignored(_)
                if self.doubted.as_ref().is_some_and(|d| d.finding == Finding::ImplausibleJump)
                    && reading.verdict != Verdict::Ignored(Finding::ConfirmedByPerson) => {}
            Verdict::Held(finding) | Verdict::Ignored(finding) => {
                let in_a_row = self.doubted.as_ref().map_or(0, |d| d.in_a_row).saturating_add(1);
                self.doubted = Some(Doubted { value: reading.value, at, finding: finding.clone(), in_a_row });
            }
        }
    }

    /// Remembers that a person looked, whatever devices say afterwards.
    fn note_person(&mut self, reading: &RegisterReading) {
        let by_person = matches!(reading.source, Source::Person(_) | Source::Photo { .. })
            || reading.verdict.finding() == Some(&Finding::ConfirmedByPerson);
        if let (true, true, Some(at)) = (by_person, reading.verdict.is_accepted(), reading.at.wall()) {
            self.confirmed_at = self.confirmed_at.max(Some(at));
            if let Source::Photo { photo, .. } = &reading.source {
                self.photo = Some((*photo, at));
            }
        }
    }
}

/// What a recorded sample is, for the ledger.
pub(super) struct Offer {
    pub point: PointId,
    pub meter: MeterId,
    pub tariff: Tariff,
    pub value: Result<Decimal, Finding>,
    pub raw: Decimal,
    pub complaint: Option<String>,
    pub raw_sha256: [u8; 32],
}

/// Whether a sample is a register of a bound meter, and what it says in the resource's unit.
pub(super) fn offer(register: &Register, sample: &Sample) -> Option<Offer> {
    let bound = register.bound(&sample.device, &sample.property)?;
    let raw = sample.value.number()?;
    let unit = if sample.unit == Unit::None { bound.unit.unwrap_or(sample.unit) } else { sample.unit };
    let value = unit.convert(raw, bound.resource.unit()).map_err(|_| Finding::WrongUnit);
    let complaint = match &sample.quality {
        Quality::Good => None,
        Quality::Suspect(words) => Some(words.clone()),
    };
    let tariff = bound.tariff;
    let raw_sha256 = evidence(sample);
    Some(Offer { point: bound.point, meter: bound.meter, tariff, value, raw, complaint, raw_sha256 })
}

/// The hash that ties a reading to the journal's sample: SHA-256 of `device property value unit` and the receipt time.
fn evidence(sample: &Sample) -> [u8; 32] {
    let at = sample.at.wall().map(|at| at.to_string()).unwrap_or_default();
    let line = format!("{}\n{}\n{}\n{}\n{at}", sample.device, sample.property, sample.value, sample.unit.symbol());
    sha256(line.as_bytes())
}

/// Judges one recorded sample; `None` when it says nothing new. One that is of another day is of the day that came with it,
/// and is no reading if none did.
pub(super) async fn take(
    store: &Store,
    register: &Register,
    standings: &mut Standings,
    recorded: &Recorded<Sample>,
    is_dated: bool,
) -> Result<Option<LedgerEntry>, StoreError> {
    let sample = &recorded.item;
    let Some(offer) = offer(register, sample) else { return Ok(None) };
    let Some((meter, resource)) = register.meter(offer.meter) else { return Ok(None) };
    let standing = standings.of(store, offer.point, offer.meter, offer.tariff).await?;
    let moment = match (is_dated, sample.device_time) {
        (false, _) => sample.at,
        (true, Some(day)) => Moment::Wall(day),
        (true, None) => return Ok(None),
    };
    let at = moment.wall();
    let source = Source::Device(sample.device.clone());
    let (value, verdict) = match offer.value {
        Err(finding) => (offer.raw, Some(Verdict::Ignored(finding))),
        Ok(value) => {
            let offered = Offered { value, at, complaint: offer.complaint, by_person: false };
            (value, judge(meter, resource, standing.last.as_ref(), standing.doubted.as_ref(), &offered))
        }
    };
    // A value that cannot be converted is said once, not with every packet.
    if matches!(verdict, Some(Verdict::Ignored(Finding::WrongUnit)))
        && standing.doubted.as_ref().is_some_and(|d| d.finding == Finding::WrongUnit)
    {
        return Ok(None);
    }
    let Some(verdict) = verdict else {
        let says_the_same = |last: &&mut Last| last.value == value || is_a_pulse_behind(last, value, resource);
        if let Some(last) = standing.last.as_mut().filter(says_the_same) {
            last.seen_at = at.or(last.seen_at);
            // A person's reading stays a person's when the device says the same a minute later; after a day it is the
            // device that vouches for it.
            let fresh = match (standing.confirmed_at, at) {
                (Some(then), Some(now)) => now.0 - then.0 < PERSONS_WORD_MILLIS,
                _ => false,
            };
            if !(last.by_person && fresh) {
                standing.seen_at = at.or(standing.seen_at);
                standing.source = Some(source);
                standing.raw_sha256 = offer.raw_sha256;
            }
        }
        return Ok(None);
    };
    let reading = RegisterReading {
        point: offer.point,
        meter: offer.meter,
        tariff: offer.tariff,
        value,
        at: moment,
        source,
        raw_sha256: offer.raw_sha256,
        verdict,
    };
    standing.note(&reading);
    Ok(Some(LedgerEntry { reading, seq: Some(recorded.seq) }))
}

/// The device that a source names, for a line that a person reads.
pub fn source_in_words(source: &Source) -> String {
    match source {
        Source::Device(DeviceRef { dialect, id }) => format!("{dialect}:{id}"),
        Source::Person(name) => format!("read by {name}"),
        Source::Photo { person, .. } => format!("photo by {person}"),
        Source::Installation => "installation".into(),
    }
}
