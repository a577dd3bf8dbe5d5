//! What every dialect in the table must keep, whatever it speaks.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

#[path = "../support/mod.rs"]
mod support;

mod essence;
mod hostile;
mod lossless;
mod samples;
mod strategies;

use std::{collections::BTreeSet, time::Duration};

use bytes::BytesMut;
use longshore_core::{
    Blame, Call, Capabilities, Dialect, Error, ErrorKind, Event, EventKind, Finish, Op, ServerInfo,
    call::{Chat, Completion, Content, HealthScope, Inference},
    capability::OpKind,
    dialect::{DIALECTS, kind_of_status, status_of},
};
use proptest::prelude::*;

use self::{
    essence::Essence,
    support::{Written, decode, decode_pieces, decode_with, encode, peer, receive},
};

/// A call that has gone over a wire, and the answer that came back.
struct Exchange {
    dialect: &'static dyn Dialect,
    peer: ServerInfo,
    /// As the client asked.
    call: Call,
    /// As the server understood.
    heard: Call,
    answer: Vec<EventKind>,
    written: Written,
}

impl Exchange {
    /// `None` where the dialect has no words for this very call.
    fn new(dialect: &'static dyn Dialect, peer: &ServerInfo, call: Call) -> Option<Self> {
        let request = match dialect.encode_call(&call, peer) {
            Ok(request) => request,
            Err(error) if error.kind() == ErrorKind::Unsupported => return None,
            Err(error) => panic!("{} to encode {call:?}: {error}", dialect.name()),
        };
        let heard = receive(dialect, request).unwrap_or_else(|error| panic!("{} {call:?}: {error}", dialect.name()));
        let answer = samples::answer(&heard.op);
        let written = encode(dialect, &heard, &answer);
        Some(Self { dialect, peer: peer.clone(), call, heard, answer, written })
    }

    fn decode(&self, piece: usize) -> (Vec<EventKind>, Result<(), Error>) {
        let Written { head, body, trailers } = &self.written;
        decode_with(self.dialect, &self.call, &self.peer, head, body, piece, trailers.as_ref())
    }

    fn streams(&self) -> bool {
        self.dialect.reply_encoder(&self.heard).streams()
    }

    fn about(&self) -> String {
        format!("{} {:?}", self.dialect.name(), self.call.op)
    }
}

/// Every call that each dialect has words for, exchanged with a server of ours.
fn exchanges() -> impl Iterator<Item = Exchange> {
    DIALECTS.iter().flat_map(|&dialect| {
        let peer = samples::server();
        let supported = dialect.supports(&peer);
        let calls = samples::calls().into_iter().filter(move |call| supported.contains(call.op.kind()));
        calls.filter_map(move |call| Exchange::new(dialect, &peer, call))
    })
}

/// What the server must understand: the call itself, but for words that a dialect lacks.
fn understood(dialect: &dyn Dialect, call: &Call) -> Op {
    match (dialect.name(), &*call.op) {
        ("openai", Op::ServerInfo | Op::ListModels { .. }) => Op::ListModels { ready_only: false },
        ("openai", Op::Health(_)) => Op::Health(HealthScope::Ready),
        ("ollama", Op::Health(_)) => Op::ServerInfo,
        ("ollama", Op::Chat(chat)) => {
            // Counts always come, and parts of text are one text.
            let mut chat = Chat { include_usage: true, ..chat.clone() };
            for message in &mut chat.messages {
                message.content = message.content.is_some().then(|| Content::Text(message.text()));
            }
            Op::Chat(chat)
        }
        ("ollama", Op::Complete(completion)) => Op::Complete(Completion { include_usage: true, ..completion.clone() }),
        // There is no other way to write them.
        ("oip-grpc", Op::Infer(inference)) => Op::Infer(Inference { binary: true, ..inference.clone() }),
        (_, op) => op.clone(),
    }
}

#[test]
fn a_call_survives_its_own_encoding() {
    for exchange in exchanges() {
        let Exchange { dialect, call, heard, .. } = &exchange;
        assert_eq!(*heard.op, understood(*dialect, call), "{}", exchange.about());
        assert_eq!(heard.model, call.model, "{}", exchange.about());
    }
}

#[test]
fn what_is_supported_can_be_said_and_nothing_else() {
    for &dialect in DIALECTS {
        for name in ["", "longshore", "triton", "mlserver", "kserve"] {
            let peer = peer(name);
            let supported = dialect.supports(&peer);
            let mut said = BTreeSet::new();
            for call in samples::calls() {
                let about = format!("{} to {name:?}: {:?}", dialect.name(), call.op);
                match dialect.encode_call(&call, &peer) {
                    Ok(_) if supported.contains(call.op.kind()) => said.insert(call.op.kind() as u8),
                    Ok(_) => panic!("{about} was said, though it is not supported"),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Unsupported, "{about}: {error}");
                        false
                    }
                };
            }
            let expected: BTreeSet<_> = supported.iter().map(|kind| kind as u8).collect();
            assert_eq!(said, expected, "{} to {name:?}", dialect.name());
        }
    }
}

#[test]
fn an_answer_survives_its_own_encoding() {
    for exchange in exchanges() {
        let (kinds, end) = exchange.decode(usize::MAX);
        assert_eq!(end, Ok(()), "{}", exchange.about());
        assert!(matches!(kinds.last(), Some(EventKind::Done(_))), "{}: {kinds:?}", exchange.about());
        if exchange.heard.op.kind() == exchange.call.op.kind() {
            let essence = |kinds| Essence::of(kinds).without_reason(&exchange.call.op);
            assert_eq!(essence(&kinds), essence(&exchange.answer), "{}", exchange.about());
        }
    }
}

#[test]
fn an_answer_is_the_same_however_its_bytes_are_split() {
    for exchange in exchanges() {
        let whole = exchange.decode(usize::MAX);
        for piece in 1..=exchange.written.body.len() {
            assert_eq!(exchange.decode(piece), whole, "{} in pieces of {piece}", exchange.about());
        }
    }
}

#[test]
fn a_stream_that_was_cut_never_passes_for_a_complete_one() {
    let mut streams = 0;
    for exchange in exchanges().filter(Exchange::streams) {
        let Exchange { dialect, call, peer, written, .. } = &exchange;
        let (complete, _) = exchange.decode(usize::MAX);
        let mut interrupted = 0;
        for end in 0..written.body.len() {
            let (kinds, outcome) = decode(*dialect, call, peer, &written.head, &written.body[..end], 64);
            match outcome {
                Ok(()) => assert_eq!(Essence::of(&kinds), Essence::of(&complete), "{} at {end}", exchange.about()),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Interrupted, "{} at {end}: {error}", exchange.about());
                    interrupted += 1;
                }
            }
        }
        assert!(interrupted > written.body.len() / 2, "{}: {interrupted} cuts were seen", exchange.about());
        streams += 1;
    }
    assert!(streams > DIALECTS.len(), "only {streams} streams");
}

#[test]
fn a_whole_answer_that_was_cut_never_passes_for_another() {
    for exchange in exchanges().filter(|exchange| !exchange.streams()) {
        let Exchange { dialect, call, peer, written, .. } = &exchange;
        let (complete, _) = exchange.decode(usize::MAX);
        for end in 0..written.body.len() {
            let (kinds, outcome) = decode(*dialect, call, peer, &written.head, &written.body[..end], 64);
            if outcome.is_ok() {
                assert_eq!(Essence::of(&kinds), Essence::of(&complete), "{} at {end}", exchange.about());
            }
        }
    }
}

#[test]
fn an_error_on_the_way_is_an_error_whatever_follows() {
    for exchange in exchanges().filter(Exchange::streams) {
        let Exchange { dialect, call, peer, heard, answer, .. } = &exchange;
        let error = Error::new(ErrorKind::Server, "out of memory");
        for before in 0..answer.len() - 1 {
            let (mut encoder, mut body) = (dialect.reply_encoder(heard), BytesMut::new());
            let head = encoder.head().body(()).unwrap().into_parts().0;
            for kind in &answer[..before] {
                encoder.event(&Event::now(kind.clone()), &mut body);
            }
            encoder.interrupted(&error, &mut body);
            let trailers = encoder.end(&mut body);
            // As some servers do, an end mark all the same.
            body.extend_from_slice(&encode(*dialect, heard, &[EventKind::Done(Finish::Stop)]).body);
            let (kinds, end) = decode_with(*dialect, call, peer, &head, &body, 64, trailers.as_ref());
            let told = end.expect_err(&exchange.about());
            assert_eq!(told.kind(), ErrorKind::Server, "{} after {before}: {told}", exchange.about());
            assert!(told.message().contains("out of memory"), "{}: {told}", exchange.about());
            assert!(!kinds.iter().any(|kind| matches!(kind, EventKind::Done(_))), "{}: {kinds:?}", exchange.about());
        }
    }
}

#[test]
fn refusals_mean_what_they_were_made_from() {
    for exchange in exchanges() {
        let Exchange { dialect, call, peer, .. } = &exchange;
        // A probe is answered by its status: unwell is an answer, not an error.
        if call.op.kind() == OpKind::Health {
            continue;
        }
        let request = dialect.encode_call(call, peer).unwrap().into_parts().0;
        for kind in ErrorKind::ALL {
            let error = Error::new(kind, "no luck today").retry_after(Duration::from_secs(7));
            let (head, body) = dialect.refuse(&request, &error).into_parts();
            let (kinds, end) = decode(*dialect, call, peer, &head, &body, 16);
            let told = end.expect_err(&exchange.about());
            let about = format!("{} as {kind:?}: {told:?}", exchange.about());
            assert!(kinds.is_empty(), "{about}: {kinds:?}");
            assert!(told.message().contains("no luck today"), "{about}");
            let by_status = kind_of_status(status_of(&error));
            assert!(told.kind() == kind || dialect.name() != "native" && told.kind() == by_status, "{about}");
            if kind != ErrorKind::Cancelled {
                assert_eq!(told.blame(), error.blame(), "{about}");
            }
            if told.blame() == Blame::BackPressure {
                assert_eq!(told.wait(), Some(Duration::from_secs(7)), "{about}");
            }
        }
    }
}

#[test]
fn every_dialect_is_known_by_its_own_name() {
    for &dialect in DIALECTS {
        let found = longshore_core::dialect::by_name(dialect.name()).map(|found| found.name());
        assert_eq!(found, Some(dialect.name()));
        assert_ne!(dialect.supports(&ServerInfo::default()), Capabilities::default(), "{}", dialect.name());
    }
}

proptest! {
    /// What a server has understood, it can say again: nothing wanders from hop to hop.
    #[test]
    fn a_call_that_was_heard_is_heard_the_same_again(call in strategies::call()) {
        for &dialect in DIALECTS {
            let peer = samples::server();
            if !dialect.supports(&peer).contains(call.op.kind()) {
                continue;
            }
            let request = match dialect.encode_call(&call, &peer) {
                Err(error) if dialect.name() != "native" => {
                    prop_assert_eq!(error.kind(), ErrorKind::Unsupported, "{}: {}", dialect.name(), error);
                    continue;
                }
                request => request.unwrap(),
            };
            let mut first = receive(dialect, request).unwrap();
            prop_assert_eq!(&first.model, &call.model, "{}", dialect.name());
            if dialect.name() == "native" {
                prop_assert_eq!(&first.op, &call.op);
            }
            first.origin = None;
            let request = dialect.encode_call(&first, &peer).unwrap();
            let second = receive(dialect, request).unwrap();
            prop_assert_eq!((&second.model, &second.op), (&first.model, &first.op), "{}", dialect.name());
        }
    }

    #[test]
    fn an_answer_is_the_same_however_its_bytes_are_cut(which: prop::sample::Index, cuts: Vec<prop::sample::Index>) {
        let exchanges: Vec<_> = exchanges().collect();
        let exchange = which.get(&exchanges);
        let Exchange { dialect, call, peer, written, .. } = exchange;
        let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(written.body.len() + 1)).collect();
        ends.push(written.body.len());
        ends.sort_unstable();
        let mut start = 0;
        let pieces = ends.into_iter().map(|end| &written.body[std::mem::replace(&mut start, end)..end]);
        let (events, end) = decode_pieces(*dialect, call, peer, &written.head, pieces, written.trailers.as_ref());
        let kinds: Vec<_> = events.into_iter().map(|event| event.kind).collect();
        prop_assert_eq!((kinds, end), exchange.decode(usize::MAX), "{}", exchange.about());
    }
}
