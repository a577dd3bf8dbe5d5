//! Errors as HTTP statuses, both ways: the meaning that REST dialects share. What a body says goes before this.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header::RETRY_AFTER, response};

use crate::{Error, ErrorKind, Sent};

/// What a status means where the body does not say more. Source: RFC 9110 section 15, RFC 6585.
pub fn kind_of_status(status: StatusCode) -> ErrorKind {
    match status.as_u16() {
        401 | 403 => ErrorKind::Unauthenticated,
        404 => ErrorKind::UnknownModel,
        405 | 501 => ErrorKind::Unsupported,
        408 | 504 => ErrorKind::Timeout,
        413 | 431 => ErrorKind::TooLarge,
        429 | 503 => ErrorKind::Overloaded,
        // Not of any RFC: nginx's, and google.rpc.Code's for CANCELLED.
        499 => ErrorKind::Cancelled,
        400..=499 => ErrorKind::InvalidRequest,
        500..=599 => ErrorKind::Server,
        _ => ErrorKind::Protocol,
    }
}

/// The status that says what this error means. An error that arose here, before anything was sent to anybody, may name
/// its own ([`Error::status`]); one that another server sent is judged by its kind.
pub fn status_of(error: &Error) -> StatusCode {
    let own = error.http_status().filter(|_| error.was_sent() == Sent::No);
    if let Some(status) = own.and_then(|status| StatusCode::from_u16(status).ok()) {
        return status;
    }
    match error.kind() {
        ErrorKind::InvalidRequest | ErrorKind::ContextTooLong => StatusCode::BAD_REQUEST,
        ErrorKind::UnknownModel => StatusCode::NOT_FOUND,
        ErrorKind::ModelNotReady => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        ErrorKind::Overloaded => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Connect | ErrorKind::Protocol | ErrorKind::Interrupted => StatusCode::BAD_GATEWAY,
        ErrorKind::Server | ErrorKind::Cancelled => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The head of an error reply that is not streamed.
pub(super) fn error_head(error: &Error) -> response::Builder {
    let mut head = http::Response::builder().status(status_of(error));
    if let Some(wait) = error.wait() {
        head = head.header(RETRY_AFTER, wait.as_secs_f64().ceil() as u64);
    }
    head
}

/// The error that a head stands for, with what the body says about it: its message, and the server's own code.
pub(super) fn from_head(head: &response::Parts, message: impl Into<String>, code: Option<String>) -> Error {
    let mut message = message.into();
    if message.is_empty() {
        message = format!("the server answered {}", head.status);
    }
    let mut error = Error::new(kind_of_status(head.status), message).status(head.status.as_u16()).sent(Sent::Yes);
    if let Some(code) = code {
        error = error.code(code);
    }
    match retry_after(&head.headers) {
        Some(wait) => error.retry_after(wait),
        None => error,
    }
}

/// `Retry-After` as seconds or as a date (RFC 9110 section 10.2.3); a date that has passed is zero, nonsense is nothing.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// The first part of a text that a person should see: a page or a traceback is not a message.
pub(super) fn excerpt(body: &[u8]) -> String {
    const LENGTH: usize = 300;
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * LENGTH)]);
    let text = text.trim();
    match text.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let check = |value: &str, expected: Option<u64>| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            assert_eq!(retry_after(&headers).map(|wait| wait.as_secs()), expected, "{value}");
        };
        check("7", Some(7));
        check(" 0 ", Some(0));
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(0));
        check("soon", None);
        check("-1", None);
        let later = SystemTime::now() + Duration::from_secs(90);
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, httpdate::fmt_http_date(later).parse().unwrap());
        assert!((85..=90).contains(&retry_after(&headers).unwrap().as_secs()));
    }
}
