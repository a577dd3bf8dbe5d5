//! `docs/simulator.md` tells the truth: its tests are these, its configurations work, and nothing is left out.

#![expect(clippy::unwrap_used, reason = "a helper fails the test it serves")]

use std::time::Duration;

use longshore_sim::{Effect, Latency, Model, RetryAfter, Rule, SimConfig, Simulator, When};
use serde::de::DeserializeOwned;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const PAGE: &str = include_str!("../../../docs/simulator.md");

#[tokio::test]
async fn the_client_tries_again_after_a_busy_server() {
    let wait = Some(RetryAfter::Seconds(1));
    let busy = Effect::Status { status: 429, body: None, headers: Default::default(), retry_after: wait };
    let first = When { op: Some("chat".into()), first: Some(1), ..When::default() };
    let rule = Rule::new(busy).when(first).expect(1);
    let simulator = Simulator::builder().seed(7).rule(rule).start().await.unwrap();

    let answer = your_client(&simulator.url()).await;

    assert!(answer.contains("assistant"), "{answer}");
    simulator.logged(2).await;
    let log = simulator.log();
    assert_eq!((log[0].fault, log[1].outcome), (Some("status"), "ok"));
    assert!(simulator.verdict().good, "{:?}", simulator.verdict().findings);
}

#[tokio::test]
async fn a_load_of_an_hour_takes_no_time() {
    let model = Model { loaded: false, load_time: Duration::from_secs(3600), ..Model::chat("large") };
    let simulator = Simulator::builder().model(model).virtual_time().start().await.unwrap();
    let url = simulator.url();

    let answer = tokio::spawn(async move { your_client(&url).await });
    while !answer.is_finished() {
        simulator.advance(Duration::from_secs(60));
        tokio::task::yield_now().await;
    }

    assert!(answer.await.unwrap().contains("assistant"));
    assert!(simulator.log()[0].elapsed_ms >= 3_600_000.0);
}

#[test]
fn the_tests_on_the_page_are_these() {
    let tests = blocks("rust");
    assert_eq!(tests.len(), 2);
    for test in tests {
        assert!(include_str!("docs.rs").contains(test), "{test}");
    }
}

#[tokio::test]
async fn the_configurations_on_the_page_work() {
    let configurations = blocks("yaml");
    assert_eq!(configurations.len(), 11, "the reference and the cookbook's ten");
    for yaml in configurations {
        let config = SimConfig::from_yaml(yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
        if let Err(error) = Simulator::builder().config(config).tls().start().await {
            panic!("{error}\n{yaml}");
        }
    }
}

#[test]
fn every_effect_and_field_is_on_the_page() {
    let names = [
        names::<Effect>(r#"{"effect": "?"}"#),
        names::<SimConfig>(r#"{"?": 0}"#),
        names::<Model>(r#"{"?": 0}"#),
        names::<Latency>(r#"{"?": 0}"#),
        names::<Rule>(r#"{"?": 0}"#),
        names::<When>(r#"{"?": 0}"#),
        names::<SimConfig>(r#"{"shape": {"?": 0}}"#),
        names::<SimConfig>(r#"{"memory": {"?": 0}}"#),
        names::<SimConfig>(r#"{"freezes": [{"?": 0}]}"#),
    ];
    assert!(names[0].len() > 30, "{:?}", names[0]);
    for name in names.concat() {
        assert!(PAGE.contains(&format!("`{name}`")), "docs/simulator.md does not tell of `{name}`");
    }
}

#[test]
fn every_field_of_an_effect_is_on_the_page() {
    let mut count = 0;
    for effect in names::<Effect>(r#"{"effect": "?"}"#) {
        let row = PAGE.lines().find(|line| line.starts_with(&format!("| `{effect}` |")));
        let row = row.unwrap_or_else(|| panic!("`{effect}` has no row"));
        for field in names_or_none::<Effect>(&format!(r#"{{"effect": "{effect}", "?": 0}}"#)) {
            assert!(row.contains(&format!("`{field}`")), "the row of `{effect}` does not tell of `{field}`");
            count += 1;
        }
    }
    assert!(count > 30, "{count} fields");
}

/// The page's blocks of code in this language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    PAGE.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// What would have been understood in the place of `?`, as the refusal tells.
fn names<T: DeserializeOwned>(wrong: &str) -> Vec<String> {
    let names = names_or_none::<T>(wrong);
    assert!(!names.is_empty(), "{wrong}");
    names
}

fn names_or_none<T: DeserializeOwned>(wrong: &str) -> Vec<String> {
    let Err(error) = serde_json::from_str::<T>(wrong) else { return Vec::new() };
    let error = error.to_string();
    let expected = error.split("expected ").nth(1).unwrap_or_default();
    expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// A client as simple as may be: it asks until it is answered, and waits in between for as long as it is told to.
async fn your_client(url: &str) -> String {
    let body = r#"{"messages":[{"role":"user","content":"tell me"}]}"#;
    let head =
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json";
    let request = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    loop {
        let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        let wait = reply.lines().find_map(|line| line.strip_prefix("retry-after: ")?.parse().ok());
        match wait {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => return reply,
        }
    }
}
