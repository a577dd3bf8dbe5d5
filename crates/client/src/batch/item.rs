//! Which calls can be joined with which, and what they are together.

use std::sync::Arc;

use longshore_core::{
    Call, Error, Op,
    call::{Completion, Embedding, Inference, Prompt},
};
use serde_json::{Map, Value};

use super::{BatchConfig, rows};
use crate::cache::Canon;

/// Calls with the same one ask the same of different things.
pub(super) type Key = [u8; 32];

/// A call that can be joined with others of its key.
pub(super) struct Fit {
    pub(super) key: Key,
    /// Texts or rows.
    pub(super) size: usize,
    /// How many the server takes in one request.
    pub(super) most: usize,
    pub(super) tensors: bool,
}

/// Fields that ask for nothing but what an answer's vectors are, and how they are written.
const OF_EMBEDDINGS: [&str; 7] =
    ["encoding_format", "input_type", "keep_alive", "options", "truncate", "truncate_prompt_tokens", "user"];
/// Fields that ask for nothing but another choice of tokens.
const OF_COMPLETIONS: [&str; 9] = [
    "cache_prompt",
    "frequency_penalty",
    "keep_alive",
    "logit_bias",
    "min_p",
    "presence_penalty",
    "repeat_penalty",
    "repetition_penalty",
    "user",
];

/// `None` for what goes by itself.
pub(super) fn fit(call: &Call, config: &BatchConfig) -> Option<Fit> {
    let (size, tensors) = match &*call.op {
        Op::Embed(embedding) if config.embeddings && only(&embedding.extra, &OF_EMBEDDINGS) => {
            (embedding.input.len(), false)
        }
        // A seed makes one sequence of chances: in another place of it, the answer is another.
        Op::Complete(completion)
            if config.completions
                && only(&completion.extra, &OF_COMPLETIONS)
                && (completion.sampling.seed.is_none() || completion.sampling.temperature == Some(0.0)) =>
        {
            (completion.prompt.len(), false)
        }
        Op::Infer(inference) if config.tensors && !inference.stream && is_stateless(inference) => {
            (rows::count(&inference.inputs)?, true)
        }
        _ => return None,
    };
    let query = call.origin.as_ref().is_some_and(|origin| origin.path.contains('?'));
    if size == 0 || size > config.max_size || query {
        return None;
    }
    let mut canon = Canon::new("batch");
    canon.place(call);
    canon.op(&call.op, false);
    Some(Fit { key: canon.digest(), size, most: config.max_size, tensors })
}

fn only(extra: &Map<String, Value>, known: &[&str]) -> bool {
    extra.keys().all(|name| known.contains(&name.as_str()))
}

/// No part of a sequence, and nothing about the one request.
fn is_stateless(inference: &Inference) -> bool {
    inference.parameters.keys().all(|name| !name.starts_with("sequence_") && name != "headers")
}

/// One call that asks for all of these, which have one key; alone, a call stays as it is. The error says why they do
/// not go together after all.
pub(super) fn joint(calls: &[&Call]) -> Result<Call, Error> {
    let [first, others @ ..] = calls else { return Err(Error::invalid("there is nothing to ask")) };
    if others.is_empty() {
        return Ok((*first).clone());
    }
    let op = match &*first.op {
        Op::Embed(embedding) => Op::Embed(Embedding { input: prompts(calls), ..embedding.clone() }),
        Op::Complete(completion) => Op::Complete(Completion { prompt: prompts(calls), ..completion.clone() }),
        Op::Infer(inference) => {
            let inputs: Vec<_> = calls.iter().map(|call| inputs(call)).collect();
            Op::Infer(Inference { id: None, inputs: rows::concatenate(&inputs)?, ..inference.clone() })
        }
        _ => return Err(Error::invalid("calls of this kind are not joined")),
    };
    let deadline = calls.iter().map(|call| call.deadline).max_by_key(|deadline| (deadline.is_none(), *deadline));
    Ok(Call {
        model: first.model.clone(),
        server: first.server.clone(),
        protocol: first.protocol,
        watch: first.watch.clone(),
        deadline: deadline.flatten(),
        replayable: calls.iter().all(|call| call.replayable),
        cache: first.cache,
        ..Call::new(op)
    })
}

fn prompt(call: &Call) -> Option<&Prompt> {
    match &*call.op {
        Op::Embed(embedding) => Some(&embedding.input),
        Op::Complete(completion) => Some(&completion.prompt),
        _ => None,
    }
}

fn inputs(call: &Call) -> &[longshore_core::Tensor] {
    if let Op::Infer(inference) = &*call.op { &inference.inputs } else { &[] }
}

/// All of one kind, as their key says.
fn prompts(calls: &[&Call]) -> Prompt {
    let (mut texts, mut tokens) = (Vec::new(), Vec::new());
    for prompt in calls.iter().filter_map(|call| prompt(call)) {
        match prompt {
            Prompt::Text(more) => texts.extend(more.iter().cloned()),
            Prompt::Tokens(more) => tokens.extend(more.iter().cloned()),
        }
    }
    if tokens.is_empty() { Prompt::Text(texts) } else { Prompt::Tokens(tokens) }
}

/// How much of a joint prompt's tokens is probably this call's.
pub(super) fn prompt_weight(call: &Call) -> u64 {
    match prompt(call) {
        Some(Prompt::Text(texts)) => texts.iter().map(|text| text.len() as u64 + 1).sum(),
        Some(Prompt::Tokens(lists)) => lists.iter().map(|list| list.len() as u64).sum(),
        None => 1,
    }
}

/// The id under which a tensor model was asked, which the answer repeats.
pub(super) fn inference_id(call: &Call) -> Option<Arc<str>> {
    if let Op::Infer(inference) = &*call.op { inference.id.as_deref().map(Into::into) } else { None }
}
