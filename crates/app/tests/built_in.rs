//! The program with the model that is compiled in: no server, no configuration.
#![cfg(feature = "engine")]

mod support;

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
};

use support::{Home, Rogue};

const ASK: [&str; 6] = ["-m", "What is streaming?", "--temperature", "0", "--seed", "1"];

#[test]
fn it_answers_in_text_and_the_same_again() {
    let home = Home::new();
    let first = home.run(&[&["chat"][..], &ASK].concat()).ended(0);
    assert!(first.out.to_lowercase().contains("stream"), "{first}");
    assert!(first.err.is_empty(), "{first}");
    assert_eq!(home.run(&[&["chat", "built-in", "--no-stream"][..], &ASK].concat()).ended(0).out, first.out);
    assert_eq!(home.pipe("What is streaming?\n", &["chat", "--temperature", "0"]).ended(0).out, first.out);
}

#[test]
fn a_reply_as_json_has_the_documented_keys() {
    let reply = Home::new().run(&[&["chat", "--json"][..], &ASK].concat()).ended(0).json();
    let keys: Vec<&str> = reply.as_object().unwrap().keys().map(String::as_str).collect();
    let documented = [
        "model",
        "server",
        "endpoint",
        "protocol",
        "dialect",
        "text",
        "finish_reason",
        "usage",
        "timing",
        "cache",
        "attempts",
    ];
    assert_eq!(keys, documented);
    assert_eq!((&reply["server"], &reply["protocol"]), (&"built-in".into(), &"in_process".into()));
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    assert!(number(&reply["usage"]["prompt_tokens"]) > 0.0 && number(&reply["usage"]["completion_tokens"]) > 0.0);
    let (first, all) = (number(&reply["timing"]["ttft_ms"]), number(&reply["timing"]["total_ms"]));
    assert!(0.0 < first && first <= all, "{reply}");
}

#[test]
fn options_reach_the_model() {
    let home = Home::new();
    let short = home.run(&[&["chat", "--json", "--max-tokens", "3"][..], &ASK].concat()).ended(0).json();
    assert_eq!((&short["finish_reason"], &short["usage"]["completion_tokens"]), (&"length".into(), &3.into()));
    let stopped = home.run(&[&["chat", "--stop", "server"][..], &ASK].concat()).ended(0);
    assert!(!stopped.out.contains("server"), "{stopped}");
    let with_system = home.run(&[&["chat", "--json", "--system", "Be brief."][..], &ASK].concat()).ended(0).json();
    assert!(with_system["usage"]["prompt_tokens"].as_u64() > short["usage"]["prompt_tokens"].as_u64());
    let configured = Home::with("inference:\n  max_tokens: 2\n").run(&[&["chat", "--json"][..], &ASK].concat());
    assert_eq!(configured.ended(0).json()["usage"]["completion_tokens"], 2);
}

#[test]
fn a_model_that_nobody_has_ends_with_5() {
    let home = Home::new();
    for line in [
        &["chat", "no-such-model", "-m", "hi"][..],
        &["infer", "no-such-model", "-i", "x=[1]"],
        &["embed", "no-such-model", "hi"],
        &["load", "no-such-model"],
        &["unload", "no-such-model"],
    ] {
        let said = home.run(line).ended(5);
        assert!(said.err.contains("no-such-model") && said.err.contains("built-in"), "{line:?}: {said}");
        assert!(said.out.is_empty(), "{line:?}: {said}");
    }
}

#[test]
fn texts_become_vectors() {
    let home = Home::new();
    let listed = home.run(&["embed", "built-in", "one text", "another", "--json"]).ended(0).json();
    let vectors = listed["embeddings"].as_array().unwrap();
    assert_eq!(
        (vectors.len(), listed["dimensions"].as_u64().map(|n| n as usize)),
        (2, vectors[0].as_array().map(Vec::len))
    );
    assert_ne!(vectors[0], vectors[1]);
    let piped = home.pipe("one text\n\nanother\n", &["embed", "built-in"]).ended(0);
    let lines: Vec<serde_json::Value> = piped.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(&lines, vectors);
}

#[test]
fn tensors_come_and_go_by_file() {
    let home = Home::new();
    let ask = [
        "infer",
        "built-in",
        "-i",
        "text_input=\"Streaming means\"",
        "--param",
        "temperature=0",
        "--param",
        "max_tokens=8",
    ];
    let reply = home.run(&[&ask[..], &["--json"]].concat()).ended(0).json();
    let output = &reply["outputs"][0];
    assert_eq!((&output["name"], &output["datatype"]), (&"text_output".into(), &"BYTES".into()), "{reply}");
    let text = output["data"][0].as_str().unwrap();
    assert!(!text.is_empty(), "{reply}");
    let said = home.run(&[&ask[..], &["-o", "text_output=@out.npy"]].concat()).ended(0);
    assert!(said.err.contains("wrote out.npy") && said.out.is_empty(), "{said}");
    let file = fs::read(home.path().join("out.npy")).unwrap();
    assert!(file.starts_with(b"\x93NUMPY") && file.ends_with(text.as_bytes()));
}

#[test]
fn it_is_listed_beside_servers_dead_or_alive() {
    let port = support::dead_port();
    let config =
        format!("{}  - name: dead\n    rest: http://127.0.0.1:{port}\n    dialect: openai\n", Rogue::start().config());
    let home = Home::with(&config);
    let said = home.run(&["models", "--json"]).ended(0);
    let ids: Vec<_> = said.json()["models"].as_array().unwrap().iter().map(|model| model["id"].clone()).collect();
    assert!(["built-in", "escapes", "cut"].iter().all(|id| ids.contains(&(*id).into())), "{said}");
    assert_eq!(said.json()["unavailable"][0]["server"], "dead", "{said}");
    let said = home.run(&["models"]).ended(0);
    assert!(
        said.out.contains("built-in") && said.err.contains("dead") && said.err.contains(&port.to_string()),
        "{said}"
    );
    let said = home.run(&["servers"]).ended(0);
    for part in ["built-in", "in_process", "rogue", "openai", "no answer"] {
        assert!(said.out.contains(part), "no {part:?} in {said}");
    }
}

#[test]
fn who_answers_in_whose_place_is_told_in_one_line() {
    let address = format!("http://127.0.0.1:{}", support::dead_port());
    let home = Home::with(&format!("servers:\n  - name: desk\n    rest: {address}\n"));
    let ask = |more: &[&str]| home.run(&[&["chat"][..], &ASK, more].concat()).ended(0);
    let said = ask(&[]);
    let line = "desk could not answer (connection refused): built-in answers in its place\n";
    assert_eq!(said.err, line, "{said}");
    assert!(ask(&["--quiet"]).err.is_empty());
    let said = ask(&["--json"]);
    assert!(said.err.is_empty(), "{said}");
    let attempts = said.json()["attempts"].clone();
    assert_eq!((&attempts[0]["server"], &attempts[0]["outcome"]), (&"desk".into(), &"connect".into()), "{said}");
    assert_eq!(attempts.as_array().unwrap().last().unwrap()["server"], "built-in", "{said}");
    let said = home.run(&["embed", "built-in", "a text"]).ended(0);
    assert_eq!(said.err, line, "{said}");
}

#[test]
fn loading_tells_its_progress() {
    let home = Home::new();
    let said = home.run(&["load", "built-in"]).ended(0);
    assert!(said.out.contains("ready") && said.err.contains("loading"), "{said}");
    assert_eq!(home.run(&["load", "built-in", "--json"]).ended(0).json()["state"], "ready");
    assert_eq!(home.run(&["unload", "built-in", "--json"]).ended(0).json()["state"], "unloaded");
}

#[test]
fn it_serves_until_it_is_told_to_stop() {
    let home = Home::new();
    let mut running = home.start(&["serve", "--json", "--listen", "127.0.0.1:0"]);
    let line: serde_json::Value = serde_json::from_str(&running.expect("\n")).unwrap();
    let url = line["listening"].as_str().unwrap();
    let authority = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(authority).unwrap();
    write!(stream, "GET /v1/models HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 200") && reply.contains("built-in"), "{reply}");

    // Another copy of the program as its client.
    let client = Home::with(&format!("engine: {{ enabled: false }}\nservers:\n  - name: front\n    rest: {url}\n"));
    let said = client.run(&[&["chat", "built-in", "--json"][..], &ASK].concat()).ended(0).json();
    assert_eq!((&said["server"], &said["protocol"]), (&"front".into(), &"rest".into()));
    assert!(said["text"].as_str().unwrap().contains("tream"), "{said}");

    #[cfg(unix)]
    {
        running.signal("TERM");
        assert_eq!(running.wait(), 0);
        assert!(TcpStream::connect(authority).is_err());
    }
}
