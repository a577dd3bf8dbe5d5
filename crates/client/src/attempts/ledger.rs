//! Every attempt at one call, and the one error that stands for them all.

use std::time::Duration;

use longshore_core::{Attempt, Call, Error, ErrorKind, Protocol, Route, Sent, Step, Watch, capability::OpKind};
use tokio::time::Instant;

use super::flight::Flight;
use crate::member::since;

/// The attempts so far.
pub(super) struct Ledger {
    op: OpKind,
    attempts: Vec<Attempt>,
    /// Told of each as it is written down.
    watch: Option<Watch>,
}

impl Ledger {
    pub(super) fn new(call: &Call) -> Self {
        Self { op: call.op.kind(), attempts: Vec::new(), watch: call.watch.clone() }
    }

    pub(super) fn len(&self) -> usize {
        self.attempts.len()
    }

    /// Whether a request has left, or may have.
    pub(super) fn has_sent(&self) -> bool {
        self.errors().any(|error| error.was_sent() != Sent::No)
    }

    pub(super) fn failed(&mut self, flight: &Flight, route: Route, started: Instant, wait: Duration, error: Error) {
        self.push(flight, route, started, wait, Some(error));
    }

    /// Another attempt was quicker than this one.
    pub(super) fn cancelled(&mut self, flight: &Flight) {
        let error = Error::new(ErrorKind::Cancelled, "given up: another attempt was quicker").sent(Sent::Maybe);
        self.push(flight, flight.route.clone(), flight.launched, Duration::ZERO, Some(error));
    }

    pub(super) fn committed(&mut self, flight: &Flight, route: &Route, started: Instant, wait: Duration) {
        self.push(flight, route.clone(), started, wait, None);
    }

    pub(super) fn into_attempts(self) -> Vec<Attempt> {
        self.attempts
    }

    /// `reason`: why it was left at these; `notes`: about those who were not asked. `None` when there was no attempt.
    pub(super) fn into_error(self, reason: Option<&str>, notes: &[String]) -> Option<Error> {
        sum_up(self.attempts, reason, notes)
    }

    /// Why nobody is asked again, if a server said so.
    pub(super) fn last_word(&self) -> Option<String> {
        self.errors().any(Error::is_final_word).then(|| "the server asks not to try again".to_owned())
    }

    fn errors(&self) -> impl Iterator<Item = &Error> {
        self.attempts.iter().filter_map(|attempt| attempt.error.as_ref())
    }

    fn push(&mut self, flight: &Flight, route: Route, started: Instant, wait: Duration, error: Option<Error>) {
        let attempt = Attempt {
            started: started.into_std(),
            wait,
            elapsed: since(started),
            hedge: flight.hedge,
            received: flight.received.clone(),
            error,
            ..Attempt::new(route, self.op)
        };
        if let Some(watch) = &self.watch {
            let step = if attempt.error.is_some() { Step::Failed(&attempt) } else { Step::Committed(&attempt) };
            watch.tell(step);
        }
        self.attempts.push(attempt);
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self { op: OpKind::Chat, attempts: Vec::new(), watch: None }
    }
}

/// One error for several failed attempts: a single one's own, else one that names each. `None` without any.
pub(crate) fn all_failed(attempts: Vec<Attempt>) -> Option<Error> {
    sum_up(attempts, None, &[])
}

fn sum_up(attempts: Vec<Attempt>, reason: Option<&str>, notes: &[String]) -> Option<Error> {
    let errors = || attempts.iter().filter_map(|attempt| attempt.error.as_ref());
    let furthest = errors().max_by_key(|error| distance(error.kind()))?.clone();
    if attempts.len() == 1 && notes.is_empty() {
        let error = reason.map_or(furthest.clone(), |reason| furthest.adding(reason));
        return Some(error.attempts(attempts));
    }
    let count =
        if attempts.len() == 1 { "the only attempt".to_owned() } else { format!("all {} attempts", attempts.len()) };
    let reason = reason.map(|reason| format!("; {reason}")).unwrap_or_default();
    let mut lines = distinct(attempts.iter().filter_map(line));
    lines.extend(notes.iter().cloned());
    let mut whole =
        Error::new(furthest.kind(), format!("{count} failed{reason}")).listing(&lines.join("; ")).sent(worst(errors()));
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

/// Each line once, in the order of their first coming, with how often it came.
fn distinct(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut counted: Vec<(String, usize)> = Vec::new();
    for line in lines {
        match counted.iter_mut().find(|(known, _)| *known == line) {
            Some((_, count)) => *count += 1,
            None => counted.push((line, 1)),
        }
    }
    counted.into_iter().map(|(line, count)| if count == 1 { line } else { format!("{line} ({count} times)") }).collect()
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
    use super::*;

    fn attempt(server: &str, error: Error) -> Attempt {
        let route =
            Route { server: server.into(), endpoint: "http://x:1".into(), protocol: Protocol::Rest, dialect: "openai" };
        Attempt { error: Some(error), ..Attempt::new(route, OpKind::Chat) }
    }

    fn refused() -> Error {
        Error::new(ErrorKind::Connect, "connection refused").sent(Sent::No)
    }

    #[test]
    fn the_error_of_several_names_each() {
        let busy = Error::new(ErrorKind::Overloaded, "try later").sent(Sent::Yes).retry_after(Duration::from_secs(7));
        let one = all_failed(vec![attempt("a", refused())]).unwrap();
        assert_eq!((one.message(), one.ledger().len()), ("connection refused", 1));
        let both = all_failed(vec![attempt("a", refused()), attempt("b", busy)]).unwrap();
        assert_eq!(
            both.message(),
            "all 2 attempts failed: `a` over rest at http://x:1: connection refused; \
             `b` over rest at http://x:1: try later"
        );
        assert_eq!(both.headline(), "all 2 attempts failed");
        assert_eq!((both.kind(), both.was_sent()), (ErrorKind::Overloaded, Sent::Yes));
        assert_eq!((both.wait(), both.ledger().len()), (Some(Duration::from_secs(7)), 2));
        assert!(all_failed(Vec::new()).is_none());
    }

    #[test]
    fn what_is_the_same_stands_once_and_the_reason_stands_first() {
        let attempts = vec![attempt("a", refused()), attempt("a", refused())];
        let error = sum_up(attempts, Some("the retry budget of `a` is spent"), &["`b` was left alone".into()]).unwrap();
        assert_eq!(
            error.message(),
            "all 2 attempts failed; the retry budget of `a` is spent: \
             `a` over rest at http://x:1: connection refused (2 times); `b` was left alone"
        );
        assert_eq!(error.headline(), "all 2 attempts failed; the retry budget of `a` is spent");
        let one = sum_up(vec![attempt("a", refused())], Some("no time is left"), &[]).unwrap();
        assert_eq!(one.message(), "connection refused; no time is left");
    }
}
