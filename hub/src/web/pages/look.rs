//! How the pages look to this browser: colours and language, kept in cookies that say nothing about anybody.

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;

use super::form::Form;
use super::refusal::Fault;
use super::view::{LANGUAGE, THEME, THEMES};
use super::{go, next_address};
use crate::web::Desk;

/// A year.
const KEPT_SECONDS: u32 = 31_536_000;

/// Keeps what was chosen.
pub async fn choose(State(desk): State<Desk>, form: Form) -> Result<Response, Fault> {
    let mut response = go(next_address(form.text("next")));
    let languages = ["ru", "en"];
    for (cookie, chosen, known) in
        [(THEME, form.text("theme"), THEMES.as_slice()), (LANGUAGE, form.text("language"), languages.as_slice())]
    {
        if let Some(value) = known.iter().find(|value| **value == chosen) {
            let secure = if desk.front.secure { "; Secure" } else { "" };
            let text = format!("{cookie}={value}; Path=/; Max-Age={KEPT_SECONDS}; SameSite=Lax{secure}");
            if let Ok(value) = HeaderValue::from_str(&text) {
                response.headers_mut().append(header::SET_COOKIE, value);
            }
        }
    }
    Ok(response)
}
