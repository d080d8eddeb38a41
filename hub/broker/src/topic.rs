//! Topic names and filters: what is well formed and what matches (MQTT 5, 4.7). Who may use them is the gate's word.

/// A topic name or filter that MQTT does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("topic {0}")]
pub struct TopicError(&'static str);

const MAX_TOPIC_BYTES: usize = 65_535;
/// Of the name under which a subscription is shared. Each message that waits for the group has it beside it.
const MAX_SHARE_NAME_BYTES: usize = 256;

/// Checks a topic name, as in PUBLISH and in a will.
pub fn check_name(topic: &str, max_levels: usize) -> Result<(), TopicError> {
    check_common(topic, max_levels)?;
    if topic.contains(['+', '#']) {
        return Err(TopicError("name contains a wildcard"));
    }
    Ok(())
}

/// A shared subscription taken apart: `$share/name/filter` (MQTT 5, 4.8.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share<'a> {
    pub name: &'a str,
    /// What it subscribes to; this is what a gate is asked about.
    pub filter: &'a str,
}

/// None if the filter is not shared.
pub fn share(filter: &str) -> Option<Share<'_>> {
    let (name, filter) = filter.strip_prefix("$share/")?.split_once('/')?;
    Some(Share { name, filter })
}

/// Checks a topic filter, as in SUBSCRIBE and UNSUBSCRIBE; of a shared one both parts.
pub fn check_filter(filter: &str, max_levels: usize) -> Result<(), TopicError> {
    let own = match share(filter) {
        Some(Share { name, .. })
            if name.is_empty() || name.len() > MAX_SHARE_NAME_BYTES || name.contains(['+', '#']) =>
        {
            return Err(TopicError("filter is shared under a name that cannot be one"));
        }
        Some(Share { name, filter }) => {
            check_common(name, max_levels)?;
            filter
        }
        None if filter == "$share" || filter.starts_with("$share/") => {
            return Err(TopicError("filter is shared, and there is nothing that is shared"));
        }
        None => filter,
    };
    // A name and a filter, each of its own right length, may be too long together.
    if filter.len() > MAX_TOPIC_BYTES {
        return Err(TopicError("is longer than 65535 bytes"));
    }
    check_common(own, max_levels)?;
    let mut levels = own.split('/').peekable();
    while let Some(level) = levels.next() {
        if level.contains('#') && (level != "#" || levels.peek().is_some()) {
            return Err(TopicError("filter has # elsewhere than alone in the last level"));
        }
        if level.contains('+') && level != "+" {
            return Err(TopicError("filter has + together with other characters of a level"));
        }
    }
    Ok(())
}

fn check_common(topic: &str, max_levels: usize) -> Result<(), TopicError> {
    if topic.is_empty() {
        return Err(TopicError("is empty"));
    }
    if topic.len() > MAX_TOPIC_BYTES {
        return Err(TopicError("is longer than 65535 bytes"));
    }
    if topic.split('/').nth(max_levels).is_some() {
        return Err(TopicError("has too many levels"));
    }
    // NUL is forbidden (4.7.3); a receiver may close its connection on the other control characters (1.5.4), so one
    // careless publisher could throw every subscriber out.
    if topic.chars().any(char::is_control) {
        return Err(TopicError("contains a control character"));
    }
    Ok(())
}

/// Whether a well-formed filter that is not shared matches a well-formed name.
pub fn matches(filter: &str, topic: &str) -> bool {
    // 4.7.2: a leading wildcard does not match names that begin with $.
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut names = topic.split('/');
    for level in filter.split('/') {
        match (level, names.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (literal, Some(name)) if literal == name => {}
            _ => return false,
        }
    }
    names.next().is_none()
}

/// Topics that clients may not publish to and whose names leading wildcards do not reach.
pub(crate) fn is_reserved(topic: &str) -> bool {
    topic.starts_with('$')
}

/// The part of a filter before its first wildcard, without the separator: `a/b/#` also matches `a/b`.
pub(crate) fn literal_prefix(filter: &str) -> &str {
    match filter.find(['+', '#']) {
        Some(at) => filter.get(..at).unwrap_or_default().trim_end_matches('/'),
        None => filter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "/", "a/b", "ю/темп", "über/temp", "$SYS/x", "a//b", " ", "日/本"] {
            assert_eq!(check_name(good, 128), Ok(()), "{good}");
        }
        for bad in ["", "a/#", "+", "a+", "a\0b", "a/\u{7}", "a\u{85}"] {
            assert!(check_name(bad, 128).is_err(), "{bad:?}");
        }
        assert!(check_name(&"x".repeat(65_535), 128).is_ok());
        assert!(check_name(&"x".repeat(65_536), 128).is_err());
        assert!(check_name(&"/".repeat(127), 128).is_ok());
        assert!(check_name(&"/".repeat(128), 128).is_err());
    }

    #[test]
    fn filters() {
        for good in [
            "#",
            "+",
            "a/#",
            "+/+",
            "/+",
            "a/+/b",
            "$SYS/#",
            "$share/g/a",
            "$share/g/#",
            "$share/g//",
            "$shared",
            "ю/+",
        ] {
            assert_eq!(check_filter(good, 128), Ok(()), "{good}");
        }
        for bad in ["", "a/#/b", "a+", "+a", "a#", "#/a", "a/b#", "##", "++", "a\0"]
            .into_iter()
            .chain(["$share", "$share/", "$share/g", "$share/g/", "$share//a", "$share/+/a", "$share/g#/a"])
            .chain(["$share/g\0/a", "$share/g/a#", "$share/g/#/a"])
        {
            assert!(check_filter(bad, 128).is_err(), "{bad:?}");
        }
        assert!(check_filter(&format!("$share/{}/a", "g".repeat(256)), 128).is_ok());
        assert!(check_filter(&format!("$share/{}/a", "g".repeat(257)), 128).is_err());
    }

    #[test]
    fn matching() {
        for (filter, topic) in
            [("#", "a"), ("a/#", "a"), ("a/#", "a/b/c"), ("+", "a"), ("+/+", "/a"), ("/+", "/a"), ("+/#", "a")]
        {
            assert!(matches(filter, topic), "{filter} {topic}");
        }
        for (filter, topic) in
            [("+", "/a"), ("a", "a/"), ("a/", "a"), ("a/+", "a"), ("#", "$a"), ("+/b", "$a/b"), ("a/#", "ab")]
        {
            assert!(!matches(filter, topic), "{filter} {topic}");
        }
        assert!(matches("$SYS/#", "$SYS/a"));
    }

    #[test]
    fn prefixes() {
        for (filter, prefix) in [("a/b", "a/b"), ("a/b/#", "a/b"), ("#", ""), ("a/+/c", "a"), ("/+", "")] {
            assert_eq!(literal_prefix(filter), prefix, "{filter}");
        }
    }
}
