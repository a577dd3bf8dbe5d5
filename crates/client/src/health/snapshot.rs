//! How every way to every server does just now, for people and pages: [`Fleet::vitals`].

use std::{sync::Arc, time::Duration};

use longshore_core::{Protocol, model::HealthReport};
use tokio::time::Instant;

use super::breaker::Standing;
use crate::{Fleet, member::since};

/// One way to one server, as the calls that took it have found it. Nothing is asked for this.
#[derive(Clone, Debug)]
pub struct EndpointVitals {
    /// The server's name.
    pub server: Arc<str>,
    /// The address; empty for a backend of this process.
    pub endpoint: Arc<str>,
    /// What carries it.
    pub protocol: Protocol,
    /// Calls that are being worked on there.
    pub in_flight: usize,
    /// Calls that wait for a place there.
    pub waiting: usize,
    /// Repetitions that the server's retry budget would pay for now.
    pub retry_budget: f64,
    /// Whether the last health checks reached it; true where none was made.
    pub reachable: bool,
    /// What the last health check heard, and how long ago; `None` where none was made, or none could be.
    pub ready: Option<(bool, Duration)>,
    /// Each model that was called there lately, by name.
    pub models: Vec<ModelVitals>,
}

/// How one model does there.
#[derive(Clone, Debug)]
pub struct ModelVitals {
    /// The model, as callers name it; empty for calls that named none.
    pub model: Arc<str>,
    /// `closed`: it is called. `open`: it is left alone. `half_open`: one call is finding out.
    pub breaker: &'static str,
    /// How long that has been so.
    pub since: Duration,
    /// Why it is not closed; empty if it is.
    pub reason: String,
    /// When it will be tried again; `None` if it is called anyway.
    pub next_probe: Option<Duration>,
    /// How long the server still wants to be left alone, if it said so.
    pub rests: Option<Duration>,
    /// The time to first content that can be expected; `None` where nobody has measured lately.
    pub first_content: Option<Duration>,
}

impl Fleet {
    /// How each way to each server does, in the order of the configuration.
    pub fn vitals(&self) -> Vec<EndpointVitals> {
        let now = Instant::now();
        let members = self.shelves.iter().map(|shelf| shelf.member());
        let ways = members.flat_map(|member| member.ways.iter().map(move |way| (member, way)));
        ways.map(|(member, way)| {
            let (route, vitals) = (way.route(), way.vitals());
            let mut models = vitals.conditions(|model, condition| {
                let breaker = &condition.breaker;
                ModelVitals {
                    model: Arc::clone(model),
                    breaker: breaker.state(),
                    since: since(breaker.since()),
                    reason: breaker.reason().to_owned(),
                    next_probe: match breaker.standing(now) {
                        Standing::Closed => None,
                        Standing::Probe => Some(Duration::ZERO),
                        Standing::Blocked(until) => Some(until - now),
                    },
                    rests: condition.rests_until.and_then(|until| until.checked_duration_since(now)),
                    first_content: condition.latency.expected(now),
                }
            });
            models.sort_by(|a, b| a.model.cmp(&b.model));
            let reach = vitals.reach();
            let ready = reach.last.as_ref().map(|(at, result)| {
                let unready = |report: &Option<HealthReport>| report.as_ref().is_some_and(|report| !report.ok);
                (result.as_ref().is_ok_and(|report| !unready(report)), since(*at))
            });
            EndpointVitals {
                reachable: !reach.lost,
                ready,
                server: route.server,
                endpoint: route.endpoint,
                protocol: route.protocol,
                in_flight: vitals.gate.in_flight(),
                waiting: vitals.gate.waiting(),
                retry_budget: member.budget.tokens(now),
                models,
            }
        })
        .collect()
    }
}
