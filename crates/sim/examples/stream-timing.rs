//! How exactly a simulator keeps its time: many streams at once, and how late their tokens are, at the simulator and
//! at a client in the same process, which takes its part of the machine.
//!
//! `cargo run --release -p longshore-sim --example stream-timing -- STREAMS TOKENS MILLISECONDS`

#![expect(clippy::disallowed_macros, reason = "an example prints what it found")]

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use longshore_sim::{Distribution, Latency, Model, Simulator};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

#[tokio::main]
async fn main() -> io::Result<()> {
    let mut numbers = std::env::args().skip(1).map(|number| number.parse().unwrap_or(0));
    let streams = numbers.next().unwrap_or(2000);
    let tokens = numbers.next().unwrap_or(50);
    let gap = Duration::from_millis(numbers.next().unwrap_or(20));

    let latency = Latency { ttft: Distribution::Fixed(Duration::from_secs(1)), itl: gap.into(), ..Latency::default() };
    let model = Model { tokens: u32::try_from(tokens).unwrap_or(50), ..Model::chat("sim") };
    let simulator = Simulator::builder().model(model).latency(latency).start().await?;
    let mut tasks = JoinSet::new();
    for _ in 0..streams {
        tasks.spawn(stream(simulator.address()));
    }
    let mut late = Vec::new();
    for arrivals in tasks.join_all().await {
        let arrivals = arrivals?;
        // The stream's most punctual token tells where its plan began.
        let starts = (0..).zip(&arrivals).filter_map(|(position, at)| at.checked_sub(gap * position));
        let Some(start) = starts.min() else { continue };
        late.extend((0..).zip(&arrivals).map(|(position, at)| at.duration_since(start + gap * position)));
    }
    simulator.logged(usize::try_from(streams).unwrap_or(usize::MAX)).await;
    let worst = simulator.truth().iter().map(|truth| Duration::from_nanos(truth.worst_lag_ns)).collect();
    println!("{streams} streams of {tokens} tokens, one each {gap:?}");
    tell("at the client, against each stream's most punctual token", late);
    tell("at the simulator, the latest token of each stream", worst);
    Ok(())
}

/// Reads one stream and notes when each of its tokens came.
async fn stream(address: SocketAddr) -> io::Result<Vec<Instant>> {
    let body = r#"{"model":"sim","messages":[{"role":"user","content":"go"}],"stream":true}"#;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json";
    let request = format!("{head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let (mut arrivals, mut buffer) = (Vec::new(), vec![0; 16 << 10]);
    loop {
        let count = stream.read(&mut buffer).await?;
        let now = Instant::now();
        if count == 0 {
            return Ok(arrivals);
        }
        // A token's chunk has content that is not empty.
        let text = String::from_utf8_lossy(&buffer[..count]);
        let tokens = text
            .lines()
            .filter(|line| line.split(r#""content":""#).nth(1).is_some_and(|content| !content.starts_with('"')));
        arrivals.extend(tokens.map(|_| now));
    }
}

fn tell(what: &str, mut durations: Vec<Duration>) {
    durations.sort_unstable();
    let at = |share: f64| {
        let position = ((durations.len() as f64 * share) as usize).min(durations.len().saturating_sub(1));
        durations.get(position).copied().unwrap_or_default()
    };
    println!("{what}: median {:?}, 99th percentile {:?}, latest {:?}", at(0.5), at(0.99), at(1.0));
}
