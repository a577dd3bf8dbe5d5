//! The reader that candle loads weights through: counts bytes, can be stopped, and shows some tensors otherwise than
//! the file has them.
//!
//! [`WeightReader`] appends made-up tensors after the file's end and points the table of contents there:
//! * `output.weight` becomes the identity (and `output.bias` zero), so that a family's forward pass gives the last hidden state in place of the
//!   logits. One set of weights then serves embeddings and generation; the real output matrix is applied by
//!   [`crate::model`].
//! * In a small model every quantised tensor is shown as F32. candle 0.11 multiplies quantised matrices on a pool that
//!   is shared by the whole process and waits at a barrier for every product; F32 products run on the caller's thread.

use std::{
    io::{self, Read, Seek, SeekFrom},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use candle_core::{
    Device, Shape,
    quantized::{
        GgmlDType,
        gguf_file::{Content, TensorInfo},
    },
};

/// The output matrix, under its name in every family.
pub(crate) const OUTPUT: &str = "output.weight";
/// The vectors of the tokens, under their name in every family; also the output matrix of files without one.
pub(crate) const EMBEDDINGS: &str = "token_embd.weight";
/// What few families add to its product.
pub(crate) const OUTPUT_BIAS: &str = "output.bias";

/// What can be read and sought: a file, or bytes in memory.
pub(crate) trait Source: Read + Seek + Send {}
impl<T: Read + Seek + Send> Source for T {}

/// Hears how many bytes of the file have been read, and may stop the reading.
#[derive(Clone)]
pub(crate) struct Watch {
    /// Called with the furthest byte reached.
    pub(crate) progress: Arc<dyn Fn(u64) + Send + Sync>,
    /// Set to stop at the next read.
    pub(crate) cancel: Arc<AtomicBool>,
}

/// A model file, with made-up tensors after its end.
pub(crate) struct WeightReader {
    file: Box<dyn Source>,
    file_bytes: u64,
    made: Vec<Made>,
    position: u64,
    furthest: u64,
    watch: Watch,
    /// The made-up tensor that was read last, since candle reads each in one go.
    cache: Option<(usize, Vec<u8>)>,
}

struct Made {
    start: u64,
    bytes: u64,
    what: What,
}

enum What {
    Identity {
        width: u64,
    },
    Zeros {
        count: u64,
    },
    /// A quantised tensor of the file, as F32; the offset is counted from the file's start.
    Unpacked {
        info: TensorInfo,
        data_offset: u64,
    },
}

impl WeightReader {
    pub(crate) fn new(file: Box<dyn Source>, file_bytes: u64, watch: Watch) -> Self {
        Self { file, file_bytes, made: Vec::new(), position: 0, furthest: 0, watch, cache: None }
    }

    /// Replaces the output matrix by the identity of `width` and its bias by zeros, and answers what stood there.
    pub(crate) fn hide_output(
        &mut self,
        content: &mut Content,
        width: usize,
    ) -> (Option<TensorInfo>, Option<TensorInfo>) {
        let identity = What::Identity { width: width as u64 };
        let identity = self.append(content, GgmlDType::F32, (width, width).into(), identity);
        let matrix = content.tensor_infos.insert(OUTPUT.into(), identity);
        let bias = content.tensor_infos.remove(OUTPUT_BIAS);
        if bias.is_some() {
            let zeros = self.append(content, GgmlDType::F32, width.into(), What::Zeros { count: width as u64 });
            content.tensor_infos.insert(OUTPUT_BIAS.into(), zeros);
        }
        (matrix, bias)
    }

    /// Shows every quantised tensor as F32.
    pub(crate) fn unpack_all(&mut self, content: &mut Content) {
        let data_offset = content.tensor_data_offset;
        let mut names: Vec<_> = content.tensor_infos.keys().cloned().collect();
        names.sort();
        for name in names {
            let Some(info) = content.tensor_infos.remove(&name) else { continue };
            let shown = if matches!(info.ggml_dtype, GgmlDType::F32 | GgmlDType::F16 | GgmlDType::BF16) {
                info
            } else {
                self.append(content, GgmlDType::F32, info.shape.clone(), What::Unpacked { info, data_offset })
            };
            content.tensor_infos.insert(name, shown);
        }
    }

    fn append(&mut self, content: &Content, ggml_dtype: GgmlDType, shape: Shape, what: What) -> TensorInfo {
        let start = self.end();
        self.made.push(Made { start, bytes: 4 * shape.elem_count() as u64, what });
        // A sound header has its data inside the file, so this never wraps.
        TensorInfo { ggml_dtype, shape, offset: start.saturating_sub(content.tensor_data_offset) }
    }

    fn end(&self) -> u64 {
        self.made.last().map_or(self.file_bytes, |made| made.start + made.bytes)
    }

    fn read_file(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // Not `Interrupted`, which `read_exact` would try again.
        if self.watch.cancel.load(Ordering::Relaxed) {
            return Err(io::Error::other("loading was cancelled"));
        }
        self.file.seek(SeekFrom::Start(self.position))?;
        let count = self.file.read(into)?;
        self.position += count as u64;
        if self.position > self.furthest {
            self.furthest = self.position;
            (self.watch.progress)(self.furthest);
        }
        Ok(count)
    }

    fn made_bytes(&mut self, index: usize) -> io::Result<Vec<u8>> {
        if let Some((cached, bytes)) = self.cache.take()
            && cached == index
        {
            return Ok(bytes);
        }
        let (info, data_offset) = match &self.made[index].what {
            What::Identity { width } => return Ok(identity(*width)),
            What::Zeros { count } => return Ok(vec![0; usize::try_from(4 * count).unwrap_or_default()]),
            What::Unpacked { info, data_offset } => (clone(info), *data_offset),
        };
        let here = self.position;
        let unpacked = info.read(&mut FileOnly(self), data_offset, &Device::Cpu).and_then(|tensor| {
            let values = tensor.dequantize(&Device::Cpu)?.flatten_all()?.to_vec1::<f32>()?;
            Ok(values.into_iter().flat_map(f32::to_le_bytes).collect())
        });
        self.position = here;
        unpacked.map_err(io::Error::other)
    }
}

impl Read for WeightReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.position < self.file_bytes {
            let rest = usize::try_from(self.file_bytes - self.position).unwrap_or(usize::MAX);
            let wanted = into.len().min(rest);
            return self.read_file(&mut into[..wanted]);
        }
        let Some(index) =
            self.made.iter().position(|made| (made.start..made.start + made.bytes).contains(&self.position))
        else {
            return Ok(0);
        };
        let bytes = self.made_bytes(index)?;
        let from = usize::try_from(self.position - self.made[index].start).map_err(io::Error::other)?;
        let count = into.len().min(bytes.len().saturating_sub(from));
        into[..count].copy_from_slice(&bytes[from..from + count]);
        self.position += count as u64;
        if from + count < bytes.len() {
            self.cache = Some((index, bytes));
        }
        Ok(count)
    }
}

impl Seek for WeightReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = sought(to, self.position, self.end())?;
        Ok(self.position)
    }
}

/// The file without what was made up: reading a tensor to unpack it must not find itself.
struct FileOnly<'a>(&'a mut WeightReader);

impl Read for FileOnly<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read_file(into)
    }
}

impl Seek for FileOnly<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.position = sought(to, self.0.position, self.0.file_bytes)?;
        Ok(self.0.position)
    }
}

fn sought(to: SeekFrom, here: u64, end: u64) -> io::Result<u64> {
    let place = match to {
        SeekFrom::Start(place) => Some(place),
        SeekFrom::Current(by) => here.checked_add_signed(by),
        SeekFrom::End(by) => end.checked_add_signed(by),
    };
    place.ok_or_else(|| io::Error::other("sought before the start"))
}

fn identity(width: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(usize::try_from(4 * width * width).unwrap_or_default());
    for row in 0..width {
        for column in 0..width {
            let value: f32 = if row == column { 1.0 } else { 0.0 };
            bytes.extend_from_slice(&value.to_le_bytes());
        }
    }
    bytes
}

fn clone(info: &TensorInfo) -> TensorInfo {
    TensorInfo { ggml_dtype: info.ggml_dtype, shape: info.shape.clone(), offset: info.offset }
}
