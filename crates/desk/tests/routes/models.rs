//! Models and their loads.

use std::time::Duration;

use longshore_sim::Model;
use serde_json::json;

use super::support::{Rig, nowhere, servers, sim};

fn cold(id: &str, load_time: Duration) -> Model {
    Model { loaded: false, load_time, size: 1000, ..Model::chat(id) }
}

#[tokio::test]
async fn a_dead_server_is_told_of_and_keeps_nobody_waiting() {
    let alive = sim(vec![Model::chat("m")]).await;
    let rig = Rig::new(&servers(&[("alive", &alive.url()), ("dead", &nowhere())])).await;
    let models = rig.get("models").await.with(200);
    assert_eq!(models["models"][0]["id"], "m", "{models}");
    assert_eq!(models["models"][0]["server"], "alive");
    assert_eq!(models["unavailable"][0]["server"], "dead");
    assert_eq!(models["unavailable"][0]["error"]["kind"], "connect");
    let told = rig.get("models/describe?server=alive&model=m").await.with(200);
    assert_eq!((&told["id"], &told["kind"]), (&json!("m"), &json!("chat")));
    assert_eq!(rig.get("models/describe?server=alive&model=x").await.with(404)["kind"], "unknown_model");
    rig.get("models/describe?server=dead&model=m").await.with(502);
}

#[tokio::test]
async fn a_load_is_a_task_that_tells_of_itself() {
    let server = sim(vec![cold("m", Duration::from_millis(300)), cold("slow", Duration::from_secs(600))]).await;
    let rig = Rig::new(&servers(&[("sim", &server.url())])).await;
    let mut events = rig.stream("events").await;
    rig.get("models").await.with(200);
    let load = rig.post("models/load", json!({ "server": "sim", "model": "m" })).await.with(202);
    assert_eq!((&load["op"], &load["state"]), (&json!("load"), &json!("running")));
    let has = |state: &'static str, model: &'static str| {
        move |view: &serde_json::Value| {
            view["loads"].as_array().unwrap().iter().any(|load| load["state"] == state && load["model"] == model)
        }
    };
    let view = events.until("models", has("done", "m")).await;
    let m = view["models"].as_array().unwrap().iter().find(|model| model["id"] == "m").unwrap();
    assert_eq!(m["state"], "ready", "{view}");

    let slow = rig.post("models/load", json!({ "server": "sim", "model": "slow" })).await.with(202);
    let cancel = format!("loads/{}/cancel", slow["id"].as_str().unwrap());
    rig.post(&cancel, json!({})).await.with(204);
    events.until("models", has("cancelled", "slow")).await;
    rig.post(&cancel, json!({})).await.with(404);

    let failed = rig.post("models/load", json!({ "server": "sim", "model": "nobody" })).await.with(202);
    let view = events.until("models", has("failed", "nobody")).await;
    let of = |id: &serde_json::Value| view["loads"].as_array().unwrap().iter().find(|load| load["id"] == *id).cloned();
    assert_eq!(of(&failed["id"]).unwrap()["error"]["kind"], "unknown_model", "{view}");
    rig.post("models/load", json!({ "server": "no-such", "model": "m" })).await.with(404);
}

#[tokio::test]
async fn pins_are_seen_in_the_view() {
    let server = sim(vec![Model::chat("m")]).await;
    let rig = Rig::new(&servers(&[("sim", &server.url())])).await;
    let pinned = async || rig.get("models").await.with(200)["models"][0]["pinned"].clone();
    assert_eq!(pinned().await, false);
    rig.post("models/pin", json!({ "server": "sim", "model": "m", "pinned": true })).await.with(204);
    assert_eq!(pinned().await, true);
}
