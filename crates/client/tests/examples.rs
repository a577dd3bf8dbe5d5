//! The examples do what they say, against a simulator; and the guide shows them as they are.

use std::{future::pending, time::Duration};

use longshore_sim::{Effect, Latency, Model, Rule, Simulator, When};

#[path = "../examples/embeddings.rs"]
#[expect(dead_code, reason = "its main is not called here")]
mod embeddings;
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
async fn many_texts_take_few_requests() {
    let latency = Latency { ttft: Duration::from_millis(20).into(), ..Latency::default() };
    let model = Model { kind: longshore_core::ModelKind::Embedding, ..Model::chat("vectors") };
    let simulator = Simulator::builder().model(model).latency(latency).start().await.unwrap();
    let texts: Vec<_> = (0..20).map(|number| format!("text {number}")).collect();
    let fleet = embeddings::fleet(&simulator.url()).unwrap();
    let together = embeddings::embed_all(&fleet, "vectors", &texts).await.unwrap();
    let requests = simulator.log().iter().filter(|entry| entry.op == "embed").count();
    assert!(together.len() == texts.len() && requests < texts.len() / 2, "{requests} requests");
    // Each got its own: the same as when it is asked for alone.
    for (text, vector) in texts.iter().zip(&together) {
        assert_eq!(&embeddings::embed(&fleet, "vectors", text).await.unwrap(), vector, "{text}");
    }
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

#[tokio::test]
async fn a_busy_server_is_passed_over() {
    let busy = Rule::new(Effect::Status { status: 503, body: None, headers: Default::default(), retry_after: None });
    let first = Simulator::builder().seed(7).rule(busy.when(When { op: Some("chat".into()), ..When::default() }));
    let (first, second) = (first.start().await.unwrap(), Simulator::builder().start().await.unwrap());
    let fleet = fleet::fleet(&[first.url(), second.url()]).unwrap();

    let answer = fleet::ask(&fleet, "hello").await.unwrap();

    assert_eq!(&*answer.route.unwrap().server, "server-2");
    assert!(first.verdict().good, "{:?}", first.verdict().findings);
}

/// `cargo fmt` and the page may indent differently; words and signs are the same.
#[test]
fn the_guide_shows_this_code() {
    let page = include_str!("../../../docs/integration.md");
    let plain = |code: &str| code.split_whitespace().collect::<Vec<_>>().join(" ");
    let sources = plain(concat!(
        include_str!("examples.rs"),
        include_str!("../examples/embeddings.rs"),
        include_str!("../examples/fleet.rs"),
        include_str!("../examples/minimal.rs"),
        include_str!("../examples/streaming.rs"),
    ));
    let blocks: Vec<_> = page.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 4, "{} blocks", blocks.len());
    for block in blocks {
        // A block may show several functions of one file, with others left out between them.
        for part in block.split("\n\n").filter(|part| !part.trim().is_empty()) {
            assert!(sources.contains(&plain(part)), "not in the examples:\n{part}");
        }
    }
}
