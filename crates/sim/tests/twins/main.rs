//! Faults and their twins over the other protocol, to clients that know nothing of Longshore: HTTP by hand, gRPC made
//! of the `h2` crate and protobuf by hand. The log must name what was seen.

#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod bodies;
mod chance;
mod grpc;
mod raw;
mod refusals;
mod streams;

use longshore_sim::{Effect, LogEntry, Rule, Simulator};

/// A simulator with this one fault, always.
async fn with(effect: Effect) -> Simulator {
    Simulator::builder().seed(1).rule(Rule::new(effect)).start().await.unwrap()
}

/// One without any.
async fn good() -> Simulator {
    Simulator::builder().seed(1).start().await.unwrap()
}

/// The one entry of the log, once it is there; it names the fault and the rule.
async fn logged(simulator: &Simulator, fault: &str) -> LogEntry {
    raw::patiently(simulator.logged(1)).await;
    let log = simulator.log();
    assert_eq!(log.len(), 1, "{log:?}");
    assert_eq!((log[0].fault, log[0].rule, log[0].outcome), (Some(fault), Some(0), "fault"), "{log:?}");
    log.into_iter().next().unwrap()
}
