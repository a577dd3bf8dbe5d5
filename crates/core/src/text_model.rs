//! Text models behind tensors: how a protocol that knows only tensors speaks with a model that knows only text.
//!
//! The convention is Triton's: a BYTES tensor `text_input` goes in, `text_output` comes out, and sampling options ride
//! as request parameters. A conversation rides as the parameter `messages` (JSON, as OpenAI writes it) beside a plain
//! `text_input`; a server that does not know the parameter still gets a prompt.

use serde_json::{Map, Value};

use crate::{
    Error, Op, Tensor,
    call::{Chat, Completion, Inference, Message, Overflow, Prompt, Sampling},
    event::InferenceOutput,
    model::TensorSpec,
    tensor::{DataType, Parameter, Parameters},
};

/// The tensor that carries the prompt.
pub const TEXT_INPUT: &str = "text_input";
/// The tensor that carries the answer.
pub const TEXT_OUTPUT: &str = "text_output";
/// The parameter that carries a conversation.
pub const MESSAGES: &str = "messages";
/// The parameter that asks for token counts ([`Chat::include_usage`]).
const INCLUDE_USAGE: &str = "include_usage";
/// The parameter that says what to do with too long a conversation ([`Overflow`]).
const OVERFLOW: &str = "overflow";

/// The tensors that a text model takes.
pub fn inputs() -> Vec<TensorSpec> {
    vec![TensorSpec { name: TEXT_INPUT.into(), datatype: DataType::Bytes, shape: vec![1] }]
}

/// The tensors that a text model gives.
pub fn outputs() -> Vec<TensorSpec> {
    vec![TensorSpec { name: TEXT_OUTPUT.into(), datatype: DataType::Bytes, shape: vec![1] }]
}

/// The text operation that an inference on a text model stands for: a chat if it carries messages, else a completion.
/// Parameters that have no place of their own in it are its `extra` fields.
///
/// # Errors
/// `InvalidRequest` when there is no `text_input`, or a parameter is not what its name says.
pub fn op_of_inference(inference: &Inference) -> Result<Op, Error> {
    let mut rest = inference.parameters.clone();
    let sampling = take_sampling(&mut rest)?;
    let include_usage = take(&mut rest, INCLUDE_USAGE, Parameter::as_bool)?.unwrap_or_default();
    let stream = inference.stream;
    if let Some(messages) = rest.remove(MESSAGES) {
        let messages: Vec<Message> = messages
            .as_str()
            .and_then(|text| serde_json::from_str(text).ok())
            .ok_or_else(|| Error::invalid("the parameter `messages` is not a JSON list of messages"))?;
        let overflow = take(&mut rest, OVERFLOW, |word| serde_json::from_value(word.as_str()?.into()).ok())?;
        let overflow = overflow.unwrap_or_default();
        return Ok(Op::Chat(Chat { messages, sampling, stream, include_usage, overflow, extra: extra_of(rest) }));
    }
    let input = inference
        .inputs
        .iter()
        .find(|input| input.name() == TEXT_INPUT && input.datatype() == DataType::Bytes)
        .ok_or_else(|| Error::invalid("a text model needs an input `text_input` of datatype BYTES"))?;
    let prompt = Prompt::Text(input.strings()?);
    Ok(Op::Complete(Completion { prompt, sampling, stream, include_usage, extra: extra_of(rest) }))
}

/// The inference that stands for a chat or completion; nothing for any other operation, nor for prompts of tokens.
pub fn inference_of_op(op: &Op) -> Option<Inference> {
    let (texts, sampling, stream, include_usage, extra) = match op {
        Op::Chat(Chat { messages, sampling, stream, include_usage, extra, .. }) => {
            (vec![transcript(messages)], sampling, *stream, *include_usage, extra)
        }
        Op::Complete(Completion { prompt: Prompt::Text(texts), sampling, stream, include_usage, extra }) => {
            (texts.clone(), sampling, *stream, *include_usage, extra)
        }
        _ => return None,
    };
    let mut parameters: Parameters =
        extra.iter().filter_map(|(name, value)| Some((name.clone(), parameter_of(value)?))).collect();
    parameters.extend(sampling_parameters(sampling));
    if let Op::Chat(chat) = op {
        parameters.insert(MESSAGES.into(), serde_json::to_string(&chat.messages).unwrap_or_default().into());
        if chat.overflow == Overflow::DropOldest {
            parameters.insert(OVERFLOW.into(), "drop_oldest".into());
        }
    }
    if include_usage {
        parameters.insert(INCLUDE_USAGE.into(), true.into());
    }
    let input = Tensor::of_bytes(TEXT_INPUT, vec![texts.len() as i64], texts).ok()?;
    Some(Inference { inputs: vec![input], parameters, stream, ..Inference::default() })
}

/// A field that the vocabulary does not know, as a parameter: what is no scalar is its JSON text.
fn parameter_of(value: &Value) -> Option<Parameter> {
    match value {
        Value::Null => None,
        Value::Array(_) | Value::Object(_) => Some(value.to_string().into()),
        scalar => serde_json::from_value(scalar.clone()).ok(),
    }
}

/// Parameters as such fields: what looks like a JSON list or object is one again.
fn extra_of(parameters: Parameters) -> Map<String, Value> {
    let value_of = |parameter: Parameter| match parameter {
        Parameter::String(text) if text.starts_with(['{', '[']) => serde_json::from_str(&text).unwrap_or(text.into()),
        Parameter::String(text) => text.into(),
        Parameter::Bool(value) => value.into(),
        Parameter::Int(value) => value.into(),
        Parameter::Uint(value) => value.into(),
        Parameter::Float(value) => value.into(),
    };
    parameters.into_iter().map(|(name, parameter)| (name, value_of(parameter))).collect()
}

/// One answer of a text model as tensors: a text for each choice.
///
/// # Errors
/// None in practice: a text longer than 4 GiB.
pub fn output(texts: &[&str]) -> Result<InferenceOutput, Error> {
    let tensor = Tensor::of_bytes(TEXT_OUTPUT, vec![texts.len() as i64], texts)?;
    Ok(InferenceOutput { outputs: vec![tensor], ..InferenceOutput::default() })
}

/// A conversation as one prompt, for models without a chat template of which we know: a lone question stays itself.
pub fn transcript(messages: &[Message]) -> String {
    if let [only] = messages {
        return only.text();
    }
    let mut text: String = messages.iter().map(|message| format!("{}: {}\n", message.role, message.text())).collect();
    text.push_str("assistant:");
    text
}

/// Sampling as request parameters, under the names that Triton's LLM backends and vLLM use.
pub fn sampling_parameters(sampling: &Sampling) -> Parameters {
    let mut parameters = Parameters::new();
    let mut put = |name: &str, value: Option<Parameter>| {
        if let Some(value) = value {
            parameters.insert(name.into(), value);
        }
    };
    put("temperature", sampling.temperature.map(Parameter::Float));
    put("top_p", sampling.top_p.map(Parameter::Float));
    put("top_k", sampling.top_k.map(Parameter::from));
    put("seed", sampling.seed.map(Parameter::Int));
    put("max_tokens", sampling.max_tokens.map(Parameter::from));
    put("ignore_eos", sampling.ignore_eos.map(Parameter::Bool));
    if !sampling.stop.is_empty() {
        // A parameter is a scalar: several stop texts are a JSON list in a string.
        put("stop", serde_json::to_string(&sampling.stop).ok().map(Parameter::String));
    }
    parameters
}

/// Takes the sampling options out of request parameters.
///
/// # Errors
/// `InvalidRequest` when one has the wrong type.
pub fn take_sampling(parameters: &mut Parameters) -> Result<Sampling, Error> {
    Ok(Sampling {
        temperature: take(parameters, "temperature", Parameter::as_f64)?,
        top_p: take(parameters, "top_p", Parameter::as_f64)?,
        top_k: take(parameters, "top_k", |value| value.as_i64()?.try_into().ok())?,
        seed: take(parameters, "seed", Parameter::as_i64)?,
        max_tokens: take(parameters, "max_tokens", |value| value.as_i64()?.try_into().ok())?,
        ignore_eos: take(parameters, "ignore_eos", Parameter::as_bool)?,
        stop: take(parameters, "stop", |value| Some(stop_texts(value.as_str()?)))?.unwrap_or_default(),
    })
}

fn take<T>(
    parameters: &mut Parameters,
    name: &str,
    read: impl Fn(&Parameter) -> Option<T>,
) -> Result<Option<T>, Error> {
    let Some(value) = parameters.remove(name) else { return Ok(None) };
    read(&value).map(Some).ok_or_else(|| Error::invalid(format!("the parameter `{name}` cannot be {value:?}")))
}

/// A JSON list of texts, or else one text.
fn stop_texts(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_else(|_| vec![text.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_operation_survives_being_tensors() {
        let sampling = Sampling {
            temperature: Some(0.5),
            top_k: Some(3),
            seed: Some(-1),
            stop: vec!["a".into(), "b\n".into()],
            ignore_eos: Some(true),
            ..Sampling::default()
        };
        let chat = Chat {
            messages: vec![Message::new("system", "be kind"), Message::new("user", "naïve 🦀?")],
            sampling: sampling.clone(),
            stream: true,
            include_usage: true,
            overflow: Overflow::DropOldest,
            extra: Map::from_iter([
                ("repetition_penalty".to_owned(), 1.25.into()),
                ("tools".to_owned(), serde_json::json!([{"type": "function"}])),
                ("user".to_owned(), "me".into()),
            ]),
        };
        let completion = Completion { prompt: "once".into(), sampling, ..Completion::default() };
        for op in [Op::Chat(chat), Op::Complete(completion)] {
            assert_eq!(op_of_inference(&inference_of_op(&op).unwrap()).unwrap(), op);
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = op_of_inference(&Inference::default()).unwrap_err();
        assert!(error.message().contains("text_input"), "{error}");
        let parameters = [("max_tokens".to_owned(), Parameter::Bool(true))].into();
        let error = op_of_inference(&Inference { parameters, ..Inference::default() }).unwrap_err();
        assert!(error.message().contains("max_tokens"), "{error}");
    }
}
