//! One request, from its head to its reply: `guard → route → slot → body → decode → backend → encode`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header, request::Parts};
use hyper::body::Incoming;
use longshore_core::{
    Attempt, Backend, Call, Dialect, Error, ErrorKind, EventKind, Op, Protocol, Reply, Route, Sent, ServerInfo,
    call::HealthScope,
    dialect::{self, DIALECTS, Exchange},
    model::HealthReport,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    body::{Content, End, ReplyBody, Streamed},
    duplex,
    guard::Guard,
    ledger::{cache_use, header_text, put_cache, put_ledger},
    options::{Limits, MetricsPage, ServerOptions},
    outcome::Outcome,
    site::Site,
    unary,
};

/// What all connections share: everything between an HTTP request and a [`Backend`].
///
/// [`Server`](crate::Server) runs it on a listener of its own; whoever brings other connections (a simulator with
/// broken sockets) calls [`Service::respond`] itself.
pub struct Service {
    pub(crate) limits: Limits,
    guard: Guard,
    identity: ServerInfo,
    metrics: Option<MetricsPage>,
    site: Option<Arc<dyn Site>>,
    slots: Arc<Semaphore>,
    draining: AtomicBool,
}

impl Service {
    /// A service with the guard, the name and the limits of these options.
    pub fn new(options: &ServerOptions) -> Self {
        Self {
            guard: Guard::new(options.token.clone(), options.hosts.clone()),
            identity: ServerInfo {
                name: options.name.as_str().into(),
                version: options.version.clone(),
                extensions: [
                    "binary_tensor_data",
                    "model_repository",
                    "model_configuration",
                    "parameters",
                    "statistics",
                ]
                .map(str::to_owned)
                .to_vec(),
                ..ServerInfo::default()
            },
            metrics: options.metrics.clone(),
            site: options.site.clone(),
            slots: Arc::new(Semaphore::new(options.limits.concurrent_requests)),
            limits: options.limits.clone(),
            draining: AtomicBool::new(false),
        }
    }

    /// From now on the server is not ready, so that balancers look elsewhere while the last answers go out.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Answers one request from `backend`. Dropping the future, or the body of the response, cancels the work.
    pub async fn respond(
        self: &Arc<Self>,
        request: Request<Incoming>,
        backend: &Arc<dyn Backend>,
    ) -> Response<ReplyBody> {
        let (head, body) = request.into_parts();
        if let Some(site) = self.site.as_ref().filter(|site| site.owns(&head)) {
            return match self.guard.check_host(&head) {
                Ok(_) => site.respond(Request::from_parts(head, body)).await.map(|body| Content::Site(body).into()),
                Err(refused) => refuse_guarded(None, &head, &refused),
            };
        }
        let route = route(&head);
        if let Err(refused) = self.guard.check(&head) {
            return refuse_guarded(route.map(|(dialect, _)| dialect), &head, &refused);
        }
        let Some((dialect, exchange)) = route else { return self.outside_dialects(&head, backend).await };
        let Ok(slot) = self.slots.clone().try_acquire_owned() else {
            let error = Error::new(
                ErrorKind::Overloaded,
                format!("{} requests are being answered, which is the limit", self.limits.concurrent_requests),
            );
            return refuse(dialect, &head, &error.retry_after(Duration::from_secs(1)), &[]);
        };
        if exchange.duplex {
            return duplex::respond(self.clone(), backend.clone(), dialect, head, body, exchange.framing, slot);
        }
        let decoded = match unary::read_call(body, exchange.framing, &head, &self.limits).await {
            Ok(body) => dialect.decode_call(&head, body),
            Err(error) => Err(error),
        };
        match decoded {
            Ok(call) => {
                // Beside the gateway is somebody who shows them.
                let headers = self.site.as_ref().map(|_| Arc::new(head.headers.clone()));
                let call = Call { cache: cache_use(&head), headers, ..call };
                self.answer(dialect, &head, call, slot, backend).await
            }
            Err(error) => refuse(dialect, &head, &error, &[]),
        }
    }

    async fn answer(
        &self,
        dialect: &'static dyn Dialect,
        head: &Parts,
        call: Call,
        slot: OwnedSemaphorePermit,
        backend: &Arc<dyn Backend>,
    ) -> Response<ReplyBody> {
        let mut log = Outcome::of(dialect, &call);
        let mut encoder = dialect.reply_encoder(&call);
        let reply = match self.call(call.clone(), backend).await {
            Ok(reply) => reply,
            Err(error) => {
                log.failed(&error);
                return refuse(dialect, head, &error, error.ledger());
            }
        };
        let Reply { route, ledger, cache, events } = reply;
        let (parts, body) = if encoder.streams() {
            let parts = encoder.head();
            (parts, Content::Streamed(Box::new(Streamed { events, encoder, end: End::Open, log, _slot: slot })))
        } else {
            match unary::collect(&mut *encoder, events).await {
                Ok((body, trailers)) => {
                    log.finished();
                    (encoder.head(), Content::Whole { body: Some(body), trailers })
                }
                Err(error) => {
                    log.failed(&error);
                    return refuse(dialect, head, &error, &ledger);
                }
            }
        };
        let parts = parts.header(REQUEST_ID, &*call.id).header(SERVER, &*header_text(&route.server));
        let mut response = parts.body(body.into()).unwrap_or_else(|error| broken(&error));
        put_ledger(&ledger, response.headers_mut());
        put_cache(cache, response.headers_mut());
        response
    }

    /// The backend's answer, but for what only the server knows: its own name, and that it is alive or going away.
    pub(crate) async fn call(&self, call: Call, backend: &Arc<dyn Backend>) -> Result<Reply, Error> {
        let own = |kind| Ok(Reply::ready(Route::in_process("longshore"), [kind]));
        match &*call.op {
            Op::ServerInfo => own(EventKind::Server(self.identity.clone())),
            Op::Health(HealthScope::Live) => own(EventKind::Health(HealthReport { ok: true, detail: None })),
            Op::Health(HealthScope::Ready) if self.draining.load(Ordering::Relaxed) => {
                own(EventKind::Health(HealthReport { ok: false, detail: Some("shutting down".into()) }))
            }
            // A model that is not there is not ready: an answer, not a failure.
            Op::Health(HealthScope::Model { .. }) => match backend.call(call.clone()).await {
                Err(error) if matches!(error.kind(), ErrorKind::UnknownModel | ErrorKind::ModelNotReady) => {
                    own(EventKind::Health(HealthReport { ok: false, detail: Some(error.to_string()) }))
                }
                reply => reply,
            },
            _ => backend.call(call).await,
        }
    }

    /// Routes for whoever supervises the process, and the refusal of everything unknown.
    async fn outside_dialects(&self, head: &Parts, backend: &Arc<dyn Backend>) -> Response<ReplyBody> {
        match (&head.method, head.uri.path()) {
            (&http::Method::GET, "/livez") => plain(StatusCode::OK, "ok\n"),
            (&http::Method::GET, "/readyz") => match self.ready(backend).await {
                Ok(()) => plain(StatusCode::OK, "ok\n"),
                Err(reason) => plain(StatusCode::SERVICE_UNAVAILABLE, &format!("{reason}\n")),
            },
            (&http::Method::GET, "/metrics") if let Some(page) = &self.metrics => plain(StatusCode::OK, &page.text()),
            (method, path) => {
                let message = format!("nothing here answers {method} {path}");
                let error = Error::new(ErrorKind::Unsupported, message).status(404).sent(Sent::No);
                match dialect_for_strangers(head) {
                    Some(dialect) => refuse(dialect, head, &error, &[]),
                    None => plain(StatusCode::NOT_FOUND, error.message()),
                }
            }
        }
    }

    async fn ready(&self, backend: &Arc<dyn Backend>) -> Result<(), String> {
        let answer = async { self.call(Call::new(Op::Health(HealthScope::Ready)), backend).await?.collect().await };
        let answer = answer.await.map_err(|error| error.to_string())?;
        match answer.others.into_iter().next() {
            Some(EventKind::Health(HealthReport { ok: false, detail })) => Err(detail.unwrap_or("not ready".into())),
            _ => Ok(()),
        }
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const SERVER: HeaderName = HeaderName::from_static("longshore-server");

/// The first dialect that knows the route.
fn route(head: &Parts) -> Option<(&'static dyn Dialect, Exchange)> {
    DIALECTS.iter().find_map(|dialect| Some((*dialect, dialect.route(head)?)))
}

/// In whose words to refuse a request that no dialect knows: gRPC clients understand nothing else.
fn dialect_for_strangers(head: &Parts) -> Option<&'static dyn Dialect> {
    let grpc =
        head.headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
    let protocol = if grpc { Protocol::Grpc } else { Protocol::Rest };
    dialect::DIALECTS.iter().copied().find(|dialect| dialect.protocol() == protocol)
}

fn refuse(dialect: &dyn Dialect, head: &Parts, error: &Error, ledger: &[Attempt]) -> Response<ReplyBody> {
    let mut response = dialect.refuse(head, error).map(ReplyBody::whole);
    put_ledger(ledger, response.headers_mut());
    response
}

fn refuse_guarded(dialect: Option<&dyn Dialect>, head: &Parts, error: &Error) -> Response<ReplyBody> {
    tracing::warn!(path = head.uri.path(), status = error.http_status(), reason = error.message(), "request refused");
    match dialect.or_else(|| dialect_for_strangers(head)) {
        Some(dialect) => refuse(dialect, head, error, &[]),
        None => plain(StatusCode::FORBIDDEN, error.message()),
    }
}

fn plain(status: StatusCode, text: &str) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::whole(Bytes::copy_from_slice(text.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// A dialect made a head that HTTP does not allow.
fn broken(error: &http::Error) -> Response<ReplyBody> {
    tracing::error!(%error, "a reply's head could not be written");
    plain(StatusCode::INTERNAL_SERVER_ERROR, "the reply's head could not be written\n")
}
