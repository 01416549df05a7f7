//! The real binary: SIGHUP, files that change under it, and what the log and the metrics say.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::{TOKEN, client, fixture, settings};
use crate::process::Process;

const SUCCESSFUL: &str = "dingtalk_relay_config_last_reload_successful";
const GOOD: &str = "receivers: { dev: { app: ops, open_conversation_id: cid-dev== } }";
const BROKEN: &str =
    "receivers: { dev: { app: opps, open_conversation_id: PLANTED-NOWHERE } }\nretry: { max_attempts: 0 }";

#[tokio::test(flavor = "multi_thread")]
async fn sighup_reads_the_configuration_again_and_a_broken_one_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let config = mounted(folder.path(), "");
    let process = Process::start(&config, "info");
    assert_eq!(metric(&process, SUCCESSFUL).await, 1.0);
    let taken_at = metric(&process, "dingtalk_relay_config_last_reload_success_timestamp_seconds").await;
    assert!(taken_at > 1.7e9, "{taken_at}");

    // As the kubelet swaps a mounted ConfigMap; nobody sends a signal.
    publish(&config, "..2", BROKEN);
    until(&process, SUCCESSFUL, 0.0).await;
    let refused = said(&process, "refused").await;
    assert!(refused.contains("receivers.dev.app") && refused.contains("retry.max_attempts"), "{refused}");
    assert!(!lanes(&process).await.contains("dev"));

    publish(&config, "..3", GOOD);
    hang_up(&process);
    until(&process, SUCCESSFUL, 1.0).await;
    let taken = said(&process, "receivers.dev added").await;
    assert!(taken.contains("read again"), "{taken}");
    assert!(lanes(&process).await.contains("dev"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_configured_no_more_does_not_go_on_in_the_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let dev = format!("{GOOD}\napps: {{ old: {{ region: cn, app_key: k, app_secret: s }} }}");
    let config = mounted(folder.path(), &dev);
    let process = Process::start(&config, "info");
    let depth = "dingtalk_relay_queue_depth{receiver=\"dev\"}";
    let quota = "dingtalk_relay_api_quota_remaining{app=\"old\"}";
    let post = client().post(format!("http://{}/hooks/alertmanager/dev", process.hooks)).bearer_auth(TOKEN);
    let post = post.header("content-type", "application/json").body(fixture("one-firing.json"));
    assert_eq!(post.send().await.unwrap().status(), 202);
    assert_eq!((metric(&process, depth).await, metric(&process, quota).await), (1.0, 5000.0));

    publish(&config, "..2", "");
    hang_up(&process);
    said(&process, "apps.old removed").await;
    assert_eq!(metric(&process, depth).await, 1.0, "what waits for it is still there");
    assert!(!look(&process, "/metrics").await.contains(quota), "neither many calls nor none");

    let cancel = format!("http://{}/api/v1/deliveries/cancel?receiver=dev&state=queued", process.admin);
    assert!(client().post(cancel).send().await.unwrap().status().is_success());
    assert!(!look(&process, "/metrics").await.contains(depth), "nobody waits for nobody");
}

/// A mounted ConfigMap that holds the settings in one file and `more` in another.
fn mounted(folder: &Path, more: &str) -> std::path::PathBuf {
    let volume = folder.join("config");
    fs::create_dir(&volume).unwrap();
    publish(&volume, "..1", more);
    for file in ["10-base.yaml", "20-more.yaml"] {
        symlink(format!("..data/{file}"), volume.join(file)).unwrap();
    }
    volume
}

/// A new version of it: a new folder, then one rename of the link to it.
fn publish(volume: &Path, version: &str, more: &str) {
    let new = volume.join(version);
    fs::create_dir(&new).unwrap();
    fs::write(new.join("10-base.yaml"), settings("http://127.0.0.1:9", volume.parent().unwrap())).unwrap();
    fs::write(new.join("20-more.yaml"), more).unwrap();
    symlink(version, volume.join("..data_tmp")).unwrap();
    fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
}

fn hang_up(process: &Process) {
    assert!(Command::new("kill").args(["-HUP", &process.id()]).status().unwrap().success());
}

async fn look(process: &Process, path: &str) -> String {
    client().get(format!("http://{}{path}", process.admin)).send().await.unwrap().text().await.unwrap()
}

async fn lanes(process: &Process) -> String {
    look(process, "/api/v1/lanes").await
}

async fn metric(process: &Process, name: &str) -> f64 {
    let metrics = look(process, "/metrics").await;
    let line = metrics.lines().find(|line| line.starts_with(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("no {name} in {metrics}")).rsplit_once(' ').unwrap().1.parse().unwrap()
}

/// Waits until a metric has a value.
async fn until(process: &Process, name: &str, value: f64) {
    let began = Instant::now();
    while metric(process, name).await != value {
        assert!(began.elapsed() < Duration::from_secs(20), "{name} does not become {value}: {}", process.said());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits for a line of the log.
async fn said(process: &Process, word: &str) -> String {
    let began = Instant::now();
    loop {
        if let Some(line) = process.said().lines().find(|line| line.contains(word)) {
            return line.to_owned();
        }
        assert!(began.elapsed() < Duration::from_secs(20), "nobody says {word:?}: {}", process.said());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
