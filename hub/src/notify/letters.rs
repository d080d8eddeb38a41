//! What letters say around what the news says: that it is an exercise, that it is over, what came together. Words only.

use std::time::Duration;

use domovoi_config::Language;
use domovoi_model::Severity;

use super::channels::Pressing;
use super::record::Kept;
use super::{Bilingual, News};
use crate::words::words;

/// The longest line, in characters.
pub const TITLE_CHARS: usize = 200;
/// The longest rest.
pub const BODY_CHARS: usize = 4000;
/// What an inbox keeps of it: the whole stands where the link leads.
pub const LINE_CHARS: usize = 600;
/// So many lines a digest names one by one.
const DIGEST_LINES: usize = 20;

/// At most so many characters, told by an ellipsis.
pub fn clip(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// The text in a language; where there is none, the other's.
pub fn in_language(text: &Bilingual, language: Language) -> &str {
    let (first, second) = match language {
        Language::Russian => (&text.ru, &text.en),
        Language::English => (&text.en, &text.ru),
    };
    if first.is_empty() { second } else { first }
}

/// Title and rest of a letter about a piece of news.
pub fn about(news: &News, language: Language) -> (String, String) {
    let title = in_language(&news.title, language);
    let title = match news.drill {
        true => words(language).say("telling-drill", &[("title", title)]),
        false => title.to_owned(),
    };
    (clip(&title, TITLE_CHARS), clip(in_language(&news.body, language), BODY_CHARS))
}

/// Title and rest of a letter that says that it is over. `news`: what is said then, if anything is.
pub fn all_clear(before: &News, news: Option<&News>, language: Language) -> (String, String) {
    match news {
        Some(news) => about(news, language),
        None => {
            let title = in_language(&before.title, language);
            (clip(&words(language).say("telling-over", &[("title", title)]), TITLE_CHARS), String::new())
        }
    }
}

/// Title and rest of a letter of what was kept back, the worst first.
pub fn digest(kept: &[Kept], language: Language) -> (String, String) {
    let words = words(language);
    let count: u64 = kept.iter().map(|one| 1 + u64::from(one.more)).sum();
    let life = kept.iter().any(|one| one.life && !one.drill);
    let key = if life { "telling-digest-life" } else { "telling-digest" };
    let title = words.say(key, &[("count", &count.to_string())]);
    let mut ordered: Vec<&Kept> = kept.iter().collect();
    ordered.sort_by_key(|one| (std::cmp::Reverse(one.life), std::cmp::Reverse(one.severity), one.at));
    let mut lines: Vec<String> =
        ordered.iter().take(DIGEST_LINES).map(|one| format!("• {}", clip(&one.title, TITLE_CHARS))).collect();
    let named = lines.len() as u64;
    if count > named {
        lines.push(words.say("telling-digest-more", &[("count", &(count - named).to_string())]));
    }
    (title, clip(&lines.join("\n"), BODY_CHARS))
}

/// What an inbox says when somebody has said "I know".
pub fn known(news: &News, by: &str, language: Language) -> String {
    let title = in_language(&news.title, language);
    clip(&words(language).say("telling-known", &[("title", title), ("name", by)]), TITLE_CHARS)
}

/// How much a letter presses.
pub fn pressing(life: bool, severity: Severity, low: bool) -> Pressing {
    match (life, low) {
        (true, _) => Pressing::Life,
        (false, true) => Pressing::Low,
        (false, false) if severity >= Severity::Severe => Pressing::High,
        (false, false) => Pressing::Normal,
    }
}

/// After so long nobody wants it any more.
pub fn good_for(life: bool, severity: Severity) -> Duration {
    const HOUR: Duration = Duration::from_secs(3600);
    if life {
        HOUR
    } else if severity >= Severity::Severe {
        6 * HOUR
    } else {
        24 * HOUR
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_clipped_between_characters() {
        assert_eq!(clip("абв", 3), "абв");
        assert_eq!(clip("абвг", 3), "аб…");
        let text = Bilingual { ru: String::new(), en: "only".into() };
        assert_eq!(in_language(&text, Language::Russian), "only");
    }
}
