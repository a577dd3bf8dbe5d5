//! Messages, images and tool calls, both ways. Inside Longshore they have OpenAI's form.
//!
//! The differences: images lie beside the text, in base64 without a word about their kind; the arguments of a tool call
//! are an object where OpenAI has a text; calls may have no id, and a tool's result names the tool.

use serde_json::{Map, Value, json};

use crate::{
    Error, ErrorKind,
    call::{Content, Message},
};

// === messages ===

/// The messages as Ollama wants them.
///
/// # Errors
/// `Unsupported` for parts that are neither text nor an image in the request itself.
pub(super) fn written(messages: &[Message]) -> Result<Value, Error> {
    let mut calls = Calls::default();
    messages.iter().map(|message| one_written(message, &mut calls)).collect::<Result<Vec<_>, _>>().map(Value::from)
}

/// The messages as they came from Ollama's clients.
pub(super) fn read(messages: Vec<Map<String, Value>>) -> Result<Vec<Message>, Error> {
    let mut calls = Calls::default();
    messages.into_iter().map(|message| one_read(message, &mut calls)).collect()
}

/// A text and images as the content of a message.
pub(super) fn content(text: String, images: Vec<String>) -> Content {
    if images.is_empty() {
        return Content::Text(text);
    }
    let text = (!text.is_empty()).then(|| json!({"type": "text", "text": text}));
    let images = images.into_iter().map(|image| {
        let url = format!("data:{};base64,{image}", media_type(&image));
        json!({"type": "image_url", "image_url": {"url": url}})
    });
    Content::Parts(text.into_iter().chain(images).collect())
}

fn one_written(message: &Message, calls: &mut Calls) -> Result<Value, Error> {
    let mut written = Map::from_iter([("role".to_owned(), Value::from(message.role.as_str()))]);
    match &message.content {
        None => {}
        Some(Content::Text(text)) => drop(written.insert("content".into(), text.as_str().into())),
        Some(Content::Parts(parts)) => {
            let (text, images) = split(parts)?;
            written.insert("content".into(), text.into());
            if !images.is_empty() {
                written.insert("images".into(), images.into());
            }
        }
    }
    for (name, value) in &message.extra {
        match (&**name, value) {
            ("reasoning_content", text) => drop(written.insert("thinking".into(), text.clone())),
            ("tool_calls", Value::Array(list)) => {
                list.iter().for_each(|call| calls.made(call));
                written.insert("tool_calls".into(), list.iter().map(call_written).collect::<Vec<_>>().into());
            }
            _ => drop(written.insert(name.clone(), value.clone())),
        }
    }
    if let Some(tool) = message.extra.get("tool_call_id").and_then(Value::as_str).and_then(|id| calls.name_of(id)) {
        written.insert("tool_name".into(), tool.into());
    }
    Ok(written.into())
}

fn one_read(mut message: Map<String, Value>, calls: &mut Calls) -> Result<Message, Error> {
    let mut text = |name: &str| match message.shift_remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::invalid(format!("a message's `{name}` must be a text"))),
    };
    let role = text("role")?.ok_or_else(|| Error::invalid("a message needs a `role`"))?;
    let (said, thinking, tool) = (text("content")?, text("thinking")?, text("tool_name")?);
    let images = match message.shift_remove("images") {
        None | Some(Value::Null) => Vec::new(),
        Some(list) => serde_json::from_value(list)
            .map_err(|e| Error::invalid(format!("`images` is no list of texts in base64: {e}")))?,
    };
    let content =
        if images.is_empty() { said.map(Content::Text) } else { Some(content(said.unwrap_or_default(), images)) };
    if let Some(thinking) = thinking {
        message.insert("reasoning_content".into(), thinking.into());
    }
    match message.shift_remove("tool_calls") {
        Some(Value::Array(list)) => {
            let list: Vec<_> = list.iter().map(|call| calls.named(call_read(call, None))).collect();
            list.iter().for_each(|call| calls.made(call));
            message.insert("tool_calls".into(), list.into());
        }
        None | Some(Value::Null) => {}
        Some(_) => return Err(Error::invalid("`tool_calls` must be a list")),
    }
    if role == "tool" {
        let given = message.get("tool_call_id").and_then(Value::as_str).map(str::to_owned);
        match (given.or_else(|| calls.answered(tool.as_deref())), tool) {
            (Some(id), tool) => {
                // What the id says already is not said twice.
                let known = calls.name_of(&id).map(str::to_owned);
                message.insert("tool_call_id".into(), id.into());
                if let Some(tool) = tool.filter(|tool| Some(tool) != known.as_ref()) {
                    message.insert("tool_name".into(), tool.into());
                }
            }
            (None, Some(tool)) => drop(message.insert("tool_name".into(), tool.into())),
            (None, None) => {}
        }
    } else if let Some(tool) = tool {
        message.insert("tool_name".into(), tool.into());
    }
    Ok(Message { role, content, extra: message })
}

/// The tool calls of a conversation so far: (id, name, whether it was answered).
#[derive(Default)]
struct Calls(Vec<(String, String, bool)>);

impl Calls {
    fn made(&mut self, call: &Value) {
        if let (Some(id), Some(name)) = (call["id"].as_str(), call["function"]["name"].as_str()) {
            self.0.push((id.to_owned(), name.to_owned(), false));
        }
    }

    /// The same call, with an id.
    fn named(&self, mut call: Value) -> Value {
        if call["id"].is_null() && call.is_object() {
            call["id"] =
                format!("call_{}_{}", self.0.len(), call["function"]["name"].as_str().unwrap_or_default()).into();
        }
        call
    }

    fn name_of(&self, id: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, ..)| known == id).map(|(_, name, _)| &**name)
    }

    /// The id of the call that a result without one answers: the first open one of this tool.
    fn answered(&mut self, tool: Option<&str>) -> Option<String> {
        let open =
            |(_, name, answered): &&mut (String, String, bool)| !*answered && tool.is_none_or(|tool| tool == name);
        let (id, _, answered) = self.0.iter_mut().find(open)?;
        *answered = true;
        Some(id.clone())
    }
}

/// The text of parts, and their images in base64.
fn split(parts: &[Value]) -> Result<(String, Vec<String>), Error> {
    let unsupported = |what: String| Error::new(ErrorKind::Unsupported, what);
    let (mut text, mut images) = (String::new(), Vec::new());
    for part in parts {
        let url = part["image_url"]["url"].as_str().or_else(|| part["image_url"].as_str());
        match (part["type"].as_str(), part["text"].as_str(), url) {
            (Some("text"), Some(piece), _) => text.push_str(piece),
            (Some("image_url"), _, Some(url)) => {
                let data = url.strip_prefix("data:").and_then(|data| data.split_once(";base64,"));
                let (_, data) =
                    data.ok_or_else(|| unsupported("Ollama takes images in base64 alone, no URLs".into()))?;
                images.push(data.to_owned());
            }
            (kind, ..) => {
                return Err(unsupported(format!("Ollama takes texts and images, no {}", kind.unwrap_or("such part"))));
            }
        }
    }
    Ok((text, images))
}

/// What an image in base64 begins with tells its kind.
fn media_type(image: &str) -> &'static str {
    match image.get(..4).unwrap_or_default() {
        "/9j/" => "image/jpeg",
        "R0lG" => "image/gif",
        "UklG" => "image/webp",
        _ => "image/png",
    }
}

// === tool calls ===

/// A tool call in Ollama's form. Arguments that are no JSON object, which a model may well have written, are kept as
/// the text they are under `arguments`.
pub(super) fn call_written(call: &Value) -> Value {
    let text = call["function"]["arguments"].as_str();
    let arguments = match (text, &call["function"]["arguments"]) {
        (Some(text), _) if text.trim().is_empty() => json!({}),
        (Some(text), _) => match serde_json::from_str::<Map<String, Value>>(text) {
            Ok(object) => object.into(),
            Err(_) => json!({"arguments": text}),
        },
        (None, Value::Object(object)) => object.clone().into(),
        (None, _) => json!({}),
    };
    let mut function = Map::new();
    if let Some(index) = call["index"].as_u64() {
        function.insert("index".into(), index.into());
    }
    function.insert("name".into(), call["function"]["name"].clone());
    function.insert("arguments".into(), arguments);
    let mut written = Map::new();
    if let Some(id) = call["id"].as_str() {
        written.insert("id".into(), id.into());
    }
    written.insert("function".into(), function.into());
    written.into()
}

/// A tool call in OpenAI's form. `position`: its place among those of the answer, for which an id is made if it has none.
pub(super) fn call_read(call: &Value, position: Option<usize>) -> Value {
    let function = &call["function"];
    let arguments = match &function["arguments"] {
        Value::String(text) => text.clone(),
        Value::Null => "{}".to_owned(),
        other => other.to_string(),
    };
    let mut read = Map::new();
    let index = function["index"].as_u64().or(position.map(|position| position as u64));
    if let Some(index) = index {
        read.insert("index".into(), index.into());
    }
    match (call["id"].as_str().filter(|id| !id.is_empty()), position) {
        (Some(id), _) => drop(read.insert("id".into(), id.into())),
        (None, Some(position)) => drop(read.insert("id".into(), format!("call_{position}").into())),
        (None, None) => {}
    }
    read.insert("type".into(), "function".into());
    read.insert("function".into(), json!({"name": function["name"], "arguments": arguments}));
    read.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(value: Value) -> Vec<Message> {
        read(serde_json::from_value(value).unwrap()).unwrap()
    }

    #[test]
    fn tools_are_called_and_answer_in_both_forms() {
        let theirs = json!([
            {"role": "user", "content": "weather?"},
            {"role": "assistant", "content": "", "tool_calls": [
                {"function": {"name": "look", "arguments": {"at": "sky"}}},
                {"function": {"name": "smell", "arguments": {}}},
            ]},
            {"role": "tool", "tool_name": "smell", "content": "rain"},
            {"role": "tool", "tool_name": "look", "content": "grey"},
        ]);
        let ours = serde_json::to_value(from(theirs)).unwrap();
        assert_eq!(ours[1]["tool_calls"][0]["function"]["arguments"], "{\"at\":\"sky\"}");
        assert_eq!(ours[2]["tool_call_id"], ours[1]["tool_calls"][1]["id"]);
        assert_eq!(ours[3]["tool_call_id"], ours[1]["tool_calls"][0]["id"]);
        let messages: Vec<Message> = serde_json::from_value(ours).unwrap();
        let back = written(&messages).unwrap();
        assert_eq!(back[1]["tool_calls"][0]["function"], json!({"name": "look", "arguments": {"at": "sky"}}));
        assert_eq!((&back[2]["tool_name"], &back[3]["tool_name"]), (&json!("smell"), &json!("look")));
    }

    #[test]
    fn images_change_their_place() {
        let theirs = json!([{"role": "user", "content": "what?", "images": ["/9j/AAAA", "iVBORw"]}]);
        let ours = from(theirs.clone());
        let Some(Content::Parts(parts)) = &ours[0].content else { panic!("{ours:?}") };
        assert_eq!(parts[1]["image_url"]["url"], "data:image/jpeg;base64,/9j/AAAA");
        assert_eq!(written(&ours).unwrap(), theirs);
        let linked = Message {
            content: Some(Content::Parts(vec![json!({"type": "image_url", "image_url": {"url": "http://x/y.png"}})])),
            ..Message::new("user", "")
        };
        assert_eq!(written(&[linked]).unwrap_err().kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn arguments_that_are_no_object_are_kept() {
        let call = |arguments: &str| json!({"id": "c", "function": {"name": "f", "arguments": arguments}});
        let check =
            |arguments, expected: Value| assert_eq!(call_written(&call(arguments))["function"]["arguments"], expected);
        check("{\"a\":1}", json!({"a": 1}));
        check("", json!({}));
        check("{\"a\":", json!({"arguments": "{\"a\":"}));
        check("[1]", json!({"arguments": "[1]"}));
    }
}
