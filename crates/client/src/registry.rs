//! The models of all servers, and what is under way with them.
//!
//! [`Leases`] count our own calls on each model of a server, so that an unload can wait for them; [`Warmth`] says how
//! soon a server could begin to answer with a model.

mod lease;
mod warmth;

pub(crate) use lease::Leases;
pub(crate) use warmth::Warmth;
