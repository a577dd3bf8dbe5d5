//! A call's request, for people: how heavy it is, and how it reads with its secrets masked.

use std::collections::BTreeMap;

use longshore_core::{
    Call, Op, ServerInfo,
    call::{Content, Message, Prompt},
    dialect,
};
use serde_json::Value;

/// What stands in place of a secret.
const MASK: &str = "•••";

/// Bytes that keeping the call takes, about: what was asked, and the body it came in.
pub(super) fn weight(call: &Call) -> usize {
    let op = match &*call.op {
        Op::Chat(chat) => chat.messages.iter().map(weight_of_message).sum(),
        Op::Complete(completion) => weight_of_prompt(&completion.prompt),
        Op::Embed(embedding) => weight_of_prompt(&embedding.input),
        Op::Infer(inference) => inference.inputs.iter().map(|input| input.data().len() + 64).sum(),
        _ => 0,
    };
    let headers = call.headers.iter().flat_map(|headers| headers.iter());
    let headers: usize = headers.map(|(name, value)| name.as_str().len() + value.len()).sum();
    op + headers + call.origin.as_ref().map_or(0, |origin| origin.body.len()) + 256
}

fn weight_of_message(message: &Message) -> usize {
    let part = |part: &Value| match part {
        Value::Object(fields) => fields.values().map(weight_of_value).sum(),
        other => weight_of_value(other),
    };
    64 + match &message.content {
        None => 0,
        Some(Content::Text(text)) => text.len(),
        Some(Content::Parts(parts)) => parts.iter().map(part).sum(),
    }
}

fn weight_of_value(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight_of_value).sum(),
        Value::Object(fields) => fields.values().map(weight_of_value).sum(),
        _ => 8,
    }
}

fn weight_of_prompt(prompt: &Prompt) -> usize {
    match prompt {
        Prompt::Text(texts) => texts.iter().map(|text| text.len() + 24).sum(),
        Prompt::Tokens(lists) => lists.iter().map(|list| list.len() * 4 + 24).sum(),
    }
}

/// The request as it came in, if that is JSON; else as Longshore's own dialect writes it.
pub(super) fn readable(call: &Call) -> Value {
    let came = call.origin.as_ref().and_then(|origin| serde_json::from_slice(&origin.body).ok());
    let mut value = came.or_else(|| written(call)).unwrap_or_default();
    mask(&mut value);
    value
}

fn written(call: &Call) -> Option<Value> {
    let call = Call { origin: None, ..call.clone() };
    let request = dialect::by_name("native")?.encode_call(&call, &ServerInfo::default()).ok()?;
    serde_json::from_slice(request.body()).ok().or_else(|| Some(Value::String(request.uri().to_string())))
}

/// The headers it came with, those that are secrets masked. Several of one name are joined.
pub(super) fn headers(call: &Call) -> BTreeMap<String, String> {
    let mut read = BTreeMap::<String, String>::new();
    for (name, value) in call.headers.iter().flat_map(|headers| headers.iter()) {
        let value = String::from_utf8_lossy(value.as_bytes());
        let value = if is_secret(name.as_str()) { MASK } else { &value };
        let known = read.entry(name.as_str().to_owned()).or_default();
        known.push_str(if known.is_empty() { "" } else { ", " });
        known.push_str(value);
    }
    read
}

/// Replaces what stands under a name that sounds like a secret's, at any depth.
pub(super) fn mask(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if is_secret(name) => *text = MASK.into(),
                    other => mask(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        _ => {}
    }
}

/// `max_tokens` is none: its value is no text.
fn is_secret(name: &str) -> bool {
    const WORDS: [&str; 8] =
        ["authorization", "api_key", "apikey", "api-key", "password", "secret", "credential", "cookie"];
    let name = name.to_lowercase();
    WORDS.iter().any(|word| name.contains(word))
        || name == "token"
        || name.ends_with("_token")
        || name.ends_with("-token")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use longshore_core::{Origin, call::Chat};
    use serde_json::json;

    use super::*;

    fn chat() -> Call {
        Call::new(Op::Chat(Chat { messages: vec![Message::new("user", "hello")], ..Chat::default() })).model("m")
    }

    #[test]
    fn secrets_are_masked_and_nothing_else() {
        let mut value = json!({
            "api_key": "a", "tools": [{"headers": {"Authorization": "Bearer b", "x-auth-token": "c"}}],
            "max_tokens": 5, "token": "d", "stop": ["token"], "content": "my password is e",
        });
        mask(&mut value);
        assert_eq!(
            value,
            json!({
                "api_key": MASK, "tools": [{"headers": {"Authorization": MASK, "x-auth-token": MASK}}],
                "max_tokens": 5, "token": MASK, "stop": ["token"], "content": "my password is e",
            })
        );
    }

    #[test]
    fn a_request_reads_as_it_came_or_as_we_write_it() {
        assert_eq!(readable(&chat())["messages"][0]["content"], "hello");
        let body = Bytes::from_static(b"{\"model\":\"m\",\"password\":\"x\",\"unknown\":1}");
        let origin = Origin { dialect: "openai", path: "/v1/chat/completions".into(), body };
        let came = Call { origin: Some(origin), ..chat() };
        assert_eq!(readable(&came), json!({"model": "m", "password": MASK, "unknown": 1}));
        assert!(weight(&came) > weight(&chat()));
    }
}
