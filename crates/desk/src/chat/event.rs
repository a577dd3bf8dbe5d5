//! What those see who watch an answer come: [`AnswerEvent`].

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Problem,
    calls::Attempt,
    store::{Answer, Message},
};

/// Where an answer is before its first word, and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It waits for a server's free place.
    Queued,
    /// A connection is looked for.
    Connecting,
    /// The server has the request and works on the prompt.
    Prompt,
    /// Words come.
    Decoding,
}

/// Something about an answer that is coming. On the wire the name is the event's.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum AnswerEvent {
    /// `phase`: it has come so far.
    Phase {
        /// How far.
        phase: Phase,
        /// With which server.
        #[serde(skip_serializing_if = "Option::is_none")]
        server: Option<String>,
        /// Over what.
        #[serde(skip_serializing_if = "Option::is_none")]
        protocol: Option<String>,
    },
    /// `text`: more words.
    Text {
        /// Which segment they belong to.
        segment: usize,
        /// The words.
        text: String,
        /// In how many pieces the server sent them: about as many tokens. Not known of what another process hears.
        #[serde(skip_serializing_if = "Option::is_none")]
        pieces: Option<u32>,
    },
    /// `reasoning`: more of what the model thinks.
    Reasoning {
        /// Which segment it belongs to.
        segment: usize,
        /// The words.
        text: String,
        /// In how many pieces the server sent them, where that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        pieces: Option<u32>,
    },
    /// `attempt`: one has failed, or was committed.
    Attempt(Attempt),
    /// `segment`: from here on another server speaks, or the first one.
    Segment {
        /// Which segment begins, counted from 0.
        segment: usize,
        /// The server.
        server: String,
        /// Over what.
        protocol: String,
        /// The model.
        model: String,
        /// Why the one before broke off.
        #[serde(skip_serializing_if = "Option::is_none")]
        because: Option<Box<Problem>>,
    },
    /// `done`: the message as it is kept. Nothing comes after it.
    Done(Box<Message>),
}

impl AnswerEvent {
    /// The event's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Phase { .. } => "phase",
            Self::Text { .. } => "text",
            Self::Reasoning { .. } => "reasoning",
            Self::Attempt(_) => "attempt",
            Self::Segment { .. } => "segment",
            Self::Done(_) => "done",
        }
    }
}

/// The events of an answer that has ended, for who comes late.
pub fn replayed(message: Message) -> Vec<AnswerEvent> {
    let mut events = message.answer.as_ref().map_or_else(Vec::new, |answer| more(&Answer::default(), answer));
    events.push(AnswerEvent::Done(Box::new(message)));
    events
}

/// What has come since the answer stood as `before`.
pub(super) fn more(before: &Answer, now: &Answer) -> Vec<AnswerEvent> {
    let mut events = Vec::new();
    let mut because = None;
    for (segment, one) in now.segments.iter().enumerate() {
        let known = before.segments.get(segment);
        if known.is_none() {
            let (server, protocol, model) = (one.server.clone(), one.protocol.clone(), one.model.clone());
            events.push(AnswerEvent::Segment { segment, server, protocol, model, because: because.take() });
        }
        let since = |all: &str, before: Option<&str>| {
            all.strip_prefix(before.unwrap_or_default()).filter(|more| !more.is_empty()).map(str::to_owned)
        };
        if let Some(text) = since(&one.reasoning, known.map(|known| &*known.reasoning)) {
            events.push(AnswerEvent::Reasoning { segment, text, pieces: None });
        }
        if let Some(text) = since(&one.text, known.map(|known| &*known.text)) {
            events.push(AnswerEvent::Text { segment, text, pieces: None });
        }
        because = one.error.clone().map(Box::new);
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Segment;

    #[test]
    fn words_that_another_process_hears_have_no_number_of_pieces() {
        let said = |text: &str| Answer {
            segments: vec![Segment { text: text.into(), ..Segment::default() }],
            ..Answer::default()
        };
        let event = more(&said("Of ships"), &said("Of ships and sails")).pop().unwrap();
        assert_eq!(event, AnswerEvent::Text { segment: 0, text: " and sails".into(), pieces: None });
        assert_eq!(serde_json::to_string(&event).unwrap(), r#"{"segment":0,"text":" and sails"}"#);
    }
}
