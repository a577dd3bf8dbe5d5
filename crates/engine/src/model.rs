//! A loaded model: weights, vocabulary and template, shared by the requests that run it.
//!
//! [`Model::load`] makes one from a checked file; [`Model::session`] starts a conversation, which has a cache of its
//! own. What to do with the tokens is [`crate::generate`]'s affair.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::Ordering,
};

use candle_core::{
    Device, Module, Result as Candle, Tensor,
    quantized::{
        QMatMul,
        gguf_file::{Content, TensorInfo, Value},
    },
};

use crate::{
    Error, ErrorKind,
    family::{self, Family, Forward, Shape, Weights},
    gguf::Header,
    template::ChatTemplate,
    tokenizer::Tokenizer,
    weights::{EMBEDDINGS, Source, Watch, WeightReader},
};

/// Up to this many bytes of F32 weights a model is small: it is unpacked, and one thread computes a request.
const SMALL_BYTES: u64 = 64 << 20;

/// A model that can answer.
pub(crate) struct Model {
    weights: Box<dyn Weights>,
    head: Head,
    shape: Shape,
    piece: usize,
    /// Its vocabulary.
    pub(crate) tokenizer: Tokenizer,
    /// Its chat template, if the file has one.
    pub(crate) template: Option<ChatTemplate>,
    /// Does one thread compute a request?
    pub(crate) small: bool,
}

/// What a file will cost and do, told from its header.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) family: &'static Family,
    pub(crate) shape: Shape,
    pub(crate) small: bool,
    /// Bytes once loaded, without conversations.
    pub(crate) resident_bytes: u64,
}

impl Plan {
    /// # Errors
    /// As [`family::check`].
    pub(crate) fn new(header: &Header) -> Result<Self, Error> {
        let (family, shape) = family::check(header)?;
        let small = header.parameters().saturating_mul(4) <= SMALL_BYTES;
        let resident_bytes = family::resident_bytes(header, family, &shape, small);
        Ok(Self { family, shape, small, resident_bytes })
    }
}

impl Model {
    /// Loads the weights of a file that was planned. Blocks; `watch` hears of every read and can stop it.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`] when stopped; [`ErrorKind::InvalidRequest`] for a file that does not hold what its
    /// header promises; never a panic.
    pub(crate) fn load(file: Box<dyn Source>, file_bytes: u64, plan: &Plan, watch: Watch) -> Result<Self, Error> {
        let cancel = watch.cancel.clone();
        // candle checks most of what it is given; what it does not must not take the process down.
        let loaded = catch_unwind(AssertUnwindSafe(|| Self::load_unguarded(file, file_bytes, plan, watch)));
        match loaded {
            Ok(Err(_)) if cancel.load(Ordering::Relaxed) => {
                Err(Error::new(ErrorKind::Cancelled, "loading was cancelled"))
            }
            Ok(result) => result,
            Err(_) => Err(bad("its weights do not have the form that its header promises (candle panicked)")),
        }
    }

    fn load_unguarded(file: Box<dyn Source>, file_bytes: u64, plan: &Plan, watch: Watch) -> Result<Self, Error> {
        let device = Device::Cpu;
        let mut reader = WeightReader::new(file, file_bytes, watch);
        let mut content = Content::read(&mut std::io::BufReader::new(&mut reader)).map_err(unloadable)?;
        let tokenizer = Tokenizer::from_gguf(&content)?;
        if tokenizer.size() as u64 > plan.shape.vocabulary {
            return Err(bad(format!("{} tokens have only {} embeddings", tokenizer.size(), plan.shape.vocabulary)));
        }
        let template = chat_template(&content, &tokenizer)?;
        amend(&mut content, plan);
        if plan.small {
            reader.unpack_all(&mut content);
        }
        let output = reader.hide_output(&mut content, usize::try_from(plan.shape.width).unwrap_or_default());
        let head = Head::load(&content, output, &mut reader).map_err(unloadable)?;
        // The vocabulary's texts are the largest part of the metadata, and candle's models do not want them.
        content.metadata.retain(|key, _| !key.starts_with("tokenizer."));
        let weights = (plan.family.load)(content, &mut reader, &device).map_err(unloadable)?;
        let piece = if plan.family.pieces { piece(&plan.shape, plan.small) } else { usize::MAX };
        Ok(Self { weights, head, shape: plan.shape, piece, tokenizer, template, small: plan.small })
    }

    /// Begins a conversation; `go_on` is asked while it has to wait for another.
    ///
    /// # Errors
    /// Whatever `go_on` answers.
    pub(crate) fn session(&self, go_on: &mut dyn FnMut() -> Result<(), Error>) -> Result<Session<'_>, Error> {
        Ok(Session { model: self, weights: self.weights.conversation(go_on)?, at: 0 })
    }

    /// Tokens that fit, prompt and answer together.
    pub(crate) fn context(&self) -> usize {
        usize::try_from(self.shape.context).unwrap_or(usize::MAX)
    }

    /// Components of an embedding.
    pub(crate) fn width(&self) -> usize {
        usize::try_from(self.shape.width).unwrap_or(usize::MAX)
    }
}

/// One conversation with a model: its cache.
pub(crate) struct Session<'a> {
    model: &'a Model,
    weights: Box<dyn Forward>,
    at: usize,
}

impl Session<'_> {
    /// Feeds tokens and answers the last one's hidden state; `go_on` is asked between the pieces.
    ///
    /// # Errors
    /// [`ErrorKind::Server`] when candle fails; whatever `go_on` answers.
    pub(crate) fn feed(
        &mut self,
        tokens: &[u32],
        go_on: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<Hidden, Error> {
        let mut hidden = None;
        for piece in tokens.chunks(self.model.piece.min(tokens.len()).max(1)) {
            go_on()?;
            let input = Tensor::new(piece, &Device::Cpu).and_then(|tensor| tensor.unsqueeze(0)).map_err(failed)?;
            hidden = Some(self.weights.forward(&input, self.at).map_err(failed)?);
            self.at += piece.len();
        }
        hidden.map(Hidden).ok_or_else(|| bad("there are no tokens to work on"))
    }

    /// The scores of every token of the vocabulary to come next.
    ///
    /// # Errors
    /// [`ErrorKind::Server`] when candle fails.
    pub(crate) fn logits(&self, hidden: &Hidden) -> Result<Tensor, Error> {
        self.model.head.scores(&hidden.0).map_err(failed)
    }
}

/// The last hidden state of one token, after the final norm.
pub(crate) struct Hidden(Tensor);

impl Hidden {
    /// Its components.
    ///
    /// # Errors
    /// [`ErrorKind::Server`] when candle fails.
    pub(crate) fn components(&self) -> Result<Vec<f32>, Error> {
        self.0.flatten_all().and_then(|flat| flat.to_vec1()).map_err(failed)
    }
}

/// Tokens that are fed at once. Between pieces a request can be cancelled; and in a small model no intermediate result
/// should reach 65,536 elements, from where on candle 0.11 hands it to its barrier pool.
fn piece(shape: &Shape, small: bool) -> usize {
    const LARGEST: u64 = 128;
    let widest = shape.feed_forward.max(shape.width).max(shape.heads * shape.context);
    let piece = if small { (65_535 / widest).clamp(16, LARGEST) } else { LARGEST };
    usize::try_from(piece).unwrap_or(1)
}

fn chat_template(content: &Content, tokenizer: &Tokenizer) -> Result<Option<ChatTemplate>, Error> {
    let Some(source) = content.metadata.get("tokenizer.chat_template").and_then(|value| value.to_string().ok()) else {
        return Ok(None);
    };
    let eos = content.metadata.get("tokenizer.ggml.eos_token_id").and_then(|id| id.to_u32().ok());
    let tokens = content.metadata.get("tokenizer.ggml.tokens").and_then(|tokens| tokens.to_vec().ok());
    let eos = eos.and_then(|id| tokens?.get(id as usize)?.to_string().ok()).cloned().unwrap_or_default();
    ChatTemplate::new(source, tokenizer.bos_text().unwrap_or_default(), eos).map(Some)
}

/// Gives candle what it asks for and older files leave out, and keeps its tables small.
fn amend(content: &mut Content, plan: &Plan) {
    let Plan { family, shape, .. } = plan;
    let value = |number: u64| Value::U32(u32::try_from(number).unwrap_or(u32::MAX));
    let mut set = |name: &str, number: u64| content.metadata.insert(format!("{}.{name}", family.name), value(number));
    set("context_length", shape.context);
    set("attention.head_count_kv", shape.kv_heads);
    set("rope.dimension_count", shape.rope);
    // Without it candle computes qwen3's positions in F16, which is wrong from some hundred on.
    content.metadata.insert("general.dtype".into(), Value::U32(0));
}

/// From the last hidden state to the scores of all tokens.
struct Head {
    matrix: QMatMul,
    bias: Option<Tensor>,
}

impl Head {
    /// The file's own output, or the embeddings when it has none.
    fn load(
        content: &Content,
        (matrix, bias): (Option<TensorInfo>, Option<TensorInfo>),
        reader: &mut WeightReader,
    ) -> Candle<Self> {
        let mut read = |info: TensorInfo| info.read(reader, content.tensor_data_offset, &Device::Cpu);
        let bias = bias.map(|info| read(info)?.dequantize(&Device::Cpu)).transpose()?;
        let matrix = match matrix {
            Some(info) => read(info)?,
            None => content.tensor(reader, EMBEDDINGS, &Device::Cpu)?,
        };
        Ok(Self { matrix: QMatMul::from_qtensor(matrix)?, bias })
    }

    fn scores(&self, hidden: &Tensor) -> Candle<Tensor> {
        let scores = self.matrix.forward(hidden)?.flatten_all()?;
        match &self.bias {
            Some(bias) => scores + bias,
            None => Ok(scores),
        }
    }
}

fn unloadable(error: candle_core::Error) -> Error {
    bad(format!("its weights cannot be loaded: {error}")).caused_by(error)
}

fn failed(error: candle_core::Error) -> Error {
    Error::new(ErrorKind::Server, format!("the model's arithmetic failed: {error}")).caused_by(error)
}

fn bad(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidRequest, what)
}
