//! Every page, as an owner of a lived-in home sees it: on a phone, a tablet and a desk, light, dark and with high
//! contrast, in Russian and English. Names are what a spiteful guest would choose. Pictures go to the build's folder.

use domovoi::policy::Role;
use e2e::{Browser, BrowserSettings, NOON, POINT, Site, Visitor, WATER_ACCOUNT, WATER_ID, hand_clock, settings_text};
use serde_json::json;

use super::look::faults;

/// What must be shown as it was typed, and do nothing.
const SPITEFUL: &str =
    "</title><script>window.hacked=1</script><img src=x onerror=window.hacked=2>\" autofocus onfocus=\"window.hacked=3";

const SIZES: [(&str, (u32, u32)); 3] = [("390", (390, 844)), ("820", (820, 1180)), ("1440", (1440, 900))];

async fn lived_in(folder: &std::path::Path) -> (Site, Visitor, Vec<(&'static str, String)>) {
    let site = Site::in_clear(folder, &settings_text(None), hand_clock(NOON)).await;
    let owner = site.owner().await;
    let child = site.person(&SPITEFUL.chars().take(99).collect::<String>(), "petya", Role::Child).await;
    site.person("Бабушка Зинаида Аристарховна из Нижнего Новгорода", "baba-zina", Role::Guest).await;
    let post = reqwest::Method::POST;
    let point = json!({
        "supplier": "vodokanal", "account": WATER_ACCOUNT, "resource": "cold_water", "name": POINT,
        "meter": { "serial": WATER_ID, "digits": "5.3", "tariffs": 1, "multiplier": "1", "installed": "2024-03-01",
                   "start": "100" },
    });
    let (status, added) = site.ask(&owner, post.clone(), "/api/v1/meters", Some(point)).await;
    assert!(status < 300, "{status}: {added}");
    let id = added["id"].as_str().unwrap_or_else(|| panic!("{added}")).to_owned();
    let reading = json!({ "values": "123.456" });
    let (status, answer) = site.ask(&owner, post, &format!("/api/v1/meters/{id}/readings"), Some(reading)).await;
    assert!(status < 300, "{status}: {answer}");
    let person = format!("/people/{}", child.person.id);
    let pages = vec![
        ("home", "/".to_owned()),
        ("meters", "/meters".to_owned()),
        ("meter", format!("/meters/{id}")),
        ("acts", "/acts".to_owned()),
        ("people", "/people".to_owned()),
        ("person-new", "/people/new".to_owned()),
        ("person", person.clone()),
        ("person-erase", format!("{person}/erase")),
        ("journal", "/journal".to_owned()),
        ("me", "/me".to_owned()),
        ("security", "/security".to_owned()),
        ("step-up", "/step-up".to_owned()),
        ("pair", "/pair".to_owned()),
        ("consent", "/portal/consent".to_owned()),
        ("help", "/help".to_owned()),
        ("nothing", "/no-such-page".to_owned()),
    ];
    (site, owner, pages)
}

async fn signed_in(browser: &Browser, site: &Site, visitor: &Visitor) {
    browser.open(&site.at("/sign-in")).await;
    let (name, value) = visitor.cookie.split_once('=').unwrap();
    let cookie = json!({ "name": name, "value": value, "url": site.origin, "httpOnly": true });
    browser.devtools("Network.setCookie", cookie).await;
}

/// Goes over all pages; gives what is wrong.
async fn tour(browser: &Browser, site: &Site, pages: &[(&str, String)], as_what: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, path) in pages {
        for (size, pixels) in SIZES {
            browser.resize(pixels).await;
            browser.open(&site.at(path)).await;
            let at = |fault: String| format!("{path} at {size} {as_what}: {fault}");
            wrong.extend(faults(browser).await.into_iter().map(at));
            let hacked = browser
                .script(
                    "return String(window.hacked) + document.querySelectorAll('img[src=x], main script').length",
                    vec![],
                )
                .await;
            if hacked != "undefined0" {
                wrong.push(format!("{path}: a name has become markup: {hacked}"));
            }
            browser.picture(&format!("{name}-{size}-{as_what}")).await;
        }
    }
    wrong
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium and axe-core"]
async fn every_page_can_be_seen_read_and_pressed() {
    let folder = tempfile::tempdir().unwrap();
    let (site, owner, pages) = lived_in(folder.path()).await;
    let browser = Browser::start(BrowserSettings::default()).await;
    let threshold = ["/sign-in", "/setup", "/entry", "/sign-in/code", "/sign-in/device"];
    let threshold: Vec<_> = threshold.map(|path| (path.trim_start_matches('/'), path.to_owned())).into();
    let threshold: Vec<_> = threshold.iter().map(|(name, path)| (name.replace('/', "-"), path.clone())).collect();
    let threshold: Vec<_> = threshold.iter().map(|(name, path)| (name.as_str(), path.clone())).collect();
    let mut wrong = tour(&browser, &site, &threshold, "light").await;
    signed_in(&browser, &site, &owner).await;
    wrong.extend(tour(&browser, &site, &pages, "light").await);
    browser.prefer(&[("prefers-color-scheme", "dark")]).await;
    wrong.extend(tour(&browser, &site, &pages, "dark").await);
    browser.prefer(&[("prefers-contrast", "more")]).await;
    wrong.extend(tour(&browser, &site, &pages, "contrast").await);
    browser.quit().await;
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong.join("\n"));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium and axe-core"]
async fn every_page_speaks_english_too() {
    let folder = tempfile::tempdir().unwrap();
    let (site, owner, pages) = lived_in(folder.path()).await;
    let english = BrowserSettings { language: Some("en"), ..BrowserSettings::default() };
    let browser = Browser::start(english).await;
    signed_in(&browser, &site, &owner).await;
    let wrong = tour(&browser, &site, &pages, "english").await;
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong.join("\n"));
    for (_, path) in &pages {
        browser.open(&site.at(path)).await;
        assert_eq!(browser.script("return document.documentElement.lang", vec![]).await, "en", "{path}");
        // What the family typed stays as it is; headings are ours.
        let heading = browser.script("return document.querySelector('h1').textContent", vec![]).await;
        let heading = heading.as_str().unwrap().to_owned();
        let theirs =
            ["/people/", "/meters/"].iter().any(|start| path.starts_with(start)) || path == "/" || path == "/me";
        assert!(theirs || heading.is_ascii(), "{path}: «{heading}»");
    }
    browser.quit().await;
    site.stop().await;
}
