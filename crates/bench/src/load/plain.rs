//! A client that does what it is told, once: [`plain`].
//!
//! Whatever makes a client kind to its servers would hide what is measured: a second attempt, another server, a breaker,
//! a queue of its own, calls that are joined. A response cache stays where it is configured: each call says whether it
//! may answer.

use std::time::Duration;

use longshore_client::{Breaker, FleetConfig, Health, Limits, Pool, Retry, Stamps};

/// The same servers, asked once for each call, by as many connections as there are calls at once; what they answer is stamped
/// by the kernel, where that can be.
#[must_use]
pub fn plain(config: FleetConfig, at_once: usize) -> FleetConfig {
    FleetConfig {
        retry: Retry { max_attempts: 1, budget_percent: 0, hedge_after: None, resume: false, ..config.retry },
        breaker: Breaker { consecutive_faults: u32::MAX, min_calls: u32::MAX, ..config.breaker },
        batch: None,
        health: Health { interval: Duration::ZERO },
        pool: Pool { max_idle_per_host: config.pool.max_idle_per_host.max(at_once), ..config.pool },
        limits: Limits {
            in_flight: config.limits.in_flight.max(at_once),
            queue: config.limits.queue.max(at_once),
            ..config.limits
        },
        stamps: Stamps::Kernel,
        ..config
    }
}
