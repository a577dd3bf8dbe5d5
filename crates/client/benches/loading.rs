//! Four models loaded one after another, each waited for, against all begun at once and followed by their events; on the
//! simulator, over each dialect that loads.
//!
//! `cargo bench -p longshore-client --bench loading`
//!
//! A simulated load is time that passes, and four pass at once: a server that reads its models from one slow disk gains
//! less. So beside the time until all four are ready stands what does not depend on that: the answers that a warm model
//! gave meanwhile to a program that does one thing after another. Waiting for a load it asks nothing; holding the events
//! of four loads it goes on asking until they are over.

#![expect(clippy::disallowed_macros, reason = "a benchmark prints what it measured")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to say")]

use std::time::{Duration, Instant};

use futures_util::future::{join_all, try_join_all};
use longshore_client::{DialectChoice, Fleet, FleetConfig, ServerConfig};
use longshore_core::{
    Backend, Call, Op,
    call::{Chat, Message},
    dialect::by_name,
};
use longshore_sim::{Model, SimConfig, Simulator};

const MODELS: [&str; 4] = ["a", "b", "c", "d"];

fn main() {
    // Without `--bench` (as `cargo test --benches` runs it) one round shows that it works.
    let bench = std::env::args().any(|argument| argument == "--bench");
    let (rounds, load_time) = if bench { (7, Duration::from_millis(250)) } else { (1, Duration::from_millis(5)) };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    println!("{rounds} rounds, four models of {load_time:?} each; medians");
    for dialect in ["native", "oip-rest", "oip-grpc"] {
        let (mut blocking, mut asynchronous) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            blocking.push(runtime.block_on(one_after_another(dialect, load_time)));
            asynchronous.push(runtime.block_on(all_at_once(dialect, load_time)));
        }
        let (slow, quick) = (median(&mut blocking), median(&mut asynchronous));
        println!(
            "{dialect:9} one after another: {:7.1} ms, {:5} answers; all at once: {:7.1} ms, {:5} answers; {:.2} times as fast",
            slow.0.as_secs_f64() * 1e3,
            slow.1,
            quick.0.as_secs_f64() * 1e3,
            quick.1,
            slow.0.as_secs_f64() / quick.0.as_secs_f64(),
        );
    }
}

/// Until all are ready; and the answers that came meanwhile.
async fn one_after_another(dialect: &str, load_time: Duration) -> (Duration, usize) {
    let (_sim, fleet) = server(dialect, load_time).await;
    let started = Instant::now();
    for model in MODELS {
        fleet.call(load(model)).await.unwrap().collect().await.unwrap();
    }
    (started.elapsed(), 0)
}

async fn all_at_once(dialect: &str, load_time: Duration) -> (Duration, usize) {
    let (_sim, fleet) = server(dialect, load_time).await;
    let started = Instant::now();
    let replies = join_all(MODELS.map(|model| fleet.call(load(model)))).await;
    let loads = try_join_all(replies.into_iter().map(|reply| async { reply?.collect().await }));
    let loads = async { (loads.await.unwrap(), started.elapsed()).1 };
    let mut loads = std::pin::pin!(loads);
    let mut answers = 0;
    loop {
        tokio::select! {
            biased;
            elapsed = &mut loads => return (elapsed, answers),
            answer = async { fleet.call(chat()).await?.collect().await } => {
                answer.unwrap();
                answers += 1;
            }
        }
    }
}

async fn server(dialect: &str, load_time: Duration) -> (Simulator, Fleet) {
    let cold = |id: &str| Model { loaded: false, load_time, ..Model::chat(id) };
    let models = [Model::chat("warm")].into_iter().chain(MODELS.map(cold)).collect();
    let sim = Simulator::builder().config(SimConfig { models, ..SimConfig::default() }).start().await.unwrap();
    let (rest, grpc) = if dialect == "oip-grpc" { (None, Some(sim.url())) } else { (Some(sim.url()), None) };
    let choice = DialectChoice::Named(vec![by_name(dialect).unwrap()]);
    let server = ServerConfig { rest, grpc, dialect: choice, ..ServerConfig::new("sim") };
    let config = FleetConfig { servers: vec![server], ..FleetConfig::default() };
    let fleet = Fleet::builder(config).build().unwrap();
    fleet.refresh().await;
    (sim, fleet)
}

fn load(model: &str) -> Call {
    Call::new(Op::Load { parameters: Default::default() }).model(model)
}

fn chat() -> Call {
    let chat = Chat { messages: vec![Message::new("user", "hello")], ..Chat::default() };
    Call::new(Op::Chat(chat)).model("warm")
}

fn median(rounds: &mut [(Duration, usize)]) -> (Duration, usize) {
    rounds.sort();
    rounds[rounds.len() / 2]
}
