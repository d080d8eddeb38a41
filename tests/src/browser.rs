//! A real browser: Debian's Chromium, steered through its WebDriver. Each has a profile, a home and a process of its own
//! and dies with the value. It knows nothing of what our pages say; tests tell it where to look.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::TypingData;
use thirtyfour::prelude::*;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::until;

const HOW: &str = "apt-get install chromium chromium-driver libnss3-tools";

/// How a browser is started.
#[derive(Debug, Clone, Default)]
pub struct BrowserSettings {
    /// Window size in CSS pixels; 1440 × 900 if none.
    pub size: Option<(u32, u32)>,
    /// `ru` or `en`; Russian if none.
    pub language: Option<&'static str>,
    /// Scripts of pages do not run.
    pub no_scripts: bool,
    /// A certificate of an authority (PEM) that this browser trusts.
    pub trusts: Option<String>,
    /// Names that stand for the loopback address.
    pub hosts: Vec<String>,
}

/// A running browser with one window.
pub struct Browser {
    /// For what has no function here.
    pub driver: WebDriver,
    _process: Child,
    _home: TempDir,
}

impl Browser {
    /// Starts one.
    pub async fn start(settings: BrowserSettings) -> Browser {
        crate::crypto();
        let home = tempfile::tempdir().expect("a folder");
        if let Some(authority) = &settings.trusts {
            trust(home.path(), authority).await;
        }
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .env("HOME", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("chromedriver: {error}: {HOW}"));
        let mut lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let port = loop {
            let line = lines.next_line().await.expect("its output").expect("it says its port");
            if let Some((_, port)) = line.split_once("successfully on port ") {
                break port.trim_end_matches('.').to_owned();
            }
        };
        // Somebody has to read what else it says, or it stops when the pipe is full.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });

        let mut capabilities = DesiredCapabilities::chrome();
        let mut argument = |text: &str| capabilities.add_arg(text).expect("an argument");
        for text in ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run"] {
            argument(text);
        }
        argument(&format!("--user-data-dir={}", home.path().join("profile").display()));
        argument(&format!("--lang={}", settings.language.unwrap_or("ru")));
        argument(&format!("--accept-lang={}", settings.language.unwrap_or("ru")));
        let rules: Vec<String> = settings.hosts.iter().map(|host| format!("MAP {host} 127.0.0.1")).collect();
        if !rules.is_empty() {
            argument(&format!("--host-resolver-rules={}", rules.join(",")));
        }
        let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities)
            .await
            .unwrap_or_else(|error| panic!("Chromium does not start: {error}: {HOW}"));
        let browser = Browser { driver, _process: process, _home: home };
        browser.resize(settings.size.unwrap_or((1440, 900))).await;
        if settings.no_scripts {
            browser.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
        }
        browser
    }

    /// The size of what a page sees, whatever the window's frame.
    pub async fn resize(&self, (width, height): (u32, u32)) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// Light, dark, or what else a media feature may say.
    pub async fn prefer(&self, features: &[(&str, &str)]) {
        let features: Vec<Value> =
            features.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// A security key or a phone that is asked for passkeys and says yes: it keeps resident keys and verifies its user.
    pub async fn add_authenticator(&self) -> String {
        self.devtools("WebAuthn.enable", json!({})).await;
        let options = json!({ "options": {
            "protocol": "ctap2", "ctap2Version": "ctap2_1", "transport": "internal", "hasResidentKey": true,
            "hasUserVerification": true, "isUserVerified": true, "automaticPresenceSimulation": true,
        }});
        let answer = self.devtools("WebAuthn.addVirtualAuthenticator", options).await;
        answer["authenticatorId"].as_str().expect("an authenticator").to_owned()
    }

    /// A command of the DevTools protocol.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.driver.cdp().send_raw(command, parameters).await.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// Opens an address and waits until it is there.
    pub async fn open(&self, address: &str) {
        self.driver.goto(address).await.unwrap_or_else(|error| panic!("{address}: {error}"));
    }

    /// The address that is shown.
    pub async fn address(&self) -> String {
        self.driver.current_url().await.expect("an address").to_string()
    }

    /// Waits for an element.
    pub async fn find(&self, css: &str) -> WebElement {
        let shown = async || {
            let element = self.driver.find(By::Css(css)).await.ok()?;
            element.is_displayed().await.ok()?.then_some(element)
        };
        // What the page says instead is worth more than "never happened".
        let waiting = until(css, shown);
        match tokio::time::timeout(std::time::Duration::from_secs(30), waiting).await {
            Ok(element) => element,
            Err(_) => panic!("no {css} on {}:\n{}", self.address().await, self.text().await),
        }
    }

    /// Whether there is such an element now.
    pub async fn has(&self, css: &str) -> bool {
        self.driver.find(By::Css(css)).await.is_ok()
    }

    /// Clicks an element, as a person does: it has to be in sight.
    pub async fn click(&self, css: &str) {
        let element = self.find(css).await;
        let _ = element.scroll_into_view().await;
        element.click().await.unwrap_or_else(|error| panic!("click {css}: {error}"));
    }

    /// Types into a field, in the place of what it held.
    pub async fn fill(&self, css: &str, text: &str) {
        let field = self.find(css).await;
        let _ = field.clear().await;
        field.send_keys(text).await.unwrap_or_else(|error| panic!("type into {css}: {error}"));
    }

    /// Presses keys, whatever has the focus: the keyboard is all that some people use.
    pub async fn press(&self, keys: impl Into<TypingData>) {
        self.driver.action_chain().send_keys(keys).perform().await.expect("keys are pressed");
    }

    /// Goes on with the tabulator until the focus is on such an element; panics when it has gone round.
    pub async fn tab_to(&self, css: &str) {
        for _ in 0..120 {
            self.press(Key::Tab).await;
            let on_it = self.driver.active_element().await.expect("a focus");
            let wanted = self.driver.find_all(By::Css(css)).await.expect("elements");
            if wanted.contains(&on_it) {
                return;
            }
        }
        panic!("the keyboard does not reach {css} on {}", self.address().await);
    }

    /// What a page says, as text.
    pub async fn text(&self) -> String {
        match self.driver.find(By::Css("body")).await {
            Ok(body) => body.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// Waits until a page says something.
    pub async fn says(&self, words: &str) {
        let said = tokio::time::timeout(
            std::time::Duration::from_secs(30),
            until(words, || async { self.text().await.contains(words).then_some(()) }),
        );
        if said.await.is_err() {
            panic!("«{words}» is not on {}:\n{}", self.address().await, self.text().await);
        }
    }

    /// Runs a script in the page, and gives what it returns.
    pub async fn script(&self, text: &str, arguments: Vec<Value>) -> Value {
        let answer = self.driver.execute(text, arguments).await;
        answer.unwrap_or_else(|error| panic!("script: {error}\n{}", &text[..text.len().min(300)])).json().clone()
    }

    /// Runs a script that calls its last argument when it is done.
    pub async fn script_that_calls_back(&self, text: &str, arguments: Vec<Value>) -> Value {
        let answer = self.driver.execute_async(text, arguments).await;
        answer.unwrap_or_else(|error| panic!("script: {error}")).json().clone()
    }

    /// A picture of what is in sight, into the build's folder `screenshots`.
    pub async fn picture(&self, name: &str) {
        let folder = screenshots();
        std::fs::create_dir_all(&folder).expect("a folder for pictures");
        self.driver.screenshot(&folder.join(format!("{name}.png"))).await.expect("a picture");
    }

    /// Ends it.
    pub async fn quit(self) {
        let _ = self.driver.clone().quit().await;
    }
}

/// Where pictures are kept.
pub fn screenshots() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("target"),
        PathBuf::from,
    );
    target.join("screenshots")
}

/// Puts an authority into the NSS database that Chromium reads on Linux.
async fn trust(home: &Path, authority: &str) {
    let database = home.join(".pki/nssdb");
    std::fs::create_dir_all(&database).expect("a folder");
    let file = home.join("authority.pem");
    std::fs::write(&file, authority).expect("a file");
    let database = format!("sql:{}", database.display());
    for arguments in [
        vec!["-d", &database, "-N", "--empty-password"],
        vec!["-d", &database, "-A", "-t", "C,,", "-n", "Domovoi", "-i", file.to_str().expect("a path")],
    ] {
        let done = Command::new("certutil").args(&arguments).output().await;
        let done = done.unwrap_or_else(|error| panic!("certutil: {error}: {HOW}"));
        assert!(done.status.success(), "certutil: {}", String::from_utf8_lossy(&done.stderr));
    }
}
