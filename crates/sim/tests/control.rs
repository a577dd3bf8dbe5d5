//! The control API: what it tells, what it changes, and whom it refuses.

#![expect(clippy::unwrap_used, reason = "a helper fails the test it serves")]

#[expect(dead_code, reason = "this file needs a part of it")]
mod support;

use longshore_sim::Simulator;
use serde_json::{Value, json};
use support::{builder, chat, exchange, read_until};
use tokio::{io::AsyncWriteExt, net::TcpStream};

/// A request to the API with these headers.
fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}")
}

async fn control(simulator: &Simulator, method: &str, path: &str, body: Value) -> (u16, Value) {
    let token = format!("Bearer {}", simulator.token());
    let headers = [("host", "localhost"), ("authorization", &token), ("content-type", "application/json")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let seen = exchange(simulator.address(), &request(method, path, &headers, &body)).await;
    let text = seen.body_text();
    (seen.text()[9..12].parse().unwrap(), serde_json::from_str(&text).unwrap_or(text.into()))
}

#[tokio::test]
async fn rules_are_read_and_changed() {
    let simulator = builder().start().await.unwrap();
    let busy = json!({"what": {"effect": "status", "status": 503}});
    let (status, rules) = control(&simulator, "PUT", "/sim/rules", json!([busy])).await;
    assert_eq!((status, &rules[0]["applied"]), (200, &json!(0)));
    assert!(exchange(simulator.address(), &chat(false)).await.head().starts_with("http/1.1 503"));
    let (_, rules) = control(&simulator, "GET", "/sim/rules", Value::Null).await;
    assert_eq!((&rules[0]["applied"], &rules[0]["rule"]["what"]["status"]), (&json!(1), &json!(503)));
    let (_, rules) = control(&simulator, "POST", "/sim/rules", json!({"what": {"effect": "no_headers"}})).await;
    assert_eq!(rules.as_array().unwrap().len(), 2);
    for wrong in [json!([{"what": {"effect": "nope"}}]), json!([{"what": {"effect": "tls_expired"}}]), json!({})] {
        assert_eq!(control(&simulator, "PUT", "/sim/rules", wrong).await.0, 400);
    }
    control(&simulator, "DELETE", "/sim/rules", Value::Null).await;
    assert!(exchange(simulator.address(), &chat(false)).await.head().starts_with("http/1.1 200"));
}

#[tokio::test]
async fn everything_that_is_known_can_be_read() {
    let simulator = builder().seed(5).virtual_time().start().await.unwrap();
    exchange(simulator.address(), &chat(true)).await;
    simulator.logged(1).await;
    let get = async |path| control(&simulator, "GET", path, Value::Null).await.1;
    let state = get("/sim/state").await;
    assert_eq!((&state["seed"], &state["models"][0]["id"]), (&json!(5), &json!("a")));
    assert_eq!(get("/sim/log").await[0]["tokens"], 4);
    assert_eq!(get("/sim/truth").await[0]["tokens_ns"].as_array().unwrap().len(), 4);
    assert_eq!(get("/sim/verdict").await, json!({"good": true, "findings": []}));
    assert!(get("/sim/metrics").await.as_str().unwrap().contains("longshore_sim_tokens_total 4"));
    let (_, now) = control(&simulator, "POST", "/sim/clock", json!({"advance": "90s"})).await;
    assert_eq!(now, json!({"now_ms": 90_000.0}));
    control(&simulator, "POST", "/sim/reset", Value::Null).await;
    assert_eq!(get("/sim/log").await, json!([]));
    assert_eq!(control(&simulator, "GET", "/sim/nothing", Value::Null).await.0, 404);
    let real = builder().start().await.unwrap();
    assert_eq!(control(&real, "POST", "/sim/clock", json!({"advance": "90s"})).await.0, 409);
}

#[tokio::test]
async fn the_log_is_streamed() {
    let simulator = builder().start().await.unwrap();
    let mut stream = TcpStream::connect(simulator.address()).await.unwrap();
    let token = format!("Bearer {}", simulator.token());
    let headers = [("host", "127.0.0.1"), ("authorization", token.as_str())];
    stream.write_all(request("GET", "/sim/log?follow=true", &headers, "").as_bytes()).await.unwrap();
    read_until(&mut stream, |seen| seen.text().contains("application/x-ndjson")).await;
    exchange(simulator.address(), &chat(false)).await;
    let seen = read_until(&mut stream, |seen| seen.text().contains("}\n")).await;
    assert!(seen.text().contains("\"op\":\"chat\""));
}

#[tokio::test]
async fn strangers_are_refused() {
    let simulator = builder().start().await.unwrap();
    let token = format!("Bearer {}", simulator.token());
    let check = async |method: &str, headers: &[(&str, &str)], expected: u16| {
        let seen = exchange(simulator.address(), &request(method, "/sim/rules", headers, "[]")).await;
        assert!(seen.head().starts_with(&format!("http/1.1 {expected}")), "{method} {headers:?}: {}", seen.head());
        assert!(!seen.head().contains("access-control"));
    };
    let (host, shown, json) =
        (("host", "localhost"), ("authorization", token.as_str()), ("content-type", "application/json"));
    let key = ("x-api-key", simulator.token());
    check("GET", &[host, shown], 200).await;
    check("GET", &[host, key], 200).await;
    check("GET", &[host], 401).await;
    check("GET", &[host, ("authorization", "Bearer 0")], 401).await;
    check("GET", &[("host", "evil.example"), shown], 403).await;
    check("PUT", &[host, shown, json], 200).await;
    check("PUT", &[host, json], 401).await;
    check("PUT", &[host, shown], 415).await;
    check("PUT", &[host, shown, ("content-type", "text/plain")], 415).await;
    check("PUT", &[host, shown, json, ("origin", "https://evil.example")], 403).await;
    check("PUT", &[host, shown, json, ("origin", "null")], 403).await;
    check("PUT", &[host, shown, json, ("origin", "http://localhost")], 200).await;
    // The models' own port asks for nothing, and control is not logged.
    exchange(simulator.address(), &chat(false)).await;
    simulator.logged(1).await;
    assert_eq!(simulator.log().len(), 1);
    assert_ne!(simulator.token(), builder().start().await.unwrap().token());
}
