//! A lamp's colour, and the spellings that firmware asks for: hue and saturation, CIE x and y, RGB, hexadecimal. The lamp
//! keeps what it was told in the spelling of the order, as real ones do; the others are worked out when they are asked for.

/// What a lamp shines in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    White {
        mired: u16,
    },
    HueSaturation {
        hue_degrees: u16,
        saturation_percent: u8,
    },
    /// CIE 1931, ten-thousandths.
    Xy {
        x_e4: u16,
        y_e4: u16,
    },
}

impl Colour {
    pub(crate) fn from_rgb([red, green, blue]: [u8; 3]) -> Self {
        let [r, g, b] = [red, green, blue].map(|part| f64::from(part) / 255.0);
        let (most, least) = (r.max(g).max(b), r.min(g).min(b));
        let span = most - least;
        let sixth = if span <= 0.0 {
            0.0
        } else if most <= r {
            ((g - b) / span).rem_euclid(6.0)
        } else if most <= g {
            (b - r) / span + 2.0
        } else {
            (r - g) / span + 4.0
        };
        let saturation = if most <= 0.0 { 0.0 } else { span / most };
        Self::HueSaturation { hue_degrees: whole(sixth * 60.0) % 360, saturation_percent: byte(saturation * 100.0) }
    }

    /// `#RRGGBB`, with or without the hash; what follows (cold and warm white) is not looked at.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let digits = text.trim().trim_start_matches('#');
        let part = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
        Some(Self::from_rgb([part(0)?, part(2)?, part(4)?]))
    }

    /// At full brightness.
    pub(crate) fn rgb(self) -> [u8; 3] {
        match self {
            // Good enough for a picture of it.
            Self::White { .. } => [255, 255, 255],
            Self::HueSaturation { hue_degrees, saturation_percent } => {
                let (sixth, saturation) = (f64::from(hue_degrees) / 60.0, f64::from(saturation_percent) / 100.0);
                [5.0, 3.0, 1.0].map(|offset: f64| {
                    let k = (offset + sixth).rem_euclid(6.0);
                    byte(255.0 * (1.0 - saturation * k.min(4.0 - k).clamp(0.0, 1.0)))
                })
            }
            Self::Xy { x_e4, y_e4 } => {
                let (x, y) = (f64::from(x_e4) / 1e4, (f64::from(y_e4) / 1e4).max(1e-4));
                let (big_x, big_z) = (x / y, (1.0 - x - y) / y);
                // sRGB, D65 (IEC 61966-2-1).
                let linear = [
                    3.2406 * big_x - 1.5372 - 0.4986 * big_z,
                    -0.9689 * big_x + 1.8758 + 0.0415 * big_z,
                    0.0557 * big_x - 0.2040 + 1.0570 * big_z,
                ];
                let most = linear.iter().copied().fold(1e-6, f64::max);
                linear.map(|part| {
                    let part = (part / most).max(0.0);
                    byte(255.0 * if part <= 0.003_130_8 { 12.92 * part } else { 1.055 * part.powf(1.0 / 2.4) - 0.055 })
                })
            }
        }
    }

    /// Degrees, percent.
    pub(crate) fn hue_saturation(self) -> (u16, u8) {
        match self {
            Self::HueSaturation { hue_degrees, saturation_percent } => (hue_degrees, saturation_percent),
            Self::White { .. } => (0, 0),
            Self::Xy { .. } => Self::from_rgb(self.rgb()).hue_saturation(),
        }
    }

    pub(crate) fn xy(self) -> (f64, f64) {
        if let Self::Xy { x_e4, y_e4 } = self {
            return (f64::from(x_e4) / 1e4, f64::from(y_e4) / 1e4);
        }
        let [r, g, b] = self.rgb().map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        let x = 0.4124 * r + 0.3576 * g + 0.1805 * b;
        let y = 0.2126 * r + 0.7152 * g + 0.0722 * b;
        let z = 0.0193 * r + 0.1192 * g + 0.9505 * b;
        let all = (x + y + z).max(1e-6);
        ((x / all * 1e4).round() / 1e4, (y / all * 1e4).round() / 1e4)
    }

    pub(crate) fn from_xy(x: f64, y: f64) -> Self {
        Self::Xy { x_e4: whole(x * 1e4).min(10_000), y_e4: whole(y * 1e4).min(10_000) }
    }

    pub(crate) fn white(mired: f64) -> Self {
        Self::White { mired: whole(mired).clamp(153, 500) }
    }

    pub(crate) fn hs(hue: f64, saturation: f64) -> Self {
        Self::HueSaturation { hue_degrees: whole(hue) % 360, saturation_percent: byte(saturation).min(100) }
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what a u16 holds")]
fn whole(number: f64) -> u16 {
    number.round().clamp(0.0, f64::from(u16::MAX)) as u16
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what a byte holds")]
pub(crate) fn byte(number: f64) -> u8 {
    number.round().clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use super::Colour;

    #[test]
    fn spellings_of_a_colour_agree() {
        for rgb in [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 170, 0], [255, 255, 255]] {
            let colour = Colour::from_rgb(rgb);
            for (a, b) in colour.rgb().into_iter().zip(rgb) {
                assert!(a.abs_diff(b) <= 3, "{rgb:?} came back as {:?}", colour.rgb());
            }
            let (x, y) = colour.xy();
            for (a, b) in Colour::from_xy(x, y).rgb().into_iter().zip(rgb) {
                assert!(a.abs_diff(b) <= 4, "{rgb:?} by {x} {y}: {:?}", Colour::from_xy(x, y).rgb());
            }
        }
        assert_eq!(
            Colour::from_hex("#00ff007f00"),
            Some(Colour::HueSaturation { hue_degrees: 120, saturation_percent: 100 })
        );
        assert_eq!(Colour::from_hex("12345"), None);
        assert_eq!(Colour::from_hex("ъъъ"), None);
    }
}
