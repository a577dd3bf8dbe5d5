//! What became of a request: one line of the log for each, however it ends.

use std::{sync::Arc, time::Instant};

use longshore_core::{Call, Dialect, Error};

/// What became of a request; logged when it is over, however it ends.
pub(crate) struct Outcome {
    dialect: &'static str,
    op: &'static str,
    model: Option<Arc<str>>,
    id: Arc<str>,
    started: Instant,
    end: &'static str,
}

impl Outcome {
    pub(crate) fn of(dialect: &'static dyn Dialect, call: &Call) -> Self {
        Self {
            dialect: dialect.name(),
            op: call.op.kind().name(),
            model: call.model.clone(),
            id: call.id.clone(),
            started: Instant::now(),
            end: "cancelled by the client",
        }
    }

    pub(crate) fn finished(&mut self) {
        self.end = "ok";
    }

    pub(crate) fn failed(&mut self, error: &Error) {
        self.end = error.kind().as_str();
        tracing::debug!(id = &*self.id, %error, "request failed");
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        tracing::info!(
            id = &*self.id,
            dialect = self.dialect,
            op = self.op,
            model = self.model.as_deref(),
            outcome = self.end,
            elapsed_ms = self.started.elapsed().as_secs_f64() * 1e3,
            "request"
        );
    }
}
