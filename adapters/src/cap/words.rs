//! The words of CAP's lists, whatever their case, and what people write instead.

use domovoi_model::{AlertCategory, AlertStatus, AlertUrgency, Certainty, Severity};

use super::MessageType;

/// Lower case, without what stands between words.
pub(super) fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

pub(super) fn severity(text: &str) -> Option<Severity> {
    Severity::from_code(&plain(text))
}

pub(super) fn urgency(text: &str) -> Option<AlertUrgency> {
    AlertUrgency::from_code(&plain(text))
}

pub(super) fn certainty(text: &str) -> Option<Certainty> {
    match plain(text).as_str() {
        // CAP 1.0.
        "verylikely" => Some(Certainty::Likely),
        word => Certainty::from_code(word),
    }
}

pub(super) fn category(text: &str) -> Option<AlertCategory> {
    match plain(text).as_str() {
        // NWS and CAP 1.0 have it as "CBRNE"; some write what the letters mean.
        "cbrn" | "chemical" | "nuclear" | "radiological" | "biological" => Some(AlertCategory::Cbrne),
        "weather" | "meteo" | "meteorological" => Some(AlertCategory::Met),
        "environment" | "environmental" => Some(AlertCategory::Env),
        "infrastructure" => Some(AlertCategory::Infra),
        word => AlertCategory::from_code(word),
    }
}

pub(super) fn kind(text: &str) -> Option<MessageType> {
    Some(match plain(text).as_str() {
        "alert" => MessageType::Alert,
        "update" => MessageType::Update,
        "cancel" | "cancelled" | "canceled" => MessageType::Cancel,
        "ack" | "acknowledge" => MessageType::Ack,
        "error" => MessageType::Error,
        _ => return None,
    })
}

/// What a message is for; `Ok(None)` is a draft, `Err` an unknown word, which is taken in earnest unless it speaks of a trial.
pub(super) fn status(text: &str) -> Result<Option<AlertStatus>, AlertStatus> {
    let word = plain(text);
    if word == "draft" {
        return Ok(None);
    }
    if let Some(status) = AlertStatus::from_code(&word) {
        return Ok(Some(status));
    }
    let has = |parts: &[&str]| parts.iter().any(|part| word.contains(part));
    if has(&["exercise", "drill", "practice", "учени", "тренир"]) {
        return Err(AlertStatus::Exercise);
    }
    Err(if has(&["test", "тест", "проверк"]) { AlertStatus::Test } else { AlertStatus::Actual })
}
