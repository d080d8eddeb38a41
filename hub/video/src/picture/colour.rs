//! Colours of video to those of JPEG: JFIF means BT.601 and the full range of a byte, video mostly BT.709 and 16 to 235.
//! Both are linear in luma and chroma, so one matrix takes a sample over without a way through RGB.
//! Deliberately no gamut and no transfer curve: primaries of HDR cameras stay as they are.

/// Which red and blue the luma is made of (H.264 and H.265, E.2.1, `matrix_coefficients`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matrix {
    Bt601,
    Bt709,
    Bt2020,
}

impl Matrix {
    /// Where the stream does not say it (2), players take BT.709 for what is as high as HD, and so do cameras.
    pub(super) fn of(said: u8, height: u32) -> Matrix {
        match said {
            1 => Matrix::Bt709,
            4..=7 => Matrix::Bt601,
            9 | 10 => Matrix::Bt2020,
            _ if height >= 720 => Matrix::Bt709,
            _ => Matrix::Bt601,
        }
    }

    fn red_and_blue(self) -> (f64, f64) {
        match self {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
            Matrix::Bt2020 => (0.2627, 0.0593),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Colour {
    pub(super) matrix: Matrix,
    pub(super) full_range: bool,
}

/// The conversion of one picture, in 1/65536.
pub(super) struct Conversion {
    black: i32,
    rows: [[i32; 3]; 3],
}

impl Conversion {
    pub(super) fn of(colour: Colour) -> Conversion {
        let (kr, kb) = colour.matrix.red_and_blue();
        let kg = 1.0 - kr - kb;
        // From luma 0..1 and chroma -0.5..0.5 to red, green and blue.
        let to_rgb = [
            [1.0, 0.0, 2.0 * (1.0 - kr)],
            [1.0, -2.0 * kb * (1.0 - kb) / kg, -2.0 * kr * (1.0 - kr) / kg],
            [1.0, 2.0 * (1.0 - kb), 0.0],
        ];
        let from_rgb = [
            [0.299, 0.587, 0.114],
            [-0.299 / 1.772, -0.587 / 1.772, 0.886 / 1.772],
            [0.701 / 1.402, -0.587 / 1.402, -0.114 / 1.402],
        ];
        let (luma_range, chroma_range) = if colour.full_range { (255.0, 255.0) } else { (219.0, 224.0) };
        let mut rows = [[0; 3]; 3];
        for (row, from) in rows.iter_mut().zip(from_rgb) {
            for (column, cell) in row.iter_mut().enumerate() {
                let sum: f64 =
                    from.iter().zip(to_rgb).map(|(weight, to)| weight * to.get(column).copied().unwrap_or(0.0)).sum();
                let range = if column == 0 { luma_range } else { chroma_range };
                *cell = (sum * 255.0 / range * 65536.0).round() as i32;
            }
        }
        Conversion { black: if colour.full_range { 0 } else { 16 }, rows }
    }

    /// One sample of luma and its chroma, as JPEG has them.
    pub(super) fn apply(&self, y: u8, u: u8, v: u8) -> [u8; 3] {
        let sample = [i32::from(y) - self.black, i32::from(u) - 128, i32::from(v) - 128];
        let mut out = [0; 3];
        for ((out, row), middle) in out.iter_mut().zip(&self.rows).zip([0, 128, 128]) {
            let sum: i32 = row.iter().zip(sample).map(|(weight, sample)| weight * sample).sum();
            *out = u8::try_from((((sum + 32768) >> 16) + middle).clamp(0, 255)).unwrap_or(0);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grey_white_and_black_are_what_they_were() {
        for matrix in [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020] {
            let limited = Conversion::of(Colour { matrix, full_range: false });
            assert_eq!(limited.apply(16, 128, 128), [0, 128, 128]);
            assert_eq!(limited.apply(235, 128, 128), [255, 128, 128]);
            assert_eq!(limited.apply(255, 128, 128), [255, 128, 128]);
            let full = Conversion::of(Colour { matrix, full_range: true });
            assert_eq!(full.apply(77, 128, 128), [77, 128, 128]);
        }
        let same = Conversion::of(Colour { matrix: Matrix::Bt601, full_range: true });
        assert_eq!(same.apply(100, 40, 200), [100, 40, 200]);
    }

    #[test]
    fn red_of_bt709_is_red() {
        // Full red in BT.709, limited: Y 63, Cb 102, Cr 240. In JFIF: 76, 85, 255.
        let red = Conversion::of(Colour { matrix: Matrix::Bt709, full_range: false }).apply(63, 102, 240);
        for (is, should) in red.into_iter().zip([76u8, 85, 255]) {
            assert!(is.abs_diff(should) <= 1, "{red:?}");
        }
    }
}
