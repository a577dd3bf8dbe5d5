//! One answer, from the question to its last word on the disk: [`Run`].

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, future::BoxFuture};
use longshore_core::{Backend, Blame, Call, Error, ErrorKind, Events, Op, Sent, Step, Watch, call::Chat};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{
    answers::{Asked, Limits, Running, Stopped, Target, Upstream},
    draft::Draft,
    elsewhere::elsewhere,
    event::{AnswerEvent, Phase},
    log::Log,
};
use crate::{
    calls::Attempt,
    store::{AnswerState, Store},
};

/// How long what has come may be in memory alone.
const UNSAVED_TIME: Duration = Duration::from_millis(250);
/// So many bytes are written down at once.
const UNSAVED_BYTES: usize = 16 << 10;

/// See the module.
pub(super) struct Run {
    store: Store,
    backend: Arc<dyn Backend>,
    chat: Chat,
    target: Target,
    may_move: bool,
    /// How often it may still go on elsewhere.
    left: u32,
    answer_bytes: usize,
    running: Arc<Running>,
    closing: CancellationToken,
    draft: Draft,
    id: String,
    /// Servers that have had this question.
    tried: Vec<String>,
    saving: Option<BoxFuture<'static, Result<(), Error>>>,
    saved_at: Instant,
}

/// How one server's part ended.
enum Part {
    Whole,
    Stopped(Upstream),
    /// This process ends.
    Closed,
    Broken(Error),
    /// Nothing had come from there.
    Silent(Error),
}

impl Run {
    pub(super) fn new(
        store: Store,
        backend: Arc<dyn Backend>,
        asked: Asked,
        running: Arc<Running>,
        limits: &Limits,
        closing: CancellationToken,
    ) -> Self {
        let Asked { message, chat, target, may_move } = asked;
        Self {
            store,
            backend,
            chat,
            target,
            may_move,
            left: limits.continue_elsewhere,
            answer_bytes: limits.answer_bytes,
            id: message.id.clone(),
            draft: Draft::new(message, Arc::clone(&running.log)),
            running,
            closing,
            tried: Vec::new(),
            saving: None,
            saved_at: Instant::now(),
        }
    }

    /// Asks, and asks again elsewhere where that is allowed; ends when the answer is written down.
    pub(super) async fn run(mut self) {
        let mut because = None;
        let (state, error) = loop {
            match self.part(because.as_ref()).await {
                Part::Whole => break (AnswerState::Done, None),
                Part::Stopped(upstream) => {
                    self.stopped(upstream);
                    break (AnswerState::Stopped, None);
                }
                Part::Closed => {
                    let error = Error::new(ErrorKind::Interrupted, "Longshore was closed while the answer came");
                    break (AnswerState::Interrupted, Some(error));
                }
                Part::Broken(error) => match self.move_on(&error).await {
                    true => because = Some(error),
                    false if self.running.stop.is_cancelled() => {
                        self.stopped(Upstream::AlreadyEnded);
                        break (AnswerState::Stopped, Some(error));
                    }
                    false => break (AnswerState::Interrupted, Some(error)),
                },
                Part::Silent(error) => match self.may_ask_elsewhere(&error) && self.move_on(&error).await {
                    true => because = because.or(Some(error)),
                    false => break (self.end_of_silence(), Some(because.unwrap_or(error))),
                },
            }
        };
        self.finish(state, error.as_ref()).await;
    }

    /// One server's part of the answer, or the fleet's.
    async fn part(&mut self, because: Option<&Error>) -> Part {
        self.draft.ask();
        let phase = Phase::Queued;
        self.running.log.add(AnswerEvent::Phase { phase, server: self.target.server.clone(), protocol: None });
        let call = self.call();
        let reply = {
            let backend = Arc::clone(&self.backend);
            tokio::select! {
                biased;
                () = self.running.stop.cancelled() => return Part::Stopped(Upstream::Cancelled),
                () = self.closing.cancelled() => return Part::Closed,
                reply = async move { backend.call(call).await } => reply,
            }
        };
        let mut reply = match reply {
            Ok(reply) => reply,
            Err(error) => return self.silent(error, because.is_some()),
        };
        if because.is_some() {
            self.left = self.left.saturating_sub(1);
        }
        self.tried.push(reply.route.server.to_string());
        self.draft.begin(&reply, self.target.model.as_deref().unwrap_or_default(), because);
        let events = std::mem::replace(&mut reply.events, futures_util::stream::empty().boxed());
        let part = self.listen(events).await;
        match &part {
            Part::Whole => self.draft.end(None, true),
            Part::Broken(error) => self.draft.end(Some(error), false),
            _ => self.draft.end(None, false),
        }
        part
    }

    fn call(&self) -> Call {
        let mut call = Call::new(Op::Chat(self.chat.clone()));
        call.model = self.target.model.as_deref().map(Into::into);
        call.server = self.target.server.as_deref().map(Into::into);
        call.watch = Some(watch(Arc::clone(&self.running.log)));
        call
    }

    /// Nobody has begun to answer.
    fn silent(&mut self, error: Error, again: bool) -> Part {
        let servers = error.ledger().iter().map(|attempt| attempt.route.server.to_string());
        let servers: Vec<String> = self.target.server.iter().cloned().chain(servers).collect();
        let shown = !again && !self.draft.has_segments() && self.may_ask_elsewhere(&error);
        if let Some(server) = servers.first().filter(|_| shown) {
            self.draft.stayed_silent(server, self.target.model.as_deref().unwrap_or_default(), &error);
        }
        self.tried.extend(servers);
        self.draft.end(Some(&error), false);
        Part::Silent(error)
    }

    /// Takes in events until the end, and has them written down meanwhile: the stream does not wait for the disk.
    async fn listen(&mut self, mut events: Events) -> Part {
        loop {
            let save_at = self
                .draft
                .unsaved()
                .map(|bytes| if bytes >= UNSAVED_BYTES { Instant::now() } else { self.saved_at + UNSAVED_TIME });
            let save_at = save_at.filter(|_| self.saving.is_none());
            tokio::select! {
                biased;
                () = self.running.stop.cancelled() => {
                    drop(events);
                    return Part::Stopped(Upstream::Cancelled);
                }
                () = self.closing.cancelled() => return Part::Closed,
                saved = saved(&mut self.saving) => self.was_saved(saved),
                () = sleep_until(save_at.unwrap_or_else(Instant::now)), if save_at.is_some() => self.save(),
                event = events.next() => match event {
                    Some(Ok(event)) => {
                        let done = matches!(event.kind, longshore_core::EventKind::Done(_));
                        self.draft.add(event);
                        if done {
                            return Part::Whole;
                        }
                        if self.draft.bytes() > self.answer_bytes {
                            let message = format!("the answer is longer than `desk.answer_bytes`, {}", self.answer_bytes);
                            return Part::Broken(Error::new(ErrorKind::TooLarge, message).sent(Sent::Yes));
                        }
                    }
                    Some(Err(error)) => return Part::Broken(error),
                    None => return Part::Broken(Error::new(ErrorKind::Interrupted, "the answer ended without its end mark")),
                },
            }
        }
    }

    fn save(&mut self) {
        let (answer, pieces) = self.draft.take_unsaved();
        let (store, id) = (self.store.clone(), self.id.clone());
        self.saving = Some(async move { store.progress(&id, answer, pieces).await }.boxed());
    }

    fn was_saved(&mut self, result: Result<(), Error>) {
        (self.saving, self.saved_at) = (None, Instant::now());
        if let Err(error) = result {
            tracing::warn!(%error, answer = self.id, "what has come of an answer cannot be written down");
            self.draft.not_saved(&error);
        }
    }

    /// Whether another server may be asked where nothing has come: only where one was named, since else all were.
    fn may_ask_elsewhere(&self, error: &Error) -> bool {
        self.target.server.is_some() && error.blame() == Blame::Fault && self.may_move && self.left > 0
    }

    /// Finds another server that has the model, and makes it the target.
    async fn move_on(&mut self, error: &Error) -> bool {
        let allowed = self.left > 0 && error.blame() == Blame::Fault && error.kind() != ErrorKind::TooLarge;
        if !allowed || (self.target.server.is_some() && !self.may_move) {
            return false;
        }
        let Some(model) = self.model() else { return false };
        let backend = Arc::clone(&self.backend);
        let found = tokio::select! {
            () = self.running.stop.cancelled() => None,
            () = self.closing.cancelled() => None,
            found = elsewhere(&*backend, &model, &self.tried) => found,
        };
        let Some(server) = found else { return false };
        self.target = Target { model: Some(model), server: Some(server) };
        true
    }

    /// The model without the server's name in front.
    fn model(&self) -> Option<String> {
        let model = self.target.model.as_deref()?;
        let front = |(server, rest): (&str, &str)| {
            self.tried.iter().any(|tried| tried.eq_ignore_ascii_case(server)).then(|| rest.to_owned())
        };
        Some(model.split_once('/').and_then(front).unwrap_or_else(|| model.to_owned()))
    }

    fn end_of_silence(&self) -> AnswerState {
        if self.draft.has_words() { AnswerState::Interrupted } else { AnswerState::Failed }
    }

    fn stopped(&self, upstream: Upstream) {
        let stopped = Stopped { state: AnswerState::Stopped, upstream, tokens: self.draft.tokens() };
        *self.running.stopped.lock().unwrap_or_else(PoisonError::into_inner) = Some(stopped);
    }

    async fn finish(mut self, state: AnswerState, error: Option<&Error>) {
        if let Some(saving) = self.saving.take() {
            let result = saving.await;
            self.was_saved(result);
        }
        let mut message = self.draft.finished(state, error);
        if let Err(failure) = self.store.finish(&message).await {
            tracing::warn!(error = %failure, answer = self.id, "an answer cannot be written down");
            self.draft.not_saved(&failure);
            message = self.draft.finished(state, error);
        }
        self.running.log.add(AnswerEvent::Done(Box::new(message)));
    }
}

/// The end of what is being saved; never, if nothing is.
async fn saved(saving: &mut Option<BoxFuture<'static, Result<(), Error>>>) -> Result<(), Error> {
    match saving {
        Some(saving) => saving.await,
        None => std::future::pending().await,
    }
}

/// Tells those who watch the answer what its call does.
fn watch(log: Arc<Log>) -> Watch {
    Watch::new(move |step| {
        let phase = |phase, route: &longshore_core::Route| AnswerEvent::Phase {
            phase,
            server: Some(route.server.to_string()),
            protocol: Some(route.protocol.as_str().into()),
        };
        log.add(match step {
            Step::Begun(route) => phase(Phase::Queued, route),
            Step::Connecting(route) => phase(Phase::Connecting, route),
            Step::Sent(route) => phase(Phase::Prompt, route),
            Step::Failed(attempt) | Step::Committed(attempt) => AnswerEvent::Attempt(Attempt::from(attempt)),
            _ => return,
        });
    })
}
