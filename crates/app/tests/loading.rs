//! `load`, `servers` and `models` before a simulated server: progress for people and programs, what a server can be asked
//! for, and what Ctrl-C does.

#![expect(clippy::unwrap_used, reason = "a helper fails the test it serves")]

mod support;

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::Value;
use support::{Home, Running};

const MODELS: &str = "models:
- { id: warm }
- { id: quick, loaded: false, load_time: 300ms, size: 1000 }
- { id: slow, loaded: false, load_time: 1h, size: 1000 }
- { id: broken, loaded: false, load_time: 200ms, load_error: bad magic }
";

/// A simulated server, and a home whose configuration names it.
fn simulated() -> (Home, Running, String) {
    let home = Home::new();
    home.write("sim.yaml", MODELS);
    let mut server = home.start(&["sim", "--config", "sim.yaml", "--listen", "127.0.0.1:0", "--json"]);
    let first: Value = serde_json::from_str(&server.expect("\n")).unwrap();
    let url = first["listening"].as_str().unwrap().to_owned();
    home.write(
        "longshore.yaml",
        &format!("engine: {{ enabled: false }}\nservers: [{{ name: sim, rest: \"{url}\", dialect: native }}]\n"),
    );
    (home, server, url)
}

fn get(url: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

#[test]
fn programs_read_a_loads_progress_line_by_line() {
    let (home, _server, _) = simulated();
    let said = home.run(&["load", "quick", "--json"]).ended(0);
    assert_eq!((&said.json()["state"], &said.json()["server"]), (&"ready".into(), &"sim".into()), "{said}");
    let steps: Vec<Value> = said.err.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let states: Vec<_> = steps.iter().map(|step| step["progress"]["state"].as_str().unwrap()).collect();
    assert_eq!((states.first(), states.last()), (Some(&"loading"), Some(&"ready")), "{said}");
    let elapsed: Vec<_> = steps.iter().map(|step| step["progress"]["elapsed_ms"].as_f64().unwrap()).collect();
    assert!(elapsed.is_sorted() && *elapsed.last().unwrap() >= 100.0, "{said}");
    assert!(steps.iter().any(|step| step["progress"]["total_bytes"] == 1000), "{said}");
}

#[test]
fn a_load_that_fails_says_why() {
    let (home, _server, _) = simulated();
    let said = home.run(&["load", "broken"]).ended(1);
    assert!(said.err.contains("failed to load `broken`") && said.err.contains("bad magic"), "{said}");
    let said = home.run(&["models"]).ended(0);
    assert!(said.out.lines().any(|line| line.contains("broken") && line.contains("failed")), "{said}");
}

#[test]
fn what_servers_can_be_asked_for_is_told() {
    let (home, _server, _) = simulated();
    let said = home.run(&["servers"]).ended(0);
    assert!(said.out.contains("LOADS") && said.out.contains("yes"), "{said}");
    let said = home.run(&["models", "--json"]).ended(0);
    let can = said.json()["servers"][0]["can"].clone();
    assert!(can.as_array().unwrap().contains(&"load models".into()), "{said}");
}

#[cfg(unix)]
#[test]
fn an_interrupted_load_is_called_off() {
    let (home, mut server, url) = simulated();
    let mut loading = home.start(&["load", "slow"]);
    while !get(&url, "/api/models").contains("\"loading\"") {
        std::thread::yield_now();
    }
    loading.signal("INT");
    assert_eq!(loading.wait(), 130);
    // The server's own log: the client went away.
    loop {
        let entry: Value = serde_json::from_str(&server.expect("\n")).unwrap();
        if entry["op"] == "load models" {
            assert_eq!(entry["outcome"], "cancelled", "{entry}");
            break;
        }
    }
}
