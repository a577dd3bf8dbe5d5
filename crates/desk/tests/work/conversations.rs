//! Conversations: branches, the list, search, and taking them along.

use std::time::Duration;

use http::Method;
use longshore_sim::Simulator;
use serde_json::{Value, json};

use crate::page::{Page, server, sim, text};

async fn page(folder: &tempfile::TempDir) -> (Page, Simulator) {
    let sim = sim(Duration::ZERO, []).await;
    let page = Page::open(folder.path(), vec![server("sim", &sim)], None).await;
    (page, sim)
}

/// What was said to the model in the latest call.
async fn said(page: &Page) -> Vec<String> {
    let latest = text(&page.get("calls?limit=1").await["calls"][0]["id"]);
    let detail = page.get(&format!("calls/{latest}")).await;
    let messages = detail["request"]["messages"].as_array().unwrap().clone();
    messages.iter().map(|message| format!("{}: {}", text(&message["role"]), text(&message["content"]))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn editing_and_asking_again_make_branches() {
    let folder = tempfile::tempdir().unwrap();
    let (page, _sim) = page(&folder).await;
    let new = json!({"system": "Be brief.", "model": "m", "sampling": {"temperature": 0.5, "max_tokens": 7}});
    let id = text(&page.post("conversations", new).await["id"]);
    let m = json!({"model": "m"});
    let (first, one) = page.say(&id, Value::Null, "first", m.clone()).await;
    let one = page.done(&one).await;
    assert_eq!(one["answer"]["usage"]["completion_tokens"], 7);

    // The same question again: another answer below it.
    let again = json!({"parent": first["id"], "content": null});
    let begun = page.post(&format!("conversations/{id}/ask"), again).await;
    assert!(begun["message"].is_null());
    let two = page.done(&begun["answers"][0]).await;
    assert_eq!(
        (&two["parent"], said(&page).await),
        (&first["id"], vec!["system: Be brief.".to_owned(), "user: first".to_owned()])
    );

    // A follow-up to the first answer, and then the same follow-up in other words.
    let (second, three) = page.say(&id, one["id"].clone(), "second", m.clone()).await;
    page.done(&three).await;
    let answer = text(&one["content"]);
    let expected =
        vec!["system: Be brief.".into(), "user: first".into(), format!("assistant: {answer}"), "user: second".into()];
    assert_eq!(said(&page).await, expected);
    let (edited, four) = page.say(&id, second["parent"].clone(), "edited", m).await;
    page.done(&four).await;
    assert_eq!((&edited["parent"], said(&page).await[3].as_str()), (&one["id"], "user: edited"));

    let conversation = page.get(&format!("conversations/{id}")).await;
    assert_eq!((conversation["messages"].as_array().unwrap().len(), &conversation["leaf"]), (7, &four["id"]));
    let (_, back) =
        page.ask(Method::PATCH, &format!("conversations/{id}"), json!({"leaf": two["id"], "title": "Named"})).await;
    assert_eq!((&back["leaf"], &back["title"], &back["model"]), (&two["id"], &json!("Named"), &json!("m")));
    let (_, back) = page.ask(Method::PATCH, &format!("conversations/{id}"), json!({"model": null})).await;
    assert!(back["model"].is_null() && back["title"] == "Named");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (page, _sim) = page(&folder).await;
    let import =
        async |markdown: &str| text(&page.post("conversations/import", json!({"markdown": markdown})).await["id"]);
    let boats = import(
        "# Boats\n\n## You\n\nHow does a keel work?\n\n## Assistant\n\nIt is a fin, \"deep\" under the naïve hull.",
    )
    .await;
    let trees = import("# Trees\n\n## You\n\nHow tall is a larch?\n\n## Assistant\n\nForty metres.").await;
    let found = async |query: &str| {
        let listed = page.get(&format!("conversations?q={query}")).await;
        let list = listed["conversations"].as_array().unwrap().clone();
        list.iter().map(|one| text(&one["id"])).collect::<Vec<_>>()
    };
    let (of_boats, of_trees, none) = ([boats.clone()], [trees.clone()], Vec::<String>::new());
    assert_eq!(found("").await, [trees.clone(), boats.clone()]);
    assert_eq!(found("how").await, [trees.clone(), boats.clone()]);
    assert_eq!(found("keel").await, of_boats);
    assert_eq!(found("LARC").await, of_trees);
    assert_eq!(found("naive%20keel").await, of_boats);
    assert_eq!(found("boats%20fin").await, of_boats);
    assert_eq!(found("larch%20keel").await, none);
    // Nothing of a query is the index's own syntax.
    for query in ["%22", "*", "how%22%20OR%20%22x", "NEAR(how)", "content:how", "--", "%00"] {
        let _ = found(query).await;
    }
    assert_eq!(found("%22*").await, none);

    // Where words are not written apart, they are found wherever they stand, in texts and in titles.
    let rain = import("# 天気予報\n\n## You\n\n明日の東京は雨ですか\n\n## Assistant\n\nGPUで한국어도 합니다").await;
    let of_rain = [rain.clone()];
    for query in ["東京", "京", "明日", "雨です", "予報", "gpu", "국어", "東京 予報"] {
        let query: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        assert_eq!(found(&query).await, of_rain, "{query}");
    }
    let backwards: String = "京東".bytes().map(|byte| format!("%{byte:02x}")).collect();
    assert_eq!(found(&backwards).await, none);
    page.ask(Method::PATCH, &format!("conversations/{rain}"), json!({"title": "別"})).await;
    let title: String = "予報".bytes().map(|byte| format!("%{byte:02x}")).collect();
    assert_eq!(found(&title).await, none);
    page.ask(Method::DELETE, &format!("conversations/{rain}"), Value::Null).await;

    let listed = page.get("conversations?q=fin").await;
    assert!(text(&listed["conversations"][0]["snippet"]).contains("It is a fin"), "{listed}");
    let first = page.get("conversations?limit=1").await;
    assert_eq!((&first["more"], &first["conversations"][0]["id"]), (&json!(true), &json!(trees)));
    let rest = page.get(&format!("conversations?limit=1&before={trees}")).await;
    assert_eq!((&rest["more"], &rest["conversations"][0]["id"]), (&json!(false), &json!(boats)));

    let (status, _) = page.ask(Method::DELETE, &format!("conversations/{boats}"), Value::Null).await;
    assert_eq!((status, found("keel").await, found("boats").await), (204, none.clone(), none.clone()));
    let (status, problem) = page.ask(Method::GET, &format!("conversations/{boats}"), Value::Null).await;
    assert_eq!((status, &problem["what"]), (404, &json!("show the conversation")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_comes_back_as_it_went() {
    let folder = tempfile::tempdir().unwrap();
    let (page, _sim) = page(&folder).await;
    let id = page.conversation().await;
    let attachment = json!({"name": "notes.txt", "media_type": "text/plain", "data": "aGk="});
    let ask = json!({"content": "<script>alert(1)</script>", "attachments": [attachment], "targets": [{"model": "m"}]});
    let begun = page.post(&format!("conversations/{id}/ask"), ask).await;
    page.done(&begun["answers"][0]).await;
    let before = page.get(&format!("conversations/{id}")).await;
    assert_eq!(before["messages"][0]["attachments"][0]["bytes"], 2);
    let exported = page.get(&format!("conversations/{id}/export?format=json")).await;

    // While it is there, it comes in beside; when it is gone, it comes back as it was.
    let beside = page.post("conversations/import", exported.clone()).await;
    assert_ne!(beside["id"], before["id"]);
    assert_eq!(beside["messages"][1]["parent"], beside["messages"][0]["id"]);
    assert_eq!(beside["messages"][1]["content"], before["messages"][1]["content"]);
    page.ask(Method::DELETE, &format!("conversations/{id}"), Value::Null).await;
    page.post("conversations/import", exported.clone()).await;
    assert_eq!(page.get(&format!("conversations/{id}")).await, before);
    assert_eq!(page.get(&format!("conversations/{id}/export?format=json")).await, exported);

    let markdown = page.get(&format!("conversations/{id}/export?format=markdown")).await;
    assert!(
        text(&markdown).contains("<script>alert(1)</script>")
            && text(&markdown).contains("*Attached: notes.txt (2 bytes)*")
    );
    for wrong in [
        json!({"longshore_conversation": 2, "conversation": {"id": "a"}}),
        json!({"longshore_conversation": 1, "conversation": {"id": "../x"}}),
        json!({"longshore_conversation": 1, "conversation": {"id": "a", "messages": [{"id": "b", "parent": "c"}]}}),
        json!({"longshore_conversation": 1, "conversation": {"id": "a", "messages": [{"id": "b"}, {"id": "b"}]}}),
    ] {
        assert_eq!(page.ask(Method::POST, "conversations/import", wrong.clone()).await.0, 400, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_no_sense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (page, _sim) = page(&folder).await;
    let id = page.conversation().await;
    for ask in [
        json!({"content": "  "}),
        json!({"content": null}),
        json!({"content": "x", "parent": "nobody"}),
        json!({"content": "x", "targets": [{}, {}, {}, {}, {}]}),
        json!({"content": "x", "attachments": [{"name": "a", "media_type": "application/pdf", "data": "/w=="}]}),
    ] {
        let (status, problem) = page.ask(Method::POST, &format!("conversations/{id}/ask"), ask.clone()).await;
        assert_eq!((status, &problem["what"]), (400, &json!("ask the model")), "{ask}: {problem}");
    }
    let (status, _) = page.ask(Method::POST, "conversations/nobody/ask", json!({"content": "x"})).await;
    assert_eq!(status, 404);
    assert_eq!(page.ask(Method::GET, "answers/nobody/events", Value::Null).await.0, 404);
    assert!(page.get(&format!("conversations/{id}")).await["messages"].as_array().unwrap().is_empty());
}
