//! What the benchmarks of the client's cost share: an OpenAI server that has its answers ready, and the two who ask it
//! for the same, hyper alone and a `Fleet`.
//!
//! The user's message says what the server answers, so that both ask in the same way: [`HOLD`], a number of tokens, or
//! anything else for [`TOKENS`] of them in one piece.

use std::{
    convert::Infallible,
    net::{SocketAddr, TcpListener},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use longshore_client::{DialectChoice, Fleet, FleetConfig, ServerConfig};
use longshore_core::{
    Backend, Call, Op, Reply,
    call::{Chat, Message},
    dialect::by_name,
};

/// Content events of an answer, unless the message asks for another number.
pub(crate) const TOKENS: usize = 64;
/// The message that is answered by one token, after which the stream stands still.
pub(crate) const HOLD: &str = "hold";

const CHAT: &str = "/v1/chat/completions";

/// Both clients of one server.
pub(crate) struct Clients {
    address: SocketAddr,
    hyper: Client<HttpConnector, Full<Bytes>>,
    fleet: Fleet,
}

impl Clients {
    pub(crate) fn new(address: SocketAddr) -> Self {
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
            hyper: Client::builder(TokioExecutor::new()).build(connector),
            fleet: Fleet::builder(config).build().unwrap(),
        }
    }

    /// The head of the reply by hyper alone, and its unread body.
    pub(crate) async fn raw(&self, message: &str, stream: bool) -> Incoming {
        let uri = format!("http://{}{CHAT}", self.address);
        let body = format!(
            "{{\"model\":\"m\",\"messages\":[{{\"role\":\"user\",\"content\":\"{message}\"}}],\"stream\":{stream}}}"
        );
        let request = Request::post(&uri).header("content-type", "application/json");
        self.hyper.request(request.body(Full::from(body)).unwrap()).await.unwrap().into_body()
    }

    /// The same by the fleet.
    pub(crate) async fn fleet(&self, message: &str, stream: bool) -> Reply {
        let chat = Chat { messages: vec![Message::new("user", message)], stream, ..Chat::default() };
        self.fleet.call(Call::new(Op::Chat(chat)).model("m")).await.unwrap()
    }
}

/// An OpenAI server on a thread of its own.
pub(crate) fn serve() -> SocketAddr {
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

type Body = UnsyncBoxBody<Bytes, Infallible>;

async fn respond(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let is_chat = request.uri().path() == CHAT;
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let (content_type, answer) = if !is_chat {
        let models = "{\"object\":\"list\",\"data\":[{\"id\":\"m\",\"object\":\"model\"}]}";
        ("application/json", whole_body(models.to_owned()))
    } else if body.windows(13).any(|part| part == b"\"stream\":true") {
        ("text/event-stream", streamed(message(&body)))
    } else {
        ("application/json", whole_body(whole()))
    };
    Ok(Response::builder().header("content-type", content_type).body(answer).unwrap())
}

fn message(body: &[u8]) -> &str {
    let body = std::str::from_utf8(body).unwrap();
    let (_, rest) = body.split_once("\"content\":\"").unwrap();
    rest.split('"').next().unwrap()
}

fn whole() -> String {
    let text = "token".repeat(TOKENS);
    format!(
        "{{\"id\":\"c\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\
         \"message\":{{\"role\":\"assistant\",\"content\":\"{text}\"}},\"finish_reason\":\"stop\"}}],\
         \"usage\":{{\"prompt_tokens\":1,\"completion_tokens\":{TOKENS},\"total_tokens\":65}}}}"
    )
}

fn streamed(message: &str) -> Body {
    match message.parse() {
        _ if message == HOLD => StreamBody::new(paced(vec![token()]).chain(stream::pending())).boxed_unsync(),
        Ok(tokens) => StreamBody::new(paced(events(tokens))).boxed_unsync(),
        Err(_) => whole_body(events(TOKENS).concat()),
    }
}

/// Each event is a chunk and a write of its own, as from a server that generates.
fn paced(events: Vec<String>) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> {
    stream::iter(events).then(|event| async move {
        tokio::task::yield_now().await;
        Ok(Frame::data(Bytes::from(event)))
    })
}

fn whole_body(text: String) -> Body {
    Full::from(text).boxed_unsync()
}

fn events(tokens: usize) -> Vec<String> {
    let mut events = vec![token(); tokens];
    events.push(event("{}", "\"stop\""));
    events.push("data: [DONE]\n\n".to_owned());
    events
}

fn token() -> String {
    event("{\"content\":\"token\"}", "null")
}

fn event(delta: &str, finish: &str) -> String {
    format!(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\
         \"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
    )
}
