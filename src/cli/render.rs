//! `render`: what would be sent, to whom, how many bytes; for a person, or with `--json` as the API answers.
//!
//! Reads a payload from a file or from standard input and asks `operator::preview`, as `POST /api/v1/preview` does.
//! No store is opened, no secret is read, nothing is sent.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write as _};

use anyhow::Context;
use clap::Args;
use jiff::Timestamp;

use crate::app::check::Compiled;
use crate::cli::BadUsage;
use crate::config::Config;
use crate::operator::preview::{Asked, Configured, NoPreview, Preview, Received, Shown, preview};

/// What is tried.
#[derive(Args)]
pub struct Trial {
    /// The source it would come through
    #[arg(long, value_name = "NAME")]
    source: String,
    /// Straight to this receiver [default: the routes decide]
    #[arg(long, value_name = "NAME")]
    receiver: Option<String>,
    /// With this template instead of the receiver's own
    #[arg(long, value_name = "NAME")]
    template: Option<String>,
    /// Which event it is: GitHub says so in a header and not in the payload (push, issues, …)
    #[arg(long, value_name = "NAME")]
    event: Option<String>,
    /// Print what POST /api/v1/preview answers
    #[arg(long)]
    json: bool,
    /// The body as the sender posts it: a file, or - for standard input
    payload: String,
}

/// Prints what would become of the payload.
pub fn render(config: &Config, compiled: &Compiled, trial: Trial) -> anyhow::Result<()> {
    let Trial { source, receiver, template, event, json, payload } = trial;
    let asked = Asked { source, receiver, template, event, payload: read(&payload)?.into() };
    let Compiled { sources, routes, renderer } = compiled;
    let configured = Configured { sources, routes: routes.as_ref(), renderer, receivers: &config.receivers };
    let shown = preview(configured, &asked, Timestamp::now()).map_err(|no| match no {
        NoPreview::BadPayload(bad) => anyhow::anyhow!("this is not what source `{}` sends: {bad}", asked.source),
        no => BadUsage(no.to_string().replace("`event`", "--event")).into(),
    })?;
    print(&if json { serde_json::to_string_pretty(&shown)? + "\n" } else { page(&shown) })
}

/// Prints a text that may be long. Whoever pipes it into `head` has read enough, and nothing went wrong.
fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        printed => printed.context("cannot print it"),
    }
}

fn read(payload: &str) -> anyhow::Result<Vec<u8>> {
    if payload == "-" {
        let mut body = Vec::new();
        std::io::stdin().read_to_end(&mut body).context("cannot read standard input")?;
        return Ok(body);
    }
    std::fs::read(payload).map_err(|error| BadUsage(format!("cannot read {payload}: {error}")).into())
}

/// The whole of it, for a person.
fn page(preview: &Preview) -> String {
    if preview.ping {
        return "This is GitHub's ping: it is answered 202, and nobody is told.\n".to_owned();
    }
    let mut page: String = preview.receivers.iter().map(|received| format!("{}\n", of_receiver(received))).collect();
    let all = preview.items;
    // Why somebody who would get them does not is said with that receiver.
    let unheard = preview.receivers.iter().any(|received| received.messages.is_empty());
    match preview.dropped {
        0 => {}
        _ if unheard => {}
        dropped if dropped == all && all == 1 => page.push_str("Nobody would get it: a route drops it.\n"),
        dropped if dropped == all => {
            writeln_of(&mut page, &format!("Nobody would get any of the {all}: routes drop them."))
        }
        dropped => writeln_of(&mut page, &format!("{dropped} of {all} would go nowhere: routes drop them.")),
    }
    page
}

fn of_receiver(received: &Received) -> String {
    let beside = received.display_name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    let mut page = format!("─── to {}{beside} ───\n", received.receiver);
    writeln_of(&mut page, &format!("route    {}", received.route));
    received.warnings.iter().for_each(|warning| writeln_of(&mut page, &format!("warning  {warning}")));
    received.messages.iter().for_each(|message| of_message(message, &mut page));
    page
}

fn of_message(message: &Shown, page: &mut String) {
    writeln_of(page, &format!("message  {}, {} bytes", message.msg_key, message.bytes));
    writeln_of(page, &format!("banner   {}\n", message.title));
    // A hard break is two spaces nobody sees.
    message.text.lines().for_each(|line| writeln_of(page, &format!("  {}", line.trim_end())));
    for (i, button) in message.buttons.iter().enumerate() {
        let apart = if i == 0 { "\n" } else { "" };
        writeln_of(page, &format!("{apart}  [ {} ] {}", button.title, button.url));
    }
}

/// A line without what a terminal would take for a command.
fn writeln_of(page: &mut String, line: &str) {
    let plain: String = line.chars().filter(|c| *c == '\n' || !c.is_control()).collect();
    let _infallible = writeln!(page, "{}", plain.trim_end_matches(' '));
}
