//! The way to the servers: [`Timeouts`], [`Retry`], [`Pool`], [`Limits`].

use std::time::Duration;

use super::time::{DAY, millis, secs};
use crate::section::section;
use crate::value::ByteSize;

section! {
    /// How long each phase of a request may take. The limit over all of them is `inference.timeout`.
    pub struct Timeouts {
        /// Opening a connection, TLS included. A server that is there answers within a second even over a bad link.
        connect: Duration = secs(5), in millis(10)..=secs(600);
        /// From the request's last byte to the answer's headers. Without streaming, that is the whole generation.
        headers: Duration = secs(60), in millis(10)..=DAY;
        /// From the request's last byte to the first token of a stream: a cold server loads the model first.
        first_token: Duration = secs(120), in millis(10)..=DAY;
        /// Between two pieces of an answer; after that long a silence the server is taken for dead.
        idle: Duration = secs(60), in millis(10)..=DAY;
    }
}

section! {
    /// How failed requests are tried again.
    pub struct Retry {
        /// Attempts for one request over all protocols and servers, the first included.
        max_attempts: u32 = 4, in 1..=10;
        /// The share of all requests that may be repetitions: above it, a struggling server is left to recover (not yet in
        /// effect).
        budget_percent: u32 = 20, in 0..=100;
        /// The wait before the second attempt; it doubles each time, with a random part (not yet in effect).
        base_delay: Duration = millis(100), in millis(1)..=secs(60);
        /// The longest such wait (not yet in effect).
        max_delay: Duration = secs(10), in millis(1)..=secs(600);
    }
}

section! {
    /// Connections that are kept open.
    pub struct Pool {
        /// Idle connections kept for each server.
        max_idle_per_host: u32 = 16, in 0..=10_000;
        /// How long an idle connection is kept: less than the 5 seconds after which llama-server closes it, so that no request
        /// meets a closing connection.
        idle_timeout: Duration = secs(4), in millis(100)..=secs(3600);
        /// How often an HTTP/2 connection is probed, so that a silently dead one is noticed.
        http2_keepalive: Duration = secs(20), in secs(1)..=secs(3600);
    }
}

section! {
    /// How much of a server's answer is accepted, so that a broken server cannot fill the memory.
    pub struct Limits {
        /// The largest whole answer. Tensors are large.
        reply_body: ByteSize = ByteSize::mib(256), in ByteSize::kib(1)..=ByteSize::gib(64);
        /// The largest single event of a stream.
        stream_event: ByteSize = ByteSize::mib(4), in ByteSize::kib(1)..=ByteSize::gib(1);
    }
}
