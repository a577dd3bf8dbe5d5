//! The recorder: calls of the page and of the gateway, their detail, and asking them again.

use std::time::Duration;

use http::Method;
use http_body_util::BodyExt;
use longshore_sim::{Effect, Rule, When};
use serde_json::{Value, json};

use crate::page::{Page, server, sim, text, until};

async fn gateway(page: &Page, body: Value) -> u16 {
    let response = page.request(Method::POST, "/v1/chat/completions", body.to_string().into()).await;
    let status = response.status().as_u16();
    response.into_body().collect().await.unwrap();
    status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_the_gateway_are_kept_with_all_that_came() {
    let sim = sim(Duration::from_millis(1), []).await;
    let folder = tempfile::tempdir().unwrap();
    let page = Page::open(folder.path(), vec![server("sim", &sim)], None).await;
    let body = json!({
        "model": "m", "stream": true, "max_tokens": 5, "user": "me", "api_key": "sk-1",
        "messages": [{"role": "user", "content": "Hello"}],
    });
    assert_eq!(gateway(&page, body).await, 200);

    let call = page.get("calls?q=chat").await["calls"][0].clone();
    let expected = json!({"op": "chat", "model": "m", "server": "sim", "from": "gateway", "dialect_in": "openai", "outcome": "ok"});
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&call[name], value, "{name} of {call}");
    }
    assert!(call["ttft_ms"].as_f64().unwrap() <= call["total_ms"].as_f64().unwrap());
    let detail = page.get(&format!("calls/{}", text(&call["id"]))).await;
    assert_eq!(
        (&detail["headers"]["authorization"], &detail["headers"]["content-type"]),
        (&json!("•••"), &json!("application/json"))
    );
    assert_eq!((&detail["request"]["user"], &detail["request"]["api_key"]), (&json!("me"), &json!("•••")));
    let frames = detail["frames"].as_array().unwrap();
    assert_eq!(frames.iter().filter(|frame| frame["event"] == "text").count(), 5);
    assert_eq!(frames.last().unwrap()["event"], "done");
    let joined: String =
        frames.iter().filter(|frame| frame["event"] == "text").map(|frame| text(&frame["text"])).collect();
    assert_eq!((detail["response_text"].clone(), &detail["truncated"]), (json!(joined), &json!(false)));
    assert_eq!((&detail["ledger"][0]["server"], &detail["ledger"][0]["outcome"]), (&json!("sim"), &json!("committed")));

    let id = text(&page.post(&format!("calls/{}/replay", text(&call["id"])), Value::Null).await["id"]);
    let again = until("it has been asked again", async || {
        let call = page.get(&format!("calls/{id}")).await;
        (call["outcome"] == "ok").then_some(call)
    });
    assert_eq!(
        (&again.await["from"], sim.log().iter().filter(|entry| entry.op == "chat").count()),
        (&json!("replay"), 2)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_are_kept_with_what_was_tried() {
    let refuses = Rule::new(Effect::Status { status: 400, body: None, headers: Default::default(), retry_after: None });
    let sim =
        sim(Duration::ZERO, [refuses.when(When { op: Some("chat".into()), first: Some(1), ..When::default() })]).await;
    let folder = tempfile::tempdir().unwrap();
    let page = Page::open(folder.path(), vec![server("sim", &sim)], Some("desk: {calls_kept: 10}")).await;
    let body = json!({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "Hello"}]});
    assert_eq!(gateway(&page, body.clone()).await, 400);
    let failed = page.get("calls?outcome=error").await["calls"].clone();
    assert_eq!((failed.as_array().unwrap().len(), &failed[0]["error_kind"]), (1, &json!("invalid_request")));
    let detail = page.get(&format!("calls/{}", text(&failed[0]["id"]))).await;
    assert_eq!(detail["ledger"].as_array().unwrap().len(), 1);
    assert_eq!(detail["error"]["kind"], "invalid_request");

    // The oldest are forgotten first.
    for _ in 0..12 {
        assert_eq!(gateway(&page, body.clone()).await, 200);
    }
    let kept = page.get("calls").await;
    assert_eq!((kept["calls"].as_array().unwrap().len(), &kept["more"]), (10, &json!(false)));
    let (status, _) = page.ask(Method::GET, &format!("calls/{}", text(&failed[0]["id"])), Value::Null).await;
    assert_eq!(status, 404);
    let first = page.get("calls?limit=4").await;
    let last = text(&first["calls"][3]["id"]);
    let rest = page.get(&format!("calls?before={last}")).await;
    assert_eq!((first["more"].clone(), rest["calls"].as_array().unwrap().len()), (json!(true), 6));
}
