//! Asking servers how they are, beside what their answers to calls tell: one task, a question to each address now and
//! then, by the dialect's own route.
//!
//! Only one thing follows from an answer: an address that could not be reached twice running comes after those that
//! could, until it is reached twice, or by a call. "Not ready" moves nothing: Triton says it while most of its models
//! answer, and a health that flaps must not make the route flap.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use longshore_core::{Call, Error, ErrorKind, EventKind, Op, Received, call::HealthScope, model::HealthReport};
use tokio::{
    runtime::Handle,
    task::AbortHandle,
    time::{Instant, sleep},
};

use crate::{
    detect::choose,
    endpoint::Endpoint,
    member::{Member, Way},
};

/// So many equal answers change what is thought of an address.
const RUNNING: u32 = 2;
/// Each pause is up to this much shorter or longer, so that many clients do not ask in step.
const JITTER: f64 = 0.2;

/// The task that asks; ends when this is dropped.
#[derive(Default)]
pub(crate) struct Watch {
    begun: AtomicBool,
    task: Mutex<Option<AbortHandle>>,
}

impl Watch {
    /// Begins to ask, once, unless there is nothing to choose between or `interval` is zero. Needs a runtime; without
    /// one it begins with the next call.
    pub(crate) fn begin(&self, members: impl Iterator<Item = Arc<Member>>, interval: Duration) {
        if interval.is_zero() || self.begun.load(Ordering::Relaxed) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        if self.begun.swap(true, Ordering::Relaxed) {
            return;
        }
        let members: Vec<_> = members.filter(|member| !member.is_local()).collect();
        if members.len() > 1 {
            let task = runtime.spawn(keep_asking(members, interval)).abort_handle();
            *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

async fn keep_asking(members: Vec<Arc<Member>>, interval: Duration) {
    loop {
        sleep(interval.mul_f64(1.0 - JITTER + 2.0 * JITTER * fastrand::f64())).await;
        let endpoints = members.iter().flat_map(|member| &member.ways).filter_map(|way| match way {
            Way::Remote(endpoint) => Some(endpoint),
            Way::Local(_) => None,
        });
        join_all(endpoints.map(|endpoint| async move {
            let result = ask(endpoint).await;
            endpoint.vitals.asked(result);
        }))
        .await;
    }
}

/// Whether the server can take work, by its own account; `None` if it has no word for that.
async fn ask(endpoint: &Endpoint) -> Result<Option<HealthReport>, Error> {
    let call = Call::new(Op::Health(HealthScope::Ready));
    let spoken = endpoint.spoken().await.map_err(|failure| failure.error)?;
    let Some(spoken) = choose(&spoken, &call) else { return Ok(None) };
    let reply = endpoint.exchange(&call, spoken, endpoint.probe_phases(), &Received::default()).await;
    let answer = reply.map_err(|failure| failure.error)?.collect().await?;
    Ok(answer.others.into_iter().find_map(|kind| match kind {
        EventKind::Health(report) => Some(report),
        _ => None,
    }))
}

/// What the answers so far come to.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    /// Answers running that were as the last one: reached, or not.
    running: u32,
    last_reached: bool,
    /// It could not be reached several times running.
    pub(crate) lost: bool,
    /// What was heard last, and when.
    pub(crate) last: Option<(Instant, Result<Option<HealthReport>, Error>)>,
}

impl Reach {
    /// The address was asked.
    pub(crate) fn asked(&mut self, result: Result<Option<HealthReport>, Error>, now: Instant) {
        let reached =
            !result.as_ref().is_err_and(|error| matches!(error.kind(), ErrorKind::Connect | ErrorKind::Timeout));
        self.running = if reached == self.last_reached { self.running.saturating_add(1) } else { 1 };
        self.last_reached = reached;
        if self.running >= RUNNING {
            self.lost = !reached;
        }
        self.last = Some((now, result));
    }

    /// A call has had an answer from there.
    pub(crate) fn answered(&mut self) {
        (self.lost, self.running) = (false, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lasts_changes_what_is_thought() {
        let mut reach = Reach::default();
        let mut check = |answers: &str, lost: bool| {
            for answer in answers.chars() {
                let result = match answer {
                    'y' => Ok(Some(HealthReport { ok: true, detail: None })),
                    'n' => Ok(Some(HealthReport { ok: false, detail: None })),
                    's' => Err(Error::new(ErrorKind::Server, "x")),
                    _ => Err(Error::new(ErrorKind::Connect, "x")),
                };
                reach.asked(result, Instant::now());
            }
            assert_eq!(reach.lost, lost, "{answers}");
        };
        check("yxyxyx", false);
        check("ynynnnsss", false);
        check("xx", true);
        check("yxyx", true);
        check("yn", false);
        check("xx", true);
        reach.answered();
        assert!(!reach.lost);
    }
}
