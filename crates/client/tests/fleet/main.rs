//! A fleet against servers that do as they are told: hyper servers, and sockets below HTTP.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

mod asides;
mod detection;
mod failover;
mod health;
mod models;
mod models_background;
mod models_loading;
mod models_unloading;
mod phases;
mod resilience;
mod retries;
mod support;
mod tls;
mod watch;
mod wire;
