//! Servers: cards, finding, adding, deleting, draining.

use http::Method;
use longshore_core::{
    Backend, Call, Op,
    call::{Chat, Message},
};
use longshore_sim::Model;
use serde_json::{Value, json};

use super::support::{Rig, nowhere, servers, sim};

fn card<'a>(view: &'a Value, name: &str) -> Option<&'a Value> {
    view["servers"].as_array().unwrap().iter().find(|server| server["name"] == name)
}

#[tokio::test]
async fn cards_tell_who_answers_and_who_does_not() {
    let alive = sim(vec![Model::chat("m")]).await;
    let rig = Rig::new(&servers(&[("alive", &alive.url()), ("dead", &nowhere())])).await;
    let mut events = rig.stream("events").await;
    let state = |name: &'static str, state: &'static str| {
        move |view: &Value| card(view, name).is_some_and(|card| card["state"] == state)
    };
    let view = events.until("servers", state("dead", "down")).await;
    let dead = card(&view, "dead").unwrap();
    assert!(dead["detail"].is_string() && dead["history"][0]["ok"] == false, "{dead}");
    let view = events.until("servers", state("alive", "ok")).await;
    let alive = card(&view, "alive").unwrap();
    assert_eq!((&alive["ways"][0]["reachable"], &alive["ways"][0]["breaker"]), (&json!(true), &json!("closed")));
    assert!(alive["product"].is_string() && alive["history"][0]["ms"].is_number(), "{alive}");
    assert!(alive["capabilities"].as_array().unwrap().contains(&json!("chat")), "{alive}");
    // The same, asked for.
    assert_eq!(card(&rig.get("servers").await.with(200), "alive").unwrap()["state"], "ok");
}

#[tokio::test]
async fn what_calls_do_is_sampled_and_told() {
    let server = sim(vec![Model::chat("m")]).await;
    let rig = Rig::new(&servers(&[("sim", &server.url())])).await;
    let mut events = rig.stream("events").await;
    let chat = Chat { messages: vec![Message::new("user", "Hello")], stream: true, ..Chat::default() };
    let answer = rig.desk.gateway().call(Call::new(Op::Chat(chat)).model("m")).await.unwrap().collect().await.unwrap();
    assert!(!answer.text().is_empty());
    let call = events.until("call", |call| call["outcome"] == "ok" && call["op"] == "chat").await;
    assert_eq!((&call["server"], &call["from"]), (&json!("sim"), &json!("gateway")));
    let sample = events.until("sample", |sample| sample["servers"]["sim"]["requests"].as_u64() > Some(0)).await;
    assert!(sample["servers"]["sim"]["latency_p50_ms"].is_number(), "{sample}");
    let kept = rig.get("metrics?minutes=1").await.with(200);
    assert!(!kept["samples"].as_array().unwrap().is_empty() && kept["step_s"] == 1);
    let view = rig.get("servers").await.with(200);
    assert!(card(&view, "sim").unwrap()["p50_ms"].is_number(), "{view}");
}

#[tokio::test]
async fn a_server_is_found_added_drained_and_deleted() {
    let (old, new) = (sim(vec![Model::chat("m")]).await, sim(vec![Model::chat("m"), Model::chat("n")]).await);
    let before = servers(&[("old", &old.url())]);
    let rig = Rig::new(&before).await;

    let probe = rig.post("servers/probe", json!({ "url": format!("{}/v1/", new.url()) })).await.with(200);
    assert_eq!(probe["url"], new.url());
    let rest = probe["found"].as_array().unwrap().iter().find(|found| found["protocol"] == "rest").unwrap();
    assert_eq!(rest["models"], json!(["m", "n"]), "{probe}");
    let probe = rig.post("servers/probe", json!({ "url": nowhere() })).await.with(200);
    assert_eq!((probe["found"].as_array().unwrap().len(), probe["tried"].as_array().unwrap().len()), (0, 2));
    rig.post("servers/probe", json!({ "url": "http://" })).await.with(400);

    let added = rig.post("servers", json!({ "name": "new", "rest": new.url(), "token_env": "NEW_TOKEN" })).await;
    assert_eq!(added.with(201)["name"], "new");
    // What stood there stands there, and calls reach it at once.
    let config = rig.config();
    assert!(config.starts_with(before.trim_end()), "{config}");
    assert!(config.contains("NEW_TOKEN"), "{config}");
    let call = || Call::new(Op::ListModels { ready_only: false }).server("new");
    assert_eq!(rig.desk.live().call(call()).await.unwrap().collect().await.unwrap().models.len(), 2);
    let twice = rig.post("servers", json!({ "name": "new", "rest": new.url() })).await.with(422);
    assert!(!twice["problems"].as_array().unwrap().is_empty(), "{twice}");
    rig.post("servers", json!({ "name": "bad name", "rest": new.url() })).await.with(422);
    assert_eq!(rig.config(), config);

    rig.post("servers/new/drain", json!({ "drain": true })).await.with(204);
    assert_eq!(card(&rig.get("servers").await.with(200), "new").unwrap()["state"], "drained");
    rig.post("servers/nobody/drain", json!({ "drain": true })).await.with(404);

    rig.ask(Method::DELETE, "servers/new", None).await.with(204);
    assert_eq!(rig.config(), before);
    assert!(card(&rig.get("servers").await.with(200), "new").is_none());
    rig.ask(Method::DELETE, "servers/new", None).await.with(404);
}

#[tokio::test]
async fn the_first_server_begins_a_file() {
    let server = sim(vec![Model::chat("m")]).await;
    let rig = Rig::new("").await;
    rig.post("servers", json!({ "name": "first", "rest": server.url() })).await.with(201);
    assert!(rig.config().contains("first"), "{}", rig.config());
    let scan = rig.post("servers/scan", json!({})).await.with(200);
    assert!(scan["scanned"].as_array().unwrap().contains(&json!("http://127.0.0.1:11434")), "{scan}");
}
