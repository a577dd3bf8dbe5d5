//! Tensors as this dialect writes them: a JSON list where that is exact, else base64 of the packed bytes.

use base64::{Engine, prelude::BASE64_STANDARD};
use half::{bf16, f16};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::{
    Error,
    call::{Inference, RequestedOutput},
    event::InferenceOutput,
    tensor::{DataType, Parameter, Parameters, Tensor},
};

/// One tensor. Exactly one of `data` and `data_base64` is there.
#[derive(Serialize, Deserialize)]
pub(super) struct WireTensor {
    name: String,
    datatype: DataType,
    shape: Vec<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
    #[serde(default, skip_serializing_if = "Parameters::is_empty", deserialize_with = "parameters")]
    parameters: Parameters,
}

impl WireTensor {
    /// `binary` prefers base64 where the list would do as well.
    pub(super) fn new(tensor: &Tensor, binary: bool) -> Self {
        let data = if binary || !is_exact_in_json(tensor) { None } else { tensor.to_json().ok() };
        Self {
            name: tensor.name().into(),
            datatype: tensor.datatype(),
            shape: tensor.shape().into(),
            data_base64: data.is_none().then(|| BASE64_STANDARD.encode(tensor.data())),
            data,
            parameters: tensor.parameters().clone(),
        }
    }

    pub(super) fn into_tensor(self) -> Result<Tensor, Error> {
        let Self { name, datatype, shape, data, data_base64, parameters } = self;
        let tensor = match (data, data_base64) {
            (Some(data), None) => Tensor::from_json(&name, datatype, shape, &data)?,
            (None, Some(text)) => {
                let data = BASE64_STANDARD
                    .decode(text)
                    .map_err(|e| Error::invalid(format!("`data_base64` of tensor `{name}`: {e}")))?;
                Tensor::new(name, datatype, shape, data.into())?
            }
            _ => {
                return Err(Error::invalid(format!("tensor `{name}` needs exactly one of `data` and `data_base64`")));
            }
        };
        Ok(tensor.with_parameters(parameters))
    }
}

/// An output that a caller wants.
#[derive(Serialize, Deserialize)]
pub(super) struct WireRequested {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    binary: Option<bool>,
    #[serde(default, skip_serializing_if = "Parameters::is_empty", deserialize_with = "parameters")]
    parameters: Parameters,
}

impl From<RequestedOutput> for WireRequested {
    fn from(RequestedOutput { name, binary, parameters }: RequestedOutput) -> Self {
        Self { name, binary, parameters }
    }
}

impl From<WireRequested> for RequestedOutput {
    fn from(WireRequested { name, binary, parameters }: WireRequested) -> Self {
        Self { name, binary, parameters }
    }
}

/// One answer of a tensor model.
#[derive(Serialize, Deserialize)]
pub(super) struct WireOutput {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    pub(super) outputs: Vec<WireTensor>,
    #[serde(default, skip_serializing_if = "Parameters::is_empty", deserialize_with = "parameters")]
    pub(super) parameters: Parameters,
}

impl WireOutput {
    /// `asked` says which tensors shall be base64.
    pub(super) fn new(output: &InferenceOutput, asked: Option<&Inference>) -> Self {
        Self {
            version: output.version.as_deref().map(Into::into),
            id: output.id.clone(),
            outputs: output.outputs.iter().map(|tensor| WireTensor::new(tensor, is_binary(tensor, asked))).collect(),
            parameters: output.parameters.clone(),
        }
    }

    pub(super) fn into_output(self) -> Result<InferenceOutput, Error> {
        Ok(InferenceOutput {
            version: self.version.map(Into::into),
            id: self.id,
            outputs: self.outputs.into_iter().map(WireTensor::into_tensor).collect::<Result<_, _>>()?,
            parameters: self.parameters,
        })
    }
}

fn is_binary(tensor: &Tensor, asked: Option<&Inference>) -> bool {
    let Some(asked) = asked else { return false };
    let output = asked.outputs.iter().find(|output| output.name == tensor.name());
    output.and_then(|output| output.binary).unwrap_or(asked.binary)
}

/// A vector of text: a list of numbers, or base64 of little-endian FP32 where one of them is not finite.
pub(super) struct Vector<T>(pub(super) T);

impl<T: AsRef<[f32]>> Serialize for Vector<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let vector = self.0.as_ref();
        if vector.iter().all(|component| component.is_finite()) {
            return vector.serialize(serializer);
        }
        let bytes: Vec<u8> = vector.iter().flat_map(|component| component.to_le_bytes()).collect();
        BASE64_STANDARD.encode(bytes).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Vector<Vec<f32>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            List(Vec<f32>),
            Base64(String),
        }
        let text = match Either::deserialize(deserializer)? {
            Either::List(list) => return Ok(Self(list)),
            Either::Base64(text) => text,
        };
        let bytes = BASE64_STANDARD.decode(text).map_err(serde::de::Error::custom)?;
        let (chunks, rest) = bytes.as_chunks();
        if !rest.is_empty() {
            return Err(serde::de::Error::custom("an embedding's bytes are no whole number of floats"));
        }
        Ok(Self(chunks.iter().map(|&chunk| f32::from_le_bytes(chunk)).collect()))
    }
}

/// Options; one that is null is one that was not given.
pub(super) fn parameters<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Parameters, D::Error> {
    let given = std::collections::BTreeMap::<String, Option<Parameter>>::deserialize(deserializer)?;
    Ok(given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}

/// Whether the JSON list gives back the very bytes: JSON has one NaN, two truth values, and no text but UTF-8.
fn is_exact_in_json(tensor: &Tensor) -> bool {
    fn every<const N: usize>(data: &[u8], holds: impl Fn([u8; N]) -> bool) -> bool {
        data.as_chunks().0.iter().all(|&chunk| holds(chunk))
    }
    let data = &tensor.data()[..];
    match tensor.datatype() {
        DataType::Bool => data.iter().all(|&byte| byte <= 1),
        DataType::Fp16 => every(data, |bytes| !f16::from_le_bytes(bytes).is_nan()),
        DataType::Bf16 => every(data, |bytes| !bf16::from_le_bytes(bytes).is_nan()),
        DataType::Fp32 => every(data, |bytes| !f32::from_le_bytes(bytes).is_nan()),
        DataType::Fp64 => every(data, |bytes| !f64::from_le_bytes(bytes).is_nan()),
        DataType::Bytes => tensor.elements().all(|element| std::str::from_utf8(&element).is_ok()),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn round_trip(tensor: &Tensor, binary: bool) -> Tensor {
        let written = serde_json::to_string(&WireTensor::new(tensor, binary)).unwrap();
        serde_json::from_str::<WireTensor>(&written).unwrap().into_tensor().unwrap()
    }

    #[test]
    fn every_half_precision_value_comes_back() {
        let data: Bytes = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
        for datatype in [DataType::Fp16, DataType::Bf16] {
            for (i, pair) in data.chunks(2).enumerate() {
                let tensor = Tensor::new("x", datatype, vec![1], Bytes::copy_from_slice(pair)).unwrap();
                assert_eq!(round_trip(&tensor, false).data(), tensor.data(), "{datatype} {i:#x}");
            }
        }
    }

    #[test]
    fn numbers_and_texts_are_lists_and_the_rest_is_base64() {
        let check = |tensor: Tensor, is_list: bool| {
            let written = WireTensor::new(&tensor, false);
            assert_eq!(written.data.is_some(), is_list, "{tensor:?}");
            assert_eq!(written.data_base64.is_some(), !is_list, "{tensor:?}");
        };
        check(Tensor::of_f32("x", vec![2], &[0.1, f32::INFINITY]).unwrap(), true);
        check(Tensor::of_f32("x", vec![1], &[f32::NAN]).unwrap(), false);
        check(Tensor::of_bytes("x", vec![1], ["naïve"]).unwrap(), true);
        check(Tensor::of_bytes("x", vec![1], [b"\xff"]).unwrap(), false);
        check(Tensor::new("x", DataType::Bool, vec![1], vec![7].into()).unwrap(), false);
    }

    #[test]
    fn a_tensor_has_its_data_once() {
        for wrong in [
            json!({"name": "x", "datatype": "INT8", "shape": [1]}),
            json!({"name": "x", "datatype": "INT8", "shape": [1], "data": [1], "data_base64": "AQ=="}),
            json!({"name": "x", "datatype": "INT8", "shape": [1], "data_base64": "?"}),
            json!({"name": "x", "datatype": "INT8", "shape": [2], "data_base64": "AQ=="}),
        ] {
            let tensor: WireTensor = serde_json::from_value(wrong.clone()).unwrap();
            assert!(tensor.into_tensor().unwrap_err().message().contains('x'), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_of_any_datatype_come_back(bytes: Vec<u8>, which in 0..13_usize, binary: bool) {
            let datatype = DataType::ALL[which];
            let size = datatype.size().unwrap();
            let count = bytes.len() / size;
            let data = Bytes::from(bytes).slice(..count * size);
            let tensor = Tensor::new("x", datatype, vec![count as i64], data).unwrap();
            prop_assert_eq!(round_trip(&tensor, binary), tensor);
        }

        #[test]
        fn any_elements_come_back(elements: Vec<Vec<u8>>, binary: bool) {
            let tensor = Tensor::of_bytes("x", vec![elements.len() as i64], elements).unwrap();
            prop_assert_eq!(round_trip(&tensor, binary), tensor);
        }

        #[test]
        fn any_vector_comes_back(bits: Vec<u32>) {
            let vector: Vec<f32> = bits.iter().copied().map(f32::from_bits).collect();
            let written = serde_json::to_string(&Vector(&vector)).unwrap();
            let read: Vector<Vec<f32>> = serde_json::from_str(&written).unwrap();
            prop_assert_eq!(read.0.iter().map(|float| float.to_bits()).collect::<Vec<_>>(), bits);
        }
    }
}
