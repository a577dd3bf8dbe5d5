//! What an attempt's error means for the next attempt.

use longshore_core::{Error, ErrorKind, Sent};

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

/// A request that may have been worked on is sent again only if it is replayable. One that was refused has not been
/// worked on, so it is free.
pub(super) fn after(error: &Error, replayable: bool) -> Next {
    let free = replayable || error.was_sent() == Sent::No;
    match error.kind() {
        ErrorKind::InvalidRequest | ErrorKind::ContextTooLong | ErrorKind::Cancelled => Next::Stop,
        // Another server may have the model, the time or the key.
        ErrorKind::UnknownModel | ErrorKind::Unauthenticated | ErrorKind::Overloaded | ErrorKind::ModelNotReady => {
            Next::OtherServer
        }
        ErrorKind::Unsupported => Next::OtherProtocol,
        _ if !free => Next::Stop,
        ErrorKind::Connect | ErrorKind::Timeout | ErrorKind::Protocol | ErrorKind::Interrupted => Next::OtherProtocol,
        ErrorKind::Server | ErrorKind::TooLarge => Next::OtherServer,
        _ => Next::Stop,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_its_consequence() {
        let check = |kind: ErrorKind, sent: Sent, replayable: bool, expected: Next| {
            let error = Error::new(kind, "x").sent(sent);
            assert_eq!(after(&error, replayable), expected, "{kind:?} {sent:?} {replayable}");
        };
        use ErrorKind::*;
        use Next::*;
        for kind in [Connect, Timeout, Protocol, Interrupted] {
            check(kind, Sent::No, false, OtherProtocol);
            check(kind, Sent::Maybe, true, OtherProtocol);
            check(kind, Sent::Maybe, false, Stop);
            check(kind, Sent::Yes, false, Stop);
        }
        for kind in [Server, TooLarge] {
            check(kind, Sent::Yes, true, OtherServer);
            check(kind, Sent::Yes, false, Stop);
        }
        for kind in [Overloaded, ModelNotReady, UnknownModel, Unauthenticated] {
            check(kind, Sent::Yes, false, OtherServer);
        }
        for kind in [InvalidRequest, ContextTooLong, Cancelled] {
            check(kind, Sent::Yes, true, Stop);
        }
        check(Unsupported, Sent::No, false, OtherProtocol);
    }
}
