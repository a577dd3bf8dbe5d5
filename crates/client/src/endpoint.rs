//! One address of a server: an attempt is made here, in one of the dialects that are spoken there.

mod asides;
mod watch;

use std::{borrow::Cow, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Uri, Version,
    header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, LOCATION, TE, TRANSFER_ENCODING},
    response,
    uri::{Authority, PathAndQuery, Scheme},
};
use http_body_util::Full;
use longshore_core::{
    Call, Error, ErrorKind, Framing, Op, Protocol, Received, Reply, Route, Sent, ServerInfo, Step, framing::Framer,
};
use tokio::time::Instant;

use crate::{
    EndMark, FleetConfig, Limits, Timeouts,
    builder::user_agent,
    detect::{Identity, Speaks, Spoken, choose},
    health::Vitals,
    member::{Errand, Tried},
    transport::{Clock, Exchange, Failure, Http, Phases, PoolState, Subject},
};

/// Where an endpoint is: the parts of its address that every request begins with.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    scheme: Scheme,
    authority: Authority,
    /// Without a slash at its end.
    base: String,
}

impl Address {
    pub(crate) fn new(scheme: Scheme, authority: Authority, base: &str) -> Self {
        Self { scheme, authority, base: base.to_owned() }
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    fn text(&self) -> Arc<str> {
        format!("{}://{}{}", self.scheme, self.authority, self.base).into()
    }

    /// The whole URI of a request to `path`.
    fn uri(&self, path: &Uri) -> Result<Uri, http::Error> {
        let path = path.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let builder = Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone());
        if self.base.is_empty() {
            return builder.path_and_query(path).build();
        }
        builder.path_and_query(format!("{}{path}", self.base)).build()
    }
}

/// What all endpoints of a fleet go by.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) timeouts: Timeouts,
    pub(crate) limits: Limits,
}

impl Shared {
    pub(crate) fn new(config: &FleetConfig) -> Self {
        Self { timeouts: config.timeouts.clone(), limits: config.limits.clone() }
    }
}

/// One address, with its connections and what is known about who lives there.
pub(crate) struct Endpoint {
    subject: Arc<Subject>,
    address: Address,
    protocol: Protocol,
    pub(crate) speaks: Speaks,
    end_mark: EndMark,
    pub(crate) identity: Identity,
    credential: Option<HeaderValue>,
    http: Http,
    pub(crate) vitals: Arc<Vitals>,
    pub(crate) shared: Arc<Shared>,
}

/// Which endpoint it is.
pub(crate) struct Place {
    pub(crate) server: Arc<str>,
    pub(crate) address: Address,
    pub(crate) protocol: Protocol,
    pub(crate) speaks: Speaks,
    pub(crate) end_mark: EndMark,
}

impl Endpoint {
    pub(crate) fn new(
        place: Place,
        credential: Option<HeaderValue>,
        http: Http,
        vitals: Arc<Vitals>,
        shared: Arc<Shared>,
    ) -> Self {
        let Place { server, address, protocol, speaks, end_mark } = place;
        let subject = Arc::new(Subject { server, endpoint: address.text() });
        let identity = Identity::default();
        Self { subject, address, protocol, speaks, end_mark, identity, credential, http, vitals, shared }
    }

    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// How the connections to it are.
    pub(crate) fn pool(&self) -> PoolState {
        let Subject { server, endpoint } = &*self.subject;
        PoolState::new(Arc::clone(server), Arc::clone(endpoint), self.protocol, self.http.counts())
    }

    /// What is shown to the server at this address.
    pub(crate) fn credential(&self) -> Option<&HeaderValue> {
        self.credential.as_ref()
    }

    pub(crate) fn route(&self, dialect: &'static str) -> Route {
        Route {
            server: Arc::clone(&self.subject.server),
            endpoint: Arc::clone(&self.subject.endpoint),
            protocol: self.protocol,
            dialect,
        }
    }

    /// Makes one attempt. Who lives at the address is asked first if nobody knows.
    pub(crate) async fn attempt(&self, errand: &Errand) -> Tried {
        let call = &errand.call;
        let spoken = match self.spoken().await {
            Ok(spoken) => spoken,
            Err(failure) => return self.failed("", failure),
        };
        let Some(spoken) = choose(&spoken, call) else { return Tried::Speechless };
        match self.exchange(call, spoken, self.phases(errand), &errand.received).await {
            Ok(reply) => Tried::Committed(reply),
            Err(failure) => self.failed(spoken.dialect.name(), failure),
        }
    }

    fn failed(&self, dialect: &'static str, failure: Failure) -> Tried {
        if matches!(failure.error.kind(), ErrorKind::Connect | ErrorKind::Protocol) {
            // Whoever answers there next may be somebody else.
            self.identity.forget();
        }
        Tried::Failed(self.route(dialect), failure)
    }

    /// One request and its reply, committed. The errors name this endpoint.
    pub(crate) async fn exchange(
        &self,
        call: &Call,
        spoken: &Spoken,
        phases: Phases,
        received: &Received,
    ) -> Result<Reply, Failure> {
        self.exchange_unlocated(call, spoken, phases, received).await.map_err(|mut failure| {
            // Those that came as events have been located there.
            if failure.error.facts().iter().all(|(what, _)| *what != "server") {
                failure.error = self.subject.locate(failure.error);
            }
            failure
        })
    }

    async fn exchange_unlocated(
        &self,
        call: &Call,
        spoken: &Spoken,
        phases: Phases,
        received: &Received,
    ) -> Result<Reply, Failure> {
        let dialect = spoken.dialect;
        let (request, peer) = self.written_for(call, spoken, phases.deadline).await?;
        let peer = &*peer;
        let sent = || call.tell(Step::Sent(&self.route(dialect.name())));
        let (response, connected_at) = self.http.send(request, phases.head(), sent).await?;
        let (mut head, body) = response.into_parts();
        detach(&mut head.headers);
        refuse_redirect(&head)?;
        refuse_compressed(&head)?;
        let framing = dialect.framing(call, &head);
        let framer = self.framer(framing);
        let decoder = dialect.reply_decoder(call, peer, &head);
        let clock = Clock::new(phases, connected_at);
        let events = Exchange::new(Arc::clone(&self.subject), body, framer, decoder, clock)
            .generating(generates(&call.op))
            .unmarked(self.may_end_unmarked(framing, &head))
            .counted(received);
        Ok(Reply::commit(self.route(dialect.name()), events.boxed()).await?)
    }

    /// The request of `call`, and the peer as it had to be known for it.
    async fn written_for<'a>(
        &self,
        call: &Call,
        spoken: &'a Spoken,
        deadline: Instant,
    ) -> Result<(Request<Full<Bytes>>, Cow<'a, ServerInfo>), Failure> {
        let peer = self.informed(call, spoken, deadline).await?;
        let request = spoken.dialect.encode_call(call, &peer).map_err(|error| error.sent(Sent::No))?;
        Ok((self.request(request, deadline)?, peer))
    }

    /// The request of `call`, as it would be sent.
    pub(crate) async fn written(
        &self,
        call: &Call,
        spoken: &Spoken,
        deadline: Instant,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        Ok(self.written_for(call, spoken, deadline).await?.0)
    }

    /// Whether an answer may end without its end mark: only in a stream of text, and where HTTP tells its end from a
    /// connection that broke.
    fn may_end_unmarked(&self, framing: Framing, head: &response::Parts) -> bool {
        let framed = head.version == Version::HTTP_2
            || [CONTENT_LENGTH, TRANSFER_ENCODING].iter().any(|name| head.headers.contains_key(name));
        self.end_mark == EndMark::Optional && matches!(framing, Framing::Sse | Framing::Ndjson) && framed
    }

    /// What a dialect wrote, addressed and signed. The credential goes into requests to this address only.
    fn request(&self, request: Request<Bytes>, deadline: Instant) -> Result<Request<Full<Bytes>>, Error> {
        let (mut parts, body) = request.into_parts();
        parts.uri = self.address.uri(&parts.uri).map_err(|error| Error::invalid(format!("no URI: {error}")))?;
        let (name, value) = user_agent();
        parts.headers.insert(name, value);
        // What travels compressed could not be limited by what it unpacks to.
        parts.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if self.protocol == Protocol::Grpc {
            parts.headers.insert(TE, HeaderValue::from_static("trailers"));
            parts.headers.insert(GRPC_TIMEOUT, grpc_timeout(deadline.saturating_duration_since(Instant::now())));
        }
        if let Some(credential) = &self.credential {
            parts.headers.insert(AUTHORIZATION, credential.clone());
        }
        Ok(Request::from_parts(parts, Full::new(body)))
    }

    /// What cuts a reply into frames, and what its limit is called.
    fn framer(&self, framing: Framing) -> (Framer, &'static str) {
        let limits = &self.shared.limits;
        let (limit, name) = match framing {
            Framing::Whole | Framing::Grpc => (limits.reply_body_bytes, "limits.reply_body"),
            Framing::Sse | Framing::Ndjson => (limits.stream_event_bytes, "limits.stream_event"),
        };
        (framing.framer(limit), name)
    }

    /// A whole generation stands behind the head of a unary answer, and often behind that of a stream from a cold
    /// model, so it is the first token's limit that holds there.
    fn phases(&self, errand: &Errand) -> Phases {
        let Errand { call, deadline, cold, .. } = errand;
        let (timeouts, deadline) = (&self.shared.timeouts, *deadline);
        let first_token = Some(if *cold { timeouts.first_token_cold } else { timeouts.first_token });
        let (headers, idle) = (Some(timeouts.headers), Some(timeouts.idle));
        match &*call.op {
            op if op.is_lifecycle() => Phases { headers: None, first_token: None, idle: None, deadline },
            op if !generates(op) => Phases { headers, first_token: None, idle, deadline },
            op if *cold || !op.streams() => Phases { headers: None, first_token, idle, deadline },
            _ => Phases { headers, first_token, idle, deadline },
        }
    }

    /// The phases of a question about the server itself.
    pub(crate) fn probe_phases(&self) -> Phases {
        let limit = self.shared.timeouts.probe;
        Phases { headers: Some(limit), first_token: None, idle: None, deadline: Instant::now() + limit }
    }
}

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// At most eight digits and a unit (gRPC over HTTP/2, "Timeout"); what is longer than a day is a day.
fn grpc_timeout(left: Duration) -> HeaderValue {
    let left = u32::try_from(left.as_millis()).unwrap_or(u32::MAX).clamp(1, 86_400_000);
    HeaderValue::try_from(format!("{left}m")).unwrap_or_else(|_| HeaderValue::from_static("1m"))
}

/// Whether a model makes the answer: content is a part of something longer, and it may take its time.
pub(crate) fn generates(op: &Op) -> bool {
    matches!(op, Op::Chat(_) | Op::Complete(_) | Op::Embed(_) | Op::Infer(_))
}

/// What is packed could unpack to anything, so it was not asked for.
fn refuse_compressed(head: &response::Parts) -> Result<(), Error> {
    let packed = head.headers.get(CONTENT_ENCODING).filter(|value| *value != "identity");
    match packed {
        None => Ok(()),
        Some(how) => {
            let how = how.to_str().unwrap_or("in some way");
            Err(Error::protocol(format!("the reply is compressed ({how}), and `identity` was asked for"))
                .status(head.status.as_u16())
                .sent(Sent::Yes))
        }
    }
}

/// Copies the values out of the connection's read buffer, which they are slices of: a decoder keeps the head for as long
/// as the reply lasts, and would keep those 8 KiB with it.
fn detach(headers: &mut HeaderMap) {
    let mut own = BytesMut::with_capacity(headers.values().map(HeaderValue::len).sum());
    for value in headers.values_mut() {
        own.extend_from_slice(value.as_bytes());
        if let Ok(mut copy) = HeaderValue::from_maybe_shared(own.split().freeze()) {
            copy.set_sensitive(value.is_sensitive());
            *value = copy;
        }
    }
}

fn refuse_redirect(head: &response::Parts) -> Result<(), Error> {
    if !head.status.is_redirection() {
        return Ok(());
    }
    let target = head.headers.get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or("nowhere");
    Err(Error::protocol(format!(
        "the server redirects to {target}; redirects are not followed: if that is right, configure that address"
    ))
    .status(head.status.as_u16())
    .sent(Sent::Yes))
}
