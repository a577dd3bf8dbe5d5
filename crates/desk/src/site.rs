//! The desk as a [`Site`]: which paths are its own, and who answers each.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{body::Body, response::IntoResponse};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use longshore_core::ErrorKind;
use longshore_server::{Site, SiteBody};
use tower_service::Service;

use crate::{
    Desk, Refusal, access,
    access::Door,
    api,
    assets::{self, plain},
};

/// Where the page is.
const PAGE: &str = "/desk/";
/// Bytes of a reason that the router gives.
const LONGEST_REASON: usize = 16 << 10;

impl Desk {
    /// The desk for [`ServerOptions::site`](longshore_server::ServerOptions::site). Bodies of requests have at most so
    /// many bytes.
    pub fn site(&self, request_bytes: usize) -> Arc<dyn Site> {
        let (router, _) = api::router().split_for_parts();
        let router = router
            .fallback(|| async { Refusal::missing("answer", "the desk has no such route") })
            .layer(axum::extract::DefaultBodyLimit::max(request_bytes))
            .with_state(self.clone());
        Arc::new(DeskSite { router, door: Door::new(&self.options.token, &self.options.hosts) })
    }
}

struct DeskSite {
    router: axum::Router,
    door: Door,
}

impl Site for DeskSite {
    fn owns(&self, head: &Parts) -> bool {
        let path = head.uri.path();
        // What is not a browser and asks for the root is some client of a model server that looks who is there.
        let browses = || {
            head.headers
                .get(header::ACCEPT)
                .is_some_and(|accept| accept.as_bytes().windows(9).any(|word| word.eq_ignore_ascii_case(b"text/html")))
        };
        path.starts_with(PAGE) || path == "/desk" || (path == "/" && head.method == Method::GET && browses())
    }

    fn respond(&self, request: Request<Incoming>) -> BoxFuture<'static, Response<SiteBody>> {
        let (head, body) = request.into_parts();
        if head.uri.path().starts_with(api::ROOT) {
            if let Err(error) = self.door.check_api(&head) {
                tracing::warn!(path = head.uri.path(), reason = error.message(), "request refused");
                let refusal = Refusal::new("come in", &error);
                let refusal = match error.http_status() {
                    Some(401) => refusal.next("open the page again from the program that serves it"),
                    _ => refusal,
                };
                return Box::pin(std::future::ready(finish(refusal.into_response())));
            }
            let mut router = self.router.clone();
            return Box::pin(async move {
                let Ok(response) = router.call(Request::from_parts(head, Body::new(body))).await;
                finish(in_our_words(response).await)
            });
        }
        let response = if head.uri.path().starts_with(PAGE) { assets::respond(&head) } else { to_page() };
        Box::pin(std::future::ready(finish(response)))
    }
}

fn to_page() -> Response<Body> {
    let mut response = plain(StatusCode::TEMPORARY_REDIRECT, "the page is at /desk/\n");
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(PAGE));
    response
}

/// What the router itself refuses it refuses in plain text: a body that is no JSON, a method that is not there.
async fn in_our_words(response: Response<Body>) -> Response<Body> {
    let media_type = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_plain = media_type.is_none_or(|media_type| media_type.starts_with(b"text/plain"));
    let status = response.status();
    if !status.is_client_error() || !is_plain {
        return response;
    }
    let text = axum::body::to_bytes(response.into_body(), LONGEST_REASON).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let reason = if text.is_empty() { status.canonical_reason().unwrap_or_default() } else { &text };
    let kind = if status == StatusCode::PAYLOAD_TOO_LARGE { ErrorKind::TooLarge } else { ErrorKind::InvalidRequest };
    Refusal::with_status("read the request", status, kind, reason).into_response()
}

fn finish(response: Response<Body>) -> Response<SiteBody> {
    let (mut head, body) = response.into_parts();
    access::put_headers(&mut head.headers);
    Response::from_parts(head, Whole(body).boxed_unsync())
}

/// A body that ends where it would fail; none of ours does.
struct Whole(Body);

impl http_body::Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match ready!(Pin::new(&mut self.0).poll_frame(cx)) {
            Some(Ok(frame)) => Poll::Ready(Some(Ok(frame))),
            Some(Err(error)) => {
                tracing::error!(%error, "a body of the desk broke off");
                Poll::Ready(None)
            }
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.0.size_hint()
    }
}
