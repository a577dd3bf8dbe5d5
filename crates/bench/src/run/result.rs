//! What a run found: [`Run`], as it is stored. Times are in milliseconds, rates per second.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Environment;
use crate::{
    certificate::Certificate,
    measure::{Counted, Stamps, Window},
    resources::{Exposed, Gauge, Idle, Spent},
    statistics::{Share, Spread},
};

/// The format's name and version, which stands in every file.
pub const FORMAT: &str = "longshore-bench/1";

/// Everything that a run found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// [`FORMAT`].
    pub format: String,
    /// The run's name.
    pub id: String,
    /// When it began, as RFC 3339.
    pub started: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// What was measured.
    pub subject: Subject,
    /// Where.
    pub environment: Environment,
    /// This process while nothing was asked.
    pub idle: Idle,
    /// The server's process while nothing was asked.
    pub server_idle: Option<Idle>,
    /// What the server tells of itself; `None`: it was not asked.
    #[serde(default)]
    pub exposed: Option<Exposed>,
    /// Each load, its repeats together, in order of the load.
    pub levels: Vec<Level>,
    /// Each stage, in the order in which they were done.
    pub stages: Vec<StageResult>,
    /// The highest rate that met the objectives, where it was looked for: `Some(None)` where not even the lowest did.
    pub knee: Option<Option<f64>>,
    /// How far the client can be trusted.
    pub certificate: Option<Certificate>,
    /// Somebody ended it before its time.
    pub interrupted: bool,
}

impl Run {
    /// Whose instants its latencies are made of.
    pub fn stamps(&self) -> Stamps {
        self.levels.iter().fold(Stamps::default(), |all, level| all.and(level.stamps))
    }
}

/// What was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// The address, or the server's name in the configuration.
    pub target: String,
    /// The model that answered, by the server's own name.
    pub model: Option<String>,
    /// How it was reached: `rest`, `grpc` or `in_process`.
    pub protocol: Option<String>,
    /// What was spoken.
    pub dialect: Option<String>,
    /// `chat`, `complete`, `embed` or `infer`.
    pub task: String,
    /// Whether answers came in pieces.
    pub stream: bool,
    /// The most tokens of an answer that were asked for.
    pub tokens: Option<u32>,
    /// What the prompts were, in words.
    pub prompts: String,
    /// What counts as good, as it was written.
    pub objectives: String,
    /// When a stage was enough, in words.
    pub stop: String,
    /// Whether a response cache could answer.
    pub cached: bool,
    /// What counts tokens where the server does not.
    #[serde(default)]
    pub tokenizer: Option<String>,
    /// Which process is taken for the server's, or why none is, in words.
    #[serde(default)]
    pub server_process: String,
    /// The seed.
    pub seed: u64,
    /// The command, where there was one.
    pub command: Option<String>,
}

/// One load, its repeats together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// The load: `C=10`, `20/s Poisson`.
    pub load: String,
    /// Requests at a time, in a closed loop.
    pub concurrency: Option<usize>,
    /// Requests per second that were offered, in an open loop.
    pub offered: Option<f64>,
    /// Stages that are in it.
    pub repeats: u32,
    /// Requests due in the window.
    pub requests: u64,
    /// Of them, those that came to their end.
    pub success: Share,
    /// What became of them, by word.
    pub outcomes: BTreeMap<String, u64>,
    /// What the failures said: the first of each kind.
    pub failures: BTreeMap<String, String>,
    /// Rates, averaged over the repeats' windows.
    pub window: Window,
    /// Latencies, of all repeats' windows together.
    pub metrics: Metrics,
    /// Throughput as a share of what as many clients would get if each were alone: X(C) ÷ (C · X(1)).
    pub efficiency: Option<f64>,
    /// This process's time for a request, in milliseconds.
    pub client_cpu_ms: Option<f64>,
    /// This process's memory for a request, in bytes.
    pub client_memory: Option<f64>,
    /// The most memory that this process had, in bytes.
    pub client_memory_peak: Option<u64>,
    /// The server's time for a request, in milliseconds.
    pub server_cpu_ms: Option<f64>,
    /// The server's memory for a request, in bytes.
    pub server_memory: Option<f64>,
    /// What the server told of itself.
    #[serde(default)]
    pub told: BTreeMap<Gauge, Told>,
    /// What caches did.
    #[serde(default)]
    pub caching: Caching,
    /// The mean time before each event after the first, by its place in the answer.
    #[serde(default)]
    pub gaps_by_place: Vec<f64>,
    /// Whose instants the latencies are made of.
    #[serde(default)]
    pub stamps: Stamps,
    /// Where token counts come from.
    pub counted: Option<Counted>,
    /// What should be known before these numbers are believed.
    pub warnings: Vec<String>,
}

/// A number that the server told, over a level's stages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// On average.
    pub mean: f64,
    /// At most.
    pub max: f64,
}

/// What caches did for the complete answers of a level.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Caching {
    /// Answers by what the response cache did: `hit`, `miss`, `joined`; those that passed it by are not in it.
    pub answers: BTreeMap<String, u64>,
    /// The mean time to the end of answers that it had, in milliseconds.
    pub hit_ms: Option<f64>,
    /// The same of those that were made.
    pub made_ms: Option<f64>,
    /// Tokens of prompts, where the server tells how many it did not compute again.
    pub prompt_tokens: u64,
    /// Those that it did not.
    pub cached_tokens: u64,
}

/// The latencies of a level, in milliseconds. `None`: there was none of the kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Time to first token, from the sending.
    pub ttft: Option<Spread>,
    /// Time to first token, from the scheduled instant.
    pub scheduled_ttft: Option<Spread>,
    /// From the sending to the end.
    pub e2e: Option<Spread>,
    /// From the scheduled instant to the end.
    pub scheduled_e2e: Option<Spread>,
    /// Time per output token, of each request.
    pub tpot: Option<Spread>,
    /// Time between tokens, weighted by them.
    pub itl: Option<Spread>,
    /// Time between events.
    pub gap: Option<Spread>,
    /// From the scheduled instant to the sending: how late the client was.
    pub send_lag: Option<Spread>,
}

/// One stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StageResult {
    /// The load, as in its level.
    pub load: String,
    /// Which repeat it was, from 0.
    pub repeat: u32,
    /// The window and its rates.
    pub window: Window,
    /// What it took.
    pub spent: Spent,
    /// Its requests, in order of sending.
    pub requests: Vec<Row>,
    /// Somebody ended it before its time.
    pub interrupted: bool,
}

/// One request, times in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// When it was due, from the stage's beginning.
    pub at: f64,
    /// How late it was sent.
    pub late: f64,
    /// Time to first token, from the sending.
    pub ttft: Option<f64>,
    /// From the sending to the end.
    pub e2e: f64,
    /// Time per output token.
    pub tpot: Option<f64>,
    /// Tokens of the answer.
    pub tokens: f64,
    /// `ok`, or the kind of the failure.
    pub outcome: String,
    /// Whether it was due in the window.
    pub counts: bool,
}
