//! What does not work is told, and what was measured is kept.

use std::time::Instant;

use longshore_bench::schedule::{Process, Schedule, Stop};
use longshore_core::ErrorKind;
use tokio::sync::watch;

use crate::support::{chat, ms, requests, run, runner, simulator};

const ONE: Schedule = Schedule::Closed { concurrency: 1 };

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn nobody_there_and_nobody_knows_are_errors_at_once() {
    let error = run("http://127.0.0.1:9", "openai", chat(true), requests(ONE, 5)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    let simulator = simulator("{}").await;
    let workload = longshore_bench::workload::Workload { model: Some("nobody".into()), ..chat(true) };
    let error = run(&simulator.url(), "openai", workload, requests(ONE, 5)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownModel, "{error}");
    let too_fast = requests(Schedule::Open(Process::Fixed { rate: 1e9 }), 5);
    let error = run(&simulator.url(), "openai", chat(true), too_fast).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error}");
    assert!(error.message().contains("paced"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_fails_half_is_measured_on_the_other() {
    let simulator = simulator("rules: [{ when: { op: chat, every: 2 }, what: { effect: status, status: 500 } }]").await;
    let run =
        run(&simulator.url(), "openai", chat(true), requests(Schedule::Closed { concurrency: 2 }, 40)).await.unwrap();
    let level = &run.levels[0];
    assert_eq!((level.success.of, level.requests), (40, 40));
    assert!((15..=25).contains(&level.success.count), "{:?}", level.success);
    assert_eq!(level.outcomes["server"] + level.outcomes["ok"], 40);
    assert!(level.failures["server"].contains("500") || !level.failures["server"].is_empty());
    assert_eq!(level.metrics.e2e.as_ref().unwrap().count, level.success.count);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_measured_before_a_cancellation_is_kept() {
    let simulator = simulator("models: [{ id: sim, tokens: 2 }]\nlatency: { ttft: 5ms }").await;
    for schedule in [Schedule::Closed { concurrency: 2 }, Schedule::Open(Process::Fixed { rate: 100.0 })] {
        let stop = Stop { after: Some(ms(600_000)), ..Stop::default() };
        let plan = longshore_bench::run::Plan { stop, ..requests(schedule, 1) };
        let runner = runner(&simulator.url(), "openai", chat(true), plan);
        let (cancel, cancelled) = watch::channel(false);
        let live = runner.live.clone();
        let begun = Instant::now();
        let running = tokio::spawn(runner.run(|_| {}, cancelled));
        while live.seen().complete < 20 {
            tokio::task::yield_now().await;
        }
        cancel.send(true).unwrap();
        let run = running.await.unwrap().unwrap();
        assert!(run.interrupted && begun.elapsed() < ms(60_000));
        assert!(run.levels[0].requests >= 5, "{:?}", run.levels[0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_arrival_that_cannot_be_sent_is_counted_as_such() {
    let simulator = simulator("models: [{ id: sim, tokens: 1 }]\nlatency: { ttft: 300ms }").await;
    let mut plan = requests(Schedule::Open(Process::Fixed { rate: 200.0 }), 40);
    plan.bounds.in_flight = 3;
    let run = run(&simulator.url(), "openai", chat(true), plan).await.unwrap();
    let level = &run.levels[0];
    assert!(level.outcomes["not_sent"] > 20, "{:?}", level.outcomes);
    assert_eq!(level.outcomes.values().sum::<u64>(), 40);
    assert!(level.warnings.iter().any(|warning| warning.contains("not sent")), "{:?}", level.warnings);
}
