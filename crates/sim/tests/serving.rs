//! A simulator that behaves: its dialects, its log, and that runs of one seed are alike.

#![expect(clippy::unwrap_used, reason = "a helper fails the test it serves")]

#[expect(dead_code, reason = "this file needs a part of it")]
mod support;

use std::{sync::Arc, time::Duration};

use longshore_sim::{Distribution, Effect, Latency, Model, Rule, Simulator, TensorFunction, When};
use serde_json::{Value, json};
use support::{Seen, builder, chat, exchange, post, read_to_end};
use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet};

async fn ask(simulator: &Simulator, path: &str, body: Value) -> (u16, Value) {
    let request = match body {
        Value::Null => format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"),
        body => post(path, "connection: close\r\n", &body.to_string()),
    };
    let seen = exchange(simulator.address(), &request).await;
    let status = seen.text()[9..12].parse().unwrap();
    (status, serde_json::from_slice(&seen.body()).unwrap_or_default())
}

#[tokio::test]
async fn every_rest_dialect_is_served() {
    let simulator = Simulator::builder()
        .model(Model { tokens: 4, ..Model::chat("a") })
        .model(Model::embedding("e"))
        .model(Model::tensor("t", TensorFunction::Argmax))
        .start()
        .await
        .unwrap();
    let (_, models) = ask(&simulator, "/v1/models", Value::Null).await;
    let ids: Vec<_> = models["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["a", "e", "t"]);
    let (_, list) = ask(&simulator, "/api/models", Value::Null).await;
    assert!(list.to_string().contains("\"ready\""), "{list}");
    let (_, vectors) = ask(&simulator, "/v1/embeddings", json!({"model": "e", "input": ["x", "y"]})).await;
    assert_eq!(vectors["data"].as_array().unwrap().len(), 2);
    let input = json!({"name": "INPUT0", "shape": [1, 3], "datatype": "FP32", "data": [1.0, 5.0, 2.0]});
    let (status, tensors) = ask(&simulator, "/v2/models/t/infer", json!({"inputs": [input]})).await;
    assert_eq!((status, &tensors["outputs"][0]["data"]), (200, &json!([1])));
    let (status, error) =
        ask(&simulator, "/v1/chat/completions", json!({"model": "b", "messages": [{"role": "user", "content": "x"}]}))
            .await;
    assert!(status == 404 && error["error"]["message"].as_str().unwrap().contains("`a`, `e`, `t`"), "{error}");
    assert_eq!(ask(&simulator, "/nothing", Value::Null).await.0, 404);
    let metadata = ask(&simulator, "/v2", Value::Null).await.1;
    assert_eq!(metadata["name"], "longshore-sim");
}

#[tokio::test]
async fn models_are_loaded_and_unloaded_over_the_wire() {
    let model = Model { loaded: false, load_time: Duration::from_secs(3600), ..Model::chat("a") };
    let simulator = Simulator::builder().model(model).virtual_time().start().await.unwrap();
    let load = post("/api/models/load", "connection: close\r\n", r#"{"model":"a","stream":true}"#);
    let address = simulator.address();
    let loading = tokio::spawn(async move { exchange(address, &load).await });
    while !loading.is_finished() {
        simulator.advance(Duration::from_secs(600));
        tokio::task::yield_now().await;
    }
    let progress = loading.await.unwrap().body_text();
    assert!(progress.contains("loading") && progress.contains("ready"), "{progress}");
    let (status, _) = ask(&simulator, "/api/models/unload", json!({"model": "a"})).await;
    assert_eq!(status, 200);
    assert!(ask(&simulator, "/api/models", Value::Null).await.1.to_string().contains("unloaded"));
}

#[tokio::test]
async fn requests_are_logged_with_what_they_cost() {
    let simulator = builder().start().await.unwrap();
    let mut follow = simulator.follow();
    let seen = exchange(simulator.address(), &chat(true)).await;
    let entry = follow.recv().await.unwrap();
    assert_eq!((entry.op, &*entry.model, entry.index, entry.status), ("chat", "a", 0, Some(200)));
    assert_eq!((entry.outcome, entry.protocol, entry.prompt_tokens, entry.tokens), ("ok", "rest", 2, 4));
    assert_eq!(entry.response_bytes, seen.body().len() as u64);
    assert_eq!((entry.route.as_str(), entry.connection), ("POST /v1/chat/completions", 0));
    let truth = simulator.truth();
    assert_eq!((truth.len(), truth[0].tokens_ns.len()), (1, 4));
    let metrics = simulator.metrics();
    assert!(metrics.contains("longshore_sim_requests_total{op=\"chat\",protocol=\"rest\",outcome=\"ok\"} 1"));
    assert!(metrics.contains("longshore_sim_tokens_total 4"), "{metrics}");
    simulator.reset();
    assert!(simulator.log().is_empty() && simulator.truth().is_empty());
}

#[tokio::test]
async fn a_client_that_goes_away_is_noticed_and_frees_its_slot() {
    let latency = Latency { itl: Distribution::Fixed(Duration::from_secs(1)), ..Latency::default() };
    let simulator = builder().latency(latency).slots(1).virtual_time().start().await.unwrap();
    let mut stream = TcpStream::connect(simulator.address()).await.unwrap();
    stream.write_all(chat(true).as_bytes()).await.unwrap();
    support::read_until(&mut stream, |seen| seen.text().contains("\r\n\r\n") && seen.tokens() == 1).await;
    simulator.advance(Duration::from_millis(300));
    drop(stream);
    simulator.logged(1).await;
    let entry = simulator.log().remove(0);
    assert_eq!((entry.outcome, entry.tokens, entry.cancelled_after_ms), ("cancelled", 1, Some(300.0)));
    assert!(simulator.metrics().contains("longshore_sim_slots_in_use 0"));
    assert_eq!(simulator.in_flight(), 0);
}

#[tokio::test]
async fn stopping_lets_running_requests_finish() {
    let latency = Latency { itl: Distribution::Fixed(Duration::from_millis(5)), ..Latency::default() };
    let simulator = builder().latency(latency).start().await.unwrap();
    let address = simulator.address();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(chat(true).as_bytes()).await.unwrap();
    support::read_until(&mut stream, |seen| seen.text().contains("data:")).await;
    let (rest, ()) = tokio::join!(read_to_end(&mut stream), simulator.stop());
    assert!(String::from_utf8(rest.bytes).unwrap().contains("[DONE]"));
    assert!(TcpStream::connect(address).await.is_err());
}

/// Some of everything, by probability.
fn rules() -> Vec<Rule> {
    let some = |effect, probability| {
        Rule::new(effect).when(When { probability: Some(probability), op: Some("chat".into()), ..When::default() })
    };
    let busy = Effect::Status { status: 503, body: None, headers: Default::default(), retry_after: None };
    vec![
        some(busy, 0.1),
        some(Effect::ResetMidStream { after_tokens: 2 }, 0.1),
        some(Effect::EndWithoutMark { after_tokens: Some(1) }, 0.1),
        some(Effect::Garble { piece: 0 }, 0.1),
        some(Effect::ResetBeforeFirstByte, 0.1),
    ]
}

/// The log of 200 requests by so many clients at a time, without times.
async fn run(seed: u64, clients: usize) -> Vec<Value> {
    let latency = Latency { itl: "normal(200us, 100us)".parse().unwrap(), ..Latency::default() };
    let simulator =
        rules().into_iter().fold(builder().seed(seed).latency(latency).slots(8), |builder, rule| builder.rule(rule));
    let simulator = Arc::new(simulator.start().await.unwrap());
    let mut tasks = JoinSet::new();
    for client in 0..clients {
        let simulator = simulator.clone();
        tasks.spawn(async move {
            for _ in 0..200 / clients {
                let _: Seen = exchange(simulator.address(), &chat(client % 2 == 0 || clients == 1)).await;
            }
        });
    }
    tasks.join_all().await;
    simulator.logged(200).await;
    simulator.log().iter().map(longshore_sim::LogEntry::without_times).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_runs_of_one_seed_have_identical_logs() {
    let first = run(11, 1).await;
    assert_eq!(first, run(11, 1).await);
    assert_ne!(first, run(12, 1).await);
    assert!(first.iter().filter(|entry| !entry["fault"].is_null()).count() > 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn also_under_concurrency() {
    let first = run_alike(11, 50).await;
    assert_eq!(first.len(), 200);
    assert_eq!(first, run_alike(11, 50).await);
    assert_eq!(first, run_alike(11, 1).await);
}

/// As [`run`], all requests alike, so that whichever came first does not matter.
async fn run_alike(seed: u64, clients: usize) -> Vec<Value> {
    let simulator = rules().into_iter().fold(builder().seed(seed), |builder, rule| builder.rule(rule));
    let simulator = Arc::new(simulator.start().await.unwrap());
    let mut tasks = JoinSet::new();
    for _ in 0..clients {
        let simulator = simulator.clone();
        tasks.spawn(async move {
            for _ in 0..200 / clients {
                let _: Seen = exchange(simulator.address(), &chat(true)).await;
            }
        });
    }
    tasks.join_all().await;
    simulator.logged(200).await;
    simulator.log().iter().map(longshore_sim::LogEntry::without_times).collect()
}

#[tokio::test]
async fn faults_are_the_same_over_rest_and_grpc() {
    let hits = async |grpc: bool| {
        let busy = Effect::Status { status: 503, body: None, headers: Default::default(), retry_after: None };
        let half = Rule::new(busy).when(When { probability: Some(0.5), ..When::default() });
        let simulator = builder().seed(3).rule(half).start().await.unwrap();
        let connection = TcpStream::connect(simulator.address()).await.unwrap();
        let mut grpc_client = None;
        if grpc {
            let (client, connection) = h2::client::handshake(connection).await.unwrap();
            tokio::spawn(connection);
            grpc_client = Some(client);
        }
        for _ in 0..40 {
            match &grpc_client {
                Some(client) => {
                    let request = http::Request::post("http://localhost/inference.GRPCInferenceService/ModelMetadata");
                    let request = request.header("content-type", "application/grpc").body(()).unwrap();
                    let mut client = client.clone().ready().await.unwrap();
                    let (response, mut sending) = client.send_request(request, false).unwrap();
                    let message: &[u8] = &[0, 0, 0, 0, 3, 0x0A, 1, b'a'];
                    sending.send_data(bytes::Bytes::from_static(message), true).unwrap();
                    let mut body = response.await.unwrap().into_body();
                    while let Some(Ok(_)) = body.data().await {}
                }
                None => {
                    ask(&simulator, "/v2/models/a", Value::Null).await;
                }
            }
        }
        simulator.logged(40).await;
        simulator.log().iter().map(|entry| (entry.op, entry.index, entry.fault)).collect::<Vec<_>>()
    };
    let (rest, grpc) = (hits(false).await, hits(true).await);
    assert_eq!(rest, grpc);
    assert!(rest.iter().any(|(_, _, fault)| fault.is_some()));
}
