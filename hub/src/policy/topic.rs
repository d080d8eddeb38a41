//! MQTT topics: what a credential may publish and subscribe to. It allocates nothing: it is asked for every packet.
//! Whether a topic is well formed is the broker's business.

use super::{Decision, Refusal, Subject, Verb, Who};

/// The topics of our own. Nobody outside publishes there.
const OWN: &str = "domovoi";

/// Whether `who` may publish to (submit) or subscribe to (see) a topic or filter. The same answer as `decide` gives for
/// an object of the kind `Topic`, without an object having to be made for each packet.
pub fn decide_topic(who: &Who, verb: Verb, topic: &str) -> Decision {
    let Subject::Credential { publish, subscribe, .. } = &who.subject else {
        return match (&who.subject, verb) {
            (Subject::House, Verb::See | Verb::Submit) => Decision::Allow,
            (Subject::Nobody, _) => Decision::Refuse(Refusal::SignIn),
            _ => Decision::Refuse(Refusal::Role),
        };
    };
    if who.locked {
        return Decision::Refuse(Refusal::Locked);
    }
    let named = |filters: &[String]| filters.iter().any(|filter| covers(filter, topic));
    let may = match verb {
        Verb::Submit => !is_own(topic) && named(publish),
        Verb::See => named(subscribe),
        Verb::Command | Verb::Edit | Verb::Export => false,
    };
    if may { Decision::Allow } else { Decision::Refuse(Refusal::Topic) }
}

fn is_own(topic: &str) -> bool {
    topic.strip_prefix(OWN).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether every topic that `asked` matches is matched by `allowed` too. A topic without wildcards matches itself.
pub fn covers(allowed: &str, asked: &str) -> bool {
    // MQTT 4.7.2: a leading wildcard does not reach topics that begin with $, and a filter that names them does.
    if allowed.starts_with(['+', '#']) && asked.starts_with('$') {
        return false;
    }
    let mut allowed = allowed.split('/');
    let mut asked = asked.split('/');
    loop {
        match (allowed.next(), asked.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some(_), Some("#")) | (None, Some(_)) => return false,
            (Some("+"), Some(_)) => {}
            (Some(a), Some(b)) if a == b => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Assurance, Network, Role};

    fn credential(publish: &[&str], subscribe: &[&str]) -> Who {
        let owned = |filters: &[&str]| filters.iter().map(|filter| (*filter).to_owned()).collect();
        Who {
            subject: Subject::Credential {
                username: "bridge".into(),
                publish: owned(publish),
                subscribe: owned(subscribe),
            },
            role: Some(Role::Service),
            assurance: Assurance::Single,
            ..Who::nobody(Network::Home)
        }
    }

    #[test]
    fn a_subscription_must_lie_within_what_is_allowed() {
        for (allowed, asked, yes) in [
            ("home/#", "home/#", true),
            ("home/#", "home/+/state", true),
            ("home/+", "home/x", true),
            ("home/+", "home/#", false),
            ("home/x", "home/+", false),
            ("home/+/set", "home/lamp/set", true),
            ("home/+/set", "home/lamp/get", false),
            ("home", "home/x", false),
            ("home/x", "home", false),
            ("#", "anything/at/all", true),
            ("#", "$SYS/#", false),
            ("+/x", "$SYS/x", false),
        ] {
            assert_eq!(covers(allowed, asked), yes, "{allowed} covers {asked}");
        }
    }

    #[test]
    fn a_credential_touches_what_it_names_and_nobody_publishes_as_the_hub() {
        let who = credential(&["#"], &["home/#"]);
        let refused = Decision::Refuse(Refusal::Topic);
        assert_eq!(decide_topic(&who, Verb::Submit, "zigbee2mqtt/lamp"), Decision::Allow);
        assert_eq!(decide_topic(&who, Verb::Submit, "domovoiset/x"), Decision::Allow);
        for own in ["domovoi", "domovoi/", "domovoi/valve/set"] {
            assert_eq!(decide_topic(&who, Verb::Submit, own), refused, "{own}");
        }
        assert_eq!(decide_topic(&who, Verb::See, "home/+"), Decision::Allow);
        assert_eq!(decide_topic(&who, Verb::See, "#"), refused);
        assert_eq!(decide_topic(&who, Verb::Command, "home/x"), refused);
        assert_eq!(decide_topic(&credential(&[], &[]), Verb::Submit, "a"), refused);
        let locked = Who { locked: true, ..who };
        assert_eq!(decide_topic(&locked, Verb::Submit, "a"), Decision::Refuse(Refusal::Locked));
        let console = decide_topic(&Who::console(), Verb::Submit, "a");
        assert_eq!(console, Decision::Refuse(Refusal::Role), "the console publishes through the broker, as itself");
    }

    proptest::proptest! {
        /// What `covers` allows never brings a topic that the credential does not name.
        #[test]
        fn covering_is_sound(
            allowed in "([ab+$]/){0,3}[ab+#]",
            asked in "([ab+$]/){0,3}[ab+#]",
            topic in "([ab$]/){0,4}[ab]",
        ) {
            if covers(&allowed, &asked) && covers(&asked, &topic) {
                proptest::prop_assert!(covers(&allowed, &topic), "{} covers {} but not {}", allowed, asked, topic);
            }
        }

        /// For a name without wildcards, covering is what the broker calls matching.
        #[test]
        fn covering_a_name_is_matching_it(allowed in "([ab+$]/){0,3}[ab+#]", topic in "([ab$]/){0,4}[ab]") {
            proptest::prop_assert_eq!(covers(&allowed, &topic), domovoi_broker::matches(&allowed, &topic));
        }
    }
}
