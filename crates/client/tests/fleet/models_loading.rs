//! Loading over every dialect that can: joined, followed, called off, failed, and before a call.

use std::time::Duration;

use futures_util::{StreamExt, future::join_all};
use longshore_client::{Fleet, ModelStatus};
use longshore_core::{Answer, Backend, ErrorKind, EventKind, ModelState, capability::OpKind};
use longshore_sim::{Model, SimConfig, Simulator, config::Memory, config::WhenFull};

use crate::support::{LOADING, ask, asked, chat, cold, load, quick, sim, speaking, unload};

const SHORT: Duration = Duration::from_millis(150);
const LONG: Duration = Duration::from_secs(600);

fn fleet(dialect: &str, sim: &Simulator) -> Fleet {
    Fleet::builder(quick(vec![speaking("a", dialect, sim)])).build().unwrap()
}

fn states(answer: &Answer) -> Vec<ModelState> {
    let state = |kind: &EventKind| match kind {
        EventKind::Progress(progress) => Some(progress.state.clone()),
        _ => None,
    };
    answer.others.iter().filter_map(state).collect()
}

/// What the fleet's view says about one model of its first server.
fn status(fleet: &Fleet, model: &str) -> Option<ModelStatus> {
    fleet.models().swap_remove(0).models.into_iter().find(|status| &*status.info.id == model)
}

#[tokio::test]
async fn a_load_tells_its_progress_and_ends_ready() {
    for dialect in LOADING {
        let sim = sim(vec![Model::chat("warm"), cold("m", SHORT)]).await;
        let fleet = fleet(dialect, &sim);
        let mut watch = fleet.watch_models();
        let reply = fleet.call(load("m")).await.unwrap();
        let under_way = status(&fleet, "m").unwrap();
        assert_eq!(under_way.info.state, ModelState::Loading, "{dialect}");
        assert!(under_way.since.is_some() && under_way.progress.is_some(), "{dialect}");
        let answer = reply.collect().await.unwrap();
        let states = states(&answer);
        assert_eq!(
            (states.first(), states.last()),
            (Some(&ModelState::Loading), Some(&ModelState::Ready)),
            "{dialect}"
        );
        // Those who look on see the end too, as soon as the list does.
        loop {
            let seen = watch.changed().await;
            let ready = |status: &ModelStatus| &*status.info.id == "m" && status.info.state == ModelState::Ready;
            if seen[0].models.iter().any(|status| ready(status) && status.progress.is_none()) {
                break;
            }
        }
        assert!(fleet.models()[0].can.unwrap().contains(OpKind::Load), "{dialect}");
        assert!(!ask(&fleet, chat("m")).await.unwrap().text().is_empty(), "{dialect}");
    }
}

#[tokio::test]
async fn simultaneous_loads_of_one_model_are_one() {
    for dialect in LOADING {
        let sim = sim(vec![cold("m", SHORT), cold("n", SHORT)]).await;
        let fleet = fleet(dialect, &sim);
        let models = ["m", "m", "n", "m", "m"];
        let mut replies = join_all(models.map(|model| fleet.call(load(model)))).await;
        // One of those who joined goes away; the others have their load.
        drop(replies.remove(0));
        for reply in replies {
            let answer = reply.unwrap().collect().await.unwrap();
            assert_eq!(states(&answer).last(), Some(&ModelState::Ready), "{dialect}");
        }
        assert_eq!(asked(&sim, "load models"), 2, "{dialect}");
    }
}

#[tokio::test]
async fn the_last_one_to_go_calls_it_off() {
    for dialect in LOADING {
        let sim = sim(vec![cold("m", LONG)]).await;
        let fleet = fleet(dialect, &sim);
        let mut log = sim.follow();
        let (one, two) = (fleet.call(load("m")).await.unwrap(), fleet.call(load("m")).await.unwrap());
        drop(one);
        assert_eq!(status(&fleet, "m").unwrap().info.state, ModelState::Loading, "{dialect}");
        drop(two);
        let entry = loop {
            let entry = log.recv().await.unwrap();
            if entry.op == "load models" {
                break entry;
            }
        };
        assert_eq!(entry.outcome, "cancelled", "{dialect}");
        // The same can be begun again.
        let mut again = fleet.call(load("m")).await.unwrap();
        assert!(again.events.next().await.unwrap().is_ok());
    }
}

#[tokio::test]
async fn one_that_waits_no_longer_leaves_the_load_to_the_others() {
    let sim = sim(vec![cold("m", SHORT)]).await;
    let fleet = fleet("native", &sim);
    let patient = fleet.call(load("m")).await.unwrap();
    let soon = std::time::Instant::now() + Duration::from_millis(20);
    let error = ask(&fleet, load("m").deadline(soon)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.message().starts_with("`m` was still loading after"), "{error}");
    assert!(patient.collect().await.is_ok());
    assert_eq!(asked(&sim, "load models"), 1);
}

#[tokio::test]
async fn a_load_that_fails_leaves_its_reason_and_the_other_models() {
    for dialect in LOADING {
        let broken = Model { load_error: Some("bad magic".into()), ..cold("broken", SHORT) };
        let sim = sim(vec![Model::chat("warm"), broken]).await;
        let fleet = fleet(dialect, &sim);
        let error = ask(&fleet, load("broken")).await.unwrap_err();
        assert!(error.message().contains("bad magic"), "{dialect}: {error}");
        fleet.refresh().await;
        let ModelState::Failed(reason) = status(&fleet, "broken").unwrap().info.state else {
            panic!("{dialect}: {:?}", fleet.models());
        };
        assert!(reason.contains("bad magic"), "{dialect}: {reason}");
        // A load that has failed is not tried again behind the caller's back.
        assert_eq!(asked(&sim, "load models"), 1, "{dialect}");
        assert!(ask(&fleet, chat("warm")).await.is_ok(), "{dialect}");
    }
}

#[tokio::test]
async fn memory_that_is_missing_is_told_in_bytes() {
    for dialect in LOADING {
        let memory = Memory { budget: 1500, when_full: WhenFull::Refuse };
        let models = vec![Model { size: 1000, ..Model::chat("warm") }, cold("m", SHORT)];
        let config = SimConfig { models, memory, autoload: false, ..SimConfig::default() };
        let sim = Simulator::builder().config(config).start().await.unwrap();
        let fleet = fleet(dialect, &sim);
        let error = ask(&fleet, load("m")).await.unwrap_err();
        assert!(error.to_string().contains("500 are missing"), "{dialect}: {error}");
        assert_eq!(asked(&sim, "load models"), 1, "{dialect}");
        fleet.refresh().await;
        let state = status(&fleet, "m").unwrap().info.state;
        assert!(
            matches!(&state, ModelState::Failed(reason) if reason.contains("500 are missing")),
            "{dialect}: {state:?}"
        );
        assert!(ask(&fleet, chat("warm")).await.is_ok(), "{dialect}");
    }
}

#[tokio::test]
async fn a_model_is_loaded_before_a_call_where_that_is_wanted() {
    for dialect in LOADING {
        let sim = sim(vec![cold("m", SHORT)]).await;
        let mut config = quick(vec![speaking("a", dialect, &sim)]);
        let unwanted = Fleet::builder(config.clone()).build().unwrap();
        assert_eq!(ask(&unwanted, chat("m")).await.unwrap_err().kind(), ErrorKind::ModelNotReady, "{dialect}");
        config.lifecycle.ensure_loaded = true;
        let fleet = Fleet::builder(config).build().unwrap();
        let answers = join_all((0..5).map(|_| ask(&fleet, chat("m")))).await;
        assert_eq!(asked(&sim, "load models"), 1, "{dialect}");
        for answer in answers {
            let answer = answer.unwrap();
            let [loading, answering] = &answer.ledger[..] else { panic!("{dialect}: {:?}", answer.ledger) };
            assert_eq!((loading.op, answering.op), (OpKind::Load, OpKind::Chat), "{dialect}");
            assert!(loading.error.is_none() && loading.elapsed > answering.elapsed, "{dialect}: {:?}", answer.ledger);
        }
        // It is ready now, and nothing stands before the next call.
        assert_eq!(ask(&fleet, chat("m")).await.unwrap().ledger.len(), 1, "{dialect}");
    }
}

#[tokio::test]
async fn a_model_that_does_not_load_here_is_loaded_there() {
    let broken = Model { load_error: Some("bad magic".into()), ..cold("m", SHORT) };
    let (a, b) = (sim(vec![broken]).await, sim(vec![cold("m", SHORT)]).await);
    let mut config = quick(vec![speaking("a", "native", &a), speaking("b", "oip-grpc", &b)]);
    config.lifecycle.ensure_loaded = true;
    let fleet = Fleet::builder(config).build().unwrap();
    fleet.refresh().await;
    let answer = ask(&fleet, chat("m")).await.unwrap();
    assert_eq!(&*answer.route.unwrap().server, "b");
    let told: Vec<_> = answer.ledger.iter().map(|one| (&*one.route.server, one.op, one.error.is_none())).collect();
    assert_eq!(told, [("a", OpKind::Load, false), ("b", OpKind::Load, true), ("b", OpKind::Chat, true)]);
}

#[tokio::test]
async fn warm_servers_answer_first() {
    let (a, b) = (sim(vec![cold("m", LONG)]).await, sim(vec![Model::chat("m")]).await);
    let fleet = Fleet::builder(quick(vec![speaking("a", "native", &a), speaking("b", "native", &b)])).build().unwrap();
    fleet.refresh().await;
    let answer = ask(&fleet, chat("m")).await.unwrap();
    assert_eq!((&*answer.route.unwrap().server, answer.ledger.len()), ("b", 1));
}

#[tokio::test]
async fn a_revision_holds_until_something_changes() {
    for dialect in LOADING {
        let sim = sim(vec![Model::chat("m")]).await;
        let fleet = fleet(dialect, &sim);
        fleet.refresh().await;
        let first = fleet.revision("a", "m");
        assert!(first.is_some(), "{dialect}");
        fleet.refresh().await;
        assert_eq!(fleet.revision("a", "m"), first, "{dialect}");
        ask(&fleet, unload("m")).await.unwrap();
        fleet.refresh().await;
        assert_eq!(fleet.revision("a", "m"), None, "{dialect}");
        ask(&fleet, load("m")).await.unwrap();
        fleet.refresh().await;
        let second = fleet.revision("a", "m");
        assert!(second.is_some() && second != first, "{dialect}");
    }
}
