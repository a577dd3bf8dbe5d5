//! Conversations on disk: [`Store`], a SQLite file in the platform's data folder.
//!
//! Written text outlives the process: an answer that is still coming is written down piece by piece, and what was running
//! when the process ended is found again as interrupted. A file that cannot be opened is an error of each question about
//! conversations, with what to do about it, and of nothing else; the next question tries again. What is asked of models is
//! not decided here.

mod conversations;
mod database;
mod excerpt;
mod messages;
mod migrations;
mod model;
mod owner;
mod search;
mod words;

pub use database::Store;
pub(crate) use database::next;
pub use messages::Piece;
pub use model::{
    Answer, AnswerState, Attachment, Change, Conversation, ConversationSummary, Message, NewConversation, Role,
    Sampling, Segment, SegmentEnd, TokenCounts,
};

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

/// A fresh id, of 16 hexadecimal digits. Nothing is kept secret by it.
pub(crate) fn fresh_id() -> String {
    format!("{:016x}", fastrand::u64(..))
}
