//! Questions that all servers answer together: which models there are, and whether anybody is ready.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use longshore_core::{
    Answer, Attempt, Call, Error, ErrorKind, EventKind, Op, Reply, Route, Sent, ServerInfo, call::HealthScope,
    capability::OpKind, model::HealthReport,
};
use tokio::time::Instant;

use crate::{
    attempts::{self, all_failed},
    fleet::Fleet,
    member::{Member, since},
    registry::{Shelf, list},
};

/// What answers of the fleet itself are attributed to.
const NAME: &str = "fleet";

impl Fleet {
    /// Every server's models, server by server in the order of the configuration; a server that cannot tell stands
    /// beside the others with its reason.
    ///
    /// # Errors
    /// Only when no server at all could tell.
    pub(crate) async fn list(&self, call: &Call, ready_only: bool) -> Result<Reply, Error> {
        let shelves = self.pin(&mut call.clone())?;
        let limit = self.timeouts.probe.min(remaining(call));
        let lists = join_all(shelves.iter().cloned().map(|shelf| async move {
            let started = Instant::now();
            let result = list(shelf.member(), ready_only, limit).await;
            (shelf, started, result)
        }));
        let (mut kinds, mut ledger, mut answered) = (Vec::new(), Vec::new(), shelves.is_empty());
        for (shelf, started, result) in lists.await {
            if !ready_only {
                shelf.keep(result.as_ref().map(|listed| listed.models.as_slice().into()).map_err(Clone::clone));
            }
            match result {
                Ok(mut listed) => {
                    answered = true;
                    listed.models.iter_mut().for_each(|info| info.state = shelf.state(info));
                    ledger.extend(listed.attempts);
                    kinds.push(EventKind::Models(listed.models));
                    let unavailable = listed.unavailable.into_iter();
                    kinds.extend(unavailable.map(|(server, error)| EventKind::Unavailable { server, error }));
                }
                Err(error) => {
                    ledger.extend(attempts_of(&shelf, call.op.kind(), started, &error));
                    kinds.push(EventKind::Unavailable { server: Arc::clone(&shelf.member().name), error });
                }
            }
        }
        if !answered {
            let silent = || Error::new(ErrorKind::Connect, "no server told its models");
            return Err(all_failed(ledger).unwrap_or_else(silent));
        }
        let mut reply = Reply::ready(Route::in_process(NAME), kinds);
        reply.ledger = ledger;
        Ok(reply)
    }

    /// Every server's statistics about all its models. A server that keeps none is left out.
    ///
    /// # Errors
    /// Only when no server gave any.
    pub(crate) async fn statistics(&self, call: &Call, deadline: Instant) -> Result<Reply, Error> {
        let asked = join_all(self.shelves.iter().cloned().map(|shelf| async move {
            let started = Instant::now();
            let result = ask(shelf.member(), call, deadline).await;
            (shelf, started, result)
        }));
        let (mut kinds, mut ledger, mut answered) = (Vec::new(), Vec::new(), false);
        for (shelf, started, result) in asked.await {
            match result {
                Ok(answer) => {
                    answered = true;
                    ledger.extend(answer.ledger);
                    kinds.extend(answer.others.into_iter().filter(|kind| matches!(kind, EventKind::Statistics(_))));
                }
                Err(error) => {
                    ledger.extend(attempts_of(&shelf, call.op.kind(), started, &error));
                    if error.kind() != ErrorKind::Unsupported {
                        kinds.push(EventKind::Unavailable { server: Arc::clone(&shelf.member().name), error });
                    }
                }
            }
        }
        if !answered {
            let silent = || Error::new(ErrorKind::Unsupported, "no server keeps statistics").sent(Sent::No);
            return Err(all_failed(ledger).unwrap_or_else(silent));
        }
        let mut reply = Reply::ready(Route::in_process(NAME), kinds);
        reply.ledger = ledger;
        Ok(reply)
    }

    /// A fleet is alive as long as it can be asked, and ready as soon as one server is.
    pub(crate) async fn health(&self, call: &Call) -> Result<Reply, Error> {
        let report = match &*call.op {
            Op::Health(HealthScope::Ready) => self.readiness(call).await,
            _ => HealthReport { ok: true, detail: None },
        };
        Ok(Reply::ready(Route::in_process(NAME), [EventKind::Health(report)]))
    }

    async fn readiness(&self, call: &Call) -> HealthReport {
        let limit = self.timeouts.probe.min(remaining(call));
        let mut asking: FuturesUnordered<_> =
            self.shelves.iter().cloned().map(|shelf| is_ready(shelf, limit)).collect();
        let mut reasons = Vec::new();
        while let Some(result) = asking.next().await {
            match result {
                Ok(()) => return HealthReport { ok: true, detail: None },
                Err(reason) => reasons.push(reason),
            }
        }
        let detail = if reasons.is_empty() { "there is no server".to_owned() } else { reasons.join("; ") };
        HealthReport { ok: false, detail: Some(detail) }
    }

    /// Who is speaking, where no server is asked in particular.
    pub(crate) fn introduce(&self) -> Reply {
        let info = ServerInfo {
            name: "longshore".into(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..ServerInfo::default()
        };
        Reply::ready(Route::in_process(NAME), [EventKind::Server(info)])
    }
}

/// Whether this server can take work; if not, why.
async fn is_ready(shelf: Arc<Shelf>, limit: Duration) -> Result<(), String> {
    let (member, deadline) = (shelf.member(), Instant::now() + limit);
    let mut call = Call::new(Op::Health(HealthScope::Ready));
    call.deadline = Some(deadline.into_std());
    let reason = match ask(member, &call, deadline).await {
        Err(error) => error.message().to_owned(),
        Ok(answer) => {
            let report = answer.others.into_iter().find_map(|kind| match kind {
                EventKind::Health(report) => Some(report),
                _ => None,
            });
            match report {
                Some(HealthReport { ok: true, .. }) => return Ok(()),
                Some(HealthReport { detail: Some(detail), .. }) => detail,
                _ => "not ready".to_owned(),
            }
        }
    };
    Err(format!("`{}`: {reason}", member.name))
}

/// One server's whole answer.
async fn ask(member: &Arc<Member>, call: &Call, deadline: Instant) -> Result<Answer, Error> {
    attempts::ask(call, member, deadline).await?.collect().await
}

fn remaining(call: &Call) -> Duration {
    call.deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(std::time::Instant::now()))
}

/// The attempts that an error tells of, or the one it must have been.
fn attempts_of(shelf: &Arc<Shelf>, op: OpKind, started: Instant, error: &Error) -> Vec<Attempt> {
    if !error.ledger().is_empty() {
        return error.ledger().to_vec();
    }
    let route = shelf.member().ways[0].route();
    let (started, elapsed) = (started.into_std(), since(started));
    vec![Attempt { started, elapsed, error: Some(error.clone()), ..Attempt::new(route, op) }]
}
