//! Conversations as Markdown, for people: [`to_markdown`] and [`from_markdown`].
//!
//! The branch that is shown, a heading for each message, and before each heading a comment that tells us whose words
//! follow; so a heading in the words themselves is none of ours. Other branches, attachments' contents and how an answer
//! came are not in it: JSON has them.

use std::fmt::Write;

use super::{context::branch, title_of};
use crate::store::{Answer, AnswerState, Conversation, Message, Role, Segment, SegmentEnd, fresh_id, now};

const USER: &str = "<!-- longshore: user -->";
const ASSISTANT: &str = "<!-- longshore: assistant -->";
const SYSTEM: &str = "<!-- longshore: system -->";
/// What a line of the words begins with that looks like one of ours.
const OURS: &str = "<!-- longshore:";

/// The branch that is shown, as Markdown.
pub fn to_markdown(conversation: &Conversation) -> String {
    let mut out = format!("# {}\n", one_line(&conversation.title));
    if !conversation.system.is_empty() {
        section(&mut out, SYSTEM, "System", &conversation.system);
    }
    let messages = conversation.leaf.as_deref().map(|leaf| branch(&conversation.messages, leaf)).unwrap_or_default();
    for message in messages {
        let (mark, heading) = match message.role {
            Role::User => (USER, "You".to_owned()),
            Role::Assistant => (ASSISTANT, speaker(message.answer.as_ref())),
        };
        section(&mut out, mark, &heading, &message.content);
        for attachment in &message.attachments {
            let _ = write!(out, "\n*Attached: {} ({} bytes)*\n", one_line(&attachment.name), attachment.bytes);
        }
    }
    out
}

fn section(out: &mut String, mark: &str, heading: &str, content: &str) {
    let _ = write!(out, "\n{mark}\n## {heading}\n\n");
    for line in content.lines() {
        let escape = if line.trim_start_matches('\\').starts_with(OURS) { "\\" } else { "" };
        let _ = writeln!(out, "{escape}{line}");
    }
}

fn speaker(answer: Option<&Answer>) -> String {
    let last = answer.and_then(|answer| answer.segments.last());
    match last {
        Some(last) if !last.server.is_empty() => format!("{} on {}", one_line(&last.model), one_line(&last.server)),
        _ => "Assistant".into(),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The conversation in a Markdown text: one of ours, or any text whose second-level headings say whose words follow; else
/// the whole is the person's.
pub fn from_markdown(text: &str) -> Conversation {
    let at = now();
    let mut conversation = Conversation { id: fresh_id(), created_at: at, updated_at: at, ..Conversation::default() };
    let (title, parts) = parts(text);
    for (speaker, content) in parts {
        let role = match speaker {
            Speaker::System => {
                conversation.system = content;
                continue;
            }
            Speaker::User => Role::User,
            Speaker::Assistant => Role::Assistant,
        };
        let message = message(role, content, conversation.leaf.take());
        conversation.leaf = Some(message.id.clone());
        conversation.messages.push(message);
    }
    let first = conversation.messages.first().map(|message| title_of(&message.content));
    conversation.title = Some(title).filter(|title| !title.is_empty()).or(first).unwrap_or_default();
    conversation
}

fn message(role: Role, content: String, parent: Option<String>) -> Message {
    let answer = (role == Role::Assistant).then(|| {
        let segment = Segment { text: content.clone(), ended: SegmentEnd::Done, ..Segment::default() };
        Answer { state: AnswerState::Done, segments: vec![segment], ..Answer::default() }
    });
    Message { id: fresh_id(), parent, role, content, created_at: now(), answer, ..Message::default() }
}

#[derive(Clone, Copy)]
enum Speaker {
    System,
    User,
    Assistant,
}

/// The title, and the words of each speaker in turn.
fn parts(text: &str) -> (String, Vec<(Speaker, String)>) {
    let marked = text.lines().any(|line| mark(line).is_some());
    let (mut title, mut parts) = (String::new(), Vec::<(Speaker, String)>::new());
    let mut expects_heading = false;
    for line in text.lines() {
        let speaker = if marked { mark(line) } else { heading(line) };
        if let Some(speaker) = speaker {
            parts.push((speaker, String::new()));
            expects_heading = marked;
        } else if std::mem::take(&mut expects_heading) && line.starts_with("## ") {
            // It is for people.
        } else if let Some((_, words)) = parts.last_mut() {
            let ours = line.strip_prefix('\\').filter(|rest| rest.trim_start_matches('\\').starts_with(OURS));
            words.push_str(ours.unwrap_or(line));
            words.push('\n');
        } else if let Some(heading) = line.strip_prefix("# ").filter(|_| title.is_empty()) {
            title = heading.trim().to_owned();
        } else if !line.trim().is_empty() {
            parts.push((Speaker::User, format!("{line}\n")));
        }
    }
    for (_, words) in &mut parts {
        *words = words.trim_matches('\n').to_owned();
    }
    (title, parts)
}

fn mark(line: &str) -> Option<Speaker> {
    match line.trim_end() {
        USER => Some(Speaker::User),
        ASSISTANT => Some(Speaker::Assistant),
        SYSTEM => Some(Speaker::System),
        _ => None,
    }
}

fn heading(line: &str) -> Option<Speaker> {
    match line.strip_prefix("## ")?.trim().trim_end_matches(':').to_lowercase().as_str() {
        "you" | "user" | "human" | "me" => Some(Speaker::User),
        "assistant" | "model" | "ai" | "bot" => Some(Speaker::Assistant),
        "system" => Some(Speaker::System),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(conversation: &Conversation) -> Vec<(Role, &str)> {
        conversation.messages.iter().map(|message| (message.role, message.content.as_str())).collect()
    }

    #[test]
    fn ours_is_read_back() {
        let tricky = "## You\n\n<!-- longshore: user -->\n\\<!-- longshore: user -->\n```\n# x\n```";
        let first = message(Role::User, "What is\n\nthis?".into(), None);
        let second = message(Role::Assistant, tricky.into(), Some(first.id.clone()));
        let leaf = Some(second.id.clone());
        let conversation = Conversation {
            title: "A title".into(),
            system: "Be brief.".into(),
            leaf,
            messages: vec![first, second],
            ..Conversation::default()
        };
        let text = to_markdown(&conversation);
        let back = from_markdown(&text);
        assert_eq!((back.title.as_str(), back.system.as_str()), ("A title", "Be brief."));
        assert_eq!(words(&back), words(&conversation));
        assert_eq!(back.messages[1].parent.as_ref(), Some(&back.messages[0].id));
        assert_eq!(back.leaf.as_ref(), Some(&back.messages[1].id));
        assert_eq!(to_markdown(&back), text);
    }

    #[test]
    fn what_others_wrote_is_read_as_well_as_it_goes() {
        let theirs = from_markdown("# T\n\n## User\n\nhi\n\n## Assistant:\n\nhello\n### more\n");
        assert_eq!(words(&theirs), [(Role::User, "hi"), (Role::Assistant, "hello\n### more")]);
        let plain = from_markdown("just\ntext");
        assert_eq!((plain.title.as_str(), words(&plain)), ("just", vec![(Role::User, "just\ntext")]));
        assert!(from_markdown("").messages.is_empty());
    }
}
