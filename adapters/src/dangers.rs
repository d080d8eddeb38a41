//! What a sensor is afraid of, by what its owner or its maker called it, where its dialect has no word for that. Only for
//! what says yes or no and cannot be set. Deliberately few words: each must mean its danger and nothing else.

use domovoi_model::Hazard;

/// Words, the danger they mean, and its class in the words of Home Assistant.
const WORDS: &[(&str, Hazard, &str)] = &[
    ("leak", Hazard::WaterLeak, "moisture"),
    ("flood", Hazard::WaterLeak, "moisture"),
    ("протечк", Hazard::WaterLeak, "moisture"),
    ("затоплен", Hazard::WaterLeak, "moisture"),
    ("smoke", Hazard::Smoke, "smoke"),
    ("дым", Hazard::Smoke, "smoke"),
    ("carbon monoxide", Hazard::CarbonMonoxide, "carbon_monoxide"),
    ("угарн", Hazard::CarbonMonoxide, "carbon_monoxide"),
    ("gas alarm", Hazard::Gas, "gas"),
    ("загазован", Hazard::Gas, "gas"),
];
/// What makes a leak one of gas.
const GAS: &[&str] = &["gas", "газ"];

/// The danger of a name, and its class. What stands between words makes no difference: `kitchen_leak`, `gas-leak`.
pub(crate) fn of_name(name: &str) -> Option<(Hazard, &'static str)> {
    let spaced: String = name.to_lowercase().chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
    let (_, hazard, class) = WORDS.iter().find(|(word, ..)| spaced.contains(word))?;
    let is_of_gas = spaced.split(' ').any(|word| GAS.iter().any(|gas| word.starts_with(gas)));
    match hazard {
        Hazard::WaterLeak if is_of_gas => Some((Hazard::Gas, "gas")),
        hazard => Some((*hazard, *class)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_what_they_fear() {
        for (name, wanted) in [
            ("kitchen_leak", Some(Hazard::WaterLeak)),
            ("Протечка, ванная", Some(Hazard::WaterLeak)),
            ("gas-leak", Some(Hazard::Gas)),
            ("Утечка газа (загазованность)", Some(Hazard::Gas)),
            ("Smoke detector", Some(Hazard::Smoke)),
            ("carbon_monoxide", Some(Hazard::CarbonMonoxide)),
            ("gas_meter", None),
            ("Garden", None),
        ] {
            assert_eq!(of_name(name).map(|(hazard, _)| hazard), wanted, "{name}");
        }
    }
}
