//! What a call through a `Fleet` costs beyond the same request by hyper alone, to the same loopback server.
//!
//! `cargo bench -p longshore-client --bench overhead`
//!
//! Client and server run on a thread each. The CPU time is the client thread's own: it has the client's connection
//! tasks on it, and nothing of the server. hyper alone reads the body and looks at nothing in it; the fleet encodes
//! the call, finds the server, watches the time, decodes every event and puts the answer together.

#![expect(clippy::disallowed_macros, reason = "a benchmark prints what it measured")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to say")]

use std::{
    convert::Infallible,
    net::{SocketAddr, TcpListener},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use longshore_client::{DialectChoice, Fleet, FleetConfig, ServerConfig};
use longshore_core::{
    Backend, Call, Op,
    call::{Chat, Message},
    dialect::by_name,
};

/// Content events of the streamed answer.
const TOKENS: usize = 64;
const CHAT: &str = "/v1/chat/completions";

fn main() {
    // Without `--bench` (as `cargo test --benches` runs it) one round shows that it works.
    let (rounds, calls) = if std::env::args().any(|argument| argument == "--bench") { (15, 1000) } else { (1, 10) };
    let address = serve();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let bench = Bench::new(address);
        println!("{rounds} rounds of {calls} calls each, one after another; medians of the rounds");
        for (name, stream) in [("unary chat", false), ("chat streamed in 64 tokens", true)] {
            let (mut raw, mut fleet) = (Vec::new(), Vec::new());
            bench.raw(stream, calls / 5).await;
            bench.fleet(stream, calls / 5).await;
            for _ in 0..rounds {
                raw.push(measure(calls, bench.raw(stream, calls)).await);
                fleet.push(measure(calls, bench.fleet(stream, calls)).await);
            }
            report(name, median(raw), median(fleet));
        }
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

struct Bench {
    address: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
    fleet: Fleet,
}

impl Bench {
    fn new(address: SocketAddr) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let server = ServerConfig {
            rest: Some(format!("http://{address}")),
            dialect: DialectChoice::Named(vec![by_name("openai").unwrap()]),
            ..ServerConfig::new("bench")
        };
        let config = FleetConfig { servers: vec![server], ..FleetConfig::default() };
        Self {
            address,
            client: Client::builder(TokioExecutor::new()).build(connector),
            fleet: Fleet::builder(config).build().unwrap(),
        }
    }

    async fn raw(&self, stream: bool, calls: usize) {
        let uri = format!("http://{}{CHAT}", self.address);
        for _ in 0..calls {
            let body = format!(
                "{{\"model\":\"m\",\"messages\":[{{\"role\":\"user\",\"content\":\"hello\"}}],\"stream\":{stream}}}"
            );
            let request = Request::post(&uri).header("content-type", "application/json");
            let response = self.client.request(request.body(Full::from(body)).unwrap()).await.unwrap();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert!(!body.is_empty());
        }
    }

    async fn fleet(&self, stream: bool, calls: usize) {
        for _ in 0..calls {
            let chat = Chat { messages: vec![Message::new("user", "hello")], stream, ..Chat::default() };
            let reply = self.fleet.call(Call::new(Op::Chat(chat)).model("m")).await.unwrap();
            let answer = reply.collect().await.unwrap();
            assert_eq!(answer.text().len(), 5 * TOKENS);
        }
    }
}

/// An OpenAI server on a thread of its own, that has its answers ready.
fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                socket.set_nodelay(true).unwrap();
                let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service_fn(respond));
                tokio::spawn(connection);
            }
        });
    });
    address
}

async fn respond(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let is_chat = request.uri().path() == CHAT;
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let (content_type, answer) = if !is_chat {
        ("application/json", "{\"object\":\"list\",\"data\":[{\"id\":\"m\",\"object\":\"model\"}]}".to_owned())
    } else if body.windows(13).any(|part| part == b"\"stream\":true") {
        ("text/event-stream", streamed())
    } else {
        ("application/json", whole())
    };
    Ok(Response::builder().header("content-type", content_type).body(Full::from(answer)).unwrap())
}

fn whole() -> String {
    let text = "token".repeat(TOKENS);
    format!(
        "{{\"id\":\"c\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\
         \"message\":{{\"role\":\"assistant\",\"content\":\"{text}\"}},\"finish_reason\":\"stop\"}}],\
         \"usage\":{{\"prompt_tokens\":1,\"completion_tokens\":{TOKENS},\"total_tokens\":65}}}}"
    )
}

fn streamed() -> String {
    let chunk = |delta: &str, finish: &str| {
        format!(
            "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\
             \"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
        )
    };
    let mut body: String = (0..TOKENS).map(|_| chunk("{\"content\":\"token\"}", "null")).collect();
    body.push_str(&chunk("{}", "\"stop\""));
    body.push_str("data: [DONE]\n\n");
    body
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
