//! PINs for a paired tablet on the wall: four digits, and not those that a visitor would try first. What is refused is
//! computed by rule, so that there is no list to go out of date.
//!
//! Ten thousand possibilities stand no guessing: a PIN counts on a paired tablet only, and its few tries are counted
//! elsewhere. It is hashed like a password (`Hasher`), and the vault's pepper is what holds a stolen database.

use super::super::view::Unmet;

/// Rows of a telephone's keys; a keypad on a screen has them too.
const KEYPAD: [&[u8; 3]; 4] = [b"123", b"456", b"789", b"*0#"];

/// Every rule that this PIN does not meet.
pub fn judge(pin: &str) -> Vec<Unmet> {
    let unmet = |code| Unmet { code, number: None };
    let digits: Option<[u8; 4]> =
        pin.as_bytes().try_into().ok().filter(|pin: &[u8; 4]| pin.iter().all(u8::is_ascii_digit));
    let Some(pin) = digits else { return vec![Unmet { code: "digits", number: Some(4) }] };
    type Rule = (&'static str, fn(&[u8; 4]) -> bool);
    let rules: [Rule; 5] =
        [("repeated", repeated), ("sequence", sequence), ("year", year), ("date", date), ("keypad", keypad)];
    rules.into_iter().filter(|(_, guessable)| guessable(&pin)).map(|(code, _)| unmet(code)).collect()
}

/// `1111`, `1112`, `1212`, `1122`, `1221`: one digit thrice, or two digits twice.
fn repeated(pin: &[u8; 4]) -> bool {
    let times = |digit: &u8| pin.iter().filter(|other| *other == digit).count();
    pin.iter().any(|digit| times(digit) >= 3) || pin.iter().all(|digit| times(digit) == 2)
}

/// `1234`, `9876`, `7890`, `2468`, `1357`: even steps, past nine as well.
fn sequence(pin: &[u8; 4]) -> bool {
    let steps = |[a, b, c, d]: &[u8; 4]| [(a, b), (b, c), (c, d)].map(|(from, to)| (10 + to - from) % 10);
    matches!(steps(pin), [first, second, third] if first == second && second == third && matches!(first, 1 | 2 | 8 | 9))
}

/// Years of birth, of weddings, of building.
fn year(pin: &[u8; 4]) -> bool {
    pin.starts_with(b"19") || pin.starts_with(b"20")
}

/// `3112`: a day as it is written here, day before month. Birthdays are what a family's PINs are made of, and what a
/// visitor knows. The other order (`1231`) stays allowed: it would take 234 more away and is not how people here think.
fn date(pin: &[u8; 4]) -> bool {
    let [d1, d2, m1, m2] = pin.map(|digit| digit - b'0');
    let (day, month) = (d1 * 10 + d2, m1 * 10 + m2);
    let days = match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

/// `2580`, `1478`, `1254`: a way over neighbouring keys; and `1379`: round the corners.
fn keypad(pin: &[u8; 4]) -> bool {
    let place = |digit: u8| {
        KEYPAD
            .iter()
            .zip(0i32..)
            .find_map(|(row, y)| row.iter().zip(0i32..).find(|(key, _)| **key == digit).map(|(_, x)| (x, y)))
    };
    let neighbours = |a: u8, b: u8| match (place(a), place(b)) {
        (Some((ax, ay)), Some((bx, by))) => (ax - bx).abs() + (ay - by).abs() == 1,
        _ => false,
    };
    let [a, b, c, d] = *pin;
    let way = neighbours(a, b) && neighbours(b, c) && neighbours(c, d);
    let corners = pin.iter().all(|digit| b"1379".contains(digit));
    way || corners
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(pin: &str) -> Vec<&'static str> {
        judge(pin).into_iter().map(|unmet| unmet.code).collect()
    }

    #[test]
    fn guessable_pins_are_refused_with_every_reason() {
        for (pin, expected) in [
            ("0000", vec!["repeated"]),
            ("1212", vec!["repeated", "date", "keypad"]),
            ("7757", vec!["repeated"]),
            ("1234", vec!["sequence"]),
            ("7890", vec!["sequence"]),
            ("8642", vec!["sequence"]),
            ("1984", vec!["year"]),
            ("2007", vec!["year", "date"]),
            ("3112", vec!["date"]),
            ("2902", vec!["date"]),
            ("2580", vec!["keypad"]),
            ("1379", vec!["keypad"]),
            ("123", vec!["digits"]),
            ("12345", vec!["digits"]),
            ("12a4", vec!["digits"]),
            ("١٢٣٤", vec!["digits"]),
            ("", vec!["digits"]),
        ] {
            assert_eq!(codes(pin), expected, "{pin}");
        }
    }

    #[test]
    fn most_pins_are_taken() {
        let taken = (0..10_000).filter(|pin| judge(&format!("{pin:04}")).is_empty()).count();
        assert!((8_300..9_000).contains(&taken), "{taken}");
        for pin in ["4173", "3002", "8036", "6150"] {
            assert!(judge(pin).is_empty(), "{pin}");
        }
    }
}
