//! The command line (contract §2): arguments in, exit codes out. 0 done, 1 failed, 2 bad usage or configuration.
//!
//! It knows which rooms answer which command and how to say it to a person; it decides nothing else.

pub mod check;
pub mod explain;
pub mod online;
pub mod render;
pub mod send;
pub mod serve;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};

use crate::app::check::{Checked, Compiled};
use crate::app::demo;
use crate::app::reload::Origin;
use crate::app::signals::told_to_end;
use crate::config::problem::Problem;
use crate::config::{Config, SecretsRead};
use crate::model::language::Language;
use crate::simulator;
use crate::simulator::strict::Strict;
use crate::telemetry::logs;

/// An argument that names something that is not there, or cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadUsage(pub String);

const FAILED: u8 = 1;
const BAD_USAGE: u8 = 2;

/// Webhooks in, DingTalk group messages out: durable, rate-limited, and able to explain itself.
#[derive(Parser)]
#[command(name = "dingtalk-relay", version, max_term_width = 100)]
pub struct Cli {
    /// How log lines look [default: text on a terminal, JSON otherwise]
    #[arg(long, global = true, value_enum)]
    log_format: Option<logs::Format>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the service
    Serve(ConfigArgs),
    /// Say every problem of a configuration at once
    Check {
        #[command(flatten)]
        config: ConfigArgs,
        /// Do not read the *_file secrets (for CI, where they do not exist)
        #[arg(long)]
        skip_secrets: bool,
        /// Then ask DingTalk, which costs one call of the month for each group and sends no message
        ///
        /// What it will cost is said first, what could not be checked at the end. DingTalk is asked for an access token
        /// for each app, and once for each group about a message that never was: credentials, region, this machine's
        /// address, permission, robot and group show in what it answers. Credentials that one region does not know are
        /// tried once in the other, unless base_url is set. A running relay counts none of these calls, and no store is
        /// opened. Exit 1 if DingTalk says no to something, or could not be asked about an app (it was not reached, or put
        /// it off): its host and the reason are said.
        #[arg(long, conflicts_with = "skip_secrets")]
        online: bool,
    },
    /// Show what would be sent, to whom, and how many bytes it takes; sends nothing, and reads no secret
    Render {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        trial: render::Trial,
    },
    /// Send a message now and print its processQueryKey; exit 1 if it was not sent
    Send {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        letter: send::Letter,
    },
    /// Say what a DingTalk error code means, how to mend it, and what the relay does about it
    Explain {
        /// The code, as in `send.too.fast`; without one, every code is listed
        code: Option<String>,
        /// The language of the explanation
        #[arg(long, default_value = "en", value_parser = language())]
        lang: Language,
    },
    /// Be a DingTalk on this machine
    ///
    /// It speaks the paths of DingTalk's app robots: set `apps.<name>.base_url` to its address. What it is to do, and
    /// what it has taken, stands under /sim:
    ///
    ///   GET    /sim/messages   what was admitted, in order        GET /sim/calls   every call, with what it drew
    ///   POST   /sim/faults     {"api":"send","times":5,"answer":{"status":500,"code":"system.error"}}, or as answer
    ///                          {"kind": html, punish, empty_ok, errcode_404, hang, drip, half, redirect, reset_before
    ///                          or reset_after}; api: token, send, query or recall
    ///   DELETE /sim/faults     call off those that wait
    ///   POST   /sim/limits     {"messages_per_minute":20,"calls_per_second":20,"calls_per_month":5000,"penalty":"60s"}
    ///   POST   /sim/tokens/revoke
    ///   POST   /sim/read       {"process_query_key":"…","user_id":"…"}
    ///   DELETE /sim            forget everything
    #[command(verbatim_doc_comment)]
    Simulate {
        /// Where to listen; loopback, unless you know better
        #[arg(long, default_value = "127.0.0.1:8070")]
        listen: SocketAddr,
        /// Accept only the apps, robots and groups that this YAML or JSON file lists
        #[arg(long, value_name = "FILE")]
        strict: Option<PathBuf>,
    },
    /// Run simulator, relay and sample webhooks together: nothing to configure
    Demo {
        /// End when everything has arrived: exit 0 if it did
        #[arg(long)]
        once: bool,
    },
}

#[derive(Args)]
struct ConfigArgs {
    /// A configuration file, or a folder (its *.yaml in name order); may repeat, later ones win
    #[arg(long = "config", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// Does what the arguments say.
pub fn run(cli: Cli) -> ExitCode {
    // These are for looking at messages; what they log is of interest only when something goes wrong.
    let is_quiet = matches!(cli.command, Command::Demo { .. } | Command::Render { .. } | Command::Send { .. });
    logs::init(cli.log_format, if is_quiet { "warn" } else { "info" });
    let done = match cli.command {
        Command::Serve(args) => {
            return with_config(&args, SecretsRead::Read, |sound| {
                let files = args.files.clone();
                let origin = Origin::new(sound.places, move || check::read(&files, SecretsRead::Read));
                in_runtime(serve::serve(sound.config, sound.compiled, origin, sound.warnings))
            });
        }
        Command::Check { config, skip_secrets, online } => {
            let secrets = if skip_secrets { SecretsRead::Skip } else { SecretsRead::Read };
            return with_config(&config, secrets, |sound| {
                check::say_sound(&sound.config, &sound.warnings);
                if online { in_runtime(online::check(&sound.config)) } else { Ok(()) }
            });
        }
        // Neither needs every secret, and whoever runs them may not be allowed to read every one.
        Command::Render { config, trial } => {
            return with_config(&config, SecretsRead::Skip, |sound| {
                render::render(&sound.config, &sound.compiled, trial)
            });
        }
        Command::Send { config, letter } => {
            return with_config(&config, SecretsRead::Skip, |sound| in_runtime(send::send(&sound.config, letter)));
        }
        Command::Explain { code, lang } => return explain(code.as_deref(), lang),
        Command::Simulate { listen, strict } => in_runtime(simulate(listen, strict)),
        Command::Demo { once } => in_runtime(demo::run(once)),
    };
    exit(done)
}

/// A configuration without problems.
struct Sound {
    config: Config,
    compiled: Compiled,
    /// What it was read from.
    places: BTreeSet<PathBuf>,
    warnings: Vec<Problem>,
}

fn with_config(args: &ConfigArgs, secrets: SecretsRead, then: impl FnOnce(Sound) -> anyhow::Result<()>) -> ExitCode {
    let Checked { warnings, places, outcome } = check::read(&args.files, secrets);
    match outcome {
        Ok((config, compiled)) => exit(then(Sound { config, compiled, places, warnings })),
        Err(problems) => {
            check::say_problems(problems, &warnings);
            ExitCode::from(BAD_USAGE)
        }
    }
}

fn explain(code: Option<&str>, language: Language) -> ExitCode {
    match code.map_or_else(|| Ok(explain::list()), |code| explain::explain(code, language)) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(unknown) => {
            eprintln!("{unknown}");
            ExitCode::from(FAILED)
        }
    }
}

fn language() -> impl TypedValueParser<Value = Language> {
    PossibleValuesParser::new(Language::ALL.map(Language::as_str)).try_map(|word| word.parse::<Language>())
}

async fn simulate(listen: SocketAddr, strict: Option<PathBuf>) -> anyhow::Result<()> {
    let strict = strict.map(|file| Strict::load(&file)).transpose()?;
    let listener = tokio::net::TcpListener::bind(listen)
        .await
        .map_err(|error| anyhow::anyhow!("cannot listen on {listen}: {error}"))?;
    let address = listener.local_addr()?;
    println!("A DingTalk for tests and demos listens on http://{address}");
    println!("  apps.<name>.base_url: http://{address}     what arrived: http://{address}/sim/messages");
    let options = simulator::Options { strict, ..Default::default() };
    simulator::serve(listener, options, told_to_end()).await?;
    Ok(())
}

fn exit(done: anyhow::Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dingtalk-relay: {error:#}");
            ExitCode::from(if error.is::<BadUsage>() { BAD_USAGE } else { FAILED })
        }
    }
}

fn in_runtime<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}
