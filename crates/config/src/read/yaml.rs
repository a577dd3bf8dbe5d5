//! YAML text to a located tree: [`parse`].
//!
//! The grammar is granit-parser's; this adds what a configuration needs: bounds on size, depth and alias expansion, and
//! all duplicate keys, tags and odd keys reported together. A syntax error ends the reading, since what follows it
//! cannot be trusted.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, Tag, options};

use super::tree::{Data, Entry, Node};
use crate::origin::{Origin, Place};
use crate::problem::{Problem, harmless, quoted};

/// A configuration of a hundred servers is 30 KiB; whatever is larger than this is another kind of file.
pub const MAX_FILE_BYTES: usize = 1024 * 1024;
/// Values after aliases are expanded. Bounds the "billion laughs" family.
const MAX_NODES: usize = 10_000;
/// The deepest setting is five levels down. Later passes recurse, so this also bounds their stack.
const MAX_DEPTH: usize = 32;

/// What could be read.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    /// The root, absent when the text is not YAML.
    pub(crate) root: Option<Node>,
    pub(crate) problems: Vec<Problem>,
    /// Bytes of values that nobody will interpret and that may hold a secret.
    pub(crate) masks: Vec<Range<usize>>,
}

/// Reads one file's bytes. Takes time and memory linear in the bytes, of which there are at most [`MAX_FILE_BYTES`].
pub(crate) fn parse(path: &Arc<Path>, bytes: &[u8]) -> Parsed {
    let mut builder = Builder::new(path);
    let root = decode(path, bytes).and_then(|text| builder.run(text));
    let mut parsed = Parsed { root: None, problems: builder.problems, masks: builder.masks };
    match root {
        Ok(root) => parsed.root = Some(root),
        Err(problem) => parsed.problems.push(*problem),
    }
    parsed
}

/// A problem that ends the reading. Boxed: it is rare, and the result is passed along for every event.
type Fatal = Box<Problem>;

fn decode<'a>(path: &Arc<Path>, bytes: &'a [u8]) -> Result<&'a str, Fatal> {
    if bytes.len() > MAX_FILE_BYTES {
        let message = format!("larger than {} KiB, so it is not read", MAX_FILE_BYTES / 1024);
        return Err(fatal(path, 0, 0, message, "a configuration file holds settings only; is this the right file?"));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let column = String::from_utf8_lossy(&before[line_start..]).chars().count() + 1;
        let message = format!("not UTF-8 text: byte {} (counted from 0) begins no character", error.valid_up_to());
        fatal(path, line, column, message, "save the file as UTF-8; a binary file is no configuration")
    })
}

fn fatal(path: &Arc<Path>, line: usize, column: usize, message: String, hint: &str) -> Fatal {
    let origin = Origin::File { path: path.clone(), line, column };
    Box::new(Problem { message, path: String::new(), origin, span: None, hint: Some(hint.to_owned()) })
}

/// A collection that is still open.
enum Frame {
    List { items: Vec<Node>, place: Place, anchor: usize },
    Map { entries: Vec<Entry>, key: Option<Key>, place: Place, anchor: usize },
}

/// A key that waits for its value.
struct Key {
    text: String,
    place: Place,
    /// Its value is read and thrown away: the key is a duplicate or no text.
    discard: bool,
}

/// An anchored node with the number of nodes in it and its height.
struct Anchored {
    node: Node,
    count: usize,
    height: usize,
}

struct Builder {
    path: Arc<Path>,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Anchored>,
    nodes: usize,
    root: Option<Node>,
    problems: Vec<Problem>,
    masks: Vec<Range<usize>>,
}

impl Builder {
    fn new(path: &Arc<Path>) -> Self {
        Self {
            path: path.clone(),
            frames: Vec::new(),
            anchors: HashMap::new(),
            nodes: 0,
            root: None,
            problems: Vec::new(),
            masks: Vec::new(),
        }
    }

    fn run(&mut self, text: &str) -> Result<Node, Fatal> {
        let limits = options! {
            emit_comments: false,
            flow_nesting_limit: MAX_DEPTH,
            block_nesting_limit: MAX_DEPTH,
        };
        for event in Parser::new_from_str_with_options(text, limits) {
            let (event, span) = event.map_err(|error| self.syntax_error(&error))?;
            self.event(event, span)?;
        }
        let start = Origin::File { path: self.path.clone(), line: 1, column: 1 };
        Ok(self.root.take().unwrap_or_else(|| Node::null(Place::new(start))))
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Fatal> {
        let place = self.place(span);
        match event {
            Event::DocumentStart(..) if self.root.is_some() => {
                Err(self.fatal_at(&place, "a second YAML document begins here", "keep everything in one document"))
            }
            Event::Scalar(text, style, anchor, tag) => {
                let data = self.scalar(text.into_owned(), style, tag.as_deref(), &place);
                self.count(1, &place)?;
                self.complete(Node { data, place }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), &place);
                self.open(Frame::List { items: Vec::new(), place: place.clone(), anchor }, &place)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), &place);
                self.open(Frame::Map { entries: Vec::new(), key: None, place: place.clone(), anchor }, &place)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => self.alias(anchor, &place),
            _ => Ok(()),
        }
    }

    fn open(&mut self, frame: Frame, place: &Place) -> Result<(), Fatal> {
        self.count(1, place)?;
        self.within_depth(1, place)?;
        self.frames.push(frame);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Fatal> {
        match self.frames.pop() {
            Some(Frame::List { items, place, anchor }) => {
                self.complete(Node { data: Data::List(items), place }, anchor)
            }
            Some(Frame::Map { entries, place, anchor, .. }) => {
                self.complete(Node { data: Data::Map(entries), place }, anchor)
            }
            None => Ok(()),
        }
    }

    fn alias(&mut self, anchor: usize, place: &Place) -> Result<(), Fatal> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err(self.fatal_at(place, "an alias inside the value it stands for", "write the value out"));
        };
        let (node, count, height) = (anchored.node.clone(), anchored.count, anchored.height);
        self.count(count, place)?;
        self.within_depth(height, place)?;
        self.complete(node, 0)
    }

    /// A node is whole: it becomes a key, a value, an item or the root.
    fn complete(&mut self, node: Node, anchor: usize) -> Result<(), Fatal> {
        if anchor != 0 {
            let (count, height) = measure(&node);
            self.anchors.insert(anchor, Anchored { node: node.clone(), count, height });
        }
        match self.frames.last_mut() {
            None => self.root = Some(node),
            Some(Frame::List { items, .. }) => items.push(node),
            Some(Frame::Map { key: Some(_), .. }) => self.value(node),
            Some(Frame::Map { .. }) => self.key(node),
        }
        Ok(())
    }

    fn key(&mut self, node: Node) {
        let Some(Frame::Map { entries, key, .. }) = self.frames.last_mut() else { return };
        let text = match &node.data {
            Data::Text { text, .. } => text.clone(),
            _ => String::new(),
        };
        let earlier = entries.iter().find(|entry| entry.key == text).map(|entry| entry.key_place.origin.clone());
        let odd = !matches!(node.data, Data::Text { .. });
        *key = Some(Key { text, place: node.place.clone(), discard: odd || earlier.is_some() });
        let (message, hint) = match earlier {
            _ if odd => ("a setting's name must be plain text".to_owned(), None),
            Some(Origin::File { line, .. }) => {
                (format!("set twice: first on line {line}"), Some("keep one of them".to_owned()))
            }
            _ => return,
        };
        let path = self.path_here();
        self.report(&node.place, path, message, hint);
    }

    fn value(&mut self, node: Node) {
        let Some(Frame::Map { entries, key, .. }) = self.frames.last_mut() else { return };
        let Some(key) = key.take() else { return };
        if key.discard {
            node.each_scalar(&mut |place| self.masks.extend(place.span.clone()));
        } else {
            entries.push(Entry { key: key.text, key_place: key.place, node });
        }
    }

    fn scalar(&mut self, text: String, style: ScalarStyle, tag: Option<&Tag>, place: &Place) -> Data {
        let is_text = tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
        if !is_text {
            self.refuse_tag(tag, place);
        }
        let plain = style == ScalarStyle::Plain && !is_text;
        if plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL") {
            return Data::Null;
        }
        Data::Text { text, quoted: !plain }
    }

    fn refuse_tag(&mut self, tag: Option<&Tag>, place: &Place) {
        if let Some(tag) = tag {
            let message = format!("the YAML tag {} means nothing here", quoted(&tag.to_string()));
            let path = self.path_here();
            self.report(place, path, message, Some("leave it out".to_owned()));
        }
    }

    fn count(&mut self, nodes: usize, place: &Place) -> Result<(), Fatal> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes <= MAX_NODES {
            return Ok(());
        }
        let message = format!("more than {MAX_NODES} values once aliases are written out");
        Err(self.fatal_at(place, &message, "a configuration is far smaller; is this the right file?"))
    }

    fn within_depth(&self, height: usize, place: &Place) -> Result<(), Fatal> {
        if self.frames.len() + height <= MAX_DEPTH {
            return Ok(());
        }
        let message = format!("nested more than {MAX_DEPTH} levels deep");
        Err(self.fatal_at(place, &message, "no setting is deeper than five levels"))
    }

    fn place(&self, span: Span) -> Place {
        let span_bytes = span.start.byte_offset().zip(span.end.byte_offset()).map(|(start, end)| start..end);
        Place { origin: self.origin(&span.start), span: span_bytes }
    }

    fn origin(&self, mark: &Marker) -> Origin {
        Origin::File { path: self.path.clone(), line: mark.line(), column: mark.col() + 1 }
    }

    fn syntax_error(&self, error: &ScanError) -> Fatal {
        let place = Place::new(self.origin(error.marker()));
        let message = format!("not valid YAML: {}", harmless(&error.info()));
        let start = error.marker().byte_offset().unwrap_or(0);
        let mut problem =
            self.fatal_at(&place, &message, "check the indentation, the quotes and the brackets up to here");
        problem.span = Some(start..start);
        problem
    }

    fn fatal_at(&self, place: &Place, message: &str, hint: &str) -> Fatal {
        Box::new(Problem {
            message: message.to_owned(),
            path: self.path_here(),
            origin: place.origin.clone(),
            span: place.span.clone(),
            hint: Some(hint.to_owned()),
        })
    }

    fn report(&mut self, place: &Place, path: String, message: String, hint: Option<String>) {
        let (origin, span) = (place.origin.clone(), place.span.clone());
        self.problems.push(Problem { message, path, origin, span, hint });
    }

    /// The setting that is being read, as a dotted path.
    fn path_here(&self) -> String {
        let mut path = String::new();
        for frame in &self.frames {
            match frame {
                Frame::List { items, .. } => path.push_str(&format!("[{}]", items.len())),
                Frame::Map { key: Some(key), .. } => path = super::join(&path, &key.text),
                Frame::Map { .. } => {}
            }
        }
        path
    }
}

/// The number of nodes in a tree, and its height in collections.
fn measure(node: &Node) -> (usize, usize) {
    let children: Vec<&Node> = match &node.data {
        Data::List(items) => items.iter().collect(),
        Data::Map(entries) => entries.iter().map(|entry| &entry.node).collect(),
        _ => return (1, 0),
    };
    let measures = children.into_iter().map(measure);
    let (count, height) = measures.fold((1, 0), |(count, height), (c, h)| (count + c, height.max(h)));
    (count, height + 1)
}
