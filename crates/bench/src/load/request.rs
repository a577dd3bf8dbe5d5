//! One request, from its sending to its end: [`measure`].

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use longshore_core::{Backend, Call, Error, EventKind};

use crate::measure::{Chunk, Outcome, Record};

/// What was seen of a request, and what of it a record does not keep.
#[derive(Debug)]
pub struct Measured {
    /// The instants.
    pub record: Record,
    /// The text of the answer, where it was wanted.
    pub answer: String,
    /// Why it failed.
    pub error: Option<Error>,
}

/// Sends `call` now and watches its answer. `origin` is the stage's beginning, `scheduled` when it was due. With
/// `keep` the answer's text is kept. Dropping the future cancels the request.
pub async fn measure(
    backend: &dyn Backend,
    call: Call,
    index: u64,
    origin: Instant,
    scheduled: Duration,
    keep: bool,
) -> Measured {
    let sent = origin.elapsed();
    let record = Record {
        index,
        // A closed loop's request is due the moment it is sent; the clock was read twice.
        scheduled: scheduled.min(sent),
        sent,
        chunks: Vec::new(),
        ended: sent,
        outcome: Outcome::Complete,
        prompt_tokens: None,
        tokens: None,
    };
    let mut watch = Watch { record, answer: String::new(), keep, origin, done: false };
    let error = match backend.call(call).await {
        Err(error) => Some(error),
        Ok(mut reply) => loop {
            match reply.events.next().await {
                Some(Ok(event)) => watch.see(event.at, event.kind),
                Some(Err(error)) => break Some(error),
                None if watch.done => break None,
                None => break Some(Error::protocol("the answer ended without its end mark")),
            }
        },
    };
    let Watch { mut record, answer, .. } = watch;
    if let Some(error) = &error {
        record.ended = origin.elapsed();
        record.outcome = Outcome::Failed(error.kind());
    }
    Measured { record, answer, error }
}

struct Watch {
    record: Record,
    answer: String,
    keep: bool,
    origin: Instant,
    done: bool,
}

impl Watch {
    fn see(&mut self, at: Instant, kind: EventKind) {
        let at = at.saturating_duration_since(self.origin);
        let content = match kind {
            EventKind::Text { text, .. } => {
                if self.keep {
                    self.answer.push_str(&text);
                }
                Some(text.chars().count())
            }
            EventKind::Reasoning { text, .. } => Some(text.chars().count()),
            EventKind::ToolCalls { calls, .. } => Some(calls.to_string().len()),
            EventKind::Embedding { .. } | EventKind::Tensors(_) => Some(0),
            EventKind::Usage(usage) => {
                self.record.prompt_tokens = Some(usage.prompt_tokens);
                self.record.tokens = Some(usage.completion_tokens);
                None
            }
            EventKind::Done(_) => {
                self.record.ended = at;
                self.done = true;
                None
            }
            _ => None,
        };
        if let Some(characters) = content {
            self.record.chunks.push(Chunk { at, characters: u32::try_from(characters).unwrap_or(u32::MAX) });
        }
    }
}
