//! What makers' clouds say, as people read it: what a cloud is called, what is asked for, how the link stands, why something
//! cannot be done.

use domovoi_config::Language;

use crate::clouds::{CloudView, CloudsError, LinkState};
use crate::words::words;

/// What a cloud is called.
pub fn title(name: &str, language: Language) -> String {
    words(language).say(&format!("cloud-name-{name}"), &[])
}

/// What a scope allows; one that nobody put into words by its name.
pub fn scope(cloud: &str, scope: &str, language: Language) -> String {
    let key = format!("cloud-scope-{cloud}-{}", scope.replace([':', '.', '_', '/'], "-"));
    let said = words(language).say(&key, &[]);
    if said == key { scope.to_owned() } else { said }
}

/// How it stands, in a sentence.
pub fn standing(view: &CloudView, language: Language) -> String {
    let say = |key: &str, variables: &[(&str, &str)]| words(language).say(key, variables);
    if !view.is_set {
        return say("cloud-not-set", &[("cloud", view.name)]);
    }
    match (&view.state, &view.trouble) {
        (LinkState::Unlinked, _) => say("cloud-unlinked", &[]),
        (LinkState::RelinkNeeded { why }, _) => say("cloud-relink", &[("why", why)]),
        (LinkState::Ending { why, .. }, _) => say("cloud-ending", &[("why", why)]),
        (LinkState::Linked { .. }, Some(why)) => say("cloud-away", &[("why", why)]),
        (LinkState::Linked { .. }, None) if view.looked_at.is_none() => say("cloud-not-looked-yet", &[]),
        (LinkState::Linked { .. }, None) => say("cloud-linked", &[]),
    }
}

/// Why something cannot be done.
pub fn error(error: &CloudsError, language: Language) -> String {
    let say = |key: &str, variables: &[(&str, &str)]| words(language).say(key, variables);
    match error {
        CloudsError::NoSuch("scenario") => say("cloud-no-scenario", &[]),
        CloudsError::NoSuch(_) => say("cloud-no-such", &[]),
        CloudsError::NotSet(name) => say("cloud-not-set", &[("cloud", name)]),
        CloudsError::Invalid(_) => say("cloud-code-wrong", &[]),
        CloudsError::Conflict(why) => say("cloud-conflict", &[("why", why)]),
        CloudsError::Cloud(why) => say("cloud-failed", &[("why", why)]),
        CloudsError::Store(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cloud_and_every_scope_has_words_in_both_languages() {
        for cloud in domovoi_adapters::clouds::CLOUDS {
            for language in [Language::Russian, Language::English] {
                assert!(!title(cloud.name, language).starts_with("cloud-name"), "{}", cloud.name);
                for one in cloud.link.scopes {
                    assert_ne!(scope(cloud.name, one, language), *one, "{}: {one}", cloud.name);
                }
            }
        }
    }
}
