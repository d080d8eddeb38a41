//! The citizen at a browser: follows redirects, keeps cookies, fills in the forms of an authorization server's pages.
//!
//! Deliberately no more of a browser than those pages need.

use std::collections::BTreeMap;

use domovoi::portal::REDIRECT_PATH;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Client, Url};

/// Where a sign-in with the portal account comes back to.
pub const SIGN_IN_PATH: &str = "/sign-in/portal/return";

/// One person, with a jar of cookies.
pub struct Citizen {
    http: Client,
    cookies: BTreeMap<String, String>,
}

/// Where the browser has come to.
struct Page {
    url: Url,
    text: String,
}

impl Citizen {
    pub fn new() -> Self {
        e2e::crypto();
        let http = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Citizen { http, cookies: BTreeMap::new() }
    }

    /// Opens an address and agrees to everything; gives the redirect to the native program, which is not followed.
    pub async fn allow_in_browser(&mut self, address: Url) -> Url {
        let page = self.open(address, None).await;
        let page = self.click_through(page, false).await;
        assert!(comes_home(&page.url), "{}", page.text);
        page.url
    }

    /// Types in a device code and agrees, or refuses.
    pub async fn answer_device(&mut self, address: Url, allow: bool) {
        let page = self.open(address, None).await;
        self.click_through(page, !allow).await;
    }

    async fn click_through(&mut self, mut page: Page, refuse: bool) -> Page {
        for _ in 0..10 {
            let Some(form) = tags(&page.text, "form").next() else { return page };
            let action = attribute(form, "action").unwrap().replace("&amp;", "&");
            let mut fields: Vec<(String, String)> = tags(&page.text, "input")
                .filter(|input| attribute(input, "type").as_deref() == Some("hidden"))
                .filter_map(|input| Some((attribute(input, "name")?, attribute(input, "value").unwrap_or_default())))
                .collect();
            if page.text.contains("name=\"password\"") {
                fields.push(("login".into(), "citizen-1".into()));
                fields.push(("password".into(), "any".into()));
            }
            let refused = refuse && page.text.contains("name=\"abort\"");
            if refused {
                fields.push(("abort".into(), "yes".into()));
            }
            let to = page.url.join(&action).unwrap();
            page = self.open(to, Some(fields)).await;
            if refused {
                return page;
            }
        }
        panic!("the forms never end: {}", page.text);
    }

    async fn open(&mut self, mut url: Url, mut form: Option<Vec<(String, String)>>) -> Page {
        for _ in 0..20 {
            let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let request = match form.take() {
                Some(fields) => self.http.post(url.clone()).form(&fields),
                None => self.http.get(url.clone()),
            };
            let answer = request.header(COOKIE, cookies.join("; ")).send().await.unwrap();
            for cookie in answer.headers().get_all(SET_COOKIE) {
                let pair = cookie.to_str().unwrap().split(';').next().unwrap();
                let (name, value) = pair.split_once('=').unwrap();
                if value.is_empty() {
                    self.cookies.remove(name);
                } else {
                    self.cookies.insert(name.into(), value.into());
                }
            }
            if !answer.status().is_redirection() {
                return Page { url, text: answer.text().await.unwrap() };
            }
            url = url.join(answer.headers()[LOCATION].to_str().unwrap()).unwrap();
            if comes_home(&url) {
                return Page { url, text: String::new() };
            }
        }
        panic!("the redirects never end: {url}");
    }
}

fn comes_home(url: &Url) -> bool {
    [REDIRECT_PATH, SIGN_IN_PATH].contains(&url.path())
}

fn tags<'a>(page: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    page.split('<').filter(move |part| part.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '\n'])))
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    Some(rest.split_once('"')?.0.to_owned())
}
