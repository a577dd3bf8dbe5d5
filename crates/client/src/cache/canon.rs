//! The canonical form of a call: what asks for the same has the same digest, whatever the order of its fields.

use longshore_core::{
    Call, Op, Parameter, Parameters, Tensor,
    call::{Chat, Completion, Content, Embedding, Inference, Message, Overflow, Prompt, Sampling},
};
use ring::digest::{Context, SHA256};
use serde_json::{Map, Value};

/// Takes in values one after the other; each is marked off, so that no two sequences look alike.
pub(crate) struct Canon(Context);

impl Canon {
    /// `purpose` keeps digests for different uses apart.
    pub(crate) fn new(purpose: &str) -> Self {
        let mut canon = Self(Context::new(&SHA256));
        canon.text(purpose);
        canon
    }

    pub(crate) fn digest(self) -> [u8; 32] {
        let mut digest = [0; 32];
        digest.copy_from_slice(self.0.finish().as_ref());
        digest
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    /// `None` differs from every value.
    fn option<T>(&mut self, value: Option<T>, take: impl FnOnce(&mut Self, T)) {
        self.0.update(&[u8::from(value.is_some())]);
        if let Some(value) = value {
            take(self, value);
        }
    }

    /// Everything about a call that could change its answer; not its own id, its deadline, or the id of an inference.
    pub(crate) fn call(&mut self, call: &Call) {
        self.place(call);
        // What stands in the query (a version of an API, say) has no place in the operation.
        let query = call.origin.as_ref().and_then(|origin| origin.path.split_once('?'));
        self.option(query, |canon, (_, query)| canon.text(query));
        self.op(&call.op, true);
    }

    /// Which server and model are asked.
    pub(crate) fn place(&mut self, call: &Call) {
        self.option(call.server.as_deref(), |canon, server| canon.text(&server.to_lowercase()));
        self.option(call.model.as_deref(), Self::text);
        if let Some(protocol) = call.protocol {
            self.text(protocol.as_str());
        }
    }

    /// An operation; without its inputs, what several must share to be asked together.
    pub(crate) fn op(&mut self, op: &Op, inputs: bool) {
        self.text(op.kind().name());
        match op {
            Op::Chat(chat) => self.chat(chat),
            Op::Complete(completion) => self.completion(completion, inputs),
            Op::Embed(embedding) => self.embedding(embedding, inputs),
            Op::Infer(inference) => self.inference(inference, inputs),
            // Nobody keeps or joins these; if somebody did, they would have to be told apart.
            other => self.text(&format!("{other:?}")),
        }
    }

    fn chat(&mut self, chat: &Chat) {
        let Chat { messages, sampling, stream, include_usage, overflow, extra } = chat;
        self.number(messages.len() as u64);
        for Message { role, content, extra } in messages {
            self.text(role);
            self.option(content.as_ref(), |canon, content| match content {
                Content::Text(text) => canon.text(text),
                Content::Parts(parts) => canon.json(&Value::Array(parts.clone())),
            });
            self.fields(extra);
        }
        self.sampling(sampling);
        self.0.update(&[u8::from(*stream), u8::from(*include_usage), u8::from(*overflow == Overflow::DropOldest)]);
        self.fields(extra);
    }

    fn completion(&mut self, completion: &Completion, inputs: bool) {
        let Completion { prompt, sampling, stream, include_usage, extra } = completion;
        self.prompt(prompt, inputs);
        self.sampling(sampling);
        self.0.update(&[u8::from(*stream), u8::from(*include_usage)]);
        self.fields(extra);
    }

    fn embedding(&mut self, embedding: &Embedding, inputs: bool) {
        let Embedding { input, dimensions, extra } = embedding;
        self.prompt(input, inputs);
        self.option(*dimensions, |canon, count| canon.number(count.into()));
        self.fields(extra);
    }

    fn inference(&mut self, inference: &Inference, inputs: bool) {
        let Inference { version, id: _, inputs: tensors, outputs, parameters, binary, stream } = inference;
        self.option(version.as_deref(), Self::text);
        self.number(tensors.len() as u64);
        tensors.iter().for_each(|tensor| self.tensor(tensor, inputs));
        self.number(outputs.len() as u64);
        for output in outputs {
            self.text(&output.name);
            self.option(output.binary, |canon, binary| canon.number(binary.into()));
            self.parameters(&output.parameters);
        }
        self.parameters(parameters);
        self.0.update(&[u8::from(*binary), u8::from(*stream)]);
    }

    /// Without inputs: all but the first extent and the data.
    fn tensor(&mut self, tensor: &Tensor, inputs: bool) {
        self.text(tensor.name());
        self.text(tensor.datatype().as_str());
        let shape = if inputs { tensor.shape() } else { tensor.shape().get(1..).unwrap_or_default() };
        self.number(tensor.shape().len() as u64);
        shape.iter().for_each(|extent| self.number(extent.cast_unsigned()));
        self.parameters(tensor.parameters());
        if inputs {
            self.bytes(tensor.data());
        }
    }

    fn prompt(&mut self, prompt: &Prompt, inputs: bool) {
        match prompt {
            Prompt::Text(texts) => {
                self.text("texts");
                if inputs {
                    self.number(texts.len() as u64);
                    texts.iter().for_each(|text| self.text(text));
                }
            }
            Prompt::Tokens(lists) => {
                self.text("tokens");
                if inputs {
                    self.number(lists.len() as u64);
                    for list in lists {
                        self.number(list.len() as u64);
                        list.iter().for_each(|&token| self.number(token.into()));
                    }
                }
            }
        }
    }

    fn sampling(&mut self, sampling: &Sampling) {
        let Sampling { temperature, top_p, top_k, seed, max_tokens, stop, ignore_eos } = sampling;
        self.option(*temperature, |canon, number| canon.number(number.to_bits()));
        self.option(*top_p, |canon, number| canon.number(number.to_bits()));
        self.option(*top_k, |canon, number| canon.number(number.into()));
        self.option(*seed, |canon, number| canon.number(number.cast_unsigned()));
        self.option(*max_tokens, |canon, number| canon.number(number.into()));
        self.number(stop.len() as u64);
        stop.iter().for_each(|text| self.text(text));
        self.option(*ignore_eos, |canon, flag| canon.number(flag.into()));
    }

    fn parameters(&mut self, parameters: &Parameters) {
        self.number(parameters.len() as u64);
        for (name, value) in parameters {
            self.text(name);
            match value {
                Parameter::Bool(value) => self.text(if *value { "true" } else { "false" }),
                Parameter::Int(value) => self.text(&format!("i{value}")),
                Parameter::Uint(value) => self.text(&format!("i{value}")),
                Parameter::Float(value) => self.number(value.to_bits()),
                Parameter::String(value) => self.text(&format!("s{value}")),
            }
        }
    }

    /// By name, since the order of JSON's fields means nothing.
    fn fields(&mut self, fields: &Map<String, Value>) {
        let mut sorted: Vec<_> = fields.iter().collect();
        sorted.sort_by_key(|(name, _)| *name);
        self.number(sorted.len() as u64);
        for (name, value) in sorted {
            self.text(name);
            self.json(value);
        }
    }

    fn json(&mut self, value: &Value) {
        match value {
            Value::Array(items) => {
                self.text("array");
                self.number(items.len() as u64);
                items.iter().for_each(|item| self.json(item));
            }
            Value::Object(fields) => {
                self.text("object");
                self.fields(fields);
            }
            Value::String(text) => {
                self.text("string");
                self.text(text);
            }
            // `null`, truth values and numbers: no two of them are written alike.
            other => self.text(&other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn digest(op: Op) -> [u8; 32] {
        let mut canon = Canon::new("test");
        canon.call(&Call::new(op).model("m"));
        canon.digest()
    }

    fn chat(text: &str, extra: Value) -> Chat {
        let Value::Object(extra) = extra else { return Chat::default() };
        Chat { messages: vec![Message::new("user", text)], extra, ..Chat::default() }
    }

    #[test]
    fn the_order_of_fields_means_nothing() {
        let one = json!({"tools": [{"a": 1, "b": {"c": 2, "d": [3]}}], "z": null});
        let other = json!({"z": null, "tools": [{"b": {"d": [3], "c": 2}, "a": 1}]});
        assert_eq!(digest(Op::Chat(chat("hi", one))), digest(Op::Chat(chat("hi", other))));
    }

    #[test]
    fn whatever_changes_the_answer_changes_the_digest() {
        let base = chat("hi", json!({}));
        let seeded = |seed| Chat { sampling: Sampling { seed, ..Sampling::default() }, ..base.clone() };
        let completion = |prompt| Op::Complete(Completion { prompt, ..Completion::default() });
        let embedding = |input| Op::Embed(Embedding { input, ..Embedding::default() });
        let texts = |texts: &[&str]| Prompt::Text(texts.iter().map(|text| (*text).to_owned()).collect());
        let tensor = |shape: &[i64]| Tensor::of_f32("x", shape.to_vec(), &[1.0, 2.0]).unwrap();
        let inference = |shape| Op::Infer(Inference { inputs: vec![tensor(shape)], ..Inference::default() });
        let ops = [
            Op::Chat(base.clone()),
            Op::Chat(chat("hi ", json!({}))),
            Op::Chat(chat("hi", json!({"x": 1}))),
            Op::Chat(chat("hi", json!({"x": "1"}))),
            Op::Chat(chat("hi", json!({"x": [1]}))),
            Op::Chat(Chat { stream: true, ..base.clone() }),
            Op::Chat(Chat { overflow: Overflow::DropOldest, ..base.clone() }),
            Op::Chat(seeded(Some(0))),
            Op::Chat(seeded(Some(1))),
            completion(texts(&["ab", "c"])),
            completion(texts(&["a", "bc"])),
            completion(Prompt::Tokens(vec![vec![1, 2]])),
            completion(Prompt::Tokens(vec![vec![1], vec![2]])),
            embedding(texts(&["ab", "c"])),
            inference(&[1, 2]),
            inference(&[2, 1]),
        ];
        let digests: std::collections::HashSet<_> = ops.iter().cloned().map(digest).collect();
        assert_eq!(digests.len(), ops.len());
    }

    #[test]
    fn the_callers_own_ids_do_not() {
        let named = |id: &str| Op::Infer(Inference { id: Some(id.into()), ..Inference::default() });
        assert_eq!(digest(named("a")), digest(named("b")));
    }
}
