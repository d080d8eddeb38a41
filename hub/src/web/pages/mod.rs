//! The page: HTML made here, styles and scripts beside it, all embedded; works without JavaScript. It calls the rooms as
//! the API does and knows no rule of its own.

mod acts;
mod assets;
mod entry;
mod form;
mod home;
mod look;
mod meters;
mod multipart;
mod refusal;
mod said;
mod setup;
mod signin;
mod trouble;
mod trust;
mod view;
mod words_of;

use askama::Template;
use axum::http::{Method, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};

use super::origin::own_path;
use super::{Desk, Doors, rule};
use crate::policy::{Kind, Verb};

pub use assets::serve as asset;
pub use refusal::{no_such_page, refusal};
pub use trust::show as trust;
pub use view::View;

/// The largest form taken, except for photos.
const MAX_FORM: usize = 128 * 1024;

/// A reading with its photo.
const MAX_PHOTO_FORM: usize = 6 << 20;

/// Every door of the page.
pub fn doors(desk: &Desk) -> Doors {
    let inside = threshold(desk).and(readings(desk));
    inside.dressed(|router| router.layer(from_fn_with_state(desk.clone(), refusal::dress)))
}

/// What stands before signing in.
fn threshold(desk: &Desk) -> Doors {
    use Kind::{Session, Threshold};
    use Verb::{Command, See};
    let (get, post) = (Method::GET, Method::POST);
    Doors::new(desk, MAX_FORM)
        .door(&get, "/assets/{file}", rule(See, Threshold), assets::serve)
        .door(&get, "/setup", rule(See, Threshold), setup::show)
        .door(&post, "/setup", rule(See, Threshold), setup::set_up)
        .door(&get, "/entry", rule(See, Threshold), entry::show)
        .door(&post, "/entry", rule(See, Threshold), entry::enter)
        .door(&get, "/sign-in", rule(See, Threshold), signin::show)
        .door(&post, "/sign-in", rule(See, Threshold), signin::with_password)
        .door(&post, "/sign-in/second", rule(See, Threshold), signin::second_factor)
        .door(&get, "/sign-in/code", rule(See, Threshold), signin::show_code)
        .door(&post, "/sign-in/code/sent", rule(See, Threshold), signin::send_code)
        .door(&post, "/sign-in/code", rule(See, Threshold), signin::with_code)
        .door(&post, "/sign-in/pin", rule(See, Threshold), signin::with_pin)
        .door(&post, "/sign-out", rule(Command, Session).mine().deed("session.ended"), signin::sign_out)
        .door(&post, "/look", rule(See, Threshold), look::choose)
}

/// The front page, and the way of a reading.
fn readings(desk: &Desk) -> Doors {
    use Kind::{Act, Home, Meter, Notice};
    use Verb::{Edit, See, Submit};
    let (get, post) = (Method::GET, Method::POST);
    let clear = rule(Edit, Notice).which("key").deed("notice.cleared");
    let submit = rule(Submit, Meter).which("point").deed("reading.submitted");
    let approve = rule(Submit, Act).which("act").dangerous().deed("act.approved");
    let correct = rule(Submit, Act).which("act").dangerous().deed("act.corrected");
    Doors::new(desk, MAX_FORM)
        .door(&get, "/", rule(See, Home), home::show)
        .door(&post, "/notices/{key}/clear", clear, home::clear_notice)
        .door(&get, "/meters", rule(See, Meter), meters::list)
        .door(&get, "/meters/{point}", rule(See, Meter).which("point"), meters::show)
        .door(&post, "/readings/{row}/decision", rule(Edit, Meter).deed("reading.decided"), meters::decide)
        .door(&get, "/acts", rule(See, Act), acts::list)
        .door(&get, "/acts/{act}", rule(See, Act).which("act"), acts::show)
        .door(&post, "/acts/{act}/approval", approve, acts::approve)
        .door(&post, "/acts/{act}/correction", correct, acts::correct)
        .with_limit(MAX_PHOTO_FORM)
        .door(&post, "/meters/{point}/readings", submit, meters::submit)
}

/// A page of a template.
fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        // Nothing that a page shows may lie in a cache: it is a household's, and the next reader may be another.
        Ok(html) => {
            let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
            (status, headers, html).into_response()
        }
        Err(error) => {
            tracing::error!("a template failed: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A page that is as it should be.
fn shown(template: &impl Template) -> Response {
    page(StatusCode::OK, template)
}

/// The form again, with what was wrong in it.
fn wrong(template: &impl Template) -> Response {
    page(StatusCode::UNPROCESSABLE_ENTITY, template)
}

/// On to another page of ours, after a form.
fn go(address: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response()
}

/// The address that a sign-in goes on to: a path of ours, or the front page.
fn next_address(text: &str) -> &str {
    own_path(text).unwrap_or("/")
}
