//! What a call through a `Fleet` allocates beyond the same request by hyper alone, and the memory that a stream holds
//! while it is on its way.
//!
//! `cargo bench -p longshore-client --bench allocations`
//!
//! The server is this program once more, in a process of its own, so that nothing of it is counted; all that the
//! client's process allocates is, the tasks of its connections included. A block that grows is an allocation again, of
//! its new size. hyper alone reads the frames and drops them; the fleet decodes every event, and the events are dropped.

#![expect(clippy::disallowed_macros, reason = "a benchmark prints what it measured")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to say")]

mod support;

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use dhat::{HeapStats, Profiler};
use futures_util::{StreamExt, TryStreamExt};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use longshore_client::{DialectChoice, Fleet, FleetConfig, ServerConfig};
use longshore_core::{
    Backend, Call, EventKind, Op, Reply,
    call::{Chat, Message},
    dialect::by_name,
};
use longshore_sim::{Latency, Model, Simulator};
use tokio::runtime::Runtime;

use self::support::{Clients, HOLD, TOKENS, serve};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// The argument that makes this program the server.
const SERVE: &str = "serve";
/// What a token costs is the difference between answers of so many and of [`TOKENS`].
const MANY_TOKENS: usize = 576;

fn main() {
    if std::env::args().any(|argument| argument == SERVE) {
        return serve_until_closed();
    }
    // Without `--bench` (as `cargo test --benches` runs it) one small round shows that it works.
    let (calls, streams) = if std::env::args().any(|argument| argument == "--bench") { (500, 1000) } else { (5, 10) };
    let (mut server, address, simulator) = start_server();
    // `testing`: it counts, and writes no file at its end.
    let profiler = Profiler::builder().testing().build();
    println!("{calls} calls each, one after another; {streams} streams at once");
    println!("{:30} {:8} {:>12} {:>12} {:>12} {:>8}", "", "", "hyper alone", "fleet", "difference", "ratio");
    runtime().block_on(async {
        let clients = Clients::new(address);
        let short = pair(Shape::Streamed(TOKENS), &clients, calls).await;
        let long = pair(Shape::Streamed(MANY_TOKENS), &clients, calls / 5).await;
        let more = (MANY_TOKENS - TOKENS) as f64;
        report("unary chat", pair(Shape::Unary, &clients, calls).await);
        report("chat streamed in 64 tokens", short);
        report("each further streamed token", [0, 1].map(|who| long[who].minus(short[who]).over(more)));
    });
    let alone = runtime().block_on(async { held_by_hyper(&Clients::new(address), streams).await });
    let fleet = runtime().block_on(async { held_by_fleet(&Clients::new(address), streams).await });
    report("held by a stream in flight", [alone, fleet]);
    let grpc = runtime().block_on(async { held_over_grpc(simulator, streams).await });
    println!("{:30} blocks   {:>12} {:12.1}", "held over gRPC, HTTP/2 shared", "", grpc.blocks);
    println!("{:30} bytes    {:>12} {:12.1}", "", "", grpc.bytes);
    drop(profiler);
    drop(server.stdin.take());
    server.wait().unwrap();
}

#[derive(Clone, Copy)]
enum Shape {
    Unary,
    Streamed(usize),
}

/// Allocations made, or blocks held.
#[derive(Clone, Copy)]
struct Heap {
    blocks: f64,
    bytes: f64,
}

impl Heap {
    /// Made until now.
    fn made() -> Self {
        let stats = HeapStats::get();
        Self { blocks: stats.total_blocks as f64, bytes: stats.total_bytes as f64 }
    }

    /// Held now.
    fn held() -> Self {
        let stats = HeapStats::get();
        Self { blocks: stats.curr_blocks as f64, bytes: stats.curr_bytes as f64 }
    }

    fn minus(self, other: Self) -> Self {
        Self { blocks: self.blocks - other.blocks, bytes: self.bytes - other.bytes }
    }

    fn over(self, number: f64) -> Self {
        Self { blocks: self.blocks / number, bytes: self.bytes / number }
    }
}

fn report(name: &str, [alone, fleet]: [Heap; 2]) {
    let row = |name: &str, unit: &str, alone: f64, fleet: f64| {
        let more = fleet - alone;
        // hyper alone allocates nothing for a further token: what little the difference says is chance.
        let ratio = if alone < 1.0 { "-".to_owned() } else { format!("{:.2}", fleet / alone) };
        println!("{name:30} {unit:8} {:12.1} {fleet:12.1} {more:12.1} {ratio:>8}", alone.max(0.0));
    };
    row(name, "blocks", alone.blocks, fleet.blocks);
    row("", "bytes", alone.bytes, fleet.bytes);
}

/// A call by hyper alone, and one by the fleet.
async fn pair(shape: Shape, clients: &Clients, calls: usize) -> [Heap; 2] {
    for _ in 0..calls / 5 {
        ask_hyper(clients, shape).await;
        ask_fleet(clients, shape).await;
    }
    let start = Heap::made();
    for _ in 0..calls {
        ask_hyper(clients, shape).await;
    }
    let between = Heap::made();
    for _ in 0..calls {
        ask_fleet(clients, shape).await;
    }
    [between.minus(start), Heap::made().minus(between)].map(|heap| heap.over(calls as f64))
}

async fn ask_hyper(clients: &Clients, shape: Shape) {
    let mut body = match shape {
        Shape::Unary => clients.raw("hello", false).await,
        Shape::Streamed(tokens) => clients.raw(&tokens.to_string(), true).await,
    };
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        bytes += frame.unwrap().into_data().unwrap().len();
    }
    assert!(bytes > 0);
}

async fn ask_fleet(clients: &Clients, shape: Shape) {
    let (reply, tokens) = match shape {
        Shape::Unary => (clients.fleet("hello", false).await, TOKENS),
        Shape::Streamed(tokens) => (clients.fleet(&tokens.to_string(), true).await, tokens),
    };
    let (_, mut events) = reply.begin();
    let mut bytes = 0;
    while let Some(event) = events.try_next().await.unwrap() {
        bytes += text(&event.kind);
    }
    assert_eq!(bytes, 5 * tokens);
}

fn text(kind: &EventKind) -> usize {
    match kind {
        EventKind::Text { text, .. } => text.len(),
        _ => 0,
    }
}

/// What each of `streams` holds that have given their first token and stand still, the caller's handle included.
async fn held_by_hyper(clients: &Clients, streams: usize) -> Heap {
    ask_hyper(clients, Shape::Unary).await;
    let before = Heap::held();
    let mut open: Vec<Incoming> = Vec::with_capacity(streams);
    for _ in 0..streams {
        let mut body = clients.raw(HOLD, true).await;
        body.frame().await.unwrap().unwrap();
        open.push(body);
    }
    Heap::held().minus(before).over(open.len() as f64)
}

async fn held_by_fleet(clients: &Clients, streams: usize) -> Heap {
    ask_fleet(clients, Shape::Unary).await;
    let before = Heap::held();
    let mut open: Vec<Reply> = Vec::with_capacity(streams);
    for _ in 0..streams {
        let mut reply = clients.fleet(HOLD, true).await;
        while text(&reply.events.next().await.unwrap().unwrap().kind) == 0 {}
        open.push(reply);
    }
    Heap::held().minus(before).over(open.len() as f64)
}

/// The same over gRPC, where streams share connections, up to a hundred each. There is no hyper alone beside it: it
/// would have to speak gRPC.
async fn held_over_grpc(simulator: SocketAddr, streams: usize) -> Heap {
    let server = ServerConfig {
        grpc: Some(format!("http://{simulator}")),
        dialect: DialectChoice::Named(vec![by_name("oip-grpc").unwrap()]),
        ..ServerConfig::new("bench")
    };
    let mut config = FleetConfig { servers: vec![server], ..FleetConfig::default() };
    config.pool.grpc_connections = streams.div_ceil(100);
    let fleet = Fleet::builder(config).build().unwrap();
    let chat = || {
        let chat = Chat { messages: vec![Message::new("user", HOLD)], stream: true, ..Chat::default() };
        Call::new(Op::Chat(chat)).model("m")
    };
    let first = async |call| {
        let mut reply: Reply = fleet.call(call).await.unwrap();
        while text(&reply.events.next().await.unwrap().unwrap().kind) == 0 {}
        reply
    };
    drop(first(chat()).await);
    let before = Heap::held();
    let mut open: Vec<Reply> = Vec::with_capacity(streams);
    for _ in 0..streams {
        open.push(first(chat()).await);
    }
    Heap::held().minus(before).over(open.len() as f64)
}

/// Its end drops every connection, so that the next measurement begins with none.
fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Says its addresses, and serves until nobody holds the other end of its input.
fn serve_until_closed() {
    let latency = Latency { itl: Duration::from_secs(3600).into(), ..Latency::default() };
    let model = Model { tokens: 1000, latency: Some(latency), ..Model::chat("m") };
    let runtime = runtime();
    let simulator = runtime.block_on(Simulator::builder().model(model).slots(100_000).start()).unwrap();
    println!("{} {}", serve(), simulator.address());
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// The server, its address, and that of a simulator beside it.
fn start_server() -> (Child, SocketAddr, SocketAddr) {
    let mut server = Command::new(std::env::current_exe().unwrap())
        .arg(SERVE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let (address, simulator) = line.trim().split_once(' ').unwrap();
    (server, address.parse().unwrap(), simulator.parse().unwrap())
}
