//! One request, from its sending to its end: [`measure`].

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use longshore_core::{Backend, Call, Error, EventKind};

use crate::measure::{Chunk, Counted, Record, Stamps};

/// Room for events that is made before the first one comes, at most.
const ROOM: usize = 4096;

/// What is to be known about a request beside the call itself.
#[derive(Clone, Copy, Debug)]
pub struct Sending {
    /// How many were sent before it in this stage.
    pub index: u64,
    /// The stage's beginning.
    pub origin: Instant,
    /// When it was due, from there.
    pub scheduled: Duration,
    /// Events that are expected: room for them is made beforehand.
    pub expected: usize,
    /// Whether the answer's text is wanted.
    pub keep_answer: bool,
    /// Whether everything that is made of tokens is wanted, to be counted.
    pub keep_text: bool,
}

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

/// Sends `call` now and watches its answer. Dropping the future cancels the request.
pub async fn measure(backend: &dyn Backend, call: Call, sending: Sending) -> Measured {
    let sent = sending.origin.elapsed();
    // A closed loop's request is due the moment it is sent; the clock was read twice.
    let mut record = Record::sent(sending.index, sending.scheduled.min(sent), sent);
    record.chunks.reserve_exact(sending.expected.min(ROOM));
    let mut watch = Watch { record, answer: String::new(), text: String::new(), sending, done: false };
    let error = match backend.call(call).await {
        Err(error) => Some(error),
        Ok(mut reply) => {
            watch.record.cache = reply.cache;
            let received = reply.ledger.last().map(|attempt| attempt.received.clone());
            let error = loop {
                match reply.events.next().await {
                    Some(Ok(event)) => watch.see(event.at, event.kind),
                    Some(Err(error)) => break Some(error),
                    None if watch.done => break None,
                    None => break Some(Error::protocol("the answer ended without its end mark")),
                }
            };
            watch.record.stamps = received.map(|received| Stamps::of(&received)).unwrap_or_default();
            error
        }
    };
    let Watch { mut record, answer, text, .. } = watch;
    record.text = text.into();
    if let Some(error) = &error {
        record.ended = sending.origin.elapsed();
        record.outcome = crate::measure::Outcome::Failed(error.kind());
    }
    Measured { record, answer, error }
}

struct Watch {
    record: Record,
    answer: String,
    /// Everything that is made of tokens.
    text: String,
    sending: Sending,
    done: bool,
}

impl Watch {
    fn see(&mut self, at: Instant, kind: EventKind) {
        let at = at.saturating_duration_since(self.sending.origin);
        match kind {
            EventKind::Text { text, .. } => {
                if self.sending.keep_answer {
                    self.answer.push_str(&text);
                }
                self.content(at, &text);
            }
            EventKind::Reasoning { text, .. } => self.content(at, &text),
            EventKind::ToolCalls { calls, .. } => self.content(at, &calls.to_string()),
            EventKind::Embedding { .. } | EventKind::Tensors(_) => self.content(at, ""),
            EventKind::Usage(usage) => {
                self.record.prompt_tokens = Some(usage.prompt_tokens);
                self.record.cached_tokens = usage.cached_tokens;
                if usage.completion_tokens > 0 {
                    (self.record.tokens, self.record.counted) = (Some(usage.completion_tokens), Counted::Usage);
                }
            }
            EventKind::Done(_) => {
                self.record.ended = at;
                self.done = true;
            }
            _ => {}
        }
    }

    fn content(&mut self, at: Duration, text: &str) {
        if self.sending.keep_text {
            self.text.push_str(text);
        }
        let characters = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        self.record.chunks.push(Chunk { at, characters });
    }
}
