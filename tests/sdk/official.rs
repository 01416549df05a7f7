//! The official SDK as a process beside the test: one call for each question.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

/// The SDK, running. Dropping it closes its input, which ends it.
pub(crate) struct Official {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Official {
    /// Starts it with the Python of this folder's virtual environment.
    pub(crate) fn start() -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdk");
        let mut process = Command::new(format!("{folder}/.venv/bin/python"))
            .arg(format!("{folder}/official.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("tests/sdk/.venv has a Python with the SDK: `scripts/test` makes it");
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().unwrap());
        Self { process, input, output }
    }

    /// Makes one call: the SDK's answer, or the code and the status of what it raised.
    pub(crate) fn call(&mut self, wanted: &Value) -> Result<Value, Value> {
        writeln!(self.input.as_mut().unwrap(), "{wanted}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let mut answer: Value = serde_json::from_str(&line).unwrap();
        if answer["error"].is_null() { Ok(answer["ok"].take()) } else { Err(answer["error"].take()) }
    }
}

impl Drop for Official {
    fn drop(&mut self) {
        drop(self.input.take());
        self.process.wait().ok();
    }
}
