//! One request on its compute thread: tokens, the model, events.
//!
//! [`Work::run`] blocks, and catches its own panics. What it says goes through a bounded channel: a reader that is slow
//! slows the computing, and one that is gone ends it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use longshore_core::{
    Event, EventKind, Finish, Op, Usage,
    call::{Chat, Completion, Embedding, Inference, Sampling},
    text_model,
};
use tokio::sync::mpsc;

use crate::{
    Error, ErrorKind, embed,
    generate::{self, Listener},
    model::Model,
    prompt,
    registry::{Lease, Registry},
};

/// A request that is ready to be computed.
pub(crate) struct Work {
    pub(crate) op: Arc<Op>,
    pub(crate) lease: Lease,
    pub(crate) registry: Registry,
    pub(crate) deadline: Option<Instant>,
    pub(crate) events: mpsc::Sender<Result<Event, Error>>,
    /// When the request came, and when it got its slot.
    pub(crate) entered: Instant,
    pub(crate) started: Instant,
}

impl Work {
    /// Computes the answer. The request's slot is free when this returns.
    pub(crate) fn run(self) {
        let Self { op, lease, registry, deadline, events, entered, started } = self;
        let mut teller = Teller { events, deadline, index: 0, tensors: None };
        let answered = catch_unwind(AssertUnwindSafe(|| answer(&op, &lease, &mut teller)));
        let result = answered.unwrap_or_else(|_| {
            let message = "the model's arithmetic broke off (candle panicked); its file may be damaged";
            Err(Error::new(ErrorKind::Server, message))
        });
        let id = lease.id().clone();
        // First the model, then the word: who hears the end may unload at once.
        drop(lease);
        let (queue, infer) = (started - entered, started.elapsed());
        let failed = result.as_ref().err().map(Error::kind);
        if failed != Some(ErrorKind::Cancelled) {
            registry.record(&id, |statistics| {
                let add = |statistic: &mut longshore_core::model::DurationStatistic, time: std::time::Duration| {
                    statistic.count += 1;
                    statistic.ns = statistic.ns.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
                };
                let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis();
                statistics.last_inference_ms = u64::try_from(now).unwrap_or_default();
                add(&mut statistics.queue, queue);
                if failed.is_some() {
                    add(&mut statistics.fail, queue + infer);
                } else {
                    statistics.inference_count += 1;
                    statistics.execution_count += 1;
                    add(&mut statistics.compute_infer, infer);
                    add(&mut statistics.success, queue + infer);
                }
            });
        }
        match result {
            Ok(finish) => drop(teller.tell(EventKind::Done(finish))),
            Err(error) => drop(teller.events.blocking_send(Err(error.context("model", &*id)))),
        }
    }
}

fn answer(op: &Op, lease: &Lease, teller: &mut Teller) -> Result<Finish, Error> {
    let model = lease.model().ok_or_else(|| Error::new(ErrorKind::ModelNotReady, "the model has gone"))?;
    teller.tell(EventKind::Started { model: lease.id().clone() })?;
    match op {
        Op::Chat(chat) => converse(model, chat, teller),
        Op::Complete(completion) => complete(model, completion, teller),
        Op::Embed(embedding) => vectors(model, embedding, teller),
        Op::Infer(inference) => infer(model, inference, teller),
        other => Err(Error::new(ErrorKind::Unsupported, format!("the engine computes no `{}`", other.kind().name()))),
    }
}

fn converse(model: &Model, chat: &Chat, teller: &mut Teller) -> Result<Finish, Error> {
    let tokens = prompt::of_chat(model, chat)?;
    continue_all(model, &[tokens], &chat.sampling, teller)
}

fn complete(model: &Model, completion: &Completion, teller: &mut Teller) -> Result<Finish, Error> {
    let prompts = prompt::of_text(model, &completion.prompt)?;
    continue_all(model, &prompts, &completion.sampling, teller)
}

fn vectors(model: &Model, embedding: &Embedding, teller: &mut Teller) -> Result<Finish, Error> {
    let texts = prompt::of_text(model, &embedding.input)?;
    let mut usage = Usage::default();
    for (index, tokens) in (0..).zip(&texts) {
        let vector = embed::vector(model, tokens, embedding.dimensions, &mut || teller.go_on())?;
        usage.prompt_tokens += tokens.len() as u64;
        teller.tell(EventKind::Embedding { index, vector })?;
    }
    teller.tell(EventKind::Usage(usage))?;
    Ok(Finish::Stop)
}

/// A text model asked by tensors: the answer is a tensor of all texts, or of each piece when it streams.
fn infer(model: &Model, inference: &Inference, teller: &mut Teller) -> Result<Finish, Error> {
    let op = text_model::op_of_inference(inference)?;
    teller.tensors = Some(Tensors { id: inference.id.clone(), pieces: inference.stream, texts: Vec::new() });
    match &op {
        Op::Chat(chat) => converse(model, chat, teller),
        Op::Complete(completion) => complete(model, completion, teller),
        _ => Err(Error::invalid("the inference is neither a conversation nor a text to continue")),
    }
}

/// Answers each prompt in turn, and tells the tokens of all.
fn continue_all(
    model: &Model,
    prompts: &[Vec<u32>],
    sampling: &Sampling,
    teller: &mut Teller,
) -> Result<Finish, Error> {
    let (mut usage, mut finish) = (Usage::default(), Finish::Stop);
    for (index, prompt) in (0..).zip(prompts) {
        teller.begin(index);
        let outcome = generate::answer(model, prompt, sampling, index.into(), teller)?;
        usage.prompt_tokens += prompt.len() as u64;
        usage.completion_tokens += outcome.tokens;
        if outcome.finish == Finish::Length {
            finish = Finish::Length;
        }
    }
    teller.tell_tensors()?;
    teller.tell(EventKind::Usage(usage))?;
    Ok(finish)
}

/// Turns what the loop says into events.
struct Teller {
    events: mpsc::Sender<Result<Event, Error>>,
    deadline: Option<Instant>,
    index: u32,
    tensors: Option<Tensors>,
}

struct Tensors {
    id: Option<String>,
    pieces: bool,
    texts: Vec<String>,
}

impl Teller {
    fn tell(&self, kind: EventKind) -> Result<(), Error> {
        self.events.blocking_send(Ok(Event::now(kind))).map_err(|_| gone())
    }

    fn begin(&mut self, index: u32) {
        self.index = index;
        if let Some(tensors) = &mut self.tensors {
            tensors.texts.push(String::new());
        }
    }

    fn tell_tensors(&mut self) -> Result<(), Error> {
        match &self.tensors {
            Some(Tensors { id, pieces: false, texts }) => {
                let texts: Vec<_> = texts.iter().map(String::as_str).collect();
                self.tell(output(&texts, id.clone())?)
            }
            _ => Ok(()),
        }
    }
}

impl Listener for Teller {
    fn text(&mut self, text: String) -> Result<(), Error> {
        let index = self.index;
        match &mut self.tensors {
            None => self.tell(EventKind::Text { index, text }),
            Some(Tensors { id, pieces: true, .. }) => {
                let piece = output(&[&text], id.clone())?;
                self.tell(piece)
            }
            Some(Tensors { texts, .. }) => {
                if let Some(last) = texts.last_mut() {
                    last.push_str(&text);
                }
                Ok(())
            }
        }
    }

    fn go_on(&mut self) -> Result<(), Error> {
        if self.events.is_closed() {
            return Err(gone());
        }
        match self.deadline {
            Some(deadline) if deadline <= Instant::now() => {
                Err(Error::new(ErrorKind::Timeout, "the call's deadline passed while the engine was computing"))
            }
            _ => Ok(()),
        }
    }
}

fn output(texts: &[&str], id: Option<String>) -> Result<EventKind, Error> {
    let mut output = text_model::output(texts)?;
    output.id = id;
    output.version = Some("1".into());
    Ok(EventKind::Tensors(output))
}

fn gone() -> Error {
    Error::new(ErrorKind::Cancelled, "nobody listens any more")
}
