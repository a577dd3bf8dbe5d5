//! The events of one answer, as they came: [`Tape`].
//!
//! Their texts stand behind each other in one buffer, and a mark says where each ends; so an event costs no allocation of
//! its own. Past its bounds the tape keeps the beginning and says that it is cut.

use std::time::Duration;

use longshore_core::EventKind;

use super::view::Frame;
use crate::text::boundary;

/// What kind of event a mark stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Started,
    Text,
    Reasoning,
    ToolCalls,
    Embedding,
    Tensors,
    Models,
    Unavailable,
    Progress,
    Health,
    Server,
    Statistics,
    Resumed,
    Usage,
    Done,
    Error,
    Other,
}

impl Kind {
    fn of(event: &EventKind) -> Self {
        match event {
            EventKind::Started { .. } => Self::Started,
            EventKind::Text { .. } => Self::Text,
            EventKind::Reasoning { .. } => Self::Reasoning,
            EventKind::ToolCalls { .. } => Self::ToolCalls,
            EventKind::Embedding { .. } => Self::Embedding,
            EventKind::Tensors(_) => Self::Tensors,
            EventKind::Models(_) => Self::Models,
            EventKind::Unavailable { .. } => Self::Unavailable,
            EventKind::Progress(_) => Self::Progress,
            EventKind::Health(_) => Self::Health,
            EventKind::Server(_) => Self::Server,
            EventKind::Statistics(_) => Self::Statistics,
            EventKind::Resumed(_) => Self::Resumed,
            EventKind::Usage(_) => Self::Usage,
            EventKind::Done(_) => Self::Done,
            _ => Self::Other,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Text => "text",
            Self::Reasoning => "reasoning",
            Self::ToolCalls => "tool_calls",
            Self::Embedding => "embedding",
            Self::Tensors => "tensors",
            Self::Models => "models",
            Self::Unavailable => "unavailable",
            Self::Progress => "progress",
            Self::Health => "health",
            Self::Server => "server",
            Self::Statistics => "statistics",
            Self::Resumed => "resumed",
            Self::Usage => "usage",
            Self::Done => "done",
            Self::Error => "error",
            Self::Other => "other",
        }
    }

    fn is_token(self) -> bool {
        matches!(self, Self::Text | Self::Reasoning)
    }
}

#[derive(Clone, Copy)]
struct Mark {
    at_us: u64,
    /// Where its text ends in the buffer.
    end: u32,
    kind: Kind,
}

/// See the module.
pub(super) struct Tape {
    marks: Vec<Mark>,
    text: String,
    max_marks: usize,
    max_bytes: usize,
    truncated: bool,
}

impl Tape {
    pub(super) fn new(max_marks: usize, max_bytes: usize) -> Self {
        let max_bytes = max_bytes.min(u32::MAX as usize);
        Self { marks: Vec::new(), text: String::new(), max_marks, max_bytes, truncated: false }
    }

    /// Writes an event down that came `at` after the call.
    pub(super) fn add(&mut self, at: Duration, event: &EventKind) {
        let kind = Kind::of(event);
        match event {
            EventKind::Text { text, .. } | EventKind::Reasoning { text, .. } => self.write(at, kind, text),
            other => self.write(at, kind, &told(other)),
        }
    }

    /// Writes down how it broke off.
    pub(super) fn fail(&mut self, at: Duration, message: &str) {
        self.write(at, Kind::Error, message);
    }

    fn write(&mut self, at: Duration, kind: Kind, text: &str) {
        let room = self.max_bytes - self.text.len();
        let piece = if text.len() <= room { text } else { &text[..boundary(text, room)] };
        self.truncated |= piece.len() < text.len();
        self.text.push_str(piece);
        let end = self.text.len() as u32;
        let full = self.marks.len() >= self.max_marks;
        match self.marks.last_mut() {
            // The text goes on; when each piece came is not kept any more.
            Some(last) if full => {
                self.truncated = true;
                if last.kind == kind {
                    last.end = end;
                } else {
                    self.text.truncate(last.end as usize);
                }
            }
            _ => self.marks.push(Mark { at_us: at.as_micros() as u64, end, kind }),
        }
    }

    pub(super) fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.text.capacity() + self.marks.capacity() * size_of::<Mark>()
    }

    /// Gives back what it has too much of: nothing more comes.
    pub(super) fn close(&mut self) {
        self.marks.shrink_to_fit();
        self.text.shrink_to_fit();
    }

    pub(super) fn frames(&self) -> Vec<Frame> {
        let frame = |(mark, text): (&Mark, &str)| Frame {
            at_ms: mark.at_us as f64 / 1e3,
            event: mark.kind.as_str().into(),
            text: text.into(),
        };
        self.each().map(frame).collect()
    }

    /// The answer's text.
    pub(super) fn answer(&self) -> String {
        self.each().filter(|(mark, _)| mark.kind == Kind::Text).map(|(_, text)| text).collect()
    }

    /// The median time between pieces of text; `None` where there were fewer than two.
    pub(super) fn median_gap(&self) -> Option<Duration> {
        let times: Vec<u64> = self.marks.iter().filter(|mark| mark.kind.is_token()).map(|mark| mark.at_us).collect();
        let mut gaps: Vec<u64> = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
        let middle = gaps.len().checked_sub(1)? / 2;
        Some(Duration::from_micros(*gaps.select_nth_unstable(middle).1))
    }

    fn each(&self) -> impl Iterator<Item = (&Mark, &str)> {
        let starts = std::iter::once(0).chain(self.marks.iter().map(|mark| mark.end));
        self.marks.iter().zip(starts).map(|(mark, start)| (mark, &self.text[start as usize..mark.end as usize]))
    }
}

/// What is worth reading of an event that is no text.
fn told(event: &EventKind) -> String {
    match event {
        EventKind::Started { model } => model.to_string(),
        EventKind::ToolCalls { calls, .. } => calls.to_string(),
        EventKind::Embedding { vector, .. } => format!("{} components", vector.len()),
        EventKind::Tensors(output) => {
            let one = |tensor: &longshore_core::Tensor| {
                format!("{} {} {:?}", tensor.name(), tensor.datatype(), tensor.shape())
            };
            output.outputs.iter().map(one).collect::<Vec<_>>().join("; ")
        }
        EventKind::Models(models) => format!("{} models", models.len()),
        EventKind::Unavailable { server, error } => format!("{server}: {}", error.message()),
        EventKind::Usage(usage) => json(usage),
        EventKind::Done(finish) => finish.as_str().to_owned(),
        EventKind::Progress(progress) => json(progress),
        EventKind::Health(report) => if report.ok { "ok" } else { "not well" }.to_owned(),
        EventKind::Server(info) => info.name.to_string(),
        EventKind::Resumed(attempt) => attempt.route.server.to_string(),
        _ => String::new(),
    }
}

fn json(told: &impl serde::Serialize) -> String {
    serde_json::to_string(told).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> EventKind {
        EventKind::Text { index: 0, text: text.into() }
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_is_written_can_be_read() {
        let mut tape = Tape::new(10, 100);
        tape.add(ms(1), &EventKind::Reasoning { index: 0, text: "hm".into() });
        tape.add(ms(3), &text("a"));
        tape.add(ms(4), &text("é"));
        tape.fail(ms(9), "broken");
        let frames: Vec<_> = tape.frames().into_iter().map(|frame| (frame.at_ms, frame.event, frame.text)).collect();
        let expected = [(1.0, "reasoning", "hm"), (3.0, "text", "a"), (4.0, "text", "é"), (9.0, "error", "broken")];
        assert_eq!(frames, expected.map(|(at, event, text)| (at, event.to_owned(), text.to_owned())));
        assert_eq!((tape.answer().as_str(), tape.is_truncated()), ("aé", false));
        assert_eq!(tape.median_gap(), Some(ms(1)));
    }

    #[test]
    fn it_keeps_within_its_bounds() {
        let mut bytes = Tape::new(10, 3);
        bytes.add(ms(1), &text("ab"));
        bytes.add(ms(2), &text("éa"));
        assert_eq!((bytes.answer().as_str(), bytes.is_truncated()), ("ab", true));
        let mut marks = Tape::new(2, 100);
        for piece in ["a", "b", "c", "d"] {
            marks.add(ms(1), &text(piece));
        }
        marks.add(ms(2), &EventKind::Done(Default::default()));
        assert_eq!((marks.frames().len(), marks.answer().as_str(), marks.is_truncated()), (2, "abcd", true));
    }
}
