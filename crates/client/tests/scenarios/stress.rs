//! Stress: fifty callers with twenty requests each, and a thousand streams at once.

use std::time::Duration;

use futures_util::StreamExt;
use longshore_client::{FleetConfig, ServerConfig, Timeouts};
use longshore_core::{Backend, EventKind};
use longshore_sim::Simulator;
use tokio::{sync::Barrier, task::JoinSet};

use super::support::{DIALECTS, ask, chat, config, fleet, server, speaker};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_callers_with_twenty_requests_each_are_all_answered() {
    for dialect in DIALECTS {
        let sim = Simulator::builder().model(speaker("m", 4, Duration::ZERO)).start().await.unwrap();
        let fleet = fleet(patient(vec![server("a", dialect, &sim)]));
        let mut callers = JoinSet::new();
        for caller in 0..50 {
            let fleet = fleet.clone();
            callers.spawn(async move {
                for request in 0..20 {
                    let call = chat("m", format!("{caller}/{request}"), request % 2 == 0);
                    let answer = ask(&fleet, call).await.unwrap();
                    assert!(answer.finish.is_some() && !answer.text().is_empty(), "{dialect}");
                }
            });
        }
        callers.join_all().await;
        assert_eq!(sim.log().iter().filter(|entry| entry.tokens > 0).count(), 1000, "{dialect}");
        assert_eq!(sim.in_flight(), 0, "{dialect}");
        assert!(sim.verdict().findings.is_empty(), "{dialect}: {:?}", sim.verdict());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_streams_at_once_all_come_to_their_end() {
    const STREAMS: usize = 1000;
    room_for(4 * STREAMS as u64);
    for dialect in ["openai", "oip-grpc"] {
        let sim = Simulator::builder().model(speaker("m", 5, Duration::from_millis(20))).start().await.unwrap();
        let fleet = fleet(patient(vec![server("a", dialect, &sim)]));
        fleet.refresh().await;
        let all_begun = std::sync::Arc::new(Barrier::new(STREAMS));
        let mut streams = JoinSet::new();
        for stream in 0..STREAMS {
            let (fleet, all_begun) = (fleet.clone(), all_begun.clone());
            streams.spawn(async move {
                let mut reply = fleet.call(chat("m", format!("stream {stream}"), true)).await.unwrap();
                // Nobody reads on before all have begun: they are there at the same time.
                all_begun.wait().await;
                let (mut pieces, mut done) = (0, false);
                while let Some(event) = reply.events.next().await {
                    match event.unwrap().kind {
                        EventKind::Text { .. } => pieces += 1,
                        EventKind::Done(_) => done = true,
                        _ => {}
                    }
                }
                assert!(done && pieces > 0, "{dialect}: stream {stream}, {pieces} pieces");
            });
        }
        streams.join_all().await;
        let ended = sim.log().into_iter().filter(|entry| entry.tokens == 5 && entry.outcome == "ok").count();
        assert_eq!(ended, STREAMS, "{dialect}");
        assert_eq!(sim.in_flight(), 0, "{dialect}");
    }
}

/// Both ends of a thousand connections share two cores with whatever else the machine does: how long that takes is not
/// what is tested here.
fn patient(servers: Vec<ServerConfig>) -> FleetConfig {
    let minutes = Duration::from_secs(300);
    let timeouts = Timeouts {
        connect: minutes,
        headers: minutes,
        first_token: minutes,
        idle: minutes,
        total: minutes,
        ..Timeouts::default()
    };
    FleetConfig { timeouts, ..config(servers) }
}

/// Both ends of every connection are in this process, and some systems allow a process 1,024 descriptors at first.
#[cfg(unix)]
fn room_for(descriptors: u64) {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < descriptors) {
        limit.current = Some(limit.maximum.map_or(descriptors, |most| most.min(descriptors)));
        setrlimit(Resource::Nofile, limit).unwrap();
    }
}

#[cfg(not(unix))]
fn room_for(_: u64) {}
