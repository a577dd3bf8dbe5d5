//! Each phase has its limit, and a call that is dropped is given up upstream.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use longshore_client::{Fleet, Timeouts};
use longshore_core::{Backend, ErrorKind, Sent};

use crate::support::{End, HttpServer, Script, ask, chat, config, ledger, openai, rest, until};

const SHORT: Duration = Duration::from_millis(80);

fn limited(server: &HttpServer, limit: impl Fn(&mut Timeouts)) -> Fleet {
    let mut config = config(vec![rest("a", server.url())]);
    config.retry.max_attempts = 1;
    limit(&mut config.timeouts);
    Fleet::builder(config).build().unwrap()
}

async fn server(script: impl Fn() -> Script + Send + Sync + 'static) -> HttpServer {
    HttpServer::start(openai(&["m"], move |_| script())).await
}

#[tokio::test]
async fn headers_have_a_limit() {
    let server = server(|| Script::Hang).await;
    let error = ask(&limited(&server, |t| t.headers = SHORT), chat("a/m")).await.unwrap_err();
    assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Timeout, Sent::Maybe));
    assert!(error.message().contains("headers timeout"), "{error}");
    until("the request is given up", || server.given_up() == 1).await;
}

#[tokio::test]
async fn the_first_token_has_a_limit() {
    let server = server(|| Script::chat(&[], End::Stall)).await;
    let error = ask(&limited(&server, |t| t.first_token = SHORT), chat("m")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.message().contains("first token timeout"), "{error}");
    until("the request is given up", || server.given_up() == 1).await;
}

#[tokio::test]
async fn silence_between_tokens_has_a_limit() {
    let server = server(|| Script::chat(&["to", "kens"], End::Stall)).await;
    let error = ask(&limited(&server, |t| t.idle = SHORT), chat("m")).await.unwrap_err();
    assert_eq!((error.kind(), error.partial_text()), (ErrorKind::Interrupted, Some("tokens")));
    assert!(error.message().contains("idle timeout"), "{error}");
    until("the request is given up", || server.given_up() == 1).await;
}

#[tokio::test]
async fn the_whole_call_has_a_limit() {
    let server = server(|| Script::Hang).await;
    let error = ask(&limited(&server, |t| t.total = SHORT), chat("m")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.message().contains("deadline of the whole call"), "{error}");
    assert_eq!(ledger(error.ledger()), ["a rest timeout"]);
    until("the request is given up", || server.given_up() == 1).await;
}

#[tokio::test]
async fn the_callers_deadline_goes_before_ours() {
    let server = server(|| Script::chat(&["begun"], End::Stall)).await;
    let call = chat("m").deadline(Instant::now() + SHORT);
    let error = ask(&limited(&server, |_| {}), call).await.unwrap_err();
    assert_eq!((error.kind(), error.partial_text()), (ErrorKind::Interrupted, Some("begun")));
    assert!(error.message().contains("deadline"), "{error}");
}

#[tokio::test]
async fn one_deadline_holds_over_all_attempts() {
    let (a, b) = (server(|| Script::Hang).await, server(|| Script::Hang).await);
    let mut config = config(vec![rest("a", a.url()), rest("b", b.url())]);
    config.timeouts.total = SHORT;
    let error = ask(&Fleet::builder(config).build().unwrap(), chat("m")).await.unwrap_err();
    // The first attempt has used up what there was.
    assert_eq!(ledger(error.ledger()), ["a rest timeout"]);
    assert!(b.seen("/v1/chat/completions").is_empty());
}

#[tokio::test]
async fn a_slow_head_fails_over() {
    let slow = server(|| Script::Hang).await;
    let good = server(|| Script::chat(&["fine"], End::Clean)).await;
    let mut config = config(vec![rest("a", slow.url()), rest("b", good.url())]);
    config.timeouts.headers = Duration::from_millis(500);
    let answer = ask(&Fleet::builder(config).build().unwrap(), chat("m")).await.unwrap();
    assert_eq!(ledger(&answer.ledger), ["a rest timeout", "b rest committed"]);
}

#[tokio::test]
async fn dropping_the_events_gives_the_request_up() {
    let server = server(|| Script::chat(&["begun"], End::Stall)).await;
    let fleet = limited(&server, |_| {});
    let mut reply = fleet.call(chat("m")).await.unwrap();
    assert!(reply.events.next().await.unwrap().is_ok());
    assert_eq!(server.given_up(), 0);
    drop(reply);
    until("the stream is given up", || server.given_up() == 1).await;
}

#[tokio::test]
async fn dropping_the_call_gives_the_request_up() {
    let server = server(|| Script::Hang).await;
    let fleet = limited(&server, |_| {});
    {
        let mut call = std::pin::pin!(fleet.call(chat("m")));
        tokio::select! {
            _ = &mut call => panic!("nothing answers"),
            () = until("it has arrived", || !server.seen("/v1/chat/completions").is_empty()) => {}
        }
    }
    until("the request is given up", || server.given_up() == 1).await;
}

#[tokio::test]
async fn a_black_hole_has_the_connect_limit() {
    // A listener whose queue is full answers no connection.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut filling = Vec::new();
    loop {
        let connect = tokio::net::TcpStream::connect(address);
        match tokio::time::timeout(Duration::from_millis(300), connect).await {
            Ok(Ok(stream)) => filling.push(stream),
            _ => break,
        }
        assert!(filling.len() < 1000, "this system's queue is never full");
    }
    let mut config = config(vec![rest("a", format!("http://{address}"))]);
    config.timeouts.connect = SHORT;
    let error = ask(&Fleet::builder(config).build().unwrap(), chat("a/m")).await.unwrap_err();
    assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Timeout, Sent::No));
    assert!(error.message().contains("connect timeout"), "{error}");
}
