//! docs/benchmark.md: its example in Rust is this one, and what it names exists.

use std::sync::Arc;

use longshore_bench::{
    load::{Live, Target},
    run::{Plan, Run, Runner, Subject},
    schedule::{Schedule, Stop},
    workload::{Prompts, Task, Workload},
};
use longshore_core::{Backend, Error, call::CacheUse};

use crate::support::{fleet, simulator};

const PAGE: &str = include_str!("../../../../docs/benchmark.md");

async fn measure(backend: Arc<dyn Backend>) -> Result<Run, Error> {
    let workload = Workload {
        task: Task::Chat { turns: 1 },
        prompts: Prompts::Fixed("What is streaming?".into()),
        tokens: Some(20),
        stream: true,
        model: None,
        server: None,
        cache: CacheUse::Never,
        seed: 0,
    };
    let stop = Stop { requests: Some(20), ..Stop::default() };
    let plan = Plan { schedules: vec![Schedule::Closed { concurrency: 4 }], stop, ..Plan::default() };
    let target = Target::new(backend, Arc::new(workload));
    let live = Arc::new(Live::default());
    let runner = Runner { target, plan, subject: Subject::default(), pages: Vec::new(), certifier: None, live };
    let (_keep, cancel) = tokio::sync::watch::channel(false);
    runner.run(|_| {}, cancel).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_works() {
    let simulator = simulator("models: [{ id: sim, tokens: 20 }]").await;
    let run = measure(fleet(&simulator.url(), "openai")).await.unwrap();
    assert_eq!(run.levels[0].requests, 20);
}

#[test]
fn the_example_on_the_page_is_this_one() {
    let example = PAGE.split("```rust\n").nth(1).unwrap().split("```").next().unwrap();
    let function = example.split_once("async fn").unwrap().1;
    assert!(include_str!("page.rs").contains(function), "{function}");
}
