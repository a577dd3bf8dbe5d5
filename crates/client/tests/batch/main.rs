//! Calls that are joined into one request, before a simulator whose log tells what was asked.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

mod failing;
mod joined;
#[path = "../support/time.rs"]
mod virtual_time;

use std::time::Duration;

use futures_util::future::join_all;
use longshore_client::{BatchConfig, Batched, Batcher, Fleet, FleetConfig, ServerConfig};
use longshore_core::{
    Answer, Backend, Call, Error, Op,
    call::{Embedding, Prompt},
};
use longshore_sim::{Latency, LogEntry, Model, Simulator, TensorFunction};
use virtual_time::run;

/// Long enough for everybody to come, so that nothing depends on how fast the machine is.
fn patient() -> BatchConfig {
    BatchConfig { max_wait: Duration::from_secs(20), completions: true, ..BatchConfig::default() }
}

/// A simulator whose time stands still until the test moves it, with a model of each kind.
async fn simulator() -> Simulator {
    let latency = Latency { ttft: Duration::from_millis(100).into(), ..Latency::default() };
    let models = [Model::embedding("embed"), Model::tensor("sum", TensorFunction::Sum), Model::chat("text")];
    let builder = models.into_iter().fold(Simulator::builder(), |builder, model| builder.model(model));
    builder.latency(latency).virtual_time().start().await.unwrap()
}

/// A fleet of this simulator that joins calls. It knows the server already, so that what is in flight are calls.
async fn fleet(simulator: &Simulator, batch: BatchConfig) -> Fleet {
    let server = ServerConfig { rest: Some(simulator.url()), ..ServerConfig::new("sim") };
    let config = FleetConfig { servers: vec![server], batch: Some(batch), ..FleetConfig::default() };
    let fleet = Fleet::builder(config).build().unwrap();
    fleet.refresh().await;
    fleet
}

fn embed(texts: &[&str]) -> Call {
    let input = Prompt::Text(texts.iter().map(|text| (*text).to_owned()).collect());
    Call::new(Op::Embed(Embedding { input, ..Embedding::default() })).model("embed")
}

async fn ask(backend: &impl Backend, call: Call) -> Result<Answer, Error> {
    backend.call(call).await?.collect().await
}

/// Asks one call, and the others when the server works on that one; the server's time then runs until all are done.
async fn one_then(simulator: &Simulator, backend: &impl Backend, calls: Vec<Call>) -> Vec<Result<Answer, Error>> {
    let mut calls = calls.into_iter();
    let mut first = Box::pin(ask(backend, calls.next().unwrap()));
    work(simulator, &mut first, 1).await;
    let mut rest = Box::pin(join_all(calls.map(|call| ask(backend, call))));
    // They have come, and wait for the first.
    assert!(futures_util::FutureExt::now_or_never(&mut rest).is_none());
    let (first, rest) = run(simulator, async { tokio::join!(first, rest) }).await;
    std::iter::once(first).chain(rest).collect()
}

/// Waits until the server has so many requests in hand.
async fn work(simulator: &Simulator, asking: &mut (impl Future + Unpin), count: u64) {
    let poll = async {
        while simulator.in_flight() < count {
            assert!(futures_util::FutureExt::now_or_never(&mut *asking).is_none());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), poll).await.is_ok(), "the server was not asked");
}

/// What the server was asked of this kind, and has ended.
fn asked(simulator: &Simulator, op: &str) -> Vec<LogEntry> {
    simulator.log().into_iter().filter(|entry| entry.op == op).collect()
}

/// The simulator's engine, behind a batcher.
fn bare(simulator: &Simulator, batch: BatchConfig) -> Batched<std::sync::Arc<dyn Backend>> {
    Batcher::new(batch).wrap(simulator.backend())
}
