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
