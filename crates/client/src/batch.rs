//! Several calls in one request: [`Batcher`], and [`Batched`], a [`Backend`] with one in front of it.
//!
//! A call goes at once while no other of its kind is on its way; those that come meanwhile are gathered, and go
//! together when that one is back, when they are many enough, or when the first has waited long enough. So nobody
//! waits for an idle server. Each gets its own part, in its own order, and may leave, or be late, alone.
//!
//! It joins what a server can answer in one request: texts to embed, texts to continue, tensors along their first axis.
//! It does not join chats, and does not decide which server is asked.

mod item;
mod lane;
mod rows;
mod share;
mod tensors;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_core::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use longshore_core::{Attempt, Backend, Call, Error, ErrorKind, Reply, Sent};
use tokio::time::{Instant, timeout_at};

use crate::{join::Seat, member::since, metrics};
use item::{Fit, Key, fit};
use lane::{Entry, Lane, Place, Turn};
use share::Share;
use tensors::Models;

/// What is joined, and how much.
#[derive(Clone, Debug)]
pub struct BatchConfig {
    /// The most items (texts, or rows of tensors) in one request.
    pub max_size: usize,
    /// How long a call waits for others, while another one of its kind is on its way.
    pub max_wait: Duration,
    /// Whether embeddings are joined.
    pub embeddings: bool,
    /// Whether completions are joined. Servers with continuous batching (llama-server, vLLM) do better themselves; and
    /// as the vocabulary has one reason for an answer's end, that of the joint answer stands for all its parts.
    pub completions: bool,
    /// Whether tensors are joined, where the model's metadata says that the first axis is free, and its configuration
    /// does not say that the server batches itself (Triton's dynamic batching).
    pub tensors: bool,
}

impl Default for BatchConfig {
    /// 32 items, 5 ms; embeddings and tensors, no completions.
    fn default() -> Self {
        Self { max_size: 32, max_wait: Duration::from_millis(5), embeddings: true, completions: false, tensors: true }
    }
}

/// Joins calls. Clones gather together.
#[derive(Clone)]
pub struct Batcher(Arc<Inner>);

struct Inner {
    config: BatchConfig,
    /// Those with a call on its way, or waiting.
    lanes: Mutex<HashMap<Key, Lane>>,
    models: Models,
}

impl Batcher {
    /// Nothing gathered yet.
    pub fn new(config: BatchConfig) -> Self {
        Self(Arc::new(Inner { config, lanes: Mutex::default(), models: Models::default() }))
    }

    /// This backend with the batcher in front of it. Only calls through the same backend may share a batcher.
    pub fn wrap<B: Backend + Clone + 'static>(&self, backend: B) -> Batched<B> {
        Batched { batcher: self.clone(), backend }
    }

    fn lanes(&self) -> MutexGuard<'_, HashMap<Key, Lane>> {
        self.0.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Batcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batcher").field("config", &self.0.config).finish_non_exhaustive()
    }
}

/// A backend whose calls are joined.
///
/// Token counts of a joint answer are divided: the prompt's in proportion to the lengths of the texts (the numbers of
/// tokens, where the call has tokens), the answer's in proportion to the texts that came. The parts add up to what the
/// server counted, and each is an estimate.
#[derive(Clone)]
pub struct Batched<B> {
    batcher: Batcher,
    backend: B,
}

impl<B: Backend + Clone + 'static> Backend for Batched<B> {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Reply, Error>> {
        self.ask(call).boxed()
    }
}

impl<B: Backend + Clone + 'static> Batched<B> {
    async fn ask(&self, call: Call) -> Result<Reply, Error> {
        if call.op.is_lifecycle() {
            self.batcher.0.models.forget(call.model_name());
        }
        let Some(mut fit) = fit(&call, &self.batcher.0.config) else { return self.backend.call(call).await };
        if !self.knows(&call, &mut fit).await {
            return self.alone(call, self.batcher.turn(fit.key)).await;
        }
        match self.batcher.enter(&fit, &call) {
            Entry::Alone(turn) => self.alone(call, turn).await,
            Entry::Waits(place) => self.together(call, place).await,
        }
    }

    /// Whether the tensors may be joined, as far as is known. While nobody else is on the way it makes no difference,
    /// and the model is not asked about.
    async fn knows(&self, call: &Call, fit: &mut Fit) -> bool {
        let idle = !self.batcher.lanes().contains_key(&fit.key);
        !fit.tensors || idle || self.batcher.0.models.can_join(&self.backend, call, fit).await
    }

    async fn alone(&self, call: Call, turn: Turn) -> Result<Reply, Error> {
        count(&call, "alone");
        let mut reply = self.backend.call(call).await?;
        reply.events = reply.events.map(move |event| (event, &turn).0).boxed();
        Ok(reply)
    }

    async fn together(&self, call: Call, place: Place) -> Result<Reply, Error> {
        let (came, deadline) = (Instant::now(), call.deadline.map(Instant::from_std));
        let gathered = self.batcher.launched(place, &self.backend);
        let (seat, share) = match deadline {
            Some(deadline) => timeout_at(deadline, gathered).await.map_err(|_| late(came))?,
            None => gathered.await,
        };
        let whole = share.is_whole();
        match part(seat, share).await {
            Err(error) if !whole && call.replayable && says_nothing_of_one(&error) => self.again(call, error).await,
            result => {
                count(&call, if whole { "alone" } else { "joined" });
                result
            }
        }
    }

    /// One bad member must not spoil the others: each is asked by itself, once.
    async fn again(&self, call: Call, error: Error) -> Result<Reply, Error> {
        count(&call, "again");
        tracing::debug!(call = &*call.id, %error, "a joint request failed: each is asked alone");
        let before = error.ledger().to_vec();
        let all = |after: &[Attempt]| before.iter().chain(after).cloned().collect();
        match self.backend.call(call).await {
            Ok(mut reply) => {
                reply.ledger = all(&reply.ledger);
                Ok(reply)
            }
            Err(error) => {
                let ledger = all(error.ledger());
                Err(error.attempts(ledger))
            }
        }
    }
}

/// One member's part of the joint answer, committed at its own first content.
async fn part(seat: Seat, share: Share) -> Result<Reply, Error> {
    let joint = seat.reply().await?;
    let (route, ledger, cache) = (joint.route, joint.ledger, joint.cache);
    match Reply::commit(route, share.of(joint.events)).await {
        Ok(reply) => Ok(Reply { ledger, cache, ..reply }),
        Err(error) if error.ledger().is_empty() => Err(error.attempts(ledger)),
        Err(error) => Err(error),
    }
}

fn late(came: Instant) -> Error {
    let message = format!("not sent after {:?}, when the deadline of the whole call passed", since(came));
    Error::new(ErrorKind::Timeout, message).sent(Sent::No)
}

/// Whether the members of a request that failed so may fare better one by one.
fn says_nothing_of_one(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::InvalidRequest
            | ErrorKind::ContextTooLong
            | ErrorKind::TooLarge
            | ErrorKind::Server
            | ErrorKind::Protocol
            | ErrorKind::Interrupted
            | ErrorKind::Unsupported
    )
}

fn count(call: &Call, result: &'static str) {
    metrics::batched(call.op.kind(), result);
}
