//! Logs go to standard error: as text on a terminal, as JSON otherwise. `RUST_LOG` filters.
//!
//! Message reads alone, fields are for querying. The fields are `source`, `receiver`, `app`, `event`, `delivery`,
//! `message_id`, `outcome`, `code`, `error`, `path`: the contract's words, but that of `message` is the text.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::telemetry::panics;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For a person at a terminal.
    Text,
    /// For a collector.
    Json,
}

/// Sends the process's logs to standard error, from `level` up unless `RUST_LOG` says otherwise, panics too. A second
/// call changes nothing.
pub fn init(format: Option<Format>, level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let terminal = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let format = format.unwrap_or(if terminal { Format::Text } else { Format::Json });
    let _already_set = match format {
        Format::Text => builder.with_ansi(terminal).try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    };
    panics::log_all();
}
