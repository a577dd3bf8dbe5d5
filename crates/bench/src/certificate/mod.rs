//! How far the client itself can be trusted: the same load against a server whose timings are known.
//!
//! The simulator plans the instant of every token in a process of its own and tells the plan afterwards. What the client
//! measures beyond it is the way there and back and the client's own lateness. A run's numbers are trusted only where
//! that is less than a hundredth of them, and where the client could have done more than was asked of it.

mod simulator;
mod truth;
mod verdict;

use std::{path::PathBuf, sync::Arc, time::Duration};

use longshore_client::{DialectChoice, Fleet, FleetConfig, ServerConfig};
use longshore_core::{Error, dialect};
use serde::{Deserialize, Serialize};

use crate::{
    load::{Bounds, Live, Raw, Stage, Target, plain},
    measure::Timing,
    run::{Level, Plan, Run},
    schedule::{Schedule, Stop},
    statistics::{Distribution, Spread},
    workload::{Prompts, Task, Workload},
};
pub use simulator::{Latency, Simulator};
pub use truth::Truth;
pub use verdict::{TRUSTED, Verdict, verdict};

/// The longest that one load is replayed.
const LONGEST: Duration = Duration::from_secs(3);
/// Requests that the simulator remembers.
const REMEMBERED: u64 = 8000;
/// How long the client's ceiling is looked for.
const CEILING: Duration = Duration::from_secs(1);

/// Proves the client's accuracy with a simulator.
#[derive(Clone, Debug)]
pub struct Certifier {
    /// A program that simulates when its first argument is `sim`: this one.
    pub program: PathBuf,
}

/// How far the client can be trusted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    /// Each load of the run.
    pub levels: Vec<Certified>,
    /// The most that this client can do.
    pub ceiling: Option<Ceiling>,
    /// Why something could not be proven.
    pub problems: Vec<String>,
}

/// One load against known timings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Certified {
    /// The load, as in its level.
    pub load: String,
    /// The simulator's timings: those that the run had measured.
    pub latency: Latency,
    /// Each metric beside the truth.
    pub deviations: Vec<Deviation>,
    /// How late the simulator itself was at worst, in milliseconds: as much of the deviation may be its own.
    pub simulator_lag: f64,
}

/// A metric beside the truth, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Deviation {
    /// `ttft`, `itl` or `e2e`.
    pub metric: String,
    /// How many values.
    pub count: u64,
    /// The mean as it was.
    pub true_mean: f64,
    /// The mean as measured.
    pub mean: f64,
    /// The 99th percentile as it was.
    pub true_p99: Option<f64>,
    /// The 99th percentile as measured.
    pub p99: Option<f64>,
}

impl Deviation {
    /// What is measured too much, on average.
    pub fn bias(&self) -> f64 {
        self.mean - self.true_mean
    }

    /// What is measured too much at the 99th percentile.
    pub fn p99_lag(&self) -> Option<f64> {
        Some(self.p99? - self.true_p99?)
    }
}

/// The most that this client can do, with a server that takes no time beside it on this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ceiling {
    /// Requests at a time.
    pub concurrency: usize,
    /// Requests per second.
    pub requests_per_second: f64,
    /// Tokens per second.
    pub tokens_per_second: f64,
}

impl Certifier {
    /// Replays each of the run's loads. What fails is told in the certificate.
    pub async fn certify(
        &self,
        run: &Run,
        plan: &Plan,
        workload: &Workload,
        mut notify: impl FnMut(String),
    ) -> Certificate {
        let mut certificate = Certificate::default();
        for level in &run.levels {
            let Some(schedule) = self.schedule_of(plan, level) else { continue };
            notify(level.load.clone());
            match self.level(run, level, &schedule, plan, workload).await {
                Ok(certified) => certificate.levels.push(certified),
                Err(error) => certificate.problems.push(format!("{}: {error}", level.load)),
            }
        }
        notify("the client's ceiling".into());
        match self.ceiling(run, workload).await {
            Ok(ceiling) => certificate.ceiling = Some(ceiling),
            Err(error) => certificate.problems.push(format!("the ceiling: {error}")),
        }
        certificate
    }

    fn schedule_of(&self, plan: &Plan, level: &Level) -> Option<Schedule> {
        let planned = plan.schedules.iter().find(|schedule| schedule.to_string() == level.load).cloned();
        planned.or_else(|| Some(Schedule::Open(crate::schedule::Process::Poisson { rate: level.offered? })))
    }

    async fn level(
        &self,
        run: &Run,
        level: &Level,
        schedule: &Schedule,
        plan: &Plan,
        workload: &Workload,
    ) -> Result<Certified, Error> {
        let latency = Latency::of(level, workload.stream);
        let simulator = Simulator::start(&self.program, latency).await?;
        let requests = plan.stop.requests.unwrap_or(REMEMBERED).min(REMEMBERED - schedule.wave().min(REMEMBERED / 2));
        let stop = Stop {
            after: Some(plan.stop.after.unwrap_or(LONGEST).min(LONGEST)),
            requests: Some(requests),
            precision: None,
        };
        let raw = replay(&simulator, run, schedule, stop, workload, latency).await?;
        let truths = simulator.truths(raw.records.len()).await?;
        Ok(Certified {
            load: level.load.clone(),
            latency,
            deviations: deviations(&raw, &truths, workload.stream),
            simulator_lag: truths.iter().map(|truth| truth.worst_lag_ns as f64 / 1e6).fold(0.0, f64::max),
        })
    }

    async fn ceiling(&self, run: &Run, workload: &Workload) -> Result<Ceiling, Error> {
        let concurrency = run.levels.iter().filter_map(|level| level.concurrency).max().unwrap_or(50);
        let tokens = run.levels.first().map_or(1, |level| Latency::of(level, workload.stream).tokens);
        let latency = Latency { tokens, ..Latency::default() };
        let simulator = Simulator::start(&self.program, latency).await?;
        let stop = Stop { after: Some(CEILING), ..Stop::default() };
        let raw = replay(&simulator, run, &Schedule::Closed { concurrency }, stop, workload, latency).await?;
        let timings: Vec<Timing> = raw.records.iter().map(Timing::of).collect();
        let window = crate::measure::Window::of(raw.records.iter().zip(&timings), raw.window, &Default::default());
        Ok(Ceiling {
            concurrency,
            requests_per_second: window.requests_per_second,
            tokens_per_second: window.tokens_per_second,
        })
    }
}

async fn replay(
    simulator: &Simulator,
    run: &Run,
    schedule: &Schedule,
    stop: Stop,
    workload: &Workload,
    latency: Latency,
) -> Result<Raw, Error> {
    let backend = fleet(simulator.url(), run.subject.dialect.as_deref(), schedule)?;
    let task = if workload.task.makes_tokens() { workload.task.clone() } else { Task::Chat { turns: 1 } };
    let workload = Workload {
        task,
        // The simulator has one model, and a prompt's content costs it nothing.
        prompts: if workload.task.makes_tokens() { workload.prompts.clone() } else { Prompts::Fixed("hello".into()) },
        tokens: Some(latency.tokens),
        stream: workload.stream && workload.task.makes_tokens(),
        model: None,
        server: None,
        ..workload.clone()
    };
    let target = Target::new(Arc::new(backend), Arc::new(workload));
    let stage = Stage { schedule: schedule.clone(), stop, bounds: Bounds::default(), seed: run.subject.seed };
    let never = std::future::pending();
    let raw = stage.run(&target, &Arc::new(Live::default()), never).await;
    let raw = raw.map_err(|error| Error::invalid(error.to_string()))?;
    match raw.failures.values().next() {
        Some(failure) => Err(failure.first.clone()),
        None => Ok(raw),
    }
}

/// The simulator as the run's server was spoken to.
fn fleet(url: &str, spoken: Option<&str>, schedule: &Schedule) -> Result<Fleet, Error> {
    let spoken = spoken.and_then(dialect::by_name).or_else(|| dialect::by_name("openai"));
    let Some(spoken) = spoken else { return Err(Error::invalid("the dialect is not known")) };
    let mut server = ServerConfig { dialect: DialectChoice::Named(vec![spoken]), ..ServerConfig::new("simulator") };
    match spoken.protocol() {
        longshore_core::Protocol::Grpc => server.grpc = Some(url.to_owned()),
        _ => server.rest = Some(url.to_owned()),
    }
    let at_once = schedule.at_once();
    Fleet::builder(plain(FleetConfig { servers: vec![server], ..FleetConfig::default() }, at_once)).build()
}

fn deviations(raw: &Raw, truths: &[Truth], stream: bool) -> Vec<Deviation> {
    let (mut ttft, mut itl, mut e2e) = <(Distribution, Distribution, Distribution)>::default();
    for record in raw.records.iter().filter(|record| raw.window.contains(&record.scheduled) && record.is_complete()) {
        let timing = Timing::of(record);
        timing.ttft.into_iter().for_each(|value| ttft.add(value, 1.0));
        timing.gaps.iter().for_each(|(gap, tokens)| itl.add(gap / tokens, *tokens));
        e2e.add(timing.e2e, 1.0);
    }
    let (mut true_ttft, mut true_itl, mut true_e2e) = <(Distribution, Distribution, Distribution)>::default();
    for truth in truths {
        // A whole answer leaves with its last token.
        let first = if stream { truth.first() } else { truth.last() };
        first.into_iter().for_each(|value| true_ttft.add(value, 1.0));
        truth.gaps().for_each(|gap| true_itl.add(gap, 1.0));
        truth.last().into_iter().for_each(|value| true_e2e.add(value, 1.0));
    }
    let one = |metric: &str, truth: Option<Spread>, seen: Option<Spread>| {
        let (truth, seen) = (truth?, seen?);
        Some(Deviation {
            metric: metric.into(),
            count: seen.count,
            true_mean: truth.mean,
            mean: seen.mean,
            true_p99: truth.p99.map(|p99| p99.value),
            p99: seen.p99.map(|p99| p99.value),
        })
    };
    let pairs = [
        one("ttft", true_ttft.spread(false), ttft.spread(false)),
        one("itl", true_itl.spread(false), itl.spread(false)),
        one("e2e", true_e2e.spread(false), e2e.spread(false)),
    ];
    pairs.into_iter().flatten().collect()
}
