//! What people do with meters: add, replace, read by hand, decide about a held reading.

use domovoi_model::{
    Account, AccountId, Binding, Finding, Meter, MeterId, MeteringPoint, Moment, PhotoId, PointId, RegisterReading,
    RegisterValues, Reminder, Resource, Source, Tariff, Verdict,
};
use domovoi_store::{LedgerEntry, LedgerRow};
use rust_decimal::Decimal;

use super::clerk::new_id;
use super::judge::{Offered, judge};
use super::ledger::CURSOR;
use super::photo::Photo;
use super::sign::sha256;
use super::{Metering, MeteringError};
use crate::bus::Event;

/// A point, its account and its first meter, as a person states them.
#[derive(Debug, Clone)]
pub struct NewPoint {
    /// The supplier's id in the settings.
    pub supplier: String,
    /// «Лицевой счёт».
    pub account_number: String,
    /// The unified account of ГИС ЖКХ.
    pub els: Option<String>,
    /// What is measured.
    pub resource: Resource,
    /// What the household calls the place.
    pub name: String,
    /// The device that reads it, and which property is which register.
    pub binding: Option<Binding>,
    /// When a person is asked to read it.
    pub reminder: Reminder,
    /// The meter.
    pub meter: NewMeter,
}

/// A meter, as a person states it.
#[derive(Debug, Clone)]
pub struct NewMeter {
    /// The number on its face.
    pub serial: String,
    /// The maker's name for it.
    pub model: Option<String>,
    /// Digits before the point.
    pub digits_int: u8,
    /// Digits after the point.
    pub digits_frac: u8,
    /// How many tariff registers.
    pub tariffs: u8,
    /// What its movement is multiplied with.
    pub multiplier: Decimal,
    /// The day it was put in.
    pub installed: domovoi_model::Date,
    /// Its registers that day.
    pub start: RegisterValues,
    /// The day of its last verification.
    pub verified: Option<domovoi_model::Date>,
    /// The last day on which it counts.
    pub valid_until: Option<domovoi_model::Date>,
}

/// What became of a reading that a person handed in.
#[derive(Debug, Clone)]
pub struct Submitted {
    /// Whether it is in the ledger now: all registers, or none.
    pub taken: bool,
    /// Per register, the value and the ledger's verdict.
    pub verdicts: Vec<(Tariff, Decimal, Verdict)>,
}

impl NewMeter {
    fn check(&self, resource: Resource) -> Result<(), MeteringError> {
        let wrong = |what: String| Err(MeteringError::Invalid(what));
        let letters = self.serial.trim().chars().count();
        if letters == 0 || letters > 50 || self.serial.chars().any(char::is_control) {
            return wrong("a serial number has 1 to 50 characters".into());
        }
        if !(1..=15).contains(&self.digits_int) || self.digits_frac > 7 {
            return wrong("digits: 1 to 15 before the point and 0 to 7 after it, as 5.3".into());
        }
        if !(1..=4).contains(&self.tariffs) {
            return wrong("a meter has 1 to 4 tariff registers".into());
        }
        if self.tariffs > 1 && resource != Resource::Electricity {
            return wrong(format!("only electricity meters have tariff registers; this one measures {resource}"));
        }
        if self.multiplier <= Decimal::ZERO || self.multiplier > Decimal::from(999_999) {
            return wrong("the multiplier lies between 0 and 999999".into());
        }
        let limit = self.blank(MeterId(domovoi_model::Id([0; 16])), PointId(domovoi_model::Id([0; 16]))).rollover_at();
        for tariff in &Tariff::ALL[..usize::from(self.tariffs)] {
            match self.start.get(*tariff) {
                None => return wrong(format!("the start reading of {tariff} is missing: give T1,T2,… in this order")),
                Some(value) if value < Decimal::ZERO || value >= limit => {
                    return wrong(format!(
                        "the start reading {value} does not fit on a face with {} digits",
                        self.digits_int
                    ));
                }
                Some(value) if value.normalize().scale() > u32::from(self.digits_frac) => {
                    return wrong(format!(
                        "the start reading {value} has more decimals than the face: {}",
                        self.digits_frac
                    ));
                }
                Some(_) => {}
            }
        }
        if let Some((tariff, _)) = self.start.iter().find(|(tariff, _)| tariff.index() >= usize::from(self.tariffs)) {
            return wrong(format!(
                "a start reading of {tariff} was given, but the meter has {} register(s)",
                self.tariffs
            ));
        }
        if let (Some(verified), Some(until)) = (self.verified, self.valid_until)
            && verified > until
        {
            return wrong(format!("verified on {verified} but valid until {until}"));
        }
        Ok(())
    }

    fn blank(&self, id: MeterId, point: PointId) -> Meter {
        Meter {
            id,
            point,
            serial: self.serial.trim().to_owned(),
            model: self.model.clone(),
            digits_int: self.digits_int,
            digits_frac: self.digits_frac,
            tariffs: self.tariffs,
            multiplier: self.multiplier,
            installed: self.installed,
            start: self.start,
            verified: self.verified,
            verification_valid_until: self.valid_until,
            removed: None,
        }
    }
}

impl Metering {
    /// Adds a point with its account (found by supplier and number, or made) and its meter.
    pub async fn add(&self, new: NewPoint) -> Result<MeteringPoint, MeteringError> {
        self.must_be_whole()?;
        new.meter.check(new.resource)?;
        let wrong = |what: String| Err(MeteringError::Invalid(what));
        let terms = self.suppliers.get(&new.supplier).ok_or_else(|| MeteringError::NoSupplier(new.supplier.clone()))?;
        if terms.windows.iter().all(|window| !window.resources.contains(&new.resource)) {
            return wrong(format!("the supplier «{}» has no window for {}", new.supplier, new.resource));
        }
        let number = new.account_number.trim().to_owned();
        if number.is_empty() || number.chars().count() > 30 || number.chars().any(char::is_control) {
            return wrong("an account number has 1 to 30 characters".into());
        }
        let name = new.name.trim().to_owned();
        if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
            return wrong("a point's name has 1 to 100 characters".into());
        }
        if let Some(unit) = new.binding.as_ref().and_then(|binding| binding.unit)
            && !unit.measures(new.resource)
        {
            return wrong(format!("{unit} cannot measure {}; its unit is {}", new.resource, new.resource.unit()));
        }
        let register = self.register();
        if register.points.iter().any(|point| point.name.to_lowercase() == name.to_lowercase()) {
            return wrong(format!("there is a point «{name}» already"));
        }
        let taken = |point: &&MeteringPoint| {
            register.meter_at(point.id).is_some_and(|m| m.serial == new.meter.serial.trim())
                && point.resource == new.resource
        };
        if let Some(point) = register.points.iter().find(taken) {
            return wrong(format!("a meter with this serial number hangs at «{}» already", point.name));
        }
        if let Some(binding) = &new.binding {
            for (_, property) in &binding.registers {
                if let Some(bound) = register.bound(&binding.device, property) {
                    let other = register.point(bound.point).map_or("another point", |point| point.name.as_str());
                    return wrong(format!("{} {property} is bound to «{other}» already", binding.device));
                }
            }
        }
        let account = match register.accounts.iter().find(|a| a.supplier == new.supplier && a.number == number) {
            Some(account) => account.clone(),
            None => Account {
                id: AccountId(new_id()?),
                supplier: new.supplier.clone(),
                label: format!("{} {number}", terms.name),
                number,
                els: new.els.clone(),
                jku_id: None,
            },
        };
        let point = MeteringPoint {
            id: PointId(new_id()?),
            account: account.id,
            resource: new.resource,
            name,
            binding: new.binding,
            reminder: new.reminder,
        };
        let meter = new.meter.blank(MeterId(new_id()?), point.id);
        self.store.register().add_point(&account, &point, &meter, &self.installation_rows(&meter)).await?;
        self.reload_register().await?;
        self.bus.tell(Event::RegisterChanged(Some(point.id)));
        self.nudge();
        Ok(point)
    }

    /// Another meter hangs at a point from today on. The point keeps its history.
    pub async fn replace(&self, point: &str, end: RegisterValues, new: NewMeter) -> Result<Meter, MeteringError> {
        self.must_be_whole()?;
        let register = self.register();
        let point = register.find(point)?;
        new.check(point.resource)?;
        let old = register.meter_at(point.id).ok_or_else(|| MeteringError::NoSuch("meter at this point".into()))?;
        if new.installed < old.installed {
            return Err(MeteringError::Invalid(format!(
                "the old meter was put in on {}, after {}",
                old.installed, new.installed
            )));
        }
        let mut rows = Vec::new();
        for tariff in old.tariff_registers() {
            let Some(value) = end.get(*tariff) else {
                return Err(MeteringError::Invalid(format!(
                    "the end reading of {tariff} is missing: give T1,T2,… in this order"
                )));
            };
            let last = self.store.ledger().last_accepted(point.id, *tariff).await?;
            if let Some(last) = last.filter(|last| last.reading.meter == old.id && value < last.reading.value) {
                return Err(MeteringError::Invalid(format!(
                    "the end reading {value} of {tariff} is below {}, which the ledger believes",
                    last.reading.value
                )));
            }
            rows.push(self.row(
                point.id,
                old.id,
                *tariff,
                value,
                Source::Installation,
                Verdict::Accepted(Some(Finding::Swapped)),
            ));
        }
        let old = Meter { removed: Some((new.installed, end)), ..old.clone() };
        let meter = new.blank(MeterId(new_id()?), point.id);
        rows.extend(self.installation_rows(&meter));
        let progress = self.progress.lock().await;
        self.store.ledger().append(&[], progress.read.map(|(seq, _)| (CURSOR, seq))).await?;
        self.store.register().swap_meter(&old, &meter, &rows).await?;
        self.standings.lock().await.forget(old.id);
        self.reload_register().await?;
        drop(progress);
        self.bus.tell(Event::RegisterChanged(Some(point.id)));
        self.nudge();
        Ok(meter)
    }

    /// Takes in a reading that a person made. `confirm` lets a held value through; what no register can show it does not.
    pub async fn submit(
        &self,
        point: &str,
        values: RegisterValues,
        person: &str,
        photo: Option<Photo>,
        confirm: bool,
    ) -> Result<Submitted, MeteringError> {
        self.must_be_whole()?;
        let register = self.register();
        let point = register.find(point)?;
        let meter = register.meter_at(point.id).ok_or_else(|| MeteringError::NoSuch("meter at this point".into()))?;
        if let Some((tariff, _)) = values.iter().find(|(tariff, _)| !meter.tariff_registers().contains(tariff)) {
            return Err(MeteringError::Invalid(format!("this meter has no register {tariff}")));
        }
        if values.iter().next().is_none() {
            return Err(MeteringError::Invalid("no value was given".into()));
        }
        let photo = match photo {
            None => None,
            Some(photo) => Some((PhotoId(new_id()?), photo)),
        };
        let (source, raw) = match &photo {
            None => {
                let typed: String = values.iter().map(|(tariff, value)| format!("{tariff} {value}\n")).collect();
                (Source::Person(person.to_owned()), sha256(typed.as_bytes()))
            }
            Some((id, photo)) => (Source::Photo { person: person.to_owned(), photo: *id }, sha256(&photo.bytes)),
        };
        let mut entries = Vec::new();
        // What was read of the journal before a person spoke must not be judged after it, by a restart: the cursor goes
        // along. The order of these two locks is the ledger's own.
        let progress = self.progress.lock().await;
        let mut standings = self.standings.lock().await;
        for (tariff, value) in values.iter() {
            let standing = standings.of(&self.store, point.id, meter.id, tariff).await?;
            let offered = Offered { value, at: self.clock.trusted(), complaint: None, by_person: true };
            let verdict = judge(meter, point.resource, standing.last.as_ref(), standing.doubted.as_ref(), &offered)
                .unwrap_or(Verdict::Accepted(None));
            let verdict = match verdict {
                Verdict::Held(_) if confirm => Verdict::Accepted(Some(Finding::ConfirmedByPerson)),
                // A person who reads zero means zero, and is asked like for any other fall.
                Verdict::Ignored(Finding::GlitchToZero) if confirm => {
                    Verdict::Accepted(Some(Finding::ConfirmedByPerson))
                }
                other => other,
            };
            let mut entry = self.row(point.id, meter.id, tariff, value, source.clone(), verdict);
            entry.reading.raw_sha256 = raw;
            entries.push(entry);
        }
        // All registers or none: half a reading would be signed as a whole one.
        let taken = entries.iter().all(|entry| entry.reading.verdict.is_accepted());
        if taken {
            if let Some((id, photo)) = photo {
                let (media_type, sha256) = (photo.media_type.to_owned(), raw);
                self.store.photos().put(&domovoi_store::Photo { id, media_type, sha256, bytes: photo.bytes }).await?;
            }
            self.store.ledger().append(&entries, progress.read.map(|(seq, _)| (CURSOR, seq))).await?;
            standings.forget(meter.id);
            drop(standings);
            self.bus.tell(Event::RegisterChanged(Some(point.id)));
            self.nudge();
        }
        let verdicts = entries.into_iter().map(|e| (e.reading.tariff, e.reading.value, e.reading.verdict)).collect();
        Ok(Submitted { taken, verdicts })
    }

    /// The meter at a point was verified («поверка»), or its papers were read at last.
    pub async fn verify(
        &self,
        point: &str,
        verified: domovoi_model::Date,
        valid_until: domovoi_model::Date,
    ) -> Result<Meter, MeteringError> {
        self.must_be_whole()?;
        let register = self.register();
        let point = register.find(point)?;
        let meter = register.meter_at(point.id).ok_or_else(|| MeteringError::NoSuch("meter at this point".into()))?;
        if verified > valid_until {
            return Err(MeteringError::Invalid(format!("verified on {verified} but valid until {valid_until}")));
        }
        let meter = Meter { verified: Some(verified), verification_valid_until: Some(valid_until), ..meter.clone() };
        self.store.register().save_meter(&meter).await?;
        self.reload_register().await?;
        self.bus.tell(Event::RegisterChanged(Some(point.id)));
        self.nudge();
        Ok(meter)
    }

    /// The readings of a point that still wait for a person: held, and not overtaken by one that is believed.
    pub async fn held_now(&self, point: PointId) -> Result<usize, MeteringError> {
        let mut waiting = 0;
        let held = self.store.ledger().held(point).await?;
        for tariff in Tariff::ALL {
            if !held.iter().any(|row| row.reading.tariff == tariff) {
                continue;
            }
            let last = self.store.ledger().last_accepted(point, tariff).await?.map_or(0, |row| row.id);
            waiting += held.iter().filter(|row| row.reading.tariff == tariff && row.id > last).count();
        }
        Ok(waiting)
    }

    /// The point of a reading in the ledger.
    pub async fn point_of(&self, row: i64) -> Result<PointId, MeteringError> {
        let found = self.store.ledger().row(row).await?;
        found.map(|row| row.reading.point).ok_or_else(|| MeteringError::NoSuch(format!("reading: {row}")))
    }

    /// A person decides about a held reading.
    pub async fn decide(&self, row: i64, accept: bool) -> Result<(), MeteringError> {
        self.must_be_whole()?;
        let verdict = if accept {
            Verdict::Accepted(Some(Finding::ConfirmedByPerson))
        } else {
            Verdict::Ignored(Finding::ConfirmedByPerson)
        };
        let mut standings = self.standings.lock().await;
        let row = self.store.ledger().decide(row, verdict).await?;
        standings.forget(row.reading.meter);
        drop(standings);
        self.bus.tell(Event::RegisterChanged(Some(row.reading.point)));
        self.nudge();
        Ok(())
    }

    /// Readings of a point, newest first.
    pub async fn history(&self, point: &str, limit: u32) -> Result<Vec<LedgerRow>, MeteringError> {
        let register = self.register();
        let point = register.find(point)?;
        Ok(self.store.ledger().newest(point.id, limit.clamp(1, 10_000)).await?)
    }

    /// The last value that is believed of each register of a point's meter, and when it was last said.
    pub async fn standing_of(
        &self,
        point: &MeteringPoint,
    ) -> Result<Vec<(Tariff, Decimal, Option<domovoi_model::Timestamp>)>, MeteringError> {
        let register = self.register();
        let Some(meter) = register.meter_at(point.id) else { return Ok(Vec::new()) };
        let mut standings = self.standings.lock().await;
        let mut out = Vec::new();
        for tariff in meter.tariff_registers() {
            let standing = standings.of(&self.store, point.id, meter.id, *tariff).await?;
            if let Some(last) = standing.last {
                out.push((*tariff, last.value, standing.seen_at));
            }
        }
        Ok(out)
    }

    fn installation_rows(&self, meter: &Meter) -> Vec<LedgerEntry> {
        meter
            .start
            .iter()
            .map(|(tariff, value)| {
                let mut entry =
                    self.row(meter.point, meter.id, tariff, value, Source::Installation, Verdict::Accepted(None));
                // The register stood so on the day it was put in: noon, so that every time zone calls it that day.
                let noon = meter.installed.days_since_epoch() * 86_400_000 + 43_200_000;
                entry.reading.at = Moment::Wall(domovoi_model::Timestamp(noon));
                entry
            })
            .collect()
    }

    fn row(
        &self,
        point: PointId,
        meter: MeterId,
        tariff: Tariff,
        value: Decimal,
        source: Source,
        verdict: Verdict,
    ) -> LedgerEntry {
        let raw_sha256 = sha256(format!("{tariff} {value}").as_bytes());
        let at = self.clock.moment();
        LedgerEntry {
            reading: RegisterReading { point, meter, tariff, value, at, source, raw_sha256, verdict },
            seq: None,
        }
    }
}
