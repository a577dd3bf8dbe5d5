//! Unloading under our own calls: it waits for them, new ones go elsewhere, and it refuses rather than break them.

use std::time::Duration;

use futures_util::StreamExt;
use longshore_client::Fleet;
use longshore_core::{Backend, ErrorKind, Event, EventKind, ModelState, Reply};
use longshore_sim::{Distribution, Latency, Model, Simulator};

use crate::support::{LOADING, ask, asked, chat, quick, sim, speaking, unload};

/// A model whose stream lasts half a second.
fn talkative() -> Model {
    let itl = Distribution::Fixed(Duration::from_millis(25));
    Model { tokens: 20, latency: Some(Latency { itl, ..Latency::default() }), ..Model::chat("m") }
}

async fn answering(fleet: &Fleet) -> Reply {
    let mut reply = fleet.call(chat("m")).await.unwrap();
    let first = reply.events.next().await.unwrap();
    assert!(first.is_ok(), "{first:?}");
    reply
}

fn is_done(last: Option<Result<Event, longshore_core::Error>>) -> bool {
    matches!(last, Some(Ok(Event { kind: EventKind::Done(_), .. })))
}

async fn last(reply: Reply) -> Option<Result<Event, longshore_core::Error>> {
    let mut events = reply.events;
    let mut last = None;
    while let Some(event) = events.next().await {
        last = Some(event);
    }
    last
}

fn over(dialect: &str, sim: &Simulator) -> longshore_client::FleetConfig {
    quick(vec![speaking("a", dialect, sim)])
}

#[tokio::test]
async fn an_unload_waits_for_what_is_running() {
    for dialect in LOADING {
        let sim = sim(vec![talkative()]).await;
        let fleet = Fleet::builder(over(dialect, &sim)).build().unwrap();
        let running = answering(&fleet).await;
        let mut leaving = fleet.call(unload("m")).await.unwrap();
        let Some(Ok(Event { kind: EventKind::Progress(progress), .. })) = leaving.events.next().await else {
            panic!("{dialect}");
        };
        assert_eq!(progress.state, ModelState::Draining, "{dialect}");
        assert_eq!(fleet.models()[0].models[0].info.state, ModelState::Draining, "{dialect}");
        assert_eq!(fleet.models()[0].models[0].running, 1, "{dialect}");
        // Nothing new is let in, and the server has not been asked yet.
        let error = ask(&fleet, chat("m")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ModelNotReady, "{dialect}");
        assert!(error.message().contains("is being unloaded"), "{dialect}: {error}");
        assert_eq!(asked(&sim, "unload models"), 0, "{dialect}");
        let (finished, left) = tokio::join!(last(running), leaving.collect());
        assert!(is_done(finished), "{dialect}");
        let left = left.unwrap().others.pop();
        assert!(
            matches!(&left, Some(EventKind::Progress(progress)) if progress.state == ModelState::Unloaded),
            "{dialect}: {left:?}"
        );
        assert_eq!(asked(&sim, "unload models"), 1, "{dialect}");
        fleet.refresh().await;
        assert_eq!(fleet.models()[0].models[0].info.state, ModelState::Unloaded, "{dialect}");
    }
}

#[tokio::test]
async fn new_calls_go_elsewhere_while_a_model_drains() {
    let (a, b) = (sim(vec![talkative()]).await, sim(vec![Model::chat("m")]).await);
    let fleet = Fleet::builder(quick(vec![speaking("a", "native", &a), speaking("b", "native", &b)])).build().unwrap();
    fleet.refresh().await;
    let mut pinned = fleet.call(chat("m").server("a")).await.unwrap();
    assert!(pinned.events.next().await.unwrap().is_ok());
    let leaving = fleet.call(unload("m").server("a")).await.unwrap();
    let answer = ask(&fleet, chat("m")).await.unwrap();
    assert_eq!((&*answer.route.unwrap().server, answer.ledger.len()), ("b", 1));
    let (finished, left) = tokio::join!(last(pinned), leaving.collect());
    assert!(is_done(finished) && left.is_ok());
}

#[tokio::test]
async fn an_unload_that_would_break_answers_is_refused_or_forced() {
    for (busy, dialect) in [(false, "native"), (false, "oip-grpc"), (true, "native"), (true, "oip-rest")] {
        let sim = sim(vec![talkative()]).await;
        let mut config = over(dialect, &sim);
        config.lifecycle.drain = Duration::from_millis(10);
        config.lifecycle.unload_busy = busy;
        let fleet = Fleet::builder(config).build().unwrap();
        let running = answering(&fleet).await;
        let result = ask(&fleet, unload("m")).await;
        if busy {
            // The simulator drains by itself, as Triton does.
            assert!(result.is_ok(), "{dialect}");
        } else {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Overloaded, "{dialect}");
            assert!(error.message().contains("still answering 1 calls"), "{dialect}: {error}");
            // It is let in again.
            assert!(ask(&fleet, chat("m")).await.is_ok(), "{dialect}");
        }
        assert_eq!(asked(&sim, "unload models"), usize::from(busy), "{dialect}");
        assert!(is_done(last(running).await), "{dialect}");
    }
}
