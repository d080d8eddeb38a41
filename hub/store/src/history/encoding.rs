//! The plaintext of one journal row: samples, packed. Reads nothing but what it wrote, and never panics on anything else.
//!
//! ```text
//! row     := count, sample*                            every number is a LEB128 varint unless said otherwise
//! sample  := word dialect, word device, word property, value, unit u8, quality, moment, device time
//! word    := 0, len, UTF-8 | n                         0 introduces the next word; n = 1.. repeats the n-th
//! value   := 0 | 1 | 2, len, UTF-8 | 3 + scale, zigzag mantissa          false, true, text, exact decimal
//! quality := 0 | 1, len, UTF-8                         good; suspect, with the complaint
//! moment  := 0, delta | 1, boot 16 bytes, zigzag millis           delta: zigzag milliseconds to the wall time before
//! device time := 0 | 1, delta
//! ```
//!
//! A row names its devices once and its times by small differences; a sample of a busy home takes about 15 bytes.

use std::collections::HashMap;

use domovoi_model::{BootId, DeviceRef, Id, Moment, Quality, Sample, Timestamp, Unit, Value};
use rust_decimal::Decimal;

/// The bytes are not what `encode` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

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
}

pub(crate) fn encode<'a>(samples: impl ExactSizeIterator<Item = &'a Sample>) -> Vec<u8> {
    let mut out = Encoder::default();
    out.number(samples.len() as u128);
    for sample in samples {
        out.word(&sample.device.dialect);
        out.word(&sample.device.id);
        out.word(&sample.property);
        match &sample.value {
            Value::Bool(flag) => out.bytes.push(u8::from(*flag)),
            Value::Text(text) => {
                out.bytes.push(2);
                out.text(text);
            }
            Value::Number(number) => {
                // scale() is at most 28
                out.bytes.push(3 + number.scale() as u8);
                out.number(zigzag(number.mantissa()));
            }
        }
        out.bytes.push(unit_code(sample.unit));
        match &sample.quality {
            Quality::Good => out.bytes.push(0),
            Quality::Suspect(complaint) => {
                out.bytes.push(1);
                out.text(complaint);
            }
        }
        match sample.at {
            Moment::Wall(at) => {
                out.bytes.push(0);
                out.wall(at);
            }
            Moment::SinceBoot { boot, millis } => {
                out.bytes.push(1);
                out.bytes.extend_from_slice(&boot.0.0);
                out.number(zigzag(i128::from(millis)));
            }
        }
        match sample.device_time {
            None => out.bytes.push(0),
            Some(at) => {
                out.bytes.push(1);
                out.wall(at);
            }
        }
    }
    out.bytes
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<Sample>, Malformed> {
    let mut input = Decoder { rest: bytes, words: Vec::new(), before: 0 };
    let count = usize::try_from(input.number()?).map_err(|_| Malformed)?;
    // A sample takes at least ten bytes: a forged count must not reserve the memory of a house.
    let mut samples = Vec::with_capacity(count.min(bytes.len() / 10));
    for _ in 0..count {
        let dialect = input.word()?;
        let id = input.word()?;
        let property = input.word()?;
        let value = match input.byte()? {
            0 => Value::Bool(false),
            1 => Value::Bool(true),
            2 => Value::Text(input.text()?),
            scaled => {
                let mantissa = unzigzag(input.number()?);
                let number = Decimal::try_from_i128_with_scale(mantissa, u32::from(scaled) - 3);
                Value::Number(number.map_err(|_| Malformed)?)
            }
        };
        let unit = unit_from_code(input.byte()?).ok_or(Malformed)?;
        let quality = match input.byte()? {
            0 => Quality::Good,
            1 => Quality::Suspect(input.text()?),
            _ => return Err(Malformed),
        };
        let at = match input.byte()? {
            0 => Moment::Wall(input.wall()?),
            1 => Moment::SinceBoot {
                boot: BootId(Id(input.array()?)),
                millis: i64::try_from(unzigzag(input.number()?)).map_err(|_| Malformed)?,
            },
            _ => return Err(Malformed),
        };
        let device_time = match input.byte()? {
            0 => None,
            1 => Some(input.wall()?),
            _ => return Err(Malformed),
        };
        samples.push(Sample { device: DeviceRef { dialect, id }, property, value, unit, quality, at, device_time });
    }
    if input.rest.is_empty() { Ok(samples) } else { Err(Malformed) }
}

/// Small negative numbers become small positive ones: 0, -1, 1, -2 → 0, 1, 2, 3.
fn zigzag(number: i128) -> u128 {
    ((number << 1) ^ (number >> 127)) as u128
}

fn unzigzag(number: u128) -> i128 {
    (number >> 1) as i128 ^ -((number & 1) as i128)
}

#[derive(Default)]
struct Encoder<'a> {
    bytes: Vec<u8>,
    words: HashMap<&'a str, usize>,
    before: i64,
}

impl<'a> Encoder<'a> {
    fn number(&mut self, mut number: u128) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u128);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn word(&mut self, word: &'a str) {
        let next = self.words.len() + 1;
        match self.words.get(word) {
            Some(nth) => self.number(*nth as u128),
            None => {
                self.words.insert(word, next);
                self.number(0);
                self.text(word);
            }
        }
    }

    fn wall(&mut self, at: Timestamp) {
        self.number(zigzag(i128::from(at.0) - i128::from(self.before)));
        self.before = at.0;
    }
}

struct Decoder<'a> {
    rest: &'a [u8],
    words: Vec<&'a str>,
    before: i64,
}

impl<'a> Decoder<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    fn number(&mut self) -> Result<u128, Malformed> {
        let mut number = 0u128;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7f);
            if shift == 126 && bits > 3 {
                return Err(Malformed);
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }

    fn str(&mut self) -> Result<&'a str, Malformed> {
        let len = usize::try_from(self.number()?).map_err(|_| Malformed)?;
        std::str::from_utf8(self.take(len)?).map_err(|_| Malformed)
    }

    fn text(&mut self) -> Result<String, Malformed> {
        self.str().map(str::to_owned)
    }

    fn word(&mut self) -> Result<String, Malformed> {
        let nth = usize::try_from(self.number()?).map_err(|_| Malformed)?;
        let word = match nth.checked_sub(1) {
            None => {
                let word = self.str()?;
                self.words.push(word);
                word
            }
            Some(index) => self.words.get(index).ok_or(Malformed)?,
        };
        Ok(word.to_owned())
    }

    fn wall(&mut self) -> Result<Timestamp, Malformed> {
        let at = unzigzag(self.number()?).checked_add(i128::from(self.before)).ok_or(Malformed)?;
        self.before = i64::try_from(at).map_err(|_| Malformed)?;
        Ok(Timestamp(self.before))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_sample() -> impl Strategy<Value = Sample> {
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

    proptest! {
        #[test]
        fn packed_and_unpacked(samples in prop::collection::vec(any_sample(), 0..20), cut in any::<prop::sample::Index>()) {
            let bytes = encode(samples.iter());
            prop_assert_eq!(decode(&bytes), Ok(samples));
            prop_assert_eq!(decode(&bytes[..cut.index(bytes.len())]), Err(Malformed));
        }

        #[test]
        fn noise_is_an_error_and_not_a_panic(noise in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&noise);
        }
    }

    #[test]
    fn a_busy_row_is_small() {
        let samples: Vec<Sample> = (0..100)
            .map(|n| Sample {
                device: DeviceRef::new("zigbee2mqtt", format!("0x00158d000100{:04}", n % 5)),
                property: "temperature".into(),
                value: Value::Number(Decimal::new(2150 + n, 2)),
                unit: Unit::Celsius,
                quality: Quality::Good,
                at: Moment::Wall(Timestamp(1_795_300_000_000 + n * 7)),
                device_time: None,
            })
            .collect();
        assert!(encode(samples.iter()).len() < 100 * 15);
    }
}
