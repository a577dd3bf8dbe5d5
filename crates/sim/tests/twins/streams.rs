//! Streams that stop, break, or come in unusual pieces.

use longshore_sim::Effect;

use crate::{good, grpc, logged, raw, with};

fn infer() -> Vec<u8> {
    grpc::infer_request("sim", "hello")
}

/// Text of a reply without what differs from one to the next.
fn steady(text: &str) -> String {
    let mut text = text.to_owned();
    for field in ["\"id\":\"", "\"created\":"] {
        while let Some(at) = text.find(field) {
            let end = text[at + field.len()..].find(',').unwrap();
            text.replace_range(at..at + field.len() + end, "");
        }
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_split_at_every_byte_says_the_same() {
    let expected = raw::chat(good().await.address(), true).await;
    let simulator = with(Effect::SplitAtEveryByte).await;
    let got = raw::chat(simulator.address(), true).await;
    let (chunks, complete) = got.chunks();
    assert!(chunks.iter().all(|chunk| chunk.len() == 1) && complete);
    assert_eq!(steady(&got.text()), steady(&expected.text()));
    logged(&simulator, "split_at_every_byte").await;

    let simulator = with(Effect::SplitAtEveryByte).await;
    let got = grpc::call(simulator.address(), grpc::STREAM, &infer()).await;
    assert!(got.frames.iter().all(|frame| *frame == 1), "{:?}", got.frames);
    assert_eq!((got.messages().len() >= 16, got.status()), (true, Some(0)), "{got:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_piece_comes_twice() {
    let simulator = with(Effect::Duplicate { piece: 2 }).await;
    let got = raw::chat(simulator.address(), true).await;
    let data = got.data();
    assert_eq!((data[2] == data[3], data[1] == data[2], got.tokens()), (true, false, 17), "{data:?}");
    logged(&simulator, "duplicate").await;

    let simulator = with(Effect::Duplicate { piece: 1 }).await;
    let got = grpc::call(simulator.address(), grpc::STREAM, &infer()).await;
    let messages = got.messages();
    assert_eq!((messages[1] == messages[2], got.status()), (true, Some(0)));
    logged(&simulator, "duplicate").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_piece_is_nonsense() {
    let simulator = with(Effect::Garble { piece: 3 }).await;
    let got = raw::chat(simulator.address(), true).await;
    let body = got.body();
    let events: Vec<_> = split(&body);
    assert!(std::str::from_utf8(events[3]).is_err());
    let others = events.iter().enumerate().filter(|(position, _)| *position != 3);
    assert!(others.clone().all(|(_, event)| std::str::from_utf8(event).is_ok()) && others.count() > 16);
    logged(&simulator, "garble").await;

    let simulator = with(Effect::Garble { piece: 3 }).await;
    let got = grpc::call(simulator.address(), grpc::STREAM, &infer()).await;
    let messages = got.messages();
    assert!(messages[3].iter().all(|byte| *byte == 0xFF) && messages[2][0] != 0xFF && got.status() == Some(0));
    logged(&simulator, "garble").await;

    let simulator = with(Effect::Garble { piece: 0 }).await;
    let got = raw::chat(simulator.address(), false).await;
    assert!(String::from_utf8(got.body()).is_err() && got.status() == 200);
    logged(&simulator, "garble").await;
}

/// Events, cut at empty lines.
fn split(mut body: &[u8]) -> Vec<&[u8]> {
    let mut events = Vec::new();
    while let Some(at) = body.windows(2).position(|pair| pair == b"\n\n") {
        events.push(&body[..at]);
        body = &body[at + 2..];
    }
    events
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_breaks_off() {
    let simulator = with(Effect::TruncateBody { after_tokens: 2 }).await;
    let got = raw::chat(simulator.address(), true).await;
    assert_eq!((got.tokens(), got.chunks().1, got.end), (2, false, raw::End::Closed));
    logged(&simulator, "truncate_body").await;

    let simulator = with(Effect::TruncateBody { after_tokens: 2 }).await;
    let got = raw::chat(simulator.address(), false).await;
    let length: usize = got.header("content-length").unwrap().parse().unwrap();
    assert_eq!((got.body().len(), got.end), (length / 2, raw::End::Closed));
    logged(&simulator, "truncate_body").await;

    let simulator = with(Effect::TruncateBody { after_tokens: 2 }).await;
    let got = grpc::call(simulator.address(), grpc::STREAM, &infer()).await;
    assert_eq!((got.messages().len(), got.reset), (2, Some(h2::Reason::INTERNAL_ERROR)));
    logged(&simulator, "truncate_body").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_reset_mid_stream() {
    let simulator = with(Effect::ResetMidStream { after_tokens: 2 }).await;
    let got = raw::chat(simulator.address(), true).await;
    assert_eq!((got.tokens(), got.end), (2, raw::End::Reset));
    logged(&simulator, "reset_mid_stream").await;

    let simulator = with(Effect::ResetMidStream { after_tokens: 2 }).await;
    let got = raw::chat(simulator.address(), false).await;
    let length: usize = got.header("content-length").unwrap().parse().unwrap();
    assert_eq!((got.body().len(), got.end), (length / 2, raw::End::Reset));
    logged(&simulator, "reset_mid_stream").await;

    let simulator = with(Effect::ResetMidStream { after_tokens: 2 }).await;
    let body = [&[0, 0, 0, 0, u8::try_from(infer().len()).unwrap()][..], &infer()].concat();
    let (frames, end) = raw::http2(simulator.address(), grpc::STREAM, "application/grpc", &body).await;
    let data: usize = frames.iter().filter(|frame| frame.kind == raw::DATA).map(|frame| frame.payload.len()).sum();
    assert!(data > 0 && end == raw::End::Reset, "{frames:?} {end:?}");
    logged(&simulator, "reset_mid_stream").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_streams_are_reset_before_and_after_the_head() {
    for (after_tokens, head) in [(None, false), (Some(2), true)] {
        let simulator = with(Effect::RstStream { code: 7, after_tokens }).await;
        let body = raw::chat_body(true);
        let (frames, _) = raw::http2(simulator.address(), raw::CHAT, "application/json", body.as_bytes()).await;
        let reset = frames.iter().find(|frame| frame.kind == raw::RST_STREAM).expect("RST_STREAM");
        assert_eq!((reset.stream, &reset.payload[..]), (1, &[0, 0, 0, 7][..]));
        assert_eq!(frames.iter().any(|frame| frame.kind == raw::HEADERS), head, "{frames:?}");
        logged(&simulator, "rst_stream").await;
    }
    let simulator = with(Effect::RstStream { code: 7, after_tokens: None }).await;
    let got = raw::chat(simulator.address(), true).await;
    assert_eq!((got.bytes.len(), got.end), (0, raw::End::Closed));
    logged(&simulator, "rst_stream").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trailers_may_be_missing() {
    for path in [grpc::INFER, grpc::STREAM] {
        let simulator = with(Effect::MissingGrpcStatus { after_tokens: None }).await;
        let got = grpc::call(simulator.address(), path, &infer()).await;
        assert!(!got.messages().is_empty() && got.trailers.is_none() && got.reset.is_none(), "{got:?}");
        assert_eq!(got.status(), None);
        logged(&simulator, "missing_grpc_status").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_may_be_taken_away_while_it_answers() {
    let simulator = with(Effect::UnloadMidStream { after_tokens: 2 }).await;
    let got = raw::chat(simulator.address(), true).await;
    let data = got.data();
    assert_eq!(got.tokens(), 2);
    assert!(data.last().unwrap().contains("unloaded") && !data.contains(&"[DONE]".to_owned()), "{data:?}");
    logged(&simulator, "unload_mid_stream").await;
    let index = raw::post(simulator.address(), "/v2/repository/index", "{}").await.text();
    assert!(index.contains("UNAVAILABLE"), "{index}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_is_cut_at_a_byte() {
    let whole = raw::chat(good().await.address(), true).await.body();
    for (effect, name, end) in [
        (Effect::TruncateAtByte { byte: 300 }, "truncate_at_byte", raw::End::Closed),
        (Effect::ResetAtByte { byte: 300 }, "reset_at_byte", raw::End::Reset),
    ] {
        for stream in [true, false] {
            let simulator = with(effect.clone()).await;
            let got = raw::chat(simulator.address(), stream).await;
            assert_eq!((got.status(), got.body().len(), got.end), (200, 300, end), "{name} {stream}");
            logged(&simulator, name).await;
        }
        let simulator = with(effect.clone()).await;
        let got = grpc::call(simulator.address(), grpc::STREAM, &infer()).await;
        assert_eq!((got.bytes.len(), got.trailers.is_none()), (300, true), "{name}");
        logged(&simulator, name).await;
    }
    // There is nothing to break.
    let byte = 100 * whole.len() as u64;
    let got = raw::chat(with(Effect::TruncateAtByte { byte }).await.address(), true).await;
    assert_eq!((got.tokens(), got.chunks().1), (16, true));
}
