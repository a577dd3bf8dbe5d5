//! What goes over the wire, and what is accepted from it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures_util::StreamExt;
use longshore_client::{EndMark, Fleet, Limits, Secret, ServerConfig};
use longshore_core::{Backend, ErrorKind, EventKind, Finish};
use longshore_sim::{Effect, Model, Rule, Simulator, When};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

use crate::support::{
    End, HttpServer, RawServer, Script, ask, chat, config, fleet, grpc, ledger, once, openai, rest, speaking, tiny,
    until,
};

const CHAT: &str = "/v1/chat/completions";

#[tokio::test]
async fn a_connection_serves_many_calls() {
    let server = HttpServer::start(openai(&["m"], |_| Script::chat(&["one", "two"], End::Clean))).await;
    let fleet = fleet(vec![rest("a", server.url())]);
    for _ in 0..20 {
        assert_eq!(ask(&fleet, chat("m")).await.unwrap().text(), "onetwo");
    }
    assert_eq!(server.seen(CHAT).len(), 20);
    // A call that follows at once may find the connection not yet given back, and then there are two.
    assert!(server.accepted() <= 2, "{}", server.accepted());
}

#[tokio::test]
async fn an_answer_that_is_left_after_its_end_mark_leaves_a_connection() {
    let server = HttpServer::start(openai(&["m"], |_| Script::chat(&["text"], End::Clean))).await;
    let fleet = fleet(vec![rest("a", server.url())]);
    for _ in 0..20 {
        let mut reply = fleet.call(chat("m")).await.unwrap();
        loop {
            let event = reply.events.next().await.unwrap().unwrap();
            if let EventKind::Done(_) = event.kind {
                break;
            }
        }
    }
    // The end is told when the connection has been given back; only an end that the server sends late is not waited for.
    assert!(server.accepted() < 10, "{}", server.accepted());
}

#[tokio::test]
async fn what_makes_no_sense_is_named_by_its_byte() {
    let chunk = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"text\"}}]}\n\n";
    let check = async |before: &[&str], kind: ErrorKind| {
        let frames: Vec<String> = before.iter().chain(&["data: {oops\n\n"]).map(|&frame| frame.to_owned()).collect();
        let server = HttpServer::start(openai(&["m"], move |_| Script::Stream(frames.clone(), End::Clean))).await;
        let error = ask(&fleet(vec![rest("a", server.url())]), once(chat("m"))).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        let at = before.concat().len().to_string();
        assert!(error.facts().contains(&("byte", at)), "{error}");
    };
    check(&[": ping\n\n"], ErrorKind::Protocol).await;
    check(&[chunk, ": ping\n\n", chunk], ErrorKind::Interrupted).await;
}

#[tokio::test]
async fn calls_over_grpc_share_one_connection_and_end_with_trailers() {
    let server = HttpServer::start(tiny(&["m"], "by grpc")).await;
    let fleet = fleet(vec![grpc("a", server.url())]);
    let answers = futures_util::future::join_all((0..10).map(|_| ask(&fleet, chat("m")))).await;
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().text() == "by grpc"));
    assert_eq!(server.accepted(), 1);
    assert_eq!(server.seen("/tiny/Chat")[0].headers["te"], "trailers");
}

#[tokio::test]
async fn trailers_decide_how_a_grpc_call_ends() {
    for (trailers, kind) in [
        (vec![("grpc-status", "14")], ErrorKind::Overloaded),
        (vec![("grpc-status", "13")], ErrorKind::Server),
        (vec![("other", "1")], ErrorKind::Interrupted),
    ] {
        let server = HttpServer::start(move |_| Script::Grpc(Vec::new(), trailers.clone())).await;
        let error = ask(&fleet(vec![grpc("a", server.url())]), chat("a/m")).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[tokio::test]
async fn the_credential_goes_to_its_server_and_nowhere_else() {
    let elsewhere = HttpServer::start(openai(&["m"], |_| Script::chat(&["stolen"], End::Clean))).await;
    let target = format!("{}{CHAT}", elsewhere.url());
    let moved = target.clone();
    let server = HttpServer::start(openai(&["m"], move |_| Script::Redirect(moved.clone()))).await;
    let secret = "canary-7f3a";
    let signed = ServerConfig { credential: Some(Secret::new(secret)), ..rest("a", server.url()) };
    assert!(!format!("{signed:?}").contains(secret));
    let error = ask(&fleet(vec![signed]), chat("m")).await.unwrap_err();
    assert_eq!((error.kind(), error.http_status()), (ErrorKind::Protocol, Some(307)));
    assert!(error.message().contains(&target), "{error}");
    assert!(!format!("{error:?} {error}").contains(secret));
    assert!(elsewhere.all().is_empty());
    let seen = server.all();
    assert!(seen.iter().all(|seen| seen.headers["authorization"] == format!("Bearer {secret}")));
    let unsigned = fleet(vec![rest("a", elsewhere.url())]);
    ask(&unsigned, chat("m")).await.unwrap();
    assert!(elsewhere.all().iter().all(|seen| !seen.headers.contains_key("authorization")));
}

#[tokio::test]
async fn requests_say_who_asks_and_what_is_understood() {
    let server = HttpServer::start(openai(&["m"], |_| Script::chat(&["x"], End::Clean))).await;
    let base = format!("{}/v1/", server.url());
    ask(&fleet(vec![rest("a", base)]), chat("m")).await.unwrap();
    let seen = server.seen(CHAT).remove(0);
    assert_eq!(seen.headers["accept-encoding"], "identity");
    assert!(seen.headers["user-agent"].to_str().unwrap().starts_with("longshore/"));
}

#[tokio::test]
async fn a_path_of_the_address_stands_before_every_request() {
    let server = HttpServer::start(|_| Script::json(404, "{}")).await;
    let _ = ask(&fleet(vec![rest("a", format!("{}/base/", server.url()))]), chat("m")).await;
    let seen = server.all();
    assert!(!seen.is_empty() && seen.iter().all(|seen| seen.path.starts_with("/base/v1/")), "{seen:?}");
}

#[tokio::test]
async fn one_event_has_a_limit() {
    let huge = "x".repeat(100_000);
    let server = HttpServer::start(openai(&["m"], move |_| Script::chat(&[&huge], End::Clean))).await;
    let mut config = config(vec![rest("a", server.url())]);
    config.limits = Limits { stream_event_bytes: 10_000, ..Limits::default() };
    let error = ask(&Fleet::builder(config).build().unwrap(), chat("m")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.message().contains("10000 bytes"), "{error}");
}

#[tokio::test]
async fn a_whole_reply_has_a_limit() {
    let server = HttpServer::start(|_| Script::json(200, "x".repeat(100_000))).await;
    let mut config = config(vec![rest("a", server.url())]);
    config.limits = Limits { reply_body_bytes: 10_000, ..Limits::default() };
    let fleet = Fleet::builder(config).build().unwrap();
    let error = ask(&fleet, chat("a/m")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

const MODELS: &str = "{\"data\":[{\"id\":\"m\"}]}";

/// A raw server that lists `m` for the questions who it is and which models it has, and then answers so.
async fn raw(reply: impl Fn(usize) -> Option<String> + Send + Sync + 'static) -> RawServer {
    RawServer::start(move |nth| match nth {
        0 | 1 => Some(format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{MODELS}",
            MODELS.len()
        )),
        nth => reply(nth - 2),
    })
    .await
}

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";

#[tokio::test]
async fn broken_http_is_told_apart() {
    let delta = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"}}]}\n\n";
    let chunk = format!("{:x}\r\n{delta}\r\n", delta.len());
    for (bytes, kind, part) in [
        (format!("{HEAD}content-length: 100\r\n\r\n"), ErrorKind::Interrupted, "closed the connection too early"),
        (format!("{HEAD}content-length: 1000\r\n\r\n{delta}"), ErrorKind::Interrupted, "broke off"),
        (format!("{HEAD}transfer-encoding: chunked\r\n\r\nzz\r\n"), ErrorKind::Protocol, "not sound HTTP"),
        (format!("{HEAD}transfer-encoding: chunked\r\n\r\n{chunk}zz\r\n"), ErrorKind::Interrupted, "not sound HTTP"),
        (format!("{HEAD}connection: close\r\n\r\n{delta}"), ErrorKind::Interrupted, "ended without"),
        ("SSH-2.0-OpenSSH\r\n".to_owned(), ErrorKind::Protocol, "not HTTP"),
        (format!("{HEAD}x: {}\r\n\r\n", "y".repeat(900_000)), ErrorKind::TooLarge, "headers are too large"),
        (String::new(), ErrorKind::Connect, "without an answer"),
    ] {
        let server = raw(move |_| Some(bytes.clone())).await;
        let error = ask(&fleet(vec![rest("a", server.url())]), once(chat("m"))).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().contains(part), "{part}: {error}");
    }
}

/// The same server, whose streams need no end mark.
fn unmarked(server: ServerConfig) -> ServerConfig {
    ServerConfig { end_mark: EndMark::Optional, ..server }
}

#[tokio::test]
async fn an_end_mark_can_be_optional() {
    for dialect in ["openai", "native", "ollama"] {
        let cut = Rule::new(Effect::EndWithoutMark { after_tokens: Some(3) })
            .when(When { op: Some("chat".into()), ..When::default() });
        let sim = Simulator::builder().model(Model::chat("m")).rule(cut).start().await.unwrap();
        let server = || speaking("a", dialect, &sim);
        let error = ask(&fleet(vec![server()]), chat("m")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted, "{dialect}: {error}");
        let answer = ask(&fleet(vec![unmarked(server())]), chat("m")).await.unwrap();
        assert!(!answer.text().is_empty());
        assert_eq!(Some(answer.text()), error.partial_text(), "{dialect}");
        assert_eq!(answer.finish.as_ref().map(Finish::as_str), Some("no_end_mark"), "{dialect}");
        assert_eq!(answer.usage, None, "{dialect}");
        assert_eq!(ledger(&answer.ledger), ["a rest committed"], "{dialect}");
    }
}

#[tokio::test]
async fn what_has_broken_off_is_not_whole_without_an_end_mark_either() {
    let delta = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"}}]}\n\n";
    let chunks = |body: &str| format!("{HEAD}transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n", body.len());
    let clean = |body: &str| chunks(body) + "0\r\n\r\n";
    let failed = "data: {\"error\":{\"message\":\"the model fell over\"}}\n\n";
    for (bytes, part) in [
        (clean("data: {\"choices\":[{\"index\":0,\"delta\":{}}]}\n\n"), "without a finish reason"),
        (clean(&format!("{delta}data: {{\"cho")), "without a finish reason"),
        (clean(&format!("{delta}proxy error: Failed to read connection")), "without a finish reason"),
        (clean(&format!("{delta}{failed}")), "fell over"),
        (chunks(delta), "broke off"),
        // Where the connection's end is the body's, nobody can tell whether it broke.
        (format!("{HEAD}connection: close\r\n\r\n{delta}"), "without a finish reason"),
    ] {
        let server = raw(move |_| Some(bytes.clone())).await;
        let error = ask(&fleet(vec![unmarked(rest("a", server.url()))]), once(chat("m"))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted, "{part}: {error}");
        assert!(error.message().contains(part), "{part}: {error}");
    }
}

#[tokio::test]
async fn a_reset_after_sending_is_no_second_request() {
    let server = raw(|_| None).await;
    let fleet = fleet(vec![rest("a", server.url())]);
    let error = ask(&fleet, once(chat("m"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert_eq!(ledger(error.ledger()), ["a rest connect"]);
    assert_eq!(server.requests(), 3);
}

/// A server that keeps its connections, and closes one without a word when a chat comes over it while `close` is set.
async fn closing(close: Arc<AtomicBool>) -> (String, AbortOnDrop) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        loop {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            let close = Arc::clone(&close);
            tokio::spawn(async move {
                let mut answered = false;
                loop {
                    let mut bytes = vec![0; 65536];
                    let read = stream.read(&mut bytes).await.unwrap_or(0);
                    let is_chat = bytes.starts_with(b"POST");
                    if read == 0 || (is_chat && answered && close.swap(false, Ordering::SeqCst)) {
                        return;
                    }
                    answered = true;
                    let chat =
                        "{\"choices\":[{\"index\":0,\"message\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}";
                    let body = if is_chat { chat } else { MODELS };
                    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length:";
                    stream.write_all(format!("{head} {}\r\n\r\n{body}", body.len()).as_bytes()).await.unwrap();
                }
            });
        }
    });
    (url, AbortOnDrop(task))
}

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[tokio::test]
async fn a_kept_connection_that_closes_is_made_good_once() {
    let close = Arc::new(AtomicBool::new(false));
    let (url, _server) = closing(Arc::clone(&close)).await;
    let fleet = fleet(vec![rest("a", url)]);
    assert_eq!(ledger(&ask(&fleet, chat("m")).await.unwrap().ledger), ["a rest committed"]);
    close.store(true, Ordering::SeqCst);
    // The second attempt is told, not hidden.
    let answer = ask(&fleet, chat("m")).await.unwrap();
    assert_eq!(ledger(&answer.ledger), ["a rest connect", "a rest committed"]);
    // What must not be sent twice is not: the server may have begun before it closed.
    close.store(true, Ordering::SeqCst);
    let error = ask(&fleet, once(chat("m"))).await.unwrap_err();
    assert_eq!(ledger(error.ledger()), ["a rest connect"]);
}

#[tokio::test]
async fn a_stalled_answer_does_not_hold_the_next() {
    let server = HttpServer::start(openai(&["m"], |seen| match seen.nth {
        0 => Script::chat(&["slow"], End::Stall),
        _ => Script::chat(&["quick"], End::Clean),
    }))
    .await;
    let fleet = fleet(vec![rest("a", server.url())]);
    let stalled = fleet.call(chat("m")).await.unwrap();
    assert_eq!(ask(&fleet, chat("m")).await.unwrap().text(), "quick");
    assert_eq!(server.accepted(), 2);
    drop(stalled);
    until("the stalled one is given up", || server.given_up() == 1).await;
}

/// A server of the test dialect that refuses the first chat unread, as RFC 9113 section 8.7 has it.
async fn refusing_once() -> (String, AbortOnDrop) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let refused = Arc::new(AtomicBool::new(false));
    let task = tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { return };
            let refused = Arc::clone(&refused);
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    let is_chat = request.uri().path() == "/tiny/Chat";
                    if is_chat && !refused.swap(true, Ordering::SeqCst) {
                        respond.send_reset(h2::Reason::REFUSED_STREAM);
                        continue;
                    }
                    let mut body = bytes::BytesMut::new();
                    let message: &[u8] = if is_chat { b"{\"text\":\"hi\"}" } else { b"{\"models\":[\"m\"]}" };
                    longshore_core::framing::put_message(message, &mut body);
                    let head = http::Response::builder().header("content-type", "application/grpc").body(()).unwrap();
                    let mut stream = respond.send_response(head, false).unwrap();
                    stream.send_data(body.freeze(), false).unwrap();
                    let status =
                        [("grpc-status", "0")].map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
                    stream.send_trailers(status.into_iter().collect()).unwrap();
                }
            });
        }
    });
    (url, AbortOnDrop(task))
}

#[tokio::test]
async fn a_refused_stream_is_free_to_be_sent_again() {
    let (url, _server) = refusing_once().await;
    let answer = ask(&fleet(vec![grpc("a", url)]), once(chat("m"))).await.unwrap();
    assert_eq!(answer.text(), "hi");
    assert_eq!(ledger(&answer.ledger), ["a grpc connect", "a grpc committed"]);
}
