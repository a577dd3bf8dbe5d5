//! Real traffic, kept and played again: [`Record`] writes a cassette, [`Replay`] serves one. Either runs as a [`Deck`].
//!
//! A recorder is a proxy before one model server. It passes bytes on as they come, and writes down each exchange:
//! request, reply, the pieces in which the reply was read and when, and how it ended. Secrets never reach the file (see
//! `redact`); the form of the file is told in `format`.
//!
//! A cassette knows nothing of dialects. What it holds are bytes, so it serves any of them, and gRPC too.

mod deck;
mod format;
mod record;
mod redact;
mod replay;
mod upstream;

pub use deck::{CassetteNote, Deck, Outcome};
pub use record::Record;
pub use replay::Replay;

/// The longest body, of a request or of a reply, that a cassette takes unless told otherwise: 64 MiB.
pub const BODY_LIMIT: usize = 64 << 20;
