//! The verdict: each thing that a client can do wrong, done; and what only looks like it.

#![expect(clippy::unwrap_used, reason = "a helper fails the test it serves")]

#[expect(dead_code, reason = "this file needs a part of it")]
mod support;

use std::{collections::BTreeMap, time::Duration};

use longshore_sim::{Effect, FindingKind, Latency, Model, RetryAfter, Rule, Simulator, TensorFunction, When};
use support::{builder, chat, exchange, post, read_until};
use tokio::{io::AsyncWriteExt, net::TcpStream};

const SECOND: Duration = Duration::from_secs(1);

fn kinds(simulator: &Simulator) -> Vec<FindingKind> {
    let verdict = simulator.verdict();
    assert_eq!(verdict.good, verdict.findings.is_empty());
    verdict.findings.into_iter().map(|finding| finding.kind).collect()
}

fn status(status: u16, retry_after: Option<RetryAfter>) -> Effect {
    Effect::Status { status, body: None, headers: BTreeMap::new(), retry_after }
}

/// Sends a chat so often, with a pause of the virtual clock before each but the first.
async fn ask(simulator: &Simulator, times: usize, pause: Duration) {
    let before = simulator.log().len();
    for time in 0..times {
        if time > 0 {
            simulator.advance(pause);
        }
        exchange(simulator.address(), &chat(true)).await;
        simulator.logged(before + time + 1).await;
    }
}

async fn with(rule: impl Into<Rule>) -> Simulator {
    builder().rule(rule).virtual_time().start().await.unwrap()
}

#[tokio::test]
async fn a_client_that_hammers_makes_a_storm() {
    let simulator = with(status(500, None)).await;
    ask(&simulator, 5, SECOND / 10).await;
    assert_eq!(kinds(&simulator), []);
    ask(&simulator, 1, SECOND / 10).await;
    assert_eq!(kinds(&simulator), [FindingKind::RetryStorm]);
    simulator.reset();
    ask(&simulator, 9, 2 * SECOND).await;
    assert_eq!(kinds(&simulator), []);
}

#[tokio::test]
async fn a_wait_is_to_be_kept() {
    let once = Rule::new(status(429, Some(RetryAfter::Seconds(5)))).when(When { first: Some(1), ..When::default() });
    let patient = with(once.clone()).await;
    ask(&patient, 2, 5 * SECOND).await;
    assert_eq!(kinds(&patient), []);
    let impatient = with(once).await;
    ask(&impatient, 2, 4 * SECOND).await;
    assert_eq!(kinds(&impatient), [FindingKind::RetryAfterIgnored]);
}

#[tokio::test]
async fn a_truncated_text_is_no_answer() {
    let once = Rule::new(Effect::TruncateBody { after_tokens: 2 }).when(When { first: Some(1), ..When::default() });
    let simulator = with(once).await;
    let seen = exchange(simulator.address(), &chat(true)).await;
    simulator.logged(1).await;
    let said: String = seen
        .body_text()
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line.strip_prefix("data: ")?).ok())
        .filter_map(|event| Some(event["choices"][0]["delta"]["content"].as_str()?.to_owned()))
        .collect();
    let next = |said: &str| {
        let body = serde_json::json!({"model": "a", "messages": [
            {"role": "user", "content": "tell me"}, {"role": "assistant", "content": said}, {"role": "user", "content": "go on"},
        ]});
        post("/v1/chat/completions", "connection: close\r\n", &body.to_string())
    };
    exchange(simulator.address(), &next("something else")).await;
    assert_eq!(kinds(&simulator), []);
    exchange(simulator.address(), &next(&said)).await;
    assert_eq!(kinds(&simulator), [FindingKind::TruncatedStreamAccepted]);
}

#[tokio::test]
async fn what_was_called_off_is_to_end() {
    let slow = Latency { itl: (60 * SECOND).into(), ..Latency::default() };
    for goes_on in [false, true] {
        let simulator = builder().latency(slow).virtual_time().start().await.unwrap();
        let mut stream = TcpStream::connect(simulator.address()).await.unwrap();
        stream.write_all(chat(true).as_bytes()).await.unwrap();
        read_until(&mut stream, |seen| seen.text().contains("data:")).await;
        simulator.advance(SECOND);
        simulator.called_off();
        if !goes_on {
            drop(stream);
            simulator.logged(1).await;
        }
        simulator.advance(2 * SECOND);
        let expected = if goes_on { vec![FindingKind::LeftRunning] } else { vec![] };
        assert_eq!(kinds(&simulator), expected);
    }
}

#[tokio::test]
async fn what_must_not_be_done_twice_is_not_sent_twice() {
    let body = |sequence: bool| {
        let parameters = if sequence { serde_json::json!({"sequence_id": 7}) } else { serde_json::json!({}) };
        let input = serde_json::json!({"name": "INPUT0", "shape": [1, 1], "datatype": "FP32", "data": [1.0]});
        let body = serde_json::json!({"inputs": [input], "parameters": parameters});
        post("/v2/models/t/infer", "connection: close\r\n", &body.to_string())
    };
    for sequence in [false, true] {
        let once = Rule::new(Effect::ResetBeforeFirstByte).when(When { first: Some(1), ..When::default() });
        let model = Model::tensor("t", TensorFunction::Identity);
        let simulator = Simulator::builder().model(model).rule(once).virtual_time().start().await.unwrap();
        for _ in 0..2 {
            exchange(simulator.address(), &body(sequence)).await;
            simulator.advance(SECOND);
        }
        let expected = if sequence { vec![FindingKind::DuplicatedAfterAmbiguousFailure] } else { vec![] };
        assert_eq!(kinds(&simulator), expected);
    }
}

#[tokio::test]
async fn connections_are_to_be_reused() {
    let wasteful = builder().start().await.unwrap();
    ask(&wasteful, 20, Duration::ZERO).await;
    assert_eq!(kinds(&wasteful), [FindingKind::ConnectionsNotReused]);

    let thrifty = builder().start().await.unwrap();
    let mut stream = TcpStream::connect(thrifty.address()).await.unwrap();
    for _ in 0..30 {
        stream.write_all(chat(false).replace("connection: close\r\n", "").as_bytes()).await.unwrap();
        read_until(&mut stream, |seen| seen.text().ends_with('}')).await;
    }
    thrifty.logged(30).await;
    assert_eq!(kinds(&thrifty), []);
}
