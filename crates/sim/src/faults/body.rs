//! Faults of replies: [`apply`] takes a whole, good response and gives the one that goes out.
//!
//! A reply without a fault passes through untouched. One with a fault is written by a task of its own, which reads the
//! good body and sends what becomes of it.

use std::{
    collections::BTreeMap,
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, SystemTime},
};

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, future::poll_fn};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use longshore_core::{Protocol, dialect::DIALECTS};
use longshore_server::ReplyBody;
use tokio::{
    sync::{Notify, mpsc},
    task::AbortHandle,
};

use super::{
    Cut, Effect, RetryAfter,
    answer::{code_of_status, refusal, status_of_code},
    pieces::{Form, Noise},
};
use crate::{engine::clock::Clock, observe::Record, wire::ConnectionHandle};

/// A reply's body, with or without a fault.
pub(crate) struct SimBody {
    content: Content,
    record: Option<Arc<Record>>,
    ended: bool,
}

enum Content {
    Good(ReplyBody),
    Whole(Option<Bytes>),
    Written(Written),
}

/// A body that a task writes.
struct Written {
    frames: mpsc::Receiver<Result<Frame<Bytes>, Broken>>,
    task: AbortHandle,
}

impl Drop for Written {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A stream or connection that is broken on purpose.
#[derive(Debug)]
pub(crate) struct Broken(h2::Error);

impl Broken {
    /// Over HTTP/2 the stream is reset with this code; over HTTP/1.1 the connection closes.
    pub(crate) fn with_code(code: u32) -> Self {
        Self(h2::Reason::from(code).into())
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken by a fault of the simulator")
    }
}

impl std::error::Error for Broken {
    /// hyper looks here for the code with which to reset a stream.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl SimBody {
    /// A body that is no model's answer and is in no log.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        // An empty body ends with the head.
        Self { content: Content::Whole(Some(bytes).filter(|bytes| !bytes.is_empty())), record: None, ended: false }
    }

    /// The same, written by a task, which is stopped when nobody reads.
    pub(crate) fn written(frames: mpsc::Receiver<Result<Frame<Bytes>, Broken>>, task: AbortHandle) -> Self {
        Self { content: Content::Written(Written { frames, task }), record: None, ended: false }
    }

    pub(crate) fn good(body: ReplyBody, record: Arc<Record>) -> Self {
        Self { content: Content::Good(body), record: Some(record), ended: false }
    }
}

impl Body for SimBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let frame = ready!(match &mut self.content {
            Content::Good(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Content::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Content::Written(written) => written.frames.poll_recv(cx),
        });
        if let (Some(Ok(frame)), Some(record)) = (&frame, &self.record)
            && let Some(data) = frame.data_ref()
        {
            record.note(|draft| draft.response_bytes += data.len() as u64);
        }
        self.ended |= !matches!(&frame, Some(Ok(frame)) if frame.is_data());
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Good(body) => body.is_end_stream(),
            Content::Whole(bytes) => bytes.is_none(),
            Content::Written(_) => self.ended,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Good(body) => body.size_hint(),
            Content::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Content::Written(_) => SizeHint::default(),
        }
    }
}

impl Drop for SimBody {
    fn drop(&mut self) {
        let ended = self.ended || self.is_end_stream();
        if let Some(record) = &self.record {
            if ended {
                record.note(|draft| draft.complete = true);
            } else {
                record.cancelled();
            }
        }
    }
}

/// Where a fault takes place.
pub(crate) struct Place {
    pub(crate) clock: Clock,
    pub(crate) connection: ConnectionHandle,
    pub(crate) http2: bool,
    pub(crate) grpc: bool,
    /// Whether the caller wanted a stream.
    pub(crate) streams: bool,
    pub(crate) cut: Cut,
    /// What ends a good stream.
    pub(crate) end_mark: Bytes,
    pub(crate) record: Arc<Record>,
}

/// The response that goes out.
///
/// # Errors
/// [`Broken`] where none does.
pub(crate) async fn apply(
    effect: &Effect,
    response: Response<ReplyBody>,
    place: Place,
) -> Result<Response<SimBody>, Broken> {
    match effect {
        Effect::Status { .. } | Effect::Grpc { .. } => return Ok(refused(effect, response, place)),
        Effect::SlowHeaders { delay } => {
            place.clock.until(place.clock.now() + *delay).await;
            return Ok(good(response, place));
        }
        Effect::NoHeaders => std::future::pending().await,
        Effect::RstStream { code, after_tokens: None } => return Err(Broken::with_code(*code)),
        Effect::ResetBeforeFirstByte => {
            place.connection.reset();
            std::future::pending().await
        }
        Effect::Goaway => {
            place.connection.go_away();
            let mut response = response;
            if !place.http2 {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            return Ok(good(response, place));
        }
        // Elsewhere than in its protocol, an effect has none.
        Effect::MissingGrpcStatus if !place.grpc => return Ok(good(response, place)),
        // An error of gRPC without an answer before it is its head alone, which must end the stream.
        Effect::InBandError { .. }
        | Effect::DoneAfterError { .. }
        | Effect::UnloadMidStream { .. }
        | Effect::LoadFails { .. }
        | Effect::LoadOutOfMemory { .. }
            if place.grpc && response.body().is_end_stream() =>
        {
            return Ok(good(response, place));
        }
        _ => {}
    }
    let (mut head, body) = response.into_parts();
    let mut writer = Writer {
        form: Form::of(&head.headers),
        body: Some(body),
        sent: 0,
        unwritten: Unwritten::default(),
        frames: None,
    };
    let whole_length = (!place.streams && !place.grpc).then(|| writer.known_length()).flatten();
    match effect {
        Effect::InBandError { .. } | Effect::DoneAfterError { .. } if !place.grpc => head.status = StatusCode::OK,
        Effect::WrongContentLength { by } => {
            let bytes = writer.collect().await;
            return Ok(wrong_length(head, bytes, *by, place));
        }
        Effect::HtmlAt200 => {
            let bytes = Bytes::from_static(HTML);
            head.status = StatusCode::OK;
            head.headers = HeaderMap::new();
            head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            return Ok(Response::from_parts(head, body_of(bytes, place.record)));
        }
        Effect::GzipBomb { bytes } => {
            let bomb = gzip_bomb(*bytes, place.grpc);
            let name = if place.grpc { "grpc-encoding" } else { "content-encoding" };
            head.headers.insert(name, HeaderValue::from_static("gzip"));
            return Ok(Response::from_parts(head, body_of(bomb, place.record)));
        }
        // A reply of one piece that breaks says how long it would have been.
        Effect::Stall { .. }
        | Effect::TruncateBody { .. }
        | Effect::TruncateAtByte { .. }
        | Effect::ResetMidStream { .. }
        | Effect::ResetAtByte { .. } => {
            if let Some(length) = whole_length {
                head.headers.insert(header::CONTENT_LENGTH, length.into());
            }
        }
        _ => {}
    }
    let (frames, received) = mpsc::channel(1);
    let record = place.record.clone();
    writer.frames = Some(frames);
    let effect = effect.clone();
    let task = tokio::spawn(async move { writer.run(&effect, &place).await }).abort_handle();
    let content = Content::Written(Written { frames: received, task });
    Ok(Response::from_parts(head, SimBody { content, record: Some(record), ended: false }))
}

const HTML: &[u8] =
    b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><h1>Sign in to continue</h1></body></html>\n";

fn good(response: Response<ReplyBody>, place: Place) -> Response<SimBody> {
    response.map(|body| SimBody::good(body, place.record))
}

fn body_of(bytes: Bytes, record: Arc<Record>) -> SimBody {
    SimBody { content: Content::Whole(Some(bytes)), record: Some(record), ended: false }
}

/// What the dialect's own refusal does not say.
fn refused(effect: &Effect, mut response: Response<ReplyBody>, place: Place) -> Response<SimBody> {
    if place.grpc {
        let code = match effect {
            Effect::Grpc { code, .. } => *code,
            Effect::Status { status, .. } => code_of_status(*status),
            _ => 2,
        };
        // A stream of calls has begun its reply well; here it is refused like a single call.
        let mut response = match response.headers().contains_key("grpc-status") {
            true => good(response, place),
            false => refused_stream(effect, place),
        };
        response.headers_mut().insert("grpc-status", code.into());
        // It would say another kind than the code does.
        response.headers_mut().remove("longshore-error");
        if let Effect::Status { headers, .. } = effect {
            put_headers(headers, response.headers_mut());
        }
        return response;
    }
    if let Effect::Grpc { code, .. } = effect
        && let Ok(status) = StatusCode::from_u16(status_of_code(*code))
    {
        *response.status_mut() = status;
    }
    let Effect::Status { body, headers, retry_after, .. } = effect else { return good(response, place) };
    let wait = match retry_after {
        Some(RetryAfter::Date(seconds)) => {
            Some(httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(*seconds)))
        }
        Some(RetryAfter::Text(text)) => Some(text.clone()),
        Some(RetryAfter::Seconds(_)) | None => None,
    };
    if let Some(wait) = wait {
        put_headers(&[("retry-after".to_owned(), wait)].into(), response.headers_mut());
    }
    put_headers(headers, response.headers_mut());
    match body {
        Some(body) => {
            let body = Bytes::copy_from_slice(body.as_bytes());
            response.map(|_| body_of(body, place.record))
        }
        None => good(response, place),
    }
}

/// A reply that is a refusal in the words of gRPC and nothing else.
fn refused_stream(effect: &Effect, place: Place) -> Response<SimBody> {
    let mut response =
        Response::new(SimBody { content: Content::Whole(None), record: Some(place.record), ended: false });
    let grpc = DIALECTS.iter().find(|dialect| dialect.protocol() == Protocol::Grpc);
    if let (Some(dialect), Some(error)) = (grpc, refusal(effect)) {
        let (anything, ()) = http::Request::new(()).into_parts();
        *response.headers_mut() = dialect.refuse(&anything, &error).into_parts().0.headers;
    }
    response
}

/// Those that are headers; a rule with others was refused.
fn put_headers(wanted: &BTreeMap<String, String>, headers: &mut HeaderMap) {
    for (name, value) in wanted {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
}

/// hyper checks lengths, so over HTTP/1.1 the number is changed on its way to the socket.
fn wrong_length(mut head: http::response::Parts, bytes: Bytes, by: i64, place: Place) -> Response<SimBody> {
    let claimed = (bytes.len() as u64).saturating_add_signed(by);
    if !place.http2 {
        place.connection.rewrite(
            format!("content-length: {}\r\n", bytes.len()).into(),
            format!("content-length: {claimed}\r\n").into(),
        );
        head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        head.headers.remove(header::CONTENT_LENGTH);
        return Response::from_parts(head, body_of(bytes, place.record));
    }
    head.headers.insert(header::CONTENT_LENGTH, claimed.into());
    let (frames, received) = mpsc::channel(1);
    let task = tokio::spawn(async move {
        let _ = frames.send(Ok(Frame::data(bytes))).await;
    });
    let content = Content::Written(Written { frames: received, task: task.abort_handle() });
    Response::from_parts(head, SimBody { content, record: Some(place.record), ended: false })
}

/// Spaces, which JSON allows anywhere, packed a thousandfold.
fn gzip_bomb(bytes: u64, grpc: bool) -> Bytes {
    use std::io::Write;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let block = [b' '; 32 << 10];
    let mut left = bytes;
    while left > 0 {
        let now = left.min(block.len() as u64);
        // Writing into memory does not fail.
        let _ = packer.write_all(&block[..now as usize]);
        left -= now;
    }
    let packed = packer.finish().unwrap_or_default();
    if !grpc {
        return packed.into();
    }
    let mut message = vec![1];
    message.extend_from_slice(&u32::try_from(packed.len()).unwrap_or(u32::MAX).to_be_bytes());
    message.extend_from_slice(&packed);
    message.into()
}

/// Reads a good body and writes a bad one.
struct Writer {
    form: Form,
    body: Option<ReplyBody>,
    sent: u64,
    unwritten: Unwritten,
    frames: Option<mpsc::Sender<Result<Frame<Bytes>, Broken>>>,
}

/// Clients of HTTP/2 guard themselves against floods of small frames, and close the connection when about a hundred wait
/// to be read (ENHANCE_YOUR_CALM). So many of them,
const CALM: usize = 16;
/// and then this pause, leave a client the time to read them.
const CALM_FOR: Duration = Duration::from_millis(5);

/// Nobody reads any more.
struct Gone;

/// Counts data that HTTP has been given and has not written yet: it lets go of what it has written. Lengths on the
/// connection would not tell, for heads, frames and other streams are written there too.
#[derive(Clone, Default)]
pub(crate) struct Unwritten(Arc<(AtomicUsize, Notify)>);

impl Unwritten {
    /// The same data, counted until it is let go of.
    pub(crate) fn track(&self, data: Bytes) -> Bytes {
        self.0.0.fetch_add(1, Ordering::AcqRel);
        Bytes::from_owner(Tracked { data, unwritten: self.clone() })
    }

    /// Resolves when all data was let go of.
    pub(crate) async fn none(&self) {
        while self.0.0.load(Ordering::Acquire) > 0 {
            self.0.1.notified().await;
        }
    }
}

struct Tracked {
    data: Bytes,
    unwritten: Unwritten,
}

impl AsRef<[u8]> for Tracked {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        let (count, changed) = &*self.unwritten.0;
        count.fetch_sub(1, Ordering::AcqRel);
        changed.notify_one();
    }
}

impl Writer {
    fn known_length(&self) -> Option<u64> {
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
    async fn collect(&mut self) -> Bytes {
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
    async fn run(mut self, effect: &Effect, place: &Place) {
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
            Effect::MissingGrpcStatus => self.data_only().await,
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
