//! Columns of numbers, decimals and texts as compact bytes, and back: what blocks and rollups are made of. Knows nothing
//! of series or times. Reads nothing but what it wrote, reserves no more than the caller's count asks for, and never
//! panics on anything else.
//!
//! ```text
//! number   := LEB128 varint of a u64                   signed := zigzag number
//! ints     := 0, signed                                all the same
//!           | 1, signed, signed                        the first, and the step from each to the next
//!           | 2, len number, pco standalone file       of i64
//!           | 3, (signed)*                             the step from each to the next, from 0; for short columns
//! wides    := 0, ints | 1, ints, ints                  mantissas: i64, or their high and low halves
//! decimals := 0, scale u8, wides                       all of one scale
//!           | 1, scale u8, wides                       brought to one scale; trailing zeros go when read
//!           | 2, ints, wides                           each with a scale of its own
//! texts    := ints, n number, raw len number, packed u8, len number, bytes
//!                                                      which; how many different; each as len and UTF-8, lz4 or not
//! ```

use std::collections::HashMap;

use rust_decimal::Decimal;

use super::encoding::Malformed;

/// All texts of a column together, repeated ones counted each time: a forged column must not grow into the memory of a
/// house. Whoever encodes cuts well below.
pub(super) const MAX_TEXT: usize = 16 << 20;

/// Below this pco's header weighs more than what it saves.
const SHORT: usize = 256;

const SAME: u8 = 0;
const STEPS: u8 = 1;
const PCO: u8 = 2;
const PLAIN: u8 = 3;

#[derive(Default)]
pub(super) struct Writer {
    pub bytes: Vec<u8>,
}

impl Writer {
    pub fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    pub fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)) as u64);
    }

    pub fn blob(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    pub fn ints(&mut self, ints: &[i64]) {
        let first = ints.first().copied().unwrap_or(0);
        if ints.iter().all(|int| *int == first) {
            self.byte(SAME);
            self.signed(first);
            return;
        }
        let step = ints[1].wrapping_sub(first);
        if ints.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == step) {
            self.byte(STEPS);
            self.signed(first);
            self.signed(step);
            return;
        }
        let plain = (ints.len() <= SHORT).then(|| {
            let mut plain = Writer::default();
            let mut before = 0i64;
            for int in ints {
                plain.signed(int.wrapping_sub(before));
                before = *int;
            }
            plain.bytes
        });
        // It refuses configurations, and this is its own default.
        let packed = pco::standalone::simple_compress(ints, &pco::ChunkConfig::default()).ok();
        match (plain, packed) {
            (Some(plain), Some(packed)) if packed.len() + 2 < plain.len() => self.pco(&packed),
            (None, Some(packed)) => self.pco(&packed),
            (plain, _) => {
                self.byte(PLAIN);
                match plain {
                    Some(plain) => self.bytes.extend_from_slice(&plain),
                    None => {
                        let mut before = 0i64;
                        for int in ints {
                            self.signed(int.wrapping_sub(before));
                            before = *int;
                        }
                    }
                }
            }
        }
    }

    fn pco(&mut self, packed: &[u8]) {
        self.byte(PCO);
        self.blob(packed);
    }

    pub fn wides(&mut self, wides: &[i128]) {
        let narrow: Option<Vec<i64>> = wides.iter().map(|wide| i64::try_from(*wide).ok()).collect();
        match narrow {
            Some(narrow) => {
                self.byte(0);
                self.ints(&narrow);
            }
            None => {
                self.byte(1);
                self.ints(&wides.iter().map(|wide| (*wide >> 64) as i64).collect::<Vec<_>>());
                self.ints(&wides.iter().map(|wide| *wide as i64).collect::<Vec<_>>());
            }
        }
    }

    pub fn decimals(&mut self, decimals: &[Decimal]) {
        let scale = decimals.iter().map(Decimal::scale).max().unwrap_or(0);
        let one_scale = decimals.iter().all(|decimal| decimal.scale() == scale);
        let common = if one_scale { Some(mantissas(decimals)) } else { brought_to(decimals, scale) };
        match common {
            Some(mantissas) => {
                self.byte(u8::from(!one_scale));
                self.byte(scale as u8);
                self.wides(&mantissas);
            }
            None => {
                self.byte(2);
                self.ints(&decimals.iter().map(|decimal| i64::from(decimal.scale())).collect::<Vec<_>>());
                self.wides(&mantissas(decimals));
            }
        }
    }

    pub fn texts(&mut self, texts: &[&str]) {
        let mut known: HashMap<&str, i64> = HashMap::new();
        let mut words = Writer::default();
        let mut which = Vec::with_capacity(texts.len());
        for text in texts {
            let next = known.len() as i64;
            which.push(*known.entry(text).or_insert_with(|| {
                words.blob(text.as_bytes());
                next
            }));
        }
        self.ints(&which);
        self.number(known.len() as u64);
        self.number(words.bytes.len() as u64);
        let packed = lz4_flex::block::compress(&words.bytes);
        let smaller = packed.len() < words.bytes.len();
        self.byte(u8::from(smaller));
        self.blob(if smaller { &packed } else { &words.bytes });
    }
}

fn mantissas(decimals: &[Decimal]) -> Vec<i128> {
    decimals.iter().map(Decimal::mantissa).collect()
}

/// The mantissas at one scale, if taking the trailing zeros away afterwards gives back exactly these.
fn brought_to(decimals: &[Decimal], scale: u32) -> Option<Vec<i128>> {
    decimals
        .iter()
        .map(|decimal| {
            let mantissa = decimal.mantissa();
            let trailing = decimal.scale() > 0 && mantissa % 10 == 0;
            let mantissa = mantissa.checked_mul(10i128.checked_pow(scale - decimal.scale())?)?;
            let fits = Decimal::try_from_i128_with_scale(mantissa, scale).is_ok();
            (!trailing && fits).then_some(mantissa)
        })
        .collect()
}

pub(super) struct Reader<'a> {
    pub rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    pub fn byte(&mut self) -> Result<u8, Malformed> {
        let (byte, rest) = self.rest.split_first().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*byte)
    }

    pub fn number(&mut self) -> Result<u64, Malformed> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Malformed);
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }

    pub fn signed(&mut self) -> Result<i64, Malformed> {
        let number = self.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// A number that may not be above `most`.
    pub fn count(&mut self, most: usize) -> Result<usize, Malformed> {
        usize::try_from(self.number()?).ok().filter(|count| *count <= most).ok_or(Malformed)
    }

    pub fn blob(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.count(self.rest.len())?;
        self.take(len)
    }

    /// As many as `count`, which the caller has bounded.
    pub fn ints(&mut self, count: usize) -> Result<Vec<i64>, Malformed> {
        match self.byte()? {
            SAME => Ok(vec![self.signed()?; count]),
            STEPS => {
                let (mut next, step) = (self.signed()?, self.signed()?);
                let mut ints = Vec::with_capacity(count);
                for _ in 0..count {
                    ints.push(next);
                    next = next.wrapping_add(step);
                }
                Ok(ints)
            }
            PCO => {
                let packed = self.blob()?;
                let mut ints = vec![0i64; count];
                let progress = pco::standalone::simple_decompress_into(packed, &mut ints).map_err(|_| Malformed)?;
                if progress.n_processed == count && progress.finished { Ok(ints) } else { Err(Malformed) }
            }
            PLAIN => {
                // Each takes at least a byte.
                let mut ints = Vec::with_capacity(count.min(self.rest.len()));
                let mut before = 0i64;
                for _ in 0..count {
                    before = before.wrapping_add(self.signed()?);
                    ints.push(before);
                }
                Ok(ints)
            }
            _ => Err(Malformed),
        }
    }

    pub fn wides(&mut self, count: usize) -> Result<Vec<i128>, Malformed> {
        match self.byte()? {
            0 => Ok(self.ints(count)?.into_iter().map(i128::from).collect()),
            1 => {
                let high = self.ints(count)?;
                let low = self.ints(count)?;
                Ok(high
                    .into_iter()
                    .zip(low)
                    .map(|(high, low)| i128::from(high) << 64 | i128::from(low as u64))
                    .collect())
            }
            _ => Err(Malformed),
        }
    }

    pub fn decimals(&mut self, count: usize) -> Result<Vec<Decimal>, Malformed> {
        let mode = self.byte()?;
        let decimal =
            |mantissa: i128, scale: u32| Decimal::try_from_i128_with_scale(mantissa, scale).map_err(|_| Malformed);
        match mode {
            0 | 1 => {
                let scale = u32::from(self.byte()?);
                let mut decimals = Vec::with_capacity(count);
                for mantissa in self.wides(count)? {
                    let whole = decimal(mantissa, scale)?;
                    decimals.push(if mode == 1 { whole.normalize() } else { whole });
                }
                Ok(decimals)
            }
            2 => {
                let scales = self.ints(count)?;
                let mantissas = self.wides(count)?;
                let scaled = scales.into_iter().zip(mantissas);
                scaled
                    .map(|(scale, mantissa)| decimal(mantissa, u32::try_from(scale).map_err(|_| Malformed)?))
                    .collect()
            }
            _ => Err(Malformed),
        }
    }

    pub fn texts(&mut self, count: usize) -> Result<Vec<String>, Malformed> {
        let which = self.ints(count)?;
        let different = self.count(count)?;
        let raw_len = self.count(MAX_TEXT)?;
        let packed = self.byte()?;
        let blob = self.blob()?;
        let unpacked;
        let words = match packed {
            0 if blob.len() == raw_len => blob,
            // lz4 makes at most 255 bytes of one.
            1 if raw_len / 255 <= blob.len() => {
                unpacked = lz4_flex::block::decompress(blob, raw_len).map_err(|_| Malformed)?;
                &unpacked[..]
            }
            _ => return Err(Malformed),
        };
        let mut rest = Reader { rest: words };
        let mut known = Vec::with_capacity(different);
        for _ in 0..different {
            known.push(std::str::from_utf8(rest.blob()?).map_err(|_| Malformed)?);
        }
        if !rest.rest.is_empty() || words.len() != raw_len {
            return Err(Malformed);
        }
        let mut texts = Vec::with_capacity(count);
        let mut left = MAX_TEXT;
        for index in which {
            let text = usize::try_from(index).ok().and_then(|index| known.get(index)).ok_or(Malformed)?;
            left = left.checked_sub(text.len()).ok_or(Malformed)?;
            texts.push((*text).to_owned());
        }
        Ok(texts)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_ints() -> impl Strategy<Value = Vec<i64>> {
        prop_oneof![
            prop::collection::vec(any::<i64>(), 0..600),
            (any::<i64>(), any::<i64>(), 0usize..50)
                .prop_map(|(first, step, n)| (0..n as i64).map(|i| first.wrapping_add(step.wrapping_mul(i))).collect()),
            prop::collection::vec(-5i64..5, 0..600),
            (any::<i64>(), prop::collection::vec(0i64..2000, 0..600)).prop_map(|(first, steps)| {
                steps
                    .iter()
                    .scan(first, |at, step| {
                        *at = at.wrapping_add(*step);
                        Some(*at)
                    })
                    .collect()
            }),
        ]
    }

    fn any_decimal() -> impl Strategy<Value = Decimal> {
        prop_oneof![
            4 => (-100_000i64..100_000, 0u32..4).prop_map(|(m, s)| Decimal::new(m, s)),
            2 => (-100_000i64..100_000, 0u32..4).prop_map(|(m, s)| Decimal::new(m, s).normalize()),
            1 => (any::<i64>(), 0u32..=28).prop_map(|(m, s)| Decimal::new(m, s)),
            1 => Just(Decimal::MAX),
            1 => Just(Decimal::MIN),
        ]
    }

    /// `==` of decimals does not see trailing zeros.
    fn spelled(decimals: &[Decimal]) -> Vec<String> {
        decimals.iter().map(ToString::to_string).collect()
    }

    proptest! {
        #[test]
        fn ints_come_back(ints in any_ints()) {
            let mut writer = Writer::default();
            writer.ints(&ints);
            let mut reader = Reader { rest: &writer.bytes };
            prop_assert_eq!(reader.ints(ints.len()), Ok(ints));
            prop_assert!(reader.rest.is_empty());
        }

        #[test]
        fn decimals_come_back_with_their_zeros(decimals in prop_oneof![
            prop::collection::vec(any_decimal(), 0..300),
            prop::collection::vec((-100_000i64..100_000).prop_map(|m| Decimal::new(m, 2).normalize()), 0..300),
        ]) {
            let mut writer = Writer::default();
            writer.decimals(&decimals);
            let mut reader = Reader { rest: &writer.bytes };
            let back = reader.decimals(decimals.len()).unwrap();
            prop_assert_eq!(spelled(&back), spelled(&decimals));
            prop_assert!(reader.rest.is_empty());
        }

        #[test]
        fn texts_come_back(texts in prop::collection::vec(".{0,8}|on|off", 0..100)) {
            let mut writer = Writer::default();
            writer.texts(&texts.iter().map(String::as_str).collect::<Vec<_>>());
            let mut reader = Reader { rest: &writer.bytes };
            prop_assert_eq!(reader.texts(texts.len()), Ok(texts));
            prop_assert!(reader.rest.is_empty());
        }

        #[test]
        fn foreign_and_bent_bytes_are_no_panic(
            noise in prop::collection::vec(any::<u8>(), 0..300),
            ints in any_ints(),
            at in any::<prop::sample::Index>(),
            flip in 1u8..,
            count in 0usize..2000,
        ) {
            let _ = Reader { rest: &noise }.ints(count);
            let _ = Reader { rest: &noise }.decimals(count);
            let _ = Reader { rest: &noise }.texts(count);
            let mut writer = Writer::default();
            writer.ints(&ints);
            let at = at.index(writer.bytes.len());
            writer.bytes[at] ^= flip;
            let _ = Reader { rest: &writer.bytes }.ints(count);
            let _ = Reader { rest: &writer.bytes }.ints(ints.len());
        }
    }

    #[test]
    fn a_forged_length_reserves_nothing() {
        let mut writer = Writer::default();
        writer.ints(&[0]);
        writer.number(1);
        writer.number(u64::MAX);
        writer.byte(1);
        writer.blob(b"");
        assert_eq!(Reader { rest: &writer.bytes }.texts(1), Err(Malformed));
        let mut writer = Writer::default();
        writer.byte(PCO);
        writer.number(u64::MAX);
        assert_eq!(Reader { rest: &writer.bytes }.ints(1), Err(Malformed));
    }
}
