//! Passwords: which are taken, and the queue before Argon2id. The rules are NIST SP 800-63B-4's: length, a blocklist, no
//! rules of composition, no expiry, nothing cut off. The hashing itself is the vault's.
//!
//! How many guesses a login or an address has is counted elsewhere; here only so many evaluations run at a time, so that
//! a storm of guesses cannot take the machine from the home.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use domovoi_vault::{Passwords, Secret, Verdict};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization as _;

use super::super::view::Unmet;
use super::{common, keyboard};

/// Code points that a password must have when nothing else is asked for.
pub const ALONE_MIN: usize = 15;
/// And beside a second factor.
pub const WITH_SECOND_FACTOR_MIN: usize = 8;
/// Longer ones are refused, never cut: NIST wants at least 64.
pub const MAX: usize = 128;

/// What is left of a password without its owner's name, phone and home must still be worth guessing.
const REST_ALONE_MIN: usize = 12;
const REST_WITH_SECOND_FACTOR_MIN: usize = 6;

/// Guesses (powers of ten, as `zxcvbn` estimates them) that a password must withstand.
const GUESSES_ALONE: f64 = 10.0;
const GUESSES_WITH_SECOND_FACTOR: f64 = 8.0;
/// The estimate takes the cube of the length; a password of a hundred characters has passed long before.
const ESTIMATED_CHARS: usize = 64;

/// Two of a Pi's four cores at most, 64 MiB.
const AT_A_TIME: usize = 2;
/// More people than live in a home; the rest is a storm.
const WAITING_MAX: usize = 16;
/// A text longer than any password is not hashed, but the time is taken.
const TYPED_BYTES_MAX: usize = 4 * MAX;

/// One spelling for what looks the same: NFC, so that «й» from any keyboard is one code point.
pub fn normalised(password: &str) -> Secret<String> {
    Secret::new(password.nfc().collect())
}

/// Every rule that this password does not meet. `about_the_person`: their name, contacts, the home's name. `alone`: no
/// second factor will be asked for. It takes some milliseconds of processor time.
pub fn judge(password: &str, about_the_person: &[String], alone: bool) -> Vec<Unmet> {
    let unmet = |code, number| Unmet { code, number };
    // Nothing that is judged below is worth the work on a megabyte.
    if password.len() > 16 * MAX {
        return vec![unmet("long", Some(MAX))];
    }
    let password = normalised(password);
    let password = password.expose();
    let folded = Secret::new(fold(password));
    let folded = folded.expose();
    let (min, rest_min, guesses) = if alone {
        (ALONE_MIN, REST_ALONE_MIN, GUESSES_ALONE)
    } else {
        (WITH_SECOND_FACTOR_MIN, REST_WITH_SECOND_FACTOR_MIN, GUESSES_WITH_SECOND_FACTOR)
    };
    let length = password.chars().count();
    let mut rules = Vec::new();
    if length < min {
        rules.push(unmet("short", Some(min)));
    }
    if length > MAX {
        rules.push(unmet("long", Some(MAX)));
    }
    if common::is_common(folded) {
        rules.push(unmet("common", None));
    } else if guesses_log10(password, folded) < guesses {
        rules.push(unmet("guessable", None));
    }
    if is_about(folded, about_the_person, rest_min) {
        rules.push(unmet("about-you", None));
    }
    rules
}

/// Lower case, ё as е.
fn fold(text: &str) -> String {
    text.to_lowercase().nfc().map(|c| if c == 'ё' { 'е' } else { c }).collect()
}

/// The estimate of the weaker reading: as typed, or the same keys in the Latin layout (`zxcvbn` knows no Russian).
fn guesses_log10(password: &str, folded: &str) -> f64 {
    let estimate = |text: &str| {
        let start: String = text.chars().take(ESTIMATED_CHARS).collect();
        zxcvbn::zxcvbn(&start, &[]).guesses_log10()
    };
    let typed = estimate(password);
    let latin = keyboard::in_latin(folded);
    if latin == *folded { typed } else { typed.min(estimate(&latin)) }
}

/// Whether too little is left once the words about the person are taken out.
fn is_about(folded: &str, about_the_person: &[String], rest_min: usize) -> bool {
    let words: Vec<String> = about_the_person.iter().take(64).flat_map(|text| words_of(text)).collect();
    let readings = [folded.to_owned(), common::letters_for_digits(folded), keyboard::in_cyrillic(folded)];
    readings.iter().any(|reading| {
        let mut rest = reading.clone();
        for word in &words {
            rest = rest.replace(word.as_str(), "\n");
        }
        rest.contains('\n') && rest.chars().filter(|c| c.is_alphanumeric()).count() < rest_min
    })
}

/// The words of a name, an address or a number that somebody would build a password of, longest first: as they are,
/// and in Latin letters.
fn words_of(text: &str) -> Vec<String> {
    let folded = fold(&text.nfc().take(200).collect::<String>());
    let digits: String = folded.chars().filter(char::is_ascii_digit).collect();
    let mut words: Vec<String> = folded
        .split(|c: char| !c.is_alphanumeric())
        .flat_map(|word| [word.to_owned(), in_latin_letters(word)])
        // +7 916 123-45-67 is typed as 89161234567, as 9161234567, and by its end.
        .chain(
            [10, 7].into_iter().filter_map(|count| digits.get(digits.len().checked_sub(count)?..).map(str::to_owned)),
        )
        .filter(|word| word.chars().count() >= 3)
        .collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.chars().count()));
    words.dedup();
    words
}

/// The way Russian names are written in addresses: not a standard, but what people type.
fn in_latin_letters(word: &str) -> String {
    const LETTERS: [&str; 32] = [
        "a", "b", "v", "g", "d", "e", "zh", "z", "i", "y", "k", "l", "m", "n", "o", "p", "r", "s", "t", "u", "f", "kh",
        "ts", "ch", "sh", "shch", "", "y", "", "e", "yu", "ya",
    ];
    let mut out = String::new();
    for c in word.chars() {
        let place = u32::from(c).checked_sub(u32::from('а')).and_then(|place| LETTERS.get(place as usize));
        match place {
            Some(letters) => out.push_str(letters),
            None => out.push(c),
        }
    }
    out
}

/// Why nothing was hashed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Too many wait already.
    #[error("too many sign-ins at a time: try again in a few seconds")]
    Busy,
    /// The vault, or the machine, in words.
    #[error("{0}")]
    Failed(String),
}

struct Inner {
    passwords: Passwords,
    turns: Semaphore,
    waiting: AtomicUsize,
    evaluations: AtomicU64,
}

/// The queue before Argon2id. Clones are the same queue.
#[derive(Clone)]
pub struct Hasher(Arc<Inner>);

impl Hasher {
    /// A queue before the vault's hasher.
    pub fn new(passwords: Passwords) -> Self {
        Hasher(Arc::new(Inner {
            passwords,
            turns: Semaphore::new(AT_A_TIME),
            waiting: AtomicUsize::new(0),
            evaluations: AtomicU64::new(0),
        }))
    }

    /// How often Argon2id was evaluated so far. It tells whether a guess cost anything.
    pub fn evaluations(&self) -> u64 {
        self.0.evaluations.load(Ordering::SeqCst)
    }

    /// A PHC string of a password or PIN that was judged before.
    pub async fn hash(&self, chosen: &Secret<String>) -> Result<Secret<String>, HashError> {
        let chosen = normalised(chosen.expose());
        self.evaluate(move |passwords| passwords.hash(chosen.expose()).map(Secret::new)).await
    }

    /// Whether this is what `kept` was made of. Nothing kept (a login that does not exist, a person without a password)
    /// takes the same evaluation, and so does a text that is too long to be anybody's.
    pub async fn verify(&self, typed: &Secret<String>, kept: Option<&Secret<String>>) -> Result<Verdict, HashError> {
        let fits = typed.expose().len() <= TYPED_BYTES_MAX;
        let typed = if fits { normalised(typed.expose()) } else { Secret::new(String::new()) };
        let kept = kept.filter(|_| fits).cloned();
        self.evaluate(move |passwords| {
            passwords.verify(typed.expose(), kept.as_ref().map(|kept| kept.expose().as_str()))
        })
        .await
    }

    async fn evaluate<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Passwords) -> Result<T, domovoi_vault::PasswordError> + Send + 'static,
    ) -> Result<T, HashError> {
        let place = Waiting::take(&self.0)?;
        let gone = |why: String| HashError::Failed(format!("the password was not looked at: {why}"));
        let inner = Arc::clone(&self.0);
        let turn = self.0.turns.acquire().await.map_err(|why| gone(why.to_string()))?;
        drop(place);
        // The permit goes with the work: a caller that hangs up does not let a third evaluation in.
        turn.forget();
        let done = tokio::task::spawn_blocking(move || {
            let _turn = Turn(Arc::clone(&inner));
            inner.evaluations.fetch_add(1, Ordering::SeqCst);
            work(&inner.passwords)
        });
        done.await.map_err(|why| gone(why.to_string()))?.map_err(|why| HashError::Failed(why.to_string()))
    }
}

struct Waiting<'a>(&'a Inner);

impl<'a> Waiting<'a> {
    fn take(inner: &'a Inner) -> Result<Self, HashError> {
        let place = Waiting(inner);
        if inner.waiting.fetch_add(1, Ordering::SeqCst) >= WAITING_MAX { Err(HashError::Busy) } else { Ok(place) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Turn(Arc<Inner>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.turns.add_permits(1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::signin::factors::tests::store;

    fn codes(password: &str, about: &[&str], alone: bool) -> Vec<&'static str> {
        let about: Vec<String> = about.iter().map(ToString::to_string).collect();
        judge(password, &about, alone).into_iter().map(|unmet| unmet.code).collect()
    }

    const ANNA: &[&str] = &["Анна Иванова", "+79161234567", "anna.ivanova@example.org", "Дом на горе"];

    #[test]
    fn every_unmet_rule_is_named_at_once() {
        for (password, alone, expected) in [
            ("синий чайник поёт по средам", true, vec![]),
            ("correct horse battery staple", true, vec![]),
            ("мокрый зонт!7", false, vec![]),
            ("мокрый зонт!7", true, vec!["short"]),
            ("пароль123", true, vec!["short", "common"]),
            ("йцукенгшщзхъ", false, vec!["common"]),
            ("qwertyuiop12345", true, vec!["common"]),
            ("p@$$w0rd", false, vec!["common"]),
            ("", true, vec!["short", "guessable"]),
            ("иванова1985", false, vec!["guessable", "about-you"]),
            ("ivanova-ivanova!", true, vec!["about-you"]),
            ("Bdfyjdf9161234567", true, vec!["about-you"]),
            ("дом на горе у анны", true, vec!["about-you"]),
            ("анна любит фиолетовых коров", true, vec![]),
        ] {
            let given = codes(password, ANNA, alone);
            for code in &expected {
                assert!(given.contains(code), "{password}: {given:?} lacks {code}");
            }
            let hard = |codes: &[&str]| codes.iter().filter(|code| **code != "guessable").count();
            assert_eq!(hard(&given), hard(&expected), "{password}: {given:?}");
            assert_eq!(given.is_empty(), expected.is_empty(), "{password}: {given:?}");
        }
        assert_eq!(judge("мокрый зонт!7", &[], true), [Unmet { code: "short", number: Some(15) }]);
        assert_eq!(judge("x7!kQ", &[], false)[0], Unmet { code: "short", number: Some(8) });
    }

    #[test]
    fn length_is_in_code_points_after_nfc_and_nothing_is_cut() {
        // й as и and a breve is one code point once it is composed.
        let decomposed = "зеленыи\u{306} чаи\u{306}ник";
        assert_eq!(decomposed.chars().count(), 16);
        assert_eq!(codes(decomposed, &[], true), codes("зеленый чайник", &[], true));
        assert!(codes(decomposed, &[], true).contains(&"short"), "16 as typed, 14 composed");
        let long: String = "яблоко Ель 7 ".chars().cycle().take(MAX).collect();
        assert!(!codes(&long, &[], true).contains(&"long"));
        assert!(codes(&format!("{long}ы"), &[], true).contains(&"long"));
        assert_eq!(codes(&"ы".repeat(100_000), &[], true), ["long"]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn each_verification_is_one_evaluation_whether_or_not_there_is_a_password() {
        let (store, _folder) = store().await;
        let hasher = Hasher::new(store.passwords());
        let secret = |text: &str| Secret::new(text.to_owned());
        let kept = hasher.hash(&secret("зеленый чайник")).await.unwrap();
        assert_eq!(hasher.evaluations(), 1);
        for (typed, kept, right) in [
            ("зеленый чайник", Some(&kept), true),
            ("зеленыи\u{306} чаи\u{306}ник", Some(&kept), true),
            ("зеленый чайниК", Some(&kept), false),
            ("зеленый чайник", None, false),
            (&"ы".repeat(100_000), Some(&kept), false),
        ] {
            let before = hasher.evaluations();
            let verdict = hasher.verify(&secret(typed), kept).await.unwrap();
            assert_eq!(matches!(verdict, Verdict::Right { renew: false }), right, "{typed:.20}");
            assert_eq!(hasher.evaluations(), before + 1, "{typed:.20}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_storm_is_refused_before_it_is_hashed_and_leaves_no_trace() {
        let (store, _folder) = store().await;
        let hasher = Hasher::new(store.passwords());
        let mut storm = tokio::task::JoinSet::new();
        for _ in 0..AT_A_TIME + WAITING_MAX + 30 {
            let hasher = hasher.clone();
            storm.spawn(async move { hasher.verify(&Secret::new("guess".to_owned()), None).await });
        }
        let answers = storm.join_all().await;
        let busy = answers.iter().filter(|answer| **answer == Err(HashError::Busy)).count();
        assert!(busy >= 1, "nobody was refused");
        assert_eq!(hasher.evaluations(), (answers.len() - busy) as u64);
        assert_eq!(
            hasher.verify(&Secret::new("guess".to_owned()), None).await,
            Ok(Verdict::Wrong),
            "afterwards as before"
        );
        assert_eq!((hasher.0.turns.available_permits(), hasher.0.waiting.load(Ordering::SeqCst)), (AT_A_TIME, 0));
    }

    #[test]
    fn every_rule_has_a_sentence_in_both_languages() {
        for code in [
            "short",
            "long",
            "common",
            "guessable",
            "about-you",
            "digits",
            "repeated",
            "sequence",
            "year",
            "date",
            "keypad",
        ] {
            for language in [domovoi_config::Language::Russian, domovoi_config::Language::English] {
                let key = format!("rule-{code}");
                assert_ne!(crate::words::words(language).say(&key, &[("number", "15")]), key);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_text_makes_the_judge_panic(password in "\\PC{0,60}", about in "\\PC{0,40}", alone in any::<bool>()) {
            let rules = judge(&password, std::slice::from_ref(&about), alone);
            let short = normalised(&password).expose().chars().count() < if alone { ALONE_MIN } else { WITH_SECOND_FACTOR_MIN };
            prop_assert_eq!(rules.iter().any(|unmet| unmet.code == "short"), short);
        }
    }
}
