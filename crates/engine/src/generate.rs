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
