//! Errors as RFC 9457 problems, whole replies and events of a stream alike.
//!
//! Beside the RFC's members stands what this vocabulary knows: the kind, how long to wait, the server's own code, the
//! facts around it. The attempts are written for whoever reads the body and not read back: a client keeps its own ledger.

use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, header::CONTENT_TYPE, response};
use serde::{Deserialize, Serialize};

use super::PROBLEM;
use crate::{
    Error, ErrorKind, Sent,
    dialect::http_error::{self, error_head, status_of},
    reply::Attempt,
};

/// An error as JSON.
#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
pub(super) struct Problem {
    r#type: String,
    title: String,
    status: u16,
    detail: String,
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partial_text: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    context: Vec<Fact>,
    #[serde(skip_serializing_if = "Vec::is_empty", skip_deserializing)]
    attempts: Vec<Attempt>,
}

/// A fact that helps to find what went wrong.
#[derive(Serialize, Deserialize)]
struct Fact {
    what: String,
    value: String,
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        let facts = error.facts();
        Self {
            r#type: format!("urn:longshore:problem:{}", error.kind().as_str()),
            title: title(error.kind()).into(),
            status: status_of(error).as_u16(),
            detail: error.message().into(),
            kind: error.kind().as_str().into(),
            model: facts.iter().find(|(what, _)| *what == "model").map(|(_, value)| value.clone()),
            retry_after_seconds: error.wait().map(|wait| wait.as_secs_f64()),
            server_code: error.server_code().map(Into::into),
            partial_text: error.partial_text().map(Into::into),
            context: facts.iter().map(|(what, value)| Fact { what: (*what).into(), value: value.clone() }).collect(),
            attempts: error.ledger().to_vec(),
        }
    }
}

impl Problem {
    /// The error that was written down. A problem of somebody else, without our kind, means what its status means.
    pub(super) fn into_error(self) -> Error {
        let by_status = || StatusCode::from_u16(self.status).map_or(ErrorKind::Server, http_error::kind_of_status);
        let kind = ErrorKind::from_word(&self.kind).unwrap_or_else(by_status);
        let message = [self.detail, self.title].into_iter().find(|text| !text.is_empty());
        let mut error = Error::new(kind, message.unwrap_or_else(|| "the server gave no reason".into())).sent(Sent::Yes);
        if self.status != 0 {
            error = error.status(self.status);
        }
        if let Some(wait) = self.retry_after_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
            error = error.retry_after(wait);
        }
        if let Some(code) = self.server_code {
            error = error.code(code);
        }
        if let Some(text) = self.partial_text {
            error = error.partial(text);
        }
        self.context.into_iter().fold(error, |error, fact| match known_fact(&fact.what) {
            Some(what) => error.context(what, fact.value),
            None => error.context("fact", format!("{} {}", fact.what, fact.value)),
        })
    }
}

/// A whole response that refuses a request.
pub(super) fn refuse(error: &Error) -> http::Response<Bytes> {
    // Plain structures of texts and numbers cannot fail to be written.
    let body = serde_json::to_vec(&Problem::from(error)).unwrap_or_default();
    let response = error_head(error).header(CONTENT_TYPE, PROBLEM).body(body.into());
    response.unwrap_or_else(|_| http::Response::new(Bytes::new()))
}

/// The error that a whole response stands for.
pub(super) fn of_response(head: &response::Parts, body: &[u8]) -> Error {
    if super::has_type(head, PROBLEM)
        && let Ok(problem) = serde_json::from_slice::<Problem>(body)
    {
        // The status line is what the server really sent, whatever a proxy left in the body.
        let by_head = http_error::from_head(head, "", None);
        let error = Problem { status: head.status.as_u16(), ..problem }.into_error();
        return match (error.wait(), by_head.wait()) {
            (None, Some(wait)) => error.retry_after(wait),
            _ => error,
        };
    }
    let error = http_error::from_head(head, http_error::excerpt(body), None);
    // Every refusal of ours is a problem, that of an unknown model too: this is a server without our routes.
    match head.status {
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
            let message = format!("the server has no such route ({}): it is no Longshore server", error.message());
            Error::new(ErrorKind::Unsupported, message).status(head.status.as_u16()).sent(Sent::Yes)
        }
        _ => error,
    }
}

/// Facts have names that live as long as the program; these are the ones that Longshore uses.
fn known_fact(what: &str) -> Option<&'static str> {
    const KNOWN: [&str; 14] = [
        "server",
        "endpoint",
        "model",
        "protocol",
        "dialect",
        "operation",
        "path",
        "file",
        "limit",
        "phase",
        "status",
        "call",
        "tensor",
        "fact",
    ];
    KNOWN.into_iter().find(|known| *known == what)
}

/// A few words for a person, the same for every problem of the kind.
fn title(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidRequest => "the request is wrong",
        ErrorKind::ContextTooLong => "the prompt does not fit the model's context",
        ErrorKind::UnknownModel => "there is no such model",
        ErrorKind::ModelNotReady => "the model cannot answer now",
        ErrorKind::Unauthenticated => "the credential is missing or wrong",
        ErrorKind::Unsupported => "this cannot be done here",
        ErrorKind::Overloaded => "there is too much to do",
        ErrorKind::Connect => "the model's server cannot be reached",
        ErrorKind::Timeout => "it took too long",
        ErrorKind::Protocol => "the model's server answered nonsense",
        ErrorKind::TooLarge => "something is too large",
        ErrorKind::Interrupted => "the answer broke off",
        ErrorKind::Server => "the model's server failed",
        ErrorKind::Cancelled => "it was called off",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_survive_being_problems() {
        for kind in ErrorKind::ALL {
            let error = Error::new(kind, "no luck")
                .retry_after(Duration::from_millis(1500))
                .code("E42")
                .partial("so f")
                .context("model", "m")
                .context("server", "a")
                .context("server", "b")
                .context("colour", "red");
            let (head, body) = refuse(&error).into_parts();
            let back = of_response(&head, &body);
            assert_eq!((back.kind(), back.message(), back.wait()), (kind, "no luck", error.wait()));
            assert_eq!((back.server_code(), back.partial_text()), (Some("E42"), Some("so f")));
            assert_eq!(back.http_status(), Some(head.status.as_u16()));
            let facts: Vec<_> = back.facts().iter().map(|(what, value)| (*what, value.as_str())).collect();
            assert_eq!(facts, [("model", "m"), ("server", "a"), ("server", "b"), ("fact", "colour red")]);
        }
    }

    #[test]
    fn foreign_replies_mean_what_their_status_means() {
        let check = |status: u16, media_type: &str, body: &str, kind, word: &str| {
            let response = http::Response::builder().status(status).header(CONTENT_TYPE, media_type).body(());
            let error = of_response(&response.unwrap().into_parts().0, body.as_bytes());
            assert_eq!((error.kind(), error.http_status()), (kind, Some(status)), "{body}");
            assert!(error.message().contains(word), "{error}");
        };
        check(404, "text/html", "<h1>nothing</h1>", ErrorKind::Unsupported, "no Longshore server");
        check(429, PROBLEM, r#"{"title":"slow down","status":500}"#, ErrorKind::Overloaded, "slow down");
        check(400, PROBLEM, r#"{"kind":"sad"}"#, ErrorKind::InvalidRequest, "no reason");
        check(502, "application/json", r#"{"error":"x"}"#, ErrorKind::Server, "error");
        check(500, PROBLEM, "{", ErrorKind::Server, "{");
    }
}
