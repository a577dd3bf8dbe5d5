//! Listeners that expose any [`Backend`](longshore_core::Backend) in every dialect, on one port: HTTP/1.1, HTTP/2
//! with or without TLS, and gRPC.
//!
//! [`Server::bind`] takes the address, so that a caller knows the port before anything is served; [`Server::serve`]
//! runs until it is told to drain. A request goes `guard → route → body → decode → backend → encode`, in
//! [`Service`]; what lies outside the dialects may be answered by a [`Site`]. What a request means is the dialect's
//! affair, what is answered the backend's; here are only connections, limits and who may come in.

#![forbid(unsafe_code)]

mod body;
mod duplex;
mod guard;
mod ledger;
mod listener;
mod options;
mod outcome;
mod service;
mod site;
mod tls;
mod unary;

pub use body::ReplyBody;
pub use guard::{AccessToken, Guard, fresh_token};
pub use listener::{Server, connection_builder};
pub use options::{Limits, MetricsPage, ServerOptions, TlsIdentity};
pub use service::Service;
pub use site::{Site, SiteBody};
pub use tls::acceptor as tls_acceptor;
