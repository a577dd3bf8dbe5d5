//! A configuration before it has types: [`Node`], a tree in which each value and each key knows its place.
//!
//! It has no idea which settings exist; `reader` does.

use crate::origin::Place;

/// One value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) data: Data,
    pub(crate) place: Place,
}

/// Scalars stay the text that was written: `1.10` is a model's name in one place and a number in another.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    Null,
    Text { text: String, quoted: bool },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_place: Place,
    pub(crate) node: Node,
}

impl Node {
    pub(crate) fn null(place: Place) -> Self {
        Self { data: Data::Null, place }
    }

    pub(crate) fn text(text: String, place: Place) -> Self {
        Self { data: Data::Text { text, quoted: false }, place }
    }

    /// What was found, for "expected …, found …". Never the value itself: that may be a secret.
    pub(crate) fn describe(&self) -> &'static str {
        match self.data {
            Data::Null => "nothing",
            Data::Text { .. } => "a single value",
            Data::List(_) => "a list",
            Data::Map(_) => "a section",
        }
    }

    /// The entry with this key, if the node is a map.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        match &self.data {
            Data::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node),
            _ => None,
        }
    }

    /// The entries, after an empty node has become an empty map. `None` if it already is something else.
    pub(crate) fn entries_mut(&mut self) -> Option<&mut Vec<Entry>> {
        if matches!(self.data, Data::Null) {
            self.data = Data::Map(Vec::new());
        }
        match &mut self.data {
            Data::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The items, after an empty node has become an empty list. `None` if it already is something else.
    pub(crate) fn items_mut(&mut self) -> Option<&mut Vec<Node>> {
        if matches!(self.data, Data::Null) {
            self.data = Data::List(Vec::new());
        }
        match &mut self.data {
            Data::List(items) => Some(items),
            _ => None,
        }
    }

    /// Calls `visit` for every scalar at or below this node.
    pub(crate) fn each_scalar(&self, visit: &mut impl FnMut(&Place)) {
        match &self.data {
            Data::Null => {}
            Data::Text { .. } => visit(&self.place),
            Data::List(items) => items.iter().for_each(|item| item.each_scalar(visit)),
            Data::Map(entries) => entries.iter().for_each(|entry| entry.node.each_scalar(visit)),
        }
    }
}
