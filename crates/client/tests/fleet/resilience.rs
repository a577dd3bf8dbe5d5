//! Breakers, balance and limits, against servers that fail, crowd and recover.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, future::join_all};
use longshore_client::{Breaker, Fleet, FleetConfig, ModelVitals};
use longshore_core::{Backend, ErrorKind};
use longshore_sim::{Effect, Rule, Simulator, When};

use crate::support::{
    End, HttpServer, Script, ask, asked, chat, config, grpc, ledger, openai, rest, speaking, tiny, until,
};

const FAILURE: &str = "{\"error\":{\"message\":\"no\",\"type\":\"x\"}}";

fn fine() -> Script {
    Script::chat(&["fine"], End::Clean)
}

async fn good() -> HttpServer {
    HttpServer::start(openai(&["m"], |_| fine())).await
}

fn chats(server: &HttpServer) -> usize {
    server.seen("/v1/chat/completions").len()
}

fn build(config: FleetConfig) -> Fleet {
    Fleet::builder(config).build().unwrap()
}

fn model(fleet: &Fleet, way: usize) -> ModelVitals {
    fleet.vitals()[way].models[0].clone()
}

async fn faulty(seed: u64) -> Simulator {
    let fault = |effect, share| {
        let when = When { probability: Some(share), op: Some("chat".into()), ..When::default() };
        Rule::new(effect).when(when)
    };
    let error = Effect::Status { status: 500, body: None, headers: Default::default(), retry_after: None };
    let builder = Simulator::builder().seed(seed).rule(fault(error, 0.1));
    builder.rule(fault(Effect::ResetBeforeFirstByte, 0.11)).start().await.unwrap()
}

#[tokio::test]
async fn every_replayable_call_gets_over_twenty_percent_of_faults() {
    for seed in [1, 2, 3] {
        let (a, b) = (faulty(seed).await, faulty(seed + 100).await);
        let mut config = config(vec![speaking("a", "openai", &a), speaking("b", "openai", &b)]);
        config.retry.base_delay = Duration::from_millis(5);
        // With four, one call in six hundred would have no luck.
        config.retry.max_attempts = 8;
        let fleet = Arc::new(build(config));
        let calls = (0..10).map(|_| {
            let fleet = Arc::clone(&fleet);
            async move {
                for _ in 0..8 {
                    let answer = ask(&fleet, chat("sim")).await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
                    assert!(!answer.text().is_empty());
                }
            }
        });
        join_all(calls).await;
        let requests = asked(&a, "chat") + asked(&b, "chat");
        assert!((80..=80 + 16 + 20).contains(&requests), "seed {seed}: {requests} requests");
    }
}

#[tokio::test]
async fn when_every_server_is_busy_each_attempt_is_told_and_no_breaker_opens() {
    let busy = || HttpServer::start(openai(&["m"], |_| Script::json(503, FAILURE)));
    let (a, b) = (busy().await, busy().await);
    let fleet = build(config(vec![rest("a", a.url()), rest("b", b.url())]));
    for _ in 0..3 {
        let error = ask(&fleet, chat("m")).await.unwrap_err();
        assert_eq!((error.kind(), error.ledger().len()), (ErrorKind::Overloaded, 4));
        assert!(error.message().contains("`a` over rest") && error.message().contains("`b` over rest"), "{error}");
    }
    assert!(fleet.vitals().iter().all(|way| way.models[0].breaker == "closed"), "{:?}", fleet.vitals());
}

#[tokio::test]
async fn when_every_breaker_is_open_the_last_way_is_tried_and_the_next_probe_told() {
    let broken = || HttpServer::start(openai(&["m"], |_| Script::json(500, FAILURE)));
    let (a, b) = (broken().await, broken().await);
    let mut config = config(vec![rest("a", a.url()), rest("b", b.url())]);
    config.breaker = Breaker {
        consecutive_faults: 2,
        open: Duration::from_secs(300),
        max_open: Duration::from_secs(300),
        ..Breaker::default()
    };
    config.retry.max_attempts = 4;
    let fleet = build(config);
    ask(&fleet, chat("m")).await.unwrap_err();
    assert_eq!((chats(&a), chats(&b)), (2, 2));
    let error = ask(&fleet, chat("m")).await.unwrap_err();
    assert!(chats(&a) + chats(&b) > 4, "somebody is tried");
    assert!(chats(&b) == 2 || chats(&a) == 2, "but not everybody");
    assert!(error.message().contains("was left alone: 2 faults in a row (no); it is tried again in"), "{error}");
    assert!(error.wait().is_some_and(|wait| wait > Duration::from_secs(200)), "{:?}", error.wait());
    let (vitals, health) = (model(&fleet, 0), fleet.vitals());
    assert_eq!((vitals.breaker, &*vitals.reason), ("open", "2 faults in a row (no)"));
    assert!(vitals.next_probe.is_some() && health[0].retry_budget < 11.0, "{health:?}");
}

#[tokio::test]
async fn one_call_at_a_time_finds_out_whether_a_server_is_well_again() {
    let sick = HttpServer::start(openai(&["m"], |seen| match seen.nth {
        0 | 1 => Script::json(500, FAILURE),
        2 => Script::Hang,
        _ => fine(),
    }))
    .await;
    let well = good().await;
    let mut config = config(vec![rest("a", sick.url()), rest("b", well.url())]);
    config.breaker = Breaker { consecutive_faults: 2, open: Duration::from_millis(50), ..Breaker::default() };
    config.timeouts.headers = Duration::from_millis(700);
    config.retry.max_attempts = 2;
    let fleet = build(config);
    ask(&fleet, chat("a/m")).await.unwrap_err();
    until("the breaker has been open for long enough", || model(&fleet, 0).next_probe == Some(Duration::ZERO)).await;
    let answers = join_all((0..10).map(|_| ask(&fleet, chat("m")))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(chats(&sick), 3, "one of ten was sent to see");
    assert_eq!(model(&fleet, 0).breaker, "open");
    until("it may be tried again", || model(&fleet, 0).next_probe == Some(Duration::ZERO)).await;
    assert_eq!(ledger(&ask(&fleet, chat("m")).await.unwrap().ledger), ["a rest committed"]);
    assert_eq!(model(&fleet, 0).breaker, "closed");
}

#[tokio::test]
async fn a_server_that_fails_fast_attracts_no_traffic() {
    let (failing, well) = (HttpServer::start(openai(&["m"], |_| Script::json(500, FAILURE))).await, good().await);
    let fleet = build(config(vec![rest("a", failing.url()), rest("b", well.url())]));
    for _ in 0..30 {
        ask(&fleet, chat("m")).await.unwrap();
    }
    assert!(chats(&failing) <= 2, "{} of 30 calls", chats(&failing));
}

#[tokio::test]
async fn mistakes_of_clients_do_not_count_against_a_server() {
    let server =
        HttpServer::start(openai(&["m"], |seen| if seen.nth < 30 { Script::json(400, FAILURE) } else { fine() }));
    let (server, other) = (server.await, good().await);
    let fleet = build(config(vec![rest("a", server.url()), rest("b", other.url())]));
    for _ in 0..30 {
        assert_eq!(ask(&fleet, chat("m")).await.unwrap_err().kind(), ErrorKind::InvalidRequest);
    }
    assert_eq!(model(&fleet, 0).breaker, "closed");
    assert_eq!(ledger(&ask(&fleet, chat("m")).await.unwrap().ledger), ["a rest committed"]);
    assert_eq!(chats(&other), 0);
}

#[tokio::test]
async fn calls_side_by_side_use_equal_servers_alike() {
    let stalling = || HttpServer::start(openai(&["m"], |_| Script::chat(&["begun"], End::Stall)));
    let (a, b) = (stalling().await, stalling().await);
    let fleet = build(config(vec![rest("a", a.url()), rest("b", b.url())]));
    let mut replies = Vec::new();
    for _ in 0..10 {
        replies.push(fleet.call(chat("m")).await.unwrap());
    }
    let spread = chats(&a).min(chats(&b));
    assert!(spread >= 3, "{} and {}", chats(&a), chats(&b));
    assert_eq!(fleet.vitals().iter().map(|way| way.in_flight).sum::<usize>(), 10);
    drop(replies);
    assert_eq!(fleet.vitals().iter().map(|way| way.in_flight).sum::<usize>(), 0);
}

#[tokio::test]
async fn one_server_cannot_swallow_everything() {
    let server = HttpServer::start(openai(&["m"], |_| Script::chat(&["begun"], End::Stall))).await;
    let mut config = config(vec![rest("a", server.url())]);
    (config.limits.in_flight, config.limits.queue) = (1, 0);
    config.retry.max_attempts = 1;
    let fleet = build(config);
    let mut first = fleet.call(chat("m")).await.unwrap();
    assert!(first.events.next().await.unwrap().is_ok());
    let error = ask(&fleet, chat("m")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overloaded);
    assert!(error.message().contains("limits.in_flight"), "{error}");
    drop(first);
    assert!(fleet.call(chat("m")).await.is_ok());
}

#[tokio::test]
async fn a_grpc_call_tells_its_deadline() {
    let server = HttpServer::start(tiny(&["m"], "by grpc")).await;
    ask(&build(config(vec![grpc("a", server.url())])), chat("m")).await.unwrap();
    let seen = server.all().into_iter().find(|seen| seen.path == "/tiny/Chat").unwrap();
    let timeout = seen.headers["grpc-timeout"].to_str().unwrap();
    let millis: u64 = timeout.strip_suffix('m').unwrap().parse().unwrap();
    assert!((1..=30_000).contains(&millis), "{timeout}");
}

#[tokio::test]
async fn the_limit_for_headers_does_not_cut_a_whole_answer() {
    let slow = longshore_sim::Latency { ttft: Duration::from_millis(400).into(), ..Default::default() };
    let sim = Simulator::builder().latency(slow).start().await.unwrap();
    let mut config = config(vec![speaking("a", "openai", &sim)]);
    config.timeouts.headers = Duration::from_millis(100);
    let mut call = chat("sim");
    if let Some(longshore_core::Op::Chat(chat)) = Arc::get_mut(&mut call.op) {
        chat.stream = false;
    }
    let answer = ask(&build(config.clone()), call.clone()).await.unwrap();
    assert_eq!(ledger(&answer.ledger), ["a rest committed"]);
    config.timeouts.first_token = Duration::from_millis(50);
    config.retry.max_attempts = 1;
    let error = ask(&build(config), call).await.unwrap_err();
    assert!(error.message().contains("first token timeout"), "{error}");
}
