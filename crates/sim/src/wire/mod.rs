//! The connections of a simulated server: accepted, numbered, and broken when a fault says so.
//!
//! What is spoken on them is `longshore_server`'s affair; here is what a server that behaves has no need of.

mod connection;
mod exchange;
mod io;
mod listener;
mod tls;
mod workers;

pub(crate) use connection::{ConnectionHandle, Roster};
pub(crate) use listener::{Listening, Shared, accepted_or_rest, converse, listen, stopped};
pub(crate) use tls::Identities;
pub(crate) use workers::Workers;
