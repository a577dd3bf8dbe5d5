//! What comes back: an answer is a stream of [`Event`]s, whoever gives it and however it travelled.

use std::{pin::Pin, sync::Arc, time::Instant};

use bytes::Bytes;
use futures_core::Stream;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Error,
    model::{HealthReport, ModelInfo, ModelStatistics, Progress, ServerInfo},
    reply::Attempt,
    tensor::{Parameters, Tensor},
};

/// A stream of events. It ends after [`EventKind::Done`] or after an error; dropping it cancels the work.
pub type Events = Pin<Box<dyn Stream<Item = Result<Event, Error>> + Send>>;

/// A piece of an answer, with the instant its bytes were read, before they were parsed.
#[derive(Clone, Debug)]
pub struct Event {
    /// When the bytes were read from the wire, or arrived there, where the client was told to ask the kernel for that; or when
    /// an in-process backend made the event.
    pub at: Instant,
    /// What it says.
    pub kind: EventKind,
    /// The frame it came from, for forwarding in the same dialect.
    pub raw: Option<Raw>,
}

impl Event {
    /// An event made here and now, not read from a wire.
    pub fn now(kind: EventKind) -> Self {
        Self { at: Instant::now(), kind, raw: None }
    }

    /// The bytes to forward in place of this event, if it came in this very dialect. Empty bytes mean that the
    /// frame went along with an earlier event and there is nothing left to write.
    pub fn raw_in(&self, dialect: &str) -> Option<&Bytes> {
        self.raw.as_ref().filter(|raw| raw.dialect == dialect).map(|raw| &raw.frame)
    }
}

/// A frame as it came. Of several events out of one frame the first carries it, the others carry an empty one, so
/// that forwarding writes each frame once.
#[derive(Clone, Debug, PartialEq)]
pub struct Raw {
    /// [`Dialect::name`](crate::Dialect::name) of the dialect it is written in.
    pub dialect: &'static str,
    /// The frame's payload, without the framing around it.
    pub frame: Bytes,
}

/// What an event says.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EventKind {
    /// The server has begun; carries no content, so it does not commit the answer.
    Started {
        /// The model that answers, by the server's own name for it.
        model: Arc<str>,
    },
    /// More of the answer's text.
    Text {
        /// Which choice it belongs to: the prompt's position when there are several, else 0.
        index: u32,
        /// The piece; never empty.
        text: String,
    },
    /// More of what the model thinks before it answers.
    Reasoning {
        /// Which choice it belongs to.
        index: u32,
        /// The piece; never empty.
        text: String,
    },
    /// Calls of tools, or pieces of them, in OpenAI's form.
    ToolCalls {
        /// Which choice it belongs to.
        index: u32,
        /// An array: whole tool calls in a unary answer, deltas in a stream.
        calls: Value,
    },
    /// The vector of one text.
    Embedding {
        /// The text's position in the request.
        index: u32,
        /// The vector.
        vector: Vec<f32>,
    },
    /// Tensors: the one answer of most models, or one of several of a decoupled model.
    Tensors(InferenceOutput),
    /// Models, all of them or the one that was asked for.
    Models(Vec<ModelInfo>),
    /// One of several servers could not give its part; the others' parts stand beside this.
    Unavailable {
        /// The server's name.
        server: Arc<str>,
        /// Why.
        error: Error,
    },
    /// How far a load or unload has come.
    Progress(Progress),
    /// How somebody is.
    Health(HealthReport),
    /// Who is speaking.
    Server(ServerInfo),
    /// How a model is configured, in the server's own words.
    ModelConfig(Value),
    /// How often models were used, and where the time went.
    Statistics(Vec<ModelStatistics>),
    /// The answer had broken off, and what follows comes from another attempt, asked to go on after the text that had
    /// come. Only where the caller allowed it; the two parts need not be what one run would have written.
    Resumed(Box<Attempt>),
    /// Token counts; the last one holds.
    Usage(Usage),
    /// A frame that this vocabulary has no word for; whoever forwards in the same dialect passes it on.
    Other,
    /// The protocol's own end mark. A stream without it is interrupted, however politely it closed.
    Done(Finish),
}

impl EventKind {
    /// Content commits an answer: after it, no other server may be asked.
    pub fn is_content(&self) -> bool {
        !matches!(self, Self::Started { .. } | Self::Resumed(_) | Self::Usage(_) | Self::Other)
    }
}

/// Why an answer ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finish {
    /// The model's own end, a stop text, or simply everything said.
    #[default]
    Stop,
    /// `max_tokens`, or the context was full.
    Length,
    /// The model waits for the result of a tool.
    ToolCalls,
    /// The server withheld the rest.
    ContentFilter,
    /// A reason that this vocabulary does not know, in the server's word.
    Other(Arc<str>),
}

impl Finish {
    /// OpenAI's word for it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::Other(word) => word,
        }
    }

    /// From OpenAI's word for it.
    pub fn from_word(word: &str) -> Self {
        match word {
            "stop" => Self::Stop,
            "length" => Self::Length,
            "tool_calls" => Self::ToolCalls,
            "content_filter" => Self::ContentFilter,
            other => Self::Other(other.into()),
        }
    }
}

/// How many tokens went in and came out, as the server counted them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Tokens of the request, the template's included.
    pub prompt_tokens: u64,
    /// Tokens of the answer.
    pub completion_tokens: u64,
    /// Of the prompt's, those that were already computed, where the server tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_tokens: Option<u64>,
}

/// One answer of a tensor model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InferenceOutput {
    /// The version that answered, where the server tells.
    pub version: Option<Arc<str>>,
    /// The caller's own id, echoed.
    pub id: Option<String>,
    /// What came out.
    pub outputs: Vec<Tensor>,
    /// Options of the answer.
    pub parameters: Parameters,
}
