//! The house stays as it was drawn: who may import whom (law 9), who may read the clock (law 10), where DingTalk is
//! known (law 7), and that every file says what it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The rooms in the order of the journey, and what each may import. Everybody may import `model`.
const ROOMS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("config", &[]),
    ("telemetry", &["config"]),
    ("sources", &["config", "telemetry"]),
    ("routing", &["config", "telemetry"]),
    ("render", &["config", "telemetry"]),
    ("compose", &[]),
    ("store", &["telemetry"]),
    ("dingtalk", &["config", "telemetry"]),
    ("ingest", &["config", "telemetry", "routing", "render", "store"]),
    ("gate", &["config", "telemetry", "store", "dingtalk"]),
    ("dispatch", &["config", "telemetry", "compose", "store", "gate"]),
    ("receipts", &["config", "telemetry", "store", "gate"]),
    ("janitor", &["config", "telemetry", "store", "gate"]),
    (
        "operator",
        &[
            "config",
            "telemetry",
            "sources",
            "routing",
            "render",
            "compose",
            "store",
            "dingtalk",
            "gate",
            "ingest",
            "dispatch",
            "receipts",
        ],
    ),
    ("http", &["config", "telemetry", "sources", "ingest", "operator"]),
    ("simulator", &[]),
];

/// They wire: `app` may import every room, and `cli` and `main` stand above it.
const ABOVE: &[&str] = &["app", "cli", "main"];

/// Loops and handlers: the only files that may ask what time it is.
const CLOCK_READERS: &[&str] = &[
    "src/app",
    "src/cli",
    "src/dispatch/run.rs",
    "src/gate/renewal.rs",
    "src/http",
    "src/operator/notices/run.rs",
    "src/receipts/run.rs",
    "src/janitor",
    // A stopwatch only: how long a call took.
    "src/dingtalk/mod.rs",
    // It is a DingTalk, with a clock of its own.
    "src/simulator",
];

#[test]
fn law_9_imports_run_one_way() {
    let allowed: BTreeMap<&str, &[&str]> = ROOMS.iter().copied().collect();
    let mut wrong = vec![];
    for file in source_files() {
        let room = room_of(&file);
        if ABOVE.contains(&room.as_str()) || room == "lib" {
            continue;
        }
        let may =
            allowed.get(room.as_str()).unwrap_or_else(|| panic!("{}: this room is not in the table", file.display()));
        for import in imports(&program(&file)) {
            let inside = import == room || (import == "model" && room != "simulator");
            if !inside && !may.contains(&import.as_str()) {
                wrong.push(format!("{}: {room} may not import {import}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_simulator_shares_no_code_with_the_rest() {
    for file in source_files().into_iter().filter(|file| room_of(file) == "simulator") {
        let foreign: Vec<_> = imports(&program(&file)).into_iter().filter(|import| import != "simulator").collect();
        assert!(foreign.is_empty(), "{}: {foreign:?}", file.display());
    }
}

#[test]
fn the_mod_lines_of_the_library_follow_the_journey() {
    let library = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let mods: Vec<_> = library.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let mut drawn: Vec<_> = ROOMS.iter().map(|(room, _)| *room).collect();
    drawn.extend(["app", "cli"]);
    assert_eq!(mods, drawn);
}

#[test]
fn law_10_only_loops_and_handlers_read_the_clock() {
    for file in source_files() {
        let path = file.to_string_lossy();
        if CLOCK_READERS.iter().any(|reader| path.starts_with(reader)) {
            continue;
        }
        for clock in ["Timestamp::now", "Instant::now", "SystemTime::now", "Zoned::now"] {
            assert!(!program(&file).contains(clock), "{path}: {clock}");
        }
    }
}

#[test]
fn law_7_dingtalks_answers_are_judged_in_one_room() {
    for file in source_files() {
        let room = room_of(&file);
        if ["dingtalk", "simulator", "cli"].contains(&room.as_str()) {
            continue;
        }
        for word in ["too.fast", "InvalidAuthentication", "Forbidden.AccessDenied", "processQueryKey\"", "errcode"] {
            assert!(!code(&program(&file)).contains(word), "{}: {word}", file.display());
        }
    }
}

/// A log line's text is its field `message`: a second one of that name would take its place in JSON.
#[test]
fn no_log_field_stands_where_the_text_of_the_line_stands() {
    for file in source_files() {
        let text = program(&file);
        for call in text.split("tracing::").skip(1) {
            let fields = call.split('"').next().unwrap_or_default();
            assert!(!fields.contains("message ="), "{}: {}", file.display(), fields.trim());
        }
    }
}

#[test]
fn every_file_says_what_it_is_and_none_is_too_long() {
    for file in source_files().into_iter().chain(rust_files("tests")) {
        let text = std::fs::read_to_string(root().join(&file)).unwrap();
        assert!(text.starts_with("//!"), "{}: opens without saying what it is", file.display());
        let lines = text.lines().count();
        assert!(lines <= 450, "{}: {lines} lines", file.display());
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn source_files() -> Vec<PathBuf> {
    rust_files("src")
}

/// Every Rust file below a folder, by its path from the root.
fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut files = vec![];
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                files.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    files.sort();
    files
}

/// `src/gate/limiter.rs` → `gate`.
fn room_of(file: &Path) -> String {
    let first = file.iter().nth(1).unwrap().to_string_lossy();
    first.strip_suffix(".rs").unwrap_or(&first).to_owned()
}

/// The file without its unit tests, which stand at its end.
fn program(file: &Path) -> String {
    let text = std::fs::read_to_string(root().join(file)).unwrap();
    text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
}

/// The lines that are not comments.
fn code(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Every room named as `crate::room`, in a `use` or in a path.
fn imports(text: &str) -> Vec<String> {
    let code = code(text);
    let rooms = code.split("crate::").skip(1);
    rooms.map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()).collect()
}
