//! Looks at a GGUF header without trusting it: counts, lengths, types and tensor places are checked against the file's
//! size before anything is kept, so that a truncated or hostile file costs an error and not memory.
//!
//! [`Header`] holds what a listing needs. It does not read weights, and it skips the vocabulary: candle reads those
//! later, from a file that has passed here. The layout is that of <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.

use std::{
    collections::BTreeMap,
    io::{Read, Seek},
};

use crate::{
    Error, ErrorKind,
    ggml::{self, TensorType},
};

/// Longest text of the metadata that is kept (a chat template, at most): longer ones are skipped.
const KEPT_TEXT_BYTES: u64 = 1 << 20;
/// The format's own limit on a key.
const KEY_BYTES: u64 = 65_535;
/// Entries of one array: the largest vocabularies in use have 262,144.
const ARRAY_ENTRIES: u64 = 1 << 24;
/// Metadata entries: real files have under a hundred.
const METADATA_ENTRIES: u64 = 1 << 16;
/// Tensors: a mixture of experts with one tensor for each expert and layer stays far below.
const TENSORS: u64 = 1 << 18;
/// Arrays of arrays: nothing in use nests at all.
const DEPTH: u32 = 4;
/// The largest alignment of the tensor data that is believed.
const ALIGNMENT: u64 = 1 << 16;

/// What a GGUF file says about itself, checked against its size.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// The format's version: 1 to 3.
    pub version: u32,
    /// Keys and values; arrays keep their length alone, and texts above 1 MiB are left out.
    pub metadata: BTreeMap<String, Value>,
    /// Every tensor, in the file's order.
    pub tensors: Vec<Tensor>,
    /// Where the tensors' data begins, in bytes from the file's start.
    pub data_offset: u64,
    /// The file's size in bytes.
    pub file_bytes: u64,
}

/// One value of the metadata.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Any integer type.
    Integer(i128),
    /// A floating-point number.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A text, made valid UTF-8.
    Text(String),
    /// An array; its elements were checked and skipped.
    Array {
        /// Number of elements.
        len: u64,
    },
}

/// Where one tensor lies.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Its name, such as `blk.0.attn_q.weight`.
    pub name: String,
    /// Dimensions, the fastest-running first, as the file writes them.
    pub dims: Vec<u64>,
    /// How the elements are stored.
    pub kind: &'static TensorType,
    /// Place in bytes from [`Header::data_offset`].
    pub offset: u64,
    /// Length in bytes.
    pub bytes: u64,
}

impl Header {
    /// Reads and checks the header of a file of `file_bytes` bytes, from the reader's start.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] with what is wrong and where, for bytes that are not a sound GGUF header;
    /// [`ErrorKind::Server`] when reading itself fails.
    pub fn read(reader: impl Read + Seek, file_bytes: u64) -> Result<Self, Error> {
        Parser::new(reader, file_bytes)?.header()
    }

    /// The text under `key`, if there is one.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.metadata.get(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The non-negative integer under `key`, if there is one.
    pub fn integer(&self, key: &str) -> Option<u64> {
        match self.metadata.get(key) {
            Some(Value::Integer(value)) => u64::try_from(*value).ok(),
            _ => None,
        }
    }

    /// A hyperparameter of the file's own architecture: `hyper("block_count")` looks for `llama.block_count`.
    pub fn hyper(&self, name: &str) -> Option<u64> {
        self.integer(&format!("{}.{name}", self.architecture()))
    }

    /// `general.architecture`, or `unknown`.
    pub fn architecture(&self) -> &str {
        self.text("general.architecture").unwrap_or("unknown")
    }

    /// The tensor of that name.
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    /// How the weights are stored: the name of the file's mix, or of the type that most bytes have.
    pub fn quantization(&self) -> String {
        if let Some(name) = self.integer("general.file_type").and_then(ggml::file_type) {
            return name.to_owned();
        }
        let mut bytes = BTreeMap::new();
        for tensor in &self.tensors {
            *bytes.entry(tensor.kind.name).or_insert(0_u64) += tensor.bytes;
        }
        bytes.into_iter().max_by_key(|(_, bytes)| *bytes).map_or("none", |(name, _)| name).to_owned()
    }

    /// Number of weights.
    pub fn parameters(&self) -> u64 {
        self.tensors.iter().map(|tensor| tensor.elements()).sum()
    }
}

impl Tensor {
    /// Number of elements; was checked to fit.
    pub fn elements(&self) -> u64 {
        self.dims.iter().product()
    }
}

struct Parser<R> {
    reader: std::io::BufReader<R>,
    /// Bytes from the start, kept here since asking the reader costs a system call.
    at: u64,
    len: u64,
    /// Version 1 writes lengths in four bytes, later ones in eight.
    wide: bool,
}

impl<R: Read + Seek> Parser<R> {
    fn new(mut reader: R, len: u64) -> Result<Self, Error> {
        reader.rewind().map_err(unreadable)?;
        Ok(Self { reader: std::io::BufReader::new(reader), at: 0, len, wide: true })
    }

    fn header(mut self) -> Result<Header, Error> {
        if &self.array::<4>()? != b"GGUF" {
            return Err(bad("not a GGUF file: the first four bytes are not `GGUF`"));
        }
        let version = self.u32()?;
        if !(1..=3).contains(&version) {
            return Err(bad(format!(
                "GGUF version {version} is not known here, 1 to 3 are (big-endian files are not read)"
            )));
        }
        self.wide = version > 1;
        let prefix = self.length_bytes();
        // Smallest tensor: name length, dimensions, type, offset. Smallest entry: key length, type, one byte.
        let tensors = self.length()?;
        self.count("tensors", tensors, TENSORS, prefix + 16)?;
        let entries = self.length()?;
        self.count("metadata entries", entries, METADATA_ENTRIES, prefix + 5)?;
        let metadata = self.metadata(entries)?;
        let alignment = alignment(&metadata)?;
        let mut tensors = (0..tensors).map(|_| self.tensor()).collect::<Result<Vec<_>, _>>()?;
        let data_offset = self.at.next_multiple_of(alignment);
        for tensor in &mut tensors {
            self.place(tensor, data_offset, alignment)?;
        }
        Ok(Header { version, metadata, tensors, data_offset, file_bytes: self.len })
    }

    fn metadata(&mut self, entries: u64) -> Result<BTreeMap<String, Value>, Error> {
        let mut metadata = BTreeMap::new();
        for _ in 0..entries {
            let key_bytes = self.length()?;
            if key_bytes > KEY_BYTES {
                return Err(self.wrong(format!("a metadata key claims {key_bytes} bytes, {KEY_BYTES} are allowed")));
            }
            let key = self.text(key_bytes)?;
            let kind = self.u32()?;
            if let Some(value) = self.value(kind, DEPTH)? {
                metadata.insert(key, value);
            }
        }
        Ok(metadata)
    }

    /// `None` for a text too long to keep.
    fn value(&mut self, kind: u32, depth: u32) -> Result<Option<Value>, Error> {
        Ok(Some(match kind {
            0 => Value::Integer(self.array::<1>()?[0].into()),
            1 => Value::Integer(i8::from_le_bytes(self.array()?).into()),
            2 => Value::Integer(u16::from_le_bytes(self.array()?).into()),
            3 => Value::Integer(i16::from_le_bytes(self.array()?).into()),
            4 => Value::Integer(self.u32()?.into()),
            5 => Value::Integer(i32::from_le_bytes(self.array()?).into()),
            6 => Value::Float(f32::from_le_bytes(self.array()?).into()),
            7 => match self.array::<1>()?[0] {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                other => return Err(self.wrong(format!("a truth value is {other}, neither 0 nor 1"))),
            },
            8 => {
                let bytes = self.length()?;
                if bytes > KEPT_TEXT_BYTES {
                    self.skip(bytes)?;
                    return Ok(None);
                }
                Value::Text(self.text(bytes)?)
            }
            9 => Value::Array { len: self.elements(depth)? },
            10 => Value::Integer(u64::from_le_bytes(self.array()?).into()),
            11 => Value::Integer(i64::from_le_bytes(self.array()?).into()),
            12 => Value::Float(f64::from_le_bytes(self.array()?)),
            other => return Err(self.wrong(format!("unknown value type {other}"))),
        }))
    }

    /// Walks over an array and answers its length.
    fn elements(&mut self, depth: u32) -> Result<u64, Error> {
        let kind = self.u32()?;
        let len = self.length()?;
        let smallest = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            8 => self.length_bytes(),
            9 => self.length_bytes() + 4,
            10..=12 => 8,
            other => return Err(self.wrong(format!("unknown value type {other} in an array"))),
        };
        self.count("array elements", len, ARRAY_ENTRIES, smallest)?;
        match kind {
            8 => {
                for _ in 0..len {
                    let bytes = self.length()?;
                    self.skip(bytes)?;
                }
            }
            9 => {
                let depth = depth.checked_sub(1).ok_or_else(|| self.wrong("arrays nest too deeply".into()))?;
                for _ in 0..len {
                    self.elements(depth)?;
                }
            }
            _ => self.skip(len * smallest)?,
        }
        Ok(len)
    }

    fn tensor(&mut self) -> Result<Tensor, Error> {
        let bytes = self.length()?;
        if bytes > KEY_BYTES {
            return Err(self.wrong(format!("a tensor's name claims {bytes} bytes, {KEY_BYTES} are allowed")));
        }
        let name = self.text(bytes)?;
        let rank = self.u32()?;
        if !(1..=4).contains(&rank) {
            return Err(self.wrong(format!("tensor `{name}` has {rank} dimensions, 1 to 4 are possible")));
        }
        let dims = (0..rank).map(|_| self.length()).collect::<Result<Vec<_>, _>>()?;
        let kind = self.u32()?;
        let kind = ggml::tensor_type(kind).ok_or_else(|| {
            self.wrong(format!("tensor `{name}` has the unknown type {kind}; a newer llama.cpp may read it"))
        })?;
        let offset = u64::from_le_bytes(self.array()?);
        let bytes = kind.bytes(&dims).ok_or_else(|| {
            self.wrong(format!("tensor `{name}` of {dims:?} elements cannot be stored as {}", kind.name))
        })?;
        Ok(Tensor { name, dims, kind, offset, bytes })
    }

    fn place(&self, tensor: &Tensor, data_offset: u64, alignment: u64) -> Result<(), Error> {
        let Tensor { name, offset, bytes, .. } = tensor;
        if offset % alignment != 0 {
            return Err(bad(format!("tensor `{name}` begins at {offset}, which {alignment} does not divide")));
        }
        let end = data_offset.checked_add(*offset).and_then(|start| start.checked_add(*bytes));
        match end {
            Some(end) if end <= self.len => Ok(()),
            _ => Err(bad(format!(
                "tensor `{name}` needs {bytes} bytes at {offset} after byte {data_offset}, but the file ends at byte {}: \
                 it is truncated or damaged; fetch it again",
                self.len
            ))),
        }
    }

    /// Refuses a count that is unreasonable, or that the rest of the file cannot hold.
    fn count(&self, what: &str, count: u64, limit: u64, smallest_bytes: u64) -> Result<(), Error> {
        let rest = self.len.saturating_sub(self.at);
        if count > limit {
            return Err(self.wrong(format!("{count} {what} claimed, {limit} are allowed")));
        }
        if count.saturating_mul(smallest_bytes) > rest {
            return Err(self.wrong(format!("{count} {what} claimed, but {rest} bytes are left")));
        }
        Ok(())
    }

    fn text(&mut self, bytes: u64) -> Result<String, Error> {
        self.available(bytes)?;
        let mut text = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
        self.fill(&mut text)?;
        while text.last() == Some(&0) {
            text.pop();
        }
        Ok(String::from_utf8(text).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    fn skip(&mut self, bytes: u64) -> Result<(), Error> {
        self.available(bytes)?;
        self.reader.seek_relative(i64::try_from(bytes).unwrap_or(i64::MAX)).map_err(unreadable)?;
        self.at += bytes;
        Ok(())
    }

    fn length(&mut self) -> Result<u64, Error> {
        if self.wide { Ok(u64::from_le_bytes(self.array()?)) } else { Ok(self.u32()?.into()) }
    }

    fn length_bytes(&self) -> u64 {
        if self.wide { 8 } else { 4 }
    }

    fn u32(&mut self) -> Result<u32, Error> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        self.available(N as u64)?;
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        self.reader.read_exact(bytes).map_err(unreadable)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn available(&self, bytes: u64) -> Result<(), Error> {
        if bytes > self.len.saturating_sub(self.at) {
            return Err(self.wrong(format!("{bytes} more bytes claimed, but the file ends at byte {}", self.len)));
        }
        Ok(())
    }

    fn wrong(&self, what: String) -> Error {
        bad(format!("byte {} of the header: {what}; the file is truncated or damaged", self.at))
    }
}

fn alignment(metadata: &BTreeMap<String, Value>) -> Result<u64, Error> {
    match metadata.get("general.alignment") {
        None => Ok(32),
        Some(Value::Integer(value)) if (8..=i128::from(ALIGNMENT)).contains(value) && value & (value - 1) == 0 => {
            Ok(u64::try_from(*value).unwrap_or(ALIGNMENT))
        }
        Some(other) => Err(bad(format!("`general.alignment` is {other:?}, not a power of two from 8 to {ALIGNMENT}"))),
    }
}

fn bad(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidRequest, what)
}

fn unreadable(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Server, format!("the GGUF file could not be read: {error}")).caused_by(error)
}

#[cfg(test)]
mod tests;
