//! One event of a stream as JSON, both ways.

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    problem::Problem,
    tensor::{Vector, WireOutput},
};
use crate::{
    Error,
    call::Inference,
    event::{EventKind, Finish, Usage},
    model::{HealthReport, ModelInfo, ModelStatistics, Progress, ServerInfo},
    reply::Attempt,
};

/// What an event reads as. `asked` says which tensors shall be base64. Nothing for a frame without a word.
pub(super) fn written<'a>(kind: &'a EventKind, asked: Option<&Inference>) -> Option<Out<'a>> {
    Some(match kind {
        EventKind::Started { model } => Out::Started { model },
        EventKind::Text { index, text } => Out::Text { index: *index, text },
        EventKind::Reasoning { index, text } => Out::Reasoning { index: *index, text },
        EventKind::ToolCalls { index, calls } => Out::ToolCalls { index: *index, tool_calls: calls },
        EventKind::Embedding { index, vector } => Out::Embedding { index: *index, embedding: Vector(vector) },
        EventKind::Tensors(output) => Out::Tensors(WireOutput::new(output, asked)),
        EventKind::Models(models) => Out::Models { models },
        EventKind::Unavailable { server, error } => Out::Unavailable { server, error: error.into() },
        EventKind::Progress(progress) => Out::Progress(progress),
        EventKind::Health(report) => Out::Health(report),
        EventKind::Server(server) => Out::Server(server),
        EventKind::ModelConfig(config) => Out::ModelConfig { config },
        EventKind::Statistics(statistics) => Out::Statistics { statistics },
        EventKind::Usage(usage) => Out::Usage(usage),
        EventKind::Done(finish) => Out::Done { finish_reason: finish.as_str() },
        EventKind::Resumed(attempt) => Out::Resumed { attempt },
        EventKind::Other => return None,
    })
}

/// What a frame of a stream says: an event, or the error that ended it.
///
/// # Errors
/// The error that the frame tells, or `Protocol` when it is no event.
pub(super) fn read(frame: &[u8]) -> Result<EventKind, Error> {
    // Nearly every frame is a piece of text, which is read without a detour.
    if let Ok(Piece { event, index, text: Some(text) }) = serde_json::from_slice(frame) {
        match &*event {
            "text" | "reasoning" if text.is_empty() => return Ok(EventKind::Other),
            "text" => return Ok(EventKind::Text { index, text }),
            "reasoning" => return Ok(EventKind::Reasoning { index, text }),
            _ => {}
        }
    }
    let event: In = serde_json::from_slice(frame).map_err(|e| {
        Error::protocol(format!("a frame is no event: {e}: {}", crate::dialect::http_error::excerpt(frame)))
    })?;
    event.into_kind()
}

/// An event to write.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Out<'a> {
    Started { model: &'a str },
    Text { index: u32, text: &'a str },
    Reasoning { index: u32, text: &'a str },
    ToolCalls { index: u32, tool_calls: &'a Value },
    Embedding { index: u32, embedding: Vector<&'a Vec<f32>> },
    Tensors(WireOutput),
    Models { models: &'a [ModelInfo] },
    Unavailable { server: &'a str, error: Problem },
    Progress(&'a Progress),
    Health(&'a HealthReport),
    Server(&'a ServerInfo),
    ModelConfig { config: &'a Value },
    Statistics { statistics: &'a [ModelStatistics] },
    Resumed { attempt: &'a Attempt },
    Usage(&'a Usage),
    Done { finish_reason: &'a str },
    Error(Problem),
}

#[derive(Deserialize)]
struct Piece<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(default)]
    index: u32,
    #[serde(default)]
    text: Option<String>,
}

/// An event that was read.
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum In {
    Started {
        model: Arc<str>,
    },
    Text {
        #[serde(default)]
        index: u32,
        text: String,
    },
    Reasoning {
        #[serde(default)]
        index: u32,
        text: String,
    },
    ToolCalls {
        #[serde(default)]
        index: u32,
        tool_calls: Value,
    },
    Embedding {
        #[serde(default)]
        index: u32,
        embedding: Vector<Vec<f32>>,
    },
    Tensors(WireOutput),
    Models {
        models: Vec<ModelInfo>,
    },
    Unavailable {
        server: Arc<str>,
        error: Problem,
    },
    Progress(Progress),
    Health(HealthReport),
    Server(ServerInfo),
    ModelConfig {
        config: Value,
    },
    Statistics {
        statistics: Vec<ModelStatistics>,
    },
    Usage(Usage),
    Done {
        #[serde(default)]
        finish_reason: Option<String>,
    },
    Error(Problem),
    #[serde(other)]
    Unknown,
}

impl In {
    fn into_kind(self) -> Result<EventKind, Error> {
        Ok(match self {
            Self::Started { model } => EventKind::Started { model },
            Self::Text { index, text } => EventKind::Text { index, text },
            Self::Reasoning { index, text } => EventKind::Reasoning { index, text },
            Self::ToolCalls { index, tool_calls } => EventKind::ToolCalls { index, calls: tool_calls },
            Self::Embedding { index, embedding } => EventKind::Embedding { index, vector: embedding.0 },
            Self::Tensors(output) => EventKind::Tensors(output.into_output().map_err(as_protocol)?),
            Self::Models { models } => EventKind::Models(models),
            Self::Unavailable { server, error } => EventKind::Unavailable { server, error: error.into_error() },
            Self::Progress(progress) => EventKind::Progress(progress),
            Self::Health(report) => EventKind::Health(report),
            Self::Server(server) => EventKind::Server(server),
            Self::ModelConfig { config } => EventKind::ModelConfig(config),
            Self::Statistics { statistics } => EventKind::Statistics(statistics),
            Self::Usage(usage) => EventKind::Usage(usage),
            Self::Done { finish_reason } => EventKind::Done(finish(finish_reason.as_deref())),
            Self::Error(problem) => return Err(problem.into_error()),
            Self::Unknown => EventKind::Other,
        })
    }
}

/// Everything that is not said to be otherwise has simply ended.
pub(super) fn finish(word: Option<&str>) -> Finish {
    word.map(Finish::from_word).unwrap_or_default()
}

/// A tensor that does not fit itself is the caller's fault in a request, and the server's in a reply.
pub(super) fn as_protocol(error: Error) -> Error {
    error.with_kind(crate::ErrorKind::Protocol)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn frames_are_events_errors_or_nonsense() {
        let check = |frame: &str, expected: Result<EventKind, ErrorKind>| {
            assert_eq!(read(frame.as_bytes()).map_err(|error| error.kind()), expected, "{frame}");
        };
        let text = || "hi".to_owned();
        check(r#"{"event":"text","text":"hi"}"#, Ok(EventKind::Text { index: 0, text: text() }));
        check(r#"{"text":"hi","new":[1],"event":"text","index":2}"#, Ok(EventKind::Text { index: 2, text: text() }));
        check(r#"{"event":"text","text":""}"#, Ok(EventKind::Other));
        check(r#"{"event":"dream","text":5}"#, Ok(EventKind::Other));
        check(r#"{"event":"done"}"#, Ok(EventKind::Done(Finish::Stop)));
        check(r#"{"event":"done","finish_reason":"bored"}"#, Ok(EventKind::Done(Finish::Other("bored".into()))));
        check(r#"{"event":"error","kind":"overloaded","detail":"full"}"#, Err(ErrorKind::Overloaded));
        check(r#"{"event":"error"}"#, Err(ErrorKind::Server));
        check(r#"{"event":"text"}"#, Err(ErrorKind::Protocol));
        check(
            r#"{"event":"tensors","outputs":[{"name":"x","datatype":"INT8","shape":[1]}]}"#,
            Err(ErrorKind::Protocol),
        );
        check("{}", Err(ErrorKind::Protocol));
        check("[DONE]", Err(ErrorKind::Protocol));
    }
}
