//! What hyper, h2, rustls and the system say went wrong, in this project's words: the one place that walks sources.

use std::{error::Error as StdError, io, iter, time::Duration};

use h2::Reason;
use hyper_util::client::legacy::Error as ClientError;
use longshore_core::{Error, ErrorKind, Sent};
use rustls::{AlertDescription, CertificateError, Error as TlsError};

use super::connector::{ConnectTimeout, Unresolved};

/// Why an exchange came to nothing.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// The same request to the same endpoint may well succeed at once: the server had closed a kept connection, or
    /// gave the request back unread.
    pub(crate) at_once: bool,
    /// It would fail in the same way after a while: a name that does not exist, a certificate that is not trusted.
    pub(crate) lasting: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, at_once: false, lasting: false }
    }
}

/// No head of a reply came. `used`: the connection had carried a reply before; `limit`: for making one.
pub(crate) fn of_request(error: ClientError, used: bool, limit: Duration) -> Failure {
    let connecting = error.is_connect();
    let mut found = diagnose(&error);
    if connecting && found.kind == ErrorKind::Timeout {
        found = Found::new(ErrorKind::Timeout, format!("no connection within {limit:?} (connect timeout)")).not_sent();
    } else if connecting {
        if found.closed {
            // A connection that was there, and was none yet for HTTP.
            found.message = format!("{}, in the TLS handshake", found.message);
        }
        found.kind = ErrorKind::Connect;
        found.sent = Sent::No;
    } else if found.kind == ErrorKind::Interrupted {
        // Nothing of an answer has come, so nothing was interrupted: the connection is what failed.
        found.kind = ErrorKind::Connect;
    }
    let closed = found.closed && used;
    let (at_once, lasting) = (closed || (found.sent == Sent::No && !connecting), found.lasting);
    Failure { at_once, lasting, error: found.into_error(error) }
}

/// The body broke off. What that means depends on what had come; the kind is the fault's own.
pub(crate) fn of_body(error: hyper::Error) -> Error {
    let mut found = diagnose(&error);
    if found.kind == ErrorKind::Connect {
        found.kind = ErrorKind::Interrupted;
    }
    if found.sent == Sent::Maybe {
        found.sent = Sent::Yes;
    }
    found.into_error(error)
}

struct Found {
    kind: ErrorKind,
    message: String,
    sent: Sent,
    /// The server closed or reset the connection without a word.
    closed: bool,
    /// Waiting would not help.
    lasting: bool,
}

impl Found {
    fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), sent: Sent::Maybe, closed: false, lasting: false }
    }

    fn closed(message: &str) -> Self {
        Self { closed: true, ..Self::new(ErrorKind::Interrupted, message) }
    }

    fn not_sent(self) -> Self {
        Self { sent: Sent::No, ..self }
    }

    fn lasting(self) -> Self {
        Self { lasting: true, ..self }
    }

    fn into_error(self, source: impl StdError + Send + Sync + 'static) -> Error {
        Error::new(self.kind, self.message).sent(self.sent).caused_by(source)
    }
}

/// The deepest cause that this project has a word for; of hyper's own verdicts, what is left.
fn diagnose(error: &(dyn StdError + 'static)) -> Found {
    let hyper = causes(error).find_map(|cause| cause.downcast_ref::<hyper::Error>());
    let deepest = causes(error).filter_map(of_cause).last();
    let mut found = deepest.or_else(|| hyper.map(of_hyper)).unwrap_or_else(|| {
        let last = causes(error).last().map(ToString::to_string).unwrap_or_default();
        Found::new(ErrorKind::Protocol, last)
    });
    if hyper.is_some_and(hyper::Error::is_canceled) {
        found.sent = Sent::No;
    }
    found
}

/// An error and what lies beneath. An `io::Error` hides what it was made of from `source()`, and so does `h2`.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    iter::successors(Some(error), |&error| {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return error.get_ref().map(|inner| inner as _);
        }
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return error.get_io().map(|inner| inner as _);
        }
        error.source()
    })
}

fn of_cause(error: &(dyn StdError + 'static)) -> Option<Found> {
    if let Some(timeout) = error.downcast_ref::<ConnectTimeout>() {
        return Some(Found::new(ErrorKind::Timeout, timeout.to_string()).not_sent());
    }
    if let Some(unresolved) = error.downcast_ref::<Unresolved>() {
        return Some(Found::new(ErrorKind::Connect, unresolved.to_string()).not_sent().lasting());
    }
    if let Some(tls) = error.downcast_ref::<TlsError>() {
        return Some(Found::new(ErrorKind::Connect, of_tls(tls)).not_sent().lasting());
    }
    if let Some(http2) = error.downcast_ref::<h2::Error>() {
        return of_http2(http2);
    }
    error.downcast_ref::<io::Error>().and_then(of_io)
}

/// `EMFILE` and `ENFILE`: this process, or the machine, has as many files and connections open as it may.
#[cfg(unix)]
const NO_DESCRIPTORS: [i32; 2] = [24, 23];
/// `WSAEMFILE`, `ERROR_TOO_MANY_OPEN_FILES`.
#[cfg(windows)]
const NO_DESCRIPTORS: [i32; 2] = [10024, 4];

fn of_io(error: &io::Error) -> Option<Found> {
    if error.raw_os_error().is_some_and(|code| NO_DESCRIPTORS.contains(&code)) {
        let message = "this process has too many files and connections open (raise its limit, `ulimit -n`, or lower \
                       `pool.max_connections`)";
        return Some(Found::new(ErrorKind::Connect, message).not_sent());
    }
    Some(match error.kind() {
        io::ErrorKind::ConnectionRefused => Found::new(ErrorKind::Connect, "connection refused").not_sent(),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            Found::new(ErrorKind::Connect, "no route to the host").not_sent()
        }
        io::ErrorKind::ConnectionReset => Found::closed("the server reset the connection"),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe | io::ErrorKind::NotConnected => {
            Found::closed("the server closed the connection")
        }
        io::ErrorKind::UnexpectedEof => Found::closed("the server closed the connection too early"),
        io::ErrorKind::TimedOut => Found::new(ErrorKind::Timeout, "the connection timed out"),
        io::ErrorKind::InvalidData if error.to_string().contains(TLS_ALERT) => {
            Found::new(ErrorKind::Connect, of_alert(&error.to_string())).not_sent().lasting()
        }
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData if error.get_ref().is_some() => {
            Found::new(ErrorKind::Protocol, format!("the reply is not sound HTTP: {error}"))
        }
        // What it wraps says more.
        _ if error.get_ref().is_some() => return None,
        _ => Found::new(ErrorKind::Connect, error.to_string()),
    })
}

/// Source: RFC 9113 sections 6.8, 7 and 8.7: a refused stream, and one above the last of a GOAWAY, was not processed.
fn of_http2(error: &h2::Error) -> Option<Found> {
    if error.is_io() {
        return None;
    }
    let reason = error.reason()?;
    Some(match reason {
        Reason::REFUSED_STREAM => {
            Found::new(ErrorKind::Connect, "the server refused the HTTP/2 stream unread").not_sent()
        }
        Reason::NO_ERROR if error.is_go_away() && error.is_remote() => {
            Found::new(ErrorKind::Connect, "the server is closing its connections").not_sent()
        }
        Reason::HTTP_1_1_REQUIRED => Found::new(ErrorKind::Protocol, "the server wants HTTP/1.1 here").not_sent(),
        _ if error.is_remote() => {
            let what = if error.is_go_away() { "connection" } else { "stream" };
            Found {
                closed: true,
                ..Found::new(ErrorKind::Interrupted, format!("the server ended the HTTP/2 {what}: {reason}"))
            }
        }
        _ => Found::new(ErrorKind::Protocol, format!("the reply is not sound HTTP/2: {reason}")),
    })
}

/// hyper tells a client this in the text alone.
const HEAD_TOO_LARGE: &str = "message head is too large";

fn of_hyper(error: &hyper::Error) -> Found {
    if error.is_canceled() || error.is_closed() {
        Found::closed("the connection closed before the request was sent").not_sent()
    } else if error.is_incomplete_message() {
        Found::closed("the server closed the connection without an answer")
    } else if error.is_parse() && error.to_string() == HEAD_TOO_LARGE {
        Found::new(ErrorKind::TooLarge, "the reply's headers are too large or too many")
    } else if error.is_timeout() {
        Found::new(ErrorKind::Timeout, "the connection went silent: no answer to HTTP/2 pings")
    } else if error.is_parse() {
        Found::new(ErrorKind::Protocol, format!("the reply is not HTTP: {error}"))
    } else {
        Found::new(ErrorKind::Protocol, error.to_string())
    }
}

/// The certificate's reason, and what to do about it.
fn of_tls(error: &TlsError) -> String {
    match error {
        TlsError::InvalidCertificate(reason) => of_certificate(reason),
        TlsError::InvalidMessage(_) => "the server does not speak TLS on this port (is its address http?)".into(),
        TlsError::AlertReceived(AlertDescription::NoApplicationProtocol) | TlsError::NoApplicationProtocol => {
            "the server does not speak HTTP/2 over TLS on this port".into()
        }
        TlsError::AlertReceived(_) => of_alert(&error.to_string()),
        other => format!("TLS failed: {other}"),
    }
}

/// How rustls begins when the server sends an alert. After an HTTP/2 handshake the text is all that is left of it:
/// a server of TLS 1.3 refuses a client's certificate only then.
const TLS_ALERT: &str = "received fatal alert: ";

fn of_alert(text: &str) -> String {
    match text.split(TLS_ALERT).last().unwrap_or_default() {
        "CertificateRequired" => "the server wants a client certificate".into(),
        alert => format!("the server broke the TLS handshake off: {alert}"),
    }
}

/// The names of a certificate, which rustls gives as `DnsName("a.example")`.
fn of_names(presented: &[String]) -> String {
    let bare = |name: &String| {
        let inside = name.split_once("(\"").and_then(|(_, rest)| rest.strip_suffix("\")"));
        inside.unwrap_or(name).to_owned()
    };
    if presented.is_empty() {
        "no name at all".into()
    } else {
        presented.iter().map(bare).collect::<Vec<_>>().join(", ")
    }
}

fn of_certificate(reason: &CertificateError) -> String {
    match reason {
        CertificateError::UnknownIssuer => {
            "the server's certificate is from an authority that is not trusted (name the authority as this server's CA)"
                .into()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet".into()
        }
        CertificateError::NotValidForName => "the server's certificate is for another name".into(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            format!("the server's certificate is not for {}, but for {}", expected.to_str(), of_names(presented))
        }
        other => format!("the server's certificate is not valid: {other}"),
    }
}
