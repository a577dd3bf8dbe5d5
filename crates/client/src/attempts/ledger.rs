//! Every attempt at one call, and the one error that stands for them all.

use longshore_core::{Attempt, Error, ErrorKind, Protocol, Route, Sent, capability::OpKind};
use tokio::time::Instant;

use crate::member::since;

/// The attempts so far.
pub(super) struct Ledger {
    op: OpKind,
    attempts: Vec<Attempt>,
}

impl Ledger {
    pub(super) fn new(op: OpKind) -> Self {
        Self { op, attempts: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.attempts.len()
    }

    pub(super) fn failed(&mut self, route: Route, started: Instant, error: Error) {
        self.push(route, started, Some(error));
    }

    /// All of them, the last one having been committed.
    pub(super) fn committed(mut self, route: &Route, started: Instant) -> Vec<Attempt> {
        self.push(route.clone(), started, None);
        self.attempts
    }

    /// `None` when there was no attempt.
    pub(super) fn into_error(self) -> Option<Error> {
        all_failed(self.attempts)
    }

    fn push(&mut self, route: Route, started: Instant, error: Option<Error>) {
        let (op, elapsed) = (self.op, since(started));
        self.attempts.push(Attempt { route, op, started: started.into_std(), elapsed, error });
    }
}

/// One error for several failed attempts: a single one's own, else one that names each. `None` without any.
pub(crate) fn all_failed(attempts: Vec<Attempt>) -> Option<Error> {
    let errors = || attempts.iter().filter_map(|attempt| attempt.error.as_ref());
    let furthest = errors().max_by_key(|error| distance(error.kind()))?.clone();
    if attempts.len() == 1 {
        return Some(furthest.attempts(attempts));
    }
    let lines: Vec<_> = attempts.iter().filter_map(line).collect();
    let message = format!("all {} attempts failed: {}", lines.len(), lines.join("; "));
    let mut whole = Error::new(furthest.kind(), message).sent(worst(errors()));
    if let Some(status) = furthest.http_status() {
        whole = whole.status(status);
    }
    if let Some(code) = furthest.server_code() {
        whole = whole.code(code);
    }
    if let Some(wait) = errors().filter_map(Error::wait).min() {
        whole = whole.retry_after(wait);
    }
    Some(whole.caused_by(furthest).attempts(attempts))
}

/// `` `gpu` over rest at http://gpu:8000: connection refused ``
fn line(attempt: &Attempt) -> Option<String> {
    let Route { server, endpoint, protocol, .. } = &attempt.route;
    let message = attempt.error.as_ref()?.message();
    Some(match protocol {
        Protocol::InProcess => format!("`{server}` in this process: {message}"),
        _ => format!("`{server}` over {protocol} at {endpoint}: {message}"),
    })
}

/// How far a call came that ended so: whoever answered tells more than whoever was not there.
fn distance(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Connect => 0,
        ErrorKind::Timeout => 1,
        ErrorKind::Unsupported => 2,
        ErrorKind::UnknownModel => 3,
        ErrorKind::Unauthenticated => 4,
        ErrorKind::Protocol | ErrorKind::TooLarge | ErrorKind::Interrupted => 5,
        ErrorKind::Overloaded | ErrorKind::ModelNotReady => 6,
        ErrorKind::Server => 7,
        // These end the attempts, so they are the answer.
        _ => 8,
    }
}

/// One attempt that may have been worked on is enough to make trying again a question.
fn worst<'a>(errors: impl Iterator<Item = &'a Error>) -> Sent {
    errors.map(Error::was_sent).fold(Sent::No, |worst, sent| match (worst, sent) {
        (Sent::Maybe, _) | (_, Sent::Maybe) => Sent::Maybe,
        (Sent::Yes, _) | (_, Sent::Yes) => Sent::Yes,
        (Sent::No, Sent::No) => Sent::No,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn attempt(server: &str, error: Error) -> Attempt {
        let route =
            Route { server: server.into(), endpoint: "http://x:1".into(), protocol: Protocol::Rest, dialect: "openai" };
        let (op, started) = (OpKind::Chat, std::time::Instant::now());
        Attempt { route, op, started, elapsed: Duration::ZERO, error: Some(error) }
    }

    #[test]
    fn the_error_of_several_names_each() {
        let refused = Error::new(ErrorKind::Connect, "connection refused").sent(Sent::No);
        let busy = Error::new(ErrorKind::Overloaded, "try later").sent(Sent::Yes).retry_after(Duration::from_secs(7));
        let one = all_failed(vec![attempt("a", refused.clone())]).unwrap();
        assert_eq!((one.message(), one.ledger().len()), ("connection refused", 1));
        let both = all_failed(vec![attempt("a", refused), attempt("b", busy)]).unwrap();
        assert_eq!(
            both.message(),
            "all 2 attempts failed: `a` over rest at http://x:1: connection refused; \
             `b` over rest at http://x:1: try later"
        );
        assert_eq!((both.kind(), both.was_sent()), (ErrorKind::Overloaded, Sent::Yes));
        assert_eq!((both.wait(), both.ledger().len()), (Some(Duration::from_secs(7)), 2));
        assert!(all_failed(Vec::new()).is_none());
    }
}
