//! The response cache, alone and in a fleet, before a simulator whose log tells what was asked.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

mod joined;
mod kept;
mod stored;
#[path = "../support/time.rs"]
mod virtual_time;

use std::time::Duration;

use longshore_client::{Cache, CacheConfig, Fleet, FleetConfig, ServerConfig};
use longshore_core::{
    Answer, Backend, CacheStatus, Call, Error, Op,
    call::{Chat, Message, Sampling},
};
use longshore_sim::Simulator;

/// A fleet of this simulator, with this cache.
fn fleet(simulator: &Simulator, cache: CacheConfig) -> Fleet {
    let server = ServerConfig { rest: Some(simulator.url()), ..ServerConfig::new("sim") };
    fleet_of(vec![server], cache)
}

fn fleet_of(servers: Vec<ServerConfig>, cache: CacheConfig) -> Fleet {
    Fleet::builder(FleetConfig { servers, cache: Some(cache), ..FleetConfig::default() }).build().unwrap()
}

/// A conversation whose answer is the same each time.
fn chat(text: &str, stream: bool) -> Call {
    let sampling = Sampling { temperature: Some(0.0), ..Sampling::default() };
    let messages = vec![Message::new("user", text)];
    Call::new(Op::Chat(Chat { messages, sampling, stream, include_usage: true, ..Chat::default() })).model("sim")
}

async fn ask(backend: &impl Backend, call: Call) -> Result<Answer, Error> {
    backend.call(call).await?.collect().await
}

/// Asks, and gives what the cache did.
async fn status(backend: &impl Backend, call: Call) -> CacheStatus {
    ask(backend, call).await.unwrap().cache.unwrap()
}

/// How many conversations the server was asked for, and had to end.
fn chats(simulator: &Simulator) -> usize {
    simulator.log().iter().filter(|entry| entry.op == "chat").count()
}

/// Waits until `condition` holds; a condition that never does is a failure, not a hang.
async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let poll = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), poll).await.is_ok(), "never happened: {what}");
}
