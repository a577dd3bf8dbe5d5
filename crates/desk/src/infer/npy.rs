//! NumPy's `.npy` files and tensors, both ways: [`read`] and [`write`](fn@write).
//!
//! Element types go to the datatype of the same width. Byte strings (`S`) and texts (`U`) become BYTES; BYTES become `S`.
//! NumPy has no BF16: it is written as `float32`, which holds every value of it exactly. Pickled objects, complex
//! numbers, dates and records are refused.
//!
//! Source of the format: NumPy Enhancement Proposal 1.

use std::io::Write;

use bytes::Bytes;
use longshore_core::{DataType, Error, Tensor};
use npyz::{DType, Endianness, NpyHeader, Order, TypeChar, TypeStr, WriteOptions, WriterBuilder};

/// What every `.npy` file begins with.
pub const MAGIC: &[u8] = b"\x93NUMPY";

/// The tensor in a file's bytes.
///
/// # Errors
/// `InvalidRequest` when it is no `.npy` file, is cut short, or holds what no tensor can.
pub fn read(name: &str, file: Bytes) -> Result<Tensor, Error> {
    let mut rest = &file[..];
    let header = NpyHeader::from_reader(&mut rest).map_err(|error| Error::invalid(format!("no .npy file: {error}")))?;
    let data = file.slice(file.len() - rest.len()..);
    let DType::Plain(kind) = header.dtype() else {
        return Err(Error::invalid("the array holds records; a tensor has one number or text per element"));
    };
    let shape = extents(header.shape())?;
    let count = header.shape().iter().try_fold(1_u64, |product, &extent| product.checked_mul(extent));
    let width = kind.num_bytes().filter(|_| !kind.uses_pickled_array());
    let width = width.ok_or_else(|| Error::invalid("the array holds Python objects; save numbers or byte strings"))?;
    let needed = count.and_then(|count| usize::try_from(count).ok()?.checked_mul(width));
    let data = match needed {
        Some(needed) if needed <= data.len() => data.slice(..needed),
        _ => return Err(Error::invalid(format!("the file is cut short: {} bytes of data", data.len()))),
    };
    let data = if header.order() == Order::Fortran { to_c_order(&data, header.shape(), width) } else { data };
    let is_big = kind.endianness() == Endianness::Big;
    match kind.type_char() {
        TypeChar::ByteStr => {
            Tensor::of_bytes(name, shape, elements(&data, width).map(|element| without_padding(element).to_vec()))
        }
        TypeChar::UnicodeStr => {
            let texts: Result<Vec<String>, Error> = elements(&data, width).map(|text| utf32(text, is_big)).collect();
            Tensor::of_bytes(name, shape, texts?)
        }
        _ => Tensor::new(name, datatype_of(&kind)?, shape, if is_big { swapped(&data, width) } else { data }),
    }
}

/// Writes the tensor as a file.
///
/// # Errors
/// `InvalidRequest` when NumPy could not tell an element from its padding; the writer's own, as `Server`.
pub fn write(tensor: &Tensor, file: &mut impl Write) -> Result<(), Error> {
    let (kind, data) = stored(tensor)?;
    let kind: TypeStr = kind.parse().map_err(|error| Error::invalid(format!("no .npy type {kind}: {error}")))?;
    let shape: Vec<u64> = tensor.shape().iter().map(|extent| extent.unsigned_abs()).collect();
    let written = WriteOptions::new_header_only()
        .dtype(DType::Plain(kind))
        .shape(&shape)
        .writer(&mut *file)
        .write_header_only()
        .and_then(|writer| writer.write_all(&data));
    written.map_err(|error| Error::invalid(format!("the file cannot be written: {error}")))
}

/// The `.npy` type of a tensor, and its data in it.
fn stored(tensor: &Tensor) -> Result<(String, Bytes), Error> {
    let kind = match tensor.datatype() {
        DataType::Bool => "|b1",
        DataType::Uint8 => "|u1",
        DataType::Int8 => "|i1",
        DataType::Uint16 => "<u2",
        DataType::Uint32 => "<u4",
        DataType::Uint64 => "<u8",
        DataType::Int16 => "<i2",
        DataType::Int32 => "<i4",
        DataType::Int64 => "<i8",
        DataType::Fp16 => "<f2",
        DataType::Fp32 => "<f4",
        DataType::Fp64 => "<f8",
        // A BF16 is the upper half of the FP32 of the same value.
        DataType::Bf16 => {
            let wide: Vec<u8> = elements(tensor.data(), 2).flat_map(|half| [0, 0, half[0], half[1]]).collect();
            return Ok(("<f4".into(), wide.into()));
        }
        DataType::Bytes => return padded(tensor),
    };
    Ok((kind.into(), tensor.data().clone()))
}

/// Byte strings of one width, filled up with zeros.
fn padded(tensor: &Tensor) -> Result<(String, Bytes), Error> {
    let width = tensor.elements().map(|element| element.len()).max().unwrap_or(0).max(1);
    let mut data = Vec::with_capacity(width * tensor.len());
    for (index, element) in tensor.elements().enumerate() {
        if element.last() == Some(&0) {
            return Err(Error::invalid(format!("element {index} ends in a zero byte, which NumPy takes for padding")));
        }
        data.extend_from_slice(&element);
        data.resize(width * (index + 1), 0);
    }
    Ok((format!("|S{width}"), data.into()))
}

fn datatype_of(kind: &TypeStr) -> Result<DataType, Error> {
    Ok(match (kind.type_char(), kind.size_field()) {
        (TypeChar::Bool, 1) => DataType::Bool,
        (TypeChar::Uint, 1) => DataType::Uint8,
        (TypeChar::Uint, 2) => DataType::Uint16,
        (TypeChar::Uint, 4) => DataType::Uint32,
        (TypeChar::Uint, 8) => DataType::Uint64,
        (TypeChar::Int, 1) => DataType::Int8,
        (TypeChar::Int, 2) => DataType::Int16,
        (TypeChar::Int, 4) => DataType::Int32,
        (TypeChar::Int, 8) => DataType::Int64,
        (TypeChar::Float, 2) => DataType::Fp16,
        (TypeChar::Float, 4) => DataType::Fp32,
        (TypeChar::Float, 8) => DataType::Fp64,
        // What `ml_dtypes.bfloat16` is saved as.
        (TypeChar::RawData, 2) => DataType::Bf16,
        _ => return Err(Error::invalid(format!("no tensor has elements of NumPy's type {kind}"))),
    })
}

fn extents(shape: &[u64]) -> Result<Vec<i64>, Error> {
    let extents: Result<_, _> = shape.iter().map(|&extent| i64::try_from(extent)).collect();
    extents.map_err(|_| Error::invalid(format!("the array has the impossible shape {shape:?}")))
}

/// Elements of `width` bytes; of no bytes, nothing.
fn elements(data: &[u8], width: usize) -> impl Iterator<Item = &[u8]> {
    data.chunks_exact(width.max(1))
}

fn without_padding(element: &[u8]) -> &[u8] {
    let end = element.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    &element[..end]
}

fn utf32(element: &[u8], is_big: bool) -> Result<String, Error> {
    let points = element.as_chunks::<4>().0.iter();
    let points: Vec<u32> =
        points.map(|&p| if is_big { u32::from_be_bytes(p) } else { u32::from_le_bytes(p) }).collect();
    let end = points.iter().rposition(|&point| point != 0).map_or(0, |last| last + 1);
    let text: Option<String> = points[..end].iter().map(|&point| char::from_u32(point)).collect();
    text.ok_or_else(|| Error::invalid("a text of the array holds something that is no Unicode character"))
}

fn swapped(data: &[u8], width: usize) -> Bytes {
    elements(data, width).flat_map(|element| element.iter().rev().copied()).collect()
}

/// From the first index running fastest to the last one running fastest.
fn to_c_order(data: &[u8], shape: &[u64], width: usize) -> Bytes {
    let mut out = Vec::with_capacity(data.len());
    let mut index = vec![0_u64; shape.len()];
    for _ in 0..data.len() / width.max(1) {
        let at = index.iter().zip(shape).rev().fold(0, |at, (&i, &extent)| at * extent + i) as usize;
        out.extend_from_slice(&data[at * width..(at + 1) * width]);
        for (i, &extent) in index.iter_mut().zip(shape).rev() {
            *i += 1;
            if *i < extent {
                break;
            }
            *i = 0;
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn npy(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Bytes {
        let order = if fortran { "True" } else { "False" };
        let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend_from_slice(&(header.len() as u16).to_le_bytes());
        file.extend_from_slice(header.as_bytes());
        file.extend_from_slice(data);
        file.into()
    }

    fn check(descr: &str, fortran: bool, shape: &str, data: &[u8], datatype: DataType, extents: &[i64], json: Value) {
        let tensor = read("x", npy(descr, fortran, shape, data)).unwrap();
        assert_eq!((tensor.datatype(), tensor.shape()), (datatype, extents), "{descr}");
        assert_eq!(tensor.to_json().unwrap(), json, "{descr}");
    }

    #[test]
    fn types_orders_and_byte_orders() {
        check("<f4", false, "(2,)", &[0, 0, 128, 63, 0, 0, 0, 64], DataType::Fp32, &[2], json!([1.0, 2.0]));
        check(">f4", false, "(1,)", &[63, 128, 0, 0], DataType::Fp32, &[1], json!([1.0]));
        check("|b1", false, "(2,)", &[1, 0], DataType::Bool, &[2], json!([true, false]));
        check("<f2", false, "()", &[0, 60], DataType::Fp16, &[], json!([1.0]));
        check("|V2", false, "(1,)", &[128, 63], DataType::Bf16, &[1], json!([1.0]));
        check("<i8", false, "(1,)", &[255; 8], DataType::Int64, &[1], json!([-1]));
        check("|u1", true, "(2, 3)", &[0, 3, 1, 4, 2, 5], DataType::Uint8, &[2, 3], json!([0, 1, 2, 3, 4, 5]));
        check("|S3", false, "(2,)", b"ab\0cde", DataType::Bytes, &[2], json!(["ab", "cde"]));
        check("<U2", false, "(1,)", &[233, 0, 0, 0, 0, 0, 0, 0], DataType::Bytes, &[1], json!(["é"]));
        check(">U1", false, "(1,)", &[0, 1, 0xf9, 0x80], DataType::Bytes, &[1], json!(["🦀"]));
        check("<f4", false, "(0, 3)", &[], DataType::Fp32, &[0, 3], json!([]));
    }

    #[test]
    fn what_is_no_tensor_is_refused() {
        let refused = |file: Bytes, part: &str| {
            let error = read("x", file).unwrap_err();
            assert!(error.message().contains(part), "no {part:?} in {error}");
        };
        refused(Bytes::from_static(b"PK\x03\x04"), "no .npy file");
        refused(npy("<f4", false, "(2,)", &[0; 4]), "cut short");
        refused(npy("|O", false, "(1,)", b"\x80\x04."), "Python objects");
        refused(npy("<c8", false, "(1,)", &[0; 8]), "c8");
        refused(npy("<M8[ns]", false, "(1,)", &[0; 8]), "M8");
    }

    #[test]
    fn every_datatype_survives_a_file() {
        for datatype in DataType::ALL {
            let data = if datatype == DataType::Bytes { json!(["a", "", "é"]) } else { json!([1, 0, 1]) };
            let tensor = Tensor::from_json("x", datatype, vec![3, 1], &data).unwrap();
            let mut file = Vec::new();
            write(&tensor, &mut file).unwrap();
            let back = read("x", file.into()).unwrap();
            assert_eq!(back.shape(), tensor.shape());
            if datatype == DataType::Bf16 {
                assert_eq!(back.to_f32(), tensor.to_f32());
            } else {
                assert_eq!(back, tensor, "{datatype}");
            }
        }
        let padded = Tensor::of_bytes("x", vec![1], [b"a\0"]).unwrap();
        assert!(write(&padded, &mut Vec::new()).is_err());
    }
}
