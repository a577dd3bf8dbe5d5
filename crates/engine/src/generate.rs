//! The loop that writes an answer: feed the prompt, draw a token, show its text, feed it back.
//!
//! [`answer`] runs on a compute thread and blocks; who listens, and where text goes, is behind [`Listener`]. Before
//! every token the listener is asked whether it is still there, so a cancelled request stops within one.

use longshore_core::{Finish, call::Sampling};

use crate::{
    Error, ErrorKind,
    model::Model,
    sampler::Sampler,
    stop::{Passed, StopTexts},
    tokenizer::Detokenizer,
};

/// Who hears an answer.
pub(crate) trait Listener {
    /// Takes the next piece, never empty.
    ///
    /// # Errors
    /// Any error ends the work and is the work's result.
    fn text(&mut self, text: String) -> Result<(), Error>;

    /// Shall the work go on?
    ///
    /// # Errors
    /// As above.
    fn go_on(&mut self) -> Result<(), Error>;
}

/// How an answer ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome {
    /// Tokens drawn, without the one that ends the answer.
    pub(crate) tokens: u64,
    pub(crate) finish: Finish,
}

/// Continues `prompt`. `nth` tells apart the answers of one call.
///
/// # Errors
/// [`ErrorKind::ContextTooLong`] when the prompt leaves no room for an answer; [`ErrorKind::InvalidRequest`] for
/// sampling that makes no sense; the listener's own.
pub(crate) fn answer(
    model: &Model,
    prompt: &[u32],
    sampling: &Sampling,
    nth: u64,
    listener: &mut dyn Listener,
) -> Result<Outcome, Error> {
    let room = room(model, prompt.len())?;
    let limit = sampling.max_tokens.map_or(room, |tokens| room.min(tokens as usize));
    let ignore_end = sampling.ignore_eos.unwrap_or_default();
    let banned = if ignore_end { model.tokenizer.ends().collect() } else { Vec::new() };
    let mut sampler = Sampler::new(sampling, banned, nth)?;
    let (mut text, mut stops) = (Detokenizer::default(), StopTexts::new(&sampling.stop));
    let mut session = model.session(&mut || listener.go_on())?;
    let mut next = prompt.to_vec();
    for tokens in 0..limit as u64 {
        let hidden = session.feed(&next, &mut || listener.go_on())?;
        let token = sampler.next(session.logits(&hidden)?)?;
        if model.tokenizer.is_end(token) {
            return finish(tokens, Finish::Stop, stops, text, listener);
        }
        match stops.push(&text.push(&model.tokenizer.bytes(token))) {
            Passed::Text(piece) => show(piece, listener)?,
            Passed::Last(piece) => {
                show(piece, listener)?;
                return Ok(Outcome { tokens: tokens + 1, finish: Finish::Stop });
            }
        }
        next = vec![token];
    }
    finish(limit as u64, Finish::Length, stops, text, listener)
}

/// Tokens of answer that fit after a prompt.
pub(crate) fn room(model: &Model, prompt: usize) -> Result<usize, Error> {
    match model.context().checked_sub(prompt) {
        Some(room) if room > 0 => Ok(room),
        _ => Err(Error::new(
            ErrorKind::ContextTooLong,
            format!(
                "the prompt has {prompt} tokens and the model's context {}, answer included; shorten it, or let the oldest turns be dropped",
                model.context()
            ),
        )),
    }
}

/// Shows what was held back.
fn finish(
    tokens: u64,
    finish: Finish,
    mut stops: StopTexts,
    mut text: Detokenizer,
    listener: &mut dyn Listener,
) -> Result<Outcome, Error> {
    match stops.push(&text.finish()) {
        Passed::Text(piece) => show(piece + &stops.finish(), listener)?,
        Passed::Last(piece) => show(piece, listener)?,
    }
    Ok(Outcome { tokens, finish })
}

fn show(piece: String, listener: &mut dyn Listener) -> Result<(), Error> {
    if piece.is_empty() { Ok(()) } else { listener.text(piece) }
}

#[cfg(test)]
mod tests {
    use std::{io::Cursor, sync::Arc};

    use longshore_core::call::{Chat, Message};

    use super::*;
    use crate::{builtin, gguf::Header, model::Plan, prompt, weights::Watch};

    #[derive(Default)]
    struct Listening {
        text: String,
        /// How often to go on.
        patience: Option<u32>,
    }

    impl Listener for Listening {
        fn text(&mut self, text: String) -> Result<(), Error> {
            assert!(!text.is_empty());
            self.text.push_str(&text);
            Ok(())
        }

        fn go_on(&mut self) -> Result<(), Error> {
            match &mut self.patience {
                Some(0) => Err(Error::new(ErrorKind::Cancelled, "enough")),
                Some(patience) => {
                    *patience -= 1;
                    Ok(())
                }
                None => Ok(()),
            }
        }
    }

    fn model() -> Model {
        let size = builtin::GGUF.len() as u64;
        let plan = Plan::new(&Header::read(Cursor::new(builtin::GGUF), size).unwrap()).unwrap();
        let watch = Watch { progress: Arc::new(|_| {}), cancel: Arc::default() };
        Model::load(Box::new(Cursor::new(builtin::GGUF)), size, &plan, watch).unwrap()
    }

    fn greedy() -> Sampling {
        Sampling { temperature: Some(0.0), ..Sampling::default() }
    }

    #[test]
    fn tokens_are_counted_as_the_tokenizer_counts_them() {
        let model = model();
        for question in ["What is streaming?", "What is a token?", "Tell me about a queue."] {
            let chat = Chat { messages: vec![Message::new("user", question)], ..Chat::default() };
            let prompt = prompt::of_chat(&model, &chat).unwrap();
            let written = format!("<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n");
            assert_eq!(prompt, model.tokenizer.encode(&written, true).unwrap());
            let mut listening = Listening::default();
            let outcome = answer(&model, &prompt, &greedy(), 0, &mut listening).unwrap();
            let counted = model.tokenizer.encode(&listening.text, false).unwrap().len();
            assert_eq!(outcome, Outcome { tokens: counted as u64, finish: Finish::Stop }, "{}", listening.text);
        }
    }

    #[test]
    fn the_listener_is_asked_before_every_token() {
        let model = model();
        let prompt = model.tokenizer.encode("A token is", true).unwrap();
        for patience in [0, 1, 5] {
            let mut listening = Listening { patience: Some(patience), ..Listening::default() };
            let error = answer(&model, &prompt, &greedy(), 0, &mut listening).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Cancelled);
            let shown = model.tokenizer.encode(&listening.text, false).unwrap().len();
            assert!(shown <= patience as usize, "{shown} tokens with patience for {patience}");
        }
    }

    #[test]
    fn a_prompt_must_leave_room() {
        let model = model();
        let prompt = vec![500; 512];
        let error = answer(&model, &prompt, &greedy(), 0, &mut Listening::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ContextTooLong);
        let outcome = answer(&model, &prompt[1..], &greedy(), 0, &mut Listening::default()).unwrap();
        assert!(outcome.tokens <= 1);
    }
}
