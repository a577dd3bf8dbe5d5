//! Misbehaviour on purpose: rules say when ([`When`]) and what ([`Effect`]), and a seeded timeline decides.
//!
//! A fault is decided once for each request, from its key alone, so it is the same over every protocol.

mod answer;
mod body;
mod effect;
mod pieces;
mod rule;
mod timeline;

pub use effect::{Effect, RetryAfter};
pub use rule::{Rule, RuleError, When};

pub(crate) use answer::{Cut, end_mark, of_events, refusal};
pub(crate) use body::{Broken, Place, SimBody, Unwritten, apply};
pub(crate) use timeline::{Fault, Timeline};
