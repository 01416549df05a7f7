//! Law 8: a secret is never printable. Not in a log, an error, a page, a metric, a URL we print.
//!
//! Every secret the relay can hold is planted, the real binary goes through successes and every way a call can fail
//! with its logs at `trace`, and then everything it has said anywhere is searched. What is not DingTalk's failure is
//! met in [`every_way`]; in which forms a secret is searched stands in [`forms`].

mod every_way;
mod forms;

use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use dingtalk_relay::simulator::faults::{Answer, Api};
use dingtalk_relay::simulator::{Options, Simulator};
use serde_json::{Value, json};

use crate::harness::{client, fixture};
use crate::process::{Process, printed};
use crate::secrets::forms::nothing_of_it_is_secret;

const APP_SECRET: &str = "plantedAppSecret";
const FILED_SECRET: &str = "plantedFiledSecret";
const BEARER: &str = "plantedBearer";
const PASSWORD: &str = "plantedPassword";
const HEADER: &str = "plantedHeader";
const ADMIN: &str = "plantedAdmin";
const IN_A_URL: &str = "plantedInAUrl";

/// Every way a call fails, each to be drawn by an app of its own, so that no failure keeps another from being met.
fn failures() -> Vec<(Api, Answer)> {
    let mut all = vec![
        (Api::Send, Answer::code(400, "InvalidAuthentication")),
        (Api::Send, Answer::code(400, "send.too.fast")),
        (Api::Send, Answer::code(400, "contain.notAllowed.content")),
        (Api::Send, Answer::code(400, "group.disbanded")),
        (Api::Send, Answer::code(500, "system.error")),
        (Api::Send, Answer::code(403, "Forbidden.AccessDenied.ApiCountLimitForOrg")),
        (Api::Token, Answer::code(400, "invalidClientIdOrSecret")),
        (Api::Token, Answer::code(403, "Forbidden.AccessDenied.IpNotInWhiteList")),
        (Api::Token, Answer::code(500, "system.error")),
    ];
    for api in [Api::Token, Api::Send] {
        let odd = [
            Answer::code(418, "brand.new"),
            Answer::Html { status: 502 },
            Answer::Html { status: 200 },
            Answer::Punish,
            Answer::EmptyOk,
            Answer::Errcode404,
            Answer::Hang,
            Answer::ResetBefore,
            Answer::ResetAfter,
            Answer::Redirect,
            Answer::Drip,
        ];
        all.extend(odd.map(|answer| (api, answer)));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn law_8_no_secret_is_in_anything_the_relay_ever_says() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let failures = failures();
    let config = write_config(folder.path(), &simulator.base_url(), failures.len());
    let mut relay = Process::start(&config, "trace");

    let mut said = meet(&relay, &simulator, &failures).await;
    said += &look_everywhere(&relay, failures.len()).await;
    relay.terminate();
    let logs = relay.said();
    assert!(logs.contains("\"TRACE\"") && logs.contains("call send was answered"), "the logs are searched");
    said += &logs;
    said += &printed(&["check", "--config", config.to_str().unwrap()], &[]);

    nothing_of_it_is_secret(&said, &planted(&simulator, failures.len()).await);
}

#[test]
fn law_8_no_secret_is_in_what_is_said_of_a_configuration_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let whole = config("http://127.0.0.1:1", folder.path(), 1);
    let broken: [(&str, &str); 9] = [
        ("app_secret: plantedAppSecret", "app_secrte: plantedAppSecret"),
        ("app_secret: plantedAppSecret", "app_secret: [plantedAppSecret]"),
        ("app_secret: plantedAppSecret", "app_secret: { value: plantedAppSecret }"),
        ("app_secret: plantedAppSecret", "app_secret: plantedAppSecret, app_secret_file: /plantedInAUrl/x"),
        ("app_secret: plantedAppSecret", "app_secret: 'plantedAppSecret"),
        ("bearer_token: plantedBearer", "bearer_token: plantedBearer, none: true"),
        ("password: plantedPassword", "passwort: plantedPassword"),
        ("value: plantedHeader", "value: \"plantedHeader\\n\""),
        ("token: plantedAdmin", "tokn: plantedAdmin"),
    ];
    for (sound, wrong) in broken {
        let file = folder.path().join("wrong.yaml");
        assert!(whole.contains(sound), "{sound}");
        std::fs::write(&file, whole.replace(sound, wrong)).unwrap();
        for command in ["check", "serve"] {
            let environment = [("RELAY__STORE__RETENTION", "plantedBearer"), ("RELAY__ADMIN__TOKEN", "plantedAdmin")];
            let said = printed(&[command, "--config", file.to_str().unwrap()], &environment);
            assert!(said.contains(':') && !said.is_empty(), "{command} with {wrong} says what is wrong");
            // The path of a secret's file is none.
            let secrets = [APP_SECRET, BEARER, PASSWORD, HEADER, ADMIN].map(str::to_owned);
            nothing_of_it_is_secret(&said, &secrets);
        }
    }
}

/// Lets every failure happen once, then one success for each app; gives what the senders were answered.
async fn meet(relay: &Process, simulator: &Simulator, failures: &[(Api, Answer)]) -> String {
    let mut said = String::new();
    for (number, (api, answer)) in failures.iter().enumerate() {
        simulator.fault(*api, 1, answer.clone());
        let calls = simulator.count(*api);
        said += &post(relay, &format!("/hooks/bearer/r{number}"), ("authorization", &bearer())).await;
        simulator.called(*api, calls + 1).await;
    }
    let url = ("authorization", bearer());
    for (path, (name, value)) in [
        ("/hooks/bearer", ("authorization", bearer())),
        ("/hooks/basic", ("authorization", basic())),
        ("/hooks/header", ("x-secret", HEADER.to_owned())),
        ("/hooks/bearer", ("authorization", format!("{}x", bearer()))),
        ("/hooks/basic", ("authorization", bearer())),
        ("/hooks/header", ("x-secret", format!("{HEADER}x"))),
        ("/hooks/bearer?access_token=plantedInAUrl", url.clone()),
        ("/hooks/nobody?access_token=plantedInAUrl", url.clone()),
        ("/nowhere?access_token=plantedInAUrl", url),
    ] {
        said += &post(relay, path, (name, &value)).await;
    }
    said
}

async fn post(relay: &Process, path: &str, (name, value): (&str, &str)) -> String {
    let url = format!("http://{}{path}", relay.hooks);
    told(client().post(url).header(name, value).body(fixture("one-firing.json"))).await
}

/// Every path of the admin port, for somebody who may look and for somebody who may not.
async fn look_everywhere(relay: &Process, apps: usize) -> String {
    let http = client();
    let root = format!("http://{}", relay.admin);
    let list = http.get(format!("{root}/api/v1/deliveries?limit=500")).bearer_auth(ADMIN);
    let list: Value = serde_json::from_slice(&list.send().await.unwrap().bytes().await.unwrap()).unwrap();
    let list = list["deliveries"].as_array().unwrap();
    assert!(list.len() > apps, "each failure has a delivery, and the sources have theirs");
    let ids = list.iter().map(|delivery| delivery["id"].as_str().unwrap());
    let mut paths: Vec<String> =
        ids.flat_map(|id| [format!("/deliveries/{id}"), format!("/api/v1/deliveries/{id}")]).collect();
    let messages = list.iter().filter_map(|delivery| delivery["message"]["id"].as_str());
    paths.extend(messages.map(|id| format!("/messages/{id}")));
    paths.extend(
        [
            "/",
            "/api/v1/deliveries",
            "/api/v1/lanes",
            "/api/v1/apps",
            "/lanes/r0",
            "/metrics",
            "/-/ready",
            "/-/healthy",
            "/nowhere",
        ]
        .map(str::to_owned),
    );
    paths.extend(["/api/v1/deliveries?limit=plantedInAUrl", "/api/v1/deliveries?plantedInAUrl=1"].map(str::to_owned));
    paths.extend(["/?state=plantedInAUrl", "/lanes/plantedInAUrl"].map(str::to_owned));
    let mut said = String::new();
    for path in paths {
        let url = format!("{root}{path}");
        said += &told(http.get(&url).bearer_auth(ADMIN)).await;
        said += &told(http.get(&url).basic_auth("operator", Some(ADMIN))).await;
        said += &told(http.get(&url).bearer_auth(format!("{ADMIN}x"))).await;
        said += &told(http.get(&url).basic_auth("operator", Some(ADMIN)).header("accept", "text/html")).await;
    }
    said
}

/// An answer, its headers too.
async fn told(request: reqwest::RequestBuilder) -> String {
    let answer = request.send().await.unwrap();
    let head = format!("{} {:?}\n", answer.status(), answer.headers());
    head + &answer.text().await.unwrap() + "\n"
}

/// Everything that may occur nowhere. The access tokens are those the relay holds: an app that asks again gets the
/// same one.
async fn planted(simulator: &Simulator, apps: usize) -> Vec<String> {
    let mut secrets = [APP_SECRET, FILED_SECRET, BEARER, PASSWORD, HEADER, ADMIN, IN_A_URL].map(str::to_owned).to_vec();
    secrets.push(BASE64_STANDARD.encode(format!("user:{PASSWORD}")));
    secrets.push(BASE64_STANDARD.encode(format!("operator:{ADMIN}")));
    for app in 0..apps {
        let ask = json!({"appKey": format!("ding-{app}"), "appSecret": "any"}).to_string();
        let url = format!("{}/v1.0/oauth2/accessToken", simulator.base_url());
        let answer = client().post(url).header("content-type", "application/json").body(ask).send().await.unwrap();
        let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        secrets.push(answer["accessToken"].as_str().unwrap().to_owned());
    }
    secrets
}

fn bearer() -> String {
    format!("Bearer {BEARER}")
}

fn basic() -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("user:{PASSWORD}")))
}

fn write_config(folder: &Path, base_url: &str, apps: usize) -> std::path::PathBuf {
    let file = folder.join("relay.yaml");
    std::fs::write(&file, config(base_url, folder, apps)).unwrap();
    file
}

/// So many apps, each with a receiver; every other one has its secret in a file. Nothing is tried again soon.
fn config(base_url: &str, folder: &Path, apps: usize) -> String {
    let filed = folder.join("secret");
    std::fs::write(&filed, format!("{FILED_SECRET}\n")).unwrap();
    let secret = |app: usize| match app % 2 {
        0 => format!("app_secret: {APP_SECRET}"),
        _ => format!("app_secret_file: {}", filed.display()),
    };
    let app = |n| format!("  a{n}: {{ base_url: '{base_url}', app_key: ding-{n}, {}, timeout: 300ms }}\n", secret(n));
    let receiver = |n| format!("  r{n}: {{ app: a{n}, open_conversation_id: cid-{n}== }}\n");
    format!(
        "
http: {{ listen: '127.0.0.1:0' }}
admin: {{ listen: '127.0.0.1:0', token: {ADMIN} }}
store: {{ url: 'sqlite:{}/relay.db' }}
retry: {{ schedule: [1h] }}
route: {{ receiver: r0 }}
sources:
  bearer: {{ kind: alertmanager, auth: {{ bearer_token: {BEARER} }} }}
  basic: {{ kind: alertmanager, auth: {{ basic: {{ username: user, password: {PASSWORD} }} }} }}
  header: {{ kind: alertmanager, auth: {{ header: {{ name: x-secret, value: {HEADER} }} }} }}
apps:
{}receivers:
{}",
        folder.display(),
        (0..apps).map(app).collect::<String>(),
        (0..apps).map(receiver).collect::<String>(),
    )
}
