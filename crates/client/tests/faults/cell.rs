//! One row, once: the servers, the fleet before them, and what came of the calls.

use std::time::Duration;

use longshore_client::{DialectChoice, Fleet, FleetConfig, Pem, ServerConfig, Timeouts, Tls};
use longshore_core::{
    Answer, Attempt, Backend, Call, Error, Op,
    call::{Chat, Message},
    dialect::by_name,
    text_model::inference_of_op,
};
use longshore_sim::{Model, Rule, SimConfig, Simulator, When};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::{
    judge,
    table::{Asks, Place, Row, Sees, TOKENS},
};

/// Over which protocol, and whether in pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wire {
    Rest,
    RestStream,
    Grpc,
    GrpcStream,
}

impl Wire {
    pub(crate) const ALL: [Self; 4] = [Self::Rest, Self::RestStream, Self::Grpc, Self::GrpcStream];

    pub(crate) fn name(self) -> &'static str {
        ["REST", "REST, streamed", "gRPC", "gRPC, streamed"][self as usize]
    }

    pub(crate) fn is_grpc(self) -> bool {
        matches!(self, Self::Grpc | Self::GrpcStream)
    }

    pub(crate) fn streams(self) -> bool {
        matches!(self, Self::RestStream | Self::GrpcStream)
    }

    /// A chat. Whole over gRPC it is an inference by tensors: a chat would take the stream, where every model answers.
    pub(crate) fn chat(self, text: &str) -> Call {
        let call = chat(text, self.streams());
        match self {
            Self::Grpc => Call::new(Op::Infer(inference_of_op(&call.op).unwrap())),
            _ => call,
        }
    }
}

/// One row over one wire, for one seed.
#[derive(Clone, Copy)]
pub(crate) struct Cell {
    pub(crate) row: &'static Row,
    pub(crate) wire: Wire,
    pub(crate) seed: u64,
    pub(crate) sees: Sees,
}

/// What a client saw of a call.
#[derive(Debug)]
pub(crate) struct Said {
    /// What was said by the attempts up to the answer's beginning.
    pub(crate) ledger: Vec<Attempt>,
    pub(crate) end: Result<Answer, Error>,
}

impl Cell {
    /// `None` where the fault is none.
    pub(crate) fn of(row: &'static Row, wire: Wire, seed: u64) -> Option<Self> {
        let sees = row.sees[wire as usize];
        (!matches!(sees, Sees::Nothing)).then_some(Self { row, wire, seed, sees })
    }

    /// # Errors
    /// What is not as the table has it.
    pub(crate) async fn run(self) -> Result<Said, String> {
        let said = self.alone().await?;
        if self.row.asks == Asks::Chat {
            self.beside_another(true).await.map_err(|problem| format!("beside another server: {problem}"))?;
            self.beside_another(false).await.map_err(|problem| format!("not to be sent twice: {problem}"))?;
        }
        Ok(said)
    }

    /// The faulty server alone, and one attempt: what is said, and whether the next call goes well.
    async fn alone(self) -> Result<Said, String> {
        let server = Server::start(self).await;
        let fleet = self.fleet(&[("a", &server)], 1);
        let said = ask(&fleet, self.call("tell me").server("a")).await;
        let Some(simulator) = &server.simulator else {
            judge::outcome(self, &said, "")?;
            return Ok(said);
        };
        judge::log(self, simulator).await?;
        simulator.set_rules(&[]).map_err(|error| error.to_string())?;
        let follows = match (self.row.place, self.row.asks) {
            // These stay as they are.
            (Place::Setup(_), _) | (_, Asks::Load) => None,
            _ => Some(ask(&fleet, self.call("and then?").server("a")).await),
        };
        judge::outcome(self, &said, &reference(simulator, "tell me").await)?;
        if let Some(follows) = follows {
            let answer = follows.end.map_err(|error| format!("the call after it fails: {error}"))?;
            let expected = reference(simulator, "and then?").await;
            judge::equal("the call after it says", judge::text(&answer), expected)?;
        }
        judge::verdict(simulator)?;
        Ok(said)
    }

    /// A healthy server beside the faulty one, which comes first.
    async fn beside_another(self, replayable: bool) -> Result<(), String> {
        let (faulty, healthy) = (Server::start(self).await, Server::healthy(self.seed).await);
        let fleet = self.fleet(&[("a", &faulty), ("b", &healthy)], 3);
        // Who has the model is known beforehand, so the faulty server is asked first.
        fleet.call(Call::new(Op::ListModels { ready_only: false })).await.map_err(|error| error.to_string())?;
        let mut call = self.call("tell me");
        call.replayable = replayable;
        let said = ask(&fleet, call).await;
        judge::servers(self, replayable, &said, &faulty, &healthy).await
    }

    fn fleet(self, servers: &[(&str, &Server)], attempts: usize) -> Fleet {
        // Only what a row is about may ever pass, on however busy a machine.
        let long = Duration::from_secs(120);
        let timeouts = Timeouts { connect: long, probe: long, total: long, ..Timeouts::default() };
        let servers = servers.iter().map(|(name, server)| self.server(name, server)).collect();
        let mut config = FleetConfig { servers, timeouts, ..FleetConfig::default() };
        config.retry.max_attempts = attempts;
        (self.row.tune)(&mut config);
        Fleet::builder(config).build().unwrap()
    }

    fn server(self, name: &str, server: &Server) -> ServerConfig {
        let dialects: &[&str] = match (self.wire.is_grpc(), self.row.asks) {
            (true, _) => &["oip-grpc"],
            (false, Asks::Load) => &["oip-rest"],
            (false, _) => &["openai"],
        };
        let dialect = DialectChoice::Named(dialects.iter().map(|name| by_name(name).unwrap()).collect());
        let authority = server.simulator.as_ref().and_then(Simulator::authority);
        let tls = Tls { ca: authority.map(|pem| Pem::Bytes(pem.into())), ..Tls::default() };
        let mut config = ServerConfig { dialect, tls, ..ServerConfig::new(name) };
        let address = if self.wire.is_grpc() { &mut config.grpc } else { &mut config.rest };
        *address = Some(server.url.clone());
        config
    }

    fn call(self, text: &str) -> Call {
        let text = if self.row.asks == Asks::LongChat { "word ".repeat(100) } else { text.to_owned() };
        match self.row.asks {
            Asks::Load => Call::new(Op::Load { parameters: Default::default() }).model("m"),
            Asks::Absent => self.wire.chat(&text).model("absent"),
            Asks::Chat | Asks::LongChat => self.wire.chat(&text).model("m"),
        }
    }
}

pub(crate) fn chat(text: &str, stream: bool) -> Call {
    Call::new(Op::Chat(Chat { messages: vec![Message::new("user", text)], stream, ..Chat::default() }))
}

pub(crate) async fn ask(fleet: &Fleet, call: Call) -> Said {
    match fleet.call(call).await {
        Err(error) => Said { ledger: error.ledger().to_vec(), end: Err(error) },
        Ok(reply) => Said { ledger: reply.ledger.clone(), end: reply.collect().await },
    }
}

/// What the server would have said without any fault.
pub(crate) async fn reference(simulator: &Simulator, text: &str) -> String {
    let call = chat(text, false).model("m");
    match simulator.backend().call(call).await {
        Ok(reply) => reply.collect().await.unwrap().text().to_owned(),
        Err(_) => String::new(),
    }
}

/// A server, or the place of one.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) simulator: Option<Simulator>,
    /// Connections that fill a queue.
    _filling: Vec<TcpStream>,
    _listener: Option<TcpListener>,
}

impl Server {
    async fn start(cell: Cell) -> Self {
        let mut config = config(cell.seed);
        match cell.row.place {
            Place::Request(effect) => config.rules.push(Rule::new(effect(cell.seed)).when(work(cell))),
            Place::Connection(effect) | Place::Tls(effect) => config.rules.push(effect().into()),
            Place::Setup(set_up) => set_up(&mut config),
            Place::Closed => return Self::nobody(closed().await),
            Place::NoName => return Self::nobody("http://nowhere.invalid:1".into()),
            Place::BlackHole => return Self::black_hole().await,
        }
        config.models[0].loaded = cell.row.asks != Asks::Load;
        Self::of(config, matches!(cell.row.place, Place::Tls(_))).await
    }

    pub(crate) async fn healthy(seed: u64) -> Self {
        Self::of(config(seed), false).await
    }

    pub(crate) async fn of(config: SimConfig, tls: bool) -> Self {
        let builder = Simulator::builder().config(config);
        let simulator = if tls { builder.tls() } else { builder }.start().await.unwrap();
        let url = simulator.url();
        Self { url, simulator: Some(simulator), _filling: Vec::new(), _listener: None }
    }

    fn nobody(url: String) -> Self {
        Self { url, simulator: None, _filling: Vec::new(), _listener: None }
    }

    /// A listener whose queue is full answers no connection.
    async fn black_hole() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut filling = Vec::new();
        while let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
            filling.push(stream);
            assert!(filling.len() < 1000, "this system's queue is never full");
        }
        Self { url: format!("http://{address}"), simulator: None, _filling: filling, _listener: Some(listener) }
    }
}

/// A simulator with one model, `m`.
pub(crate) fn config(seed: u64) -> SimConfig {
    SimConfig { seed, models: vec![Model { tokens: TOKENS, ..Model::chat("m") }], ..SimConfig::default() }
}

/// An address where nobody listens.
pub(crate) async fn closed() -> String {
    format!("http://{}", TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap())
}

/// Requests that the row's calls lead to, and no question about models.
fn work(cell: Cell) -> When {
    When { op: Some(judge::op(cell).into()), ..When::default() }
}
