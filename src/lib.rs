//! # dingtalk-relay
//!
//! An HTTP service that takes webhooks, renders them as DingTalk messages, and brings them to DingTalk groups
//! through the official app-robot API, without losing one.
//!
//! ## The journey of one alert
//!
//! ```text
//! Alertmanager
//!      │ POST /hooks/{source}
//! http::hooks      size, credentials                            401 413 404
//! sources          bytes → Event {items}                        400 with a JSON path
//! routing          each item → receivers; items regrouped       pure
//! render           event × receiver → Content                   cannot fail: the plain built-in stands in
//! store.accept     event + deliveries, one transaction, synced  503 if it cannot
//!      │ 202
//! dispatch         lane: token → permit → claim → compose → send → finish
//! dingtalk         token, call, verdict (one table) → Outcome
//! store.finish     attempt + next state, one transaction
//!      │
//! receipts         who has read it, where a receiver wants to know
//! ```
//!
//! A preview goes the same way through the same functions, composes what it got, and stops before the store.
//!
//! The rooms below stand in this order, so whoever reads them from top to bottom walks this way. [`http`] is where
//! it begins and stands near the end, because it needs the rooms the webhook goes through next.
//!
//! ## What a room deliberately does not know
//!
//! - [`model`] knows no IO and no clock. It has the words: event, content, delivery, message, attempt, outcome.
//! - [`config`] is plain data and builds nothing; [`sources`], [`routing`] and [`render`] compile their part of it. It
//!   reads the files by itself, because every problem is to be told at once and with its place: the usual crates stop
//!   at the first wrong type, repeat values that may be secrets, and turn `00123` into 123.
//! - [`sources`] alone knows wire formats of senders. Behind it there are only events.
//! - [`compose`] is pure: contents in, one message inside the byte budget out.
//! - [`store`] knows neither HTTP nor DingTalk nor the configuration. It keeps, and it decides what a lane may claim.
//! - [`dingtalk`] alone knows DingTalk, and judges its answers in one table.
//! - [`ingest`] knows everything up to the 202, so also what a receiver wants to hear, and nothing of sending.
//! - [`gate`] decides whether a call may be made, and knows nothing of deliveries.
//! - [`dispatch`] sends, and knows nothing of webhooks; it meets DingTalk at the gate only.
//! - [`receipts`] asks who has read what was sent: after the sends and seldom, or because a human wants to know. It
//!   knows nothing of lanes.
//! - [`operator`] is what a human may see and do, and what one is told unasked (`operator::notices`, which looks at what
//!   a human would see and tells it by a delivery like any other); [`http`] only says it in HTTP.
//! - [`simulator`] is a DingTalk. It shares no code with [`dingtalk`]: a mistake must not agree with itself.
//! - [`app`] alone wires, and [`cli`] alone knows arguments and exit codes.
//!
//! ## The laws
//!
//! Each is kept by a test that names it.
//!
//! 1. Accepted means durable: 202 is written only after the commit has been synced.
//! 2. The sender is told 4xx only when sending again cannot help.
//! 3. No transaction and no lock across a network call; token, then permit, then claim, then send.
//! 4. One sender per app at any time; a stale epoch can finish nothing.
//! 5. Rendering cannot lose an event; nothing is deleted because it failed.
//! 6. No 60-second window holds more messages than a channel's limit.
//! 7. DingTalk's answers are judged in one file.
//! 8. A secret is never printable: not in a log, an error, a page, a metric, a URL we print.
//! 9. Imports run one way (`tests/it/architecture.rs` has the table).
//! 10. Only loops and handlers read the clock; time is an argument everywhere else.
//!
//! ## Delivery is at least once
//!
//! DingTalk takes no idempotency key. If the process dies between the call and the note of its answer, or the answer
//! never comes, the message may be sent again; such a delivery says `possibly_duplicate`. Nothing here says "exactly
//! once".

pub mod model;

pub mod config;
pub mod telemetry;

pub mod sources;

pub mod routing;

pub mod render;

pub mod compose;

pub mod store;

pub mod dingtalk;

pub mod ingest;

pub mod gate;

pub mod dispatch;

pub mod receipts;

pub mod janitor;

pub mod operator;

pub mod http;

pub mod simulator;

pub mod app;

pub mod cli;
