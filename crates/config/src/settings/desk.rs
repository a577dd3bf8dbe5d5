//! The page that a person works with: [`Desk`].

use crate::section::section;

section! {
    /// The page that a person works with, which `longshore` serves beside the gateway.
    pub struct Desk {
        /// Whether `longshore` without a command opens the page in a browser. `--no-open` is for once.
        open: bool = true;
        /// Calls that are kept to be looked at under Requests, the last ones. They are forgotten when the program ends.
        calls_kept: u32 = 500, in 10..=10_000;
        /// How far back the plots of Metrics go, in minutes; a sample is taken each second.
        samples_minutes: u32 = 30, in 1..=240;
    }
}
