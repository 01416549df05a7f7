//! The only place that wires: start, reload, drain, stop; all problems and warnings of a configuration at once, and what
//! DingTalk says to it.
//!
//! Listeners come from outside, so a test or `demo` may choose its ports. [`relay::Relay::stop`] stops accepting, finishes
//! what is in flight and leaves the rest stored; a process that is killed instead loses nothing either.

pub mod alarm;
pub mod changes;
pub mod check;
pub mod counted;
pub mod demo;
pub mod direct;
pub mod files;
pub mod lanes;
pub mod online;
pub mod relay;
pub mod reload;
pub mod running;
pub mod signals;
pub mod warnings;
