//! The page that a person works with: [`Desk`].

use crate::section::section;
use crate::value::ByteSize;

section! {
    /// The page that a person works with, which `longshore` serves beside the gateway.
    pub struct Desk {
        /// Whether `longshore` without a command opens the page in a browser. `--no-open` is for once.
        open: bool = true;
        /// Calls that are kept to be looked at under Requests, the last ones. They are forgotten when the program ends.
        calls_kept: u32 = 500, in 10..=10_000;
        /// The most memory for them, together. A 64th of it is kept of one request, and as much of one answer.
        calls_bytes: ByteSize = ByteSize::mib(16), in ByteSize::mib(1)..=ByteSize::gib(4);
        /// How often an answer that broke off is asked for anew on another server that has the model; 0 for never. It is
        /// always shown.
        continue_elsewhere: u32 = 1, in 0..=10;
        /// The longest answer; one that goes on is broken off.
        answer_bytes: ByteSize = ByteSize::mib(8), in ByteSize::kib(64)..=ByteSize::gib(1);
        /// The largest file or picture that goes with a message.
        attachment_bytes: ByteSize = ByteSize::mib(10), in ByteSize::kib(1)..=ByteSize::gib(1);
        /// How far back the plots of Metrics go, in minutes; a sample is taken each second.
        samples_minutes: u32 = 60, in 1..=240;
    }
}
