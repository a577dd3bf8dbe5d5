//! The macro `section!`: one table per section, from which come the struct, its defaults, its reader and its description.
//!
//! ```text
//! section! {
//!     /// What the section is about.
//!     pub struct Retry {
//!         /// What the setting means, and why its default is what it is.
//!         max_attempts: u32 = 4, in 1..=10;
//!     }
//! }
//! ```
//!
//! `(required)` after a name makes the setting mandatory, its "default" a placeholder. `example "…"` is what the starter
//! file shows where the default says nothing. `secret` before the docs keeps everything written in the section out of
//! messages.

/// See the module.
macro_rules! section {
    (
        $($secret:ident)?
        $(#[doc = $doc:literal])*
        pub struct $name:ident {
            $(
                $(#[doc = $field_doc:literal])*
                $field:ident $(($required:ident))? : $ty:ty = $default:expr
                    $(, in $range:expr)? $(, example $example:literal)? ;
            )*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $( $(#[doc = $field_doc])* pub $field: $ty ),*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $default ),* }
            }
        }

        impl $name {
            fn section_kind() -> $crate::setting::SectionKind {
                $crate::setting::SectionKind {
                    doc: $crate::section::text(&[$($doc),*]),
                    fields: vec![ $( $crate::setting::Field {
                        name: stringify!($field),
                        doc: $crate::section::text(&[$($field_doc),*]),
                        kind: <$ty as $crate::setting::Setting>::kind(),
                        default: $crate::setting::Setting::view(&{ let default: $ty = $default; default }),
                        required: $crate::section::flag!($($required)?),
                        range: $crate::section::bounds::<$ty>($crate::section::option!($($range)?)),
                        example: $crate::section::option!($($example)?),
                    } ),* ],
                    secret: $crate::section::flag!($($secret)?),
                }
            }
        }

        impl $crate::setting::Setting for $name {
            type Bound = std::convert::Infallible;

            fn kind() -> $crate::setting::Kind {
                $crate::setting::Kind::Section(Self::section_kind())
            }

            fn read(
                node: &$crate::read::tree::Node,
                path: &str,
                reader: &mut $crate::read::reader::Reader,
            ) -> Option<Self> {
                let kind = Self::section_kind();
                let open = reader.open(node, path, &kind)?;
                let section = Self { $(
                    $field: reader.field::<$ty>(
                        &open,
                        stringify!($field),
                        $default,
                        $crate::section::flag!($($required)?),
                        $crate::section::option!($($range)?),
                    )
                ),* };
                reader.close(&kind);
                Some(section)
            }

            fn view(&self) -> $crate::setting::View {
                $crate::setting::View::Map(vec![ $(
                    (stringify!($field), $crate::setting::Setting::view(&self.$field))
                ),* ])
            }

            fn is_within(&self, _: &std::ops::RangeInclusive<Self::Bound>) -> bool {
                true
            }

            fn bound(bound: &Self::Bound) -> serde_json::Value {
                match *bound {}
            }
        }
    };
}
pub(crate) use section;

/// `true` if there is a word.
macro_rules! flag {
    () => {
        false
    };
    ($word:ident) => {
        true
    };
}
pub(crate) use flag;

/// `Some` if there is an expression.
macro_rules! option {
    () => {
        None
    };
    ($value:expr) => {
        Some($value)
    };
}
pub(crate) use option;

use std::ops::RangeInclusive;

use serde_json::Value as Json;

use crate::setting::Setting;

/// Doc comments as one paragraph.
pub(crate) fn text(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ").trim().to_owned()
}

/// A range's ends as they would be written.
pub(crate) fn bounds<T: Setting>(range: Option<RangeInclusive<T::Bound>>) -> Option<(Json, Json)> {
    range.map(|range| (T::bound(range.start()), T::bound(range.end())))
}
