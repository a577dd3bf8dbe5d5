//! The connections of a simulated server: accepted, numbered, and broken when a fault says so.
//!
//! What is spoken on them is `longshore_server`'s affair; here is what a server that behaves has no need of.

mod connection;
mod exchange;
mod io;
mod listener;
mod tls;

pub(crate) use connection::ConnectionHandle;
pub(crate) use listener::{Listening, Shared, accepted_or_rest, converse, stopped};
pub(crate) use tls::Identities;
