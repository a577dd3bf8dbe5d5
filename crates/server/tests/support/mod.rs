//! A backend whose pace a test sets, and a client that shows the raw bytes.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use longshore_core::{
    Backend, Call, Error, Event, EventKind, Events, Finish, ModelInfo, ModelState, Op, Reply, Route, Usage,
    model::HealthReport,
};
use longshore_server::{Server, ServerOptions};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Notify, Semaphore, oneshot},
    task::JoinHandle,
};

/// Says the words of the last message again. To "gated" it waits for a permit before each word, to "refuse" it
/// refuses, to "break" it breaks off after a word.
pub(crate) struct Echo {
    pub(crate) gate: Arc<Semaphore>,
    pub(crate) running: Arc<AtomicUsize>,
    pub(crate) changed: Arc<Notify>,
}

impl Echo {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            gate: Arc::new(Semaphore::new(0)),
            running: Arc::new(AtomicUsize::new(0)),
            changed: Arc::new(Notify::new()),
        })
    }

    /// Waits until this many answers are under way.
    pub(crate) async fn running(&self, wanted: usize) {
        loop {
            let changed = self.changed.notified();
            if self.running.load(Ordering::SeqCst) == wanted {
                return;
            }
            changed.await;
        }
    }

    fn chat(&self, text: String) -> Result<Events, Error> {
        if text.starts_with("refuse") {
            return Err(Error::unknown_model("nope", ["tiny"]));
        }
        self.running.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
        let guard = Running(self.running.clone(), self.changed.clone());
        let gate = text.starts_with("gated").then(|| self.gate.clone());
        let mut items: Vec<_> =
            text.split(' ').map(|word| Ok(EventKind::Text { index: 0, text: word.to_owned() })).collect();
        if text.starts_with("break") {
            items.push(Err(Error::new(longshore_core::ErrorKind::Server, "it broke")));
        } else {
            items.push(Ok(EventKind::Usage(Usage { prompt_tokens: 1, completion_tokens: 2, cached_tokens: None })));
            items.push(Ok(EventKind::Done(Finish::Stop)));
        }
        let events = stream::unfold((items.into_iter(), gate, guard), async |(mut items, gate, guard)| {
            let item = items.next()?;
            if let Some(gate) = &gate {
                gate.acquire().await.unwrap().forget();
            }
            Some((item.map(Event::now), (items, gate, guard)))
        });
        Ok(events.boxed())
    }
}

struct Running(Arc<AtomicUsize>, Arc<Notify>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
        self.1.notify_waiters();
    }
}

impl Backend for Echo {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Reply, Error>> {
        async move {
            let route = Route::in_process("echo");
            match &*call.op {
                Op::Chat(chat) => {
                    let text = chat.messages.last().map(longshore_core::call::Message::text).unwrap_or_default();
                    Reply::commit(route, self.chat(text)?).await
                }
                Op::Health(_) => Ok(Reply::ready(route, [EventKind::Health(HealthReport { ok: true, detail: None })])),
                _ => {
                    let model = ModelInfo { state: ModelState::Ready, ..ModelInfo::new("tiny") };
                    Ok(Reply::ready(route, [EventKind::Models(vec![model])]))
                }
            }
        }
        .boxed()
    }
}

/// A server at work; its `stop` begins the drain.
pub(crate) struct Serving {
    pub(crate) address: SocketAddr,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) end: JoinHandle<bool>,
}

pub(crate) async fn start(backend: Arc<dyn Backend>, change: impl FnOnce(&mut ServerOptions)) -> Serving {
    let mut options = ServerOptions::new("127.0.0.1:0".parse().unwrap());
    change(&mut options);
    let server = Server::bind(options).await.unwrap();
    let address = server.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let end = tokio::spawn(server.serve(backend, async {
        let _ = stopped.await;
    }));
    Serving { address, stop: Some(stop), end }
}

/// An HTTP/1.1 request for a chat.
pub(crate) fn chat(text: &str, stream: bool) -> String {
    let body = format!(r#"{{"model":"tiny","messages":[{{"role":"user","content":"{text}"}}],"stream":{stream}}}"#);
    request("POST /v1/chat/completions", "content-type: application/json\r\n", &body)
}

pub(crate) fn request(line: &str, headers: &str, body: &str) -> String {
    format!(
        "{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Sends the bytes and reads until the server closes.
pub(crate) async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).await.unwrap();
    String::from_utf8_lossy(&reply).into_owned()
}

/// Reads until what has been read contains `part`.
pub(crate) async fn read_until(stream: &mut TcpStream, part: &str) -> String {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(part) {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "closed after {:?}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8_lossy(&seen).into_owned()
}
