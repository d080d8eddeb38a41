//! What the letters of `meta/error` say of a value. Deliberately keeps nothing.

use domovoi_model::Quality;

/// What is wrong with a value, as its own letters say: `r` it could not be read, `p` it was not read in time, `w` what was
/// told to it could not be written.
pub(super) fn quality(letters: &str) -> Quality {
    let mut words = Vec::new();
    if letters.contains('r') {
        words.push("it could not be read");
    }
    if letters.contains('p') {
        words.push("it was not read in time");
    }
    // Older drivers write a sentence or a one.
    let is_letters = letters.chars().all(|c| matches!(c, 'r' | 'w' | 'p'));
    if !letters.is_empty() && !is_letters {
        words = vec!["the driver complains"];
    }
    // A value that could not be written is still what was read.
    if words.is_empty() { Quality::Good } else { Quality::Suspect(words.join(", ")) }
}
