//! The two ports from outside: the real routers, over real connections where connections matter.
//!
//! [`relay`] puts them up over a real store, which fails on demand.

#![allow(clippy::unwrap_used)]

mod admin;
mod connections;
mod forms;
mod hooks;
mod messages;
mod page;
pub(crate) mod relay;
mod signed;
