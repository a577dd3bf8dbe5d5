//! The terminal: everything the program prints goes through [`Out`], and everything in it is made inert there.
//!
//! Text of models and servers cannot reach a terminal in any other way, so no command has to remember to sanitise.

pub(crate) mod progress;
pub(crate) mod repl;
pub(crate) mod sanitise;
pub(crate) mod table;

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::exit::Failure;
use sanitise::{Sanitiser, sanitise, sanitise_json};

/// How the program speaks, as far as flags, variables and the streams decide.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// For programs: JSON on standard output.
    pub(crate) json: bool,
    /// Standard output may have colours.
    pub(crate) color: bool,
    /// Standard error may have colours.
    pub(crate) error_color: bool,
    /// A person reads standard output.
    pub(crate) is_terminal: bool,
    /// A person reads standard error: progress bars may move.
    pub(crate) error_is_terminal: bool,
    /// A person types.
    pub(crate) input_is_terminal: bool,
}

impl Manner {
    /// What the flags say and the streams are. `no_color` is the flag or the variable `NO_COLOR`.
    pub(crate) fn new(json: bool, no_color: bool) -> Self {
        let (is_terminal, error_is_terminal) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        Self {
            json,
            color: is_terminal && !no_color && !json,
            error_color: error_is_terminal && !no_color,
            is_terminal,
            error_is_terminal,
            input_is_terminal: io::stdin().is_terminal(),
        }
    }
}

/// A style of our own; text from outside never brings one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Less important than the answer.
    Dim,
    /// A headline.
    Bold,
    /// Went wrong.
    Red,
    /// Is well.
    Green,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::Dim => "\x1b[2m",
            Self::Bold => "\x1b[1m",
            Self::Red => "\x1b[31m",
            Self::Green => "\x1b[32m",
        }
    }

    /// The text made inert, in this style if `color` allows.
    pub(crate) fn paint(self, text: &str, color: bool) -> String {
        let text = sanitise(text);
        if color { format!("{}{text}\x1b[0m", self.code()) } else { text.into_owned() }
    }
}

/// Standard output and standard error.
#[derive(Debug)]
pub(crate) struct Out {
    /// How to speak.
    pub(crate) manner: Manner,
    stream: Sanitiser,
    at_line_start: bool,
    in_thought: bool,
}

impl Out {
    /// Speaks in this manner.
    pub(crate) fn new(manner: Manner) -> Self {
        Self { manner, stream: Sanitiser::default(), at_line_start: true, in_thought: false }
    }

    /// A line on standard output.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(sanitise(text.as_ref()).as_bytes())?;
        out.write_all(b"\n")?;
        Ok(out.flush()?)
    }

    /// A line in a style on standard output.
    pub(crate) fn styled(&mut self, style: Style, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        writeln!(out, "{}", style.paint(text, self.manner.color))?;
        Ok(out.flush()?)
    }

    /// A document for a program on standard output: one JSON value and a line feed.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text =
            serde_json::to_string_pretty(value).map_err(|error| Failure::Other(format!("write JSON: {error}")))?;
        self.raw_line(&sanitise_json(&text))
    }

    /// As [`Out::json`], on one line.
    pub(crate) fn json_line(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(|error| Failure::Other(format!("write JSON: {error}")))?;
        self.raw_line(&sanitise_json(&text))
    }

    /// A piece of an answer, at once. Pieces may be cut anywhere.
    pub(crate) fn piece(&mut self, text: &str) -> Result<(), Failure> {
        if std::mem::take(&mut self.in_thought) {
            self.end_pieces()?;
        }
        let mut inert = String::with_capacity(text.len());
        self.stream.push(text, &mut inert);
        self.put_piece(&inert)
    }

    /// A piece of what a model thinks before it answers: for people who look on, and nobody else.
    pub(crate) fn thought(&mut self, text: &str) -> Result<(), Failure> {
        if !self.manner.is_terminal {
            return Ok(());
        }
        self.in_thought = true;
        self.at_line_start = false;
        let mut out = io::stdout().lock();
        out.write_all(Style::Dim.paint(text, self.manner.color).as_bytes())?;
        Ok(out.flush()?)
    }

    /// The answer has ended, or broken off: whatever comes next begins on a line of its own.
    pub(crate) fn end_pieces(&mut self) -> Result<(), Failure> {
        let mut inert = String::new();
        self.stream.finish(&mut inert);
        if !self.at_line_start || !inert.is_empty() {
            inert.push('\n');
        }
        self.put_piece(&inert)
    }

    /// A line on standard error. What cannot be said there is lost: there is nowhere else to complain.
    pub(crate) fn note(&mut self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{}", sanitise(text));
    }

    /// A line in a style on standard error.
    pub(crate) fn styled_note(&mut self, style: Style, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{}", style.paint(text, self.manner.error_color));
    }

    /// A text on standard error that brings its own styling, made of inert parts.
    pub(crate) fn drawn_note(&mut self, text: &str) {
        let _ = write!(io::stderr().lock(), "{text}");
    }

    /// A text on standard output as it is: completions, schemas, JSON.
    pub(crate) fn raw_line(&mut self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        if !text.ends_with('\n') {
            out.write_all(b"\n")?;
        }
        Ok(out.flush()?)
    }

    fn put_piece(&mut self, inert: &str) -> Result<(), Failure> {
        if let Some(last) = inert.as_bytes().last() {
            self.at_line_start = *last == b'\n';
        }
        let mut out = io::stdout().lock();
        out.write_all(inert.as_bytes())?;
        Ok(out.flush()?)
    }
}
