//! [`Fleet`]: several servers as one [`Backend`], and the way of a call through it.

use std::{future::Future, ops::Deref, sync::Arc};

use futures_core::future::BoxFuture;
use futures_util::FutureExt;
use longshore_core::{Backend, Call, Error, ErrorKind, Op, Reply, Sent, call::HealthScope};
use tokio::time::{Instant, timeout_at};

use crate::{
    FleetConfig, Health, Timeouts,
    attempts::{self, Policy},
    batch::Batcher,
    cache::Cache,
    health::Watch,
    member::{Member, Way, since},
    metrics,
    plan::{Plan, unknown_model},
    registry::{Pulse, Settings, Shelf},
    transport::PoolState,
};

/// Several servers as one backend. Dropping a call's future or its events cancels everything that was begun for it.
///
/// Needs a tokio runtime with time and I/O. Clones are the same fleet.
#[derive(Clone)]
pub struct Fleet(Arc<Parts>);

/// What a fleet is made of. It is shared: what several callers have joined outlives each of them.
pub struct Parts {
    /// One for each server, in the order of the configuration; backends of this process last.
    pub(crate) shelves: Vec<Arc<Shelf>>,
    pub(crate) default_model: Option<Arc<str>>,
    pub(crate) timeouts: Timeouts,
    pub(crate) settings: Arc<Settings>,
    /// Beats whenever anything about models has changed.
    pub(crate) pulse: Pulse,
    pub(crate) policy: Arc<Policy>,
    cache: Option<Cache>,
    batcher: Option<Batcher>,
    health: Health,
    watch: Watch,
}

impl Deref for Fleet {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Backend for Fleet {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Reply, Error>> {
        let (op, came) = (call.op.kind(), Instant::now());
        // The first call begins to look after the servers' health.
        self.watch.begin(self.shelves.iter().map(|shelf| Arc::clone(shelf.member())), self.health.interval);
        self.stack(call).inspect(move |result| metrics::call(op, result, since(came))).boxed()
    }
}

/// A fleet behind its cache.
struct Direct(Fleet);

impl Backend for Direct {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Reply, Error>> {
        self.0.ask(call).boxed()
    }
}

impl Fleet {
    pub(crate) fn new(members: Vec<Member>, config: FleetConfig) -> Self {
        let (settings, pulse) = (Settings::new(&config), Pulse::default());
        Self(Arc::new(Parts {
            shelves: members.into_iter().map(|member| Shelf::new(member, &settings, &pulse)).collect(),
            settings,
            pulse,
            default_model: config.default_model.map(Into::into),
            timeouts: config.timeouts,
            policy: Arc::new(Policy::new(config.retry)),
            cache: config.cache.map(Cache::new),
            batcher: config.batch.map(Batcher::new),
            health: config.health,
            watch: Watch::default(),
        }))
    }

    /// The names of the servers, in the order of the configuration; backends of this process last.
    pub fn servers(&self) -> impl Iterator<Item = &str> {
        self.shelves.iter().map(|shelf| &*shelf.member().name)
    }

    /// How the connections to each address are.
    pub fn pools(&self) -> Vec<PoolState> {
        let ways = self.shelves.iter().flat_map(|shelf| &shelf.member().ways);
        let pool = |way: &Way| if let Way::Remote(endpoint) = way { Some(endpoint.pool()) } else { None };
        ways.filter_map(pool).collect()
    }

    /// The way of a call, from the outside in: what may end it before a server is asked.
    async fn stack(&self, mut call: Call) -> Result<Reply, Error> {
        // One deadline over everything that follows: the caller's own, else ours.
        let deadline = self.deadline(&mut call);

        // Questions to all servers at once: the answers are merged, and one dead server does not spoil them.
        match &*call.op {
            Op::ListModels { ready_only } => return self.list(&call, *ready_only).await,
            Op::Statistics { .. } if call.server.is_none() && call.model.is_none() => {
                return self.statistics(&call, deadline).await;
            }
            Op::Health(HealthScope::Live | HealthScope::Ready) if call.server.is_none() => {
                return self.health(&call).await;
            }
            Op::ServerInfo if call.server.is_none() => return Ok(self.introduce()),
            _ => {}
        }

        // From here on there is one spelling of who is asked.
        self.pin(&mut call)?;
        if self.batcher.is_none() && self.cache.is_none() {
            return self.ask(call).await;
        }
        let mut way: Arc<dyn Backend> = Arc::new(Direct(self.clone()));

        // Batcher: calls that a server can answer in one request are joined.
        if let Some(batcher) = &self.batcher {
            way = Arc::new(batcher.wrap(way));
        }

        // Response cache: deterministic calls that were answered before end here, and identical ones are joined.
        if let Some(cache) = &self.cache {
            way = Arc::new(cache.wrap(way).revised_by(self.revisions(cache)));
        }
        way.call(call).await
    }

    /// The way of one call to the servers.
    async fn ask(&self, mut call: Call) -> Result<Reply, Error> {
        let deadline = self.deadline(&mut call);

        // Who may answer: the pinned server, or those that have the model, the warmest first.
        let plan = within(deadline, self.plan(call)).await?;

        // Loads, unloads and pulls change one server; those for the same model are joined, and followed to their end.
        if plan.call.op.is_lifecycle() {
            return self.change(&plan.candidates[0].shelf, &plan.call, deadline).await;
        }

        // A call may insist on a protocol.
        let mut plan = plan.by_protocol()?;

        // A model that nobody has ready is loaded first, where the configuration allows it.
        let loads = self.ensure_loaded(&mut plan, deadline).await?;

        // Attempts: the least loaded of equals, its other protocol, the next server, round by round, until content is
        // committed. Each has a breaker's leave, a place among the endpoint's calls in flight, and a budget behind it.
        let result = attempts::run(&plan.call, plan.contenders(), &self.policy, deadline).await;

        // What was learnt about models goes back into the registry; an answer tells of those who were silent before it.
        let mut reply = self.learn(&plan, loads.before(result))?;
        reply.ledger.splice(..0, plan.silent);
        Ok(reply)
    }

    pub(crate) fn deadline(&self, call: &mut Call) -> Instant {
        let limit = match &*call.op {
            op if op.is_lifecycle() => self.timeouts.load,
            _ => self.timeouts.total,
        };
        let deadline = call.deadline.map_or_else(|| Instant::now() + limit, Instant::from_std);
        call.deadline = Some(deadline.into_std());
        deadline
    }

    fn learn(&self, plan: &Plan, result: Result<Reply, Error>) -> Result<Reply, Error> {
        match result {
            Ok(reply) => Ok(reply),
            Err(error) => {
                for shelf in plan.shelves() {
                    learn_from_failure(shelf, &error);
                }
                Err(explain_unlisted(plan, error))
            }
        }
    }
}

/// What a server's failures say about the list that it gave.
pub(crate) fn learn_from_failure(shelf: &Shelf, error: &Error) {
    let own = error.ledger().iter().filter(|attempt| attempt.route.server == shelf.member().name);
    match own.filter_map(|attempt| attempt.error.as_ref()).next_back() {
        Some(error) if matches!(error.kind(), ErrorKind::UnknownModel | ErrorKind::ModelNotReady) => shelf.forget(),
        Some(error) if error.kind() == ErrorKind::Connect => shelf.keep(Err(error.clone())),
        _ => {}
    }
}

/// Nobody who could be asked has the model, and those who might have it are not there: the first is what a person
/// wants to know first.
fn explain_unlisted(plan: &Plan, error: Error) -> Error {
    let absent = matches!(error.kind(), ErrorKind::Connect | ErrorKind::Timeout);
    let Some(known) = plan.unlisted.as_ref().filter(|known| absent && !known.is_empty()) else { return error };
    let base = unknown_model(plan.call.model_name(), known);
    let message = format!("{}; and where the list is not known", base.message());
    Error::new(base.kind(), message)
        .listing(&error.to_string())
        .sent(error.was_sent())
        .attempts(error.ledger().to_vec())
        .caused_by(error)
}

/// Planning too has the call's deadline.
async fn within<T>(deadline: Instant, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let started = Instant::now();
    if started >= deadline {
        let message = "the call's deadline had passed before it began";
        return Err(Error::new(ErrorKind::Timeout, message).sent(Sent::No));
    }
    timeout_at(deadline, work).await.unwrap_or_else(|_| {
        let message =
            format!("no server had told its models after {:?}, when the call's deadline passed", since(started));
        Err(Error::new(ErrorKind::Timeout, message).sent(Sent::No))
    })
}
