//! What a client sees on the wire: flushing, limits, refusals, cancellation and draining.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod support;

use std::{sync::Arc, time::Duration};

use longshore_server::{AccessToken, Server, ServerOptions};
use support::{Echo, chat, exchange, read_until, request, start};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[tokio::test]
async fn a_unary_answer_has_its_length_and_who_gave_it() {
    let server = start(Echo::new(), |_| {}).await;
    let reply = exchange(server.address, &chat("one two", false)).await;
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    for part in ["content-length: ", "longshore-server: echo", r#""content":"onetwo""#, r#""total_tokens":3"#] {
        assert!(reply.contains(part), "{part} in {reply}");
    }
}

#[tokio::test]
async fn each_event_is_flushed_before_the_next_is_there() {
    let echo = Echo::new();
    let server = start(echo.clone(), |_| {}).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(chat("gated second third", true).as_bytes()).await.unwrap();
    for word in ["gated", "second", "third"] {
        echo.gate.add_permits(1);
        read_until(&mut stream, &format!(r#""content":"{word}""#)).await;
    }
    echo.gate.add_permits(9);
    let end = read_until(&mut stream, "[DONE]").await;
    assert!(end.contains(r#""finish_reason":"stop""#), "{end}");
}

#[tokio::test]
async fn errors_before_and_after_the_first_event() {
    let server = start(Echo::new(), |_| {}).await;
    for stream in [false, true] {
        let reply = exchange(server.address, &chat("refuse", stream)).await;
        assert!(reply.starts_with("HTTP/1.1 404") && reply.contains("there are `tiny`"), "{reply}");
    }
    let reply = exchange(server.address, &chat("break", false)).await;
    assert!(reply.starts_with("HTTP/1.1 500") && reply.contains("it broke"), "{reply}");
    let reply = exchange(server.address, &chat("break", true)).await;
    assert!(reply.starts_with("HTTP/1.1 200") && reply.contains(r#"data: {"error":"#), "{reply}");
    assert!(!reply.contains("[DONE]"), "{reply}");
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_call() {
    let echo = Echo::new();
    let server = start(echo.clone(), |_| {}).await;
    for stream in [true, false] {
        let mut client = TcpStream::connect(server.address).await.unwrap();
        client.write_all(chat("gated and more", stream).as_bytes()).await.unwrap();
        echo.running(1).await;
        drop(client);
        echo.running(0).await;
    }
}

#[tokio::test]
async fn limits_refuse_and_name_themselves() {
    let echo = Echo::new();
    let server = start(echo.clone(), |options| {
        options.limits.request_bytes = 1000;
        options.limits.header_bytes = 8 << 10;
        options.limits.concurrent_requests = 1;
    })
    .await;
    let reply = exchange(server.address, &chat(&"x".repeat(1000), false)).await;
    assert!(reply.starts_with("HTTP/1.1 413") && reply.contains("1000 bytes"), "{reply}");
    let chunked = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let reply = exchange(server.address, &format!("{chunked}800\r\n{}\r\n0\r\n\r\n", "x".repeat(0x800))).await;
    assert!(reply.starts_with("HTTP/1.1 413"), "{reply}");
    let headers = format!("x-long: {}\r\n", "y".repeat(9 << 10));
    let reply = exchange(server.address, &request("GET /v1/models", &headers, "")).await;
    assert!(reply.starts_with("HTTP/1.1 431"), "{reply}");

    let mut busy = TcpStream::connect(server.address).await.unwrap();
    busy.write_all(chat("gated", true).as_bytes()).await.unwrap();
    echo.running(1).await;
    let reply = exchange(server.address, &request("GET /v1/models", "", "")).await;
    assert!(reply.starts_with("HTTP/1.1 429") && reply.contains("retry-after: 1"), "{reply}");
    drop(busy);
    echo.running(0).await;
}

#[tokio::test]
async fn strangers_are_refused_in_words_they_understand() {
    let server = start(Echo::new(), |options| options.token = Some(AccessToken::new("s3cret"))).await;
    let authorised = "authorization: Bearer s3cret\r\n";
    let check = async |line: &str, headers: String, status: &str, part: &str| {
        let reply = exchange(server.address, &request(line, &headers, "")).await;
        assert!(reply.starts_with(&format!("HTTP/1.1 {status}")) && reply.contains(part), "{line} {headers}: {reply}");
    };
    check("GET /v1/models", String::new(), "401", "wants a token").await;
    check("GET /v1/models", "x-api-key: other\r\n".into(), "401", "wrong").await;
    check("GET /v1/models", authorised.into(), "200", "tiny").await;
    check("POST /v1/embeddings", format!("{authorised}content-type: text/plain\r\n"), "415", "application/json").await;
    check("POST /v1/embeddings", format!("{authorised}origin: https://evil.example\r\n"), "403", "evil").await;
    check("GET /nowhere", authorised.into(), "404", "GET /nowhere").await;
    check("DELETE /v1/models", authorised.into(), "404", "DELETE").await;
    check("GET /livez", authorised.into(), "200", "ok").await;
    check("GET /readyz", authorised.into(), "200", "ok").await;
    let evil = "GET /v1/models HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
    let reply = exchange(server.address, evil).await;
    assert!(reply.starts_with("HTTP/1.1 403"), "{reply}");
}

#[tokio::test]
async fn draining_finishes_what_runs_and_takes_nothing_new() {
    let echo = Echo::new();
    let mut server = start(echo.clone(), |_| {}).await;
    let mut client = TcpStream::connect(server.address).await.unwrap();
    client.write_all(chat("gated words", true).as_bytes()).await.unwrap();
    echo.running(1).await;
    server.stop.take().unwrap().send(()).unwrap();
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    echo.gate.add_permits(9);
    let mut rest = String::new();
    client.read_to_string(&mut rest).await.unwrap();
    assert!(rest.contains("[DONE]"), "{rest}");
    assert!(server.end.await.unwrap(), "everything had finished");
}

#[tokio::test]
async fn draining_has_an_end() {
    let echo = Echo::new();
    let mut server = start(echo.clone(), |options| options.limits.drain_timeout = Duration::from_millis(50)).await;
    let mut client = TcpStream::connect(server.address).await.unwrap();
    client.write_all(chat("gated for ever", true).as_bytes()).await.unwrap();
    echo.running(1).await;
    server.stop.take().unwrap().send(()).unwrap();
    assert!(!server.end.await.unwrap(), "it was broken off");
    echo.running(0).await;
}

#[tokio::test]
async fn an_address_that_others_reach_needs_a_token() {
    let mut options = ServerOptions::new("0.0.0.0:0".parse().unwrap());
    let error = Server::bind(options.clone()).await.unwrap_err();
    assert!(error.to_string().contains("no token is set"), "{error}");
    options.token = Some(AccessToken::new("s3cret"));
    assert!(Server::bind(options).await.unwrap().url().starts_with("http://localhost:"));
}

#[tokio::test]
async fn the_error_names_an_address_that_is_taken() {
    let server = start(Echo::new(), |_| {}).await;
    let error = Server::bind(ServerOptions::new(server.address)).await.unwrap_err();
    assert!(error.to_string().contains(&server.address.to_string()), "{error}");
}

#[tokio::test]
async fn http2_without_tls_streams_too() {
    let server = start(Echo::new(), |_| {}).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(
        hyper_util::rt::TokioExecutor::new(),
        hyper_util::rt::TokioIo::new(stream),
    )
    .await
    .unwrap();
    tokio::spawn(connection);
    let text = http2_chat(&mut sender).await;
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
}

async fn http2_chat(sender: &mut hyper::client::conn::http2::SendRequest<String>) -> String {
    let body = r#"{"model":"tiny","messages":[{"role":"user","content":"a b"}],"stream":true}"#;
    let request = http::Request::post("https://localhost/v1/chat/completions").body(body.to_owned()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.version(), http::Version::HTTP_2);
    let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn tls_offers_http2() {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = certified.cert.pem().into_bytes();
    let key = certified.signing_key.serialize_pem().into_bytes();
    let server = start(Echo::new(), |options| {
        options.tls = Some(longshore_server::TlsIdentity { certificates: certificate, key });
    })
    .await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certified.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(server.address).await.unwrap();
    let name = rustls_pki_types::ServerName::try_from("localhost").unwrap();
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) = hyper::client::conn::http2::handshake(
        hyper_util::rt::TokioExecutor::new(),
        hyper_util::rt::TokioIo::new(stream),
    )
    .await
    .unwrap();
    tokio::spawn(connection);
    assert!(http2_chat(&mut sender).await.contains("[DONE]"));
}

#[tokio::test]
async fn an_identity_that_cannot_be_used_is_refused_at_once() {
    let mut options = ServerOptions::new("127.0.0.1:0".parse().unwrap());
    options.tls = Some(longshore_server::TlsIdentity { certificates: b"nonsense".to_vec(), key: Vec::new() });
    let error = Server::bind(options).await.unwrap_err();
    assert!(error.to_string().contains("TLS"), "{error}");
}
