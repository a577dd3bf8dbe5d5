//! Two servers, one client and a network between them: [`World`], which checks what must always hold.

use std::{
    collections::HashMap,
    convert::Infallible,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use longshore_client::{Dial, DialectChoice, Dialled, Fleet, FleetConfig, ServerConfig, Timeouts};
use longshore_core::{
    Answer, Attempt, Backend, Call, Error, ErrorKind, Op, Sent,
    call::{Chat, Message},
    dialect::by_name,
};
use tokio::time::{Instant, sleep};
use turmoil::{Builder, Sim, net};

pub(crate) const SERVERS: [&str; 2] = ["a", "b"];
const CALLS: usize = 60;
const CALLERS: usize = 3;
const DEADLINE: Duration = Duration::from_secs(8);
/// How much later than its deadline a call may end: the simulation's step.
const SLACK: Duration = Duration::from_millis(20);
/// What a server may be asked again beside its share of the calls, and what it gets back each second.
const FLOOR: f64 = 10.0;

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) calls: usize,
    pub(crate) answered: usize,
    /// Broken off after content had come.
    pub(crate) interrupted: usize,
    pub(crate) failed: usize,
    /// Requests to a server that the same call had asked before.
    pub(crate) repeated: usize,
}

/// Chance, from a seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn one_of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        // The multiplier and increment of Knuth's MMIX.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        &list[(self.0 >> 33) as usize % list.len()]
    }
}

/// How often each question was asked, of either server.
type Asked = Arc<Mutex<HashMap<String, usize>>>;

pub(crate) struct World {
    seed: u64,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Runs until every call has ended; `happens` is told each step of a millisecond.
    ///
    /// # Panics
    /// Something did not hold.
    pub(crate) fn run(self, mut happens: impl FnMut(&mut Sim<'_>, u64, &mut Dice)) -> Told {
        let seed = self.seed;
        let mut sim = Builder::new()
            .rng_seed(seed)
            .simulation_duration(Duration::from_secs(600))
            .min_message_latency(Duration::from_millis(1))
            .max_message_latency(Duration::from_millis(5))
            .build();
        let asked = Asked::default();
        for name in SERVERS {
            let asked = asked.clone();
            sim.host(name, move || serve(asked.clone()));
        }
        let told: Arc<Mutex<Told>> = Arc::default();
        let (result, seen) = (told.clone(), asked.clone());
        sim.client("client", async move {
            *result.lock().unwrap() = converse(seed, &seen).await;
            Ok(())
        });
        let mut dice = Dice(seed);
        let mut step = 0;
        while !sim.step().unwrap_or_else(|error| panic!("seed {seed}: {error}")) {
            step += 1;
            happens(&mut sim, step, &mut dice);
        }
        drop(sim);
        Arc::into_inner(told).unwrap().into_inner().unwrap()
    }
}

/// Connections through the simulated network.
struct Simulated;

impl Dial for Simulated {
    fn dial(&self, address: Uri) -> BoxFuture<'static, io::Result<Box<dyn Dialled>>> {
        async move {
            let host = (address.host().unwrap_or_default().to_owned(), address.port_u16().unwrap_or(80));
            Ok(Box::new(net::TcpStream::connect(host).await?) as Box<dyn Dialled>)
        }
        .boxed()
    }
}

fn fleet() -> Fleet {
    let server = |name: &str| ServerConfig {
        rest: Some(format!("http://{name}:80")),
        dialect: DialectChoice::Named(vec![by_name("openai").unwrap()]),
        ..ServerConfig::new(name)
    };
    let second = Duration::from_secs(1);
    let timeouts = Timeouts {
        connect: second / 2,
        headers: second,
        first_token: second,
        idle: second,
        total: DEADLINE,
        probe: second,
        ..Timeouts::default()
    };
    let config = FleetConfig { servers: SERVERS.map(server).to_vec(), timeouts, ..FleetConfig::default() };
    Fleet::builder(config).dial(Simulated).build().unwrap()
}

/// A few callers, each with its calls one after another.
async fn converse(seed: u64, asked: &Asked) -> Told {
    let (fleet, began) = (fleet(), Instant::now());
    fleet.refresh().await;
    let callers = (0..CALLERS).map(|caller| {
        let fleet = fleet.clone();
        async move {
            let mut ended = Vec::new();
            for call in (caller..CALLS).step_by(CALLERS) {
                let id = format!("call {call}");
                let started = Instant::now();
                let result = ask(&fleet, &id).await;
                ended.push((id, started.elapsed(), result));
                sleep(Duration::from_millis(20)).await;
            }
            ended
        }
    });
    let ended = futures_util::future::join_all(callers).await;
    let mut told = Told::default();
    for (id, took, result) in ended.into_iter().flatten() {
        check(seed, &id, took, &result, asked, &mut told);
    }
    let seconds = began.elapsed().as_secs_f64();
    let allowed = 0.2 * told.calls as f64 + SERVERS.len() as f64 * (FLOOR + seconds);
    assert!(told.repeated as f64 <= allowed, "seed {seed}: {} repetitions, {allowed} allowed", told.repeated);
    told
}

async fn ask(fleet: &Fleet, id: &str) -> Result<Answer, Error> {
    let chat = Chat { messages: vec![Message::new("user", id)], stream: true, ..Chat::default() };
    fleet.call(Call::new(Op::Chat(chat)).model("m")).await?.collect().await
}

/// What must hold for every call.
fn check(seed: u64, id: &str, took: Duration, result: &Result<Answer, Error>, asked: &Asked, told: &mut Told) {
    told.calls += 1;
    assert!(took <= DEADLINE + SLACK, "seed {seed}: `{id}` took {took:?}");
    let (ledger, finished) = match result {
        Ok(answer) => {
            assert_eq!(answer.text(), expected(id), "seed {seed}");
            told.answered += 1;
            (Some(&answer.ledger[..]), true)
        }
        Err(error) if error.kind() == ErrorKind::Interrupted && error.partial_text().is_some() => {
            let part = error.partial_text().unwrap();
            assert!(expected(id).starts_with(part), "seed {seed}: {part:?} of {id}");
            told.interrupted += 1;
            (None, false)
        }
        Err(error) => {
            told.failed += 1;
            (Some(error.ledger()), false)
        }
    };
    let Some(ledger) = ledger else { return };
    let most = FleetConfig::default().retry.max_attempts;
    assert!(ledger.len() <= most, "seed {seed}: `{id}` was tried {} times", ledger.len());
    assert_eq!(ledger.iter().filter(|attempt| attempt.error.is_none()).count(), usize::from(finished), "seed {seed}");
    let seen = asked.lock().unwrap().get(id).copied().unwrap_or_default();
    assert!(seen <= ledger.len(), "seed {seed}: `{id}` was seen {seen} times and tried {} times", ledger.len());
    // What could not be sent is no burden to anybody, and so it is free.
    let sent = |one: &Attempt| one.error.as_ref().is_none_or(|error| error.was_sent() != Sent::No);
    let again = |place: &usize| {
        let earlier = ledger[..*place].iter().any(|one| one.route.server == ledger[*place].route.server);
        earlier && sent(&ledger[*place])
    };
    told.repeated += (0..ledger.len()).filter(again).count();
}

fn expected(id: &str) -> String {
    format!("one two three for {id}")
}

/// An OpenAI server that answers every question with a text that names it, a word at a time.
async fn serve(asked: Asked) -> turmoil::Result {
    let listener = net::TcpListener::bind("0.0.0.0:80").await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let asked = asked.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, asked.clone()));
            // A connection that breaks is what these tests are about.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    asked: Asked,
) -> Result<Response<BoxBody<Bytes, Infallible>>, hyper::Error> {
    let chats = request.uri().path() == "/v1/chat/completions";
    let body = request.into_body().collect().await?.to_bytes();
    if !chats {
        return Ok(json("{\"data\":[{\"id\":\"m\"}]}"));
    }
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let id = body["messages"][0]["content"].as_str().unwrap().to_owned();
    *asked.lock().unwrap().entry(id.clone()).or_default() += 1;
    let chunk = |delta: serde_json::Value, reason: Option<&str>| {
        let chunk =
            serde_json::json!({"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]});
        format!("data: {chunk}\n\n")
    };
    let text = expected(&id);
    let words = text.split_inclusive(' ').map(|word| chunk(serde_json::json!({"content": word}), None));
    let frames: Vec<_> = words.chain([chunk(serde_json::json!({}), Some("stop")), "data: [DONE]\n\n".into()]).collect();
    let body = stream::iter(frames).then(|frame| async move {
        sleep(Duration::from_millis(15)).await;
        Ok(Frame::data(Bytes::from(frame)))
    });
    Ok(Response::builder()
        .header("content-type", "text/event-stream")
        .body(BodyExt::boxed(StreamBody::new(body)))
        .unwrap())
}

fn json(text: &'static str) -> Response<BoxBody<Bytes, Infallible>> {
    let body = http_body_util::Full::new(Bytes::from(text)).boxed();
    Response::builder().header("content-type", "application/json").body(body).unwrap()
}
