//! Moving bytes: connections, TLS, phases of time, and the way from a body's frames to events.
//!
//! It knows no dialect and makes one exchange at a time: who is asked, and what happens when that fails, is decided
//! in [`crate::attempts`]. hyper-util's pool does one thing by itself: a request whose pooled connection turned out
//! closed before a byte of it was written goes out again on another one. That is no retry anybody could notice.

mod clock;
mod connector;
mod dial;
mod exchange;
mod fault;
mod http;
mod pool;
mod tls;

pub(crate) use clock::{Clock, Phases};
pub(crate) use connector::Connector;
pub use dial::{Dial, Dialled};
pub(crate) use exchange::{Exchange, Subject, is_unmarked};
pub(crate) use fault::Failure;
pub(crate) use http::Http;
pub use pool::PoolState;
pub(crate) use tls::TlsRoots;
