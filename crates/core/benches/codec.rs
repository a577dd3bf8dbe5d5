//! What the codecs cost: cutting a stream into frames, understanding them, and writing requests and replies.
//!
//! Items are events, bytes are the wire's; bodies are read in pieces of 16 KiB, as sockets give them.
//! `cargo bench -p longshore-core --bench codec`

#![expect(clippy::expect_used, reason = "a benchmark fails by panicking")]

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use divan::{
    Bencher, black_box,
    counter::{BytesCount, ItemsCount},
};
use http::response;
use longshore_core::{
    Call, Dialect, Event, EventKind, Finish, Framing, Op, ServerInfo, Tensor,
    call::{Chat, Inference, Message},
    dialect,
};

const EVENTS: usize = 1000;
const PIECE: usize = 16 << 10;
const LIMIT: usize = 1 << 20;
const DIALECTS: [&str; 5] = ["native", "ollama", "openai", "oip-rest", "oip-grpc"];

fn main() {
    divan::main();
}

/// The framer alone, on frames as long as OpenAI's chunks are.
#[divan::bench(args = [Framing::Sse, Framing::Ndjson, Framing::Grpc])]
fn frames(bencher: Bencher<'_, '_>, framing: Framing) {
    let mut body = BytesMut::new();
    (0..EVENTS).for_each(|_| framing.put(CHUNK.as_bytes(), &mut body));
    let pieces = pieces(&body);
    counted(bencher, body.len()).bench_local(|| {
        let (mut framer, mut frames) = (framing.framer(LIMIT), Vec::new());
        let mut count = 0;
        for piece in &pieces {
            framer.push(piece.clone(), &mut frames).expect("good frames");
            count += black_box(&mut frames).drain(..).count();
        }
        framer.finish(&mut frames).expect("a good end");
        assert_eq!(count, EVENTS);
    });
}

/// Framer and decoder: a streamed chat of a thousand pieces of text.
#[divan::bench(args = DIALECTS)]
fn decode_stream(bencher: Bencher<'_, '_>, name: &str) {
    let (dialect, call, peer) = (named(name), chat(), longshore());
    let (head, body) = stream(dialect, &call);
    let pieces = pieces(&body);
    counted(bencher, body.len()).bench_local(|| {
        let mut framer = dialect.framing(&call, &head).framer(LIMIT);
        let mut decoder = dialect.reply_decoder(&call, &peer, &head);
        let (mut frames, mut events, mut count) = (Vec::new(), Vec::new(), 0);
        for piece in &pieces {
            framer.push(piece.clone(), &mut frames).expect("good frames");
            let at = Instant::now();
            for frame in frames.drain(..) {
                decoder.frame(at, frame, &mut events).expect("good events");
            }
            count += black_box(&mut events).drain(..).count();
        }
        assert!(count >= EVENTS, "{count} events");
    });
}

/// The server half: the same chat, written.
#[divan::bench(args = DIALECTS)]
fn encode_stream(bencher: Bencher<'_, '_>, name: &str) {
    let (dialect, call, events) = (named(name), chat(), answer());
    let length = stream(dialect, &call).1.len();
    counted(bencher, length).bench_local(|| {
        let (mut encoder, mut body) = (dialect.reply_encoder(&call), BytesMut::with_capacity(length));
        events.iter().for_each(|event| encoder.event(event, &mut body));
        body
    });
}

/// A conversation of sixteen messages, as a request.
#[divan::bench(args = DIALECTS)]
fn encode_chat(bencher: Bencher<'_, '_>, name: &str) {
    encode_call(bencher, name, &chat());
}

/// 1 MiB of numbers as a tensor: raw where the dialect can, else base64.
#[divan::bench(args = ["native", "oip-rest", "oip-grpc"])]
fn encode_tensors(bencher: Bencher<'_, '_>, name: &str) {
    let numbers: Vec<f32> = (0..1 << 18).map(|i| i as f32 / 7.0).collect();
    let inputs = vec![Tensor::of_f32("x", vec![1 << 18], &numbers).expect("a good shape")];
    let op = Op::Infer(Inference { inputs, binary: true, ..Inference::default() });
    encode_call(bencher, name, &Call::new(op).model("m"));
}

fn encode_call(bencher: Bencher<'_, '_>, name: &str, call: &Call) {
    let (dialect, peer) = (named(name), longshore());
    let encode = || dialect.encode_call(call, &peer).expect("words for it");
    let length = encode().body().len();
    bencher.counter(ItemsCount::new(1_usize)).counter(BytesCount::new(length)).bench_local(encode);
}

const CHUNK: &str = r#"{"id":"chatcmpl-0123456789abcdef","object":"chat.completion.chunk","created":1767225600,"model":"org/model","choices":[{"index":0,"delta":{"content":" token"},"finish_reason":null}]}"#;

fn counted<'a, 'b>(bencher: Bencher<'a, 'b>, bytes: usize) -> Bencher<'a, 'b> {
    bencher.counter(ItemsCount::new(EVENTS)).counter(BytesCount::new(bytes))
}

fn named(name: &str) -> &'static dyn Dialect {
    dialect::by_name(name).expect("a dialect of this name")
}

fn longshore() -> ServerInfo {
    ServerInfo { name: "longshore".into(), ..ServerInfo::default() }
}

fn chat() -> Call {
    let text = "What is streaming? ".repeat(8);
    let messages = (0..16).map(|turn| Message::new(if turn % 2 == 0 { "user" } else { "assistant" }, &*text));
    Call::new(Op::Chat(Chat { messages: messages.collect(), stream: true, ..Chat::default() })).model("org/model")
}

fn answer() -> Vec<Event> {
    let pieces = (0..EVENTS).map(|_| EventKind::Text { index: 0, text: " token".into() });
    pieces.chain([EventKind::Done(Finish::Stop)]).map(Event::now).collect()
}

/// The answer as this dialect streams it.
fn stream(dialect: &dyn Dialect, call: &Call) -> (response::Parts, Bytes) {
    let (mut encoder, mut body) = (dialect.reply_encoder(call), BytesMut::new());
    let head = encoder.head().body(()).expect("a good head").into_parts().0;
    answer().iter().for_each(|event| encoder.event(event, &mut body));
    let _ = encoder.end(&mut body);
    (head, body.freeze())
}

fn pieces(body: &[u8]) -> Vec<Bytes> {
    body.chunks(PIECE).map(Bytes::copy_from_slice).collect()
}
