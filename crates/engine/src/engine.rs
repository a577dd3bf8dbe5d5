//! The engine as a [`Backend`]: takes calls, finds their model and their slot, and hands back events.
//!
//! [`Engine`] is cheap to clone; clones share everything. It computes nothing itself: that is [`crate::work`]'s affair,
//! on threads of its own.

use std::{future::Future, path::PathBuf, sync::Arc, time::Instant};

use futures_core::future::BoxFuture;
use futures_util::{StreamExt, stream};
use longshore_core::{
    Backend, Call, Capabilities, Event, EventKind, Events, Finish, ModelInfo, ModelState, Op, Reply, Route, Sent,
    ServerInfo,
    call::HealthScope,
    capability::OpKind,
    model::{HealthReport, Progress, TensorSpec},
    text_model,
};
use serde_json::json;
use tokio::sync::mpsc;

use crate::{
    Error, ErrorKind, builtin,
    registry::{Registry, Status, Ticket},
    slots::Slots,
    work::Work,
};

/// Events that may wait for a slow reader before the computing waits as well.
const CHANNEL: usize = 64;

/// How an engine is set up.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The name under which it appears in routes and listings.
    pub name: Arc<str>,
    /// The folder whose `*.gguf` files are offered beside the built-in model.
    pub models: Option<PathBuf>,
    /// Threads that compute one request on a model of more than 64 MiB of F32 weights; smaller models always take one,
    /// since more only wait for each other. candle 0.11 multiplies a large model's quantised matrices on a pool of its
    /// own, whose width is the variable `CANDLE_NUM_THREADS` of the environment, or else the number of cores.
    pub threads: usize,
    /// Requests that compute at the same time.
    pub slots: usize,
    /// Requests that may wait for a slot; more are told that the engine is overloaded.
    pub queue: usize,
    /// Bytes that the weights of loaded models may take together. Running conversations come on top: at most `slots`
    /// times a model's `cache_bytes_per_request`.
    pub memory_budget: u64,
    /// Begin to load the built-in model at once, in the background.
    pub preload_builtin: bool,
}

impl Default for EngineConfig {
    /// No folder, two slots, sixteen waiting, as many threads as the machine has, no memory limit, nothing preloaded.
    fn default() -> Self {
        Self {
            name: "engine".into(),
            models: None,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            slots: 2,
            queue: 16,
            memory_budget: u64::MAX,
            preload_builtin: false,
        }
    }
}

/// Variables that the process should start with, where nobody has set them otherwise, for `threads` as in
/// [`EngineConfig::threads`]. candle 0.11 takes its numbers of threads from there alone, and without the first variable
/// it asks the system for the number of cores before every product of matrices (on Linux by reading `/proc/cpuinfo`):
/// the built-in model then writes a tenth of the tokens per second.
pub fn environment(threads: usize) -> [(&'static str, String); 2] {
    [("RAYON_NUM_THREADS", "1".into()), ("CANDLE_NUM_THREADS", threads.max(1).to_string())]
}

/// Models in this process.
///
/// Needs a tokio runtime around its calls, with time enabled if they have deadlines.
#[derive(Clone)]
pub struct Engine {
    name: Arc<str>,
    threads: usize,
    registry: Registry,
    slots: Arc<Slots>,
}

impl Engine {
    /// An engine; nothing is loaded yet. Returns at once: models are looked for when they are first asked for.
    ///
    /// # Errors
    /// [`ErrorKind::Server`] when a preload is wanted and the system gives no thread for it, and
    /// [`ErrorKind::TooLarge`] when the memory budget does not even allow the built-in model.
    pub fn new(config: EngineConfig) -> Result<Self, Error> {
        let registry = Registry::new(config.models, config.memory_budget);
        if config.preload_builtin
            && let Some(ticket) = registry.load(builtin::ID)?
        {
            ticket.detach();
        }
        let slots = Slots::new(config.slots, config.queue);
        Ok(Self { name: config.name, threads: config.threads.max(1), registry, slots })
    }

    /// Requests that compute at this moment.
    pub fn busy_slots(&self) -> usize {
        self.slots.busy()
    }

    /// Loads that were begun since the engine was made; those who join one do not count.
    pub fn loads_begun(&self) -> u64 {
        self.registry.loads()
    }

    async fn answer(&self, call: Call) -> Result<Reply, Error> {
        match &*call.op {
            Op::Chat(_) | Op::Complete(_) | Op::Embed(_) | Op::Infer(_) => self.compute(call).await,
            Op::ListModels { ready_only } => Ok(self.list(*ready_only).await),
            Op::Describe { .. } => {
                let id = model(&call);
                self.find(id).await?;
                Ok(self.ready(EventKind::Models(vec![self.registry.info(id)?])))
            }
            Op::ModelConfig { .. } => {
                let id = model(&call);
                self.find(id).await?;
                Ok(self.ready(EventKind::ModelConfig(configuration(&self.registry.info(id)?))))
            }
            Op::Statistics { .. } => {
                Ok(self.ready(EventKind::Statistics(self.registry.statistics(call.model.as_deref())?)))
            }
            Op::Load { .. } => self.load(named(&call)?).await,
            Op::Unload { .. } => {
                let id = named(&call)?;
                self.find(id).await?;
                within(call.deadline, "the model's running requests", self.registry.unload(id)).await?;
                let state = ModelState::Unloaded;
                Ok(self.ready(EventKind::Progress(Progress { model: id.into(), state, ..Progress::default() })))
            }
            Op::Health(scope) => self.health(&call, scope).await,
            Op::ServerInfo => Ok(self.ready(EventKind::Server(ServerInfo {
                name: "longshore-engine".into(),
                version: env!("CARGO_PKG_VERSION").into(),
                extensions: vec!["model_repository".into(), "statistics".into()],
                ..ServerInfo::default()
            }))),
            other => {
                let message = format!("the engine has no `{}`", other.kind().name());
                Err(Error::new(ErrorKind::Unsupported, message).sent(Sent::No))
            }
        }
    }

    async fn compute(&self, call: Call) -> Result<Reply, Error> {
        let entered = Instant::now();
        // The place comes first: who cannot wait is told so before a model is loaded for nothing.
        let place = self.slots.enter()?;
        let id = model(&call);
        self.find(id).await?;
        let lease = within(call.deadline, "the model to be loaded", self.registry.acquire(id)).await?;
        let turn = within(call.deadline, "a free slot", place.turn()).await?;
        let threads = if lease.model().is_some_and(|model| model.small) { 1 } else { self.threads };
        let (events, mut received) = mpsc::channel(CHANNEL);
        let work = Work {
            op: call.op.clone(),
            lease,
            registry: self.registry.clone(),
            deadline: call.deadline,
            events,
            entered,
            started: Instant::now(),
        };
        turn.run(threads, move || work.run())?;
        let events = stream::poll_fn(move |context| received.poll_recv(context)).boxed();
        Reply::commit(self.route(), events).await
    }

    async fn list(&self, ready_only: bool) -> Reply {
        let unread = self.rescan().await.err();
        let unread = unread.map(|error| EventKind::Unavailable { server: self.name.clone(), error });
        Reply::ready(self.route(), unread.into_iter().chain([EventKind::Models(self.registry.list(ready_only))]))
    }

    async fn load(&self, id: &str) -> Result<Reply, Error> {
        // A file may have been replaced since it was last looked at.
        if id != builtin::ID {
            self.rescan().await?;
        }
        match self.registry.load(id)? {
            Some(ticket) => Reply::commit(self.route(), progress(id.into(), ticket)).await,
            None => {
                let size = self.registry.info(id)?.size_bytes;
                let state = ModelState::Ready;
                Ok(self.ready(EventKind::Progress(Progress {
                    model: id.into(),
                    state,
                    done_bytes: size,
                    total_bytes: size,
                    ..Progress::default()
                })))
            }
        }
    }

    async fn health(&self, call: &Call, scope: &HealthScope) -> Result<Reply, Error> {
        let report = match scope {
            HealthScope::Live | HealthScope::Ready => HealthReport { ok: true, detail: None },
            HealthScope::Model { .. } => {
                let id = model(call);
                self.find(id).await?;
                let state = self.registry.info(id)?.state;
                let detail = match &state {
                    ModelState::Ready => None,
                    ModelState::Failed(reason) => Some(reason.clone()),
                    ModelState::Unloaded => Some("unloaded; it is loaded when it is first used".into()),
                    other => Some(other.as_str().to_owned()),
                };
                HealthReport { ok: state == ModelState::Ready, detail }
            }
            #[expect(unreachable_patterns, reason = "scopes may come to be added")]
            _ => HealthReport { ok: false, detail: Some("the engine does not know this scope".into()) },
        };
        Ok(self.ready(EventKind::Health(report)))
    }

    /// Looks at the folder if the model is not known yet.
    async fn find(&self, id: &str) -> Result<(), Error> {
        if self.registry.knows(id) { Ok(()) } else { self.rescan().await }
    }

    async fn rescan(&self) -> Result<(), Error> {
        let registry = self.registry.clone();
        let scanned = tokio::task::spawn_blocking(move || registry.rescan()).await;
        scanned.unwrap_or_else(|error| {
            Err(Error::new(ErrorKind::Server, "the models folder was not read").caused_by(error))
        })
    }

    fn route(&self) -> Route {
        Route::in_process(self.name.clone())
    }

    fn ready(&self, kind: EventKind) -> Reply {
        Reply::ready(self.route(), [kind])
    }
}

impl Backend for Engine {
    /// Chat, completion, embedding and inference wait for their model, which is loaded if need be, and for a slot.
    /// Dropping the future or the events gives both back within a token. A load's events are its progress in bytes;
    /// dropping them cancels the load, unless somebody else waits for it too. An unload that has begun is not undone.
    ///
    /// # Errors
    /// Beside what the model answers: `Overloaded` when the queue is full or the memory is taken, `ModelNotReady` while
    /// the model drains, `Unsupported` for a file that candle cannot run, `Timeout` when the deadline passes.
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Reply, Error>> {
        Box::pin(self.answer(call))
    }

    /// Everything but fetching models: they are files in a folder.
    fn capabilities(&self) -> Option<Capabilities> {
        Some(Capabilities::ALL.without(Capabilities::of(&[OpKind::Pull])))
    }
}

/// The model asked for; the built-in one when none is.
fn model(call: &Call) -> &str {
    match call.model_name() {
        "" => builtin::ID,
        name => name,
    }
}

/// How a text model is configured, in the words of Triton's model configuration.
fn configuration(info: &ModelInfo) -> serde_json::Value {
    let tensors = |specs: Vec<TensorSpec>| -> Vec<_> {
        specs.iter().map(|spec| json!({"name": spec.name, "data_type": "TYPE_STRING", "dims": spec.shape})).collect()
    };
    json!({
        "name": info.id,
        "platform": info.platform,
        "backend": "candle",
        "max_batch_size": 0,
        "input": tensors(text_model::inputs()),
        "output": tensors(text_model::outputs()),
        "model_transaction_policy": {"decoupled": true},
    })
}

/// The model asked for; lifecycle operations do not guess.
fn named(call: &Call) -> Result<&str, Error> {
    match call.model_name() {
        "" => Err(Error::invalid("no model is named").sent(Sent::No)),
        name => Ok(name),
    }
}

async fn within<T>(
    deadline: Option<Instant>,
    what: &str,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let Some(deadline) = deadline else { return work.await };
    match tokio::time::timeout_at(deadline.into(), work).await {
        Ok(result) => result,
        Err(_) => {
            let message = format!("the call's deadline passed while it waited for {what}");
            Err(Error::new(ErrorKind::Timeout, message).sent(Sent::No))
        }
    }
}

/// A load as events.
fn progress(model: Arc<str>, ticket: Ticket) -> Events {
    enum Step {
        Look(Ticket),
        Wait(Ticket),
        End,
        Over,
    }
    let kind = move |status: &Status, state| {
        let total_bytes = Some(status.total_bytes).filter(|bytes| *bytes > 0);
        let (model, done_bytes) = (model.clone(), Some(status.done_bytes));
        EventKind::Progress(Progress { model, state, done_bytes, total_bytes, ..Progress::default() })
    };
    stream::unfold(Step::Look(ticket), move |step| {
        let kind = kind.clone();
        async move {
            let mut ticket = match step {
                Step::Look(ticket) => ticket,
                Step::Wait(mut ticket) => {
                    ticket.changed().await;
                    ticket
                }
                Step::End => return Some((Ok(Event::now(EventKind::Done(Finish::Stop))), Step::Over)),
                Step::Over => return None,
            };
            let status = ticket.status();
            Some(match &status.result {
                None => (Ok(Event::now(kind(&status, ModelState::Loading))), Step::Wait(ticket)),
                Some(Ok(())) => (Ok(Event::now(kind(&status, ModelState::Ready))), Step::End),
                Some(Err(error)) => (Err(error.clone()), Step::Over),
            })
        }
    })
    .boxed()
}
