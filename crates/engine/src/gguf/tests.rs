//! Sound headers are read, hostile ones refused, and nothing panics.

use std::io::Cursor;

use proptest::prelude::*;

use super::*;
use crate::builtin;

fn read(bytes: &[u8]) -> Result<Header, Error> {
    Header::read(Cursor::new(bytes), bytes.len() as u64)
}

#[test]
fn the_built_in_header_is_read() {
    let header = read(builtin::GGUF).unwrap();
    assert_eq!(header.architecture(), "llama");
    assert_eq!(header.quantization(), "Q8_0");
    assert_eq!(header.hyper("block_count"), Some(4));
    assert_eq!(header.parameters(), 935_040);
    assert_eq!(header.metadata["tokenizer.ggml.tokens"], Value::Array { len: 1024 });
    assert_eq!(header.tensors.len(), 38);
}

/// Bytes from the start of the file to the first tensor's data.
fn head() -> usize {
    usize::try_from(read(builtin::GGUF).unwrap().data_offset).unwrap()
}

#[test]
fn hostile_headers_are_refused() {
    let counts = |tensors: u64, entries: u64| {
        [b"GGUF".as_slice(), &3_u32.to_le_bytes(), &tensors.to_le_bytes(), &entries.to_le_bytes()].concat()
    };
    let entry = |kind: u32, rest: &[u8]| {
        [counts(0, 1), 1_u64.to_le_bytes().to_vec(), b"k".to_vec(), kind.to_le_bytes().to_vec(), rest.to_vec()].concat()
    };
    let array = |kind: u32, len: u64| entry(9, &[&kind.to_le_bytes()[..], &len.to_le_bytes(), &[0; 64]].concat());
    let padded = |mut bytes: Vec<u8>| {
        bytes.resize(4096, 0);
        bytes
    };
    let nested = padded(entry(
        9,
        &(0..40)
            .flat_map(|_| [9_u32.to_le_bytes().to_vec(), 1_u64.to_le_bytes().to_vec()].concat())
            .collect::<Vec<_>>(),
    ));
    let alignment = |value: u32| {
        let key = b"general.alignment";
        padded(
            [
                counts(0, 1),
                (key.len() as u64).to_le_bytes().to_vec(),
                key.to_vec(),
                4_u32.to_le_bytes().to_vec(),
                value.to_le_bytes().to_vec(),
            ]
            .concat(),
        )
    };
    let tensor = |dims: &[u64], kind: u32, offset: u64| {
        let dims_bytes: Vec<u8> = dims.iter().flat_map(|dim| dim.to_le_bytes()).collect();
        padded(
            [
                counts(1, 0),
                1_u64.to_le_bytes().to_vec(),
                b"t".to_vec(),
                (dims.len() as u32).to_le_bytes().to_vec(),
                dims_bytes,
                kind.to_le_bytes().to_vec(),
                offset.to_le_bytes().to_vec(),
            ]
            .concat(),
        )
    };
    for (bytes, expected) in [
        (b"".to_vec(), "file ends"),
        (b"PK\x03\x04 a zip".to_vec(), "not a GGUF file"),
        ([b"GGUF".as_slice(), &9_u32.to_be_bytes()].concat(), "version"),
        (counts(u64::MAX, 0), "tensors claimed"),
        (counts(1000, 0), "bytes are left"),
        (counts(0, u64::MAX), "metadata entries claimed"),
        (entry(8, &u64::MAX.to_le_bytes()), "file ends"),
        (entry(7, &[2]), "truth value"),
        (entry(77, &[0; 9]), "unknown value type 77"),
        (array(77, 1), "unknown value type 77"),
        (array(0, u64::MAX), "array elements claimed"),
        (array(12, 1 << 20), "bytes are left"),
        (nested, "nest too deeply"),
        (alignment(0), "alignment"),
        (alignment(3), "alignment"),
        (alignment(1 << 30), "alignment"),
        (tensor(&[], 0, 0), "0 dimensions"),
        (tensor(&[1; 9], 0, 0), "9 dimensions"),
        (tensor(&[u64::MAX, u64::MAX], 0, 0), "cannot be stored"),
        (tensor(&[33], 8, 0), "cannot be stored"),
        (tensor(&[4], 1000, 0), "unknown type 1000"),
        (tensor(&[1 << 20], 0, 0), "truncated"),
        (tensor(&[4], 0, u64::MAX - 31), "truncated"),
        (tensor(&[4], 0, 7), "does not divide"),
    ] {
        let error = read(&bytes).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error:?} should speak of {expected:?}");
    }
}

#[test]
fn every_truncation_is_refused() {
    for end in (0..head()).step_by(97).chain([head(), builtin::GGUF.len() - 1]) {
        assert!(read(&builtin::GGUF[..end]).is_err(), "a file cut at byte {end} passed");
    }
}

proptest! {
    /// Whatever bytes of the header change, there is an answer, and what passes lies inside the file.
    #[test]
    fn mutated_headers_never_panic(changes in prop::collection::vec((0..head(), any::<u8>()), 1..8)) {
        let mut bytes = builtin::GGUF.to_vec();
        for (at, value) in changes {
            bytes[at] = value;
        }
        if let Ok(header) = read(&bytes) {
            for tensor in &header.tensors {
                prop_assert!(header.data_offset + tensor.offset + tensor.bytes <= bytes.len() as u64);
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = read(&[b"GGUF\x03\0\0\0".as_slice(), &bytes].concat());
    }
}
