//! How long each phase of an exchange may take, and the one timer that watches over a body.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use longshore_core::{Error, ErrorKind};
use tokio::time::{Instant, Sleep, sleep_until};

/// The limits of one exchange; `None` where the phase may last as long as the whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phases {
    /// From having a connection to the reply's head.
    pub(crate) headers: Option<Duration>,
    /// From having a connection to the first content event.
    pub(crate) first_token: Option<Duration>,
    /// Between two pieces of the body.
    pub(crate) idle: Option<Duration>,
    /// For everything.
    pub(crate) deadline: Instant,
}

impl Phases {
    /// How long the head of the reply may be waited for, and what that limit is called.
    pub(crate) fn head(&self) -> Option<(Duration, &'static str)> {
        let first_token = self.first_token.map(|limit| (limit, "first token"));
        let headers = self.headers.map(|limit| (limit, "headers"));
        match (headers, first_token) {
            (Some(headers), Some(first_token)) => Some(if headers.0 <= first_token.0 { headers } else { first_token }),
            (headers, first_token) => headers.or(first_token),
        }
    }
}

/// Watches a body. The timer is set once and looked after when it fires: a token costs no timer operation.
pub(crate) struct Clock {
    phases: Phases,
    connected_at: Instant,
    heard_at: Instant,
    content: bool,
    timer: Pin<Box<Sleep>>,
}

impl Clock {
    pub(crate) fn new(phases: Phases, connected_at: Instant) -> Self {
        let heard_at = Instant::now();
        let timer = Box::pin(sleep_until(phases.deadline));
        Self { phases, connected_at, heard_at, content: false, timer }
    }

    /// When the whole call's time is over.
    pub(crate) fn deadline(&self) -> Instant {
        self.phases.deadline
    }

    /// A piece of the body was read.
    pub(crate) fn heard(&mut self, at: Instant) {
        self.heard_at = at;
    }

    /// The first content has come.
    pub(crate) fn committed(&mut self) {
        self.content = true;
    }

    /// Ready when a limit has passed.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        loop {
            let (at, which) = self.next_limit();
            if self.timer.deadline() > at {
                self.timer.as_mut().reset(at);
            }
            match self.timer.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) if at <= Instant::now() => return Poll::Ready(which.error(&self.phases)),
                // The limit has moved on since the timer was set.
                Poll::Ready(()) => self.timer.as_mut().reset(at),
            }
        }
    }

    fn next_limit(&self) -> (Instant, Limit) {
        let mut next = (self.phases.deadline, Limit::Deadline);
        let mut consider = |from: Instant, limit: Option<Duration>, which: Limit| {
            if let Some(at) = limit.and_then(|limit| from.checked_add(limit))
                && at < next.0
            {
                next = (at, which);
            }
        };
        match self.phases.first_token {
            Some(limit) if !self.content => consider(self.connected_at, Some(limit), Limit::FirstToken),
            _ => consider(self.heard_at, self.phases.idle, Limit::Idle),
        }
        next
    }
}

#[derive(Clone, Copy)]
enum Limit {
    FirstToken,
    Idle,
    Deadline,
}

impl Limit {
    fn error(self, phases: &Phases) -> Error {
        let message = match self {
            Self::FirstToken => {
                format!("no token within {:?} (first token timeout)", phases.first_token.unwrap_or_default())
            }
            Self::Idle => format!("nothing more for {:?} (idle timeout)", phases.idle.unwrap_or_default()),
            Self::Deadline => "the deadline of the whole call passed before the answer was complete".into(),
        };
        Error::new(ErrorKind::Timeout, message)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn clock(first_token: Option<u64>, idle: u64, deadline: u64) -> Clock {
        let now = Instant::now();
        let phases = Phases {
            headers: None,
            first_token: first_token.map(seconds),
            idle: Some(seconds(idle)),
            deadline: now + seconds(deadline),
        };
        Clock::new(phases, now)
    }

    async fn check(mut clock: Clock, after: u64, which: &str) {
        let start = Instant::now();
        let error = poll_fn(|cx| clock.poll(cx)).await;
        assert_eq!(start.elapsed().as_secs(), after, "{error}");
        assert!(error.message().contains(which), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn each_phase_has_its_limit() {
        check(clock(Some(5), 2, 60), 5, "first token").await;
        check(clock(None, 2, 60), 2, "idle").await;
        check(clock(Some(5), 2, 1), 1, "deadline").await;
        let mut committed = clock(Some(50), 2, 60);
        committed.committed();
        check(committed, 2, "idle").await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_heard_moves_the_idle_limit() {
        let mut clock = clock(None, 10, 60);
        for _ in 0..3 {
            let poll = tokio::time::timeout(seconds(8), poll_fn(|cx| clock.poll(cx))).await;
            assert!(poll.is_err());
            clock.heard(Instant::now());
        }
        check(clock, 10, "idle").await;
    }
}
