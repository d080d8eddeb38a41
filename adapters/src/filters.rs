//! Filters with wildcards (MQTT 3.1.1 §4.7) that devices hear: found by the last level that is a word, compared with few
//! topics each. A filter without any word is nobody's state and is not taken in.

use std::collections::BTreeMap;

use domovoi_model::DeviceRef;

/// Whether a topic is one of those that a filter means (MQTT 3.1.1 §4.7).
pub(crate) fn fits(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    let mut wanted = filter.split('/');
    loop {
        match (wanted.next(), levels.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

/// Where a filter is looked for: by the place and the text of the last level that is a word.
type Spot = (usize, String);

/// Filters, and who hears them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filters {
    by_spot: BTreeMap<Spot, BTreeMap<String, Vec<DeviceRef>>>,
    /// How many there are, each device that hears one counted.
    count: usize,
}

impl Filters {
    /// How many there are, each device that hears one counted.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// `device` hears `filter` from now on.
    pub(crate) fn insert(&mut self, filter: &str, device: &DeviceRef) {
        let Some(spot) = spot(filter) else { return };
        let heard_by = self.by_spot.entry(spot).or_default().entry(filter.to_owned()).or_default();
        if !heard_by.contains(device) {
            heard_by.push(device.clone());
            self.count += 1;
        }
    }

    /// `device` hears `filter` no more. Nothing empty is left behind.
    pub(crate) fn remove(&mut self, filter: &str, device: &DeviceRef) {
        let Some(spot) = spot(filter) else { return };
        let Some(same) = self.by_spot.get_mut(&spot) else { return };
        if let Some(heard_by) = same.get_mut(filter) {
            let before = heard_by.len();
            heard_by.retain(|other| other != device);
            self.count -= before - heard_by.len();
            if heard_by.is_empty() {
                same.remove(filter);
            }
        }
        if same.is_empty() {
            self.by_spot.remove(&spot);
        }
    }

    /// Who hears this topic by a filter.
    pub(crate) fn hearers<'f>(&'f self, topic: &str, mut hear: impl FnMut(&'f DeviceRef)) {
        if self.by_spot.is_empty() {
            return;
        }
        let mut spot: Spot = (0, String::new());
        for (place, level) in topic.split('/').enumerate() {
            spot.0 = place;
            spot.1.clear();
            spot.1.push_str(level);
            let some = self.by_spot.get(&spot).into_iter().flatten();
            some.filter(|(filter, _)| fits(filter, topic)).flat_map(|(_, devices)| devices).for_each(&mut hear);
        }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.by_spot.is_empty() && self.count == 0
    }
}

fn spot(filter: &str) -> Option<Spot> {
    let words = filter.split('/').enumerate().filter(|(_, level)| !matches!(*level, "+" | "#" | ""));
    words.last().map(|(place, level)| (place, level.to_owned()))
}

/// The topics that both filters mean, as a filter; `None` if there are none.
pub fn common(one: &str, other: &str) -> Option<String> {
    let (mut ones, mut others) = (one.split('/').peekable(), other.split('/').peekable());
    let mut out: Vec<&str> = Vec::new();
    loop {
        match (ones.next(), others.next()) {
            (None, None) => break,
            // `a/#` means `a` too (§4.7.1.2).
            (None, Some("#")) | (Some("#"), None) => break,
            (Some("#"), Some(rest)) => {
                out.push(rest);
                out.extend(others);
                break;
            }
            (Some(rest), Some("#")) => {
                out.push(rest);
                out.extend(ones);
                break;
            }
            (Some("+"), Some(level)) | (Some(level), Some("+")) => out.push(level),
            (Some(one), Some(other)) if one == other => out.push(one),
            _ => return None,
        }
    }
    let common = out.join("/");
    // §4.7.2: a wildcard that stands first does not reach what begins with a dollar.
    let hides = |filter: &str| filter.starts_with(['+', '#']) && common.starts_with('$');
    (!hides(one) && !hides(other)).then_some(common)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_filters_have_in_common() {
        for (one, other, wanted) in [
            ("a/b", "a/b", Some("a/b")),
            ("a/b", "a/c", None),
            ("+/+/BTtoMQTT/x", "home/#", Some("home/+/BTtoMQTT/x")),
            ("home/#", "+/+/BTtoMQTT/x", Some("home/+/BTtoMQTT/x")),
            ("a/#", "a", Some("a")),
            ("a/#", "a/+/c", Some("a/+/c")),
            ("a/+", "a/b/c", None),
            ("#", "a/b", Some("a/b")),
            ("#", "$SYS/x", None),
            ("tele/+/SENSOR", "tele/plug/#", Some("tele/plug/SENSOR")),
            ("a/#", "#", Some("a/#")),
        ] {
            assert_eq!(common(one, other).as_deref(), wanted, "{one} {other}");
        }
    }

    #[test]
    fn a_filter_that_went_leaves_nothing_behind() {
        let mut filters = Filters::default();
        let device = DeviceRef::new("d", "1");
        for n in 0..1000 {
            let filter = format!("+/{n}/#");
            filters.insert(&filter, &device);
            let mut heard = 0;
            filters.hearers(&format!("x/{n}/y/z"), |_| heard += 1);
            filters.hearers(&format!("x/y/{n}"), |_| heard += 1);
            assert_eq!(heard, 1);
            filters.remove(&filter, &device);
        }
        assert!(filters.is_empty());
    }
}
