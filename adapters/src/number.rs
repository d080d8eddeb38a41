//! The text of a JSON number as an exact decimal. Never by way of a float: 0.1 m³ stays 0.1 m³.

use rust_decimal::Decimal;

/// Numbers longer than this are refused before anything is done with them.
const MAX_DIGITS: usize = 256;

/// Reads a number in JSON's spelling (RFC 8259 §6). `None` when an exact decimal cannot hold it: it is never rounded.
/// Zeros at the end of a fraction are kept, as far as there is room for them.
pub(crate) fn decimal(text: &str) -> Option<Decimal> {
    if text.len() > MAX_DIGITS {
        return None;
    }
    if let Some(short) = short(text) {
        return Some(short);
    }
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let mut digits = format!("{whole}{fraction}").trim_start_matches('0').to_owned();
    let mut scale = i64::try_from(fraction.len()).ok()? - i64::from(exponent);
    if digits.is_empty() {
        return Some(Decimal::new(0, u32::try_from(scale.clamp(0, i64::from(Decimal::MAX_SCALE))).ok()?));
    }
    while scale > 0 && digits.ends_with('0') && (scale > i64::from(Decimal::MAX_SCALE) || digits.len() > 28) {
        digits.pop();
        scale -= 1;
    }
    if scale < 0 {
        // 29 digits at most fit; a larger shift cannot, so it is not even written out.
        let zeros = usize::try_from(-scale).ok().filter(|n| *n <= 29)?;
        digits.extend(std::iter::repeat_n('0', zeros));
        scale = 0;
    }
    let magnitude: i128 = digits.parse().ok()?;
    Decimal::try_from_i128_with_scale(if negative { -magnitude } else { magnitude }, u32::try_from(scale).ok()?).ok()
}

/// The numbers that nearly all devices say: up to 18 digits, no exponent. `None`: look closer.
fn short(text: &str) -> Option<Decimal> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    if digits.len() > 19 || !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let (mut mantissa, mut scale, mut point, mut count) = (0i64, 0u32, false, 0);
    for byte in digits.bytes() {
        match byte {
            b'0'..=b'9' if count < 18 => {
                mantissa = mantissa * 10 + i64::from(byte - b'0');
                count += 1;
                scale += u32::from(point);
            }
            b'.' if !point => point = true,
            _ => return None,
        }
    }
    Some(Decimal::new(sign * mantissa, scale))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_short_number_is_what_a_long_one_would_be(text in "-?[0-9]{1,12}(\\.[0-9]{0,9})?([eE][0-9]{1,2})?") {
            // A zero before it changes nothing but the way it is read.
            let sign = if text.starts_with('-') { "-" } else { "" };
            let padded = format!("{sign}{}{}", "0".repeat(20), text.trim_start_matches('-'));
            let (short, long) = (decimal(&text), decimal(&padded));
            prop_assert_eq!(short.map(|n| (n, n.scale())), long.map(|n| (n, n.scale())));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[-+0-9.eE]{0,40}") {
            let _ = decimal(&text);
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in ["", "-", ".5", "1.2.3", "+1", "1e", "--1", "1 ", "0x1"] {
            assert_eq!(decimal(text), None, "{text}");
        }
        assert_eq!(decimal("-0.00").map(|zero| (zero.is_sign_negative(), zero.scale())), Some((false, 2)));
    }
}
