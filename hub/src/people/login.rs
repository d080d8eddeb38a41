//! What a person types to say who they are: a phone number, an e-mail address or a login name, in any usual spelling,
//! made into one. Pure. It sends nothing, looks nobody up, and guesses no country but Russia.

use unicode_normalization::UnicodeNormalization as _;

use super::ContactKind;

/// Nobody types more than this; RFC 5321 section 4.5.3.1.3 allows an address 254.
const MAX_TYPED_BYTES: usize = 512;
const MAX_ADDRESS: usize = 254;
const MAX_LOCAL_PART: usize = 64;
/// A login name, in characters.
const NAME: std::ops::RangeInclusive<usize> = 2..=40;
/// Digits of an international number (E.164 allows 15; the shortest that are reachable have 7).
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// A login in its one spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Login {
    pub kind: ContactKind,
    /// What is kept and written to.
    pub value: String,
}

/// Why a text is no login; the sentence says what to do and does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoLogin(pub &'static str);

/// Reads what was typed.
///
/// - A phone number: `+` and the country, or `00`, or the Russian spellings `8 …`, `7 …` and ten digits; `+79161234567`.
/// - An e-mail address: the part before `@` as typed (NFC), the domain in lower case and in its ASCII form
///   (`mail@пример.рф` is `mail@xn--e1afmkfd.xn--p1ai`), which is what a mail server is asked for.
/// - Anything else is a login name: letters, digits, `.`, `_` and `-`, one letter at least, so that no number is a name.
pub(super) fn read(typed: &str) -> Result<Login, NoLogin> {
    if typed.len() > MAX_TYPED_BYTES {
        return Err(NoLogin("this is too long for a phone number, an e-mail address or a login name"));
    }
    let shown: String = typed.chars().filter(|c| !is_invisible(*c)).collect();
    let shown = shown.trim();
    if shown.is_empty() {
        return Err(NoLogin("write a phone number, an e-mail address or a login name"));
    }
    let wide: String = shown.nfkc().collect();
    if wide.contains('@') {
        // The compatible form of `＠` is enough; the rest of an address is spelled as its owner spells it.
        let address: String = shown.replace(['＠', '﹫'], "@").nfc().collect();
        return email(&address).map(|value| Login { kind: ContactKind::Email, value });
    }
    let number = wide.strip_prefix("tel:").unwrap_or(&wide);
    if !number.chars().any(char::is_alphabetic) {
        return phone(number).map(|value| Login { kind: ContactKind::Phone, value });
    }
    name(&wide).map(|value| Login { kind: ContactKind::Name, value })
}

/// By what two logins are compared. Nobody tells `Anna@` from `anna@`, whatever RFC 5321 section 2.4 allows.
pub(super) fn key(kind: ContactKind, value: &str) -> String {
    match kind {
        ContactKind::Phone => value.to_owned(),
        ContactKind::Email | ContactKind::Name => fold(value),
    }
}

/// Without case and compatible forms. Upper case first: `ß` and `ss`, `ς` and `σ` meet only there.
fn fold(text: &str) -> String {
    let upper: String = text.nfkc().collect::<String>().to_uppercase();
    upper.to_lowercase().nfkc().collect()
}

fn phone(text: &str) -> Result<String, NoLogin> {
    const HOW: NoLogin =
        NoLogin("this is no phone number: write it like +7 916 123-45-67, with + and the country's code");
    let mut digits = String::new();
    let mut plus = false;
    for c in text.chars() {
        match c {
            '0'..='9' => digits.push(c),
            '+' if digits.is_empty() && !plus => plus = true,
            '(' | ')' | '.' | '/' | '-' | '\u{ad}' | '\u{2010}'..='\u{2015}' | '\u{2212}' => {}
            c if c.is_whitespace() => {}
            _ => return Err(HOW),
        }
    }
    let international = if plus {
        Some(digits.as_str())
    } else {
        // `8~10` is how the rest of the world is dialled from Russia; no Russian area begins with 1.
        digits.strip_prefix("00").or(digits.strip_prefix("810"))
    };
    let number = match international {
        Some(number) => number.to_owned(),
        None => match (digits.len(), digits.as_bytes().first()) {
            (11, Some(b'7' | b'8')) => format!("7{}", digits.get(1..).unwrap_or_default()),
            // Ten digits are a Russian number without its 8, if they begin as one does.
            (10, Some(b'3' | b'4' | b'9')) => format!("7{digits}"),
            _ => return Err(HOW),
        },
    };
    let first = number.as_bytes().first();
    let russian = first == Some(&b'7');
    let area = number.as_bytes().get(1).copied().unwrap_or_default();
    if !DIGITS.contains(&number.len())
        || !matches!(first, Some(b'1'..=b'9'))
        || (russian && (number.len() != 11 || !(b'3'..=b'9').contains(&area)))
    {
        return Err(HOW);
    }
    Ok(format!("+{number}"))
}

fn email(text: &str) -> Result<String, NoLogin> {
    const HOW: NoLogin = NoLogin("this is no e-mail address: write it like anna@example.org");
    let (local, domain) = text.rsplit_once('@').ok_or(HOW)?;
    // Atoms and dots (RFC 5322 section 3.2.3, RFC 6531 for other scripts). Quoted local parts are legal and unused, and
    // everything that could end a command or a header line of SMTP is in them.
    let atom = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    let atoms_are_right = local.split('.').all(|part| !part.is_empty() && part.chars().all(atom));
    // The URL standard's reader of hosts would also take `%61` and numbers; a mail domain has labels and dots.
    let label = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '-');
    let labels: Vec<&str> = domain.split(['.', '。']).collect();
    if !atoms_are_right || local.len() > MAX_LOCAL_PART || labels.len() < 2 || !labels.iter().all(|part| label(part)) {
        return Err(HOW);
    }
    let domain = match url::Host::parse(domain) {
        Ok(url::Host::Domain(domain)) => domain,
        _ => return Err(HOW),
    };
    let hyphens_are_right = |part: &str| !part.is_empty() && !part.starts_with('-') && !part.ends_with('-');
    if !domain.split('.').all(|part| part.len() <= 63 && hyphens_are_right(part)) {
        return Err(HOW);
    }
    let address = format!("{local}@{domain}");
    if address.len() > MAX_ADDRESS { Err(HOW) } else { Ok(address) }
}

fn name(text: &str) -> Result<String, NoLogin> {
    const HOW: NoLogin = NoLogin(
        "a login name has 2 to 40 letters, digits, dots, underscores and hyphens, and begins with a letter or digit",
    );
    let fits = text.chars().all(|c| c.is_alphanumeric() || is_mark(c) || matches!(c, '.' | '_' | '-'));
    let begins = text.chars().next().is_some_and(char::is_alphanumeric);
    if fits && begins && NAME.contains(&text.chars().count()) { Ok(text.to_owned()) } else { Err(HOW) }
}

/// Accents that no composed letter has: they belong to the letter before them.
fn is_mark(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c)
}

/// Characters that are copied along with a number and show nothing: joiners, direction marks, the byte-order mark,
/// variation selectors, the soft hyphen.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(typed: &str) -> Option<String> {
        read(typed).ok().map(|login| login.value)
    }

    #[test]
    fn a_phone_number_in_every_usual_spelling() {
        for typed in [
            "8 (916) 123-45-67",
            "+7 916 1234567",
            "9161234567",
            "7 916 123 45 67",
            "+7(916)123‑45‑67",
            "８（９１６）１２３－４５－６７",
            "\u{200e}+7\u{a0}916\u{2009}123\u{2013}45\u{2212}67\u{feff}",
            "  007 916 123.45.67 ",
            "8-10-7-916-123-45-67",
            "tel:+79161234567",
        ] {
            assert_eq!(value(typed).as_deref(), Some("+79161234567"), "{typed}");
        }
        assert_eq!(value("+375 29 123-45-67").as_deref(), Some("+375291234567"));
        assert_eq!(value("8 10 375 29 1234567").as_deref(), Some("+375291234567"));
        assert_eq!(value("8 495 123-45-67").as_deref(), Some("+74951234567"));
        for typed in [
            "",
            "112",
            "+7 916 123",
            "+7 8 916 1234567",
            "8916123456",
            "+0123456789",
            "12+3456789",
            "+1234567890123456",
        ] {
            assert_eq!(value(typed), None, "{typed}");
        }
    }

    #[test]
    fn an_address_keeps_its_spelling_and_loses_its_case_where_it_has_none() {
        assert_eq!(value(" Anna.K@Example.ORG ").as_deref(), Some("Anna.K@example.org"));
        assert_eq!(value("mail@пример.рф").as_deref(), Some("mail@xn--e1afmkfd.xn--p1ai"));
        assert_eq!(value("mail@XN--E1AFMKFD.xn--p1ai"), value("mail@ПРИМЕР.рф"));
        assert_eq!(key(ContactKind::Email, "Anna.K@example.org"), key(ContactKind::Email, "anna.k@example.org"));
        for typed in [
            "@",
            "a@",
            "@b.ru",
            "a@b",
            "a b@c.ru",
            "a@b..ru",
            ".a@b.ru",
            "a@-b.ru",
            "a@[127.0.0.1]",
            "a@1.2.3.4",
            "a@b.ru\r\nBcc: c@d.ru",
            "\"a\"@b.ru",
            "<a@b.ru>",
            "a@ex%61mple.org",
            "a,b@c.ru",
            "a@b@c.ru",
        ] {
            assert_eq!(value(typed), None, "{typed}");
        }
    }

    #[test]
    fn a_name_is_no_number() {
        assert_eq!(read("Анна").unwrap().kind, ContactKind::Name);
        assert_eq!(read("ded_ivan-1").unwrap().kind, ContactKind::Name);
        assert_eq!(key(ContactKind::Name, "АННА"), key(ContactKind::Name, "анна"));
        assert_eq!(key(ContactKind::Name, "Strauß"), key(ContactKind::Name, "STRAUSS"));
        for typed in ["a", "два слова", "-анна", "a/b", "<b>", "12345", "\u{202e}", &"я".repeat(41)] {
            assert_eq!(value(typed), None, "{typed}");
        }
    }

    /// A Russian mobile number as people spell it, by a recipe.
    fn spelled(national: &str, recipe: &[u8]) -> String {
        let mut bytes = recipe.iter().copied().cycle();
        let mut take = || bytes.next().unwrap_or_default();
        let mut text = ["+7", "8", "7", "", "007", "+ 7", "tel:+7"][usize::from(take() % 7)].to_owned();
        for digit in national.chars() {
            text.push_str(["", "", " ", "-", "\u{a0}", "(", ")", "\u{200b}", "\u{2011}"][usize::from(take() % 9)]);
            let wide = char::from_u32('０' as u32 + digit.to_digit(10).unwrap()).unwrap();
            text.push(if take() % 3 == 0 { wide } else { digit });
        }
        text
    }

    proptest! {
        #[test]
        fn anything_is_read_without_a_panic_and_what_was_read_reads_the_same(typed in any::<String>()) {
            if let Ok(login) = read(&typed) {
                prop_assert_eq!(read(&login.value).unwrap(), login.clone());
                let key = key(login.kind, &login.value);
                prop_assert_eq!(super::key(login.kind, &key), key);
                prop_assert!(!login.value.chars().any(|c| c.is_control() || c.is_whitespace()));
            }
        }

        #[test]
        fn near_logins_are_read_the_same_again(typed in "[ +0-9().ａ-ｚа-яA-Zß_@ёй\u{301}\u{200b}-]{0,40}") {
            if let Ok(login) = read(&typed) {
                prop_assert_eq!(read(&login.value).unwrap(), login);
            }
        }

        #[test]
        fn one_number_is_one_login_and_two_are_two(
            a in "9[0-9]{9}", b in "9[0-9]{9}",
            one in prop::collection::vec(any::<u8>(), 1..24), two in prop::collection::vec(any::<u8>(), 1..24),
        ) {
            let (first, second) = (value(&spelled(&a, &one)), value(&spelled(&b, &two)));
            prop_assert_eq!(first.clone(), Some(format!("+7{a}")));
            prop_assert_eq!(value(&spelled(&a, &two)), first.clone());
            prop_assert_eq!(first == second, a == b);
        }

        #[test]
        fn numbers_of_other_countries_stay_apart(a in "[1-689][0-9]{7,13}", b in "[1-689][0-9]{7,13}") {
            let (first, second) = (value(&format!("+{a}")), value(&format!("00 {b}")));
            prop_assert_eq!(first.clone(), Some(format!("+{a}")));
            prop_assert_eq!(first == second, a == b);
        }
    }
}
