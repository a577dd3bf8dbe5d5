//! One call that was let through, until what became of it is reported: [`Pass`].

use std::sync::Arc;

use longshore_core::Error;
use tokio::time::Instant;

use super::vitals::Vitals;

/// See the module. Dropped without a report, it says nothing about the way: the call was given up.
pub(crate) struct Pass {
    vitals: Arc<Vitals>,
    model: Arc<str>,
    began: Instant,
    open: bool,
}

impl Pass {
    pub(super) fn new(vitals: Arc<Vitals>, model: Arc<str>, began: Instant) -> Self {
        Self { vitals, model, began, open: true }
    }

    /// The first content has come; how it ends is still to be reported.
    pub(crate) fn answered(&self, now: Instant) {
        self.vitals.answered(&self.model, self.began, now);
    }

    /// It ended as it should.
    pub(crate) fn succeeded(mut self, now: Instant) {
        self.open = false;
        self.vitals.succeeded(&self.model, self.began, now);
    }

    /// It ended in this error.
    pub(crate) fn failed(mut self, error: &Error, now: Instant) {
        self.open = false;
        self.vitals.failed(&self.model, self.began, now, error);
    }

    /// Its own deadline passed, which need not be the server's fault.
    pub(crate) fn ran_out_of_time(mut self, now: Instant) {
        self.open = false;
        self.vitals.ran_out_of_time(&self.model, self.began, now);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.open {
            self.vitals.released(&self.model, self.began, Instant::now());
        }
    }
}
