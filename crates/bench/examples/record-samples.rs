//! Records what `src/compare/samples.json` holds: runs against the simulator, of which some are of a server that is 5 %
//! slower. The comparison's tests read it.
//!
//! `cargo run --release -p longshore-bench --example record-samples > crates/bench/src/compare/samples.json`
//!
//! Takes about three minutes. Runs of both servers take turns, so that whatever the machine does hits both.

#![expect(clippy::disallowed_macros, reason = "an example prints what it recorded")]

use std::{error::Error, sync::Arc};

use longshore_bench::{
    load::{Live, Target, plain},
    run::{Plan, Run, Runner, Subject},
    schedule::{Schedule, Stop},
    workload::{Prompts, Task, Workload},
};
use longshore_client::{DialectChoice, Fleet, FleetConfig, ServerConfig};
use longshore_core::{call::CacheUse, dialect};
use longshore_sim::{SimConfig, Simulator};
use serde_json::{Value, json};

/// Runs of the same server, which are compared with the one before: twenty pairs.
const ALIKE: usize = 21;
/// Runs of the slower one.
const SLOWER: usize = 10;
const REPEATS: u32 = 5;
const REQUESTS: u64 = 60;
/// Tokens of an answer.
const TOKENS: u32 = 5;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (mut alike, mut slower) = (Vec::new(), Vec::new());
    for number in 0..ALIKE {
        alike.push(record(1.0, number as u64).await?);
        if number < SLOWER {
            slower.push(record(1.05, 1000 + number as u64).await?);
        }
    }
    let made = "for each repeat of each run: requests per second, and each request's ttft and e2e in units of 10 µs";
    println!("{}", json!({ "what": made, "load": "C=2", "tokens": TOKENS, "alike": alike, "slower": slower }));
    Ok(())
}

/// A run against a simulator that takes `slower` times as long as usual. Its times vary by 4 % from request to request.
async fn record(slower: f64, seed: u64) -> Result<Value, Box<dyn Error>> {
    let ms = |ms: f64| format!("lognormal({}us, {}us)", (ms * slower * 1e3) as u64, (ms * slower * 40.0) as u64);
    let config = format!(
        "seed: {seed}\nmodels: [{{ id: sim, tokens: {TOKENS} }}]\nlatency: {{ ttft: \"{}\", itl: \"{}\" }}",
        ms(20.0),
        ms(3.0)
    );
    let simulator = Simulator::builder().config(SimConfig::from_yaml(&config)?).start().await?;
    let spoken = dialect::by_name("openai").ok_or("no such dialect")?;
    let mut server = ServerConfig { dialect: DialectChoice::Named(vec![spoken]), ..ServerConfig::new("sim") };
    server.rest = Some(simulator.url());
    let fleet = Fleet::builder(plain(FleetConfig { servers: vec![server], ..FleetConfig::default() }, 2)).build()?;
    let workload = Workload {
        task: Task::Chat { turns: 1 },
        prompts: Prompts::Fixed("hello".into()),
        tokens: Some(TOKENS),
        stream: true,
        model: None,
        server: None,
        cache: CacheUse::Never,
        seed,
    };
    let plan = Plan {
        schedules: vec![Schedule::Closed { concurrency: 2 }],
        repeats: REPEATS,
        stop: Stop { requests: Some(REQUESTS), ..Stop::default() },
        seed,
        ..Plan::default()
    };
    let runner = Runner {
        target: Target::new(Arc::new(fleet), Arc::new(workload)),
        plan,
        subject: Subject::default(),
        pages: Vec::new(),
        certifier: None,
        live: Arc::new(Live::default()),
    };
    let (_keep, cancel) = tokio::sync::watch::channel(false);
    Ok(samples(&runner.run(|_| {}, cancel).await?))
}

fn samples(run: &Run) -> Value {
    let units = |ms: f64| (ms * 100.0).round() as u64;
    let repeat = |stage: &longshore_bench::run::StageResult| {
        let rows = stage.requests.iter().filter(|row| row.counts);
        let values: Vec<[u64; 2]> = rows.map(|row| [units(row.ttft.unwrap_or(0.0)), units(row.e2e)]).collect();
        json!([stage.window.requests_per_second, values])
    };
    run.stages.iter().map(repeat).collect()
}
