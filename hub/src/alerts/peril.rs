//! What kind of peril a warning is about, of its words, codes and categories; and whether somebody may die of not hearing it
//! now. Pure tables.

use domovoi_adapters::cap::CapInfo;
use domovoi_model::{AlertCategory, AlertStatus, AlertUrgency, Certainty, Peril, Severity};

/// Words of events, lower case, by the peril that they name; the first that is found counts, so the particular goes before the
/// general («лесной пожар» before «пожар», "freezing rain" before "rain").
const WORDS: &[(Peril, &[&str])] = &[
    (Peril::Tsunami, &["цунами", "tsunami"]),
    (
        Peril::AirRaid,
        &["бпла", "беспилот", "ракетн", "воздушн", "авиаудар", "drone", "air raid", "missile", "rocket attack"],
    ),
    (Peril::Radiation, &["радиац", "радиоактивн", "radiation", "radiolog", "nuclear", "ядерн"]),
    (Peril::Earthquake, &["землетряс", "сейсм", "earthquake", "seismic"]),
    (Peril::Volcano, &["вулкан", "volcan", "ashfall", "пеплопад"]),
    (Peril::CarbonMonoxide, &["угарн", "carbon monoxide"]),
    (Peril::Chemical, &["хлор", "аммиак", "химич", "разлив", "chemical", "hazardous material", "toxic", "hazmat"]),
    (
        Peril::Avalanche,
        &[
            "лавин",
            "сель$",
            "селев",
            "селя$",
            "оползен",
            "оползн",
            "avalanche",
            "mudflow",
            "landslide",
            "debris flow",
            "mudslide",
        ],
    ),
    (
        Peril::Wildfire,
        &[
            "лесной пожар",
            "лесные пожар",
            "лесных пожар",
            "пожарная опасн",
            "пожароопас",
            "пожарной опасн",
            "природный пожар",
            "ландшафтн",
            "степной пожар",
            "торфян",
            "wildfire",
            "forest fire",
            "forest-fire",
            "bushfire",
            "grass fire",
            "fire weather",
            "red flag",
            "fire danger",
        ],
    ),
    (
        Peril::Flood,
        &[
            "наводнен",
            "паводок",
            "паводк",
            "половод",
            "подтоплен",
            "затоплен",
            "подъем воды",
            "подъём воды",
            "flood",
            "storm surge",
            "coastal event",
            "coastalevent",
            "coastal warning",
            "high water",
            "нагон",
        ],
    ),
    (
        Peril::Ice,
        &[
            "гололед",
            "гололёд",
            "ледян",
            "обледен",
            "изморозь",
            "freezing rain",
            "freezing drizzle",
            "icing",
            "ice storm",
            "glaze",
            "black ice",
            "snow-ice",
            "snow/ice",
            "ледоход",
            "icy",
        ],
    ),
    (Peril::Thunderstorm, &["гроз", "град$", "градом$", "шквал", "молни", "thunder", "hail", "squall", "lightning"]),
    (Peril::Snow, &["winter storm", "winter weather"]),
    (
        Peril::Wind,
        &[
            "ветер",
            "ветра",
            "ураган",
            "смерч",
            "шторм",
            "буря",
            "бури",
            "торнадо",
            "тайфун",
            "wind",
            "tornado",
            "hurricane",
            "cyclone",
            "typhoon",
            "gale",
            "storm warning",
            "tropical storm",
            "dust storm",
        ],
    ),
    (
        Peril::Snow,
        &["снег", "метел", "вьюг", "буран", "снегопад", "snow", "blizzard", "winter storm", "winter weather"],
    ),
    (Peril::Rain, &["дожд", "ливень", "ливни", "ливней", "осадк", "rain", "shower", "precipitation"]),
    (Peril::Fog, &["туман", "видимост", "fog", "visibility"]),
    (
        Peril::Heat,
        &["жара", "жары", "жару", "зной", "высокая температура", "high temperature", "high-temperature", "heat"],
    ),
    (
        Peril::Cold,
        &[
            "мороз",
            "холод",
            "заморозк",
            "низкая температура",
            "low temperature",
            "low-temperature",
            "cold",
            "frost",
            "freeze",
            "wind chill",
        ],
    ),
    (Peril::Fire, &["пожар", "возгоран", "fire"]),
    (
        Peril::Air,
        &[
            "смог",
            "качество воздуха",
            "неблагоприятные метеор",
            "нму",
            "задымл",
            "загрязнен",
            "air quality",
            "smog",
            "smoke",
            "dust",
            "haze",
        ],
    ),
    (
        Peril::Attack,
        &[
            "теракт",
            "террор",
            "нападен",
            "стрельб",
            "пропал ребен",
            "пропал ребён",
            "похищен",
            "attack",
            "shooter",
            "terror",
            "amber",
            "abduct",
            "missing child",
            "civil danger",
            "law enforcement",
        ],
    ),
    (Peril::Epidemic, &["эпидем", "инфекц", "вирус", "epidemic", "pandemic", "disease", "outbreak"]),
    (Peril::Gas, &["утечка газа", "запах газа", "взрыв газа", "gas leak"]),
    (
        Peril::Outage,
        &[
            "отключен",
            "авария на тепло",
            "водоснабж",
            "электроснабж",
            "теплоснабж",
            "outage",
            "power cut",
            "boil water",
            "water main",
            "utility",
        ],
    ),
    (Peril::Transport, &["дорог", "движени", "трасс", "метро ", "road", "traffic", "transport", "bridge closed"]),
];

/// Codes of the Emergency Alert System (47 CFR 11.31) and of NWS; the last letter says how far it has come.
const CODES: &[(Peril, &[&str])] = &[
    (Peril::Wind, &["TOR", "TOA", "TOE", "HUW", "HUA", "HWW", "HWA", "TRW", "TRA", "DSW", "EWW", "SQW"]),
    (Peril::Thunderstorm, &["SVR", "SVA", "SVS"]),
    (Peril::Flood, &["FFW", "FFA", "FFS", "FLW", "FLA", "FLS", "CFW", "CFA", "SSW", "SSA"]),
    (Peril::Snow, &["WSW", "WSA", "BZW"]),
    (Peril::Tsunami, &["TSW", "TSA", "TSY"]),
    (Peril::Earthquake, &["EQW"]),
    (Peril::Volcano, &["VOW"]),
    (Peril::Avalanche, &["AVW", "AVA"]),
    (Peril::Wildfire, &["FRW", "FWW"]),
    (Peril::Radiation, &["RHW", "NUW"]),
    (Peril::Chemical, &["HMW", "CHW", "CDW"]),
    (Peril::Attack, &["CAE", "CEM", "LEW", "LAE", "BLU"]),
    (Peril::Outage, &["TOE"]),
];

/// MeteoAlarm's `awareness_type`: a number and its name, `1; Wind`.
const AWARENESS: &[(&str, Peril)] = &[
    ("1", Peril::Wind),
    ("2", Peril::Snow),
    ("3", Peril::Thunderstorm),
    ("4", Peril::Fog),
    ("5", Peril::Heat),
    ("6", Peril::Cold),
    ("7", Peril::Flood),
    ("8", Peril::Wildfire),
    ("9", Peril::Avalanche),
    ("10", Peril::Rain),
    ("12", Peril::Flood),
    ("13", Peril::Flood),
];

/// What an information is about.
pub fn of(info: &CapInfo) -> Peril {
    let awareness = info.parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case("awareness_type"));
    if let Some((_, value)) = awareness {
        let number = value.split([';', ' ']).next().unwrap_or_default();
        if let Some((_, peril)) = AWARENESS.iter().find(|(code, _)| *code == number) {
            // "Snow/ice" is one of its types, and the words tell which.
            return of_words(&info.event)
                .filter(|named| *peril == Peril::Snow && *named == Peril::Ice)
                .unwrap_or(*peril);
        }
    }
    let coded = || {
        let of_code = |value: &str| {
            CODES
                .iter()
                .find(|(_, codes)| codes.iter().any(|code| value.eq_ignore_ascii_case(code)))
                .map(|(peril, _)| *peril)
        };
        info.event_codes.iter().find_map(|(_, value)| of_code(value.trim()))
    };
    of_words(&info.event)
        .or_else(coded)
        .or_else(|| of_words(&info.headline))
        .or_else(|| info.categories.iter().find_map(|category| of_category(*category)))
        .unwrap_or(Peril::Other)
}

/// What words name.
pub(super) fn of_words(text: &str) -> Option<Peril> {
    let text = text.to_lowercase();
    WORDS.iter().find(|(_, words)| words.iter().any(|word| begins_in(&text, word))).map(|(peril, _)| *peril)
}

/// Whether a word of the text begins so, or, with `$`, is so: "rain" is not in "drainage", «град» neither in «Волгоград» nor
/// in «градусов».
fn begins_in(text: &str, word: &str) -> bool {
    let (word, is_whole) = word.strip_suffix('$').map_or((word, false), |word| (word, true));
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|after| after.chars().next());
        before.is_none_or(|c| !c.is_alphabetic()) && !(is_whole && after.is_some_and(char::is_alphabetic))
    })
}

fn of_category(category: AlertCategory) -> Option<Peril> {
    match category {
        AlertCategory::Fire => Some(Peril::Fire),
        AlertCategory::Health => Some(Peril::Epidemic),
        AlertCategory::Transport => Some(Peril::Transport),
        AlertCategory::Infra => Some(Peril::Outage),
        AlertCategory::Cbrne => Some(Peril::Chemical),
        AlertCategory::Security => Some(Peril::Attack),
        _ => None,
    }
}

/// Perils that leave minutes.
fn kills(peril: Peril) -> bool {
    use Peril as P;
    matches!(
        peril,
        P::Gas
            | P::CarbonMonoxide
            | P::Smoke
            | P::WaterLeak
            | P::Flood
            | P::Wind
            | P::Wildfire
            | P::Fire
            | P::Earthquake
            | P::Tsunami
            | P::Avalanche
            | P::Volcano
            | P::Chemical
            | P::Radiation
            | P::AirRaid
            | P::Attack
    )
}

/// Whether a warning from outside is about life now: in earnest, and either extreme, within the hour and at least likely; or
/// severe, now, observed, and of a peril that kills. Anything less waits for the end of quiet hours.
pub fn is_life(
    status: AlertStatus,
    severity: Severity,
    urgency: AlertUrgency,
    certainty: Certainty,
    peril: Peril,
) -> bool {
    let extreme = severity == Severity::Extreme
        && matches!(urgency, AlertUrgency::Immediate | AlertUrgency::Expected)
        && matches!(certainty, Certainty::Observed | Certainty::Likely);
    let severe = severity == Severity::Severe
        && urgency == AlertUrgency::Immediate
        && certainty == Certainty::Observed
        && kills(peril);
    status == AlertStatus::Actual && (extreme || severe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn perils_are_known_by_the_words_of_both_languages() {
        for (words, peril) in [
            ("Freezing rain, icing", Peril::Ice),
            ("Thunderstorms", Peril::Thunderstorm),
            ("High temperature", Peril::Heat),
            ("Low temperature", Peril::Cold),
            ("Сильный ветер", Peril::Wind),
            ("Шквалистое усиление ветра", Peril::Thunderstorm),
            ("Чрезвычайная лесопожарная обстановка, лесной пожар", Peril::Wildfire),
            ("Пожар на складе", Peril::Fire),
            ("Угроза атаки БПЛА", Peril::AirRaid),
            ("Flash Flood Warning", Peril::Flood),
            ("Winter Storm Warning", Peril::Snow),
            ("Сильный снег, метель", Peril::Snow),
            ("Аномально жаркая погода, сильная жара", Peril::Heat),
            ("Гололёдно-изморозевое отложение", Peril::Ice),
            ("Child Abduction Emergency (AMBER)", Peril::Attack),
        ] {
            assert_eq!(of_words(words), Some(peril), "{words}");
        }
        for words in ["Drainage works in Volgograd", "Празднование в Волгограде", "Сельское хозяйство", ""]
        {
            assert_eq!(of_words(words), None, "{words}");
        }
    }

    #[test]
    fn life_is_at_stake_where_minutes_count() {
        use AlertUrgency as U;
        use Certainty as C;
        use Severity as S;
        let actual =
            |severity, urgency, certainty, peril| is_life(AlertStatus::Actual, severity, urgency, certainty, peril);
        assert!(actual(S::Extreme, U::Immediate, C::Observed, Peril::Other));
        assert!(actual(S::Extreme, U::Expected, C::Likely, Peril::Heat));
        assert!(actual(S::Severe, U::Immediate, C::Observed, Peril::Wind));
        assert!(!actual(S::Severe, U::Immediate, C::Observed, Peril::Fog));
        assert!(!actual(S::Severe, U::Expected, C::Observed, Peril::Wind));
        assert!(!actual(S::Extreme, U::Future, C::Likely, Peril::Flood));
        assert!(!actual(S::Extreme, U::Immediate, C::Possible, Peril::Flood));
        for status in [AlertStatus::Exercise, AlertStatus::System, AlertStatus::Test] {
            assert!(!is_life(status, S::Extreme, U::Immediate, C::Observed, Peril::Tsunami));
        }
    }
}
