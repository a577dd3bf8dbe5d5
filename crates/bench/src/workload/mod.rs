//! What is asked: a [`Workload`] makes the calls of a stage, each from its number, so that a run can be repeated.

mod conversation;
mod prompts;
mod tensors;

use std::sync::Arc;

use longshore_core::{
    Call, Op,
    call::{CacheUse, Chat, Completion, Embedding, Inference, Prompt, Sampling},
    tensor::Tensor,
};

pub use conversation::Session;
pub use prompts::{Length, NoLength, Prompts};
pub use tensors::{declared, fill};

use crate::schedule::Shape;

/// What is asked, again and again.
#[derive(Clone, Debug)]
pub struct Workload {
    /// The kind of work.
    pub task: Task,
    /// What the prompts are; not used for tensors.
    pub prompts: Prompts,
    /// The most tokens of an answer; `None` leaves it to the server.
    pub tokens: Option<u32>,
    /// Whether answers come in pieces.
    pub stream: bool,
    /// The model; `None` leaves it to the backend.
    pub model: Option<Arc<str>>,
    /// The server; `None` leaves it to the backend.
    pub server: Option<Arc<str>>,
    /// Whether a response cache may answer.
    pub cache: CacheUse,
    /// All chance comes from here.
    pub seed: u64,
}

/// A kind of work.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// Conversations of so many turns: each question follows the answer before it.
    Chat {
        /// At least 1.
        turns: u32,
    },
    /// Texts to continue.
    Complete,
    /// Texts to turn into vectors, so many in one request.
    Embed {
        /// At least 1.
        batch: u32,
    },
    /// Tensors, the same ones each time.
    Infer {
        /// What goes in.
        inputs: Vec<Tensor>,
    },
}

impl Task {
    /// `chat`, `complete`, `embed` or `infer`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Chat { .. } => "chat",
            Self::Complete => "complete",
            Self::Embed { .. } => "embed",
            Self::Infer { .. } => "infer",
        }
    }

    /// Whether answers are made of tokens.
    pub fn makes_tokens(&self) -> bool {
        matches!(self, Self::Chat { .. } | Self::Complete)
    }
}

impl Workload {
    /// Events that an answer is expected to have.
    pub fn events(&self) -> usize {
        self.tokens.filter(|_| self.stream).map_or(1, |tokens| tokens as usize)
    }

    /// The requests of one arrival, which follow each other.
    pub fn session(&self, number: u64, shape: Option<Shape>) -> Session<'_> {
        Session::new(self, number, shape)
    }

    /// The call of one request; `said` are the earlier turns of its conversation.
    fn call(&self, op: Op) -> Call {
        let mut call = Call::new(op);
        call.model.clone_from(&self.model);
        call.server.clone_from(&self.server);
        call.cache = self.cache;
        call
    }

    fn sampling(&self, shape: Option<&Shape>) -> Sampling {
        let max_tokens = shape.map(|shape| shape.tokens).or(self.tokens);
        // Answers of one length are comparable; a server that does not know the wish ignores it.
        Sampling { max_tokens, ignore_eos: max_tokens.map(|_| true), temperature: Some(0.0), ..Sampling::default() }
    }

    fn op(&self, number: u64, shape: Option<&Shape>, messages: Vec<longshore_core::call::Message>) -> Op {
        let prompt = |part: u64| self.prompts.prompt(self.seed, number, part, shape);
        let (sampling, stream) = (self.sampling(shape), self.stream);
        match &self.task {
            Task::Chat { .. } => Op::Chat(Chat { messages, sampling, stream, include_usage: true, ..Chat::default() }),
            Task::Complete => {
                let prompt = Prompt::Text(vec![prompt(0)]);
                Op::Complete(Completion { prompt, sampling, stream, include_usage: true, ..Completion::default() })
            }
            Task::Embed { batch } => {
                let input = Prompt::Text((0..u64::from((*batch).max(1))).map(prompt).collect());
                Op::Embed(Embedding { input, ..Embedding::default() })
            }
            Task::Infer { inputs } => {
                Op::Infer(Inference { inputs: inputs.clone(), binary: true, stream, ..Inference::default() })
            }
        }
    }
}
