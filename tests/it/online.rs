//! `check --online`, the real program against a DingTalk that knows three groups: what it costs, what it says of each
//! app and group, what it could not check, and that no message is ever sent.

use std::path::Path;
use std::process::{Command, Output};

use dingtalk_relay::app::online::{Answers, Inquiry, Said, plan};
use dingtalk_relay::config::region::Region;
use dingtalk_relay::config::{self, Config};
use dingtalk_relay::simulator::faults::{Answer, Api};
use dingtalk_relay::simulator::limits::Limits;
use dingtalk_relay::simulator::strict::{App, Robot, Strict};
use dingtalk_relay::simulator::{Options, Simulator};
use url::Url;

use crate::harness::nowhere::Nowhere;

const EVERY_CALL: u32 = 1000;

const SECRET: &str = "planted-and-right";

#[tokio::test(flavor = "multi_thread")]
async fn all_is_well() {
    let dingtalk = dingtalk(&["cid-oncall==", "cid-team=="]).await;
    let output = check(&dingtalk.base_url(), "").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    insta::assert_snapshot!(told(&dingtalk.base_url(), &output));
    // Two receivers share a group: it costs one call, as was announced.
    assert_eq!(asked(&dingtalk), (1, 2));
    assert_eq!(announced(&output), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_robot_that_is_not_in_a_group_and_a_group_that_is_none() {
    let dingtalk = dingtalk(&["cid-oncall=="]).await;
    let more = "receivers: { lost: { app: ops, open_conversation_id: cid-nowhere==, cool_app_code: COOLAPP-1 } }";
    let output = check(&dingtalk.base_url(), more).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    insta::assert_snapshot!(told(&dingtalk.base_url(), &output));
    assert_eq!((asked(&dingtalk), announced(&output)), ((1, 3), 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_costs_nothing() {
    let dingtalk = dingtalk(&[]).await;
    let output = check(&dingtalk.base_url(), "apps: { ops: { app_secret: planted-and-wrong } }").await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    insta::assert_snapshot!(told(&dingtalk.base_url(), &output));
    assert_eq!(asked(&dingtalk), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_app_is_asked_once() {
    let mut seen = String::new();
    for (code, hint) in [
        ("Forbidden.AccessDenied.AccessTokenPermissionDenied", "It asks for: qyapi_robot_sendmsg."),
        ("Forbidden.AccessDenied.IpNotInWhiteList", "outgoing address"),
    ] {
        let dingtalk = dingtalk(&["cid-oncall==", "cid-team=="]).await;
        dingtalk.fault(Api::Query, EVERY_CALL, Answer::code(403, code));
        let output = check(&dingtalk.base_url(), "").await;
        assert_eq!((output.status.code(), asked(&dingtalk)), (Some(1), (1, 1)), "{output:?}");
        let told = told(&dingtalk.base_url(), &output);
        assert!(told.contains(hint), "{told}");
        seen += &part(&told);
    }
    insta::assert_snapshot!(seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_that_is_used_up_is_used_up_for_every_app_of_the_organisation() {
    let dingtalk = dingtalk(&["cid-oncall==", "cid-team=="]).await;
    dingtalk.limits(Limits { calls_per_month: 1, ..Limits::default() });
    let more = "
organisations: { main: { calls_per_month: 1000 }, sister: { calls_per_month: 0 } }
apps:
  ops: { organisation: main }
  second: { organisation: main, base_url: SIMULATOR, app_key: ding-test, app_secret: planted-and-right }
  third: { organisation: sister, base_url: SIMULATOR, app_key: ding-test, app_secret: planted-and-right }
receivers: { other: { app: second, open_conversation_id: cid-team== } }
";
    let output = check(&dingtalk.base_url(), more).await;
    assert_eq!((output.status.code(), asked(&dingtalk)), (Some(1), (3, 2)), "{output:?}");
    insta::assert_snapshot!(told(&dingtalk.base_url(), &output));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_about_which_dingtalk_could_not_be_asked_is_a_failure() {
    let mut seen = String::new();
    for (api, answer, calls) in [
        (Api::Token, Answer::Html { status: 200 }, (1, 0)),
        (Api::Query, Answer::Html { status: 200 }, (1, 1)),
        (Api::Query, Answer::Hang, (1, 1)),
        (Api::Query, Answer::ResetBefore, (1, 1)),
        (Api::Query, Answer::code(403, "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi"), (1, 1)),
    ] {
        let dingtalk = dingtalk(&["cid-oncall==", "cid-team=="]).await;
        dingtalk.fault(api, EVERY_CALL, answer);
        let output = check(&dingtalk.base_url(), "apps: { ops: { timeout: 700ms } }").await;
        assert_eq!((output.status.code(), asked(&dingtalk)), (Some(1), calls), "{output:?}");
        let told = told(&dingtalk.base_url(), &output);
        assert!(told.contains("\n  - night, oncall, team (app ops): "), "{told}");
        assert!(told.contains("could not be asked about app ops (http://DINGTALK: "), "{told}");
        seen += &part(&told);
    }
    insta::assert_snapshot!(seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_leaves_it_open_is_no_failure_but_is_said() {
    let dingtalk = dingtalk(&["cid-oncall==", "cid-team=="]).await;
    dingtalk.fault(Api::Query, EVERY_CALL, Answer::code(400, "resource.not.found"));
    let output = check(&dingtalk.base_url(), "").await;
    assert_eq!((output.status.code(), asked(&dingtalk)), (Some(0), (1, 2)), "{output:?}");
    insta::assert_snapshot!(told(&dingtalk.base_url(), &output));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_listens_it_fails_and_names_the_host_without_what_the_address_holds() {
    let nowhere = Nowhere::taken();
    let base_url = format!("http://{}", nowhere.address);
    let with_a_path = format!("apps: {{ ops: {{ base_url: '{base_url}/planted/path' }} }}");
    let output = check(&base_url, &with_a_path).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    insta::assert_snapshot!(told(&base_url, &output));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_app_that_says_no_and_one_that_cannot_be_asked_are_both_told() {
    let dingtalk = dingtalk(&["cid-oncall=="]).await;
    let nowhere = Nowhere::taken();
    let gone = nowhere.address;
    let more = format!("apps: {{ spare: {{ base_url: 'http://{gone}', app_key: ding-spare, app_secret: planted }} }}");
    let output = check(&dingtalk.base_url(), &more).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let why = format!("says no to team; DingTalk could not be asked about app spare (http://{gone}: connect)\n");
    assert!(text(&output.stderr).ends_with(&why), "{}", text(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn dingtalk_is_asked_only_of_a_configuration_that_is_sound() {
    let dingtalk = dingtalk(&[]).await;
    let output = check(&dingtalk.base_url(), "receivers: { oncall: { timezone: Nowhere/City } }").await;
    assert_eq!((output.status.code(), asked(&dingtalk)), (Some(2), (0, 0)), "{output:?}");

    let output = run(&["check", "--online", "--skip-secrets", "--config", "/nowhere.yaml"], Path::new("/"));
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("cannot be used with"), "{}", text(&output.stderr));
}

#[tokio::test]
async fn credentials_that_are_not_known_are_shown_to_the_other_region_once() {
    let (here, there) = (dingtalk_of("another secret").await, dingtalk(&["cid-oncall==", "cid-team=="]).await);
    let answers = ask_in_two_regions("intl", &here, &there).await;
    assert!(matches!(answers.app, Said::No(_)), "{answers:?}");
    assert_eq!(answers.other_region, Some((Region::Cn, Said::Yes)));
    // The groups of an app of the other region are not asked there: the configuration says otherwise.
    assert_eq!((asked(&here), asked(&there)), ((1, 0), (1, 0)));

    let there = dingtalk_of("a third secret").await;
    let answers = ask_in_two_regions("cn", &here, &there).await;
    assert!(matches!(answers.other_region, Some((Region::Intl, Said::No(_)))), "{answers:?}");
}

#[tokio::test]
async fn no_other_region_is_shown_credentials_that_are_right_or_that_were_meant_for_a_host_of_their_own() {
    let (here, there) = (dingtalk(&["cid-oncall==", "cid-team=="]).await, dingtalk(&[]).await);
    let answers = ask_in_two_regions("intl", &here, &there).await;
    assert_eq!((answers.app, answers.other_region, asked(&there)), (Said::Yes, None, (0, 0)));

    // What is no complaint of the credentials would not be mended by the other region.
    here.fault(Api::Token, 1, Answer::code(403, "Forbidden.AccessDenied.IpNotInWhiteList"));
    let answers = ask_in_two_regions("intl", &here, &there).await;
    assert!(matches!((answers.app, answers.other_region), (Said::No(_), None)));

    let here = dingtalk_of("another secret").await;
    let config = configured(&here.base_url());
    let answers = ask(&config, &there).await;
    assert!(matches!(answers.app, Said::No(_)));
    assert_eq!((answers.other_region, asked(&there)), (None, (0, 0)));
}

/// Asks about an app of that region, which is `here`, while the other one is `there`.
async fn ask_in_two_regions(region: &str, here: &Simulator, there: &Simulator) -> Answers {
    let mut config = configured(&here.base_url());
    let app = config.apps.values_mut().next().unwrap();
    app.region = Some(if region == "intl" { Region::Intl } else { Region::Cn });
    let answers = ask(&config, there).await;
    assert!([here, there].iter().all(|dingtalk| dingtalk.messages().is_empty()));
    answers
}

async fn ask(config: &Config, there: &Simulator) -> Answers {
    let there: Url = there.base_url().parse().unwrap();
    Inquiry::new(|_| there.clone()).ask(&plan(config)[0]).await.unwrap()
}

fn configured(base_url: &str) -> Config {
    config::from_text(&settings(base_url)).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// A DingTalk with one robot, which is in these groups; the group `cid-team==` exists in any case.
async fn dingtalk(groups: &[&str]) -> Simulator {
    dingtalk_with(SECRET, groups).await
}

async fn dingtalk_of(secret: &str) -> Simulator {
    dingtalk_with(secret, &[]).await
}

async fn dingtalk_with(secret: &str, groups: &[&str]) -> Simulator {
    let robot = |code: &str, groups: &[&str]| Robot {
        robot_code: code.to_owned(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
    };
    let app = |key: &str, robot| App { app_key: key.to_owned(), app_secret: secret.to_owned(), robots: vec![robot] };
    let apps = vec![app("ding-test", robot("ding-test", groups)), app("ding-other", robot("other", &["cid-team=="]))];
    Simulator::start(Options { strict: Some(Strict { apps }), ..Options::default() }).await.unwrap()
}

fn settings(base_url: &str) -> String {
    format!(
        "
store: {{ url: 'sqlite:relay.db' }}
admin: {{ listen: '0.0.0.0:8061', token: planted }}
apps: {{ ops: {{ base_url: '{base_url}', app_key: ding-test, app_secret: {SECRET}, timeout: 5s }} }}
receivers:
  night: {{ app: ops, open_conversation_id: cid-oncall== }}
  oncall: {{ app: ops, open_conversation_id: cid-oncall== }}
  team: {{ app: ops, open_conversation_id: cid-team== }}
sources: {{ alertmanager: {{ kind: alertmanager, auth: {{ bearer_token: planted }} }} }}
route: {{ receivers: [oncall, team] }}
"
    )
}

/// Runs `check --online` with the settings and `more` over them, in a folder of its own, where it leaves nothing.
async fn check(base_url: &str, more: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("base.yaml"), settings(base_url)).unwrap();
    std::fs::write(folder.path().join("more.yaml"), more.replace("SIMULATOR", base_url)).unwrap();
    let running = move || {
        let output = run(&["check", "--online", "--config", "base.yaml", "--config", "more.yaml"], folder.path());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "it opens no store");
        output
    };
    tokio::task::spawn_blocking(running).await.unwrap()
}

fn run(arguments: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dingtalk-relay"));
    command.args(arguments).env_clear().current_dir(folder).output().unwrap()
}

/// The calls that were made, for tokens and for groups. No message was sent, and none taken back.
fn asked(dingtalk: &Simulator) -> (usize, usize) {
    assert_eq!((dingtalk.count(Api::Send), dingtalk.count(Api::Recall), dingtalk.messages()), (0, 0, vec![]));
    (dingtalk.count(Api::Token), dingtalk.count(Api::Query))
}

/// The calls that were announced, before anything else was said of DingTalk.
fn announced(output: &Output) -> usize {
    let told = text(&output.stdout);
    let (line, app) = (told.find("  organisation default: ").unwrap(), told.find("\napp ").unwrap());
    assert!(line < app, "{told}");
    told[line..].split(' ').find_map(|word| word.parse().ok()).unwrap()
}

/// What a person sees, without what differs from run to run.
fn told(base_url: &str, output: &Output) -> String {
    let told = format!("{}-- stderr\n{}", text(&output.stdout), text(&output.stderr));
    assert!(!told.contains("planted"), "{told}");
    told.replace(base_url, "http://DINGTALK")
}

/// What is said of the app, and the first of what was not checked.
fn part(told: &str) -> String {
    let from = told.find("\napp ").unwrap();
    let to = told.find("\n  - that a message gets through").unwrap();
    format!("{}\n", &told[from..to])
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}
