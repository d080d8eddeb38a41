//! Accounts, metering points, meters and the readings of their registers.
//!
//! A metering point is not a meter: the point is the pipe or the cable and keeps its history; meters come and go on it,
//! each with a serial number, a start and an end reading, digits and a verification date.

use std::fmt;

use rust_decimal::Decimal;

use crate::id::{AccountId, MeterId, PhotoId, PointId};
use crate::observation::DeviceRef;
use crate::quantity::{Resource, Unit};
use crate::time::{Date, Moment};

/// The household's contract with one supplier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Ours.
    pub id: AccountId,
    /// Which supplier of the settings file.
    pub supplier: String,
    /// «Лицевой счёт», 1..=30 characters.
    pub number: String,
    /// The unified account of ГИС ЖКХ, 10 characters, where it is known.
    pub els: Option<String>,
    /// The service id of ГИС ЖКХ (ЕЛС-NN), where it is known.
    pub jku_id: Option<String>,
    /// Whose it is, as the household calls it.
    pub label: String,
}

/// Where a metering point's values come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The device that speaks for the meter.
    pub device: DeviceRef,
    /// Which property of the device is which tariff register; T1 first.
    pub registers: Vec<(Tariff, String)>,
    /// The unit to assume where the device does not name one.
    pub unit: Option<Unit>,
}

/// How often a person is asked to read a meter that cannot speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reminder {
    /// Never: the meter speaks for itself.
    Never,
    /// At the opening of every submission window.
    Monthly,
    /// At the opening of the window of March, June, September and December.
    Quarterly,
}

/// The place where a resource is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeteringPoint {
    /// Ours.
    pub id: PointId,
    /// To whose account it belongs.
    pub account: AccountId,
    /// What is measured.
    pub resource: Resource,
    /// What the household calls it: «Кухня, холодная».
    pub name: String,
    /// The device that reads it, if any.
    pub binding: Option<Binding>,
    /// When a person is asked to read it.
    pub reminder: Reminder,
}

/// One physical meter on a point, with its time there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meter {
    /// Ours.
    pub id: MeterId,
    /// Where it hangs, or hung.
    pub point: PointId,
    /// The number on its face, 1..=50 characters.
    pub serial: String,
    /// The maker's name for it, if known.
    pub model: Option<String>,
    /// Digits before the decimal point: the register rolls over at 10^digits_int. 1..=15.
    pub digits_int: u8,
    /// Digits after the decimal point that count. 0..=7.
    pub digits_frac: u8,
    /// How many tariff registers it has, 1..=4.
    pub tariffs: u8,
    /// What the register's movement is multiplied with for the consumption (current transformers); 1 for most.
    pub multiplier: Decimal,
    /// The day it was put in.
    pub installed: Date,
    /// Its registers on that day.
    pub start: RegisterValues,
    /// The day of its last verification («поверка»), if known.
    pub verified: Option<Date>,
    /// The last day on which its verification counts, if known.
    pub verification_valid_until: Option<Date>,
    /// The day it was taken out and its registers then; `None` while it hangs there.
    pub removed: Option<(Date, RegisterValues)>,
}

impl Meter {
    /// The first value that no longer fits on the register's face.
    pub fn rollover_at(&self) -> Decimal {
        let mut limit = Decimal::ONE;
        for _ in 0..self.digits_int.min(15) {
            limit *= Decimal::TEN;
        }
        limit
    }

    /// The tariff registers it has.
    pub fn tariff_registers(&self) -> &'static [Tariff] {
        &Tariff::ALL[..usize::from(self.tariffs.clamp(1, 4))]
    }
}

/// A tariff register of a meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tariff {
    /// The first, or the only one.
    T1,
    /// Night, on a two-tariff meter.
    T2,
    /// Half-peak.
    T3,
    /// Kept always; sent only to a supplier that takes it (ГИС ЖКХ knows T1..T3).
    T4,
}

impl Tariff {
    /// In order.
    pub const ALL: [Tariff; 4] = [Tariff::T1, Tariff::T2, Tariff::T3, Tariff::T4];

    /// 0..=3
    pub fn index(self) -> usize {
        self as usize
    }

    /// `t1`..`t4`
    pub fn code(self) -> &'static str {
        ["t1", "t2", "t3", "t4"][self.index()]
    }

    /// Reads what `code` spells, in either case.
    pub fn from_code(code: &str) -> Option<Self> {
        Tariff::ALL.into_iter().find(|t| t.code().eq_ignore_ascii_case(code))
    }
}

impl fmt::Display for Tariff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(["T1", "T2", "T3", "T4"][self.index()])
    }
}

/// Up to four register values, in the resource's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RegisterValues(pub [Option<Decimal>; 4]);

impl RegisterValues {
    /// The value of one register.
    pub fn get(&self, tariff: Tariff) -> Option<Decimal> {
        self.0[tariff.index()]
    }

    /// Sets the value of one register.
    pub fn set(&mut self, tariff: Tariff, value: Decimal) {
        self.0[tariff.index()] = Some(value);
    }

    /// One register only: T1.
    pub fn single(value: Decimal) -> Self {
        RegisterValues([Some(value), None, None, None])
    }

    /// The registers that have a value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Tariff, Decimal)> + '_ {
        Tariff::ALL.into_iter().filter_map(|t| self.get(t).map(|v| (t, v)))
    }
}

/// Who or what says that a register stood at a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A device, through its dialect.
    Device(DeviceRef),
    /// A person read the face of the meter; the name is as the household knows the person.
    Person(String),
    /// A person, with a photo to show for it.
    Photo {
        /// Who took it.
        person: String,
        /// The sealed photo.
        photo: PhotoId,
    },
    /// The register's value when the meter was put in or taken out.
    Installation,
}

/// What a rule of the ledger noticed about a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The device said zero while the register stands far from it: a reboot or a read error.
    GlitchToZero,
    /// The register passed its highest value and began anew.
    Rollover,
    /// Lower than the last accepted value, with no rollover that would explain it.
    Decreased,
    /// More than the resource can plausibly have moved in the time since the last accepted value.
    ImplausibleJump,
    /// No value for longer than the ledger's gap; when in it the consumption fell is unknown.
    Gap {
        /// Whole hours without a value.
        hours: u32,
    },
    /// Below zero, which no register shows.
    Negative,
    /// More digits before the point than the meter's face has.
    TooManyDigits,
    /// The device's own complaint about the value.
    DeviceComplaint(String),
    /// The device's stable id changed or its value restarted low: perhaps a new meter hangs there.
    SwapSuspected,
    /// The unit cannot measure this resource.
    WrongUnit,
    /// A person looked and confirmed the value.
    ConfirmedByPerson,
    /// Carried over from a replaced meter's end reading.
    Swapped,
}

impl Finding {
    /// A short, stable word for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Finding::GlitchToZero => "glitch_to_zero",
            Finding::Rollover => "rollover",
            Finding::Decreased => "decreased",
            Finding::ImplausibleJump => "implausible_jump",
            Finding::Gap { .. } => "gap",
            Finding::Negative => "negative",
            Finding::TooManyDigits => "too_many_digits",
            Finding::DeviceComplaint(_) => "device_complaint",
            Finding::SwapSuspected => "swap_suspected",
            Finding::WrongUnit => "wrong_unit",
            Finding::ConfirmedByPerson => "confirmed_by_person",
            Finding::Swapped => "swapped",
        }
    }
}

/// What the ledger decided about a reading. Nothing is dropped in silence: refused values are kept with their verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Believed; with what was noticed, if anything.
    Accepted(Option<Finding>),
    /// Not believed until a person confirms it; the last accepted value stands.
    Held(Finding),
    /// Not a reading at all: kept as evidence, used for nothing.
    Ignored(Finding),
}

impl Verdict {
    /// `accepted`, `held` or `ignored`.
    pub fn code(&self) -> &'static str {
        match self {
            Verdict::Accepted(_) => "accepted",
            Verdict::Held(_) => "held",
            Verdict::Ignored(_) => "ignored",
        }
    }

    /// What was noticed, if anything.
    pub fn finding(&self) -> Option<&Finding> {
        match self {
            Verdict::Accepted(finding) => finding.as_ref(),
            Verdict::Held(finding) | Verdict::Ignored(finding) => Some(finding),
        }
    }

    /// Whether the ledger believes the value.
    pub fn is_accepted(&self) -> bool {
        matches!(self, Verdict::Accepted(_))
    }
}

/// One register of one meter at one moment: a row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterReading {
    /// Where.
    pub point: PointId,
    /// On which meter.
    pub meter: MeterId,
    /// Which register.
    pub tariff: Tariff,
    /// What it showed, in the resource's unit; not multiplied.
    pub value: Decimal,
    /// When the hub learnt it.
    pub at: Moment,
    /// Who says so.
    pub source: Source,
    /// SHA-256 of the bytes it came in (packet, form, photo): ties the signed act to its evidence.
    pub raw_sha256: [u8; 32],
    /// What the ledger decided.
    pub verdict: Verdict,
}
