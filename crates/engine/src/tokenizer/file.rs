//! Typed access to what a GGUF file says about its vocabulary.

use candle_core::quantized::gguf_file::{Content, Value};

use super::bad;
use crate::Error;

/// Typed access to a file's metadata.
pub(super) struct File<'a>(pub(super) &'a Content);

impl<'a> File<'a> {
    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        self.0.metadata.get(key)?.to_string().ok().map(String::as_str)
    }

    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        self.0.metadata.get(key)?.to_bool().ok()
    }

    pub(super) fn number(&self, key: &str) -> Option<u32> {
        whole(self.0.metadata.get(key)?)
    }

    pub(super) fn list(&self, key: &str) -> Result<&'a [Value], Error> {
        match self.0.metadata.get(key) {
            Some(Value::Array(values)) => Ok(values),
            _ => Err(bad(format!("its list `{key}` is missing, so its text cannot be tokenised"))),
        }
    }

    pub(super) fn texts(&self, key: &str) -> Result<Vec<&'a str>, Error> {
        let text = |value: &'a Value| {
            value.to_string().map(String::as_str).map_err(|_| bad(format!("`{key}` holds something that is no text")))
        };
        self.list(key)?.iter().map(text).collect()
    }

    pub(super) fn numbers(&self, key: &str) -> Result<Vec<f32>, Error> {
        self.list(key)?
            .iter()
            .map(|value| value.to_f32().map_err(|_| bad(format!("`{key}` holds something that is no number"))))
            .collect()
    }

    pub(super) fn token_types(&self, tokens: usize) -> Result<Vec<u32>, Error> {
        if !self.0.metadata.contains_key("tokenizer.ggml.token_type") {
            return Ok(vec![1; tokens]);
        }
        let types = self.list("tokenizer.ggml.token_type")?;
        if types.len() != tokens {
            return Err(bad(format!("it has {tokens} tokens but {} token types", types.len())));
        }
        Ok(types.iter().map(|value| whole(value).unwrap_or(1)).collect())
    }
}

fn whole(value: &Value) -> Option<u32> {
    match value {
        Value::I8(value) => (*value).try_into().ok(),
        Value::I16(value) => (*value).try_into().ok(),
        Value::I32(value) => (*value).try_into().ok(),
        Value::I64(value) => (*value).try_into().ok(),
        value => value.to_u64().ok()?.try_into().ok(),
    }
}
