//! Answers of text models as the protocol carries them: the text in `text_output`, all else as options of the answer.
//!
//! Triton's REST `generate` writes an answer's options as fields beside `text_output`, its gRPC as `parameters`: both
//! dialects read and write them through here. Longshore's own halves use `index` (which choice, when not the first),
//! `finish_reason`, `prompt_tokens`, `completion_tokens`, `cached_tokens`, `reasoning` and `tool_calls` (JSON). Foreign
//! servers lack them, so there an answer has a text and the end that the wire shows.

use serde_json::Value;

use crate::{Answer, Error, EventKind, Finish, Parameter, Parameters, Usage};

/// A piece of a streamed answer: its text, and what is said about it.
pub(in crate::dialect) type Piece = (String, Parameters);

/// The piece that says what `kind` says; `None` where a text answer has no words for it. The end tells the usage.
pub(in crate::dialect) fn piece(kind: &EventKind, usage: Option<Usage>) -> Option<Piece> {
    let mut parameters = Parameters::new();
    let mut of_choice = |index: u32| {
        if index != 0 {
            parameters.insert("index".to_owned(), index.into());
        }
    };
    let mut piece = String::new();
    match kind {
        EventKind::Text { index, text } => {
            of_choice(*index);
            piece.clone_from(text);
        }
        EventKind::Reasoning { index, text } => {
            of_choice(*index);
            parameters.insert("reasoning".to_owned(), text.as_str().into());
        }
        EventKind::ToolCalls { index, calls } => {
            of_choice(*index);
            parameters.insert("tool_calls".to_owned(), calls.to_string().into());
        }
        EventKind::Done(finish) => put_end(Some(finish), usage, &mut parameters),
        _ => return None,
    }
    Some((piece, parameters))
}

/// A whole answer: the text of each choice, and what is said about it. Reasoning and tool calls are the first choice's.
pub(in crate::dialect) fn whole(answer: &Answer) -> (Vec<&str>, Parameters) {
    let mut parameters = Parameters::new();
    if let Some(reasoning) = answer.reasoning.first().filter(|text| !text.is_empty()) {
        parameters.insert("reasoning".to_owned(), reasoning.as_str().into());
    }
    let calls: Vec<&Value> = answer
        .tool_calls
        .iter()
        .filter(|(index, _)| *index == 0)
        .filter_map(|(_, calls)| calls.as_array())
        .flatten()
        .collect();
    if !calls.is_empty() {
        parameters.insert("tool_calls".to_owned(), serde_json::to_string(&calls).unwrap_or_default().into());
    }
    put_end(answer.finish.as_ref(), answer.usage, &mut parameters);
    let texts = if answer.texts.is_empty() { vec![""] } else { answer.texts.iter().map(String::as_str).collect() };
    (texts, parameters)
}

fn put_end(finish: Option<&Finish>, usage: Option<Usage>, parameters: &mut Parameters) {
    if let Some(finish) = finish {
        parameters.insert("finish_reason".to_owned(), finish.as_str().into());
    }
    let Some(usage) = usage else { return };
    let mut put = |name: &str, tokens: u64| {
        parameters.insert(name.to_owned(), i64::try_from(tokens).map_or(Parameter::Uint(tokens), Parameter::Int));
    };
    put("prompt_tokens", usage.prompt_tokens);
    put("completion_tokens", usage.completion_tokens);
    if let Some(tokens) = usage.cached_tokens {
        put("cached_tokens", tokens);
    }
}

/// The events of a piece, or of a whole answer, and its end if it tells one.
///
/// # Errors
/// `Protocol` when `tool_calls` is not JSON.
pub(in crate::dialect) fn read(
    texts: Vec<String>,
    parameters: &mut Parameters,
    mut emit: impl FnMut(EventKind),
) -> Result<Option<Finish>, Error> {
    let first = parameters.remove("index").and_then(|index| index.as_i64()?.try_into().ok()).unwrap_or(0_u32);
    if let Some(Parameter::String(text)) = parameters.remove("reasoning").filter(|text| text.as_str() != Some("")) {
        emit(EventKind::Reasoning { index: first, text });
    }
    for (index, text) in (first..).zip(texts) {
        if !text.is_empty() {
            emit(EventKind::Text { index, text });
        }
    }
    if let Some(calls) = parameters.remove("tool_calls") {
        let calls = calls.as_str().and_then(|text| serde_json::from_str(text).ok());
        let calls = calls.ok_or_else(|| Error::protocol("the answer's `tool_calls` are not JSON"))?;
        emit(EventKind::ToolCalls { index: first, calls });
    }
    let mut tokens = |name: &str| parameters.remove(name).and_then(|tokens| tokens.as_i64()?.try_into().ok());
    if let (Some(prompt_tokens), Some(completion_tokens)) = (tokens("prompt_tokens"), tokens("completion_tokens")) {
        let cached_tokens = tokens("cached_tokens");
        emit(EventKind::Usage(Usage { prompt_tokens, completion_tokens, cached_tokens }));
    }
    Ok(parameters.remove("finish_reason").and_then(|word| word.as_str().map(Finish::from_word)))
}
