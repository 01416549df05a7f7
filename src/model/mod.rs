//! The words of the project as types. No IO, no clock: every time is an argument.
//!
//! Each file holds one word of the contract and the rules that belong to it alone. Everything else in the
//! program may import this module; it imports nothing of ours.

pub mod budget;
pub mod call;
pub mod content;
pub mod delivery;
pub mod escape;
pub mod event;
pub mod form;
pub mod health;
pub mod language;
pub mod message;
pub mod month;
pub mod name;
pub mod outcome;
pub mod record;
pub mod spoken;
pub mod view;
