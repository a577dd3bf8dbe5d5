//! The calls of the last while: [`Recorder`], a lens over any backend that writes down what passes through it.
//!
//! Each call is kept with its request, its events as frames, its attempts and how it ended, within the bounds of
//! [`Limits`]; the oldest are forgotten first. It is the same stream that goes on: nothing is held back, and what is kept of
//! an event is a copy of its text and 16 bytes. Not here: numbers over many calls, which an
//! [`Observer`](crate::live::Observer) makes of what it is told.

mod attempt;
mod entry;
mod lens;
mod recorder;
mod request;
mod tape;
mod view;

pub use attempt::Attempt;
#[cfg(test)]
pub(crate) use entry::Outcome;
pub use recorder::{Limits, Recorder, Source};
pub use view::{CallDetail, CallSummary, Filter, Frame};
