//! Which field of a telegram says of which day another one is: `target_m3` is as of `target_date`, a month's value as of that
//! month's own date. What is not dated so is as of now.

use crate::json::Members;

/// The field with the date of this one, if the telegram has it.
pub(super) fn of_field(field: &str, telegram: &Members<'_>) -> Option<String> {
    if is_date(field) {
        return None;
    }
    let is_there = |name: &String| telegram.get(name).is_some();
    candidates(field).into_iter().find(is_there)
}

fn is_date(field: &str) -> bool {
    field.ends_with("_date") || field.ends_with("_datetime")
}

/// Names under which drivers write the date of a field, the nearest first.
fn candidates(field: &str) -> Vec<String> {
    let mut out = Vec::new();
    // `total_volume_at_date_m3`, `consumption_at_set_date_1_m3`, `consumption_at_history_3_hca`: behind `at` is the date's own name.
    if let Some((_, at)) = field.split_once("_at_") {
        let name = at.rsplit_once('_').map_or(at, |(name, _unit)| name);
        out.push(name.to_owned());
        for end in ["date", "datetime"] {
            out.push(format!("{name}_{end}"));
        }
        // `consumption_at_set_date_1_m3` with `set_date_1`, `set_date` alone where there is one.
        out.push(name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_').to_owned());
    }
    // `target_m3`, `target_energy_kwh`, `previous_month_total_m3`: some head of the name and `date`.
    let mut head = field;
    while let Some((shorter, _)) = head.rsplit_once('_') {
        head = shorter;
        for end in ["date", "datetime"] {
            out.push(format!("{head}_{end}"));
        }
    }
    out.retain(|name| is_date(name) || name.contains("date"));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn which_day_a_field_is_of() {
        let telegram = r#"{"target_m3":1,"target_date":"2026-10-31","total_m3":2,"consumption_at_set_date_hca":3,"set_date":"x",
            "consumption_at_history_2_hca":4,"history_2_date":"x","target_energy_kwh":5,"prev_month_total_m3":6,"prev_month_date":"x",
            "consumption_at_set_date_8_m3":7,"set_date_8":"x"}"#;
        let telegram = json::members(telegram).unwrap();
        for (field, wanted) in [
            ("target_m3", Some("target_date")),
            ("target_energy_kwh", Some("target_date")),
            ("target_date", None),
            ("total_m3", None),
            ("consumption_at_set_date_hca", Some("set_date")),
            ("consumption_at_set_date_8_m3", Some("set_date_8")),
            ("consumption_at_history_2_hca", Some("history_2_date")),
            ("prev_month_total_m3", Some("prev_month_date")),
        ] {
            assert_eq!(of_field(field, &telegram).as_deref(), wanted, "{field}");
        }
    }
}
