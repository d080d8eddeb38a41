//! The owner's own mappings in words: what is wrong with one, and in which row; what could not be read out of a message; how
//! a meter that encrypts stands.

use domovoi_adapters::Lock;
use domovoi_config::Language;

use crate::ingest::{KeyCheck, KeyRefused, MappingRefused, MappingWrong};
use crate::words::words;

/// What is wrong, with the row that it is in.
pub fn wrong(wrong: &MappingWrong, language: Language) -> String {
    let words = words(language);
    let why = words.say(&format!("mapping-wrong-{}", wrong.code), &[("detail", &wrong.detail)]);
    match wrong.row {
        Some(row) => words.say("mapping-in-row", &[("id", &wrong.id), ("row", &(row + 1).to_string()), ("why", &why)]),
        None => words.say("mapping-in-whole", &[("id", &wrong.id), ("why", &why)]),
    }
}

/// Why a mapping is not taken.
pub fn refused(error: &MappingRefused, language: Language) -> String {
    match error {
        MappingRefused::Wrong(one) => wrong(one, language),
        MappingRefused::NoSuch(id) => words(language).say("mapping-no-such", &[("id", id)]),
        MappingRefused::Silenced => words(language).say("mapping-silenced", &[]),
        MappingRefused::Store(error) => error.to_string(),
    }
}

/// What could not be read out of a message: its code, where, and what stands there.
pub fn fault((code, at, excerpt): &(&'static str, String, String), language: Language) -> String {
    let words = words(language);
    let why = words.say(&format!("mapping-fault-{}", code.replace('_', "-")), &[]);
    words.say("mapping-fault", &[("at", at), ("why", &why), ("excerpt", excerpt)])
}

/// Why a key is not taken.
pub fn key_refused(error: &KeyRefused, language: Language) -> String {
    match error {
        KeyRefused::NoMeter => words(language).say("meter-key-no-meter", &[]),
        KeyRefused::NoKey => words(language).say("meter-key-no-key", &[]),
        KeyRefused::Store(error) => error.to_string(),
    }
}

/// What a key makes of what was heard.
pub fn checked(check: KeyCheck, language: Language) -> String {
    words(language).say(&format!("meter-key-{}", check.code()), &[])
}

/// The code of how a meter that encrypts stands, on the wire and in the locale files (`meter-lock-<code>`).
pub fn lock_code(why: Option<Lock>) -> &'static str {
    match why {
        None => "open",
        Some(Lock::NoKey) => "no-key",
        Some(Lock::WrongKey) => "wrong-key",
        Some(Lock::UnknownCipher) => "unknown-cipher",
    }
}
