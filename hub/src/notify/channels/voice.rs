//! Loudspeakers that speak Hermes over MQTT (Rhasspy): what presses most is said at once (`hermes/tts/say`), anything else waits
//! its turn between what people say (`hermes/dialogueManager/startSession`, a notification). Text is made speakable first:
//! units in words, no addresses, no signs that a voice would spell.

use domovoi_config::Language;
use futures_util::future::BoxFuture;
use serde_json::json;

use super::wording::{one_line, say};
use super::{Address, Channel, Failed, Fate, Field, Letter, Pressing, Publication, Publish, Sent};

/// Nobody listens to more.
const LONGEST: usize = 400;

/// Loudspeakers.
pub(super) struct Voice {
    sites: Vec<String>,
    publish: Publish,
}

impl Voice {
    pub(super) fn open(sites: Vec<String>, publish: Publish) -> Self {
        Voice { sites, publish }
    }

    fn say(&self, letter: &Letter) -> Result<Sent, Failed> {
        let text = spoken(letter);
        let mut why = None;
        for site in &self.sites {
            let (topic, said) = if letter.pressing == Pressing::Life && !letter.over {
                let said = json!({
                    "text": text, "lang": letter.language.code(), "siteId": site, "id": letter.id.to_string(),
                });
                ("hermes/tts/say", said)
            } else {
                let said = json!({ "siteId": site, "init": { "type": "notification", "text": text } });
                ("hermes/dialogueManager/startSession", said)
            };
            let publication =
                Publication { topic: topic.to_owned(), payload: said.to_string().into_bytes(), retain: false };
            if let Err(error) = (self.publish)(publication) {
                why = Some(error);
            }
        }
        match why {
            None => Ok(Sent { fate: Fate::Sent, receipt: None }),
            Some(why) => Err(Failed::Again { why, after: None }),
        }
    }
}

/// What is said of a letter.
fn spoken(letter: &Letter) -> String {
    let mut text = String::new();
    if !letter.over && letter.pressing >= Pressing::High {
        text = format!("{} ", say(letter, "channel-attention"));
    }
    for part in [&letter.title, &letter.body] {
        let part = speakable(part, letter.language);
        if !part.is_empty() {
            let stop = if part.ends_with(['.', '!', '?']) { " " } else { ". " };
            text.push_str(&format!("{part}{stop}"));
        }
    }
    ended(text.trim_end())
}

/// Cut at the end of a sentence, or of a word if the sentence is too long.
fn ended(text: &str) -> String {
    let Some((most, _)) = text.char_indices().nth(LONGEST) else { return text.to_owned() };
    let head = text.get(..most).unwrap_or_default();
    let sentence = head.rfind(['.', '!', '?']).map(|at| at + 1).filter(|at| *at > most / 3);
    let end = sentence.or_else(|| head.rfind(' ')).unwrap_or(most);
    head.get(..end).unwrap_or_default().trim_end().to_owned()
}

/// One, a few (2 to 4, and parts of one), many.
type Forms = [&'static str; 3];

/// Written, spoken in Russian, spoken in English.
const UNITS: &[(&[&str], Forms, Forms)] = &[
    (&["°C", "°С", "℃", "°"], ["градус", "градуса", "градусов"], ["degree", "degrees", "degrees"]),
    (&["%"], ["процент", "процента", "процентов"], ["percent", "percent", "percent"]),
    (
        &["м/с", "m/s"],
        ["метр в секунду", "метра в секунду", "метров в секунду"],
        ["metre per second", "metres per second", "metres per second"],
    ),
    (
        &["км/ч", "km/h"],
        ["километр в час", "километра в час", "километров в час"],
        ["kilometre per hour", "kilometres per hour", "kilometres per hour"],
    ),
    (&["мм", "mm"], ["миллиметр", "миллиметра", "миллиметров"], ["millimetre", "millimetres", "millimetres"]),
    (&["см", "cm"], ["сантиметр", "сантиметра", "сантиметров"], ["centimetre", "centimetres", "centimetres"]),
    (&["м", "m"], ["метр", "метра", "метров"], ["metre", "metres", "metres"]),
    (&["км", "km"], ["километр", "километра", "километров"], ["kilometre", "kilometres", "kilometres"]),
    (
        &["м³", "м3", "m³", "m3"],
        ["кубометр", "кубометра", "кубометров"],
        ["cubic metre", "cubic metres", "cubic metres"],
    ),
    (&["л", "l"], ["литр", "литра", "литров"], ["litre", "litres", "litres"]),
    (
        &["кВт·ч", "кВтч", "kWh"],
        ["киловатт-час", "киловатт-часа", "киловатт-часов"],
        ["kilowatt-hour", "kilowatt-hours", "kilowatt-hours"],
    ),
    (&["кВт", "kW"], ["киловатт", "киловатта", "киловатт"], ["kilowatt", "kilowatts", "kilowatts"]),
    (&["В", "V"], ["вольт", "вольта", "вольт"], ["volt", "volts", "volts"]),
    (&["ч", "h"], ["час", "часа", "часов"], ["hour", "hours", "hours"]),
    (&["мин", "min"], ["минута", "минуты", "минут"], ["minute", "minutes", "minutes"]),
    (&["с", "сек", "s", "sec"], ["секунда", "секунды", "секунд"], ["second", "seconds", "seconds"]),
    (&["₽", "руб"], ["рубль", "рубля", "рублей"], ["rouble", "roubles", "roubles"]),
];

/// A text as a voice can say it.
fn speakable(text: &str, language: Language) -> String {
    let text = one_line(text);
    let words: Vec<&str> = text.split(' ').filter(|word| !word.contains("://") && !word.starts_with("www.")).collect();
    let mut said: Vec<String> = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        at += 1;
        let Some((number, rest)) = leading_number(word) else {
            said.push(plain(word));
            continue;
        };
        let (unit, tail) = if rest.is_empty() {
            // «15 м/с»: the unit is a word of its own.
            match words.get(at).and_then(|next| unit_of(next, language, &number)) {
                Some(found) => {
                    at += 1;
                    found
                }
                None => (String::new(), String::new()),
            }
        } else {
            match unit_of(rest, language, &number) {
                Some(found) => found,
                // «15:30», «2-й»: it is no number with a unit.
                None => {
                    said.push(plain(word));
                    continue;
                }
            }
        };
        let number = signed(&number, language);
        said.push(if unit.is_empty() { format!("{number}{tail}") } else { format!("{number} {unit}{tail}") });
    }
    said.retain(|word| !word.is_empty());
    said.join(" ")
}

/// `-5`, `−12,5`, `15–20` at the beginning of a word, and what follows in it.
fn leading_number(word: &str) -> Option<(String, &str)> {
    let begins = word.trim_start_matches(['-', '−', '+', '–', '(', '«', '~', '≈']);
    if !begins.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let part = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | '-' | '−' | '–' | '+' | '…');
    let skipped = word.len() - begins.len();
    let mut end = begins.find(|c| !part(c)).map_or(word.len(), |at| at + skipped);
    // A full stop or a comma after the number is the sentence's.
    while word.get(..end).is_some_and(|head| head.ends_with(['.', ',', '-', '–', '−', '…'])) {
        end -= word.get(..end)?.chars().next_back()?.len_utf8();
    }
    Some((word.get(..end)?.to_owned(), word.get(end..)?))
}

/// The unit that a word begins with, in the form that the number wants, and the punctuation after it.
fn unit_of(word: &str, language: Language, number: &str) -> Option<(String, String)> {
    let end = word.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '»']).len();
    let (unit, tail) = word.split_at_checked(end)?;
    if unit.is_empty() {
        return Some((String::new(), plain(tail)));
    }
    let (_, ru, en) = UNITS.iter().find(|(written, ..)| written.contains(&unit))?;
    let form = match language {
        Language::Russian => ru.get(russian_form(number)),
        Language::English => en.get(usize::from(number != "1")),
    };
    // The point of an abbreviation is no end of a sentence; nobody hears the difference.
    Some(((*form?).to_owned(), plain(tail)))
}

fn russian_form(number: &str) -> usize {
    // Of a range, the last number counts: «от 15 до 21 метра».
    let last = number.rsplit(['–', '…', '-', '−', '+']).next().unwrap_or(number);
    match last.parse::<u64>() {
        Err(_) => 1,
        Ok(number) => match (number % 10, number % 100) {
            (_, 11..=14) => 2,
            (1, _) => 0,
            (2..=4, _) => 1,
            _ => 2,
        },
    }
}

fn signed(number: &str, language: Language) -> String {
    let (minus, plus, from, to) = match language {
        Language::Russian => ("минус ", "плюс ", "от ", " до "),
        Language::English => ("minus ", "plus ", "", " to "),
    };
    let number = number.trim_start_matches(['(', '«', '~', '≈']);
    let (sign, rest) = match number.chars().next() {
        Some('-' | '−' | '–') => (minus, number.trim_start_matches(['-', '−', '–'])),
        Some('+') => (plus, number.trim_start_matches('+')),
        _ => ("", number),
    };
    // «15–20», «15-20», «15…20»; a date (2026-11-24) has two joints and is left alone.
    let joints = ['–', '…', '-', '−'];
    match rest.split_once(joints) {
        Some((first, second)) if !first.is_empty() && !second.is_empty() && !second.contains(joints) => {
            format!("{from}{sign}{first}{to}{}{second}", if sign.is_empty() { "" } else { sign })
        }
        _ => format!("{sign}{rest}"),
    }
}

/// Letters, digits and what a voice pauses at.
fn plain(word: &str) -> String {
    let word: String = word.chars().filter(|c| c.is_alphanumeric() || ".,!?:;-–—'’/".contains(*c)).collect();
    if word.chars().any(char::is_alphanumeric) || [".", ",", "!", "?", ":", ";", "—", "–"].contains(&word.as_str())
    {
        word
    } else {
        String::new()
    }
}

impl Channel for Voice {
    fn name(&self) -> &'static str {
        "voice"
    }

    fn fields(&self) -> &'static [Field] {
        &[]
    }

    fn check(&self, _to: &Address) -> Result<(), String> {
        Ok(())
    }

    fn is_of_the_house(&self) -> bool {
        true
    }

    fn send<'a>(&'a self, _to: &'a Address, letter: &'a Letter) -> BoxFuture<'a, Result<Sent, Failed>> {
        Box::pin(async move { self.say(letter) })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use proptest::prelude::*;

    use super::super::tests::letters::{golden, letter, sorted};
    use super::*;

    #[test]
    fn it_sounds_as_it_should() {
        golden("voice", |letter| {
            let said: Arc<Mutex<Vec<Publication>>> = Arc::default();
            let heard = Arc::clone(&said);
            let publish: Publish = Arc::new(move |one| {
                heard.lock().unwrap().push(one);
                Ok(())
            });
            Voice::open(vec!["kitchen".into(), "hall".into()], publish).say(letter).unwrap();
            let said = said.lock().unwrap();
            let lines = said.iter().map(|one| {
                let payload: serde_json::Value = serde_json::from_slice(&one.payload).unwrap();
                format!("{} {}", one.topic, sorted(&payload))
            });
            lines.collect::<Vec<_>>().join("\n")
        });
    }

    #[test]
    fn units_are_said_in_words() {
        let ru = |text: &str| speakable(text, Language::Russian);
        assert_eq!(
            ru("Ветер 15–20 м/с, порывы 21 м/с."),
            "Ветер от 15 до 20 метров в секунду, порывы 21 метр в секунду."
        );
        assert_eq!(ru("Мороз -25°C, дождь 3 мм"), "Мороз минус 25 градусов, дождь 3 миллиметра");
        assert_eq!(ru("Влажность 82%! 1,5 м³ за 12 ч"), "Влажность 82 процента! 1,5 кубометра за 12 часов");
        assert_eq!(ru("Приезд в 15:30, подъезд 2, кв. 7."), "Приезд в 15:30, подъезд 2, кв. 7.");
        assert_eq!(ru("🚨 См. https://mchs.example/1?x=2 (тел. 112)"), "См. тел. 112");
        assert_eq!(ru("2026-11-24 в доме №5"), "2026-11-24 в доме 5");
        let en = |text: &str| speakable(text, Language::English);
        assert_eq!(en("Wind 15-20 m/s, -1 °C, 1 h."), "Wind 15 to 20 metres per second, minus 1 degrees, 1 hour.");
    }

    #[test]
    fn it_comes_to_an_end() {
        let long = Letter { body: "Слово за слово. ".repeat(200), ..letter() };
        let text = spoken(&long);
        assert!(text.chars().count() <= LONGEST && text.ends_with('.'), "{text}");
        assert!(spoken(&Letter { body: "ы".repeat(4000), ..letter() }).chars().count() <= LONGEST);
    }

    proptest! {
        #[test]
        fn any_text_can_be_said(text in "(\\PC|[0-9 .,–°%-]){0,60}") {
            for language in [Language::Russian, Language::English] {
                let said = speakable(&text, language);
                prop_assert!(!said.contains("://") && !said.contains('\n'));
            }
        }
    }
}
