//! What is seen of each server, for its card: [`Watched`]. How it answers is asked now and then while somebody looks on;
//! everything else is read off.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use longshore_client::{EndpointHealth, EndpointVitals, Fleet};
use longshore_core::{Capabilities, Protocol, capability::OpKind};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Observer, Samples, Seen, samples::milliseconds, wall_clock};
use crate::words;

/// How often a server is asked while somebody looks on.
const PAUSE: Duration = Duration::from_secs(10);
/// Answers to that which are kept of each server.
const HISTORY: usize = 90;
/// Events that are kept of each server.
const EVENTS: usize = 50;

/// A server, as its card shows it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Server {
    /// Its name in the configuration.
    pub name: String,
    /// It is the engine, or something else in this process.
    pub in_process: bool,
    /// Its REST address.
    pub rest: Option<String>,
    /// Its gRPC address.
    pub grpc: Option<String>,
    /// What it calls itself.
    pub product: Option<String>,
    /// And which version.
    pub version: Option<String>,
    /// How it is.
    #[schema(value_type = words::ServerState)]
    pub state: &'static str,
    /// Why it is in that state, where there is something to say.
    pub detail: Option<String>,
    /// The ways to it.
    pub ways: Vec<WayView>,
    /// What it can be asked for.
    pub capabilities: Vec<&'static str>,
    /// Calls that it works on.
    pub in_flight: usize,
    /// Median of how long its last calls took; null before the first.
    pub p50_ms: Option<f64>,
    /// 95th percentile of the same.
    pub p95_ms: Option<f64>,
    /// It takes no more calls, and still works on some.
    pub draining: bool,
    /// How it answered when it was asked, oldest first.
    pub history: Vec<HealthPoint>,
    /// What happened, newest first.
    pub events: Vec<ServerEvent>,
}

/// One way to a server.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Way)]
pub struct WayView {
    /// How it is spoken to.
    #[schema(value_type = words::WayProtocol)]
    pub protocol: &'static str,
    /// What is spoken there; empty while nobody knows.
    pub dialect: String,
    /// The address; empty in-process.
    pub endpoint: String,
    /// The worst of its models' breakers.
    #[schema(value_type = words::Breaker)]
    pub breaker: &'static str,
    /// Why it is not closed.
    pub breaker_reason: Option<String>,
    /// Whether it answered when it was last asked; null before that.
    pub reachable: Option<bool>,
    /// How long that took.
    pub latency_ms: Option<f64>,
    /// Calls that are worked on.
    pub in_flight: usize,
    /// Calls that wait for a place.
    pub waiting: usize,
    /// Connections that are open; null in-process.
    pub connections: Option<usize>,
}

/// One answer to the question how a server is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct HealthPoint {
    /// When it was asked, in milliseconds since 1970.
    pub at: u64,
    /// It answered, and can take work as far as it tells.
    pub ok: bool,
    /// How long the quickest way took; null if none answered.
    pub ms: Option<f64>,
    /// What was wrong.
    pub detail: Option<String>,
}

/// Something that happened to a server.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ServerEvent {
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// What, for people.
    pub text: String,
    /// What it is about.
    #[schema(value_type = words::ServerEventKind)]
    pub kind: &'static str,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Watched(Mutex<BTreeMap<Arc<str>, Record>>);

#[derive(Default)]
struct Record {
    history: VecDeque<HealthPoint>,
    events: VecDeque<ServerEvent>,
    /// What the last question heard, way by way.
    last: Vec<EndpointHealth>,
    /// When it was asked; it is being asked while this is set and `asking` is.
    asked: Option<Instant>,
    asking: bool,
    breakers: HashMap<(Protocol, Arc<str>), &'static str>,
}

impl Watched {
    /// Begins to ask each server that was not asked lately. Each is asked by a task of its own, so that one that does
    /// not answer keeps nobody waiting.
    pub(crate) fn ask(self: &Arc<Self>, fleet: &Arc<Fleet>) {
        for name in fleet.servers() {
            let name: Arc<str> = name.into();
            let mut records = self.lock();
            let record = records.entry(Arc::clone(&name)).or_default();
            if record.asking || record.asked.is_some_and(|asked| asked.elapsed() < PAUSE) {
                continue;
            }
            (record.asking, record.asked) = (true, Some(Instant::now()));
            drop(records);
            let (watched, fleet) = (Arc::clone(self), Arc::clone(fleet));
            tokio::spawn(async move {
                let heard = fleet.look(&name).await;
                watched.heard(&name, heard);
            });
        }
    }

    fn heard(&self, name: &str, heard: Vec<EndpointHealth>) {
        let mut records = self.lock();
        // It may have been deleted since.
        let Some(record) = records.get_mut(name) else { return };
        record.asking = false;
        let point = point(&heard);
        let before = record.history.back().map(|point| point.ok);
        if before.is_some_and(|before| before != point.ok) {
            let text = match &point.detail {
                _ if point.ok => "answers again".to_owned(),
                Some(detail) => format!("does not answer: {detail}"),
                None => "does not answer".to_owned(),
            };
            record.event("health", text);
        }
        push(&mut record.history, point, HISTORY);
        record.last = heard;
    }

    /// Something has happened to a server.
    pub(crate) fn event(&self, server: &str, kind: &'static str, text: String) {
        if let Some(record) = self.lock().get_mut(server) {
            record.event(kind, text);
        }
    }

    /// The fleet is another one: nothing that was heard holds, and servers may be gone.
    pub(crate) fn renew(&self, fleet: &Fleet) {
        let names: Vec<&str> = fleet.servers().collect();
        let mut records = self.lock();
        records.retain(|name, _| names.contains(&&**name));
        for record in records.values_mut() {
            (record.asked, record.breakers) = (None, HashMap::new());
            record.last.clear();
        }
    }

    /// Looks what the breakers do.
    pub(crate) fn follow(&self, vitals: &[EndpointVitals]) {
        let mut records = self.lock();
        for way in vitals {
            let record = records.entry(Arc::clone(&way.server)).or_default();
            for model in &way.models {
                let before = record.breakers.insert((way.protocol, Arc::clone(&model.model)), model.breaker);
                if before.unwrap_or("closed") == model.breaker {
                    continue;
                }
                let (of, over) = (model_words(&model.model), way.protocol);
                record.event(
                    "breaker",
                    match model.breaker {
                        "open" => format!("{of} is left alone over {over}: {}", model.reason),
                        "half_open" => format!("{of} is tried again over {over}"),
                        _ => format!("{of} is called again over {over}"),
                    },
                );
            }
            // Models that are no longer told of are forgotten there, too.
            record.breakers.retain(|(protocol, model), _| {
                *protocol != way.protocol || way.models.iter().any(|known| known.model == *model)
            });
        }
    }

    /// The cards, in the order of the configuration.
    pub(crate) fn cards(&self, fleet: &Fleet, vitals: &[EndpointVitals], samples: &Samples) -> Vec<Server> {
        let (records, drained, pools) = (self.lock(), fleet.drained(), fleet.pools());
        let nothing = Record::default();
        let card = |name: &str| {
            let record = records.get(name).unwrap_or(&nothing);
            let ways: Vec<WayView> = vitals
                .iter()
                .filter(|way| &*way.server == name)
                .map(|way| {
                    let pool = pools.iter().find(|pool| pool.server == way.server && pool.protocol == way.protocol);
                    record.way(way, pool.map(|pool| pool.open))
                })
                .collect();
            let is_drained = drained.iter().any(|drained| &**drained == name);
            let (p50_ms, p95_ms) = samples.lately(name);
            record.card(name, ways, is_drained, (p50_ms, p95_ms))
        };
        fleet.servers().map(card).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Record>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who took over from whom.
impl Observer for Watched {
    fn text(&self, _: &Arc<str>) {}

    fn ended(&self, seen: &Seen) {
        let of = model_words(seen.model.as_deref().unwrap_or_default());
        for failed in &seen.failed {
            let went = match &seen.server {
                Some(server) if *server != failed.server => format!("went on to {server}"),
                Some(_) => "was asked again".into(),
                None => "was given up".into(),
            };
            let text = format!("a call of {of} over {} {went}: {}", failed.protocol, failed.reason);
            self.event(&failed.server, "failover", text);
        }
    }
}

impl Record {
    fn event(&mut self, kind: &'static str, text: String) {
        push(&mut self.events, ServerEvent { at: wall_clock(), text, kind }, EVENTS);
    }

    fn way(&self, vitals: &EndpointVitals, connections: Option<usize>) -> WayView {
        let heard = self.last.iter().find(|heard| heard.protocol == vitals.protocol);
        let rank = |breaker: &str| ["closed", "half_open", "open"].iter().position(|word| *word == breaker);
        let worst = vitals.models.iter().max_by_key(|model| rank(model.breaker));
        let breaker = worst.map_or("closed", |model| model.breaker);
        WayView {
            protocol: vitals.protocol.as_str(),
            dialect: heard.and_then(|heard| heard.dialects.first()).map_or_else(String::new, |name| (*name).into()),
            endpoint: vitals.endpoint.to_string(),
            breaker,
            breaker_reason: worst.filter(|_| breaker != "closed").map(|model| model.reason.clone()),
            reachable: heard.map(|heard| heard.result.is_ok()),
            latency_ms: heard.filter(|heard| heard.result.is_ok()).map(|heard| milliseconds(heard.latency)),
            in_flight: vitals.in_flight,
            waiting: vitals.waiting,
            connections,
        }
    }

    fn card(&self, name: &str, ways: Vec<WayView>, drained: bool, lately: (Option<f64>, Option<f64>)) -> Server {
        let info = self.last.iter().find_map(|heard| heard.result.as_ref().ok());
        let text = |text: &str| Some(text).filter(|text| !text.is_empty()).map(str::to_owned);
        let address = |protocol: Protocol| {
            ways.iter().find(|way| way.protocol == protocol.as_str()).map(|way| way.endpoint.clone())
        };
        let can = self.last.iter().filter_map(|heard| heard.can).fold(Capabilities::default(), Capabilities::union);
        let in_flight = ways.iter().map(|way| way.in_flight).sum();
        let (state, detail) = self.state(&ways, drained);
        Server {
            name: name.into(),
            in_process: ways.iter().all(|way| way.protocol == Protocol::InProcess.as_str()),
            rest: address(Protocol::Rest),
            grpc: address(Protocol::Grpc),
            product: info.and_then(|info| text(&info.name)),
            version: info.and_then(|info| text(&info.version)),
            state,
            detail,
            capabilities: can.iter().map(OpKind::name).collect(),
            in_flight,
            p50_ms: lately.0,
            p95_ms: lately.1,
            draining: drained && in_flight > 0,
            history: self.history.iter().cloned().collect(),
            events: self.events.iter().rev().cloned().collect(),
            ways,
        }
    }

    fn state(&self, ways: &[WayView], drained: bool) -> (&'static str, Option<String>) {
        if drained {
            return ("drained", Some("only calls that name it go there".into()));
        }
        if self.last.is_empty() {
            return ("unknown", None);
        }
        let failed = self.last.iter().find_map(|heard| heard.result.as_ref().err());
        if self.last.iter().all(|heard| heard.result.is_err()) {
            return ("down", failed.map(|error| error.headline().to_owned()));
        }
        if let Some(error) = failed {
            return ("troubled", Some(error.headline().to_owned()));
        }
        if let Some(way) = ways.iter().find(|way| way.breaker != "closed") {
            return ("troubled", way.breaker_reason.clone());
        }
        let unready = self.last.iter().filter_map(|heard| heard.ready.as_ref()).find(|ready| !ready.ok);
        match unready {
            Some(ready) => ("troubled", Some(ready.detail.clone().unwrap_or_else(|| "it says it is not ready".into()))),
            None => ("ok", None),
        }
    }
}

fn point(heard: &[EndpointHealth]) -> HealthPoint {
    let answered: Vec<_> = heard.iter().filter(|heard| heard.result.is_ok()).collect();
    let unready = answered.iter().filter_map(|heard| heard.ready.as_ref()).find(|ready| !ready.ok);
    let failed = heard.iter().find_map(|heard| heard.result.as_ref().err());
    HealthPoint {
        at: wall_clock(),
        ok: !answered.is_empty() && unready.is_none(),
        ms: answered.iter().map(|heard| milliseconds(heard.latency)).min_by(f64::total_cmp),
        detail: match unready {
            Some(ready) => ready.detail.clone(),
            None => failed.map(|error| error.headline().to_owned()),
        },
    }
}

fn model_words(model: &str) -> String {
    if model.is_empty() { "what names no model".into() } else { format!("`{model}`") }
}

fn push<T>(kept: &mut VecDeque<T>, item: T, most: usize) {
    if kept.len() >= most {
        kept.pop_front();
    }
    kept.push_back(item);
}
