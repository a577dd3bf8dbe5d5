//! From arguments to what a run shall do.

use std::{fs, sync::Arc};

use longshore_bench::{
    measure::Tokenizer,
    run::{Plan, Subject, Sweep},
    schedule::{Process, Schedule, Stop, Trace},
    workload::{self, Prompts, Workload},
};
use longshore_config::format_duration;
use longshore_core::{Backend, Call, Op, call::CacheUse};

use crate::{
    cli::{Bench, Global, Load, Task, Work},
    exit::Failure,
};

/// What is asked if nothing else is said.
const QUESTION: &str = "What is streaming?";
/// How long a level is measured if nothing else ends it.
const DURATION: std::time::Duration = std::time::Duration::from_secs(10);
/// The share of requests that must meet the objectives in a sweep.
const GOOD: f64 = 0.99;
/// How closely a sweep finds the highest rate.
const CLOSE: f64 = 0.1;

/// The loads, and when they are enough.
pub(super) fn plan(load: &Load) -> Result<Plan, Failure> {
    let traced = load.trace.is_some();
    let unlimited = load.duration.is_none() && load.requests.is_none() && load.precision.is_none();
    let plan = Plan {
        stop: Stop {
            after: load.duration.or((unlimited && !traced).then_some(DURATION)),
            requests: load.requests,
            precision: load.precision,
        },
        schedules: schedules(load)?,
        repeats: load.repeats,
        objectives: load.slo.clone().unwrap_or_default(),
        sweep: load.sweep.map(|(from, to)| Sweep { from, to, share: GOOD, precision: CLOSE }),
        seed: load.seed,
        ..Plan::default()
    };
    plan.check().map_err(Failure::Usage)?;
    Ok(plan)
}

fn schedules(load: &Load) -> Result<Vec<Schedule>, Failure> {
    if load.sweep.is_some() {
        return Ok(Vec::new());
    }
    if let Some(file) = &load.trace {
        let wrong = |why: String| Failure::Usage(format!("{}: {why}", file.display()));
        let text = fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
        let trace = Trace::parse(&text).map_err(|error| wrong(error.to_string()))?;
        return Ok(vec![Schedule::Open(Process::Trace { trace: Arc::new(trace), speed: load.speed })]);
    }
    let Some((rate, to)) = load.rate else {
        return Ok(load.concurrency.iter().map(|&concurrency| Schedule::Closed { concurrency }).collect());
    };
    let process = match (load.gamma, rate == to) {
        (_, false) if load.poisson || load.gamma.is_some() => {
            return Err(Failure::Usage("a ramp is even: leave out --poisson and --gamma".into()));
        }
        (_, false) => Process::Ramp { from: rate, to, over: load.duration.unwrap_or(DURATION) },
        (Some(cv), true) => Process::Gamma { rate, cv },
        (None, true) if load.poisson => Process::Poisson { rate },
        (None, true) => Process::Fixed { rate },
    };
    Ok(vec![Schedule::Open(process)])
}

/// What is asked. A tensor model is asked what it takes.
pub(super) async fn workload(arguments: &Bench, global: &Global, backend: &dyn Backend) -> Result<Workload, Failure> {
    let work = &arguments.work;
    let model: Option<Arc<str>> = arguments.target.model.as_deref().map(Into::into);
    let server: Option<Arc<str>> = global.server.as_deref().map(Into::into);
    let task = match work.task {
        Task::Chat => workload::Task::Chat { turns: work.turns },
        Task::Complete => workload::Task::Complete,
        Task::Embed => workload::Task::Embed { batch: work.batch },
        Task::Infer => {
            let mut call = Call::new(Op::Describe { version: None });
            (call.model, call.server) = (model.clone(), server.clone());
            let inputs = workload::declared(call, work.batch, backend).await;
            let failed = |error| Failure::call("ask the model what it takes", error);
            workload::Task::Infer { inputs: inputs.map_err(failed)? }
        }
    };
    let text = matches!(work.task, Task::Chat | Task::Complete);
    Ok(Workload {
        task,
        prompts: prompts(work)?,
        tokens: text.then_some(work.tokens),
        stream: text && !work.no_stream,
        model,
        server,
        cache: if work.cache { CacheUse::Allowed } else { CacheUse::Never },
        seed: arguments.load.seed,
    })
}

/// What counts tokens where the server does not.
pub(super) fn tokenizer(work: &Work) -> Result<Option<Tokenizer>, Failure> {
    let Some(file) = &work.tokenizer else { return Ok(None) };
    let wrong = |why: String| Failure::Usage(format!("--tokenizer {}: {why}", file.display()));
    Tokenizer::read(file).map(Some).map_err(wrong)
}

fn prompts(work: &Work) -> Result<Prompts, Failure> {
    if let Some(length) = work.prompt_tokens {
        return Ok(Prompts::Generated(length));
    }
    let prompt = work.prompt.as_deref().unwrap_or(QUESTION);
    let Some(file) = prompt.strip_prefix('@') else { return Ok(Prompts::Fixed(prompt.into())) };
    let text = fs::read_to_string(file).map_err(|error| Failure::Usage(format!("{file}: {error}")))?;
    let lines: Vec<Arc<str>> = text.lines().filter(|line| !line.trim().is_empty()).map(Into::into).collect();
    if lines.is_empty() {
        Err(Failure::Usage(format!("{file}: there is no prompt in it")))
    } else {
        Ok(Prompts::Several(lines))
    }
}

/// What is measured, in words.
pub(super) fn subject(arguments: &Bench, target: String, plan: &Plan) -> Subject {
    let work = &arguments.work;
    let text = matches!(work.task, Task::Chat | Task::Complete);
    Subject {
        target,
        task: match work.task {
            Task::Chat => "chat",
            Task::Complete => "complete",
            Task::Embed => "embed",
            Task::Infer => "infer",
        }
        .into(),
        stream: text && !work.no_stream,
        tokens: text.then_some(work.tokens),
        prompts: described(work),
        objectives: plan.objectives.to_string(),
        stop: ending(plan),
        cached: work.cache,
        seed: plan.seed,
        tokenizer: work.tokenizer.as_ref().map(|file| file.display().to_string()),
        command: Some(std::env::args().skip(1).fold("longshore".into(), |line, word| format!("{line} {word}"))),
        ..Subject::default()
    }
}

fn described(work: &Work) -> String {
    let mut text = match (&work.prompt_tokens, work.prompt.as_deref(), work.task) {
        (.., Task::Infer) => "tensors as declared".into(),
        (Some(length), ..) => format!("{length} generated tokens"),
        (None, Some(file), _) if file.starts_with('@') => format!("lines of {}", &file[1..]),
        (None, prompt, _) => format!("{:?}", prompt.unwrap_or(QUESTION)),
    };
    if work.turns > 1 {
        text = format!("{text}, {} turns", work.turns);
    }
    if matches!(work.task, Task::Embed | Task::Infer) {
        text = format!("{text}, {} at once", work.batch);
    }
    text
}

fn ending(plan: &Plan) -> String {
    let Stop { after, requests, precision } = plan.stop;
    let parts = [
        after.map(format_duration),
        requests.map(|requests| format!("{requests} requests")),
        precision.map(|share| format!("the median to {} %", share * 100.0)),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" or ")
}
