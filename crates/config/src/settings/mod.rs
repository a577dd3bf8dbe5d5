//! Every setting there is, section by section, and [`Config`], which holds them all.

mod desk;
mod gateway;
mod local;
mod models;
mod requests;
mod server;
mod transport;

pub use desk::Desk;
pub use gateway::{Gateway, GatewayTls};
pub use local::{Engine, LogFormat, LogLevel, Logging, Metrics};
pub use models::Models;
pub use requests::{Batch, Cache, Inference};
pub use server::{DialectChoice, EndMark, Protocol, Server, Tls};
pub use transport::{Breaker, Health, Limits, Pool, Retry, Timeouts};

use crate::section::section;

section! {
    /// The whole configuration. Every section may be left out; with nothing set, Longshore runs its built-in model.
    pub struct Config {
        /// The servers that can be called, in order of preference where nothing else decides. Without any, the engine answers.
        servers: Vec<Server> = Vec::new(), example "- { name: workstation, rest: \"http://127.0.0.1:11434\" }\n- { name: gpu, grpc: \"https://gpu.example.com:8001\", dialect: oip, credential: { env: GPU_TOKEN } }";
        /// What a request asks for when its sender does not say.
        inference: Inference = Inference::default();
        /// How long each phase of a request may take. The limit over all of them is `inference.timeout`.
        timeouts: Timeouts = Timeouts::default();
        /// How models are loaded and unloaded.
        models: Models = Models::default();
        /// How failed requests are tried again.
        retry: Retry = Retry::default();
        /// When a server that fails is left alone.
        breaker: Breaker = Breaker::default();
        /// How servers are asked for their health.
        health: Health = Health::default();
        /// Connections that are kept open.
        pool: Pool = Pool::default();
        /// How much is accepted of a server's answer, and asked of a server at once.
        limits: Limits = Limits::default();
        /// What is kept to be given again: lists of models, and answers.
        cache: Cache = Cache::default();
        /// Requests that are joined into one.
        batch: Batch = Batch::default();
        /// The server that `longshore serve` runs.
        gateway: Gateway = Gateway::default();
        /// The page that a person works with.
        desk: Desk = Desk::default();
        /// The engine that runs models in this process.
        engine: Engine = Engine::default();
        /// What is written about the work, and how.
        logging: Logging = Logging::default();
        /// Numbers about the work.
        metrics: Metrics = Metrics::default();
    }
}

/// Shorthand for the defaults and ranges of durations.
pub(crate) mod time {
    use std::time::Duration;

    pub(crate) const fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    pub(crate) const fn secs(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    pub(crate) const DAY: Duration = secs(86_400);
}
