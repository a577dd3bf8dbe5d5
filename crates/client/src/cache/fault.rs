//! How the store's faults are told: as warnings, at most one a minute, since each of many calls would meet the same.

use std::{
    path::Path,
    sync::Mutex,
    sync::PoisonError,
    time::{Duration, Instant},
};

/// Between two warnings.
const QUIET: Duration = Duration::from_secs(60);

/// Says that something about the store at `path` is wrong, and what follows.
pub(super) fn warn(path: &Path, problem: &str, consequence: &str) {
    static LAST: Mutex<Option<Instant>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let path = path.display();
    if last.is_some_and(|last| last.elapsed() < QUIET) {
        tracing::debug!(%path, problem, "the response cache's store: {consequence}");
    } else {
        *last = Some(Instant::now());
        tracing::warn!(%path, problem, "the response cache's store: {consequence}");
    }
}
