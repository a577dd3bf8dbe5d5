//! What the two dialects of the Open Inference Protocol share: the forms that its servers speak, what each of them
//! can do, and what their words for a failure mean.
//!
//! Source: the recorded exchanges; KServe's endpoints and messages.

pub(super) mod models;
pub(super) mod text;

use crate::{
    Capabilities, DataType, Error, ErrorKind, Op, ServerInfo, Tensor, call::HealthScope, capability::OpKind,
    text_model::TEXT_OUTPUT,
};

/// Which server's form of the protocol a peer speaks, told by the name in its metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Everything, binary tensors and decoupled models included.
    Triton,
    /// Triton's form; beside it, streams end with a mark and text operations say what they are.
    Longshore,
    /// Streams of bare tensors, no binary tensors over REST, no statistics or configuration.
    MlServer,
    /// No streams, no repository index.
    KServe,
    /// Nothing is known: Triton's form without binary tensors.
    Unknown,
}

impl Form {
    pub(super) fn of(peer: &ServerInfo) -> Self {
        match peer.name.to_ascii_lowercase().as_str() {
            "triton" => Self::Triton,
            "longshore" => Self::Longshore,
            "mlserver" => Self::MlServer,
            "kserve" => Self::KServe,
            _ => Self::Unknown,
        }
    }

    /// Whether tensors may travel as raw bytes behind the JSON.
    pub(super) fn takes_binary(self) -> bool {
        matches!(self, Self::Triton | Self::Longshore)
    }

    /// Whether `/generate` takes a text; else it takes tensors, if it is there at all.
    pub(super) fn generates_text(self) -> bool {
        !matches!(self, Self::MlServer | Self::KServe)
    }

    /// What the server can be asked for; the protocol itself has no embeddings, and models come from elsewhere.
    pub(super) fn capabilities(self) -> Capabilities {
        let missing: &[OpKind] = match self {
            Self::Triton | Self::Longshore | Self::Unknown => &[],
            Self::MlServer | Self::KServe => &[OpKind::Statistics, OpKind::ModelConfig],
        };
        Capabilities::ALL.without(Capabilities::of(&[OpKind::Embed, OpKind::Pull])).without(Capabilities::of(missing))
    }

    /// What to call it in a message.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Triton => "Triton",
            Self::Longshore => "Longshore",
            Self::MlServer => "MLServer",
            Self::KServe => "KServe",
            Self::Unknown => "this server",
        }
    }
}

/// Where a server's words say more than its status. The first that fits wins.
const WORDS: &[(&str, ErrorKind)] = &[
    ("has no available versions", ErrorKind::ModelNotReady), // Triton, unloaded
    ("not ready", ErrorKind::ModelNotReady),                 // Triton, MLServer; both say 400
    ("Request for unknown model", ErrorKind::UnknownModel),  // Triton
    ("failed to poll from model repository", ErrorKind::UnknownModel), // Triton's load of no such model
    ("mlserver.errors.ModelNotFound", ErrorKind::UnknownModel), // MLServer's UNKNOWN
    ("load failed for model", ErrorKind::Server),            // Triton says 400
    ("failed to parse the request JSON", ErrorKind::InvalidRequest), // Triton says 500
    ("Unable to parse '", ErrorKind::InvalidRequest),        // Triton says 500
    ("generate expects model to produce exactly 1", ErrorKind::Unsupported), // Triton says 200
    ("doesn't support models with decoupled", ErrorKind::Unsupported), // Triton
    ("xceeds maximum queue size", ErrorKind::Overloaded),    // Triton
    ("message larger than max", ErrorKind::TooLarge),        // gRPC libraries: RESOURCE_EXHAUSTED
];

/// The kind of failure that a message names, if it is one of the known ones; the status decides else.
pub(super) fn kind_of_message(message: &str) -> Option<ErrorKind> {
    WORDS.iter().find(|(words, _)| message.contains(words)).map(|&(_, kind)| kind)
}

/// The texts in a text model's tensors: `text_output`, or the only output of bytes whatever its name.
///
/// # Errors
/// `Protocol` when there is no such output, or it is not UTF-8.
pub(super) fn texts_of(outputs: &[Tensor]) -> Result<Vec<String>, Error> {
    let mut texts = outputs.iter().filter(|output| output.datatype() == DataType::Bytes);
    let output = match (outputs.iter().find(|output| output.name() == TEXT_OUTPUT), texts.next(), texts.next()) {
        (Some(output), _, _) | (None, Some(output), None) => output,
        _ if outputs.is_empty() => return Ok(Vec::new()),
        _ => {
            let names: Vec<_> = outputs.iter().map(Tensor::name).collect();
            return Err(Error::protocol(format!("no output is the text: there are {}", names.join(", "))));
        }
    };
    output.strings().map_err(|error| error.with_kind(ErrorKind::Protocol))
}

/// The version that an operation asks about.
pub(super) fn version_of(op: &Op) -> Option<&str> {
    match op {
        Op::Infer(inference) => inference.version.as_deref(),
        Op::Describe { version } | Op::ModelConfig { version } | Op::Statistics { version } => version.as_deref(),
        Op::Health(HealthScope::Model { version }) => version.as_deref(),
        _ => None,
    }
}
