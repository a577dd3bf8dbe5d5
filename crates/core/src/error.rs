//! One error for the whole of Longshore: opaque, asked by methods, built with context.
//!
//! A message is a lowercase fragment that reads well after "failed to …: ". Facts that a program wants (which server,
//! which limit, the server's own code) stand in fields of their own, never only in the text.

use std::{fmt, sync::Arc, time::Duration};

use crate::reply::Attempt;

/// What went wrong, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller's fault: another server would say the same.
    InvalidRequest,
    /// The prompt and the wanted answer do not fit the model's context.
    ContextTooLong,
    /// No such model here.
    UnknownModel,
    /// The model exists and cannot answer now: not loaded, still loading, draining or failed.
    ModelNotReady,
    /// The credential is missing, wrong, or not enough.
    Unauthenticated,
    /// The server, or the dialect, has no such operation.
    Unsupported,
    /// The server asks for less: wait, do not blame it.
    Overloaded,
    /// No connection: refused, unresolved, TLS.
    Connect,
    /// Something took longer than it may; the message names which limit.
    Timeout,
    /// The bytes were not what the protocol promises.
    Protocol,
    /// A size limit; the message names which.
    TooLarge,
    /// Content had arrived, the end mark had not.
    Interrupted,
    /// The server failed and said so.
    Server,
    /// Somebody who may do so called it off.
    Cancelled,
}

impl ErrorKind {
    /// Every kind, in the order of declaration.
    pub const ALL: [Self; 14] = [
        Self::InvalidRequest,
        Self::ContextTooLong,
        Self::UnknownModel,
        Self::ModelNotReady,
        Self::Unauthenticated,
        Self::Unsupported,
        Self::Overloaded,
        Self::Connect,
        Self::Timeout,
        Self::Protocol,
        Self::TooLarge,
        Self::Interrupted,
        Self::Server,
        Self::Cancelled,
    ];

    /// From the word of [`ErrorKind::as_str`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// A stable word for logs, JSON and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::ContextTooLong => "context_too_long",
            Self::UnknownModel => "unknown_model",
            Self::ModelNotReady => "model_not_ready",
            Self::Unauthenticated => "unauthenticated",
            Self::Unsupported => "unsupported",
            Self::Overloaded => "overloaded",
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Protocol => "protocol",
            Self::TooLarge => "too_large",
            Self::Interrupted => "interrupted",
            Self::Server => "server",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Had the request left when it failed? Decides whether sending it again can do harm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sent {
    /// Not a byte: free to send again.
    No,
    /// Perhaps: only a replayable call may be sent again.
    #[default]
    Maybe,
    /// Yes, and the server answered.
    Yes,
}

/// Who is to blame, for those who judge a server by its errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The caller: says nothing about the server's health, and no other server would do better.
    Caller,
    /// The server has too much to do: use it less, do not give it up.
    BackPressure,
    /// The server or the way to it is broken.
    Fault,
}

/// What went wrong, where, and whether trying again makes sense. Cheap to clone, so that those who joined one load
/// or one call all get it.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    sent: Sent,
    retry_after: Option<Duration>,
    /// The server asked not to be asked again.
    final_word: bool,
    /// Where the list of attempts begins in the message.
    headline: Option<usize>,
    status: Option<u16>,
    code: Option<String>,
    context: Vec<(&'static str, String)>,
    attempts: Vec<Attempt>,
    partial: Option<String>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// `message` is a lowercase fragment that reads well after "failed to …: ".
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            sent: Sent::default(),
            retry_after: None,
            final_word: false,
            headline: None,
            status: None,
            code: None,
            context: Vec::new(),
            attempts: Vec::new(),
            partial: None,
            source: None,
        }))
    }

    /// Shorthand for the commonest kind.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidRequest, message)
    }

    /// Shorthand for bytes that are not what the protocol promises.
    pub fn protocol(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Protocol, message)
    }

    /// Nobody here knows `model`; `known` are the models that exist.
    pub fn unknown_model<S: AsRef<str>>(model: &str, known: impl IntoIterator<Item = S>) -> Self {
        let known: Vec<_> = known.into_iter().map(|name| format!("`{}`", name.as_ref())).collect();
        let list =
            if known.is_empty() { "there are no models".into() } else { format!("there are {}", known.join(", ")) };
        Self::new(ErrorKind::UnknownModel, format!("no model `{model}`; {list}"))
    }

    /// Whether the request had left.
    #[must_use]
    pub fn sent(mut self, sent: Sent) -> Self {
        self.0.sent = sent;
        self
    }

    /// How long the server wants to be left alone.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// The server asks not to be asked again: gRPC's negative push-back.
    #[must_use]
    pub fn final_word(mut self) -> Self {
        self.0.final_word = true;
        self
    }

    /// Adds a sentence to the message: why it was left at that.
    #[must_use]
    pub fn adding(mut self, text: &str) -> Self {
        self.0.message.push_str("; ");
        self.0.message.push_str(text);
        self
    }

    /// Adds what was tried to the message; [`Error::headline`] leaves it out, for whoever shows the ledger beside it.
    #[must_use]
    pub fn listing(mut self, tried: &str) -> Self {
        self.0.headline = Some(self.0.message.len());
        self.0.message.push_str(": ");
        self.0.message.push_str(tried);
        self
    }

    /// The HTTP status that came with it.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    /// The server's own code or type for it.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.0.code = Some(code.into());
        self
    }

    /// A fact that helps to find it: `("server", "gpu-1")`. The innermost fact is given first.
    #[must_use]
    pub fn context(mut self, what: &'static str, value: impl Into<String>) -> Self {
        self.0.context.push((what, value.into()));
        self
    }

    /// Every attempt that was made before giving up.
    #[must_use]
    pub fn attempts(mut self, attempts: Vec<Attempt>) -> Self {
        self.0.attempts = attempts;
        self
    }

    /// The text that had arrived.
    #[must_use]
    pub fn partial(mut self, text: impl Into<String>) -> Self {
        self.0.partial = Some(text.into());
        self
    }

    /// What caused it.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into().into());
        self
    }

    /// The same facts under another kind: a fault after content is an interruption.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// What went wrong, in a word.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The message alone, without context.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The message without the list of what was tried, if it has one.
    pub fn headline(&self) -> &str {
        self.0.headline.and_then(|end| self.0.message.get(..end)).unwrap_or(&self.0.message)
    }

    /// Whether the server asked not to be asked again.
    pub fn is_final_word(&self) -> bool {
        self.0.final_word
    }

    /// Whether the request had left when it failed.
    pub fn was_sent(&self) -> Sent {
        self.0.sent
    }

    /// How long the server wants to be left alone, if it said so.
    pub fn wait(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The HTTP status that came with it, if any.
    pub fn http_status(&self) -> Option<u16> {
        self.0.status
    }

    /// The server's own code or type, if it gave one.
    pub fn server_code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The facts around it, innermost first.
    pub fn facts(&self) -> &[(&'static str, String)] {
        &self.0.context
    }

    /// Every attempt that was made before giving up; empty where there was one.
    pub fn ledger(&self) -> &[Attempt] {
        &self.0.attempts
    }

    /// The text that had arrived before it broke off.
    pub fn partial_text(&self) -> Option<&str> {
        self.0.partial.as_deref()
    }

    /// Who is to blame.
    pub fn blame(&self) -> Blame {
        match self.0.kind {
            ErrorKind::InvalidRequest
            | ErrorKind::ContextTooLong
            | ErrorKind::UnknownModel
            | ErrorKind::Unauthenticated
            | ErrorKind::Unsupported
            | ErrorKind::Cancelled => Blame::Caller,
            ErrorKind::Overloaded | ErrorKind::ModelNotReady => Blame::BackPressure,
            ErrorKind::Connect
            | ErrorKind::Timeout
            | ErrorKind::Protocol
            | ErrorKind::TooLarge
            | ErrorKind::Interrupted
            | ErrorKind::Server => Blame::Fault,
        }
    }
}

/// The message, then the facts in brackets: `connection refused [endpoint http://…, server gpu-1]`.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        for (i, (what, value)) in self.0.context.iter().enumerate() {
            write!(f, "{}{what} {value}", if i == 0 { " [" } else { ", " })?;
        }
        if self.0.context.is_empty() { Ok(()) } else { f.write_str("]") }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug.field("kind", &self.0.kind).field("message", &self.0.message).field("sent", &self.0.sent);
        if !self.0.context.is_empty() {
            debug.field("context", &self.0.context);
        }
        if let Some(source) = &self.0.source {
            debug.field("source", source);
        }
        debug.finish_non_exhaustive()
    }
}

/// Equal in what they tell a person; sources and ledgers are not compared.
impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        self.0.kind == other.0.kind && self.0.message == other.0.message && self.0.context == other.0.context
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_word_of_its_own() {
        for kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::from_word(kind.as_str()), Some(kind));
        }
        assert_eq!(ErrorKind::from_word("sad"), None);
    }

    #[test]
    fn the_text_names_what_and_where() {
        let error = Error::new(ErrorKind::Connect, "connection refused")
            .context("endpoint", "http://localhost:1")
            .context("server", "gpu");
        assert_eq!(error.to_string(), "connection refused [endpoint http://localhost:1, server gpu]");
        assert_eq!(Error::unknown_model("x", ["a", "b"]).to_string(), "no model `x`; there are `a`, `b`");
    }
}
