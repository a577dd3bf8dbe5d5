//! Faults of replies: [`apply`] takes a whole, good response and gives the one that goes out.
//!
//! A reply without a fault passes through untouched. One whose body breaks is written by a task of its own, a `Writer`,
//! which reads the good body and sends what becomes of it.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame};
use longshore_server::ReplyBody;
use tokio::sync::mpsc;

use super::{Broken, Cut, Effect, SimBody, pieces::Form, refuse::refused, writer::Writer};
use crate::{engine::clock::Clock, observe::Record, wire::ConnectionHandle};

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
        Effect::MissingGrpcStatus { .. } if !place.grpc => return Ok(good(response, place)),
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
    let mut writer = Writer::new(Form::of(&head.headers), body);
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
            return Ok(Response::from_parts(head, SimBody::whole(bytes).noted(place.record)));
        }
        Effect::GzipBomb { bytes } => {
            let bomb = gzip_bomb(*bytes, place.grpc);
            let name = if place.grpc { "grpc-encoding" } else { "content-encoding" };
            head.headers.insert(name, HeaderValue::from_static("gzip"));
            return Ok(Response::from_parts(head, SimBody::whole(bomb).noted(place.record)));
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
    writer.writes_to(frames);
    let effect = effect.clone();
    let task = tokio::spawn(async move { writer.run(&effect, &place).await }).abort_handle();
    Ok(Response::from_parts(head, SimBody::written(received, task).noted(record)))
}

const HTML: &[u8] =
    b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><h1>Sign in to continue</h1></body></html>\n";

pub(super) fn good(response: Response<ReplyBody>, place: Place) -> Response<SimBody> {
    response.map(|body| SimBody::good(body, place.record))
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
        return Response::from_parts(head, SimBody::whole(bytes).noted(place.record));
    }
    head.headers.insert(header::CONTENT_LENGTH, claimed.into());
    let (frames, received) = mpsc::channel(1);
    let task = tokio::spawn(async move {
        let _ = frames.send(Ok(Frame::data(bytes))).await;
    });
    Response::from_parts(head, SimBody::written(received, task.abort_handle()).noted(place.record))
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
