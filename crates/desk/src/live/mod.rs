//! What is in use just now: the fleet, which settings can swap, and what is seen of it.

mod fleet;

pub use fleet::LiveFleet;
