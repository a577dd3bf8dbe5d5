//! Every exchange recorded from Triton and MLServer over REST: the recorded request is heard as the right call, the call
//! is asked as it was recorded, and the reply is understood as the right events or the right error.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod support;

use std::collections::BTreeSet;

use longshore_core::{
    Call, DataType, ErrorKind, EventKind, Finish, ModelInfo, ModelState, Op, Parameter, Tensor,
    call::{Completion, HealthScope, Inference, Sampling},
    dialect,
    event::InferenceOutput,
    model::{DurationStatistic, HealthReport, ModelStatistics, Progress, TensorSpec},
};
use serde_json::{Value, json};

/// What an exchange is.
struct Exchange {
    name: &'static str,
    /// What the request asks for.
    op: Op,
    /// Part of the message with which our server half refuses the request, if it must.
    refused: Option<&'static str>,
    reply: Result<Vec<EventKind>, (ErrorKind, &'static str)>,
}

fn ok(name: &'static str, op: Op, events: Vec<EventKind>) -> Exchange {
    let events = events.into_iter().chain([EventKind::Done(Finish::Stop)]).collect();
    Exchange { name, op, refused: None, reply: Ok(events) }
}

fn err(name: &'static str, op: Op, kind: ErrorKind, part: &'static str) -> Exchange {
    Exchange { name, op, refused: None, reply: Err((kind, part)) }
}

impl Exchange {
    fn refused(self, part: &'static str) -> Self {
        Self { refused: Some(part), ..self }
    }
}

fn check(server: &str, peer: &str, logs: &[&str], exchanges: Vec<Exchange>) {
    let tested: BTreeSet<_> = exchanges.iter().map(|exchange| exchange.name.to_owned()).collect();
    let there: BTreeSet<_> =
        support::capture_names(server).into_iter().filter(|name| !logs.contains(&name.as_str())).collect();
    assert_eq!(tested, there, "every file of {server} is tested");
    for exchange in exchanges {
        check_one(server, peer, &exchange);
    }
}

fn check_one(server: &str, peer: &str, exchange: &Exchange) {
    let rest = dialect::by_name("oip-rest").unwrap();
    let (name, peer) = (exchange.name, support::peer(peer));
    let capture = support::capture(server, name);
    let call = match exchange.refused {
        None => {
            let call = support::receive(rest, capture.request.clone()).unwrap();
            assert_eq!(*call.op, exchange.op, "{name}: heard");
            check_asked(rest, &call, &peer, &capture, name);
            call
        }
        Some(part) => {
            let (head, body) = capture.request.clone().into_parts();
            match rest.route(&head) {
                Some(_) => {
                    let error = rest.decode_call(&head, body).unwrap_err();
                    assert!(
                        error.kind() == ErrorKind::InvalidRequest && error.message().contains(part),
                        "{name}: {error}"
                    );
                }
                None => assert_eq!(part, "no route", "{name}"),
            }
            let call = Call::new(exchange.op.clone());
            if head.uri.path().contains("echo") { call.model("echo") } else { call }
        }
    };
    for piece in [1, 7, usize::MAX] {
        let (events, result) = support::decode(rest, &call, &peer, capture.head(), &capture.body, piece);
        match (&exchange.reply, result) {
            (Ok(expected), Ok(())) => assert_eq!(&events, expected, "{server}/{name} in pieces of {piece}"),
            (Err((kind, part)), Err(error)) => {
                assert_eq!(error.kind(), *kind, "{server}/{name}: {error}");
                assert!(error.message().contains(part) && error.message().len() < 700, "{server}/{name}: {error}");
            }
            (expected, got) => panic!("{server}/{name}: {events:?} {got:?} instead of {expected:?}"),
        }
    }
}

/// Our client half asks the same (a text of Triton goes to the stream, whichever way it was heard).
fn check_asked(
    rest: &dyn dialect::Dialect,
    call: &Call,
    peer: &longshore_core::ServerInfo,
    capture: &support::Capture,
    name: &str,
) {
    let Ok(asked) = rest.encode_call(call, peer) else {
        panic!("{name}: {call:?} cannot be asked");
    };
    if matches!(*call.op, Op::Complete(_)) || capture.request.uri().path().ends_with("/generate") {
        return;
    }
    let streams = capture.request.uri().path().replace("/generate_stream", "/infer_stream");
    assert_eq!((asked.uri().path(), asked.method()), (&*streams, capture.request.method()), "{name}");
    let body = |bytes: &[u8]| -> Value { serde_json::from_slice(bytes).unwrap_or(json!({})) };
    let recorded = body(capture.request.body());
    let asked = body(asked.body());
    let numbers_aside = |value: &Value| value.to_string().replace(".0", "").replace(['[', ']'], "");
    assert_eq!(numbers_aside(&asked), numbers_aside(&sorted_like(&asked, &recorded)), "{name}");
}

/// `recorded` with false flags left out, its keys in the order of `like`.
fn sorted_like(like: &Value, recorded: &Value) -> Value {
    match (like, recorded) {
        (Value::Object(like), Value::Object(recorded)) => {
            let mut keys: Vec<_> = recorded.keys().filter(|key| recorded[*key] != false).collect();
            keys.sort_by_key(|key| like.keys().position(|other| other == *key));
            keys.into_iter()
                .map(|key| (key.clone(), sorted_like(like.get(key).unwrap_or(&Value::Null), &recorded[key])))
                .collect()
        }
        (Value::Array(like), Value::Array(recorded)) if like.len() == recorded.len() => {
            like.iter().zip(recorded).map(|(like, recorded)| sorted_like(like, recorded)).collect()
        }
        _ => recorded.clone(),
    }
}

// === what is in them ===

fn infer(inputs: Vec<Tensor>) -> Op {
    Op::Infer(Inference { inputs, ..Inference::default() })
}

fn infer_as(id: &str, inputs: Vec<Tensor>) -> Op {
    Op::Infer(Inference { id: Some(id.into()), inputs, ..Inference::default() })
}

fn infer_stream(inputs: Vec<Tensor>) -> Op {
    Op::Infer(Inference { inputs, stream: true, ..Inference::default() })
}

fn floats(name: &str, shape: &[i64], values: &[f32]) -> Tensor {
    Tensor::of_f32(name, shape.to_vec(), values).unwrap()
}

fn texts(name: &str, shape: &[i64], values: &[&str]) -> Tensor {
    Tensor::of_bytes(name, shape.to_vec(), values).unwrap()
}

fn complete(prompt: &str, stream: bool) -> Op {
    Op::Complete(Completion { prompt: prompt.into(), stream, ..Completion::default() })
}

fn started(model: &str) -> EventKind {
    EventKind::Started { model: model.into() }
}

fn text(text: &str) -> EventKind {
    EventKind::Text { index: 0, text: text.into() }
}

fn tensors(version: Option<&str>, id: Option<&str>, outputs: Vec<Tensor>) -> EventKind {
    let version = version.map(Into::into);
    EventKind::Tensors(InferenceOutput { version, id: id.map(Into::into), outputs, ..InferenceOutput::default() })
}

fn health(ok: bool, detail: Option<&str>) -> Vec<EventKind> {
    vec![EventKind::Health(HealthReport { ok, detail: detail.map(Into::into) })]
}

fn progress(model: &str, state: ModelState) -> Vec<EventKind> {
    vec![EventKind::Progress(Progress { model: model.into(), state, ..Progress::default() })]
}

fn model_ready() -> Op {
    Op::Health(HealthScope::Model { version: None })
}

fn load() -> Op {
    Op::Load { parameters: Default::default() }
}

fn unload() -> Op {
    Op::Unload { parameters: Default::default() }
}

fn describe(version: Option<&str>) -> Op {
    Op::Describe { version: version.map(Into::into) }
}

fn list(ready_only: bool) -> Op {
    Op::ListModels { ready_only }
}

fn model(id: &str, versions: &[&str], state: ModelState) -> ModelInfo {
    let versions = versions.iter().map(|version| (*version).to_owned()).collect();
    ModelInfo { versions, state, ..ModelInfo::new(id) }
}

fn spec(name: &str, datatype: DataType) -> TensorSpec {
    TensorSpec { name: name.into(), datatype, shape: vec![-1] }
}

const BAD: &str = "Internal: RuntimeError: cannot init\n\nAt:\n  /opt/server/model.py(1): <module>\n  \
    <frozen importlib._bootstrap>(241): _call_with_frames_removed\n  \
    <frozen importlib._bootstrap_external>(940): exec_module\n  <frozen importlib._bootstrap>(705): _load_unlocked\n  \
    <frozen importlib._bootstrap>(1152): _find_and_load_unlocked\n  <frozen importlib._bootstrap>(1178): _find_and_load";

#[test]
fn triton() {
    let index = |slow: ModelState| {
        vec![EventKind::Models(vec![
            model("bad", &["1"], ModelState::Failed(BAD.into())),
            model("echo", &["1"], ModelState::Ready),
            model("slow", &["1"], slow),
            model("stream", &["1"], ModelState::Ready),
        ])]
    };
    let first_index = || {
        vec![EventKind::Models(vec![
            model("bad", &[], ModelState::Unloaded),
            model("echo", &["1"], ModelState::Ready),
            model("slow", &[], ModelState::Unloaded),
            model("stream", &["1"], ModelState::Ready),
        ])]
    };
    let ready = vec![EventKind::Models(vec![
        model("echo", &["1"], ModelState::Ready),
        model("stream", &["1"], ModelState::Ready),
    ])];
    let echo = || {
        vec![EventKind::Models(vec![ModelInfo {
            versions: vec!["1".into()],
            platform: Some("python".into()),
            inputs: vec![spec("IN_F", DataType::Fp32), spec("IN_S", DataType::Bytes)],
            outputs: vec![spec("OUT_F", DataType::Fp32), spec("OUT_S", DataType::Bytes)],
            ..ModelInfo::new("echo")
        }])]
    };
    let in_f = || floats("IN_F", &[3], &[1.0, 2.5, -3.0]);
    let out_f = || floats("OUT_F", &[3], &[1.0, 2.5, -3.0]);
    let x = || infer(vec![floats("X", &[1], &[1.0])]);
    let wrong_type = Tensor::from_json("IN_F", DataType::Int32, vec![3], &json!([1, 2, 3])).unwrap();
    let limited = Op::Complete(Completion {
        prompt: "one two three".into(),
        sampling: Sampling { max_tokens: Some(3), ..Sampling::default() },
        stream: true,
        ..Completion::default()
    });
    let config = support::capture("triton-2.51", "config").body;
    let duration = |ns| DurationStatistic { count: 6, ns };
    let statistics = ModelStatistics {
        model: "stream".into(),
        version: "1".into(),
        last_inference_ms: 1_795_295_109_099,
        inference_count: 6,
        execution_count: 6,
        success: duration(1_658_339_660),
        fail: DurationStatistic::default(),
        queue: duration(124_815_362),
        compute_input: duration(277_610),
        compute_infer: duration(1_533_199_058),
        compute_output: duration(17_730),
    };
    let extensions = [
        "classification",
        "sequence",
        "model_repository",
        "model_repository(unload_dependents)",
        "schedule_policy",
        "model_configuration",
        "system_shared_memory",
        "cuda_shared_memory",
        "binary_tensor_data",
        "parameters",
        "statistics",
        "trace",
        "logging",
    ];
    let server = EventKind::Server(longshore_core::ServerInfo {
        name: "triton".into(),
        version: "2.51.0".into(),
        extensions: extensions.map(Into::into).into(),
        told: vec![],
    });
    let exchanges = vec![
        ok(
            "config",
            Op::ModelConfig { version: None },
            vec![EventKind::ModelConfig(serde_json::from_slice(&config).unwrap())],
        ),
        err("generate-multi", complete("one two three", false), ErrorKind::Unsupported, "use generate stream"),
        ok("generate", complete("one", false), vec![started("stream"), text("one")]),
        // Another field than `text_input` is an input of the model's own, which our text models do not have.
        err("generate_stream-bad", complete("", true), ErrorKind::InvalidRequest, "missing required input(s)")
            .refused("text_input"),
        err("generate_stream-boom", complete("one boom three", true), ErrorKind::Server, "boom mid stream"),
        ok("generate_stream-empty", complete("", true), vec![]),
        ok("generate_stream", limited, vec![started("stream"), text("one"), text("two"), text("three")]),
        err("index-GET", list(false), ErrorKind::Unsupported, "Method Not Allowed").refused("no route"),
        ok("index-after-load", list(false), index(ModelState::Ready)),
        ok("index-after-unload", list(false), index(ModelState::Draining)),
        ok("index-during-load", list(false), index(ModelState::Loading)),
        ok("index-during-unload", list(false), index(ModelState::Draining)),
        ok("index-empty-body", list(false), first_index()),
        ok("index-ready", list(true), ready),
        ok("index", list(false), first_index()),
        err("infer-badjson", infer(vec![]), ErrorKind::InvalidRequest, "failed to parse the request JSON")
            .refused("expected value"),
        err("infer-badshape", infer(vec![]), ErrorKind::InvalidRequest, "Shape does not match")
            .refused("needs 4 elements, has 3"),
        err("infer-badtype", infer(vec![wrong_type]), ErrorKind::InvalidRequest, "data-type is 'INT32'"),
        ok("infer-nested", infer(vec![in_f()]), vec![started("echo"), tensors(Some("1"), None, vec![out_f()])]),
        err("infer-nomodel", infer(vec![]), ErrorKind::UnknownModel, "'nope' is not found"),
        err(
            "infer-on-decoupled",
            infer(vec![texts("text_input", &[1], &["a b"])]),
            ErrorKind::Unsupported,
            "decoupled",
        ),
        err("infer-unloaded", x(), ErrorKind::UnknownModel, "'slow' is not found"),
        ok("infer-while-unload", x(), vec![started("slow"), tensors(Some("1"), None, vec![floats("Y", &[1], &[1.0])])]),
        ok(
            "infer",
            infer_as("a1", vec![in_f(), texts("IN_S", &[2], &["hé", "b"])]),
            vec![started("echo"), tensors(Some("1"), Some("a1"), vec![out_f(), texts("OUT_S", &[2], &["hé", "b"])])],
        ),
        ok("live", Op::Health(HealthScope::Live), health(true, None)),
        err("load-bad", load(), ErrorKind::Server, "cannot init"),
        err("load-nosuch", load(), ErrorKind::UnknownModel, "failed to load 'nope'"),
        ok("load-slow", load(), progress("slow", ModelState::Ready)),
        err("model-meta-badver", describe(Some("9")), ErrorKind::UnknownModel, "version 9 is not found"),
        err("model-meta-nosuch", describe(None), ErrorKind::UnknownModel, "'nope' is not found"),
        ok("model-meta-ver", describe(Some("1")), echo()),
        ok("model-meta", describe(None), echo()),
        ok("model-nosuch-ready", model_ready(), health(false, Some("Model version not ready"))),
        ok("model-notready", model_ready(), health(false, Some("Model version not ready"))),
        ok("model-ready", model_ready(), health(true, None)),
        err("nopath", Op::ServerInfo, ErrorKind::Unsupported, "Not Found").refused("no route"),
        ok("ready-during-load", model_ready(), health(false, Some("Model version not ready"))),
        ok("ready", Op::Health(HealthScope::Ready), health(true, None)),
        ok("server", Op::ServerInfo, vec![server]),
        ok("stats", Op::Statistics { version: None }, vec![EventKind::Statistics(vec![statistics])]),
        ok("unload-nosuch", unload(), progress("nope", ModelState::Draining)),
        ok("unload-slow", unload(), progress("slow", ModelState::Draining)),
    ];
    check("triton-2.51", "triton", &["binary", "cancel", "grpc"], exchanges);
}

#[test]
fn mlserver() {
    let index = |echo: ModelState| {
        vec![EventKind::Models(vec![
            model("sk", &["v1"], ModelState::Ready),
            model("gen", &[], ModelState::Ready),
            model("echo", &[], echo),
        ])]
    };
    let t = |text: &str| vec![texts("t", &[1], &[text])];
    let content =
        |tensor: Tensor, word: &str| tensor.with_parameters([("content_type".to_owned(), word.into())].into());
    let answer = |text: &str| content(texts("text", &[1, 1], &[text]), "str");
    // Every answer of a stream has the cloud event's headers among its options.
    let pieces = |model: &str, id: &str, outputs: Vec<Tensor>| {
        let headers = json!({
            "Ce-Specversion": "0.3", "Ce-Source": "io.seldon.serving.deployment.mlserver",
            "Ce-Type": "io.seldon.serving.inference.response", "Ce-Modelid": model,
            "Ce-Inferenceservicename": "mlserver", "Ce-Endpoint": model, "Ce-Id": id, "Ce-Requestid": id,
        });
        let parameters = [("headers".to_owned(), Parameter::String(headers.to_string()))];
        let piece = |output| {
            let parameters = parameters.clone().into();
            EventKind::Tensors(InferenceOutput {
                id: Some(id.into()),
                outputs: vec![output],
                parameters,
                version: None,
            })
        };
        [started(model)].into_iter().chain(outputs.into_iter().map(piece)).collect::<Vec<_>>()
    };
    let abc = || vec![answer("a"), answer("b"), answer("c")];
    let described = |name: &str, inputs| vec![EventKind::Models(vec![ModelInfo { inputs, ..ModelInfo::new(name) }])];
    let boom = || infer(vec![floats("boom", &[1], &[1.0])]);
    let eight = floats("x", &[2, 4], &[1.0, 2.5, -3.0, 0.0, -1.0, 0.0, 0.0, 0.0]);
    let predicted = Tensor::from_json("predict", DataType::Int64, vec![2, 1], &json!([1, 0])).unwrap();
    let server = EventKind::Server(longshore_core::ServerInfo {
        name: "mlserver".into(),
        version: "1.7.1".into(),
        extensions: vec![],
        told: vec![],
    });
    let exchanges = vec![
        err("defaults-generate_stream", infer_stream(t("a b")), ErrorKind::Server, "response already started"),
        err("defaults-infer-boom", boom(), ErrorKind::ModelNotReady, "Model echo is not ready yet."),
        ok(
            "generate",
            infer(t("a b c")),
            vec![
                started("gen"),
                tensors(None, Some("f07b1628-9314-4b69-9539-2165df83fcc1"), vec![answer("whole answer")]),
            ],
        ),
        err("generate_stream-text", complete("a b", true), ErrorKind::InvalidRequest, "body.inputs: Field required"),
        ok(
            "generate_stream-unsupported",
            infer_stream(t("a boom c")),
            pieces("echo", "0e0e8aee-aece-4c9e-ab7d-11e11b3cf66b", vec![texts("out_t", &[1], &["a boom c"])]),
        ),
        ok("generate_stream", infer_stream(t("a b c")), pieces("gen", "f61a8e4c-d703-452d-ba41-610384b0499c", abc())),
        ok("index-after-unload", list(false), index(ModelState::Unloaded)),
        err("index-nobody", list(false), ErrorKind::InvalidRequest, "body: Field required"),
        ok("index-ready", list(true), index(ModelState::Ready)),
        ok("index", list(false), index(ModelState::Ready)),
        err("infer-badjson", infer(vec![]), ErrorKind::InvalidRequest, "JSON decode error").refused("expected value"),
        err("infer-badshape", infer(vec![]), ErrorKind::Server, "ValueError: cannot reshape array")
            .refused("needs 8 elements"),
        err("infer-boom", boom(), ErrorKind::Server, "ValueError: boom asked"),
        err("infer-missingfield", infer(vec![]), ErrorKind::InvalidRequest, "body.inputs.0.shape: Field required")
            .refused("shape"),
        ok(
            "infer-noid",
            infer(vec![texts("s", &[2], &["hé", "b"])]),
            vec![
                started("echo"),
                tensors(None, Some("f3544d53-cd20-4aeb-bc34-c4589b43e4fa"), vec![texts("out_s", &[2], &["hé", "b"])]),
            ],
        ),
        err("infer-nomodel", infer(vec![]), ErrorKind::UnknownModel, "Model nope not found"),
        err("infer-unloaded", infer(vec![]), ErrorKind::UnknownModel, "Model echo not found"),
        ok(
            "infer",
            infer_as("a1", vec![eight]),
            vec![started("sk"), tensors(Some("v1"), Some("a1"), vec![content(predicted, "np")])],
        ),
        ok("infer_stream", infer_stream(t("a b c")), pieces("gen", "6c0e5f7f-1386-413e-a80c-3aa2102d4114", abc())),
        ok("live", Op::Health(HealthScope::Live), health(true, None)),
        ok("load-again", load(), progress("echo", ModelState::Ready)),
        err("load-nosuch", load(), ErrorKind::UnknownModel, "Model nope not found"),
        ok("load", load(), progress("echo", ModelState::Ready)),
        ok("model-meta-ver", describe(Some("v1")), described("sk", vec![])),
        ok("model-meta", describe(None), described("echo", vec![spec("x", DataType::Fp32)])),
        err("model-nosuch-ready", model_ready(), ErrorKind::UnknownModel, "Model nope not found"),
        ok("model-ready", model_ready(), health(true, None)),
        ok("ready", Op::Health(HealthScope::Ready), health(true, None)),
        ok("server", Op::ServerInfo, vec![server]),
        err("unload-again", unload(), ErrorKind::UnknownModel, "Model echo not found"),
        ok("unload", unload(), progress("echo", ModelState::Unloaded)),
    ];
    check("mlserver-1.7.1", "mlserver", &["binary", "grpc"], exchanges);
}

/// The replies in `binary.txt`, byte for byte.
#[test]
fn binary_tensors() {
    let rest = dialect::by_name("oip-rest").unwrap();
    let check = |peer: &str,
                 status: u16,
                 length: Option<&str>,
                 body: &[u8],
                 expected: Result<Tensor, (ErrorKind, &str)>| {
        let mut headers = vec![("content-type", "application/octet-stream")];
        headers.extend(length.map(|length| ("inference-header-content-length", length)));
        let call = Call::new(infer(vec![])).model("echo");
        let head = support::head(status, &headers);
        let (events, result) = support::decode(rest, &call, &support::peer(peer), &head, body, 5);
        match expected {
            Ok(tensor) => {
                assert_eq!(result, Ok(()));
                let expected = [started("echo"), tensors(Some("1"), None, vec![tensor]), EventKind::Done(Finish::Stop)];
                assert_eq!(format!("{events:?}"), format!("{expected:?}"));
                let (EventKind::Tensors(got), EventKind::Tensors(want)) = (&events[1], &expected[1]) else { panic!() };
                assert_eq!(got.outputs[0].data(), want.outputs[0].data());
            }
            Err((kind, part)) => {
                let error = result.unwrap_err();
                assert!(error.kind() == kind && error.message().contains(part), "{error:?}");
            }
        }
    };
    let out_f = || Ok(floats("OUT_F", &[3], &[1.0, 2.5, -3.0]));
    let out_s = Ok(Tensor::of_bytes("OUT_S", vec![2], [&b"ab"[..], b"\xff\0"]).unwrap());
    let binary = b"{\"model_name\":\"echo\",\"model_version\":\"1\",\"outputs\":[{\"name\":\"OUT_F\",\"datatype\":\"FP32\",\"shape\":[3],\"parameters\":{\"binary_data_size\":12}}]}\x00\x00\x80?\x00\x00 @\x00\x00@\xc0";
    check("triton", 200, Some("137"), binary, out_f());
    check("triton", 200, Some("999"), binary, Err((ErrorKind::Protocol, "Content-Length is 999")));
    check("triton", 200, Some("137"), &binary[..148], Err((ErrorKind::Protocol, "reaches past the body (11 bytes")));
    check("triton", 200, None, b"{\"model_name\":\"echo\",\"model_version\":\"1\",\"outputs\":[{\"name\":\"OUT_F\",\"datatype\":\"FP32\",\"shape\":[3],\"data\":[1.0,2.5,-3.0]}]}", out_f());
    check(
        "triton",
        400,
        None,
        b"{\"error\":\"unexpected size for input 'IN_F', expecting 5 additional bytes for model 'echo'\"}",
        Err((ErrorKind::InvalidRequest, "expecting 5 additional")),
    );
    check("triton", 200, None, b"{\"model_name\":\"echo\",\"model_version\":\"1\",\"outputs\":[{\"name\":\"OUT_S\",\"datatype\":\"BYTES\",\"shape\":[2],\"data\":[\"ab\",\"\xff\\u0000\"]}]}", Err((ErrorKind::Protocol, "ask for binary data")));
    check("triton", 200, Some("138"), b"{\"model_name\":\"echo\",\"model_version\":\"1\",\"outputs\":[{\"name\":\"OUT_S\",\"datatype\":\"BYTES\",\"shape\":[2],\"parameters\":{\"binary_data_size\":12}}]}\x02\x00\x00\x00ab\x02\x00\x00\x00\xff\x00", out_s);
    check("triton", 200, None, b"{\"model_name\":\"echo\",\"model_version\":\"1\",\"outputs\":[{\"name\":\"OUT_F\",\"datatype\":\"FP32\",\"shape\":[3],\"data\":[Infinity,NaN,9.99994610111476e-41]}]}", Ok(floats("OUT_F", &[3], &[f32::INFINITY, f32::NAN, 9.99994610111476e-41_f64 as f32])));
    check("mlserver", 422, None, br#"{"detail":[{"type":"model_attributes_type","loc":["body"],"msg":"Input should be a valid dictionary or object to extract fields from","input":"{\"parameters\""}]}"#, Err((ErrorKind::InvalidRequest, "body: Input should be a valid dictionary")));
    check("mlserver", 500, None, b"Traceback (most recent call last):\n  File \"/opt/server/_exception_handler.py\", line 42, in wrapped_app\n    await app(scope, receive, sender)\n", Err((ErrorKind::Server, "await app(scope")));
}
