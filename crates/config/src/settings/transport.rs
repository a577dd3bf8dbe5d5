//! The way to the servers: [`Timeouts`], [`Retry`], [`Breaker`], [`Health`], [`Pool`], [`Limits`].

use std::time::Duration;

use super::time::{DAY, millis, secs};
use crate::section::section;
use crate::value::ByteSize;

section! {
    /// How long each phase of a request may take. The limit over all of them is `inference.timeout`.
    pub struct Timeouts {
        /// Opening a connection, TLS included. A server that is there answers within a second even over a bad link.
        connect: Duration = secs(5), in millis(10)..=secs(600);
        /// From the request's last byte to the answer's headers. Where a model answers without streaming, or has to be loaded
        /// first, `first_token` holds instead: the headers come with the answer.
        headers: Duration = secs(60), in millis(10)..=DAY;
        /// From the request's last byte to the first token of a stream, or to the whole answer without streaming.
        first_token: Duration = secs(120), in millis(10)..=DAY;
        /// The same where the model is known to be not loaded yet. Within `inference.timeout`, as everything.
        first_token_cold: Duration = secs(600), in millis(10)..=DAY;
        /// Between two pieces of an answer; after that long a silence the server is taken for dead.
        idle: Duration = secs(60), in millis(10)..=DAY;
        /// Asking a server who it is, which models it has or how it is. One that is there answers at once, and one that is not
        /// must not hold up the others.
        probe: Duration = secs(5), in millis(10)..=secs(600);
    }
}

section! {
    /// How failed requests are tried again.
    pub struct Retry {
        /// Attempts for one request over all protocols and servers, the first included.
        max_attempts: u32 = 4, in 1..=10;
        /// The share of a server's requests that may be asked of it again: above it, a struggling server is left to recover. A
        /// few are always allowed, unless it is 0. Going on to another server that is well does not count.
        budget_percent: u32 = 20, in 0..=100;
        /// The longest wait before everybody is asked a second time, of which a random part is taken; it doubles each time. A
        /// server's `Retry-After` goes before it.
        base_delay: Duration = millis(100), in millis(1)..=secs(60);
        /// The longest such wait.
        max_delay: Duration = secs(10), in millis(1)..=secs(600);
        /// A request without a first token after this long is sent to a second server as well, if one has the model ready, and
        /// the quicker one answers. Unset: never.
        hedge_after: Option<Duration> = None, in millis(1)..=secs(600), example "2s";
        /// The share of requests that may be sent twice in this way.
        hedge_percent: u32 = 5, in 0..=100;
        /// Whether a raw completion that breaks off is continued from the text that had come, and marked. The two parts need
        /// not be what one run would have written.
        resume: bool = false;
    }
}

section! {
    /// When a server that fails is left alone: for each of its addresses and models. The last one left is tried in any case.
    pub struct Breaker {
        /// So many faults in a row.
        consecutive_faults: u32 = 5, in 1..=1000;
        /// Or this share of faults, among at least `min_requests` within half a minute.
        failure_percent: u32 = 50, in 1..=100;
        /// See `failure_percent`.
        min_requests: u32 = 20, in 1..=100_000;
        /// How long it is left alone before one request may try it again; it doubles each time that fails.
        open: Duration = secs(1), in millis(1)..=secs(3600);
        /// The longest such time.
        max_open: Duration = secs(60), in millis(1)..=secs(3600);
    }
}

section! {
    /// How servers are asked for their health, beside what their answers to requests tell.
    pub struct Health {
        /// How often each is asked, about; 0 never. A single server is never asked: there is nothing to choose.
        interval: Duration = secs(30), in secs(0)..=DAY;
    }
}

section! {
    /// Connections that are kept open.
    pub struct Pool {
        /// Idle connections kept for each server.
        max_idle_per_host: u32 = 16, in 0..=10_000;
        /// How long an idle connection is kept: less than the 5 seconds after which llama-server closes it, so that no request
        /// meets a closing connection. A server that announces less (`Keep-Alive: timeout`) is believed.
        idle_timeout: Duration = secs(4), in millis(100)..=secs(3600);
        /// The most connections to each address, idle or not; a request that finds none free waits, as long as connecting may
        /// take.
        max_connections: u32 = 1024, in 1..=65_536;
        /// How long a connection is used at most, so that a name that has moved is noticed.
        max_age: Duration = secs(1800), in secs(1)..=DAY;
        /// HTTP/2 connections to each gRPC address; another one is begun when a hundred requests are on those there are.
        grpc_connections: u32 = 1, in 1..=64;
        /// How often an HTTP/2 connection is probed, so that a silently dead one is noticed.
        http2_keepalive: Duration = secs(20), in secs(1)..=secs(3600);
    }
}

section! {
    /// How much is accepted of a server's answer, and asked of a server at once, so that a broken one cannot fill the memory.
    pub struct Limits {
        /// The largest whole answer. Tensors are large.
        reply_body: ByteSize = ByteSize::mib(256), in ByteSize::kib(1)..=ByteSize::gib(64);
        /// The largest single event of a stream.
        stream_event: ByteSize = ByteSize::mib(4), in ByteSize::kib(1)..=ByteSize::gib(1);
        /// Requests that each address of a server works on at once, so that one server cannot swallow everything.
        in_flight: u32 = 1024, in 1..=1_000_000;
        /// Requests that wait beyond these, for each address; more go elsewhere or are refused.
        queue: u32 = 1024, in 0..=1_000_000;
    }
}
