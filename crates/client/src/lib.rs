//! Calling model servers and not falling over: [`Fleet`] is the [`Backend`](longshore_core::Backend) that users hold.
//!
//! A fleet knows several servers, each with a REST or a gRPC address or both, and backends in this process. It finds
//! out which dialects they speak and which models they have, sends a call to the one that should answer, and goes on
//! to the next while nothing of an answer has come. Every reply and every error carries the ledger of all attempts.
//!
//! It does not read configuration files (see [`FleetConfig`]) and serves nothing.
//!
//! ```no_run
//! use longshore_client::{Fleet, FleetConfig, ServerConfig};
//! use longshore_core::{Backend, Call, Op, call::{Chat, Message}};
//!
//! # async fn example() -> Result<(), longshore_core::Error> {
//! let config = FleetConfig {
//!     servers: vec![ServerConfig { rest: Some("http://127.0.0.1:8080".into()), ..ServerConfig::new("desk") }],
//!     ..FleetConfig::default()
//! };
//! let fleet = Fleet::builder(config).build()?;
//! let chat = Chat { messages: vec![Message::new("user", "Hello")], ..Chat::default() };
//! let answer = fleet.call(Call::new(Op::Chat(chat))).await?.collect().await?;
//! assert!(!answer.text().is_empty());
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod attempts;
mod balance;
mod batch;
mod builder;
mod cache;
mod check;
mod config;
mod detect;
mod endpoint;
mod fleet;
mod health;
mod join;
mod member;
pub mod metrics;
mod plan;
mod preview;
mod registry;
mod together;
mod transport;

pub use batch::{BatchConfig, Batched, Batcher};
pub use builder::FleetBuilder;
pub use cache::{Cache, CacheConfig, Cached, DiskConfig};
pub use check::EndpointHealth;
pub use config::{
    Breaker, DialectChoice, EndMark, FleetConfig, Health, Lifecycle, Limits, Pem, Pool, Retry, Secret, ServerConfig,
    Stamps, Timeouts, Tls,
};
pub use fleet::Fleet;
pub use health::{EndpointVitals, ModelVitals};
pub use preview::Preview;
pub use registry::{ModelStatus, ModelWatch, Revision, ServerModels};
pub use transport::{Dial, Dialled, PoolState};
