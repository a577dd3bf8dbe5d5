//! Cancellation and deadlines: what is dropped stops upstream at once, and what is late ends when it must.

use std::time::{Duration, Instant, SystemTime};

use futures_util::StreamExt;
use longshore_core::{Backend, ErrorKind, EventKind};
use longshore_sim::{LogEntry, Simulator};
use tokio::sync::broadcast::Receiver;

use super::support::{DIALECTS, ask, chat, config, fleet, server, speaker};

/// The bound that the server's log is held to.
const AT_ONCE: Duration = Duration::from_millis(50);
const TOKENS: u32 = 10_000;

async fn ended(log: &mut Receiver<LogEntry>) -> LogEntry {
    loop {
        let entry = log.recv().await.unwrap();
        if entry.tokens > 0 || entry.outcome == "cancelled" {
            return entry;
        }
    }
}

/// How long after `dropped` the server saw that its client had gone, by its own record.
fn late(entry: &LogEntry, dropped: SystemTime) -> Duration {
    let seen = entry.time + entry.cancelled_after_ms.unwrap() / 1e3;
    let dropped = dropped.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    Duration::from_secs_f64((seen - dropped).max(0.0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_dropped_stops_upstream_at_once() {
    for dialect in DIALECTS {
        let sim = Simulator::builder().model(speaker("m", TOKENS, Duration::from_millis(5))).start().await.unwrap();
        let fleet = fleet(config(vec![server("a", dialect, &sim)]));
        let mut log = sim.follow();
        let mut delays = Vec::new();
        // Some in the middle of the stream, some before anything has come.
        for round in 0..9 {
            let dropped = if round % 3 == 0 {
                let whole = ask(&fleet, chat("m", format!("round {round}"), false));
                let waited = tokio::time::timeout(Duration::from_millis(100), whole).await;
                assert!(waited.is_err(), "{dialect}: answered after all");
                SystemTime::now()
            } else {
                let mut reply = fleet.call(chat("m", format!("round {round}"), true)).await.unwrap();
                let mut pieces = 0;
                while pieces < 3 {
                    let event = reply.events.next().await.unwrap().unwrap();
                    pieces += usize::from(matches!(event.kind, EventKind::Text { .. }));
                }
                let dropped = SystemTime::now();
                drop(reply);
                dropped
            };
            let entry = ended(&mut log).await;
            assert_eq!(entry.outcome, "cancelled", "{dialect}: {entry:?}");
            assert!(entry.tokens < u64::from(TOKENS) / 10, "{dialect}: {entry:?}");
            delays.push(late(&entry, dropped));
        }
        delays.sort();
        // The machine may be busy with something else once or twice.
        let typical = delays[delays.len() / 2];
        assert!(typical <= AT_ONCE, "{dialect}: {delays:?}");
        assert_eq!(sim.in_flight(), 0, "{dialect}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_ends_the_call_and_the_work_upstream() {
    for dialect in DIALECTS {
        let sim = Simulator::builder().model(speaker("m", TOKENS, Duration::from_millis(5))).start().await.unwrap();
        let fleet = fleet(config(vec![server("a", dialect, &sim)]));
        let mut log = sim.follow();
        for stream in [false, true] {
            let limit = Duration::from_millis(250);
            let began = Instant::now();
            let error = ask(&fleet, chat("m", "hi", stream).deadline(began + limit)).await.unwrap_err();
            let took = began.elapsed();
            assert!(took >= limit, "{dialect} {stream}: {took:?}");
            // What had come is kept, and then it is an interruption. (A unary answer may travel in pieces too.)
            let some = error.partial_text().is_some();
            let expected = if some { ErrorKind::Interrupted } else { ErrorKind::Timeout };
            assert_eq!(error.kind(), expected, "{dialect} {stream}: {error}");
            assert!(some || !stream, "{dialect}");
            assert!(error.message().contains("deadline"), "{dialect} {stream}: {error}");
            let entry = ended(&mut log).await;
            assert_ne!(entry.outcome, "ok", "{dialect} {stream}: {entry:?}");
            assert!(entry.tokens < u64::from(TOKENS) / 10, "{dialect} {stream}: {entry:?}");
        }
        assert_eq!(sim.in_flight(), 0, "{dialect}");
    }
}

#[tokio::test]
async fn a_deadline_that_has_passed_asks_nobody() {
    for dialect in DIALECTS {
        let sim = Simulator::builder().start().await.unwrap();
        let fleet = fleet(config(vec![server("a", dialect, &sim)]));
        fleet.refresh().await;
        let error = ask(&fleet, chat("sim", "hi", true).deadline(Instant::now())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{dialect}: {error}");
        assert!(sim.log().iter().all(|entry| entry.tokens == 0), "{dialect}: {:?}", sim.log());
    }
}
