//! A real Chromium, driven by Debian's `chromedriver` over WebDriver (<https://www.w3.org/TR/webdriver2/>).
//!
//! The protocol is plain JSON over HTTP and a test needs ten commands of it, so an HTTP client is enough. Screen,
//! colour scheme and screenshots of a whole page go through Chromium's own commands, which chromedriver passes on.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

/// The longest wait for a page.
const PATIENCE: Duration = Duration::from_secs(20);

/// A screen to look at a page with.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    pub name: &'static str,
    pub width: u32,
    pub height: u32,
    pub is_phone: bool,
}

/// A small phone, held upright.
pub const PHONE: Screen = Screen { name: "phone", width: 360, height: 740, is_phone: true };
/// A window on a desk.
pub const DESK: Screen = Screen { name: "desk", width: 1280, height: 900, is_phone: false };

/// A browser with one window; it ends with the value.
pub struct Chrome {
    driver: Child,
    session: String,
    http: reqwest::Client,
}

impl Chrome {
    /// Starts one without a window on a screen.
    pub async fn start() -> Self {
        let (driver, port) = driver();
        let root = format!("http://127.0.0.1:{port}");
        // reqwest wants a TLS provider even where there is no TLS.
        let _already_there = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let mut chrome = Self { driver, session: format!("{root}/session"), http };
        // Root may not have the sandbox, and a container has little shared memory.
        let args = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-proxy-server"];
        let always = json!({"goog:chromeOptions": {"args": args}, "goog:loggingPrefs": {"browser": "ALL"}});
        let session = chrome.say("", json!({"capabilities": {"alwaysMatch": always}})).await;
        chrome.session = format!("{root}/session/{}", session["sessionId"].as_str().unwrap());
        chrome
    }

    /// Looks at what follows with this screen, in the light or in the dark.
    pub async fn look_with(&self, screen: Screen, scheme: &str) {
        let Screen { width, height, is_phone, .. } = screen;
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone});
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
        let scheme = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", scheme).await;
    }

    /// Opens a page and waits until it is there.
    pub async fn open(&self, url: &str) {
        self.say("url", json!({ "url": url })).await;
    }

    /// Where it is, without the origin.
    pub async fn path(&self) -> String {
        self.eval("return location.pathname + location.search").await.as_str().unwrap().to_owned()
    }

    /// What a script returns, run as the person behind the browser: the page's policy does not bind it.
    pub async fn eval(&self, script: &str) -> Value {
        self.say("execute/sync", json!({"script": script, "args": []})).await
    }

    /// The text a person sees.
    pub async fn text(&self) -> String {
        self.eval("return document.body.innerText").await.as_str().unwrap().to_owned()
    }

    /// Clicks the first element like this, as a finger does.
    pub async fn click(&self, selector: &str) {
        let found = self.say("element", json!({"using": "css selector", "value": selector})).await;
        let element = found.as_object().unwrap().values().next().unwrap().as_str().unwrap();
        self.say(&format!("element/{element}/click"), json!({})).await;
    }

    /// The same, and waits for the page it leads to: the browser answers a click before it goes anywhere.
    pub async fn follow(&self, selector: &str) {
        self.eval("window.isTheOldOne = true").await;
        self.click(selector).await;
        let script = json!({"script": "return !window.isTheOldOne && document.readyState == 'complete'", "args": []});
        let arriving = async {
            // On the way from one page to the next a script may find neither.
            while self.ask("execute/sync", &script).await.map_or(true, |is_there| is_there != true) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, arriving).await.unwrap_or_else(|_| panic!("{selector} leads nowhere"));
    }

    /// What the console has said since it was asked last: refusals of the page's policy are among it.
    pub async fn console(&self) -> Vec<String> {
        let entries = self.say("se/log", json!({"type": "browser"})).await;
        entries.as_array().unwrap().iter().map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }

    /// Writes a picture of the whole page.
    pub async fn picture(&self, file: &Path) {
        let whole = json!({"format": "png", "captureBeyondViewport": true});
        let shot = self.devtools("Page.captureScreenshot", whole).await;
        std::fs::write(file, BASE64_STANDARD.decode(shot["data"].as_str().unwrap()).unwrap()).unwrap();
    }

    async fn devtools(&self, command: &str, params: Value) -> Value {
        self.say("goog/cdp/execute", json!({"cmd": command, "params": params})).await
    }

    async fn say(&self, command: &str, body: Value) -> Value {
        self.ask(command, &body).await.unwrap_or_else(|error| panic!("{command} {body}: {error}"))
    }

    async fn ask(&self, command: &str, body: &Value) -> Result<Value, Value> {
        let url = format!("{}/{command}", self.session);
        let answer = self.http.post(url.trim_end_matches('/')).json(body).send().await.unwrap();
        let (status, answer) = (answer.status(), answer.json::<Value>().await.unwrap());
        if status.is_success() { Ok(answer["value"].clone()) } else { Err(answer) }
    }

    /// Closes the window, and the browser with it.
    pub async fn end(self) {
        self.http.delete(&self.session).send().await.unwrap();
    }
}

impl Drop for Chrome {
    fn drop(&mut self) {
        let _already_gone = self.driver.kill();
        let _reaped = self.driver.wait();
    }
}

/// A chromedriver and its port. It takes one port twice, for both kinds of addresses, and ends if somebody has taken
/// the second in between: then another try is as good as the first.
fn driver() -> (Child, u16) {
    let started = std::iter::repeat_with(|| {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is not installed: scripts/test installs it");
        let port = port(&mut driver);
        if port.is_none() {
            driver.wait().unwrap();
        }
        Some((driver, port?))
    });
    started.take(10).flatten().next().expect("chromedriver says where it listens")
}

/// The port it says it listens on; `None` if it ends without a word of it.
fn port(driver: &mut Child) -> Option<u16> {
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = lines.find_map(|line| {
        let line = line.ok()?;
        let (_, port) = line.split_once("successfully on port ")?;
        port.trim_end_matches('.').parse().ok()
    });
    // It goes on talking; somebody has to listen.
    std::thread::spawn(move || lines.for_each(drop));
    port
}
