//! A simulator, a fleet that speaks to it, and a run of the two.

use std::{sync::Arc, time::Duration};

use longshore_bench::{
    load::{Live, Target, plain},
    run::{Plan, Run, Runner, Subject},
    schedule::{Schedule, Stop},
    workload::{Prompts, Task, Workload},
};
use longshore_client::{DialectChoice, Fleet, FleetConfig, ServerConfig};
use longshore_core::{Error, Protocol, call::CacheUse, dialect};
use longshore_sim::{SimConfig, Simulator};
use tokio::sync::watch;

pub(crate) async fn simulator(yaml: &str) -> Simulator {
    let config = SimConfig::from_yaml(yaml).unwrap();
    Simulator::builder().config(config).start().await.unwrap()
}

pub(crate) fn fleet(url: &str, spoken: &str) -> Arc<Fleet> {
    let spoken = dialect::by_name(spoken).unwrap();
    let mut server = ServerConfig { dialect: DialectChoice::Named(vec![spoken]), ..ServerConfig::new("sim") };
    match spoken.protocol() {
        Protocol::Grpc => server.grpc = Some(url.into()),
        _ => server.rest = Some(url.into()),
    }
    let config = plain(FleetConfig { servers: vec![server], ..FleetConfig::default() }, 100);
    Arc::new(Fleet::builder(config).build().unwrap())
}

pub(crate) fn chat(stream: bool) -> Workload {
    Workload {
        task: Task::Chat { turns: 1 },
        prompts: Prompts::Fixed("hello".into()),
        tokens: Some(5),
        stream,
        model: None,
        server: None,
        cache: CacheUse::Never,
        seed: 0,
    }
}

pub(crate) fn requests(schedule: Schedule, count: u64) -> Plan {
    let stop = Stop { requests: Some(count), ..Stop::default() };
    Plan { schedules: vec![schedule], stop, ..Plan::default() }
}

pub(crate) fn runner(url: &str, spoken: &str, workload: Workload, plan: Plan) -> Runner {
    Runner {
        target: Target::new(fleet(url, spoken), Arc::new(workload)),
        plan,
        subject: Subject::default(),
        pages: Vec::new(),
        certifier: None,
        live: Arc::new(Live::default()),
    }
}

pub(crate) async fn run(url: &str, spoken: &str, workload: Workload, plan: Plan) -> Result<Run, Error> {
    let (_keep, cancel) = watch::channel(false);
    runner(url, spoken, workload, plan).run(|_| {}, cancel).await
}

pub(crate) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}
