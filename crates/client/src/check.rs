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
    /// What can be asked for there; `None` in-process and where nobody answered.
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

async fn check_endpoint(endpoint: &Endpoint) -> EndpointHealth {
    let route = endpoint.route("");
    // Who was there before may be gone, or be somebody else by now.
    endpoint.identity.forget();
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
    match spoken {
        Err(failure) => health.result = Err(failure.error),
        Ok(spoken) => {
            health.dialects = spoken.iter().map(|spoken| spoken.dialect.name()).collect();
            health.result = Ok(spoken[0].peer.clone());
            health.ready = ask_ready(endpoint, &spoken).await;
        }
    }
    health
}

async fn ask_ready(endpoint: &Endpoint, spoken: &[Spoken]) -> Option<HealthReport> {
    let call = Call::new(Op::Health(HealthScope::Ready));
    let spoken = choose(spoken, &call)?;
    let reply = endpoint.exchange(&call, spoken, endpoint.probe_phases(), &Received::default()).await.ok()?;
    health_of(reply.collect().await.ok()?)
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
        can: None,
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
