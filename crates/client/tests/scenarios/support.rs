//! Simulated servers, fleets that call them over one dialect each, and short ways to ask.

use std::time::Duration;

use longshore_client::{DialectChoice, Fleet, FleetConfig, ServerConfig};
use longshore_core::{
    Answer, Backend, Call, Error, Op,
    call::{Chat, Message, Sampling},
    dialect::by_name,
};
use longshore_sim::{Latency, Model, Simulator};

/// The dialects that a scenario runs over: REST in three forms, and gRPC.
pub(crate) const DIALECTS: [&str; 4] = ["native", "openai", "oip-rest", "oip-grpc"];

/// The simulator as a server of one dialect.
pub(crate) fn server(name: &str, dialect: &str, sim: &Simulator) -> ServerConfig {
    let choice = DialectChoice::Named(vec![by_name(dialect).unwrap()]);
    let (rest, grpc) = if dialect.ends_with("grpc") { (None, Some(sim.url())) } else { (Some(sim.url()), None) };
    ServerConfig { rest, grpc, dialect: choice, ..ServerConfig::new(name) }
}

pub(crate) fn fleet(config: FleetConfig) -> Fleet {
    Fleet::builder(config).build().unwrap()
}

pub(crate) fn config(servers: Vec<ServerConfig>) -> FleetConfig {
    FleetConfig { servers, ..FleetConfig::default() }
}

/// A chat model of this name that gives `tokens` tokens, `itl` apart.
pub(crate) fn speaker(id: &str, tokens: u32, itl: Duration) -> Model {
    let latency = Latency { itl: itl.into(), ..Latency::default() };
    Model { tokens, latency: Some(latency), ..Model::chat(id) }
}

pub(crate) fn chat(model: &str, text: impl Into<String>, stream: bool) -> Call {
    let chat = Chat { messages: vec![Message::new("user", text)], stream, ..Chat::default() };
    Call::new(Op::Chat(chat)).model(model)
}

/// A conversation whose answer is the same each time.
pub(crate) fn question(model: &str, text: &str, stream: bool) -> Call {
    let sampling = Sampling { temperature: Some(0.0), ..Sampling::default() };
    let messages = vec![Message::new("user", text)];
    Call::new(Op::Chat(Chat { messages, sampling, stream, ..Chat::default() })).model(model)
}

pub(crate) async fn ask(backend: &dyn Backend, call: Call) -> Result<Answer, Error> {
    backend.call(call).await?.collect().await
}
