//! Errors on the desk's wire: RFC 9457 problems as the native dialect writes them, with what was being done and what to
//! do next.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use longshore_core::{Error, ErrorKind, Sent, dialect};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What went wrong.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Problem {
    /// `urn:longshore:problem:` and the kind.
    #[serde(rename = "type")]
    pub kind_uri: String,
    /// A few words, the same for every problem of the kind.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened: a fragment that reads well after "failed to …: ".
    pub detail: String,
    /// The kind, in a word.
    pub kind: String,
    /// What was being done, such as `ask the model`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
    /// What a person can do now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The model it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How long the server wants to be left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<f64>,
    /// The server's own code for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_code: Option<String>,
    /// What had come before it broke off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partial_text: Option<String>,
    /// Facts around it, innermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub context: Vec<Fact>,
    /// Every attempt that was made, as ledgers have them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub attempts: Vec<serde_json::Value>,
    /// Settings that are wrong, one by one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<SettingProblem>,
}

/// A fact that helps to find what went wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Fact {
    /// What it is about.
    pub what: String,
    /// The fact.
    pub value: String,
}

/// What is wrong with one setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SettingProblem {
    /// The setting, such as `retry.max_attempts`; empty for the file as a whole.
    pub path: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        let mut problem: Self = serde_json::from_value(dialect::problem(error)).unwrap_or_default();
        let asked = !problem.attempts.is_empty();
        problem.next = next(error.kind(), asked).map(str::to_owned);
        problem
    }
}

/// What a person can do about it; `asked`: a server was.
fn next(kind: ErrorKind, asked: bool) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::Connect => "check that the server runs and that its address is right, under Servers",
        ErrorKind::Timeout => "try again, or give it more time under Settings",
        ErrorKind::Unauthenticated => "check the server's token, under Servers",
        ErrorKind::UnknownModel => "choose one of the models that are listed under Models",
        ErrorKind::ModelNotReady => "load the model under Models, or wait until it is ready",
        ErrorKind::ContextTooLong => "shorten the conversation, or choose a model with a larger context",
        ErrorKind::Overloaded => "wait a moment and try again",
        ErrorKind::Interrupted => "keep what has come, or ask again",
        ErrorKind::TooLarge => "send less, or raise the limit that is named, under Settings",
        ErrorKind::Unsupported => "choose a server that can do this: Servers tells what each can",
        ErrorKind::Protocol if asked => {
            "check under Servers that what answers there is a model server, and of which kind"
        }
        ErrorKind::Server if asked => "look into the server's own log for the reason, and try again",
        _ => return None,
    })
}

/// A route's refusal: an error, and what was being done.
#[derive(Debug)]
pub struct Refusal(Box<Problem>);

impl Refusal {
    /// Refuses with an error; `what` was being done, such as `load the model`.
    pub fn new(what: &str, error: &Error) -> Self {
        let mut problem = Problem::from(error);
        problem.what = Some(what.to_owned());
        Self(Box::new(problem))
    }

    /// What was asked for does not exist.
    pub fn missing(what: &str, message: impl Into<String>) -> Self {
        Self::with_status(what, StatusCode::NOT_FOUND, ErrorKind::InvalidRequest, message)
    }

    /// What was asked cannot be: the caller's mistake.
    pub fn invalid(what: &str, message: impl Into<String>) -> Self {
        Self::new(what, &Error::invalid(message).sent(Sent::No))
    }

    /// An error of this kind and status.
    pub fn with_status(what: &str, status: StatusCode, kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::new(what, &Error::new(kind, message).status(status.as_u16()).sent(Sent::No))
    }

    /// With a word on what to do.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.0.next = Some(next.into());
        self
    }

    /// With the settings that are wrong.
    #[must_use]
    pub fn problems(mut self, problems: Vec<SettingProblem>) -> Self {
        self.0.problems = problems;
        self
    }

    /// What is written.
    pub fn problem(&self) -> &Problem {
        &self.0
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&*self.0).unwrap_or_default();
        let mut response = Response::new(body.into());
        *response.status_mut() = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let media_type = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, media_type);
        response
    }
}
