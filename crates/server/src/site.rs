//! What is served beside the dialects: a page of the same port, with a door of its own.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response, request::Parts};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;

/// The body of a site's response. It cannot fail: what breaks off simply ends.
pub type SiteBody = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// Answers some paths of a server in place of the dialects.
///
/// The server has checked the request's `Host` and nothing else: who may come in is the site's own affair, and so are its
/// limits. The gateway's token opens no site, and a site's token no gateway.
pub trait Site: Send + Sync {
    /// Whether the request of this head is the site's. Must be quick.
    fn owns(&self, head: &Parts) -> bool;

    /// Answers it. Dropping the future or the body cancels the work.
    fn respond(&self, request: Request<Incoming>) -> BoxFuture<'static, Response<SiteBody>>;
}
