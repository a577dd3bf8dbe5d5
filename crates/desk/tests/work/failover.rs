//! A server that breaks off in the middle of an answer: somebody else takes over, and everybody sees it.

use std::time::Duration;

use longshore_sim::{Effect, Rule, When};
use serde_json::{Value, json};

use crate::page::{Page, server, sim};

const QUICK: Duration = Duration::from_millis(1);

fn breaks() -> Rule {
    let chats = When { op: Some("chat".into()), ..When::default() };
    Rule::new(Effect::TruncateBody { after_tokens: 5 }).when(chats)
}

fn names(events: &[(String, Value)], name: &str) -> Vec<Value> {
    events.iter().filter(|(event, _)| event == name).map(|(_, data)| data.clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_takes_over_and_it_is_shown() {
    let (bad, good) = (sim(QUICK, [breaks()]).await, sim(QUICK, []).await);
    let folder = tempfile::tempdir().unwrap();
    let page = Page::open(folder.path(), vec![server("bad", &bad), server("good", &good)], None).await;
    let id = page.conversation().await;
    let (_, answer) = page.say(&id, Value::Null, "Hello there", json!({"model": "m", "server": "bad"})).await;
    let events = page.events(&answer).await;

    let segments = names(&events, "segment");
    let servers: Vec<_> = segments.iter().map(|segment| segment["server"].as_str().unwrap()).collect();
    assert_eq!(servers, ["bad", "good"]);
    assert!(segments[0]["because"].is_null());
    assert_eq!(segments[1]["because"]["kind"], "interrupted");

    let message = events.last().unwrap().1.clone();
    let kept = &message["answer"];
    assert_eq!(kept["state"], "done", "{kept}");
    assert_eq!((&kept["segments"][0]["ended"], &kept["segments"][1]["ended"]), (&json!("interrupted"), &json!("done")));
    assert!(!kept["segments"][0]["text"].as_str().unwrap().is_empty());
    assert_eq!(message["content"], kept["segments"][1]["text"]);
    assert_eq!(kept["server"], "good");
    let outcomes: Vec<_> = kept["attempts"].as_array().unwrap().iter().map(|one| one["server"].clone()).collect();
    assert_eq!(outcomes, ["bad", "good"]);

    // What was seen as it came is what is kept, and what who comes late sees.
    let of = |segment: usize| {
        let pieces = names(&events, "text").into_iter().filter(|event| event["segment"] == segment);
        pieces.map(|event| event["text"].as_str().unwrap().to_owned()).collect::<String>()
    };
    assert_eq!(
        (json!(of(0)), json!(of(1))),
        (kept["segments"][0]["text"].clone(), kept["segments"][1]["text"].clone())
    );
    let late = page.events(&answer).await;
    assert_eq!(names(&late, "segment").len(), 2);
    assert_eq!(late.last().unwrap().1, message);
    let conversation = page.get(&format!("conversations/{id}")).await;
    assert_eq!((&conversation["messages"][1], &conversation["title"]), (&message, &json!("Hello there")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_takes_over_what_had_come_is_kept() {
    let (one, other) = (sim(QUICK, [breaks()]).await, sim(QUICK, [breaks()]).await);
    let folder = tempfile::tempdir().unwrap();
    let page = Page::open(folder.path(), vec![server("one", &one), server("other", &other)], None).await;
    let id = page.conversation().await;
    let (_, answer) = page.say(&id, Value::Null, "Hello", json!({"model": "m"})).await;
    let message = page.done(&answer).await;
    assert_eq!(message["answer"]["state"], "interrupted");
    assert_eq!(message["answer"]["segments"].as_array().unwrap().len(), 2, "{message:#}");
    assert!(!message["content"].as_str().unwrap().is_empty());
    assert_eq!(message["answer"]["error"]["kind"], "interrupted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_takes_over_where_servers_are_compared_or_it_is_turned_off() {
    let (bad, good) = (sim(QUICK, [breaks()]).await, sim(QUICK, []).await);
    let servers = || vec![server("bad", &bad), server("good", &good)];
    let folder = tempfile::tempdir().unwrap();
    let page = Page::open(folder.path(), servers(), None).await;
    let path = format!("conversations/{}/ask", page.conversation().await);
    let targets = json!([{"model": "m", "server": "bad"}, {"model": "m", "server": "good"}]);
    let begun = page.post(&path, json!({"content": "Hi", "targets": targets})).await;
    let (bad_one, good_one) = tokio::join!(page.done(&begun["answers"][0]), page.done(&begun["answers"][1]));
    assert_eq!((&bad_one["answer"]["state"], &good_one["answer"]["state"]), (&json!("interrupted"), &json!("done")));
    assert_eq!(bad_one["answer"]["segments"].as_array().unwrap().len(), 1);
    assert_eq!(bad_one["parent"], good_one["parent"]);

    let elsewhere = tempfile::tempdir().unwrap();
    let page = Page::open(elsewhere.path(), servers(), Some("desk: {continue_elsewhere: 0}")).await;
    let id = page.conversation().await;
    let (_, answer) = page.say(&id, Value::Null, "Hello", json!({"model": "m", "server": "bad"})).await;
    assert_eq!(page.done(&answer).await["answer"]["segments"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_named_server_that_is_gone_is_shown_too() {
    let (gone, good) = (sim(QUICK, []).await, sim(QUICK, []).await);
    let servers = vec![server("gone", &gone), server("good", &good)];
    gone.stop().await;
    let folder = tempfile::tempdir().unwrap();
    let page = Page::open(folder.path(), servers, None).await;
    let id = page.conversation().await;
    let (_, answer) = page.say(&id, Value::Null, "Hello", json!({"model": "m", "server": "gone"})).await;
    let message = page.done(&answer).await;
    let segments = &message["answer"]["segments"];
    assert_eq!((&segments[0]["server"], &segments[1]["server"]), (&json!("gone"), &json!("good")), "{message}");
    assert_eq!((&segments[0]["error"]["kind"], &message["answer"]["state"]), (&json!("connect"), &json!("done")));

    // Without anybody else it has failed, and says why.
    let alone = tempfile::tempdir().unwrap();
    let page = Page::open(
        alone.path(),
        vec![longshore_client::ServerConfig {
            rest: Some("http://127.0.0.1:9".into()),
            ..longshore_client::ServerConfig::new("gone")
        }],
        None,
    )
    .await;
    let id = page.conversation().await;
    let (_, answer) = page.say(&id, Value::Null, "Hello", json!({"model": "m"})).await;
    let message = page.done(&answer).await;
    assert_eq!(
        (&message["answer"]["state"], &message["answer"]["error"]["kind"]),
        (&json!("failed"), &json!("connect"))
    );
}
