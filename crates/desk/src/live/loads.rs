//! Loads, unloads and pulls that the page has begun: [`Loads`]. Each is a task of the daemon, which goes on when the page
//! is closed; calling one off drops its call.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use longshore_core::{Backend, Call, Error, ErrorKind, EventKind, ModelState, Op, Sent, model::Progress};
use serde::{Deserialize, Serialize};
use tokio::task::AbortHandle;
use utoipa::ToSchema;

use super::{Watched, wall_clock};
use crate::{Problem, words};

/// Loads under way at a time.
const MOST: usize = 32;
/// How long one that has ended is still shown.
const SHOWN: Duration = Duration::from_secs(60);

/// What is done with a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// Make it ready.
    Load,
    /// Give its memory back.
    Unload,
    /// Have the server fetch it.
    Pull,
}

impl Order {
    fn op(self) -> Op {
        let parameters = Default::default();
        match self {
            Self::Load => Op::Load { parameters },
            Self::Unload => Op::Unload { parameters },
            Self::Pull => Op::Pull { parameters },
        }
    }

    /// To stand after "failed to ".
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Unload => "unload",
            Self::Pull => "pull",
        }
    }
}

/// A load, unload or pull.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Load {
    /// To call it off by.
    pub(crate) id: String,
    /// Where.
    pub(crate) server: String,
    /// Of which model.
    pub(crate) model: String,
    /// What is done.
    pub(crate) op: Order,
    /// How it stands.
    #[schema(value_type = words::LoadState)]
    pub(crate) state: &'static str,
    /// How far it is, where the server tells.
    pub(crate) done_bytes: Option<u64>,
    /// And how far it goes.
    pub(crate) total_bytes: Option<u64>,
    /// Since when, in milliseconds since 1970.
    pub(crate) started_at: u64,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<Problem>,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Loads {
    next: AtomicU64,
    tasks: Mutex<VecDeque<Task>>,
}

struct Task {
    load: Load,
    abort: Option<AbortHandle>,
    ended: Option<Instant>,
}

impl Loads {
    /// Begins.
    ///
    /// # Errors
    /// Too many are under way.
    pub(crate) fn begin(
        self: &Arc<Self>,
        backend: Arc<dyn Backend>,
        watched: &Arc<Watched>,
        (op, server, model): (Order, &str, &str),
    ) -> Result<Load, Error> {
        let mut tasks = self.lock();
        if tasks.iter().filter(|task| task.ended.is_none()).count() >= MOST {
            let message = format!("{MOST} loads are under way, which is the most");
            return Err(Error::new(ErrorKind::Overloaded, message).sent(Sent::No));
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let load = Load {
            id: id.clone(),
            server: server.into(),
            model: model.into(),
            op,
            state: "running",
            done_bytes: None,
            total_bytes: None,
            started_at: wall_clock(),
            error: None,
        };
        let call = Call::new(op.op()).model(model).server(server);
        let (loads, watched, begun) = (Arc::clone(self), Arc::clone(watched), load.clone());
        let work = tokio::spawn(async move {
            let started = Instant::now();
            let result = follow(&*backend, call, |step| loads.change(&begun.id, |load| progress(load, step))).await;
            let (model, verb, seconds) = (&begun.model, begun.op.verb(), started.elapsed().as_secs_f64());
            let text = match &result {
                Ok(()) => format!("{verb} of `{model}` done after {seconds:.1} s"),
                Err(error) => format!("failed to {verb} `{model}`: {}", error.headline()),
            };
            watched.event(&begun.server, "load", text);
            loads.end(&begun.id, result.err());
        });
        tasks.push_back(Task { load: load.clone(), abort: Some(work.abort_handle()), ended: None });
        Ok(load)
    }

    /// Calls one off; whether there is such a one under way.
    pub(crate) fn cancel(&self, id: &str) -> bool {
        let mut tasks = self.lock();
        let Some(task) = tasks.iter_mut().find(|task| task.load.id == id && task.ended.is_none()) else { return false };
        if let Some(abort) = task.abort.take() {
            abort.abort();
        }
        (task.load.state, task.ended) = ("cancelled", Some(Instant::now()));
        true
    }

    /// Those under way, and those that have just ended.
    pub(crate) fn view(&self) -> Vec<Load> {
        let mut tasks = self.lock();
        tasks.retain(|task| task.ended.is_none_or(|ended| ended.elapsed() < SHOWN));
        tasks.iter().map(|task| task.load.clone()).collect()
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Load)) {
        if let Some(task) = self.lock().iter_mut().find(|task| task.load.id == id) {
            change(&mut task.load);
        }
    }

    fn end(&self, id: &str, error: Option<Error>) {
        if let Some(task) = self.lock().iter_mut().find(|task| task.load.id == id && task.ended.is_none()) {
            task.load.state = if error.is_some() { "failed" } else { "done" };
            task.load.error = error.as_ref().map(|error| {
                let mut problem = Problem::from(error);
                problem.what = Some(format!("{} `{}` on {}", task.load.op.verb(), task.load.model, task.load.server));
                problem
            });
            (task.ended, task.abort) = (Some(Instant::now()), None);
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Task>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn progress(load: &mut Load, step: &Progress) {
    (load.done_bytes, load.total_bytes) = (step.done_bytes, step.total_bytes.or(load.total_bytes));
}

/// To the end of a lifecycle call. A model that failed is a failure, whatever the call's own end was.
async fn follow(backend: &dyn Backend, call: Call, mut each: impl FnMut(&Progress)) -> Result<(), Error> {
    let model = call.model_name().to_owned();
    let mut events = backend.call(call).await?.events;
    let mut last = None;
    while let Some(event) = events.next().await {
        if let EventKind::Progress(step) = event?.kind {
            each(&step);
            last = Some(step.state);
        }
    }
    match last {
        Some(ModelState::Failed(reason)) => Err(Error::new(ErrorKind::Server, reason).context("model", model)),
        _ => Ok(()),
    }
}
