//! `sim record` and `sim replay`, as somebody uses them: a server, a recorder before it, and the cassette without either.

#![expect(clippy::unwrap_used, reason = "a helper fails the test it serves")]

mod support;

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::Value;
use support::{Home, Running};

/// Starts a command that says where it listens.
fn listening(home: &Home, arguments: &[&str]) -> (Running, String) {
    let mut running = home.start(&[arguments, &["--listen", "127.0.0.1:0", "--json"]].concat());
    let first: Value = serde_json::from_str(&running.expect("\n")).unwrap();
    let url = first["listening"].as_str().unwrap().to_owned();
    (running, url)
}

fn ask(url: &str) -> String {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    let head =
        "GET /v1/models HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer canary-42\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply.split("\r\n\r\n").nth(1).unwrap().to_owned()
}

#[test]
fn a_cassette_answers_for_a_server() {
    let home = Home::new();
    let (server, upstream) = listening(&home, &["sim", "--model", "recorded-one"]);
    let (mut recorder, url) = listening(&home, &["sim", "record", "--upstream", &upstream, "tape.ndjson"]);
    let reply = ask(&url);
    assert!(reply.contains("recorded-one"), "{reply}");
    let note: Value = serde_json::from_str(&recorder.expect("\n")).unwrap();
    assert_eq!((note["outcome"].as_str(), note["route"].as_str()), (Some("recorded"), Some("GET /v1/models")));
    drop((server, recorder));
    let tape = std::fs::read_to_string(home.path().join("tape.ndjson")).unwrap();
    assert!(tape.contains("recorded-one") && !tape.contains("canary"), "{tape}");
    let (mut player, url) = listening(&home, &["sim", "replay", "--speed", "0", "tape.ndjson"]);
    assert_eq!(ask(&url), reply);
    assert!(player.expect("\n").contains("replayed"));
    #[cfg(unix)]
    {
        player.signal("TERM");
        assert_eq!(player.wait(), 0);
    }
    let said = home.run(&["sim", "record", "--upstream", &upstream, "--listen", "127.0.0.1:0", "tape.ndjson"]).ended(1);
    assert!(said.err.contains("tape.ndjson exists"), "{said}");
    let said = home.run(&["sim", "record", "--upstream", "ftp://a.example", "x"]).ended(2);
    assert!(said.err.contains("https://"), "{said}");
    let said = home.run(&["sim", "replay", "nowhere.ndjson"]).ended(1);
    assert!(said.err.contains("nowhere.ndjson"), "{said}");
}
