//! Whether a rule's probability is the share of requests that it hits: real requests over loopback, counted where they are
//! answered and where they are seen, against the bounds that chance would keep in 999 of 1000 runs.
//!
//! `cargo run --release -p longshore-sim --example error-rate -- REQUESTS SHARE SEED`

#![expect(clippy::disallowed_macros, reason = "an example prints what it found")]

use std::{io, net::SocketAddr, process::ExitCode, time::Instant};

use longshore_sim::{Effect, Rule, Simulator, When};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    task::JoinSet,
};

const CONNECTIONS: u64 = 16;

#[tokio::main]
async fn main() -> io::Result<ExitCode> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let number = |at: usize, default: f64| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (requests, share, seed) = (number(0, 100_000.0) as u64, number(1, 0.002), number(2, 7.0) as u64);

    let status = Effect::Status { status: 500, body: None, headers: Default::default(), retry_after: None };
    let when = When { probability: Some(share), ..When::default() };
    let simulator = Simulator::builder().seed(seed).rule(Rule::new(status).when(when)).start().await?;
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for connection in 0..CONNECTIONS {
        let count = requests / CONNECTIONS + u64::from(connection < requests % CONNECTIONS);
        tasks.spawn(ask(simulator.address(), count));
    }
    let mut seen = 0;
    for failed in tasks.join_all().await {
        seen += failed?;
    }
    let elapsed = begun.elapsed();
    let applied = simulator.rules().iter().map(|(_, applied)| applied).sum::<u64>();
    let (low, high) = bounds(requests, share, 0.999);
    let within = (low..=high).contains(&applied) && applied == seen;
    println!("{requests} requests over {CONNECTIONS} connections in {elapsed:.1?}, seed {seed}, share {share}");
    println!("{seen} answers of status 500 were seen, {applied} were given; expected {:.0}", requests as f64 * share);
    println!("99.9 % of runs lie from {low} to {high}: {}", if within { "within" } else { "NOT within" });
    Ok(if within { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Sends so many requests, one after the other, and counts the answers of status 500.
async fn ask(address: SocketAddr, count: u64) -> io::Result<u64> {
    let body = r#"{"model":"sim","messages":[{"role":"user","content":"go"}],"max_tokens":1}"#;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json";
    let request = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    let (mut failed, mut line, mut answer) = (0, String::new(), Vec::new());
    for _ in 0..count {
        stream.write_all(request.as_bytes()).await?;
        let mut length = 0;
        for position in 0.. {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let text = line.trim_end();
            if text.is_empty() {
                break;
            }
            failed += u64::from(position == 0 && text.split(' ').nth(1) == Some("500"));
            if let Some((_, value)) =
                text.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            {
                length = value.parse().map_err(io::Error::other)?;
            }
        }
        answer.resize(length, 0);
        stream.read_exact(&mut answer).await?;
    }
    Ok(failed)
}

/// Between which counts this share of all runs lies: the binomial distribution, with the rest split evenly.
fn bounds(requests: u64, share: f64, confidence: f64) -> (u64, u64) {
    let tail = (1.0 - confidence) / 2.0;
    // The first term may be smaller than any number, so its logarithm is carried.
    let mut log_term = requests as f64 * (-share).ln_1p();
    let (mut sum, mut low, mut count) = (0.0, None, 0);
    loop {
        sum += log_term.exp();
        if low.is_none() && sum > tail {
            low = Some(count);
        }
        if sum >= 1.0 - tail || count == requests {
            return (low.unwrap_or(0), count);
        }
        log_term += ((requests - count) as f64 / (count + 1) as f64 * share / (1.0 - share)).ln();
        count += 1;
    }
}
