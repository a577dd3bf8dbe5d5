//! The settings as data, for pages that show them: [`settings_list`].

use serde_json::Value as Json;

use crate::setting::{Field, Kind, SectionKind, View};

/// One setting.
#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    /// Its path, such as `retry.max_attempts`; `servers[].rest` for those of every server.
    pub path: String,
    /// The first part of the path.
    pub section: &'static str,
    /// What it is, in a word or two: `duration`, `whole number`, `list`.
    pub kind: &'static str,
    /// Its default; null where it is not set.
    pub default: Json,
    /// What it means.
    pub doc: String,
    /// What it may be, in words: `1 to 10`.
    pub range: Option<String>,
    /// The words that it may be.
    pub choices: Vec<&'static str>,
    /// It says where a secret is kept.
    pub secret: bool,
}

/// Every setting in the order of the documentation; sections are told by what is in them.
pub fn settings_list() -> Vec<Described> {
    let Kind::Section(root) = crate::root_kind() else { return Vec::new() };
    let mut found = Vec::new();
    for field in &root.fields {
        walk(field, field.name, field.name, false, &mut found);
    }
    found
}

fn walk(field: &Field, path: &str, section: &'static str, secret: bool, found: &mut Vec<Described>) {
    let within = |kind: &SectionKind, path: &str, found: &mut Vec<Described>| {
        for field in &kind.fields {
            walk(field, &format!("{path}.{}", field.name), section, secret || kind.secret, found);
        }
    };
    let kind = match field.kind.inner() {
        Kind::Section(kind) => return within(kind, path, found),
        Kind::List(item) => match item.inner() {
            Kind::Section(kind) => return within(kind, &format!("{path}[]"), found),
            _ => "list",
        },
        Kind::Scalar(scalar) => scalar.name,
        Kind::Optional(_) => "section",
    };
    found.push(Described {
        path: path.to_owned(),
        section,
        kind,
        default: match &field.default {
            _ if field.required => Json::Null,
            View::Map(_) => Json::Null,
            view => view.clone().into_json(),
        },
        doc: field.doc.clone(),
        range: super::range(field),
        choices: super::choices(&field.kind).iter().map(|(word, _)| *word).collect(),
        secret,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_told_once() {
        let all = settings_list();
        let find = |path: &str| all.iter().find(|one| one.path == path).unwrap_or_else(|| panic!("{path}"));
        assert_eq!(find("retry.max_attempts").range.as_deref(), Some("1 to 10"));
        assert_eq!(find("gateway.hosts").kind, "list");
        assert!(find("gateway.token.env").secret && !find("gateway.listen").secret);
        assert_eq!(find("servers[].dialect").choices[0], "auto");
        let mut paths: Vec<_> = all.iter().map(|one| &one.path).collect();
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), all.len());
    }
}
