//! Cleanup on shutdown: when a fleet is dropped, in the middle of whatever it does, no task, connection or file descriptor
//! is left of it.
//!
//! Descriptors and tasks are counted for a whole process, so this is the only test of its program.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

mod support;

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use longshore_client::{CacheConfig, ServerConfig};
use longshore_core::{Backend, Call, Op, Reply};
use longshore_sim::{Model, Simulator};
use tokio::runtime::Handle;

use support::{DIALECTS, ask, chat, config, fleet, question, server, speaker};

/// How long things may take to be gone. They are looked at until they are.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_a_fleet() {
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let sim = Simulator::builder()
        .model(speaker("m", 100_000, Duration::from_millis(10)))
        .model(Model { loaded: false, load_time: Duration::from_secs(3600), ..Model::chat("cold") })
        .start()
        .await
        .unwrap();
    // What the process opens once and for all is open after the first time.
    work_and_leave(&sim).await;
    settle("the first time", || sim.in_flight() == 0).await;
    let (mut most_tasks, mut most_files) = (usize::MAX, usize::MAX);
    for round in 0..5 {
        work_and_leave(&sim).await;
        settle(&format!("requests of round {round}"), || sim.in_flight() == 0).await;
        // No more than after the round before, and so on down to what it was before the first.
        settle(&format!("tasks of round {round}: {} before", most_tasks), || tasks() <= most_tasks).await;
        settle(&format!("descriptors of round {round}: {most_files} before"), || files() <= most_files).await;
        (most_tasks, most_files) = (tasks().min(most_tasks), files().min(most_files));
    }
    // The simulator's own task is the only one that is left, and it serves no connection.
    settle("the simulator's connections", || tasks() <= 1).await;
    sim.stop().await;
    settle("the simulator", || tasks() == 0).await;
}

/// Calls of every kind over every dialect, some whole and some in the middle; then the fleet goes, and they with it.
async fn work_and_leave(sim: &Simulator) {
    let servers: Vec<ServerConfig> = DIALECTS.into_iter().map(|dialect| server(dialect, dialect, sim)).collect();
    let mut config = config(servers);
    config.cache = Some(CacheConfig::default());
    let fleet = fleet(config);
    fleet.refresh().await;
    let mut open: Vec<Reply> = Vec::new();
    for dialect in DIALECTS {
        let mut reply = fleet.call(chat("m", "hi", true).server(dialect)).await.unwrap();
        assert!(reply.events.next().await.unwrap().is_ok());
        open.push(reply);
        // Two who share one answer, which is to be kept, and which nobody waits for.
        for _ in 0..2 {
            let mut shared = fleet.call(question("m", "hi", true).server(dialect)).await.unwrap();
            assert!(shared.events.next().await.unwrap().is_ok());
            open.push(shared);
        }
        let soon = Instant::now() + Duration::from_millis(30);
        assert!(ask(&fleet, chat("m", "hi", false).server(dialect).deadline(soon)).await.is_err());
    }
    let load = || Call::new(Op::Load { parameters: Default::default() }).model("cold").server("native");
    open.push(fleet.call(load()).await.unwrap());
    open.push(fleet.call(load()).await.unwrap());
    let mut watch = fleet.watch_models();
    watch.now();
}

/// Waits until it is so.
async fn settle(what: &str, so: impl Fn() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(
            began.elapsed() < PATIENCE,
            "{what}: {} tasks, {} files",
            Handle::current().metrics().num_alive_tasks(),
            files()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Open file descriptors of this process.
#[cfg(target_os = "linux")]
fn files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[cfg(not(target_os = "linux"))]
fn files() -> usize {
    0
}
