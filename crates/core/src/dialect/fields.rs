//! The fields of a JSON request, taken out one by one: what is left over is what the dialect has no word for.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    Error,
    call::{Prompt, Sampling},
};

/// The fields of a request's body that nobody has taken yet.
pub(super) struct Fields(pub(super) Map<String, Value>);

impl Fields {
    pub(super) fn read(body: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(body)
            .map(Self)
            .map_err(|e| Error::invalid(format!("the body is not a JSON object: {e}")))
    }

    /// The field, `None` where it is absent or null.
    pub(super) fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, Error> {
        match self.0.shift_remove(name) {
            None => Ok(None),
            Some(value) => {
                serde_json::from_value(value).map_err(|e| Error::invalid(format!("`{name}` cannot be read: {e}")))
            }
        }
    }

    /// The field, which must be there.
    pub(super) fn required<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, Error> {
        self.take(name)?.ok_or_else(|| Error::invalid(format!("`{name}` is required")))
    }

    /// The sampling options, under the names that everybody uses.
    pub(super) fn take_sampling(&mut self) -> Result<Sampling, Error> {
        let sampling = Sampling {
            temperature: self.take("temperature")?,
            top_p: self.take("top_p")?,
            top_k: self.take("top_k")?,
            seed: self.take("seed")?,
            max_tokens: self.take("max_tokens")?,
            stop: match self.take("stop")? {
                None => Vec::new(),
                Some(Value::String(text)) => vec![text],
                Some(list) => serde_json::from_value(list)
                    .map_err(|e| Error::invalid(format!("`stop` is neither a text nor a list of texts: {e}")))?,
            },
            ignore_eos: self.take("ignore_eos")?,
        };
        for (name, value, range) in
            [("temperature", sampling.temperature, 0.0..=100.0), ("top_p", sampling.top_p, 0.0..=1.0)]
        {
            if value.is_some_and(|value| !range.contains(&value)) {
                return Err(Error::invalid(format!("`{name}` must be between {} and {}", range.start(), range.end())));
            }
        }
        Ok(sampling)
    }

    /// A text, a list of texts, the tokens of a text, or a list of those.
    pub(super) fn take_prompt(&mut self, name: &str) -> Result<Prompt, Error> {
        let wrong = || Error::invalid(format!("`{name}` must be a text, a list of texts, or lists of token ids"));
        match self.required(name)? {
            Value::String(text) => Ok(Prompt::Text(vec![text])),
            Value::Array(items) if items.is_empty() => Err(Error::invalid(format!("`{name}` must not be empty"))),
            Value::Array(items) => match &items[0] {
                Value::String(_) => serde_json::from_value(items.into()).map(Prompt::Text).map_err(|_| wrong()),
                Value::Number(_) => {
                    serde_json::from_value(items.into()).map(|list| Prompt::Tokens(vec![list])).map_err(|_| wrong())
                }
                _ => serde_json::from_value(items.into()).map(Prompt::Tokens).map_err(|_| wrong()),
            },
            _ => Err(wrong()),
        }
    }
}

/// The other way of [`Fields::take_sampling`].
pub(super) fn put_sampling(sampling: &Sampling, body: &mut Map<String, Value>) {
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.into(), value);
        }
    };
    put("temperature", sampling.temperature.map(Value::from));
    put("top_p", sampling.top_p.map(Value::from));
    put("top_k", sampling.top_k.map(Value::from));
    put("seed", sampling.seed.map(Value::from));
    put("max_tokens", sampling.max_tokens.map(Value::from));
    put("stop", (!sampling.stop.is_empty()).then(|| sampling.stop.clone().into()));
    put("ignore_eos", sampling.ignore_eos.map(Value::from));
}

/// The other way of [`Fields::take_prompt`].
pub(super) fn written_prompt(prompt: &Prompt) -> Value {
    match prompt {
        Prompt::Text(texts) if texts.len() == 1 => texts[0].clone().into(),
        Prompt::Text(texts) => texts.clone().into(),
        Prompt::Tokens(lists) if lists.len() == 1 => lists[0].clone().into(),
        Prompt::Tokens(lists) => lists.clone().into(),
    }
}
