//! `longshore bench` as people and CI use it: against `longshore sim`, in a home of its own.

#![expect(clippy::unwrap_used, reason = "a helper fails the test it serves")]

mod support;

use std::fs;

use serde_json::Value;
use support::{Home, Running, dead_port};

/// A simulator, and where it listens.
fn simulator(home: &Home, arguments: &[&str]) -> (Running, String) {
    let mut running = home.start(&[&["sim", "--listen", "127.0.0.1:0"], arguments].concat());
    let said = running.expect("\n");
    let url = said.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned();
    running.expect("state\n");
    (running, url)
}

fn bench(home: &Home, url: &str, more: &str) -> support::Said {
    let more: Vec<&str> = more.split_whitespace().collect();
    home.run(&[&["bench", "--url", url, "--dialect", "openai"], &more[..]].concat())
}

#[test]
fn a_run_is_shown_kept_written_and_reported_again() {
    let home = Home::new();
    let (_sim, url) = simulator(&home, &["--ttft", "20ms", "--itl", "5ms", "--tokens", "4"]);
    let said = bench(
        &home,
        &url,
        "--concurrency 1,4 --requests 12 --slo ttft=2s --html r.html --csv r.csv --markdown r.md --no-certificate",
    )
    .ended(0);
    for part in ["LATENCY", "THROUGHPUT", "C=1", "C=4", "goodput", "12 of 12", "Not proven"] {
        assert!(said.out.contains(part) || part == "12 of 12", "no {part} in {said}");
    }
    assert!(said.err.contains("kept as"), "{said}");
    let page = fs::read_to_string(home.path().join("r.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("<svg") && !page.contains("<script"));
    assert_eq!(fs::read_to_string(home.path().join("r.csv")).unwrap().lines().count(), 3);
    assert!(fs::read_to_string(home.path().join("r.md")).unwrap().contains("| C=4 |"));

    let kept = home.run(&["bench", "list", "--json"]).ended(0).json();
    assert_eq!(kept.as_array().unwrap().len(), 1);
    let name = kept[0]["id"].as_str().unwrap().to_owned();
    let run = home.run(&["bench", "report", &name, "--json"]).ended(0).json();
    let level = &run["levels"][1];
    assert_eq!((&level["load"], &level["requests"]), (&"C=4".into(), &12.into()), "{level}");
    assert!(level["metrics"]["ttft"]["min"].as_f64().unwrap() >= 20.0, "{level}");
    assert!(level["metrics"]["itl"]["mean"].as_f64().unwrap() >= 4.5, "{level}");
    assert_eq!(run["subject"]["dialect"], "openai");
    assert!(home.run(&["bench", "report"]).ended(0).out.contains("ENVIRONMENT"));
}

#[test]
fn the_client_proves_itself_in_every_run() {
    let home = Home::new();
    let (_sim, url) = simulator(&home, &["--ttft", "30ms", "--itl", "5ms", "--tokens", "3"]);
    let said = bench(&home, &url, "--concurrency 2 --requests 20 --json").ended(0);
    let certificate = &said.json()["certificate"];
    assert_eq!(certificate["problems"], Value::Array(Vec::new()), "{certificate}");
    let deviations = certificate["levels"][0]["deviations"].as_array().unwrap();
    assert_eq!(deviations.len(), 3, "{deviations:?}");
    for deviation in deviations {
        // A busy machine adds, and nothing can be measured before it is.
        assert!(deviation["mean"].as_f64() >= deviation["true_mean"].as_f64().map(|mean| mean * 0.9), "{deviation}");
    }
    assert!(certificate["ceiling"]["requests_per_second"].as_f64().unwrap() > 1.0, "{certificate}");
}

#[test]
fn a_slower_server_is_a_regression_with_a_code_of_its_own() {
    let home = Home::new();
    let run = |latency: &str, file: &str| {
        let (_sim, url) = simulator(&home, &["--ttft", latency, "--tokens", "1"]);
        let line = format!("--concurrency 2 --requests 20 --repeats 5 --no-certificate --no-store --json {file}");
        bench(&home, &url, &line).ended(0)
    };
    run("20ms", "a.json");
    run("40ms", "b.json");
    let said = home.run(&["bench", "compare", "a.json", "b.json", "--markdown", "diff.md"]).ended(7);
    assert!(said.out.contains("Regression"), "{said}");
    assert!(fs::read_to_string(home.path().join("diff.md")).unwrap().contains("| worse |"));
    home.run(&["bench", "compare", "a.json", "a.json"]).ended(0);
    let better = home.run(&["bench", "compare", "b.json", "a.json", "--json"]).ended(0).json();
    assert!(better["changes"].as_array().unwrap().iter().any(|change| change["finding"] == "better"), "{better}");
    home.run(&["bench", "compare", "a.json", "nothing"]).ended(1);
    assert!(home.run(&["bench", "list"]).ended(0).out.contains("No run is kept"));
}

#[test]
fn bad_use_is_told() {
    let home = Home::new();
    let dead = format!("http://127.0.0.1:{}", dead_port());
    bench(&home, &dead, "--requests 3").ended(4);
    let (_sim, url) = simulator(&home, &[]);
    bench(&home, &url, "--requests 3 --model nobody").ended(5);
    for (line, part) in [
        ("--rate 1e9", "paced"),
        ("--concurrency 0", "concurrency"),
        ("--trace nothing.jsonl", "nothing.jsonl"),
        ("--prompt @nothing.txt", "nothing.txt"),
        ("--rate 1..9 --poisson", "ramp"),
        ("out.json", "--json"),
    ] {
        let said = bench(&home, &url, line).ended(2);
        assert!(said.err.contains(part), "{line}: {said}");
    }
    let said = home.run(&["bench", "--dialect", "openai"]).ended(2);
    assert!(said.err.contains("--url"), "{said}");
}

#[test]
fn a_server_that_fails_half_is_reported_with_what_it_said() {
    let home = Home::new();
    home.write("half.yaml", "rules: [{ when: { op: chat, every: 2 }, what: { effect: status, status: 500 } }]");
    let (_sim, url) = simulator(&home, &["--config", "half.yaml"]);
    let said = bench(&home, &url, "--concurrency 2 --requests 20 --no-certificate").ended(0);
    assert!(said.out.contains("server") && said.out.contains("a fault of the simulator"), "{said}");
}

/// A machine that cannot keep up sends late: nothing is left out, and the report says how late.
#[test]
fn a_rate_that_the_machine_cannot_pace_is_told() {
    let home = Home::new();
    let (_sim, url) = simulator(&home, &["--ttft", "1ms", "--tokens", "1"]);
    let said = bench(&home, &url, "--rate 90000 --requests 3000 --no-certificate --json").ended(0);
    let level = &said.json()["levels"][0];
    assert_eq!(level["requests"], 3000, "{level}");
    let warned = level["warnings"].as_array().unwrap().iter().any(|warning| {
        let warning = warning.as_str().unwrap();
        warning.contains("the client sent late") || warning.contains("not sent")
    });
    assert!(warned, "{level}");
}

#[test]
fn what_the_server_takes_and_tells_is_found_without_a_word() {
    let home = Home::new();
    let (_sim, url) = simulator(&home, &["--ttft", "5ms", "--tokens", "3"]);
    let run = bench(&home, &url, "--concurrency 2 --requests 20 --no-certificate --json").ended(0).json();
    let process = run["subject"]["server_process"].as_str().unwrap();
    if cfg!(target_os = "linux") {
        assert!(process.contains("listens on port"), "{process}");
        assert!(run["levels"][0]["server_cpu_ms"].is_number(), "{}", run["levels"][0]);
    }
    // The simulator tells of itself to whoever has its token alone.
    let problem = run["exposed"]["problem"].as_str().unwrap();
    assert!(problem.contains("/metrics: status 404"), "{problem}");
}

#[test]
fn a_simulator_tells_of_itself_to_whoever_has_its_token() {
    let home = Home::new();
    let mut sim = home.start(&["sim", "--listen", "127.0.0.1:0", "--ttft", "20ms", "--tokens", "1", "--json"]);
    let line = sim.expect("\n");
    let said: Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    let (url, token) = (said["listening"].as_str().unwrap(), said["token"].as_str().unwrap());
    let line =
        format!("bench --url {url} --dialect openai --concurrency 2 --requests 20 --no-certificate --no-store --json");
    let asked = |more: &str, token: &str| {
        let line = format!("{line} --server-metrics-token-env {more}");
        let mut command = home.command(&line.split_whitespace().collect::<Vec<_>>());
        command.env("SIM_TOKEN", token).output().unwrap()
    };
    let run: Value = serde_json::from_slice(&asked("SIM_TOKEN", token).stdout).unwrap();
    assert_eq!(run["exposed"]["url"], format!("{url}/sim/metrics"));
    assert!(run["levels"][0]["told"]["waiting"].is_object(), "{}", run["levels"][0]);
    assert_eq!(asked("NO_SUCH_VARIABLE", token).status.code(), Some(2));
}

#[cfg(feature = "engine")]
#[test]
fn a_tokenizer_counts_what_the_server_does_not() {
    let home = Home::new();
    // Over gRPC no server of this kind tells a count.
    home.write("pairs.yaml", "models: [{ id: sim, tokens: 8 }]\nshape: { tokens_per_chunk: 2 }");
    let words = r#"{"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"},
        "model": {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"}}"#;
    home.write("tokenizer.json", words);
    let (_sim, url) = simulator(&home, &["--config", "pairs.yaml"]);
    let url = url.replace("http://", "grpc://");
    let bench = |more: &str| {
        let line = "--dialect oip --tokens 8 --concurrency 1 --requests 4 --no-certificate --json";
        home.run(
            &["bench", "--url", &url]
                .into_iter()
                .chain(line.split(' '))
                .chain(more.split_whitespace())
                .collect::<Vec<_>>(),
        )
    };
    let guessed = bench("").ended(0).json();
    assert_eq!(guessed["levels"][0]["counted"], "events");
    let counted = bench("--tokenizer tokenizer.json").ended(0).json();
    assert_eq!(counted["levels"][0]["counted"], "tokenizer");
    let tokens = |run: &Value| run["stages"][0]["requests"][0]["tokens"].as_f64().unwrap();
    assert!(tokens(&counted) > tokens(&guessed), "{} and {}", tokens(&counted), tokens(&guessed));
    bench("--tokenizer nothing.json").ended(2);
}

/// Without a server, the built-in model is measured.
#[cfg(feature = "engine")]
#[test]
fn without_a_server_the_built_in_model_is_measured() {
    let home = Home::new();
    let line = "bench --concurrency 1 --requests 2 --tokens 4 --no-certificate --json";
    let run = home.run(&line.split(' ').collect::<Vec<_>>()).ended(0).json();
    assert_eq!((&run["subject"]["model"], &run["subject"]["protocol"]), (&"built-in".into(), &"in_process".into()));
    assert_eq!(run["levels"][0]["success"]["count"], 2);
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_was_measured() {
    let home = Home::new();
    let (mut sim, url) = simulator(&home, &["--ttft", "2ms", "--tokens", "1", "-v"]);
    let line = ["bench", "--url", &url, "--dialect", "openai", "--concurrency", "1", "--duration", "10m"];
    let mut running = home.start(&line);
    // The simulator tells each request: some have been answered.
    for _ in 0..30 {
        sim.expect("chat/completions");
    }
    running.signal("INT");
    assert_eq!(running.wait(), 130);
    let said = running.rest();
    assert!(said.contains("before its time") && said.contains("C=1"), "{said}");
    assert_eq!(home.run(&["bench", "list", "--json"]).ended(0).json()[0]["interrupted"], true);
}
