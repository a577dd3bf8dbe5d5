//! Each fault as raw bytes over HTTP/1.1, seen by a client that knows nothing but TCP.

#![expect(clippy::unwrap_used, reason = "a helper fails the test it serves")]

mod support;

use std::{
    collections::BTreeMap,
    io::{ErrorKind, Read},
    time::Duration,
};

use longshore_sim::{Effect, RetryAfter, Rule, Simulator, When};
use support::{Seen, builder, chat, exchange, read_to_end, read_until};
use tokio::{io::AsyncWriteExt, net::TcpStream};

const MS: Duration = Duration::from_millis(1);

async fn with(effect: Effect) -> Simulator {
    builder().rule(effect).start().await.unwrap()
}

/// What a chat gets under this fault; the log must name it.
async fn seen(effect: Effect, stream: bool) -> Seen {
    let name = effect.name();
    let simulator = with(effect).await;
    let seen = exchange(simulator.address(), &chat(stream)).await;
    simulator.logged(1).await;
    let log = simulator.log();
    assert_eq!((log[0].fault, log[0].outcome, log[0].index), (Some(name), "fault", 0));
    seen
}

/// What a chat gets without any fault.
async fn good(stream: bool) -> Seen {
    let simulator = builder().start().await.unwrap();
    let seen = exchange(simulator.address(), &chat(stream)).await;
    assert!(seen.error.is_none());
    seen
}

/// A stream without what differs from one answer to the next: ids and times.
fn essence(body: &str) -> Vec<serde_json::Value> {
    body.lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line.strip_prefix("data: ")?).ok())
        .map(|mut event| event["choices"].take())
        .collect()
}

fn status(status: u16) -> Effect {
    Effect::Status { status, body: None, headers: BTreeMap::new(), retry_after: None }
}

#[tokio::test]
async fn without_a_fault_everything_is_well() {
    let whole = good(false).await;
    assert!(whole.head().starts_with("http/1.1 200"));
    let body: serde_json::Value = serde_json::from_slice(&whole.body()).unwrap();
    assert_eq!(body["usage"]["completion_tokens"], 4);
    let stream = good(true).await;
    assert!(stream.head().contains("content-type: text/event-stream"));
    assert_eq!(stream.tokens(), 4);
    assert!(stream.body_text().ends_with("data: [DONE]\n\n") && stream.chunks().1);
}

#[tokio::test]
async fn a_status_is_sent_with_body_headers_and_retry_after() {
    for code in [400, 401, 403, 404, 422, 429, 500, 502, 503, 504] {
        let seen = seen(status(code), true).await;
        assert!(seen.head().starts_with(&format!("http/1.1 {code}")), "{}", seen.head());
        let body: serde_json::Value = serde_json::from_slice(&seen.body()).unwrap();
        assert!(body["error"]["message"].is_string(), "{body}");
    }
    let retry = |retry_after| Effect::Status {
        status: 429,
        body: Some("go away".into()),
        headers: BTreeMap::from([("x-mood".into(), "bad".into())]),
        retry_after: Some(retry_after),
    };
    let seconds = seen(retry(RetryAfter::Seconds(7)), false).await;
    assert!(seconds.head().contains("retry-after: 7") && seconds.head().contains("x-mood: bad"));
    assert_eq!(seconds.body(), b"go away");
    let date = seen(retry(RetryAfter::Date(3600)), false).await;
    let head = date.text();
    let value = head.lines().find_map(|line| line.strip_prefix("retry-after: ")).unwrap();
    let wait = httpdate::parse_http_date(value).unwrap().duration_since(std::time::SystemTime::now()).unwrap();
    assert!((3590..=3600).contains(&wait.as_secs()), "{value}");
    let absurd = seen(retry(RetryAfter::Text("soon".into())), false).await;
    assert!(absurd.head().contains("retry-after: soon"));
    let grpc = Effect::Grpc { code: 14, message: Some("no upstream".into()), pushback: Some(1500 * MS) };
    let twin = seen(grpc, false).await;
    assert!(twin.head().starts_with("http/1.1 503") && twin.head().contains("retry-after: 2"), "{}", twin.head());
}

#[tokio::test]
async fn an_error_comes_in_band_at_200() {
    let effect = |after_tokens| Effect::InBandError { after_tokens, message: "cuda died".into() };
    let stream = seen(effect(2), true).await;
    assert!(stream.head().starts_with("http/1.1 200"));
    assert_eq!(stream.tokens(), 2);
    let body = stream.body_text();
    assert!(body.contains("cuda died") && !body.contains("[DONE]") && stream.chunks().1, "{body}");
    let whole = seen(effect(0), false).await;
    assert!(whole.head().starts_with("http/1.1 200") && whole.body_text().contains("cuda died"));
}

#[tokio::test]
async fn headers_do_not_come() {
    let simulator = with(Effect::NoHeaders).await;
    let mut stream = TcpStream::connect(simulator.address()).await.unwrap();
    stream.write_all(chat(false).as_bytes()).await.unwrap();
    while simulator.rules()[0].1 == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(stream.try_read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
    // When the client gives up, that is noticed.
    drop(stream);
    simulator.logged(1).await;
    assert!(simulator.log()[0].cancelled_after_ms.is_some() && simulator.log()[0].status.is_none());
}

#[tokio::test]
async fn headers_come_late() {
    let effect = Effect::SlowHeaders { delay: 5 * MS };
    let simulator = builder().rule(effect).virtual_time().start().await.unwrap();
    let mut stream = TcpStream::connect(simulator.address()).await.unwrap();
    stream.write_all(chat(false).as_bytes()).await.unwrap();
    while simulator.rules()[0].1 == 0 {
        tokio::task::yield_now().await;
    }
    let reading = tokio::spawn(async move { read_to_end(&mut stream).await });
    while !reading.is_finished() {
        simulator.advance(MS);
        tokio::task::yield_now().await;
    }
    assert!(reading.await.unwrap().head().starts_with("http/1.1 200"));
    assert!(simulator.log()[0].elapsed_ms >= 5.0);
}

#[tokio::test]
async fn a_stream_stalls_after_some_tokens() {
    let simulator = with(Effect::Stall { after_tokens: 2 }).await;
    let mut stream = TcpStream::connect(simulator.address()).await.unwrap();
    stream.write_all(chat(true).as_bytes()).await.unwrap();
    let seen = read_until(&mut stream, |seen| seen.text().contains("\r\n\r\n") && seen.tokens() == 2).await;
    assert!(!seen.chunks().1);
    assert_eq!(stream.try_read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
    drop(stream);
    simulator.logged(1).await;
    assert!(simulator.log()[0].cancelled_after_ms.is_some());

    let simulator = with(Effect::Stall { after_tokens: 0 }).await;
    let mut stream = TcpStream::connect(simulator.address()).await.unwrap();
    stream.write_all(chat(false).as_bytes()).await.unwrap();
    let enough = |seen: &Seen| seen.text().contains("\r\n\r\n") && seen.body().len() > 50;
    let seen = read_until(&mut stream, enough).await;
    let announced: usize =
        seen.head().split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
    assert_eq!(seen.body().len(), announced / 2);
}

#[tokio::test]
async fn a_body_drips_and_is_split() {
    let drip = seen(Effect::Drip { bytes: 7, every: MS / 10 }, true).await;
    let split = seen(Effect::SplitAtEveryByte, true).await;
    assert!(drip.chunks().0.iter().all(|chunk| chunk.len() <= 7));
    assert!(split.chunks().0.iter().all(|chunk| chunk.len() == 1));
    for seen in [drip, split] {
        assert!(seen.chunks().1);
        assert_eq!(essence(&seen.body_text()), essence(&good(true).await.body_text()));
    }
}

#[tokio::test]
async fn a_piece_comes_twice() {
    let doubled = essence(&seen(Effect::Duplicate { piece: 2 }, true).await.body_text());
    let mut expected = essence(&good(true).await.body_text());
    expected.insert(2, expected[2].clone());
    assert_eq!(doubled, expected);
}

#[tokio::test]
async fn a_piece_is_garbled() {
    let garbled = seen(Effect::Garble { piece: 1 }, true).await.body();
    let events: Vec<_> = garbled.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    assert!(events[1].starts_with(b"data: \xFF\xFF") && std::str::from_utf8(events[1]).is_err());
    assert!(events.iter().enumerate().all(|(position, event)| position == 1 || std::str::from_utf8(event).is_ok()));
    let whole = seen(Effect::Garble { piece: 0 }, false).await.body();
    assert!(std::str::from_utf8(&whole).is_err() && whole.starts_with(b"{"));
}

#[tokio::test]
async fn sse_is_noisy_and_means_the_same() {
    let noise = Effect::SseNoise { bom: true, crlf: true, comments: true, multi_line: true };
    let body = seen(noise, true).await.body_text();
    assert!(body.starts_with("\u{feff}: a comment\r\ndata: {\r\ndata: \""), "{body}");
    assert!(body.ends_with("data: [DONE]\r\n\r\n"));
    let joined = body.replace("data: {\r\ndata: ", "data: {").replace("\r\n", "\n");
    assert_eq!(essence(&joined), essence(&good(true).await.body_text()));
}

#[tokio::test]
async fn a_body_ends_cleanly_without_its_mark() {
    let all = seen(Effect::EndWithoutMark { after_tokens: None }, true).await;
    assert!(all.chunks().1 && all.tokens() == 4 && !all.body_text().contains("[DONE]"));
    assert!(!all.body_text().contains(r#""finish_reason":"stop""#));
    let some = seen(Effect::EndWithoutMark { after_tokens: Some(1) }, true).await;
    assert!(some.chunks().1 && some.tokens() == 1 && some.error.is_none());
    let whole = seen(Effect::EndWithoutMark { after_tokens: None }, false).await;
    assert!(whole.chunks().1 && serde_json::from_slice::<serde_json::Value>(&whole.body()).is_err());
}

#[tokio::test]
async fn a_body_is_truncated() {
    let stream = seen(Effect::TruncateBody { after_tokens: 2 }, true).await;
    assert_eq!((stream.tokens(), stream.chunks().1, stream.error), (2, false, None));
    let whole = seen(Effect::TruncateBody { after_tokens: 0 }, false).await;
    let announced: usize =
        whole.head().split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
    assert_eq!((whole.body().len(), whole.error), (announced / 2, None));
}

#[tokio::test]
async fn content_length_lies() {
    for by in [-10_i64, 10] {
        let seen = seen(Effect::WrongContentLength { by }, false).await;
        let announced: i64 =
            seen.head().split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
        assert_eq!(seen.body().len() as i64 + by, announced);
        assert!(serde_json::from_slice::<serde_json::Value>(&seen.body()).is_ok() && seen.error.is_none());
    }
}

#[tokio::test]
async fn a_page_comes_instead_of_json() {
    for stream in [false, true] {
        let seen = seen(Effect::HtmlAt200, stream).await;
        assert!(seen.head().starts_with("http/1.1 200") && seen.head().contains("content-type: text/html"));
        assert!(seen.body_text().starts_with("<!DOCTYPE html>"));
    }
}

#[tokio::test]
async fn a_line_is_huge() {
    let seen = seen(Effect::HugeLine { bytes: 3_000_000 }, true).await;
    let body = seen.body();
    assert!(body.len() > 3_000_000 && body.starts_with(b"data: {\"x\":\"xxx") && body.ends_with(b"x\"}\n\n"));
    assert_eq!(body.iter().filter(|byte| **byte == b'\n').count(), 2);
}

#[tokio::test]
async fn gzip_is_a_bomb() {
    let seen = seen(Effect::GzipBomb { bytes: 20_000_000 }, false).await;
    assert!(seen.head().contains("content-encoding: gzip"));
    assert!(seen.body().len() < 40_000, "{} bytes", seen.body().len());
    let mut unpacked = 0;
    let (body, mut buffer) = (seen.body(), vec![0; 1 << 16]);
    let mut reader = flate2::read::GzDecoder::new(&body[..]);
    loop {
        match reader.read(&mut buffer).unwrap() {
            0 => break,
            count => unpacked += count,
        }
    }
    assert_eq!(unpacked, 20_000_000);
}

#[tokio::test]
async fn a_connection_is_reset_before_the_first_byte() {
    let seen = seen(Effect::ResetBeforeFirstByte, true).await;
    assert_eq!((seen.bytes.len(), seen.error), (0, Some(ErrorKind::ConnectionReset)));
}

#[tokio::test]
async fn a_connection_is_reset_mid_stream() {
    for after_tokens in [0, 3] {
        let seen = seen(Effect::ResetMidStream { after_tokens }, true).await;
        assert_eq!((seen.tokens(), seen.chunks().1), (after_tokens as usize, false));
        assert_eq!(seen.error, Some(ErrorKind::ConnectionReset));
    }
}

#[tokio::test]
async fn rst_stream_and_goaway_close_a_connection_of_http_1() {
    let refused = seen(Effect::RstStream { code: 7, after_tokens: None }, false).await;
    assert!(refused.bytes.is_empty());
    let simulator = with(Effect::Goaway).await;
    let keep_alive = chat(false).replace("connection: close\r\n", "");
    let seen = exchange(simulator.address(), &keep_alive).await;
    assert!(seen.head().starts_with("http/1.1 200") && seen.head().contains("connection: close"), "{}", seen.head());
}

#[tokio::test]
async fn a_port_refuses_for_a_while() {
    let refuse = Rule::new(Effect::Refuse { lasting: 60_000 * MS }).when(When { first: Some(1), ..When::default() });
    let simulator = builder().rule(refuse).virtual_time().start().await.unwrap();
    let first = async {
        let mut stream = TcpStream::connect(simulator.address()).await.ok()?;
        stream.write_all(chat(false).as_bytes()).await.ok()?;
        Some(read_to_end(&mut stream).await)
    };
    assert!(first.await.is_none_or(|seen| seen.bytes.is_empty() && seen.error == Some(ErrorKind::ConnectionReset)));
    // The log tells before the port closes, so a connection may still get through; then none does.
    simulator.logged(1).await;
    while TcpStream::connect(simulator.address()).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let refused = TcpStream::connect(simulator.address()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    while TcpStream::connect(simulator.address()).await.is_err() {
        simulator.advance(1000 * MS);
        tokio::task::yield_now().await;
    }
    assert!(exchange(simulator.address(), &chat(false)).await.head().starts_with("http/1.1 200"));
    assert_eq!(simulator.log()[0].fault, Some("refuse"));
}

#[tokio::test]
async fn a_connection_is_accepted_and_never_read() {
    let simulator = with(Effect::AcceptAndNeverRead).await;
    let mut stream = TcpStream::connect(simulator.address()).await.unwrap();
    stream.write_all(chat(false).as_bytes()).await.unwrap();
    simulator.logged(1).await;
    // What is sent fills the buffers of both sides, and then no more is taken.
    let block = vec![b'x'; 1 << 20];
    let mut taken = 0;
    let stuck = tokio::time::timeout(500 * MS, async {
        loop {
            taken += stream.write(&block).await.unwrap();
        }
    });
    assert!(stuck.await.is_err());
    assert_eq!(stream.try_read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(taken < 64 << 20, "{taken} bytes were read");
}

#[tokio::test]
async fn a_connection_is_served_late() {
    let simulator = builder().rule(Effect::SlowAccept { delay: 30 * MS }).virtual_time().start().await.unwrap();
    let mut stream = TcpStream::connect(simulator.address()).await.unwrap();
    stream.write_all(chat(false).as_bytes()).await.unwrap();
    simulator.logged(1).await;
    simulator.advance(29 * MS);
    tokio::task::yield_now().await;
    assert_eq!(stream.try_read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
    let reading = tokio::spawn(async move { read_to_end(&mut stream).await });
    while !reading.is_finished() {
        simulator.advance(MS);
        tokio::task::yield_now().await;
    }
    assert!(reading.await.unwrap().head().starts_with("http/1.1 200"));
}

#[tokio::test]
async fn toxicity_zero_is_exactly_no_effect() {
    let rules = [Effect::ResetBeforeFirstByte, Effect::SplitAtEveryByte, Effect::Refuse { lasting: MS }, status(500)];
    let harmless = |effect| Rule { toxicity: 0.0, ..Rule::new(effect) };
    let simulator = rules.into_iter().fold(builder(), |builder, effect| builder.rule(harmless(effect))).start().await;
    let simulator = simulator.unwrap();
    let seen = exchange(simulator.address(), &chat(true)).await;
    let good = good(true).await;
    assert_eq!(essence(&seen.body_text()), essence(&good.body_text()));
    assert_eq!((seen.bytes.len(), seen.error), (good.bytes.len(), None));
    simulator.logged(1).await;
    assert_eq!((simulator.log().len(), simulator.log()[0].fault), (1, None));
}

#[tokio::test]
#[should_panic(expected = "was to be applied 2 times, and was 1 times")]
async fn expectations_are_checked_on_drop() {
    let simulator = builder().rule(Rule::new(status(500)).expect(2)).start().await.unwrap();
    exchange(simulator.address(), &chat(false)).await;
}
