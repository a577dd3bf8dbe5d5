//! The message that an answer becomes, while it comes: [`Draft`].
//!
//! Everything that is learnt goes through here once: into the message, into the log for those who watch, and among the
//! pieces that are still to be written down.

use std::{sync::Arc, time::Instant};

use longshore_core::{Error, Event, EventKind, Reply};

use super::{
    event::{AnswerEvent, Phase},
    log::Log,
};
use crate::{
    Problem,
    calls::Attempt,
    store::{Answer, AnswerState, Message, Piece, Segment, SegmentEnd},
};

/// See the module.
pub(super) struct Draft {
    message: Message,
    answer: Answer,
    log: Arc<Log>,
    attempts: Vec<longshore_core::Attempt>,
    /// What is not written down yet, and how many pieces have been made.
    pieces: Vec<Piece>,
    made: u64,
    /// Bytes of text, over all segments.
    bytes: usize,
    begun: Instant,
    timing: Timing,
    /// The answer's frame has changed since it was written down.
    changed: bool,
}

/// Of the present segment.
#[derive(Clone, Copy)]
struct Timing {
    asked: Instant,
    first: Option<Instant>,
    last: Option<Instant>,
    pieces: u64,
}

impl Timing {
    fn new() -> Self {
        Self { asked: Instant::now(), first: None, last: None, pieces: 0 }
    }
}

impl Draft {
    pub(super) fn new(message: Message, log: Arc<Log>) -> Self {
        let answer = message.answer.clone().unwrap_or_default();
        Self {
            message,
            answer,
            log,
            attempts: Vec::new(),
            pieces: Vec::new(),
            made: 0,
            bytes: 0,
            begun: Instant::now(),
            timing: Timing::new(),
            changed: false,
        }
    }

    /// Somebody is asked, from now.
    pub(super) fn ask(&mut self) {
        self.timing = Timing::new();
    }

    /// A server has begun to answer.
    pub(super) fn begin(&mut self, reply: &Reply, model: &str, because: Option<&Error>) {
        self.attempts.extend(reply.ledger.iter().cloned());
        self.answer.cache = reply.cache.map(|cache| cache.to_string());
        self.answer.server = Some(reply.route.server.to_string());
        self.push(
            Segment {
                server: reply.route.server.to_string(),
                protocol: reply.route.protocol.as_str().into(),
                model: model.into(),
                ..Segment::default()
            },
            because,
        );
    }

    /// A server that was asked for by name gave nothing at all.
    pub(super) fn stayed_silent(&mut self, server: &str, model: &str, error: &Error) {
        let (server, model) = (server.to_owned(), model.to_owned());
        let segment = Segment {
            server,
            model,
            ended: SegmentEnd::Interrupted,
            error: Some(Problem::from(error)),
            ..Segment::default()
        };
        self.push(segment, None);
    }

    fn push(&mut self, segment: Segment, because: Option<&Error>) {
        self.log.add(AnswerEvent::Segment {
            segment: self.answer.segments.len(),
            server: segment.server.clone(),
            protocol: segment.protocol.clone(),
            model: segment.model.clone(),
            because: because.map(|error| Box::new(Problem::from(error))),
        });
        self.answer.segments.push(segment);
        self.changed = true;
    }

    /// An event of the answer.
    pub(super) fn add(&mut self, event: Event) {
        match event.kind {
            EventKind::Started { model } => {
                if let Some(segment) = self.answer.segments.last_mut() {
                    segment.model = model.to_string();
                    self.changed = true;
                }
            }
            EventKind::Text { index: 0, text } => self.words(event.at, false, &text),
            EventKind::Reasoning { index: 0, text } => self.words(event.at, true, &text),
            EventKind::Usage(usage) => self.answer.usage = Some(usage.into()),
            EventKind::Done(finish) => self.answer.finish = Some(finish.as_str().to_owned()),
            EventKind::Resumed(attempt) => self.attempts.push(*attempt),
            _ => {}
        }
    }

    fn words(&mut self, at: Instant, reasoning: bool, text: &str) {
        let Some(index) = self.answer.segments.len().checked_sub(1) else { return };
        if self.timing.first.is_none() {
            self.timing.first = Some(at);
            self.log.add(AnswerEvent::Phase {
                phase: Phase::Decoding,
                server: self.answer.server.clone(),
                protocol: None,
            });
        }
        (self.timing.last, self.timing.pieces) = (Some(at), self.timing.pieces + 1);
        self.bytes += text.len();
        let segment = &mut self.answer.segments[index];
        if reasoning { &mut segment.reasoning } else { &mut segment.text }.push_str(text);
        match self.pieces.last_mut() {
            Some(piece) if (piece.segment, piece.reasoning) == (index, reasoning) => piece.text.push_str(text),
            _ => {
                self.pieces.push(Piece { number: self.made, segment: index, reasoning, text: text.to_owned() });
                self.made += 1;
            }
        }
        self.log.words(index, reasoning, text);
    }

    /// The present segment has ended so.
    pub(super) fn end(&mut self, error: Option<&Error>, whole: bool) {
        if let Some(error) = error {
            self.attempts.extend(error.ledger().iter().cloned());
        }
        if let Some(segment) = self.answer.segments.last_mut().filter(|segment| segment.ended == SegmentEnd::Running) {
            segment.ended = if whole { SegmentEnd::Done } else { SegmentEnd::Interrupted };
            segment.error = error.map(Problem::from);
            self.changed = true;
        }
        if !whole {
            (self.answer.finish, self.answer.usage) = (None, None);
        }
    }

    /// Bytes of text so far.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Pieces of text of the present segment: about as many tokens.
    pub(super) fn tokens(&self) -> u64 {
        self.answer.usage.map_or(self.timing.pieces, |usage| usage.completion_tokens.max(self.timing.pieces))
    }

    /// Whether anything has come at all.
    pub(super) fn has_words(&self) -> bool {
        self.bytes > 0
    }

    /// Whether any segment has begun.
    pub(super) fn has_segments(&self) -> bool {
        !self.answer.segments.is_empty()
    }

    /// Bytes that are not written down yet, if anything is to be.
    pub(super) fn unsaved(&self) -> Option<usize> {
        let bytes = self.pieces.iter().map(|piece| piece.text.len()).sum();
        (self.changed || bytes > 0).then_some(bytes)
    }

    /// What is to be written down now.
    pub(super) fn take_unsaved(&mut self) -> (Option<Answer>, Vec<Piece>) {
        let answer = std::mem::take(&mut self.changed).then(|| self.answer.clone());
        (answer, std::mem::take(&mut self.pieces))
    }

    /// It could not be written down; the person is told, and the answer goes on.
    pub(super) fn not_saved(&mut self, error: &Error) {
        self.answer.unsaved = Some(Problem::from(error));
    }

    /// The message as it ended.
    pub(super) fn finished(&mut self, state: AnswerState, error: Option<&Error>) -> Message {
        let ms = |from: Instant, to: Instant| to.saturating_duration_since(from).as_secs_f64() * 1e3;
        let answer = &mut self.answer;
        answer.state = state;
        answer.error = error.map(Problem::from);
        answer.total_ms = Some(ms(self.begun, Instant::now()));
        answer.ttft_ms = self.timing.first.map(|first| ms(self.timing.asked, first));
        let span =
            self.timing.first.zip(self.timing.last).map(|(first, last)| ms(first, last)).filter(|span| *span > 0.0);
        let tokens = answer.usage.map_or(self.timing.pieces, |usage| usage.completion_tokens.max(1));
        answer.tokens_per_second = span.filter(|_| tokens > 1).map(|span| (tokens - 1) as f64 * 1e3 / span);
        answer.attempts = self.attempts.iter().map(Attempt::from).collect();
        let content = answer.segments.last().map(|segment| segment.text.clone()).unwrap_or_default();
        Message { content, answer: Some(answer.clone()), ..self.message.clone() }
    }
}
