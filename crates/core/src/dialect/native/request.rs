//! Requests that have a body, both ways.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::tensor::{WireRequested, WireTensor, parameters};
use crate::{
    Call, Error, Op,
    call::{Chat, Completion, Embedding, Inference, Overflow, Sampling},
    dialect::{
        check_model_id,
        fields::{Fields, put_sampling, written_prompt},
    },
    tensor::{Parameter, Parameters},
};

/// The field that says what an inference is: exactly one of them is there.
const SUBJECTS: [&str; 4] = ["messages", "prompt", "input", "inputs"];

// === writing ===

/// The body of `call`, where it has one.
pub(super) fn body(call: &Call) -> Result<Option<Bytes>, Error> {
    let mut body = Body(Map::new());
    body.put("model", &call.model)?;
    match &*call.op {
        Op::Chat(chat) => body.put_chat(chat)?,
        Op::Complete(completion) => body.put_completion(completion)?,
        Op::Embed(embedding) => body.put_embedding(embedding)?,
        Op::Infer(inference) => body.put_tensors(inference)?,
        Op::Load { parameters } | Op::Unload { parameters } | Op::Pull { parameters } => {
            body.put_parameters(parameters)?;
            body.put_flag("stream", true);
        }
        _ => return Ok(None),
    }
    Ok(Some(serde_json::to_vec(&body.0).map_err(unwritable)?.into()))
}

struct Body(Map<String, Value>);

impl Body {
    fn put_chat(&mut self, chat: &Chat) -> Result<(), Error> {
        self.put("messages", &Some(&chat.messages))?;
        self.put_sampling(&chat.sampling)?;
        if chat.overflow != Overflow::default() {
            self.put("overflow", &Some(chat.overflow))?;
        }
        self.put_flag("stream", chat.stream);
        self.put_flag("include_usage", chat.include_usage);
        self.put_extra(&chat.extra, &["overflow"])
    }

    fn put_completion(&mut self, completion: &Completion) -> Result<(), Error> {
        self.0.insert("prompt".into(), written_prompt(&completion.prompt));
        self.put_sampling(&completion.sampling)?;
        self.put_flag("stream", completion.stream);
        self.put_flag("include_usage", completion.include_usage);
        self.put_extra(&completion.extra, &[])
    }

    fn put_embedding(&mut self, embedding: &Embedding) -> Result<(), Error> {
        self.0.insert("input".into(), written_prompt(&embedding.input));
        self.put("dimensions", &embedding.dimensions)?;
        self.put_extra(&embedding.extra, &["dimensions"])
    }

    fn put_tensors(&mut self, inference: &Inference) -> Result<(), Error> {
        self.put("version", &inference.version)?;
        self.put("id", &inference.id)?;
        let inputs: Vec<_> = inference.inputs.iter().map(|input| WireTensor::new(input, inference.binary)).collect();
        self.put("inputs", &Some(inputs))?;
        if !inference.outputs.is_empty() {
            let outputs: Vec<_> = inference.outputs.iter().cloned().map(WireRequested::from).collect();
            self.put("outputs", &Some(outputs))?;
        }
        self.put_parameters(&inference.parameters)?;
        self.put_flag("binary", inference.binary);
        self.put_flag("stream", inference.stream);
        Ok(())
    }

    fn put_sampling(&mut self, sampling: &Sampling) -> Result<(), Error> {
        for (name, value) in [("temperature", sampling.temperature), ("top_p", sampling.top_p)] {
            if value.is_some_and(|value| !value.is_finite()) {
                return Err(Error::invalid(format!("`{name}` is not a finite number")));
            }
        }
        put_sampling(sampling, &mut self.0);
        Ok(())
    }

    fn put_parameters(&mut self, parameters: &Parameters) -> Result<(), Error> {
        for (name, value) in parameters {
            if matches!(value, Parameter::Float(value) if !value.is_finite()) {
                return Err(Error::invalid(format!("the parameter `{name}` is not a finite number")));
            }
        }
        if parameters.is_empty() { Ok(()) } else { self.put("parameters", &Some(parameters)) }
    }

    /// A field that this dialect has a meaning for would not come back as an unknown one.
    fn put_extra(&mut self, extra: &Map<String, Value>, own: &[&str]) -> Result<(), Error> {
        const COMMON: [&str; 10] = [
            "model",
            "stream",
            "temperature",
            "top_p",
            "top_k",
            "seed",
            "max_tokens",
            "stop",
            "ignore_eos",
            "include_usage",
        ];
        for (name, value) in extra {
            if [&SUBJECTS[..], &COMMON, own].concat().contains(&name.as_str()) {
                return Err(Error::invalid(format!("the field `{name}` means something else in this request")));
            }
            self.0.insert(name.clone(), value.clone());
        }
        Ok(())
    }

    fn put<T: Serialize>(&mut self, name: &str, value: &Option<T>) -> Result<(), Error> {
        if let Some(value) = value {
            self.0.insert(name.into(), serde_json::to_value(value).map_err(unwritable)?);
        }
        Ok(())
    }

    fn put_flag(&mut self, name: &str, value: bool) {
        if value {
            self.0.insert(name.into(), true.into());
        }
    }
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::invalid("write the request as JSON").caused_by(error)
}

// === reading ===

/// A chat, completion, embedding or tensor inference.
pub(super) fn read_inference(body: &[u8]) -> Result<Call, Error> {
    let mut fields = Fields::read(body)?;
    let given: Vec<_> = SUBJECTS.into_iter().filter(|name| fields.0.contains_key(*name)).collect();
    let model = take_model(&mut fields)?;
    let op = match given[..] {
        ["messages"] => Op::Chat(read_chat(fields)?),
        ["prompt"] => Op::Complete(read_completion(fields)?),
        ["input"] => Op::Embed(read_embedding(fields)?),
        ["inputs"] => Op::Infer(read_tensors(fields)?),
        [] => {
            return Err(Error::invalid(
                "nothing to infer from: `messages` for a chat, `prompt` for a completion, `input` for embeddings or \
                 `inputs` for tensors is required",
            ));
        }
        _ => return Err(Error::invalid(format!("only one of `{}` may be given", given.join("`, `")))),
    };
    Ok(Call { model, ..Call::new(op) })
}

pub(super) fn read_load(body: &[u8]) -> Result<Call, Error> {
    read_lifecycle(body, |parameters| Op::Load { parameters })
}

pub(super) fn read_unload(body: &[u8]) -> Result<Call, Error> {
    read_lifecycle(body, |parameters| Op::Unload { parameters })
}

pub(super) fn read_pull(body: &[u8]) -> Result<Call, Error> {
    read_lifecycle(body, |parameters| Op::Pull { parameters })
}

/// Whether a load or unload shall be told as a stream.
pub(super) fn wants_stream(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Wish {
        #[serde(default)]
        stream: Option<bool>,
    }
    serde_json::from_slice::<Wish>(body).is_ok_and(|wish| wish.stream == Some(true))
}

fn read_lifecycle(body: &[u8], op: impl FnOnce(Parameters) -> Op) -> Result<Call, Error> {
    let mut fields = Fields::read(body)?;
    let model = take_model(&mut fields)?.ok_or_else(|| Error::invalid("`model` is required"))?;
    let parameters = take_parameters(&mut fields)?;
    take_flag(&mut fields, "stream")?;
    refuse_unknown(&fields, "`model`, `parameters` and `stream`")?;
    Ok(Call::new(op(parameters)).model(model))
}

fn read_chat(mut fields: Fields) -> Result<Chat, Error> {
    let messages: Vec<_> = fields.required("messages")?;
    if messages.is_empty() {
        return Err(Error::invalid("`messages` must not be empty"));
    }
    Ok(Chat {
        messages,
        sampling: fields.take_sampling()?,
        stream: take_flag(&mut fields, "stream")?,
        include_usage: take_flag(&mut fields, "include_usage")?,
        overflow: fields.take("overflow")?.unwrap_or_default(),
        extra: fields.0,
    })
}

fn read_completion(mut fields: Fields) -> Result<Completion, Error> {
    Ok(Completion {
        prompt: fields.take_prompt("prompt")?,
        sampling: fields.take_sampling()?,
        stream: take_flag(&mut fields, "stream")?,
        include_usage: take_flag(&mut fields, "include_usage")?,
        extra: fields.0,
    })
}

fn read_embedding(mut fields: Fields) -> Result<Embedding, Error> {
    let input = fields.take_prompt("input")?;
    if take_flag(&mut fields, "stream")? {
        return Err(Error::invalid("embeddings come all at once: leave out `stream`"));
    }
    Ok(Embedding { input, dimensions: fields.take("dimensions")?, extra: fields.0 })
}

fn read_tensors(mut fields: Fields) -> Result<Inference, Error> {
    let inputs: Vec<WireTensor> = fields.required("inputs")?;
    let outputs: Vec<WireRequested> = fields.take("outputs")?.unwrap_or_default();
    let inference = Inference {
        version: fields.take("version")?,
        id: fields.take("id")?,
        inputs: inputs.into_iter().map(WireTensor::into_tensor).collect::<Result<_, _>>()?,
        outputs: outputs.into_iter().map(Into::into).collect(),
        parameters: take_parameters(&mut fields)?,
        binary: take_flag(&mut fields, "binary")?,
        stream: take_flag(&mut fields, "stream")?,
    };
    // Options of a tensor model are parameters; a field that nobody reads would be lost on the way to it.
    refuse_unknown(&fields, "`model`, `version`, `id`, `inputs`, `outputs`, `parameters`, `binary` and `stream`")?;
    Ok(inference)
}

fn take_model(fields: &mut Fields) -> Result<Option<Arc<str>>, Error> {
    let model: Option<Arc<str>> = fields.take("model")?;
    if let Some(model) = &model {
        check_model_id(model)?;
    }
    Ok(model)
}

fn take_flag(fields: &mut Fields, name: &str) -> Result<bool, Error> {
    Ok(fields.take(name)?.unwrap_or(false))
}

fn take_parameters(fields: &mut Fields) -> Result<Parameters, Error> {
    let given: Option<Value> = fields.take("parameters")?;
    let Some(given) = given else { return Ok(Parameters::new()) };
    parameters(given).map_err(|_| Error::invalid("`parameters` must be an object of texts, numbers and truth values"))
}

fn refuse_unknown(fields: &Fields, known: &str) -> Result<(), Error> {
    match fields.0.keys().next() {
        None => Ok(()),
        Some(name) => Err(Error::invalid(format!("unknown field `{name}`; there are {known}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        let check = |body: &str, word: &str| {
            let error = read_inference(body.as_bytes()).unwrap_err();
            assert!(error.message().contains(word), "{body}: {error}");
        };
        check("", "JSON object");
        check("[]", "JSON object");
        check("{}", "`messages`");
        check(r#"{"prompt":"a","inputs":[]}"#, "`prompt`, `inputs`");
        check(r#"{"messages":[]}"#, "`messages`");
        check(r#"{"messages":"hi"}"#, "`messages`");
        check(r#"{"prompt":[]}"#, "`prompt`");
        check(r#"{"prompt":[1,"a"]}"#, "`prompt`");
        check(r#"{"prompt":"a","temperature":"hot"}"#, "`temperature`");
        check(r#"{"prompt":"a","model":"../x"}"#, "../x");
        check(r#"{"input":"a","stream":true}"#, "`stream`");
        check(r#"{"inputs":[],"max_tokens":3}"#, "`max_tokens`");
        check(r#"{"inputs":[{"name":"x","datatype":"FP8","shape":[1],"data":[1]}]}"#, "FP8");
        check(r#"{"inputs":[],"parameters":{"a":[]}}"#, "`parameters`");
        assert!(read_load(br#"{"model":"m","paramters":{}}"#).unwrap_err().message().contains("`paramters`"));
        assert!(read_unload(b"{}").unwrap_err().message().contains("`model`"));
    }

    #[test]
    fn what_json_cannot_say_is_not_written() {
        let sampling = Sampling { temperature: Some(f64::NAN), ..Sampling::default() };
        let extra: Map<_, _> = [("inputs".to_owned(), Value::Null)].into_iter().collect();
        let parameters: Parameters = [("x".to_owned(), Parameter::Float(f64::INFINITY))].into();
        for op in [
            Op::Complete(Completion { prompt: "a".into(), sampling, ..Completion::default() }),
            Op::Embed(Embedding { input: "a".into(), extra, ..Embedding::default() }),
            Op::Load { parameters },
        ] {
            assert!(body(&Call::new(op)).is_err());
        }
    }
}
