//! What the house itself raises: the dangers that the reflex feels, and the notices of the other rooms. Tables; pure.

use domovoi_config::Language;
use domovoi_model::{
    AlertCategory, AlertOrigin, AlertStatus, AlertText, AlertUrgency, Certainty, DeviceRef, Moment, Peril, Severity,
    Timestamp,
};
use domovoi_store::OpenNotice;

use crate::bus::SafetyNews;
use crate::words::words;

/// An alert of the home itself.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnAlert {
    /// Whose.
    pub origin: AlertOrigin,
    /// One danger, one notice: what it is ended by.
    pub key: String,
    /// In earnest or a test.
    pub status: AlertStatus,
    /// How bad.
    pub severity: Severity,
    /// How soon.
    pub urgency: AlertUrgency,
    /// How sure.
    pub certainty: Certainty,
    /// Its kind.
    pub category: AlertCategory,
    /// What it is.
    pub peril: Peril,
    /// Somebody may die of not hearing it now.
    pub life: bool,
    /// What it says, in each language.
    pub texts: Vec<AlertText>,
    /// The device it is about.
    pub device: Option<DeviceRef>,
    /// The room it is about.
    pub room: Option<String>,
    /// Who says so.
    pub sender: String,
    /// Until when, if that is known.
    pub expires: Option<Timestamp>,
    /// Since when, if that is known.
    pub at: Option<Moment>,
}

/// The key of a danger: what began under it is over under it.
pub(super) fn danger_key(danger: &str, device: Option<&DeviceRef>, property: &str, test: bool) -> String {
    let device = device.map(ToString::to_string).unwrap_or_default();
    format!("{danger}:{device}:{property}{}", if test { ":test" } else { "" })
}

/// What a danger is: peril, severity, urgency, category, and whether life hangs on it.
fn danger(code: &str) -> (Peril, Severity, AlertUrgency, AlertCategory, bool) {
    use AlertCategory as C;
    use AlertUrgency as U;
    match code {
        "gas" => (Peril::Gas, Severity::Extreme, U::Immediate, C::Safety, true),
        "carbon-monoxide" => (Peril::CarbonMonoxide, Severity::Extreme, U::Immediate, C::Safety, true),
        "smoke" => (Peril::Smoke, Severity::Extreme, U::Immediate, C::Fire, true),
        "water-leak" => (Peril::WaterLeak, Severity::Severe, U::Immediate, C::Safety, true),
        "freezing" => (Peril::Freezing, Severity::Severe, U::Expected, C::Safety, false),
        // A sensor that is silent warns nobody.
        _ => (Peril::Device, Severity::Moderate, U::Expected, C::Infra, false),
    }
}

/// What the reflex felt. Of a sensor that nobody has accepted it is not known what it is: it is told, and wakes nobody.
pub(super) fn hazard(news: &SafetyNews, room: Option<String>) -> Option<OwnAlert> {
    let code = news.danger?;
    let (peril, severity, urgency, category, life) = danger(code);
    let is_actual = !news.test;
    let accepted = news.accepted;
    let key = if accepted { code } else { "unaccepted" };
    let is_late =
        news.device.as_ref().is_some_and(|device| domovoi_adapters::clouds::speaking(&device.dialect).is_some());
    let text = |language: Language| {
        let words = words(language);
        let named = [("sensor", news.name.as_str()), ("danger", code)];
        let say = |part: &str| words.say(&format!("alert-hazard-{key}{part}"), &named);
        AlertText {
            language: language.code().to_owned(),
            event: words.say(&format!("alert-hazard-{code}-event"), &[]),
            headline: say(""),
            // What a maker's cloud passes on was so a while ago, and nobody knows for how long.
            description: if is_late { words.say("alert-hazard-late", &[]) } else { String::new() },
            instruction: String::new(),
        }
    };
    Some(OwnAlert {
        origin: AlertOrigin::Hazard,
        key: danger_key(code, news.device.as_ref(), &news.property, news.test),
        status: if is_actual { AlertStatus::Actual } else { AlertStatus::Test },
        severity: if accepted { severity } else { Severity::Moderate },
        urgency: if accepted { urgency } else { AlertUrgency::Unknown },
        certainty: if accepted { Certainty::Observed } else { Certainty::Possible },
        category,
        peril,
        life: life && is_actual && accepted,
        texts: vec![text(Language::Russian), text(Language::English)],
        device: news.device.clone(),
        room,
        sender: news.name.clone(),
        expires: None,
        at: news.at,
    })
}

/// What becomes of a kind of notice: its origin, severity and peril. `None`: it is told in another way.
type Row = (&'static str, Option<(AlertOrigin, Severity, Peril)>);

use AlertOrigin as O;
use Peril as P;
use Severity as S;

/// Every kind of notice that the rooms raise. A kind that is not here is the house's, and minor; a test compares the table
/// with the words of notices.
#[rustfmt::skip]
const NOTICES: &[Row] = &[
    // Dangers are told by the reflex, before they are notices; their end ends the alert.
    ("danger_gas", None),
    ("danger_carbon_monoxide", None),
    ("danger_smoke", None),
    ("danger_water_leak", None),
    ("danger_freezing", None),
    ("danger_silence", None),
    ("danger_unaccepted", None),
    ("danger_over", None),
    // Good news is no alert.
    ("camera_back", None),

    ("device_unanswered",         Some((O::Device, S::Severe, P::Device))),
    ("device_not_told",           Some((O::Device, S::Severe, P::Device))),
    ("device_undone",             Some((O::Device, S::Severe, P::Device))),
    ("device_left",               Some((O::Device, S::Severe, P::Device))),
    ("device_accept_again",       Some((O::Device, S::Moderate, P::Device))),
    ("safety_rule_mute",          Some((O::Device, S::Severe, P::Device))),
    ("safety_device_undescribed", Some((O::Device, S::Moderate, P::Device))),
    ("safety_siren_unsilenced",   Some((O::Device, S::Minor, P::Device))),
    ("safety_accept_again",       Some((O::Device, S::Moderate, P::Device))),
    ("safety_rules_unreadable",   Some((O::House, S::Severe, P::Hub))),
    ("devices_damaged",           Some((O::House, S::Moderate, P::Hub))),

    ("device_warns_battery",     Some((O::Device, S::Minor, P::Device))),
    ("device_warns_tamper",      Some((O::Security, S::Moderate, P::Device))),
    ("device_warns_fault",       Some((O::Device, S::Minor, P::Device))),
    ("device_warns_overload",    Some((O::Device, S::Severe, P::Device))),
    ("device_warns_leak",        Some((O::Device, S::Moderate, P::Device))),
    ("device_warns_backflow",    Some((O::Device, S::Moderate, P::Device))),
    ("device_warns_burst",       Some((O::Device, S::Severe, P::Device))),
    ("device_warns_frost",       Some((O::Device, S::Moderate, P::Device))),
    ("device_silent",            Some((O::Device, S::Minor, P::Device))),
    ("meter_silent",             Some((O::Metering, S::Moderate, P::Meter))),
    ("meter_key_missing",        Some((O::Metering, S::Minor, P::Meter))),
    ("meter_key_wrong",          Some((O::Metering, S::Minor, P::Meter))),
    ("meter_cipher_unknown",     Some((O::Metering, S::Minor, P::Meter))),

    ("camera_offline",            Some((O::Camera, S::Moderate, P::Camera))),
    ("camera_certificate",        Some((O::Security, S::Severe, P::Camera))),
    ("camera_clock",              Some((O::Camera, S::Minor, P::Camera))),
    ("camera_moved",              Some((O::Camera, S::Minor, P::Camera))),
    ("camera_may_be",             Some((O::Camera, S::Minor, P::Camera))),
    ("camera_firmware_old",       Some((O::Camera, S::Minor, P::Camera))),
    ("camera_certificate_ends",   Some((O::Camera, S::Minor, P::Camera))),
    ("camera_behind",             Some((O::Camera, S::Moderate, P::Camera))),
    ("camera_damaged",            Some((O::Camera, S::Moderate, P::Camera))),
    ("camera_paused_quota",       Some((O::Camera, S::Moderate, P::Camera))),
    ("camera_paused_disk",        Some((O::Camera, S::Moderate, P::Camera))),
    ("camera_keeps_less_quota",   Some((O::Camera, S::Minor, P::Camera))),
    ("camera_keeps_less_disk",    Some((O::Camera, S::Minor, P::Camera))),
    ("camera_archive_absent",     Some((O::Camera, S::Severe, P::Camera))),
    ("camera_archive_other",      Some((O::Camera, S::Severe, P::Camera))),
    ("camera_archive_failing",    Some((O::Camera, S::Severe, P::Camera))),
    ("camera_files_set_aside",    Some((O::Camera, S::Minor, P::Camera))),
    ("camera_place_failing",      Some((O::Camera, S::Moderate, P::Camera))),
    ("camera_place_strangers",    Some((O::Camera, S::Minor, P::Camera))),

    ("reading_missing",           Some((O::Metering, S::Minor, P::Meter))),
    ("read_meter",                Some((O::Metering, S::Minor, P::Meter))),
    ("reading_rejected",          Some((O::Metering, S::Moderate, P::Meter))),
    ("photo_refused",             Some((O::Metering, S::Minor, P::Meter))),
    ("supplier_unknown",          Some((O::Metering, S::Moderate, P::Meter))),
    ("left_out",                  Some((O::Metering, S::Minor, P::Meter))),
    ("water_may_leak",            Some((O::Metering, S::Moderate, P::Meter))),
    ("use_unusual",               Some((O::Metering, S::Minor, P::Meter))),
    ("readings_stopped",          Some((O::Metering, S::Minor, P::Meter))),
    ("flat_cold",                 Some((O::Metering, S::Moderate, P::Meter))),
    ("ledger_damaged",            Some((O::House, S::Severe, P::Hub))),

    ("not_confirmed",             Some((O::Submission, S::Moderate, P::Meter))),
    ("window_missed",             Some((O::Submission, S::Moderate, P::Meter))),
    ("window_closed",             Some((O::Submission, S::Moderate, P::Meter))),
    ("act_refused",               Some((O::Submission, S::Moderate, P::Meter))),
    ("portal_differs",            Some((O::Submission, S::Moderate, P::Meter))),
    ("relink_needed",             Some((O::Submission, S::Moderate, P::Account))),
    ("not_linked",                Some((O::Submission, S::Minor, P::Account))),
    ("account_pending",           Some((O::Submission, S::Minor, P::Account))),
    ("account_blocked",           Some((O::Submission, S::Moderate, P::Account))),
    ("key_refused",               Some((O::Submission, S::Moderate, P::Account))),
    ("scope_missing",             Some((O::Submission, S::Minor, P::Account))),

    ("sign_in_attacked",          Some((O::Security, S::Severe, P::Account))),
    ("credential_ending",         Some((O::Security, S::Minor, P::Account))),
    ("credential_ended",          Some((O::Security, S::Moderate, P::Account))),
    ("credentials_damaged",       Some((O::Security, S::Severe, P::Account))),
    ("certificate_authority_new", Some((O::Security, S::Minor, P::Account))),
    ("certificate_unusable",      Some((O::House, S::Moderate, P::Hub))),
    ("certificate_ending",        Some((O::House, S::Minor, P::Hub))),
    ("certificate_not_renewed",   Some((O::House, S::Moderate, P::Hub))),

    ("cloud_relink",              Some((O::House, S::Moderate, P::Account))),
    ("cloud_away",                Some((O::House, S::Minor, P::Other))),
    ("cloud_vanished",            Some((O::Device, S::Minor, P::Other))),

    ("disk_nearly_full",          Some((O::House, S::Moderate, P::Hub))),
    ("disk_full",                 Some((O::House, S::Severe, P::Hub))),
    ("disk_failing",              Some((O::House, S::Severe, P::Hub))),
    ("clock_untrusted",           Some((O::House, S::Moderate, P::Hub))),
    ("journal_damaged",           Some((O::House, S::Severe, P::Hub))),
    ("history_damaged",           Some((O::House, S::Moderate, P::Hub))),
    ("broker_log_damaged",        Some((O::House, S::Moderate, P::Hub))),
    ("opened_without",            Some((O::House, S::Severe, P::Hub))),
    ("scenario_not_allowed",      Some((O::House, S::Moderate, P::Hub))),
    ("scenario_too_often",        Some((O::House, S::Minor, P::Hub))),
];

/// The origins that notices have: an alert of one of these, whose key begins as theirs do, is over with its notice.
pub(super) const NOTICE: &str = "notice:";

/// The alert that a notice is; `None`: it is told in another way.
pub(super) fn notice(open: &OpenNotice) -> Option<OwnAlert> {
    let kind = open.notice.kind.as_str();
    let (origin, severity, peril) = match NOTICES.iter().find(|(name, _)| *name == kind) {
        Some((_, row)) => (*row)?,
        None => (AlertOrigin::House, Severity::Minor, Peril::Other),
    };
    let text = |language: Language| {
        let said = words(language).notice(kind, &open.notice.params);
        let headline: String = said.chars().take(500).collect();
        AlertText {
            language: language.code().to_owned(),
            event: words(language).say(&format!("alert-origin-{}", origin.code()), &[]),
            headline,
            description: String::new(),
            instruction: String::new(),
        }
    };
    Some(OwnAlert {
        origin,
        key: format!("{NOTICE}{}", open.key),
        status: AlertStatus::Actual,
        severity,
        urgency: if severity >= Severity::Severe { AlertUrgency::Expected } else { AlertUrgency::Future },
        certainty: Certainty::Observed,
        category: if origin == AlertOrigin::Security { AlertCategory::Security } else { AlertCategory::Infra },
        peril,
        life: false,
        texts: vec![text(Language::Russian), text(Language::English)],
        device: None,
        room: None,
        sender: String::new(),
        expires: None,
        at: Some(open.notice.at),
    })
}

/// A feed that cannot be read for long.
pub(super) fn silent_feed(key: String, feed: &str, code: &str, detail: &str) -> OwnAlert {
    let text = |language: Language| {
        let words = words(language);
        AlertText {
            language: language.code().to_owned(),
            event: words.say("alert-feed-silent-event", &[]),
            headline: words.say("alert-feed-silent", &[("feed", feed)]),
            description: words.say(&format!("alert-feed-{code}"), &[("detail", detail)]),
            instruction: String::new(),
        }
    };
    OwnAlert {
        origin: AlertOrigin::House,
        key,
        status: AlertStatus::Actual,
        severity: Severity::Moderate,
        urgency: AlertUrgency::Future,
        certainty: Certainty::Observed,
        category: AlertCategory::Infra,
        peril: Peril::Hub,
        life: false,
        texts: vec![text(Language::Russian), text(Language::English)],
        device: None,
        room: None,
        sender: String::new(),
        expires: None,
        at: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every sentence of a notice has a row, and every row a sentence: a new kind cannot be forgotten here.
    #[test]
    fn every_kind_of_notice_has_its_row() {
        let sources = [
            include_str!("../../../config/locales/ru/notices.ftl"),
            include_str!("../../../config/locales/en/notices.ftl"),
        ];
        for source in sources {
            let kinds = source.lines().filter_map(|line| line.strip_prefix("notice-")?.split_once(" ="));
            let kinds: Vec<String> = kinds.map(|(kind, _)| kind.replace('-', "_")).collect();
            for kind in &kinds {
                assert!(NOTICES.iter().any(|(name, _)| name == kind), "{kind} has no row");
            }
            for (name, _) in NOTICES {
                assert!(kinds.iter().any(|kind| kind == name), "{name} is no notice");
            }
        }
    }

    #[test]
    fn an_unknown_kind_is_the_house_s_and_minor() {
        let of = |kind: &str| {
            notice(&OpenNotice {
                key: "k".into(),
                notice: domovoi_store::Notice {
                    kind: kind.into(),
                    params: vec![("camera".into(), "Двор".into()), ("why".into(), "unreachable".into())],
                    at: Moment::Wall(Timestamp(0)),
                },
            })
        };
        let strange = of("never_heard_of").unwrap();
        assert_eq!((strange.origin, strange.severity, strange.life), (AlertOrigin::House, Severity::Minor, false));
        let camera = of("camera_offline").unwrap();
        assert_eq!(
            (camera.origin, camera.peril, camera.key.as_str()),
            (AlertOrigin::Camera, Peril::Camera, "notice:k")
        );
        assert!(camera.texts[0].headline.contains("Двор") && camera.texts[1].language == "en");
        assert_eq!(of("danger_gas"), None);
    }
}
