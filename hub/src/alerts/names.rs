//! Names of regions as people and services write them, made comparable: «Тверская обл.» and «Тверская область», "Moscow
//! Region" and "Moscow Oblast". Pure. "Moscow" is not "Moscow Region": a city is not the land around it.

/// Words for what a region is, each in the spellings of two languages.
const KINDS: &[(&str, &[&str])] = &[
    ("oblast", &["область", "области", "обл", "oblast", "region", "province"]),
    ("krai", &["край", "края", "krai", "kray", "territory"]),
    ("republic", &["республика", "республики", "респ", "republic", "rep"]),
    ("okrug", &["округ", "округа", "ао", "okrug"]),
    ("raion", &["район", "района", "р-н", "рн", "raion", "rayon", "district"]),
];

/// Words that say nothing: what a town is called is a town, and which part of a region is meant is not known exactly.
const EMPTY: &[&str] = &[
    "город",
    "города",
    "г",
    "гор",
    "city",
    "town",
    "of",
    "the",
    "and",
    "север",
    "юг",
    "запад",
    "восток",
    "северо-запад",
    "северо-восток",
    "юго-запад",
    "юго-восток",
    "north",
    "south",
    "west",
    "east",
    "northern",
    "southern",
    "western",
    "eastern",
    "центр",
    "central",
    "на",
    "в",
    "по",
    "по-",
    "территория",
    "территории",
    "all",
    "вся",
    "весь",
    "автономный",
    "автономного",
    "автономная",
    "autonomous",
];

/// The parts of a list of regions, each normalised.
pub(super) fn parts(text: &str) -> Vec<Vec<String>> {
    let mut outside = String::new();
    let mut depth = 0_u32;
    for c in text.chars() {
        match c {
            '(' | '[' => depth = depth.saturating_add(1),
            ')' | ']' => depth = depth.saturating_sub(1),
            c if depth == 0 => outside.push(c),
            _ => {}
        }
    }
    let separated = outside.replace(" и ", ",").replace(" and ", ",").replace(" - ", ",");
    let mut found: Vec<Vec<String>> = separated.split([',', ';', '/', '|', '\n', '&', ':']).map(normal).collect();
    // "Republic of Tatarstan, Russia" and a name with a comma in it are read whole too.
    found.push(normal(&outside));
    found.retain(|part| !part.is_empty());
    found
}

/// The words of a name, in no order: what remains the same however it is written.
pub(super) fn normal(text: &str) -> Vec<String> {
    let lower = text.to_lowercase().replace('ё', "е");
    let words = lower.split(|c: char| !(c.is_alphanumeric() || c == '-')).map(|word| word.trim_matches('-'));
    let mut found: Vec<String> = words
        .filter(|word| !word.is_empty() && !EMPTY.contains(word))
        .map(|word| {
            KINDS
                .iter()
                .find(|(_, words)| words.contains(&word))
                .map_or_else(|| stem(word), |(kind, _)| (*kind).to_owned())
        })
        .collect();
    found.sort();
    found.dedup();
    // What a region is does not name one.
    if found.iter().all(|word| KINDS.iter().any(|(kind, _)| kind == word)) {
        found.clear();
    }
    found
}

/// «Московской» and «Московская» are one word.
fn stem(word: &str) -> String {
    const ENDINGS: [&str; 10] = ["ая", "ой", "ую", "ий", "ый", "ое", "ого", "ому", "ом", "им"];
    for ending in ENDINGS {
        if let Some(stem) = word.strip_suffix(ending)
            && (stem.ends_with("ск") || stem.ends_with("цк"))
        {
            return stem.to_owned();
        }
    }
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_region_in_many_spellings() {
        for same in [
            ["Тверская область", "тверская обл."],
            ["Тверская область", "область Тверская"],
            ["Московская область", "Юг Московской области"],
            ["Moscow Region", "Moscow Oblast"],
            ["Republic of Tatarstan", "Tatarstan Republic"],
            ["Республика Татарстан", "респ. Татарстан"],
            ["г. Москва", "Москва"],
            ["Орёл", "Орел"],
            ["Ямало-Ненецкий автономный округ", "Ямало-Ненецкий АО"],
        ] {
            let [one, other] = same.map(normal);
            assert_eq!(one, other, "{same:?}");
        }
    }

    #[test]
    fn a_city_is_not_the_region_of_its_name() {
        assert_ne!(normal("Moscow"), normal("Moscow Region"));
        assert_ne!(normal("Москва"), normal("Московская область"));
        assert_ne!(normal("Ростов"), normal("Ростов-на-Дону"));
        assert!(normal("область").is_empty() && normal("Region").is_empty() && normal("...").is_empty());
    }

    #[test]
    fn lists_are_taken_apart() {
        let found = parts("Тверская область, Московская область (Дмитровский район) и Москва");
        for wanted in ["тверская обл", "Московская область", "Москва"] {
            assert!(found.contains(&normal(wanted)), "{wanted}: {found:?}");
        }
        assert!(!found.contains(&normal("Дмитровский район")), "what stands in brackets is a part of it");
        assert!(parts("").is_empty());
    }
}
