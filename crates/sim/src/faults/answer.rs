//! Faults that are still answers: an error in place of events, or events that end where they should not.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use http::StatusCode;
use longshore_core::{Call, Error, ErrorKind, Event, EventKind, Events, Finish, Protocol, Sent, dialect};
use tokio::sync::Notify;

use super::{Effect, RetryAfter};

/// The error that an effect puts in place of any answer. Its kind is chosen so that each dialect writes the right
/// status or code; what it cannot say, the wire adds.
pub(crate) fn refusal(effect: &Effect) -> Option<Error> {
    match effect {
        Effect::Status { status, retry_after, .. } => {
            let kind = dialect::kind_of_status(StatusCode::from_u16(*status).ok()?);
            let error = Error::new(kind, format!("a fault of the simulator: status {status}"));
            let error = error.status(*status).sent(Sent::No);
            Some(match retry_after {
                Some(RetryAfter::Seconds(seconds) | RetryAfter::Date(seconds)) => {
                    error.retry_after(Duration::from_secs(*seconds))
                }
                _ => error,
            })
        }
        Effect::Grpc { code, message, pushback } => {
            let status = status_of_code(*code);
            let message = message.clone().unwrap_or_else(|| format!("a fault of the simulator: gRPC code {code}"));
            let kind = dialect::kind_of_status(StatusCode::from_u16(status).ok()?);
            let error = Error::new(kind, message).status(status).sent(Sent::No);
            Some(pushback.iter().fold(error, |error, wait| error.retry_after(*wait)))
        }
        _ => None,
    }
}

/// The gRPC code that means what a status means. Source: gRPC's "HTTP to gRPC Status Code Mapping", and for statuses
/// that it leaves out, the mapping of google.rpc.Code.
pub(crate) fn code_of_status(status: u16) -> u32 {
    match status {
        400 | 422 => 3,
        401 => 16,
        403 => 7,
        404 => 5,
        408 | 504 => 4,
        409 => 10,
        429 | 413 => 8,
        499 => 1,
        501 | 405 => 12,
        502 | 503 => 14,
        500..=599 => 13,
        _ => 2,
    }
}

/// The status that means what a gRPC code means. Source: google.rpc.Code.
pub(crate) fn status_of_code(code: u32) -> u16 {
    match code {
        1 => 499,
        3 | 9 | 11 => 400,
        4 => 504,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        8 => 429,
        12 => 501,
        14 => 503,
        16 => 401,
        _ => 500,
    }
}

/// Tells the wire that the events have come to where the reply is to break.
#[derive(Clone, Default)]
pub(crate) struct Cut(Arc<CutInner>);

#[derive(Default)]
struct CutInner {
    reached: AtomicBool,
    notify: Notify,
}

impl Cut {
    fn reach(&self) {
        if !self.0.reached.swap(true, Ordering::AcqRel) {
            self.0.notify.notify_one();
        }
    }

    /// Resolves once the place is reached.
    pub(crate) async fn reached(&self) {
        while !self.0.reached.load(Ordering::Acquire) {
            self.0.notify.notified().await;
        }
    }
}

/// The events as this effect has them, in a reply that streams.
pub(crate) fn of_events(effect: &Effect, events: Events, cut: &Cut) -> Events {
    match effect {
        Effect::UnloadMidStream { after_tokens } => {
            let error = Error::new(ErrorKind::ModelNotReady, "the model was unloaded while it answered");
            first_tokens(events, *after_tokens).chain(stream::iter([Err(error)])).boxed()
        }
        Effect::InBandError { after_tokens, message } | Effect::DoneAfterError { after_tokens, message } => {
            let error = Error::new(ErrorKind::Server, message.clone());
            first_tokens(events, *after_tokens).chain(stream::iter([Err(error)])).boxed()
        }
        Effect::EndWithoutMark { after_tokens }
        | Effect::MissingGrpcStatus { after_tokens: after_tokens @ Some(_) } => {
            let events = first_tokens(events, after_tokens.unwrap_or(u32::MAX));
            events.filter(|event| std::future::ready(!matches!(event, Ok(e) if is_end(&e.kind)))).boxed()
        }
        _ => match effect.cut_after() {
            // The work goes on: `events` are kept, as by a server that does not notice that its reply goes nowhere.
            Some(after) => {
                let cut = cut.clone();
                let mut rest = first_tokens(events, after).fuse();
                stream::poll_fn(move |cx| match rest.poll_next_unpin(cx) {
                    Poll::Ready(None) => {
                        cut.reach();
                        Poll::Pending
                    }
                    other => other,
                })
                .boxed()
            }
            None => events,
        },
    }
}

/// What stands at the end of a streamed reply to `call`, in the words of the dialect that it came in.
pub(crate) fn end_mark(call: &Call) -> Bytes {
    let Some(dialect) = call.origin.as_ref().and_then(|origin| dialect::by_name(origin.dialect)) else {
        return Bytes::new();
    };
    let mut mark = BytesMut::new();
    dialect.reply_encoder(call).event(&Event::now(EventKind::Done(Finish::Stop)), &mut mark);
    if dialect.protocol() == Protocol::Grpc {
        return mark.freeze();
    }
    // Of several events the last: the one before it is the reason for the end.
    let inside = &mark[..mark.len().saturating_sub(2)];
    let begin = inside.windows(2).rposition(|pair| pair == b"\n\n").map_or(0, |at| at + 2);
    mark.freeze().slice(begin..)
}

fn is_end(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Done(_) | EventKind::Usage(_))
}

/// Events up to, and with, so many tokens.
fn first_tokens(events: Events, count: u32) -> Events {
    let mut seen = 0;
    let is_token = |kind: &EventKind| kind.is_content() && !is_end(kind);
    let mut done = false;
    let mut events = events;
    stream::poll_fn(move |cx| {
        if done {
            return Poll::Ready(None);
        }
        let next = std::task::ready!(events.poll_next_unpin(cx));
        if let Some(Ok(event)) = &next
            && (is_token(&event.kind) || is_end(&event.kind))
        {
            if seen == count {
                done = true;
                return Poll::Ready(None);
            }
            seen += u32::from(is_token(&event.kind));
        }
        Poll::Ready(next)
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn events(count: u32) -> Events {
        let text = |index| EventKind::Text { index: 0, text: format!("t{index}") };
        let kinds: Vec<_> = [EventKind::Started { model: "m".into() }]
            .into_iter()
            .chain((0..count).map(text))
            .chain([EventKind::Done(Finish::Stop)])
            .map(|kind| Ok(Event::now(kind)))
            .collect();
        stream::iter(kinds).boxed()
    }

    /// What the effect leaves of three tokens, `!` for an error, `.` for the end mark, `?` where it goes on for ever.
    fn check(effect: Effect, expected: &str) {
        let cut = Cut::default();
        let mut left = of_events(&effect, events(3), &cut);
        let mut seen = String::new();
        loop {
            match left.next().now_or_never() {
                None => {
                    assert!(cut.reached().now_or_never().is_some());
                    seen.push('?');
                    break;
                }
                Some(None) => break,
                Some(Some(Err(_))) => seen.push('!'),
                Some(Some(Ok(event))) => match event.kind {
                    EventKind::Text { .. } => seen.push('t'),
                    EventKind::Done(_) => seen.push('.'),
                    _ => {}
                },
            }
        }
        assert_eq!(seen, expected, "{effect:?}");
    }

    #[test]
    fn events_end_where_the_effect_says() {
        let error = |after_tokens| Effect::InBandError { after_tokens, message: "no".into() };
        check(Effect::NoHeaders, "ttt.");
        check(error(0), "!");
        check(error(2), "tt!");
        check(Effect::UnloadMidStream { after_tokens: 1 }, "t!");
        check(Effect::EndWithoutMark { after_tokens: None }, "ttt");
        check(Effect::EndWithoutMark { after_tokens: Some(1) }, "t");
        check(Effect::Stall { after_tokens: 0 }, "?");
        check(Effect::TruncateBody { after_tokens: 2 }, "tt?");
        check(Effect::ResetMidStream { after_tokens: 3 }, "ttt?");
        check(Effect::Stall { after_tokens: 9 }, "ttt.?");
    }

    #[test]
    fn statuses_and_codes_mean_each_other() {
        for code in [1, 3, 4, 5, 7, 8, 10, 12, 13, 14, 16] {
            assert_eq!(code_of_status(status_of_code(code)), code);
        }
    }
}
