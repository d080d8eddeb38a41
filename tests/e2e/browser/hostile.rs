//! A page of somebody else, open in the owner's browser beside ours: it sends forms, asks for data, listens, frames.

use std::sync::Arc;

use domovoi::policy::Role;
use e2e::{Browser, BrowserSettings, NOON, Site, hand_clock, settings_text, until};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A server that answers every request with one page. Its origin is another port of the same machine: the same site as
/// ours to the browser, which is the harder case, and one that `SameSite` does not help against.
async fn somebody_else(page: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://localhost:{}", listener.local_addr().unwrap().port());
    let page = Arc::new(page);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let page = Arc::clone(&page);
            tokio::spawn(async move {
                let mut request = [0; 8192];
                let _ = stream.read(&mut request).await;
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\nconnection: close\r\n";
                let answer = format!("{head}content-length: {}\r\n\r\n{page}", page.len());
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    origin
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium"]
async fn another_page_in_the_owners_browser_gains_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::in_clear(folder.path(), &settings_text(None), hand_clock(NOON)).await;
    let owner = site.owner().await;
    let child = site.person("Петя", "petya", Role::Child).await;
    let browser = Browser::start(BrowserSettings::default()).await;
    browser.open(&site.at("/sign-in")).await;
    let (name, value) = owner.cookie.split_once('=').unwrap();
    let cookie = json!({ "name": name, "value": value, "url": site.origin, "httpOnly": true });
    browser.devtools("Network.setCookie", cookie).await;

    let (ours, person) = (&site.origin, child.person.id);
    // Forms go into frames of their own, so that the page lives on to tell what became of them.
    let forms: String = [
        ("/people", "name=Чужой&role=owner&login=evil"),
        (&*format!("/people/{person}/role"), "role=owner"),
        (&*format!("/people/{person}/erase"), "confirm=Петя"),
        ("/security/password", "password=совсем+другой+пароль+чужого"),
        ("/security/sessions/end-others", ""),
        ("/sign-out", ""),
    ]
    .iter()
    .enumerate()
    .map(|(i, (path, fields))| {
        let inputs: String = fields
            .split('&')
            .filter_map(|field| field.split_once('='))
            .map(|(name, value)| format!("<input name='{name}' value='{value}'>"))
            .collect();
        format!("<iframe name=f{i}></iframe><form method=post action='{ours}{path}' target=f{i}>{inputs}</form>")
    })
    .collect();
    let page = format!(
        "<!doctype html><meta charset=utf-8><title>подарок</title>{forms}
        <iframe id=framed src='{ours}/security'></iframe>
        <script>
        window.told = [];
        const tell = what => window.told.push(what);
        const answered = [...document.forms].map(form => new Promise(done => {{
            document.getElementsByName(form.target)[0].onload = done; form.submit() }}));
        const tries = [...answered,
            fetch('{ours}/api/v1/people', {{credentials: 'include'}}).then(r => r.text()).then(t => tell('read ' + t), e => 0),
            fetch('{ours}/api/v1/people', {{method: 'POST', credentials: 'include', mode: 'no-cors',
                headers: {{'content-type': 'text/plain'}}, body: JSON.stringify({{name: 'Чужой', role: 'owner', contacts: ['evil']}})}}).catch(e => 0),
            fetch('{ours}/api/v1/people/{person}', {{method: 'DELETE', credentials: 'include'}}).then(r => tell('deleted'), e => 0),
            new Promise(done => {{ const s = new EventSource('{ours}/api/v1/events', {{withCredentials: true}});
                s.onopen = () => {{ tell('listens'); done() }}; s.onerror = () => {{ s.close(); done() }} }}),
            new Promise(done => {{ const w = new WebSocket('{ours}/api/v1/live'.replace('http', 'ws'));
                w.onopen = () => {{ tell('live'); done() }}; w.onerror = () => done() }}),
        ];
        Promise.all(tries).then(() => {{ window.done = true }});
        </script>"
    );
    let elsewhere = somebody_else(page).await;
    browser.open(&elsewhere).await;
    until("the other page has tried everything", || async {
        (browser.script("return window.done === true", vec![]).await == json!(true)).then_some(())
    })
    .await;
    assert_eq!(browser.script("return window.told", vec![]).await, json!([]), "what the other page got");
    let frame = browser.driver.find(thirtyfour::By::Id("framed")).await.unwrap();
    frame.enter_frame().await.unwrap();
    assert!(!browser.text().await.contains("Петя") && !browser.has("#factors").await, "our page is in their frame");
    browser.driver.enter_default_frame().await.unwrap();

    // All forms were answered, and what they were to change has not changed.
    let people = site.desk.people.list();
    assert_eq!(people.len(), 2, "{people:?}");
    assert!(people.iter().any(|p| p.id == person && p.role == Role::Child));
    browser.open(&site.at("/people")).await;
    browser.says("Петя").await;
    let refused = site.desk.journal.search(&domovoi::audit::Query { limit: 100, ..Default::default() }).await.unwrap();
    assert!(refused.records.iter().all(|record| record.entry.deed != "person.erased"), "{refused:?}");

    // The same form, from a page of ours, does what it says: what was tried above could have worked.
    browser.click("form[action='/sign-out'] button").await;
    browser.find("#login").await;
    browser.quit().await;
    site.stop().await;
}
