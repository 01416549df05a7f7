//! GitHub's own example payloads, every one of npm's `@octokit/webhooks-examples`, through the relay.
//!
//! `messages` reads them in this process; `signed` has GitHub's own helper sign and post them to a running relay.
//! Needs Node and `npm ci` in this folder: `scripts/test` does both.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(unreachable_pub, reason = "nothing is outside of a test binary")]

mod examples;
mod messages;
#[path = "../it/chinese/ours.rs"]
mod ours;
#[path = "../it/github/shown.rs"]
mod shown;
mod signed;
