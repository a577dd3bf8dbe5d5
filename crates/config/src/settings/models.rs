//! How models are loaded and unloaded: [`Models`].

use std::time::Duration;

use super::time::{DAY, millis, secs};
use crate::section::section;

section! {
    /// How models are loaded and unloaded.
    pub struct Models {
        /// Whether a request's model is loaded first where no server has it ready. The load shares the request's time limit.
        ensure_loaded: bool = false;
        /// The longest that a load, an unload or a pull may take: large models come over slow disks.
        timeout: Duration = secs(1800), in secs(1)..=DAY;
        /// How often a server that loads in the background is asked how far it is.
        poll: Duration = millis(500), in millis(10)..=secs(60);
        /// How long an unload waits for our own requests that the model is answering.
        drain: Duration = secs(30), in Duration::ZERO..=DAY;
        /// Whether a model is unloaded all the same when requests are still running after that. Else the unload is refused,
        /// and they go on.
        unload_busy: bool = false;
    }
}
