//! A kept answer as bytes: a mark with the format's version, a checksum, and a protobuf message.
//!
//! Events that no generation, embedding or inference gives have no form here; an answer with one is not stored.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use longshore_core::{
    DataType, EventKind, Finish, Parameters, Protocol, Route, Tensor, Usage,
    dialect::by_name,
    event::{InferenceOutput, Raw},
};
use prost::Message;
use ring::digest::{SHA256, digest};

use super::{
    Key,
    entry::{Entry, Kept},
};

/// Ends with the format's version.
const MARK: &[u8; 8] = b"LSANSWR\x01";
const SUM: usize = 32;

/// `None` for what has no form here.
pub(super) fn encode(entry: &Entry, key: &Key) -> Option<Vec<u8>> {
    let route = &entry.route;
    let message = Answer {
        key: key.to_vec(),
        expires: entry.expires.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_millis().try_into().ok()?,
        server: route.server.to_string(),
        endpoint: route.endpoint.to_string(),
        protocol: route.protocol.as_str().to_owned(),
        dialect: route.dialect.to_owned(),
        asked_as: entry.asked_as.clone(),
        events: entry.events.iter().map(put_event).collect::<Option<_>>()?,
    };
    let message = message.encode_to_vec();
    Some([MARK, digest(&SHA256, &message).as_ref(), &message].concat())
}

/// # Errors
/// What is wrong with the bytes.
pub(super) fn decode(bytes: &[u8], key: &Key) -> Result<Entry, &'static str> {
    let (mark, rest) = bytes.split_at_checked(MARK.len()).ok_or("it is cut short")?;
    let (sum, message) = rest.split_at_checked(SUM).ok_or("it is cut short")?;
    if mark != MARK {
        return Err("it is no answer in this format");
    }
    if digest(&SHA256, message).as_ref() != sum {
        return Err("its checksum is wrong");
    }
    let answer = Answer::decode(message).map_err(|_| "it cannot be read")?;
    if answer.key != key {
        return Err("it is the answer to another call");
    }
    let events: Option<Vec<Kept>> = answer.events.into_iter().map(get_event).collect();
    let route = Route {
        server: answer.server.into(),
        endpoint: answer.endpoint.into(),
        protocol: protocol(&answer.protocol).ok_or("it came over an unknown protocol")?,
        dialect: dialect(&answer.dialect).ok_or("it came in an unknown dialect")?,
    };
    let expires =
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(answer.expires)).ok_or("its age is wrong")?;
    let events = events.ok_or("one of its events is unknown")?;
    Ok(Entry::of(route, events.into(), answer.asked_as, expires))
}

fn protocol(word: &str) -> Option<Protocol> {
    [Protocol::Rest, Protocol::Grpc, Protocol::InProcess].into_iter().find(|protocol| protocol.as_str() == word)
}

/// In-process answers have none.
fn dialect(name: &str) -> Option<&'static str> {
    if name.is_empty() { Some("") } else { by_name(name).map(longshore_core::Dialect::name) }
}

#[derive(Clone, PartialEq, Message)]
struct Answer {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    /// Milliseconds since 1970.
    #[prost(uint64, tag = "2")]
    expires: u64,
    #[prost(string, tag = "3")]
    server: String,
    #[prost(string, tag = "4")]
    endpoint: String,
    #[prost(string, tag = "5")]
    protocol: String,
    #[prost(string, tag = "6")]
    dialect: String,
    #[prost(string, optional, tag = "7")]
    asked_as: Option<String>,
    #[prost(message, repeated, tag = "8")]
    events: Vec<StoredEvent>,
}

#[derive(Clone, PartialEq, Message)]
struct StoredEvent {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9")]
    kind: Option<Kind>,
    #[prost(message, optional, tag = "15")]
    raw: Option<StoredRaw>,
}

#[derive(Clone, PartialEq, Message)]
struct StoredRaw {
    #[prost(string, tag = "1")]
    dialect: String,
    #[prost(bytes = "bytes", tag = "2")]
    frame: Bytes,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Kind {
    #[prost(string, tag = "1")]
    Started(String),
    #[prost(message, tag = "2")]
    Text(Piece),
    #[prost(message, tag = "3")]
    Reasoning(Piece),
    /// The calls as JSON.
    #[prost(message, tag = "4")]
    ToolCalls(Piece),
    #[prost(message, tag = "5")]
    Embedding(Vector),
    #[prost(message, tag = "6")]
    Tensors(Tensors),
    #[prost(message, tag = "7")]
    Usage(Counts),
    #[prost(message, tag = "8")]
    Other(Nothing),
    /// OpenAI's word for why.
    #[prost(string, tag = "9")]
    Done(String),
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Nothing {}

#[derive(Clone, PartialEq, Message)]
struct Piece {
    #[prost(uint32, tag = "1")]
    index: u32,
    #[prost(string, tag = "2")]
    text: String,
}

#[derive(Clone, PartialEq, Message)]
struct Vector {
    #[prost(uint32, tag = "1")]
    index: u32,
    #[prost(float, repeated, tag = "2")]
    numbers: Vec<f32>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Counts {
    #[prost(uint64, tag = "1")]
    prompt: u64,
    #[prost(uint64, tag = "2")]
    completion: u64,
    #[prost(uint64, optional, tag = "3")]
    cached: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct Tensors {
    #[prost(string, optional, tag = "1")]
    version: Option<String>,
    #[prost(string, optional, tag = "2")]
    id: Option<String>,
    #[prost(message, repeated, tag = "3")]
    outputs: Vec<StoredTensor>,
    /// As JSON.
    #[prost(string, tag = "4")]
    parameters: String,
}

#[derive(Clone, PartialEq, Message)]
struct StoredTensor {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    datatype: String,
    #[prost(int64, repeated, tag = "3")]
    shape: Vec<i64>,
    #[prost(bytes = "bytes", tag = "4")]
    data: Bytes,
    /// As JSON.
    #[prost(string, tag = "5")]
    parameters: String,
}

fn put_event(kept: &Kept) -> Option<StoredEvent> {
    let piece = |index: &u32, text: &str| Piece { index: *index, text: text.to_owned() };
    let kind = match &kept.kind {
        EventKind::Started { model } => Kind::Started(model.to_string()),
        EventKind::Text { index, text } => Kind::Text(piece(index, text)),
        EventKind::Reasoning { index, text } => Kind::Reasoning(piece(index, text)),
        EventKind::ToolCalls { index, calls } => Kind::ToolCalls(piece(index, &calls.to_string())),
        EventKind::Embedding { index, vector } => Kind::Embedding(Vector { index: *index, numbers: vector.clone() }),
        EventKind::Tensors(output) => Kind::Tensors(put_tensors(output)?),
        EventKind::Usage(usage) => Kind::Usage(Counts {
            prompt: usage.prompt_tokens,
            completion: usage.completion_tokens,
            cached: usage.cached_tokens,
        }),
        EventKind::Other => Kind::Other(Nothing {}),
        EventKind::Done(finish) => Kind::Done(finish.as_str().to_owned()),
        _ => return None,
    };
    let raw = kept.raw.as_ref().map(|raw| StoredRaw { dialect: raw.dialect.to_owned(), frame: raw.frame.clone() });
    Some(StoredEvent { kind: Some(kind), raw })
}

fn get_event(stored: StoredEvent) -> Option<Kept> {
    let kind = match stored.kind? {
        Kind::Started(model) => EventKind::Started { model: model.into() },
        Kind::Text(Piece { index, text }) => EventKind::Text { index, text },
        Kind::Reasoning(Piece { index, text }) => EventKind::Reasoning { index, text },
        Kind::ToolCalls(Piece { index, text }) => {
            EventKind::ToolCalls { index, calls: serde_json::from_str(&text).ok()? }
        }
        Kind::Embedding(Vector { index, numbers }) => EventKind::Embedding { index, vector: numbers },
        Kind::Tensors(tensors) => EventKind::Tensors(get_tensors(tensors)?),
        Kind::Usage(Counts { prompt, completion, cached }) => {
            EventKind::Usage(Usage { prompt_tokens: prompt, completion_tokens: completion, cached_tokens: cached })
        }
        Kind::Other(_) => EventKind::Other,
        Kind::Done(word) => EventKind::Done(Finish::from_word(&word)),
    };
    let raw = match stored.raw {
        Some(StoredRaw { dialect: name, frame }) => Some(Raw { dialect: dialect(&name)?, frame }),
        None => None,
    };
    Some(Kept { kind, raw })
}

fn put_tensors(output: &InferenceOutput) -> Option<Tensors> {
    let outputs = output.outputs.iter().map(|tensor| {
        Some(StoredTensor {
            name: tensor.name().to_owned(),
            datatype: tensor.datatype().as_str().to_owned(),
            shape: tensor.shape().to_vec(),
            data: tensor.data().clone(),
            parameters: serde_json::to_string(tensor.parameters()).ok()?,
        })
    });
    Some(Tensors {
        version: output.version.as_deref().map(str::to_owned),
        id: output.id.clone(),
        outputs: outputs.collect::<Option<_>>()?,
        parameters: serde_json::to_string(&output.parameters).ok()?,
    })
}

fn get_tensors(tensors: Tensors) -> Option<InferenceOutput> {
    let outputs = tensors.outputs.into_iter().map(|stored| {
        let datatype: DataType = stored.datatype.parse().ok()?;
        let parameters: Parameters = serde_json::from_str(&stored.parameters).ok()?;
        Some(Tensor::new(stored.name, datatype, stored.shape, stored.data).ok()?.with_parameters(parameters))
    });
    Some(InferenceOutput {
        version: tensors.version.map(Into::into),
        id: tensors.id,
        outputs: outputs.collect::<Option<_>>()?,
        parameters: serde_json::from_str(&tensors.parameters).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use longshore_core::{Parameter, event::Event};
    use serde_json::json;

    use super::*;

    #[test]
    fn every_event_of_an_answer_survives() {
        let tensor = Tensor::of_bytes("t", vec![2], ["a", "\u{1f980}"]).unwrap();
        let parameters: Parameters = [("p".to_owned(), Parameter::Float(0.1))].into();
        let kinds = [
            EventKind::Started { model: "m".into() },
            EventKind::Text { index: 3, text: "naïve".into() },
            EventKind::Reasoning { index: 0, text: "hm".into() },
            EventKind::ToolCalls { index: 1, calls: json!([{"id": 1.5}]) },
            EventKind::Embedding { index: 2, vector: vec![f32::MIN_POSITIVE, -0.1] },
            EventKind::Tensors(InferenceOutput {
                version: Some("2".into()),
                id: Some("id".into()),
                outputs: vec![tensor.with_parameters(parameters.clone())],
                parameters,
            }),
            EventKind::Usage(Usage { prompt_tokens: 1, completion_tokens: 2, cached_tokens: Some(0) }),
            EventKind::Other,
            EventKind::Done(Finish::Other("odd".into())),
        ];
        let raw = Raw { dialect: "openai", frame: Bytes::from_static(b"{}") };
        let events = kinds.into_iter().map(|kind| Kept { kind, raw: Some(raw.clone()) }).collect();
        let route = Route { dialect: "openai", protocol: Protocol::Rest, ..Route::in_process("s") };
        let expires = SystemTime::UNIX_EPOCH + Duration::from_millis(1_234_567);
        let entry = Entry::of(route, events, Some("id".into()), expires);
        let bytes = encode(&entry, &[7; 32]).unwrap();
        assert_eq!(decode(&bytes, &[7; 32]).unwrap(), entry);
    }

    #[test]
    fn what_has_no_form_is_not_stored() {
        let event = Event::now(EventKind::ModelConfig(json!({})));
        let kept = Kept { kind: event.kind, raw: None };
        let entry = Entry::of(Route::in_process("s"), [kept].into(), None, SystemTime::now());
        assert!(encode(&entry, &[0; 32]).is_none());
    }
}
