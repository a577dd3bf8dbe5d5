//! The server half: from events to a reply's body.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::BytesMut;
use http::{HeaderMap, header, response};
use serde::Serialize;
use serde_json::{Value, json};

use super::{NAME, error, models};
use crate::{Answer, Call, Error, Event, EventKind, Finish, Op, ReplyEncoder, Usage, framing};

pub(super) fn encoder(call: &Call) -> Box<dyn ReplyEncoder> {
    let (kind, stream, include_usage) = match &*call.op {
        Op::Chat(chat) => (Kind::Chat, chat.stream, chat.include_usage),
        Op::Complete(completion) => (Kind::Completion, completion.stream, completion.include_usage),
        Op::Embed(embedding) => {
            let base64 = embedding.extra.get("encoding_format").is_some_and(|format| format == "base64");
            (Kind::Embedding { base64 }, false, false)
        }
        Op::Describe { .. } => (Kind::Model, false, false),
        Op::Health(_) => (Kind::Health, false, false),
        _ => (Kind::Models, false, false),
    };
    let envelope = Envelope::new(call, &kind, stream);
    if stream {
        let line = Line::new(&envelope);
        Box::new(StreamEncoder { envelope, line, kind, include_usage, usage: None, role_sent: false, forwarded: false })
    } else {
        Box::new(WholeEncoder { envelope, kind, answer: Answer::default(), forwarded: false })
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Chat,
    Completion,
    Embedding { base64: bool },
    Models,
    Model,
    Health,
}

/// What every chunk of an answer says about it.
#[derive(Serialize)]
struct Envelope {
    id: String,
    object: &'static str,
    created: u64,
    model: Arc<str>,
}

impl Envelope {
    fn new(call: &Call, kind: &Kind, stream: bool) -> Self {
        let (prefix, object) = match (kind, stream) {
            (Kind::Chat, true) => ("chatcmpl", "chat.completion.chunk"),
            (Kind::Chat, false) => ("chatcmpl", "chat.completion"),
            _ => ("cmpl", "text_completion"),
        };
        let created = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Self { id: format!("{prefix}-{}", call.id), object, created, model: call.model.clone().unwrap_or_default() }
    }
}

#[derive(Serialize)]
struct UsageOut {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_tokens_details: Option<CachedOut>,
}

#[derive(Serialize)]
struct CachedOut {
    cached_tokens: u64,
}

impl From<Usage> for UsageOut {
    fn from(usage: Usage) -> Self {
        Self {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            total_tokens: usage.prompt_tokens + usage.completion_tokens,
            prompt_tokens_details: usage.cached_tokens.map(|cached_tokens| CachedOut { cached_tokens }),
        }
    }
}

// === streams ===

/// One chunk as it is written. What every chunk begins with is written once.
struct Line {
    bytes: Vec<u8>,
    /// How many of them stay for the next chunk.
    opening: usize,
}

impl Line {
    /// `data: {"id":…,"object":…,"created":…,"model":…,"choices":`
    fn new(envelope: &Envelope) -> Self {
        let mut bytes = b"data: ".to_vec();
        put(&mut bytes, envelope);
        // Without its closing brace: the choices belong to the same object.
        bytes.pop();
        bytes.extend_from_slice(b",\"choices\":");
        Self { opening: bytes.len(), bytes }
    }

    fn write(&mut self, choices: &[ChoiceOut<'_>], usage: Option<UsageOut>, body: &mut BytesMut) {
        self.bytes.truncate(self.opening);
        put(&mut self.bytes, choices);
        if let Some(usage) = usage {
            self.bytes.extend_from_slice(b",\"usage\":");
            put(&mut self.bytes, &usage);
        }
        self.bytes.extend_from_slice(b"}\n\n");
        body.extend_from_slice(&self.bytes);
    }
}

/// Writing plain structures into memory does not fail.
fn put<T: Serialize + ?Sized>(bytes: &mut Vec<u8>, value: &T) {
    let _ = serde_json::to_writer(bytes, value);
}

#[derive(Serialize)]
struct ChoiceOut<'a> {
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    delta: Option<DeltaOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    logprobs: (),
    finish_reason: Option<&'a str>,
}

#[derive(Serialize, Default)]
struct DeltaOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<&'a Value>,
}

struct StreamEncoder {
    envelope: Envelope,
    line: Line,
    kind: Kind,
    include_usage: bool,
    usage: Option<Usage>,
    role_sent: bool,
    /// The events come in this dialect: their own frames say everything, the end included.
    forwarded: bool,
}

impl StreamEncoder {
    fn choice(
        &mut self,
        index: u32,
        delta: DeltaOut<'_>,
        text: Option<&str>,
        finish: Option<&str>,
        body: &mut BytesMut,
    ) {
        let mut choice = ChoiceOut { index, delta: None, text: None, logprobs: (), finish_reason: finish };
        if self.kind == Kind::Chat {
            let role = (!std::mem::replace(&mut self.role_sent, true)).then_some("assistant");
            choice.delta = Some(DeltaOut { role, content: text, ..delta });
        } else {
            choice.text = Some(text.unwrap_or_default());
        }
        self.line.write(&[choice], None, body);
    }

    fn done(&mut self, finish: &Finish, body: &mut BytesMut) {
        self.choice(0, DeltaOut::default(), None, Some(finish.as_str()), body);
        if self.include_usage {
            self.line.write(&[], Some(self.usage.unwrap_or_default().into()), body);
        }
        body.extend_from_slice(b"data: [DONE]\n\n");
    }
}

impl ReplyEncoder for StreamEncoder {
    fn streams(&self) -> bool {
        true
    }

    fn head(&mut self) -> response::Builder {
        http::Response::builder()
            .header(header::CONTENT_TYPE, "text/event-stream")
            .header(header::CACHE_CONTROL, "no-cache")
    }

    fn event(&mut self, event: &Event, body: &mut BytesMut) {
        if let Some(frame) = event.raw_in(NAME) {
            self.forwarded = true;
            if !frame.is_empty() {
                framing::put_event(frame, body);
            }
            return;
        }
        match &event.kind {
            EventKind::Started { model } => {
                if self.envelope.model != *model {
                    self.envelope.model = model.clone();
                    self.line = Line::new(&self.envelope);
                }
                if self.kind == Kind::Chat && !self.role_sent {
                    self.choice(0, DeltaOut::default(), Some(""), None, body);
                }
            }
            EventKind::Text { index, text } => self.choice(*index, DeltaOut::default(), Some(text), None, body),
            EventKind::Reasoning { index, text } if self.kind == Kind::Chat => {
                let delta = DeltaOut { reasoning_content: Some(text), ..DeltaOut::default() };
                self.choice(*index, delta, None, None, body);
            }
            EventKind::ToolCalls { index, calls } if self.kind == Kind::Chat => {
                let delta = DeltaOut { tool_calls: Some(calls), ..DeltaOut::default() };
                self.choice(*index, delta, None, None, body);
            }
            EventKind::Usage(usage) => self.usage = Some(*usage),
            EventKind::Done(finish) if !self.forwarded => self.done(finish, body),
            _ => {}
        }
    }

    fn interrupted(&mut self, error: &Error, body: &mut BytesMut) {
        framing::put_event(json!({"error": error::to_value(error)}).to_string().as_bytes(), body);
    }

    fn end(&mut self, _: &mut BytesMut) -> Option<HeaderMap> {
        None
    }
}

// === whole bodies ===

#[derive(Serialize)]
struct CompletionOut<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<WholeChoiceOut<'a>>,
    usage: UsageOut,
}

#[derive(Serialize)]
struct WholeChoiceOut<'a> {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<MessageOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    logprobs: (),
    finish_reason: &'a str,
}

#[derive(Serialize)]
struct MessageOut<'a> {
    role: &'static str,
    content: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<&'a Value>,
}

struct WholeEncoder {
    envelope: Envelope,
    kind: Kind,
    answer: Answer,
    forwarded: bool,
}

impl ReplyEncoder for WholeEncoder {
    fn streams(&self) -> bool {
        false
    }

    fn head(&mut self) -> response::Builder {
        http::Response::builder().header(header::CONTENT_TYPE, "application/json")
    }

    fn event(&mut self, event: &Event, body: &mut BytesMut) {
        // A fleet's list is put together from several servers' bodies, none of which is the answer.
        let forwardable = matches!(self.kind, Kind::Chat | Kind::Completion | Kind::Embedding { .. });
        if let Some(frame) = event.raw_in(NAME).filter(|_| forwardable) {
            self.forwarded = true;
            body.extend_from_slice(frame);
        } else {
            self.answer.add(event.clone());
        }
    }

    fn interrupted(&mut self, _: &Error, _: &mut BytesMut) {}

    fn end(&mut self, body: &mut BytesMut) -> Option<HeaderMap> {
        if self.forwarded {
            return None;
        }
        let value = match self.kind {
            Kind::Chat | Kind::Completion => {
                self.write_completion(body);
                return None;
            }
            Kind::Embedding { base64 } => self.embeddings(base64),
            Kind::Models => {
                let data: Vec<_> = self.answer.models.iter().map(models::to_card).collect();
                json!({"object": "list", "data": data})
            }
            Kind::Model => self.answer.models.first().map(models::to_card).unwrap_or_default(),
            Kind::Health => json!({"status": "ok"}),
        };
        body.extend_from_slice(value.to_string().as_bytes());
        None
    }
}

impl WholeEncoder {
    fn write_completion(&self, body: &mut BytesMut) {
        let answer = &self.answer;
        let finish = answer.finish.clone().unwrap_or_default();
        let count = answer.texts.len().max(answer.reasoning.len()).max(1);
        let choice = |index| {
            let text = answer.texts.get(index).map_or("", String::as_str);
            let (message, text) = match self.kind {
                Kind::Completion => (None, Some(text)),
                _ => (Some(self.message(index, text)), None),
            };
            WholeChoiceOut { index, message, text, logprobs: (), finish_reason: finish.as_str() }
        };
        let completion = CompletionOut {
            id: &self.envelope.id,
            object: self.envelope.object,
            created: self.envelope.created,
            model: answer.model.as_ref().unwrap_or(&self.envelope.model),
            choices: (0..count).map(choice).collect(),
            usage: answer.usage.unwrap_or_default().into(),
        };
        let mut whole = Vec::with_capacity(512);
        put(&mut whole, &completion);
        body.extend_from_slice(&whole);
    }

    fn message<'a>(&'a self, index: usize, content: &'a str) -> MessageOut<'a> {
        let calls = self.answer.tool_calls.iter().filter(|(of, _)| *of as usize == index);
        MessageOut {
            role: "assistant",
            content,
            reasoning_content: self.answer.reasoning.get(index).map(String::as_str).filter(|text| !text.is_empty()),
            tool_calls: calls.filter_map(|(_, calls)| calls.as_array()).flatten().collect(),
        }
    }

    fn embeddings(&self, base64: bool) -> Value {
        let data: Vec<_> = self
            .answer
            .embeddings
            .iter()
            .enumerate()
            .map(|(index, vector)| {
                let embedding = if base64 {
                    let bytes: Vec<u8> = vector.iter().flat_map(|float| float.to_le_bytes()).collect();
                    Value::from(BASE64_STANDARD.encode(bytes))
                } else {
                    vector.clone().into()
                };
                json!({"object": "embedding", "index": index, "embedding": embedding})
            })
            .collect();
        let tokens = self.answer.usage.unwrap_or_default().prompt_tokens;
        json!({
            "object": "list",
            "model": self.answer.model.as_ref().unwrap_or(&self.envelope.model),
            "data": data,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        })
    }
}
