//! The sequence parameter set of H.265 (ITU-T H.265, 7.3.2.2), as far as the colours: size, depth of samples, how deep the
//! stream reorders, which matrix and range its colours have.
//! Deliberately nothing that only a decoder needs; what is broken after the reordering depth costs the colours alone.

/// What a sequence parameter set says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sps {
    pub(crate) coded_width: u32,
    pub(crate) coded_height: u32,
    pub(crate) chroma_format: u32,
    pub(crate) bit_depth: u32,
    pub(crate) reorders: u8,
    /// `None`: not said, or not readable.
    pub(crate) colour: Option<Colour>,
}

/// Of E.2.1: `video_full_range_flag` and `matrix_coeffs` (2 where it is not said).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Colour {
    pub(crate) full_range: bool,
    pub(crate) matrix: u8,
}

/// Reads a whole NAL unit of type 33.
pub(crate) fn read(unit: &[u8]) -> Option<Sps> {
    let mut bits = Bits::new(unit.get(2..)?);
    bits.skip(4)?;
    let sub_layers = bits.take(3)?;
    bits.skip(1)?;
    profile_tier_level(&mut bits, sub_layers)?;
    bits.ue()?;
    let chroma_format = bits.ue()?;
    if chroma_format > 3 {
        return None;
    }
    if chroma_format == 3 {
        bits.skip(1)?;
    }
    let coded_width = bits.ue()?;
    let coded_height = bits.ue()?;
    if bits.flag()? {
        for _ in 0..4 {
            bits.ue()?;
        }
    }
    let bit_depth = bits.ue()?.checked_add(8)?;
    bits.ue()?;
    let poc_bits = bits.ue()?.checked_add(4)?;
    let first = if bits.flag()? { 0 } else { sub_layers };
    let mut reorders = 0;
    for _ in first..=sub_layers {
        bits.ue()?;
        reorders = bits.ue()?;
        bits.ue()?;
    }
    let reorders = u8::try_from(reorders).ok().filter(|depth| *depth <= 16)?;
    let colour = colour(&mut bits, poc_bits);
    Some(Sps { coded_width, coded_height, chroma_format, bit_depth, reorders, colour })
}

/// 7.3.3: 88 bits of the general profile, its level, then the same for each sub-layer that has them.
fn profile_tier_level(bits: &mut Bits<'_>, sub_layers: u32) -> Option<()> {
    bits.skip(96)?;
    let mut present = [(false, false); 8];
    for layer in present.iter_mut().take(usize::try_from(sub_layers).ok()?) {
        *layer = (bits.flag()?, bits.flag()?);
    }
    if sub_layers > 0 {
        bits.skip(2 * (8 - sub_layers))?;
    }
    for (profile, level) in present {
        bits.skip(if profile { 88 } else { 0 } + if level { 8 } else { 0 })?;
    }
    Some(())
}

/// From the coding block sizes to the video signal type of the VUI.
fn colour(bits: &mut Bits<'_>, poc_bits: u32) -> Option<Colour> {
    for _ in 0..6 {
        bits.ue()?;
    }
    if bits.flag()? && bits.flag()? {
        scaling_lists(bits)?;
    }
    bits.skip(2)?;
    if bits.flag()? {
        bits.skip(8)?;
        bits.ue()?;
        bits.ue()?;
        bits.skip(1)?;
    }
    short_term_sets(bits)?;
    if bits.flag()? {
        let count = bits.ue()?;
        for _ in 0..count.min(33) {
            bits.skip(poc_bits + 1)?;
        }
    }
    bits.skip(2)?;
    if !bits.flag()? {
        return None;
    }
    if bits.flag()? && bits.take(8)? == 255 {
        bits.skip(32)?;
    }
    if bits.flag()? {
        bits.skip(1)?;
    }
    if !bits.flag()? {
        return None;
    }
    bits.skip(3)?;
    let full_range = bits.flag()?;
    let matrix = if bits.flag()? {
        bits.skip(16)?;
        u8::try_from(bits.take(8)?).ok()?
    } else {
        2
    };
    Some(Colour { full_range, matrix })
}

/// 7.3.4.
fn scaling_lists(bits: &mut Bits<'_>) -> Option<()> {
    for size in 0u32..4 {
        for _ in (0..6).step_by(if size == 3 { 3 } else { 1 }) {
            if !bits.flag()? {
                bits.ue()?;
                continue;
            }
            if size > 1 {
                bits.ue()?;
            }
            for _ in 0..(1u32 << (4 + 2 * size)).min(64) {
                bits.ue()?;
            }
        }
    }
    Some(())
}

/// 7.3.7 and 7.4.8: a set may be told by its difference from the one before, so how many pictures each has must be kept.
fn short_term_sets(bits: &mut Bits<'_>) -> Option<()> {
    let count = bits.ue()?;
    if count > 64 {
        return None;
    }
    let mut pictures = 0u32;
    for index in 0..count {
        if index > 0 && bits.flag()? {
            bits.skip(1)?;
            bits.ue()?;
            let mut kept = 0;
            for _ in 0..=pictures {
                let used = bits.flag()?;
                if used || bits.flag()? {
                    kept += 1;
                }
            }
            pictures = kept;
        } else {
            let (before, after) = (bits.ue()?, bits.ue()?);
            if before > 16 || after > 16 {
                return None;
            }
            for _ in 0..before + after {
                bits.ue()?;
                bits.skip(1)?;
            }
            pictures = before + after;
        }
    }
    Some(())
}

/// Bits of a NAL unit's payload, without the emulation prevention bytes (00 00 03).
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    zeros: u8,
    current: u8,
    left: u32,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Bits<'a> {
        Bits { bytes, at: 0, zeros: 0, current: 0, left: 0 }
    }

    fn byte(&mut self) -> Option<u8> {
        let mut byte = *self.bytes.get(self.at)?;
        self.at += 1;
        if self.zeros >= 2 && byte == 3 {
            self.zeros = 0;
            byte = *self.bytes.get(self.at)?;
            self.at += 1;
        }
        self.zeros = if byte == 0 { self.zeros.saturating_add(1) } else { 0 };
        Some(byte)
    }

    fn flag(&mut self) -> Option<bool> {
        if self.left == 0 {
            self.current = self.byte()?;
            self.left = 8;
        }
        self.left -= 1;
        Some(self.current >> self.left & 1 == 1)
    }

    fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0u32;
        for _ in 0..count {
            value = value << 1 | u32::from(self.flag()?);
        }
        Some(value)
    }

    fn skip(&mut self, count: u32) -> Option<()> {
        for _ in 0..count {
            self.flag()?;
        }
        Some(())
    }

    /// Exponential Golomb (9.2); signed values are skipped the same way.
    fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        self.take(zeros)?.checked_add((1u32 << zeros) - 1)
    }
}
