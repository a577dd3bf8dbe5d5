//! A simulated model server: behaves like one, and misbehaves on purpose.
//!
//! [`Simulator`] serves the native, OpenAI and OIP dialects over REST and gRPC on one port, from an engine that keeps
//! the time a real one would take. Faults are [`Rule`]s: when, and what is seen on the wire. The same seed gives the
//! same faults, texts and durations, over every protocol and in any order of arrival. Every request is logged.
//!
//! It never uses Longshore's own client: what both had wrong would look right.
//!
//! ```
//! use longshore_sim::{Effect, Rule, Simulator, When};
//!
//! # async fn example() -> std::io::Result<()> {
//! let busy = Effect::Status { status: 429, body: None, headers: Default::default(), retry_after: None };
//! let first_two = When { first: Some(2), ..When::default() };
//! let simulator = Simulator::builder().seed(7).rule(Rule::new(busy).when(first_two)).start().await?;
//! println!("point a client at {}", simulator.url());
//! println!("{} requests so far", simulator.log().len());
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

pub mod cassette;
pub mod config;
mod control;
mod engine;
pub mod faults;
mod observe;
mod simulator;
mod wire;

pub use config::{Distribution, Latency, Model, SimConfig, TensorFunction, ToolUse};
pub use faults::{Effect, RetryAfter, Rule, When};
pub use observe::{Finding, FindingKind, LogEntry, Truth, Verdict};
pub use simulator::{Builder, Simulator};
