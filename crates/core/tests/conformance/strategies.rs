//! Calls and events of every form, for properties.

use std::collections::BTreeMap;

use bytes::{BufMut, BytesMut};
use longshore_core::{
    Call, DataType, EventKind, Finish, Op, Parameter, Parameters, Tensor, Usage,
    call::{
        Chat, Completion, Content, Embedding, HealthScope, Inference, Message, Overflow, Prompt, RequestedOutput,
        Sampling,
    },
    event::InferenceOutput,
};
use proptest::{collection::vec, option, prelude::*};
use serde_json::{Map, Value};

/// Any call.
pub(super) fn call() -> impl Strategy<Value = Call> {
    let of_model = (op_of_model(), model()).prop_map(|(op, model)| Call::new(op).model(model));
    prop_oneof![10 => of_model, 1 => op_of_server().prop_map(Call::new)]
}

/// Pieces of an answer, without its end.
pub(super) fn events() -> impl Strategy<Value = Vec<EventKind>> {
    vec(
        prop_oneof![
            (0..3_u32, text()).prop_map(|(index, text)| EventKind::Text { index, text }),
            (0..3_u32, text()).prop_map(|(index, text)| EventKind::Reasoning { index, text }),
            (0..3_u32, json())
                .prop_map(|(index, call)| EventKind::ToolCalls { index, calls: Value::Array(vec![call]) }),
            (0..3_u32, vec(-1e9_f32..1e9, 0..4)).prop_map(|(index, vector)| EventKind::Embedding { index, vector }),
            (option::of(id()), option::of(id()), vec(tensor(), 0..3), parameters()).prop_map(
                |(version, id, outputs, parameters)| EventKind::Tensors(InferenceOutput {
                    version: version.map(Into::into),
                    id,
                    outputs,
                    parameters
                })
            ),
            (any::<u64>(), any::<u64>(), any::<Option<u64>>()).prop_map(
                |(prompt_tokens, completion_tokens, cached_tokens)| EventKind::Usage(Usage {
                    prompt_tokens,
                    completion_tokens,
                    cached_tokens
                })
            ),
        ],
        0..8,
    )
}

/// Any end.
pub(super) fn finish() -> impl Strategy<Value = Finish> {
    prop_oneof![Just(Finish::Stop), Just(Finish::Length), text().prop_map(|word| Finish::from_word(&word))]
}

fn op_of_model() -> impl Strategy<Value = Op> {
    prop_oneof![
        chat().prop_map(Op::Chat),
        completion().prop_map(Op::Complete),
        (prompt(), any::<Option<u32>>(), extra()).prop_map(|(input, dimensions, extra)| Op::Embed(Embedding {
            input,
            dimensions,
            extra
        })),
        inference().prop_map(Op::Infer),
        version().prop_map(|version| Op::Describe { version }),
        version().prop_map(|version| Op::ModelConfig { version }),
        version().prop_map(|version| Op::Statistics { version }),
        parameters().prop_map(|parameters| Op::Load { parameters }),
        parameters().prop_map(|parameters| Op::Unload { parameters }),
        parameters().prop_map(|parameters| Op::Pull { parameters }),
        version().prop_map(|version| Op::Health(HealthScope::Model { version })),
    ]
}

fn op_of_server() -> impl Strategy<Value = Op> {
    prop_oneof![
        any::<bool>().prop_map(|ready_only| Op::ListModels { ready_only }),
        Just(Op::Statistics { version: None }),
        Just(Op::Health(HealthScope::Live)),
        Just(Op::Health(HealthScope::Ready)),
        Just(Op::ServerInfo),
    ]
}

fn chat() -> impl Strategy<Value = Chat> {
    let overflow = prop_oneof![Just(Overflow::Refuse), Just(Overflow::DropOldest)];
    (vec(message(), 1..4), sampling(), any::<(bool, bool)>(), overflow, extra()).prop_map(
        |(messages, sampling, (stream, include_usage), overflow, extra)| Chat {
            messages,
            sampling,
            stream,
            include_usage,
            overflow,
            extra,
        },
    )
}

fn completion() -> impl Strategy<Value = Completion> {
    (prompt(), sampling(), any::<(bool, bool)>(), extra()).prop_map(
        |(prompt, sampling, (stream, include_usage), extra)| Completion {
            prompt,
            sampling,
            stream,
            include_usage,
            extra,
        },
    )
}

fn inference() -> impl Strategy<Value = Inference> {
    let output = (id(), any::<Option<bool>>(), parameters()).prop_map(|(name, binary, parameters)| RequestedOutput {
        name,
        binary,
        parameters,
    });
    (version(), option::of(id()), vec(tensor(), 0..4), vec(output, 0..3), parameters(), any::<(bool, bool)>()).prop_map(
        |(version, id, inputs, outputs, parameters, (binary, stream))| Inference {
            version,
            id,
            inputs,
            outputs,
            parameters,
            binary,
            stream,
        },
    )
}

fn message() -> impl Strategy<Value = Message> {
    let content = prop_oneof![any::<String>().prop_map(Content::Text), vec(json(), 0..3).prop_map(Content::Parts)];
    (text(), option::of(content), extra()).prop_map(|(role, content, extra)| Message { role, content, extra })
}

fn sampling() -> impl Strategy<Value = Sampling> {
    (
        (option::of(0.0..2.0_f64), option::of(0.0..=1.0_f64), any::<Option<u32>>()),
        (any::<Option<i64>>(), any::<Option<u32>>(), vec(any::<String>(), 0..3), any::<Option<bool>>()),
    )
        .prop_map(|((temperature, top_p, top_k), (seed, max_tokens, stop, ignore_eos))| Sampling {
            temperature,
            top_p,
            top_k,
            seed,
            max_tokens,
            stop,
            ignore_eos,
        })
}

fn prompt() -> impl Strategy<Value = Prompt> {
    prop_oneof![
        vec(any::<String>(), 1..4).prop_map(Prompt::Text),
        vec(vec(any::<u32>(), 1..4), 1..4).prop_map(Prompt::Tokens),
    ]
}

fn tensor() -> impl Strategy<Value = Tensor> {
    let elements = vec(vec(any::<u8>(), 0..4), 0..4).prop_map(|elements| {
        let mut data = BytesMut::new();
        for element in &elements {
            data.put_u32_le(element.len() as u32);
            data.put_slice(element);
        }
        (DataType::Bytes, elements.len(), data.freeze())
    });
    let numbers = (0..13_usize, 0..4_usize, vec(any::<u8>(), 32)).prop_map(|(which, count, bytes)| {
        let datatype = DataType::ALL[which];
        let length = count * datatype.size().unwrap_or_default();
        let bytes = if datatype == DataType::Bool { bytes.iter().map(|byte| byte & 1).collect() } else { bytes };
        (datatype, count, bytes[..length].to_vec().into())
    });
    (id(), prop_oneof![elements, numbers], parameters()).prop_map(|(name, (datatype, count, data), parameters)| {
        Tensor::new(name, datatype, vec![count as i64, 1], data).unwrap().with_parameters(parameters)
    })
}

fn parameters() -> impl Strategy<Value = Parameters> {
    let parameter = prop_oneof![
        any::<bool>().prop_map(Parameter::Bool),
        any::<i64>().prop_map(Parameter::Int),
        (i64::MAX as u64 + 1..).prop_map(Parameter::Uint),
        (-1e300..1e300).prop_map(Parameter::Float),
        any::<String>().prop_map(Parameter::String),
    ];
    prop::collection::btree_map("x_[a-z]{1,4}", parameter, 0..3)
}

/// Fields that nobody knows.
fn extra() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map("x_[a-z]{1,4}", json(), 0..3).prop_map(|map: BTreeMap<_, _>| map.into_iter().collect())
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e300..1e300).prop_map(|number: f64| Value::from(number)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,3}", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn text() -> impl Strategy<Value = String> {
    any::<String>().prop_filter("not empty", |text| !text.is_empty())
}

fn model() -> impl Strategy<Value = String> {
    "[a-z0-9][a-zé0-9._:@ +&=?#-]{0,6}(/[a-z][a-z0-9:]{0,6})?"
}

fn version() -> impl Strategy<Value = Option<std::sync::Arc<str>>> {
    option::of("[0-9]{1,3}".prop_map(Into::into))
}

fn id() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9_-]{0,7}"
}
