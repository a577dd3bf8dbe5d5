//! Tensors of the Open Inference Protocol: a name, a datatype, a shape and packed little-endian bytes.
//!
//! A [`Tensor`] is checked when it is made: its bytes always fit its shape. The bytes are shared, so a tensor that
//! came as raw bytes is never copied on its way through. JSON is a view of it, in [`json`].
//!
//! Source of layout: Open Inference Protocol, "Tensor Data" and the binary tensor data extension.

pub mod json;

use std::{collections::BTreeMap, fmt, str::FromStr};

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::Error;

/// Element types of the Open Inference Protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names are the protocol's own and say everything")]
pub enum DataType {
    Bool,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Int8,
    Int16,
    Int32,
    Int64,
    Fp16,
    Bf16,
    Fp32,
    Fp64,
    /// Any bytes, often text; each element has a length of its own.
    Bytes,
}

impl DataType {
    /// Every datatype, in the protocol's order.
    pub const ALL: [Self; 14] = [
        Self::Bool,
        Self::Uint8,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Fp16,
        Self::Bf16,
        Self::Fp32,
        Self::Fp64,
        Self::Bytes,
    ];

    /// The protocol's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bool => "BOOL",
            Self::Uint8 => "UINT8",
            Self::Uint16 => "UINT16",
            Self::Uint32 => "UINT32",
            Self::Uint64 => "UINT64",
            Self::Int8 => "INT8",
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Fp16 => "FP16",
            Self::Bf16 => "BF16",
            Self::Fp32 => "FP32",
            Self::Fp64 => "FP64",
            Self::Bytes => "BYTES",
        }
    }

    /// Bytes of one element; `None` where each element has a length of its own.
    pub fn size(self) -> Option<usize> {
        match self {
            Self::Bool | Self::Uint8 | Self::Int8 => Some(1),
            Self::Uint16 | Self::Int16 | Self::Fp16 | Self::Bf16 => Some(2),
            Self::Uint32 | Self::Int32 | Self::Fp32 => Some(4),
            Self::Uint64 | Self::Int64 | Self::Fp64 => Some(8),
            Self::Bytes => None,
        }
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for DataType {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|datatype| datatype.as_str() == word).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|datatype| datatype.as_str()).collect();
            Error::invalid(format!("unknown datatype `{word}`; one of {}", known.join(", ")))
        })
    }
}

/// Options of a request, an input or an output, by name.
pub type Parameters = BTreeMap<String, Parameter>;

/// The value of an option.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Parameter {
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number above [`i64::MAX`].
    Uint(u64),
    /// A number.
    Float(f64),
    /// A text.
    String(String),
}

impl Parameter {
    /// The number, whatever form it has.
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::Int(value) => Some(value as f64),
            Self::Uint(value) => Some(value as f64),
            Self::Float(value) => Some(value),
            _ => None,
        }
    }

    /// The whole number, if it is one that fits.
    pub fn as_i64(&self) -> Option<i64> {
        match *self {
            Self::Int(value) => Some(value),
            Self::Uint(value) => value.try_into().ok(),
            _ => None,
        }
    }

    /// The truth value, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(value) = self { Some(value) } else { None }
    }
}

macro_rules! parameter_from {
    ($($from:ty => $variant:ident),*) => {$(
        impl From<$from> for Parameter {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}
parameter_from!(bool => Bool, i64 => Int, u32 => Int, f64 => Float, String => String, &str => String);

/// A named tensor whose bytes fit its shape.
#[derive(Clone, PartialEq)]
pub struct Tensor {
    name: String,
    datatype: DataType,
    shape: Vec<i64>,
    data: Bytes,
    parameters: Parameters,
}

impl Tensor {
    /// A tensor of packed little-endian elements; BYTES elements each have their length before them, as a
    /// little-endian `u32`. Nothing is copied.
    ///
    /// # Errors
    /// `InvalidRequest` when the shape has a negative or absurd extent, or the bytes do not fit it.
    pub fn new(name: impl Into<String>, datatype: DataType, shape: Vec<i64>, data: Bytes) -> Result<Self, Error> {
        let name = name.into();
        let count = element_count(&name, &shape)?;
        match datatype.size() {
            Some(size) => {
                let expected = count.checked_mul(size);
                if expected != Some(data.len()) {
                    return Err(Error::invalid(format!(
                        "tensor `{name}` of shape {shape:?} and datatype {datatype} needs {} bytes, has {}",
                        expected.map_or_else(|| "absurdly many".into(), |bytes| bytes.to_string()),
                        data.len()
                    )));
                }
            }
            None => {
                let found = check_elements(&name, &data)?;
                if found != count {
                    return Err(Error::invalid(format!(
                        "tensor `{name}` of shape {shape:?} needs {count} elements, has {found}"
                    )));
                }
            }
        }
        Ok(Self { name, datatype, shape, data, parameters: Parameters::new() })
    }

    /// A BYTES tensor of these elements.
    ///
    /// # Errors
    /// `InvalidRequest` when their number does not fit the shape, or one is longer than 4 GiB.
    pub fn of_bytes<T: AsRef<[u8]>>(
        name: impl Into<String>,
        shape: Vec<i64>,
        elements: impl IntoIterator<Item = T>,
    ) -> Result<Self, Error> {
        let mut data = BytesMut::new();
        for element in elements {
            let element = element.as_ref();
            let length = u32::try_from(element.len())
                .map_err(|_| Error::invalid("an element of a BYTES tensor is longer than 4 GiB"))?;
            data.put_u32_le(length);
            data.put_slice(element);
        }
        Self::new(name, DataType::Bytes, shape, data.freeze())
    }

    /// An FP32 tensor of these elements.
    ///
    /// # Errors
    /// `InvalidRequest` when their number does not fit the shape.
    pub fn of_f32(name: impl Into<String>, shape: Vec<i64>, elements: &[f32]) -> Result<Self, Error> {
        let data: Vec<u8> = elements.iter().flat_map(|element| element.to_le_bytes()).collect();
        Self::new(name, DataType::Fp32, shape, data.into())
    }

    /// The same tensor with options.
    #[must_use]
    pub fn with_parameters(mut self, parameters: Parameters) -> Self {
        self.parameters = parameters;
        self
    }

    /// The same tensor under another name.
    #[must_use]
    pub fn renamed(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its element type.
    pub fn datatype(&self) -> DataType {
        self.datatype
    }

    /// Its shape; never negative.
    pub fn shape(&self) -> &[i64] {
        &self.shape
    }

    /// Its packed little-endian bytes.
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// Its options.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// How many elements it has.
    pub fn len(&self) -> usize {
        match self.datatype.size() {
            Some(size) => self.data.len() / size,
            None => self.elements().count(),
        }
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The elements of a BYTES tensor, shared; nothing for any other datatype.
    pub fn elements(&self) -> impl Iterator<Item = Bytes> + '_ {
        let mut rest = if self.datatype == DataType::Bytes { self.data.clone() } else { Bytes::new() };
        std::iter::from_fn(move || {
            let length = u32::from_le_bytes(*rest.first_chunk()?) as usize;
            let element = rest.slice(4..4 + length);
            rest = rest.slice(4 + length..);
            Some(element)
        })
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor({:?} {} {:?}, {} bytes)", self.name, self.datatype, self.shape, self.data.len())
    }
}

/// The product of the extents; a scalar (an empty shape) has one element.
pub(crate) fn element_count(name: &str, shape: &[i64]) -> Result<usize, Error> {
    shape
        .iter()
        .try_fold(1_usize, |product, &extent| product.checked_mul(usize::try_from(extent).ok()?))
        .ok_or_else(|| Error::invalid(format!("tensor `{name}` has the impossible shape {shape:?}")))
}

/// Counts the elements of packed BYTES data, each of which must lie inside it.
fn check_elements(name: &str, mut data: &[u8]) -> Result<usize, Error> {
    let mut count = 0;
    while !data.is_empty() {
        data = data
            .split_first_chunk()
            .and_then(|(length, rest)| rest.get(u32::from_le_bytes(*length) as usize..))
            .ok_or_else(|| Error::invalid(format!("element {count} of BYTES tensor `{name}` reaches past the data")))?;
        count += 1;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_must_fit_the_shape() {
        let check = |datatype, shape: &[i64], bytes: usize, ok| {
            let made = Tensor::new("x", datatype, shape.to_vec(), vec![0; bytes].into());
            assert_eq!(made.is_ok(), ok, "{datatype} {shape:?} with {bytes} bytes");
        };
        check(DataType::Fp32, &[2, 3], 24, true);
        check(DataType::Fp32, &[2, 3], 23, false);
        check(DataType::Fp32, &[], 4, true);
        check(DataType::Fp32, &[0, 7], 0, true);
        check(DataType::Fp32, &[-1], 4, false);
        check(DataType::Fp64, &[i64::MAX, i64::MAX], 8, false);
        check(DataType::Fp64, &[i64::MAX / 2], 8, false);
        check(DataType::Bytes, &[2], 8, true);
        check(DataType::Bytes, &[1], 8, false);
        check(DataType::Bytes, &[1], 3, false);
    }

    #[test]
    fn elements_share_the_tensors_bytes() {
        let tensor = Tensor::of_bytes("s", vec![3], ["a", "", "\u{1f980}"]).unwrap();
        let elements: Vec<_> = tensor.elements().collect();
        assert_eq!(elements, ["a".as_bytes(), b"", "\u{1f980}".as_bytes()]);
        assert_eq!(elements[0].as_ptr(), tensor.data()[4..].as_ptr());
        assert_eq!(tensor.len(), 3);
    }

    #[test]
    fn datatypes_have_the_protocols_names() {
        for datatype in DataType::ALL {
            assert_eq!(datatype.as_str().parse::<DataType>().unwrap(), datatype);
            assert_eq!(serde_json::to_value(datatype).unwrap(), datatype.as_str());
        }
        assert!("FP8".parse::<DataType>().unwrap_err().message().contains("FP16"));
    }
}
