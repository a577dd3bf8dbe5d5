//! What is asked: a [`Call`] is one request, its [`Op`] says for what.
//!
//! Field names follow the OpenAI vocabulary where there is one, since that is what most servers and people speak.
//! Nothing here knows a wire: how a call is written down is a [`Dialect`](crate::Dialect)'s affair.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Protocol, Step, Watch,
    capability::OpKind,
    tensor::{Parameters, Tensor},
};

/// One request, cheap to clone: attempts and hedges share the operation.
#[derive(Clone, Debug)]
pub struct Call {
    /// Identifies the request in logs, ledgers and replies; unique within the process unless the caller chose it.
    pub id: Arc<str>,
    /// The model asked for; `None` where the operation needs none or the backend's default will do.
    pub model: Option<Arc<str>>,
    /// Only the server of this name may answer; `None` leaves the choice to the backend.
    pub server: Option<Arc<str>>,
    /// Only by this protocol; `None` leaves the choice to the backend. Holds for what models answer.
    pub protocol: Option<Protocol>,
    /// What is asked.
    pub op: Arc<Op>,
    /// When the whole answer must be complete; shared by every attempt at this call.
    pub deadline: Option<Instant>,
    /// May this be sent again when it is unknown whether the server has begun to work on it?
    pub replayable: bool,
    /// Whether an answer that was kept from an earlier call will do.
    pub cache: CacheUse,
    /// How the request arrived, when it came over a wire: lets the same dialect forward the bytes as they are.
    pub origin: Option<Origin>,
    /// The headers it came with over a wire, where somebody shows them. Says nothing about what is asked.
    pub headers: Option<Arc<HeaderMap>>,
    /// Who looks on until there is an answer; nobody, mostly.
    pub watch: Option<Watch>,
}

/// What a call allows a response cache to do. HTTP's words for it are those of RFC 9111, section 5.2.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheUse {
    /// Give what is kept, and keep what comes.
    #[default]
    Allowed,
    /// Ask anew, and keep what comes: `Cache-Control: no-cache`.
    Refresh,
    /// Neither give nor keep: `Cache-Control: no-store`.
    Never,
}

impl Call {
    /// A call with a fresh id, no deadline, replayable when the operation is (see [`Op::is_replayable`]).
    pub fn new(op: Op) -> Self {
        Self {
            id: fresh_id(),
            model: None,
            server: None,
            protocol: None,
            replayable: op.is_replayable(),
            op: Arc::new(op),
            deadline: None,
            cache: CacheUse::default(),
            origin: None,
            headers: None,
            watch: None,
        }
    }

    /// The same call, for this model.
    #[must_use]
    pub fn model(mut self, model: impl Into<Arc<str>>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// The same call, answered by this server or not at all.
    #[must_use]
    pub fn server(mut self, server: impl Into<Arc<str>>) -> Self {
        self.server = Some(server.into());
        self
    }

    /// The same call, to be complete by this instant.
    #[must_use]
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Tells whoever looks on, if anybody does.
    pub fn tell(&self, step: Step<'_>) {
        if let Some(watch) = &self.watch {
            watch.tell(step);
        }
    }

    /// The model's name, or the empty string: for messages and for wires that must write something.
    pub fn model_name(&self) -> &str {
        self.model.as_deref().unwrap_or_default()
    }
}

/// 16 hexadecimal digits: a random start for the process, then a counter.
fn fresh_id() -> Arc<str> {
    static START: OnceLock<u64> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let start = START.get_or_init(|| RandomState::new().hash_one("call id"));
    format!("{:016x}", start.wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed))).into()
}

/// The request as it came in: for forwarding in the same dialect without losing what the vocabulary does not know.
#[derive(Clone, Debug)]
pub struct Origin {
    /// [`Dialect::name`](crate::Dialect::name) of the dialect that decoded it.
    pub dialect: &'static str,
    /// The path and query it was sent to.
    pub path: Arc<str>,
    /// The body, still encoded.
    pub body: Bytes,
}

/// What is asked of a backend.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Op {
    /// The next turn of a conversation.
    Chat(Chat),
    /// The continuation of a text, without a chat template.
    Complete(Completion),
    /// Vectors for texts.
    Embed(Embedding),
    /// Tensors in, tensors out.
    Infer(Inference),
    /// Which models are there, and in which state.
    ListModels {
        /// Leave out those that cannot answer at once.
        ready_only: bool,
    },
    /// One model: its kind, versions, and the tensors it takes and gives.
    Describe {
        /// `None`: the version that the server would use.
        version: Option<Arc<str>>,
    },
    /// How a server has configured a model, in the server's own words.
    ModelConfig {
        /// `None`: the version that the server would use.
        version: Option<Arc<str>>,
    },
    /// How often a model was used, and where the time went. Without a model in the call: every model.
    Statistics {
        /// `None`: every version.
        version: Option<Arc<str>>,
    },
    /// Make a model ready; the events are its progress.
    Load {
        /// Options of the server, such as a configuration that overrides the stored one.
        parameters: Parameters,
    },
    /// Let running requests finish and give the model's memory back.
    Unload {
        /// Options of the server, such as `unload_dependents`.
        parameters: Parameters,
    },
    /// Fetch a model from wherever the server gets its models; the events are its progress. Does not load it.
    Pull {
        /// Options of the server, such as `insecure`.
        parameters: Parameters,
    },
    /// Is somebody there, and able to work?
    Health(HealthScope),
    /// The server's name, version and extensions: how a client tells what it is talking to.
    ServerInfo,
}

impl Op {
    /// The operation without its arguments.
    pub fn kind(&self) -> OpKind {
        match self {
            Self::Chat(_) => OpKind::Chat,
            Self::Complete(_) => OpKind::Complete,
            Self::Embed(_) => OpKind::Embed,
            Self::Infer(_) => OpKind::Infer,
            Self::ListModels { .. } => OpKind::ListModels,
            Self::Describe { .. } => OpKind::Describe,
            Self::ModelConfig { .. } => OpKind::ModelConfig,
            Self::Statistics { .. } => OpKind::Statistics,
            Self::Load { .. } => OpKind::Load,
            Self::Unload { .. } => OpKind::Unload,
            Self::Pull { .. } => OpKind::Pull,
            Self::Health(_) => OpKind::Health,
            Self::ServerInfo => OpKind::ServerInfo,
        }
    }

    /// Whether the answer is wanted in pieces. Lifecycle operations always tell their progress.
    pub fn streams(&self) -> bool {
        match self {
            Self::Chat(chat) => chat.stream,
            Self::Complete(completion) => completion.stream,
            Self::Infer(inference) => inference.stream,
            _ => false,
        }
    }

    /// Whether it changes which models a server has or holds ready. Takes as long as it takes, and tells its progress.
    pub fn is_lifecycle(&self) -> bool {
        matches!(self, Self::Load { .. } | Self::Unload { .. } | Self::Pull { .. })
    }

    /// Whether doing it twice harms nobody: generation and reading do not change a server. A tensor model may keep
    /// state between requests (a sequence), and unloading twice may unload what somebody else has just loaded.
    pub fn is_replayable(&self) -> bool {
        match self {
            Self::Infer(inference) => !inference.parameters.contains_key("sequence_id"),
            Self::Unload { .. } => false,
            _ => true,
        }
    }
}

/// The next turn of a conversation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chat {
    /// Oldest first; usually ends with the user's.
    pub messages: Vec<Message>,
    /// How the next token is chosen, and when to stop.
    pub sampling: Sampling,
    /// Does the caller want pieces as they come? Changes the wire, never the events' meaning.
    pub stream: bool,
    /// Does the caller want token counts at the end of a stream? (A unary answer always has them.)
    pub include_usage: bool,
    /// What to do when the messages do not fit the model's context.
    pub overflow: Overflow,
    /// Fields that this vocabulary does not know (tools, response format, …), kept for dialects that do.
    pub extra: Map<String, Value>,
}

/// What to do when a conversation does not fit the model's context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    /// Refuse the call and say by how much.
    #[default]
    Refuse,
    /// Forget the oldest turns, never the system message, until it fits.
    DropOldest,
}

/// One message of a conversation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user`, `assistant`, `tool`, or what the model's template knows beside them.
    pub role: String,
    /// `None` where an assistant's message has tool calls only.
    #[serde(default)]
    pub content: Option<Content>,
    /// Tool calls, names and whatever else rides along.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Message {
    /// A message of plain text.
    pub fn new(role: impl Into<String>, text: impl Into<String>) -> Self {
        Self { role: role.into(), content: Some(Content::Text(text.into())), extra: Map::new() }
    }

    /// The message's text; of several parts, the text parts joined.
    pub fn text(&self) -> String {
        match &self.content {
            None => String::new(),
            Some(Content::Text(text)) => text.clone(),
            Some(Content::Parts(parts)) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        }
    }
}

/// A message's content: text, or a list of parts (text, images, …) in OpenAI's form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// Plain text.
    Text(String),
    /// Parts in OpenAI's form, kept as they came.
    Parts(Vec<Value>),
}

/// The continuation of one or several texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Completion {
    /// What to continue; each gives a choice of its own, in order.
    pub prompt: Prompt,
    /// How the next token is chosen, and when to stop.
    pub sampling: Sampling,
    /// Does the caller want pieces as they come?
    pub stream: bool,
    /// Does the caller want token counts at the end of a stream?
    pub include_usage: bool,
    /// Fields that this vocabulary does not know.
    pub extra: Map<String, Value>,
}

/// One or several texts, or the tokens of them.
#[derive(Clone, Debug, PartialEq)]
pub enum Prompt {
    /// Texts, still to be tokenised.
    Text(Vec<String>),
    /// Token ids of the model's own vocabulary.
    Tokens(Vec<Vec<u32>>),
}

impl Prompt {
    /// How many texts there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(texts) => texts.len(),
            Self::Tokens(lists) => lists.len(),
        }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for Prompt {
    fn default() -> Self {
        Self::Text(Vec::new())
    }
}

impl From<&str> for Prompt {
    fn from(text: &str) -> Self {
        Self::Text(vec![text.to_owned()])
    }
}

/// Vectors for texts, one each, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Embedding {
    /// What to embed.
    pub input: Prompt,
    /// Shorten the vectors to this many components, where the model can.
    pub dimensions: Option<u32>,
    /// Fields that this vocabulary does not know, such as `encoding_format`.
    pub extra: Map<String, Value>,
}

/// How the next token is chosen, and when to stop. `None` leaves the choice to the server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sampling {
    /// 0 is greedy; above 1 is wild.
    pub temperature: Option<f64>,
    /// Keep the most likely tokens whose probabilities add up to this.
    pub top_p: Option<f64>,
    /// Keep this many of the most likely tokens.
    pub top_k: Option<u32>,
    /// The same seed and request give the same answer, where the server keeps that promise.
    pub seed: Option<i64>,
    /// At most this many tokens of answer.
    pub max_tokens: Option<u32>,
    /// Stop before any of these texts.
    pub stop: Vec<String>,
    /// Go on past the model's own end, to `max_tokens`: for benchmarks.
    pub ignore_eos: Option<bool>,
}

/// Tensors in, tensors out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inference {
    /// `None`: the version that the server would use.
    pub version: Option<Arc<str>>,
    /// The caller's own id for this request, echoed in the answer.
    pub id: Option<String>,
    /// What goes in.
    pub inputs: Vec<Tensor>,
    /// What shall come out; empty asks for every output.
    pub outputs: Vec<RequestedOutput>,
    /// Options of the request.
    pub parameters: Parameters,
    /// Prefer raw bytes to JSON for the tensors, where the wire has a choice: smaller, exact, keeps NaN.
    pub binary: bool,
    /// May the model answer several times (a decoupled model)?
    pub stream: bool,
}

/// An output that a caller wants.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestedOutput {
    /// The tensor's name.
    pub name: String,
    /// As [`Inference::binary`], for this output alone; `None` follows the request.
    pub binary: Option<bool>,
    /// Options of the output, such as `classification`.
    pub parameters: Parameters,
}

/// Whose health is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum HealthScope {
    /// The process answers.
    Live,
    /// The server can take work.
    Ready,
    /// The call's model can take work.
    Model {
        /// `None`: any version.
        version: Option<Arc<str>>,
    },
}
