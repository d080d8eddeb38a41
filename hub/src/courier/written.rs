//! Messages about contacts, invitations and locks in words, in the language of the person they go to. The sentences are in
//! the locale files; what is told about a sign-in is written where people sign in.

use domovoi_config::Language;

use super::Message;
use crate::words::words;

/// What a message tells; in the locale files `message-<code>` and `message-<code>-subject`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tells {
    /// A code that proves a contact: `home`, `code`.
    ContactCode,
    /// A code and a link that prove a contact: `home`, `name`, `code`, `link`. Too long for a text message.
    ContactLink,
    /// The person's devices were locked: `home`, `name`.
    Locked,
    /// An invitation: `home`, `name`, `link`.
    Invited,
}

impl Tells {
    /// All of them, with the variables that each needs.
    pub const ALL: [(Tells, &'static [&'static str]); 4] = [
        (Tells::ContactCode, &["home", "code"]),
        (Tells::ContactLink, &["home", "name", "code", "link"]),
        (Tells::Locked, &["home", "name"]),
        (Tells::Invited, &["home", "name", "link"]),
    ];

    fn code(self) -> &'static str {
        match self {
            Tells::ContactCode => "contact-code",
            Tells::ContactLink => "contact-link",
            Tells::Locked => "locked",
            Tells::Invited => "invited",
        }
    }
}

impl Message {
    /// The message in words. What a browser says of itself, and what people call themselves and the home, stays on its
    /// line: nobody else's sentence is written with it.
    pub fn written(language: Language, tells: Tells, variables: &[(&str, &str)]) -> Self {
        let lines: Vec<(&str, String)> =
            variables.iter().map(|(name, value)| (*name, super::one_line(value))).collect();
        let variables: Vec<(&str, &str)> = lines.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let say = |key: &str| words(language).say(key, &variables);
        let code = tells.code();
        Message { subject: say(&format!("message-{code}-subject")), text: say(&format!("message-{code}")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_has_words_in_both_languages() {
        for language in [Language::Russian, Language::English] {
            for (tells, names) in Tells::ALL {
                let variables: Vec<(&str, String)> = names.iter().map(|name| (*name, format!("<{name}>"))).collect();
                let variables: Vec<(&str, &str)> =
                    variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
                let message = Message::written(language, tells, &variables);
                for (name, value) in &variables {
                    assert!(message.text.contains(value), "{tells:?} says nothing of {name}: {}", message.text);
                }
                assert!(!message.subject.starts_with("message-"), "{}", message.subject);
                assert!(!message.subject.contains("<code>"), "a locked screen shows the subject");
            }
        }
    }

    #[test]
    fn a_code_keeps_its_zeros_and_fits_into_two_short_messages() {
        let code = |code: &str| {
            Message::written(Language::Russian, Tells::ContactCode, &[("home", "Квартира на Мира"), ("code", code)])
                .text
        };
        assert!(code("000123").contains(" 000123,"), "{}", code("000123"));
        assert!(code("123456").contains(" 123456,"), "{}", code("123456"));
        // Two parts of 67 UCS-2 characters (3GPP TS 23.040 section 9.2.3.24.1).
        assert!(code("123456").chars().count() <= 134);
    }

    #[test]
    fn nobody_writes_a_line_of_their_own_into_a_message() {
        let variables = [("home", "Дом"), ("name", "Анна\r\nBcc: x@y.z"), ("link", "https://domovoi.local:8443/e#t")];
        let message = Message::written(Language::English, Tells::Invited, &variables);
        assert!(!message.text.lines().any(|line| line.starts_with("Bcc")), "{}", message.text);
    }
}
