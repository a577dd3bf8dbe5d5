//! Recording a server and playing it again: the same bytes in the same pieces, at the same pace, and no secrets.

#![expect(clippy::unwrap_used, reason = "a helper fails the test it serves")]

#[expect(dead_code, reason = "this file needs a part of it")]
mod support;

use std::{
    fs, io,
    net::SocketAddr,
    path::PathBuf,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use longshore_sim::{
    Distribution, Effect, Latency, Rule,
    cassette::{CassetteNote, Deck, Outcome, Record, Replay},
};
use serde_json::Value;
use support::{Seen, builder, chat, exchange, post, read_until};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::broadcast,
};

/// A place for a cassette.
struct Shelf {
    folder: TempDir,
}

impl Shelf {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("cassette.ndjson")
    }

    async fn record(&self, upstream: &str) -> Deck {
        Record::new(upstream, self.file()).start().await.unwrap()
    }

    async fn replay(&self) -> Deck {
        Replay::new(self.file()).speed(0.0).start().await.unwrap()
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }

    fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// The next thing that a deck tells.
async fn next(notes: &mut broadcast::Receiver<CassetteNote>) -> CassetteNote {
    notes.recv().await.unwrap()
}

/// Answers each connection with these bytes once its request has come, and closes it.
async fn answering(reply: impl Into<Vec<u8>>) -> String {
    let (listener, reply) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), reply.into());
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let reply = reply.clone();
            tokio::spawn(async move {
                read_until(&mut stream, |seen| seen.text().contains("\r\n\r\n")).await;
                stream.write_all(&reply).await.unwrap();
                stream.shutdown().await.unwrap();
                let _ = stream.read_to_end(&mut Vec::new()).await;
            });
        }
    });
    url
}

#[tokio::test]
async fn a_stream_is_played_as_it_was() {
    let paced = |ms| Distribution::Fixed(Duration::from_millis(ms));
    let latency = Latency { ttft: paced(60), itl: paced(30), ..Latency::default() };
    let (simulator, shelf) = (builder().latency(latency).start().await.unwrap(), Shelf::new());
    let recorder = shelf.record(&simulator.url()).await;
    let direct = exchange(simulator.address(), &chat(true)).await;
    let recorded = exchange(recorder.address(), &chat(true)).await;
    assert_eq!(recorded.chunks().0.len(), direct.chunks().0.len());
    recorder.stop().await;

    let lines = shelf.lines();
    let at: Vec<_> =
        lines[0]["chunks"].as_array().unwrap().iter().map(|chunk| chunk["at_ms"].as_f64().unwrap()).collect();
    assert!(at.is_sorted() && at[0] < lines[0]["end_ms"].as_f64().unwrap(), "{at:?}");
    let length = at[at.len() - 1];
    assert!(length >= 60.0 + 3.0 * 30.0 - 1.0, "{at:?}");

    for speed in [0.0, 1.0, 2.0] {
        let player = Replay::new(shelf.file()).speed(speed).start().await.unwrap();
        let begun = Instant::now();
        let played = exchange(player.address(), &chat(true)).await;
        let took = begun.elapsed().as_secs_f64() * 1e3;
        assert_eq!(played.chunks(), recorded.chunks(), "at speed {speed}");
        if speed > 0.0 {
            assert!(took >= length / speed, "{took} ms at speed {speed}, of {length}");
        }
    }
}

#[tokio::test]
async fn each_request_gets_its_own_reply() {
    let (simulator, shelf) = (builder().start().await.unwrap(), Shelf::new());
    let ask = |body: &str| post("/v1/chat/completions?x=1", "connection: close\r\n", body);
    let body = |text: &str| format!(r#"{{"model":"a","messages":[{{"role":"user","content":"{text}"}}]}}"#);
    let recorder = shelf.record(&simulator.url()).await;
    let mut replies = Vec::new();
    for text in ["one", "two", "one"] {
        replies.push(exchange(recorder.address(), &ask(&body(text))).await.body_text());
    }
    let models = exchange(recorder.address(), "GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    recorder.stop().await;
    assert_eq!(shelf.lines().len(), 4);

    let player = shelf.replay().await;
    let mut notes = player.follow();
    let mut check = async |request: String, expected: &str, detail: Option<&str>| {
        let seen = exchange(player.address(), &request).await;
        assert_eq!(seen.body_text(), expected, "{request}");
        let note = next(&mut notes).await;
        assert_eq!((note.outcome, note.detail.as_deref()), (Outcome::Replayed, detail), "{request}");
    };
    let reordered = r#"{ "messages": [{"content":"two", "role":"user"}], "model": "a" }"#;
    check(ask(reordered), &replies[1], None).await;
    check(ask(&body("one")), &replies[0], None).await;
    check(ask(&body("one")), &replies[2], None).await;
    check(ask(&body("one")), &replies[0], None).await;
    for reply in [&replies[0], &replies[1], &replies[2], &replies[0]] {
        check(ask(&body("another")), reply, Some("with another body")).await;
    }
    let list = |target: &str| format!("GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    check(list("/v1/models"), &models.body_text(), None).await;
    check(list("/v1/models?y"), &models.body_text(), Some("with another query and body")).await;

    for (request, missing) in
        [(list("/v2"), "GET /v2 "), (post("/v1/models", "connection: close\r\n", ""), "POST /v1/models")]
    {
        let seen = exchange(player.address(), &request).await;
        assert!(seen.head().starts_with("http/1.1 404"), "{}", seen.text());
        let text = seen.body_text();
        let all = [missing, "not on this cassette", "GET /v1/models, POST /v1/chat/completions"];
        assert!(all.iter().all(|part| text.contains(part)), "{text}");
        assert_eq!(next(&mut notes).await.outcome, Outcome::Unknown);
    }
}

#[tokio::test]
async fn secrets_stay_off_the_cassette() {
    let reply = r#"{"echo":"canary-bearer/1","also":"in canary-cookie text","access_token":"canary-minted","n":"k"}"#;
    // The last one is cut by the border between two chunks.
    let (first, second) = reply.split_at(reply.find("-minted").unwrap());
    let chunks: String = [first, second, ""].iter().map(|part| format!("{:x}\r\n{part}\r\n", part.len())).collect();
    let upstream = answering(format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nset-cookie: sid=canary-set; Path=/\r\nx-echo: got canary-key\r\n\
         transfer-encoding: chunked\r\n\r\n{chunks}"
    ))
    .await;
    let shelf = Shelf::new();
    let recorder = shelf.record(&upstream).await;
    let request = post(
        "/v1/canary-bearer%2F1?api_key=canary-query&a=canary-bearer%2F1",
        "authorization: Bearer canary-bearer/1\r\nx-api-key: canary-key\r\ncookie: a=canary-cookie; b=k\r\n\
         proxy-authorization: Basic bWU6Y2FuYXJ5LXByb3h5\r\nconnection: close\r\n",
        r#"{"password":"canary-field","x":"canary-proxy canary-query"}"#,
    );
    let seen = exchange(recorder.address(), &request).await;
    assert_eq!(seen.body_text(), reply);
    assert!(seen.head().contains("sid=canary-set"), "the client gets all of it");
    recorder.stop().await;

    let text = shelf.text();
    assert!(!text.contains("bWU6Y2FuYXJ5LXByb3h5"), "{text}");
    let line = &shelf.lines()[0];
    assert!(!text.contains("canary-") && !text.contains("Bearer"), "{text}");
    let joined: String =
        line["chunks"].as_array().unwrap().iter().map(|chunk| chunk["data"].as_str().unwrap()).collect();
    let stars = |text: &str| "*".repeat(text.len());
    let expected = ["canary-bearer/1", "canary-cookie", "canary-minted"]
        .iter()
        .fold(reply.to_owned(), |text, secret| text.replace(secret, &stars(secret)))
        .replace(r#""k""#, r#""*""#);
    assert_eq!(joined, expected);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(shelf.file()).unwrap().permissions().mode() & 0o777, 0o600);
    }

    let player = shelf.replay().await;
    let mut notes = player.follow();
    assert_eq!(exchange(player.address(), &request).await.body_text(), expected);
    assert_eq!(next(&mut notes).await.detail, None, "the same request is found in spite of its secrets");
}

#[tokio::test]
async fn a_broken_reply_is_played_broken() {
    let event = "data: {\"x\":1}\n\n";
    let chunked = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{event}\r\n", event.len());
    let short = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nonly".to_owned();
    let cases: [(String, &str, bool); 3] = [(chunked, event, true), (short, "only", true), (String::new(), "", false)];
    for (reply, body, head) in cases {
        let (upstream, shelf) = (answering(reply).await, Shelf::new());
        let recorder = shelf.record(&upstream).await;
        // Kept alive, so that only a break can end the connection.
        let request = "GET /broken HTTP/1.1\r\nhost: x\r\n\r\n";
        let check = |seen: Seen| {
            assert_eq!(seen.bytes.is_empty(), !head, "{}", seen.text());
            assert!(!seen.text().ends_with("0\r\n\r\n"), "{}", seen.text());
            if head {
                let sent =
                    if seen.head().contains("chunked") { seen.chunks().0.concat() } else { seen.raw_body().to_vec() };
                assert_eq!(String::from_utf8(sent).unwrap(), body);
            }
        };
        check(exchange(recorder.address(), request).await);
        recorder.stop().await;
        let lines = shelf.lines();
        assert_eq!((lines[0]["end"].as_str(), lines[0]["response"].is_object()), (Some("broken"), head));
        let player = shelf.replay().await;
        check(exchange(player.address(), request).await);
        player.stop().await;
    }
}

/// What came of a request over HTTP/2: its head, each piece of data, and how it ended.
struct Answer {
    head: Response<()>,
    data: Vec<Bytes>,
    end: Result<Option<HeaderMap>, h2::Error>,
}

/// Sends one message over HTTP/2. With `open`, the request does not end before the reply does.
async fn over_http2(address: SocketAddr, path: &str, message: &[u8], open: bool) -> Answer {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut requests, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post(format!("http://localhost{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap();
    let (response, mut sending) = requests.send_request(request, false).unwrap();
    sending.send_data(Bytes::copy_from_slice(message), !open).unwrap();
    let (head, mut body) = response.await.unwrap().into_parts();
    let mut data = Vec::new();
    let end = loop {
        match body.data().await {
            Some(Ok(piece)) => {
                let _ = body.flow_control().release_capacity(piece.len());
                data.push(piece);
            }
            Some(Err(error)) => break Err(error),
            None if open && data.is_empty() => break Ok(None),
            None => break body.trailers().await,
        }
    };
    if open {
        let _ = sending.send_data(Bytes::new(), true);
    }
    Answer { head: Response::from_parts(head, ()), data, end }
}

/// `ModelMetadataRequest { name: "a" }`, framed.
const DESCRIBE: (&str, &[u8]) = ("/inference.GRPCInferenceService/ModelMetadata", &[0, 0, 0, 0, 3, 0x0A, 1, b'a']);

#[tokio::test]
async fn grpc_goes_through_and_is_played() {
    let (simulator, shelf) = (builder().start().await.unwrap(), Shelf::new());
    let recorder = shelf.record(&simulator.url()).await;
    let direct = over_http2(simulator.address(), DESCRIBE.0, DESCRIBE.1, false).await;
    let unknown: &[u8] = &[0, 0, 0, 0, 3, 0x0A, 1, b'b'];
    let refused = over_http2(simulator.address(), DESCRIBE.0, unknown, false).await;
    let same = |seen: &Answer, expected: &Answer| {
        assert_eq!(seen.data.concat(), expected.data.concat());
        let status = |answer: &Answer| {
            let trailers = answer.end.as_ref().unwrap().as_ref();
            let status = trailers.and_then(|trailers| trailers.get("grpc-status"));
            status.or(answer.head.headers().get("grpc-status")).cloned()
        };
        assert_eq!(status(seen), status(expected));
        assert!(status(seen).is_some());
    };
    same(&over_http2(recorder.address(), DESCRIBE.0, DESCRIBE.1, false).await, &direct);
    same(&over_http2(recorder.address(), DESCRIBE.0, unknown, false).await, &refused);
    recorder.stop().await;
    let player = shelf.replay().await;
    same(&over_http2(player.address(), DESCRIBE.0, unknown, false).await, &refused);
    same(&over_http2(player.address(), DESCRIBE.0, DESCRIBE.1, false).await, &direct);
    // A stream of calls that waits for its answer before it ends.
    same(&over_http2(player.address(), DESCRIBE.0, DESCRIBE.1, true).await, &direct);
}

#[tokio::test]
async fn a_reset_stream_is_reset_again() {
    let rule = Rule::new(Effect::RstStream { code: 11, after_tokens: Some(2) });
    let (simulator, shelf) = (builder().rule(rule).start().await.unwrap(), Shelf::new());
    let recorder = shelf.record(&simulator.url()).await;
    let body = br#"{"model":"a","messages":[{"role":"user","content":"tell me"}],"stream":true}"#;
    let seen = over_http2(recorder.address(), "/v1/chat/completions", body, false).await;
    assert_eq!(seen.end.unwrap_err().reason().map(u32::from), Some(11));
    recorder.stop().await;
    let player = shelf.replay().await;
    let played = over_http2(player.address(), "/v1/chat/completions", body, false).await;
    assert_eq!(played.end.unwrap_err().reason().map(u32::from), Some(11));
    assert_eq!(played.data.concat(), seen.data.concat());
    assert!(!seen.data.is_empty());
}

#[tokio::test]
async fn an_upstream_with_tls_is_recorded_too() {
    let (simulator, shelf) = (builder().tls().start().await.unwrap(), Shelf::new());
    let authority = shelf.folder.path().join("ca.pem");
    fs::write(&authority, simulator.authority().unwrap()).unwrap();
    let recorder = Record::new(simulator.url(), shelf.file()).authority(&authority).start().await.unwrap();
    let seen = exchange(recorder.address(), &chat(true)).await;
    assert_eq!(seen.tokens(), 4, "{}", seen.text());
    let body = br#"{"model":"a","messages":[{"role":"user","content":"over two"}],"stream":true}"#;
    let over = over_http2(recorder.address(), "/v1/chat/completions", body, false).await;
    assert!(over.end.is_ok() && !over.data.is_empty());
    recorder.stop().await;
    let player = shelf.replay().await;
    assert_eq!(exchange(player.address(), &chat(true)).await.body(), seen.body());

    // Whom the system does not trust is not spoken to.
    let wary = Record::new(simulator.url(), shelf.folder.path().join("other")).start().await.unwrap();
    let refused = exchange(wary.address(), &chat(true)).await;
    assert!(refused.head().starts_with("http/1.1 502") && refused.body_text().contains("UnknownIssuer"), "{refused:?}");
}

#[tokio::test]
async fn what_is_not_recorded_is_told() {
    let (simulator, shelf) = (builder().start().await.unwrap(), Shelf::new());
    let recorder = Record::new(simulator.url(), shelf.file()).body_limit(100).start().await.unwrap();
    let mut notes = recorder.follow();
    let direct = exchange(simulator.address(), &chat(true)).await;
    let seen = exchange(recorder.address(), &chat(true)).await;
    assert_eq!(seen.chunks().0.len(), direct.chunks().0.len(), "it goes through all the same");
    let note = next(&mut notes).await;
    assert_eq!(note.outcome, Outcome::NotRecorded);
    assert!(note.detail.unwrap().contains("reply's body is above the limit of 100 bytes"));
    let long = post("/v1/chat/completions", "connection: close\r\n", &format!("\"{}\"", "x".repeat(200)));
    exchange(recorder.address(), &long).await;
    assert!(next(&mut notes).await.detail.unwrap().contains("request's body is above"));
    assert_eq!(shelf.text(), "");
}

#[tokio::test]
async fn a_client_that_goes_is_gone_upstream_too() {
    let stall = Rule::new(Effect::Stall { after_tokens: 1 });
    let (simulator, shelf) = (builder().rule(stall).start().await.unwrap(), Shelf::new());
    let recorder = shelf.record(&simulator.url()).await;
    let mut notes = recorder.follow();
    let mut stream = TcpStream::connect(recorder.address()).await.unwrap();
    stream.write_all(chat(true).as_bytes()).await.unwrap();
    read_until(&mut stream, |seen| seen.text().contains("data:")).await;
    drop(stream);
    assert_eq!(next(&mut notes).await.outcome, Outcome::Cancelled);
    simulator.logged(1).await;
    assert_eq!(shelf.text(), "");
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let shelf = Shelf::new();
    let check = |result: io::Result<Deck>, part: &str| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    let anywhere: SocketAddr = "0.0.0.0:0".parse().unwrap();
    let record = |url: &str| Record::new(url, shelf.file());
    check(record("https://a.example").authority(shelf.file()).start().await, "cassette.ndjson");
    check(record("ftp://a.example").start().await, "http:// or https:// URL");
    check(record("a.example").start().await, "https:// URL");
    check(record("http://me:word@a.example").start().await, "without user");
    check(record("http://a.example/?x").start().await, "query");
    check(record("http://a.example").listen(anywhere).start().await, "other machines");
    assert!(!shelf.file().exists(), "a refusal leaves nothing behind");
    check(Replay::new(shelf.file()).start().await, "cassette.ndjson");
    let recorder = record("http://127.0.0.1:9").start().await.unwrap();
    check(record("http://a.example").start().await, "exists");
    check(Replay::new(shelf.file()).start().await, "no exchange");
    check(Replay::new(shelf.file()).speed(-1.0).start().await, "no speed");
    check(Replay::new(shelf.file()).listen(anywhere).start().await, "");
    let seen = exchange(recorder.address(), &chat(false)).await;
    assert!(seen.head().starts_with("http/1.1 502") && seen.body_text().contains("http://127.0.0.1:9"), "{seen:?}");
    fs::write(shelf.file(), "\n{\"format\":1}\n").unwrap();
    check(Replay::new(shelf.file()).start().await, "cassette.ndjson:2: missing field");
}
