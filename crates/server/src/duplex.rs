//! Exchanges in which every message of the request is a call of its own, answered while more may follow: gRPC's
//! bidirectional streams. Calls are answered side by side; the events of each keep their order.

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream::FuturesUnordered};
use http::{HeaderMap, HeaderValue, Response, request::Parts};
use http_body::Frame;
use hyper::body::Incoming;
use longshore_core::{Backend, Dialect, Error, Framing};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    task::AbortHandle,
};

use crate::{
    body::{Content, ReplyBody},
    outcome::Outcome,
    service::Service,
    unary::Requests,
};

/// Calls of one stream that are answered at a time; the next ones wait to be read.
const SIDE_BY_SIDE: usize = 16;
/// Chunks that wait for a slow reader before the backends are held up.
const BUFFERED: usize = 16;

/// What the answering task has written. Dropping it stops the task and all its calls.
pub(crate) struct Answers {
    chunks: mpsc::Receiver<Frame<Bytes>>,
    task: AbortHandle,
}

impl Answers {
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Frame<Bytes>>> {
        Poll::Ready(ready!(self.chunks.poll_recv(cx)))
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The response goes out at once, its body as the calls come and are answered.
pub(crate) fn respond(
    service: Arc<Service>,
    backend: Arc<dyn Backend>,
    dialect: &'static dyn Dialect,
    head: Parts,
    body: Incoming,
    framing: Framing,
    slot: OwnedSemaphorePermit,
) -> Response<ReplyBody> {
    let (chunks, received) = mpsc::channel(BUFFERED);
    let requests = Requests::new(body, framing, service.limits.request_bytes, None);
    let content_type = head.headers.get(http::header::CONTENT_TYPE).cloned();
    let stream = Stream { service, backend, dialect, head, chunks };
    let task = tokio::spawn(async move {
        let _slot = slot;
        stream.run(requests).await;
    });
    let mut response = Response::new(Content::Duplex(Answers { chunks: received, task: task.abort_handle() }).into());
    // Both sides of such a stream are written alike.
    if let Some(content_type) = content_type {
        response.headers_mut().insert(http::header::CONTENT_TYPE, content_type);
    }
    response
}

struct Stream {
    service: Arc<Service>,
    backend: Arc<dyn Backend>,
    dialect: &'static dyn Dialect,
    head: Parts,
    chunks: mpsc::Sender<Frame<Bytes>>,
}

impl Stream {
    async fn run(&self, mut requests: Requests) {
        let mut answers = FuturesUnordered::new();
        let mut open = true;
        let mut trailers = ok_trailers();
        while open || !answers.is_empty() {
            tokio::select! {
                request = requests.next(), if open && answers.len() < SIDE_BY_SIDE => match request {
                    Some(Ok(frame)) => answers.push(self.answer(frame)),
                    Some(Err(error)) => {
                        trailers = self.dialect.refuse(&self.head, &error).into_parts().0.headers;
                        open = false;
                    }
                    None => open = false,
                },
                Some(end) = answers.next() => {
                    if let Err(error) = end {
                        // A message that cannot be understood makes all that follow it doubtful.
                        trailers = self.dialect.refuse(&self.head, &error).into_parts().0.headers;
                        open = false;
                    }
                }
            }
        }
        trailers.remove(http::header::CONTENT_TYPE);
        self.send(Frame::trailers(trailers)).await;
    }

    /// Answers one call; an error of the call itself is told in-band, one of understanding it is returned.
    async fn answer(&self, frame: Bytes) -> Result<(), Error> {
        let call = self.dialect.decode_call(&self.head, frame)?;
        let mut log = Outcome::of(self.dialect, &call);
        let mut encoder = self.dialect.reply_encoder(&call);
        let mut chunk = BytesMut::new();
        match self.service.call(call, &self.backend).await {
            Err(error) => {
                log.failed(&error);
                encoder.interrupted(&error, &mut chunk);
            }
            Ok(mut reply) => loop {
                match reply.events.next().await {
                    Some(Ok(event)) => {
                        encoder.event(&event, &mut chunk);
                        if !self.send_data(&mut chunk).await {
                            return Ok(());
                        }
                    }
                    Some(Err(error)) => {
                        log.failed(&error);
                        encoder.interrupted(&error, &mut chunk);
                        break;
                    }
                    None => {
                        log.finished();
                        break;
                    }
                }
            },
        }
        // The trailers belong to the stream, not to this call.
        let _ = encoder.end(&mut chunk);
        self.send_data(&mut chunk).await;
        Ok(())
    }

    async fn send_data(&self, chunk: &mut BytesMut) -> bool {
        chunk.is_empty() || self.send(Frame::data(chunk.split().freeze())).await
    }

    /// False when nobody reads any more.
    async fn send(&self, frame: Frame<Bytes>) -> bool {
        self.chunks.send(frame).await.is_ok()
    }
}

/// gRPC's word that the stream ended well. Only gRPC has duplex exchanges.
fn ok_trailers() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    trailers
}
