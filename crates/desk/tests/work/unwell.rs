//! A file of conversations that cannot be used is an error of conversations, and of nothing else.

use std::{fs, time::Duration};

use http::Method;
use serde_json::{Value, json};

use crate::page::{Page, server, sim};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_is_told_and_the_rest_goes_on() {
    let sim = sim(Duration::ZERO, []).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("desk.db");
    fs::write(&file, "this is no database, and it is long enough to look like one".repeat(40)).unwrap();
    let page = Page::open(folder.path(), vec![server("sim", &sim)], None).await;
    let (status, problem) = page.ask(Method::GET, "conversations", Value::Null).await;
    assert_eq!((status, &problem["what"]), (500, &json!("list the conversations")), "{problem}");
    assert!(
        problem["detail"].as_str().unwrap().contains("desk.db")
            && problem["next"].as_str().unwrap().contains("move the file away")
    );
    assert_eq!(page.get("hello").await["version"], "0");
    assert!(page.get("calls").await["calls"].as_array().unwrap().is_empty());

    // As soon as it is well again, so is everything.
    fs::remove_file(&file).unwrap();
    assert!(page.get("conversations").await["conversations"].as_array().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_a_newer_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let page = Page::open(folder.path(), Vec::new(), None).await;
    page.conversation().await;
    drop(page);
    let file = folder.path().join("desk.db");
    let newer = rusqlite::Connection::open(&file).unwrap();
    newer.pragma_update(None, "user_version", 999).unwrap();
    drop(newer);
    let page = Page::open(folder.path(), Vec::new(), None).await;
    let (_, problem) = page.ask(Method::GET, "conversations", Value::Null).await;
    assert!(problem["detail"].as_str().unwrap().contains("newer Longshore"), "{problem}");
    let version: i64 =
        rusqlite::Connection::open(&file).unwrap().query_row("PRAGMA user_version", (), |row| row.get(0)).unwrap();
    assert_eq!(version, 999);
}
