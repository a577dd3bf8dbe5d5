//! Health checks, which are never the only judge.

use std::time::Duration;

use longshore_client::{Fleet, FleetConfig};

use crate::support::{End, HttpServer, Script, ask, chat, config, ledger, openai, rest, until};

const OFTEN: Duration = Duration::from_millis(10);

/// A server whose health is `health(n)` when it is asked for the nth time, and whose chats are fine.
async fn server(health: impl Fn(usize) -> u16 + Send + Sync + 'static) -> HttpServer {
    let other = openai(&["m"], |_| Script::chat(&["fine"], End::Clean));
    HttpServer::start(move |seen| match &*seen.path {
        "/health" => Script::json(health(seen.nth), "{}"),
        _ => other(seen),
    })
    .await
}

fn build(servers: &[&HttpServer], interval: Duration) -> Fleet {
    let servers = servers.iter().zip(["a", "b"]).map(|(server, name)| rest(name, server.url()));
    let mut config: FleetConfig = config(servers.collect());
    config.health.interval = interval;
    Fleet::builder(config).build().unwrap()
}

async fn asked_often(server: &HttpServer) {
    until("health was asked often", || server.seen("/health").len() > 8).await;
}

#[tokio::test]
async fn a_health_that_flaps_or_is_never_good_moves_no_call() {
    let flapping: fn(usize) -> u16 = |n| if n % 2 == 0 { 503 } else { 200 };
    let never: fn(usize) -> u16 = |_| 400;
    for health in [flapping, never] {
        let (a, b) = (server(health).await, server(|_| 200).await);
        let fleet = build(&[&a, &b], OFTEN);
        for _ in 0..5 {
            assert_eq!(ledger(&ask(&fleet, chat("m")).await.unwrap().ledger), ["a rest committed"]);
            asked_often(&a).await;
        }
        assert!(fleet.vitals()[0].reachable && fleet.vitals()[0].ready.is_some(), "{:?}", fleet.vitals());
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_comes_after_the_others() {
    let (a, b) = (server(|_| 200).await, server(|_| 200).await);
    let fleet = build(&[&a, &b], OFTEN);
    assert_eq!(ledger(&ask(&fleet, chat("m")).await.unwrap().ledger), ["a rest committed"]);
    a.stop().await;
    until("it is missed", || !fleet.vitals()[0].reachable).await;
    assert_eq!(ledger(&ask(&fleet, chat("m")).await.unwrap().ledger), ["b rest committed"]);
}

#[tokio::test]
async fn a_single_server_is_not_asked_and_nobody_is_without_an_interval() {
    let (a, b) = (server(|_| 200).await, server(|_| 200).await);
    let (single, none) = (build(&[&a], OFTEN), build(&[&a, &b], Duration::ZERO));
    for fleet in [&single, &none] {
        ask(fleet, chat("m")).await.unwrap();
        // Ten intervals, had there been any.
        tokio::time::sleep(10 * OFTEN).await;
        assert!(fleet.vitals().iter().all(|way| way.ready.is_none()), "{:?}", fleet.vitals());
    }
}

#[tokio::test]
async fn the_questions_end_with_the_fleet() {
    let (a, b) = (server(|_| 200).await, server(|_| 200).await);
    let fleet = build(&[&a, &b], OFTEN);
    ask(&fleet, chat("m")).await.unwrap();
    asked_often(&a).await;
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = alive();
    drop(fleet);
    until("its task is gone", || alive() < before).await;
}
