//! Whether asking again would give the same answer.

use longshore_core::{
    Call, Op,
    call::{CacheUse, Content, Message, Sampling},
};
use serde_json::Value;

use super::CacheConfig;

/// What is done with a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Nothing: it is not asked for an answer of a model.
    NoAnswer,
    /// It is asked anew, and not kept, for this reason.
    Bypass(&'static str),
    /// Its answer can be kept.
    Keep,
}

pub(super) fn judge(call: &Call, config: &CacheConfig) -> Judgement {
    let reason = match &*call.op {
        Op::Chat(chat) => of_sampling(&chat.sampling).or_else(|| of_messages(&chat.messages)),
        Op::Complete(completion) => of_sampling(&completion.sampling),
        Op::Embed(_) => (!config.embeddings).then_some("embeddings are not kept here"),
        Op::Infer(inference) if inference.parameters.contains_key("sequence_id") => Some("it is part of a sequence"),
        Op::Infer(_) => (!config.tensors).then_some("answers of tensor models are not kept here"),
        _ => return Judgement::NoAnswer,
    };
    let never = (call.cache == CacheUse::Never).then_some("the call asks for it");
    let unnamed = call.model.is_none().then_some("no model is named");
    never.or(reason).or(unnamed).map_or(Judgement::Keep, Judgement::Bypass)
}

/// Greedy choice, or chance from a seed.
fn of_sampling(sampling: &Sampling) -> Option<&'static str> {
    let repeatable = sampling.temperature == Some(0.0) || sampling.seed.is_some();
    (!repeatable).then_some("neither temperature 0 nor a seed makes it repeatable")
}

/// What lies elsewhere may have changed.
fn of_messages(messages: &[Message]) -> Option<&'static str> {
    let parts = messages.iter().filter_map(|message| match &message.content {
        Some(Content::Parts(parts)) => Some(parts),
        _ => None,
    });
    let elsewhere = parts.flatten().filter(|part| part["type"] != "text").any(refers_elsewhere);
    elsewhere.then_some("it refers to something that is not in it")
}

fn refers_elsewhere(part: &Value) -> bool {
    match part {
        Value::String(text) => ["http:", "https:", "file:"].iter().any(|scheme| text.starts_with(scheme)),
        Value::Array(items) => items.iter().any(refers_elsewhere),
        Value::Object(fields) => fields.values().any(refers_elsewhere),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use longshore_core::{
        Parameter,
        call::{Chat, Completion, Embedding, Inference},
    };
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_repeats_itself_is_kept() {
        let sampling = |temperature, seed| Sampling { temperature, seed, ..Sampling::default() };
        let complete = |sampling| Op::Complete(Completion { sampling, ..Completion::default() });
        let image = |url: &str| {
            let parts = vec![json!({"type": "image_url", "image_url": {"url": url}})];
            let message = Message { content: Some(Content::Parts(parts)), ..Message::new("user", "") };
            Op::Chat(Chat { messages: vec![message], sampling: sampling(Some(0.0), None), ..Chat::default() })
        };
        let sequence = [("sequence_id".to_owned(), Parameter::Int(1))].into();
        let config = CacheConfig { tensors: true, ..CacheConfig::default() };
        for (op, keep) in [
            (complete(sampling(Some(0.0), None)), true),
            (complete(sampling(Some(0.7), Some(1))), true),
            (complete(sampling(Some(0.7), None)), false),
            (complete(sampling(None, None)), false),
            (image("data:image/png;base64,AAAA"), true),
            (image("https://example.org/a.png"), false),
            (Op::Embed(Embedding::default()), true),
            (Op::Infer(Inference::default()), true),
            (Op::Infer(Inference { parameters: sequence, ..Inference::default() }), false),
        ] {
            let mut call = Call::new(op).model("m");
            assert_eq!(judge(&call, &config) == Judgement::Keep, keep, "{:?}", call.op);
            call.cache = CacheUse::Never;
            assert_eq!(judge(&call, &config), Judgement::Bypass("the call asks for it"));
        }
        let tensors = Call::new(Op::Infer(Inference::default())).model("m");
        assert!(matches!(judge(&tensors, &CacheConfig::default()), Judgement::Bypass(_)));
        assert_eq!(judge(&Call::new(Op::ServerInfo), &config), Judgement::NoAnswer);
    }
}
