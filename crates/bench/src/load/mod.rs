//! One loop over schedule × stop rule, for every mode and protocol: [`Stage`], run against any backend.
//!
//! Whoever is due next asks the `gate`, which counts, opens the window after the warm-up and closes it by the stop
//! rule. In a closed loop that is each worker when its answer has ended; in an open one a thread that keeps absolute
//! instants (`pace`). Then the request is measured (`request`) and written down. An arrival is never skipped: one
//! that cannot be sent is recorded as such.

mod gate;
mod live;
mod pace;
mod plain;
mod request;
mod stage;

pub use live::{Live, Seen};
pub use plain::plain;
pub use request::{Measured, Sending, measure};
pub use stage::{Bounds, Failure, Raw, Stage, Target};
