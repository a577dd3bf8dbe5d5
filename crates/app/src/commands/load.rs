//! `longshore load`, `longshore unload` and `longshore pull`: a model's way to ready and back, and to the server at
//! all, with progress.

use std::time::Instant;

use futures_util::StreamExt;
use longshore_core::{Answer, Backend, EventKind, ModelState, Op, model::Progress};
use serde_json::{Value, json};

use crate::{
    cli::ModelName,
    context::Context,
    exit::Failure,
    report,
    terminal::{Style, progress::LoadProgress},
};

use super::infer::parameters;

/// Makes a model ready.
pub(crate) async fn load(arguments: &ModelName, context: &mut Context) -> Result<(), Failure> {
    let op = Op::Load { parameters: parameters(&arguments.params) };
    follow(op, &arguments.model, "load", ModelState::Ready, context).await
}

/// Gives a model's memory back.
pub(crate) async fn unload(arguments: &ModelName, context: &mut Context) -> Result<(), Failure> {
    let op = Op::Unload { parameters: parameters(&arguments.params) };
    follow(op, &arguments.model, "unload", ModelState::Unloaded, context).await
}

/// Has a server fetch a model.
pub(crate) async fn pull(arguments: &ModelName, context: &mut Context) -> Result<(), Failure> {
    let op = Op::Pull { parameters: parameters(&arguments.params) };
    follow(op, &arguments.model, "pull", ModelState::Unloaded, context).await
}

/// Shows progress until the model is in `goal`; servers that tell no state are there when they say they are done.
async fn follow(op: Op, model: &str, verb: &str, goal: ModelState, context: &mut Context) -> Result<(), Failure> {
    let started = Instant::now();
    let pulls = matches!(op, Op::Pull { .. });
    let failed = |error| Failure::call(format!("{verb} `{model}`"), error);
    let call = context.call(op, Some(model));
    let reply = context.fleet.call(call).await.map_err(failed)?;
    let mut answer = Answer { route: Some(reply.route), ledger: reply.ledger, ..Answer::default() };
    let mut progress = LoadProgress::new(context.out.manner, pulls);
    let mut events = reply.events;
    let mut last: Option<Progress> = None;
    let ended = loop {
        match events.next().await {
            Some(Ok(event)) => {
                if let EventKind::Progress(step) = &event.kind {
                    progress.show(step, &mut context.out);
                    last = Some(step.clone());
                }
                answer.add(event);
            }
            Some(Err(error)) => break Err(failed(error)),
            None => break Ok(()),
        }
    };
    progress.finish();
    ended?;
    let state = last.map_or(goal, |step| step.state);
    if let ModelState::Failed(reason) = &state {
        return Err(Failure::Other(format!("{verb} `{model}`: {reason}")));
    }
    let word = if pulls { "pulled" } else { state.as_str() };
    tell(&answer, model, word, started, context)
}

fn tell(answer: &Answer, model: &str, state: &str, started: Instant, context: &mut Context) -> Result<(), Failure> {
    let out = &mut context.out;
    if out.manner.json {
        let mut map = report::head(answer, Some(model));
        map.insert("state".into(), state.into());
        map.insert("timing".into(), json!({ "total_ms": report::milliseconds(started.elapsed()) }));
        map.insert("attempts".into(), json!(answer.ledger));
        return out.json(&Value::Object(map));
    }
    let server = answer.route.as_ref().map_or("", |route| &*route.server);
    let seconds = started.elapsed().as_secs_f64();
    out.styled(Style::Green, &format!("{model} on {server}: {state} after {seconds:.1} s"))
}
