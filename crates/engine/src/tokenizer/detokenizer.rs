//! Bytes to text, piece by piece: a character is shown when its last byte has come, and never in halves.

/// Bytes to text, holding back a character until its last byte has come.
#[derive(Default)]
pub(crate) struct Detokenizer {
    held: Vec<u8>,
}

impl Detokenizer {
    /// The text that is complete with these bytes; bytes that can never become a character become U+FFFD.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> String {
        self.held.extend_from_slice(bytes);
        let mut text = String::new();
        let mut done = 0;
        for chunk in self.held.utf8_chunks() {
            text.push_str(chunk.valid());
            done += chunk.valid().len();
            let invalid = chunk.invalid();
            let at_end = done + invalid.len() == self.held.len();
            if invalid.is_empty() || (at_end && may_grow(invalid)) {
                break;
            }
            text.push(char::REPLACEMENT_CHARACTER);
            done += invalid.len();
        }
        self.held.drain(..done);
        text
    }

    /// What is left, made valid.
    pub(crate) fn finish(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.held).into_owned();
        self.held.clear();
        text
    }
}

/// Could more bytes complete this character?
fn may_grow(start: &[u8]) -> bool {
    std::str::from_utf8(start).is_err_and(|error| error.error_len().is_none())
}
