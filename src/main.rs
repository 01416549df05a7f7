//! The binary: arguments in, exit code out. Everything else is in the library.

use std::process::ExitCode;

use clap::Parser;
use dingtalk_relay::cli::{Cli, run};

fn main() -> ExitCode {
    run(Cli::parse())
}
