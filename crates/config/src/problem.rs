//! What is wrong with a configuration: [`Problem`], and [`Problems`], which holds all of them at once.
//!
//! Plain text only. Drawing a problem into its source line is the app's, from [`Problem::span`] and
//! [`Problems::source`].

use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;

use crate::origin::Origin;

/// One thing that is wrong, where it is, and what would be right.
///
/// Its text is `longshore.yaml:12:5: servers[0].wieght: unknown setting; did you mean "weight"?`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong, as a lowercase fragment. Never holds the value of a secret.
    pub message: String,
    /// The setting, such as `servers[0].grpc`; empty when the whole source is meant.
    pub path: String,
    /// Where the wrong value came from.
    pub origin: Origin,
    /// The bytes of the configuration file that are meant, when the origin is the file.
    pub span: Option<Range<usize>>,
    /// What would be right.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

/// The text of the configuration file, fit to be shown: whatever may be a secret is overwritten with asterisks, and
/// every byte keeps its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The file's name as the caller gave it.
    pub name: String,
    /// The masked text.
    pub text: String,
}

/// Everything that is wrong with a configuration: first the file from top to bottom, then variables, then flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
    omitted: usize,
    source: Option<Source>,
}

/// After so many problems a person fixes some and asks again; a hostile file must not fill the terminal.
const MAX_PROBLEMS: usize = 100;

impl Problems {
    pub(crate) fn new(mut list: Vec<Problem>, source: Option<Source>) -> Self {
        list.sort_by(by_position);
        let omitted = list.len().saturating_sub(MAX_PROBLEMS);
        list.truncate(MAX_PROBLEMS);
        Self { list, omitted, source }
    }

    /// The problems in reading order, at most 100.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    /// How many more there are than [`iter`](Self::iter) gives.
    pub fn omitted(&self) -> usize {
        self.omitted
    }

    /// The configuration file with secrets masked, to show lines from. `None` without a file, and when the file is not
    /// readable as YAML: it is then unknown which of its words are secrets.
    pub fn source(&self) -> Option<&Source> {
        self.source.as_ref()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{problem}")?;
        }
        if self.omitted > 0 {
            write!(f, "\nand {} more problems", self.omitted)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

fn by_position(a: &Problem, b: &Problem) -> Ordering {
    rank(&a.origin).cmp(&rank(&b.origin)).then_with(|| a.path.cmp(&b.path))
}

fn rank(origin: &Origin) -> (u8, usize, usize, &str) {
    match origin {
        Origin::File { line, column, .. } => (0, *line, *column, ""),
        Origin::Env { variable } => (1, 0, 0, variable),
        Origin::Flag { name } => (2, 0, 0, name),
        Origin::Default => (3, 0, 0, ""),
    }
}

/// Text from outside in quotes, short and harmless.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", harmless(text))
}

/// Text from outside, short enough and harmless enough for a message: no line breaks, no escape sequences.
pub(crate) fn harmless(text: &str) -> String {
    const MAX_CHARS: usize = 60;
    let mut short = String::new();
    for c in text.chars().take(MAX_CHARS) {
        match c {
            '\'' | '"' | '\\' => short.push(c),
            c => short.extend(c.escape_debug()),
        }
    }
    if text.chars().nth(MAX_CHARS).is_some() {
        short.push('…');
    }
    short
}
