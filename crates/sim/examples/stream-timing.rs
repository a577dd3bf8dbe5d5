//! How exactly a simulator keeps its time: many streams at once, and how late their tokens are, at the simulator and
//! at a client on the same machine.
//!
//! The client would take as much of the machine as the simulator does if it looked at each token when it comes. So it
//! times up to two hundred of the streams, spread over all, and reads the others in larger pieces.
//!
//! `cargo run --release -p longshore-sim --example stream-timing -- STREAMS TOKENS MILLISECONDS`

#![expect(clippy::disallowed_macros, reason = "an example prints what it found")]
#![expect(clippy::disallowed_methods, reason = "the client's threads have nothing to do but wait")]

use std::{
    collections::{BTreeMap, HashMap},
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant, SystemTime},
};

use longshore_sim::{Latency, Model, Simulator};
use tokio::{io::AsyncReadExt, runtime::Builder, task::JoinSet};

/// From a request to its first token: time for all the others to be asked.
const TTFT: Duration = Duration::from_secs(1);
/// Streams whose every token is timed.
const TIMED: usize = 200;

fn main() -> io::Result<()> {
    let mut numbers = std::env::args().skip(1).map(|number| number.parse().unwrap_or(0));
    let streams = usize::try_from(numbers.next().unwrap_or(2000)).unwrap_or(2000);
    let tokens = u32::try_from(numbers.next().unwrap_or(50)).unwrap_or(50);
    let gap = Duration::from_millis(numbers.next().unwrap_or(20));
    Builder::new_current_thread().enable_all().build()?.block_on(run(streams, tokens, gap))
}

async fn run(streams: usize, tokens: u32, gap: Duration) -> io::Result<()> {
    let latency = Latency { ttft: TTFT.into(), itl: gap.into(), ..Latency::default() };
    let model = Model { tokens, ..Model::chat("sim") };
    let simulator = Simulator::builder().model(model).latency(latency).start().await?;
    let address = simulator.address();
    let client = thread::spawn(move || read_all(address, streams, gap));
    simulator.logged(streams).await;
    let arrivals = client.join().map_err(|_| io::Error::other("the client panicked"))??;

    // The simulator numbers connections as they come: the client's first is its first.
    let mut requests = HashMap::new();
    for entry in simulator.log() {
        requests.insert(entry.index, (entry.connection as usize, entry.time));
    }
    let (mut late, mut uneven, mut worst) = (Vec::new(), Vec::new(), Vec::new());
    for truth in simulator.truth() {
        let Some((connection, time)) = requests.get(&truth.index) else { continue };
        let epoch = SystemTime::UNIX_EPOCH + Duration::from_secs_f64(*time) - Duration::from_nanos(truth.arrived_ns);
        worst.push(Duration::from_nanos(truth.worst_lag_ns));
        let planned: Vec<_> = truth.tokens_ns.iter().map(|at| epoch + Duration::from_nanos(*at)).collect();
        let Some(seen) = arrivals.get(connection) else { continue };
        if seen.len() != planned.len() {
            let message = format!("{} tokens were planned and {} seen", planned.len(), seen.len());
            return Err(io::Error::other(message));
        }
        late.extend(seen.iter().zip(&planned).map(|(seen, planned)| seen.duration_since(*planned).unwrap_or_default()));
        let gaps = |instants: &[SystemTime]| -> Vec<Duration> {
            instants.windows(2).map(|pair| pair[1].duration_since(pair[0]).unwrap_or_default()).collect()
        };
        uneven.extend(gaps(seen).iter().zip(gaps(&planned)).map(|(seen, planned)| seen.abs_diff(planned)));
    }
    println!("{streams} streams of {tokens} tokens, one each {gap:?}");
    tell("token late at the client, against its planned instant", late);
    tell("gap between tokens at the client, off the planned gap", uneven);
    tell("token late at the simulator, the worst of each stream", worst);
    Ok(())
}

/// Asks for all streams and notes when the tokens of those that are timed came. Phases are spread over the gap between
/// tokens, as those of independent clients are.
fn read_all(address: SocketAddr, streams: usize, gap: Duration) -> io::Result<BTreeMap<usize, Vec<SystemTime>>> {
    let body = r#"{"model":"sim","messages":[{"role":"user","content":"go"}],"stream":true}"#;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json";
    let request = format!("{head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let mut sockets = Vec::new();
    for _ in 0..streams {
        sockets.push(TcpStream::connect(address)?);
    }
    let begun = Instant::now();
    let phase = 5 * gap / u32::try_from(streams.max(1)).unwrap_or(u32::MAX);
    for (socket, position) in sockets.iter_mut().zip(0..) {
        thread::sleep((phase * position).saturating_sub(begun.elapsed()));
        socket.write_all(request.as_bytes())?;
        socket.set_nonblocking(true)?;
    }
    let every = streams.div_ceil(TIMED).max(1);
    let (timed, others): (Vec<_>, Vec<_>) =
        sockets.into_iter().enumerate().partition(|(position, _)| position % every == 0);
    let others = thread::spawn(move || drain(others.into_iter().map(|(_, socket)| socket).collect()));
    let arrivals = Builder::new_current_thread().enable_io().build()?.block_on(async {
        let mut tasks = JoinSet::new();
        for (position, socket) in timed {
            let socket = tokio::net::TcpStream::from_std(socket)?;
            tasks.spawn(async move { read(socket).await.map(|arrivals| (position, arrivals)) });
        }
        tasks.join_all().await.into_iter().collect()
    });
    others.join().map_err(|_| io::Error::other("the client panicked"))??;
    arrivals
}

/// Reads streams to their ends, each about ten times a second.
fn drain(mut sockets: Vec<TcpStream>) -> io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    let mut position = 0;
    while !sockets.is_empty() {
        position %= sockets.len();
        match sockets[position].read(&mut buffer) {
            Ok(0) => drop(sockets.swap_remove(position)),
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            _ => position += 1,
        }
        if position.is_multiple_of(20) {
            thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(())
}

/// Reads one stream to its end and notes when each of its tokens came.
async fn read(mut stream: tokio::net::TcpStream) -> io::Result<Vec<SystemTime>> {
    let (mut arrivals, mut buffer) = (Vec::with_capacity(64), vec![0; 2 << 10]);
    loop {
        let count = stream.read(&mut buffer).await?;
        let now = SystemTime::now();
        if count == 0 {
            return Ok(arrivals);
        }
        // A token's chunk has content that is not empty.
        let content = br#""content":""#;
        let read = &buffer[..count];
        let ends = read.windows(content.len() + 1).filter(|part| part.starts_with(content) && !part.ends_with(b"\""));
        arrivals.extend(ends.map(|_| now));
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
