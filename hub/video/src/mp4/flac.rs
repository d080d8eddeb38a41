//! Linear samples to FLAC frames (RFC 9639): fixed predictors with one Rice partition, or verbatim where that is shorter.
//!
//! For G.711 only: 16 bits, one or two channels, no metadata, no MD5, blocks of whatever length came. The frames say
//! their first sample's number (variable block size), so that a gap needs no filling. It decodes nothing.

/// RFC 9639 section 8.2: no shorter block but the last one.
pub(super) const SHORTEST_BLOCK: u16 = 16;

/// Half a second of G.711, the longest block that a player has to expect of us.
pub(super) const LONGEST_BLOCK: u16 = 4096;

pub(super) const MOST_CHANNELS: u8 = 2;

/// Appends one frame of `channels.len()` channels, all as long as the first.
pub(super) fn encode(channels: &[Vec<i32>], rate_hz: u32, first_sample: u64, out: &mut Vec<u8>) {
    let start = out.len();
    let block = channels.first().map_or(0, Vec::len);
    let mut bits = Bits { out, partial: 0, filled: 0 };
    bits.put(0xfff9, 16); // sync code, blocks of variable length
    let rate = match rate_hz {
        8_000 => 4,
        16_000 => 5,
        22_050 => 6,
        24_000 => 7,
        32_000 => 8,
        44_100 => 9,
        48_000 => 10,
        _ => 13, // its own 16 bits below
    };
    bits.put(0x7, 4); // block size in 16 bits below
    bits.put(rate, 4);
    bits.put((channels.len() as u32).saturating_sub(1), 4);
    bits.put(0b100, 3); // 16 bits a sample
    bits.put(0, 1);
    coded_number(first_sample, &mut bits);
    bits.put((block as u32).saturating_sub(1), 16);
    if rate == 13 {
        bits.put(rate_hz, 16);
    }
    let header = crc8(bits.out.get(start..).unwrap_or_default());
    bits.put(u32::from(header), 8);
    for samples in channels {
        subframe(samples, &mut bits);
    }
    bits.flush();
    let footer = crc16(out.get(start..).unwrap_or_default());
    out.extend_from_slice(&footer.to_be_bytes());
}

/// RFC 9639 section 9.1.5: UTF-8's way of writing a number, carried on to 36 bits.
fn coded_number(number: u64, bits: &mut Bits<'_>) {
    let number = number & ((1 << 36) - 1);
    if number < 0x80 {
        bits.put(number as u32, 8);
        return;
    }
    // With n bytes in all, n ≥ 2, there are 5n + 1 bits of number.
    let more = (1..6u32).find(|more| number < 1 << (5 * more + 6)).unwrap_or(6);
    let lead = 0xff00u32 >> (more + 1) & 0xff;
    bits.put(lead | (number >> (6 * more)) as u32, 8);
    for shift in (0..more).rev() {
        bits.put(0x80 | ((number >> (6 * shift)) as u32 & 0x3f), 8);
    }
}

fn subframe(samples: &[i32], bits: &mut Bits<'_>) {
    // A-law's lowest three bits and µ-law's lowest two say nothing: section 9.2.2 leaves them out.
    let all = samples.iter().fold(0, |all, sample| all | sample);
    let wasted = if all == 0 { 0 } else { all.trailing_zeros() };
    let samples: Vec<i32> = samples.iter().map(|sample| sample >> wasted).collect();
    let depth = 16 - wasted;
    let first = samples.first().copied().unwrap_or_default();
    if samples.iter().all(|sample| *sample == first) {
        kind(0, wasted, bits);
        bits.signed(first, depth);
        return;
    }
    let verbatim = samples.len() as u64 * u64::from(depth);
    let best = predicted(&samples).map(|(order, residual)| {
        let (parameter, cost) = rice(&residual);
        (cost + order as u64 * u64::from(depth) + 10, order, parameter, residual)
    });
    match best {
        Some((cost, order, parameter, residual)) if cost < verbatim => {
            kind(0b1000 | order as u32, wasted, bits);
            for sample in samples.iter().take(order) {
                bits.signed(*sample, depth);
            }
            bits.put(0, 6); // Rice with four-bit parameters, one partition
            bits.put(parameter, 4);
            for value in residual {
                let folded = fold(value);
                bits.unary(folded >> parameter);
                bits.put(folded & ((1 << parameter) - 1), parameter);
            }
        }
        _ => {
            kind(1, wasted, bits);
            for sample in &samples {
                bits.signed(*sample, depth);
            }
        }
    }
}

fn kind(kind: u32, wasted: u32, bits: &mut Bits<'_>) {
    bits.put(kind << 1 | u32::from(wasted > 0), 8);
    if wasted > 0 {
        bits.unary(wasted - 1);
    }
}

/// The order of the fixed predictor that leaves least, and what it leaves: the order's differences (section 9.2.5.3), from
/// the first whole one on.
fn predicted(samples: &[i32]) -> Option<(usize, Vec<i32>)> {
    let mut residual = samples.to_vec();
    let mut best: Option<(u64, usize, Vec<i32>)> = None;
    for order in 0..=4usize {
        let left: u64 = residual.iter().map(|value| u64::from(value.unsigned_abs())).sum();
        if best.as_ref().is_none_or(|(least, ..)| left < *least) {
            best = Some((left, order, residual.clone()));
        }
        if residual.len() < 2 {
            break;
        }
        let mut before = residual.remove(0);
        for value in &mut residual {
            let this = *value;
            *value = this - before;
            before = this;
        }
    }
    best.map(|(_, order, residual)| (order, residual))
}

/// The Rice parameter and what it costs in bits: the best one lies beside the logarithm of the mean.
fn rice(residual: &[i32]) -> (u32, u64) {
    let sum: u64 = residual.iter().map(|value| u64::from(fold(*value))).sum();
    let mean = sum / (residual.len() as u64).max(1);
    let near = mean.checked_ilog2().unwrap_or(0);
    (near.saturating_sub(1)..=near + 1)
        .map(|parameter| parameter.min(14))
        .map(|parameter| {
            let quotients: u64 = residual.iter().map(|value| u64::from(fold(*value) >> parameter)).sum();
            (parameter, quotients + residual.len() as u64 * u64::from(1 + parameter))
        })
        .min_by_key(|(_, cost)| *cost)
        .unwrap_or((0, 0))
}

/// 0, -1, 1, -2, 2 … as 0, 1, 2, 3, 4 …
fn fold(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)) as u32
}

struct Bits<'a> {
    out: &'a mut Vec<u8>,
    partial: u64,
    filled: u32,
}

impl Bits<'_> {
    /// At most 32 bits, the highest first.
    fn put(&mut self, value: u32, count: u32) {
        self.partial = self.partial << count | u64::from(value);
        self.filled += count;
        while self.filled >= 8 {
            self.filled -= 8;
            self.out.push((self.partial >> self.filled) as u8);
        }
        self.partial &= (1 << self.filled) - 1;
    }

    fn signed(&mut self, value: i32, count: u32) {
        self.put(value as u32 & ((1 << count) - 1), count);
    }

    fn unary(&mut self, mut zeros: u32) {
        while zeros >= 31 {
            self.put(0, 31);
            zeros -= 31;
        }
        self.put(1, zeros + 1);
    }

    fn flush(&mut self) {
        if self.filled > 0 {
            self.put(0, 8 - self.filled);
        }
    }
}

/// x⁸ + x² + x + 1.
fn crc8(bytes: &[u8]) -> u8 {
    bytes
        .iter()
        .fold(0, |crc, byte| (0..8).fold(crc ^ byte, |crc, _| crc << 1 ^ if crc & 0x80 != 0 { 0x07 } else { 0 }))
}

/// x¹⁶ + x¹⁵ + x² + 1.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        let at = usize::from((crc >> 8) as u8 ^ byte);
        crc << 8 ^ CRC16.get(at).copied().unwrap_or_default()
    })
}

/// What each byte does to the sum.
const CRC16: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = crc << 1 ^ if crc & 0x8000 != 0 { 0x8005 } else { 0 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};
