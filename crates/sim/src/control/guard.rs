//! Who may control a simulator: whoever shows its token, from this machine, and is no web page of somebody else's.
//!
//! The rules are the server's own [`Guard`], and one more: what changes something is JSON.

use http::{Method, StatusCode, header, request::Parts};
use longshore_server::{AccessToken, Guard};

/// Whether the request of this head may do something here; else the status and the reason.
pub(super) fn check(head: &Parts, token: &str) -> Result<(), (StatusCode, String)> {
    let guard = Guard::new(Some(AccessToken::new(token)), Vec::new());
    guard.check(head).map_err(|error| {
        let status = error.http_status().and_then(|status| StatusCode::from_u16(status).ok());
        (status.unwrap_or(StatusCode::FORBIDDEN), error.message().to_owned())
    })?;
    let essence = head.headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes());
    let essence = essence.and_then(|value| value.split(|byte| *byte == b';').next()).unwrap_or_default();
    let reads = matches!(head.method, Method::GET | Method::HEAD);
    if reads || essence.trim_ascii().eq_ignore_ascii_case(b"application/json") {
        return Ok(());
    }
    Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "send `Content-Type: application/json`".into()))
}
