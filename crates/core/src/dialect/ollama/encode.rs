//! The server half: from events to a reply's body. The end of a stream and a whole reply have the same form; in the
//! latter everything is in it that a stream says before.

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use bytes::BytesMut;
use http::{HeaderMap, StatusCode, header, response};
use serde_json::{Map, Value, json};

use super::{
    API_VERSION, JSON, NAME, NDJSON,
    error::{self, FAILED},
    messages, models,
    place::Place,
    time::rfc3339,
    wants_stream,
};
use crate::{
    Call, Error, Event, EventKind, Finish, Framing, ModelInfo, ModelState, Op, ReplyEncoder, ServerInfo, Usage,
};

pub(super) fn encoder(call: &Call) -> Box<dyn ReplyEncoder> {
    let origin = call.origin.as_ref().filter(|origin| origin.dialect == NAME);
    let place = origin.and_then(|origin| Place::of(&http::Method::POST, &origin.path));
    let (form, stream) = match &*call.op {
        Op::Chat(chat) if place == Some(Place::Generate) => (Form::Generate, chat.stream),
        Op::Chat(chat) => (Form::Chat, chat.stream),
        Op::Complete(completion) => (Form::Generate, completion.stream),
        Op::Embed(_) => (Form::Embed { one: place == Some(Place::Embeddings) }, false),
        Op::Load { .. } => (Form::Lifecycle { reason: "load", place: place.unwrap_or(Place::Generate) }, false),
        Op::Unload { .. } => (Form::Lifecycle { reason: "unload", place: place.unwrap_or(Place::Generate) }, false),
        Op::Pull { .. } => (Form::Pull, origin.is_none_or(|origin| wants_stream(&origin.body))),
        Op::Describe { .. } => (Form::Show, false),
        Op::ListModels { ready_only: true } => (Form::Running, false),
        Op::ServerInfo => (Form::Version, false),
        Op::Health(_) => (Form::Nothing, false),
        _ => (Form::Tags, false),
    };
    Box::new(Encoder {
        form,
        stream,
        model: call.model.clone().unwrap_or_default(),
        asked_at: Instant::now(),
        content_at: None,
        said: Said::default(),
        calls: Vec::new(),
        vectors: Vec::new(),
        models: Vec::new(),
        server: None,
        usage: Usage::default(),
        failed: None,
        forwarded: false,
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Form {
    Chat,
    Generate,
    Embed { one: bool },
    Lifecycle { reason: &'static str, place: Place },
    Pull,
    Show,
    Tags,
    Running,
    Version,
    Nothing,
}

/// What a whole reply says at its end; empty in a stream.
#[derive(Default)]
struct Said {
    text: String,
    thinking: String,
}

struct Encoder {
    form: Form,
    stream: bool,
    model: Arc<str>,
    asked_at: Instant,
    /// When the prompt was read and the answer began.
    content_at: Option<Instant>,
    said: Said,
    /// Tool calls, put together from their pieces: Ollama's are whole.
    calls: Vec<Value>,
    vectors: Vec<Vec<f32>>,
    models: Vec<ModelInfo>,
    server: Option<ServerInfo>,
    usage: Usage,
    /// Why a load failed: an answer here, an error there.
    failed: Option<String>,
    /// The events come in this dialect: their own frames say everything, the end included.
    forwarded: bool,
}

impl ReplyEncoder for Encoder {
    fn streams(&self) -> bool {
        self.stream
    }

    fn head(&mut self) -> response::Builder {
        let status = if self.failed.is_some() && !self.stream { FAILED } else { StatusCode::OK };
        let media_type = if self.stream { NDJSON } else { JSON };
        http::Response::builder().status(status).header(header::CONTENT_TYPE, media_type)
    }

    fn event(&mut self, event: &Event, body: &mut BytesMut) {
        // A fleet's list is put together from several servers' bodies, none of which is the answer.
        let forwardable = matches!(self.form, Form::Chat | Form::Generate | Form::Embed { .. } | Form::Pull);
        if let Some(frame) = event.raw_in(NAME).filter(|_| forwardable) {
            self.forwarded = true;
            if !frame.is_empty() {
                self.put(frame, body);
            }
            return;
        }
        if event.kind.is_content() {
            self.content_at.get_or_insert(event.at);
        }
        match &event.kind {
            EventKind::Started { model } if !model.is_empty() => self.model = Arc::clone(model),
            EventKind::Text { index: 0, text } => self.say(text, "", body),
            EventKind::Reasoning { index: 0, text } => self.say("", text, body),
            EventKind::ToolCalls { index: 0, calls } => self.add_calls(calls),
            EventKind::Embedding { index, vector } if *index as usize == self.vectors.len() => {
                self.vectors.push(vector.clone());
            }
            EventKind::Usage(usage) => self.usage = *usage,
            EventKind::Models(models) => self.models.extend(models.iter().cloned()),
            EventKind::Server(server) => self.server = Some(server.clone()),
            EventKind::Progress(progress) => self.progress(progress, body),
            EventKind::Done(finish) if !self.forwarded => self.done(finish, event.at, body),
            _ => {}
        }
    }

    fn interrupted(&mut self, error: &Error, body: &mut BytesMut) {
        self.put(error::to_value(error).to_string().as_bytes(), body);
    }

    fn end(&mut self, _: &mut BytesMut) -> Option<HeaderMap> {
        None
    }
}

impl Encoder {
    fn put(&self, frame: &[u8], body: &mut BytesMut) {
        let framing = if self.stream { Framing::Ndjson } else { Framing::Whole };
        framing.put(frame, body);
    }

    fn put_value(&self, value: &Value, body: &mut BytesMut) {
        self.put(value.to_string().as_bytes(), body);
    }

    fn say(&mut self, text: &str, thinking: &str, body: &mut BytesMut) {
        if self.stream {
            self.put_value(&self.piece(text, thinking, &[], false), body);
        } else {
            self.said.text.push_str(text);
            self.said.thinking.push_str(thinking);
        }
    }

    /// A piece of an answer. Longer than it need be, as Ollama's own are.
    fn piece(&self, text: &str, thinking: &str, calls: &[Value], done: bool) -> Value {
        let mut piece = json!({"model": &*self.model, "created_at": rfc3339(SystemTime::now())});
        let mut said = Map::new();
        if !thinking.is_empty() {
            said.insert("thinking".into(), thinking.into());
        }
        if !calls.is_empty() {
            said.insert("tool_calls".into(), calls.iter().map(messages::call_written).collect::<Vec<_>>().into());
        }
        if self.form == Form::Chat {
            let mut message = json!({"role": "assistant", "content": text});
            said.into_iter().for_each(|(name, value)| message[name] = value);
            piece["message"] = message;
        } else {
            piece["response"] = text.into();
            said.into_iter().for_each(|(name, value)| piece[name] = value);
        }
        piece["done"] = done.into();
        piece
    }

    /// Takes in tool calls or pieces of them, which belong together by their index.
    fn add_calls(&mut self, calls: &Value) {
        for call in calls.as_array().into_iter().flatten() {
            let index = call["index"].as_u64();
            let begun = self.calls.iter_mut().find(|begun| index.is_some() && begun["index"].as_u64() == index);
            let Some(begun) = begun else {
                self.calls.push(call.clone());
                continue;
            };
            for name in ["name", "arguments"] {
                let text = |value: &Value| value["function"][name].as_str().unwrap_or_default().to_owned();
                let whole = text(begun) + &text(call);
                if begun["function"].is_object() {
                    begun["function"][name] = whole.into();
                }
            }
        }
    }

    fn progress(&mut self, progress: &crate::model::Progress, body: &mut BytesMut) {
        if let ModelState::Failed(reason) = &progress.state {
            self.failed = Some(reason.clone());
        } else if self.form == Form::Pull && self.stream && progress.state == ModelState::Loading {
            let mut line = json!({"status": format!("pulling {}", progress.model)});
            for (name, bytes) in [("total", progress.total_bytes), ("completed", progress.done_bytes)] {
                if let Some(bytes) = bytes {
                    line[name] = bytes.into();
                }
            }
            self.put_value(&line, body);
        }
    }

    fn done(&mut self, finish: &Finish, at: Instant, body: &mut BytesMut) {
        if let Some(reason) = &self.failed {
            self.put_value(&json!({"error": reason}), body);
            return;
        }
        let last = match self.form {
            Form::Chat | Form::Generate => {
                if self.stream && !self.calls.is_empty() {
                    let calls = std::mem::take(&mut self.calls);
                    self.put_value(&self.piece("", "", &calls, false), body);
                }
                let mut last = self.piece(&self.said.text, &self.said.thinking, &self.calls, true);
                last["done_reason"] = match finish {
                    Finish::ToolCalls => "stop".into(), // it has no word of its own for it
                    other => other.as_str().into(),
                };
                self.put_times(at, &mut last);
                last["eval_count"] = self.usage.completion_tokens.into();
                last["eval_duration"] = nanoseconds(self.content_at.unwrap_or(at), at).into();
                last
            }
            Form::Embed { one: true } => json!({"embedding": self.vectors.first().cloned().unwrap_or_default()}),
            Form::Embed { one: false } => {
                let mut last = json!({"model": &*self.model, "embeddings": &self.vectors});
                last["total_duration"] = nanoseconds(self.asked_at, at).into();
                last["load_duration"] = 0.into();
                last["prompt_eval_count"] = self.usage.prompt_tokens.into();
                last
            }
            Form::Lifecycle { place: Place::Embed, .. } => json!({"model": &*self.model, "embeddings": []}),
            Form::Lifecycle { reason, place } => {
                let mut last = json!({"model": &*self.model, "created_at": rfc3339(SystemTime::now())});
                match place {
                    Place::Chat => last["message"] = json!({"role": "assistant", "content": ""}),
                    _ => last["response"] = "".into(),
                }
                (last["done"], last["done_reason"]) = (true.into(), reason.into());
                last
            }
            Form::Pull => json!({"status": "success"}),
            Form::Show => self.models.first().map(models::show).unwrap_or_default(),
            Form::Tags => json!({"models": self.models.iter().map(models::tag).collect::<Vec<_>>()}),
            Form::Running => json!({"models": self.models.iter().map(models::running).collect::<Vec<_>>()}),
            Form::Version => self.version(),
            Form::Nothing => return,
        };
        self.put_value(&last, body);
    }

    fn put_times(&self, at: Instant, last: &mut Value) {
        last["total_duration"] = nanoseconds(self.asked_at, at).into();
        last["load_duration"] = 0.into();
        last["prompt_eval_count"] = self.usage.prompt_tokens.into();
        last["prompt_eval_duration"] = nanoseconds(self.asked_at, self.content_at.unwrap_or(at)).into();
    }

    /// The version of the API, for clients that compare it; and who it is that speaks it.
    fn version(&self) -> Value {
        let mut version = json!({"version": API_VERSION});
        if let Some(server) = &self.server {
            (version["server"], version["server_version"]) = ((&*server.name).into(), (&*server.version).into());
        }
        version
    }
}

fn nanoseconds(from: Instant, to: Instant) -> u64 {
    to.saturating_duration_since(from).as_nanos().try_into().unwrap_or(u64::MAX)
}
