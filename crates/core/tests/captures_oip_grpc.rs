//! What Triton and MLServer answered over gRPC (`grpc.txt`), and what their clients and KServe's ask our server half.
//!
//! The messages are put together here by field number, apart from the types that the dialect generates.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod support;

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use longshore_core::{
    Call, DataType, Error, ErrorKind, EventKind, Finish, Framing, ModelInfo, ModelState, Op, Parameter, ServerInfo,
    Tensor,
    call::{Completion, HealthScope, Inference},
    dialect,
    event::InferenceOutput,
    model::{DurationStatistic, HealthReport, ModelStatistics, Progress, TensorSpec},
};

/// A field of bytes: text, bytes, a message, packed numbers.
fn bytes(field: u8, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    [vec![field << 3 | 2], varint(value.len() as u64), value.to_vec()].concat()
}

/// A field that is a number or a truth value.
fn number(field: u8, value: u64) -> Vec<u8> {
    [vec![field << 3], varint(value)].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn parameter(field: u8, name: &str, value: Vec<u8>) -> Vec<u8> {
    bytes(field, [bytes(1, name), bytes(2, value)].concat())
}

fn is_final(last: bool) -> Vec<u8> {
    parameter(4, "triton_final_response", number(1, last.into()))
}

/// A tensor without contents, in a field of a reply or request.
fn tensor(name: &str, datatype: &str, shape: &[u8]) -> Vec<u8> {
    bytes(5, [bytes(1, name), bytes(2, datatype), bytes(3, shape)].concat())
}

fn ok_trailers() -> HeaderMap {
    support::headers(&[("grpc-status", "0")])
}

fn answered(
    call: &Call,
    peer: &str,
    messages: &[Vec<u8>],
    trailers: &HeaderMap,
) -> (Vec<EventKind>, Result<(), Error>) {
    let grpc = dialect::by_name("oip-grpc").unwrap();
    let mut body = BytesMut::new();
    messages.iter().for_each(|message| Framing::Grpc.put(message, &mut body));
    let head = support::head(200, &[("content-type", "application/grpc")]);
    let whole = support::decode_with(grpc, call, &support::peer(peer), &head, &body, usize::MAX, Some(trailers));
    for piece in [1, 13] {
        let read = support::decode_with(grpc, call, &support::peer(peer), &head, &body, piece, Some(trailers));
        assert_eq!(read, whole, "in pieces of {piece}");
    }
    whole
}

fn check(peer: &str, op: Op, message: &[u8], expected: EventKind) {
    let call = Call::new(op).model("echo");
    let (events, result) = answered(&call, peer, &[message.to_vec()], &ok_trailers());
    assert_eq!((events, result), (vec![expected, EventKind::Done(Finish::Stop)], Ok(())), "{peer} {:?}", call.op);
}

fn health(ok: bool) -> EventKind {
    EventKind::Health(HealthReport { ok, detail: None })
}

fn model_ready() -> Op {
    Op::Health(HealthScope::Model { version: None })
}

fn progress(state: ModelState) -> EventKind {
    EventKind::Progress(Progress { model: "echo".into(), state, ..Progress::default() })
}

fn started(model: &str) -> EventKind {
    EventKind::Started { model: model.into() }
}

fn text(text: &str) -> EventKind {
    EventKind::Text { index: 0, text: text.into() }
}

fn out_f(name: &str) -> Tensor {
    Tensor::of_f32(name, vec![2], &[1.0, 2.5]).unwrap()
}

fn infer(stream: bool) -> Call {
    Call::new(Op::Infer(Inference { stream, ..Inference::default() })).model("echo")
}

fn complete() -> Call {
    Call::new(Op::Complete(Completion { prompt: "a b".into(), ..Completion::default() })).model("stream")
}

const FLOATS: &[u8] = b"\x00\x00\x80?\x00\x00 @";

#[test]
fn documents() {
    check("triton", Op::Health(HealthScope::Live), &number(1, 1), health(true));
    check("triton", Op::Health(HealthScope::Ready), b"", health(false));
    check("triton", model_ready(), &number(1, 1), health(true));
    check("triton", model_ready(), b"", health(false));
    let server = |name: &str, version: &str, extensions: &[&str]| {
        let extensions = extensions.iter().map(|&extension| extension.to_owned()).collect();
        EventKind::Server(ServerInfo { name: name.into(), version: version.into(), extensions, told: Vec::new() })
    };
    let triton = [bytes(1, "triton"), bytes(2, "2.51.0"), bytes(3, "classification"), bytes(3, "sequence")].concat();
    check("triton", Op::ServerInfo, &triton, server("triton", "2.51.0", &["classification", "sequence"]));
    let mlserver = [bytes(1, "mlserver"), bytes(2, "1.7.1")].concat();
    check("mlserver", Op::ServerInfo, &mlserver, server("mlserver", "1.7.1", &[]));

    let minus_one = [varint(u64::MAX)].concat();
    let spec =
        |field, name, datatype| bytes(field, [bytes(1, name), bytes(2, datatype), bytes(3, &minus_one)].concat());
    let metadata = [
        bytes(1, "echo"),
        bytes(2, "1"),
        bytes(3, "python"),
        spec(4, "IN_F", "FP32"),
        spec(4, "IN_S", "BYTES"),
        spec(5, "OUT_F", "FP32"),
    ]
    .concat();
    let read = |name: &str, datatype| TensorSpec { name: name.into(), datatype, shape: vec![-1] };
    let described = ModelInfo {
        versions: vec!["1".into()],
        platform: Some("python".into()),
        inputs: vec![read("IN_F", DataType::Fp32), read("IN_S", DataType::Bytes)],
        outputs: vec![read("OUT_F", DataType::Fp32)],
        ..ModelInfo::new("echo")
    };
    check("triton", Op::Describe { version: None }, &metadata, EventKind::Models(vec![described]));

    let entry = |parts: [(u8, &str); 3]| bytes(1, parts.map(|(field, value)| bytes(field, value)).concat());
    let index = [
        entry([(1, "bad"), (2, "1"), (3, "UNAVAILABLE")]),
        entry([(1, "echo"), (2, "1"), (3, "UNLOADING")]),
        entry([(1, "slow"), (3, "UNAVAILABLE"), (4, "unloaded")]),
        entry([(1, "sk"), (2, "v1"), (3, "State.READY")]),
        entry([(1, "broken"), (3, "UNAVAILABLE"), (4, "Internal: cannot init\n")]),
    ]
    .concat();
    let model = |id: &str, versions: &[&str], state| {
        let versions = versions.iter().map(|&version| version.to_owned()).collect();
        ModelInfo { versions, state, ..ModelInfo::new(id) }
    };
    let models = vec![
        model("bad", &["1"], ModelState::Unloaded),
        model("echo", &["1"], ModelState::Draining),
        model("slow", &[], ModelState::Unloaded),
        model("sk", &["v1"], ModelState::Ready),
        model("broken", &[], ModelState::Failed("Internal: cannot init".into())),
    ];
    check("triton", Op::ListModels { ready_only: false }, &index, EventKind::Models(models));

    let load = || Op::Load { parameters: Default::default() };
    let unload = || Op::Unload { parameters: Default::default() };
    check("triton", load(), b"", progress(ModelState::Ready));
    check("triton", unload(), b"", progress(ModelState::Draining));
    check("mlserver", unload(), b"", progress(ModelState::Unloaded));
    let loaded = [bytes(1, "echo"), number(2, 1)].concat();
    check("kserve", load(), &loaded, progress(ModelState::Ready));
    let call = Call::new(load()).model("echo");
    let (_, result) = answered(&call, "kserve", &[bytes(1, "echo")], &ok_trailers());
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Server);

    let duration = |field, count, ns| bytes(field, [number(1, count), number(2, ns)].concat());
    let spent = [duration(1, 2, 169_365_570), duration(3, 2, 3_788_330), duration(5, 2, 165_112_870)].concat();
    let statistics = [
        bytes(1, "echo"),
        bytes(2, "1"),
        number(3, 1_795_295_098_337),
        number(4, 2),
        number(5, 2),
        bytes(6, spent),
        bytes(7, number(1, 1)),
    ];
    let expected = ModelStatistics {
        model: "echo".into(),
        version: "1".into(),
        last_inference_ms: 1_795_295_098_337,
        inference_count: 2,
        execution_count: 2,
        success: DurationStatistic { count: 2, ns: 169_365_570 },
        queue: DurationStatistic { count: 2, ns: 3_788_330 },
        compute_infer: DurationStatistic { count: 2, ns: 165_112_870 },
        ..ModelStatistics::default()
    };
    let message = bytes(1, statistics.concat());
    check("triton", Op::Statistics { version: None }, &message, EventKind::Statistics(vec![expected]));

    let input = [bytes(1, "IN_F"), number(2, 11), bytes(4, &minus_one), number(8, 1)].concat();
    let config = bytes(1, [bytes(1, "echo"), bytes(3, bytes(1, number(1, 1))), bytes(5, input)].concat());
    let call = Call::new(Op::ModelConfig { version: None }).model("echo");
    let (events, result) = answered(&call, "triton", &[config], &ok_trailers());
    assert_eq!(result, Ok(()));
    let EventKind::ModelConfig(config) = &events[0] else { panic!("{events:?}") };
    assert_eq!(config["name"], "echo");
    assert_eq!(config["version_policy"]["latest"]["num_versions"], 1);
    assert_eq!(config["input"][0]["data_type"], "TYPE_FP32");
    assert_eq!(config["input"][0]["dims"][0], -1);
    assert_eq!(config["input"][0]["optional"], true);
}

#[test]
fn inferences() {
    let tensors = |version: Option<&str>, outputs| {
        let (version, id) = (version.map(Into::into), Some("r1".into()));
        EventKind::Tensors(InferenceOutput { version, id, outputs, ..InferenceOutput::default() })
    };
    let check = |peer: &str, message: Vec<u8>, expected: EventKind| {
        let (events, result) = answered(&infer(false), peer, &[message], &ok_trailers());
        assert_eq!(
            (events, result),
            (vec![started("echo"), expected, EventKind::Done(Finish::Stop)], Ok(())),
            "{peer}"
        );
    };
    let raw = [bytes(1, "echo"), bytes(2, "1"), bytes(3, "r1"), tensor("OUT_F", "FP32", &[2]), bytes(6, FLOATS)];
    check("triton", raw.concat(), tensors(Some("1"), vec![out_f("OUT_F")]));
    // MLServer mirrors the request: typed contents, or raw ones beside empty typed ones.
    let described = [bytes(1, "out_IN_F"), bytes(2, "FP32"), bytes(3, [2])].concat();
    let mlserver = |contents: &[u8], raw: Vec<u8>| {
        let output = bytes(5, [described.clone(), bytes(5, contents)].concat());
        [bytes(1, "echo"), bytes(3, "r1"), output, raw].concat()
    };
    check("mlserver", mlserver(&bytes(6, FLOATS), vec![]), tensors(None, vec![out_f("out_IN_F")]));
    check("mlserver", mlserver(&[], bytes(6, FLOATS)), tensors(None, vec![out_f("out_IN_F")]));
    // What a text model of MLServer answers to a completion that is not streamed.
    let content_type = parameter(4, "content_type", bytes(3, "str"));
    let output =
        [bytes(1, "text"), bytes(2, "BYTES"), bytes(3, [1, 1]), content_type, bytes(5, bytes(8, "whole answer"))];
    let message = [bytes(1, "gen"), bytes(3, "s1"), bytes(5, output.concat())].concat();
    let (events, result) = answered(&complete(), "mlserver", &[message], &ok_trailers());
    assert_eq!(events, [started("gen"), text("whole answer"), EventKind::Done(Finish::Stop)]);
    assert_eq!(result, Ok(()));

    let wrong = [bytes(1, "echo"), tensor("OUT_F", "FP32", &[3]), bytes(6, FLOATS)].concat();
    let (_, result) = answered(&infer(false), "triton", &[wrong], &ok_trailers());
    let error = result.unwrap_err();
    assert!(error.kind() == ErrorKind::Protocol && error.message().contains("needs 12 bytes"), "{error}");
    let (events, result) = answered(&infer(false), "triton", &[raw.concat()], &HeaderMap::new());
    assert_eq!((events.len(), result.unwrap_err().kind()), (2, ErrorKind::Interrupted));
    let (_, result) = answered(&infer(false), "triton", &[], &ok_trailers());
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Protocol);
}

#[test]
fn tritons_streams() {
    let piece = |content: &str| {
        let response = [
            bytes(1, "stream"),
            bytes(2, "1"),
            bytes(3, "s1"),
            is_final(false),
            tensor("text_output", "BYTES", &[1]),
            bytes(6, [&[content.len() as u8, 0, 0, 0], content.as_bytes()].concat()),
        ];
        bytes(2, response.concat())
    };
    let end = bytes(2, [bytes(1, "stream"), bytes(3, "s1"), is_final(true)].concat());
    let check = |call: &Call, messages: &[Vec<u8>], expected: &[EventKind], error: Option<(ErrorKind, &str)>| {
        let (events, result) = answered(call, "triton", messages, &ok_trailers());
        assert_eq!(events, expected);
        match (result, error) {
            (Ok(()), None) => {}
            (Err(got), Some((kind, part))) => {
                assert!(got.kind() == kind && got.message().contains(part), "{got:?}");
            }
            (got, expected) => panic!("{got:?} instead of {expected:?}"),
        }
    };
    let done = EventKind::Done(Finish::Stop);
    let (a, b) = (text("a"), text("b"));
    check(
        &complete(),
        &[piece("a"), piece("b"), end.clone()],
        &[started("stream"), a.clone(), b.clone(), done.clone()],
        None,
    );
    // We ask for the end mark, so its absence means that the stream was cut, however politely.
    let cut = Some((ErrorKind::Interrupted, "without the final response"));
    check(&complete(), &[piece("a"), piece("b")], &[started("stream"), a.clone(), b], cut);
    let boom = [bytes(1, "boom mid stream"), bytes(2, [bytes(1, "stream"), bytes(3, "A"), is_final(false)].concat())];
    let failed = Some((ErrorKind::Server, "boom mid stream"));
    check(&complete(), &[piece("a"), boom.concat(), end], &[started("stream"), a], failed);
    let unknown = [bytes(1, "Request for unknown model: 'nope' is not found"), bytes(2, bytes(3, "q"))].concat();
    check(&complete(), &[unknown], &[], Some((ErrorKind::UnknownModel, "'nope'")));
    let whole = [
        bytes(1, "echo"),
        bytes(2, "1"),
        bytes(3, "r1"),
        is_final(true),
        tensor("OUT_F", "FP32", &[2]),
        bytes(6, FLOATS),
    ];
    let output = InferenceOutput {
        version: Some("1".into()),
        id: Some("r1".into()),
        outputs: vec![out_f("OUT_F")],
        ..InferenceOutput::default()
    };
    check(&infer(true), &[bytes(2, whole.concat())], &[started("echo"), EventKind::Tensors(output), done], None);
}

#[test]
fn mlservers_streams() {
    let piece = |content: &str| {
        let output = [bytes(1, "text"), bytes(2, "BYTES"), bytes(3, [1, 1]), bytes(5, bytes(8, content))].concat();
        [bytes(1, "gen"), bytes(3, "s1"), bytes(5, output)].concat()
    };
    let call = Call::new(Op::Complete(Completion { prompt: "a b".into(), stream: true, ..Completion::default() }));
    let call = call.model("gen");
    let (events, result) = answered(&call, "mlserver", &[piece("a"), piece("b")], &ok_trailers());
    assert_eq!(events, [started("gen"), text("a"), text("b"), EventKind::Done(Finish::Stop)]);
    assert_eq!(result, Ok(()));
    let boom = support::headers(&[("grpc-status", "13"), ("grpc-message", "boom mid stream")]);
    let (events, result) = answered(&call, "mlserver", &[piece("a")], &boom);
    assert_eq!(events, [started("gen"), text("a")]);
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Server, "boom mid stream"));
}

/// Every line of the logs that is an error.
#[test]
fn statuses() {
    let codes = BTreeMap::from([
        ("UNKNOWN", "2"),
        ("INVALID_ARGUMENT", "3"),
        ("NOT_FOUND", "5"),
        ("UNIMPLEMENTED", "12"),
        ("INTERNAL", "13"),
    ]);
    let expected = |server: &str, name: &str| match (server, name) {
        ("triton-2.51", "Infer unloaded") => ErrorKind::ModelNotReady,
        ("triton-2.51", "Infer badshape") => ErrorKind::InvalidRequest,
        ("mlserver-1.7.1", "Infer badshape") => ErrorKind::Server,
        (_, "Infer on decoupled") => ErrorKind::Unsupported,
        (_, name) if name.starts_with("health") || name.starts_with("reflection") => ErrorKind::Unsupported,
        (_, "ModelConfig echo" | "ModelStatistics") => ErrorKind::Unsupported,
        _ => ErrorKind::UnknownModel,
    };
    let mut count = 0;
    for server in ["triton-2.51", "mlserver-1.7.1"] {
        let log = std::fs::read_to_string(support::captures(server).join("grpc.txt")).unwrap();
        for line in log.lines() {
            let Some((name, rest)) = line.strip_prefix("## ").and_then(|line| line.split_once(" ERR ")) else {
                continue;
            };
            let (code, message) = rest.split_once("StatusCode.").unwrap().1.split_once(' ').unwrap();
            let quote = &message[..1];
            let message = &message[1..message.rfind(&format!("{quote} trailers")).unwrap()];
            let trailers = support::headers(&[("grpc-status", codes[code]), ("grpc-message", message)]);
            let (events, result) = answered(&infer(false), "triton", &[], &trailers);
            let error = result.unwrap_err();
            assert_eq!((events.len(), error.kind()), (0, expected(server, name)), "{server}: {line}");
            assert!(message.is_empty() || error.message() == message, "{error}");
            assert_eq!(error.server_code(), Some(code));
            count += 1;
        }
    }
    assert_eq!(count, 24);
}

#[test]
fn what_is_no_grpc_is_told() {
    let grpc = dialect::by_name("oip-grpc").unwrap();
    let check = |status, content_type, body: &str, kind, part: &str| {
        let head = support::head(status, &[("content-type", content_type)]);
        let (_, result) = support::decode(grpc, &infer(false), &support::peer(""), &head, body.as_bytes(), 4);
        let error = result.unwrap_err();
        assert!(error.kind() == kind && error.message().contains(part), "{error:?}");
    };
    check(200, "text/html", "<h1>Hello</h1>", ErrorKind::Protocol, "<h1>Hello</h1>");
    check(404, "text/plain", "no such page", ErrorKind::Unsupported, "no such page");
    check(503, "text/plain", "", ErrorKind::Overloaded, "503");
    check(401, "text/plain", "who are you", ErrorKind::Unauthenticated, "who are you");
}

// === what clients ask ===

fn heard(path: &str, message: &[u8]) -> Result<Call, Error> {
    let mut body = BytesMut::new();
    Framing::Grpc.put(message, &mut body);
    let request = http::Request::post(path).header("content-type", "application/grpc").body(Bytes::from(body)).unwrap();
    support::receive(dialect::by_name("oip-grpc").unwrap(), request)
}

#[test]
fn clients_are_understood() {
    let service = "/inference.GRPCInferenceService/";
    // Typed contents, as a client without numpy writes them; nothing asked for beside the answer.
    let input = [bytes(1, "IN_F"), bytes(2, "FP32"), bytes(3, [2]), bytes(5, bytes(6, FLOATS))].concat();
    let message = [bytes(1, "echo"), bytes(3, "r1"), parameter(4, "priority", number(5, 3)), bytes(5, input)].concat();
    let call = heard(&format!("{service}ModelInfer"), &message).unwrap();
    let expected = Inference {
        id: Some("r1".into()),
        inputs: vec![out_f("IN_F")],
        parameters: [("priority".to_owned(), Parameter::Int(3))].into(),
        binary: true,
        ..Inference::default()
    };
    assert_eq!((&*call.op, call.model_name(), &*call.id), (&Op::Infer(expected), "echo", "r1"));

    // KServe's clients have the model's name in field 1, the others in field 2.
    for field in [1, 2] {
        let call = heard(&format!("{service}RepositoryModelLoad"), &bytes(field, "echo")).unwrap();
        assert_eq!((&*call.op, call.model_name()), (&Op::Load { parameters: Default::default() }, "echo"));
    }
    let check = heard("/grpc.health.v1.Health/Check", &bytes(1, "inference.GRPCInferenceService")).unwrap();
    let written = support::encode(dialect::by_name("oip-grpc").unwrap(), &check, &[health(true)]);
    assert_eq!((&written.body[..], written.trailers), (&b"\0\0\0\0\x02\x08\x01"[..], Some(ok_trailers())));
    let written = support::encode(dialect::by_name("oip-grpc").unwrap(), &check, &[health(false)]);
    assert_eq!(&written.body[5..], b"\x08\x02");

    for (path, message, kind, part) in [
        ("/grpc.health.v1.Health/Watch", vec![], ErrorKind::Unsupported, "Watch"),
        ("/grpc.health.v1.Health/Check", bytes(1, "other"), ErrorKind::UnknownModel, "`other`"),
        ("/grpc.reflection.v1.ServerReflection/Info", vec![], ErrorKind::Unsupported, "reflection"),
        ("/inference.GRPCInferenceService/ModelInfer", vec![], ErrorKind::InvalidRequest, "is empty"),
        ("/inference.GRPCInferenceService/ModelInfer", bytes(1, "../x"), ErrorKind::InvalidRequest, "../x"),
        ("/inference.GRPCInferenceService/ModelInfer", vec![7], ErrorKind::InvalidRequest, "makes no sense"),
        (
            "/inference.GRPCInferenceService/ModelStreamInfer",
            [bytes(1, "m"), tensor("x", "FP8", &[1])].concat(),
            ErrorKind::InvalidRequest,
            "tensor `x`: unknown datatype `FP8`",
        ),
    ] {
        let error = heard(path, &message).unwrap_err();
        assert!(error.kind() == kind && error.message().contains(part), "{path}: {error:?}");
    }
}

/// A client that does not ask for an end mark gets none; `triton_final_response` is then false throughout.
#[test]
fn the_end_mark_is_for_those_who_ask() {
    let grpc = dialect::by_name("oip-grpc").unwrap();
    for (asks, messages) in [(false, 1), (true, 2)] {
        let parameters =
            if asks { parameter(4, "triton_enable_empty_final_response", number(1, 1)) } else { Vec::new() };
        let call =
            heard("/inference.GRPCInferenceService/ModelStreamInfer", &[bytes(1, "m"), parameters].concat()).unwrap();
        assert!(call.op.streams());
        let tensors = EventKind::Tensors(InferenceOutput { outputs: vec![out_f("y")], ..InferenceOutput::default() });
        let written = support::encode(grpc, &call, &[tensors, EventKind::Done(Finish::Stop)]);
        let mut frames = Vec::new();
        Framing::Grpc.framer(1 << 20).push(written.body, &mut frames).unwrap();
        assert_eq!(frames.len(), messages, "asks: {asks}");
        assert_eq!(written.trailers, Some(ok_trailers()));
        let marks: Vec<_> = frames.iter().map(|frame| frame.ends_with(&is_final(true))).collect();
        assert_eq!(marks.iter().filter(|&&mark| mark).count(), messages - 1);
    }
}
