//! Errors, both ways: `{"error":{"message","type","param","code"}}`, and what the family makes of it.

use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, header::CONTENT_TYPE, response};
use serde_json::{Value, json};

use crate::{
    Error, ErrorKind,
    dialect::http_error::{error_head, excerpt, from_head},
};

/// Where a server's words say more than its status. The first that fits wins; words are looked for in lower case.
const QUIRKS: &[(Words, ErrorKind)] = &[
    (Words::Code("exceed_context_size_error"), ErrorKind::ContextTooLong), // llama-server
    (Words::Code("context_length_exceeded"), ErrorKind::ContextTooLong),   // OpenAI
    (Words::Text("maximum context length"), ErrorKind::ContextTooLong),    // vLLM
    (Words::Text("no models loaded"), ErrorKind::ModelNotReady),           // LM Studio, with the code that follows here
    (Words::Code("model_not_found"), ErrorKind::UnknownModel),             // OpenAI
    (Words::Model("not found"), ErrorKind::UnknownModel),                  // llama-server's router says 400
    (Words::Model("does not exist"), ErrorKind::UnknownModel),             // OpenAI, vLLM
    (Words::Text("file not found"), ErrorKind::Unsupported),               // llama-server: no such route
    (Words::Text("unexpected endpoint"), ErrorKind::Unsupported),          // LM Studio says 200
    (Words::Text(LOADING), ErrorKind::ModelNotReady),                      // llama-server while it starts
    (Words::Text("model is not loaded"), ErrorKind::ModelNotReady),        // llama-server's router without autoload
    (Words::Text("json.exception.parse_error"), ErrorKind::InvalidRequest), // llama-server says 500
    (Words::Code("model_not_ready"), ErrorKind::ModelNotReady),            // another Longshore
    (Words::Code("not_supported_error"), ErrorKind::Unsupported),
    (Words::Code("authentication_error"), ErrorKind::Unauthenticated),
];

/// What llama-server says while it starts, without saying when to come back.
const LOADING: &str = "loading model";
const LOADING_WAIT: Duration = Duration::from_secs(1);

enum Words {
    /// The error's `type` or `code`.
    Code(&'static str),
    /// A part of the message.
    Text(&'static str),
    /// A part of a message that begins with the word "model", perhaps after "the".
    Model(&'static str),
}

impl Words {
    fn fit(&self, message: &str, codes: [Option<&str>; 2]) -> bool {
        match self {
            Self::Code(code) => codes.contains(&Some(code)),
            Self::Text(text) => message.contains(text),
            Self::Model(text) => message.trim_start_matches("the ").starts_with("model") && message.contains(text),
        }
    }
}

/// The error that a reply with this head and body is.
pub(super) fn of_reply(head: &response::Parts, body: &[u8]) -> Error {
    match serde_json::from_slice::<Value>(body) {
        Ok(body) if body.get("error").is_some() => from_value(&body["error"], head),
        // vLLM once wrote them without a member around them.
        Ok(body) if body["object"] == "error" => from_value(&body, head),
        Ok(Value::Object(body)) if body.contains_key("detail") => from_head(head, body["detail"].to_string(), None),
        _ => from_head(head, excerpt(body), None),
    }
}

/// The error that an `error` member stands for; some servers write a bare text.
pub(super) fn from_value(error: &Value, head: &response::Parts) -> Error {
    let message = error["message"].as_str().or(error.as_str()).unwrap_or_default();
    let (class, code) = (error["type"].as_str(), error["code"].as_str());
    let mut found = from_head(head, message, code.or(class).map(str::to_owned));
    if head.status.is_success() {
        // In-band: the status was written before the error was known, so the body's own number counts.
        let status = error["code"].as_u64().and_then(|code| StatusCode::from_u16(code.try_into().ok()?).ok());
        found = found.with_kind(match status.map(crate::dialect::kind_of_status) {
            Some(kind) if kind != ErrorKind::Protocol => kind,
            _ => ErrorKind::Server,
        });
    }
    let lower = message.to_lowercase();
    match QUIRKS.iter().find(|(words, _)| words.fit(&lower, [class, code])) {
        // It is on its way, and who asks again will find it.
        Some((Words::Text(LOADING), kind)) if found.wait().is_none() => {
            found.with_kind(*kind).retry_after(LOADING_WAIT)
        }
        Some(&(_, kind)) => found.with_kind(kind),
        None => found,
    }
}

/// The error as its member.
pub(super) fn to_value(error: &Error) -> Value {
    let (class, code) = match error.kind() {
        ErrorKind::InvalidRequest => ("invalid_request_error", None),
        ErrorKind::TooLarge => ("invalid_request_error", Some("too_large")),
        ErrorKind::ContextTooLong => ("invalid_request_error", Some("context_length_exceeded")),
        ErrorKind::UnknownModel => ("invalid_request_error", Some("model_not_found")),
        ErrorKind::Unauthenticated => ("authentication_error", Some("invalid_api_key")),
        ErrorKind::Unsupported => ("not_supported_error", None),
        ErrorKind::Overloaded => ("rate_limit_error", Some("rate_limit_exceeded")),
        other => ("server_error", Some(other.as_str())),
    };
    let code = error.server_code().or(code);
    json!({"message": error.to_string(), "type": class, "param": null, "code": code})
}

/// The response that refuses a request.
pub(super) fn refuse(error: &Error) -> http::Response<Bytes> {
    let body = Bytes::from(json!({"error": to_value(error)}).to_string());
    error_head(error).header(CONTENT_TYPE, "application/json").body(body).unwrap_or_default()
}
