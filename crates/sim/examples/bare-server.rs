//! The least that a server on hyper takes for a request: it reads the body, looks at nothing, and sends a constant.
//! `e2e/measure_sim.py` sets it beside the simulator, on as many threads, one runtime each.
//!
//! `cargo run --release -p longshore-sim --example bare-server -- 127.0.0.1:8410 LENGTH`

#![expect(clippy::disallowed_macros, reason = "an example prints what it found")]

use std::{convert::Infallible, io, net::SocketAddr, num::NonZero, thread};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::CONTENT_TYPE};
use http_body::{Body, Frame};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, Handle},
};

/// A body in one piece.
struct Whole(Option<Bytes>);

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(self.0.take().map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.0.as_ref().map_or(0, Bytes::len) as u64)
    }
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address: SocketAddr =
        arguments.next().unwrap_or_else(|| "127.0.0.1:0".into()).parse().map_err(io::Error::other)?;
    let length = arguments.next().map_or(Ok(400), |length| length.parse()).map_err(io::Error::other)?;
    let reply = Bytes::from(vec![b' '; length]);

    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let workers = (0..threads).map(|_| worker()).collect::<io::Result<Vec<_>>>()?;
    Builder::new_current_thread().enable_io().build()?.block_on(async {
        let listener = TcpListener::bind(address).await?;
        println!("http://{}", listener.local_addr()?);
        for worker in workers.iter().cycle() {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            worker.spawn(serve(stream.into_std()?, reply.clone()));
        }
        Ok(())
    })
}

/// The runtime of a thread of its own.
fn worker() -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new().spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    Ok(handle)
}

async fn serve(stream: std::net::TcpStream, reply: Bytes) {
    let respond = move |request: Request<Incoming>| {
        let reply = reply.clone();
        async move {
            let mut body = request.into_body();
            while let Some(Ok(_)) = std::future::poll_fn(|cx| std::pin::Pin::new(&mut body).poll_frame(cx)).await {}
            let mut response = Response::new(Whole(Some(reply)));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            Ok::<_, Infallible>(response)
        }
    };
    if let Ok(stream) = TcpStream::from_std(stream) {
        // A connection that ends early is the client's affair.
        let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(respond)).await;
    }
}
