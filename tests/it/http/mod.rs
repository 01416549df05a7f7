//! The two ports from outside: the real routers, over real connections where connections matter.
//!
//! [`relay`] puts them up over the store in [`store`], which keeps everything in memory and fails on demand.

#![allow(clippy::unwrap_used)]

mod admin;
mod connections;
mod hooks;
mod relay;
mod store;
