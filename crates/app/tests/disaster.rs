//! What a machine may do to the program: a full disk, and a signal that nobody can handle.
#![cfg(all(unix, feature = "engine"))]
#![expect(clippy::unwrap_used, reason = "a helper fails the test it serves")]

mod support;

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::json;
use support::{Home, Running};

const CACHED: &str = "cache:\n  enabled: true\n  path: kept\n";
const SERVE: [&str; 4] = ["serve", "--json", "--listen", "127.0.0.1:0"];

#[test]
fn a_disk_that_is_full_costs_no_answer() {
    let home = Home::with(CACHED);
    // Not a byte may be written to a file; whoever tries gets an error, and no signal.
    let full = home.command_after("trap '' XFSZ; ulimit -f 0", &SERVE).spawn().unwrap();
    let (text, cache, told) = asked_twice(Running(full));
    assert_eq!(cache, ["miss", "hit"], "memory is left");
    assert!(told.contains("WARN") && told.contains("the response cache's store"), "{told}");
    // With room again, the same is answered, and kept.
    let (again, cache, told) = asked_twice(home.start(&SERVE));
    assert_eq!((again, cache), (text, ["miss", "hit"].map(str::to_owned)));
    assert!(!told.contains("WARN"), "{told}");
}

/// The answer to a question, what the cache did the first and the second time, and what was said on standard error.
fn asked_twice(mut server: Running) -> (String, [String; 2], String) {
    let authority = authority(&mut server);
    let (text, first) = ask(&authority, "What is streaming?");
    let (again, second) = ask(&authority, "What is streaming?");
    assert_eq!(text, again);
    server.signal("TERM");
    let mut told = String::new();
    server.0.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert_eq!(server.wait(), 0, "{told}");
    (text, [first, second], told)
}

#[test]
fn whoever_is_killed_starts_again_as_before() {
    let home = Home::with(CACHED);
    let questions: Vec<String> = (0..6).map(|number| format!("What is streaming, number {number}?")).collect();
    let mut first: Vec<Option<String>> = vec![None; questions.len()];
    for round in 0..3 {
        let mut server = home.start(&SERVE);
        let authority = authority(&mut server);
        // Each round is killed one answer later, right after it, while it is being written.
        for (question, known) in questions.iter().zip(&mut first).take(2 + round) {
            let (text, _) = ask(&authority, question);
            assert_eq!(&text, known.get_or_insert_with(|| text.clone()), "{question}");
        }
        server.signal("KILL");
        server.wait();
    }
    let mut server = home.start(&SERVE);
    let authority = authority(&mut server);
    for (question, known) in questions.iter().zip(&first) {
        let (text, _) = ask(&authority, question);
        assert!(known.as_ref().is_none_or(|known| *known == text), "{question}");
    }
    // What was answered twice and more was kept long before its process was killed.
    assert_eq!(ask(&authority, &questions[0]).1, "hit");
}

fn authority(server: &mut Running) -> String {
    let line: serde_json::Value = serde_json::from_str(&server.expect("\n")).unwrap();
    line["listening"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned()
}

/// The answer's text, and what the cache did.
fn ask(authority: &str, question: &str) -> (String, String) {
    let messages = [json!({"role": "user", "content": question})];
    let body = json!({"model": "built-in", "messages": messages, "temperature": 0, "max_tokens": 12}).to_string();
    let mut stream = TcpStream::connect(authority).unwrap();
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n");
    let kind = "Content-Type: application/json";
    write!(stream, "{head}{kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{reply}");
    let cache = head.lines().find_map(|line| line.to_lowercase().strip_prefix("longshore-cache:").map(str::to_owned));
    let answer: serde_json::Value = serde_json::from_str(body).unwrap();
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
    (text.to_owned(), cache.unwrap_or_default().trim().to_owned())
}
