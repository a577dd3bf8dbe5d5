//! A load, unload or pull under way, and those who wait for it: [`Change`].
//!
//! Each that joins sees where it stands and what follows. It goes on while one of them is left: the last one to go
//! calls it off.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use longshore_core::{
    Attempt, Error, ErrorKind, Event, EventKind, Finish, ModelState, Op, Reply, Route, Sent, model::Progress,
};
use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{Instant, timeout_at},
};

/// A server that says nothing for this long is said to be at work. Until then an error is the call's own, and the ledger
/// is in the reply.
const QUIET: Duration = Duration::from_millis(100);

/// A load, unload or pull under way. Dropping the last one of its owners calls it off.
pub(super) struct Change {
    pub(super) op: Arc<Op>,
    pub(super) model: Arc<str>,
    pub(super) started: Instant,
    stage: watch::Receiver<Stage>,
    task: AbortHandle,
}

/// How far it is.
#[derive(Clone, Default)]
pub(super) struct Stage {
    /// The last progress, and how many there were.
    progress: Option<(u64, Event, Progress)>,
    /// Who is at it, once that is known, and the attempts until then.
    committed: Option<(Route, Vec<Attempt>)>,
    /// Set once, at the end.
    outcome: Option<Result<Finish, Error>>,
}

impl Stage {
    /// One more step; what else the frame said is for none of those who joined in particular.
    pub(super) fn step(&mut self, at: std::time::Instant, progress: Progress) {
        let count = self.progress.as_ref().map_or(0, |(count, ..)| *count) + 1;
        let event = Event { at, kind: EventKind::Progress(progress.clone()), raw: None };
        self.progress = Some((count, event, progress));
    }

    pub(super) fn state(&self) -> Option<&ModelState> {
        self.progress.as_ref().map(|(_, _, progress)| &progress.state)
    }

    pub(super) fn commit(&mut self, route: Route, ledger: Vec<Attempt>) {
        self.committed = Some((route, ledger));
    }

    pub(super) fn end(&mut self, outcome: Result<Finish, Error>) {
        self.outcome = Some(outcome);
    }
}

impl Change {
    pub(super) fn new(op: Arc<Op>, model: Arc<str>, stage: watch::Receiver<Stage>, task: AbortHandle) -> Arc<Self> {
        Arc::new(Self { op, model, started: Instant::now(), stage, task })
    }

    /// Whether it is not over.
    pub(super) fn is_going_on(&self) -> bool {
        self.stage.borrow().outcome.is_none() && !self.task.is_finished()
    }

    /// Where it stands; before the first word from the server, what is being done.
    pub(super) fn progress(&self) -> Progress {
        let told = self.stage.borrow().progress.as_ref().map(|(_, _, progress)| progress.clone());
        told.unwrap_or_else(|| Progress { model: Arc::clone(&self.model), state: self.busy(), ..Progress::default() })
    }

    fn busy(&self) -> ModelState {
        if matches!(*self.op, Op::Unload { .. }) { ModelState::Draining } else { ModelState::Loading }
    }

    /// What tells when it is over, without being one of those for whom it goes on.
    pub(super) fn end(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stage = self.stage.clone();
        async move {
            // If it was called off, it is over too.
            let _ = stage.wait_for(|stage| stage.outcome.is_some()).await;
        }
    }

    /// The answer for one that has joined: it resolves when the server has begun to tell, or says nothing for a while.
    /// `route` is where the request goes, as far as that is known before it. After `deadline` this one waits no longer.
    ///
    /// # Errors
    /// Why it failed, where that is known so soon.
    pub(super) async fn reply(self: Arc<Self>, route: Route, deadline: Instant) -> Result<Reply, Error> {
        let mut stage = self.stage.clone();
        let told = |stage: &Stage| stage.outcome.is_some() || stage.committed.is_some() && stage.progress.is_some();
        let patience = (self.started + QUIET).min(deadline);
        // Whichever it was, what is known now is what counts.
        let _ = timeout_at(patience, stage.wait_for(told)).await;
        let now = stage.borrow_and_update().clone();
        if let Some(Err(error)) = now.outcome {
            return Err(error);
        }
        let (route, ledger) = now.committed.unwrap_or((route, Vec::new()));
        let first = Event::now(EventKind::Progress(self.progress()));
        let seen = now.progress.as_ref().map_or(0, |(count, ..)| *count);
        let joined = Joined { change: self, stage, seen, deadline };
        let rest = stream::unfold(Some(joined), |joined| async move { joined?.next().await });
        // What stood at the end is told by the end itself.
        let first = stream::iter([Ok(now.progress.map_or(first, |(_, event, _)| event))]);
        Ok(Reply { route, ledger, cache: None, events: first.chain(rest).boxed() })
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One of those who wait.
struct Joined {
    change: Arc<Change>,
    stage: watch::Receiver<Stage>,
    /// How many steps this one has been told.
    seen: u64,
    deadline: Instant,
}

impl Joined {
    async fn next(mut self) -> Option<(Result<Event, Error>, Option<Self>)> {
        loop {
            let Stage { progress, outcome, .. } = self.stage.borrow_and_update().clone();
            if let Some((count, event, _)) = progress.filter(|(count, ..)| *count > self.seen) {
                self.seen = count;
                return Some((Ok(event), Some(self)));
            }
            match outcome {
                Some(Ok(finish)) => return Some((Ok(Event::now(EventKind::Done(finish))), None)),
                Some(Err(error)) => return Some((Err(error), None)),
                None => {}
            }
            match timeout_at(self.deadline, self.stage.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Some((Err(called_off(&self.change)), None)),
                Err(_) => return Some((Err(late(&self.change)), None)),
            }
        }
    }
}

fn called_off(change: &Change) -> Error {
    let message = format!("to {} was called off, for `{}`", change.op.kind().name(), change.model);
    Error::new(ErrorKind::Cancelled, message).sent(Sent::Maybe)
}

fn late(change: &Change) -> Error {
    let state = change.progress().state;
    let waited = Instant::now().saturating_duration_since(change.started);
    let message =
        format!("`{}` was still {} after {waited:?}, when the call's deadline passed", change.model, state.as_str());
    Error::new(ErrorKind::Timeout, message).sent(Sent::Maybe)
}
