//! Tensors in, tensors out, as a person asks for them: [`InferRequest`] becomes a [`Call`].
//!
//! Also what the request would be as a line for a shell ([`curl`]), and NumPy's files ([`npy`]).

pub mod curl;
pub mod npy;

use base64::{Engine, engine::general_purpose::STANDARD};
use longshore_core::{
    Call, DataType, Error, Op, Parameter, Parameters, Protocol, Tensor,
    call::{Inference, RequestedOutput},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// What is asked of a tensor model.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InferRequest {
    /// The model.
    pub model: String,
    /// Its version; `null` for the server's own choice.
    pub version: Option<String>,
    /// The server; `null` leaves the choice to the fleet.
    pub server: Option<String>,
    /// `rest` or `grpc`; `null` leaves the choice to the fleet.
    pub protocol: Option<String>,
    /// What goes in.
    pub inputs: Vec<NamedTensor>,
    /// Options of the request: texts, numbers, truth values.
    #[schema(value_type = Object)]
    pub parameters: Map<String, Value>,
    /// The names of what shall come out; all, if there are none.
    pub outputs: Vec<String>,
}

/// A tensor as it is written on the desk's wire.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NamedTensor {
    /// Its name; none is needed for a file.
    pub name: String,
    /// The elements' type, such as `FP32`.
    pub datatype: String,
    /// Its extents.
    pub shape: Vec<i64>,
    /// The elements as a flat or nested list. `null` where they are `raw`.
    #[schema(value_type = Object)]
    pub data: Value,
    /// The elements as packed little-endian bytes, in base64: for bytes that are no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
}

impl NamedTensor {
    /// The tensor.
    ///
    /// # Errors
    /// `InvalidRequest` when the elements do not fit the type or the shape.
    pub fn tensor(&self) -> Result<Tensor, Error> {
        let datatype: DataType = self.datatype.parse()?;
        let Some(raw) = &self.raw else {
            return Tensor::from_json(&self.name, datatype, self.shape.clone(), &self.data);
        };
        let bytes = STANDARD.decode(raw);
        let bytes =
            bytes.map_err(|error| Error::invalid(format!("tensor `{}`: `raw` is no base64: {error}", self.name)))?;
        Tensor::new(&*self.name, datatype, self.shape.clone(), bytes.into())
    }
}

impl From<&Tensor> for NamedTensor {
    fn from(tensor: &Tensor) -> Self {
        let (data, raw) = match tensor.to_json() {
            Ok(data) => (data, None),
            Err(_) => (Value::Null, Some(STANDARD.encode(tensor.data()))),
        };
        Self {
            name: tensor.name().into(),
            datatype: tensor.datatype().as_str().into(),
            shape: tensor.shape().to_vec(),
            data,
            raw,
        }
    }
}

impl InferRequest {
    /// The call.
    ///
    /// # Errors
    /// `InvalidRequest` what is wrong with the tensors, the parameters or the protocol.
    pub fn call(&self) -> Result<Call, Error> {
        if self.model.is_empty() {
            return Err(Error::invalid("name a model"));
        }
        let inputs = self.inputs.iter().map(NamedTensor::tensor).collect::<Result<_, _>>()?;
        let output = |name: &String| RequestedOutput { name: name.clone(), ..RequestedOutput::default() };
        let inference = Inference {
            version: self.version.as_deref().map(Into::into),
            inputs,
            outputs: self.outputs.iter().map(output).collect(),
            parameters: parameters(&self.parameters)?,
            // What comes back may be bytes that are no text; where the wire has a choice, it is taken as it is.
            binary: self.inputs.iter().any(|input| input.raw.is_some()),
            ..Inference::default()
        };
        let mut call = Call::new(Op::Infer(inference)).model(&*self.model);
        call.server = self.server.as_deref().map(Into::into);
        call.protocol = self.protocol.as_deref().map(protocol).transpose()?;
        Ok(call)
    }
}

fn protocol(word: &str) -> Result<Protocol, Error> {
    match word {
        "rest" => Ok(Protocol::Rest),
        "grpc" => Ok(Protocol::Grpc),
        other => Err(Error::invalid(format!("there is no protocol `{other}`; there are rest and grpc"))),
    }
}

/// Options as tensors' protocols have them.
///
/// # Errors
/// `InvalidRequest` when a value is a list or an object.
pub fn parameters(given: &Map<String, Value>) -> Result<Parameters, Error> {
    let one = |(name, value): (&String, &Value)| {
        let value: Parameter = serde_json::from_value(value.clone())
            .map_err(|_| Error::invalid(format!("the parameter `{name}` is no text, number or truth value")))?;
        Ok((name.clone(), value))
    };
    given.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(value: Value) -> Result<Call, Error> {
        serde_json::from_value::<InferRequest>(value).unwrap().call()
    }

    #[test]
    fn a_request_becomes_a_call() {
        let call = request(json!({
            "model": "m", "server": "s", "protocol": "grpc", "parameters": {"top": 1, "mode": "x"},
            "inputs": [{"name": "a", "datatype": "FP32", "shape": [1, 2], "data": [[1, 2.5]]}], "outputs": ["y"],
        }));
        let call = call.unwrap();
        assert_eq!((call.model_name(), call.server.as_deref(), call.protocol), ("m", Some("s"), Some(Protocol::Grpc)));
        let Op::Infer(inference) = &*call.op else { panic!("{call:?}") };
        assert_eq!(NamedTensor::from(&inference.inputs[0]).data, json!([1.0, 2.5]));
        assert_eq!((inference.outputs[0].name.as_str(), inference.parameters.len()), ("y", 2));
    }

    #[test]
    fn bytes_that_are_no_text_travel_raw() {
        let tensor = Tensor::of_bytes("x", vec![1], [b"\xff\xfe"]).unwrap();
        let written = NamedTensor::from(&tensor);
        assert!(written.data.is_null() && written.raw.is_some());
        assert_eq!(written.tensor().unwrap(), tensor);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let refused = |value: Value, part: &str| {
            let error = request(value).unwrap_err();
            assert!(error.message().contains(part), "no {part:?} in {error}");
        };
        refused(json!({}), "name a model");
        refused(json!({"model": "m", "protocol": "carrier"}), "rest and grpc");
        refused(json!({"model": "m", "parameters": {"a": [1]}}), "`a`");
        refused(
            json!({"model": "m", "inputs": [{"name": "x", "datatype": "FP31", "shape": [1], "data": [1]}]}),
            "FP31",
        );
        refused(json!({"model": "m", "inputs": [{"name": "x", "datatype": "FP32", "shape": [2], "data": [1]}]}), "`x`");
    }
}
