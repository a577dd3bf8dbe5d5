//! What a call through a `Fleet` costs beyond the same request by hyper alone, to the same loopback server.
//!
//! `cargo bench -p longshore-client --bench overhead`
//!
//! Client and server run on a thread each. The CPU time is the client thread's own: it has the client's connection
//! tasks on it, and nothing of the server. hyper alone reads the body and looks at nothing in it; the fleet encodes
//! the call, finds the server, watches the time, decodes every event and puts the answer together.
//!
//! Where the machine is too busy for times, instructions are counted: `count hyper|fleet unary|stream CALLS` as the
//! arguments makes so many calls and nothing else, under `valgrind --tool=callgrind`. The server's are among them, for
//! both alike; the difference of two numbers of calls leaves out what is done once.

#![expect(clippy::disallowed_macros, reason = "a benchmark prints what it measured")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to say")]

mod support;

use std::time::{Duration, Instant};

use http_body_util::BodyExt;

use self::support::{Clients, TOKENS, serve};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [count, who, shape, calls, ..] = &arguments[..]
        && count == "count"
    {
        return only(who, shape == "stream", calls.parse().unwrap());
    }
    // Without `--bench` (as `cargo test --benches` runs it) one round shows that it works.
    let (rounds, calls) = if std::env::args().any(|argument| argument == "--bench") { (15, 1000) } else { (1, 10) };
    let address = serve();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let clients = Clients::new(address);
        println!("{rounds} rounds of {calls} calls each, one after another; medians of the rounds");
        for (name, stream) in [("unary chat", false), ("chat streamed in 64 tokens", true)] {
            let (mut alone, mut whole) = (Vec::new(), Vec::new());
            raw(&clients, stream, calls / 5).await;
            fleet(&clients, stream, calls / 5).await;
            for _ in 0..rounds {
                alone.push(measure(calls, raw(&clients, stream, calls)).await);
                whole.push(measure(calls, fleet(&clients, stream, calls)).await);
            }
            report(name, median(alone), median(whole));
        }
    });
}

/// Makes so many calls.
fn only(who: &str, stream: bool, calls: usize) {
    let address = serve();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let clients = Clients::new(address);
        if who == "hyper" { raw(&clients, stream, calls).await } else { fleet(&clients, stream, calls).await }
    });
}

#[derive(Clone, Copy)]
struct Cost {
    wall_us: f64,
    cpu_us: f64,
}

async fn measure(calls: usize, work: impl Future<Output = ()>) -> Cost {
    let (wall, cpu) = (Instant::now(), thread_cpu_time());
    work.await;
    let per_call = |time: Duration| time.as_secs_f64() * 1e6 / calls as f64;
    Cost { wall_us: per_call(wall.elapsed()), cpu_us: per_call(thread_cpu_time() - cpu) }
}

fn median(mut costs: Vec<Cost>) -> Cost {
    let mut middle = |key: fn(&Cost) -> f64| {
        costs.sort_by(|a, b| key(a).total_cmp(&key(b)));
        key(&costs[costs.len() / 2])
    };
    Cost { wall_us: middle(|cost| cost.wall_us), cpu_us: middle(|cost| cost.cpu_us) }
}

fn report(name: &str, raw: Cost, fleet: Cost) {
    println!("{name}");
    for (who, cost) in [("hyper alone", raw), ("fleet", fleet)] {
        println!("  {who:12} {:8.1} µs CPU  {:8.1} µs wall", cost.cpu_us, cost.wall_us);
    }
    let more = fleet.cpu_us - raw.cpu_us;
    println!(
        "  overhead     {more:8.1} µs CPU  ratio {:.2} in CPU, {:.2} in wall time",
        fleet.cpu_us / raw.cpu_us,
        fleet.wall_us / raw.wall_us
    );
}

async fn raw(clients: &Clients, stream: bool, calls: usize) {
    for _ in 0..calls {
        let body = clients.raw("hello", stream).await.collect().await.unwrap().to_bytes();
        assert!(!body.is_empty());
    }
}

async fn fleet(clients: &Clients, stream: bool, calls: usize) {
    for _ in 0..calls {
        let answer = clients.fleet("hello", stream).await.collect().await.unwrap();
        assert_eq!(answer.text().len(), 5 * TOKENS);
    }
}

#[cfg(unix)]
fn thread_cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// Where no such clock is at hand, CPU time is not told.
#[cfg(not(unix))]
fn thread_cpu_time() -> Duration {
    Duration::ZERO
}
