//! The families of models that candle runs from GGUF, as a table: adding one is one line.
//!
//! [`Weights`] is a model ready to run; [`FAMILIES`] says which architectures become one, and within which limits.
//! [`check`] refuses the rest from the header alone, before anything is allocated.

use std::{
    collections::HashMap,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use candle_core::{DType, Device, Result as Candle, Tensor, quantized::gguf_file::Content};
use candle_transformers::models::{
    quantized_gemma3, quantized_glm4, quantized_llama, quantized_phi, quantized_phi3, quantized_qwen2, quantized_qwen3,
};

use crate::{
    Error, ErrorKind,
    gguf::Header,
    weights::{EMBEDDINGS, OUTPUT, WeightReader},
};

/// A model's weights.
pub(crate) trait Weights: Send + Sync {
    /// Begins a conversation, which has a cache of its own. Where candle cannot share the weights it waits for the one
    /// before, and asks `go_on` meanwhile.
    ///
    /// # Errors
    /// Whatever `go_on` answers.
    fn conversation(&self, go_on: &mut dyn FnMut() -> Result<(), Error>) -> Result<Box<dyn Forward>, Error>;
}

/// One conversation with a model.
pub(crate) trait Forward: Send {
    /// Feeds tokens (one row) that stand at position `at`, and answers the last one's output. Position 0 begins anew.
    fn forward(&mut self, tokens: &Tensor, at: usize) -> Candle<Tensor>;
}

/// How candle runs an architecture.
pub(crate) struct Family {
    /// `general.architecture`.
    pub(crate) name: &'static str,
    /// More positions than this are not computed right, or cost absurd memory; shorter files keep their own limit.
    pub(crate) max_context: usize,
    /// May a prompt be fed in several pieces?
    pub(crate) pieces: bool,
    /// What a user of it should know; shown with the model.
    pub(crate) note: Option<&'static str>,
    /// Bytes of tables that candle computes at load, for these hyperparameters.
    tables: fn(&Shape) -> u64,
    /// Loads the weights.
    pub(crate) load: fn(Content, &mut WeightReader, &Device) -> Candle<Box<dyn Weights>>,
}

/// Every family that runs here. candle's `lfm2` and `qwen3moe` are missing: candle 0.11 neither
/// shares their weights nor resets their caches.
pub(crate) static FAMILIES: &[Family] = &[
    Family {
        name: "llama",
        max_context: quantized_llama::MAX_SEQ_LEN,
        pieces: true,
        note: None,
        tables: |shape| rope(quantized_llama::MAX_SEQ_LEN as u64, shape.rope),
        load: |content, reader, device| {
            Ok(shared(quantized_llama::ModelWeights::from_gguf(content, reader, device)?, |model, tokens, at| {
                model.forward(tokens, at)
            }))
        },
    },
    Family {
        name: "qwen2",
        max_context: 32_768,
        pieces: true,
        note: Some("candle 0.11 cannot share these weights between conversations: one request is computed at a time"),
        tables: |shape| rope(shape.context, shape.head),
        load: |content, reader, device| {
            Ok(lone(quantized_qwen2::ModelWeights::from_gguf(content, reader, device)?, |model, tokens, at| {
                model.forward(tokens, at)
            }))
        },
    },
    Family {
        name: "qwen3",
        max_context: 40_960,
        pieces: true,
        note: None,
        // The tables are kept twice, and each layer begins with a cache for 4096 positions.
        tables: |shape| 2 * rope(shape.context, shape.head) + shape.layers * shape.kv_heads * 2 * shape.head * 4096 * 4,
        load: |content, reader, device| {
            Ok(shared(quantized_qwen3::ModelWeights::from_gguf(content, reader, device)?, |model, tokens, at| {
                model.forward(tokens, at)
            }))
        },
    },
    Family {
        name: "phi2",
        max_context: 2_048,
        pieces: true,
        note: None,
        tables: |shape| rope(4_096, shape.rope),
        load: |content, reader, device| {
            Ok(shared(quantized_phi::ModelWeights::from_gguf(content, reader, device)?, |model, tokens, at| {
                model.forward(tokens, at)
            }))
        },
    },
    Family {
        name: "phi3",
        // candle ignores the factors that stretch the positions of the long-context variants.
        max_context: 4_096,
        pieces: true,
        note: None,
        tables: |shape| rope(shape.context, shape.rope),
        load: |content, reader, device| {
            Ok(shared(quantized_phi3::ModelWeights::from_gguf(false, content, reader, device)?, |model, tokens, at| {
                model.forward(tokens, at)
            }))
        },
    },
    Family {
        name: "gemma3",
        max_context: 8_192,
        // The mask of a later piece hides everything before it.
        pieces: false,
        note: Some(
            "candle 0.11 computes gemma3 with a slightly wrong activation (huggingface/candle#3745); answers are worse than the model's own",
        ),
        tables: |shape| shape.layers * rope(quantized_gemma3::MAX_SEQ_LEN as u64, shape.head),
        load: |content, reader, device| {
            Ok(shared(quantized_gemma3::ModelWeights::from_gguf(content, reader, device)?, |model, tokens, at| {
                model.forward(tokens, at)
            }))
        },
    },
    Family {
        name: "glm4",
        max_context: 32_768,
        pieces: true,
        note: None,
        tables: |shape| rope(shape.context, shape.head),
        load: |content, reader, device| {
            Ok(shared(
                quantized_glm4::ModelWeights::from_gguf(content, reader, device, DType::F32)?,
                |model, tokens, at| model.forward(tokens, at),
            ))
        },
    },
];

/// The hyperparameters that sizes follow from; all are checked to be sane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shape {
    pub(crate) width: u64,
    pub(crate) layers: u64,
    pub(crate) heads: u64,
    pub(crate) kv_heads: u64,
    /// Components of one head.
    pub(crate) head: u64,
    /// Components of a head that carry the position.
    pub(crate) rope: u64,
    pub(crate) feed_forward: u64,
    /// Positions that this engine uses.
    pub(crate) context: u64,
    pub(crate) vocabulary: u64,
}

impl Shape {
    /// Bytes of cache that one conversation of full length needs.
    pub(crate) fn cache_bytes(&self) -> u64 {
        2 * 4 * self.layers * self.kv_heads * self.head * self.context
    }
}

/// Can this file run here, and in which shape?
///
/// # Errors
/// [`ErrorKind::Unsupported`] with the architecture, the quantization and what would run it;
/// [`ErrorKind::InvalidRequest`] for hyperparameters that cannot be.
pub(crate) fn check(header: &Header) -> Result<(&'static Family, Shape), Error> {
    let architecture = header.architecture();
    let refuse = |why: String| {
        Error::new(
            ErrorKind::Unsupported,
            format!(
                "{why} (architecture `{architecture}`, quantization {}); llama.cpp's llama-server runs it: start that and add it as a server",
                header.quantization()
            ),
        )
    };
    let family = FAMILIES.iter().find(|family| family.name == architecture).ok_or_else(|| {
        let known: Vec<_> = FAMILIES.iter().map(|family| family.name).collect();
        refuse(format!("the engine has no such architecture, only {}", known.join(", ")))
    })?;
    if let Some(tensor) = header.tensors.iter().find(|tensor| !tensor.kind.runs) {
        return Err(refuse(format!(
            "the engine cannot compute with {}, as in tensor `{}`",
            tensor.kind.name, tensor.name
        )));
    }
    if header.integer("split.count").is_some_and(|parts| parts > 1) {
        return Err(refuse("the model is split over several files, which the engine does not join".into()));
    }
    if header.hyper("expert_count").is_some_and(|experts| experts > 0) {
        return Err(refuse("the model is a mixture of experts, which the engine does not run".into()));
    }
    let shape = shape(header, family)?;
    let tensors = header.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
    for layer in 0..shape.layers {
        check_layer(&tensors, &shape, layer)?;
    }
    let bytes = resident_bytes(header, family, &shape, true);
    if bytes > header.file_bytes.saturating_mul(64).saturating_add(UNEXPLAINED_BYTES) {
        return Err(bad(format!(
            "it would take {bytes} bytes of memory, which its {} bytes do not explain",
            header.file_bytes
        )));
    }
    Ok((family, shape))
}

/// Tables that a small file may ask for: 4 GiB, since gemma3's have that order of magnitude.
const UNEXPLAINED_BYTES: u64 = 4 << 30;

/// Are the layer's attention matrices as large as the heads? Ties what candle allocates by the hyperparameters to what
/// the file holds.
fn check_layer(tensors: &HashMap<&str, &crate::gguf::Tensor>, shape: &Shape, layer: u64) -> Result<(), Error> {
    let (queries, keys) = (shape.heads * shape.head, shape.kv_heads * shape.head);
    let matrices: &[(&str, u64)] =
        &[("attn_qkv", queries + 2 * keys), ("attn_q", queries), ("attn_k", keys), ("attn_v", keys)];
    let mut found = 0;
    for (name, rows) in matrices {
        let name = format!("blk.{layer}.{name}.weight");
        let Some(tensor) = tensors.get(name.as_str()) else { continue };
        if tensor.dims != [shape.width, *rows] {
            return Err(bad(format!(
                "tensor `{name}` is {:?}, but the model's heads need [{}, {rows}]",
                tensor.dims, shape.width
            )));
        }
        found += 1;
    }
    if found == 0 {
        return Err(bad(format!("layer {layer} of {} has no attention tensors", shape.layers)));
    }
    Ok(())
}

/// Bytes that a model takes once loaded: its weights as they are kept, and candle's tables. `unpacked`: as F32.
pub(crate) fn resident_bytes(header: &Header, family: &Family, shape: &Shape, unpacked: bool) -> u64 {
    let kept = |tensor: &crate::gguf::Tensor| {
        if unpacked || tensor.kind.block == 1 { 4 * tensor.elements() } else { tensor.bytes }
    };
    let mut bytes = 4 * shape.width * shape.width + (family.tables)(shape);
    for tensor in &header.tensors {
        // candle looks tokens up in F32, whatever the file has.
        bytes += if tensor.name == EMBEDDINGS { 4 * tensor.elements() } else { kept(tensor) };
    }
    if header.tensor(OUTPUT).is_none() {
        bytes += header.tensor(EMBEDDINGS).map_or(0, kept);
    }
    bytes
}

/// Reads the hyperparameters, with bounds that keep every product below 2⁶³ and every table affordable.
fn shape(header: &Header, family: &Family) -> Result<Shape, Error> {
    let architecture = family.name;
    let bounded = |name: &str, value: Option<u64>, most: u64| match value {
        Some(value) if (1..=most).contains(&value) => Ok(value),
        Some(value) => Err(bad(format!("`{architecture}.{name}` is {value}; 1 to {most} make sense"))),
        None => Err(bad(format!("`{architecture}.{name}` is missing"))),
    };
    let hyper = |name: &str, most| bounded(name, header.hyper(name), most);
    let optional = |name: &str, most, default| bounded(name, header.hyper(name).or(Some(default)), most);
    let width = hyper("embedding_length", 1 << 15)?;
    let layers = hyper("block_count", 512)?;
    let heads = hyper("attention.head_count", 1024)?;
    let kv_heads = optional("attention.head_count_kv", 1024, heads)?;
    if heads % kv_heads != 0 || (header.hyper("attention.key_length").is_none() && width % heads != 0) {
        return Err(bad(format!("{heads} heads of {kv_heads} keys do not divide a width of {width}")));
    }
    let head = optional("attention.key_length", 1024, width / heads)?;
    let rope = optional("rope.dimension_count", 1024, head)?;
    let feed_forward = optional("feed_forward_length", 1 << 18, 4 * width)?;
    let context = hyper("context_length", u64::from(u32::MAX))?.min(family.max_context as u64);
    let embeddings = header.tensor(EMBEDDINGS).ok_or_else(|| bad("tensor `token_embd.weight` is missing"))?;
    let [columns, vocabulary] = embeddings.dims[..] else {
        return Err(bad("tensor `token_embd.weight` is no matrix"));
    };
    if columns != width || vocabulary == 0 {
        return Err(bad(format!("tensor `token_embd.weight` is {columns} wide and the model {width}")));
    }
    Ok(Shape { width, layers, heads, kv_heads, head, rope, feed_forward, context, vocabulary })
}

/// Bytes of the two position tables.
fn rope(positions: u64, components: u64) -> u64 {
    4 * positions * components
}

fn bad(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidRequest, what)
}

struct Shared<M> {
    model: M,
    step: Step<M>,
}

type Step<M> = fn(&mut M, &Tensor, usize) -> Candle<Tensor>;

fn shared<M: Clone + Send + Sync + 'static>(model: M, step: Step<M>) -> Box<dyn Weights> {
    Box::new(Shared { model, step })
}

impl<M: Clone + Send + Sync + 'static> Weights for Shared<M> {
    fn conversation(&self, _: &mut dyn FnMut() -> Result<(), Error>) -> Result<Box<dyn Forward>, Error> {
        Ok(Box::new(Self { model: self.model.clone(), step: self.step }))
    }
}

impl<M: Send> Forward for Shared<M> {
    fn forward(&mut self, tokens: &Tensor, at: usize) -> Candle<Tensor> {
        (self.step)(&mut self.model, tokens, at)
    }
}

/// Weights that candle cannot share: one conversation has them at a time, and the others wait.
struct Lone<M> {
    free: Arc<(Mutex<Option<M>>, Condvar)>,
    step: Step<M>,
}

fn lone<M: Send + 'static>(model: M, step: Step<M>) -> Box<dyn Weights> {
    Box::new(Lone { free: Arc::new((Mutex::new(Some(model)), Condvar::new())), step })
}

/// How often one who waits asks whether it is still worth it.
const IMPATIENCE: Duration = Duration::from_millis(50);

impl<M: Send + 'static> Weights for Lone<M> {
    fn conversation(&self, go_on: &mut dyn FnMut() -> Result<(), Error>) -> Result<Box<dyn Forward>, Error> {
        let (model, freed) = &*self.free;
        let mut model = model.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(model) = model.take() {
                return Ok(Box::new(Borrowed { model: Some(model), free: self.free.clone(), step: self.step }));
            }
            go_on()?;
            model = freed.wait_timeout(model, IMPATIENCE).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

struct Borrowed<M> {
    /// There until it is dropped.
    model: Option<M>,
    free: Arc<(Mutex<Option<M>>, Condvar)>,
    step: Step<M>,
}

impl<M: Send> Forward for Borrowed<M> {
    fn forward(&mut self, tokens: &Tensor, at: usize) -> Candle<Tensor> {
        match &mut self.model {
            Some(model) => (self.step)(model, tokens, at),
            None => candle_core::bail!("the weights were given back"),
        }
    }
}

impl<M> Drop for Borrowed<M> {
    fn drop(&mut self) {
        *self.free.0.lock().unwrap_or_else(PoisonError::into_inner) = self.model.take();
        self.free.1.notify_one();
    }
}

#[cfg(test)]
mod tests;
