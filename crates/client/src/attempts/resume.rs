//! Going on after a stream has broken off: opt-in, for raw completions alone.
//!
//! What had come is put behind the prompt, and another attempt continues from there; the stream says so with
//! [`EventKind::Resumed`]. A chat cannot be continued so, since its template closes the assistant's turn; and where the
//! answer has a form (JSON, tools, log probabilities, several choices), two halves of two answers would be neither.

use std::{collections::HashSet, sync::Arc};

use futures_util::{StreamExt, stream};
use longshore_core::{
    Call, Error, ErrorKind, Event, EventKind, Events, Op, Reply,
    call::{Completion, Prompt},
};
use tokio::time::Instant;

use super::{Attempts, Contender, Policy};
use crate::metrics;

/// How often one answer is continued at most.
const RESUMES: u32 = 3;
/// Fields of a request that do not change what kind of text an answer is.
const HARMLESS: [&str; 6] = ["frequency_penalty", "presence_penalty", "metadata", "store", "user", "service_tier"];

/// Whether an answer to this call may be continued.
pub(super) fn fits(call: &Call, policy: &Policy) -> bool {
    let Op::Complete(completion) = &*call.op else { return false };
    let one = matches!(&completion.prompt, Prompt::Text(texts) if texts.len() == 1);
    let harmless: HashSet<_> = HARMLESS.into();
    policy.retry.resume
        && call.replayable
        && completion.stream
        && one
        && completion.extra.keys().all(|key| harmless.contains(&**key))
}

/// The same reply, continued if it breaks off.
pub(super) fn over(
    mut reply: Reply,
    call: Call,
    contenders: Vec<Contender>,
    policy: Arc<Policy>,
    deadline: Instant,
) -> Reply {
    let events = std::mem::replace(&mut reply.events, stream::empty().boxed());
    let state = State { events, call, contenders, policy, deadline, text: String::new(), pieces: 0, left: RESUMES };
    reply.events = stream::unfold(Some(state), |state| async move { state?.next().await }).boxed();
    reply
}

struct State {
    events: Events,
    call: Call,
    contenders: Vec<Contender>,
    policy: Arc<Policy>,
    deadline: Instant,
    /// What has come, over all parts.
    text: String,
    pieces: u32,
    /// How often it may still be continued.
    left: u32,
}

type Next = (Result<Event, Error>, Option<State>);

impl State {
    async fn next(mut self) -> Option<Next> {
        loop {
            let event = match self.events.next().await? {
                Ok(event) => event,
                Err(error) if self.may_go_on(&error) => return Some(self.go_on(error).await),
                Err(error) => return Some((Err(error), None)),
            };
            if let Some(event) = self.passed(event) {
                return Some((Ok(event), Some(self)));
            }
        }
    }

    /// The event as it goes on; nothing for a second beginning.
    fn passed(&mut self, mut event: Event) -> Option<Event> {
        if let EventKind::Text { text, .. } = &event.kind {
            self.text.push_str(text);
            self.pieces += 1;
        }
        if self.left == RESUMES {
            return Some(event);
        }
        // The frames of the second answer are about another one.
        event.raw = None;
        if matches!(event.kind, EventKind::Started { .. } | EventKind::Other) { None } else { Some(event) }
    }

    fn may_go_on(&self, error: &Error) -> bool {
        error.kind() == ErrorKind::Interrupted
            && self.left > 0
            && !self.text.is_empty()
            && Instant::now() < self.deadline
    }

    async fn go_on(mut self, error: Error) -> Next {
        let Some(call) = self.continuation() else { return (Err(error), None) };
        let (contenders, policy) = (self.contenders.clone(), Some(Arc::clone(&self.policy)));
        let again = Attempts { again: true, ..Attempts::new(&call, contenders, policy, self.deadline) };
        match again.run().await {
            Ok(mut reply) => {
                let Some(attempt) = reply.ledger.pop() else { return (Err(error), None) };
                metrics::resumed(&attempt.route.server);
                self.events = reply.events;
                self.left -= 1;
                (Ok(Event::now(EventKind::Resumed(Box::new(attempt)))), Some(self))
            }
            Err(why) => (Err(error.adding(&format!("it could not be continued: {why}"))), None),
        }
    }

    /// The call for the rest; `None` if nothing of it is left.
    fn continuation(&self) -> Option<Call> {
        let Op::Complete(completion) = &*self.call.op else { return None };
        let Prompt::Text(texts) = &completion.prompt else { return None };
        let mut rest =
            Completion { prompt: Prompt::from(&*format!("{}{}", texts.first()?, self.text)), ..completion.clone() };
        if let Some(most) = rest.sampling.max_tokens {
            rest.sampling.max_tokens = Some(most.checked_sub(self.pieces).filter(|left| *left > 0)?);
        }
        // The bytes that came in ask for the whole.
        Some(Call { op: Arc::new(Op::Complete(rest)), origin: None, ..self.call.clone() })
    }
}
