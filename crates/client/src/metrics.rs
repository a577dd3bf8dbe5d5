//! The names of all numbers that the client counts, and the one place that counts them, through the `metrics` facade.
//!
//! Nothing is exported here: a program that installs a recorder gets them, for others they cost next to nothing. Labels
//! are names of the configuration and words of this project; the one that callers choose, `model`, stands only where
//! what is kept about models is limited.

use std::{sync::Arc, time::Duration};

use longshore_core::{Error, Protocol, Reply, capability::OpKind};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

/// Calls that were asked of the fleet, by `op` and `outcome`: `committed`, or the error's kind.
pub const CALLS: &str = "longshore_calls_total";
/// From a call's coming to its first content, in seconds, by `op`.
pub const FIRST_CONTENT: &str = "longshore_first_content_seconds";
/// From an attempt's beginning to the end of its answer, in seconds, by `server` and `protocol`.
pub const DURATION: &str = "longshore_answer_seconds";
/// Answers that broke off after their first content, by `server` and `protocol`.
pub const BROKEN: &str = "longshore_broken_answers_total";
/// Attempts, by `server`, `protocol` and `outcome`.
pub const ATTEMPTS: &str = "longshore_attempts_total";
/// Attempts that the retry budget paid for, by `server`.
pub const RETRIES: &str = "longshore_retries_total";
/// Attempts that were not made because the retry budget was spent, by `server`.
pub const RETRIES_REFUSED: &str = "longshore_retries_refused_total";
/// Second attempts beside a slow first one, by `server`.
pub const HEDGES: &str = "longshore_hedges_total";
/// Streams that had broken off and were continued, by `server`.
pub const RESUMED: &str = "longshore_resumed_total";
/// Tokens received (pieces of text where the server does not count), by `server` and `protocol`.
pub const TOKENS: &str = "longshore_tokens_total";
/// Calls in flight, by `server` and `protocol`.
pub const IN_FLIGHT: &str = "longshore_in_flight";
/// A breaker's state: 0 closed, 1 half-open, 2 open; by `server`, `protocol` and `model`.
pub const BREAKER: &str = "longshore_breaker_state";
/// Calls by what the response cache did: `result` is `hit`, `miss`, `joined` or `bypassed`.
pub const CACHE: &str = "longshore_cache_calls_total";
/// Calls that could be joined, by `op` and `result`: `alone`, `joined`, or `again` (alone after a joint request failed).
pub const BATCHED: &str = "longshore_batch_calls_total";
/// Items of each joint request, by `op`.
pub const BATCH_ITEMS: &str = "longshore_batch_items";
/// Connections that are open, by `server` and `protocol`.
pub const CONNECTIONS: &str = "longshore_connections_open";
/// Connections that were made, by `server` and `protocol`.
pub const CONNECTIONS_CREATED: &str = "longshore_connections_created_total";
/// Requests over a connection that had served others, by `server` and `protocol`.
pub const CONNECTIONS_REUSED: &str = "longshore_connections_reused_total";
/// Connections that were closed, by `server`, `protocol` and `reason`.
pub const CONNECTIONS_CLOSED: &str = "longshore_connections_closed_total";

/// Tells the installed recorder what each name means. Called once, after the recorder was installed.
pub fn describe() {
    describe_counter!(CALLS, "calls that were asked of the fleet");
    describe_histogram!(FIRST_CONTENT, metrics::Unit::Seconds, "from a call's coming to its first content");
    describe_histogram!(DURATION, metrics::Unit::Seconds, "from an attempt's beginning to the end of its answer");
    describe_counter!(BROKEN, "answers that broke off after their first content");
    describe_counter!(ATTEMPTS, "attempts at calls");
    describe_counter!(RETRIES, "attempts that the retry budget paid for");
    describe_counter!(RETRIES_REFUSED, "attempts not made because the retry budget was spent");
    describe_counter!(HEDGES, "second attempts beside a slow first one");
    describe_counter!(RESUMED, "streams that had broken off and were continued");
    describe_counter!(TOKENS, "tokens received");
    describe_gauge!(IN_FLIGHT, "calls in flight");
    describe_counter!(CACHE, "calls by what the response cache did");
    describe_counter!(BATCHED, "calls that could be joined");
    describe_histogram!(BATCH_ITEMS, "items of each joint request");
    describe_gauge!(CONNECTIONS, "connections that are open");
    describe_counter!(CONNECTIONS_CREATED, "connections that were made");
    describe_counter!(CONNECTIONS_REUSED, "requests over a connection that had served others");
    describe_counter!(CONNECTIONS_CLOSED, "connections that were closed");
    describe_gauge!(BREAKER, "a breaker's state: 0 closed, 1 half-open, 2 open");
}

/// The labels of one way to one server.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) server: Arc<str>,
    pub(crate) protocol: Protocol,
}

impl Way {
    pub(crate) fn new(server: &Arc<str>, protocol: Protocol) -> Self {
        Self { server: Arc::clone(server), protocol }
    }
}

#[cfg(test)]
impl Default for Way {
    fn default() -> Self {
        Self::new(&"test".into(), Protocol::Rest)
    }
}

/// A call has an answer, or has failed, after this long.
pub(crate) fn call(op: OpKind, result: &Result<Reply, Error>, after: Duration) {
    let outcome = result.as_ref().map_or_else(|error| error.kind().as_str(), |_| "committed");
    counter!(CALLS, "op" => op.name(), "outcome" => outcome).increment(1);
    if result.is_ok() {
        histogram!(FIRST_CONTENT, "op" => op.name()).record(after);
    }
}

pub(crate) fn attempt(server: &Arc<str>, protocol: Protocol, outcome: &'static str) {
    counter!(ATTEMPTS, "server" => Arc::clone(server), "protocol" => protocol.as_str(), "outcome" => outcome)
        .increment(1);
}

pub(crate) fn retry(server: &Arc<str>) {
    counter!(RETRIES, "server" => Arc::clone(server)).increment(1);
}

pub(crate) fn retry_refused(server: &Arc<str>) {
    counter!(RETRIES_REFUSED, "server" => Arc::clone(server)).increment(1);
}

pub(crate) fn hedge(server: &Arc<str>) {
    counter!(HEDGES, "server" => Arc::clone(server)).increment(1);
}

pub(crate) fn resumed(server: &Arc<str>) {
    counter!(RESUMED, "server" => Arc::clone(server)).increment(1);
}

pub(crate) fn broken(server: &Arc<str>, protocol: Protocol) {
    counter!(BROKEN, "server" => Arc::clone(server), "protocol" => protocol.as_str()).increment(1);
}

/// An answer has come to its end after this long, or was given up, and had this many tokens.
pub(crate) fn answer_ended(server: &Arc<str>, protocol: Protocol, after: Duration, tokens: u64) {
    histogram!(DURATION, "server" => Arc::clone(server), "protocol" => protocol.as_str()).record(after);
    counter!(TOKENS, "server" => Arc::clone(server), "protocol" => protocol.as_str()).increment(tokens);
}

pub(crate) fn in_flight(way: &Way, change: f64) {
    gauge!(IN_FLIGHT, "server" => Arc::clone(&way.server), "protocol" => way.protocol.as_str()).increment(change);
}

pub(crate) fn breaker(way: &Way, model: &Arc<str>, state: &'static str) {
    let value = match state {
        "closed" => 0.0,
        "half_open" => 1.0,
        _ => 2.0,
    };
    let (server, model) = (Arc::clone(&way.server), Arc::clone(model));
    gauge!(BREAKER, "server" => server, "protocol" => way.protocol.as_str(), "model" => model).set(value);
}

pub(crate) fn cache(result: &'static str) {
    counter!(CACHE, "result" => result).increment(1);
}

pub(crate) fn batched(op: OpKind, result: &'static str) {
    counter!(BATCHED, "op" => op.name(), "result" => result).increment(1);
}

pub(crate) fn batch(op: OpKind, items: usize) {
    histogram!(BATCH_ITEMS, "op" => op.name()).record(items as f64);
}

pub(crate) fn connection_opened(way: &Way) {
    let Way { server, protocol } = way;
    gauge!(CONNECTIONS, "server" => Arc::clone(server), "protocol" => protocol.as_str()).increment(1.0);
    counter!(CONNECTIONS_CREATED, "server" => Arc::clone(server), "protocol" => protocol.as_str()).increment(1);
}

pub(crate) fn connection_reused(way: &Way) {
    counter!(CONNECTIONS_REUSED, "server" => Arc::clone(&way.server), "protocol" => way.protocol.as_str()).increment(1);
}

pub(crate) fn connection_closed(way: &Way, reason: &'static str) {
    let Way { server, protocol } = way;
    gauge!(CONNECTIONS, "server" => Arc::clone(server), "protocol" => protocol.as_str()).decrement(1.0);
    let server = Arc::clone(server);
    counter!(CONNECTIONS_CLOSED, "server" => server, "protocol" => protocol.as_str(), "reason" => reason).increment(1);
}
