//! How each way to each server does, judged by the calls that take it.
//!
//! [`Vitals`] is what is known of one way: a [`Breaker`](breaker::Breaker) and a [`Latency`](latency::Latency) for each
//! model that was called there, and a [`Gate`](gate::Gate) that limits the calls in flight. Calls report through the
//! [`Pass`] they were admitted with. Nothing here decides where a call goes: [`crate::balance`] and
//! [`crate::attempts`] do, by what they read here.

mod breaker;
mod gate;
mod latency;
mod pass;
mod snapshot;
mod vitals;
mod watch;

pub(crate) use breaker::Standing;
pub(crate) use gate::Slot;
pub(crate) use pass::Pass;
pub use snapshot::{EndpointVitals, ModelVitals};
pub(crate) use vitals::{Reading, Vitals};
pub(crate) use watch::Watch;
