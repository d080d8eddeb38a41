//! A colour as the house spells it, and what the peers spell it in: CIE 1931 x and y, hue and saturation, red-green-blue.
//!
//! One spelling for everybody: `#rrggbb`, lower case, sRGB, at full brightness. How bright a lamp is, is a property of
//! its own, so that a scene can change one without the other; a darker red is the same colour. Floats are fine here and
//! nowhere else: no eye reads the fifth digit of a chromaticity, and no act is signed over it.

use std::fmt;

/// How far apart two colours may be that a lamp cannot tell from each other, in each channel. Lamps round to eight bits
/// of hue or sixteen of chromaticity, and back.
const NEAR: i16 = 12;

/// A colour at full brightness: one channel at least is 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Colour {
    /// Red.
    pub r: u8,
    /// Green.
    pub g: u8,
    /// Blue.
    pub b: u8,
}

impl Colour {
    /// Reads `#rrggbb` in either case. `None` for black, which is no colour but the lack of light.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
        Self::from_hex(digits)
    }

    /// Reads six hexadecimal digits.
    pub(crate) fn from_hex(digits: &str) -> Option<Self> {
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let channel = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
        Self::of(f64::from(channel(0)?), f64::from(channel(2)?), f64::from(channel(4)?))
    }

    /// From three channels of any common scale.
    pub(crate) fn of(r: f64, g: f64, b: f64) -> Option<Self> {
        let most = r.max(g).max(b);
        if !most.is_finite() || most <= 0.0 {
            return None;
        }
        // A channel below zero is outside of what sRGB can show; the nearest it can is none of it.
        let scale = |channel: f64| (channel / most * 255.0).round().clamp(0.0, 255.0) as u8;
        Some(Colour { r: scale(r), g: scale(g), b: scale(b) })
    }

    /// From CIE 1931 x and y (D65, IEC 61966-2-1).
    pub(crate) fn from_xy(x: f64, y: f64) -> Option<Self> {
        if !(0.0..=1.0).contains(&x) || !(0.0..=1.0).contains(&y) || y < 1e-4 || x + y > 1.0 + 1e-6 {
            return None;
        }
        let (big_x, big_z) = (x / y, (1.0 - x - y) / y);
        let linear = [
            3.240_454_2 * big_x - 1.537_138_5 - 0.498_531_4 * big_z,
            -0.969_266_0 * big_x + 1.876_010_8 + 0.041_556_0 * big_z,
            0.055_643_4 * big_x - 0.204_025_9 + 1.057_225_2 * big_z,
        ];
        let most = linear.iter().copied().fold(f64::MIN, f64::max);
        if most <= 0.0 {
            return None;
        }
        let [r, g, b] = linear.map(|channel| companded((channel / most).max(0.0)));
        Self::of(r, g, b)
    }

    /// CIE 1931 x and y, to four digits as lamps take them.
    pub(crate) fn xy(self) -> (f64, f64) {
        let [r, g, b] = [self.r, self.g, self.b].map(|channel| linear(f64::from(channel) / 255.0));
        let x = 0.412_456_4 * r + 0.357_576_1 * g + 0.180_437_5 * b;
        let y = 0.212_672_9 * r + 0.715_152_2 * g + 0.072_175_0 * b;
        let z = 0.019_333_9 * r + 0.119_192_0 * g + 0.950_304_1 * b;
        let sum = x + y + z;
        let digits = |value: f64| (value * 10_000.0).round() / 10_000.0;
        (digits(x / sum), digits(y / sum))
    }

    /// From hue in degrees and saturation in per cent.
    pub(crate) fn from_hs(hue: f64, saturation: f64) -> Option<Self> {
        if !(0.0..=360.0).contains(&hue) || !(0.0..=100.0).contains(&saturation) {
            return None;
        }
        let (sector, chroma) = ((hue % 360.0) / 60.0, saturation / 100.0);
        let middle = chroma * (1.0 - (sector % 2.0 - 1.0).abs());
        let low = 1.0 - chroma;
        let (r, g, b) = match sector as u8 {
            0 => (chroma, middle, 0.0),
            1 => (middle, chroma, 0.0),
            2 => (0.0, chroma, middle),
            3 => (0.0, middle, chroma),
            4 => (middle, 0.0, chroma),
            _ => (chroma, 0.0, middle),
        };
        Self::of(r + low, g + low, b + low)
    }

    /// Hue in whole degrees, 0 to 359, and saturation in whole per cent.
    pub(crate) fn hs(self) -> (u16, u8) {
        let [r, g, b] = [self.r, self.g, self.b].map(f64::from);
        let (most, least) = (r.max(g).max(b), r.min(g).min(b));
        let chroma = most - least;
        if chroma <= 0.0 {
            return (0, 0);
        }
        let sector = if most <= r {
            ((g - b) / chroma).rem_euclid(6.0)
        } else if most <= g {
            (b - r) / chroma + 2.0
        } else {
            (r - g) / chroma + 4.0
        };
        ((sector * 60.0).round() as u16 % 360, (chroma / most * 100.0).round() as u8)
    }

    /// Whether a lamp that was told the one and reports the other did as it was told.
    pub(crate) fn is_near(self, other: Self) -> bool {
        let apart = |a: u8, b: u8| (i16::from(a) - i16::from(b)).abs();
        let most = apart(self.r, other.r).max(apart(self.g, other.g)).max(apart(self.b, other.b));
        most <= NEAR
    }
}

/// `#ff8800`.
impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.r, self.g, self.b)
    }
}

/// What a command must look like, in words.
pub(crate) const WANTED: &str = "a colour as #rrggbb, not black";

fn companded(linear: f64) -> f64 {
    if linear <= 0.003_130_8 { 12.92 * linear } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 }
}

fn linear(companded: f64) -> f64 {
    if companded <= 0.040_45 { companded / 12.92 } else { ((companded + 0.055) / 1.055).powf(2.4) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_darker_red_is_the_same_colour() {
        let red = Colour::parse("#FF0000").unwrap();
        assert_eq!(Colour::parse("#7f0000"), Some(red));
        assert_eq!(red.to_string(), "#ff0000");
        assert_eq!((red.xy(), red.hs()), ((0.64, 0.33), (0, 100)));
        for text in ["#000000", "#fff", "ff0000", "#gg0000", "#ff00001", "#я0000", ""] {
            assert_eq!(Colour::parse(text), None, "{text}");
        }
    }

    #[test]
    fn white_is_white_in_every_spelling() {
        let white = Colour { r: 255, g: 255, b: 255 };
        assert!(Colour::from_xy(0.3127, 0.329).unwrap().is_near(white));
        assert_eq!(Colour::from_hs(200.0, 0.0), Some(white));
        assert_eq!(white.hs(), (0, 0));
    }

    proptest! {
        #[test]
        fn what_goes_out_comes_back(r in 0u8..=255, g in 0u8..=255, b in 0u8..=255) {
            let Some(colour) = Colour::of(f64::from(r), f64::from(g), f64::from(b)) else { return Ok(()) };
            prop_assert_eq!(Colour::parse(&colour.to_string()), Some(colour));
            let (x, y) = colour.xy();
            prop_assert!(Colour::from_xy(x, y).unwrap().is_near(colour), "{} by way of {} {}", colour, x, y);
            let (hue, saturation) = colour.hs();
            let back = Colour::from_hs(f64::from(hue), f64::from(saturation)).unwrap();
            prop_assert!(back.is_near(colour), "{} by way of {} {}", colour, hue, saturation);
        }

        #[test]
        fn no_numbers_make_it_panic(a in any::<f64>(), b in any::<f64>(), c in any::<f64>()) {
            let _ = (Colour::from_xy(a, b), Colour::from_hs(a, b), Colour::of(a, b, c));
        }
    }
}
