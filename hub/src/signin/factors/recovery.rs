//! Recovery codes: ten, for the drawer at home, each good once. The hub issues them with 59 bits each, so a keyed hash
//! keeps them; guessing goes through the sign-in room's throttling, and a stolen database lacks the key.

use domovoi_model::PersonId;
use domovoi_store::Papers;
use domovoi_vault::{RandomError, Secret, random};

/// How many are issued at a time.
pub const COUNT: usize = 10;
/// No 0, o, 1, i, l: what is read from paper is typed right the first time. 31 symbols.
const SYMBOLS: &[u8; 31] = b"23456789abcdefghjkmnpqrstuvwxyz";
/// log2(31) * 12 = 59 bits.
const LENGTH: usize = 12;
const GROUP: usize = 4;
/// Longer than any spelling of a code.
const TYPED_CHARS_MAX: usize = 64;

/// New codes, as they are shown: `k7mp-3xha-q9te`.
pub fn generate() -> Result<Vec<Secret<String>>, RandomError> {
    let mut codes = Vec::with_capacity(COUNT);
    while codes.len() < COUNT {
        let mut code = String::with_capacity(LENGTH + LENGTH / GROUP);
        let mut symbols = 0;
        while symbols < LENGTH {
            for byte in random::<16>()? {
                // 248 is 8 * 31: what lies above would make some symbols likelier.
                let symbol = SYMBOLS.get(usize::from(byte) % SYMBOLS.len()).filter(|_| byte < 248 && symbols < LENGTH);
                if let Some(symbol) = symbol {
                    if symbols > 0 && symbols % GROUP == 0 {
                        code.push('-');
                    }
                    code.push(char::from(*symbol));
                    symbols += 1;
                }
            }
        }
        codes.push(Secret::new(code));
    }
    Ok(codes)
}

/// What is kept of codes.
pub fn kept(papers: &Papers, person: PersonId, codes: &[Secret<String>]) -> Vec<String> {
    codes.iter().filter_map(|code| normal(code.expose())).map(|code| hash(papers, person, &code)).collect()
}

/// Whether this is one of the codes that are left; if so, it is left no more, and the caller keeps `hashes` anew before
/// anything is granted for it.
pub fn use_up(papers: &Papers, person: PersonId, typed: &str, hashes: &mut Vec<String>) -> bool {
    let Some(code) = normal(typed) else { return false };
    // The hashes are compared, so that the time it takes tells nothing about a code.
    let hash = hash(papers, person, &code);
    let before = hashes.len();
    hashes.retain(|kept| *kept != hash);
    hashes.len() < before
}

fn hash(papers: &Papers, person: PersonId, code: &Secret<String>) -> String {
    papers.id_of("signin.recovery", &[&person.0.0, code.expose().as_bytes()]).to_string()
}

/// The bare symbols of what was typed: in any case, with any separators, and with the Cyrillic letters that look the
/// same. `None` if it cannot be a code.
fn normal(typed: &str) -> Option<Secret<String>> {
    let mut code = String::with_capacity(LENGTH);
    for c in typed.chars().take(TYPED_CHARS_MAX).flat_map(char::to_lowercase) {
        let c = match c {
            'а' => 'a',
            'в' => 'b',
            'с' => 'c',
            'е' => 'e',
            'н' => 'h',
            'к' => 'k',
            'м' => 'm',
            'р' => 'p',
            'т' => 't',
            'у' => 'y',
            'х' => 'x',
            c if c.is_whitespace() || matches!(c, '-' | '–' | '—' | '_' | '.' | ',') => continue,
            c => c,
        };
        if !u8::try_from(c).is_ok_and(|c| SYMBOLS.contains(&c)) || code.len() == LENGTH {
            return None;
        }
        code.push(c);
    }
    (code.len() == LENGTH && typed.chars().nth(TYPED_CHARS_MAX).is_none()).then(|| Secret::new(code))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use domovoi_model::Id;
    use proptest::prelude::*;

    use super::*;
    use crate::signin::factors::tests::papers;

    #[tokio::test]
    async fn a_code_works_once_in_any_spelling_for_its_owner() {
        let (papers, _folder) = papers().await;
        let (anna, boris) = (PersonId(Id([1; 16])), PersonId(Id([2; 16])));
        let codes = generate().unwrap();
        let mut hashes = kept(&papers, anna, &codes);
        assert_eq!((codes.len(), hashes.len()), (10, 10));
        let all: HashSet<&String> = codes.iter().map(Secret::expose).collect();
        assert_eq!(all.len(), 10);
        assert!(codes.iter().all(|code| !hashes.iter().any(|hash| hash.contains(code.expose().as_str()))));

        let spelled = codes[3].expose().replace('-', " ").to_uppercase().replace('A', "А").replace('K', "К");
        assert!(!use_up(&papers, boris, &spelled, &mut hashes), "another person's");
        assert!(use_up(&papers, anna, &spelled, &mut hashes));
        assert_eq!(hashes.len(), 9);
        assert!(!use_up(&papers, anna, codes[3].expose(), &mut hashes), "used");
        assert!(use_up(&papers, anna, &codes[0].expose().replace('-', ""), &mut hashes));
        assert!(!use_up(&papers, anna, "", &mut hashes));
        assert!(!use_up(&papers, anna, &codes[1].expose()[1..], &mut hashes));
        assert_eq!(hashes.len(), 8);
    }

    #[test]
    fn a_code_is_easy_to_read() {
        for code in generate().unwrap() {
            assert_eq!(code.expose().len(), 14);
            assert!(code.expose().chars().all(|c| c == '-' || SYMBOLS.contains(&(c as u8))));
            assert!(!code.expose().contains(['0', 'o', '1', 'l', 'i']));
        }
    }

    proptest! {
        #[test]
        fn whatever_is_typed_is_a_code_or_is_not(typed in "\\PC{0,100}") {
            if let Some(code) = normal(&typed) {
                prop_assert_eq!(code.expose().len(), LENGTH);
            }
        }
    }
}
