//! A first configuration file, with every setting commented out: [`starter_file`].

use crate::setting::{Field, Kind, SectionKind, View};
use crate::show::scalar;

const HEAD: &str = "\
# Longshore's configuration. Nothing here has to be set.
#
# A line that begins with # and a space explains. A line that begins with # alone is a setting with its default, or with
# an example where there is none: take the # away to set it. `longshore config check` says whether the file is right.
# Variables override the file: LONGSHORE_RETRY__MAX_ATTEMPTS is retry.max_attempts.
";

const WIDTH: usize = 110;

/// The text of the file. Any of its commented settings can be uncommented, alone or with others.
pub fn starter_file() -> String {
    let mut text = HEAD.to_owned();
    if let Kind::Section(root) = crate::root_kind() {
        root.fields.iter().for_each(|field| section(field, &mut text));
    }
    text
}

fn section(field: &Field, text: &mut String) {
    text.push('\n');
    prose(&field.doc, "", text);
    match &field.kind {
        Kind::List(item) => list(field, item, text),
        Kind::Section(section) => {
            text.push_str(&format!("{}:\n", field.name));
            section.fields.iter().for_each(|field| setting(field, text));
        }
        _ => setting(field, text),
    }
}

/// A list is explained in words and by whole items, since a line of an item alone would mean nothing.
fn list(field: &Field, item: &Kind, text: &mut String) {
    if let Kind::Section(SectionKind { fields, .. }) = item.inner() {
        for inner in fields {
            prose(&format!("{}: {}", inner.name, facts(inner)), "  ", text);
        }
    }
    text.push_str(&format!("{}:\n", field.name));
    for line in field.example.unwrap_or_default().lines() {
        text.push_str(&format!("  #{line}\n"));
    }
}

fn setting(field: &Field, text: &mut String) {
    let value = match (&field.default, field.example) {
        (View::Leaf(value), _) if !value.is_null() => scalar(value),
        (_, Some(example)) => example.to_owned(),
        _ => "null".to_owned(),
    };
    prose_at("  # ", &facts(field), text);
    text.push_str(&format!("  #{}: {value}\n", field.name));
}

/// The meaning, the words and the range.
fn facts(field: &Field) -> String {
    let mut facts = field.doc.clone();
    let words: Vec<&str> = super::choices(&field.kind).iter().map(|(word, _)| *word).collect();
    if !words.is_empty() {
        facts.push_str(&format!(" One of {}.", words.join(", ")));
    }
    if let Some(range) = super::range(field) {
        facts.push_str(&format!(" From {range}."));
    }
    facts
}

fn prose(paragraph: &str, indent: &str, text: &mut String) {
    prose_at(&format!("# {indent}"), paragraph, text);
}

/// Breaks a paragraph into lines that begin with `margin`.
fn prose_at(margin: &str, paragraph: &str, text: &mut String) {
    let mut line = margin.to_owned();
    for word in paragraph.split_whitespace() {
        if line.len() + word.len() > WIDTH {
            text.push_str(&format!("{}\n", line.trim_end()));
            line = margin.to_owned();
        }
        line.push_str(word);
        line.push(' ');
    }
    text.push_str(&format!("{}\n", line.trim_end()));
}
