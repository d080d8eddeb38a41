//! ЕСИА's error codes, as far as one acts differently on them.

/// What an error of ЕСИА asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EsiaFault {
    /// The citizen has to give the permission again.
    #[error("the link with ЕСИА must be made again: {words} ({code})")]
    Relink {
        /// `ESIA-007014`, or the protocol's own word where no number came.
        code: String,
        /// In words.
        words: String,
    },
    /// ЕСИА is at fault; the same request later.
    #[error("ЕСИА cannot answer now: {words} ({code})")]
    RetryLater {
        /// The code.
        code: String,
        /// In words.
        words: String,
    },
    /// The operator's configuration is at fault; trying again changes nothing.
    #[error("ЕСИА refuses the request: {words} ({code})")]
    Misconfigured {
        /// The code.
        code: String,
        /// In words.
        words: String,
    },
}

enum Act {
    Relink,
    Later,
    Stop,
}

/// code, what to do, words that the owner or the operator can act on.
const CODES: [(&str, Act, &str); 19] = [
    ("007002", Act::Stop, "the certificate does not belong to this mnemonic: check both in the technology portal"),
    ("007003", Act::Stop, "a required parameter is invalid"),
    ("007004", Act::Relink, "the citizen or the service refused"),
    ("007005", Act::Stop, "the client may not make this request: check the mnemonic and its rights"),
    ("007006", Act::Stop, "a scope is unknown or not allowed to this mnemonic"),
    ("007007", Act::Later, "an error inside ЕСИА"),
    ("007008", Act::Later, "ЕСИА is unavailable"),
    ("007011", Act::Relink, "the code or refresh token is invalid, has expired or belongs to another client"),
    ("007014", Act::Stop, "a parameter is missing"),
    ("007015", Act::Stop, "the request's time is too far from ЕСИА's: set the clock (NTP)"),
    ("007019", Act::Relink, "the citizen has given no permission, or withdrew it"),
    ("007023", Act::Stop, "the redirect address is not the registered one"),
    ("007039", Act::Stop, "a PKCE verifier came without a challenge in the authorisation request"),
    ("007040", Act::Stop, "the PKCE verifier does not match the challenge"),
    ("007053", Act::Stop, "the signature is wrong: check the key, the byte order and what is signed"),
    ("007055", Act::Stop, "the citizen's account is not confirmed at ЕСИА"),
    ("007194", Act::Stop, "the request of this kind is not allowed to this mnemonic"),
    ("008010", Act::Stop, "the organisation's system cannot be authenticated"),
    ("0367", Act::Stop, "the `permissions` of the request are wrong or not allowed"),
];

/// Reads `error` and `error_description` (`ESIA-007014: …`).
pub fn fault(error: &str, description: &str) -> EsiaFault {
    let number = description.split_once("ESIA-").map(|(_, rest)| rest);
    let number: String = number.unwrap_or_default().chars().take_while(char::is_ascii_digit).take(6).collect();
    let known = CODES.iter().find(|(code, ..)| match code.len() {
        // 0367xx is a family.
        4 => number.len() == 6 && number.starts_with(code),
        _ => *code == number,
    });
    let code = if number.is_empty() { error.to_owned() } else { format!("ESIA-{number}") };
    match known {
        Some((_, Act::Relink, words)) => EsiaFault::Relink { code, words: (*words).to_owned() },
        Some((_, Act::Later, words)) => EsiaFault::RetryLater { code, words: (*words).to_owned() },
        Some((_, Act::Stop, words)) => EsiaFault::Misconfigured { code, words: (*words).to_owned() },
        None => {
            let words = if description.is_empty() { "no reason given".to_owned() } else { description.to_owned() };
            match error {
                "invalid_grant" | "access_denied" => EsiaFault::Relink { code, words },
                "server_error" | "temporarily_unavailable" => EsiaFault::RetryLater { code, words },
                _ => EsiaFault::Misconfigured { code, words },
            }
        }
    }
}
