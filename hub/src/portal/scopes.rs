//! What each permission means, in words for the owner, shown before linking. Knows the scopes of portal-api.yaml.

/// scope, Russian, English; in the order in which a person should read them.
const WORDS: [(&str, &str, &str); 11] = [
    (
        "accounts.read",
        "Видеть лицевые счета, точки учёта и сроки подачи показаний",
        "See the accounts, metering points and submission windows",
    ),
    (
        "acts.write",
        "Подавать подписанные показания счётчиков и фотографии к ним",
        "Hand in signed meter readings and the photos that go with them",
    ),
    ("acts.read", "Узнавать, что стало с поданными показаниями", "See what became of the readings handed in"),
    ("charges.read", "Видеть начисления к оплате", "See what is to be paid"),
    ("notifications.read", "Читать сообщения поставщиков и портала", "Read messages of the suppliers and the portal"),
    (
        "notifications.write",
        "Отправлять сообщения от имени этого дома и отмечать сообщения прочитанными",
        "Send messages of this home and mark messages as read",
    ),
    ("alerts.read", "Получать экстренные оповещения для дома", "Receive emergency alerts for the home"),
    ("devices.write", "Показывать выбранный вами список устройств", "Show the list of devices that you chose"),
    ("requests.read", "Видеть заявки в службы", "See the requests to services"),
    ("requests.write", "Подавать заявки в службы", "Make requests to services"),
    ("offline_access", "Сохранять связь, когда у экрана никого нет", "Keep the link when nobody is at the screen"),
];

/// Every scope of the contract.
pub(crate) fn all_names() -> Vec<String> {
    WORDS.iter().map(|(name, _, _)| (*name).to_owned()).collect()
}

/// Each scope with what it means in Russian and in English. One that is not known says so, rather than being left out.
pub fn scopes_in_words(scopes: &[String]) -> Vec<(String, String, String)> {
    scopes
        .iter()
        .map(|scope| match WORDS.iter().find(|(name, _, _)| name == scope) {
            Some((_, ru, en)) => (scope.clone(), (*ru).to_owned(), (*en).to_owned()),
            None => (
                scope.clone(),
                format!("Разрешение «{scope}», которого эта программа не знает"),
                format!("The permission \"{scope}\", which this program does not know"),
            ),
        })
        .collect()
}

/// What was asked for and not granted. Two scopes are seen by what they bring rather than in a token's own list:
/// `offline_access` by a refresh token, `openid` by the subject of an id token.
pub(crate) fn missing(asked: &[String], granted: &[String], has_refresh_token: bool, has_subject: bool) -> Vec<String> {
    let brought = |scope: &str| match scope {
        "offline_access" => has_refresh_token,
        "openid" => has_subject,
        _ => false,
    };
    asked.iter().filter(|scope| !granted.contains(scope) && !brought(scope)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_has_words_in_both_languages() {
        let words = scopes_in_words(&all_names());
        assert_eq!(words.len(), 11);
        for (name, ru, en) in words {
            assert!(ru.chars().any(|c| ('а'..='я').contains(&c)), "{name}: {ru}");
            assert!(!en.is_empty() && en.is_ascii(), "{name}: {en}");
        }
        let unknown = scopes_in_words(&["medical_records".to_owned()]);
        assert!(unknown[0].1.contains("medical_records") && unknown[0].2.contains("medical_records"));
    }

    #[test]
    fn what_is_missing_is_said() {
        let asked: Vec<String> = ["acts.write", "charges.read", "offline_access"].map(String::from).into();
        let granted = vec!["acts.write".to_owned()];
        assert_eq!(missing(&asked, &granted, true, false), ["charges.read"]);
        assert_eq!(missing(&asked, &granted, false, false), ["charges.read", "offline_access"]);
    }
}
