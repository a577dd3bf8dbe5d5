//! Errors over REST, both ways: `{"error": "…"}`, and what MLServer makes of it.

use bytes::Bytes;
use http::{header::CONTENT_TYPE, response};
use serde_json::{Value, json};

use crate::{
    Error, ErrorKind,
    dialect::{
        http_error::{error_head, excerpt, from_head},
        oip::kind_of_message,
    },
};

/// The error that a reply with this head and body is. `of_model` tells what a bare 404 means: no such model, or, where
/// none was named, no such route.
pub(super) fn of_reply(head: &response::Parts, body: &[u8], of_model: bool) -> Error {
    // A stream that fails at its first event has a status of its own and still the form of an event.
    let text = body.strip_prefix(b"data: ").unwrap_or(body);
    match serde_json::from_slice::<Value>(text.trim_ascii()) {
        Ok(value) if value["error"].is_string() => of_value(head, &value, of_model),
        Ok(value) if value["detail"].is_array() => with_message(head, validation(&value["detail"]), of_model),
        Ok(value) if value["detail"].is_string() => {
            with_message(head, value["detail"].as_str().unwrap_or_default().to_owned(), of_model)
        }
        _ => with_message(head, last_line(body), of_model),
    }
}

/// The error that an object with a text `error` stands for.
pub(super) fn of_value(head: &response::Parts, value: &Value, of_model: bool) -> Error {
    let error = with_message(head, value["error"].as_str().unwrap_or_default().trim_end().to_owned(), of_model);
    match value["kind"].as_str().and_then(ErrorKind::from_word) {
        Some(kind) => error.with_kind(kind),
        None => error,
    }
}

fn with_message(head: &response::Parts, message: String, of_model: bool) -> Error {
    let kind = kind_of_message(&message);
    let error = from_head(head, message, None);
    match (kind, error.kind()) {
        (Some(kind), _) => error.with_kind(kind),
        // An error in the body of a success is the server's.
        (None, ErrorKind::Protocol) if head.status.is_success() => error.with_kind(ErrorKind::Server),
        (None, ErrorKind::UnknownModel) if !of_model => error.with_kind(ErrorKind::Unsupported),
        _ => error,
    }
}

/// MLServer's list of what a request lacks: `inputs.0.shape: Field required`.
fn validation(detail: &Value) -> String {
    let problems = detail.as_array().into_iter().flatten().map(|problem| {
        let place = problem["loc"].as_array().into_iter().flatten().map(|part| match part {
            Value::String(name) => name.clone(),
            other => other.to_string(),
        });
        let message = problem["msg"].as_str().unwrap_or("is not right");
        format!("{}: {message}", place.collect::<Vec<_>>().join("."))
    });
    problems.collect::<Vec<_>>().join("; ")
}

/// Of a traceback, which MLServer sends whole, the line that says what happened.
fn last_line(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let last = text.trim_end().lines().last().unwrap_or_default().trim_matches(|c: char| c == '|' || c.is_whitespace());
    if text.contains("Traceback (most recent call last)") { last.to_owned() } else { excerpt(body) }
}

/// An error as JSON: the text where every client looks for it, and the exact kind for our own.
pub(super) fn to_value(error: &Error) -> Value {
    json!({"error": error.to_string(), "kind": error.kind().as_str()})
}

/// A response that refuses a request.
pub(super) fn refuse(error: &Error) -> http::Response<Bytes> {
    let body = Bytes::from(to_value(error).to_string());
    let built = error_head(error).header(CONTENT_TYPE, "application/json").body(body.clone());
    built.unwrap_or_else(|_| http::Response::new(body))
}
