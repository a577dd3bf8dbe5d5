//! Misbehaviour on purpose: rules say when ([`When`]) and what ([`Effect`]), and a seeded timeline decides.
//!
//! A fault is decided once for each request, from its key alone, so it is the same over every protocol.

mod answer;
mod apply;
mod body;
mod effect;
mod pieces;
mod refuse;
mod rule;
mod timeline;
mod unwritten;
mod writer;

pub use effect::{Effect, RetryAfter};
pub use rule::{Rule, RuleError, When};

pub(crate) use answer::{Cut, end_mark, of_events, refusal};
pub(crate) use apply::{Place, apply};
pub(crate) use body::{Broken, SimBody};
pub(crate) use timeline::{Fault, Timeline};
pub(crate) use unwritten::Unwritten;
