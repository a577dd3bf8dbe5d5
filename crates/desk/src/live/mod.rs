//! What is in use just now, and what is seen of it: the fleet, which settings can swap, the servers' cards, the models,
//! loads under way, and a sample of numbers each second. The page is told by a `Hub`.

mod fleet;
mod hub;
mod loads;
mod memory;
mod models;
mod observer;
mod pins;
mod pulse;
mod samples;
mod servers;

use std::time::{SystemTime, UNIX_EPOCH};

pub use fleet::LiveFleet;
pub(crate) use hub::{Hub, News, written};
pub(crate) use loads::{Load, Loads, Order};
pub(crate) use models::{ModelsView, view as models_view};
pub use observer::{Failed, Observer, Seen};
pub(crate) use pins::Pins;
pub(crate) use pulse::begin;
pub(crate) use samples::Samples;
pub use samples::{CacheSample, Sample, ServerSample};
pub(crate) use servers::Watched;
pub use servers::{HealthPoint, Server, ServerEvent, WayView};

/// Milliseconds since 1970.
pub(crate) fn wall_clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
