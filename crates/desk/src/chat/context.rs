//! What a model is told: the branch of a conversation as a [`Chat`].

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use longshore_core::{
    Error,
    call::{self, Chat, Content},
};
use serde_json::{Map, Value, json};

use crate::store::{Attachment, Conversation, Message, Role, Sampling};

/// Attachments of one message.
const MOST_ATTACHMENTS: usize = 16;

/// The messages from the branch's beginning to `leaf`.
pub(super) fn branch<'a>(messages: &'a [Message], leaf: &str) -> Vec<&'a Message> {
    let by_id: HashMap<&str, &Message> = messages.iter().map(|message| (message.id.as_str(), message)).collect();
    let mut branch = Vec::new();
    let mut next = by_id.get(leaf);
    while let Some(message) = next {
        branch.push(*message);
        // Each message once, whatever an imported conversation says of its parents.
        next = message.parent.as_deref().and_then(|parent| by_id.get(parent)).filter(|_| branch.len() < messages.len());
    }
    branch.reverse();
    branch
}

/// The next turn after `leaf`. Answers that stayed empty are left out.
///
/// # Errors
/// `InvalidRequest` when an attachment is nothing that a model is told.
pub fn turn(conversation: &Conversation, leaf: &str) -> Result<Chat, Error> {
    let system = Some(&conversation.system).filter(|system| !system.trim().is_empty());
    let mut messages: Vec<_> = system.map(|system| call::Message::new("system", system)).into_iter().collect();
    for message in branch(&conversation.messages, leaf) {
        match message.role {
            Role::Assistant if message.content.is_empty() => {}
            Role::Assistant => messages.push(call::Message::new("assistant", &message.content)),
            Role::User => messages.push(user(message)?),
        }
    }
    let sampling = sampling(&conversation.sampling);
    Ok(Chat { messages, sampling, stream: true, include_usage: true, ..Chat::default() })
}

fn sampling(sampling: &Sampling) -> call::Sampling {
    let Sampling { temperature, top_p, top_k, seed, max_tokens, stop } = sampling.clone();
    call::Sampling { temperature, top_p, top_k, seed, max_tokens, stop, ignore_eos: None }
}

fn user(message: &Message) -> Result<call::Message, Error> {
    if message.attachments.is_empty() {
        return Ok(call::Message::new("user", &message.content));
    }
    let mut parts = message.attachments.iter().map(part).collect::<Result<Vec<_>, _>>()?;
    if !message.content.is_empty() {
        parts.push(json!({ "type": "text", "text": message.content }));
    }
    Ok(call::Message { role: "user".into(), content: Some(Content::Parts(parts)), extra: Map::new() })
}

/// A picture as a data URL; a text as a text. Source: OpenAI's reference, "Create chat completion", content parts.
fn part(attachment: &Attachment) -> Result<Value, Error> {
    let Attachment { name, media_type, data, .. } = attachment;
    if media_type.starts_with("image/") {
        let url = format!("data:{media_type};base64,{data}");
        return Ok(json!({ "type": "image_url", "image_url": { "url": url } }));
    }
    let text = text_of(attachment)?;
    Ok(json!({ "type": "text", "text": format!("{name}:\n\n{text}\n") }))
}

fn text_of(attachment: &Attachment) -> Result<String, Error> {
    let bytes = decoded(attachment)?;
    String::from_utf8(bytes).map_err(|_| {
        Error::invalid(format!("`{}` is no picture and no text in UTF-8: no model is told of it", attachment.name))
    })
}

fn decoded(attachment: &Attachment) -> Result<Vec<u8>, Error> {
    STANDARD
        .decode(&attachment.data)
        .map_err(|error| Error::invalid(format!("`{}` is not in base64: {error}", attachment.name)))
}

/// Whether these can go with a message, each of at most so many bytes; gives them with their sizes.
///
/// # Errors
/// `InvalidRequest` which cannot, and why; `TooLarge` with the limit's name.
pub fn check_attachments(attachments: Vec<Attachment>, max_bytes: usize) -> Result<Vec<Attachment>, Error> {
    if attachments.len() > MOST_ATTACHMENTS {
        return Err(Error::invalid(format!("a message has at most {MOST_ATTACHMENTS} attachments")));
    }
    let check = |attachment: Attachment| {
        let bytes = decoded(&attachment)?.len();
        if bytes > max_bytes {
            let message =
                format!("`{}` has {bytes} bytes, and `desk.attachment_bytes` is {max_bytes}", attachment.name);
            return Err(Error::new(longshore_core::ErrorKind::TooLarge, message).sent(longshore_core::Sent::No));
        }
        if attachment.media_type.contains(|c: char| c.is_whitespace() || c.is_control() || c == ',') {
            return Err(Error::invalid(format!("`{}` has no media type", attachment.name)));
        }
        part(&attachment)?;
        Ok(Attachment { bytes: bytes as u64, name: attachment.name.chars().take(255).collect(), ..attachment })
    };
    attachments.into_iter().map(check).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str, parent: Option<&str>, role: Role, content: &str) -> Message {
        Message { id: id.into(), parent: parent.map(Into::into), role, content: content.into(), ..Message::default() }
    }

    fn attachment(name: &str, media_type: &str, bytes: &[u8]) -> Attachment {
        Attachment { name: name.into(), media_type: media_type.into(), data: STANDARD.encode(bytes), bytes: 0 }
    }

    #[test]
    fn the_branch_is_told_and_no_other() {
        let messages = vec![
            message("1", None, Role::User, "a"),
            message("2", Some("1"), Role::Assistant, "b"),
            message("3", Some("1"), Role::Assistant, "other"),
            message("4", Some("2"), Role::User, "c"),
            message("5", Some("4"), Role::Assistant, ""),
            message("6", Some("5"), Role::User, "d"),
        ];
        let conversation = Conversation { system: "be brief".into(), messages, ..Conversation::default() };
        let told = |leaf: &str| {
            let chat = turn(&conversation, leaf).unwrap();
            chat.messages.iter().map(|message| format!("{} {}", message.role, message.text())).collect::<Vec<_>>()
        };
        assert_eq!(told("4"), ["system be brief", "user a", "assistant b", "user c"]);
        assert_eq!(told("6"), ["system be brief", "user a", "assistant b", "user c", "user d"]);
        assert_eq!(told("3"), ["system be brief", "user a", "assistant other"]);
    }

    #[test]
    fn a_circle_of_parents_ends() {
        let messages = vec![message("1", Some("2"), Role::User, "a"), message("2", Some("1"), Role::User, "b")];
        assert_eq!(branch(&messages, "1").len(), 2);
    }

    #[test]
    fn attachments_become_parts() {
        let attachments =
            vec![attachment("a.png", "image/png", &[1, 2]), attachment("b.rs", "text/rust", "é".as_bytes())];
        let attachments = check_attachments(attachments, 10).unwrap();
        assert_eq!(attachments[0].bytes, 2);
        let message = Message { attachments, ..message("1", None, Role::User, "look") };
        let Some(Content::Parts(parts)) = user(&message).unwrap().content else { panic!("no parts") };
        assert_eq!(parts[0]["image_url"]["url"], "data:image/png;base64,AQI=");
        assert_eq!((&parts[1]["text"], &parts[2]["text"]), (&json!("b.rs:\n\né\n"), &json!("look")));
    }

    #[test]
    fn what_no_model_takes_is_refused() {
        let refused = |one: Attachment, part: &str| {
            let error = check_attachments(vec![one], 10).unwrap_err();
            assert!(error.message().contains(part), "no {part:?} in {error}");
        };
        refused(attachment("a.bin", "application/octet-stream", &[0xff]), "no picture and no text");
        refused(attachment("a.txt", "text/plain", &[65; 11]), "desk.attachment_bytes");
        refused(Attachment { data: "%".into(), ..attachment("a", "text/plain", &[]) }, "base64");
        refused(attachment("a", "image/png,x", &[]), "media type");
    }
}
