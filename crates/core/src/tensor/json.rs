//! A tensor's elements as JSON, flat or nested, both ways.
//!
//! Half-precision values and numbers beyond JSON's habits are widened on the way out and narrowed, checked, on the
//! way in. Values that JSON has no word for (NaN, infinities) are written as the strings `"NaN"`, `"Infinity"` and
//! `"-Infinity"` and read back; raw bytes are the exact way. BYTES elements must be UTF-8 to be written.

use bytes::{BufMut, BytesMut};
use half::{bf16, f16};
use serde_json::{Number, Value};

use super::{DataType, Tensor, element_count};
use crate::Error;

impl Tensor {
    /// A tensor from JSON: a flat list, nested lists, or a single value for a single element.
    ///
    /// # Errors
    /// `InvalidRequest` when the number of elements does not fit the shape or one does not fit the datatype.
    pub fn from_json(name: &str, datatype: DataType, shape: Vec<i64>, data: &Value) -> Result<Self, Error> {
        let count = element_count(name, &shape)?;
        let mut bytes = BytesMut::new();
        let found = put_all(name, datatype, data, &mut bytes, 0)?;
        if found != count {
            return Err(Error::invalid(format!(
                "tensor `{name}` of shape {shape:?} needs {count} elements, has {found}"
            )));
        }
        Self::new(name, datatype, shape, bytes.freeze())
    }

    /// The elements as a flat JSON list.
    ///
    /// # Errors
    /// `InvalidRequest` when a BYTES element is not UTF-8: ask for binary data then.
    pub fn to_json(&self) -> Result<Value, Error> {
        let data = &self.data()[..];
        Ok(Value::Array(match self.datatype() {
            DataType::Bool => data.iter().map(|&byte| Value::Bool(byte != 0)).collect(),
            DataType::Uint8 => data.iter().map(|&byte| byte.into()).collect(),
            DataType::Int8 => data.iter().map(|&byte| (byte as i8).into()).collect(),
            DataType::Uint16 => each(data, |bytes| u16::from_le_bytes(bytes).into()),
            DataType::Uint32 => each(data, |bytes| u32::from_le_bytes(bytes).into()),
            DataType::Uint64 => each(data, |bytes| u64::from_le_bytes(bytes).into()),
            DataType::Int16 => each(data, |bytes| i16::from_le_bytes(bytes).into()),
            DataType::Int32 => each(data, |bytes| i32::from_le_bytes(bytes).into()),
            DataType::Int64 => each(data, |bytes| i64::from_le_bytes(bytes).into()),
            DataType::Fp16 => each(data, |bytes| float(f16::from_le_bytes(bytes).into())),
            DataType::Bf16 => each(data, |bytes| float(bf16::from_le_bytes(bytes).into())),
            DataType::Fp32 => each(data, |bytes| float(shortest(f32::from_le_bytes(bytes)))),
            DataType::Fp64 => each(data, |bytes| float(f64::from_le_bytes(bytes))),
            DataType::Bytes => self.strings()?.into_iter().map(Value::String).collect(),
        }))
    }

    /// The elements of a BYTES tensor as texts.
    ///
    /// # Errors
    /// `InvalidRequest` when one is not UTF-8.
    pub fn strings(&self) -> Result<Vec<String>, Error> {
        self.elements()
            .enumerate()
            .map(|(i, element)| {
                String::from_utf8(element.into()).map_err(|_| {
                    Error::invalid(format!("element {i} of tensor `{}` is not UTF-8: ask for binary data", self.name()))
                })
            })
            .collect()
    }

    /// The elements as FP32, converted from any number type; `None` for BYTES.
    pub fn to_f32(&self) -> Option<Vec<f32>> {
        let values = if self.datatype() == DataType::Bytes { return None } else { self.to_json().ok()? };
        Some(values.as_array()?.iter().map(|value| number(value).unwrap_or_default() as f32).collect())
    }
}

/// Deeper nesting than any tensor's rank is an attack on the stack.
const MAX_RANK: usize = 64;

/// Appends every element below `data`; returns how many there were.
fn put_all(name: &str, datatype: DataType, data: &Value, out: &mut BytesMut, depth: usize) -> Result<usize, Error> {
    match data {
        Value::Array(_) if depth == MAX_RANK => Err(Error::invalid(format!("tensor `{name}` is nested too deeply"))),
        Value::Array(items) => {
            items.iter().try_fold(0, |count, item| Ok(count + put_all(name, datatype, item, out, depth + 1)?))
        }
        element => put(datatype, element, out)
            .map(|()| 1)
            .ok_or_else(|| Error::invalid(format!("tensor `{name}`: {element} is no {datatype}"))),
    }
}

fn put(datatype: DataType, value: &Value, out: &mut BytesMut) -> Option<()> {
    fn int<T: TryFrom<i64>>(value: &Value) -> Option<T> {
        value.as_i64()?.try_into().ok()
    }
    match datatype {
        DataType::Bool => out.put_u8(match value {
            Value::Bool(value) => (*value).into(),
            other => u8::from(int::<u8>(other).filter(|&number| number <= 1)? == 1),
        }),
        DataType::Uint8 => out.put_u8(int(value)?),
        DataType::Uint16 => out.put_u16_le(int(value)?),
        DataType::Uint32 => out.put_u32_le(int(value)?),
        DataType::Uint64 => out.put_u64_le(value.as_u64()?),
        DataType::Int8 => out.put_i8(int(value)?),
        DataType::Int16 => out.put_i16_le(int(value)?),
        DataType::Int32 => out.put_i32_le(int(value)?),
        DataType::Int64 => out.put_i64_le(value.as_i64()?),
        DataType::Fp16 => out.put_slice(&f16::from_f64(number(value)?).to_le_bytes()),
        DataType::Bf16 => out.put_slice(&bf16::from_f64(number(value)?).to_le_bytes()),
        DataType::Fp32 => out.put_f32_le(number(value)? as f32),
        DataType::Fp64 => out.put_f64_le(number(value)?),
        DataType::Bytes => {
            let text = value.as_str()?;
            out.put_u32_le(text.len().try_into().ok()?);
            out.put_slice(text.as_bytes());
        }
    }
    Some(())
}

/// A number, or one of the words for those that JSON cannot write. KServe writes `null` for NaN.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::Null => Some(f64::NAN),
        Value::String(word) => match word.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

fn float(value: f64) -> Value {
    match Number::from_f64(value) {
        Some(number) => Value::Number(number),
        None if value.is_nan() => "NaN".into(),
        None if value > 0.0 => "Infinity".into(),
        None => "-Infinity".into(),
    }
}

/// The double that prints as the float does: 0.1, not 0.10000000149011612.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| value.into())
}

fn each<const N: usize>(data: &[u8], value: impl Fn([u8; N]) -> Value) -> Vec<Value> {
    data.as_chunks::<N>().0.iter().map(|&chunk| value(chunk)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(datatype: DataType, given: Value, written: Value) {
        let count = given.as_array().map_or(1, Vec::len) as i64;
        let tensor = Tensor::from_json("x", datatype, vec![count], &given).unwrap();
        assert_eq!(tensor.to_json().unwrap(), written, "{datatype}");
    }

    #[test]
    fn every_datatype_survives_json() {
        check(DataType::Bool, json!([true, false, 1]), json!([true, false, true]));
        check(DataType::Uint8, json!([0, 255]), json!([0, 255]));
        check(DataType::Uint16, json!([65535]), json!([65535]));
        check(DataType::Uint32, json!([u32::MAX]), json!([u32::MAX]));
        check(DataType::Uint64, json!([u64::MAX]), json!([u64::MAX]));
        check(DataType::Int8, json!([-128, 127]), json!([-128, 127]));
        check(DataType::Int16, json!([-32768]), json!([-32768]));
        check(DataType::Int32, json!([i32::MIN]), json!([i32::MIN]));
        check(DataType::Int64, json!([i64::MIN]), json!([i64::MIN]));
        check(DataType::Fp16, json!([0.5, -2]), json!([0.5, -2.0]));
        check(DataType::Bf16, json!([0.5]), json!([0.5]));
        check(DataType::Fp32, json!([0.1, 2.5, "NaN", "-Infinity"]), json!([0.1, 2.5, "NaN", "-Infinity"]));
        check(DataType::Fp64, json!([0.1, 1e300]), json!([0.1, 1e300]));
        check(DataType::Bytes, json!(["hé", ""]), json!(["hé", ""]));
    }

    #[test]
    fn nested_lists_are_flattened_and_misfits_refused() {
        let nested = Tensor::from_json("x", DataType::Int32, vec![2, 2], &json!([[1, 2], [3, 4]])).unwrap();
        assert_eq!(nested.to_json().unwrap(), json!([1, 2, 3, 4]));
        for (datatype, shape, data) in [
            (DataType::Int32, vec![3], json!([1, 2])),
            (DataType::Uint8, vec![1], json!([256])),
            (DataType::Int32, vec![1], json!([1.5])),
            (DataType::Bytes, vec![1], json!([1])),
            (DataType::Fp32, vec![1], json!(["x"])),
            (DataType::Bool, vec![1], json!([2])),
        ] {
            assert!(Tensor::from_json("x", datatype, shape, &data).is_err(), "{datatype} {data}");
        }
    }
}
