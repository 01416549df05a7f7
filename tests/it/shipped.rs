//! What is shipped beside the program agrees with it: the manifests, the configuration they mount, the README's
//! examples, the examples of the embedded defaults.
//!
//! A block of the README says in its first line which file it is. `relay.yaml` is ours and complete the first time; the
//! later ones are laid over that one, as `--config` lays files over each other. Whether a cluster takes the manifests
//! is not asked here, that needs tools of Kubernetes' own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use dingtalk_relay::app::check;
use dingtalk_relay::cli::Cli;
use dingtalk_relay::config::{self, Config, SecretsRead};
use dingtalk_relay::http::Limits;
use serde_json::Value;
use tempfile::TempDir;

const README: &str = include_str!("../../README.md");
const STORM: &str = include_str!(
    "../../src/compose/tests/snapshots/dingtalk_relay__compose__tests__digest__what_the_readme_shows.snap"
);
const DEFAULTS: &str = include_str!("../../config/default.yaml");
const METRICS: &str = include_str!("../../src/telemetry/metrics.rs");
const DOCKERFILE: &str = include_str!("../../Dockerfile");

#[test]
fn every_configuration_of_the_readme_passes_check() {
    let folder = tempfile::tempdir().unwrap();
    let template = blocks("jinja").into_iter().next().expect("the README shows a template");
    write(&folder, &template.file, &template.text);
    let ours: Vec<_> = blocks("yaml").into_iter().filter(|block| block.file == "relay.yaml").collect();
    let (setup, fragments) = ours.split_first().expect("the README has a set-up");
    let setup = write(&folder, "0.yaml", &setup.text);

    sound(std::slice::from_ref(&setup));
    for (n, fragment) in fragments.iter().enumerate() {
        let fragment = write(&folder, &format!("{}.yaml", n + 1), &fragment.text);
        sound(&[setup.clone(), fragment]);
    }
    assert!(fragments.len() > 2, "the README shows more than the set-up");
}

#[test]
fn every_other_file_the_readme_shows_is_at_least_yaml() {
    for block in blocks("yaml") {
        let parsed: Result<Value, _> = serde_saphyr::from_str(&block.text);
        assert!(parsed.is_ok_and(|value| value.is_object()), "{}", block.text);
    }
}

#[test]
fn every_command_of_the_readme_is_one_we_understand() {
    let command = regex::Regex::new(r"(?m)(?:^|`)(?:dingtalk-relay|cargo run --release --) ([a-z][^`#\n]*)").unwrap();
    let mut names = BTreeSet::new();
    for arguments in command.captures_iter(README).map(|found| found[1].to_owned()) {
        let words = std::iter::once("dingtalk-relay").chain(arguments.split_whitespace());
        if let Err(error) = Cli::try_parse_from(words) {
            panic!("{arguments}: {error}");
        }
        names.extend(arguments.split_whitespace().next().map(str::to_owned));
    }
    assert_eq!(
        names.into_iter().collect::<Vec<_>>(),
        ["check", "demo", "explain", "render", "send", "serve", "simulate"]
    );
}

#[test]
fn the_messages_the_readme_shows_are_what_is_sent() {
    let (_, messages) = STORM.rsplit_once("---\n").expect("a snapshot has a head");
    let messages: Vec<_> = messages.trim().split("\n=====\n").collect();
    assert_eq!(messages.len(), 3);
    for message in messages {
        assert!(README.contains(&format!("```text\n{message}\n```")), "the README does not show:\n{message}");
    }
}

#[test]
fn every_metric_the_readme_names_exists() {
    let name = regex::Regex::new(r"dingtalk_relay_[a-z_]+").unwrap();
    let named: Vec<_> = name.find_iter(README).map(|found| found.as_str()).collect();
    assert!(named.len() > 10, "the README has a table of metrics");
    for metric in named {
        let plain = metric.trim_end_matches("_bucket").trim_end_matches("_sum").trim_end_matches("_count");
        assert!(METRICS.contains(&format!("{plain:?}")), "there is no metric {metric}");
    }
}

#[test]
fn the_examples_of_the_defaults_compile_too() {
    let folder = tempfile::tempdir().unwrap();
    let switched_on = regex::Regex::new(r"(?m)^(\s*)#(\S)").unwrap().replace_all(DEFAULTS, "$1$2");
    let examples = write(&folder, "examples.yaml", &switched_on);
    // The defaults name a template and cannot bring it along.
    write(&folder, "templates/mine.md.j2", "{% extends \"alertmanager\" %}");
    let templates = write(&folder, "templates.yaml", "templates: [templates]");
    sound(&[examples, templates]);
}

#[test]
fn the_configuration_of_the_pod_passes_check_and_finds_there_what_it_names() {
    let config = sound(&[base("relay.yaml")]);
    let pod = Pod::shipped();

    for (port, address) in [("webhooks", config.http.listen), ("admin", config.admin.listen)] {
        assert_eq!(pod.ports[port], u64::from(address.port()), "the container's port {port}");
        assert!(!address.ip().is_loopback(), "{port} is reached from outside of the pod");
    }
    assert!(config.admin.token.is_some(), "a port that others reach has a token");
    assert!(config.store.path.starts_with(&pod.mounts["data"]), "the database is on the volume");
    assert!(pod.args.contains(&pod.mounts["config"]), "the folder of the configuration is the one that is mounted");
    let text = std::fs::read_to_string(base("relay.yaml")).unwrap();
    let files = regex::Regex::new(r"_file: (\S+)").unwrap();
    for file in files.captures_iter(&text).map(|found| found[1].to_owned()) {
        assert!(file.starts_with(&pod.mounts["secrets"]), "{file} is among the mounted secrets");
    }
}

#[test]
fn the_pod_has_time_to_stop_in() {
    let config = sound(&[base("relay.yaml")]);
    let call = config.apps.values().map(|app| app.timeout).max().unwrap_or_default();
    // A token may be asked for before a call: as long again.
    let stop = Limits::default().drain.max(call * 2) + Duration::from_secs(5);
    assert!(Pod::shipped().grace >= stop, "it takes up to {stop:?}");
}

#[test]
fn the_image_and_the_manifests_mean_the_same_program() {
    let pod = Pod::shipped();
    let kustomization = manifests("kustomization.yaml").remove(0);
    assert_eq!(kustomization["images"][0]["newTag"], env!("CARGO_PKG_VERSION"));
    assert_eq!(kustomization["images"][0]["name"], pod.image.as_str());
    assert!(DOCKERFILE.contains(&format!("USER {0}:{0}\n", pod.user)), "the user of the image is that of the pod");
    assert!(DOCKERFILE.contains(&format!("WORKDIR {}\n", pod.mounts["data"])), "so is the folder of the database");
    let arguments = std::iter::once("dingtalk-relay").chain(pod.args.iter().map(String::as_str));
    assert!(Cli::try_parse_from(arguments).is_ok(), "{:?}", pod.args);
}

#[test]
fn every_manifest_is_part_of_the_base_and_every_service_finds_its_port() {
    let kustomization = manifests("kustomization.yaml").remove(0);
    let listed = kustomization["resources"]
        .as_array()
        .into_iter()
        .chain(kustomization["configMapGenerator"][0]["files"].as_array());
    let mut listed: Vec<_> = listed.flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    listed.push("kustomization.yaml".to_owned());
    listed.sort();
    let mut there: Vec<_> =
        std::fs::read_dir(base("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    there.sort();
    assert_eq!(listed, there);

    let pod = Pod::shipped();
    for service in manifests("services.yaml") {
        let port = &service["spec"]["ports"][0];
        assert_eq!(port["port"], pod.ports[port["targetPort"].as_str().unwrap()], "{service}");
    }
}

/// What the manifests say of the pod.
struct Pod {
    user: u64,
    grace: Duration,
    image: String,
    args: Vec<String>,
    ports: BTreeMap<String, u64>,
    mounts: BTreeMap<String, String>,
}

impl Pod {
    fn shipped() -> Self {
        let workload = manifests("workload.yaml").remove(0);
        let spec = &workload["spec"]["template"]["spec"];
        let container = &spec["containers"][0];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let list = |value: &Value| value.as_array().unwrap().clone();
        Self {
            user: spec["securityContext"]["runAsUser"].as_u64().unwrap(),
            grace: Duration::from_secs(spec["terminationGracePeriodSeconds"].as_u64().unwrap()),
            image: text(&container["image"]),
            args: list(&container["args"]).iter().map(text).collect(),
            ports: list(&container["ports"])
                .iter()
                .map(|port| (text(&port["name"]), port["containerPort"].as_u64().unwrap()))
                .collect(),
            mounts: list(&container["volumeMounts"])
                .iter()
                .map(|mount| (text(&mount["name"]), text(&mount["mountPath"])))
                .collect(),
        }
    }
}

/// A fenced block, and the file that its first line says it is.
struct Block {
    file: String,
    text: String,
}

/// The README's blocks in a language. All but shell commands say which file they are.
fn blocks(language: &str) -> Vec<Block> {
    let fence = regex::Regex::new(&format!(r"(?ms)^```{language}\n(.*?)^```$")).unwrap();
    let file = regex::Regex::new(r"\A(?:# |\{# )(\S+)").unwrap();
    let texts = fence.captures_iter(README).map(|found| found[1].to_owned());
    let named = |text: String| {
        let file = file.captures(&text).map(|found| found[1].to_owned());
        assert!(language == "sh" || file.is_some(), "a block does not say which file it is:\n{text}");
        Block { file: file.unwrap_or_default(), text }
    };
    texts.map(named).collect()
}

/// What these files say together, which `check` has nothing against. Secrets exist where the relay runs, not here.
fn sound(files: &[PathBuf]) -> Config {
    let config = config::load(files, std::iter::empty(), SecretsRead::Skip);
    let config = config.unwrap_or_else(|problems| panic!("{files:?}: {problems:#?}"));
    if let Err(problems) = check::compile(&config) {
        panic!("{files:?}: {problems:#?}");
    }
    config
}

fn write(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path
}

fn base(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/base").join(name)
}

/// The documents of a manifest file.
fn manifests(name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(base(name)).unwrap();
    let documents = text.split("\n---\n");
    documents.map(|text| serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"))).collect()
}
