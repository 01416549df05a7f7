//! The proof that accepted means durable (law 1), against the real binary and with the eyes of `strace`.
//!
//! A kill proves little: the page cache outlives the process, so even a relay that never syncs passes. Therefore:
//!
//! - `order`: between the write of a batch and its 202 lies a finished sync.
//! - `power`: the power fails at any moment, what was not synced is gone, kept or torn, and nothing answered is lost.
//! - `failing`: a disk whose syncs fail, and one that is full.
//! - `kills`: ten SIGKILLs and a ledger of what was answered and what arrived. It proves the program's own logic.
//!
//! They stand on `relay` (the process), `trace` (what it did), `answers` (what it promised on the wire), `disk` (what
//! would be left of it) and `ledger` (what was promised, against what arrived). `scripts/test` installs strace; without
//! it the tests say so. A plain `cargo test` leaves them out.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(unreachable_pub, reason = "nothing is outside of a test binary")]

mod answers;
mod chance;
mod disk;
mod failing;
mod kills;
mod ledger;
mod order;
mod power;
mod relay;
mod trace;
