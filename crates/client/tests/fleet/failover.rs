//! Which way a call takes when one fails, and what the ledger says about it.

use longshore_client::{Retry, ServerConfig};
use longshore_core::{ErrorKind, Protocol, Sent};

use crate::support::{
    End, HttpServer, RawServer, Script, ask, both, chat, config, fleet, ledger, local, once, openai, protocol_of,
    refused, rest, tiny,
};

const OK: &[&str] = &["fine"];

async fn good() -> HttpServer {
    HttpServer::start(openai(&["m"], |_| Script::chat(OK, End::Clean))).await
}

/// An OpenAI server whose chats fail so.
async fn failing(status: u16, body: &'static str) -> HttpServer {
    HttpServer::start(openai(&["m"], move |_| Script::json(status, body))).await
}

/// Asks the first server, then a good one.
async fn check(first: &HttpServer, replayable: bool, expected: &[&str]) {
    let second = good().await;
    let fleet = fleet(vec![rest("a", first.url()), rest("b", second.url())]);
    let call = if replayable { chat("m") } else { once(chat("m")) };
    let found = match ask(&fleet, call).await {
        Ok(answer) => {
            assert_eq!(answer.text(), "fine");
            ledger(&answer.ledger)
        }
        Err(error) => ledger(error.ledger()),
    };
    assert_eq!(found, expected);
}

#[tokio::test]
async fn each_status_goes_on_or_stops() {
    let both = |kind: &str| vec![format!("a rest {kind}"), "b rest committed".to_owned()];
    for (status, kind, on, on_once) in [
        (500, "server", true, false),
        (502, "server", true, false),
        (503, "overloaded", true, true),
        (429, "overloaded", true, true),
        (401, "unauthenticated", true, true),
        (404, "unknown_model", true, true),
        (501, "unsupported", true, true),
        (400, "invalid_request", false, false),
        (422, "invalid_request", false, false),
    ] {
        let server = failing(status, "{\"error\":{\"message\":\"no\",\"type\":\"x\"}}").await;
        for (replayable, on) in [(true, on), (false, on_once)] {
            let mut expected = both(kind);
            expected.truncate(if on { 2 } else { 1 });
            let expected: Vec<_> = expected.iter().map(String::as_str).collect();
            check(&server, replayable, &expected).await;
        }
    }
}

#[tokio::test]
async fn a_broken_stream_goes_on_only_before_content() {
    let server = HttpServer::start(openai(&["m"], |_| Script::chat(&[], End::Cut))).await;
    check(&server, true, &["a rest interrupted", "b rest committed"]).await;
    check(&server, false, &["a rest interrupted"]).await;

    let server = HttpServer::start(openai(&["m"], |_| Script::chat(&["Once", " upon"], End::Cut))).await;
    let second = good().await;
    let fleet = fleet(vec![rest("a", server.url()), rest("b", second.url())]);
    let error = ask(&fleet, chat("m")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert_eq!(error.partial_text(), Some("Once upon"));
    assert!(error.to_string().contains("[server a, endpoint http://localhost:"), "{error}");
    assert!(second.seen("/v1/chat/completions").is_empty());
}

#[tokio::test]
async fn no_connection_is_always_free_to_try_elsewhere() {
    let second = good().await;
    let fleet = fleet(vec![rest("a", refused().await), rest("b", second.url())]);
    // The dead server's list is not known, so the other comes first; asked for by name, it is all there is.
    let answer = ask(&fleet, once(chat("m"))).await.unwrap();
    assert_eq!(ledger(&answer.ledger), ["a rest connect", "b rest committed"]);
    let error = ask(&fleet, chat("a/m")).await.unwrap_err();
    assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Connect, Sent::No));
    assert_eq!(ledger(error.ledger()), ["a rest connect"; 4]);
    assert!(error.message().contains("connection refused"), "{error}");
}

#[tokio::test]
async fn the_other_protocol_comes_before_the_other_server() {
    let grpc = HttpServer::start(tiny(&["m"], "by grpc")).await;
    let other = good().await;
    let fleet = fleet(vec![both("a", refused().await, grpc.url()), rest("b", other.url())]);
    let answer = ask(&fleet, once(chat("m"))).await.unwrap();
    assert_eq!((answer.text(), protocol_of(&answer)), ("by grpc", Protocol::Grpc));
    assert_eq!(ledger(&answer.ledger), ["a rest connect", "a grpc committed"]);
}

#[tokio::test]
async fn the_preferred_protocol_comes_first() {
    let (rest_at, grpc_at) = (good().await, HttpServer::start(tiny(&["m"], "by grpc")).await);
    let mut server = both("a", rest_at.url(), grpc_at.url());
    for (prefer, text) in [(None, "fine"), (Some(Protocol::Rest), "fine"), (Some(Protocol::Grpc), "by grpc")] {
        server.prefer = prefer;
        let answer = ask(&fleet(vec![server.clone()]), chat("m")).await.unwrap();
        assert_eq!((answer.text(), answer.ledger.len()), (text, 1));
    }
}

#[tokio::test]
async fn a_servers_own_fault_is_not_asked_for_over_its_other_protocol() {
    let rest_at = failing(500, "{}").await;
    let grpc_at = HttpServer::start(tiny(&["m"], "by grpc")).await;
    let other = good().await;
    let fleet = fleet(vec![both("a", rest_at.url(), grpc_at.url()), rest("b", other.url())]);
    let answer = ask(&fleet, chat("m")).await.unwrap();
    assert_eq!(ledger(&answer.ledger), ["a rest server", "b rest committed"]);
}

#[tokio::test]
async fn a_reset_before_an_answer_is_resent_only_if_replayable() {
    let broken = RawServer::start(|_| None).await;
    let other = good().await;
    // Named dialects are asked who is there as well, so the server is asked by name to see it alone.
    let fleet = fleet(vec![rest("a", broken.url()), rest("b", other.url())]);
    let error = ask(&fleet, chat("a/m")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.message().contains("reset the connection"), "{error}");
}

#[tokio::test]
async fn when_all_fail_the_error_names_each() {
    let (a, b) = (failing(500, "{\"error\":{\"message\":\"out of memory\"}}").await, failing(503, "{}").await);
    let mut config = config(vec![rest("a", a.url()), rest("b", b.url())]);
    config.retry.max_attempts = 2;
    let fleet = longshore_client::Fleet::builder(config).build().unwrap();
    let error = ask(&fleet, chat("m")).await.unwrap_err();
    assert_eq!(ledger(error.ledger()), ["a rest server", "b rest overloaded"]);
    assert_eq!(error.headline(), "all 2 attempts failed");
    assert_eq!(error.kind(), ErrorKind::Server);
    let start =
        format!("all 2 attempts failed: `a` over rest at {}: out of memory; `b` over rest at {}: ", a.url(), b.url());
    assert!(error.message().starts_with(&start), "{error}");
}

#[tokio::test]
async fn there_are_at_most_so_many_attempts() {
    let mut servers = Vec::new();
    for i in 0..4 {
        servers.push((format!("s{i}"), failing(500, "{}").await));
    }
    let mut config = config(servers.iter().map(|(name, server)| rest(name, server.url())).collect());
    config.retry = Retry { max_attempts: 3, ..Retry::default() };
    let fleet = longshore_client::Fleet::builder(config).build().unwrap();
    let error = ask(&fleet, chat("m")).await.unwrap_err();
    assert_eq!(ledger(error.ledger()), ["s0 rest server", "s1 rest server", "s2 rest server"]);
}

#[tokio::test]
async fn a_backend_of_this_process_is_the_last_resort() {
    let broken = failing(500, "{}").await;
    let fleet = crate::support::builder(vec![rest("a", broken.url())]).backend("built-in", local("here", &["m"]));
    let answer = ask(&fleet.build().unwrap(), chat("m")).await.unwrap();
    assert_eq!(answer.text(), "here");
    assert_eq!(ledger(&answer.ledger), ["a rest server", "built-in in_process committed"]);
    assert_eq!(&*answer.route.unwrap().server, "built-in");
}

#[tokio::test]
async fn an_operation_that_nobody_has_words_for_is_no_attempt() {
    let server = good().await;
    let fleet = fleet(vec![rest("a", server.url())]);
    let call = longshore_core::Call::new(longshore_core::Op::ModelConfig { version: None }).model("m");
    let error = ask(&fleet, call).await.unwrap_err();
    assert_eq!((error.kind(), error.ledger().len()), (ErrorKind::Unsupported, 0));
    assert!(error.message().contains("`a` over rest"), "{error}");
}

#[test]
fn what_does_not_fit_is_told_all_at_once() {
    let servers = vec![
        ServerConfig { rest: Some("ftp://x".into()), ..ServerConfig::new("a") },
        ServerConfig { prefer: Some(Protocol::Grpc), ..rest("A", "http://me:secret@x") },
        ServerConfig::new("c/d"),
    ];
    let error = longshore_client::Fleet::builder(config(servers)).build().err().unwrap();
    for part in [
        "neither http nor https",
        "holds a user",
        "no address",
        "two servers are called `A`",
        "no slash",
        "neither a REST",
    ] {
        assert!(error.message().contains(part), "{part}: {error}");
    }
    assert!(!error.to_string().contains("secret"), "{error}");
}
