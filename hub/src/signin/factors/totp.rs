//! Codes of an authenticator app (RFC 6238): SHA-1, six digits, thirty seconds, because that is the one setting that
//! every app on every phone understands. A code is good in its step and its neighbours, and once.
//!
//! The moment is handed in; how many tries there are is counted elsewhere.

use domovoi_model::Timestamp;
use domovoi_vault::{RandomError, Secret, random};
use qrcode::QrCode;
use qrcode::render::svg;
use totp_rs::{Algorithm, Builder, Totp};

const STEP_SECONDS: u64 = 30;
const DIGITS: u8 = 6;
/// A phone's clock may be a step off, and a person takes time to type (RFC 6238 section 5.2).
const STEPS_OFF: u64 = 1;
/// Names in an authenticator's list; longer ones do not fit a phone, nor a QR code that a camera reads at once.
const NAME_CHARS_MAX: usize = 60;

/// A new secret: 160 bits (RFC 4226 section 4), in base32.
pub fn new_secret() -> Result<Secret<String>, RandomError> {
    let bytes = Secret::new(random::<20>()?);
    Ok(Secret::new(totp_rs::Secret::from(*bytes.expose()).to_base32()))
}

/// `otpauth://totp/…`: what an authenticator app scans. `home` and `person` are shown in its list.
pub fn uri(secret: &Secret<String>, home: &str, person: &str) -> Option<Secret<String>> {
    // A colon separates the two in the label, so it cannot be in either.
    let name = |text: &str, or: &str| {
        let text: String = text.chars().map(|c| if c == ':' || c.is_control() { ' ' } else { c }).collect();
        let text: String = text.trim().chars().take(NAME_CHARS_MAX).collect();
        if text.is_empty() { or.to_owned() } else { text }
    };
    let builder = builder(secret)?.with_account_name(name(person, "?")).with_issuer(Some(name(home, "Domovoi")));
    builder.build().ok()?.to_url().ok().map(Secret::new)
}

/// The address as a QR code: an `<svg>` element without styles or scripts, fit to stand in a page.
pub fn qr_svg(uri: &Secret<String>) -> Option<Secret<String>> {
    let code = QrCode::new(uri.expose().as_bytes()).ok()?;
    // Black on white in every theme: cameras want the contrast, and the quiet zone belongs to it.
    let image = Secret::new(
        code.render().min_dimensions(240, 240).dark_color(svg::Color("#000")).light_color(svg::Color("#fff")).build(),
    );
    let element = image.expose().find("<svg")?;
    image.expose().get(element..).map(|svg| Secret::new(svg.to_owned()))
}

/// The step of which this is the code, if it is one of now and of a step that is later than the last one used.
pub fn check(secret: &Secret<String>, code: &str, now: Timestamp, last_step: Option<u64>) -> Option<u64> {
    let typed: Secret<String> = Secret::new(code.chars().filter(|c| !c.is_whitespace()).take(16).collect());
    if typed.expose().len() != usize::from(DIGITS) || !typed.expose().bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let totp: Totp = builder(secret)?.build().ok()?;
    let step = u64::try_from(now.0).ok()? / 1000 / STEP_SECONDS;
    let mut found = None;
    for step in step.saturating_sub(STEPS_OFF)..=step.saturating_add(STEPS_OFF) {
        let right = Secret::new(format!("{}", totp.generate(step * STEP_SECONDS)));
        // Every step is computed and every digit compared, right or not.
        let differs = right.expose().bytes().zip(typed.expose().bytes()).fold(0, |all, (a, b)| all | (a ^ b));
        if differs == 0 && right.expose().len() == typed.expose().len() && last_step.is_none_or(|last| step > last) {
            found = found.or(Some(step));
        }
    }
    found
}

fn builder(secret: &Secret<String>) -> Option<Builder> {
    let secret = totp_rs::Secret::try_from_base32(secret.expose()).ok()?;
    let builder = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(DIGITS).with_step_duration(STEP_SECONDS);
    Some(builder.with_secret(secret))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 6238 appendix B: "12345678901234567890".
    fn rfc_secret() -> Secret<String> {
        Secret::new("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ".to_owned())
    }

    fn seconds(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1000)
    }

    #[test]
    fn vectors_of_rfc_6238() {
        // The table has eight digits; an app with six shows the last six of them.
        for (at, code) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            let step = u64::try_from(at).unwrap() / 30;
            assert_eq!(check(&rfc_secret(), &code[2..], seconds(at), None), Some(step), "{at}");
        }
    }

    #[test]
    fn a_code_is_good_in_its_step_and_the_neighbours_and_once() {
        let (code, step) = ("050471", 1_111_111_111 / 30);
        let began = i64::try_from(step).unwrap() * 30;
        assert_eq!(check(&rfc_secret(), code, seconds(began - 30), None), Some(step));
        assert_eq!(check(&rfc_secret(), code, seconds(began - 31), None), None);
        assert_eq!(check(&rfc_secret(), code, seconds(began + 59), None), Some(step));
        assert_eq!(check(&rfc_secret(), code, seconds(began + 60), None), None);
        assert_eq!(check(&rfc_secret(), "050 471", seconds(began), Some(step - 1)), Some(step));
        assert_eq!(check(&rfc_secret(), code, seconds(began), Some(step)), None, "a code is used once");
        assert_eq!(check(&rfc_secret(), code, seconds(began), Some(step + 1)), None, "nor after a later one");
    }

    #[test]
    fn the_address_is_escaped_and_says_whose_it_is() {
        let secret = new_secret().unwrap();
        assert_eq!(secret.expose().len(), 32, "160 bits");
        let uri = uri(&secret, "Дом: на горе", "Анна & Ко").unwrap();
        let parsed = url::Url::parse(uri.expose()).unwrap();
        assert_eq!((parsed.scheme(), parsed.host_str()), ("otpauth", Some("totp")));
        let pairs: Vec<(String, String)> = parsed.query_pairs().into_owned().collect();
        assert!(pairs.contains(&("issuer".to_owned(), "Дом  на горе".to_owned())), "{pairs:?}");
        assert!(pairs.contains(&("secret".to_owned(), secret.expose().clone())));
        assert!(uri.expose().is_ascii(), "every Cyrillic letter is escaped");
        assert!(uri.expose().contains(":%D0%90%D0%BD%D0%BD%D0%B0%20%26%20"), "{}", uri.expose());
        assert!(super::uri(&secret, "", " ").is_some());
    }

    #[test]
    fn the_picture_holds_no_script_and_no_style() {
        let picture = qr_svg(&uri(&rfc_secret(), "Дом", "Анна").unwrap()).unwrap();
        assert!(picture.expose().starts_with("<svg"));
        for forbidden in ["<script", "style=", "<style", "<?xml", "href"] {
            assert!(!picture.expose().contains(forbidden), "{forbidden}");
        }
    }

    proptest! {
        #[test]
        fn nothing_typed_and_nothing_stored_makes_it_panic(
            secret in "[A-Za-z2-7= ]{0,40}", code in "\\PC{0,12}", now in any::<i64>(), last in any::<Option<u64>>(),
        ) {
            let _ = check(&Secret::new(secret), &code, Timestamp(now), last);
        }

    }

    proptest! {
        // A QR code takes a tenth of a second here.
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn any_name_makes_an_address(home in "\\PC{0,80}", person in "\\PC{0,80}") {
            let uri = uri(&rfc_secret(), &home, &person).unwrap();
            prop_assert!(url::Url::parse(uri.expose()).is_ok());
            prop_assert!(qr_svg(&uri).is_some());
        }
    }
}
