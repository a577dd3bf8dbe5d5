//! The events of one answer so far, for any number of those who watch: [`Log`].
//!
//! Words that follow each other are kept as one text, so the log is as large as the answer and no larger. A watcher has a
//! place in it and reads on from there: who comes late reads a few large pieces, who is slow reads larger ones, and nobody
//! is told of words more often than a screen shows them.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_core::Stream;
use futures_util::stream;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::event::AnswerEvent;
use crate::text::boundary;

/// The most bytes of text in one event.
const PIECE: usize = 64 << 10;
/// The least time between two events of words, half of what a screen takes for a picture. Each costs the page several tasks.
const PACE: Duration = Duration::from_millis(8);

/// See the module. The answer's end is its `Done`.
pub(super) struct Log {
    lines: Mutex<Vec<Line>>,
    grown: watch::Sender<()>,
}

enum Line {
    Event(AnswerEvent),
    Words { segment: usize, reasoning: bool, text: String, pieces: u32 },
}

/// How far somebody has read.
#[derive(Clone, Copy, Default)]
struct Place {
    line: usize,
    byte: usize,
    pieces: u32,
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
            Some(Line::Words { segment: last, reasoning: kind, text, pieces })
                if (*last, *kind) == (segment, reasoning) =>
            {
                text.push_str(more);
                *pieces += 1;
            }
            _ => lines.push(Line::Words { segment, reasoning, text: more.to_owned(), pieces: 1 }),
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
                    *place = Place { line: place.line + 1, ..Place::default() };
                    return Some(event.clone());
                }
                Line::Words { segment, reasoning, text, pieces } => {
                    let rest = &text[place.byte..];
                    if rest.is_empty() {
                        if place.line + 1 == lines.len() {
                            return None;
                        }
                        *place = Place { line: place.line + 1, ..Place::default() };
                        continue;
                    }
                    let piece = &rest[..boundary(rest, PIECE)];
                    place.byte += piece.len();
                    let (segment, text) = (*segment, piece.to_owned());
                    let pieces = Some(pieces - std::mem::replace(&mut place.pieces, *pieces));
                    return Some(match reasoning {
                        true => AnswerEvent::Reasoning { segment, text, pieces },
                        false => AnswerEvent::Text { segment, text, pieces },
                    });
                }
            }
        }
    }

    /// Whether words come next, of those that are told already.
    fn goes_on(&self, place: Place) -> bool {
        matches!(self.lines().get(place.line), Some(Line::Words { text, .. }) if place.byte > 0 && text.len() > place.byte)
    }

    /// Everything from the beginning, and then what comes, to the end.
    pub(super) fn follow(self: Arc<Self>) -> impl Stream<Item = AnswerEvent> + Send + use<> {
        let grown = self.grown.subscribe();
        let state = (self, grown, Place::default(), Instant::now());
        stream::unfold(Some(state), |state| async move {
            let (log, mut grown, mut place, rested) = state?;
            loop {
                grown.mark_unchanged();
                if log.goes_on(place) {
                    sleep_until(rested).await;
                }
                if let Some(event) = log.next(&mut place) {
                    let ended = matches!(event, AnswerEvent::Done(_));
                    return Some((event, (!ended).then_some((log, grown, place, Instant::now() + PACE))));
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

    fn text(text: &str, pieces: u32) -> AnswerEvent {
        AnswerEvent::Text { segment: 0, text: text.into(), pieces: Some(pieces) }
    }

    #[tokio::test]
    async fn who_comes_late_reads_the_same() {
        let log = Arc::new(Log::new());
        let mut early = Box::pin(Arc::clone(&log).follow());
        log.words(0, false, "a");
        assert_eq!(early.next().await, Some(text("a", 1)));
        let told = Instant::now();
        assert!(early.next().now_or_never().is_none());
        log.words(0, false, "é");
        log.words(0, false, "c");
        assert_eq!(early.next().await, Some(text("éc", 2)));
        assert!(told.elapsed() >= PACE / 2, "words that follow each other quickly are told together");
        log.words(0, true, "hm");
        log.add(AnswerEvent::Done(Box::default()));
        log.ended().await;
        let hm = || AnswerEvent::Reasoning { segment: 0, text: "hm".into(), pieces: Some(1) };
        let done = || AnswerEvent::Done(Box::default());
        assert_eq!(early.collect::<Vec<_>>().await, [hm(), done()]);
        assert_eq!(log.follow().collect::<Vec<_>>().await, [text("aéc", 3), hm(), done()]);
    }
}
