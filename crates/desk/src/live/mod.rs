//! What is in use just now: the fleet, which settings can swap, and what is seen of it.

mod fleet;
mod observer;

pub use fleet::LiveFleet;
pub use observer::{Failed, Observer, Seen};
