//! Errors, both ways: `{"error": "…"}`, with a status before an answer and alone in a line within one.

use bytes::Bytes;
use http::{StatusCode, header::CONTENT_TYPE, response};
use serde_json::{Value, json};

use super::JSON;
use crate::{
    Error, ErrorKind,
    dialect::http_error::{error_head, excerpt, from_head},
};

/// Where Ollama's words say more than its status. The first that fits wins; words are looked for in lower case.
const WORDS: &[(&[&str], ErrorKind)] = &[
    (&["exceed", "context length"], ErrorKind::ContextTooLong),
    (&["does not support"], ErrorKind::Unsupported), // 400: a model without tools, images, thinking, generation
    (&["404 page not found"], ErrorKind::Unsupported),
    (&["unexpected endpoint"], ErrorKind::Unsupported), // LM Studio says so with 200
    (&["pull model manifest", "file does not exist"], ErrorKind::UnknownModel), // within a pull, at 200
    (&["model", "not found"], ErrorKind::UnknownModel),
    (&["server busy"], ErrorKind::Overloaded),
    (&["loading model"], ErrorKind::ModelNotReady),
    (&["unauthorized"], ErrorKind::Unauthenticated),
];

/// The error that a reply with this head and body is.
pub(super) fn of_reply(head: &response::Parts, body: &[u8]) -> Error {
    let told: Value = serde_json::from_slice(body).unwrap_or_default();
    match text_of(&told["error"]) {
        Some(text) => named(head, text),
        None => named(head, &excerpt(body)),
    }
}

/// The error that a line of a successful reply is.
pub(super) fn in_band(head: &response::Parts, error: &Value) -> Error {
    let text = text_of(error).map_or_else(|| error.to_string(), str::to_owned);
    named(head, &text)
}

fn text_of(error: &Value) -> Option<&str> {
    error.as_str().or_else(|| error["message"].as_str())
}

fn named(head: &response::Parts, message: &str) -> Error {
    let found = from_head(head, message, None);
    let lower = message.to_lowercase();
    match WORDS.iter().find(|(words, _)| words.iter().all(|word| lower.contains(word))) {
        Some(&(_, kind)) => found.with_kind(kind),
        // The status was written before the error was known.
        None if head.status.is_success() => found.with_kind(ErrorKind::Server),
        None => found,
    }
}

/// The error as Ollama's clients read it.
pub(super) fn to_value(error: &Error) -> Value {
    json!({"error": error.to_string()})
}

/// The response that refuses a request.
pub(super) fn refuse(error: &Error) -> http::Response<Bytes> {
    let body = Bytes::from(to_value(error).to_string());
    error_head(error).header(CONTENT_TYPE, JSON).body(body).unwrap_or_default()
}

/// What [`refuse`] answers with, for an answer that turned out to be none.
pub(super) const FAILED: StatusCode = StatusCode::INTERNAL_SERVER_ERROR;
