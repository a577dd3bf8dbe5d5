//! Tensors over REST: JSON, and raw bytes behind it.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{FINAL, json};
use crate::{
    DataType, Error, ErrorKind, Parameter, Tensor,
    call::{Inference, RequestedOutput},
    event::InferenceOutput,
};

const SIZE: &str = "binary_data_size";
const BINARY: &str = "binary_data";
const BINARY_OUTPUT: &str = "binary_data_output";

/// A body of JSON with raw bytes behind it.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) bytes: Bytes,
    /// Where the JSON ends, if raw bytes may follow.
    pub(super) json_length: Option<usize>,
}

impl Body {
    fn new(json: &Value, raw: &[Bytes], binary: bool) -> Self {
        let json = json.to_string();
        if !binary {
            return Self { bytes: json.into(), json_length: None };
        }
        let mut bytes = BytesMut::with_capacity(json.len() + raw.iter().map(Bytes::len).sum::<usize>());
        bytes.extend_from_slice(json.as_bytes());
        raw.iter().for_each(|tensor| bytes.extend_from_slice(tensor));
        Self { bytes: bytes.freeze(), json_length: Some(json.len()) }
    }

    /// The JSON and the raw bytes.
    ///
    /// # Errors
    /// `Protocol` when the JSON is said to be longer than the body.
    fn split(&self) -> Result<(Bytes, Bytes), Error> {
        let length = self.json_length.unwrap_or(self.bytes.len());
        if length > self.bytes.len() {
            return Err(Error::protocol(format!(
                "Inference-Header-Content-Length is {length}, the body has {} bytes",
                self.bytes.len()
            )));
        }
        let mut json = self.bytes.clone();
        let raw = json.split_off(length);
        Ok((json, raw))
    }
}

// === requests ===

#[derive(Deserialize)]
struct RequestJson {
    id: Option<String>,
    parameters: Option<Map<String, Value>>,
    inputs: Vec<TensorJson>,
    #[serde(default)]
    outputs: Option<Vec<OutputJson>>,
}

#[derive(Deserialize)]
struct TensorJson {
    name: String,
    shape: Vec<i64>,
    datatype: String,
    parameters: Option<Map<String, Value>>,
    data: Option<Value>,
}

#[derive(Deserialize)]
struct OutputJson {
    name: String,
    parameters: Option<Map<String, Value>>,
}

/// Reads the body of `infer` and its streaming kin.
///
/// # Errors
/// `InvalidRequest` that says what is wrong.
pub(super) fn read_request(body: &Body, version: Option<Arc<str>>, stream: bool) -> Result<Inference, Error> {
    let invalid = |error: Error| error.with_kind(ErrorKind::InvalidRequest);
    let (json, mut raw) = body.split().map_err(invalid)?;
    let request: RequestJson = json::read("the request", &json).map_err(invalid)?;
    let mut parameters = json::parameters(request.parameters);
    let binary = parameters.remove(BINARY_OUTPUT).is_some_and(|binary| binary.as_bool() == Some(true));
    let inputs = request.inputs.into_iter().map(|input| read_tensor(input, &mut raw)).collect::<Result<_, _>>()?;
    if !raw.is_empty() {
        return Err(Error::invalid(format!("{} bytes follow the last tensor", raw.len())));
    }
    let outputs = request.outputs.unwrap_or_default().into_iter().map(|output| {
        let mut parameters = json::parameters(output.parameters);
        let binary = parameters.remove(BINARY).and_then(|binary| binary.as_bool());
        RequestedOutput { name: output.name, binary, parameters }
    });
    Ok(Inference { version, id: request.id, inputs, outputs: outputs.collect(), parameters, binary, stream })
}

/// Writes the body of `infer` and its streaming kin; raw bytes only where the peer takes them.
///
/// # Errors
/// `InvalidRequest` when JSON has no words for a tensor and raw bytes are not possible.
pub(super) fn write_request(inference: &Inference, may_be_binary: bool) -> Result<Body, Error> {
    let mut request = Map::new();
    if let Some(id) = &inference.id {
        request.insert("id".into(), id.as_str().into());
    }
    let mut parameters = json::object(&inference.parameters);
    let binary = inference.binary && may_be_binary;
    if binary {
        parameters.insert(BINARY_OUTPUT.into(), true.into());
    }
    if !parameters.is_empty() {
        request.insert("parameters".into(), parameters.into());
    }
    let mut raw = Vec::new();
    let inputs: Vec<_> = inference
        .inputs
        .iter()
        .map(|input| write_tensor(input, may_be_binary && (binary || needs_binary(input)), &mut raw))
        .collect::<Result<_, _>>()?;
    request.insert("inputs".into(), inputs.into());
    if !inference.outputs.is_empty() {
        let outputs = inference.outputs.iter().map(|output| write_output(output, may_be_binary)).collect::<Vec<_>>();
        request.insert("outputs".into(), outputs.into());
    }
    Ok(Body::new(&request.into(), &raw, binary || !raw.is_empty()))
}

fn write_output(output: &RequestedOutput, may_be_binary: bool) -> Value {
    let mut parameters = json::object(&output.parameters);
    if let Some(binary) = output.binary.filter(|_| may_be_binary) {
        parameters.insert(BINARY.into(), binary.into());
    }
    if parameters.is_empty() {
        json!({"name": output.name})
    } else {
        json!({"name": output.name, "parameters": parameters})
    }
}

/// Triton takes half floats as raw bytes alone; text must be UTF-8 to be JSON.
fn needs_binary(tensor: &Tensor) -> bool {
    match tensor.datatype() {
        DataType::Fp16 | DataType::Bf16 => true,
        DataType::Bytes => tensor.elements().any(|element| std::str::from_utf8(&element).is_err()),
        _ => false,
    }
}

// === replies ===

#[derive(Deserialize)]
struct ReplyJson {
    id: Option<String>,
    #[serde(default)]
    model_name: Arc<str>,
    model_version: Option<Arc<str>>,
    parameters: Option<Map<String, Value>>,
    outputs: Option<Vec<TensorJson>>,
    #[serde(flatten)]
    failure: Failure,
}

/// What stands in the place of an answer when it failed.
#[derive(Deserialize, Serialize)]
pub(super) struct Failure {
    error: Option<Value>,
    kind: Option<Value>,
}

/// An answer, and whether it says that it is the last of its stream.
pub(super) struct Reply {
    pub(super) model: Arc<str>,
    pub(super) output: InferenceOutput,
    pub(super) last: bool,
}

/// Reads an answer; the inner error is one that the server reports in its place.
///
/// # Errors
/// `Protocol` that says what is wrong.
pub(super) fn read_reply(body: &Body) -> Result<Result<Reply, Failure>, Error> {
    let (json, mut raw) = body.split()?;
    let reply: ReplyJson = json::read("the reply", &json)?;
    if reply.failure.error.as_ref().is_some_and(|error| !error.is_null()) {
        return Ok(Err(reply.failure));
    }
    let outputs = reply.outputs.ok_or_else(|| Error::protocol("the reply has no `outputs`"))?;
    let outputs = outputs.into_iter().map(|output| read_tensor(output, &mut raw)).collect::<Result<_, _>>();
    let outputs = outputs.map_err(|error: Error| error.with_kind(ErrorKind::Protocol))?;
    let mut parameters = json::parameters(reply.parameters);
    let last = parameters.remove(FINAL).is_some_and(|last| last.as_bool() == Some(true));
    let version = reply.model_version.filter(|version| !version.is_empty());
    let output = InferenceOutput { version, id: reply.id, outputs, parameters };
    Ok(Ok(Reply { model: reply.model_name, output, last }))
}

/// Writes an answer; `binary` says which outputs go as raw bytes.
///
/// # Errors
/// `InvalidRequest` when JSON has no words for a tensor: the caller should have asked for raw bytes.
pub(super) fn write_reply(
    model: &str,
    id: Option<&str>,
    output: &InferenceOutput,
    binary: impl Fn(&Tensor) -> bool,
) -> Result<Body, Error> {
    let mut reply = Map::new();
    if let Some(id) = id {
        reply.insert("id".into(), id.into());
    }
    reply.insert("model_name".into(), model.into());
    if let Some(version) = &output.version {
        reply.insert("model_version".into(), (**version).into());
    }
    if !output.parameters.is_empty() {
        reply.insert("parameters".into(), json::object(&output.parameters).into());
    }
    let mut raw = Vec::new();
    let outputs: Vec<_> =
        output.outputs.iter().map(|tensor| write_tensor(tensor, binary(tensor), &mut raw)).collect::<Result<_, _>>()?;
    reply.insert("outputs".into(), outputs.into());
    Ok(Body::new(&reply.into(), &raw, !raw.is_empty()))
}

// === one tensor ===

/// Reads a tensor's JSON, taking its bytes from the front of `raw` if it has some there.
fn read_tensor(tensor: TensorJson, raw: &mut Bytes) -> Result<Tensor, Error> {
    let TensorJson { name, shape, datatype, parameters, data } = tensor;
    let datatype: DataType =
        datatype.parse().map_err(|error: Error| Error::invalid(format!("tensor `{name}`: {}", error.message())))?;
    let mut parameters = json::parameters(parameters);
    let made = match (parameters.remove(SIZE), data) {
        (Some(size), _) => {
            let size = size.as_i64().and_then(|size| usize::try_from(size).ok()).filter(|&size| size <= raw.len());
            let size = size.ok_or_else(|| {
                Error::invalid(format!("tensor `{name}`: {SIZE} reaches past the body ({} bytes are left)", raw.len()))
            })?;
            Tensor::new(name, datatype, shape, raw.split_to(size))
        }
        (None, Some(data)) => Tensor::from_json(&name, datatype, shape, &data),
        (None, None) => Err(Error::invalid(format!("tensor `{name}` has neither `data` nor `{SIZE}`"))),
    };
    Ok(made?.with_parameters(parameters))
}

fn write_tensor(tensor: &Tensor, binary: bool, raw: &mut Vec<Bytes>) -> Result<Value, Error> {
    let mut written = Map::new();
    written.insert("name".into(), tensor.name().into());
    written.insert("shape".into(), tensor.shape().into());
    written.insert("datatype".into(), tensor.datatype().as_str().into());
    let mut parameters = json::object(tensor.parameters());
    if binary {
        parameters.insert(SIZE.into(), tensor.data().len().into());
        raw.push(tensor.data().clone());
    }
    if !parameters.is_empty() {
        written.insert("parameters".into(), parameters.into());
    }
    if !binary {
        written.insert("data".into(), tensor.to_json()?);
    }
    Ok(written.into())
}

/// The option that marks the last answer of a stream.
pub(super) fn final_option() -> (String, Parameter) {
    (FINAL.to_owned(), true.into())
}
