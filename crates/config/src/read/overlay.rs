//! Lays environment variables and flags over the file's tree: [`apply_environment`] and [`apply_flags`].
//!
//! The types say only where sections and lists are; whether a name exists and a value fits is found out later, by the
//! same code that judges the file.

use super::suggest;
use super::tree::{Data, Entry, Node};
use crate::origin::{Origin, Place};
use crate::problem::{Problem, quoted};
use crate::setting::Kind;

/// What the name of every variable begins with.
pub const PREFIX: &str = "LONGSHORE_";
/// Variables with that prefix which are no settings: the configuration file's path.
pub const RESERVED_VARIABLES: [&str; 1] = ["LONGSHORE_CONFIG"];

/// Applies every variable that begins with the prefix, `__` standing between the levels of its path.
pub(crate) fn apply_environment(root: &mut Node, kind: &Kind, variables: &[(String, String)]) -> Vec<Problem> {
    let mut ours: Vec<_> = variables.iter().filter_map(|(name, value)| Some((name, segments(name)?, value))).collect();
    // Item 2 of a list can only follow item 1.
    ours.sort_by_key(|(name, segments, _)| (numbered(segments), (*name).clone()));
    let place = |name: &String| Place::new(Origin::Env { variable: name.clone() });
    let set = |(name, segments, value): (&String, Vec<String>, &String)| set(root, kind, &segments, value, place(name));
    ours.into_iter().filter_map(set).collect()
}

/// Applies flags in their order; a later one wins.
pub(crate) fn apply_flags(root: &mut Node, kind: &Kind, flags: &[(String, String, String)]) -> Vec<Problem> {
    let set = |(path, value, flag): &(String, String, String)| {
        let segments: Vec<String> = path.replace('[', ".").replace(']', "").split('.').map(ToOwned::to_owned).collect();
        set(root, kind, &segments, value, Place::new(Origin::Flag { name: flag.clone() }))
    };
    flags.iter().filter_map(set).collect()
}

/// `LONGSHORE_SERVERS__0__REST` is `servers`, `0`, `rest`. `None` for a variable that is not ours.
fn segments(variable: &str) -> Option<Vec<String>> {
    let prefix = variable.get(..PREFIX.len())?;
    let is_reserved = RESERVED_VARIABLES.iter().any(|name| name.eq_ignore_ascii_case(variable));
    let ours = prefix.eq_ignore_ascii_case(PREFIX) && !is_reserved;
    ours.then(|| variable[PREFIX.len()..].split("__").map(str::to_lowercase).collect())
}

/// Segments in an order that counts: `10` after `9`.
fn numbered(segments: &[String]) -> Vec<(usize, String)> {
    segments.iter().map(|segment| (segment.parse().unwrap_or(usize::MAX), segment.clone())).collect()
}

fn set(root: &mut Node, kind: &Kind, segments: &[String], value: &str, place: Place) -> Option<Problem> {
    if let Some((path, excess)) = overreach(kind, segments) {
        let hint = format!("did you mean {}?", spelling(&path, &place.origin));
        let message = format!("has no setting {} inside it", quoted(excess));
        return Some(problem(place, path, message, Some(hint)));
    }
    let mut node = root;
    let mut kind = kind.inner().clone();
    let mut path = String::new();
    for segment in segments {
        let (child, child_kind) = match &kind {
            Kind::Section(section) => {
                let field = section.fields.iter().find(|field| field.name.eq_ignore_ascii_case(segment));
                let name = field.map_or(segment.as_str(), |field| field.name);
                path = super::join(&path, name);
                // A file whose section is no section is reported when it is read.
                let entries = node.entries_mut()?;
                let Some(field) = field else {
                    entries.push(entry(name, Node::text(value.to_owned(), place.clone()), &place));
                    return None;
                };
                (child(entries, name, &place), field.kind.inner().clone())
            }
            Kind::List(item) => {
                let items = node.items_mut()?;
                let index = match position(items, segment) {
                    Ok(index) => index,
                    Err(message) => return Some(problem(place, super::join(&path, segment), message, None)),
                };
                path = super::item(&path, index);
                (self::item(items, index, segment, &place), item.inner().clone())
            }
            _ => return None,
        };
        (node, kind) = (child, child_kind);
    }
    if let Some((message, hint)) = set_twice(node, &place) {
        return Some(problem(place, path, message, Some(hint)));
    }
    *node = Node::text(value.to_owned(), place);
    None
}

/// Two variables that differ in case only, or that call one server by its index and by its name.
fn set_twice(node: &Node, place: &Place) -> Option<(String, String)> {
    let Data::Text { .. } = node.data else { return None };
    match (&place.origin, &node.place.origin) {
        (Origin::Env { variable }, Origin::Env { variable: earlier }) => {
            Some((format!("set twice: also by {earlier}"), format!("unset {variable} or {earlier}")))
        }
        _ => None,
    }
}

/// The single value that a path goes into, and the segment that goes too far.
fn overreach<'a>(kind: &Kind, segments: &'a [String]) -> Option<(String, &'a str)> {
    let mut kind = kind.inner().clone();
    let mut path = String::new();
    for segment in segments {
        kind = match kind {
            Kind::Section(section) => {
                let field = section.fields.into_iter().find(|field| field.name.eq_ignore_ascii_case(segment))?;
                path = super::join(&path, field.name);
                field.kind.inner().clone()
            }
            Kind::List(item) => {
                path = super::join(&path, segment);
                item.inner().clone()
            }
            _ => return Some((path, segment)),
        };
    }
    None
}

fn problem(place: Place, path: String, message: String, hint: Option<String>) -> Problem {
    Problem { message, path, origin: place.origin, span: None, hint }
}

fn spelling(path: &str, origin: &Origin) -> String {
    match origin {
        Origin::Env { .. } => suggest::variable_name(path),
        _ => format!("\"{path}\""),
    }
}

fn entry(key: &str, node: Node, place: &Place) -> Entry {
    Entry { key: key.to_owned(), key_place: place.clone(), node }
}

/// The value of a key, which is added if it is missing.
fn child<'a>(entries: &'a mut Vec<Entry>, name: &str, place: &Place) -> &'a mut Node {
    let index = entries.iter().position(|entry| entry.key == name).unwrap_or_else(|| {
        entries.push(entry(name, Node::null(place.clone()), place));
        entries.len() - 1
    });
    &mut entries[index].node
}

/// Which item a segment means: a number counts from 0, anything else is the item's name.
fn position(items: &[Node], segment: &str) -> Result<usize, String> {
    match segment.parse::<usize>() {
        Ok(index) if index <= items.len() => Ok(index),
        Ok(index) => {
            let count = items.len();
            Err(format!("there is no item {index}: the list has {count}, so the next is {count}"))
        }
        Err(_) => Ok(items.iter().position(|item| is_named(item, segment)).unwrap_or(items.len())),
    }
}

/// Variables cannot hold a hyphen in most shells, so `_` matches it.
fn is_named(item: &Node, segment: &str) -> bool {
    let fold = |name: &str| name.to_lowercase().replace('-', "_");
    matches!(item.get("name").map(|name| &name.data), Some(Data::Text { text, .. }) if fold(text) == fold(segment))
}

/// The item at an index, which is added if it is the next; one that is called by name gets that name.
fn item<'a>(items: &'a mut Vec<Node>, index: usize, segment: &str, place: &Place) -> &'a mut Node {
    if index == items.len() {
        let name = Node::text(segment.to_owned(), place.clone());
        let is_number = segment.parse::<usize>().is_ok();
        let entries = if is_number { Vec::new() } else { vec![entry("name", name, place)] };
        items.push(Node { data: Data::Map(entries), place: place.clone() });
    }
    &mut items[index]
}
