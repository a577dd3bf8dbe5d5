//! How each address of each server is: [`Fleet::check`].

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use longshore_core::{
    Answer, Backend, Call, Capabilities, Error, ErrorKind, EventKind, Op, Protocol, Received, ServerInfo,
    call::HealthScope, model::HealthReport,
};
use tokio::time::{Instant, timeout};

use crate::{
    detect::{Spoken, choose},
    endpoint::Endpoint,
    fleet::Fleet,
    member::{Local, Way, since},
    transport::Failure,
};

/// How one address is, asked just now.
#[derive(Clone, Debug)]
pub struct EndpointHealth {
    /// The server's name.
    pub server: Arc<str>,
    /// The address; empty for a backend of this process.
    pub endpoint: Arc<str>,
    /// What carries it.
    pub protocol: Protocol,
    /// What is spoken there, the preferred dialect first; empty in-process and where nobody answered.
    pub dialects: Vec<&'static str>,
    /// What can be asked for there; `None` where nobody answered, and in-process where it is not told.
    pub can: Option<Capabilities>,
    /// What the server says about itself, or why nothing was heard.
    pub result: Result<ServerInfo, Error>,
    /// Whether it can take work; `None` where that cannot be asked or was not answered.
    pub ready: Option<HealthReport>,
    /// From the question who it is to the end of the answer, over a connection that may have had to be made.
    pub latency: Duration,
}

impl Fleet {
    /// Asks every address of every server how it is, all at once; in the order of the configuration. Each question
    /// is given up after `timeouts.probe`. Never fails as a whole.
    pub async fn check(&self) -> Vec<EndpointHealth> {
        let ways = self.shelves.iter().flat_map(|shelf| &shelf.member().ways);
        join_all(ways.map(|way| async move {
            match way {
                Way::Remote(endpoint) => check_endpoint(endpoint).await,
                Way::Local(local) => check_local(local, self.timeouts.probe).await,
            }
        }))
        .await
    }
}

impl Fleet {
    /// Asks every address of one server whether it can take work, believing what is known about who is there: cheaper
    /// than [`Fleet::check`], to be done again and again. What a server has no word for tells nothing, except that it
    /// can be reached. Empty if there is no such server. Bounded by `timeouts.probe`.
    pub async fn look(&self, server: &str) -> Vec<EndpointHealth> {
        let member = self.shelves.iter().map(|shelf| shelf.member()).find(|member| *member.name == *server);
        let ways = member.into_iter().flat_map(|member| &member.ways);
        join_all(ways.map(|way| async move {
            match way {
                Way::Remote(endpoint) => look_at(endpoint).await,
                Way::Local(local) => check_local(local, self.timeouts.probe).await,
            }
        }))
        .await
    }
}

async fn look_at(endpoint: &Endpoint) -> EndpointHealth {
    let (mut health, spoken) = introduce(endpoint).await;
    let Some(spoken) = spoken else { return health };
    let call = Call::new(Op::Health(HealthScope::Ready));
    let started = Instant::now();
    let asked = match choose(&spoken, &call) {
        Some(_) => ask_ready(endpoint, &spoken).await.map(|ready| health.ready = ready),
        None => endpoint.ask(spoken[0].dialect).await.map(drop),
    };
    health.latency = since(started);
    if let Err(failure) = asked {
        // Only that nobody is there says something about the server; anything else is its answer.
        let absent = matches!(failure.error.kind(), ErrorKind::Connect | ErrorKind::Timeout);
        endpoint.vitals.asked(Err(failure.error.clone()));
        if absent {
            endpoint.identity.forget();
            health.result = Err(failure.error);
        }
    } else {
        endpoint.vitals.asked(Ok(health.ready.clone()));
    }
    health
}

async fn check_endpoint(endpoint: &Endpoint) -> EndpointHealth {
    // Who was there before may be gone, or be somebody else by now.
    endpoint.identity.forget();
    let (mut health, spoken) = introduce(endpoint).await;
    if let Some(spoken) = spoken {
        health.ready = ask_ready(endpoint, &spoken).await.unwrap_or_default();
    }
    health
}

/// Who is there.
async fn introduce(endpoint: &Endpoint) -> (EndpointHealth, Option<Arc<[Spoken]>>) {
    let route = endpoint.route("");
    let started = Instant::now();
    let spoken = endpoint.spoken().await;
    let mut health = EndpointHealth {
        server: route.server,
        endpoint: route.endpoint,
        protocol: route.protocol,
        dialects: Vec::new(),
        can: endpoint.capabilities(),
        result: Ok(ServerInfo::default()),
        ready: None,
        latency: since(started),
    };
    let spoken = spoken.map_err(|failure| health.result = Err(failure.error)).ok();
    if let Some(spoken) = &spoken {
        health.dialects = spoken.iter().map(|spoken| spoken.dialect.name()).collect();
        health.result = Ok(spoken[0].peer.clone());
    }
    (health, spoken)
}

async fn ask_ready(endpoint: &Endpoint, spoken: &[Spoken]) -> Result<Option<HealthReport>, Failure> {
    let call = Call::new(Op::Health(HealthScope::Ready));
    let Some(spoken) = choose(spoken, &call) else { return Ok(None) };
    let reply = endpoint.exchange(&call, spoken, endpoint.probe_phases(), &Received::default()).await?;
    Ok(health_of(reply.collect().await?))
}

async fn check_local(local: &Local, limit: Duration) -> EndpointHealth {
    let started = Instant::now();
    let result = match ask_local(local, Op::ServerInfo, limit).await {
        // Not everything has a name of its own to tell; that it answers is what is asked.
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(ServerInfo::default()),
        Err(error) => Err(error),
        Ok(answer) => Ok(answer.others.into_iter().find_map(server_of).unwrap_or_default()),
    };
    let latency = since(started);
    let ready = ask_local(local, Op::Health(HealthScope::Ready), limit).await.ok().and_then(health_of);
    EndpointHealth {
        server: Arc::clone(&local.name),
        endpoint: "".into(),
        protocol: Protocol::InProcess,
        dialects: Vec::new(),
        can: local.backend.capabilities(),
        result,
        ready,
        latency,
    }
}

async fn ask_local(local: &Local, op: Op, limit: Duration) -> Result<Answer, Error> {
    let late = |_| Error::new(ErrorKind::Timeout, format!("no answer within {limit:?}"));
    let asked = async { local.backend.call(Call::new(op)).await?.collect().await };
    timeout(limit, asked).await.map_err(late)?
}

fn server_of(kind: EventKind) -> Option<ServerInfo> {
    if let EventKind::Server(info) = kind { Some(info) } else { None }
}

fn health_of(answer: Answer) -> Option<HealthReport> {
    answer.others.into_iter().find_map(|kind| if let EventKind::Health(report) = kind { Some(report) } else { None })
}
