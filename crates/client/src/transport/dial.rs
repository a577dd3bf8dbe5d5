//! What opens connections: the system's TCP, or a [`Dial`] that a program gives in its place.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{FutureExt, TryFutureExt, future::BoxFuture};
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{Connected, Connection, HttpConnector},
    rt::TokioIo,
};
use longshore_stamp::Stamped;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tower_service::Service;

use super::connector::{BoxError, Resolver};
use crate::config::Stamps;

/// Opens connections in place of the system's TCP: through a tunnel, to a socket of another kind, in a simulated network.
///
/// Everything above stays as it is: TLS where an address wants it, HTTP, pools and limits.
pub trait Dial: Send + Sync + 'static {
    /// A connection to the host and port of `address`. It is dropped when the connect timeout passes.
    ///
    /// # Errors
    /// Why there is none; the call then goes on as after a refused connection.
    fn dial(&self, address: Uri) -> BoxFuture<'static, io::Result<Box<dyn Dialled>>>;
}

/// A connection that a [`Dial`] has opened.
pub trait Dialled: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Dialled for T {}

/// Either of the two.
#[derive(Clone)]
pub(super) enum Dialler {
    Tcp(HttpConnector<Resolver>, Stamps),
    Own(Arc<dyn Dial>),
}

impl Service<Uri> for Dialler {
    type Response = Wire;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Wire, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self {
            Self::Tcp(tcp, _) => tcp.poll_ready(cx).map_err(Into::into),
            Self::Own(_) => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, address: Uri) -> Self::Future {
        match self {
            Self::Tcp(tcp, stamps) => {
                let stamps = *stamps;
                tcp.call(address).map_ok(move |tcp| Wire::tcp(tcp, stamps)).map_err(Into::into).boxed()
            }
            Self::Own(own) => {
                own.dial(address).map_ok(|stream| Wire::Own(TokioIo::new(stream))).map_err(Into::into).boxed()
            }
        }
    }
}

/// A connection of either.
pub(super) enum Wire {
    Tcp(TokioIo<TcpStream>),
    Stamped(TokioIo<Stamped>),
    Own(TokioIo<Box<dyn Dialled>>),
}

/// The same on whichever it is.
macro_rules! on_wire {
    ($wire:expr, $stream:ident => $call:expr) => {
        match $wire {
            Wire::Tcp($stream) => $call,
            Wire::Stamped($stream) => $call,
            Wire::Own($stream) => $call,
        }
    };
}

impl Wire {
    fn tcp(tcp: TokioIo<TcpStream>, stamps: Stamps) -> Self {
        match stamps {
            Stamps::Kernel => Self::Stamped(TokioIo::new(Stamped::new(tcp.into_inner()))),
            Stamps::Read => Self::Tcp(tcp),
        }
    }
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        match self {
            Self::Tcp(tcp) => tcp.connected(),
            Self::Stamped(tcp) => tcp.inner().stream().connected().extra(tcp.inner().arrival().clone()),
            Self::Own(_) => Connected::new(),
        }
    }
}

impl Read for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        on_wire!(&mut *self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl Write for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        on_wire!(&mut *self, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_wire!(&mut *self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_wire!(&mut *self, stream => Pin::new(stream).poll_shutdown(cx))
    }

    fn is_write_vectored(&self) -> bool {
        on_wire!(self, stream => stream.is_write_vectored())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on_wire!(&mut *self, stream => Pin::new(stream).poll_write_vectored(cx, bufs))
    }
}
