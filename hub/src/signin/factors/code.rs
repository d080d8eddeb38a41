//! A one-time code that is sent: six digits, ten minutes, five tries, one use. It lives in memory only, as a keyed hash
//! that is bound to what it was sent for; a restart ends it.
//!
//! Time is monotonic milliseconds, so that a wrong wall clock neither lengthens nor ends a code. How often codes are
//! sent to one address is limited by who sends them.

use domovoi_model::Id;
use domovoi_store::Papers;
use domovoi_vault::{RandomError, Secret, random};

/// How long a code is good.
pub const LIFE_MILLIS: i64 = 10 * 60 * 1000;
/// Five guesses of a million.
pub const TRIES: u8 = 5;

/// What is kept of a code that was sent.
pub struct SentCode {
    hash: Id,
    ends_at: i64,
    tries_left: u8,
}

impl std::fmt::Debug for SentCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SentCode({} tries left)", self.tries_left)
    }
}

/// What a typed code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeCheck {
    /// The one that was sent; it is used up.
    Right,
    /// Another one; there are tries left.
    Wrong,
    /// Too late, too often, or used.
    Over,
}

/// A new code, and what is kept of it. `sent_for` (a pending id, a login) must be the same when it is checked.
/// `now` is `Clock::since_boot_millis`.
pub fn issue(papers: &Papers, sent_for: &str, now: i64) -> Result<(Secret<String>, SentCode), RandomError> {
    // The largest multiple of a million that fits: what lies above would make some codes likelier.
    let number = loop {
        let number = u32::from_be_bytes(random()?);
        if number < 4_294_000_000 {
            break number % 1_000_000;
        }
    };
    let code = Secret::new(format!("{number:06}"));
    let hash = hash(papers, sent_for, code.expose());
    Ok((code, SentCode { hash, ends_at: now.saturating_add(LIFE_MILLIS), tries_left: TRIES }))
}

impl SentCode {
    /// Takes one try.
    pub fn check(&mut self, papers: &Papers, sent_for: &str, typed: &str, now: i64) -> CodeCheck {
        if now >= self.ends_at || self.tries_left == 0 {
            self.tries_left = 0;
            return CodeCheck::Over;
        }
        self.tries_left -= 1;
        let typed: Secret<String> =
            Secret::new(typed.chars().filter(|c| !c.is_whitespace() && *c != '-').take(16).collect());
        if hash(papers, sent_for, typed.expose()) == self.hash {
            self.tries_left = 0;
            return CodeCheck::Right;
        }
        if self.tries_left == 0 { CodeCheck::Over } else { CodeCheck::Wrong }
    }

    /// Whether it can still be used.
    pub fn is_over(&self, now: i64) -> bool {
        now >= self.ends_at || self.tries_left == 0
    }
}

fn hash(papers: &Papers, sent_for: &str, code: &str) -> Id {
    papers.id_of("signin.code", &[sent_for.as_bytes(), code.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signin::factors::tests::papers;

    #[tokio::test]
    async fn a_code_has_five_tries_ten_minutes_and_one_use() {
        let (papers, _folder) = papers().await;
        let (code, mut sent) = issue(&papers, "p-1", 1_000).unwrap();
        assert!(code.expose().len() == 6 && code.expose().bytes().all(|c| c.is_ascii_digit()));
        assert_eq!(sent.check(&papers, "p-2", code.expose(), 1_000), CodeCheck::Wrong, "sent for something else");
        let spelled = format!(" {}-{}", &code.expose()[..3], &code.expose()[3..]);
        assert_eq!(sent.check(&papers, "p-1", &spelled, 1_000 + LIFE_MILLIS - 1), CodeCheck::Right);
        assert_eq!(sent.check(&papers, "p-1", code.expose(), 1_001), CodeCheck::Over, "used");
        assert!(sent.is_over(1_001));

        let (code, mut sent) = issue(&papers, "p-1", 0).unwrap();
        assert_eq!(sent.check(&papers, "p-1", code.expose(), LIFE_MILLIS), CodeCheck::Over, "too late");
        assert_eq!(sent.check(&papers, "p-1", code.expose(), 0), CodeCheck::Over, "and it stays so");

        let (code, mut sent) = issue(&papers, "p-1", 0).unwrap();
        for left in (1..TRIES).rev() {
            assert_eq!(sent.check(&papers, "p-1", "abcdef", 0), CodeCheck::Wrong, "{left} left");
        }
        assert_eq!(sent.check(&papers, "p-1", "", 0), CodeCheck::Over);
        assert_eq!(sent.check(&papers, "p-1", code.expose(), 0), CodeCheck::Over, "the right one comes too late");
        assert_eq!(format!("{sent:?}"), "SentCode(0 tries left)");
    }
}
