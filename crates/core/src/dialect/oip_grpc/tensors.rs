//! Tensors and options as messages.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::{BufMut, Bytes, BytesMut};

use super::wire::inference::{
    InferParameter, InferTensor, InferTensorContents, ModelRepositoryParameter, infer_parameter::ParameterChoice,
    model_repository_parameter::ParameterChoice as RepositoryChoice,
};
use crate::{DataType, Error, Parameter, Parameters, Tensor};

// === tensors ===

/// Tensors as raw contents, which are shared, not copied.
pub(super) fn write(tensors: &[Tensor]) -> (Vec<InferTensor>, Vec<Bytes>) {
    let written = tensors.iter().map(|tensor| InferTensor {
        name: tensor.name().to_owned(),
        datatype: tensor.datatype().as_str().to_owned(),
        shape: tensor.shape().to_vec(),
        parameters: write_parameters(tensor.parameters()),
        contents: None,
    });
    (written.collect(), tensors.iter().map(|tensor| tensor.data().clone()).collect())
}

/// Tensors from raw contents (one for each) or from typed contents.
///
/// # Errors
/// `InvalidRequest` that names the tensor and what is wrong.
pub(super) fn read(tensors: Vec<InferTensor>, raw: Vec<Bytes>) -> Result<Vec<Tensor>, Error> {
    if !raw.is_empty() && raw.len() != tensors.len() {
        return Err(Error::invalid(format!("{} tensors have {} raw contents", tensors.len(), raw.len())));
    }
    let mut raw = raw.into_iter();
    let read = tensors.into_iter().map(|tensor| {
        let InferTensor { name, datatype, shape, parameters, contents } = tensor;
        let datatype: DataType =
            datatype.parse().map_err(|error: Error| Error::invalid(format!("tensor `{name}`: {}", error.message())))?;
        let data = match raw.next() {
            Some(data) => data,
            None => typed(datatype, contents.unwrap_or_default())
                .ok_or_else(|| Error::invalid(format!("tensor `{name}`: typed contents do not fit {datatype}")))?,
        };
        Ok(Tensor::new(name, datatype, shape, data)?.with_parameters(read_parameters(parameters)))
    });
    read.collect()
}

/// Packed little-endian bytes of typed contents. Small integers travel as wider ones; half floats do not travel so.
fn typed(datatype: DataType, contents: InferTensorContents) -> Option<Bytes> {
    let mut out = BytesMut::new();
    match datatype {
        DataType::Bool => contents.bool_contents.iter().for_each(|&value| out.put_u8(value.into())),
        DataType::Int8 => pack(&contents.int_contents, i8::to_le_bytes, &mut out)?,
        DataType::Int16 => pack(&contents.int_contents, i16::to_le_bytes, &mut out)?,
        DataType::Int32 => pack(&contents.int_contents, i32::to_le_bytes, &mut out)?,
        DataType::Int64 => pack(&contents.int64_contents, i64::to_le_bytes, &mut out)?,
        DataType::Uint8 => pack(&contents.uint_contents, u8::to_le_bytes, &mut out)?,
        DataType::Uint16 => pack(&contents.uint_contents, u16::to_le_bytes, &mut out)?,
        DataType::Uint32 => pack(&contents.uint_contents, u32::to_le_bytes, &mut out)?,
        DataType::Uint64 => pack(&contents.uint64_contents, u64::to_le_bytes, &mut out)?,
        DataType::Fp32 => pack(&contents.fp32_contents, f32::to_le_bytes, &mut out)?,
        DataType::Fp64 => pack(&contents.fp64_contents, f64::to_le_bytes, &mut out)?,
        DataType::Bytes => {
            for element in &contents.bytes_contents {
                out.put_u32_le(element.len().try_into().ok()?);
                out.put_slice(element);
            }
        }
        DataType::Fp16 | DataType::Bf16 if contents == InferTensorContents::default() => {}
        DataType::Fp16 | DataType::Bf16 => return None,
    }
    Some(out.freeze())
}

/// Appends each value as its narrow self; `None` when one does not fit.
fn pack<T: Copy, U: TryFrom<T>, const N: usize>(
    values: &[T],
    bytes: impl Fn(U) -> [u8; N],
    out: &mut BytesMut,
) -> Option<()> {
    values.iter().try_for_each(|&value| {
        out.put_slice(&bytes(value.try_into().ok()?));
        Some(())
    })
}

// === options ===

pub(super) fn write_parameters(parameters: &Parameters) -> BTreeMap<String, InferParameter> {
    parameters.iter().map(|(name, value)| (name.clone(), write_parameter(value))).collect()
}

pub(super) fn write_parameter(parameter: &Parameter) -> InferParameter {
    let choice = match parameter {
        Parameter::Bool(value) => ParameterChoice::BoolParam(*value),
        Parameter::Int(value) => ParameterChoice::Int64Param(*value),
        Parameter::Uint(value) => ParameterChoice::Uint64Param(*value),
        Parameter::Float(value) => ParameterChoice::DoubleParam(*value),
        Parameter::String(value) => ParameterChoice::StringParam(value.clone()),
    };
    InferParameter { parameter_choice: Some(choice) }
}

/// Options from messages; one without a value is none.
pub(super) fn read_parameters(parameters: BTreeMap<String, InferParameter>) -> Parameters {
    let read = |choice| match choice {
        ParameterChoice::BoolParam(value) => Parameter::Bool(value),
        ParameterChoice::Int64Param(value) => Parameter::Int(value),
        // One number, one form: whoever compares parameters need not know which field it came in.
        ParameterChoice::Uint64Param(value) => i64::try_from(value).map_or(Parameter::Uint(value), Parameter::Int),
        ParameterChoice::DoubleParam(value) => Parameter::Float(value),
        ParameterChoice::StringParam(value) => Parameter::String(value),
    };
    parameters.into_iter().filter_map(|(name, value)| Some((name, read(value.parameter_choice?)))).collect()
}

/// Options of a load. Files travel as bytes here and as base64 over REST; the vocabulary holds the latter.
pub(super) fn write_options(parameters: &Parameters) -> BTreeMap<String, ModelRepositoryParameter> {
    let write = |name: &str, value: &Parameter| match value {
        Parameter::Bool(value) => RepositoryChoice::BoolParam(*value),
        Parameter::Int(value) => RepositoryChoice::Int64Param(*value),
        Parameter::Uint(value) => RepositoryChoice::StringParam(value.to_string()),
        Parameter::Float(value) => RepositoryChoice::StringParam(value.to_string()),
        Parameter::String(text) => match BASE64_STANDARD.decode(text) {
            Ok(bytes) if name.starts_with(FILE) => RepositoryChoice::BytesParam(bytes.into()),
            _ => RepositoryChoice::StringParam(text.clone()),
        },
    };
    let option = |(name, value): (&String, &Parameter)| {
        (name.clone(), ModelRepositoryParameter { parameter_choice: Some(write(name, value)) })
    };
    parameters.iter().map(option).collect()
}

pub(super) fn read_options(parameters: BTreeMap<String, ModelRepositoryParameter>) -> Parameters {
    let read = |choice| match choice {
        RepositoryChoice::BoolParam(value) => Parameter::Bool(value),
        RepositoryChoice::Int64Param(value) => Parameter::Int(value),
        RepositoryChoice::StringParam(value) => Parameter::String(value),
        RepositoryChoice::BytesParam(bytes) => Parameter::String(BASE64_STANDARD.encode(bytes)),
    };
    parameters.into_iter().filter_map(|(name, value)| Some((name, read(value.parameter_choice?)))).collect()
}

/// What the name of an option that carries a file begins with.
const FILE: &str = "file:";

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(datatype: DataType, shape: Vec<i64>, contents: InferTensorContents) -> InferTensor {
        InferTensor {
            name: "x".into(),
            datatype: datatype.as_str().into(),
            shape,
            contents: Some(contents),
            ..InferTensor::default()
        }
    }

    #[test]
    fn typed_contents_become_packed_bytes() {
        let check = |datatype, contents: InferTensorContents, expected: &[u8]| {
            let read = read(vec![tensor(datatype, vec![2], contents)], Vec::new()).unwrap();
            assert_eq!(read[0].data(), expected, "{datatype}");
        };
        let none = InferTensorContents::default;
        check(DataType::Bool, InferTensorContents { bool_contents: vec![true, false], ..none() }, &[1, 0]);
        check(DataType::Int8, InferTensorContents { int_contents: vec![-1, 127], ..none() }, &[255, 127]);
        check(DataType::Int16, InferTensorContents { int_contents: vec![-1, 256], ..none() }, &[255, 255, 0, 1]);
        check(DataType::Uint8, InferTensorContents { uint_contents: vec![255, 0], ..none() }, &[255, 0]);
        check(DataType::Uint16, InferTensorContents { uint_contents: vec![65535, 1], ..none() }, &[255, 255, 1, 0]);
        check(
            DataType::Fp32,
            InferTensorContents { fp32_contents: vec![1.0, 2.5], ..none() },
            b"\x00\x00\x80?\x00\x00 @",
        );
        check(
            DataType::Bytes,
            InferTensorContents { bytes_contents: vec!["a".into(), "".into()], ..none() },
            b"\x01\0\0\0a\0\0\0\0",
        );
        for (datatype, contents) in [
            (DataType::Int8, InferTensorContents { int_contents: vec![1, 128], ..none() }),
            (DataType::Uint8, InferTensorContents { uint_contents: vec![1, 256], ..none() }),
            (DataType::Fp16, InferTensorContents { fp32_contents: vec![1.0, 2.0], ..none() }),
            (DataType::Fp32, InferTensorContents { fp64_contents: vec![1.0, 2.0], ..none() }),
            (DataType::Int64, InferTensorContents { int64_contents: vec![1], ..none() }),
        ] {
            let error = read(vec![tensor(datatype, vec![2], contents)], Vec::new()).unwrap_err();
            assert!(error.message().contains("tensor `x`"), "{error}");
        }
        let one_of_two = vec![tensor(DataType::Bool, vec![0], none()), tensor(DataType::Bool, vec![0], none())];
        assert!(read(one_of_two, vec![Bytes::new()]).is_err());
    }

    #[test]
    fn tensors_stay_in_their_message() {
        use prost::Message;

        use super::super::wire::inference::ModelInferResponse;

        let made = Tensor::of_f32("x", vec![64], &[1.5; 64]).unwrap();
        let (outputs, raw_output_contents) = write(std::slice::from_ref(&made));
        let frame =
            Bytes::from(ModelInferResponse { outputs, raw_output_contents, ..Default::default() }.encode_to_vec());
        let message = ModelInferResponse::decode(frame.clone()).unwrap();
        let tensors = read(message.outputs, message.raw_output_contents).unwrap();
        assert_eq!(tensors, [made]);
        assert!(frame.as_ptr_range().contains(&tensors[0].data().as_ptr()));
    }
}
