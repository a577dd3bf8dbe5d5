//! A process that is killed in the middle of an answer: what had come is there when the next one starts.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use http::Method;
use serde_json::{Value, json};

use crate::page::{Page, server, sim, text, until};

/// Tells the process that this test starts where to work; it is this same test.
const CHILD: &str = "LONGSHORE_TEST_CHILD";
/// What the child says before the conversation's id.
const SAVED: &str = "saved ";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "a test tells the process that it starts by the environment")]
async fn what_had_come_outlives_the_process() {
    if let Some(folder) = std::env::var_os(CHILD) {
        return answer_until_killed(Path::new(&folder)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::what_had_come_outlives_the_process", "--nocapture", "--test-threads=1"])
        .env(CHILD, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let said = lines.map(Result::unwrap).find_map(|line| line.split_once(SAVED).map(|(_, id)| id.trim().to_owned()));
    let id = said.unwrap();
    // While it lives, another process on the same folder sees the answer come, and cannot stop it.
    let page = Page::open(folder.path(), Vec::new(), None).await;
    let message = page.get(&format!("conversations/{id}")).await["messages"][1].clone();
    assert_eq!(message["answer"]["state"], "running", "{message}");
    let answer = format!("answers/{}", text(&message["id"]));
    let (status, refused) = page.ask(Method::POST, &format!("{answer}/stop"), json!({})).await;
    assert_eq!((status, &refused["next"]), (409, &json!("stop it there")), "{refused}");
    let mut following = page.follow(&message).await;
    assert!(text(&following.until("text").await["text"]).contains(' '));
    // SIGKILL, where there is such a thing.
    child.kill().unwrap();
    child.wait().unwrap();

    // The one that was there already sees it, and so does the next one.
    assert_eq!(following.until("done").await["answer"]["state"], "interrupted");
    drop(page);
    let page = Page::open(folder.path(), Vec::new(), None).await;
    let conversation = page.get(&format!("conversations/{id}")).await;
    let message = &conversation["messages"][1];
    assert_eq!(message["answer"]["state"], "interrupted", "{conversation}");
    assert_eq!(message["answer"]["segments"][0]["ended"], "interrupted");
    assert!(message["content"].as_str().unwrap().split_whitespace().count() > 1, "{message}");
    assert!(text(&message["answer"]["error"]["detail"]).contains("ended while the answer came"));
    // It is found, and it can be asked again.
    let word = text(&message["content"]).split_whitespace().next().unwrap().to_owned();
    let word: String = word.chars().filter(|c| c.is_alphanumeric()).collect();
    assert_eq!(page.get(&format!("conversations?q={word}")).await["conversations"][0]["id"], id);
}

/// The child: an answer that takes long, and a word when something of it is on the disk.
#[expect(clippy::disallowed_macros, reason = "that is how it tells its parent")]
async fn answer_until_killed(folder: &Path) {
    let sim = sim(Duration::from_millis(20), []).await;
    let page = Page::open(folder, vec![server("sim", &sim)], None).await;
    let id = page.conversation().await;
    page.say(&id, Value::Null, "Hello", json!({"model": "m"})).await;
    until("something is on the disk", async || {
        let conversation = page.get(&format!("conversations/{id}")).await;
        let words = conversation["messages"][1]["content"].as_str().unwrap_or_default().split_whitespace().count();
        (words > 3).then_some(())
    })
    .await;
    println!("{SAVED}{id}");
    std::future::pending::<()>().await;
}
