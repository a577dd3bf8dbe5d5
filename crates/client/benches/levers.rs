//! What pooling, batching, the response cache and streaming are worth, each against the same work without it, in one run.
//!
//! `cargo bench -p longshore-client --bench levers`
//!
//! The simulator has a thread and a runtime of its own. It keeps a real server's time: a network, a slot for each of a few
//! requests, time for each token of a prompt, and decode steps that slow down with the requests beside them. What is
//! printed are medians of rounds that alternate between with and without.

#![expect(clippy::disallowed_macros, reason = "a benchmark prints what it measured")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to say")]

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, future::join_all};
use longshore_client::{BatchConfig, CacheConfig, DialectChoice, Fleet, FleetConfig, Pool, ServerConfig};
use longshore_core::{
    Backend, Call, Op,
    call::{Chat, Embedding, Message, Sampling},
    dialect::by_name,
};
use longshore_sim::{Latency, Model, Simulator};

const CALLERS: usize = 16;

fn main() {
    // Without `--bench` (as `cargo test --benches` runs it) one round shows that it works.
    let (rounds, calls) = if std::env::args().any(|argument| argument == "--bench") { (9, 400) } else { (1, 16) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        println!("medians of {rounds} rounds; each round does the same work with and without");
        pooling(rounds, calls).await;
        batching(rounds, calls).await;
        caching(rounds, calls).await;
        streaming(rounds, calls / 16).await;
    });
}

/// The same short answers, over kept connections and over a new one each.
async fn pooling(rounds: usize, calls: usize) {
    let model = || Model { tokens: 1, ..Model::chat("sim") };
    for (what, tls) in [("pooling, plain", false), ("pooling, TLS", true)] {
        let (url, authority) = serve(vec![model()], Latency::default(), 0, tls);
        let with = |idle| {
            let mut config = config(&url, authority.as_deref());
            config.pool = Pool { max_idle_per_host: idle, ..Pool::default() };
            Fleet::builder(config).build().unwrap()
        };
        let (with, without) = (with(16), with(0));
        let work = async |fleet: &Fleet| {
            for number in 0..calls {
                ask(fleet, chat(number, 1.0, false)).await;
            }
        };
        let (on, off) = alternate(rounds, async || work(&with).await, async || work(&without).await).await;
        report(what, &format!("{calls} calls one after another"), on, off);
    }
}

/// Embeddings from many callers, each with one text at a time.
async fn batching(rounds: usize, calls: usize) {
    let latency = Latency {
        request: Duration::from_micros(500).into(),
        ttft: Duration::from_millis(4).into(),
        prefill_per_token: Duration::from_micros(20).into(),
        ..Latency::default()
    };
    // As many at a time as a server with one accelerator would interleave.
    let (url, _) = serve(vec![Model::embedding("sim")], latency, 2, false);
    let with = |batch| Fleet::builder(FleetConfig { batch, ..config(&url, None) }).build().unwrap();
    let (with, without) = (with(Some(BatchConfig::default())), with(None));
    let work = async |fleet: &Fleet| {
        let caller = |caller: usize| async move {
            for number in 0..calls / CALLERS {
                let text = format!("the text {number} of caller {caller}, of a few words");
                let embedding = Embedding { input: text.as_str().into(), ..Embedding::default() };
                ask(fleet, Call::new(Op::Embed(embedding)).model("sim")).await;
            }
        };
        join_all((0..CALLERS).map(caller)).await;
    };
    let (on, off) = alternate(rounds, async || work(&with).await, async || work(&without).await).await;
    report("batching", &format!("{calls} embeddings from {CALLERS} callers, two slots"), on, off);
    let alone = async |fleet: &Fleet| {
        for number in 0..calls / CALLERS {
            let text = format!("the text {number}");
            let embedding = Embedding { input: text.as_str().into(), ..Embedding::default() };
            ask(fleet, Call::new(Op::Embed(embedding)).model("sim")).await;
        }
    };
    let (on, off) = alternate(rounds, async || alone(&with).await, async || alone(&without).await).await;
    report("batching, one caller", &format!("{} embeddings", calls / CALLERS), on, off);
}

/// Questions of which every second one was asked before.
async fn caching(rounds: usize, calls: usize) {
    let latency = decoding();
    let (url, _) = serve(vec![Model { tokens: 8, ..Model::chat("sim") }], latency, 0, false);
    let with = |cache| Fleet::builder(FleetConfig { cache, ..config(&url, None) }).build().unwrap();
    let (with, without) = (with(Some(CacheConfig::default())), with(None));
    let round = std::cell::Cell::new(0);
    let work = async |fleet: &Fleet| {
        round.set(round.get() + 1);
        for number in 0..calls / 8 {
            ask(fleet, chat(round.get() * calls + number / 2, 0.0, true)).await;
        }
    };
    let (on, off) = alternate(rounds, async || work(&with).await, async || work(&without).await).await;
    report("response cache", &format!("{} chats, half of them asked before", calls / 8), on, off);
    let fresh = async |fleet: &Fleet| {
        round.set(round.get() + 1);
        for number in 0..calls / 8 {
            ask(fleet, chat(round.get() * calls + number, 0.0, true)).await;
        }
    };
    let (on, off) = alternate(rounds, async || fresh(&with).await, async || fresh(&without).await).await;
    report("response cache, no hits", &format!("{} chats, each new", calls / 8), on, off);
}

/// When the first text of an answer is there.
async fn streaming(rounds: usize, calls: usize) {
    let (url, _) = serve(vec![Model { tokens: 64, ..Model::chat("sim") }], decoding(), 0, false);
    let fleet = Fleet::builder(config(&url, None)).build().unwrap();
    let work = async |stream| {
        for number in 0..calls {
            let mut reply = fleet.call(chat(number, 1.0, stream)).await.unwrap();
            while !reply.events.next().await.unwrap().unwrap().kind.is_content() {}
        }
    };
    let (on, off) = alternate(rounds, async || work(true).await, async || work(false).await).await;
    report("streaming", &format!("first text of {calls} answers of 64 tokens"), on, off);
}

/// A small model on a good desk: 30 ms to the first token, 2 ms to each further one when alone.
fn decoding() -> Latency {
    Latency {
        ttft: Duration::from_millis(30).into(),
        itl: Duration::from_millis(2).into(),
        batch_slope: 0.05,
        ..Latency::default()
    }
}

fn chat(number: usize, temperature: f64, stream: bool) -> Call {
    let sampling = Sampling { temperature: Some(temperature), ..Sampling::default() };
    let messages = vec![Message::new("user", format!("question {number}"))];
    Call::new(Op::Chat(Chat { messages, sampling, stream, ..Chat::default() })).model("sim")
}

async fn ask(fleet: &Fleet, call: Call) {
    let answer = fleet.call(call).await.unwrap().collect().await.unwrap();
    assert!(answer.finish.is_some());
}

/// Seconds with and without, round by round, the order changing.
async fn alternate(rounds: usize, with: impl AsyncFn(), without: impl AsyncFn()) -> (f64, f64) {
    with().await;
    without().await;
    let (mut on, mut off) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        for which in [round % 2 == 0, round % 2 != 0] {
            let began = Instant::now();
            if which {
                with().await;
                on.push(began.elapsed().as_secs_f64());
            } else {
                without().await;
                off.push(began.elapsed().as_secs_f64());
            }
        }
    }
    (median(on), median(off))
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

fn report(what: &str, work: &str, on: f64, off: f64) {
    println!("{what}: {work}");
    println!(
        "  with {:9.2} ms, without {:9.2} ms: {:.2} times as fast ({:+.0} % throughput)",
        on * 1e3,
        off * 1e3,
        off / on,
        (off / on - 1.0) * 100.0
    );
}

fn config(url: &str, authority: Option<&str>) -> FleetConfig {
    let mut server = ServerConfig {
        rest: Some(url.to_owned()),
        dialect: DialectChoice::Named(vec![by_name("openai").unwrap()]),
        ..ServerConfig::new("sim")
    };
    server.tls.ca = authority.map(|pem| longshore_client::Pem::Bytes(pem.as_bytes().to_vec()));
    FleetConfig { servers: vec![server], ..FleetConfig::default() }
}

/// A simulator on a thread of its own, until the process ends: where it is, and its certificate.
fn serve(models: Vec<Model>, latency: Latency, slots: usize, tls: bool) -> (String, Option<String>) {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let builder = models.into_iter().fold(Simulator::builder(), |builder, model| builder.model(model));
            let builder = builder.latency(latency).slots(slots);
            let simulator = if tls { builder.tls() } else { builder }.start().await.unwrap();
            tell.send((simulator.url(), simulator.authority().map(str::to_owned))).unwrap();
            std::future::pending::<()>().await;
        });
    });
    told.recv().unwrap()
}
