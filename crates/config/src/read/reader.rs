//! [`Reader`]: walks a tree with the types in hand, remembers where each value came from, and collects every problem.
//!
//! A field that cannot be read takes its default, so that the rest is still read; the load fails all the same, because a
//! problem was reported.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;

use serde_json::Value as Json;

use super::suggest;
use super::tree::{Data, Entry, Node};
use crate::origin::{Origin, Origins, Place};
use crate::problem::{Problem, quoted};
use crate::setting::{Field, Refusal, Scalar, SectionKind, Setting, Written};

/// Suggestions cost time; a file with more mistakes than this is no configuration.
const MAX_SUGGESTIONS: usize = 100;

/// The state of one reading.
#[derive(Default)]
pub(crate) struct Reader {
    pub(crate) problems: Vec<Problem>,
    /// Bytes of the file that may be secrets.
    pub(crate) masks: Vec<Range<usize>>,
    home: Option<PathBuf>,
    places: BTreeMap<String, Place>,
    /// The settings that could not be read.
    doubtful: Vec<String>,
    /// How many sections that stand for a secret are open.
    secret_depth: usize,
}

/// A section that is being read: its entries and where they are.
pub(crate) struct Open<'a> {
    node: &'a Node,
    path: &'a str,
}

impl Reader {
    pub(crate) fn new(home: Option<PathBuf>) -> Self {
        Self { home, ..Self::default() }
    }

    pub(crate) fn origins(self) -> Origins {
        self.places.into_iter().map(|(path, place)| (path, place.origin)).collect()
    }

    /// Begins a section: its shape is right, and keys that it does not have are reported.
    pub(crate) fn open<'a>(&mut self, node: &'a Node, path: &'a str, section: &SectionKind) -> Option<Open<'a>> {
        self.remember(path, node);
        self.secret_depth += usize::from(section.secret);
        match &node.data {
            Data::Null => {}
            Data::Map(entries) => {
                let unknown = entries.iter().filter(|entry| section.fields.iter().all(|field| field.name != entry.key));
                unknown.for_each(|entry| self.unknown(entry, path, section));
            }
            _ if section.secret => self.inline_secret(node, path),
            _ => self.wrong_shape(node, path, &format!("a section with {}", names(&section.fields))),
        }
        let readable = matches!(node.data, Data::Null | Data::Map(_));
        if !readable {
            self.close(section);
        }
        readable.then_some(Open { node, path })
    }

    /// Ends what [`open`](Self::open) began.
    pub(crate) fn close(&mut self, section: &SectionKind) {
        self.secret_depth -= usize::from(section.secret);
    }

    /// Reads one field of a section.
    pub(crate) fn field<T: Setting>(
        &mut self,
        open: &Open<'_>,
        name: &'static str,
        default: T,
        required: bool,
        range: Option<RangeInclusive<T::Bound>>,
    ) -> T {
        let path = super::join(open.path, name);
        let Some(node) = open.node.get(name) else {
            if required {
                self.report(&open.node.place, &path, "missing", Some(format!("add \"{name}\"")));
            }
            return default;
        };
        let Some(value) = T::read(node, &path, self) else { return default };
        if let Some(range) = range
            && !value.is_within(&range)
        {
            let (low, high) = (plain(&T::bound(range.start())), plain(&T::bound(range.end())));
            let found = self.found(node);
            self.report(&node.place, &path, format!("out of range{found}"), Some(format!("use {low} to {high}")));
            return default;
        }
        value
    }

    /// Reads one scalar.
    pub(crate) fn scalar<T: Scalar>(&mut self, node: &Node, path: &str) -> Option<T> {
        self.remember(path, node);
        let kind = T::describe();
        let Data::Text { text, quoted } = &node.data else {
            self.wrong_shape(node, path, &kind.expected);
            return None;
        };
        let home = self.home.as_deref();
        match T::parse(&Written { text, quoted: *quoted, origin: &node.place.origin, home }) {
            Ok(value) => Some(value),
            Err(Refusal { reason, hint }) => {
                let found = self.found(node);
                let hint = hint.or_else(|| suggest::choice(text, kind.choices));
                let message = match reason {
                    Some(reason) => format!("{reason}{found}"),
                    None => format!("expected {}{found}", kind.expected),
                };
                self.report(&node.place, path, message, hint);
                None
            }
        }
    }

    /// The node is a list where a section is expected, or the like.
    pub(crate) fn wrong_shape(&mut self, node: &Node, path: &str, expected: &str) {
        let is_text = matches!(node.data, Data::Text { .. });
        let found = if is_text { self.found(node) } else { format!(", found {}", node.describe()) };
        let hint = matches!(node.data, Data::Null).then(|| "leave the line out to get the default".to_owned());
        self.report(&node.place, path, format!("expected {expected}{found}"), hint);
    }

    pub(crate) fn remember(&mut self, path: &str, node: &Node) {
        self.places.insert(path.to_owned(), node.place.clone());
    }

    pub(crate) fn report(&mut self, place: &Place, path: &str, message: impl Into<String>, hint: Option<String>) {
        if self.secret_depth > 0 {
            self.masks.extend(place.span.clone());
        }
        let (origin, span) = (place.origin.clone(), place.span.clone());
        self.problems.push(Problem { message: message.into(), path: path.to_owned(), origin, span, hint });
    }

    /// Ends the reading of single values: from here on it is known which settings are not what was meant.
    pub(crate) fn end_values(&mut self) {
        self.doubtful = self.problems.iter().map(|problem| problem.path.clone()).collect();
    }

    /// Settings that do not go together. Says nothing if one of them could not be read in the first place.
    pub(crate) fn contradiction(&mut self, paths: &[&str], message: impl Into<String>, hint: impl Into<String>) {
        let in_trouble = |path: &&str| self.doubtful.iter().any(|doubtful| is_at_or_around(doubtful, path));
        if paths.iter().any(in_trouble) {
            return;
        }
        let Some((first, _)) = paths.split_first() else { return };
        let place = paths.iter().find_map(|path| self.places.get(*path)).cloned();
        self.report(&place.unwrap_or(Place::new(Origin::Default)), first, message, Some(hint.into()));
    }

    fn unknown(&mut self, entry: &Entry, path: &str, section: &SectionKind) {
        entry.node.each_scalar(&mut |place| self.masks.extend(place.span.clone()));
        let at = super::join(path, &entry.key);
        if section.secret {
            // The key itself may be the secret, so the path ends before it.
            return self.inline_secret_at(&entry.key_place, path);
        }
        if entry.key == "<<" {
            let hint = "give the whole value an anchor (&name) and repeat it with *name".to_owned();
            return self.report(&entry.key_place, &at, "YAML merge keys are not read", Some(hint));
        }
        let is_many = self.problems.len() > MAX_SUGGESTIONS;
        let suggest = || suggest::setting(&entry.key, path, &section.fields, &entry.key_place.origin);
        let hint = if is_many { None } else { suggest() };
        self.report(&entry.key_place, &at, "unknown setting", hint);
    }

    /// A secret, or what looks like one, stands in the open. It is not repeated, not even in part.
    fn inline_secret(&mut self, node: &Node, path: &str) {
        node.each_scalar(&mut |place| self.masks.extend(place.span.clone()));
        self.inline_secret_at(&node.place, path);
    }

    fn inline_secret_at(&mut self, place: &Place, path: &str) {
        let hint = "put it in an environment variable or a file, and write \"env: NAME\" or \"file: PATH\"";
        self.report(place, path, "a secret is never written in the configuration", Some(hint.to_owned()));
    }

    /// ", found …" with the value, unless that may be a secret.
    fn found(&mut self, node: &Node) -> String {
        match &node.data {
            Data::Text { .. } if self.secret_depth > 0 => String::new(),
            Data::Text { text, .. } => match without_user_info(text) {
                Some(text) => {
                    self.masks.extend(node.place.span.clone());
                    format!(", found {}", quoted(&text))
                }
                None => format!(", found {}", quoted(text)),
            },
            _ => String::new(),
        }
    }
}

/// `http://user:password@host` without the user and the password; `None` when there are none.
fn without_user_info(text: &str) -> Option<String> {
    let start = text.find("//").map_or(0, |slashes| slashes + 2);
    let end = text.rfind('@')?;
    (start <= end).then(|| format!("{}…{}", &text[..start], &text[end..]))
}

/// Whether a problem at one path makes the value at another doubtful.
fn is_at_or_around(problem: &str, path: &str) -> bool {
    let inside = |outer: &str, inner: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with(['.', '[']));
    problem == path || inside(problem, path) || inside(path, problem)
}

fn names(fields: &[Field]) -> String {
    fields.iter().map(|field| field.name).collect::<Vec<_>>().join(", ")
}

/// A JSON scalar as a person writes it.
pub(crate) fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}
