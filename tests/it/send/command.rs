//! `send` as a person or a script runs it: the real program, through a relay and without one.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use dingtalk_relay::simulator::faults::{Answer, Api};
use serde_json::Value;

use crate::harness::nowhere::Nowhere;
use crate::harness::{World, groups};
use crate::send::EVERY_CALL;

const LETTER: [&str; 6] = ["--receiver", "team", "--title", "Release", "--text", "**Done**"];

#[tokio::test(flavor = "multi_thread")]
async fn through_the_relay_it_prints_the_key_and_nothing_else() {
    let world = World::start().await;
    let output = send(&world, "", &LETTER, "").await;
    let message = &world.simulator.messages()[0];
    assert_eq!(said(&output), (Some(0), format!("{}\n", message.process_query_key), String::new()));
    assert_eq!(
        (message.open_conversation_id.as_str(), &message.msg_param["text"]),
        ("cid-team==", &Value::from("**Done**"))
    );
    assert_eq!(world.look("/api/v1/deliveries").await["deliveries"][0]["source"], "_send");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_input_may_be_the_text_and_a_wildcard_is_reached_on_loopback() {
    let world = World::start().await;
    let everywhere = format!("admin: {{ listen: '0.0.0.0:{}' }}", world.relay.admin().port());
    let list = ["--receiver", "team", "--title", "--done", "--text", "- a list", "--wait", "20s"];
    assert_eq!(send(&world, "", &list, "").await.status.code(), Some(0), "what begins with a hyphen is a text too");
    let letter = ["--receiver", "oncall", "--title", "t", "--text", "-", "--wait", "20s"];
    let output = send(&world, &everywhere, &letter, "from\nstandard input\n").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(world.simulator.messages()[0].msg_param["text"], "- a list");
    assert_eq!(world.simulator.messages()[1].msg_param["text"], "from  \nstandard input");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configured_token_is_shown_and_a_wrong_one_is_told() {
    let world = World::with("admin: { token: planted-and-right }").await;
    let output = send(&world, "", &LETTER, "").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");

    let output = send(&world, "admin: { token: planted-and-wrong }", &LETTER, "").await;
    let (code, key, why) = said(&output);
    assert_eq!((code, key.as_str()), (Some(1), ""));
    assert!(why.contains("answered 401") && why.contains("admin.token") && !why.contains("planted"), "{why}");

    let output = send(&world, "admin: { token_file: nowhere, token: }", &LETTER, "").await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    world.relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_sent_is_1_with_state_reason_and_hint() {
    let world = World::with("retry: { schedule: [1h] }").await;
    world.simulator.fault(Api::Send, EVERY_CALL, Answer::code(400, "contain.notAllowed.content"));
    let refused = send(&world, "", &LETTER, "").await;
    let (code, key, why) = said(&refused);
    assert_eq!((code, key.as_str()), (Some(1), ""));
    assert!(why.contains("not sent: dead: ") && why.contains("contain.notAllowed.content ("), "{why}");
    world.end().await;

    let world = World::start().await;
    world.simulator.fault(Api::Send, EVERY_CALL, Answer::code(400, "bot.stopped"));
    let wait = [&LETTER[..], &["--wait", "3s"]].concat();
    let (code, _, why) = said(&send(&world, "", &wait, "").await);
    assert_eq!(code, Some(1));
    assert!(why.contains("not sent: queued: blocked: bot.stopped: ") && why.contains("goes out by itself"), "{why}");
    // The next one is not tried at all: the lane says why.
    let (code, _, why) = said(&send(&world, "", &wait, "").await);
    assert_eq!(code, Some(1));
    assert!(why.contains("not sent: queued: the lane is blocked: bot.stopped: "), "{why}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_listens_direct_is_mentioned_and_works() {
    let world = World::start().await;
    let nowhere = Nowhere::taken();
    let gone = nowhere.address;
    let elsewhere = format!("admin: {{ listen: '{gone}' }}");
    let (code, key, why) = said(&send(&world, &elsewhere, &LETTER, "").await);
    assert_eq!((code, key.as_str()), (Some(1), ""));
    assert!(why.contains(&format!("nobody listens on {gone} (admin.listen)")) && why.contains("--direct"), "{why}");

    let direct = [&LETTER[..], &["--direct"]].concat();
    let (code, key, why) = said(&send(&world, &elsewhere, &direct, "").await);

    let messages = world.simulator.messages();
    assert_eq!((code, key), (Some(0), format!("{}\n", messages[0].process_query_key)));
    assert!(why.contains("no relay counts what is called here"), "{why}");
    assert!(
        why.ends_with(
            "  call 1: sampleMarkdown: sent\n  1 call was made; it counts in the month unless DingTalk put it off\n"
        ),
        "{why}"
    );
    assert_eq!(groups(&messages), ["cid-team=="]);
    assert_eq!(world.look("/api/v1/deliveries").await["deliveries"], Value::Array(vec![]));

    world.simulator.fault(Api::Send, 1, Answer::code(400, "bot.stopped"));
    let (code, key, why) = said(&send(&world, &elsewhere, &direct, "").await);
    assert_eq!((code, key.as_str()), (Some(1), ""));
    assert!(why.contains("not sent: blocked: bot.stopped: "), "{why}");
    assert!(why.contains("1 call was made"), "what is blocked is not tried in another form: {why}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn direct_goes_down_the_plainer_forms_and_tells_of_every_call() {
    let world = World::start().await;
    let letter =
        ["--receiver", "team", "--title", "Release", "--text", "[Notes](https://example.com/notes)", "--direct"];
    for code in ["contain.unsafe.url", "miss.param.markdown"] {
        world.simulator.fault(Api::Send, 1, Answer::code(400, code));
    }
    let (code, key, why) = said(&send(&world, "", &letter, "").await);
    let messages = world.simulator.messages();
    assert_eq!((code, key), (Some(0), format!("{}\n", messages[0].process_query_key)));
    insta::assert_snapshot!(why);
    assert_eq!(world.simulator.count(Api::Send), 3);

    world.simulator.fault(Api::Send, EVERY_CALL, Answer::code(400, "contain.notAllowed.content"));
    let (code, key, why) = said(&send(&world, "", &letter, "").await);
    assert_eq!((code, key.as_str()), (Some(1), ""));
    let calls = world.simulator.count(Api::Send) - 3;
    assert!(calls > 1 && why.contains(&format!("\n  {calls} calls were made")), "{why}");
    assert_eq!(world.simulator.messages().len(), 1, "the title alone would point to a page that does not have it");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn direct_without_an_access_token_calls_nothing() {
    let world = World::start().await;
    world.simulator.fault(Api::Token, EVERY_CALL, Answer::code(400, "invalidClientIdOrSecret"));
    let direct = [&LETTER[..], &["--direct"]].concat();
    let (code, key, why) = said(&send(&world, "", &direct, "").await);
    assert_eq!((code, key.as_str(), world.simulator.count(Api::Send)), (Some(1), "", 0));
    assert!(why.contains("no call was made for it") && why.contains("not sent: blocked: "), "{why}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_usage_is_2() {
    let world = World::start().await;
    for (letter, says) in [
        (&["--receiver", "teem", "--title", "t", "--text", "x"][..], "did you mean `team`?"),
        (&["--receiver", "team", "--title", " ", "--text", "x"], "--title shows nothing"),
        (&["--receiver", "team", "--title", "t", "--text", "-"], "--text shows nothing"),
        (&["--receiver", "team", "--title", "t", "--text", "x", "--wait", "1h"], "longer than 30s"),
        (&["--receiver", "team", "--title", "t", "--text", "x", "--direct", "--wait", "1s"], "cannot be used with"),
        (&["--receiver", "team", "--title", "t"], "--text"),
    ] {
        let (code, key, why) = said(&send(&world, "", letter, "").await);
        assert_eq!((code, key.as_str()), (Some(2), ""), "{letter:?}: {why}");
        assert!(why.contains(says), "{letter:?}: {why}");
    }
    let (code, _, why) = said(&send(&world, "admin: { listen: '127.0.0.1:0' }", &LETTER, "").await);
    assert!(code == Some(2) && why.contains("admin.listen has port 0"), "{why}");
    world.end().await;
}

/// Runs `send` with the configuration of the world's relay, its real address, and `more` over both.
async fn send(world: &World, more: &str, arguments: &[&str], input: &str) -> Output {
    let folder = world.folder.path();
    let address = format!("admin: {{ listen: '{}' }}", world.relay.admin());
    let files = [("address.yaml", address.as_str()), ("last.yaml", more)].map(|(name, text)| {
        std::fs::write(folder.join(name), text).unwrap();
        name
    });
    let [address, last] = files;
    let configs = ["base.yaml", "more.yaml", address, last].map(|file| folder.join(file));
    let mut command = Command::new(env!("CARGO_BIN_EXE_dingtalk-relay"));
    command.arg("send").args(configs.iter().flat_map(|file| [Path::new("--config"), file.as_path()])).args(arguments);
    let (folder, input) = (folder.to_owned(), input.to_owned());
    let running = move || {
        let pipes = [Stdio::piped(), Stdio::piped(), Stdio::piped()];
        let [stdin, stdout, stderr] = pipes;
        let command = command.env_clear().current_dir(folder).stdin(stdin).stdout(stdout).stderr(stderr);
        let mut child = command.spawn().unwrap();
        // Where the text is an argument, it may end before it reads anything.
        let _read_or_not = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    };
    tokio::task::spawn_blocking(running).await.unwrap()
}

/// The exit code, and what was said on both outputs.
fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}
