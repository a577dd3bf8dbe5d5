//! `docs/openapi.yaml` says what the native dialect does: its routes, its examples, and the members of what it writes.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

#[path = "conformance/samples.rs"]
mod samples;
mod support;

use std::{fs, path::PathBuf};

use bytes::BytesMut;
use http::{Method, Request};
use jsonschema::{Draft, Validator};
use longshore_core::{
    Call, DataType, Dialect, Error, ErrorKind, Framing, ModelState, Op, ServerInfo, call::Chat, dialect,
};
use serde_json::{Map, Value, json};

use self::support::{LIMIT, decode, encode, head, receive};

fn native() -> &'static dyn Dialect {
    dialect::by_name("native").unwrap()
}

fn document() -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.yaml");
    serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// What stands at a JSON pointer, as an object.
fn object<'a>(value: &'a Value, pointer: &str) -> &'a Map<String, Value> {
    value.pointer(pointer).and_then(Value::as_object).unwrap_or_else(|| panic!("no object at {pointer}"))
}

/// Every (path, method, operation).
fn operations(document: &Value) -> Vec<(&String, Method, &Value)> {
    let paths = object(document, "/paths").iter();
    paths
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().iter();
            methods.map(move |(method, operation)| (path, method.to_uppercase().parse().unwrap(), operation))
        })
        .collect()
}

/// The examples below a request body or response, by media type, name and value.
fn examples(holder: &Value) -> Vec<(&String, &String, &Value)> {
    let contents = object(holder, "/content").iter();
    contents
        .flat_map(|(media_type, content)| {
            object(content, "/examples").iter().map(move |(name, example)| (media_type, name, example))
        })
        .collect()
}

/// The schema of this name, closed: a member that is not described is an error, though readers shall skip it.
fn closed(document: &Value, name: &str) -> Validator {
    let mut document = document.clone();
    let schemas = document["components"]["schemas"].as_object_mut().unwrap();
    let parts: Vec<String> = schemas
        .values()
        .filter_map(|schema| schema["allOf"].as_array())
        .flatten()
        .map(|part| part["$ref"].as_str().unwrap().rsplit('/').next().unwrap().to_owned())
        .collect();
    for (name, schema) in schemas {
        if schema["properties"].is_object() && schema["additionalProperties"].is_null() && !parts.contains(name) {
            schema["unevaluatedProperties"] = false.into();
        }
    }
    let schema = json!({"$ref": format!("#/components/schemas/{name}"), "components": document["components"]});
    jsonschema::options().with_draft(Draft::Draft202012).build(&schema).unwrap()
}

fn assert_valid(validator: &Validator, value: &Value, about: &str) {
    let errors: Vec<_> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{about}: {value} is not as described: {}", errors.join("; "));
}

fn parsed(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

/// The data of each event of a stream.
fn events_of(body: &[u8]) -> Vec<Value> {
    let (mut framer, mut frames) = (Framing::Sse.framer(LIMIT), Vec::new());
    framer.push(body.to_vec().into(), &mut frames).unwrap();
    framer.finish(&mut frames).unwrap();
    frames.iter().map(|frame| parsed(frame)).collect()
}

/// The schema of what is said in an operation.
fn schemas_of(op: &Op) -> (Option<&'static str>, &'static str) {
    match op {
        Op::Chat(_) => (Some("ChatRequest"), "InferReply"),
        Op::Complete(_) => (Some("CompletionRequest"), "InferReply"),
        Op::Embed(_) => (Some("EmbeddingRequest"), "InferReply"),
        Op::Infer(_) => (Some("TensorRequest"), "InferReply"),
        Op::Load { .. } | Op::Unload { .. } | Op::Pull { .. } => (Some("LifecycleRequest"), "LifecycleReply"),
        Op::ListModels { .. } => (None, "ModelList"),
        Op::Describe { .. } => (None, "Model"),
        Op::ModelConfig { .. } => (None, "ModelConfig"),
        Op::Statistics { .. } => (None, "StatisticsList"),
        Op::Health(_) => (None, "HealthReply"),
        Op::ServerInfo => (None, "Server"),
        other => panic!("no schema is known for {other:?}"),
    }
}

#[test]
fn every_described_route_is_there() {
    for (path, method, _) in operations(&document()) {
        let request = Request::builder().method(&method).uri(path.replace("{id}", "m")).body(()).unwrap();
        assert!(native().route(&request.into_parts().0).is_some(), "{method} {path}");
    }
}

#[test]
fn every_route_is_described() {
    let document = document();
    let described: Vec<_> =
        operations(&document).into_iter().map(|(path, method, _)| (method, path.as_str())).collect();
    for call in samples::calls() {
        let request = native().encode_call(&call, &ServerInfo::default()).unwrap();
        let id = dialect_path(&call);
        let path = request.uri().path().replace(&id, "/{id}");
        assert!(described.contains(&(request.method().clone(), &path)), "{} {path}", request.method());
    }
}

/// The part of a path that names the call's model.
fn dialect_path(call: &Call) -> String {
    let id = call.model_name().replace(' ', "%20").replace('/', "%2F").replace('ï', "%C3%AF");
    if id.is_empty() { "/no-model".into() } else { format!("/{id}") }
}

#[test]
fn example_requests_are_understood() {
    let document = document();
    for (path, method, operation) in operations(&document).into_iter().filter(|(.., op)| op["requestBody"].is_object())
    {
        for (_, name, example) in examples(&operation["requestBody"]) {
            let about = format!("{path} {name}");
            let body = example["value"].to_string();
            let request = Request::builder().method(&method).uri(path).body(body.into()).unwrap();
            let call = receive(native(), request).unwrap_or_else(|error| panic!("{about}: {error}"));
            let (schema, _) = schemas_of(&call.op);
            assert_valid(&closed(&document, schema.unwrap()), &example["value"], &about);
        }
    }
}

#[test]
fn requests_are_written_as_described() {
    let document = document();
    for call in samples::calls() {
        let request = native().encode_call(&call, &ServerInfo::default()).unwrap();
        if let (Some(schema), _) = schemas_of(&call.op) {
            assert_valid(&closed(&document, schema), &parsed(request.body()), schema);
        }
    }
}

#[test]
fn example_replies_are_understood() {
    let document = document();
    let mut count = 0;
    for (path, method, operation) in operations(&document) {
        for status in ["200", "503"] {
            let Some(response) = operation["responses"].get(status) else { continue };
            for (media_type, name, example) in examples(response) {
                let about = format!("{path} {status} {name}");
                let (uri, body) = match example["x-request"].as_str() {
                    Some(uri) => (uri, Value::Null),
                    None => (
                        path.as_str(),
                        operation["requestBody"]["content"]["application/json"]["examples"][name]["value"].clone(),
                    ),
                };
                let request = Request::builder().method(&method).uri(uri).body(body.to_string().into()).unwrap();
                let call = receive(native(), request).unwrap_or_else(|error| panic!("{about}: {error}"));
                check_reply(&document, &call, status, media_type, &example["value"], &about);
                count += 1;
            }
        }
    }
    assert!(count > 20, "only {count} examples");
}

fn check_reply(document: &Value, call: &Call, status: &str, media_type: &str, value: &Value, about: &str) {
    let body = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let head = head(status.parse().unwrap(), &[("content-type", media_type)]);
    let (_, end) = decode(native(), call, &ServerInfo::default(), &head, body.as_bytes(), 64);
    assert_eq!(end, Ok(()), "{about}");
    if media_type == "text/event-stream" {
        let events = events_of(body.as_bytes());
        events.iter().for_each(|event| assert_valid(&closed(document, "Event"), event, about));
        assert_eq!(events.last().unwrap()["event"], "done", "{about}");
    } else {
        let several = matches!(*call.op, Op::Describe { .. }) && value["models"].is_array();
        let schema = if several { "ModelList" } else { schemas_of(&call.op).1 };
        assert_valid(&closed(document, schema), value, about);
    }
}

#[test]
fn replies_are_written_as_described() {
    let document = document();
    for call in samples::calls() {
        let mut answer = samples::answer(&call.op);
        if matches!(*call.op, Op::ListModels { .. } | Op::Statistics { .. }) {
            answer.insert(0, samples::unavailable());
        }
        let written = encode(native(), &call, &answer);
        let about = format!("{:?}", call.op);
        if written.head.headers["content-type"] == "text/event-stream" {
            let events = events_of(&written.body);
            events.iter().for_each(|event| assert_valid(&closed(&document, "Event"), event, &about));
        } else {
            assert_valid(&closed(&document, schemas_of(&call.op).1), &parsed(&written.body), &about);
        }
    }
}

#[test]
fn example_problems_are_understood() {
    let document = document();
    for (media_type, name, example) in examples(&document["components"]["responses"]["Problem"]) {
        let value = &example["value"];
        assert_valid(&closed(&document, "Problem"), value, name);
        let head = head(value["status"].as_u64().unwrap() as u16, &[("content-type", media_type)]);
        let body = value.to_string();
        let (_, end) = decode(native(), &Call::new(Op::ServerInfo), &ServerInfo::default(), &head, body.as_bytes(), 9);
        let error = end.unwrap_err();
        assert_eq!((error.kind().as_str(), error.message()), (name.as_str(), value["detail"].as_str().unwrap()));
        assert_eq!(error.wait().map(|wait| wait.as_secs_f64()), value["retry_after_seconds"].as_f64());
        assert_eq!(error.facts().len(), value["context"].as_array().map_or(0, Vec::len), "{name}");
    }
}

#[test]
fn problems_are_written_as_described() {
    let document = document();
    let request = Request::get("/api/models").body(()).unwrap().into_parts().0;
    let call = Call::new(Op::Chat(Chat { stream: true, ..Chat::default() }));
    for kind in ErrorKind::ALL {
        let error = Error::new(kind, "no luck").code("E1").partial("so").context("model", "m");
        let whole = native().refuse(&request, &error);
        assert_valid(&closed(&document, "Problem"), &parsed(whole.body()), kind.as_str());
        let mut body = BytesMut::new();
        native().reply_encoder(&call).interrupted(&error, &mut body);
        assert_valid(&closed(&document, "Event"), &events_of(&body)[0], kind.as_str());
    }
}

#[test]
fn words_are_described() {
    let document = document();
    let words = |pointer: &str| -> Vec<String> {
        let list = document.pointer(&format!("/components/schemas/{pointer}/enum")).unwrap();
        list.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(words("Problem/properties/kind"), ErrorKind::ALL.map(ErrorKind::as_str));
    assert_eq!(words("DataType"), DataType::ALL.map(DataType::as_str));
    for word in words("State") {
        assert_eq!(ModelState::from_word(&word, None).as_str(), word);
    }
}

#[test]
fn an_undescribed_member_would_be_noticed() {
    let document = document();
    for (schema, value) in [
        ("Event", json!({"event": "started", "model": "m", "new": 1})),
        (
            "Event",
            json!({"event": "error", "type": "urn:x", "title": "", "status": 1, "detail": "", "kind": "server", "new": 1}),
        ),
        ("InferReply", json!({"text": "a", "new": 1})),
        ("Model", json!({"id": "a", "name": "a", "kind": "chat", "state": "ready", "new": 1})),
    ] {
        assert!(!closed(&document, schema).is_valid(&value), "{schema}");
    }
}
