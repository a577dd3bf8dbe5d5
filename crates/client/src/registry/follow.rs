//! Following a load or unload that the server has accepted and does in the background: its own list says how it ends,
//! and so does what it tells as it happens, if it does (llama-server's router). Whichever knows first.
//!
//! What a dropped load means, by dialect. A followed one (llama-server's router, whose load is a word without a
//! request to hold on to) is called off by an unload. Of all others the request is dropped: Ollama and another
//! Longshore then stop loading, while the Open Inference Protocol has no word for it, so Triton, MLServer and KServe
//! go on.

use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::{
    StreamExt,
    future::{Either, select},
};
use longshore_core::{Call, Error, ErrorKind, EventKind, Finish, ModelState, Op, Sent, tensor::Parameters};
use tokio::{
    runtime::Handle,
    time::{Instant, sleep},
};

use super::{Shelf, Token, listing::find, work::Work};
use crate::attempts;

/// How long a server may list what it had before it begins what it has accepted.
const GRACE: Duration = Duration::from_secs(5);
/// Lists that may fail one after the other before the server is given up.
const SILENCES: usize = 3;

impl Work {
    /// Until its end. `accepted` is how the request itself ended, for a server that has no list to ask for.
    ///
    /// # Errors
    /// Why the load failed; `UnknownModel` when the model is gone; why the server does not tell its list any more.
    pub(super) async fn follow(&self, accepted: Finish) -> Result<Finish, Error> {
        let (told, listed) = (pin!(self.watch()), pin!(self.poll(accepted)));
        match select(told, listed).await {
            Either::Left((Some(end), _)) | Either::Right((end, _)) => end,
            Either::Left((None, listed)) => listed.await,
        }
    }

    /// Listens to what the server tells until that is the end. `None` when it tells nothing, or no more.
    async fn watch(&self) -> Option<Result<Finish, Error>> {
        let mut events = self.shelf.member().watch(&self.call).await?;
        while let Some(Ok(event)) = events.next().await {
            let EventKind::Progress(progress) = event.kind else { continue };
            match judge(&self.call.op, Some(&progress.state), false) {
                Judgement::Done => return Some(Ok(Finish::Stop)),
                Judgement::Failed(reason) => return Some(Err(self.failure(&reason))),
                Judgement::Busy(_) => self.tell(event.at, progress),
                // It may tell of what was before.
                Judgement::Gone | Judgement::NotYet | Judgement::Stuck(_) => {}
            }
        }
        None
    }

    /// Asks for the list again and again until it tells the end.
    async fn poll(&self, accepted: Finish) -> Result<Finish, Error> {
        let (began, mut seen_busy, mut silences) = (Instant::now(), false, 0);
        loop {
            let models = match self.shelf.renewed().await {
                Ok(models) => models,
                Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(accepted),
                Err(error) if silences + 1 == SILENCES => return Err(error),
                Err(_) => {
                    silences += 1;
                    self.pause().await;
                    continue;
                }
            };
            silences = 0;
            let state = find(&models, &self.model).map(|info| &info.state);
            let waited = Instant::now().saturating_duration_since(began);
            match judge(&self.call.op, state, seen_busy || waited > GRACE) {
                Judgement::Done => return Ok(Finish::Stop),
                Judgement::Failed(reason) => return Err(self.failure(&reason)),
                Judgement::Gone => {
                    let known = models.iter().map(|info| &*info.id);
                    return Err(Error::unknown_model(&self.model, known).sent(Sent::Yes));
                }
                Judgement::Stuck(why) => return Err(self.stuck(why)),
                Judgement::Busy(state) => {
                    seen_busy = true;
                    // What was told as it happened says how far it is, too.
                    if self.state().as_ref() != Some(&state) {
                        self.step(state);
                    }
                }
                Judgement::NotYet => {}
            }
            self.pause().await;
        }
    }

    async fn pause(&self) {
        sleep(self.shelf.settings.lifecycle.poll).await;
    }

    fn stuck(&self, why: &str) -> Error {
        let server = &self.shelf.member().name;
        let what = self.call.op.kind().name();
        Error::new(ErrorKind::Server, format!("`{server}` agreed to {what}, and `{}` {why}", self.model))
            .sent(Sent::Yes)
            .context("server", &**server)
    }
}

/// What a listed state says about the end.
#[derive(Debug, PartialEq)]
enum Judgement {
    Done,
    Failed(String),
    Gone,
    /// It is on its way, and shows as this.
    Busy(ModelState),
    NotYet,
    Stuck(&'static str),
}

/// `begun`: whether the server must have begun by now.
fn judge(op: &Op, state: Option<&ModelState>, begun: bool) -> Judgement {
    use Judgement::*;
    let unload = matches!(op, Op::Unload { .. });
    match (unload, state) {
        (false, None) => Gone,
        // Without a state a model is listed because it answers.
        (false, Some(ModelState::Ready | ModelState::Unknown)) => Done,
        (false, Some(ModelState::Failed(reason))) => Failed(reason.clone()),
        (false, Some(ModelState::Loading)) => Busy(ModelState::Loading),
        (false, Some(_)) if begun => Stuck("is not loaded; it does not say why"),
        (false, Some(_)) => NotYet,
        // Many list what is loaded only; and what is loaded again was unloaded.
        (true, None | Some(ModelState::Unloaded | ModelState::Failed(_) | ModelState::Loading)) => Done,
        (true, Some(ModelState::Draining)) => Busy(ModelState::Draining),
        (true, Some(_)) if begun => Stuck("is still loaded"),
        (true, Some(_)) => NotYet,
    }
}

/// Unloads what nobody wants any more, if it is dropped before it is disarmed: the load was ours.
pub(super) struct CallOff {
    unload: Option<(Arc<Shelf>, Call, Token)>,
}

impl CallOff {
    pub(super) fn new(work: &Work) -> Self {
        let load = matches!(*work.call.op, Op::Load { .. });
        let call = Call::new(Op::Unload { parameters: Parameters::default() }).model(Arc::clone(&work.model));
        let token = || work.shelf.pulse.token();
        Self { unload: load.then(|| (Arc::clone(&work.shelf), call, token())) }
    }

    pub(super) fn disarm(&mut self) {
        self.unload = None;
    }
}

impl Drop for CallOff {
    fn drop(&mut self) {
        let (Some((shelf, mut call, token)), Ok(runtime)) = (self.unload.take(), Handle::try_current()) else { return };
        // It is a kindness to the server and must not hold anybody up.
        runtime.spawn(async move {
            let deadline = Instant::now() + shelf.settings.probe;
            call.deadline = Some(deadline.into_std());
            let asked = attempts::ask(&call, shelf.member(), deadline).await;
            let answer = match asked {
                Ok(reply) => reply.collect().await.map(drop),
                Err(error) => Err(error),
            };
            if let Err(error) = answer {
                tracing::debug!(server = &*shelf.member().name, %error, "a load could not be called off");
            }
            shelf.forget();
            drop(token);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_state_tells_the_end() {
        let load = Op::Load { parameters: Parameters::default() };
        let unload = Op::Unload { parameters: Parameters::default() };
        let check = |op: &Op, state: Option<ModelState>, begun: bool, expected: Judgement| {
            assert_eq!(judge(op, state.as_ref(), begun), expected, "{op:?} {state:?} {begun}");
        };
        use Judgement::*;
        let failed = || Some(ModelState::Failed("no memory".into()));
        check(&load, None, false, Gone);
        check(&load, Some(ModelState::Ready), false, Done);
        check(&load, Some(ModelState::Loading), true, Busy(ModelState::Loading));
        check(&load, Some(ModelState::Unloaded), false, NotYet);
        check(&load, Some(ModelState::Unloaded), true, Stuck("is not loaded; it does not say why"));
        check(&load, failed(), false, Failed("no memory".into()));
        check(&unload, None, false, Done);
        check(&unload, failed(), false, Done);
        check(&unload, Some(ModelState::Draining), false, Busy(ModelState::Draining));
        check(&unload, Some(ModelState::Ready), false, NotYet);
        check(&unload, Some(ModelState::Ready), true, Stuck("is still loaded"));
    }
}
