//! The real binary as a process of its own: what it says, and how it ends.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// A running `serve`; it is killed when the value goes.
pub struct Process {
    child: Child,
    /// Where webhooks are taken.
    pub hooks: String,
    /// Where the operator's page is.
    pub admin: String,
    said: Arc<Mutex<String>>,
}

impl Process {
    /// Starts the binary with its logs filtered by `RUST_LOG`, and waits for the line that says it is ready.
    pub fn start(config: &Path, rust_log: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_dingtalk-relay"))
            .args(["serve", "--log-format", "json", "--config"])
            .arg(config)
            .env("RUST_LOG", rust_log)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let written = Arc::clone(&said);
        let printed = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let heard = Arc::clone(&said);
        std::thread::spawn(move || printed.for_each(|line| *heard.lock().unwrap() += &format!("{line}\n")));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut lines = lines.inspect(move |line| *written.lock().unwrap() += &format!("{line}\n"));
        let ready = lines
            .by_ref()
            .find_map(|line| serde_json::from_str::<Value>(&line).ok().filter(|line| line["hooks"].is_string()))
            .unwrap_or_else(|| panic!("the relay says that it is ready: {}", said.lock().unwrap()));
        // Somebody must go on reading, or the process would wait for it one day.
        std::thread::spawn(move || lines.for_each(drop));
        let address = |key: &str| ready[key].as_str().unwrap().to_owned();
        Self { child, hooks: address("hooks"), admin: address("admin"), said }
    }

    /// Everything it has said, on both outputs.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Its id.
    pub fn id(&self) -> String {
        self.child.id().to_string()
    }

    /// SIGKILL: no handler runs, nothing is finished.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM: it finishes what is in flight, and ends well.
    pub fn terminate(&mut self) {
        let told = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(told.success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// What a command of the binary prints, on both outputs.
pub fn printed(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dingtalk-relay"));
    let output = command.args(arguments).envs(environment.iter().copied()).env("RUST_LOG", "trace").output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
