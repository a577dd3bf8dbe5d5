//! Faults over HTTP/2 and gRPC, frame by frame, seen by the `h2` crate alone.

#![expect(clippy::unwrap_used, reason = "a helper fails the test it serves")]

#[expect(dead_code, reason = "this file needs a part of it")]
mod support;

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request, Response};
use longshore_sim::{Effect, RetryAfter, Rule, Simulator, When};
use support::builder;
use tokio::{net::TcpStream, task::JoinHandle};

struct Client {
    requests: SendRequest<Bytes>,
    connection: JoinHandle<Result<(), h2::Error>>,
}

async fn connect(address: SocketAddr) -> Client {
    let stream = TcpStream::connect(address).await.unwrap();
    let (requests, connection) = h2::client::handshake(stream).await.unwrap();
    Client { requests, connection: tokio::spawn(connection) }
}

/// What came of a request: its head, the data that arrived, and trailers or the error that ended it.
struct Seen {
    head: Response<()>,
    data: Vec<u8>,
    end: Result<Option<HeaderMap>, h2::Error>,
}

impl Client {
    async fn send(&mut self, path: &str, content_type: &str, body: Vec<u8>) -> Result<Seen, h2::Error> {
        let request = Request::post(format!("http://localhost{path}"))
            .header("content-type", content_type)
            .header("te", "trailers")
            .body(())
            .unwrap();
        let (response, mut sending) = self.requests.clone().ready().await?.send_request(request, false)?;
        sending.send_data(body.into(), true)?;
        let (head, mut body) = response.await?.into_parts();
        let head = Response::from_parts(head, ());
        let mut data = Vec::new();
        while let Some(chunk) = body.data().await {
            match chunk {
                Ok(chunk) => {
                    let _ = body.flow_control().release_capacity(chunk.len());
                    data.extend_from_slice(&chunk);
                }
                Err(error) => return Ok(Seen { head, data, end: Err(error) }),
            }
        }
        Ok(Seen { head, data, end: body.trailers().await })
    }

    async fn chat(&mut self) -> Result<Seen, h2::Error> {
        let body = r#"{"model":"a","messages":[{"role":"user","content":"tell me"}],"stream":true}"#;
        self.send("/v1/chat/completions", "application/json", body.into()).await
    }

    /// The model's description, over gRPC.
    async fn describe(&mut self) -> Result<Seen, h2::Error> {
        // ModelMetadataRequest { name: "a" }
        let message = vec![0, 0, 0, 0, 3, 0x0A, 1, b'a'];
        self.send("/inference.GRPCInferenceService/ModelMetadata", "application/grpc", message).await
    }
}

async fn with(effect: Effect) -> (Simulator, Client) {
    let simulator = builder().rule(effect).start().await.unwrap();
    let client = connect(simulator.address()).await;
    (simulator, client)
}

fn tokens(seen: &Seen) -> usize {
    let text = String::from_utf8(seen.data.clone()).unwrap();
    text.lines().filter(|line| line.contains(r#""content":""#) && !line.contains(r#""content":"""#)).count()
}

#[tokio::test]
async fn a_stream_is_reset_before_its_head() {
    for code in [2, 7, 8, 11] {
        let (_simulator, mut client) = with(Effect::RstStream { code, after_tokens: None }).await;
        let error = client.chat().await.err().unwrap();
        assert!(error.is_reset() && error.is_remote());
        assert_eq!(error.reason(), Some(h2::Reason::from(code)));
        // The connection lives on.
        assert!(!client.connection.is_finished());
    }
}

#[tokio::test]
async fn a_stream_is_reset_after_tokens_that_arrive() {
    for (effect, reason) in [
        (Effect::RstStream { code: 11, after_tokens: Some(2) }, h2::Reason::ENHANCE_YOUR_CALM),
        (Effect::TruncateBody { after_tokens: 2 }, h2::Reason::INTERNAL_ERROR),
    ] {
        let (_simulator, mut client) = with(effect).await;
        let seen = client.chat().await.unwrap();
        assert_eq!((seen.head.status().as_u16(), tokens(&seen)), (200, 2));
        let error = seen.end.unwrap_err();
        assert!(error.is_reset() && error.reason() == Some(reason), "{error}");
    }
}

#[tokio::test]
async fn goaway_lets_the_reply_finish_and_ends_the_connection() {
    let rule = Rule::new(Effect::Goaway).when(When { first: Some(1), ..When::default() });
    let simulator = builder().rule(rule).start().await.unwrap();
    let mut client = connect(simulator.address()).await;
    let seen = client.chat().await.unwrap();
    assert_eq!(tokens(&seen), 4);
    // Sent by the server, with NO_ERROR: the connection ends well.
    client.connection.await.unwrap().unwrap();
    assert!(client.requests.ready().await.is_err());
}

#[tokio::test]
async fn grpc_ends_without_a_status() {
    let (_simulator, mut client) = with(Effect::MissingGrpcStatus { after_tokens: None }).await;
    let seen = client.describe().await.unwrap();
    assert_eq!(seen.head.status().as_u16(), 200);
    assert!(!seen.data.is_empty() && !seen.head.headers().contains_key("grpc-status"));
    assert!(seen.end.unwrap().is_none());

    let simulator = builder().start().await.unwrap();
    let seen = connect(simulator.address()).await.describe().await.unwrap();
    assert_eq!(seen.end.unwrap().unwrap()["grpc-status"], "0");
}

#[tokio::test]
async fn statuses_are_codes_over_grpc() {
    let status = |status, retry_after| Effect::Status { status, body: None, headers: BTreeMap::new(), retry_after };
    let grpc = |code| Effect::Grpc { code, message: Some("as told".into()), pushback: None };
    for (effect, code) in [
        (status(429, None), "8"),
        (status(503, None), "14"),
        (status(401, None), "16"),
        (status(400, None), "3"),
        (status(500, None), "13"),
        (status(504, None), "4"),
        (grpc(1), "1"),
        (grpc(10), "10"),
        (grpc(14), "14"),
    ] {
        let (simulator, mut client) = with(effect).await;
        let seen = client.describe().await.unwrap();
        assert_eq!(seen.head.headers()["grpc-status"], code);
        drop(client);
        simulator.logged(1).await;
        assert_eq!((simulator.log()[0].protocol, simulator.log()[0].outcome), ("grpc", "fault"));
    }
    let pushback = Effect::Grpc { code: 8, message: None, pushback: Some(Duration::from_millis(1500)) };
    for (effect, expected) in [(pushback, "1500"), (status(429, Some(RetryAfter::Seconds(2))), "2000")] {
        let (_simulator, mut client) = with(effect).await;
        let seen = client.describe().await.unwrap();
        assert_eq!(seen.head.headers()["grpc-retry-pushback-ms"], expected);
    }
}

#[tokio::test]
async fn messages_are_garbled_doubled_and_cut() {
    let whole = connect(builder().start().await.unwrap().address()).await;
    drop(whole);
    let (_simulator, mut client) = with(Effect::Garble { piece: 0 }).await;
    let seen = client.describe().await.unwrap();
    assert!(seen.data.len() > 5 && seen.data[5..].iter().all(|byte| *byte == 0xFF), "{:?}", seen.data);
    let (_simulator, mut client) = with(Effect::Duplicate { piece: 0 }).await;
    let doubled = client.describe().await.unwrap().data;
    assert_eq!(doubled[..doubled.len() / 2], doubled[doubled.len() / 2..]);
    let (_simulator, mut client) = with(Effect::TruncateBody { after_tokens: 0 }).await;
    let cut = client.describe().await.unwrap();
    assert!(!cut.data.is_empty() && cut.data.len() < doubled.len() / 2 && cut.end.is_err());
}

#[tokio::test]
async fn a_connection_with_many_streams_is_reset() {
    let (_simulator, mut client) = with(Effect::ResetMidStream { after_tokens: 1 }).await;
    let seen = client.chat().await.unwrap();
    assert_eq!(tokens(&seen), 1);
    let error = seen.end.unwrap_err();
    assert!(error.is_io(), "{error}");
}
