//! What a person writes and what they are told: files, folders, environment, defaults, and every problem at once.
//!
//! The snapshots are what `check` prints, to be read as a person would. Law 8: what is planted as a secret is never
//! told. That `config/default.yaml` shows every key is tested beside the loader, which alone can see a tree.

#![allow(clippy::unwrap_used)] // The helpers at the bottom are tests too.

mod sources;

use std::path::PathBuf;
use std::time::Duration;

use dingtalk_relay::config::{self, Auth, Config, SecretsRead};
use proptest::prelude::*;
use secrecy::ExposeSecret;
use tempfile::TempDir;

/// As little as a configuration that does something can be.
const SMALL: &str = r#"
apps: { ops: { region: intl, app_key: dingops, app_secret: planted-app-secret } }
receivers: { oncall: { app: ops, open_conversation_id: cid1== } }
sources: { alertmanager: { kind: alertmanager, auth: { bearer_token: planted-token } } }
route: { receiver: oncall }
"#;

#[test]
fn a_small_file_is_filled_up_from_the_defaults() {
    let config = config::from_text(SMALL).unwrap();

    assert_eq!(config.http.listen.to_string(), "0.0.0.0:8060");
    assert_eq!(config.http.max_body, 4 << 20);
    assert_eq!(config.store.path, PathBuf::from("data/relay.db"));
    assert_eq!(config.store.retention, Duration::from_secs(30 * 24 * 3600));
    assert_eq!(config.organisations["default"].calls_per_month, Some(5000));
    assert_eq!(config.retry.schedule.len(), 6);
    let app = &config.apps["ops"];
    assert_eq!(app.organisation.as_str(), "default");
    assert_eq!(app.base_url.as_str(), "https://api.dingtalk.io/");
    assert_eq!((app.robot_code.as_str(), app.calls_per_second.get()), ("dingops", 15));
    assert_eq!(app.app_secret.reveal().unwrap().expose_secret(), "planted-app-secret");
    let receiver = &config.receivers["oncall"];
    assert_eq!((receiver.robot_code.as_str(), receiver.messages_per_minute.get()), ("dingops", 20));
    assert_eq!(receiver.cooldown.last, Duration::from_secs(600));
    assert!(!receiver.receipts.enabled);
    assert_eq!(receiver.receipts.ask_after, [60, 600, 3600].map(Duration::from_secs));
    assert_eq!(config.organisations["default"].receipt_calls_per_month, 500);
    assert_eq!(config.sources["alertmanager"].dedup_window, Duration::from_secs(360));
    assert_eq!(config.route.unwrap().receivers[0].as_str(), "oncall");
}

#[test]
fn an_empty_file_is_a_configuration_that_does_nothing_yet() {
    let config = config::from_text("").unwrap();
    assert!(config.apps.is_empty() && config.receivers.is_empty() && config.route.is_none());
}

#[test]
fn a_receiver_comes_before_those_it_extends_and_these_before_the_defaults() {
    let config = config::from_text(&format!(
        "{SMALL}
defaults: {{ receiver: {{ timezone: Europe/Paris, on_unknown_outcome: hold, limits: {{ messages_per_minute: 10 }} }} }}
"
    ));
    let defaulted = config.unwrap();
    let config = config::from_text(
        "
apps: { ops: { region: cn, app_key: dingops, app_secret: s, robot_code: robot-of-app } }
defaults: { receiver: { timezone: Europe/Paris, limits: { messages_per_minute: 10 } } }
receivers:
  first: { app: ops, open_conversation_id: cid1, limits: { messages_per_minute: 11, cooldown: { max: 1h } } }
  second: { extends: first, open_conversation_id: cid2, robot_code: robot-of-second }
  third: { extends: second, timezone: Asia/Shanghai, limits: { cooldown: { initial: 5s } } }
",
    );
    let third = &config.unwrap().receivers["third"];

    let receiver = &defaulted.receivers["oncall"];
    assert_eq!(receiver.style.timezone.iana_name(), Some("Europe/Paris"));
    assert_eq!((receiver.messages_per_minute.get(), receiver.cooldown.first.as_secs()), (10, 60));
    assert_eq!(third.style.timezone.iana_name(), Some("Asia/Shanghai"), "its own");
    assert_eq!(third.cooldown.first.as_secs(), 5, "its own");
    assert_eq!((third.open_conversation_id.as_str(), third.robot_code.as_str()), ("cid2", "robot-of-second"));
    assert_eq!((third.app.as_str(), third.messages_per_minute.get()), ("ops", 11), "of the receiver two steps away");
    assert_eq!(third.cooldown.last.as_secs(), 3600, "of the receiver two steps away");
    assert_eq!(third.on_unknown_outcome, config::OnUnknownOutcome::Resend, "built in");
}

#[test]
fn credentials_of_the_defaults_never_open_a_source_that_names_its_own() {
    let config = config::from_text(
        "
defaults: { source: { auth: { bearer_token: everyone }, severity: { map: { page: info } } } }
sources:
  open: { kind: alertmanager }
  own: { kind: alertmanager, auth: { basic: { username: am, password: pw } }, severity: { map: { PAGE: warning } } }
",
    )
    .unwrap();

    assert!(matches!(&config.sources["open"].auth, Auth::Bearer(_)));
    assert!(matches!(&config.sources["own"].auth, Auth::Basic { username, .. } if username == "am"));
    let map = &config.sources["own"].severity.map;
    let shown: Vec<_> = map.iter().map(|(word, severity)| format!("{word}={severity:?}")).collect();
    assert_eq!(shown.join(" "), "error=Warning p0=Critical page=Warning 严重=Critical");
}

#[test]
fn half_of_a_credential_is_not_filled_up_from_the_defaults() {
    let problems = config::from_text(
        "
defaults: { source: { auth: { basic: { username: everyone, password: known-to-all } } } }
sources: { own: { kind: alertmanager, auth: { basic: { username: am } } } }
",
    )
    .unwrap_err();
    let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["sources.own.auth.basic: must say one of `password`, `password_file`"]);
}

#[test]
fn later_files_win_maps_merge_and_routes_are_appended() {
    let folder = Folder::with(&[
        ("b.yaml", "http: { max_body: 2MiB }\nroute: { routes: [{ drop: true, matchers: [b=1] }] }"),
        ("a.yaml", SMALL),
        (
            "a2.yml",
            "http: { max_body: 1MiB, listen: 127.0.0.1:1 }\nretry: { schedule: [2s] }\nadmin:\n\
             route: { routes: [{ matchers: [a=1] }] }",
        ),
        (".hidden.yaml", "nonsense: true"),
        ("notes.txt", "not: [ours"),
        ("z.toml", "[store]\nmax_queued = 7"),
        ("z.json", r#"{ "retry": { "max_attempts": 3, "schedule": ["4s"] } }"#),
    ]);
    let config = folder.load(&["", "z.toml", "z.json"], &[]).unwrap();

    assert_eq!(config.http.max_body, 2 << 20, "b.yaml comes after a2.yml");
    assert_eq!(config.http.listen.port(), 1, "what only a2.yml says stays");
    assert_eq!((config.store.max_queued, config.retry.max_attempts.get()), (7, 3));
    assert_eq!(config.retry.schedule, [Duration::from_secs(4)], "a list is replaced");
    let route = config.route.unwrap();
    let matchers: Vec<_> = route.routes.iter().flat_map(|route| &route.matchers).map(String::as_str).collect();
    assert_eq!(matchers, ["a=1", "b=1"]);
}

#[test]
fn the_environment_wins_over_files_and_is_read_as_each_key_wants_it() {
    let folder = Folder::with(&[("relay.yaml", SMALL)]);
    let environment = [
        ("RELAY__APPS__OPS__APP_SECRET", "from-environment"),
        ("RELAY__APPS__OPS__APP_KEY", "00123"),
        ("RELAY__APPS__OPS__LIMITS__CALLS_PER_SECOND", "7"),
        ("RELAY__HTTP__LISTEN", "127.0.0.1:9000"),
        ("RELAY__DEFAULTS__RECEIVER__TIMEZONE", "Asia/Tokyo"),
        ("RELAY__SOURCES__ALERTMANAGER__SEVERITY__DEFAULT", "info"),
        ("RELAY_HOME", "not ours"),
    ];
    let config = folder.load(&["relay.yaml"], &environment).unwrap();

    let app = &config.apps["ops"];
    assert_eq!(app.app_secret.reveal().unwrap().expose_secret(), "from-environment");
    assert_eq!((app.app_key.as_str(), app.calls_per_second.get()), ("00123", 7));
    assert_eq!(config.http.listen.port(), 9000);
    assert_eq!(config.receivers["oncall"].style.timezone.iana_name(), Some("Asia/Tokyo"));
}

#[test]
fn a_number_in_a_file_keeps_its_zeros_where_a_text_is_wanted() {
    let config = config::from_text("apps: { a: { region: cn, app_key: 00123, app_secret: 0x1F } }").unwrap();
    assert_eq!(config.apps["a"].app_key, "00123");
    assert_eq!(config.apps["a"].app_secret.reveal().unwrap().expose_secret(), "0x1F");
}

#[test]
fn relative_secret_files_begin_in_the_folder_of_the_file_that_says_them() {
    let app = "apps: { ops: { region: cn, app_key: k, app_secret_file: secrets/ops } }\ntemplates: [mine, /abs]";
    let folder = Folder::with(&[("relay.yaml", app), ("secrets/ops", "in the file\n")]);
    let config = folder.load(&["relay.yaml"], &[]).unwrap();
    assert_eq!(config.apps["ops"].app_secret.reveal().unwrap().expose_secret(), "in the file");
    assert_eq!(config.templates, [folder.path("mine"), PathBuf::from("/abs")]);
}

#[test]
fn secret_files_are_not_touched_where_they_need_not_exist() {
    let app = "apps: { ops: { region: cn, app_key: k, app_secret_file: /nowhere/ops } }";
    let folder = Folder::with(&[("relay.yaml", app)]);
    let paths = [folder.path("relay.yaml")];
    assert!(config::load(&paths, std::iter::empty(), SecretsRead::Skip).is_ok());
    let problems = folder.problems(&["relay.yaml"], &[]);
    assert_eq!(
        problems,
        ["apps.ops.app_secret_file: cannot read /nowhere/ops: No such file or directory (os error 2)"]
    );
}

#[test]
fn an_unreadable_or_broken_file_is_named_and_so_is_every_other() {
    let folder = Folder::with(&[("one.yaml", "a: [1"), ("two.json", "{"), ("three.yaml", "[1]"), ("empty/x.txt", "")]);
    let problems = folder.problems(&["one.yaml", "two.json", "three.yaml", "four.yaml", "empty"], &[]);
    insta::assert_snapshot!(problems.join("\n"), @r"
    one.yaml: line 2: while parsing a flow sequence, expected ',' or ']'
    two.json: line 1: EOF while parsing an object
    three.yaml: must be a map, not a list
    four.yaml: cannot be read: No such file or directory (os error 2)
    empty: holds no *.yaml file
    ");
}

#[test]
fn variables_that_fit_nowhere_are_named() {
    let folder = Folder::with(&[("relay.yaml", SMALL)]);
    let environment = [
        ("RELAY__APPS", "x"),
        ("RELAY__HTTP", "x"),
        ("RELAY__HTTP__LISTEN__PORT", "1"),
        ("RELAY__HTTP__", "x"),
        ("RELAY__HTPP__LISTEN", "planted"),
        ("RELAY__RETRY__SCHEDULE", "planted"),
        ("RELAY__ROUTE__ROUTES__0__DROP", "planted"),
    ];
    insta::assert_snapshot!(folder.problems(&["relay.yaml"], &environment).join("\n"), @r"
    RELAY__APPS: must be RELAY__SECTION__KEY
    RELAY__HTTP: must be RELAY__SECTION__KEY
    RELAY__HTTP__: must be RELAY__SECTION__KEY
    RELAY__HTTP__LISTEN__PORT: `listen` is a single value and holds no keys
    RELAY__RETRY__SCHEDULE: a variable sets single values only, and `schedule` is a list
    route.routes: must be a list, not a map
    htpp: unknown key (from the environment); did you mean `http`?
    ");
}

/// One mistake each, over a configuration that is otherwise right.
#[test]
fn every_kind_of_mistake_is_told_with_its_place_and_a_way_out() {
    let mistakes = [
        "http: { lissen: 1 }",
        "http: { listen: 8060 }",
        "http: { max_body: 0 }",
        "http: { dingtalk_path: { source: alertmanger } }",
        "http: { dingtalk_path: {} }",
        "http: []",
        "admin: { listen: 0.0.0.0:8060 }",
        "admin: { token: '' }",
        "admin: { external_url: ftp://x }",
        "store: { url: 'postgres://u:planted@db/x' }",
        "store: { retention: 0s }",
        "organisations: { main: { calls_per_month: many } }",
        "organisations: { main: { receipt_calls_per_month: 0 } }",
        "organisations: { main: { critical_reserve: 20, kept_for_others: some } }",
        "organisations: { main: { kept_for_others: 5000 }, other: { kept_for_others: 4000 }, third: { critical_reserve: 100% } }",
        "organisations: { a__b: {} }",
        "apps: { ops: { base_url: https://example.com } }",
        "apps: { two: { app_key: k, app_secret: planted } }",
        "apps: { ops: { organisation: mian }, }\norganisations: { main: {} }",
        "apps: { ops: { app_secret_file: /run/secrets/ops } }",
        "apps: { ops: { timeout: 10 } }",
        "apps: { ops: { limits: { calls_per_second: 0 } } }",
        "apps: { two: { base_url: http://example.com, app_key: k, app_secret: planted } }",
        "receivers: { oncall: { app: opps } }",
        "receivers: { two: { app: ops } }",
        "receivers: { two: }",
        "receivers: { oncall: { kind: custom_robot } }",
        "receivers: { oncall: { extends: oncal } }",
        "receivers: { oncall: { extends: two }, two: { extends: three }, three: { extends: two } }",
        "receivers: { oncall: { timezone: Asia/Shangai } }",
        "receivers: { oncall: { limits: { cooldown: { initial: 1h } } } }",
        "receivers: { oncall: { on_unknown_outcome: retry } }",
        "receivers: { oncall: { receipts: true } }",
        "receivers: { oncall: { receipts: { enabled: often, ask_after: [] } } }",
        "receivers: { oncall: { receipts: { ask_after: [0s, soon, 24h] } } }",
        "receivers: { oncall: { receipts: { ask_after: [10m, 1m] } } }",
        "receivers: { oncall: { digest: sometimes } }",
        "sources: { alertmanager: { kind: github } }",
        "sources: { alertmanager: { auth: { none: true } } }",
        "sources: { two: { kind: alertmanager } }",
        "sources: { two: { kind: alertmanager, auth: { none: false } } }",
        "sources: { two: { kind: alertmanager, auth: { basic: { username: x } } } }",
        "sources: { two: { kind: alertmanager, auth: { header: { name: 'X Y', value: planted } } } }",
        "sources: { alertmanager: { dedup_window: soon } }",
        "sources: { alertmanager: { severity: { map: { 严重: hoch, P1: info, p1: info }, labels: severity } } }",
        "route: { receiver: oncal }",
        "route: { receivers: [oncall] }",
        "route: { matchers: [], continue: true }",
        "route: { routes: [{ receiver_label: x }, { drop: true, receiver: oncall }, { drop: maybe }, nothing, ~] }",
        "route: { routes: [{ routes: [{ receivers: [nobody] }, { receivers: [] }] }] }",
        "retry: { schedule: [], max_attempts: 0 }",
        "retry: { schedule: [1s, soon] }",
        "templates: mine.md.j2",
        "defaults: { receiver: { extends: oncall, timezone: Mars }, reciever: {}, app: text }",
        "unheard_of: { planted: planted }",
    ];
    let told = mistakes.map(|mistake| {
        let folder = Folder::with(&[("1.yaml", SMALL), ("2.yaml", mistake)]);
        let problems = folder.problems(&[""], &[]);
        assert!(!problems.is_empty(), "{mistake}");
        assert!(!problems.iter().any(|problem| problem.contains("planted")), "a secret is told: {problems:#?}");
        format!("{mistake}\n    {}", problems.join("\n    "))
    });
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_route_without_a_receiver_at_its_root_is_refused() {
    let problems = config::from_text("route: { routes: [] }").unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].to_string().starts_with("route.receiver: is missing"), "{problems:?}");
}

#[test]
fn everything_that_is_wrong_is_told_in_one_run() {
    let problems = config::from_text(include_str!("config/broken.yaml")).unwrap_err();
    let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert!(told.len() >= 15);
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn no_secret_is_in_a_problem_or_in_what_a_debugger_prints() {
    let shapes = ["planted", "[planted]", "{ planted: planted }", "[{ x: planted }]", "'planted\nplanted'"];
    let places = [
        "admin: { token: SECRET, listen: wrong }",
        "admin: { tokn: SECRET }",
        "apps: { ops: { app_secret: SECRET, region: nowhere } }",
        "apps: { ops: { app_sekret: SECRET } }",
        "apps: { ops: SECRET }",
        "apps: { ops: { limits: SECRET, timeout: SECRET, base_url: SECRET } }",
        "store: { url: SECRET }",
        "sources: { a: { auth: SECRET } }",
        "sources: { a: { kind: SECRET, auth: { bearer_token: SECRET, basic: { password: SECRET } } } }",
        "sources: { a: { auth: { header: { name: SECRET, value: SECRET } } } }",
        "http: { listen: SECRET, max_body: SECRET }",
    ];
    for place in places {
        for shape in shapes {
            // A planted *key* may be told: keys are no secrets. So only values are planted below a key.
            let shape = shape.replace("{ planted:", "{ x:");
            let problems = config::from_text(&place.replace("SECRET", &shape)).expect_err(place);
            let told = format!("{problems:?}");
            assert!(!told.contains("planted"), "{place} with {shape}: {told}");
        }
    }
    assert!(!format!("{:?}", config::from_text(SMALL).unwrap()).contains("planted"));
}

const VALUES: [&str; 10] = ["", "~", "x", "0", "-1", "true", "[]", "{}", "[[x], ~]", "{x: [~]}"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever stands behind a key, loading answers, and what it refuses it can explain.
    #[test]
    fn a_spoilt_line_is_either_fine_or_a_problem(line in 0usize..200, value in prop::sample::select(&VALUES)) {
        let mut lines = all_examples();
        prop_assert!(config::from_text(&lines.join("\n")).is_ok());
        let line = line % lines.len();
        if let Some((key, _)) = lines[line].split_once(':') {
            lines[line] = format!("{key}: {value}");
        }
        if let Err(problems) = config::from_text(&lines.join("\n")) {
            prop_assert!(!problems.is_empty(), "{}", lines[line]);
        }
    }
}

/// The lines of the embedded defaults with every example switched on, and secrets that need no file.
fn all_examples() -> Vec<String> {
    let defaults = include_str!("../../config/default.yaml");
    let switched_on = regex::Regex::new(r"(?m)^(\s*)#(\S)").unwrap().replace_all(defaults, "$1$2");
    let without_files = regex::Regex::new(r"_file: \S+").unwrap().replace_all(&switched_on, ": s");
    without_files.lines().filter(|line| !line.trim_start().starts_with('#')).map(str::to_owned).collect()
}

/// A folder with files, gone when the test ends.
struct Folder(TempDir);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            std::fs::create_dir_all(folder.path(name).parent().unwrap()).unwrap();
            std::fs::write(folder.path(name), text).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn load(&self, names: &[&str], environment: &[(&str, &str)]) -> Result<Config, Vec<config::problem::Problem>> {
        let paths: Vec<_> = names.iter().map(|name| self.path(name)).collect();
        let environment = environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        config::load(&paths, environment, SecretsRead::Read)
    }

    /// The problems as lines, the folder's own path taken out.
    fn problems(&self, names: &[&str], environment: &[(&str, &str)]) -> Vec<String> {
        let problems = self.load(names, environment).err().unwrap_or_default();
        let here = format!("{}/", self.0.path().display());
        problems.iter().map(|problem| problem.to_string().replace(&here, "")).collect()
    }
}
