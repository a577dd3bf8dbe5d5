//! Bodies that break: [`Writer`] reads a good body and sends a bad one, piece by piece.

use std::{pin::Pin, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, future::poll_fn};
use http_body::{Body, Frame};
use longshore_server::ReplyBody;
use tokio::sync::mpsc;

use super::{
    Broken, Effect, Unwritten,
    apply::Place,
    pieces::{Form, Noise},
};
use crate::engine::clock::Clock;

/// Reads a good body and writes a bad one.
pub(super) struct Writer {
    form: Form,
    body: Option<ReplyBody>,
    sent: u64,
    unwritten: Unwritten,
    frames: Option<mpsc::Sender<Result<Frame<Bytes>, Broken>>>,
}

/// Nobody reads any more.
struct Gone;

impl Writer {
    pub(super) fn new(form: Form, body: ReplyBody) -> Self {
        Self { form, body: Some(body), sent: 0, unwritten: Unwritten::default(), frames: None }
    }

    /// Where the pieces go.
    pub(super) fn writes_to(&mut self, frames: mpsc::Sender<Result<Frame<Bytes>, Broken>>) {
        self.frames = Some(frames);
    }

    pub(super) fn known_length(&self) -> Option<u64> {
        self.body.as_ref()?.size_hint().exact()
    }

    async fn next(&mut self) -> Option<Frame<Bytes>> {
        let body = self.body.as_mut()?;
        let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await;
        if frame.is_none() {
            self.body = None;
        }
        frame?.ok()
    }

    /// All data of the body.
    pub(super) async fn collect(&mut self) -> Bytes {
        let mut all = BytesMut::new();
        while let Some(frame) = self.next().await {
            if let Ok(data) = frame.into_data() {
                all.extend_from_slice(&data);
            }
        }
        all.freeze()
    }

    async fn send(&mut self, data: Bytes) -> Result<(), Gone> {
        if data.is_empty() {
            return Ok(());
        }
        self.sent += data.len() as u64;
        let data = self.unwritten.track(data);
        self.put(Ok(Frame::data(data))).await
    }

    /// Data goes on, trailers do not.
    async fn send_data(&mut self, frame: Frame<Bytes>) -> Result<(), Gone> {
        match frame.into_data() {
            Ok(data) => self.send(data).await,
            Err(_trailers) => Ok(()),
        }
    }

    async fn put(&mut self, frame: Result<Frame<Bytes>, Broken>) -> Result<(), Gone> {
        let frames = self.frames.as_ref().ok_or(Gone)?;
        frames.send(frame).await.map_err(|_| Gone)
    }

    /// The body ends here, as a complete one does, when this returns.
    pub(super) async fn run(mut self, effect: &Effect, place: &Place) {
        let _gone = match effect {
            Effect::Stall { .. }
            | Effect::TruncateBody { .. }
            | Effect::ResetMidStream { .. }
            | Effect::RstStream { .. }
            | Effect::TruncateAtByte { .. }
            | Effect::ResetAtByte { .. } => self.break_off(effect, place).await,
            Effect::DoneAfterError { .. } if place.streams => self.marked(place.end_mark.clone()).await,
            Effect::Drip { bytes, every } => self.drip(*bytes, *every, &place.clock).await,
            Effect::SplitAtEveryByte => self.split(place.http2).await,
            Effect::HugeLine { bytes } => self.huge_line(*bytes).await,
            Effect::EndWithoutMark { .. } if !place.streams && !place.grpc => self.half().await,
            Effect::MissingGrpcStatus { .. } => self.data_only().await,
            Effect::Duplicate { piece } => self.pieces(*piece, |_, piece| [piece.clone(), piece]).await,
            Effect::Garble { piece } => self.pieces(*piece, |form, piece| [form.garbled(&piece), Bytes::new()]).await,
            Effect::SseNoise { bom, crlf, comments, multi_line } => {
                let noise = Noise { crlf: *crlf, comments: *comments, multi_line: *multi_line };
                self.noise(*bom, noise).await
            }
            _ => self.through().await,
        };
    }

    async fn through(&mut self) -> Result<(), Gone> {
        while let Some(frame) = self.next().await {
            self.put(Ok(frame)).await?;
        }
        Ok(())
    }

    async fn data_only(&mut self) -> Result<(), Gone> {
        while let Some(frame) = self.next().await {
            self.send_data(frame).await?;
        }
        Ok(())
    }

    /// All of it, and this before what stands after it.
    async fn marked(&mut self, mark: Bytes) -> Result<(), Gone> {
        let mut trailers = None;
        while let Some(frame) = self.next().await {
            if frame.is_data() {
                self.put(Ok(frame)).await?;
            } else {
                trailers = Some(frame);
            }
        }
        self.send(mark).await?;
        match trailers {
            Some(trailers) => self.put(Ok(trailers)).await,
            None => Ok(()),
        }
    }

    /// The first bytes; false if there are no more than that.
    async fn first_bytes(&mut self, count: u64) -> Result<bool, Gone> {
        while let Some(frame) = self.next().await {
            let data = match frame.into_data() {
                Ok(data) => data,
                Err(trailers) => {
                    self.put(Ok(trailers)).await?;
                    continue;
                }
            };
            let left = usize::try_from(count - self.sent).unwrap_or(usize::MAX);
            if data.len() > left {
                self.send(data.slice(..left)).await?;
                return Ok(true);
            }
            self.send(data).await?;
        }
        Ok(false)
    }

    async fn half(&mut self) -> Result<(), Gone> {
        let mut all = self.collect().await;
        self.send(all.split_to(all.len() / 2)).await
    }

    /// Everything up to the break, which happens once that has left for the client.
    async fn break_off(&mut self, effect: &Effect, place: &Place) -> Result<(), Gone> {
        if let Some(byte) = effect.cut_at_byte() {
            if !self.first_bytes(byte).await? {
                return Ok(());
            }
        } else if place.streams {
            let cut = place.cut.clone();
            loop {
                tokio::select! {
                    biased;
                    frame = self.next() => match frame {
                        Some(frame) => self.send_data(frame).await?,
                        // The cut lies behind the end.
                        None => break,
                    },
                    () = cut.reached() => break,
                }
            }
            // What came while the cut was reached stands before it.
            while let Some(Some(frame)) = self.next().now_or_never() {
                self.send_data(frame).await?;
            }
        } else {
            self.half().await?;
        }
        self.unwritten.none().await;
        place.connection.flushed(place.connection.written()).await;
        match effect {
            Effect::Stall { .. } => std::future::pending().await,
            Effect::ResetMidStream { .. } | Effect::ResetAtByte { .. } => place.connection.reset(),
            Effect::RstStream { code, .. } => return self.put(Err(Broken::with_code(*code))).await,
            _ if place.http2 => return self.put(Err(Broken::with_code(2))).await,
            _ => place.connection.close(),
        }
        std::future::pending().await
    }

    async fn drip(&mut self, bytes: usize, every: Duration, clock: &Clock) -> Result<(), Gone> {
        let mut at = clock.now();
        while let Some(frame) = self.next().await {
            let mut data = match frame.into_data() {
                Ok(data) => data,
                Err(trailers) => return self.put(Ok(trailers)).await,
            };
            while !data.is_empty() {
                self.send(data.split_to(bytes.min(data.len()))).await?;
                at = clock.now().max(at + every);
                clock.until(at).await;
            }
        }
        Ok(())
    }

    /// Each byte by itself.
    async fn split(&mut self, http2: bool) -> Result<(), Gone> {
        let mut count = 0_usize;
        while let Some(frame) = self.next().await {
            let mut data = match frame.into_data() {
                Ok(data) => data,
                Err(trailers) => return self.put(Ok(trailers)).await,
            };
            while !data.is_empty() {
                self.send(data.split_to(1)).await?;
                count += 1;
                if http2 && count.is_multiple_of(CALM) {
                    tokio::time::sleep(CALM_FOR).await;
                } else {
                    tokio::task::yield_now().await;
                }
            }
        }
        Ok(())
    }

    async fn huge_line(&mut self, bytes: u64) -> Result<(), Gone> {
        let (begin, end): (Vec<u8>, &'static [u8]) = match self.form {
            Form::Sse => (b"data: {\"x\":\"".to_vec(), b"\"}\n\n"),
            Form::Whole => (b"{\"x\":\"".to_vec(), b"\"}"),
            Form::Grpc => {
                let length = u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes();
                ([&[0][..], &length].concat(), b"")
            }
        };
        self.send(begin.into()).await?;
        let block = Bytes::from(vec![b'x'; 64 << 10]);
        let mut left = bytes;
        while left > 0 {
            let now = left.min(block.len() as u64);
            self.send(block.slice(..now as usize)).await?;
            left -= now;
        }
        self.send(Bytes::from_static(end)).await
    }

    /// The piece at `wanted` becomes two; the others pass.
    async fn pieces(&mut self, wanted: usize, change: impl Fn(Form, Bytes) -> [Bytes; 2]) -> Result<(), Gone> {
        let (mut seen, mut held) = (0, BytesMut::new());
        while let Some(frame) = self.next().await {
            let data = match frame.into_data() {
                Ok(data) => data,
                Err(trailers) => return self.put(Ok(trailers)).await,
            };
            held.extend_from_slice(&data);
            while let Some(piece) = self.form.take(&mut held) {
                let pieces = if seen == wanted { change(self.form, piece) } else { [piece, Bytes::new()] };
                seen += 1;
                for piece in pieces {
                    self.send(piece).await?;
                }
            }
        }
        let rest = held.freeze();
        let pieces = if seen == wanted && !rest.is_empty() { change(self.form, rest) } else { [rest, Bytes::new()] };
        for piece in pieces {
            self.send(piece).await?;
        }
        Ok(())
    }

    async fn noise(&mut self, bom: bool, noise: Noise) -> Result<(), Gone> {
        if self.form != Form::Sse {
            return self.through().await;
        }
        if bom {
            self.send(Bytes::from_static(b"\xEF\xBB\xBF")).await?;
        }
        let mut held = BytesMut::new();
        while let Some(frame) = self.next().await {
            let Ok(data) = frame.into_data() else { continue };
            held.extend_from_slice(&data);
            while let Some(piece) = self.form.take(&mut held) {
                self.send(noise.apply(&piece)).await?;
            }
        }
        self.send(held.freeze()).await
    }
}

/// Clients of HTTP/2 guard themselves against floods of small frames, and close the connection when about a hundred wait
/// to be read (ENHANCE_YOUR_CALM). So many of them,
const CALM: usize = 16;
/// and then this pause, leave a client the time to read them.
const CALM_FOR: Duration = Duration::from_millis(5);
