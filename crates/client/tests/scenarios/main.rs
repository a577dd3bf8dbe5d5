//! The seven scenarios that a client for model servers must pass, end to end: the fleet, its transport and the wire,
//! against simulated servers. One file for each; what is looked at is what the caller saw and what the server's own log
//! says. (That nothing is left behind is counted for a whole process, so it has a program of its own: `shutdown.rs`.)

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

mod cache;
mod cancellation;
mod concurrency;
mod lifecycle;
mod recovery;
mod stress;
mod support;
