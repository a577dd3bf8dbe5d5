//! One request as it was seen: [`Record`], instants only.

use std::time::Duration;

use longshore_core::{CacheStatus, ErrorKind};

use super::{Counted, Stamps};

/// What was seen of one request. Instants are counted from the beginning of its stage.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// How many were sent before it in this stage.
    pub index: u64,
    /// When it should have been sent. In a closed loop, when the answer before it had ended.
    pub scheduled: Duration,
    /// When it was given to the backend.
    pub sent: Duration,
    /// The token events; for vectors and tensors, the events with content.
    pub chunks: Vec<Chunk>,
    /// When the end mark was read, or when it failed.
    pub ended: Duration,
    /// What became of it.
    pub outcome: Outcome,
    /// Tokens of the prompt, where the server told.
    pub prompt_tokens: Option<u64>,
    /// Of them, those that the server did not compute again, where it told.
    pub cached_tokens: Option<u64>,
    /// Tokens of the answer, where somebody counted them.
    pub tokens: Option<u64>,
    /// Who did.
    pub counted: Counted,
    /// Whose instants these are.
    pub stamps: Stamps,
    /// The text of the answer, until a tokenizer has counted it; empty where none will.
    pub text: Box<str>,
    /// What a response cache did; `None` where there is none.
    pub cache: Option<CacheStatus>,
}

/// An event with content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// When its bytes were read, before they were parsed.
    pub at: Duration,
    /// Characters of its text; 0 where it has none.
    pub characters: u32,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It ended with the protocol's end mark.
    Complete,
    /// It failed, before or after content.
    Failed(ErrorKind),
    /// It was due and never sent, because so many others were under way.
    NotSent,
}

impl Record {
    /// A request that was due at `scheduled` and sent at `sent`, of which nothing has come so far.
    pub fn sent(index: u64, scheduled: Duration, sent: Duration) -> Self {
        Self {
            index,
            scheduled,
            sent,
            chunks: Vec::new(),
            ended: sent,
            outcome: Outcome::Complete,
            prompt_tokens: None,
            cached_tokens: None,
            tokens: None,
            counted: Counted::Events,
            stamps: Stamps::default(),
            text: Box::default(),
            cache: None,
        }
    }

    /// Whether the answer came to its end.
    pub fn is_complete(&self) -> bool {
        self.outcome == Outcome::Complete
    }

    /// A word for what became of it: `ok`, the kind of the error, or `not_sent`.
    pub fn word(&self) -> &'static str {
        match self.outcome {
            Outcome::Complete => "ok",
            Outcome::Failed(kind) => kind.as_str(),
            Outcome::NotSent => "not_sent",
        }
    }
}
