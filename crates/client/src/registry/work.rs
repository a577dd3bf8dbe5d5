//! The task behind a load, unload or pull: let our own calls finish, ask the server, and follow what it does.

use std::sync::Arc;

use futures_util::StreamExt;
use longshore_core::{
    Call, Error, ErrorKind, EventKind, Finish, ModelState, Op, Sent, capability::OpKind, model::Progress,
};
use tokio::{
    sync::watch,
    time::{Instant, timeout, timeout_at},
};

use super::{
    Shelf,
    change::{Change, Stage},
    follow::CallOff,
    lease::Drain,
};
use crate::attempts;

impl Shelf {
    /// The load, unload or pull that `call` asks for: the one that is under way, if it is the same, else a new one.
    pub(super) fn change(self: &Arc<Self>, call: &Call, deadline: Instant) -> Arc<Change> {
        let model: Arc<str> = call.model_name().into();
        let before = match &*call.op {
            // What is on its way out must be out before it can come in again.
            Op::Load { .. } => self.records.changes(&model).into_iter().find(|change| is_unload(&change.op)),
            _ => None,
        };
        let begin = || {
            let (stage, told) = watch::channel(Stage::default());
            let work =
                Work { shelf: Arc::clone(self), call: self.upstream(call, deadline), model: Arc::clone(&model), stage };
            let end = before.as_ref().map(|change| change.end());
            let task = tokio::spawn(async move {
                if let Some(end) = end {
                    end.await;
                }
                work.run().await;
            });
            Change::new(Arc::clone(&call.op), Arc::clone(&model), told, task.abort_handle())
        };
        let change = self.records.join(&model, |change| change.op == call.op, begin);
        self.pulse.beat();
        change
    }

    /// The call as the server gets it, on behalf of all who join: so with our own limit if that is later, and always
    /// with progress.
    fn upstream(&self, call: &Call, deadline: Instant) -> Call {
        let limit = deadline.max(Instant::now() + self.settings.load);
        Call { deadline: Some(limit.into_std()), origin: None, ..call.clone() }
    }
}

fn is_unload(op: &Op) -> bool {
    matches!(op, Op::Unload { .. })
}

/// One load, unload or pull.
pub(super) struct Work {
    pub(super) shelf: Arc<Shelf>,
    pub(super) call: Call,
    pub(super) model: Arc<str>,
    stage: watch::Sender<Stage>,
}

impl Work {
    /// Where it is to end. What is pulled need not be ready.
    fn goal(&self) -> Option<ModelState> {
        match &*self.call.op {
            Op::Load { .. } => Some(ModelState::Ready),
            Op::Unload { .. } => Some(ModelState::Unloaded),
            _ => None,
        }
    }

    pub(super) fn step(&self, state: ModelState) {
        self.tell(std::time::Instant::now(), Progress { model: self.model.clone(), state, ..Progress::default() });
    }

    /// Where it stands, as far as it was told.
    pub(super) fn state(&self) -> Option<ModelState> {
        self.stage.borrow().state().cloned()
    }

    pub(super) fn tell(&self, at: std::time::Instant, progress: Progress) {
        self.stage.send_modify(|stage| stage.step(at, progress));
        self.shelf.pulse.beat();
    }

    async fn run(self) {
        let over = Over(Arc::clone(&self.shelf));
        let deadline = self.call.deadline.map_or_else(Instant::now, Instant::from_std);
        let late = |_| {
            let message = format!("to {} took longer than it may", self.call.op.kind().name());
            Err(Error::new(ErrorKind::Timeout, message).sent(Sent::Maybe))
        };
        // New calls of ours are kept away until the list is known to be no longer true.
        let mut drain = None;
        let outcome = timeout_at(deadline, self.work(&mut drain, deadline)).await.unwrap_or_else(late);
        let failed = outcome.as_ref().err().filter(|error| self.failed_there(error));
        self.shelf.records.changed(&self.model, failed.map(|error| error.message().to_owned()));
        if let Some(error) = failed {
            self.step(ModelState::Failed(error.message().to_owned()));
        }
        drop((over, drain));
        // Those who wait for its end find a list on its way that knows of it.
        self.shelf.fetch();
        self.stage.send_modify(|stage| stage.end(outcome));
        self.shelf.pulse.beat();
    }

    /// Whether the server has tried to load and could not: that is the model's state from now on.
    fn failed_there(&self, error: &Error) -> bool {
        self.call.op.kind() == OpKind::Load && matches!(error.kind(), ErrorKind::Server | ErrorKind::Overloaded)
    }

    async fn work(&self, drain: &mut Option<Drain>, deadline: Instant) -> Result<Finish, Error> {
        if is_unload(&self.call.op) {
            self.drain(drain.insert(self.shelf.member().leases.drain(&self.model))).await?;
        }
        let finish = match self.others_load().await {
            Some(finish) => finish?,
            None => self.ask(deadline).await?,
        };
        // Some say no more than that they are done.
        if let Some(goal) = self.goal().filter(|goal| finish == Finish::Stop && self.state().as_ref() != Some(goal)) {
            self.step(goal);
        }
        Ok(finish)
    }

    /// Lets the calls of ours that run finish; new ones are kept away.
    ///
    /// # Errors
    /// `Overloaded` when they do not finish in time and the configuration does not sacrifice them.
    async fn drain(&self, drain: &Drain) -> Result<(), Error> {
        let leases = &self.shelf.member().leases;
        let lifecycle = &self.shelf.settings.lifecycle;
        if leases.running(&self.model) > 0 {
            self.step(ModelState::Draining);
        }
        if timeout(lifecycle.drain, drain.drained()).await.is_err() && !lifecycle.unload_busy {
            let message = format!(
                "`{}` on `{}` is still answering {} calls after {:?} of draining; it stays loaded",
                self.model,
                self.shelf.member().name,
                leases.running(&self.model),
                lifecycle.drain
            );
            return Err(Error::new(ErrorKind::Overloaded, message).sent(Sent::No));
        }
        Ok(())
    }

    /// A plain load of what somebody else is loading already: nothing is asked, only followed.
    async fn others_load(&self) -> Option<Result<Finish, Error>> {
        let Op::Load { parameters } = &*self.call.op else { return None };
        let loading = |state: &ModelState| *state == ModelState::Loading;
        let listed = self.shelf.remembered()?;
        if !parameters.is_empty() || !listed.find(&self.model).is_some_and(|info| loading(&info.state)) {
            return None;
        }
        let models = self.shelf.renewed().await.ok()?;
        if !super::listing::find(&models, &self.model).is_some_and(|info| loading(&info.state)) {
            return None;
        }
        Some(self.follow(Finish::Stop).await)
    }

    async fn ask(&self, deadline: Instant) -> Result<Finish, Error> {
        let member = self.shelf.member();
        let reply = attempts::ask(&self.call, member, deadline).await?;
        self.stage.send_modify(|stage| stage.commit(reply.route, reply.ledger));
        let mut events = reply.events;
        let mut finish = Finish::Stop;
        while let Some(event) = events.next().await {
            let event = event?;
            match event.kind {
                EventKind::Progress(progress) => self.tell(event.at, progress),
                EventKind::Done(why) => finish = why,
                _ => {}
            }
        }
        match self.state() {
            Some(ModelState::Failed(reason)) => Err(self.failure(&reason)),
            // Its word came before its deed.
            Some(ModelState::Loading | ModelState::Draining) if self.goal().is_some() => {
                let mut call_off = CallOff::new(self);
                let followed = self.follow(finish).await;
                call_off.disarm();
                followed
            }
            _ => Ok(finish),
        }
    }

    /// A load that has failed, in the server's words.
    pub(super) fn failure(&self, reason: &str) -> Error {
        let server = &self.shelf.member().name;
        let message = if reason.is_empty() {
            format!("the load of `{}` failed, and the server does not say why", self.model)
        } else {
            format!("the load of `{}` failed: {reason}", self.model)
        };
        Error::new(ErrorKind::Server, message).sent(Sent::Yes).context("server", &**server)
    }
}

/// Whatever the list said, it is no longer true: also when the work is called off.
struct Over(Arc<Shelf>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.forget();
        self.0.pulse.beat();
    }
}
