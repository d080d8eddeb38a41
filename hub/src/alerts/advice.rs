//! What to do, peril by peril: steps to be ticked off, and the official page about it. Everything but the page is here and in
//! the locale files: it is there without the internet. The sender's own instruction goes before it.

use domovoi_config::Language;
use domovoi_model::Peril;

use crate::words::words;

/// Safety of citizens, at the ministry for emergencies of Russia.
const MCHS: &str = "https://mchs.gov.ru/deyatelnost/bezopasnost-grazhdan";

/// A recommended step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// By which it is ticked off.
    pub key: &'static str,
    /// What to do.
    pub sentence: String,
}

/// The steps of a peril, in a language.
pub fn steps(peril: Peril, language: Language) -> Vec<Step> {
    let words = words(language);
    keys(peril).map(|key| Step { key, sentence: words.say(&format!("alert-step-{key}"), &[]) }).collect()
}

/// The official page about a peril, in a language.
pub fn link(peril: Peril, language: Language) -> Option<&'static str> {
    let english = row(peril).1?;
    Some(match language {
        Language::Russian => MCHS,
        Language::English => english,
    })
}

/// The keys of the steps of a peril.
pub(super) fn keys(peril: Peril) -> impl Iterator<Item = &'static str> {
    row(peril).0.iter().copied()
}

/// What is done, the first thing first; and the page in English.
fn row(peril: Peril) -> (&'static [&'static str], Option<&'static str>) {
    match peril {
        Peril::Gas => (
            &["no-sparks", "close-gas", "open-windows", "leave-all", "call-gas", "wait-outside"],
            Some("https://www.ready.gov/home-fires"),
        ),
        Peril::CarbonMonoxide => (
            &["leave-all", "open-windows", "stop-burning", "call-ambulance", "wait-outside"],
            Some("https://www.ready.gov/power-outages"),
        ),
        Peril::Smoke | Peril::Fire => (
            &["leave-all", "stay-low", "close-doors", "no-lift", "call-fire", "wait-outside"],
            Some("https://www.ready.gov/home-fires"),
        ),
        Peril::WaterLeak => {
            (&["check-valve", "cut-power-wet", "collect-water", "call-plumber", "tell-neighbours", "take-photos"], None)
        }
        Peril::Freezing => (&["check-heating", "open-taps", "close-windows", "call-heating"], None),
        Peril::Flood => (
            &["go-higher", "cut-power-gas", "take-documents", "no-driving-water", "water-supply", "listen-officials"],
            Some("https://www.ready.gov/floods"),
        ),
        Peril::Wind => (
            &["stay-in", "close-windows", "clear-balcony", "away-from-trees", "charge-phones"],
            Some("https://www.ready.gov/tornadoes"),
        ),
        Peril::Thunderstorm => (
            &["stay-in", "unplug", "close-windows", "away-from-trees", "away-from-water"],
            Some("https://www.ready.gov/thunderstorms-lightning"),
        ),
        Peril::Rain => (&["avoid-lowlands", "no-driving-water", "check-drains"], Some("https://www.ready.gov/floods")),
        Peril::Snow => (
            &["stay-off-road", "charge-phones", "water-supply", "warm-clothes"],
            Some("https://www.ready.gov/winter-weather"),
        ),
        Peril::Ice => (
            &["careful-steps", "away-from-eaves", "stay-off-road", "away-from-wires"],
            Some("https://www.ready.gov/winter-weather"),
        ),
        Peril::Heat => {
            (&["drink-water", "shade", "look-after-weak", "no-one-in-car"], Some("https://www.ready.gov/heat"))
        }
        Peril::Cold => (
            &["warm-clothes", "check-heating", "open-taps", "look-after-weak"],
            Some("https://www.ready.gov/winter-weather"),
        ),
        Peril::Fog => (&["drive-slowly", "be-seen"], None),
        Peril::Wildfire => (
            &["close-windows", "no-open-fire", "pack-bag", "leave-when-told", "call-fire"],
            Some("https://www.ready.gov/wildfires"),
        ),
        Peril::Earthquake => (
            &["drop-cover", "away-from-windows", "no-lift", "cut-power-gas", "wait-open-place"],
            Some("https://www.ready.gov/earthquakes"),
        ),
        Peril::Tsunami => (
            &["go-higher", "no-return-shore", "take-documents", "listen-officials"],
            Some("https://www.ready.gov/tsunamis"),
        ),
        Peril::Avalanche => (
            &["leave-slope", "leave-when-told", "listen-officials"],
            Some("https://www.ready.gov/landslides-debris-flow"),
        ),
        Peril::Volcano => {
            (&["stay-in", "close-windows", "mask", "leave-when-told"], Some("https://www.ready.gov/volcanoes"))
        }
        Peril::Chemical => (
            &["stay-in", "seal-windows", "stop-ventilation", "mask", "go-higher-floor", "listen-officials"],
            Some("https://www.ready.gov/chemical"),
        ),
        Peril::Radiation => (
            &["stay-in", "seal-windows", "stop-ventilation", "wash", "closed-food", "listen-officials"],
            Some("https://www.ready.gov/radiation"),
        ),
        Peril::Air => {
            (&["close-windows", "stay-in", "mask", "look-after-weak"], Some("https://www.ready.gov/be-informed"))
        }
        Peril::AirRaid => (
            &["shelter", "away-from-windows", "cut-power-gas", "no-filming", "listen-officials"],
            Some("https://www.ready.gov/explosions"),
        ),
        Peril::Attack => (
            &["leave-danger", "hide", "call-police", "no-filming", "listen-officials"],
            Some("https://www.ready.gov/public-spaces"),
        ),
        Peril::Epidemic => (&["wash", "mask", "stay-home-ill"], Some("https://www.ready.gov/pandemic")),
        Peril::Outage => {
            (&["charge-phones", "water-supply", "unplug", "call-utility"], Some("https://www.ready.gov/power-outages"))
        }
        Peril::Transport => (&["stay-off-road", "other-way"], None),
        Peril::Device => (&["look-at-device", "check-power", "replace-battery"], None),
        Peril::Camera => (&["look-at-camera", "check-power"], None),
        Peril::Meter => (&["look-at-meter", "hand-in-yourself"], None),
        Peril::Account => (&["was-it-you", "change-password", "look-at-journal"], None),
        Peril::Hub => (&["look-at-hub", "run-doctor"], None),
        Peril::Other => (&["listen-officials"], None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peril_has_steps_in_both_languages() {
        for peril in Peril::ALL {
            for language in [Language::Russian, Language::English] {
                let steps = steps(*peril, language);
                assert!(!steps.is_empty(), "{peril:?}");
                for step in &steps {
                    assert!(!step.sentence.starts_with("alert-step"), "{} has no words in {language:?}", step.key);
                }
                let mut keys: Vec<_> = steps.iter().map(|step| step.key).collect();
                keys.sort_unstable();
                keys.dedup();
                assert_eq!(keys.len(), steps.len(), "{peril:?} has a step twice");
                assert!(link(*peril, language).is_none_or(|link| link.starts_with("https://")));
            }
        }
    }
}
