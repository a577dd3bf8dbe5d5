//! A run: several stages against one target, and everything that is known afterwards.
//!
//! [`Plan`] says what to do, [`Runner`] does it, [`Run`] is the result: a value that is stored, compared and reported,
//! and from which alone reports are made.

mod environment;
mod level;
mod plan;
mod result;
mod runner;
mod sweep;

pub use environment::Environment;
pub use level::summarise;
pub use plan::{Plan, Sweep};
pub use result::{Caching, FORMAT, Level, Metrics, Row, Run, StageResult, Subject, Told};
pub use runner::{Notice, Runner};
pub use sweep::{Bisection, Step};
