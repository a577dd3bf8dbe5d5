//! A dialect over gRPC framing that is small enough to see through, its server, and a backend in this process.

use std::{sync::Arc, time::Instant};

use bytes::{Bytes, BytesMut};
use futures_core::future::BoxFuture;
use http::{HeaderMap, Request, Response, request, response};
use longshore_core::{
    Backend, Call, Capabilities, Dialect, Error, ErrorKind, Event, EventKind, Finish, Framing, ModelInfo, Op, Protocol,
    Reply, ReplyDecoder, ReplyEncoder, Route, ServerInfo,
    dialect::Exchange,
    framing::put_message,
    model::{HealthReport, ModelKind, ModelState, ModelStatistics},
};
use serde_json::{Value, json};

use super::{Script, Seen};

pub(crate) static TINY: &dyn Dialect = &Tiny;

#[derive(Debug)]
struct Tiny;

impl Dialect for Tiny {
    fn name(&self) -> &'static str {
        "tiny"
    }

    fn protocol(&self) -> Protocol {
        Protocol::Grpc
    }

    fn supports(&self, _: &ServerInfo) -> Capabilities {
        Capabilities::ALL
    }

    fn encode_call(&self, call: &Call, peer: &ServerInfo) -> Result<Request<Bytes>, Error> {
        let mut body = BytesMut::new();
        let message = json!({"model": call.model_name(), "peer": &*peer.name});
        put_message(message.to_string().as_bytes(), &mut body);
        let path = format!("/tiny/{:?}", call.op.kind());
        let request = Request::post(path).header("content-type", "application/grpc");
        request.body(body.freeze()).map_err(|error| Error::invalid(error.to_string()))
    }

    fn framing(&self, _: &Call, _: &response::Parts) -> Framing {
        Framing::Grpc
    }

    fn reply_decoder(&self, _: &Call, _: &ServerInfo, _: &response::Parts) -> Box<dyn ReplyDecoder> {
        Box::new(Decoder)
    }

    fn route(&self, _: &request::Parts) -> Option<Exchange> {
        None
    }

    fn decode_call(&self, _: &request::Parts, _: Bytes) -> Result<Call, Error> {
        Err(Error::invalid("the client half is all there is"))
    }

    fn reply_encoder(&self, _: &Call) -> Box<dyn ReplyEncoder> {
        unreachable!("the client half is all there is")
    }

    fn refuse(&self, _: &request::Parts, _: &Error) -> Response<Bytes> {
        Response::new(Bytes::new())
    }
}

struct Decoder;

impl ReplyDecoder for Decoder {
    fn frame(&mut self, at: Instant, frame: Bytes, events: &mut Vec<Event>) -> Result<(), Error> {
        let value: Value = serde_json::from_slice(&frame).map_err(|error| Error::protocol(error.to_string()))?;
        let kind = if let Some(text) = value["text"].as_str() {
            EventKind::Text { index: 0, text: text.into() }
        } else if let Some(models) = value["models"].as_array() {
            EventKind::Models(models.iter().filter_map(Value::as_str).map(ModelInfo::new).collect())
        } else if let Some(models) = value["statistics"].as_array() {
            let of = |model: &str| ModelStatistics { model: model.into(), ..ModelStatistics::default() };
            EventKind::Statistics(models.iter().filter_map(Value::as_str).map(of).collect())
        } else if let Some(name) = value["server"].as_str() {
            EventKind::Server(ServerInfo { name: name.into(), ..ServerInfo::default() })
        } else {
            EventKind::Health(HealthReport { ok: true, detail: None })
        };
        events.push(Event { at, kind, raw: None });
        Ok(())
    }

    fn finish(&mut self, at: Instant, trailers: Option<&HeaderMap>, events: &mut Vec<Event>) -> Result<(), Error> {
        let status = trailers.and_then(|trailers| trailers.get("grpc-status")?.to_str().ok());
        match status {
            Some("0") => events.push(Event { at, kind: EventKind::Done(Finish::Stop), raw: None }),
            Some("14") => return Err(Error::new(ErrorKind::Overloaded, "unavailable")),
            Some(other) => return Err(Error::new(ErrorKind::Server, format!("status {other}"))),
            None => return Err(Error::new(ErrorKind::Interrupted, "no grpc-status came")),
        }
        Ok(())
    }
}

/// A handler of a server of this dialect, whose chats answer `text`.
pub(crate) fn tiny(models: &'static [&'static str], text: &'static str) -> impl Fn(&Seen) -> Script + Send + Sync {
    move |seen| {
        let message = match &*seen.path {
            "/tiny/ServerInfo" => json!({"server": "tiny-server"}),
            "/tiny/ListModels" => json!({"models": models}),
            "/tiny/Statistics" => json!({"statistics": models}),
            "/tiny/Chat" => json!({"text": text}),
            _ => json!({}),
        };
        Script::Grpc(vec![message.to_string().into()], vec![("grpc-status", "0")])
    }
}

/// A backend in this process.
pub(crate) struct Local {
    pub(crate) text: &'static str,
    pub(crate) models: &'static [&'static str],
}

impl Backend for Local {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Reply, Error>> {
        Box::pin(async move {
            let model =
                |id: &&str| ModelInfo { kind: ModelKind::Chat, state: ModelState::Ready, ..ModelInfo::new(*id) };
            let kind = match &*call.op {
                Op::Chat(_) => EventKind::Text { index: 0, text: self.text.into() },
                Op::ListModels { .. } => EventKind::Models(self.models.iter().map(model).collect()),
                Op::ServerInfo => EventKind::Server(ServerInfo { name: "longshore".into(), ..ServerInfo::default() }),
                Op::Health(_) => EventKind::Health(HealthReport { ok: true, detail: None }),
                other => {
                    return Err(Error::new(ErrorKind::Unsupported, format!("cannot {}", other.kind().name())));
                }
            };
            Ok(Reply::ready(Route::in_process(Arc::from("inner")), [kind]))
        })
    }
}
