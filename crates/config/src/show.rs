//! A configuration as text again: [`Loaded::to_yaml`], [`Loaded::to_json`] and [`Loaded::settings`].
//!
//! There is nothing to redact: a configuration holds where secrets are kept, never the secrets.

use serde_json::{Map, Value as Json};

use crate::load::Loaded;
use crate::origin::{Origin, Origins};
use crate::read::{item, join};
use crate::setting::{Setting, View};
use crate::settings::Config;

/// One setting with its effective value.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The setting, such as `servers[0].rest`.
    pub path: String,
    /// Its value: text, number or switch as it would be written, or null when it is not set.
    pub value: Json,
    /// Where the value came from.
    pub origin: Origin,
}

impl Loaded {
    /// Every setting in the order of the documentation.
    pub fn settings(&self) -> Vec<Shown> {
        let mut found = Vec::new();
        collect(&self.config.view(), String::new(), &self.origins, &mut found);
        found
    }

    /// The effective configuration as a YAML file that loads to the same; with each value's origin as a comment if asked.
    pub fn to_yaml(&self, with_origins: bool) -> String {
        to_yaml(&self.config, with_origins.then_some(&self.origins))
    }

    /// The effective configuration as JSON.
    pub fn to_json(&self) -> Json {
        self.config.view().into_json()
    }
}

impl Config {
    /// The configuration as a YAML file that loads to the same.
    pub fn to_yaml(&self) -> String {
        to_yaml(self, None)
    }
}

fn to_yaml(config: &Config, origins: Option<&Origins>) -> String {
    let mut writer = Writer { text: String::new(), origins };
    writer.value(&config.view(), "", 0);
    writer.text
}

fn collect(view: &View, path: String, origins: &Origins, found: &mut Vec<Shown>) {
    match view {
        View::Leaf(value) => {
            let origin = origins.of(&path).clone();
            found.push(Shown { path, value: value.clone(), origin });
        }
        View::List(items) => {
            for (index, view) in items.iter().enumerate() {
                collect(view, item(&path, index), origins, found);
            }
        }
        View::Map(fields) => {
            fields.iter().for_each(|(name, view)| collect(view, join(&path, name), origins, found));
        }
    }
}

impl View {
    pub(crate) fn into_json(self) -> Json {
        match self {
            View::Leaf(value) => value,
            View::List(items) => items.into_iter().map(View::into_json).collect(),
            View::Map(fields) => {
                let pairs = fields.into_iter().map(|(name, view)| (name.to_owned(), view.into_json()));
                Json::Object(pairs.collect::<Map<_, _>>())
            }
        }
    }
}

struct Writer<'a> {
    text: String,
    origins: Option<&'a Origins>,
}

impl Writer<'_> {
    /// Writes a value behind what is already on the line.
    fn value(&mut self, view: &View, path: &str, indent: usize) {
        match view {
            View::Leaf(value) => self.end_line(&scalar(value), path),
            View::List(items) if items.is_empty() => self.end_line("[]", path),
            View::List(items) => {
                self.nest(indent);
                for (index, view) in items.iter().enumerate() {
                    self.text.push_str(&format!("{}- ", " ".repeat(indent)));
                    self.value(view, &item(path, index), indent + 2);
                }
            }
            View::Map(fields) => {
                // A list's item begins on the line of its hyphen.
                let mut on_line = self.text.ends_with("- ");
                if !on_line {
                    self.nest(indent);
                }
                for (name, view) in fields {
                    let margin = if on_line { 0 } else { indent };
                    on_line = false;
                    self.text.push_str(&format!("{}{name}:", " ".repeat(margin)));
                    self.value(view, &join(path, name), indent + 2);
                }
            }
        }
    }

    fn nest(&mut self, indent: usize) {
        if indent > 0 {
            self.text.push('\n');
        }
    }

    fn end_line(&mut self, value: &str, path: &str) {
        let space = if self.text.ends_with(' ') { "" } else { " " };
        let comment = self.origins.map(|origins| format!("  # {}", origins.of(path))).unwrap_or_default();
        self.text.push_str(&format!("{space}{value}{comment}\n"));
    }
}

/// A scalar in YAML: plain where nothing could take it for anything else.
pub(crate) fn scalar(value: &Json) -> String {
    match value {
        Json::String(text) if is_plain(text) => text.clone(),
        Json::String(text) => double_quoted(text),
        other => other.to_string(),
    }
}

fn is_plain(text: &str) -> bool {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || "_./:@-".contains(c);
    let looks_otherwise = text.parse::<f64>().is_ok()
        || text.starts_with("0x")
        || text.starts_with("0o")
        || ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text.to_lowercase().as_str());
    let begins_well = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/');
    begins_well && !text.ends_with(':') && text.chars().all(is_safe) && !looks_otherwise
}

/// YAML allows no control characters and no byte order mark inside quotes, and folds line breaks.
fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            c if c.is_alphanumeric() => out.push(c),
            c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
    out
}
