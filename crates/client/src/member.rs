//! One server of a fleet: its name, and the ways to it in order of preference.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use longshore_core::{Backend, Call, Error, ErrorKind, Events, Op, Protocol, Received, Reply, Route, Step};
use tokio::time::{Instant, timeout_at};

use crate::{
    attempts::budget::Budget,
    endpoint::Endpoint,
    health::Vitals,
    registry::Leases,
    transport::{Failure, Subject},
};

/// One server, or a backend in this process.
pub(crate) struct Member {
    pub(crate) name: Arc<str>,
    /// Never empty.
    pub(crate) ways: Vec<Way>,
    /// The calls in flight on its models.
    pub(crate) leases: Leases,
    /// Its share of the calls, compared with the others'.
    pub(crate) weight: u32,
    /// What may be asked of it beyond the calls themselves.
    pub(crate) budget: Budget,
    /// It gets no calls that do not name it.
    pub(crate) drained: AtomicBool,
}

/// Repetitions that a server gets at any time, however few calls it has had: enough for one call after another to
/// be tried several times, and no storm.
const RETRY_FLOOR: u32 = 10;

/// What an attempt is about.
#[derive(Clone)]
pub(crate) struct Errand {
    pub(crate) call: Call,
    /// The call's, for everything.
    pub(crate) deadline: Instant,
    /// The model has to be loaded first, so the first token may take longer.
    pub(crate) cold: bool,
    /// Where what comes is counted.
    pub(crate) received: Received,
}

impl Member {
    /// `ways` must not be empty; `retry_percent` of the calls may be asked again.
    pub(crate) fn new(name: Arc<str>, ways: Vec<Way>, weight: u32, retry_percent: u32) -> Self {
        let budget = Budget::new(retry_percent, if retry_percent == 0 { 0 } else { RETRY_FLOOR });
        Self { name, ways, leases: Leases::default(), weight, budget, drained: AtomicBool::new(false) }
    }

    /// Sends the call by one of the ways and waits until an answer is committed. A model that answers is leased until
    /// the answer's end, so that it is not unloaded under it.
    pub(crate) async fn attempt(&self, way: &Way, errand: &Errand) -> Tried {
        let call = &errand.call;
        let uses_model = matches!(*call.op, Op::Chat(_) | Op::Complete(_) | Op::Embed(_) | Op::Infer(_));
        let lease = match uses_model.then(|| self.leases.take(call.model_name())).transpose() {
            Ok(lease) => lease,
            Err(error) => return Tried::Failed(way.route(), error.into()),
        };
        let mut tried = way.attempt(errand).await;
        if let (Tried::Committed(reply), Some(lease)) = (&mut tried, lease) {
            let events = std::mem::replace(&mut reply.events, stream::empty().boxed());
            reply.events = lease.hold(events);
        }
        tried
    }

    /// What the server tells, as it happens, of a load or unload that it has accepted; `None` where it does not.
    pub(crate) async fn watch(&self, call: &Call) -> Option<Events> {
        let deadline = call.deadline.map_or_else(Instant::now, Instant::from_std);
        for way in &self.ways {
            if let Way::Remote(endpoint) = way
                && let Some(events) = endpoint.watch(call, deadline).await
            {
                return Some(events);
            }
        }
        None
    }

    /// Whether it is in this process.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self.ways[..], [Way::Local(_)])
    }
}

/// A way to a server.
pub(crate) enum Way {
    Remote(Box<Endpoint>),
    Local(Local),
}

/// What became of one attempt.
pub(crate) enum Tried {
    Committed(Reply),
    Failed(Route, Failure),
    /// No attempt was made: nothing that is spoken there has words for the operation.
    Speechless,
}

impl Way {
    /// Sends the call and waits until an answer is committed.
    async fn attempt(&self, errand: &Errand) -> Tried {
        match self {
            Self::Remote(endpoint) => endpoint.attempt(errand).await,
            Self::Local(local) => match local.attempt(&errand.call, errand.deadline).await {
                Ok(reply) => Tried::Committed(reply),
                Err(error) => Tried::Failed(self.route(), error.into()),
            },
        }
    }

    /// Whether it is of this protocol; every way is, if none is asked for.
    pub(crate) fn is_over(&self, protocol: Option<Protocol>) -> bool {
        protocol.is_none_or(|protocol| match self {
            Self::Remote(endpoint) => endpoint.protocol() == protocol,
            Self::Local(_) => protocol == Protocol::InProcess,
        })
    }

    /// How it does.
    pub(crate) fn vitals(&self) -> &Arc<Vitals> {
        match self {
            Self::Remote(endpoint) => &endpoint.vitals,
            Self::Local(local) => &local.vitals,
        }
    }

    /// Where an attempt would go, as far as that is known before it.
    pub(crate) fn route(&self) -> Route {
        match self {
            Self::Remote(endpoint) => endpoint.route(""),
            Self::Local(local) => Route::in_process(Arc::clone(&local.name)),
        }
    }
}

/// A backend in this process.
pub(crate) struct Local {
    pub(crate) name: Arc<str>,
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) vitals: Arc<Vitals>,
}

impl Local {
    async fn attempt(&self, call: &Call, deadline: Instant) -> Result<Reply, Error> {
        let subject = Subject { server: Arc::clone(&self.name), endpoint: "".into() };
        call.tell(Step::Sent(&Route::in_process(Arc::clone(&self.name))));
        let mut reply = self.backend.call(call.clone()).await.map_err(|error| subject.locate(error))?;
        if reply.route.protocol == Protocol::InProcess {
            reply.route.server = Arc::clone(&self.name);
        }
        reply.events = until(deadline, reply.events, subject);
        Ok(reply)
    }
}

/// The same events, and an error if they have not ended by the deadline.
fn until(deadline: Instant, events: Events, subject: Subject) -> Events {
    stream::unfold(Some((events, subject)), move |state| async move {
        let (mut events, subject) = state?;
        match timeout_at(deadline, events.next()).await {
            Ok(Some(Ok(event))) => Some((Ok(event), Some((events, subject)))),
            Ok(Some(Err(error))) => Some((Err(subject.locate(error)), None)),
            Ok(None) => None,
            Err(_) => {
                let message = "the answer broke off: the deadline of the whole call passed";
                Some((Err(subject.locate(Error::new(ErrorKind::Interrupted, message))), None))
            }
        }
    })
    .boxed()
}

/// How long ago that was.
pub(crate) fn since(started: Instant) -> Duration {
    Instant::now().saturating_duration_since(started)
}
