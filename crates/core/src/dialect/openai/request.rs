//! Requests, both ways: a field that is known is taken out, the rest rides along.

use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::{
    Call, Error, Op,
    call::{Chat, Completion, Embedding, Overflow, Prompt, Sampling},
};

pub(super) fn chat_body(call: &Call, chat: &Chat) -> Result<Bytes, Error> {
    let mut body = start(call);
    body.insert("messages".into(), serde_json::to_value(&chat.messages).map_err(unwritable)?);
    put_sampling(&chat.sampling, &mut body);
    put_streaming(chat.stream, chat.include_usage, &mut body);
    if chat.overflow == Overflow::DropOldest {
        // The Responses API's word for it; servers that do not know it ignore it.
        body.insert("truncation".into(), "auto".into());
    }
    finish(body, &chat.extra)
}

pub(super) fn completion_body(call: &Call, completion: &Completion) -> Result<Bytes, Error> {
    let mut body = start(call);
    body.insert("prompt".into(), written_prompt(&completion.prompt));
    put_sampling(&completion.sampling, &mut body);
    put_streaming(completion.stream, completion.include_usage, &mut body);
    finish(body, &completion.extra)
}

pub(super) fn embedding_body(call: &Call, embedding: &Embedding) -> Result<Bytes, Error> {
    let mut body = start(call);
    body.insert("input".into(), written_prompt(&embedding.input));
    if let Some(dimensions) = embedding.dimensions {
        body.insert("dimensions".into(), dimensions.into());
    }
    finish(body, &embedding.extra)
}

pub(super) fn read_chat(body: &[u8]) -> Result<Call, Error> {
    let mut fields = Fields::read(body)?;
    let messages: Option<Vec<_>> = fields.take("messages")?;
    let messages = messages.ok_or_else(|| Error::invalid("`messages` is required"))?;
    if messages.is_empty() {
        return Err(Error::invalid("`messages` must not be empty"));
    }
    let model = fields.take("model")?;
    let sampling = fields.take_sampling()?;
    let (stream, include_usage) = fields.take_streaming()?;
    let overflow = match fields.0.get("truncation").and_then(Value::as_str) {
        Some("auto") => {
            fields.0.shift_remove("truncation");
            Overflow::DropOldest
        }
        _ => Overflow::Refuse,
    };
    Ok(call(model, Op::Chat(Chat { messages, sampling, stream, include_usage, overflow, extra: fields.0 })))
}

pub(super) fn read_completion(body: &[u8]) -> Result<Call, Error> {
    let mut fields = Fields::read(body)?;
    let prompt = fields.take_prompt("prompt")?;
    let model = fields.take("model")?;
    let sampling = fields.take_sampling()?;
    let (stream, include_usage) = fields.take_streaming()?;
    Ok(call(model, Op::Complete(Completion { prompt, sampling, stream, include_usage, extra: fields.0 })))
}

pub(super) fn read_embedding(body: &[u8]) -> Result<Call, Error> {
    let mut fields = Fields::read(body)?;
    let input = fields.take_prompt("input")?;
    let model = fields.take("model")?;
    let dimensions = fields.take("dimensions")?;
    Ok(call(model, Op::Embed(Embedding { input, dimensions, extra: fields.0 })))
}

fn call(model: Option<Arc<str>>, op: Op) -> Call {
    Call { model, ..Call::new(op) }
}

// === writing ===

fn start(call: &Call) -> Map<String, Value> {
    let mut body = Map::new();
    if let Some(model) = &call.model {
        body.insert("model".into(), (**model).into());
    }
    body
}

fn finish(mut body: Map<String, Value>, extra: &Map<String, Value>) -> Result<Bytes, Error> {
    for (name, value) in extra {
        match (body.get_mut(name), value) {
            // Ours and theirs together, as with `stream_options`.
            (Some(Value::Object(ours)), Value::Object(theirs)) => ours.extend(theirs.clone()),
            (Some(_), _) => {}
            (None, _) => {
                body.insert(name.clone(), value.clone());
            }
        }
    }
    serde_json::to_vec(&body).map(Bytes::from).map_err(unwritable)
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::invalid("write the request as JSON").caused_by(error)
}

fn put_sampling(sampling: &Sampling, body: &mut Map<String, Value>) {
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.into(), value);
        }
    };
    put("temperature", sampling.temperature.map(Value::from));
    put("top_p", sampling.top_p.map(Value::from));
    put("top_k", sampling.top_k.map(Value::from));
    put("seed", sampling.seed.map(Value::from));
    put("max_tokens", sampling.max_tokens.map(Value::from));
    put("stop", (!sampling.stop.is_empty()).then(|| sampling.stop.clone().into()));
    put("ignore_eos", sampling.ignore_eos.map(Value::from));
}

fn put_streaming(stream: bool, include_usage: bool, body: &mut Map<String, Value>) {
    if stream {
        body.insert("stream".into(), true.into());
    }
    // Only a stream may have these options: OpenAI refuses them otherwise.
    if stream && include_usage {
        body.insert("stream_options".into(), json!({"include_usage": true}));
    }
}

fn written_prompt(prompt: &Prompt) -> Value {
    match prompt {
        Prompt::Text(texts) if texts.len() == 1 => texts[0].clone().into(),
        Prompt::Text(texts) => texts.clone().into(),
        Prompt::Tokens(lists) if lists.len() == 1 => lists[0].clone().into(),
        Prompt::Tokens(lists) => lists.clone().into(),
    }
}

// === reading ===

/// The fields of a request's body that nobody has taken yet.
struct Fields(Map<String, Value>);

impl Fields {
    fn read(body: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(body)
            .map(Self)
            .map_err(|e| Error::invalid(format!("the body is not a JSON object: {e}")))
    }

    /// The field, `None` where it is absent or null.
    fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, Error> {
        match self.0.shift_remove(name) {
            None => Ok(None),
            Some(value) => {
                serde_json::from_value(value).map_err(|e| Error::invalid(format!("`{name}` cannot be read: {e}")))
            }
        }
    }

    fn take_sampling(&mut self) -> Result<Sampling, Error> {
        // The newer name, which OpenAI's own reasoning models insist on, wins.
        let max_tokens = self.take("max_tokens")?;
        let max_tokens = self.take("max_completion_tokens")?.or(max_tokens);
        let sampling = Sampling {
            temperature: self.take("temperature")?,
            top_p: self.take("top_p")?,
            top_k: self.take("top_k")?,
            seed: self.take("seed")?,
            max_tokens,
            stop: match self.take("stop")? {
                None => Vec::new(),
                Some(Value::String(text)) => vec![text],
                Some(list) => serde_json::from_value(list)
                    .map_err(|e| Error::invalid(format!("`stop` is neither a text nor a list of texts: {e}")))?,
            },
            ignore_eos: self.take("ignore_eos")?,
        };
        for (name, value, range) in
            [("temperature", sampling.temperature, 0.0..=100.0), ("top_p", sampling.top_p, 0.0..=1.0)]
        {
            if value.is_some_and(|value| !range.contains(&value)) {
                return Err(Error::invalid(format!("`{name}` must be between {} and {}", range.start(), range.end())));
            }
        }
        Ok(sampling)
    }

    /// Whether to stream, and whether token counts are wanted at the end of it.
    fn take_streaming(&mut self) -> Result<(bool, bool), Error> {
        let stream = self.take("stream")?.unwrap_or(false);
        let mut options: Map<String, Value> = self.take("stream_options")?.unwrap_or_default();
        let include_usage = options.shift_remove("include_usage") == Some(Value::Bool(true));
        if !options.is_empty() {
            self.0.insert("stream_options".into(), options.into());
        }
        Ok((stream, include_usage))
    }

    /// A text, a list of texts, the tokens of a text, or a list of those.
    fn take_prompt(&mut self, name: &str) -> Result<Prompt, Error> {
        let wrong = || Error::invalid(format!("`{name}` must be a text, a list of texts, or lists of token ids"));
        match self.take(name)? {
            None => Err(Error::invalid(format!("`{name}` is required"))),
            Some(Value::String(text)) => Ok(Prompt::Text(vec![text])),
            Some(Value::Array(items)) if items.is_empty() => Err(Error::invalid(format!("`{name}` must not be empty"))),
            Some(Value::Array(items)) => match &items[0] {
                Value::String(_) => serde_json::from_value(items.into()).map(Prompt::Text).map_err(|_| wrong()),
                Value::Number(_) => {
                    serde_json::from_value(items.into()).map(|list| Prompt::Tokens(vec![list])).map_err(|_| wrong())
                }
                _ => serde_json::from_value(items.into()).map(Prompt::Tokens).map_err(|_| wrong()),
            },
            Some(_) => Err(wrong()),
        }
    }
}
