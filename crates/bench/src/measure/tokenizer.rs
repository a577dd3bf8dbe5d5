//! Counting the tokens of a text where the server does not: [`Tokenizer`].
//!
//! The vocabulary comes from a `tokenizer.json` as Hugging Face's models have it. Without the feature `tokenizer` no
//! file can be read, and each event counts as one token.

use std::{fmt, path::Path, sync::Arc};

type Count = dyn Fn(&str) -> Option<u64> + Send + Sync;

/// A model's vocabulary. Clones share it.
#[derive(Clone)]
pub struct Tokenizer {
    count: Arc<Count>,
    name: Arc<str>,
}

impl Tokenizer {
    /// One that counts by `count`; `name` is what reports call it. `None`: this text has no number.
    pub fn new(name: &str, count: impl Fn(&str) -> Option<u64> + Send + Sync + 'static) -> Self {
        Self { count: Arc::new(count), name: name.into() }
    }

    /// The one that a `tokenizer.json` describes.
    ///
    /// # Errors
    /// The file cannot be read or describes none, or this program has no tokenizers.
    #[cfg(feature = "tokenizer")]
    pub fn read(file: &Path) -> Result<Self, String> {
        let tokenizer = tokenizers::Tokenizer::from_file(file).map_err(|error| error.to_string())?;
        // What a model adds around an answer is none of it.
        let count = move |text: &str| Some(tokenizer.encode_fast(text, false).ok()?.len() as u64);
        Ok(Self::new(&file.display().to_string(), count))
    }

    /// The one that a `tokenizer.json` describes.
    ///
    /// # Errors
    /// Always: this program has no tokenizers.
    #[cfg(not(feature = "tokenizer"))]
    pub fn read(_: &Path) -> Result<Self, String> {
        Err("this program was built without tokenizers (feature `engine`)".into())
    }

    /// The tokens of `text`, without those that a model adds at its ends.
    pub fn count(&self, text: &str) -> Option<u64> {
        (self.count)(text)
    }

    /// What reports call it.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tokenizer").field(&self.name).finish()
    }
}

#[cfg(all(test, feature = "tokenizer"))]
mod tests {
    use super::*;

    #[test]
    fn a_vocabulary_counts() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokenizer.json");
        let words = r#"{"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"},
            "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "one": 1, "two": 2}, "unk_token": "[UNK]"}}"#;
        std::fs::write(&file, words).unwrap();
        let tokenizer = Tokenizer::read(&file).unwrap();
        for (text, tokens) in [("", 0), ("one two", 2), ("one two three one", 4)] {
            assert_eq!(tokenizer.count(text), Some(tokens), "{text}");
        }
        std::fs::write(&file, "{}").unwrap();
        assert!(Tokenizer::read(&file).is_err() && Tokenizer::read(folder.path()).is_err());
    }
}
