//! Journal rows of format 1, which name their series in words. They are read for as long as there are any; nothing
//! writes them any more.
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

use domovoi_model::{BootId, DeviceRef, Id, Moment, Quality, Sample, Timestamp, Value};
use rust_decimal::Decimal;

use super::unit_from_code;
use crate::history::varint::{Malformed, Reader, unzigzag};

pub(super) fn decode(bytes: &[u8]) -> Result<Vec<Sample>, Malformed> {
    let mut input = Decoder { reader: Reader(bytes), words: Vec::new(), before: 0 };
    let count = usize::try_from(input.reader.number()?).map_err(|_| Malformed)?;
    // A sample takes at least ten bytes: a forged count must not reserve the memory of a house.
    let mut samples = Vec::with_capacity(count.min(bytes.len() / 10));
    for _ in 0..count {
        let dialect = input.word()?;
        let id = input.word()?;
        let property = input.word()?;
        let value = match input.reader.byte()? {
            0 => Value::Bool(false),
            1 => Value::Bool(true),
            2 => Value::Text(input.reader.str()?.to_owned()),
            scaled => {
                let mantissa = unzigzag(input.reader.number()?);
                let number = Decimal::try_from_i128_with_scale(mantissa, u32::from(scaled) - 3);
                Value::Number(number.map_err(|_| Malformed)?)
            }
        };
        let unit = unit_from_code(input.reader.byte()?).ok_or(Malformed)?;
        let quality = match input.reader.byte()? {
            0 => Quality::Good,
            1 => Quality::Suspect(input.reader.str()?.to_owned()),
            _ => return Err(Malformed),
        };
        let at = match input.reader.byte()? {
            0 => Moment::Wall(input.wall()?),
            1 => Moment::SinceBoot { boot: BootId(Id(input.reader.array()?)), millis: input.reader.signed()? },
            _ => return Err(Malformed),
        };
        let device_time = match input.reader.byte()? {
            0 => None,
            1 => Some(input.wall()?),
            _ => return Err(Malformed),
        };
        samples.push(Sample { device: DeviceRef { dialect, id }, property, value, unit, quality, at, device_time });
    }
    if input.reader.is_empty() { Ok(samples) } else { Err(Malformed) }
}

struct Decoder<'a> {
    reader: Reader<'a>,
    words: Vec<&'a str>,
    before: i64,
}

impl<'a> Decoder<'a> {
    fn word(&mut self) -> Result<String, Malformed> {
        let nth = self.reader.size()?;
        let word = match nth.checked_sub(1) {
            None => {
                let word = self.reader.str()?;
                self.words.push(word);
                word
            }
            Some(index) => self.words.get(index).ok_or(Malformed)?,
        };
        Ok(word.to_owned())
    }

    fn wall(&mut self) -> Result<Timestamp, Malformed> {
        let at = unzigzag(self.reader.number()?).checked_add(i128::from(self.before)).ok_or(Malformed)?;
        self.before = i64::try_from(at).map_err(|_| Malformed)?;
        Ok(Timestamp(self.before))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::super::tests::any_sample;
    use super::*;
    use crate::history::unit_code;
    use crate::history::varint::{put_number, put_text, zigzag};

    /// As the first version of this program wrote it.
    pub fn encode<'a>(samples: impl ExactSizeIterator<Item = &'a Sample>) -> Vec<u8> {
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

    #[derive(Default)]
    struct Encoder<'a> {
        bytes: Vec<u8>,
        words: HashMap<&'a str, usize>,
        before: i64,
    }

    impl<'a> Encoder<'a> {
        fn number(&mut self, number: u128) {
            put_number(&mut self.bytes, number);
        }

        fn text(&mut self, text: &str) {
            put_text(&mut self.bytes, text);
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

    proptest! {
        #[test]
        fn packed_and_unpacked(samples in prop::collection::vec(any_sample(), 1..20), cut in any::<prop::sample::Index>()) {
            let bytes = encode(samples.iter());
            prop_assert_eq!(decode(&bytes), Ok(samples));
            prop_assert_eq!(decode(&bytes[..cut.index(bytes.len())]), Err(Malformed));
        }

        #[test]
        fn noise_is_an_error_and_not_a_panic(noise in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&noise);
        }
    }
}
