//! Benchmarks from the page.

use longshore_sim::Model;
use serde_json::{Value, json};

use super::support::{Rig, nowhere, servers, sim};

#[tokio::test]
async fn a_run_is_watched_kept_reported_and_compared() {
    let server = sim(vec![Model::chat("m")]).await;
    let rig = Rig::new(&servers(&[("sim", &server.url())])).await;
    let order = json!({ "server": "sim", "model": "m", "op": "chat", "tokens": 4, "concurrency": [2], "requests": 20 });
    let mut ids = Vec::new();
    for certificate in [true, false] {
        let mut order = order.clone();
        order["certificate"] = json!(certificate);
        let begun = rig.post("bench", order).await.with(202);
        let id = begun["id"].as_str().unwrap();
        let mut events = rig.stream(&format!("bench/{id}/events")).await;
        events.until("stage", |stage| stage["phase"] == "running").await;
        if certificate {
            events.until("stage", |stage| stage["phase"] == "certifying" && stage["load"] == "C=2").await;
        }
        let done = events.until("done", |_| true).await;
        assert_eq!(done["run"]["levels"][0]["success"]["count"], done["run"]["levels"][0]["success"]["of"], "{done}");
        assert!(events.next().await.is_none());
        // That the accuracy could not be proven is told, and costs nothing of what was measured.
        let problems = done["run"]["certificate"]["problems"].as_array().map(Vec::len);
        assert_eq!(problems, certificate.then_some(2), "{done}");
        ids.push(done["run"]["id"].as_str().unwrap().to_owned());
    }
    let runs = rig.get("bench/runs").await.with(200);
    let listed: Vec<_> = runs["runs"].as_array().unwrap().iter().map(|run| run["id"].clone()).collect();
    assert!(ids.iter().all(|id| listed.contains(&json!(id))), "{runs}");
    assert!(runs["runs"][0]["at"].as_i64() > Some(0) && runs["runs"][0]["target"] == "sim", "{runs}");
    let (a, b) = (&ids[0], &ids[1]);
    assert_eq!(rig.get(&format!("bench/runs/{a}")).await.with(200)["id"], json!(a));
    for (format, word) in [("html", "<html"), ("csv", ","), ("markdown", "#"), ("json", "\"levels\"")] {
        let said = rig.get(&format!("bench/runs/{a}/report?format={format}")).await;
        assert!(said.status == 200 && String::from_utf8_lossy(&said.body).contains(word), "{format}");
    }
    rig.get(&format!("bench/runs/{a}/report?format=x")).await.with(400);
    if a != b {
        let compared = rig.get(&format!("bench/compare?a={a}&b={b}")).await.with(200);
        assert!(!compared["changes"].as_array().unwrap().is_empty(), "{compared}");
    }
}

#[tokio::test]
async fn what_cannot_be_measured_is_said() {
    let rig = Rig::new(&servers(&[("dead", &nowhere())])).await;
    rig.post("bench", json!({ "op": "dance" })).await.with(202);
    let mut events = rig.stream("bench/1/events").await;
    assert!(events.until("error", |_| true).await["detail"].as_str().unwrap().contains("dance"));
    rig.post("bench", json!({ "op": "chat", "rate": -1.0 })).await.with(400);
    rig.post("bench", json!({ "op": "chat", "server": "nobody" })).await.with(400);
    let begun = rig.post("bench", json!({ "op": "chat", "server": "dead", "model": "m" })).await.with(202);
    let mut events = rig.stream(&format!("bench/{}/events", begun["id"].as_str().unwrap())).await;
    let problem = events.until("error", |_| true).await;
    assert_eq!(problem["kind"], "connect", "{problem}");
    // Other files of this machine are none of the page's business.
    for name in ["..%2Fpins", "%2Fetc%2Fpasswd", "none"] {
        rig.get(&format!("bench/runs/{name}")).await.with(404);
    }
    rig.get("bench/99/events").await.with(404);
}

#[tokio::test]
async fn one_at_a_time_and_what_is_stopped_is_kept() {
    let server = sim(vec![Model::chat("m")]).await;
    let rig = Rig::new(&servers(&[("sim", &server.url())])).await;
    let order = json!({ "server": "sim", "model": "m", "op": "chat", "tokens": 4, "duration_s": 600 });
    let id = rig.post("bench", order.clone()).await.with(202)["id"].as_str().unwrap().to_owned();
    let refused = rig.post("bench", order).await.with(409);
    assert!(refused["next"].as_str().unwrap().contains("stop"), "{refused}");
    let mut events = rig.stream(&format!("bench/{id}/events")).await;
    events.until("progress", |progress: &Value| progress["complete"].as_u64() > Some(0)).await;
    rig.post(&format!("bench/{id}/stop"), json!({})).await.with(204);
    assert_eq!(events.until("done", |_| true).await["run"]["interrupted"], true);
}
