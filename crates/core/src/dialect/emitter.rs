//! From one frame several events may come; the first carries the frame itself, for forwarding.

use std::time::Instant;

use bytes::Bytes;

use crate::{Event, EventKind, event::Raw};

/// Collects the events of one frame; the first one carries the frame itself.
pub(super) struct Emitter<'a> {
    dialect: &'static str,
    at: Instant,
    frame: Option<Bytes>,
    events: &'a mut Vec<Event>,
}

impl<'a> Emitter<'a> {
    pub(super) fn new(dialect: &'static str, at: Instant, frame: Bytes, events: &'a mut Vec<Event>) -> Self {
        Self { dialect, at, frame: Some(frame), events }
    }

    pub(super) fn emit(&mut self, kind: EventKind) {
        let frame = self.frame.take().unwrap_or_default();
        self.events.push(Event { at: self.at, kind, raw: Some(Raw { dialect: self.dialect, frame }) });
    }

    /// A frame without a word for us still has to be passed on.
    pub(super) fn finish(mut self) {
        if self.frame.is_some() {
            self.emit(EventKind::Other);
        }
    }
}
