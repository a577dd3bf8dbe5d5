//! A committed answer: the way it took, and the events it is made of.
//!
//! [`Reply::commit`] is how a backend makes one from a stream; [`Reply::collect`] is the unary answer.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use serde::{Serialize, Serializer, ser::SerializeStruct};
use serde_json::Value;

use crate::{
    Error, ErrorKind, Sent,
    capability::OpKind,
    event::{Event, EventKind, Events, Finish, InferenceOutput, Usage},
    model::ModelInfo,
};

/// How a call travelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Not at all: the engine in this process.
    InProcess,
    /// HTTP with JSON, whatever the version of HTTP.
    Rest,
    /// gRPC.
    Grpc,
}

impl Protocol {
    /// The word that stands in JSON and in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InProcess => "in_process",
            Self::Rest => "rest",
            Self::Grpc => "grpc",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who answered, and over what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Route {
    /// The server's name in the configuration.
    pub server: Arc<str>,
    /// Its address; empty in-process.
    pub endpoint: Arc<str>,
    /// What carried it.
    pub protocol: Protocol,
    /// [`Dialect::name`](crate::Dialect::name) of what was spoken; empty in-process.
    pub dialect: &'static str,
}

impl Route {
    /// The way to something in this process.
    pub fn in_process(server: impl Into<Arc<str>>) -> Self {
        Self { server: server.into(), endpoint: "".into(), protocol: Protocol::InProcess, dialect: "" }
    }
}

/// One line of the ledger: an attempt and what became of it.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Where it went.
    pub route: Route,
    /// What was asked there: the call's own operation, or a load that had to come first.
    pub op: OpKind,
    /// When it began.
    pub started: Instant,
    /// How long the call had waited before it, since it came or since the attempt before it had failed: because a
    /// server asked for that, because of the back-off, or for a free place among the calls in flight.
    pub wait: Duration,
    /// From its beginning until it was committed, failed or was given up.
    pub elapsed: Duration,
    /// It was begun while another one was still running, to be the quicker of the two.
    pub hedge: bool,
    /// What has come so far. Goes on counting while a committed answer arrives.
    pub received: Received,
    /// `None`: committed. [`ErrorKind::Cancelled`]: given up because another one was quicker.
    pub error: Option<Error>,
}

impl Attempt {
    /// An attempt that begins now; committed unless an error is put in.
    pub fn new(route: Route, op: OpKind) -> Self {
        Self {
            route,
            op,
            started: Instant::now(),
            wait: Duration::ZERO,
            elapsed: Duration::ZERO,
            hedge: false,
            received: Received::default(),
            error: None,
        }
    }

    /// What became of it, in a word: `committed`, or the error's kind.
    pub fn outcome(&self) -> &'static str {
        self.error.as_ref().map_or("committed", |error| error.kind().as_str())
    }
}

/// Equal in where they went, when, and what became of them; what is still counted is not compared.
impl PartialEq for Attempt {
    fn eq(&self, other: &Self) -> bool {
        (&self.route, self.op, self.started, self.hedge, &self.error)
            == (&other.route, other.op, other.started, other.hedge, &other.error)
    }
}

impl Serialize for Attempt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Attempt", 13)?;
        out.serialize_field("server", &self.route.server)?;
        out.serialize_field("endpoint", &self.route.endpoint)?;
        out.serialize_field("protocol", &self.route.protocol)?;
        out.serialize_field("dialect", &self.route.dialect)?;
        out.serialize_field("op", self.op.name())?;
        out.serialize_field("wait_ms", &milliseconds(self.wait))?;
        out.serialize_field("elapsed_ms", &milliseconds(self.elapsed))?;
        out.serialize_field("hedge", &self.hedge)?;
        out.serialize_field("outcome", self.outcome())?;
        out.serialize_field("error", &self.error.as_ref().map(|error| error.message()))?;
        out.serialize_field("bytes", &self.received.bytes())?;
        out.serialize_field("tokens", &self.received.tokens())?;
        let sent = match self.error.as_ref().map_or(Sent::Yes, Error::was_sent) {
            Sent::No => "no",
            Sent::Maybe => "maybe",
            Sent::Yes => "yes",
        };
        out.serialize_field("sent", sent)?;
        out.end()
    }
}

/// How much of an answer has come. Clones share one count, which goes on while the answer arrives: whoever holds the
/// ledger of a stream reads the totals at its end.
#[derive(Clone, Debug, Default)]
pub struct Received(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    bytes: AtomicU64,
    tokens: AtomicU64,
    /// Pieces of the body by whose their instant is.
    by_kernel: AtomicU64,
    by_reader: AtomicU64,
}

impl Received {
    /// Bytes of the body, with its framing; 0 in-process.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Pieces of text and reasoning; the server's own count of tokens once it has told it.
    pub fn tokens(&self) -> u64 {
        self.0.tokens.load(Ordering::Relaxed)
    }

    /// Pieces of the body whose instant is the kernel's, and those whose instant is the reader's; both 0 where nobody asked
    /// for the kernel's.
    pub fn stamps(&self) -> (u64, u64) {
        (self.0.by_kernel.load(Ordering::Relaxed), self.0.by_reader.load(Ordering::Relaxed))
    }

    /// So many more bytes have come.
    pub fn add_bytes(&self, bytes: usize) {
        self.0.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// A piece has come for which the kernel's stamp was asked.
    pub fn add_stamp(&self, is_the_kernels: bool) {
        let counter = if is_the_kernels { &self.0.by_kernel } else { &self.0.by_reader };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// An event has come.
    pub fn add_event(&self, kind: &EventKind) {
        match kind {
            EventKind::Text { .. } | EventKind::Reasoning { .. } => drop(self.0.tokens.fetch_add(1, Ordering::Relaxed)),
            EventKind::Usage(usage) if usage.completion_tokens > 0 => {
                self.0.tokens.store(usage.completion_tokens, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

/// Milliseconds with microsecond resolution: enough to compare, short enough to read.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// What a response cache did for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheStatus {
    /// It was kept from an earlier call.
    Hit,
    /// It was made for this call, and is kept if it comes to its end.
    Miss,
    /// It is made for another call that asks the same, and given to both.
    Joined,
    /// The cache had nothing to do with it; why.
    Bypassed(&'static str),
}

impl CacheStatus {
    /// `hit`, `miss`, `joined` or `bypassed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Joined => "joined",
            Self::Bypassed(_) => "bypassed",
        }
    }
}

/// `hit`, or `bypassed(the call asks for it)`.
impl fmt::Display for CacheStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bypassed(reason) => write!(f, "bypassed({reason})"),
            other => f.write_str(other.as_str()),
        }
    }
}

/// As its text.
impl Serialize for CacheStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A committed answer: which way it took, and what it says.
pub struct Reply {
    /// Who answers.
    pub route: Route,
    /// Every attempt made, the last one being this answer's; empty where only one way exists.
    pub ledger: Vec<Attempt>,
    /// What a response cache did; `None` where there is none, or where the operation is never kept.
    pub cache: Option<CacheStatus>,
    /// The answer. Dropping it cancels the work.
    pub events: Events,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("route", &self.route).field("ledger", &self.ledger).finish_non_exhaustive()
    }
}

impl Reply {
    /// An answer with no more to be said about it than who gives it.
    pub fn new(route: Route, events: Events) -> Self {
        Self { route, ledger: Vec::new(), cache: None, events }
    }

    /// Waits until `events` are committed: the first content event, or the end.
    ///
    /// # Errors
    /// The stream's own error before any content; [`ErrorKind::Interrupted`] when it ends without a word.
    pub async fn commit(route: Route, mut events: Events) -> Result<Self, Error> {
        let mut before = Vec::new();
        loop {
            match events.next().await {
                Some(Ok(event)) => {
                    let committed = event.kind.is_content();
                    before.push(Ok(event));
                    if committed {
                        break;
                    }
                }
                Some(Err(error)) => return Err(error),
                None => return Err(Error::new(ErrorKind::Interrupted, "the answer ended before it began")),
            }
        }
        Ok(Self::new(route, stream::iter(before).chain(events).boxed()))
    }

    /// An answer that is known already: its events, and then [`EventKind::Done`].
    pub fn ready(route: Route, kinds: impl IntoIterator<Item = EventKind>) -> Self {
        let events: Vec<_> =
            kinds.into_iter().chain([EventKind::Done(Finish::Stop)]).map(|kind| Ok(Event::now(kind))).collect();
        Self::new(route, stream::iter(events).boxed())
    }

    /// An answer without content so far, for whoever adds the events as they come.
    pub fn begin(self) -> (Answer, Events) {
        let Self { route, ledger, cache, events } = self;
        (Answer { route: Some(route), ledger, cache, ..Answer::default() }, events)
    }

    /// The unary answer: all events, put together.
    ///
    /// # Errors
    /// The stream's error, with the text that had arrived ([`Error::partial_text`]).
    pub async fn collect(self) -> Result<Answer, Error> {
        let (mut answer, mut events) = self.begin();
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => answer.add(event),
                Err(error) if answer.text().is_empty() => return Err(error),
                Err(error) => return Err(error.partial(answer.text())),
            }
        }
        Ok(answer)
    }
}

/// A whole answer, put together from its events: feed it with [`Answer::add`].
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Who answered.
    pub route: Option<Route>,
    /// Every attempt made.
    pub ledger: Vec<Attempt>,
    /// What a response cache did, where there is one.
    pub cache: Option<CacheStatus>,
    /// The model that answered, by the server's own name for it.
    pub model: Option<Arc<str>>,
    /// The text of each choice.
    pub texts: Vec<String>,
    /// What the model thought before it answered, for each choice.
    pub reasoning: Vec<String>,
    /// Tool calls or their deltas, in order of arrival, with the choice they belong to.
    pub tool_calls: Vec<(u32, Value)>,
    /// The vector of each text, in the request's order.
    pub embeddings: Vec<Vec<f32>>,
    /// The answers of a tensor model.
    pub outputs: Vec<InferenceOutput>,
    /// Models that were listed.
    pub models: Vec<ModelInfo>,
    /// Servers that could not give their part.
    pub unavailable: Vec<(Arc<str>, Error)>,
    /// Token counts, where the server told.
    pub usage: Option<Usage>,
    /// Why it ended; `None` while it has not.
    pub finish: Option<Finish>,
    /// When its first content was read.
    pub first_content_at: Option<Instant>,
    /// When its end was read.
    pub ended_at: Option<Instant>,
    /// It had broken off once and was continued from there ([`EventKind::Resumed`]).
    pub resumed: bool,
    /// Everything else, as it came: progress, health, statistics, …
    pub others: Vec<EventKind>,
}

impl Answer {
    /// Takes in one more event.
    pub fn add(&mut self, event: Event) {
        if self.first_content_at.is_none() && event.kind.is_content() {
            self.first_content_at = Some(event.at);
        }
        match event.kind {
            EventKind::Started { model } => self.model = Some(model),
            EventKind::Text { index, text } => at(&mut self.texts, index).push_str(&text),
            EventKind::Reasoning { index, text } => at(&mut self.reasoning, index).push_str(&text),
            EventKind::ToolCalls { index, calls } => self.tool_calls.push((index, calls)),
            EventKind::Embedding { index, vector } => *at(&mut self.embeddings, index) = vector,
            EventKind::Tensors(output) => self.outputs.push(output),
            EventKind::Models(models) => self.models.extend(models),
            EventKind::Unavailable { server, error } => self.unavailable.push((server, error)),
            EventKind::Usage(usage) => self.usage = Some(usage),
            EventKind::Done(finish) => {
                self.finish = Some(finish);
                self.ended_at = Some(event.at);
            }
            EventKind::Resumed(attempt) => {
                self.resumed = true;
                self.ledger.push(*attempt);
            }
            EventKind::Other => {}
            other => self.others.push(other),
        }
    }

    /// The first choice's text: the answer, unless several were asked for.
    pub fn text(&self) -> &str {
        self.texts.first().map_or("", String::as_str)
    }
}

/// No server gives more choices than this for one call; a larger index is a lie that must not cost memory.
const MAX_CHOICES: usize = 1 << 16;

/// The element at `index`, made if need be.
fn at<T: Default + Clone>(list: &mut Vec<T>, index: u32) -> &mut T {
    let index = (index as usize).min(MAX_CHOICES);
    if list.len() <= index {
        list.resize(index + 1, T::default());
    }
    &mut list[index]
}
