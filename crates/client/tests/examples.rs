//! The examples do what they say, against a simulator; and the guide shows them as they are.

use std::{future::pending, time::Duration};

use longshore_sim::{Latency, Model, Simulator};

#[path = "../examples/fleet.rs"]
#[expect(dead_code, reason = "its main is not called here")]
mod fleet;
#[path = "../examples/minimal.rs"]
#[expect(dead_code, reason = "its main is not called here")]
mod minimal;
#[path = "../examples/streaming.rs"]
#[expect(dead_code, reason = "its main is not called here")]
mod streaming;

/// Nobody listens on the port of the discard service.
const NOBODY: &str = "http://127.0.0.1:9";

#[tokio::test]
async fn one_call() {
    let simulator = Simulator::builder().start().await.unwrap();
    let text = minimal::ask(&simulator.url(), "hello").await.unwrap();
    assert!(!text.is_empty());
}

#[tokio::test]
async fn a_stream_comes_in_pieces() {
    let simulator = Simulator::builder().start().await.unwrap();
    let mut pieces = Vec::new();
    let fleet = streaming::fleet(&simulator.url()).unwrap();
    let whole = streaming::show(&fleet, "hello", pending::<()>(), |piece| pieces.push(piece.to_owned())).await.unwrap();
    assert!(whole && pieces.len() > 1, "{pieces:?}");
}

#[tokio::test]
async fn a_stopped_stream_stops_the_server() {
    let latency = Latency { itl: Duration::from_millis(5).into(), ..Latency::default() };
    let model = Model { tokens: 100_000, context_window: 1 << 20, ..Model::chat("sim") };
    let simulator = Simulator::builder().model(model).latency(latency).start().await.unwrap();
    let mut ended = simulator.follow();
    let fleet = streaming::fleet(&simulator.url()).unwrap();
    let (said, heard) = tokio::sync::oneshot::channel::<()>();
    let mut said = Some(said);
    let print = |_: &str| drop(said.take());
    // Stopped as soon as the first piece is there.
    assert!(!streaming::show(&fleet, "hello", heard, print).await.unwrap());
    while ended.recv().await.unwrap().outcome != "cancelled" {}
}

#[tokio::test]
async fn the_ledger_names_the_server_that_was_not_there() {
    let simulator = Simulator::builder().start().await.unwrap();
    let servers = [NOBODY.to_owned(), simulator.url()];
    let fleet = fleet::fleet(&servers).unwrap();
    let answer = fleet::ask(&fleet, "hello").await.unwrap();
    let lines = fleet::lines(&answer.ledger);
    assert!(lines.last().unwrap().contains("server-2") && lines.last().unwrap().ends_with("answered"), "{lines:?}");
    let error = fleet::ask(&fleet::fleet(&[NOBODY.into()]).unwrap(), "hello").await.unwrap_err();
    assert!(fleet::lines(error.ledger())[0].contains("server-1 over rest"), "{error:?}");
}
