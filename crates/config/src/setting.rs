//! What a setting is: the trait [`Setting`], which every field's type implements, and [`Kind`] and [`Field`], its
//! description as data, from which the documentation, the schema and the starter file are made.
//!
//! Types that are one value on the wire implement [`Scalar`] and get `Setting` by `scalar_settings!`; sections get it from
//! `section!`; `Option` and `Vec` are here.

use std::convert::Infallible;
use std::ops::RangeInclusive;
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::origin::Origin;
use crate::read::reader::Reader;
use crate::read::tree::{Data, Node};

/// A type that a configuration can hold.
pub(crate) trait Setting: Sized {
    /// What ranges of this setting are made of.
    type Bound;

    fn kind() -> Kind;
    /// Reads the node, or reports every problem in it and returns `None`.
    fn read(node: &Node, path: &str, reader: &mut Reader) -> Option<Self>;
    fn view(&self) -> View;
    fn is_within(&self, range: &RangeInclusive<Self::Bound>) -> bool;
    fn bound(bound: &Self::Bound) -> Json;
}

/// A type that is one value on the wire.
pub(crate) trait Scalar: Sized {
    fn describe() -> ScalarKind;
    /// # Errors
    /// A message and perhaps a hint.
    fn parse(text: &Written<'_>) -> Result<Self, Refusal>;
    /// The value as it would be written.
    fn to_json(&self) -> Json;
}

/// A scalar as it was written.
pub(crate) struct Written<'a> {
    pub(crate) text: &'a str,
    /// Within quotes in the file, so it is text and no number.
    pub(crate) quoted: bool,
    pub(crate) origin: &'a Origin,
    /// The home directory, if the caller knows it.
    pub(crate) home: Option<&'a Path>,
}

/// Why a scalar was not accepted. The value itself is added by the reader, unless it may be a secret.
pub(crate) struct Refusal {
    /// Beyond "expected …, found …".
    pub(crate) reason: Option<String>,
    pub(crate) hint: Option<String>,
}

impl Refusal {
    /// It is not what was expected, and there is no more to say.
    pub(crate) const PLAIN: Self = Self { reason: None, hint: None };

    pub(crate) fn hint(hint: impl Into<String>) -> Self {
        Self { reason: None, hint: Some(hint.into()) }
    }

    pub(crate) fn reason(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), hint: Some(hint.into()) }
    }
}

/// The shape of a setting.
#[derive(Clone)]
pub(crate) enum Kind {
    Section(SectionKind),
    List(Box<Kind>),
    Optional(Box<Kind>),
    Scalar(ScalarKind),
}

impl Kind {
    /// What is inside an optional setting.
    pub(crate) fn inner(&self) -> &Kind {
        match self {
            Kind::Optional(kind) => kind.inner(),
            kind => kind,
        }
    }
}

#[derive(Clone)]
pub(crate) struct SectionKind {
    pub(crate) doc: String,
    pub(crate) fields: Vec<Field>,
    /// The section stands for a secret: nothing written in it is ever repeated.
    pub(crate) secret: bool,
}

#[derive(Clone)]
pub(crate) struct ScalarKind {
    /// For the documentation: "duration".
    pub(crate) name: &'static str,
    /// For "expected …": "a duration such as 30s or 1m30s".
    pub(crate) expected: String,
    /// JSON Schema, without the range.
    pub(crate) schema: Json,
    /// Each allowed word with what it means, when only some are.
    pub(crate) choices: &'static [(&'static str, &'static str)],
}

/// One field of a section.
#[derive(Clone)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) doc: String,
    pub(crate) kind: Kind,
    pub(crate) default: View,
    pub(crate) required: bool,
    pub(crate) range: Option<(Json, Json)>,
    /// What to show in the starter file, where the default says nothing.
    pub(crate) example: Option<&'static str>,
}

/// A value as data, to be shown. It holds no secrets, since a configuration holds none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum View {
    Leaf(Json),
    List(Vec<View>),
    Map(Vec<(&'static str, View)>),
}

impl<T: Setting> Setting for Option<T> {
    type Bound = T::Bound;

    fn kind() -> Kind {
        Kind::Optional(Box::new(T::kind()))
    }

    /// `null`, an empty section and an empty variable all mean "not set".
    fn read(node: &Node, path: &str, reader: &mut Reader) -> Option<Self> {
        let unset = match &node.data {
            Data::Null => true,
            Data::Text { text, .. } => text.is_empty() && !node.place.is_file(),
            _ => false,
        };
        reader.remember(path, node);
        if unset { Some(None) } else { T::read(node, path, reader).map(Some) }
    }

    fn view(&self) -> View {
        self.as_ref().map_or(View::Leaf(Json::Null), T::view)
    }

    fn is_within(&self, range: &RangeInclusive<Self::Bound>) -> bool {
        self.as_ref().is_none_or(|value| value.is_within(range))
    }

    fn bound(bound: &Self::Bound) -> Json {
        T::bound(bound)
    }
}

impl<T: Setting + Default> Setting for Vec<T> {
    type Bound = Infallible;

    fn kind() -> Kind {
        Kind::List(Box::new(T::kind()))
    }

    /// An item that cannot be read is reported and keeps its place as a default, so that the others keep theirs.
    fn read(node: &Node, path: &str, reader: &mut Reader) -> Option<Self> {
        reader.remember(path, node);
        match &node.data {
            Data::Null => Some(Vec::new()),
            Data::List(items) => {
                let mut read = |(index, item)| T::read(item, &crate::read::item(path, index), reader);
                Some(items.iter().enumerate().map(|item| read(item).unwrap_or_default()).collect())
            }
            _ => {
                reader.wrong_shape(node, path, "a list, each item on a line that begins with \"- \"");
                None
            }
        }
    }

    fn view(&self) -> View {
        View::List(self.iter().map(T::view).collect())
    }

    fn is_within(&self, _: &RangeInclusive<Infallible>) -> bool {
        true
    }

    fn bound(bound: &Infallible) -> Json {
        match *bound {}
    }
}

/// Gives [`Setting`] to types that are [`Scalar`] and ordered.
macro_rules! scalar_settings {
    ($($ty:ty),* $(,)?) => { $(
        impl $crate::setting::Setting for $ty {
            type Bound = $ty;

            fn kind() -> $crate::setting::Kind {
                $crate::setting::Kind::Scalar(<$ty as $crate::setting::Scalar>::describe())
            }

            fn read(
                node: &$crate::read::tree::Node,
                path: &str,
                reader: &mut $crate::read::reader::Reader,
            ) -> Option<Self> {
                reader.scalar(node, path)
            }

            fn view(&self) -> $crate::setting::View {
                $crate::setting::View::Leaf($crate::setting::Scalar::to_json(self))
            }

            fn is_within(&self, range: &std::ops::RangeInclusive<Self>) -> bool {
                range.contains(self)
            }

            fn bound(bound: &Self) -> serde_json::Value {
                $crate::setting::Scalar::to_json(bound)
            }
        }
    )* };
}
pub(crate) use scalar_settings;

impl ScalarKind {
    pub(crate) fn new(name: &'static str, expected: impl Into<String>, schema: Json) -> Self {
        Self { name, expected: expected.into(), schema, choices: &[] }
    }

    /// A kind that is text in JSON, of a certain form.
    pub(crate) fn pattern(name: &'static str, expected: impl Into<String>, pattern: &str) -> Self {
        Self::new(name, expected, json!({ "type": "string", "pattern": pattern }))
    }
}
