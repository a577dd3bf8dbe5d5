//! From text to types: `yaml` gives a located tree, `overlay` lays variables and flags over it, `Reader` turns it into
//! the sections, and `suggest` guesses what a misspelt name was meant to be.

pub(crate) mod overlay;
pub(crate) mod reader;
pub(crate) mod suggest;
pub(crate) mod tree;
pub(crate) mod yaml;

/// A path one level deeper: `retry` and `max_attempts` give `retry.max_attempts`. A name from outside may hold control
/// characters and any length; in a path it is harmless and short.
pub(crate) fn join(path: &str, name: &str) -> String {
    let dot = if path.is_empty() { "" } else { "." };
    format!("{path}{dot}{}", crate::problem::harmless(name))
}

/// The path of a list's item: `servers[0]`.
pub(crate) fn item(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}
