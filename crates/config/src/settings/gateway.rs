//! The server that Longshore runs: [`Gateway`].

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::time::secs;
use crate::section::section;
use crate::value::{ByteSize, Credential};

section! {
    /// The server that `longshore serve` runs.
    pub struct Gateway {
        /// Where to listen; `localhost:PORT` is 127.0.0.1, and port 0 takes a free one. Any address that other machines can
        /// reach needs `token`.
        listen: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 8400));
        /// Where the token is kept that clients must send as `Authorization: Bearer`. Without it, everyone on this machine may ask.
        token: Option<Credential> = None, example "{ env: GATEWAY_TOKEN }";
        /// Names by which clients call this machine, beside `localhost` and its addresses. A request for any other host is
        /// refused: a web page can point its own name here.
        hosts: Vec<String> = Vec::new(), example "[desk.example]";
        /// The largest request body.
        max_request: ByteSize = ByteSize::mib(64), in ByteSize::kib(1)..=ByteSize::gib(64);
        /// Requests worked on at once; more are refused with 429 and `Retry-After`.
        max_concurrent: u32 = 1024, in 1..=100_000;
        /// The largest head of a request: its line and all its headers.
        max_header: ByteSize = ByteSize::kib(64), in ByteSize::kib(8)..=ByteSize::mib(1);
        /// How long running requests may take to finish once the server is told to stop.
        drain_timeout: Duration = secs(10), in secs(0)..=secs(3600);
        /// The certificate to serve `https` with. Without it, plain `http`.
        tls: Option<GatewayTls> = None, example "{ certificate: /etc/longshore/server.pem, key: /etc/longshore/server.key }";
    }
}

section! {
    /// The certificate to serve `https` with.
    pub struct GatewayTls {
        /// A PEM file with the certificate chain.
        certificate (required): PathBuf = PathBuf::new(), example "/etc/longshore/server.pem";
        /// A PEM file with its private key. Best readable by its owner only.
        key (required): PathBuf = PathBuf::new(), example "/etc/longshore/server.key";
    }
}
