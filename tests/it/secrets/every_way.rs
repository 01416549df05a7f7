//! The failures that are not DingTalk's: wrong credentials and signatures of every kind, secrets that cannot be read,
//! revoked tokens, refused configurations, and commands that fail.

use std::path::Path;
use std::time::Duration;

use dingtalk_relay::simulator::faults::{Answer, Api};
use dingtalk_relay::simulator::{Options, Simulator};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::harness::{client, fixture, fixture_of_group};
use crate::process::{Process, printed};
use crate::secrets::forms::nothing_of_it_is_secret;
use crate::secrets::told;

const FILED: &str = "Filed/\"planted\\Secret+&";
const INLINE: &str = "plantedInline";
const BEARER: &str = "thePlantedBearer";
const PASSWORD: &str = "aPlantedPassword";
const HEADER: &str = "onePlantedHeader";
const HMAC: &str = "hmacPlantedSecret";
const GITHUB: &str = "githubPlantedSecret";
const ADMIN: &str = "adminPlantedToken";
const WRONG: &str = "wrongPlantedGuess";
const GONE: &str = "gonePlantedSecret";

const BODY: &str = r#"{"title":"deployed","app":"api"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn law_8_no_secret_is_told_by_strangers_broken_files_and_commands_that_fail() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let file = write(folder.path(), "relay.yaml", &settings(folder.path(), &simulator.base_url()));
    write(folder.path(), "filed", FILED);
    let [app, source] = ["gone-app", "gone-source"].map(|name| write(folder.path(), name, GONE));
    let mut relay = Process::start(&file, "trace");
    // What is removed keeps its last value, and what is empty is none.
    std::fs::remove_file(app).unwrap();
    std::fs::write(source, "").unwrap();

    let mut said = knock(&relay).await;
    let mut secrets = revoke(&relay, &simulator).await;
    said += &use_the_api(&relay, &simulator).await;
    said += &run_commands(&relay, &simulator, folder.path(), &file);
    std::fs::write(&file, settings(folder.path(), &simulator.base_url()).replace("app_secret:", "app_secrte:"))
        .unwrap();
    let refused = told(client().post(admin(&relay, "/-/reload")).bearer_auth(ADMIN)).await;
    assert!(refused.starts_with("422") && refused.contains("app_secrte"), "{refused}");
    said += &refused;
    said += &told(client().get(admin(&relay, "/metrics"))).await;
    said += &told(client().get(admin(&relay, "/")).bearer_auth(ADMIN)).await;
    relay.terminate();
    let logs = relay.said();
    for happened in ["\"TRACE\"", "the configuration was refused", "a webhook was refused", "a webhook was put off"] {
        assert!(logs.contains(happened), "{happened}");
    }
    said += &logs;

    secrets.extend([FILED, INLINE, BEARER, PASSWORD, HEADER, HMAC, GITHUB, ADMIN, WRONG, GONE].map(str::to_owned));
    secrets.extend([HMAC, GITHUB, WRONG].map(signature));
    nothing_of_it_is_secret(&said, &secrets);
}

/// Every kind of source, with what is right, with what is wrong, and with nothing.
async fn knock(relay: &Process) -> String {
    let basic = |password: &str| {
        let built = client().get("http://localhost").basic_auth("user", Some(password)).build().unwrap();
        built.headers()["authorization"].to_str().unwrap().to_owned()
    };
    let signed = |secret: &str| format!("sha256={}", signature(secret));
    let bearer = |token: &str| format!("Bearer {token}");
    let mut said = String::new();
    for (source, header, right, wrong) in [
        ("bearer", "authorization", bearer(BEARER), bearer(WRONG)),
        ("basic", "authorization", basic(PASSWORD), basic(WRONG)),
        ("header", "x-secret", HEADER.to_owned(), WRONG.to_owned()),
        ("signed", "x-signature", signed(HMAC), signed(WRONG)),
        ("github", "x-hub-signature-256", signed(GITHUB), signed(WRONG)),
        ("gone", "authorization", bearer(GONE), bearer(WRONG)),
    ] {
        for shown in [Some(right), Some(wrong), None] {
            let url = format!("http://{}/hooks/{source}/oncall?access_token={WRONG}", relay.hooks);
            let mut request = client().post(url).header("content-type", "application/json").body(BODY);
            if let Some(shown) = shown {
                request = request.header(header, shown);
            }
            let answer = told(request).await;
            assert_eq!(answer.starts_with("503"), source == "gone", "{source}: {answer}");
            said += &answer;
        }
    }
    said
}

/// Lets a token be rejected in the middle of a call, and then an app's secret. Gives the tokens.
async fn revoke(relay: &Process, simulator: &Simulator) -> Vec<String> {
    let mut tokens = vec![];
    let post = async |receiver: &str, group| {
        let request = client().post(format!("http://{}/hooks/bearer/{receiver}", relay.hooks)).bearer_auth(BEARER);
        let body = fixture_of_group("one-firing.json", group);
        assert!(told(request.header("content-type", "application/json").body(body)).await.starts_with("202"));
    };
    for group in 0..2 {
        let sent = simulator.messages().len();
        post("oncall", group).await;
        simulator.arrived(sent + 1).await;
        tokens.push(token(simulator).await);
        simulator.revoke_tokens();
    }
    assert_ne!(tokens[0], tokens[1]);
    simulator.fault(Api::Token, 1, Answer::code(400, "invalidClientIdOrSecret"));
    post("lost", 0).await;
    let blocked = async {
        while !told(client().get(admin(relay, "/api/v1/apps")).bearer_auth(ADMIN))
            .await
            .contains(r#""state":"blocked""#)
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), blocked).await.expect("the app is blocked");
    tokens
}

/// The access token the relay holds: an app that asks again gets the same one.
async fn token(simulator: &Simulator) -> String {
    let ask = json!({"appKey": "ding-ops", "appSecret": "any"}).to_string();
    let url = format!("{}/v1.0/oauth2/accessToken", simulator.base_url());
    let answer = client().post(url).header("content-type", "application/json").body(ask).send().await.unwrap();
    let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    answer["accessToken"].as_str().unwrap().to_owned()
}

/// Everything that can be asked of the API and is refused, with the right token, a wrong one and none.
async fn use_the_api(relay: &Process, simulator: &Simulator) -> String {
    simulator.fault(Api::Send, 1, Answer::Html { status: 502 });
    simulator.fault(Api::Send, 1, Answer::Redirect);
    simulator.fault(Api::Send, 1, Answer::ResetAfter);
    let letter = |receiver: &str| json!({"receiver": receiver, "title": "t", "text": "x", "wait": "300ms"});
    let mut said = String::new();
    for (path, body) in [
        ("/api/v1/send", letter("oncall")),
        ("/api/v1/send", letter("lost")),
        ("/api/v1/send", letter(WRONG)),
        ("/api/v1/preview", json!({"source": WRONG, "payload": {}})),
        ("/api/v1/preview", json!({"source": "bearer", "receiver": "oncall", "payload": {WRONG: 1}})),
        ("/api/v1/deliveries/none/redrive", json!({"to": WRONG})),
        ("/api/v1/deliveries/none/cancel", json!({})),
        ("/api/v1/lanes/none/pause", json!({"for": WRONG})),
        ("/api/v1/deliveries/redrive", json!({"to": WRONG})),
    ] {
        let request = || client().post(admin(relay, path)).header("content-type", "application/json");
        said += &told(request().bearer_auth(ADMIN).body(body.to_string())).await;
        said += &told(request().bearer_auth(WRONG).body(body.to_string())).await;
        said += &told(request().basic_auth("operator", Some(WRONG)).body(body.to_string())).await;
        said += &told(request().body(body.to_string())).await;
        said += &told(request().bearer_auth(ADMIN).header("origin", "https://elsewhere").body(WRONG)).await;
    }
    for path in ["/api/v1/deliveries", "/api/v1/lanes", "/api/v1/apps", "/", "/lanes/lost"] {
        said += &told(client().get(admin(relay, path)).bearer_auth(ADMIN)).await;
        said += &told(client().get(admin(relay, path)).bearer_auth(WRONG)).await;
    }
    said
}

/// Every command that reads a configuration, where it cannot do what it is told.
fn run_commands(relay: &Process, simulator: &Simulator, folder: &Path, file: &Path) -> String {
    let there = write(folder, "there.yaml", &format!("admin: {{ listen: '{}' }}", relay.admin));
    let wrong = write(folder, "wrong.yaml", &format!("admin: {{ token: {WRONG} }}"));
    let payload = folder.join("payload.json");
    std::fs::write(&payload, fixture("one-firing.json")).unwrap();
    let [file, there, wrong, payload] = [file, &there, &wrong, &payload].map(|path| path.to_str().unwrap());
    let letter = ["--receiver", "oncall", "--title", "t", "--text", "x"];
    let configured = ["--config", file, "--config", there];
    // Without them nothing else would ever be told.
    for name in ["gone-app", "gone-source"] {
        write(folder, name, GONE);
    }
    let mut said = String::new();
    let mut run = |words: &[&[&str]]| {
        let told = printed(&words.concat(), &[]);
        assert!(!told.is_empty(), "{words:?}");
        said += &told;
    };
    run(&[&["check"], &configured]);
    simulator.fault(Api::Token, 1, Answer::code(400, "invalidClientIdOrSecret"));
    run(&[&["check", "--online"], &configured]);
    run(&[&["render"], &configured, &["--source", "bearer", "--receiver", "oncall", payload]]);
    run(&[&["render"], &configured, &["--source", "nobody", payload]]);
    run(&[&["render"], &configured, &["--source", "github", file]]);
    run(&[&["send"], &configured, &["--config", wrong], &letter]);
    simulator.fault(Api::Send, 1, Answer::Html { status: 200 });
    run(&[&["send", "--direct"], &configured, &letter]);
    simulator.fault(Api::Token, 1, Answer::code(400, "invalidClientIdOrSecret"));
    run(&[&["send", "--direct"], &configured, &letter]);
    // A second one is refused the store that the first one has.
    run(&[&["serve"], &configured]);
    said
}

fn admin(relay: &Process, path: &str) -> String {
    format!("http://{}{path}", relay.admin)
}

fn signature(secret: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(BODY.as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn write(folder: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    file
}

fn settings(folder: &Path, base_url: &str) -> String {
    let folder = folder.display();
    format!(
        "
http: {{ listen: '127.0.0.1:0' }}
admin: {{ listen: '127.0.0.1:0', token: {ADMIN} }}
store: {{ url: 'sqlite:{folder}/relay.db' }}
retry: {{ schedule: [1h] }}
apps:
  ops: {{ base_url: '{base_url}', app_key: ding-ops, app_secret_file: {folder}/filed, timeout: 2s }}
  inline: {{ base_url: '{base_url}', app_key: ding-inline, app_secret: {INLINE} }}
  gone: {{ base_url: '{base_url}', app_key: ding-gone, app_secret_file: {folder}/gone-app }}
receivers:
  oncall: {{ app: ops, open_conversation_id: cid-oncall== }}
  inline: {{ app: inline, open_conversation_id: cid-inline== }}
  lost: {{ app: gone, open_conversation_id: cid-lost== }}
sources:
  bearer: {{ kind: alertmanager, auth: {{ bearer_token: {BEARER} }} }}
  basic: {{ kind: alertmanager, auth: {{ basic: {{ username: user, password: {PASSWORD} }} }} }}
  header: {{ kind: alertmanager, auth: {{ header: {{ name: x-secret, value: {HEADER} }} }} }}
  signed: {{ kind: generic, auth: {{ hmac: {{ secret: {HMAC}, header: X-Signature }} }} }}
  github: {{ kind: github, secret: {GITHUB} }}
  gone: {{ kind: alertmanager, auth: {{ bearer_token_file: {folder}/gone-source }} }}
"
    )
}
