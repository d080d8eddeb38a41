//! The few pages that the citizen sees. Plain HTML, Russian first; everything that came from outside is escaped. No
//! login and no script.

use axum::{
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};

fn in_words(scope: &str) -> &'static str {
    match scope {
        "accounts.read" => "видеть лицевые счета, приборы учёта и сроки передачи показаний",
        "acts.write" => "передавать подписанные показания и фотографии к ним",
        "acts.read" => "видеть, что стало с переданными показаниями",
        "charges.read" => "видеть начисления",
        "notifications.read" => "читать сообщения поставщиков",
        "notifications.write" => "отправлять сообщения от вашего дома и отмечать прочитанное",
        "alerts.read" => "получать экстренные оповещения",
        "devices.write" => "показывать выбранный вами список устройств",
        "requests.read" => "видеть заявки в управляющую компанию",
        "requests.write" => "подавать заявки в управляющую компанию",
        "openid" => "узнать, что это вы, чтобы впустить вас",
        "offline_access" => "оставаться на связи, когда вас нет у экрана",
        _ => "неизвестное право",
    }
}

pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

pub(crate) fn page(status: StatusCode, title: &str, inner: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"ru\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><style>body{{font:18px/1.5 sans-serif;max-width:40em;\
         margin:2em auto;padding:0 1em}}code{{font-size:2em;letter-spacing:.1em}}button,input{{font:inherit;\
         padding:.5em 1em}}</style></head><body><h1>{title}</h1>{inner}\
         <p><small>Учебный портал / Sandbox portal</small></p></body></html>"
    );
    // A page of another site must not frame the consent, nor learn its address.
    let headers = [
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (status, headers, Html(html)).into_response()
}

pub(crate) fn ask_for_code(hint: &str) -> Response {
    page(
        StatusCode::OK,
        "Связать устройство",
        &format!(
            "<p>{}</p><form method=\"get\" action=\"/oauth/device\"><label>Код с устройства / Code: \
             <input name=\"user_code\" autocomplete=\"off\" autofocus></label> <button>Дальше</button></form>",
            escaped(hint)
        ),
    )
}

/// `hidden` names what the form sends back beside the decision.
pub(crate) fn consent(
    client_id: &str,
    scopes: &[String],
    code: Option<&str>,
    action: &str,
    hidden: (&str, &str),
) -> Response {
    let code = code.map_or(String::new(), |code| {
        format!(
            "<p>Сравните код с тем, что показывает устройство / Compare the code:</p><p><code>{}</code></p>",
            escaped(code)
        )
    });
    let scopes: String = scopes
        .iter()
        .map(|scope| format!("<li>{} <small>({})</small></li>", in_words(scope), escaped(scope)))
        .collect();
    page(
        StatusCode::OK,
        "Разрешить доступ?",
        &format!(
            "{code}<p>Приложение <b>{}</b> просит разрешения / asks to:</p><ul>{scopes}</ul>\
             <form method=\"post\" action=\"{action}\"><input type=\"hidden\" name=\"{}\" value=\"{}\">\
             <button name=\"decision\" value=\"allow\">Разрешить / Allow</button> \
             <button name=\"decision\" value=\"deny\">Отказать / Deny</button></form>",
            escaped(client_id),
            hidden.0,
            escaped(hidden.1)
        ),
    )
}
