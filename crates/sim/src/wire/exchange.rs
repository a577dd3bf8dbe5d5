//! One request from its head to its reply: [`handle`] lets the service answer it and applies the fault, if it has one.
//!
//! The service decodes the request and asks a backend. That backend is an [`Exchange`], made for this request alone:
//! there the operation and the model are known, so there the fault is decided, once, for whatever protocol.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use futures_core::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt};
use http::{HeaderMap, Request, Response, Version, header};
use hyper::body::Incoming;
use longshore_core::{Backend, Call, Error, ErrorKind, Event, EventKind, Events, Op, Reply, call::Message};
use tokio::sync::Notify;

use super::{ConnectionHandle, Shared};
use crate::{
    control,
    faults::{self, Broken, Cut, Effect, Place, SimBody},
    observe::{Arrival, Key, Record},
};

/// Answers one request.
///
/// # Errors
/// [`Broken`] when a fault says that there is no reply.
pub(super) async fn handle(
    shared: Arc<Shared>,
    connection: ConnectionHandle,
    request: Request<Incoming>,
) -> Result<Response<SimBody>, Broken> {
    if request.uri().path().starts_with(control::ROOT) {
        return Ok(control::respond(&shared, request).await);
    }
    if connection.use_first() {
        shared.engine.observer().metrics.connection_used();
    }
    let grpc = is_grpc(request.headers());
    let streamed = request.uri().path().ends_with(STREAM_OF_CALLS);
    let protocol = if grpc { "grpc" } else { "rest" };
    let path = request.uri().path().to_owned();
    let route = [request.method().as_str(), " ", &path].concat();
    let record = Arc::new(Record::new(shared.engine.observer().clone(), route, protocol));
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    record.note(|draft| {
        draft.connection = connection.index();
        draft.request_bytes = announced.unwrap_or_default();
    });
    let mut waiting = Waiting(Some(record.clone()));
    let http2 = request.version() == Version::HTTP_2;
    let exchange = Arc::new(Exchange::new(shared.clone(), connection.clone(), record.clone(), path, protocol));
    let backend: Arc<dyn Backend> = exchange.clone();
    let response = shared.service.respond(request, &backend).await;
    if grpc && streamed && shared.timeline.has_rules() {
        // A reply to a stream of calls begins before there is a call.
        exchange.first_call().await;
    }
    let response = match exchange.decision() {
        None => Ok(response.map(|body| SimBody::good(body, record.clone()))),
        Some(Decision { effect, streams, end_mark }) => {
            let clock = shared.engine.clock().clone();
            let cut = exchange.cut.clone();
            let place = Place { clock, connection, http2, grpc, streams, cut, end_mark, record: record.clone() };
            faults::apply(&effect, response, place).await
        }
    };
    waiting.0 = None;
    if let Ok(response) = &response {
        record.note(|draft| draft.status = Some(response.status().as_u16()));
    } else {
        record.note(|draft| draft.complete = true);
    }
    response
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// What was decided for a request.
struct Decision {
    effect: Effect,
    /// Whether its reply streams.
    streams: bool,
    /// What would end the stream, where a fault wants it.
    end_mark: Bytes,
}

/// A request whose reply has not begun. Dropped while it waits, the client has gone.
struct Waiting(Option<Arc<Record>>);

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(record) = &self.0 {
            record.cancelled();
        }
    }
}

/// The backend of one request.
struct Exchange {
    shared: Arc<Shared>,
    connection: ConnectionHandle,
    record: Arc<Record>,
    path: String,
    protocol: &'static str,
    called: AtomicBool,
    called_notify: Notify,
    /// The fault of the first call.
    decision: Mutex<Option<Decision>>,
    cut: Cut,
}

impl Exchange {
    fn new(
        shared: Arc<Shared>,
        connection: ConnectionHandle,
        record: Arc<Record>,
        path: String,
        protocol: &'static str,
    ) -> Self {
        Self {
            shared,
            connection,
            record,
            path,
            protocol,
            called: AtomicBool::new(false),
            called_notify: Notify::new(),
            decision: Mutex::default(),
            cut: Cut::default(),
        }
    }

    fn decision(&self) -> Option<Decision> {
        self.decision.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Resolves at the first call, or after a moment in which there was none.
    async fn first_call(&self) {
        let clock = self.shared.engine.clock();
        let patience = clock.until(clock.now() + PATIENCE);
        let called = async {
            while !self.called.load(Ordering::Acquire) {
                self.called_notify.notified().await;
            }
        };
        tokio::select! { () = called => {} () = patience => {} }
    }

    async fn answer(&self, call: Call) -> Result<Reply, Error> {
        let Shared { engine, timeline, .. } = &*self.shared;
        let key = engine.key(&call);
        let fault = timeline.of_request(&key, &self.path, self.protocol, engine.clock().now());
        let first = !self.called.load(Ordering::Acquire);
        let record = if first {
            self.record.clone()
        } else {
            // A later call of a stream of calls is a request of its own.
            let route = self.record.note(|draft| draft.route.clone());
            Arc::new(Record::new(engine.observer().clone(), route, self.protocol))
        };
        let arrived = engine.clock().at(self.connection.received());
        record.note(|draft| {
            draft.arrived = arrived;
            draft.key = Some(key.clone());
            draft.fault = fault.as_ref().map(|fault| (fault.rule, fault.effect.name()));
            draft.complete = !first;
            if let Some(origin) = &call.origin {
                draft.request_bytes = origin.body.len() as u64;
            }
        });
        self.shared.engine.observer().verdict.arrived(&arrival(&call, &key, &record));
        let effect = fault.as_ref().map(|fault| fault.effect.clone());
        if first {
            let decision = effect.clone().map(|effect| {
                let with_mark = matches!(effect, Effect::DoneAfterError { .. });
                let end_mark = if with_mark { faults::end_mark(&call) } else { Bytes::new() };
                Decision { effect, streams: call.op.streams(), end_mark }
            });
            *self.decision.lock().unwrap_or_else(PoisonError::into_inner) = decision;
            self.called.store(true, Ordering::Release);
            self.called_notify.notify_one();
        }
        let Some(effect) = effect else {
            let answered = engine.answer(&call, key, record.clone()).await;
            return answered.inspect_err(|error| record.note(|draft| draft.come_back_after = error.wait()));
        };
        if let Some(error) = faults::refusal(&effect).or_else(|| never_answered(&effect)) {
            record.note(|draft| {
                draft.error = Some(error.kind().as_str());
                draft.come_back_after = error.wait().map(|wait| effect.as_written(wait, self.protocol == "grpc"));
            });
            return Err(error);
        }
        if let Effect::LoadFails { .. } | Effect::LoadOutOfMemory { .. } = effect {
            let load = engine.failing_load(call.model_name(), &effect);
            return load.inspect_err(|error| record.note(|draft| draft.error = Some(error.kind().as_str())));
        }
        let reply = engine.answer(&call, key, record.clone()).await?;
        if !call.op.streams() && !effect.breaks_with_error() {
            return Ok(reply);
        }
        let mut events = faults::of_events(&effect, reply.events, &self.cut);
        if let Effect::UnloadMidStream { .. } = effect {
            let (engine, model) = (engine.clone(), call.model_name().to_owned());
            events = events.inspect_err(move |_| engine.begin_unload(&model)).boxed();
        }
        if effect.breaks_off() {
            events = keep_text(events, record);
        }
        Ok(Reply { events, ..reply })
    }
}

impl Backend for Exchange {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Reply, Error>> {
        Box::pin(self.answer(call))
    }
}

/// What a verdict wants to know of the call.
fn arrival<'a>(call: &Call, key: &'a Key, record: &Record) -> Arrival<'a> {
    let mut hasher = DefaultHasher::new();
    (key.op, &key.model, call.origin.as_ref().map(|origin| &origin.body)).hash(&mut hasher);
    let fingerprint = hasher.finish();
    let (number, at) = record.note(|draft| {
        draft.fingerprint = Some(fingerprint);
        (draft.arrival, draft.arrived)
    });
    let said = match &*call.op {
        Op::Chat(chat) => {
            chat.messages.iter().filter(|message| message.role == "assistant").map(Message::text).collect()
        }
        _ => Vec::new(),
    };
    Arrival { number, key, fingerprint, replayable: call.replayable, said, at }
}

/// Remembers the text that is sent, to know it when it comes back.
fn keep_text(events: Events, record: Arc<Record>) -> Events {
    let keep = move |event: &Result<Event, Error>| {
        if let Ok(Event { kind: EventKind::Text { index: 0, text }, .. }) = event {
            record.note(|draft| draft.broken_text.get_or_insert_default().push_str(text));
        }
    };
    events.inspect(keep).boxed()
}

/// The one method whose request is a stream.
const STREAM_OF_CALLS: &str = "/ModelStreamInfer";

/// How long a stream of calls may hold back the head of its reply, in which a fault may have to be written.
const PATIENCE: std::time::Duration = std::time::Duration::from_millis(250);

/// No answer is worked out where nobody will see it. What stands here is not sent.
fn never_answered(effect: &Effect) -> Option<Error> {
    matches!(
        effect,
        Effect::NoHeaders
            | Effect::ResetBeforeFirstByte
            | Effect::HtmlAt200
            | Effect::RstStream { after_tokens: None, .. }
    )
    .then(|| Error::new(ErrorKind::Server, "a fault of the simulator"))
}
