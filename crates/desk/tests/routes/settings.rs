//! Settings: seen, changed, refused.

use http::Method;
use longshore_core::{Backend, Call, Op};
use longshore_sim::Model;
use serde_json::{Value, json};

use super::support::{Rig, Said, nowhere, servers, sim};

async fn put(rig: &Rig, changes: Value) -> Said {
    rig.ask(Method::PUT, "settings", Some(json!({ "changes": changes }))).await
}

fn find<'a>(view: &'a Value, path: &str) -> &'a Value {
    view["settings"].as_array().unwrap().iter().find(|one| one["path"] == path).unwrap()
}

#[tokio::test]
async fn every_setting_is_seen_with_where_it_comes_from() {
    let rig = Rig::new("retry:\n  max_attempts: 3\ngateway:\n  hosts: [a, b]\n").await;
    let view = rig.get("settings").await.with(200);
    let attempts = find(&view, "retry.max_attempts");
    assert_eq!((&attempts["value"], &attempts["effect"]), (&json!(3), &json!("live")), "{attempts}");
    assert!(attempts["origin"].as_str().unwrap().ends_with("longshore.yaml:2:17"), "{attempts}");
    assert_eq!(find(&view, "gateway.hosts")["value"], json!(["a", "b"]));
    assert_eq!(find(&view, "gateway.hosts")["effect"], "restart");
    assert_eq!(find(&view, "gateway.token.env")["secret"], true);
    assert_eq!(find(&view, "cache.enabled")["origin"], "default");
}

#[tokio::test]
async fn a_change_keeps_the_comments_and_holds_at_once() {
    let before = "# mine\nretry:\n  max_attempts: 3 # enough\ncache:\n  ttl: 5m\n";
    let rig = Rig::new(before).await;
    let saved = put(
        &rig,
        json!([
            { "path": "retry.max_attempts", "value": 5 },
            { "path": "cache.ttl", "value": null },
            { "path": "gateway.max_concurrent", "value": 7 },
        ]),
    )
    .await
    .with(200);
    assert_eq!(saved["applied"], json!(["retry.max_attempts", "cache.ttl"]), "{saved}");
    assert_eq!(saved["restart"], json!(["gateway.max_concurrent"]));
    let text = rig.config();
    assert!(text.starts_with("# mine\nretry:\n  max_attempts: 5 # enough\n") && !text.contains("ttl"), "{text}");
    let view = rig.get("settings").await.with(200);
    assert_eq!(find(&view, "retry.max_attempts")["value"], 5);
    assert_eq!(find(&view, "cache.ttl")["origin"], "default");
}

#[tokio::test]
async fn the_desks_own_settings_hold_at_once() {
    let server = sim(vec![Model::chat("m")]).await;
    let rig = Rig::new(&servers(&[("sim", &server.url())])).await;
    let view = rig.get("settings").await.with(200);
    assert_eq!(find(&view, "desk.calls_kept")["effect"], "live");
    let saved = put(
        &rig,
        json!([{ "path": "desk.calls_kept", "value": 10 }, { "path": "desk.attachment_bytes", "value": "1KiB" }]),
    );
    assert_eq!(saved.await.with(200)["restart"], json!([]));
    let gateway = rig.desk.gateway();
    for _ in 0..12 {
        let call = Call::new(Op::ServerInfo).server("sim");
        gateway.call(call).await.unwrap().collect().await.unwrap();
    }
    assert_eq!(rig.get("calls?limit=100").await.with(200)["calls"].as_array().unwrap().len(), 10);
    let id = rig.post("conversations", json!({})).await.with(201)["id"].as_str().unwrap().to_owned();
    let attachment = json!({ "name": "a.txt", "media_type": "text/plain", "data": "YWFh".repeat(400) });
    let ask = json!({ "content": "x", "attachments": [attachment], "targets": [{ "model": "m" }] });
    let refused = rig.post(&format!("conversations/{id}/ask"), ask).await.with(413);
    assert!(refused["detail"].as_str().unwrap().contains("a.txt"), "{refused}");
}

#[tokio::test]
async fn what_is_wrong_changes_nothing() {
    let before = "# mine\nretry:\n  max_attempts: 3 # enough\n";
    let rig = Rig::new(before).await;
    let problem = put(
        &rig,
        json!([
            { "path": "retry.max_attempts", "value": 99 },
            { "path": "cache.ttl", "value": "soon" },
        ]),
    )
    .await
    .with(422);
    let paths: Vec<_> = problem["problems"].as_array().unwrap().iter().map(|one| one["path"].clone()).collect();
    assert_eq!(paths, [json!("retry.max_attempts"), json!("cache.ttl")], "{problem}");
    put(&rig, json!([{ "path": "no.such", "value": 1 }])).await.with(400);
    put(&rig, json!([{ "path": "servers[0].rest", "value": "http://x" }])).await.with(400);
    assert_eq!(rig.config(), before);
    assert_eq!(find(&rig.get("settings").await.with(200), "retry.max_attempts")["value"], 3);
    // Nothing is left lying about.
    let files = std::fs::read_dir(rig.folder.path()).unwrap().map(|file| file.unwrap().file_name());
    assert!(files.into_iter().all(|name| !name.to_string_lossy().ends_with(".tmp")));
}

#[tokio::test]
async fn calls_under_way_stay_where_they_began() {
    let (old, new) = (sim(vec![Model::chat("m")]).await, sim(vec![Model::chat("m")]).await);
    let rig = Rig::new(&servers(&[("old", &old.url())])).await;
    let list = || Call::new(Op::ListModels { ready_only: false });
    let begun = rig.desk.live().call(list().server("old")).await.unwrap();
    rig.post("servers", json!({ "name": "new", "rest": new.url() })).await.with(201);
    rig.ask(Method::DELETE, "servers/old", None).await.with(204);
    assert_eq!(begun.collect().await.unwrap().models.len(), 1);
    assert!(rig.desk.live().call(list().server("old")).await.is_err());
}

#[tokio::test]
async fn a_file_that_was_broken_by_hand_is_not_written_over() {
    let rig = Rig::new(&servers(&[("a", &nowhere())])).await;
    std::fs::write(rig.folder.path().join("longshore.yaml"), "retry: [\n").unwrap();
    assert!(!put(&rig, json!([{ "path": "retry.max_attempts", "value": 2 }])).await.status.is_success());
    assert_eq!(rig.config(), "retry: [\n");
}
