//! How to tell a device to trust the hub's own authority, step by step for each kind of device, with the fingerprint to
//! compare. Shown before anybody signs in, also in clear: nothing of it is secret.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;

use super::shown;
use super::view::View;
use crate::web::{Desk, help};

/// A kind of device: the ending of its keys, how many steps it has, and which words of its browser give it away.
const KINDS: [(&str, usize, &[&str]); 6] = [
    ("ios", 4, &["iPhone", "iPad", "iPod"]),
    ("android", 3, &["Android"]),
    ("firefox", 3, &["Firefox/"]),
    ("windows", 3, &["Windows"]),
    ("macos", 3, &["Macintosh"]),
    ("linux", 3, &["Linux", "X11"]),
];

struct Device {
    title: String,
    /// What to download; empty where a step says it.
    file: &'static str,
    steps: Vec<String>,
    open: bool,
}

#[derive(Template)]
#[template(path = "trust.html")]
struct Page {
    v: View,
    fingerprint: Option<String>,
    until: String,
    own: bool,
    host: String,
    link: String,
    devices: Vec<Device>,
}

/// Shows the page.
pub async fn show(view: View, State(desk): State<Desk>, headers: HeaderMap) -> Response {
    let browser = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let here = KINDS.iter().find(|(.., words)| words.iter().any(|word| browser.contains(word))).map(|(kind, ..)| *kind);
    let web = &desk.settings.web;
    let authority = help::authority(&desk);
    let devices = KINDS.iter().map(|(kind, steps, _)| Device {
        title: view.t(&format!("trust-{kind}")),
        file: if *kind == "ios" || *kind == "macos" { "domovoi-ca.mobileconfig" } else { "domovoi-ca.cer" },
        steps: (1..=*steps).map(|step| view.t1(&format!("trust-{kind}-{step}"), "host", &web.host)).collect(),
        open: here == Some(*kind),
    });
    shown(&Page {
        fingerprint: authority.as_ref().map(|authority| authority.fingerprint.clone()),
        until: authority.map(|authority| view.moment(&authority.not_after)).unwrap_or_default(),
        own: desk.certificates.as_ref().is_some_and(crate::certificates::Certificates::is_own),
        host: web.host.clone(),
        link: web.origins().into_iter().next().unwrap_or_default(),
        devices: devices.collect(),
        v: view,
    })
}
