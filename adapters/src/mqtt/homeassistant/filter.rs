//! Topic filters (MQTT 3.1.1 §4.7): gateways of Bluetooth sensors announce `+/+/BTtoMQTT/<mac>` as the topic of a state.
//! Deliberately nothing of shared subscriptions: no config has them.

/// Whether a filter may be listened to: well formed, not a server's own, not the house's own.
pub(super) fn is_valid(filter: &str) -> bool {
    let levels = filter.split('/').count();
    !filter.is_empty()
        && filter.len() <= 256
        && !filter.starts_with('$')
        && filter != "domovoi"
        && !filter.starts_with("domovoi/")
        && !filter.chars().any(char::is_control)
        // The whole traffic of the house is nobody's state.
        && filter.split('/').any(|level| !matches!(level, "+" | "#" | ""))
        && filter.split('/').enumerate().all(|(at, level)| match level {
            "+" => true,
            "#" => at + 1 == levels,
            other => !other.contains(['+', '#']),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_listened_to() {
        for yes in ["a", "a/b", "+/+/BTtoMQTT/AABB", "a/#", "/a", "Дом/свет"] {
            assert!(is_valid(yes), "{yes}");
        }
        for no in ["", "#", "+/+", "+/#", "a/#/b", "a+/b", "a/b#", "$SYS/x", "domovoi/x", "domovoi", "a\u{0}"] {
            assert!(!is_valid(no), "{no}");
        }
    }
}
