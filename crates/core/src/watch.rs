//! Looking on while a call is on its way: [`Watch`], told of each [`Step`].
//!
//! A reply exists once it is committed, and until then a person sees nothing: who is asked, whether the request has left,
//! what failed. Whoever wants to see that hangs a watch on the call. It is told by the loop that makes the attempts, and by
//! nobody else: a reply from a cache, or one that was joined to another call's, has no steps of its own.

use std::{fmt, sync::Arc};

use crate::{Attempt, Route};

/// What has become of a call that has no answer yet.
#[derive(Debug)]
#[non_exhaustive]
pub enum Step<'a> {
    /// An attempt was begun; it waits for a place among the calls in flight. The dialect is not known yet.
    Begun(&'a Route),
    /// It has its place: who lives there is found out, where nobody knows it, and a connection is looked for.
    Connecting(&'a Route),
    /// The request goes out: from here on it is the server that takes its time.
    Sent(&'a Route),
    /// It failed, or was given up because another one was quicker.
    Failed(&'a Attempt),
    /// Its first content has come.
    Committed(&'a Attempt),
}

/// Somebody who looks on. Told from within the call's own work, so it must return at once: it hands on and does nothing.
#[derive(Clone)]
pub struct Watch(Arc<dyn Fn(Step<'_>) + Send + Sync>);

impl Watch {
    /// Calls `told` at each step.
    pub fn new(told: impl Fn(Step<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(told))
    }

    /// Tells a step.
    pub fn tell(&self, step: Step<'_>) {
        (self.0)(step);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}
