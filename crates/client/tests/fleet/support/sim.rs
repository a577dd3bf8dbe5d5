//! Simulated servers, and a fleet of them over each dialect that can load.

use std::time::Duration;

use longshore_client::{DialectChoice, FleetConfig, ServerConfig};
use longshore_core::{Call, Op};
use longshore_sim::{Model, SimConfig, Simulator};

use super::{config, named};

/// The ways over which models are loaded.
pub(crate) const LOADING: [&str; 3] = ["native", "oip-rest", "oip-grpc"];

/// A server with these models, that loads none of its own accord.
pub(crate) async fn sim(models: Vec<Model>) -> Simulator {
    let config = SimConfig { models, autoload: false, ..SimConfig::default() };
    Simulator::builder().config(config).start().await.unwrap()
}

/// A chat model that is not loaded, and takes this long to.
pub(crate) fn cold(id: &str, load_time: Duration) -> Model {
    Model { loaded: false, load_time, size: 1000, ..Model::chat(id) }
}

/// The simulator as a server of one dialect.
pub(crate) fn speaking(name: &str, dialect: &str, sim: &Simulator) -> ServerConfig {
    let choice = DialectChoice::Named(vec![named(dialect)]);
    let (rest, grpc) = if dialect == "oip-grpc" { (None, Some(sim.url())) } else { (Some(sim.url()), None) };
    ServerConfig { rest, grpc, dialect: choice, ..ServerConfig::new(name) }
}

/// A configuration that asks often how a load comes along.
pub(crate) fn quick(servers: Vec<ServerConfig>) -> FleetConfig {
    let mut config = config(servers);
    config.lifecycle.poll = Duration::from_millis(10);
    config
}

pub(crate) fn load(model: &str) -> Call {
    Call::new(Op::Load { parameters: Default::default() }).model(model)
}

pub(crate) fn unload(model: &str) -> Call {
    Call::new(Op::Unload { parameters: Default::default() }).model(model)
}

/// How often the simulator was asked to do `op`.
pub(crate) fn asked(sim: &Simulator, op: &str) -> usize {
    sim.log().iter().filter(|entry| entry.op == op).count()
}
