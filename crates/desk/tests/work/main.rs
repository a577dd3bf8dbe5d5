//! What a person does at the desk, over HTTP as the page does it, with simulated servers behind.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a helper of tests fails like a test")]

mod calls;
mod conversations;
mod failover;
mod infer;
mod killed;
mod page;
mod stop;
mod unwell;
