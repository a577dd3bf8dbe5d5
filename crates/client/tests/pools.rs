//! Connections: how many there are, what becomes of them, and when they are not used any more.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use longshore_client::{DialectChoice, Fleet, FleetConfig, Limits, Pool, PoolState, ServerConfig};
use longshore_core::{
    Answer, Backend, Call, Error, Op,
    call::{Chat, Message},
    dialect::by_name,
};
use longshore_sim::{Effect, Latency, Rule, Simulator};

#[path = "support/time.rs"]
mod virtual_time;

use virtual_time::run;

fn fleet(simulator: &Simulator, dialect: &str, pool: Pool) -> Fleet {
    let dialect = by_name(dialect).unwrap();
    let mut server = ServerConfig { dialect: DialectChoice::Named(vec![dialect]), ..ServerConfig::new("sim") };
    match dialect.protocol() {
        longshore_core::Protocol::Grpc => server.grpc = Some(simulator.url()),
        _ => server.rest = Some(simulator.url()),
    }
    let limits = Limits { in_flight: 10_000, ..Limits::default() };
    Fleet::builder(FleetConfig { servers: vec![server], pool, limits, ..FleetConfig::default() }).build().unwrap()
}

async fn ask(fleet: &Fleet) -> Result<Answer, Error> {
    let chat = Chat { messages: vec![Message::new("user", "hi")], stream: true, ..Chat::default() };
    fleet.call(Call::new(Op::Chat(chat)).model("sim")).await?.collect().await
}

fn pool(fleet: &Fleet) -> PoolState {
    fleet.pools().remove(0)
}

/// A simulator whose time stands still until the test moves it.
async fn frozen() -> Simulator {
    let latency = Latency { ttft: Duration::from_millis(100).into(), ..Latency::default() };
    Simulator::builder().latency(latency).virtual_time().start().await.unwrap()
}

/// Waits until the server has so many requests in hand.
async fn in_flight(simulator: &Simulator, count: u64) {
    let poll = async {
        while simulator.in_flight() < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), poll).await.is_ok(), "{} in flight", simulator.in_flight());
}

#[tokio::test]
async fn connections_are_used_again_and_counted() {
    let simulator = Simulator::builder().start().await.unwrap();
    for dialect in ["openai", "oip-grpc"] {
        let fleet = fleet(&simulator, dialect, Pool::default());
        assert_eq!((pool(&fleet).open, pool(&fleet).created), (0, 0), "nothing is connected to before a call");
        let before = simulator.connections();
        for _ in 0..10 {
            ask(&fleet).await.unwrap();
        }
        let PoolState { open, idle, in_use, created, reused, .. } = pool(&fleet);
        assert_eq!(created, simulator.connections() - before, "{dialect}");
        assert!(reused >= 8 && created <= 3, "{dialect}: {created} made, {reused} used again");
        assert_eq!((open, in_use), (idle, 0), "{dialect}");
    }
}

#[tokio::test]
async fn there_are_never_more_than_allowed() {
    let simulator = frozen().await;
    let fleet = fleet(&simulator, "openai", Pool { max_connections: 2, ..Pool::default() });
    let all = join_all((0..6).map(|_| ask(&fleet)));
    let answers = run(&simulator, all).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert!(pool(&fleet).created >= 1 && simulator.connections() <= 2 + pool(&fleet).closed.values().sum::<u64>());
    assert!(pool(&fleet).open <= 2);
}

#[tokio::test]
async fn a_server_that_waits_for_less_is_not_met_closing() {
    let headers = [("keep-alive".to_owned(), "timeout=1".to_owned())].into();
    let refuse = Effect::Status { status: 400, body: None, headers, retry_after: None };
    let simulator = Simulator::builder().rule(Rule::new(refuse)).start().await.unwrap();
    let pools = Pool { idle_timeout: Duration::from_secs(60), ..Pool::default() };
    let fleet = fleet(&simulator, "openai", pools);
    assert_eq!(pool(&fleet).idle_limit, Duration::from_secs(60));
    ask(&fleet).await.unwrap_err();
    assert_eq!(pool(&fleet).idle_limit, Duration::from_millis(800));
    let idle = Instant::now();
    let (before, made) = (pool(&fleet), |fleet: &Fleet| pool(fleet).created);
    while idle.elapsed() < Duration::from_millis(900) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    ask(&fleet).await.unwrap_err();
    assert!(made(&fleet) > before.created, "the idle connection was not used");
    assert!(pool(&fleet).closed.get("idle").is_some_and(|count| *count >= 1), "{:?}", pool(&fleet));
}

#[tokio::test]
async fn an_old_connection_has_had_its_day() {
    let simulator = Simulator::builder().start().await.unwrap();
    let fleet = fleet(&simulator, "oip-grpc", Pool { max_age: Duration::from_millis(150), ..Pool::default() });
    ask(&fleet).await.unwrap();
    let first = pool(&fleet).created;
    let made = Instant::now();
    while made.elapsed() < Duration::from_millis(300) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    ask(&fleet).await.unwrap();
    assert!(pool(&fleet).created > first);
    let gone = async {
        while !pool(&fleet).closed.contains_key("age") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), gone).await.is_ok(), "{:?}", pool(&fleet));
}

#[tokio::test]
async fn a_full_grpc_connection_gets_company_if_that_is_allowed() {
    for (grpc_connections, expected) in [(1, 1), (3, 2)] {
        let simulator = frozen().await;
        let fleet = fleet(&simulator, "oip-grpc", Pool { grpc_connections, ..Pool::default() });
        let all = join_all((0..150).map(|_| ask(&fleet)));
        let mut all = Box::pin(all);
        tokio::select! {
            _ = &mut all => unreachable!("time stands still"),
            () = in_flight(&simulator, 150) => {}
        }
        assert_eq!(pool(&fleet).in_use, expected);
        assert!(run(&simulator, all).await.iter().all(Result::is_ok));
    }
}
