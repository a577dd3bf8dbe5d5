//! A hyper server on a port of its own, which answers by a script and remembers what it saw.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures_util::{StreamExt, future::BoxFuture, stream};
use http::{HeaderMap, Request, Response, request::Parts};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// One request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) head: Parts,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// How many requests to the same path had come before.
    pub(crate) nth: usize,
}

/// How a stream ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Clean,
    /// The connection breaks off.
    Cut,
    /// Nothing more, ever.
    Stall,
}

/// What to answer.
pub(crate) enum Script {
    Reply(u16, &'static str, String),
    /// Frames of a body as they stand, then its end.
    Stream(Vec<String>, End),
    /// gRPC messages, then these trailers.
    Grpc(Vec<Bytes>, Vec<(&'static str, &'static str)>),
    /// As it stands, and these trailers.
    Exactly(Response<Bytes>, Option<HeaderMap>),
    Redirect(String),
    /// Never a head.
    Hang,
}

impl Script {
    pub(crate) fn json(status: u16, body: impl ToString) -> Self {
        Self::Reply(status, "application/json", body.to_string())
    }

    /// A chat stream of these texts.
    pub(crate) fn chat(texts: &[&str], end: End) -> Self {
        let mut frames: Vec<_> = texts
            .iter()
            .map(|text| {
                let chunk = serde_json::json!({"model": "m", "choices": [{"index": 0, "delta": {"content": text}}]});
                format!("data: {chunk}\n\n")
            })
            .collect();
        if let End::Clean = end {
            frames.push("data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n".into());
            frames.push("data: [DONE]\n\n".into());
        }
        Self::Stream(frames, end)
    }
}

/// A handler of an OpenAI server with these models, whose chats follow `script`.
pub(crate) fn openai(
    models: &'static [&'static str],
    script: impl Fn(&Seen) -> Script + Send + Sync + 'static,
) -> impl Fn(&Seen) -> Script + Send + Sync + 'static {
    move |seen| match &*seen.path {
        "/v1/models" => {
            let cards: Vec<_> = models.iter().map(|id| serde_json::json!({"id": id, "object": "model"})).collect();
            Script::json(200, serde_json::json!({"object": "list", "data": cards}))
        }
        "/v1/chat/completions" => script(seen),
        "/health" => Script::json(200, "{\"status\":\"ok\"}"),
        _ => Script::json(404, "{\"error\":{\"message\":\"no such route\",\"type\":\"not_found\"}}"),
    }
}

#[derive(Default)]
struct Log {
    accepted: AtomicUsize,
    given_up: AtomicUsize,
    seen: Mutex<Vec<Seen>>,
}

/// See the module.
pub(crate) struct HttpServer {
    address: SocketAddr,
    tls: bool,
    log: Arc<Log>,
    task: JoinHandle<()>,
}

type Handler = Arc<dyn Fn(&Seen) -> Script + Send + Sync>;

impl HttpServer {
    pub(crate) async fn start(handler: impl Fn(&Seen) -> Script + Send + Sync + 'static) -> Self {
        Self::start_with(None, Arc::new(handler)).await
    }

    pub(crate) async fn start_tls(tls: TlsAcceptor, handler: impl Fn(&Seen) -> Script + Send + Sync + 'static) -> Self {
        Self::start_with(Some(tls), Arc::new(handler)).await
    }

    async fn start_with(tls: Option<TlsAcceptor>, handler: Handler) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Log::default());
        let (is_tls, accept_log) = (tls.is_some(), Arc::clone(&log));
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                accept_log.accepted.fetch_add(1, Ordering::SeqCst);
                let (log, handler, tls) = (Arc::clone(&accept_log), Arc::clone(&handler), tls.clone());
                connections.spawn(async move {
                    match tls {
                        None => serve(stream, log, handler).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, log, handler).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, tls: is_tls, log, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://localhost:{}", if self.tls { "https" } else { "http" }, self.address.port())
    }

    /// Closes everything, and is gone when this returns.
    pub(crate) async fn stop(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }

    /// How many connections were made.
    pub(crate) fn accepted(&self) -> usize {
        self.log.accepted.load(Ordering::SeqCst)
    }

    /// How many answers the client did not wait for.
    pub(crate) fn given_up(&self) -> usize {
        self.log.given_up.load(Ordering::SeqCst)
    }

    /// The requests to this path.
    pub(crate) fn seen(&self, path: &str) -> Vec<Seen> {
        self.log.seen.lock().unwrap().iter().filter(|seen| seen.path == path).cloned().collect()
    }

    pub(crate) fn all(&self) -> Vec<Seen> {
        self.log.seen.lock().unwrap().clone()
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// HTTP/1.1 or, when the client begins with its preface, HTTP/2.
async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(mut stream: S, log: Arc<Log>, handler: Handler) {
    use tokio::io::AsyncReadExt;
    let mut start = [0; 3];
    if stream.read_exact(&mut start).await.is_err() {
        return;
    }
    let (reader, writer) = tokio::io::split(stream);
    let stream = TokioIo::new(tokio::io::join(AsyncReadExt::chain(std::io::Cursor::new(start), reader), writer));
    let service = service_fn(move |request: Request<Incoming>| {
        let (log, handler) = (Arc::clone(&log), Arc::clone(&handler));
        respond(request, log, handler)
    });
    // What the client breaks off is in the log.
    let _ = match &start {
        b"PRI" => http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await,
        _ => http1::Builder::new().serve_connection(stream, service).await,
    };
}

type Body = BoxBody<Bytes, std::io::Error>;

async fn respond(request: Request<Incoming>, log: Arc<Log>, handler: Handler) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let path = head.uri.path().to_owned();
    let seen = {
        let mut all = log.seen.lock().unwrap();
        let nth = all.iter().filter(|seen| seen.path == path).count();
        let seen = Seen { headers: head.headers.clone(), head, path, body, nth };
        all.push(seen.clone());
        seen
    };
    let guard = Guard { log, armed: true };
    Ok(play(handler(&seen), guard).await)
}

/// Counts an answer that was dropped before it was over.
struct Guard {
    log: Arc<Log>,
    armed: bool,
}

impl Guard {
    fn disarm(&mut self) {
        self.armed = false;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.armed {
            self.log.given_up.fetch_add(1, Ordering::SeqCst);
        }
    }
}

fn play(script: Script, mut guard: Guard) -> BoxFuture<'static, Response<Body>> {
    Box::pin(async move {
        match script {
            Script::Reply(status, content_type, body) => {
                guard.disarm();
                let response = Response::builder().status(status).header("content-type", content_type);
                response.body(full(body)).unwrap()
            }
            Script::Exactly(response, trailers) => {
                guard.disarm();
                let trailers = trailers.map(|trailers| Ok(Frame::trailers(trailers)));
                response.map(|body| {
                    let body = Some(Ok(Frame::data(body))).into_iter().chain(trailers);
                    BoxBody::new(StreamBody::new(stream::iter(body.collect::<Vec<_>>())))
                })
            }
            Script::Redirect(to) => {
                guard.disarm();
                Response::builder().status(307).header("location", to).body(full("moved")).unwrap()
            }
            Script::Hang => {
                std::future::pending::<()>().await;
                drop(guard);
                unreachable!("it is pending")
            }
            Script::Stream(frames, end) => {
                let frames: Vec<_> = frames.into_iter().map(Bytes::from).collect();
                Response::builder()
                    .header("content-type", "text/event-stream")
                    .body(streamed(frames, end, guard))
                    .unwrap()
            }
            Script::Grpc(messages, trailers) => {
                guard.disarm();
                let mut body = bytes::BytesMut::new();
                for message in messages {
                    longshore_core::framing::put_message(&message, &mut body);
                }
                let mut map = HeaderMap::new();
                for (name, value) in trailers {
                    map.insert(name, value.parse().unwrap());
                }
                let body = stream::iter([Ok(Frame::data(body.freeze())), Ok(Frame::trailers(map))]);
                let response = Response::builder().header("content-type", "application/grpc");
                response.body(BoxBody::new(StreamBody::new(body))).unwrap()
            }
        }
    })
}

fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).map_err(|never| match never {}).boxed()
}

fn streamed(frames: Vec<Bytes>, end: End, guard: Guard) -> Body {
    let last = stream::once(async move {
        let mut guard = guard;
        match end {
            End::Clean => guard.disarm(),
            End::Cut => {
                // What stands before goes out first.
                for _ in 0..50 {
                    tokio::task::yield_now().await;
                }
                guard.disarm();
                return Some(Err(std::io::Error::other("cut")));
            }
            End::Stall => std::future::pending().await,
        }
        None
    });
    let frames = stream::iter(frames).map(|bytes| Some(Ok(Frame::data(bytes)))).chain(last);
    // `BoxBody` must be `Sync`, which futures need not be.
    BoxBody::new(StreamBody::new(Box::pin(frames.filter_map(std::future::ready)) as Frames))
}

type Frames = std::pin::Pin<Box<dyn futures_util::Stream<Item = Result<Frame<Bytes>, std::io::Error>> + Send + Sync>>;
