//! The integration tests, one binary. `flow` is the story and is read first; `harness` is what it stands on.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(unreachable_pub, reason = "nothing is outside of a test binary")]

mod actions;
mod architecture;
mod bad_days;
mod chinese;
mod config;
mod crash;
mod dingtalk;
mod doubt;
mod fallback;
mod flow;
mod github;
mod harness;
mod hostile;
mod http;
mod laws;
mod messages;
mod metrics;
mod month;
mod notices;
mod online;
mod pace;
mod pacing;
mod panics;
mod preview;
mod process;
mod recall;
mod receipts;
mod refresh;
mod refused;
mod reload;
mod routing;
mod secrets;
mod send;
mod shipped;
mod simulator;
mod sources;
mod store;
mod storm;
mod story;
mod tokens;
mod troubled;
mod ways_in;
mod zoo;
