//! One or more calls for each operation, and the answers to them.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use longshore_core::{
    Call, DataType, Error, ErrorKind, EventKind, Finish, ModelInfo, ModelKind, ModelState, Op, Parameter, Parameters,
    ServerInfo, Tensor, Usage,
    call::{Chat, Completion, Content, Embedding, HealthScope, Inference, Message, Prompt, RequestedOutput, Sampling},
    event::InferenceOutput,
    model::{DurationStatistic, HealthReport, ModelStatistics, Progress, TensorSpec},
};
use serde_json::{Map, Value, json};

/// Calls that ask for everything in `supports`, plainly and with all that belongs to it.
pub(super) fn calls() -> Vec<Call> {
    let version = || Some("2".into());
    let with_model = vec![
        Op::Chat(chat(false)),
        Op::Chat(chat(true)),
        Op::Chat(Chat { extra: object(json!({"tools": [{"type": "function"}]})), ..chat(false) }),
        Op::Chat(Chat { extra: object(json!({"tools": [{"type": "function"}]})), ..chat(true) }),
        Op::Complete(Completion { prompt: "Once".into(), sampling: sampling(), ..Completion::default() }),
        Op::Complete(Completion { prompt: "Once".into(), stream: true, include_usage: true, ..Completion::default() }),
        Op::Complete(Completion {
            prompt: Prompt::Text(vec!["a".into(), "b".into()]),
            stream: true,
            ..Completion::default()
        }),
        Op::Embed(Embedding {
            input: Prompt::Text(vec!["one".into(), "naïve 🦀".into()]),
            dimensions: Some(3),
            extra: object(json!({"user": "u"})),
        }),
        Op::Infer(inference(false)),
        Op::Infer(Inference { binary: true, ..inference(false) }),
        Op::Infer(inference(true)),
        Op::Describe { version: None },
        Op::Describe { version: version() },
        Op::ModelConfig { version: None },
        Op::ModelConfig { version: version() },
        Op::Statistics { version: None },
        Op::Load { parameters: Parameters::new() },
        Op::Load { parameters: parameters() },
        Op::Unload { parameters: Parameters::new() },
        Op::Unload { parameters: [("unload_dependents".to_owned(), true.into())].into() },
        Op::Pull { parameters: Parameters::new() },
        Op::Pull { parameters: [("insecure".to_owned(), true.into())].into() },
        Op::Health(HealthScope::Model { version: None }),
        Op::Health(HealthScope::Model { version: version() }),
    ];
    let without_model = vec![
        Op::ListModels { ready_only: false },
        Op::ListModels { ready_only: true },
        Op::Statistics { version: None },
        Op::Health(HealthScope::Live),
        Op::Health(HealthScope::Ready),
        Op::ServerInfo,
    ];
    let named = with_model.into_iter().zip(["tiny", "meta/llama-3:8b", "naïve model"].into_iter().cycle());
    let named = named.map(|(op, model)| Call::new(op).model(model));
    named.chain(without_model.into_iter().map(Call::new)).collect()
}

/// What is answered to an operation.
pub(super) fn answer(op: &Op) -> Vec<EventKind> {
    let started = || EventKind::Started { model: "tiny".into() };
    let usage = || EventKind::Usage(Usage { prompt_tokens: 3, completion_tokens: 2, cached_tokens: None });
    let text = |index, text: &str| EventKind::Text { index, text: text.into() };
    let mut kinds = match op {
        Op::Chat(chat) if chat.extra.contains_key("tools") => vec![
            started(),
            EventKind::Reasoning { index: 0, text: "a tool\n".into() },
            EventKind::ToolCalls { index: 0, calls: tool_calls() },
            usage(),
            EventKind::Done(Finish::ToolCalls),
        ],
        Op::Chat(_) => {
            vec![started(), text(0, "Ça "), text(0, "marche\r\n🦀"), usage(), EventKind::Done(Finish::Length)]
        }
        Op::Complete(Completion { prompt, .. }) if prompt.len() > 1 => {
            vec![started(), text(0, "x"), text(1, "y"), text(0, "z"), usage(), EventKind::Done(Finish::Stop)]
        }
        Op::Complete(_) => {
            vec![started(), text(0, " upon"), text(0, " a time"), usage(), EventKind::Done(Finish::Stop)]
        }
        Op::Embed(_) => vec![
            started(),
            EventKind::Embedding { index: 0, vector: vec![0.1, -2.5, 1e-8] },
            EventKind::Embedding { index: 1, vector: vec![1.0, 0.0, -0.0] },
            EventKind::Usage(Usage { prompt_tokens: 3, ..Usage::default() }),
        ],
        Op::Infer(inference) => {
            let answers = if inference.stream { 1..3 } else { 1..2 };
            answers.map(|value| EventKind::Tensors(output(inference, value))).collect()
        }
        Op::ListModels { .. } => {
            vec![EventKind::Models(vec![model("tiny", ModelState::Ready), model("org/big", ModelState::Ready)])]
        }
        Op::Describe { .. } => vec![EventKind::Models(vec![model("tiny", ModelState::Ready)])],
        Op::ModelConfig { .. } => {
            vec![EventKind::ModelConfig(json!({"name": "tiny", "platform": "onnx", "max_batch_size": 4}))]
        }
        Op::Statistics { .. } => vec![EventKind::Statistics(vec![statistics("tiny"), statistics("big")])],
        Op::Load { .. } => vec![progress(ModelState::Loading, Some(5)), progress(ModelState::Ready, None)],
        Op::Unload { .. } => vec![progress(ModelState::Unloaded, None)],
        Op::Pull { .. } => vec![progress(ModelState::Loading, Some(5)), progress(ModelState::Unloaded, None)],
        Op::Health(_) => vec![EventKind::Health(HealthReport { ok: true, detail: None })],
        Op::ServerInfo => vec![EventKind::Server(server())],
        _ => Vec::new(),
    };
    if !matches!(kinds.last(), Some(EventKind::Done(_))) {
        kinds.push(EventKind::Done(Finish::Stop));
    }
    kinds
}

/// Whoever speaks all of these dialects.
pub(super) fn server() -> ServerInfo {
    ServerInfo {
        name: "longshore".into(),
        version: "1.2.3".into(),
        extensions: vec!["model_repository".into()],
        told: Vec::new(),
    }
}

/// A server that could not give its part.
pub(super) fn unavailable() -> EventKind {
    let error = Error::new(ErrorKind::Connect, "connection refused").context("endpoint", "http://localhost:1");
    EventKind::Unavailable { server: "gpu-1".into(), error }
}

fn chat(stream: bool) -> Chat {
    Chat {
        messages: vec![
            Message::new("system", "be kind"),
            Message::new("user", "naïve 🦀?"),
            Message { role: "assistant".into(), content: None, extra: object(json!({"tool_calls": tool_calls()})) },
            Message { extra: object(json!({"tool_call_id": "c1"})), ..Message::new("tool", "42") },
            Message {
                role: "user".into(),
                content: Some(Content::Parts(vec![json!({"type": "text", "text": "and now?"})])),
                ..Message::default()
            },
        ],
        sampling: sampling(),
        stream,
        include_usage: stream,
        extra: object(json!({"logit_bias": {"5": 1}, "user": "u"})),
        ..Chat::default()
    }
}

fn sampling() -> Sampling {
    Sampling {
        temperature: Some(0.5),
        top_p: Some(0.9),
        top_k: Some(40),
        seed: Some(-7),
        max_tokens: Some(64),
        stop: vec!["\n\n".into(), "END".into()],
        ignore_eos: Some(true),
    }
}

fn inference(stream: bool) -> Inference {
    let numbers = Tensor::of_f32("numbers", vec![2, 1], &[0.1, -3.0]).unwrap();
    Inference {
        version: Some("2".into()),
        id: Some("r-1".into()),
        inputs: vec![
            numbers.with_parameters([("scale".to_owned(), Parameter::Float(0.5))].into()),
            Tensor::of_bytes("words", vec![2], ["naïve", ""]).unwrap(),
            Tensor::from_json("flags", DataType::Bool, vec![2], &json!([true, false])).unwrap(),
            Tensor::from_json("large", DataType::Uint64, vec![1], &json!([u64::MAX])).unwrap(),
        ],
        outputs: vec![
            RequestedOutput { name: "sum".into(), ..RequestedOutput::default() },
            RequestedOutput {
                name: "label".into(),
                parameters: [("classification".to_owned(), Parameter::Int(3))].into(),
                binary: None,
            },
        ],
        parameters: parameters(),
        stream,
        ..Inference::default()
    }
}

fn output(inference: &Inference, value: u8) -> InferenceOutput {
    InferenceOutput {
        version: Some("2".into()),
        id: inference.id.clone(),
        outputs: vec![
            Tensor::of_f32("sum", vec![2], &[f32::from(value), 0.1]).unwrap(),
            Tensor::of_bytes("label", vec![1], ["naïve"]).unwrap(),
        ],
        parameters: Parameters::new(),
    }
}

fn parameters() -> Parameters {
    [
        ("priority".to_owned(), Parameter::Int(3)),
        ("note".to_owned(), Parameter::String("naïve".into())),
        ("dry".to_owned(), Parameter::Bool(true)),
    ]
    .into()
}

fn model(id: &str, state: ModelState) -> ModelInfo {
    ModelInfo {
        name: "Tiny".into(),
        server: "local".into(),
        kind: ModelKind::Chat,
        family: Some("llama".into()),
        quantization: Some("Q8_0".into()),
        context_window: Some(512),
        max_output_tokens: Some(256),
        size_bytes: Some(1 << 40),
        state,
        loaded_at: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)),
        versions: vec!["1".into(), "2".into()],
        platform: Some("gguf".into()),
        inputs: vec![TensorSpec { name: "x".into(), datatype: DataType::Fp32, shape: vec![-1, 3] }],
        outputs: vec![TensorSpec { name: "y".into(), datatype: DataType::Bytes, shape: vec![1] }],
        metadata: BTreeMap::from([("licence".into(), "MIT".into())]),
        ..ModelInfo::new(id)
    }
}

fn statistics(model: &str) -> ModelStatistics {
    let spent = |count, ns| DurationStatistic { count, ns };
    ModelStatistics {
        model: model.into(),
        version: "1".into(),
        last_inference_ms: 1_700_000_000_123,
        inference_count: 7,
        execution_count: 5,
        success: spent(7, 70),
        fail: spent(1, 10),
        queue: spent(7, 7),
        compute_input: spent(7, 14),
        compute_infer: spent(7, 42),
        compute_output: spent(7, 7),
    }
}

fn progress(state: ModelState, done_bytes: Option<u64>) -> EventKind {
    EventKind::Progress(Progress {
        model: "tiny".into(),
        state,
        done_bytes,
        total_bytes: done_bytes.map(|done| 2 * done),
        ..Progress::default()
    })
}

fn tool_calls() -> Value {
    let function = json!({"name": "look", "arguments": "{\"at\":\"\\\"sky\\\"\"}"});
    json!([{"index": 0, "id": "c1", "type": "function", "function": function}])
}

pub(super) fn object(value: Value) -> Map<String, Value> {
    if let Value::Object(map) = value { map } else { Map::new() }
}
