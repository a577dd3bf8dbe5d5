//! Runs against a simulator in this process: what the sources cannot say of themselves.

#![expect(clippy::unwrap_used, clippy::panic, reason = "these are tests and their helpers")]

mod bad_servers;
mod modes;
mod page;
mod support;
