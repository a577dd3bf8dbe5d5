//! From what a caller says to the tokens that a model is fed.
//!
//! [`of_chat`] applies the template and makes the conversation fit; [`of_text`] takes plain texts. Neither runs the
//! model.

use longshore_core::call::{Chat, Message, Overflow, Prompt};

use crate::{Error, ErrorKind, generate, model::Model};

/// The tokens that ask for the next turn; with [`Overflow::DropOldest`], without the oldest turns if they do not fit.
///
/// # Errors
/// [`ErrorKind::ContextTooLong`] when it does not fit; [`ErrorKind::Unsupported`] when the model has no chat template.
pub(crate) fn of_chat(model: &Model, chat: &Chat) -> Result<Vec<u32>, Error> {
    let template = model.template.as_ref().ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, "the model has no chat template; ask it for a completion instead")
    })?;
    let mut messages = chat.messages.clone();
    loop {
        let tokens = model.tokenizer.encode(&template.render(&messages, chat)?, true)?;
        let fits = match chat.overflow {
            Overflow::Refuse => generate::room(model, tokens.len()).map(drop),
            Overflow::DropOldest => room_to_speak(model, chat, tokens.len()),
        };
        match fits {
            Ok(()) => return Ok(tokens),
            Err(_) if chat.overflow == Overflow::DropOldest && drop_oldest_turn(&mut messages) => {}
            // The last turn alone: half an answer is better than none.
            Err(_) if chat.overflow == Overflow::DropOldest && generate::room(model, tokens.len()).is_ok() => {
                return Ok(tokens);
            }
            Err(error) => return Err(error),
        }
    }
}

/// The tokens of each text.
///
/// # Errors
/// [`ErrorKind::InvalidRequest`] for token ids that the model does not have, or no text at all.
pub(crate) fn of_text(model: &Model, prompt: &Prompt) -> Result<Vec<Vec<u32>>, Error> {
    let tokens = match prompt {
        Prompt::Text(texts) => {
            texts.iter().map(|text| model.tokenizer.encode(text, true)).collect::<Result<Vec<_>, _>>()?
        }
        Prompt::Tokens(lists) => lists.clone(),
    };
    let known = model.tokenizer.size();
    if let Some(id) = tokens.iter().flatten().find(|id| **id as usize >= known) {
        return Err(Error::invalid(format!("token {id} does not exist: the model has {known}")));
    }
    if tokens.is_empty() || tokens.iter().any(Vec::is_empty) {
        return Err(Error::invalid("a text is empty; the model needs at least one token to work on"));
    }
    Ok(tokens)
}

/// When turns are dropped anyway, enough are to leave room for an answer of the wanted length, up to half the context.
fn room_to_speak(model: &Model, chat: &Chat, prompt: usize) -> Result<(), Error> {
    let half = model.context() / 2;
    let wanted = chat.sampling.max_tokens.map_or(half / 2, |tokens| half.min(tokens as usize)).max(1);
    generate::room(model, prompt + wanted - 1).map(drop)
}

/// Forgets the oldest turn: a message that is no instruction, and what follows it up to the next of the user's. The
/// last message stays.
fn drop_oldest_turn(messages: &mut Vec<Message>) -> bool {
    let is_instruction = |message: &Message| matches!(message.role.as_str(), "system" | "developer");
    let Some(start) = messages.iter().position(|message| !is_instruction(message)) else { return false };
    if start + 1 >= messages.len() {
        return false;
    }
    let next_turn = messages[start + 1..].iter().position(|message| message.role == "user");
    let end = next_turn.map_or(messages.len() - 1, |after| start + 1 + after);
    messages.drain(start..end);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_turns_are_forgotten() {
        let check = |roles: &str, expected: Option<&str>| {
            let mut messages: Vec<_> = roles.split(' ').map(|role| Message::new(role, "")).collect();
            let dropped = drop_oldest_turn(&mut messages);
            let left: Vec<_> = messages.iter().map(|message| message.role.as_str()).collect();
            assert_eq!(dropped.then(|| left.join(" ")).as_deref(), expected, "{roles}");
        };
        check("user", None);
        check("system", None);
        check("system user", None);
        check("user assistant user", Some("user"));
        check("system user assistant tool assistant user", Some("system user"));
        check("system user user", Some("system user"));
        check("assistant user", Some("user"));
        check("user assistant", Some("assistant"));
    }
}
