//! The server half's requests: a field that is known is taken out, the rest rides along.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{messages, options, place::Place};
use crate::{
    Call, Error, ErrorKind, Op, Parameters,
    call::{Chat, Completion, Embedding, HealthScope, Message, Overflow, Prompt},
    dialect::{check_model_id, fields::Fields, parameters},
};

/// The call that a request at this place is.
///
/// # Errors
/// `InvalidRequest` or `Unsupported`, with a message for whoever wrote the request.
pub(super) fn read(place: Place, body: &[u8]) -> Result<Call, Error> {
    Ok(match place {
        Place::Tags => Call::new(Op::ListModels { ready_only: false }),
        Place::Running => Call::new(Op::ListModels { ready_only: true }),
        Place::Version => Call::new(Op::ServerInfo),
        Place::Root => Call::new(Op::Health(HealthScope::Live)),
        Place::Delete | Place::Copy | Place::Create | Place::Push => {
            let message = format!("{} changes a server's files, which is done at that server itself", place.path());
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        Place::Chat | Place::Generate | Place::Embed | Place::Embeddings | Place::Show | Place::Pull => {
            let mut fields = Fields::read(body)?;
            let model = take_model(&mut fields)?;
            let op = match place {
                Place::Chat => read_chat(fields)?,
                Place::Generate => read_generate(fields)?,
                Place::Embed => read_embed(fields)?,
                Place::Embeddings => read_embeddings(fields)?,
                Place::Pull => Op::Pull { parameters: options_left(fields, &["stream", "name"]) },
                _ => Op::Describe { version: None },
            };
            Call { model: Some(model), ..Call::new(op) }
        }
    })
}

/// The model; older clients write `name`. A tag that is not written is `latest`, so that one that is written is none.
fn take_model(fields: &mut Fields) -> Result<Arc<str>, Error> {
    let model: Option<String> = fields.take("model")?;
    let model = match model.filter(|model| !model.is_empty()) {
        Some(model) => model,
        None => fields.take("name")?.unwrap_or_default(),
    };
    if model.is_empty() {
        return Err(Error::invalid("model is required"));
    }
    let model = model.strip_suffix(":latest").unwrap_or(&model);
    check_model_id(model)?;
    Ok(model.into())
}

fn read_chat(mut fields: Fields) -> Result<Op, Error> {
    let given: Vec<_> = fields.take("messages")?.unwrap_or_default();
    if given.is_empty() {
        return Ok(load_or_unload(fields));
    }
    chat(messages::read(given)?, fields)
}

/// A prompt is what a user says, and the model's template is put around it; unless it shall go as it is.
fn read_generate(mut fields: Fields) -> Result<Op, Error> {
    let prompt: String = fields.take("prompt")?.unwrap_or_default();
    if prompt.is_empty() {
        return Ok(load_or_unload(fields));
    }
    let raw = fields.take("raw")?.unwrap_or(false);
    if fields.0.get("suffix").is_some_and(|suffix| suffix.is_null() || suffix == "") {
        fields.0.shift_remove("suffix");
    }
    if raw || fields.0.contains_key("suffix") {
        let sampling = options::take(&mut fields)?;
        let stream = fields.take("stream")?.unwrap_or(true);
        let extra = ours(fields.0)?;
        return Ok(Op::Complete(Completion {
            prompt: (&*prompt).into(),
            sampling,
            stream,
            include_usage: true,
            extra,
        }));
    }
    let system: Option<String> = fields.take("system")?;
    let images = fields.take("images")?.unwrap_or_default();
    let system = system.filter(|text| !text.is_empty()).map(|text| Message::new("system", text));
    let asked = Message { role: "user".into(), content: Some(messages::content(prompt, images)), extra: Map::new() };
    chat(system.into_iter().chain([asked]).collect(), fields)
}

fn chat(messages: Vec<Message>, mut fields: Fields) -> Result<Op, Error> {
    let sampling = options::take(&mut fields)?;
    let stream = fields.take("stream")?.unwrap_or(true);
    let overflow = match fields.take("truncate")?.unwrap_or(true) {
        true => Overflow::DropOldest,
        false => Overflow::Refuse,
    };
    Ok(Op::Chat(Chat { messages, sampling, stream, include_usage: true, overflow, extra: ours(fields.0)? }))
}

fn read_embed(mut fields: Fields) -> Result<Op, Error> {
    if fields.0.get("input").is_some_and(|input| input.as_array().is_some_and(Vec::is_empty)) {
        return Ok(load_or_unload(fields));
    }
    let input = fields.take_prompt("input")?;
    if let Prompt::Tokens(_) = input {
        return Err(Error::invalid("`input` must be a text or a list of texts"));
    }
    let dimensions = fields.take("dimensions")?;
    Ok(Op::Embed(Embedding { input, dimensions, extra: without_nulls(fields.0) }))
}

fn read_embeddings(mut fields: Fields) -> Result<Op, Error> {
    let prompt: String = fields.required("prompt")?;
    Ok(Op::Embed(Embedding { input: (&*prompt).into(), dimensions: None, extra: without_nulls(fields.0) }))
}

fn load_or_unload(mut fields: Fields) -> Op {
    let keep_alive = fields.0.shift_remove("keep_alive").unwrap_or_default();
    let options = fields.0.shift_remove("options").and_then(|options| match options {
        Value::Object(options) => Some(options),
        _ => None,
    });
    let mut options = options.unwrap_or_default();
    if is_zero(&keep_alive) {
        return Op::Unload { parameters: parameters::parameters(Some(options)) };
    }
    options.insert("keep_alive".into(), keep_alive);
    Op::Load { parameters: parameters::parameters(Some(options)) }
}

/// A duration is a number of seconds, or a number with a unit.
pub(super) fn is_zero(duration: &Value) -> bool {
    match duration {
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.trim().trim_end_matches(char::is_alphabetic).parse() == Ok(0.0),
        _ => false,
    }
}

fn options_left(fields: Fields, known: &[&str]) -> Parameters {
    let mut left = fields.0;
    known.iter().for_each(|name| drop(left.shift_remove(*name)));
    parameters::parameters(Some(left))
}

/// The other way of `ask::theirs`.
fn ours(extra: Map<String, Value>) -> Result<Map<String, Value>, Error> {
    let mut extra = without_nulls(extra);
    match extra.shift_remove("format") {
        None => {}
        Some(Value::String(word)) if word.is_empty() => {}
        Some(Value::String(word)) if word == "json" => {
            extra.insert("response_format".into(), json!({"type": "json_object"}));
        }
        Some(schema @ Value::Object(_)) => {
            let named = json!({"name": "answer", "schema": schema});
            extra.insert("response_format".into(), json!({"type": "json_schema", "json_schema": named}));
        }
        Some(other) => return Err(Error::invalid(format!("`format` is \"json\" or a JSON schema, not {other}"))),
    }
    match extra.shift_remove("think") {
        None => {}
        Some(Value::Bool(think)) => {
            extra.insert("reasoning_effort".into(), if think { "medium" } else { "none" }.into());
        }
        Some(Value::String(effort)) => drop(extra.insert("reasoning_effort".into(), effort.into())),
        Some(other) => return Err(Error::invalid(format!("`think` is true, false or a level, not {other}"))),
    }
    Ok(extra)
}

fn without_nulls(mut map: Map<String, Value>) -> Map<String, Value> {
    map.retain(|name, value| !(value.is_null() && KNOWN.contains(&&**name)));
    map
}

/// Ollama's own fields, which its clients may write out as null.
const KNOWN: [&str; 10] =
    ["format", "think", "keep_alive", "tools", "template", "context", "system", "images", "logprobs", "top_logprobs"];

#[cfg(test)]
mod tests {
    use super::*;

    fn read_json(place: Place, body: Value) -> Result<Call, Error> {
        read(place, body.to_string().as_bytes())
    }

    #[test]
    fn a_request_without_a_prompt_loads_or_unloads() {
        let check = |place, body: Value, unloads: bool| {
            let op = read_json(place, body.clone()).unwrap().op;
            assert!(matches!((&*op, unloads), (Op::Unload { .. }, true) | (Op::Load { .. }, false)), "{body}: {op:?}");
        };
        for keep_alive in [json!(0), json!(0.0), json!("0"), json!("0s"), json!("0.0m")] {
            check(Place::Generate, json!({"model": "m", "keep_alive": keep_alive}), true);
            check(Place::Chat, json!({"model": "m", "messages": [], "keep_alive": keep_alive}), true);
        }
        for keep_alive in [json!(null), json!(-1), json!("5m"), json!("10")] {
            check(Place::Generate, json!({"model": "m", "prompt": "", "keep_alive": keep_alive}), false);
            check(Place::Embed, json!({"model": "m", "input": [], "keep_alive": keep_alive}), false);
        }
    }

    #[test]
    fn a_prompt_is_a_users_word_unless_it_is_raw() {
        let read = |body: Value| read_json(Place::Generate, body).unwrap().op;
        let op = read(json!({"model": "m", "prompt": "hi", "system": "be brief", "stream": false}));
        let Op::Chat(chat) = &*op else { panic!("{op:?}") };
        let said: Vec<_> = chat.messages.iter().map(|message| (&*message.role, message.text())).collect();
        assert_eq!(said, [("system", "be brief".to_owned()), ("user", "hi".to_owned())]);
        assert!(!chat.stream && chat.overflow == Overflow::DropOldest);
        for body in
            [json!({"model": "m", "prompt": "a", "raw": true}), json!({"model": "m", "prompt": "a", "suffix": "b"})]
        {
            let op = read(body);
            let Op::Complete(completion) = &*op else { panic!("{op:?}") };
            assert!(completion.stream && completion.prompt == "a".into());
        }
    }

    #[test]
    fn forms_and_thinking_have_two_names() {
        let schema = json!({"type": "object"});
        for (theirs, name, ours) in [
            (json!({"format": "json"}), "response_format", json!({"type": "json_object"})),
            (
                json!({"format": schema}),
                "response_format",
                json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}),
            ),
            (json!({"think": false}), "reasoning_effort", json!("none")),
            (json!({"think": "high"}), "reasoning_effort", json!("high")),
        ] {
            let mut body = theirs.clone();
            (body["model"], body["messages"]) = ("m".into(), json!([{"role": "user", "content": "x"}]));
            let call = read_json(Place::Chat, body).unwrap();
            let Op::Chat(chat) = &*call.op else { panic!("{call:?}") };
            assert_eq!(chat.extra[name], ours);
            let again: Value =
                serde_json::from_slice(&super::super::ask::body(&call, Place::Chat).unwrap().unwrap()).unwrap();
            for (name, value) in theirs.as_object().unwrap() {
                assert_eq!(&again[name], value);
            }
        }
    }

    #[test]
    fn names_are_as_clients_write_them() {
        let check = |body: Value, expected: Result<&str, &str>| {
            let model = read_json(Place::Show, body).map(|call| call.model_name().to_owned());
            assert_eq!(model.as_deref().map_err(Error::message), expected);
        };
        check(json!({"model": "llama3.2:latest"}), Ok("llama3.2"));
        check(json!({"name": "qwen3:0.6b"}), Ok("qwen3:0.6b"));
        check(json!({}), Err("model is required"));
        assert!(read_json(Place::Show, json!({"model": "../x"})).is_err());
        let refused = read(Place::Delete, b"{}").unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unsupported);
    }
}
