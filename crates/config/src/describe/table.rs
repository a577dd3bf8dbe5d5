//! The settings as Markdown, for `docs/configuration.md`: [`settings_table_markdown`].

use crate::read::reader::plain;
use crate::setting::{Field, Kind, SectionKind, View};

/// One table for each section: setting, default, range, meaning.
pub fn settings_table_markdown() -> String {
    let Kind::Section(root) = crate::root_kind() else { return String::new() };
    let sections: Vec<String> = root.fields.iter().map(section).collect();
    sections.join("\n")
}

fn section(field: &Field) -> String {
    let mut text = format!("### `{}`\n\n{}\n\n", field.name, field.doc);
    text.push_str("| Setting | Type | Default | Range | Meaning |\n|---|---|---|---|---|\n");
    rows(&field.kind, field.name, &mut text);
    text
}

fn rows(kind: &Kind, path: &str, text: &mut String) {
    match kind.inner() {
        Kind::Section(section) => fields(section, path, text),
        Kind::List(item) => rows(item, &format!("{path}[]"), text),
        Kind::Scalar(_) | Kind::Optional(_) => {}
    }
}

fn fields(section: &SectionKind, path: &str, text: &mut String) {
    for field in &section.fields {
        let path = format!("{path}.{}", field.name);
        text.push_str(&row(field, &path));
        rows(&field.kind, &path, text);
    }
}

fn row(field: &Field, path: &str) -> String {
    let choices = super::choices(&field.kind);
    let words = choices.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let range = super::range(field).unwrap_or(if words.is_empty() { "–".to_owned() } else { words });
    let meanings: Vec<String> = choices.iter().map(|(word, doc)| format!("`{word}`: {}", doc.trim())).collect();
    let doc = match meanings.as_slice() {
        [] => field.doc.clone(),
        _ => format!("{} {}.", field.doc, meanings.join("; ")),
    };
    let cells = [format!("`{path}`"), type_name(&field.kind).to_owned(), default(field), range, doc];
    format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "))
}

fn type_name(kind: &Kind) -> &'static str {
    match kind.inner() {
        Kind::Scalar(scalar) => scalar.name,
        Kind::List(_) => "list",
        _ => "section",
    }
}

fn default(field: &Field) -> String {
    match &field.default {
        _ if field.required => "required".to_owned(),
        View::Leaf(value) if !value.is_null() => format!("`{}`", plain(value)),
        _ => "unset".to_owned(),
    }
}
