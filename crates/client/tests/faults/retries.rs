//! Faults that pass: what it takes of waiting and of trying again, as the servers see it.

use std::time::{Duration, Instant};

use longshore_client::{Fleet, FleetConfig};
use longshore_core::ErrorKind;
use longshore_sim::{Effect, Latency, LogEntry, RetryAfter, Rule, Simulator, When};

use crate::{
    cell::{Said, Wire, ask, config},
    special::over,
};

fn status(status: u16, retry_after: Option<RetryAfter>) -> Effect {
    Effect::Status { status, body: None, headers: Default::default(), retry_after }
}

fn op(wire: Wire) -> &'static str {
    if wire.is_grpc() { "infer" } else { "chat" }
}

/// A simulator that answers the first so many requests for text with this.
async fn failing(wire: Wire, first: Option<u64>, effect: Effect) -> Simulator {
    let mut sim = config(1);
    sim.rules.push(Rule::new(effect).when(When { op: Some(op(wire).into()), first, ..When::default() }));
    Simulator::builder().config(sim).start().await.unwrap()
}

fn work(simulator: &Simulator, wire: Wire) -> Vec<LogEntry> {
    simulator.log().into_iter().filter(|entry| entry.op == op(wire)).collect()
}

/// A fleet of the one server.
fn fleet(wire: Wire, simulator: &Simulator, change: impl FnOnce(&mut FleetConfig)) -> Fleet {
    let mut config = FleetConfig { servers: vec![over(wire, simulator)], ..FleetConfig::default() };
    change(&mut config);
    Fleet::builder(config).build().unwrap()
}

/// One call to a server that fails once so: it is answered by the second request, and the ledger has both.
async fn passes(wire: Wire, effect: Effect, kind: ErrorKind) -> Simulator {
    let simulator = failing(wire, Some(1), effect.clone()).await;
    let fleet = fleet(wire, &simulator, |config| config.retry.max_delay = Duration::from_millis(200));
    let Said { ledger, end } = ask(&fleet, wire.chat("tell me").model("m")).await;
    end.unwrap();
    let outcomes: Vec<_> = ledger.iter().map(|attempt| attempt.error.as_ref().map(|error| error.kind())).collect();
    assert_eq!(outcomes, [Some(kind), None], "{} {effect:?}", wire.name());
    simulator.logged(2).await;
    assert_eq!(work(&simulator, wire).len(), 2, "{} {effect:?}", wire.name());
    simulator
}

#[tokio::test]
async fn a_server_is_left_alone_for_as_long_as_it_asks() {
    for wire in Wire::ALL {
        for (wait, least) in [(RetryAfter::Seconds(1), 1.0), (RetryAfter::Date(2), 1.0)] {
            let simulator = passes(wire, status(429, Some(wait.clone())), ErrorKind::Overloaded).await;
            let entries = work(&simulator, wire);
            let waited = (entries[1].time - entries[0].time).abs();
            assert!(waited >= least - 0.01, "{} {wait:?}: came back after {waited} s", wire.name());
            assert!(simulator.verdict().good, "{} {wait:?}: {:?}", wire.name(), simulator.verdict());
        }
    }
}

/// gRPC's own word for a wait is metadata, in milliseconds; a negative one says never.
#[tokio::test]
async fn push_back_over_grpc_is_obeyed() {
    for wire in [Wire::Grpc, Wire::GrpcStream] {
        let pushed = |code, wait| Effect::Grpc { code, message: Some("no room".into()), pushback: Some(wait) };
        for code in [8, 14] {
            let simulator = passes(wire, pushed(code, Duration::from_millis(1300)), ErrorKind::Overloaded).await;
            let entries = work(&simulator, wire);
            let waited = (entries[1].time - entries[0].time).abs();
            assert!(waited >= 1.29, "{} {code}: came back after {waited} s", wire.name());
            assert!(simulator.verdict().good, "{} {code}: {:?}", wire.name(), simulator.verdict());
        }
        let headers = [("grpc-retry-pushback-ms".to_owned(), "-1".to_owned())].into();
        let never = Effect::Status { status: 503, body: None, headers, retry_after: None };
        let simulator = failing(wire, None, never).await;
        let error = ask(&fleet(wire, &simulator, |_| {}), wire.chat("tell me").model("m")).await.end.unwrap_err();
        assert_eq!((error.kind(), error.ledger().len()), (ErrorKind::Overloaded, 1), "{error}");
        assert!(error.message().contains("the server asks not to try again"), "{error}");
        assert_eq!(work(&simulator, wire).len(), 1);
    }
}

#[tokio::test]
async fn a_wait_that_makes_no_sense_is_a_short_one() {
    let century = RetryAfter::Seconds(100 * 365 * 24 * 3600);
    for wire in Wire::ALL {
        for wait in [None, Some(RetryAfter::Text("next tuesday".into())), Some(century.clone())] {
            let begun = Instant::now();
            passes(wire, status(429, wait.clone()), ErrorKind::Overloaded).await;
            assert!(begun.elapsed() < Duration::from_secs(60), "{} {wait:?}: {:?}", wire.name(), begun.elapsed());
        }
    }
}

#[tokio::test]
async fn a_failure_that_passes_is_not_seen() {
    for wire in Wire::ALL {
        for (code, kind) in [(500, ErrorKind::Server), (502, ErrorKind::Server), (503, ErrorKind::Overloaded)] {
            // gRPC has one code for the last two.
            let kind = if wire.is_grpc() && code == 502 { ErrorKind::Overloaded } else { kind };
            let simulator = passes(wire, status(code, None), kind).await;
            assert!(simulator.verdict().good, "{} {code}: {:?}", wire.name(), simulator.verdict());
        }
    }
}

const CALLS: usize = 60;

#[tokio::test]
async fn servers_that_all_fail_are_spared_and_the_next_try_is_told() {
    for wire in [Wire::RestStream, Wire::GrpcStream] {
        let simulator = failing(wire, None, status(500, None)).await;
        let fleet = fleet(wire, &simulator, |config| {
            config.retry.base_delay = Duration::from_millis(1);
            config.timeouts.total = Duration::from_millis(900);
        });
        let (mut told, mut asked) = (false, 0);
        for number in 0..CALLS {
            let error = ask(&fleet, wire.chat(&format!("attempt {number}")).model("m")).await.end.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Server, "{error}");
            asked += error.ledger().len();
            told |= error.wait().is_some();
        }
        simulator.logged(asked).await;
        assert_eq!(work(&simulator, wire).len(), asked, "every request is in a ledger");
        // A request for each call, a fifth of them again, and a few while the budget was full.
        assert!(asked < CALLS + CALLS / 5 + 15, "{asked} requests for {CALLS} calls");
        assert!(told, "no error said when the next try may be");
        assert!(simulator.verdict().good, "{:?}", simulator.verdict());
    }
}

#[tokio::test]
async fn a_server_that_fails_fast_gets_hardly_a_call() {
    for wire in [Wire::RestStream, Wire::Grpc] {
        let faulty = failing(wire, None, status(500, None)).await;
        let mut sim = config(1);
        sim.latency = Latency { ttft: Duration::from_millis(5).into(), ..Latency::default() };
        let healthy = Simulator::builder().config(sim).start().await.unwrap();
        let mut second = over(wire, &healthy);
        second.name = "b".into();
        let servers = vec![over(wire, &faulty), second];
        let fleet = Fleet::builder(FleetConfig { servers, ..FleetConfig::default() }).build().unwrap();
        for number in 0..40 {
            ask(&fleet, wire.chat(&format!("call {number}")).model("m")).await.end.unwrap();
        }
        let (failed, answered) = (work(&faulty, wire).len(), work(&healthy, wire).len());
        assert_eq!(answered, 40);
        assert!(failed <= 8, "{}: {failed} of 40 calls went to a server that fails each", wire.name());
    }
}

#[tokio::test]
async fn models_that_drive_each_other_out_are_loaded_for_each_call() {
    for wire in Wire::ALL {
        let mut sim = config(1);
        sim.memory.budget = 5_000_000_000;
        sim.models[0].load_time = Duration::from_millis(60);
        let mut other = sim.models[0].clone();
        (other.id, other.loaded) = ("n".into(), false);
        sim.models.push(other);
        let simulator = Simulator::builder().config(sim).start().await.unwrap();
        let fleet = fleet(wire, &simulator, |_| ());
        for (number, model) in ["m", "n", "m", "n", "m"].into_iter().enumerate() {
            let said = ask(&fleet, wire.chat(&format!("call {number}")).model(model)).await;
            said.end.unwrap();
            assert_eq!(said.ledger.len(), 1);
            let waited = said.ledger[0].elapsed;
            assert!(number == 0 || waited >= Duration::from_millis(60), "{waited:?}");
        }
        assert_eq!(work(&simulator, wire).len(), 5);
    }
}
