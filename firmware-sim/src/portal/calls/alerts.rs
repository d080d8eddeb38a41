//! Emergency alerts: an Atom feed (RFC 4287) whose entries link to CAP 1.2 documents, which are handed out as they were
//! published. Nothing is parsed here; a test may publish nonsense.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::portal::{Portal, guard::authorise, jose::sha256_hex, oauth::pages::escaped, problem::Problem};

pub(crate) async fn get_feed(State(portal): State<Arc<Portal>>, request: Request) -> Result<Response, Problem> {
    let parts = request.into_parts().0;
    authorise(&portal, &parts, "alerts.read")?;
    let api = format!("{}/api/v1", portal.base_url);
    let entries: String = portal.read(|state| {
        let entry = |(id, cap): &(String, String)| {
            let (id, version) = (escaped(id), sha256_hex(cap));
            format!(
                "<entry><id>urn:sandbox:{id}:{version}</id><title>{id}</title><updated>1970-01-01T00:00:00Z</updated>\
                 <link rel=\"alternate\" type=\"application/cap+xml\" href=\"{api}/alerts/{id}\"/></entry>"
            )
        };
        state.alerts.iter().map(entry).collect()
    });
    let etag = format!("\"{}\"", sha256_hex(&entries));
    let known = parts.headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if known.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let updated = portal.spelt(portal.now_ms());
    let feed = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><feed xmlns=\"http://www.w3.org/2005/Atom\"><id>{api}/alerts</id>\
         <title>Экстренные оповещения</title><updated>{updated}</updated>{entries}</feed>"
    );
    Ok(([(header::CONTENT_TYPE, "application/atom+xml".to_owned()), (header::ETAG, etag)], feed).into_response())
}

pub(crate) async fn get_alert(
    State(portal): State<Arc<Portal>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    authorise(&portal, &request.into_parts().0, "alerts.read")?;
    portal
        .read(|state| state.alerts.iter().find(|(held, _)| *held == id).map(|(_, cap)| cap.clone()))
        .map(|cap| ([(header::CONTENT_TYPE, "application/cap+xml")], cap).into_response())
        .ok_or_else(|| Problem::not_found("no alert has this id"))
}
