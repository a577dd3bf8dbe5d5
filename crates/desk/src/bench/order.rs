//! What a page asks to be measured: [`Order`], and what that comes to.

use std::{sync::Arc, time::Duration};

use longshore_bench::{
    certificate::Certifier,
    run::{Plan, Subject},
    schedule::{Process, Schedule, Stop},
    workload::{self, Prompts, Workload},
};
use longshore_client::Fleet;
use longshore_config::{Address, DialectChoice, Server, ServerName};
use longshore_core::{Call, Error, Op, call::CacheUse};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{Desk, find};

/// What is asked if nothing else is said.
const QUESTION: &str = "What is streaming?";
/// What bounds an order: nobody wants more of one page, and a mistyped number shall not run for a day.
const MOST_AT_ONCE: u64 = 4096;
const MOST_LOADS: usize = 32;
const MOST_REPEATS: u32 = 20;
const LONGEST: f64 = 3600.0;
const MOST_REQUESTS: u64 = 1_000_000;
const FASTEST: f64 = 100_000.0;
const MOST_TOKENS: u32 = 1_000_000;

/// What shall be measured.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(as = BenchOrder)]
pub(crate) struct Order {
    /// A configured server, or the engine; without it the fleet chooses.
    #[serde(default)]
    server: Option<String>,
    /// An address that nobody configured, in place of a server.
    #[serde(default)]
    url: Option<String>,
    /// What is spoken at that address; found out where nobody says.
    #[serde(default)]
    dialect: Option<String>,
    /// The model; the configured or first one that is ready, if none is named.
    #[serde(default)]
    model: Option<String>,
    /// `chat`, `complete`, `embed` or `infer`.
    op: String,
    /// What is asked.
    #[serde(default)]
    prompt: Option<String>,
    /// The most tokens of an answer.
    #[serde(default)]
    tokens: Option<u32>,
    /// Whether answers come in pieces.
    #[serde(default)]
    stream: Option<bool>,
    /// So many at a time, each a load of its own.
    #[serde(default)]
    concurrency: Option<Vec<u64>>,
    /// So many a second, in place of so many at a time.
    #[serde(default)]
    rate: Option<f64>,
    /// How long each load is measured.
    #[serde(default)]
    duration_s: Option<f64>,
    /// After how many requests each load is enough.
    #[serde(default)]
    requests: Option<u64>,
    /// How often each load is measured.
    #[serde(default)]
    repeats: Option<u32>,
    /// What counts as good, such as `ttft=200ms,e2e=2s`.
    #[serde(default)]
    slo: Option<String>,
    /// Whether the load is replayed against a simulator afterwards, to prove the client's accuracy; yes, if nothing is said.
    #[serde(default)]
    certificate: Option<bool>,
}

impl Order {
    /// The loads, and when they are enough.
    ///
    /// # Errors
    /// What makes no sense.
    pub(super) fn plan(&self) -> Result<Plan, Error> {
        let objectives = match self.slo.as_deref().map(str::trim).filter(|slo| !slo.is_empty()) {
            Some(slo) => slo.parse().map_err(|error| Error::invalid(format!("slo: {error}")))?,
            None => Default::default(),
        };
        let after = match (self.duration_s, self.requests) {
            (None, None) => Some(10.0),
            (seconds, _) => seconds,
        };
        let plan = Plan {
            schedules: self.schedules()?,
            repeats: within("repeats", self.repeats.unwrap_or(1), 1, MOST_REPEATS)?,
            stop: Stop {
                after: after
                    .map(|seconds| within("duration_s", seconds, 0.1, LONGEST).map(Duration::from_secs_f64))
                    .transpose()?,
                requests: self.requests.map(|count| within("requests", count, 1, MOST_REQUESTS)).transpose()?,
                ..Stop::default()
            },
            objectives,
            ..Plan::default()
        };
        plan.check().map_err(Error::invalid)?;
        Ok(plan)
    }

    fn schedules(&self) -> Result<Vec<Schedule>, Error> {
        if let Some(rate) = self.rate {
            let rate = within("rate", rate, 0.001, FASTEST)?;
            return Ok(vec![Schedule::Open(Process::Fixed { rate })]);
        }
        let loads = self.concurrency.clone().unwrap_or_else(|| vec![1]);
        within("the number of loads", loads.len(), 1, MOST_LOADS)?;
        let closed = |count: u64| {
            let concurrency = within("concurrency", count, 1, MOST_AT_ONCE)?;
            Ok(Schedule::Closed { concurrency: concurrency.try_into().unwrap_or(1) })
        };
        loads.into_iter().map(closed).collect()
    }

    /// Who is asked, called so that nothing stands between, and what it is called in reports.
    ///
    /// # Errors
    /// There is no such server, or it is no address.
    pub(super) fn target(&self, desk: &Desk, plan: &Plan) -> Result<(Fleet, String), Error> {
        let at_once = plan.schedules.iter().map(Schedule::at_once).max().unwrap_or(1);
        let mut config = desk.settings().config.clone();
        let Some(url) = self.url.as_deref().filter(|url| !url.is_empty()) else {
            let fleet = desk.options.house.measured(&config, at_once)?;
            let mut known = fleet.servers();
            let name = match (&self.server, known.next(), known.next()) {
                (Some(name), ..) => name.clone(),
                (None, Some(only), None) => only.to_owned(),
                // Each call goes where the fleet sends it.
                (None, ..) => "fleet".into(),
            };
            if self.server.is_some() && !fleet.servers().any(|known| known == name) {
                return Err(Error::invalid(format!("there is no server `{name}`")));
            }
            drop(known);
            return Ok((fleet, name));
        };
        let (url, grpc) = match url.split_once("://") {
            Some(("grpc", place)) => (format!("http://{place}"), true),
            Some(("grpcs", place)) => (format!("https://{place}"), true),
            _ => (find::with_scheme(url), false),
        };
        let address = Address::parse(&url).map_err(Error::invalid)?;
        let (rest, grpc) = if grpc { (None, Some(address)) } else { (Some(address), None) };
        let server = ServerName::new("target").unwrap_or_default();
        config.servers = vec![Server { name: server, rest, grpc, dialect: self.dialect()?, ..Server::default() }];
        config.engine.enabled = false;
        Ok((desk.options.house.measured(&config, at_once)?, url))
    }

    fn dialect(&self) -> Result<DialectChoice, Error> {
        Ok(match self.dialect.as_deref() {
            None | Some("" | "auto") => DialectChoice::Auto,
            Some("native") => DialectChoice::Native,
            Some("openai") => DialectChoice::Openai,
            Some("ollama") => DialectChoice::Ollama,
            Some("oip") => DialectChoice::Oip,
            Some(other) => return Err(Error::invalid(format!("there is no dialect {other:?}"))),
        })
    }

    /// What is asked. A tensor model is asked what it takes.
    ///
    /// # Errors
    /// It makes no sense, or the tensor model does not answer.
    pub(super) async fn workload(&self, fleet: &Fleet) -> Result<Workload, Error> {
        let model: Option<Arc<str>> = self.model.as_deref().filter(|model| !model.is_empty()).map(Into::into);
        let server: Option<Arc<str>> = self.server.as_deref().filter(|_| self.url.is_none()).map(Into::into);
        let task = match self.op.as_str() {
            "chat" => workload::Task::Chat { turns: 1 },
            "complete" => workload::Task::Complete,
            "embed" => workload::Task::Embed { batch: 1 },
            "infer" => {
                let mut call = Call::new(Op::Describe { version: None });
                (call.model, call.server) = (model.clone(), server.clone());
                workload::Task::Infer { inputs: workload::declared(call, 1, fleet).await? }
            }
            other => {
                return Err(Error::invalid(format!(
                    "{other:?} cannot be measured: chat, complete, embed or infer can"
                )));
            }
        };
        let tokens = within("tokens", self.tokens.unwrap_or(64), 1, MOST_TOKENS)?;
        Ok(Workload {
            tokens: task.makes_tokens().then_some(tokens),
            stream: task.makes_tokens() && self.stream.unwrap_or(true),
            task,
            prompts: Prompts::Fixed(self.question().into()),
            model,
            server,
            cache: CacheUse::Never,
            seed: 0,
        })
    }

    fn question(&self) -> &str {
        self.prompt.as_deref().filter(|prompt| !prompt.trim().is_empty()).unwrap_or(QUESTION)
    }

    /// What proves the client's accuracy, if that is wanted and there is a simulator.
    pub(super) fn certifier(&self, desk: &Desk) -> Option<Certifier> {
        let program = desk.options.house.simulator().filter(|_| self.certificate != Some(false))?;
        Some(Certifier { program })
    }

    /// What is measured, in words.
    pub(super) fn subject(&self, target: String, plan: &Plan, workload: &Workload) -> Subject {
        let after = plan.stop.after.map(longshore_config::format_duration);
        let requests = plan.stop.requests.map(|requests| format!("{requests} requests"));
        Subject {
            target,
            task: workload.task.word().into(),
            stream: workload.stream,
            tokens: workload.tokens,
            prompts: match workload.task {
                workload::Task::Infer { .. } => "tensors as declared".into(),
                _ => format!("{:?}", self.question()),
            },
            objectives: plan.objectives.to_string(),
            stop: after.into_iter().chain(requests).collect::<Vec<_>>().join(" or "),
            ..Subject::default()
        }
    }
}

fn within<T: PartialOrd + std::fmt::Display>(what: &str, value: T, low: T, high: T) -> Result<T, Error> {
    if value >= low && value <= high {
        return Ok(value);
    }
    Err(Error::invalid(format!("{what} is {value}; it goes from {low} to {high}")))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(more: Value, expected: Result<usize, &str>) {
        let mut order = json!({ "op": "chat" });
        order.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let order: Order = serde_json::from_value(order).unwrap();
        match (order.plan(), expected) {
            (Ok(plan), Ok(loads)) => assert_eq!(plan.schedules.len(), loads, "{order:?}"),
            (Err(error), Err(word)) => assert!(error.message().contains(word), "{error}"),
            (found, _) => panic!("{order:?}: {found:?}"),
        }
    }

    #[test]
    fn an_order_has_bounds() {
        check(json!({}), Ok(1));
        check(json!({ "concurrency": [1, 4], "duration_s": 0.5, "slo": "ttft=1s" }), Ok(2));
        check(json!({ "rate": 2.5, "requests": 10 }), Ok(1));
        check(json!({ "rate": -1.0 }), Err("rate"));
        check(json!({ "rate": 1e9 }), Err("rate"));
        check(json!({ "concurrency": [] }), Err("loads"));
        check(json!({ "concurrency": [0] }), Err("concurrency"));
        check(json!({ "repeats": 0 }), Err("repeats"));
        check(json!({ "duration_s": 1e9 }), Err("duration_s"));
        check(json!({ "slo": "nonsense" }), Err("slo"));
    }
}
