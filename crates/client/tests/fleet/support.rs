//! Servers that do as they are told, and short ways to ask a fleet.

mod http;
mod mirror;
mod raw;
mod sim;
mod tiny;

use std::{sync::Arc, time::Duration};

use longshore_client::{DialectChoice, Fleet, FleetBuilder, FleetConfig, ServerConfig, Timeouts};
use longshore_core::{
    Answer, Attempt, Backend, Call, Dialect, Error, Op, Protocol,
    call::{Chat, Message},
    dialect::by_name,
};

pub(crate) use http::{End, HttpServer, Script, Seen, openai};
pub(crate) use mirror::mirror;
pub(crate) use raw::{RawServer, refused};
pub(crate) use sim::{LOADING, asked, cold, load, quick, sim, speaking, unload};
pub(crate) use tiny::{TINY, tiny};

/// A configuration whose limits are short enough for tests, and long enough for a busy machine.
pub(crate) fn config(servers: Vec<ServerConfig>) -> FleetConfig {
    let timeouts = Timeouts { probe: Duration::from_secs(20), total: Duration::from_secs(30), ..Timeouts::default() };
    FleetConfig { servers, timeouts, ..FleetConfig::default() }
}

pub(crate) fn builder(servers: Vec<ServerConfig>) -> FleetBuilder {
    Fleet::builder(config(servers))
}

pub(crate) fn fleet(servers: Vec<ServerConfig>) -> Fleet {
    builder(servers).build().unwrap()
}

pub(crate) fn named(name: &str) -> &'static dyn Dialect {
    by_name(name).unwrap()
}

/// A server of the OpenAI dialect at this REST address.
pub(crate) fn rest(name: &str, address: impl ToString) -> ServerConfig {
    let dialect = DialectChoice::Named(vec![named("openai"), TINY]);
    ServerConfig { rest: Some(address.to_string()), dialect, ..ServerConfig::new(name) }
}

/// The same server, with a gRPC address beside.
pub(crate) fn both(name: &str, rest_at: impl ToString, grpc_at: impl ToString) -> ServerConfig {
    ServerConfig { grpc: Some(grpc_at.to_string()), ..rest(name, rest_at) }
}

/// A server of the test dialect at this gRPC address.
pub(crate) fn grpc(name: &str, address: impl ToString) -> ServerConfig {
    let dialect = DialectChoice::Named(vec![TINY]);
    ServerConfig { grpc: Some(address.to_string()), dialect, ..ServerConfig::new(name) }
}

/// A streamed chat.
pub(crate) fn chat(model: &str) -> Call {
    let chat = Chat { messages: vec![Message::new("user", "hi")], stream: true, ..Chat::default() };
    let call = Call::new(Op::Chat(chat));
    if model.is_empty() { call } else { call.model(model) }
}

/// The same call, which must not be sent twice.
pub(crate) fn once(mut call: Call) -> Call {
    call.replayable = false;
    call
}

pub(crate) async fn ask(fleet: &Fleet, call: Call) -> Result<Answer, Error> {
    fleet.call(call).await?.collect().await
}

/// The ledger as `server protocol outcome`.
pub(crate) fn ledger(attempts: &[Attempt]) -> Vec<String> {
    attempts
        .iter()
        .map(|attempt| {
            let outcome = attempt.error.as_ref().map_or("committed", |error| error.kind().as_str());
            format!("{} {} {outcome}", attempt.route.server, attempt.route.protocol)
        })
        .collect()
}

/// Waits until `condition` holds; a condition that never does is a failure, not a hang.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let poll = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), poll).await.is_ok(), "never happened: {what}");
}

pub(crate) fn protocol_of(answer: &Answer) -> Protocol {
    answer.route.as_ref().unwrap().protocol
}

/// Events of an in-process backend that answers every chat with one text.
pub(crate) fn local(text: &'static str, models: &'static [&'static str]) -> Arc<dyn Backend> {
    Arc::new(tiny::Local { text, models })
}
