//! A simulator with its default model and nothing around it, to be measured: `e2e/measure_sim.py` does so where there
//! is no build of the binary.
//!
//! `cargo run --release -p longshore-sim --example serve -- 127.0.0.1:8410`

#![expect(clippy::disallowed_macros, reason = "an example prints what it found")]

use std::{io, net::SocketAddr};

use longshore_sim::Simulator;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".into());
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;
    let simulator = Simulator::builder().listen(address).start().await?;
    println!("{}", simulator.url());
    std::future::pending().await
}
