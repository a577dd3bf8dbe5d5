//! Stopping: what has come is kept, and the server's work is called off.

use std::time::Duration;

use serde_json::{Value, json};

use crate::page::{Page, server, sim, text, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_calls_the_server_off() {
    let sim = sim(Duration::from_millis(30), []).await;
    let folder = tempfile::tempdir().unwrap();
    let page = Page::open(folder.path(), vec![server("sim", &sim)], None).await;
    let id = page.conversation().await;
    let (message, answer) = page.say(&id, Value::Null, "Hello", json!({"model": "m"})).await;
    let mut following = page.follow(&answer).await;
    following.until("text").await;

    let refused = page
        .ask(http::Method::POST, &format!("conversations/{id}/ask"), json!({"parent": answer["id"], "content": "and?"}))
        .await;
    assert_eq!(refused.0, 409, "{refused:?}");

    let stopped = page.post(&format!("answers/{}/stop", text(&answer["id"])), Value::Null).await;
    assert_eq!((&stopped["state"], &stopped["upstream"]), (&json!("stopped"), &json!("cancelled")));
    assert!(stopped["tokens"].as_u64().unwrap() > 0);
    let done = following.until("done").await;
    assert_eq!((&done["answer"]["state"], done["parent"] == message["id"]), (&json!("stopped"), true));
    assert!(!done["content"].as_str().unwrap().is_empty());
    let entry = until("the server saw its client go", async || {
        sim.log().into_iter().find(|entry| entry.op == "chat" && entry.outcome == "cancelled")
    });
    assert!(entry.await.tokens < 200);

    let again = page.post(&format!("answers/{}/stop", text(&answer["id"])), Value::Null).await;
    assert_eq!((&again["state"], &again["upstream"]), (&json!("stopped"), &json!("already_ended")));
    let calls = page.get("calls").await;
    assert_eq!(calls["calls"][0]["outcome"], "cancelled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_to_the_first_word_is_told() {
    // Long enough that the answer is still coming when it is followed.
    let sim = sim(Duration::from_millis(5), []).await;
    let folder = tempfile::tempdir().unwrap();
    let page = Page::open(folder.path(), vec![server("sim", &sim)], None).await;
    let id = page.conversation().await;
    let (_, answer) = page.say(&id, Value::Null, "Hello", json!({"model": "m"})).await;
    let mut phases: Vec<_> = page
        .events(&answer)
        .await
        .into_iter()
        .filter(|(name, _)| name == "phase")
        .map(|(_, data)| text(&data["phase"]))
        .collect();
    phases.dedup();
    assert_eq!(phases, ["queued", "connecting", "prompt", "decoding"]);
    let answer = page.done(&answer).await["answer"].clone();
    assert!(answer["ttft_ms"].as_f64().unwrap() <= answer["total_ms"].as_f64().unwrap());
    assert!(answer["tokens_per_second"].as_f64().unwrap() > 0.0);
    assert_eq!((&answer["usage"]["completion_tokens"], &answer["finish"]), (&json!(200), &json!("stop")));
}
