//! gRPC statuses as errors, both ways.
//!
//! Source: gRPC's status codes, "gRPC over HTTP/2" (responses, status messages, mapping of HTTP statuses), and proposal
//! A6 for push-back.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, utf8_percent_encode};

use super::oip::kind_of_message;
use crate::{Error, ErrorKind, Sent};

const STATUS: &str = "grpc-status";
const MESSAGE: &str = "grpc-message";
const PUSHBACK: &str = "grpc-retry-pushback-ms";
/// Longshore's own trailer: the exact kind, for which gRPC has fewer words.
const KIND: &str = "longshore-error";

/// Trailers of a call that went well.
pub(super) fn ok() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert(STATUS, HeaderValue::from_static("0"));
    trailers
}

/// Trailers of a call that did not.
pub(super) fn trailers_of(error: &Error) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert(STATUS, code_of_kind(error.kind()).into());
    if let Ok(message) = HeaderValue::from_str(&encode_message(&error.to_string())) {
        trailers.insert(MESSAGE, message);
    }
    trailers.insert(KIND, HeaderValue::from_static(error.kind().as_str()));
    if error.is_final_word() {
        trailers.insert(PUSHBACK, HeaderValue::from_static("-1"));
    } else if let Some(wait) = error.wait() {
        trailers.insert(PUSHBACK, u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).into());
    }
    trailers
}

/// What the trailers (or the head of a reply without a body) say; `None` when they carry no status.
pub(super) fn read(headers: &HeaderMap) -> Option<Result<(), Error>> {
    let code = headers.get(STATUS)?.to_str().ok().and_then(|code| code.parse().ok()).unwrap_or(UNKNOWN);
    if code == 0 {
        return Some(Ok(()));
    }
    let message = headers.get(MESSAGE).map(|message| percent_decode(message.as_bytes()).decode_utf8_lossy());
    let message = message.filter(|message| !message.is_empty());
    let exact = headers.get(KIND).and_then(|kind| ErrorKind::from_word(kind.to_str().ok()?));
    let kind = exact.or_else(|| kind_of_message(message.as_deref()?)).unwrap_or_else(|| kind_of_code(code));
    let name = NAMES.get(code as usize).copied().unwrap_or("a status outside gRPC");
    let text = message.map_or_else(|| format!("the server answered {name}"), |message| message.into_owned());
    let mut error = Error::new(kind, text).code(name).sent(Sent::Yes);
    // What is negative or no number asks not to try again at all (A6).
    if let Some(wait) = headers.get(PUSHBACK) {
        error = match wait.to_str().ok().and_then(|wait| wait.parse().ok()) {
            Some(wait) => error.retry_after(Duration::from_millis(wait)),
            None => error.final_word(),
        };
    }
    Some(Err(error))
}

const UNKNOWN: u32 = 2;

const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// What a code means where the message does not say more.
fn kind_of_code(code: u32) -> ErrorKind {
    match code {
        1 => ErrorKind::Cancelled,
        3 | 6 | 11 => ErrorKind::InvalidRequest,
        4 => ErrorKind::Timeout,
        5 => ErrorKind::UnknownModel,
        7 | 16 => ErrorKind::Unauthenticated,
        8 | 14 => ErrorKind::Overloaded,
        9 => ErrorKind::ModelNotReady,
        12 => ErrorKind::Unsupported,
        15 => ErrorKind::Interrupted,
        _ => ErrorKind::Server,
    }
}

/// The code that says what this kind means. A model that is not ready is UNAVAILABLE, as Triton has it: clients know
/// that trying again makes sense.
fn code_of_kind(kind: ErrorKind) -> u32 {
    match kind {
        ErrorKind::InvalidRequest | ErrorKind::ContextTooLong => 3,
        ErrorKind::UnknownModel => 5,
        ErrorKind::ModelNotReady | ErrorKind::Connect => 14,
        ErrorKind::Unauthenticated => 16,
        ErrorKind::Unsupported => 12,
        ErrorKind::Overloaded | ErrorKind::TooLarge => 8,
        ErrorKind::Timeout => 4,
        ErrorKind::Protocol | ErrorKind::Server => 13,
        ErrorKind::Interrupted => 15,
        ErrorKind::Cancelled => 1,
    }
}

/// Everything but printable ASCII and the percent sign itself.
const OUTSIDE_MESSAGE: &AsciiSet = &CONTROLS.add(b'%');
/// HTTP/2 peers limit their headers, often to 8 KiB or 16 KiB; a traceback is not a message.
const LONGEST_MESSAGE: usize = 2000;

fn encode_message(message: &str) -> String {
    let end = message.char_indices().nth(LONGEST_MESSAGE).map_or(message.len(), |(end, _)| end);
    utf8_percent_encode(&message[..end], OUTSIDE_MESSAGE).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: &str, message: &str) -> Option<Result<(), Error>> {
        let mut headers = HeaderMap::new();
        headers.insert(STATUS, code.parse().unwrap());
        headers.insert(MESSAGE, message.parse().unwrap());
        read(&headers)
    }

    #[test]
    fn every_kind_survives_with_its_message() {
        for kind in ErrorKind::ALL {
            let error = Error::new(kind, "naïve 100 %\nof \"it\"").retry_after(Duration::from_millis(1500));
            let read = read(&trailers_of(&error)).unwrap().unwrap_err();
            assert_eq!(read, error);
            assert_eq!(read.wait(), error.wait());
        }
        let last = read(&trailers_of(&Error::new(ErrorKind::Overloaded, "enough").final_word())).unwrap().unwrap_err();
        assert!(last.is_final_word() && last.wait().is_none());
        assert!(read(&ok()).unwrap().is_ok());
        assert!(read(&HeaderMap::new()).is_none());
        assert!(trailers_of(&Error::invalid("é".repeat(9000)))[MESSAGE].len() < 7000 * 2);
    }

    #[test]
    fn the_words_of_servers_say_more_than_their_codes() {
        let check = |code: &str, message: &str, kind| {
            assert_eq!(status(code, message).unwrap().unwrap_err().kind(), kind, "{code} {message}");
        };
        check("2", "Unexpected <class 'mlserver.errors.ModelNotFound'>: Model nope", ErrorKind::UnknownModel);
        check("13", "failed to load 'nope', failed to poll from model repository", ErrorKind::UnknownModel);
        check("5", "Request for unknown model: 'echo' has no available versions", ErrorKind::ModelNotReady);
        check("14", "Request for unknown model: 'a' is not ready", ErrorKind::ModelNotReady);
        check("13", "unpack requires a buffer of 20 bytes", ErrorKind::Server);
        check("8", "Received message larger than max (9 vs. 4)", ErrorKind::TooLarge);
        check("12", "", ErrorKind::Unsupported);
        check("4", "Deadline Exceeded", ErrorKind::Timeout);
        check("99", "", ErrorKind::Server);
        check("x", "", ErrorKind::Server);
        assert_eq!(status("13", "a%20b%zz%C3%A9").unwrap().unwrap_err().message(), "a b%zzé");
    }
}
