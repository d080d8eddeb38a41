//! The plaintext of one journal row: samples, packed. Reads nothing but what it wrote, and never panics on anything else.
//!
//! ```text
//! row     := 0, 2, sample*                             every number is a LEB128 varint unless said otherwise
//! sample  := head, [flags u8], [kind u8], moment, value, [complaint], [device time]
//! head    := the number of the series * 2 + whether flags follow
//! flags   := 1 kind follows | 2 suspect, a complaint follows | 4 device time follows | 8 the moment counts from a boot
//! kind    := 0 bool | 1 text | 2 + scale of an exact decimal         follows the first time a series is in the row,
//!                                                                    and with flag 1; otherwise it is as before
//! moment  := zigzag milliseconds since the wall time before in the row
//!          | boot, zigzag milliseconds since it;  boot := 0, 16 bytes | 1 as before
//! value   := u8 | len, UTF-8 | zigzag difference to the mantissa before, of the same series and kind in the row
//! complaint := len, UTF-8
//! device time := zigzag milliseconds since the moment, or since 1970 if that counts from a boot
//! ```
//!
//! A sample of a home with some hundred series takes about six bytes: two name the series, two are the value. A row of
//! format 1 begins with a count, which is never 0; `named` reads those.

mod named;

use std::collections::HashMap;

use domovoi_model::{BootId, Id, Moment, Quality, Sample, Timestamp, Unit, Value};
use rust_decimal::Decimal;

pub(crate) use super::varint::Malformed;
use super::varint::{Reader, put_number, put_text, unzigzag, zigzag};

macro_rules! unit_codes {
    ($($code:literal = $unit:ident),+ $(,)?) => {
        /// A unit in one byte. Codes are never given to another unit.
        pub(crate) fn unit_code(unit: Unit) -> u8 {
            match unit { $(Unit::$unit => $code),+ }
        }

        /// Reads what `unit_code` wrote.
        pub(crate) fn unit_from_code(code: u8) -> Option<Unit> {
            match code { $($code => Some(Unit::$unit),)+ _ => None }
        }
    };
}

unit_codes! {
    0 = None, 1 = CubicMetre, 2 = Litre, 3 = CubicMetrePerHour, 4 = LitrePerHour, 5 = WattHour, 6 = KilowattHour,
    7 = MegawattHour, 8 = Joule, 9 = Megajoule, 10 = Gigajoule, 11 = Gigacalorie, 12 = Watt, 13 = Kilowatt, 14 = Var,
    15 = VoltAmpere, 16 = KilovarHour, 17 = Volt, 18 = Ampere, 19 = Hertz, 20 = Celsius, 21 = Percent, 22 = Lux,
    23 = Hectopascal, 24 = DecibelMilliwatt, 25 = Second,
    26 = KilovoltAmpere, 27 = Megawatt, 28 = MilliampereHour, 29 = Millivolt, 30 = Milliampere, 31 = Kilohertz,
    32 = Megahertz, 33 = Fahrenheit, 34 = Kelvin, 35 = Mired, 36 = Pascal, 37 = Kilopascal, 38 = Bar, 39 = Millibar,
    40 = Psi, 41 = MillimetreOfMercury, 42 = Decibel, 43 = DecibelA, 44 = PartsPerMillion, 45 = PartsPerBillion,
    46 = MicrogramPerCubicMetre, 47 = MilligramPerCubicMetre, 48 = MicrosiemensPerCentimetre, 49 = Kilogram,
    50 = Gram, 51 = Metre, 52 = Centimetre, 53 = Millimetre, 54 = Kilometre, 55 = MetrePerSecond,
    56 = KilometrePerHour, 57 = MillimetrePerHour, 58 = LitrePerMinute, 59 = Millilitre, 60 = Minute, 61 = Hour,
    62 = Day, 63 = Millisecond, 64 = Degree, 65 = WattPerSquareMetre, 66 = Byte, 67 = Kilobyte, 68 = Megabyte,
    69 = RevolutionPerMinute, 70 = Ohm,
}

const FORMAT: [u8; 2] = [0, 2];

const KIND: u8 = 1;
const SUSPECT: u8 = 2;
const DEVICE_TIME: u8 = 4;
const SINCE_BOOT: u8 = 8;

const BOOL: u8 = 0;
const TEXT: u8 = 1;
/// And the scale, which is at most 28.
const DECIMAL: u8 = 2;

/// A sample that names its series by number.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Numbered {
    pub series: u32,
    pub value: Value,
    pub quality: Quality,
    pub at: Moment,
    pub device_time: Option<Timestamp>,
}

/// What a row holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Row {
    /// Format 1.
    Named(Vec<Sample>),
    /// Format 2.
    Numbered(Vec<Numbered>),
}

/// What was last said of a series within a row.
struct Before {
    kind: u8,
    mantissa: i128,
}

/// Packs a row, sample by sample.
pub(super) struct Encoder {
    bytes: Vec<u8>,
    before: HashMap<u32, Before>,
    wall: i64,
    boot: Option<BootId>,
}

impl Encoder {
    pub fn new() -> Self {
        Encoder { bytes: FORMAT.to_vec(), before: HashMap::new(), wall: 0, boot: None }
    }

    pub fn push(&mut self, series: u32, sample: &Sample) {
        let (kind, mantissa) = match &sample.value {
            Value::Bool(_) => (BOOL, 0),
            Value::Text(_) => (TEXT, 0),
            Value::Number(number) => (DECIMAL + number.scale() as u8, number.mantissa()),
        };
        let before = self.before.insert(series, Before { kind, mantissa });
        let as_before = before.as_ref().filter(|before| before.kind == kind);
        let mut flags = 0;
        if before.is_some() && as_before.is_none() {
            flags |= KIND;
        }
        if sample.quality != Quality::Good {
            flags |= SUSPECT;
        }
        if sample.device_time.is_some() {
            flags |= DEVICE_TIME;
        }
        if matches!(sample.at, Moment::SinceBoot { .. }) {
            flags |= SINCE_BOOT;
        }
        let bytes = &mut self.bytes;
        put_number(bytes, u128::from(series) << 1 | u128::from(flags != 0));
        if flags != 0 {
            bytes.push(flags);
        }
        if as_before.is_none() {
            bytes.push(kind);
        }
        let mut since = 0;
        match sample.at {
            Moment::Wall(at) => {
                put_number(bytes, zigzag(i128::from(at.0) - i128::from(self.wall)));
                self.wall = at.0;
                since = at.0;
            }
            Moment::SinceBoot { boot, millis } => {
                let known = self.boot == Some(boot);
                bytes.push(u8::from(known));
                if !known {
                    bytes.extend_from_slice(&boot.0.0);
                    self.boot = Some(boot);
                }
                put_number(bytes, zigzag(i128::from(millis)));
            }
        }
        match &sample.value {
            Value::Bool(flag) => bytes.push(u8::from(*flag)),
            Value::Text(text) => put_text(bytes, text),
            Value::Number(_) => {
                put_number(bytes, zigzag(mantissa - as_before.map_or(0, |before| before.mantissa)));
            }
        }
        if let Quality::Suspect(complaint) = &sample.quality {
            put_text(bytes, complaint);
        }
        if let Some(at) = sample.device_time {
            put_number(bytes, zigzag(i128::from(at.0) - i128::from(since)));
        }
    }

    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads a row of either format.
pub(super) fn decode(bytes: &[u8]) -> Result<Row, Malformed> {
    match bytes.strip_prefix(&FORMAT) {
        Some(rest) => numbered(Reader(rest)).map(Row::Numbered),
        None => named::decode(bytes).map(Row::Named),
    }
}

fn numbered(mut input: Reader<'_>) -> Result<Vec<Numbered>, Malformed> {
    let mut samples = Vec::new();
    let mut befores: HashMap<u32, Before> = HashMap::new();
    let mut wall = 0;
    let mut last_boot = None;
    while !input.is_empty() {
        let head = input.number()?;
        let series = u32::try_from(head >> 1).map_err(|_| Malformed)?;
        let flags = if head & 1 == 1 { input.byte()? } else { 0 };
        if flags & !(KIND | SUSPECT | DEVICE_TIME | SINCE_BOOT) != 0 {
            return Err(Malformed);
        }
        let before = befores.get(&series).filter(|_| flags & KIND == 0);
        let (kind, mantissa_before) = match before {
            Some(before) => (before.kind, before.mantissa),
            None => (input.byte()?, 0),
        };
        let mut since = 0;
        let at = if flags & SINCE_BOOT == 0 {
            wall = moved(wall, &mut input)?;
            since = wall;
            Moment::Wall(Timestamp(wall))
        } else {
            let boot = match input.byte()? {
                0 => BootId(Id(input.array()?)),
                1 => last_boot.ok_or(Malformed)?,
                _ => return Err(Malformed),
            };
            last_boot = Some(boot);
            Moment::SinceBoot { boot, millis: input.signed()? }
        };
        let mut mantissa = 0;
        let value = match kind {
            BOOL => match input.byte()? {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                _ => return Err(Malformed),
            },
            TEXT => Value::Text(input.str()?.to_owned()),
            scaled => {
                mantissa = unzigzag(input.number()?).checked_add(mantissa_before).ok_or(Malformed)?;
                let number = Decimal::try_from_i128_with_scale(mantissa, u32::from(scaled - DECIMAL));
                Value::Number(number.map_err(|_| Malformed)?)
            }
        };
        befores.insert(series, Before { kind, mantissa });
        let quality = match flags & SUSPECT {
            0 => Quality::Good,
            _ => Quality::Suspect(input.str()?.to_owned()),
        };
        let device_time = match flags & DEVICE_TIME {
            0 => None,
            _ => Some(Timestamp(moved(since, &mut input)?)),
        };
        samples.push(Numbered { series, value, quality, at, device_time });
    }
    Ok(samples)
}

fn moved(from: i64, input: &mut Reader<'_>) -> Result<i64, Malformed> {
    let to = unzigzag(input.number()?).checked_add(i128::from(from)).ok_or(Malformed)?;
    i64::try_from(to).map_err(|_| Malformed)
}

#[cfg(test)]
pub(crate) mod tests {
    use domovoi_model::DeviceRef;
    use proptest::prelude::*;

    pub use super::named::tests::encode as encode_named;
    use super::*;

    pub fn any_sample() -> impl Strategy<Value = Sample> {
        let value = prop_oneof![
            any::<bool>().prop_map(Value::Bool),
            ".{0,12}".prop_map(Value::Text),
            (any::<i64>(), 0u32..=28).prop_map(|(m, s)| Value::Number(Decimal::from_i128_with_scale(m.into(), s))),
            Just(Value::Number(Decimal::MAX)),
            Just(Value::Number(Decimal::MIN)),
        ];
        let at = prop_oneof![
            any::<i64>().prop_map(|at| Moment::Wall(Timestamp(at))),
            (any::<[u8; 16]>(), any::<i64>())
                .prop_map(|(boot, millis)| Moment::SinceBoot { boot: BootId(Id(boot)), millis }),
        ];
        let unit = (0u8..=25).prop_map(|code| unit_from_code(code).unwrap());
        let quality = prop_oneof![Just(Quality::Good), ".{0,9}".prop_map(Quality::Suspect)];
        let device_time = prop::option::of(any::<i64>().prop_map(Timestamp));
        ("[a-z]{1,3}", ".{0,4}", "[a-c]{1}", value, unit, quality, at, device_time).prop_map(
            |(dialect, id, property, value, unit, quality, at, device_time)| Sample {
                device: DeviceRef::new(dialect, id),
                property,
                value,
                unit,
                quality,
                at,
                device_time,
            },
        )
    }

    fn encode(samples: &[(u32, Sample)]) -> Vec<u8> {
        let mut row = Encoder::new();
        samples.iter().for_each(|(series, sample)| row.push(*series, sample));
        row.finish()
    }

    fn numbered(samples: &[(u32, Sample)]) -> Vec<Numbered> {
        let numbered = samples.iter().cloned().map(|(series, sample)| Numbered {
            series,
            value: sample.value,
            quality: sample.quality,
            at: sample.at,
            device_time: sample.device_time,
        });
        numbered.collect()
    }

    proptest! {
        #[test]
        fn packed_and_unpacked(samples in prop::collection::vec((prop_oneof![0u32..4, any::<u32>()], any_sample()), 0..20)) {
            let bytes = encode(&samples);
            prop_assert_eq!(decode(&bytes), Ok(Row::Numbered(numbered(&samples))));
        }

        #[test]
        fn a_row_that_is_cut_is_malformed_or_shorter(
            samples in prop::collection::vec((0u32..4, any_sample()), 1..20),
            cut in any::<prop::sample::Index>(),
        ) {
            let bytes = encode(&samples);
            let cut = cut.index(bytes.len());
            // Cut between two samples it is a row; the column `last_seq` says that it is not this one.
            if let Ok(Row::Numbered(found)) = decode(&bytes[..cut]) {
                prop_assert!(found.len() < samples.len());
                prop_assert_eq!(&found, &numbered(&samples)[..found.len()]);
            }
        }

        #[test]
        fn noise_is_an_error_and_not_a_panic(noise in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&noise);
            let _ = decode(&[&FORMAT, noise.as_slice()].concat());
        }
    }

    #[test]
    fn both_formats_are_told_apart() {
        let samples: Vec<Sample> = (0..3).map(|n| temperature(n, n)).collect();
        assert_eq!(decode(&encode_named(samples.iter())), Ok(Row::Named(samples)));
        assert_eq!(decode(&Encoder::new().finish()), Ok(Row::Numbered(Vec::new())));
        assert_eq!(decode(&[]), Err(Malformed));
    }

    fn temperature(device: i64, n: i64) -> Sample {
        Sample {
            device: DeviceRef::new("zigbee2mqtt", format!("0x00158d000100{device:04}")),
            property: "temperature".into(),
            value: Value::Number(Decimal::new(2150 + n, 2)),
            unit: Unit::Celsius,
            quality: Quality::Good,
            at: Moment::Wall(Timestamp(1_795_300_000_000 + n * 7)),
            device_time: None,
        }
    }

    #[test]
    fn a_busy_row_is_small() {
        // A hundred devices with five properties each, every one once: nothing repeats but the shape.
        let samples: Vec<(u32, Sample)> = (0..500).map(|n| (n as u32 + 1, temperature(n, n))).collect();
        assert!(encode(&samples).len() < 500 * 7, "{}", encode(&samples).len());
        // One that talks a lot.
        let samples: Vec<(u32, Sample)> = (0..100).map(|n| (300, temperature(0, n))).collect();
        assert!(encode(&samples).len() < 100 * 5, "{}", encode(&samples).len());
    }
}
