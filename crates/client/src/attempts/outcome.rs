//! What an attempt's error means for the next attempt.

use longshore_core::{Error, ErrorKind, Sent};

use crate::transport::Failure;

/// Where to go after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nowhere: every other way would say the same, or trying again could do harm.
    Stop,
    /// The fault is this way's: the server's other protocol, if it has one, else the next server.
    OtherProtocol,
    /// The fault is this server's.
    OtherServer,
}

/// What an error leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Consequence {
    pub(super) next: Next,
    /// The same way may well do better after a while.
    pub(super) again: bool,
}

impl Consequence {
    pub(super) fn stops(self) -> bool {
        self.next == Next::Stop
    }
}

/// What a failure leads to for a call that is replayable or not.
pub(super) fn after(failure: &Failure, replayable: bool) -> Consequence {
    let (next, again) = of_error(&failure.error, replayable);
    Consequence { next, again: again && !failure.lasting && !failure.error.is_final_word() }
}

/// A request that may have been worked on is sent again only if it is replayable. One that was refused has not been
/// worked on, so it is free.
fn of_error(error: &Error, replayable: bool) -> (Next, bool) {
    let free = replayable || error.was_sent() == Sent::No;
    match error.kind() {
        ErrorKind::InvalidRequest | ErrorKind::ContextTooLong | ErrorKind::Cancelled => (Next::Stop, false),
        // Another server may have the model or the key.
        ErrorKind::UnknownModel | ErrorKind::Unauthenticated => (Next::OtherServer, false),
        ErrorKind::Overloaded => (Next::OtherServer, true),
        // A server that says when is loading it; for the others somebody has to load it first.
        ErrorKind::ModelNotReady => (Next::OtherServer, error.wait().is_some()),
        ErrorKind::Unsupported => (Next::OtherProtocol, false),
        _ if !free => (Next::Stop, false),
        ErrorKind::Connect | ErrorKind::Timeout | ErrorKind::Protocol | ErrorKind::Interrupted => {
            (Next::OtherProtocol, true)
        }
        ErrorKind::Server => (Next::OtherServer, true),
        // It would be as large the next time.
        ErrorKind::TooLarge => (Next::OtherServer, false),
        _ => (Next::Stop, false),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_error_has_its_consequence() {
        let check = |kind: ErrorKind, sent: Sent, replayable: bool, next: Next, again: bool| {
            let failure = Failure::from(Error::new(kind, "x").sent(sent));
            assert_eq!(after(&failure, replayable), Consequence { next, again }, "{kind:?} {sent:?} {replayable}");
        };
        use ErrorKind::*;
        use Next::*;
        for kind in [Connect, Timeout, Protocol, Interrupted] {
            check(kind, Sent::No, false, OtherProtocol, true);
            check(kind, Sent::Maybe, true, OtherProtocol, true);
            check(kind, Sent::Maybe, false, Stop, false);
            check(kind, Sent::Yes, false, Stop, false);
        }
        for (kind, again) in [(Server, true), (TooLarge, false)] {
            check(kind, Sent::Yes, true, OtherServer, again);
            check(kind, Sent::Yes, false, Stop, false);
        }
        for (kind, again) in
            [(Overloaded, true), (ModelNotReady, false), (UnknownModel, false), (Unauthenticated, false)]
        {
            check(kind, Sent::Yes, false, OtherServer, again);
        }
        for kind in [InvalidRequest, ContextTooLong, Cancelled] {
            check(kind, Sent::Yes, true, Stop, false);
        }
        check(Unsupported, Sent::No, false, OtherProtocol, false);
    }

    #[test]
    fn what_lasts_is_not_waited_for() {
        let again = |failure: &Failure| after(failure, true).again;
        let refused = Error::new(ErrorKind::Connect, "x").sent(Sent::No);
        assert!(again(&Failure::from(refused.clone())));
        assert!(!again(&Failure { lasting: true, ..Failure::from(refused.clone()) }));
        assert!(!again(&Failure::from(refused.final_word())));
        let loading = Error::new(ErrorKind::ModelNotReady, "x").retry_after(Duration::from_secs(1));
        assert!(again(&Failure::from(loading)));
    }
}
