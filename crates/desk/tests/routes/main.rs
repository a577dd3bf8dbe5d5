//! The desk over HTTP: who may come in, what each route answers, and that one dead server keeps nobody waiting.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers fail the test they serve")]

mod bench;
mod door;
mod models;
mod servers;
mod settings;
mod support;
