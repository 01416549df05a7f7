//! `check` as a person or a pipeline runs it: the real program, its exit codes, and what it writes where.

use std::path::Path;
use std::process::{Command, Output};

use crate::zoo::specimens;

/// Runs the program as if on a machine of its own: whatever the tests run in says nothing about the configuration.
fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dingtalk-relay"));
    command.args(arguments).env_clear().envs(variables.iter().copied());
    command.output().unwrap()
}

fn check(file: &Path, more: &[&str]) -> Output {
    run(&[&["check", "--config", file.to_str().unwrap()], more].concat(), &[])
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

#[test]
fn check_exits_2_with_every_problem_on_standard_error_and_0_with_warnings_alone() {
    for specimen in specimens() {
        let output = check(&specimen.path, &[]);
        let (said, name) = (text(&output.stderr), specimen.path.display());

        assert_eq!(code(&output), if specimen.problems().is_empty() { 0 } else { 2 }, "{name}: {said}");
        assert_eq!(output.stdout.is_empty(), code(&output) == 2, "{name}");
        for path in specimen.problems().iter().chain(&specimen.warnings()) {
            assert!(said.contains(&format!("\n  {path}: ")), "{name} says nothing of {path}: {said}");
        }
        assert!(!said.contains("planted"), "{name}: {said}");
    }
}

#[test]
fn what_check_prints() {
    let specimen = specimens().into_iter().find(|specimen| specimen.path.ends_with("68-warned-beside-problems.yaml"));
    let output = check(&specimen.unwrap().path, &["--skip-secrets"]);
    insta::assert_snapshot!(text(&output.stderr));
}

#[test]
fn a_sound_configuration_exits_0_and_secrets_may_be_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("relay.yaml");
    let settings = "
apps: { ops: { region: intl, app_key: k, app_secret_file: nowhere } }
receivers: { oncall: { app: ops, open_conversation_id: cid1== } }
sources: { am: { kind: alertmanager, auth: { bearer_token_file: nowhere } } }
route: { receiver: oncall }
";
    std::fs::write(&file, settings).unwrap();

    let skipped = check(&file, &["--skip-secrets"]);
    assert_eq!((code(&skipped), text(&skipped.stderr)), (0, ""));
    insta::assert_snapshot!(text(&skipped.stdout), @r"
    The configuration is sound: 1 app, 1 receiver, 1 source.
    organisation default: 5000 calls a month for 1 group: about 133 messages a group and day, and 1000 calls kept for what is critical (20%); what is more gathers
    ");

    let read = check(&file, &[]);
    assert_eq!(code(&read), 2);
    assert!(text(&read.stderr).contains("sources.am.auth.bearer_token_file: cannot read "), "{}", text(&read.stderr));

    std::fs::write(folder.path().join("nowhere"), "planted\n").unwrap();
    assert_eq!(code(&check(&file, &[])), 0);
    assert_eq!(code(&check(folder.path(), &[])), 0, "a folder is its *.yaml");
}

#[test]
fn a_pod_is_warned_of_a_loopback_admin_port_and_serve_says_it_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("relay.yaml");
    // A port that is taken ends `serve` with 1 as soon as it has said what it has to say.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    std::fs::write(&file, format!("http: {{ listen: '{address}' }}")).unwrap();
    let file = file.to_str().unwrap();
    let pod = [("KUBERNETES_SERVICE_HOST", "10.0.0.1")];

    let checked = run(&["check", "--config", file], &pod);
    assert_eq!(code(&checked), 0);
    assert!(text(&checked.stderr).contains("  admin.listen: 127.0.0.1:8061 is reached from inside this container"));

    let served = run(&["serve", "--config", file], &pod);
    let said = text(&served.stderr);
    assert_eq!(code(&served), 1, "{said}");
    assert_eq!(said.matches("admin.listen: 127.0.0.1:8061 is reached from inside this container").count(), 1, "{said}");
    assert!(said.contains("cannot listen on"), "{said}");
}

#[test]
fn serve_refuses_what_check_refuses_and_bad_usage_is_2() {
    let specimen = specimens().into_iter().find(|specimen| specimen.path.ends_with("51-nothing-hides-anything.yaml"));
    let file = specimen.unwrap().path;
    let served = run(&["serve", "--config", file.to_str().unwrap()], &[]);
    assert_eq!(code(&served), 2);
    assert_eq!(text(&served.stderr), text(&check(&file, &[]).stderr));

    assert_eq!(code(&run(&["check"], &[])), 2);
    assert_eq!(code(&run(&["check", "--config", "/nowhere/relay.yaml"], &[])), 2);
    assert_eq!(code(&run(&["explain", "no.such.code"], &[])), 1);
}
