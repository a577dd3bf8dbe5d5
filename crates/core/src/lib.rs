//! The vocabulary of Longshore: what is asked, what comes back, and who may answer.
//!
//! Three invariants carry the rest. *One path*: every answer is a stream of [`Event`]s, and a unary answer is that
//! stream collected. *One trait*: whatever answers is a [`Backend`], so an engine, a server, a fleet and a cache
//! compose. *No I/O here*: a [`Dialect`] turns values into bytes and bytes into values, and somebody else moves the
//! bytes; this crate knows neither sockets nor an async runtime.

#![forbid(unsafe_code)]

pub mod call;
pub mod capability;
pub mod dialect;
pub mod error;
pub mod event;
pub mod framing;
pub mod model;
pub mod reply;
pub mod tensor;
pub mod text_model;
pub mod watch;

use futures_core::future::BoxFuture;

pub use call::{Call, Op, Origin};
pub use capability::Capabilities;
pub use dialect::{Dialect, ReplyDecoder, ReplyEncoder, StatusStream};
pub use error::{Blame, Error, ErrorKind, Sent};
pub use event::{Event, EventKind, Events, Finish, Usage};
pub use framing::Framing;
pub use model::{ModelInfo, ModelKind, ModelState, ServerInfo};
pub use reply::{Answer, Attempt, CacheStatus, Protocol, Received, Reply, Route};
pub use tensor::{DataType, Parameter, Parameters, Tensor};
pub use watch::{Step, Watch};

/// Anything that answers calls: the engine, the simulator, one endpoint, a fleet, a cache in front of any of them.
///
/// The future resolves when the answer is *committed*: at its first content event (see [`EventKind::is_content`]), or
/// at its end. So whoever retries or fails over needs to look at this result alone, and an error later in the stream
/// is never retried silently. Dropping the future or the events cancels the work, upstream included.
pub trait Backend: Send + Sync {
    /// Starts answering `call`.
    ///
    /// # Errors
    /// Whatever prevented the first piece of an answer; [`Error::was_sent`] tells whether work may have begun.
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Reply, Error>>;

    /// What it can be asked for, so that nobody has to try and fail; `None` where that is not known.
    fn capabilities(&self) -> Option<Capabilities> {
        None
    }
}

impl<B: Backend + ?Sized> Backend for std::sync::Arc<B> {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Reply, Error>> {
        (**self).call(call)
    }

    fn capabilities(&self) -> Option<Capabilities> {
        (**self).capabilities()
    }
}
