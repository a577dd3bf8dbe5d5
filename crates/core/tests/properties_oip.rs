//! What both dialects of the Open Inference Protocol promise: a call that was written is heard as the same call, an
//! answer that was written is understood as the same answer however its bytes are split, and a cut is noticed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod support;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use longshore_core::{
    Call, DataType, Dialect, Error, ErrorKind, EventKind, Finish, ModelInfo, ModelKind, ModelState, Op, Parameter,
    Parameters, ServerInfo, Tensor, Usage,
    call::{Chat, Completion, Content, HealthScope, Inference, Message, Overflow, Prompt, RequestedOutput, Sampling},
    capability::OpKind,
    dialect,
    event::InferenceOutput,
    model::{DurationStatistic, HealthReport, ModelStatistics, Progress, TensorSpec},
};
use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
    sample::select,
};
use serde_json::{Map, Value, json};

const DIALECTS: [&str; 2] = ["oip-rest", "oip-grpc"];

fn by_name(name: &str) -> &'static dyn Dialect {
    dialect::by_name(name).unwrap()
}

fn longshore() -> ServerInfo {
    support::peer("longshore")
}

// === parts of calls and answers ===

fn word() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9é🦀 _:\"\\\\\n-]{1,12}"
}

fn model_name() -> impl Strategy<Value = String> {
    "[a-zA-Zé][a-zA-Z0-9 _.:@+-]{0,8}(/[a-zA-Z][a-z0-9.]{0,4})?(/versions/1|/infer|/ready)?"
}

fn version() -> impl Strategy<Value = Option<Arc<str>>> {
    option::of("[a-z0-9][a-z0-9.]{0,4}".prop_map(Arc::from))
}

fn float() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("finite", |value| value.is_finite())
}

fn parameter() -> impl Strategy<Value = Parameter> {
    prop_oneof![
        any::<bool>().prop_map(Parameter::Bool),
        any::<i64>().prop_map(Parameter::Int),
        (i64::MAX as u64 + 1..=u64::MAX).prop_map(Parameter::Uint),
        float().prop_map(Parameter::Float),
        word().prop_map(Parameter::String),
    ]
}

fn parameters() -> impl Strategy<Value = Parameters> {
    btree_map("p_[a-z]{1,4}", parameter(), 0..3)
}

/// Tensors of every datatype; `json`: only such as JSON has words for.
fn tensor(json: bool) -> impl Strategy<Value = Tensor> {
    let shape = vec(0_i64..4, 0..4);
    (word(), select(&DataType::ALL[..]), shape, parameters()).prop_flat_map(
        move |(name, datatype, shape, parameters)| {
            let count = shape.iter().product::<i64>() as usize;
            let made = (Just(name), Just(shape));
            let tensor = match datatype.size() {
                None if json => (made, vec(word(), count))
                    .prop_map(|((name, shape), texts)| Tensor::of_bytes(name, shape, texts).unwrap())
                    .boxed(),
                None => (made, vec(vec(any::<u8>(), 0..5), count))
                    .prop_map(|((name, shape), texts)| Tensor::of_bytes(name, shape, texts).unwrap())
                    .boxed(),
                Some(size) => (made, vec(any::<u8>(), count * size))
                    .prop_map(move |((name, shape), mut data)| {
                        if json {
                            tame(datatype, &mut data);
                        }
                        Tensor::new(name, datatype, shape, data.into()).unwrap()
                    })
                    .boxed(),
            };
            tensor.prop_map(move |tensor| tensor.with_parameters(parameters.clone()))
        },
    )
}

/// Makes the elements such as JSON keeps: truth values 0 or 1, no NaN.
fn tame(datatype: DataType, data: &mut [u8]) {
    match datatype {
        DataType::Bool => data.iter_mut().for_each(|byte| *byte &= 1),
        // A bit of the exponent that is not set makes it finite.
        DataType::Fp16 | DataType::Bf16 => data.chunks_mut(2).for_each(|float| float[1] &= 0xbf),
        DataType::Fp32 => data.chunks_mut(4).for_each(|float| float[3] &= 0xbf),
        DataType::Fp64 => data.chunks_mut(8).for_each(|float| float[7] &= 0xbf),
        _ => {}
    }
}

fn sampling() -> impl Strategy<Value = Sampling> {
    (
        option::of(float()),
        option::of(float()),
        option::of(any::<u32>()),
        option::of(any::<i64>()),
        option::of(any::<u32>()),
        vec(word(), 0..3),
        option::of(any::<bool>()),
    )
        .prop_map(|(temperature, top_p, top_k, seed, max_tokens, stop, ignore_eos)| Sampling {
            temperature,
            top_p,
            top_k,
            seed,
            max_tokens,
            stop,
            ignore_eos,
        })
}

fn extra() -> impl Strategy<Value = Map<String, Value>> {
    let value = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        float().prop_map(Value::from),
        word().prop_map(Value::from),
        vec(word(), 0..2).prop_map(Value::from),
        word().prop_map(|word| json!({"a": [word, null]})),
    ];
    // In the order that parameters have.
    btree_map("x_[a-z]{1,4}", value, 0..3).prop_map(|map| map.into_iter().collect())
}

fn message() -> impl Strategy<Value = Message> {
    let content = prop_oneof![
        word().prop_map(Content::Text),
        vec(word().prop_map(|text| json!({"type": "text", "text": text})), 1..3).prop_map(Content::Parts),
    ];
    (select(&["system", "user", "assistant", "tool"][..]), option::of(content), extra())
        .prop_map(|(role, content, extra)| Message { role: role.into(), content, extra })
}

fn chat() -> impl Strategy<Value = Op> {
    let overflow = select(&[Overflow::Refuse, Overflow::DropOldest][..]);
    (vec(message(), 0..4), sampling(), any::<bool>(), any::<bool>(), overflow, extra()).prop_map(
        |(messages, sampling, stream, include_usage, overflow, extra)| {
            Op::Chat(Chat { messages, sampling, stream, include_usage, overflow, extra })
        },
    )
}

fn completion() -> impl Strategy<Value = Op> {
    (vec(word(), 0..3), sampling(), any::<bool>(), any::<bool>(), extra()).prop_map(
        |(texts, sampling, stream, include_usage, extra)| {
            Op::Complete(Completion { prompt: Prompt::Text(texts), sampling, stream, include_usage, extra })
        },
    )
}

/// `grpc`: without the flags that only REST has.
fn inference(grpc: bool) -> impl Strategy<Value = Op> {
    let binary = if grpc { Just(None).boxed() } else { option::of(any::<bool>()).boxed() };
    let output = (word(), binary, parameters()).prop_map(|(name, binary, parameters)| RequestedOutput {
        name,
        binary,
        parameters,
    });
    let flags = (any::<bool>(), any::<bool>());
    (flags, version(), option::of(word()), vec(output, 0..3), parameters()).prop_flat_map(
        move |((binary, stream), version, id, outputs, parameters)| {
            let binary = binary || grpc;
            vec(tensor(!binary), 0..3).prop_map(move |inputs| {
                let (version, id, outputs, parameters) =
                    (version.clone(), id.clone(), outputs.clone(), parameters.clone());
                Op::Infer(Inference { version, id, inputs, outputs, parameters, binary, stream })
            })
        },
    )
}

fn options(grpc: bool) -> impl Strategy<Value = Parameters> {
    parameters().prop_map(move |mut parameters| {
        // A load's numbers are whole and signed on gRPC.
        parameters.retain(|_, value| !grpc || !matches!(value, Parameter::Uint(_) | Parameter::Float(_)));
        parameters.insert("file:1/model".into(), "AAEC/w==".into());
        parameters
    })
}

/// Every operation that the protocol has.
fn op(grpc: bool) -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => chat(),
        3 => completion(),
        5 => inference(grpc),
        1 => any::<bool>().prop_map(|ready_only| Op::ListModels { ready_only }),
        1 => version().prop_map(|version| Op::Describe { version }),
        1 => version().prop_map(|version| Op::ModelConfig { version }),
        1 => version().prop_map(|version| Op::Statistics { version }),
        1 => options(grpc).prop_map(|parameters| Op::Load { parameters }),
        1 => options(grpc).prop_map(|parameters| Op::Unload { parameters }),
        1 => Just(Op::Health(HealthScope::Live)),
        1 => Just(Op::Health(HealthScope::Ready)),
        1 => version().prop_map(|version| Op::Health(HealthScope::Model { version })),
        1 => Just(Op::ServerInfo),
    ]
}

fn names_a_model(op: &Op) -> bool {
    !matches!(op, Op::ListModels { .. } | Op::ServerInfo | Op::Health(HealthScope::Live | HealthScope::Ready))
}

fn call(op: Op, model: &str) -> Call {
    let names_a_model = names_a_model(&op);
    let call = Call::new(op);
    if names_a_model { call.model(model) } else { call }
}

/// The call as it arrives at our server half.
fn heard(dialect: &dyn Dialect, call: &Call) -> Call {
    support::receive(dialect, dialect.encode_call(call, &longshore()).unwrap()).unwrap()
}

// === answers ===

fn usage() -> impl Strategy<Value = Usage> {
    (0..1_u64 << 40, any::<u32>(), option::of(any::<u32>())).prop_map(|(prompt_tokens, completion, cached)| Usage {
        prompt_tokens,
        completion_tokens: completion.into(),
        cached_tokens: cached.map(u64::from),
    })
}

fn finish() -> impl Strategy<Value = Finish> {
    prop_oneof![Just(Finish::Stop), Just(Finish::Length), Just(Finish::ToolCalls), Just(Finish::Other("odd".into()))]
}

fn streamed_text() -> impl Strategy<Value = Vec<EventKind>> {
    let calls = || json!([{"index": 0, "function": {"name": "f", "arguments": "{\"a\":"}}]);
    let piece = prop_oneof![
        5 => (0..3_u32, word()).prop_map(|(index, text)| EventKind::Text { index, text }),
        1 => (0..3_u32, word()).prop_map(|(index, text)| EventKind::Reasoning { index, text }),
        1 => (0..3_u32).prop_map(move |index| EventKind::ToolCalls { index, calls: calls() }),
    ];
    (word(), vec(piece, 0..6), option::of(usage()), finish()).prop_map(|(model, mut events, usage, finish)| {
        events.insert(0, EventKind::Started { model: model.into() });
        events.extend(usage.map(EventKind::Usage));
        events.push(EventKind::Done(finish));
        events
    })
}

fn whole_text() -> impl Strategy<Value = Vec<EventKind>> {
    let calls = option::of(Just(json!([{"id": "c", "function": {"name": "f", "arguments": "{}"}}])));
    (word(), option::of(word()), vec(word(), 0..3), calls, option::of(usage()), finish()).prop_map(
        |(model, reasoning, texts, calls, usage, finish)| {
            let texts = (0..).zip(texts).map(|(index, text)| EventKind::Text { index, text });
            [EventKind::Started { model: model.into() }]
                .into_iter()
                .chain(reasoning.map(|text| EventKind::Reasoning { index: 0, text }))
                .chain(texts)
                .chain(calls.map(|calls| EventKind::ToolCalls { index: 0, calls }))
                .chain(usage.map(EventKind::Usage))
                .chain([EventKind::Done(finish)])
                .collect()
        },
    )
}

fn output(json: bool, id: Option<String>) -> impl Strategy<Value = InferenceOutput> {
    (version(), vec(tensor(json), 0..3), parameters()).prop_map(move |(version, outputs, parameters)| InferenceOutput {
        version,
        id: id.clone(),
        outputs,
        parameters,
    })
}

fn model_info() -> impl Strategy<Value = ModelInfo> {
    let spec = || {
        (word(), select(&DataType::ALL[..]), vec(-1_i64..9, 0..3)).prop_map(|(name, datatype, shape)| TensorSpec {
            name,
            datatype,
            shape,
        })
    };
    let names = (model_name(), word(), option::of(word()), option::of(word()));
    let numbers =
        (option::of(any::<u64>()), option::of(any::<u64>()), option::of(any::<u64>()), option::of(0..1_u64 << 40));
    let kind = select(&[ModelKind::Chat, ModelKind::Completion, ModelKind::Tensor, ModelKind::Unknown][..]);
    let lists = (vec(word(), 0..3), vec(spec(), 0..3), vec(spec(), 0..3), btree_map("m_[a-z]{1,3}", word(), 0..2));
    (names, numbers, kind, state(), lists).prop_map(|(names, numbers, kind, state, lists)| ModelInfo {
        id: names.0.into(),
        name: names.1,
        server: "".into(),
        kind,
        family: names.2,
        quantization: None,
        context_window: numbers.0,
        max_output_tokens: numbers.1,
        size_bytes: numbers.2,
        state,
        loaded_at: numbers.3.map(|seconds| std::time::UNIX_EPOCH + Duration::from_secs(seconds)),
        versions: lists.0,
        platform: names.3,
        inputs: lists.1,
        outputs: lists.2,
        metadata: lists.3,
    })
}

fn state() -> impl Strategy<Value = ModelState> {
    prop_oneof![
        Just(ModelState::Unknown),
        Just(ModelState::Unloaded),
        Just(ModelState::Loading),
        Just(ModelState::Ready),
        Just(ModelState::Draining),
        "[a-zé]{2,9}".prop_map(ModelState::Failed),
    ]
}

fn index() -> impl Strategy<Value = Vec<ModelInfo>> {
    btree_map(model_name(), (vec("[0-9]{1,3}", 0..3), state()), 0..5).prop_map(|models| {
        let model = |(id, (versions, state)): (String, _)| ModelInfo { versions, state, ..ModelInfo::new(id) };
        models.into_iter().map(model).collect()
    })
}

fn statistics() -> impl Strategy<Value = ModelStatistics> {
    let duration = || (any::<u64>(), any::<u64>()).prop_map(|(count, ns)| DurationStatistic { count, ns });
    let durations = (duration(), duration(), duration(), duration(), duration(), duration());
    (word(), word(), any::<[u64; 3]>(), durations).prop_map(|(model, version, counts, durations)| ModelStatistics {
        model: model.into(),
        version,
        last_inference_ms: counts[0],
        inference_count: counts[1],
        execution_count: counts[2],
        success: durations.0,
        fail: durations.1,
        queue: durations.2,
        compute_input: durations.3,
        compute_infer: durations.4,
        compute_output: durations.5,
    })
}

fn ended(kind: EventKind) -> Vec<EventKind> {
    vec![kind, EventKind::Done(Finish::Stop)]
}

/// An answer that fits the call.
fn answer(call: &Call, grpc: bool) -> BoxedStrategy<Vec<EventKind>> {
    let model = call.model.clone().unwrap_or_default();
    match &*call.op {
        op @ (Op::Chat(_) | Op::Complete(_)) if op.streams() => streamed_text().boxed(),
        Op::Chat(_) | Op::Complete(_) => whole_text().boxed(),
        Op::Infer(inference) => {
            let (count, json) = (if inference.stream { 0..4 } else { 1..2 }, !grpc);
            let outputs = vec(output(json, inference.id.clone()), count);
            (word(), outputs)
                .prop_map(|(model, outputs)| {
                    let outputs = outputs.into_iter().map(EventKind::Tensors);
                    [EventKind::Started { model: model.into() }]
                        .into_iter()
                        .chain(outputs)
                        .chain([EventKind::Done(Finish::Stop)])
                        .collect()
                })
                .boxed()
        }
        Op::ListModels { .. } => index().prop_map(|models| ended(EventKind::Models(models))).boxed(),
        Op::Describe { .. } => model_info().prop_map(|model| ended(EventKind::Models(vec![model]))).boxed(),
        Op::ModelConfig { .. } => word().prop_map(|word| ended(EventKind::ModelConfig(config(&word)))).boxed(),
        Op::Statistics { .. } => {
            vec(statistics(), 0..3).prop_map(|statistics| ended(EventKind::Statistics(statistics))).boxed()
        }
        Op::Load { .. } => Just(ended(progress(model, ModelState::Ready))).boxed(),
        Op::Unload { .. } => Just(ended(progress(model, ModelState::Unloaded))).boxed(),
        Op::Health(_) => (any::<bool>(), option::of(word()))
            .prop_map(move |(ok, detail)| {
                let detail = detail.filter(|detail| !grpc && detail.trim_end() == detail);
                ended(EventKind::Health(HealthReport { ok, detail }))
            })
            .boxed(),
        _ => (word(), word(), vec(word(), 0..3))
            .prop_map(|(name, version, extensions)| {
                ended(EventKind::Server(ServerInfo { name: name.into(), version, extensions, told: Vec::new() }))
            })
            .boxed(),
    }
}

fn progress(model: Arc<str>, state: ModelState) -> EventKind {
    EventKind::Progress(Progress { model, state, ..Progress::default() })
}

/// A configuration as Triton writes it, all fields that have a default included.
fn config(name: &str) -> Value {
    json!({
        "name": name, "platform": "", "backend": "longshore", "runtime": "", "max_batch_size": 0, "input": [],
        "output": [], "batch_input": [], "batch_output": [], "instance_group": [], "default_model_filename": "",
        "cc_model_filenames": {}, "metric_tags": {}, "parameters": {"ctx": {"string_value": "2048"}}, "model_warmup": [],
    })
}

// === properties ===

/// What is asked, and an answer to it.
fn exchange(grpc: bool) -> impl Strategy<Value = (Call, Vec<EventKind>)> {
    (op(grpc), model_name()).prop_flat_map(move |(op, model)| {
        let call = call(op, &model);
        let answer = answer(&call, grpc);
        (Just(call), answer)
    })
}

fn check_heard(name: &str, call: &Call) {
    let heard = heard(by_name(name), call);
    assert_eq!(heard.op, call.op);
    assert_eq!(heard.model, call.model);
    if matches!(*call.op, Op::Chat(_) | Op::Complete(_)) {
        assert_eq!(heard.id, call.id);
    }
}

fn check_answer(name: &str, call: &Call, events: &[EventKind], piece: usize) {
    let dialect = by_name(name);
    let heard = heard(dialect, call);
    let written = support::encode(dialect, &heard, events);
    let (read, result) = support::decode_with(
        dialect,
        call,
        &longshore(),
        &written.head,
        &written.body,
        piece,
        written.trailers.as_ref(),
    );
    assert_eq!(result, Ok(()));
    let sort = |events: &[EventKind]| -> Vec<EventKind> {
        events
            .iter()
            .cloned()
            .map(|event| match event {
                // Fields have an order in JSON and none in a message.
                EventKind::ModelConfig(Value::Object(object)) => {
                    EventKind::ModelConfig(json!(object.into_iter().collect::<BTreeMap<_, _>>()))
                }
                other => other,
            })
            .collect()
    };
    assert_eq!(sort(&read), sort(events));
}

/// Of a stream that was cut anywhere, what had come whole is right, and the rest is missed.
fn check_cut(name: &str, call: &Call, events: &[EventKind], cut: prop::sample::Index) {
    let dialect = by_name(name);
    let written = support::encode(dialect, &heard(dialect, call), events);
    let cut = cut.index(written.body.len().max(1));
    let body = &written.body[..cut.min(written.body.len())];
    let (read, result) = support::decode(dialect, call, &longshore(), &written.head, body, 11);
    assert!(events.starts_with(&read), "{read:?} is no beginning of {events:?}");
    match result {
        // The last frame had come, only what stands behind it was cut.
        Ok(()) => assert!(matches!(read.last(), Some(EventKind::Done(_))), "{read:?}"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}");
            assert!(!matches!(read.last(), Some(EventKind::Done(_))));
        }
    }
}

proptest! {
    #[test]
    fn rest_calls_are_heard_as_they_were_asked(op in op(false), model in model_name()) {
        check_heard("oip-rest", &call(op, &model));
    }

    #[test]
    fn grpc_calls_are_heard_as_they_were_asked(op in op(true), model in model_name()) {
        check_heard("oip-grpc", &call(op, &model));
    }

    #[test]
    fn rest_answers_are_understood_in_any_pieces((call, events) in exchange(false), piece in 1..64_usize) {
        check_answer("oip-rest", &call, &events, piece);
    }

    #[test]
    fn grpc_answers_are_understood_in_any_pieces((call, events) in exchange(true), piece in 1..64_usize) {
        check_answer("oip-grpc", &call, &events, piece);
    }

    #[test]
    fn cut_streams_are_interrupted(
        (op, rest) in prop_oneof![chat(), completion(), inference(false)].prop_flat_map(|op| {
            let op = streaming(op);
            let answer = answer(&call(op.clone(), "m"), false);
            (Just(op), answer)
        }),
        cut in any::<prop::sample::Index>(),
    ) {
        for name in DIALECTS {
            check_cut(name, &call(op.clone(), "m"), &rest, cut);
        }
    }

    /// Whatever the peer, what our client half writes our server half can read; what it cannot write, it says.
    #[test]
    fn every_form_is_readable(op in op(true), model in model_name(), peer in select(&["triton", "mlserver", "kserve", ""][..])) {
        for name in DIALECTS {
            let dialect = by_name(name);
            let peer = support::peer(peer);
            let call = call(op.clone(), &model);
            match dialect.encode_call(&call, &peer) {
                Ok(request) => {
                    prop_assert!(dialect.supports(&peer).contains(op.kind()));
                    let kserve_list = request.uri().path() == "/v2/models";
                    let heard = support::receive(dialect, request).unwrap();
                    prop_assert!(kserve_list || heard.model == call.model);
                }
                // Text that is not UTF-8 has no words in JSON; streams of tensors are not everywhere.
                Err(error) => prop_assert!(matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::InvalidRequest)),
            }
        }
    }

    /// Nothing that a peer sends makes us panic.
    #[test]
    fn any_bytes_are_survived(op in op(true), body in vec(any::<u8>(), 0..200), piece in 1..9_usize, sse in any::<bool>()) {
        for name in DIALECTS {
            let dialect = by_name(name);
            let call = call(op.clone(), "m");
            let content_type = match (name, sse) {
                ("oip-grpc", _) => "application/grpc",
                (_, true) => "text/event-stream",
                _ => "application/json",
            };
            let head = support::head(200, &[("content-type", content_type), ("inference-header-content-length", "7")]);
            let _ = support::decode(dialect, &call, &support::peer("triton"), &head, &body, piece);
            let mut request = dialect.encode_call(&call, &longshore()).unwrap();
            *request.body_mut() = body.clone().into();
            let _ = support::receive(dialect, request);
        }
    }
}

fn streaming(op: Op) -> Op {
    match op {
        Op::Chat(chat) => Op::Chat(Chat { stream: true, ..chat }),
        Op::Complete(completion) => Op::Complete(Completion { stream: true, ..completion }),
        Op::Infer(inference) => Op::Infer(Inference { stream: true, ..inference }),
        other => other,
    }
}

#[test]
fn deadlines_travel_over_grpc() {
    let deadline = std::time::Instant::now() + Duration::from_secs(100);
    let heard = heard(by_name("oip-grpc"), &call(Op::ServerInfo, "").deadline(deadline));
    let heard = heard.deadline.unwrap();
    assert!(heard <= deadline + Duration::from_secs(60) && heard + Duration::from_secs(1) > deadline);
}

#[test]
fn errors_keep_their_kind_and_words() {
    for name in DIALECTS {
        let dialect = by_name(name);
        for kind in ErrorKind::ALL {
            let error = Error::new(kind, "naïve \"words\"").retry_after(Duration::from_secs(3));
            let call = call(Op::Infer(Inference::default()), "m");
            let request = dialect.encode_call(&call, &longshore()).unwrap();
            let response = dialect.refuse(&request.into_parts().0, &error);
            let (head, body) = response.into_parts();
            let (events, result) = support::decode(dialect, &call, &longshore(), &head, &body, 9);
            assert_eq!((events, result.as_ref()), (vec![], Err(&error)), "{name}");
            assert_eq!(result.unwrap_err().wait(), error.wait(), "{name}");
        }
    }
}

#[test]
fn a_stream_tells_its_errors_in_band() {
    for name in DIALECTS {
        let dialect = by_name(name);
        for op in [Op::Infer(Inference::default()), Op::Chat(Chat::default()), Op::Complete(Completion::default())] {
            let call = call(streaming(op), "m");
            for kind in ErrorKind::ALL {
                let error = Error::new(kind, "half way");
                let mut encoder = dialect.reply_encoder(&heard(dialect, &call));
                let mut body = bytes::BytesMut::new();
                let head = encoder.head().body(()).unwrap().into_parts().0;
                encoder.interrupted(&error, &mut body);
                let trailers = encoder.end(&mut body);
                let (_, result) =
                    support::decode_with(dialect, &call, &longshore(), &head, &body, 3, trailers.as_ref());
                assert_eq!(result, Err(error), "{name}");
            }
        }
    }
}

#[test]
fn what_a_server_lacks_is_refused_before_it_is_asked() {
    let check = |name: &str, peer: &str, kind: OpKind, there: bool| {
        assert_eq!(by_name(name).supports(&support::peer(peer)).contains(kind), there, "{name} {peer} {kind:?}");
    };
    for name in DIALECTS {
        for peer in ["triton", "longshore", "mlserver", "kserve", "", "Some Server"] {
            check(name, peer, OpKind::Embed, false);
            check(name, peer, OpKind::Infer, true);
            check(name, peer, OpKind::Chat, true);
            check(name, peer, OpKind::Load, true);
        }
        for kind in [OpKind::Statistics, OpKind::ModelConfig] {
            check(name, "triton", kind, true);
            check(name, "mlserver", kind, false);
            check(name, "kserve", kind, false);
        }
    }
    check("oip-rest", "kserve", OpKind::ListModels, true);
    check("oip-grpc", "kserve", OpKind::ListModels, false);
    let tokens = Op::Complete(Completion { prompt: Prompt::Tokens(vec![vec![1]]), ..Completion::default() });
    for (name, peer, op) in [
        ("oip-rest", "triton", streaming(Op::Infer(Inference::default()))),
        ("oip-rest", "kserve", streaming(Op::Infer(Inference::default()))),
        ("oip-grpc", "kserve", streaming(Op::Infer(Inference::default()))),
        ("oip-rest", "longshore", tokens.clone()),
        ("oip-grpc", "mlserver", tokens),
    ] {
        let error = by_name(name).encode_call(&call(op, "m"), &support::peer(peer)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{name} {peer}: {error}");
    }
}
