//! Radio meters that encrypt what they say: which were heard, whose keys were given, and a place to give one. A key is typed
//! and never shown.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;

use super::form::Form;
use super::refusal::Fault;
use super::trouble::Trouble;
use super::view::View;
use super::{go, shown, wrong};
use crate::audit::Note;
use crate::ingest::{KeyRefused, meter_key, meter_number};
use crate::policy::{Kind, Object, Verb};
use crate::web::api::{LockedView, locked_meters};
use crate::web::{Desk, mapping_words as said};

#[derive(Template)]
#[template(path = "meter-keys.html")]
struct MeterKeysPage {
    v: View,
    trouble: Trouble,
    meters: Vec<LockedView>,
    keys: Vec<String>,
    meter: String,
    /// What the key that was just given makes of what was heard.
    checked: Option<String>,
    edits: bool,
}

fn page(desk: &Desk, view: View) -> MeterKeysPage {
    MeterKeysPage {
        meters: locked_meters(desk, view.language()),
        keys: desk.ingest.meter_keys(),
        meter: String::new(),
        checked: None,
        trouble: Trouble::default(),
        edits: view.may(Verb::Edit, &Object::all(Kind::Secret)),
        v: view,
    }
}

pub async fn show(State(desk): State<Desk>, view: View) -> Response {
    shown(&page(&desk, view))
}

pub async fn set(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    view: View,
    form: Form,
) -> Result<Response, Fault> {
    let language = view.language();
    let meter = form.text("meter").to_owned();
    let kept = match meter_key(&form.secret("key")) {
        Some(key) => desk.ingest.set_meter_key(&meter, &key).await,
        None => Err(KeyRefused::NoKey),
    };
    match kept {
        Ok(check) => {
            note.change("name", None, meter_number(&meter));
            note.change("state", None, Some(check.code().to_owned()));
            let mut page = page(&desk, view);
            page.checked = Some(said::checked(check, language));
            Ok(shown(&page))
        }
        Err(KeyRefused::Store(error)) => Err(error.into()),
        Err(error) => {
            let field = if matches!(error, KeyRefused::NoMeter) { "meter" } else { "key" };
            let mut page = page(&desk, view);
            page.trouble = Trouble::at(field, said::key_refused(&error, language));
            page.meter = meter;
            Ok(wrong(&page))
        }
    }
}

pub async fn forget(State(desk): State<Desk>, Extension(note): Extension<Note>, form: Form) -> Result<Response, Fault> {
    match desk.ingest.forget_meter_key(form.text("meter")).await {
        Ok(true) => {
            note.change("name", meter_number(form.text("meter")), None);
            Ok(go("/meter-keys"))
        }
        Ok(false) | Err(KeyRefused::NoMeter | KeyRefused::NoKey) => Err(Fault::NotFound),
        Err(KeyRefused::Store(error)) => Err(error.into()),
    }
}
