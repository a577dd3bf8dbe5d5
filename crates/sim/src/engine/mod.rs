//! What a model server does when it behaves: [`Engine`] takes calls, and answers them when a server of the declared
//! speed would have.
//!
//! It knows no wire and no fault. Everything it says is a function of the configuration, the seed and the request.

pub(crate) mod alarm;
pub(crate) mod clock;
pub(crate) mod draw;
mod generation;
mod lifecycle;
mod models;
mod schedule;
mod tensors;
mod text;
mod timers;
mod tools;

use std::{collections::HashMap, io, sync::Arc, sync::Mutex, sync::PoisonError, time::Duration};

use futures_core::future::BoxFuture;
use longshore_core::{
    Backend, Call, Error, EventKind, Events, ModelKind, Op, Reply, Route, Sent, Usage,
    call::{Embedding, Inference},
    capability::OpKind,
    text_model,
};
use serde_json::{Value, json};

use crate::{
    config::{Latency, Model, SimConfig},
    observe::{Key, Observer, Record},
};
use clock::{Clock, Tick};
use draw::Draw;
use generation::{Generation, Setting};
use models::{Lease, Models};
use schedule::{Schedule, Turn};
use text::Plan;

/// The simulated server behind its wire. Clones share everything.
#[derive(Clone)]
pub(crate) struct Engine(Arc<Inner>);

struct Inner {
    config: SimConfig,
    clock: Clock,
    models: Models,
    schedule: Schedule,
    observer: Arc<Observer>,
    counts: Mutex<HashMap<(&'static str, Arc<str>), u64>>,
}

impl Engine {
    /// # Errors
    /// The system gives no thread for the clock.
    pub(crate) fn new(config: SimConfig) -> io::Result<Self> {
        let clock = if config.virtual_time { Clock::by_hand() } else { Clock::real()? };
        let schedule = Schedule::new(clock.clone(), config.slots, config.queue, config.freezes.clone());
        let models = Models::new(clock.clone(), &config.models, config.memory);
        let observer = Arc::new(Observer::new(clock.clone()));
        Ok(Self(Arc::new(Inner { config, clock, models, schedule, observer, counts: Mutex::default() })))
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(crate) fn observer(&self) -> &Arc<Observer> {
        &self.0.observer
    }

    /// The counters as Prometheus reads them.
    pub(crate) fn metrics(&self) -> String {
        self.0.observer.metrics.text(self.0.schedule.load())
    }

    /// How it stands, as JSON.
    pub(crate) fn state(&self) -> Value {
        let Inner { config, clock, models, schedule, observer, .. } = &*self.0;
        let (running, waiting) = schedule.load();
        json!({
            "seed": config.seed,
            "now_ms": clock.now().as_secs_f64() * 1e3,
            "virtual_time": config.virtual_time,
            "models": models.info(None).unwrap_or_default(),
            "slots": {"limit": config.slots, "in_use": running, "waiting": waiting},
            "requests_in_flight": observer.metrics.in_flight(),
            "connections": observer.metrics.connections(),
        })
    }

    /// What the request is known by from now on.
    pub(crate) fn key(&self, call: &Call) -> Key {
        let op = call.op.kind();
        let model: Arc<str> = match (op, &call.model) {
            (_, Some(model)) => model.clone(),
            (OpKind::ListModels | OpKind::Health | OpKind::Statistics | OpKind::ServerInfo, None) => "".into(),
            (_, None) => self.0.config.models.first().map_or("".into(), |model| model.id.clone()),
        };
        let mut counts = self.0.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry((op.name(), model.clone())).or_default();
        let index = *count;
        *count += 1;
        Key { op: op.name(), model, index }
    }

    /// Models, counts and the log as at the start.
    pub(crate) fn reset(&self) {
        self.0.models.reset();
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.0.observer.log.clear();
        self.0.observer.truths.clear();
        self.0.observer.verdict.clear();
    }

    /// Answers a call whose key is known.
    ///
    /// # Errors
    /// What a well-behaved server would refuse.
    pub(crate) async fn answer(&self, call: &Call, key: Key, record: Arc<Record>) -> Result<Reply, Error> {
        let id = call.model_name();
        let answered = match &*call.op {
            Op::Chat(chat) => {
                let plan = |model: &Model, seed| Plan::of_chat(chat, model, seed);
                self.generate(id, key, &record, chat.stream, None, plan).await
            }
            Op::Complete(completion) => {
                let plan = |model: &Model, seed| Plan::of_completion(completion, model, seed);
                self.generate(id, key, &record, completion.stream, None, plan).await
            }
            Op::Embed(embedding) => self.embed(id, key, &record, embedding).await,
            Op::Infer(inference) => self.infer(id, key, &record, inference).await,
            _ => self.tell(call).await,
        };
        answered.inspect_err(|error| record.note(|draft| draft.error = Some(error.kind().as_str())))
    }

    /// Waits for what every answer waits for: the server to thaw, the network, the model, a slot.
    async fn begin(&self, id: &str, key: &Key, record: &Record) -> Result<Begun, Error> {
        let Inner { schedule, models, config, .. } = &*self.0;
        let arrived = record.note(|draft| draft.arrived);
        let mut lease = models.lease(id, config.autoload).await?;
        let latency = lease.model.latency.unwrap_or(config.latency);
        let draws = Draws { seed: config.seed ^ key.lane(), index: key.index };
        let turn = schedule.turn(lease.loaded.unwrap_or(arrived)).await?;
        let began = turn.began();
        lease.works_from(began);
        record.note(|draft| draft.began = Some(began));
        let begins = schedule.after(began, draws.of("request", &latency.request));
        Ok(Begun { turn, lease, latency, draws, begins })
    }

    async fn generate(
        &self,
        id: &str,
        key: Key,
        record: &Arc<Record>,
        stream: bool,
        tensors: Option<Option<String>>,
        plan: impl FnOnce(&Model, u64) -> Result<Plan, Error>,
    ) -> Result<Reply, Error> {
        let model = self.0.models.find(id)?;
        if !matches!(model.kind, ModelKind::Chat | ModelKind::Completion) {
            return Err(wrong_kind(&model, "text"));
        }
        let plan = plan(&model, self.0.config.seed)?.until_stop();
        record.note(|draft| draft.prompt_tokens = plan.prompt_tokens);
        let Begun { turn, lease, latency, draws, begins } = self.begin(id, &key, record).await?;
        let work = draws.of("ttft", &latency.ttft) + draws.prefill(&latency, plan.prompt_tokens);
        let first = self.0.schedule.after(begins, work);
        let setting = Setting {
            clock: self.0.clock.clone(),
            schedule: self.0.schedule.clone(),
            latency,
            shape: self.0.config.shape,
            seed: self.0.config.seed,
            key,
            record: record.clone(),
            stream,
            tensors,
        };
        let events: Events = Box::pin(Generation::new(setting, plan, turn, lease, first));
        if stream && self.0.config.shape.role_at_once {
            // Not committed: the head and the empty first chunk go out before there is any content, as many servers
            // have it.
            return Ok(Reply::new(route(), events));
        }
        Reply::commit(route(), events).await
    }

    async fn embed(&self, id: &str, key: Key, record: &Record, embedding: &Embedding) -> Result<Reply, Error> {
        let model = self.0.models.find(id)?;
        if model.kind != ModelKind::Embedding {
            return Err(wrong_kind(&model, "vectors"));
        }
        let texts = text::texts(&embedding.input);
        let prompt_tokens: u64 = texts.iter().map(|text| text::count_tokens(text)).sum();
        record.note(|draft| draft.prompt_tokens = prompt_tokens);
        let mut begun = self.begin(id, &key, record).await?;
        self.work(&mut begun, prompt_tokens).await;
        let dimensions = embedding.dimensions.unwrap_or(model.dimensions).clamp(1, model.dimensions.max(1));
        let seed = self.0.config.seed;
        let vectors = (0..)
            .zip(&texts)
            .map(|(index, text)| EventKind::Embedding { index, vector: text::embedding(seed, text, dimensions) });
        let usage = EventKind::Usage(Usage { prompt_tokens, ..Usage::default() });
        let started = EventKind::Started { model: model.id.clone() };
        Ok(Reply::ready(route(), [started].into_iter().chain(vectors).chain([usage])))
    }

    async fn infer(&self, id: &str, key: Key, record: &Arc<Record>, inference: &Inference) -> Result<Reply, Error> {
        let model = self.0.models.find(id)?;
        if model.kind == ModelKind::Tensor {
            let output = tensors::answer(&model, inference)?;
            let mut begun = self.begin(id, &key, record).await?;
            self.work(&mut begun, 0).await;
            return Ok(ready(EventKind::Tensors(output)));
        }
        let op = text_model::op_of_inference(inference).map_err(|error| error.sent(Sent::No))?;
        let tensors = Some(inference.id.clone());
        let plan = |model: &Model, seed| match &op {
            // A tensor has no place for the call of a tool.
            Op::Chat(chat) => Plan::of_transcript(chat, model, seed),
            Op::Complete(completion) => Plan::of_completion(completion, model, seed),
            _ => Err(Error::invalid("the inference is neither a conversation nor a text to continue")),
        };
        self.generate(id, key, record, inference.stream, tensors, plan).await
    }

    /// Waits until work without tokens is done.
    async fn work(&self, begun: &mut Begun, prompt_tokens: u64) {
        let Begun { turn, latency, draws, begins, .. } = begun;
        let work = draws.of("ttft", &latency.ttft) + draws.prefill(latency, prompt_tokens);
        let end = self.0.schedule.after(*begins, work);
        if self.0.clock.now() < end {
            self.0.clock.until(end).await;
        }
        turn.ends(end);
    }
}

impl Backend for Engine {
    /// As a server without faults would answer; each call is in the log. Dropping the future or the events gives the
    /// slot back at once.
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Reply, Error>> {
        Box::pin(async move {
            let key = self.key(&call);
            let record = Arc::new(Record::new(self.0.observer.clone(), String::new(), "in_process"));
            record.note(|draft| draft.key = Some(key.clone()));
            self.answer(&call, key, record).await
        })
    }
}

/// A request that has its model and its slot.
struct Begun {
    turn: Turn,
    lease: Lease,
    latency: Latency,
    draws: Draws,
    /// When the work on the answer begins.
    begins: Tick,
}

/// The draws of one request.
#[derive(Clone, Copy)]
struct Draws {
    seed: u64,
    index: u64,
}

impl Draws {
    fn of(&self, purpose: &str, distribution: &crate::config::Distribution) -> Duration {
        if distribution.is_zero() {
            return Duration::ZERO;
        }
        let seconds = distribution.sample(&mut Draw::new(self.seed, purpose, self.index, 0));
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX / 4)
    }

    fn prefill(&self, latency: &Latency, tokens: u64) -> Duration {
        self.of("prefill", &latency.prefill_per_token).saturating_mul(u32::try_from(tokens).unwrap_or(u32::MAX))
    }
}

fn wrong_kind(model: &Model, wanted: &str) -> Error {
    let message = format!("the model `{}` is a {} model and gives no {wanted}", model.id, model.kind.as_str());
    Error::invalid(message).sent(Sent::No)
}

fn route() -> Route {
    Route::in_process("sim")
}

fn ready(kind: EventKind) -> Reply {
    Reply::ready(route(), [kind])
}

#[cfg(test)]
mod tests;
