//! Logs and metrics: how they are set up, and every name that occurs in them, once; and that no panic goes unheard.
//!
//! Nobody else spells a metric's name or a log field's name. Metrics are the process's own: a second relay in the
//! same process (as in the tests) shares them, so labels carry what tells them apart.

pub mod logs;
pub mod metrics;
pub mod panics;
