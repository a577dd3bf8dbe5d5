//! What the recorder of calls tells those who count: [`Observer`].

use std::{sync::Arc, time::Duration};

use longshore_core::{CacheStatus, Protocol, capability::OpKind};

/// Is told of every call that ends, and of the tokens of those that have not ended yet. Must be quick: calls wait for it.
pub trait Observer: Send + Sync {
    /// A piece of text or reasoning has come from this server.
    fn text(&self, server: &Arc<str>);

    /// A call has ended, however it did.
    fn ended(&self, seen: &Seen);
}

/// A call that has ended.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Who answered; `None` where nobody did.
    pub server: Option<Arc<str>>,
    /// How the answer travelled.
    pub protocol: Option<Protocol>,
    /// The model that was asked.
    pub model: Option<Arc<str>>,
    /// What was asked.
    pub op: OpKind,
    /// `ok`, `error`, `cancelled` or `interrupted`.
    pub outcome: &'static str,
    /// What the response cache did.
    pub cache: Option<CacheStatus>,
    /// From the call to its first content; `None` where none came.
    pub ttft: Option<Duration>,
    /// From the call to its end.
    pub total: Duration,
    /// Tokens of the answer, as far as they are known.
    pub tokens: Option<u64>,
    /// The median time between pieces of text; `None` where there were fewer than two.
    pub itl: Option<Duration>,
    /// The attempts that failed before one was answered, or before it was given up; in order.
    pub failed: Vec<Failed>,
}

/// An attempt that failed.
#[derive(Clone, Debug)]
pub struct Failed {
    /// Where.
    pub server: Arc<str>,
    /// Over what.
    pub protocol: Protocol,
    /// Why: the error's headline.
    pub reason: String,
}
