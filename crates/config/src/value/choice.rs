//! Settings that are one of a few words: the macro `choices!`.

/// Defines an enum whose variants are words of the configuration, each with its meaning.
macro_rules! choices {
    (
        $(#[doc = $doc:literal])*
        $name:ident, $kind:literal {
            $( $(#[doc = $meaning:literal])* $variant:ident = $word:literal ),* $(,)?
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $( $(#[doc = $meaning])* $variant ),*
        }

        impl $name {
            /// The word for it in a configuration.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $word ),* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl $crate::setting::Scalar for $name {
            fn describe() -> $crate::setting::ScalarKind {
                let words = [$($word),*];
                $crate::setting::ScalarKind {
                    choices: &[$( ($word, concat!($($meaning),*)) ),*],
                    ..$crate::setting::ScalarKind::new(
                        $kind,
                        format!("one of {}", words.join(", ")),
                        serde_json::json!({ "type": "string", "enum": words }),
                    )
                }
            }

            fn parse(written: &$crate::setting::Written<'_>) -> Result<Self, $crate::setting::Refusal> {
                $( if written.text.eq_ignore_ascii_case($word) { return Ok(Self::$variant); } )*
                Err($crate::setting::Refusal::PLAIN)
            }

            fn to_json(&self) -> serde_json::Value {
                self.as_str().into()
            }
        }

        $crate::setting::scalar_settings!($name);
    };
}
pub(crate) use choices;
