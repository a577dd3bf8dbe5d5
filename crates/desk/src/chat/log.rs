//! The events of one answer so far, for any number of those who watch: [`Log`].
//!
//! Words that follow each other are kept as one text, so the log is as large as the answer and no larger. A watcher has a
//! place in it and reads on from there: who comes late reads a few large pieces, who is slow reads larger ones.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_core::Stream;
use futures_util::stream;
use tokio::sync::watch;

use super::event::AnswerEvent;
use crate::text::boundary;

/// The most bytes of text in one event.
const PIECE: usize = 64 << 10;

/// See the module. The answer's end is its `Done`.
pub(super) struct Log {
    lines: Mutex<Vec<Line>>,
    grown: watch::Sender<()>,
}

enum Line {
    Event(AnswerEvent),
    Words { segment: usize, reasoning: bool, text: String },
}

/// How far somebody has read.
#[derive(Clone, Copy, Default)]
struct Place {
    line: usize,
    byte: usize,
}

impl Log {
    pub(super) fn new() -> Self {
        Self { lines: Mutex::default(), grown: watch::Sender::new(()) }
    }

    pub(super) fn add(&self, event: AnswerEvent) {
        self.lines().push(Line::Event(event));
        self.grown.send_replace(());
    }

    pub(super) fn words(&self, segment: usize, reasoning: bool, more: &str) {
        let mut lines = self.lines();
        match lines.last_mut() {
            Some(Line::Words { segment: last, reasoning: kind, text }) if (*last, *kind) == (segment, reasoning) => {
                text.push_str(more);
            }
            _ => lines.push(Line::Words { segment, reasoning, text: more.to_owned() }),
        }
        drop(lines);
        self.grown.send_replace(());
    }

    fn lines(&self) -> MutexGuard<'_, Vec<Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next event after `place`, which moves behind it.
    fn next(&self, place: &mut Place) -> Option<AnswerEvent> {
        let lines = self.lines();
        loop {
            match lines.get(place.line)? {
                Line::Event(event) => {
                    *place = Place { line: place.line + 1, byte: 0 };
                    return Some(event.clone());
                }
                Line::Words { segment, reasoning, text } => {
                    let rest = &text[place.byte..];
                    if rest.is_empty() {
                        if place.line + 1 == lines.len() {
                            return None;
                        }
                        *place = Place { line: place.line + 1, byte: 0 };
                        continue;
                    }
                    let piece = &rest[..boundary(rest, PIECE)];
                    place.byte += piece.len();
                    let (segment, text) = (*segment, piece.to_owned());
                    return Some(match reasoning {
                        true => AnswerEvent::Reasoning { segment, text },
                        false => AnswerEvent::Text { segment, text },
                    });
                }
            }
        }
    }

    /// Everything from the beginning, and then what comes, to the end.
    pub(super) fn follow(self: Arc<Self>) -> impl Stream<Item = AnswerEvent> + Send + use<> {
        let grown = self.grown.subscribe();
        stream::unfold(Some((self, grown, Place::default())), |state| async move {
            let (log, mut grown, mut place) = state?;
            loop {
                grown.mark_unchanged();
                if let Some(event) = log.next(&mut place) {
                    let ended = matches!(event, AnswerEvent::Done(_));
                    return Some((event, (!ended).then_some((log, grown, place))));
                }
                // The sender is in the log, so it is there.
                grown.changed().await.ok()?;
            }
        })
    }

    /// Waits until the answer has ended.
    pub(super) async fn ended(&self) {
        let mut grown = self.grown.subscribe();
        let is_over = || matches!(self.lines().last(), Some(Line::Event(AnswerEvent::Done(_))));
        while !is_over() {
            if grown.changed().await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt};

    use super::*;

    fn text(text: &str) -> AnswerEvent {
        AnswerEvent::Text { segment: 0, text: text.into() }
    }

    #[tokio::test]
    async fn who_comes_late_reads_the_same() {
        let log = Arc::new(Log::new());
        let mut early = Box::pin(Arc::clone(&log).follow());
        log.words(0, false, "a");
        assert_eq!(early.next().await, Some(text("a")));
        assert!(early.next().now_or_never().is_none());
        log.words(0, false, "é");
        log.words(0, false, "c");
        assert_eq!(early.next().await, Some(text("éc")));
        log.words(0, true, "hm");
        log.add(AnswerEvent::Done(Box::default()));
        log.ended().await;
        let hm = || AnswerEvent::Reasoning { segment: 0, text: "hm".into() };
        let done = || AnswerEvent::Done(Box::default());
        assert_eq!(early.collect::<Vec<_>>().await, [hm(), done()]);
        assert_eq!(log.follow().collect::<Vec<_>>().await, [text("aéc"), hm(), done()]);
    }
}
