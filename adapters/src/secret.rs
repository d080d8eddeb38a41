//! Names under which devices tell what is nobody's business: codes of locks, passwords of networks, what a card reader
//! read. Values of these names are neither reported nor kept, whatever dialect they come in.

/// Words of a name, each of which makes it a secret.
const WORDS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "psk",
    "pin",
    "pincode",
    "secret",
    "token",
    "apikey",
    "ssid",
    "bssid",
    "credential",
    "credentials",
    "rfid",
    "passcode",
];

/// Two words that make one together.
const PAIRS: &[(&str, &str)] = &[
    ("api", "key"),
    ("private", "key"),
    ("access", "key"),
    ("network", "key"),
    ("encryption", "key"),
    ("pass", "code"),
    ("user", "code"),
    ("lock", "code"),
    ("alarm", "code"),
    ("pin", "code"),
    ("wifi", "config"),
    ("wifi", "key"),
];

/// Whether a value of this name is nobody's business: `wifiPassword`, `pin_code`, `SSID 1`.
pub fn is_secret(name: &str) -> bool {
    let words = words(name);
    let pair = |pair: &[String]| matches!(pair, [one, two] if PAIRS.contains(&(one.trim_end_matches(|c: char| c.is_ascii_digit()), two.as_str())));
    words.iter().any(|word| WORDS.contains(&word.trim_end_matches(|c: char| c.is_ascii_digit())))
        || words.windows(2).any(pair)
}

/// The words of a name, by what stands between them or by their capitals.
fn words(name: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut was_small = false;
    for c in name.chars() {
        let starts = !c.is_alphanumeric() || (was_small && c.is_uppercase());
        if starts && out.last().is_some_and(|word| !word.is_empty()) {
            out.push(String::new());
        }
        was_small = c.is_lowercase() || c.is_numeric();
        if c.is_alphanumeric()
            && let Some(word) = out.last_mut()
        {
            word.extend(c.to_lowercase());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_by_their_names() {
        for yes in ["password", "wifiPassword", "pin_code", "PIN", "SSID 1", "ssid1", "api_key", "userCode", "apiKey"] {
            assert!(is_secret(yes), "{yes}");
        }
        for no in ["pinch", "spin", "opinion", "key", "code", "mopping", "energy_total", "", "tokens_left", "keypad"] {
            assert!(!is_secret(no), "{no}");
        }
    }
}
