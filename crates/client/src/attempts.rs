//! One loop owns every attempt at a call, and the ledger of them.
//!
//! Until the first content event nothing is committed, and the next way may be tried as [`outcome`] allows. After
//! that the stream is the caller's, and an error in it is never made good silently.

mod ledger;
mod outcome;

use std::sync::Arc;

use longshore_core::{Call, Error, ErrorKind, Reply, Sent};
use tokio::time::{Instant, timeout_at};

use ledger::Ledger;
pub(crate) use ledger::all_failed;
use outcome::{Next, after};

use crate::{
    member::{Member, Tried, Way, since},
    transport::Failure,
};

/// Asks `members` in turn, each over its ways in turn, until one has committed an answer.
///
/// # Errors
/// What went wrong, with every attempt. `Unsupported` when nobody has words for the operation.
pub(crate) async fn run(
    call: &Call,
    members: &[Arc<Member>],
    deadline: Instant,
    max_attempts: usize,
) -> Result<Reply, Error> {
    let mut ledger = Ledger::new(call.op.kind());
    let mut speechless = Vec::new();
    'members: for member in members {
        for way in &member.ways {
            let mut fresh = true;
            loop {
                if ledger.len() == max_attempts {
                    break 'members;
                }
                let started = Instant::now();
                let (route, failure) = match attempt(member, way, call, started, deadline).await {
                    Tried::Committed(mut reply) => {
                        reply.ledger = ledger.committed(&reply.route, started);
                        return Ok(reply);
                    }
                    Tried::Speechless => {
                        speechless.push(way.route());
                        break;
                    }
                    Tried::Failed(route, failure) => (route, failure),
                };
                let again = failure.again && std::mem::take(&mut fresh);
                let next = after(&failure.error, call.replayable);
                tracing::debug!(
                    call = &*call.id, server = &*route.server, protocol = %route.protocol,
                    error = %failure.error, elapsed = ?since(started), "attempt failed"
                );
                ledger.failed(route, started, failure.error);
                match next {
                    Next::Stop => break 'members,
                    _ if Instant::now() >= deadline => break 'members,
                    Next::OtherProtocol if again => {}
                    Next::OtherProtocol => break,
                    Next::OtherServer => continue 'members,
                }
            }
        }
    }
    Err(ledger.into_error().unwrap_or_else(|| nobody_can(call, &speechless)))
}

/// One attempt, within the deadline of the call.
async fn attempt(member: &Member, way: &Way, call: &Call, started: Instant, deadline: Instant) -> Tried {
    timeout_at(deadline, member.attempt(way, call, deadline)).await.unwrap_or_else(|_| {
        let message = format!("no answer after {:?}, when the deadline of the whole call passed", since(started));
        let error = Error::new(ErrorKind::Timeout, message).sent(Sent::Maybe);
        Tried::Failed(way.route(), Failure::from(error))
    })
}

fn nobody_can(call: &Call, speechless: &[longshore_core::Route]) -> Error {
    let names: Vec<_> = speechless.iter().map(|route| format!("`{}` over {}", route.server, route.protocol)).collect();
    let whom = if names.is_empty() { "there is no server".to_owned() } else { format!("asked {}", names.join(", ")) };
    Error::new(ErrorKind::Unsupported, format!("no server can {}; {whom}", call.op.kind().name())).sent(Sent::No)
}
