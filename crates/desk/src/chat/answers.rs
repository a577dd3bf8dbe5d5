//! The answers that are coming: [`Answers`].

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arc_swap::ArcSwap;
use futures_core::Stream;
use longshore_core::{Backend, Error, ErrorKind, Sent, call::Chat};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::{event::AnswerEvent, log::Log, run::Run};
use crate::store::{AnswerState, Message, Store};

/// How much is done at once, and how much is taken in.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How often an answer that broke off is asked for anew on another server.
    pub continue_elsewhere: u32,
    /// Bytes of one answer; a longer one is broken off.
    pub answer_bytes: usize,
    /// Bytes of one attachment.
    pub attachment_bytes: usize,
    /// Answers that come at once.
    pub answers_at_once: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { continue_elsewhere: 1, answer_bytes: 8 << 20, attachment_bytes: 10 << 20, answers_at_once: 32 }
    }
}

/// Whom to ask.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Target {
    /// The model; `null` for the fleet's own.
    pub model: Option<String>,
    /// The server; `null` leaves the choice to the fleet.
    pub server: Option<String>,
}

/// A question to one target.
pub struct Asked {
    /// The message that the answer becomes; running.
    pub message: Message,
    /// What is said to the model.
    pub chat: Chat,
    /// Who is asked.
    pub target: Target,
    /// Whether another server may take over where a server was named: not where servers are compared.
    pub may_move: bool,
}

/// What was stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Stopped {
    /// How the answer stands now.
    pub state: AnswerState,
    /// What became of the server's work.
    pub upstream: Upstream,
    /// Tokens that had come.
    pub tokens: u64,
}

/// What became of the server's work when an answer was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Upstream {
    /// It was under way, and was called off.
    Cancelled,
    /// It had ended before.
    AlreadyEnded,
}

/// The answers that are coming. Clones are the same.
#[derive(Clone)]
pub struct Answers(Arc<Inner>);

struct Inner {
    store: Store,
    limits: ArcSwap<Limits>,
    /// Ends them all, with the process.
    closing: CancellationToken,
    running: Mutex<HashMap<String, Arc<Running>>>,
}

/// One of them, as others see it.
pub(super) struct Running {
    pub(super) log: Arc<Log>,
    pub(super) stop: CancellationToken,
    /// What the stop has done; there once the answer has ended by it.
    pub(super) stopped: Mutex<Option<Stopped>>,
}

impl Answers {
    /// None yet. They are written down in `store`, and end with `closing`.
    pub fn new(store: Store, limits: Limits, closing: CancellationToken) -> Self {
        Self(Arc::new(Inner { store, limits: ArcSwap::from_pointee(limits), closing, running: Mutex::default() }))
    }

    /// How much is done at once, and how much is taken in.
    pub fn limits(&self) -> Arc<Limits> {
        self.0.limits.load_full()
    }

    /// These limits hold for what begins from now on.
    pub fn limit(&self, limits: Limits) {
        self.0.limits.store(Arc::new(limits));
    }

    /// Whether so many more may begin.
    ///
    /// # Errors
    /// `Overloaded`, with the limit.
    pub fn check_room(&self, more: usize) -> Result<(), Error> {
        let most = self.limits().answers_at_once;
        if self.running().len() + more <= most {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Overloaded, format!("{most} answers are coming, which is the limit")).sent(Sent::No))
    }

    /// Begins an answer that is in the store already, as a task of its own. Must run within a tokio runtime.
    pub fn begin(&self, backend: Arc<dyn Backend>, asked: Asked) {
        let running =
            Arc::new(Running { log: Arc::new(Log::new()), stop: CancellationToken::new(), stopped: Mutex::default() });
        let id = asked.message.id.clone();
        self.running().insert(id.clone(), Arc::clone(&running));
        let ended = Ended { answers: self.clone(), id };
        let run = Run::new(self.0.store.clone(), backend, asked, running, &self.limits(), self.0.closing.clone());
        tokio::spawn(async move {
            run.run().await;
            drop(ended);
        });
    }

    /// The events of an answer that is coming, from its beginning to its end; `None` if it is not coming any more.
    pub fn follow(&self, id: &str) -> Option<impl Stream<Item = AnswerEvent> + Send + use<>> {
        self.find(id).map(|running| Arc::clone(&running.log).follow())
    }

    /// Whether it is coming.
    pub fn is_running(&self, id: &str) -> bool {
        self.find(id).is_some()
    }

    /// Stops an answer and waits until it is written down; `None` if it is not coming any more.
    pub async fn stop(&self, id: &str) -> Option<Stopped> {
        let running = self.find(id)?;
        running.stop.cancel();
        running.log.ended().await;
        running.stopped.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn find(&self, id: &str) -> Option<Arc<Running>> {
        self.running().get(id).cloned()
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, Arc<Running>>> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes an answer off the list when its task is over, however that came.
struct Ended {
    answers: Answers,
    id: String,
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.answers.running().remove(&self.id);
    }
}
