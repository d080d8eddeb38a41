//! A camera on the page, with a camera that nobody here wrote (GStreamer's RTSP server): looked at and added as a person does
//! it, watched live and from the archive, taken away as a film that ffprobe knows; and the screen goes dark with the right.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use domovoi::clock::Clock;
use domovoi_model::Id;
use e2e::{Browser, BrowserSettings, Site, Visitor, settings_text, until};
use serde_json::{Value, json};

use super::look::faults;

const SIZES: [(&str, (u32, u32)); 3] = [("360", (360, 740)), ("768", (768, 1024)), ("1280", (1280, 800))];

/// A camera of others.
struct Camera {
    process: Child,
    url: String,
}

impl Camera {
    fn start(arguments: &str) -> Camera {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/camera.py");
        let mut process = Command::new("/usr/bin/python3")
            .arg(script)
            .args(arguments.split_whitespace())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines();
        let ready = said.find_map(|line| line.unwrap().strip_prefix("READY ").map(str::to_owned));
        Camera { process, url: ready.expect("the camera says where it is") }
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn settings() -> String {
    format!(
        "{}\n[cameras]\nallow = [\"127.0.0.0/8\"]\nfree_space_floor = \"100 MB\"\nsegment = \"1 min\"\nsync_every = \"1 s\"\n",
        settings_text(None)
    )
}

async fn site(folder: &std::path::Path) -> (Site, Browser, Visitor) {
    // Video has real time: what is recorded is placed by the wall.
    let clock = Clock::system(Id(*uuid::Uuid::new_v4().as_bytes()));
    let site = Site::in_clear(folder, &settings(), clock).await;
    let owner = site.owner().await;
    let browser = Browser::start(BrowserSettings::default()).await;
    browser.open(&site.at("/sign-in")).await;
    let (name, value) = owner.cookie.split_once('=').unwrap();
    let cookie = json!({ "name": name, "value": value, "url": site.origin, "httpOnly": true });
    browser.devtools("Network.setCookie", cookie).await;
    (site, browser, owner)
}

async fn look(browser: &Browser, name: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for (size, pixels) in SIZES {
        browser.resize(pixels).await;
        wrong.extend(faults(browser).await.into_iter().map(|fault| format!("{name} at {size}: {fault}")));
        browser.picture(&format!("cameras-{name}-{size}")).await;
    }
    wrong
}

/// Where the video of the page is, in seconds.
async fn second(browser: &Browser) -> f64 {
    let at = browser.script("const v = document.querySelector('video'); return v ? v.currentTime : -1", vec![]).await;
    at.as_f64().unwrap_or(-1.0)
}

/// The video of the page goes on by so many seconds.
async fn plays(browser: &Browser, seconds: f64) {
    let begun = until("the video begins", || async { Some(second(browser).await).filter(|at| *at > 0.0) }).await;
    let going = until("the video goes on", || async {
        let at = second(browser).await;
        (at > begun + seconds).then_some(at)
    });
    let Ok(at) = tokio::time::timeout(Duration::from_secs(50), going).await else {
        let state = browser.script(STATE, vec![]).await;
        panic!("the video stands at {begun}: {state}\n{}", browser.text().await);
    };
    let decoded = browser
        .script("return document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames", vec![])
        .await;
    assert!(decoded.as_u64().is_some_and(|frames| frames > 0), "{decoded} frames at {at}");
}

const STATE: &str = "const v = document.querySelector('video');
    const ranges = [...Array(v.buffered.length).keys()].map(n => [v.buffered.start(n), v.buffered.end(n)]);
    return { at: v.currentTime, paused: v.paused, ready: v.readyState, error: v.error && v.error.message, ranges,
             data: {...(v.closest('[data-camera], [data-archive]')?.dataset || {})}, ready: v.readyState }";

async fn add(site: &Site, browser: &Browser, camera: &Camera, name: &str) -> Vec<String> {
    browser.open(&site.at("/cameras/new")).await;
    browser.click("label[for=kind-rtsp]").await;
    browser.fill("#name", name).await;
    browser.fill("#address", &camera.url).await;
    browser.fill("#login", "admin").await;
    browser.fill("#password", "wrong").await;
    browser.click("[data-check-button]").await;
    browser.find("[data-check=bad]").await;
    browser.says("Камера не принимает имя или пароль").await;
    let mut wrong = look(browser, "refused").await;
    browser.fill("#password", "hunter2").await;
    browser.click("[data-check-button]").await;
    browser.find("[data-check=good] img").await;
    browser.says("H.264").await;
    wrong.extend(look(browser, "checked").await);
    browser.resize((1280, 800)).await;
    browser.click("[data-camera-form] > .actions:last-of-type button").await;
    browser.find("[data-camera]").await;
    wrong
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs gst-rtsp-server, chromium, axe-core and ffprobe"]
async fn a_camera_is_added_watched_live_and_from_the_archive_and_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let (site, browser, owner) = site(folder.path()).await;
    let camera = Camera::start("--login admin:hunter2 --size 640x360 --fps 15 --group 30 --audio pcma");
    let mut wrong = add(&site, &browser, &camera, "Двор").await;
    plays(&browser, 4.0).await;
    browser.says("Видео идёт.").await;
    // How far behind the newest picture the page is, and how old what is shown is: figures, no verdict.
    let mut behind = Vec::new();
    let mut lag = Vec::new();
    for _ in 0..20 {
        let before = second(&browser).await;
        until("the video goes on", || async { (second(&browser).await > before + 0.25).then_some(()) }).await;
        let data = browser.script(STATE, vec![]).await["data"].clone();
        let ms = |key: &str| data[key].as_str().and_then(|text| text.parse::<i64>().ok());
        behind.extend(ms("behindMs"));
        lag.extend(ms("lagMs"));
    }
    behind.sort_unstable();
    lag.sort_unstable();
    println!("behind the live edge, ms: {behind:?}; behind the camera, ms: {lag:?}");
    wrong.extend(look(&browser, "live").await);
    browser.resize((1280, 800)).await;
    let id = site.desk.cameras.find("Двор").expect("it is known").to_string();
    until("seconds of it are kept", || async {
        let view = site.desk.cameras.view(id.parse().unwrap()).await.unwrap();
        (view.growing_bytes + view.kept.bytes() > 200_000).then_some(())
    })
    .await;
    browser.open(&site.at("/cameras")).await;
    browser.find("img.still").await;
    wrong.extend(look(&browser, "list").await);
    browser.resize((1280, 800)).await;
    browser.open(&site.at(&format!("/cameras/{id}/archive"))).await;
    browser.find("[data-archive] video").await;
    browser.click("[data-archive] button[data-go]").await;
    plays(&browser, 3.0).await;
    wrong.extend(look(&browser, "archive").await);
    // The whole of it as one film.
    let to = site.desk.clock.wall();
    let from = to.plus_millis(-300_000);
    let uri = site.at(&format!("/api/v1/cameras/{id}/export?from={from}&to={to}"));
    let answer = site.client().get(uri).header("cookie", &owner.cookie).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let film = folder.path().join("film.mp4");
    std::fs::write(&film, answer.bytes().await.unwrap()).unwrap();
    let said =
        Command::new("ffprobe").args(["-v", "warning", "-of", "json", "-show_format"]).arg(&film).output().unwrap();
    assert!(said.status.success() && said.stderr.is_empty(), "{}", String::from_utf8_lossy(&said.stderr));
    let format: Value = serde_json::from_slice(&said.stdout).unwrap();
    let seconds: f64 = format["format"]["duration"].as_str().unwrap().parse().unwrap();
    assert!(seconds > 4.0, "{seconds} s");
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong.join("\n"));
    browser.quit().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs gst-rtsp-server and chromium"]
async fn the_screen_goes_dark_with_the_right_and_pictures_are_fetched_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let (site, browser, _) = site(folder.path()).await;
    let camera = Camera::start("--video jpeg --size 320x240 --fps 5 --group 1");
    let draft = domovoi::cameras::Draft {
        name: "Гараж".to_owned(),
        address: domovoi_vault::Secret::new(camera.url.clone()),
        ..domovoi::cameras::Draft::default()
    };
    let card = site.desk.cameras.add(&draft).await.unwrap();
    browser.open(&site.at(&format!("/cameras/{}", card.id))).await;
    let pictures = async || {
        let many =
            browser.script("return document.querySelector('[data-camera]').dataset.pictures || '0'", vec![]).await;
        many.as_str().and_then(|text| text.parse::<u32>().ok()).unwrap_or(0)
    };
    until("pictures are shown", || async { (pictures().await >= 5).then_some(()) }).await;
    let size = browser.script("return document.querySelector('[data-camera] img').naturalWidth", vec![]).await;
    assert_eq!(size, 320);
    // The session ends: so does what it showed.
    let owner = site.desk.people.list().first().unwrap().id;
    site.desk.signin.end_sessions(owner, None).await.unwrap();
    until("the page says that it is over", || async {
        let now = browser.script("return document.querySelector('[data-camera]').dataset.now", vec![]).await;
        (now == "ended").then_some(())
    })
    .await;
    browser.quit().await;
    site.stop().await;
}
