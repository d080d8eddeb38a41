//! Sentences for people, Russian and English, from the Fluent files in config/locales. Words only: which notice is
//! raised, and who hears it, is decided elsewhere.

use std::sync::LazyLock;

use domovoi_config::Language;
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use unic_langid::LanguageIdentifier;

macro_rules! files {
    ($language:literal) => {
        &[
            include_str!(concat!("../../config/locales/", $language, "/notices.ftl")),
            include_str!(concat!("../../config/locales/", $language, "/policy.ftl")),
            include_str!(concat!("../../config/locales/", $language, "/signin.ftl")),
            include_str!(concat!("../../config/locales/", $language, "/messages.ftl")),
            include_str!(concat!("../../config/locales/", $language, "/journal.ftl")),
            include_str!(concat!("../../config/locales/", $language, "/pages.ftl")),
            include_str!(concat!("../../config/locales/", $language, "/trust.ftl")),
            include_str!(concat!("../../config/locales/", $language, "/requests.ftl")),
            include_str!(concat!("../../config/locales/", $language, "/cameras.ftl")),
            include_str!(concat!("../../config/locales/", $language, "/alerts.ftl")),
            include_str!(concat!("../../config/locales/", $language, "/notify.ftl")),
            include_str!(concat!("../../config/locales/", $language, "/house.ftl")),
            include_str!(concat!("../../config/locales/", $language, "/channels.ftl")),
            include_str!(concat!("../../config/locales/", $language, "/calendar.ftl")),
            include_str!(concat!("../../config/locales/", $language, "/scenarios.ftl")),
            include_str!(concat!("../../config/locales/", $language, "/clouds.ftl")),
            include_str!(concat!("../../config/locales/", $language, "/insight.ftl")),
            include_str!(concat!("../../config/locales/", $language, "/mappings.ftl")),
            include_str!(concat!("../../config/locales/", $language, "/presence.ftl")),
        ]
    };
}

const RU: &[&str] = files!("ru");
const EN: &[&str] = files!("en");

/// The sentences of a language.
pub fn words(language: Language) -> &'static Words {
    static RUSSIAN: LazyLock<Words> = LazyLock::new(|| Words::new(Language::Russian));
    static ENGLISH: LazyLock<Words> = LazyLock::new(|| Words::new(Language::English));
    match language {
        Language::Russian => &RUSSIAN,
        Language::English => &ENGLISH,
    }
}

/// The sentences of one language.
pub struct Words(FluentBundle<FluentResource>);

impl Words {
    /// The files are compiled in and parsed by a test: what a broken line would leave out is named by its key instead.
    fn new(language: Language) -> Self {
        let files = match language {
            Language::Russian => RU,
            Language::English => EN,
        };
        let locale: LanguageIdentifier = language.code().parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![locale]);
        // Isolation marks are for pages that mix directions; in a terminal they are rubbish.
        bundle.set_use_isolating(false);
        for text in files {
            let resource = match FluentResource::try_new((*text).to_owned()) {
                Ok(resource) | Err((resource, _)) => resource,
            };
            let _ = bundle.add_resource(resource);
        }
        Words(bundle)
    }

    /// A sentence; one that is missing, or misses a variable, is named by its key.
    pub fn say(&self, key: &str, variables: &[(&str, &str)]) -> String {
        let mut args = FluentArgs::new();
        for (name, value) in variables {
            // A number is handed on as one, so that plural forms work.
            match value.parse::<i64>() {
                Ok(number) if number.to_string() == *value => args.set((*name).to_owned(), number),
                _ => args.set((*name).to_owned(), (*value).to_owned()),
            }
        }
        self.sentence(key, Some(&args)).unwrap_or_else(|| key.to_owned())
    }

    /// The sentence of a notice. A kind without a sentence is named by its code, with its parameters.
    pub fn notice(&self, kind: &str, params: &[(String, String)]) -> String {
        let mut args = FluentArgs::new();
        for (name, value) in params {
            let value = if name == "state" { self.plain(&format!("state-{value}")) } else { value.clone() };
            args.set(name.clone(), value);
        }
        match self.sentence(&format!("notice-{}", kind.replace('_', "-")), Some(&args)) {
            Some(sentence) => sentence,
            None => {
                let params: Vec<String> = params.iter().map(|(name, value)| format!("{name}: {value}")).collect();
                format!("{kind} {}", params.join(", "))
            }
        }
    }

    fn plain(&self, key: &str) -> String {
        self.sentence(key, None).unwrap_or_else(|| key.to_owned())
    }

    fn sentence(&self, key: &str, args: Option<&FluentArgs<'_>>) -> Option<String> {
        let pattern = self.0.get_message(key)?.value()?;
        let mut errors = Vec::new();
        let text = self.0.format_pattern(pattern, args, &mut errors).into_owned();
        errors.is_empty().then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_are_fluent_and_fill_in_their_parameters() {
        for text in [RU, EN].concat() {
            assert!(FluentResource::try_new(text.to_owned()).is_ok());
        }
        let params = [("account", "Водоканал 771"), ("period", "2026-11"), ("until", "2026-12-03"), ("state", "sent")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let ru = Words::new(Language::Russian).notice("not_confirmed", &params);
        assert_eq!(
            ru,
            "Водоканал 771: показания за 2026-11 ещё не подтверждены (сейчас: отправлен). Приём до 2026-12-03."
        );
        let en = Words::new(Language::English).notice("not_confirmed", &params);
        assert!(en.contains("(now: sent)"), "{en}");
    }

    /// Every kind that the rooms raise has a sentence in both languages.
    #[test]
    fn no_notice_is_without_words() {
        let sources = [
            include_str!("metering/clerk.rs"),
            include_str!("metering/mod.rs"),
            include_str!("metering/insight/watch.rs"),
            include_str!("recorder.rs"),
            include_str!("safety/mute.rs"),
            include_str!("safety/start.rs"),
            include_str!("safety/record.rs"),
            include_str!("safety/mod.rs"),
            include_str!("portal/outbox/mod.rs"),
            include_str!("portal/outbox/readiness.rs"),
            include_str!("signin/news.rs"),
            include_str!("certificates/renewal.rs"),
            include_str!("house/without.rs"),
            include_str!("devices/upkeep.rs"),
            include_str!("devices/tidings.rs"),
            include_str!("clouds/notices.rs"),
            include_str!("notify/engine.rs"),
        ];
        let kinds = [
            "clock_untrusted",
            "supplier_unknown",
            "reading_missing",
            "read_meter",
            "not_confirmed",
            "window_missed",
            "journal_damaged",
            "history_damaged",
            "broker_log_damaged",
            "disk_nearly_full",
            "disk_full",
            "disk_failing",
            "portal_differs",
            "reading_rejected",
            "photo_refused",
            "window_closed",
            "act_refused",
            "relink_needed",
            "not_linked",
            "account_pending",
            "account_blocked",
            "ledger_damaged",
            "left_out",
            "key_refused",
            "scope_missing",
            "sign_in_attacked",
            "certificate_unusable",
            "certificate_ending",
            "certificate_not_renewed",
            "certificate_authority_new",
            "cloud_relink",
            "cloud_away",
            "cloud_vanished",
            "devices_damaged",
            "credentials_damaged",
            "credential_ending",
            "credential_ended",
            "danger_gas",
            "danger_carbon_monoxide",
            "danger_smoke",
            "danger_water_leak",
            "danger_freezing",
            "danger_silence",
            "danger_unaccepted",
            "danger_over",
            "device_unanswered",
            "device_not_told",
            "device_undone",
            "device_left",
            "device_accept_again",
            "safety_rule_mute",
            "safety_device_undescribed",
            "safety_siren_unsilenced",
            "safety_accept_again",
            "safety_rules_unreadable",
            "opened_without",
            "telling_way_failing",
            "device_warns_battery",
            "device_warns_tamper",
            "device_warns_fault",
            "device_warns_overload",
            "device_warns_leak",
            "device_warns_backflow",
            "device_warns_burst",
            "device_warns_frost",
            "device_silent",
            "meter_silent",
            "meter_key_missing",
            "meter_key_wrong",
            "meter_cipher_unknown",
        ];
        for kind in kinds {
            assert!(sources.iter().any(|source| source.contains(&format!("\"{kind}\""))), "{kind} is raised by nobody");
            let key = format!("notice-{} =", kind.replace('_', "-"));
            assert!([RU, EN].iter().all(|files| files.iter().any(|text| text.contains(&key))), "{key}");
        }
    }
}
