//! Storms and months that take no time: what becomes of thousands of alerts under DingTalk's limits.
//!
//! ```text
//! cargo bench --bench storm                 10,000 alerts in 500 groups at once, for one DingTalk group
//! cargo bench --bench storm -- month        200,000 notifications in a month of 5,000 calls, for 1 group and for 40
//! ```
//!
//! The relay's own rooms work here, from the webhook's bytes to the call: sources, rendering, a real SQLite file, gates
//! and lanes. DingTalk is the simulator with its real limits. Only the time is not real: everyone reads one clock, which
//! goes on to whatever comes next (`world`). For comparison the same alerts go through a relay that sends each
//! notification by itself (`plainly`). A run leaves 1 if an alert was lost, a limit was met,
//! or it took longer or more calls than it may.

mod month;
mod plainly;
mod report;
mod storm;
mod world;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Thousands of alerts under DingTalk's limits, on simulated time")]
struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    /// Cargo says so.
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum What {
    /// Many alerts at once for one DingTalk group.
    Storm(Storm),
    /// Many notifications in one month of few calls.
    Month(Month),
}

/// A storm.
#[derive(clap::Args, Clone, Copy)]
struct Storm {
    /// How many alerts.
    #[arg(long, default_value_t = Self::DEFAULT.alerts)]
    alerts: usize,
    /// In how many notifications of Alertmanager.
    #[arg(long, default_value_t = Self::DEFAULT.groups)]
    groups: usize,
    /// How long it takes until all of them have come, in seconds. 0: at once.
    #[arg(long, default_value_t = Self::DEFAULT.over)]
    over: u64,
}

impl Storm {
    /// The storm that is run where nothing is said; its limits hold for every smaller one.
    const DEFAULT: Self = Self { alerts: 10_000, groups: 500, over: 0 };
}

/// A month.
#[derive(clap::Args, Clone, Copy)]
struct Month {
    /// How many notifications.
    #[arg(long, default_value_t = 200_000)]
    notifications: usize,
    /// How many calls the month has.
    #[arg(long, default_value_t = 5_000)]
    calls: u64,
    /// One in so many is critical.
    #[arg(long, default_value_t = 100)]
    critical_one_in: usize,
    /// How many DingTalk groups they are for; without it first 1, then 40.
    #[arg(long)]
    lanes: Option<usize>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    // reqwest wants a TLS provider even where there is no TLS.
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    let sound = match arguments.what {
        None => storm::run(Storm::DEFAULT).await? & storm::run(Storm { over: 60, ..Storm::DEFAULT }).await?,
        Some(What::Storm(storm)) => storm::run(storm).await?,
        Some(What::Month(month)) => month::run(month).await?,
    };
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// So many seconds of simulated time.
fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}
