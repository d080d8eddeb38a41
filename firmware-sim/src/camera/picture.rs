//! H.264 that is drawn by hand: parameter sets, key frames of raw macroblocks (I_PCM), and frames that repeat the one before
//! them (P_Skip). Baseline profile of ITU-T H.264, clause 7.3; nothing is compressed.

/// A stream's pictures.
#[derive(Debug, Clone, Copy)]
pub struct Picture {
    columns: u32,
    rows: u32,
}

struct Bits {
    bytes: Vec<u8>,
    used: u8,
}

impl Bits {
    fn new() -> Self {
        Bits { bytes: Vec::new(), used: 0 }
    }

    fn put(&mut self, value: u32, count: u8) {
        for bit in (0..count).rev() {
            if self.used == 0 {
                self.bytes.push(0);
            }
            let one = value >> bit & 1;
            if let Some(last) = self.bytes.last_mut() {
                *last |= u8::try_from(one).unwrap_or(0) << (7 - self.used);
            }
            self.used = (self.used + 1) % 8;
        }
    }

    /// Exp-Golomb, 9.1.
    fn ue(&mut self, value: u32) {
        let coded = value + 1;
        let length = u8::try_from(32 - coded.leading_zeros()).unwrap_or(32);
        self.put(0, length - 1);
        self.put(coded, length);
    }

    fn align(&mut self) {
        while self.used != 0 {
            self.put(0, 1);
        }
    }

    /// `rbsp_trailing_bits`, and the bytes of it with emulation prevention (7.4.1).
    fn nal(mut self, header: u8) -> Vec<u8> {
        self.put(1, 1);
        self.align();
        let mut nal = vec![header];
        let mut zeros = 0;
        for byte in self.bytes {
            if zeros >= 2 && byte <= 3 {
                nal.push(3);
                zeros = 0;
            }
            nal.push(byte);
            zeros = if byte == 0 { zeros + 1 } else { 0 };
        }
        nal
    }
}

impl Picture {
    /// Pictures of this size, in whole macroblocks.
    pub fn new(width: u16, height: u16) -> Self {
        Picture { columns: u32::from(width / 16).max(1), rows: u32::from(height / 16).max(1) }
    }

    /// The sequence parameter set.
    pub fn sps(self) -> Vec<u8> {
        let mut bits = Bits::new();
        bits.put(66, 8);
        bits.put(0xc0, 8);
        bits.put(40, 8);
        bits.ue(0);
        bits.ue(0);
        // Order of display is order of decoding.
        bits.ue(2);
        bits.ue(1);
        bits.put(0, 1);
        bits.ue(self.columns - 1);
        bits.ue(self.rows - 1);
        bits.put(1, 1);
        bits.put(1, 1);
        bits.put(0, 1);
        bits.put(0, 1);
        bits.nal(0x67)
    }

    /// The picture parameter set.
    pub fn pps(self) -> Vec<u8> {
        let mut bits = Bits::new();
        bits.ue(0);
        bits.ue(0);
        bits.put(0, 2);
        bits.ue(0);
        bits.ue(0);
        bits.ue(0);
        bits.put(0, 3);
        // Three signed zeros.
        bits.ue(0);
        bits.ue(0);
        bits.ue(0);
        bits.put(0, 3);
        bits.nal(0x68)
    }

    /// A key frame, all of it as bright as this; `number` tells it from its neighbours.
    pub fn key_frame(self, number: u32, luma: u8) -> Vec<u8> {
        let mut bits = Bits::new();
        bits.ue(0);
        bits.ue(7);
        bits.ue(0);
        bits.put(0, 4);
        bits.ue(number % 2);
        bits.put(0, 2);
        bits.ue(0);
        for block in 0..self.columns * self.rows {
            // I_PCM, 7.3.5: whole bytes. A ramp, so that no two blocks are the same.
            bits.ue(25);
            bits.align();
            let shade = luma.wrapping_add(u8::try_from(block % 16).unwrap_or(0)).max(1);
            bits.bytes.extend_from_slice(&[shade; 256]);
            bits.bytes.extend_from_slice(&[128; 128]);
        }
        bits.nal(0x65)
    }

    /// A frame that shows the one before it; the `number`-th since the key frame.
    pub fn same(self, number: u32) -> Vec<u8> {
        let mut bits = Bits::new();
        bits.ue(0);
        bits.ue(5);
        bits.ue(0);
        bits.put(number % 16, 4);
        bits.put(0, 2);
        bits.put(0, 1);
        bits.ue(0);
        bits.ue(self.columns * self.rows);
        bits.nal(0x41)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_standard_says() {
        let mut bits = Bits::new();
        for value in 0..5 {
            bits.ue(value);
        }
        // 1 010 011 00100 00101
        assert_eq!(bits.bytes, [0b1010_0110, 0b0100_0010, 0b1000_0000]);
    }

    #[test]
    fn nothing_in_a_unit_looks_like_a_start_code() {
        let picture = Picture::new(64, 48);
        for nal in [picture.sps(), picture.pps(), picture.key_frame(3, 0), picture.same(5)] {
            assert!(!nal.windows(3).any(|three| three[0] == 0 && three[1] == 0 && three[2] < 3), "{nal:02x?}");
        }
        assert!(picture.key_frame(0, 90).len() > 12 * 384);
    }
}
