//! The desk's heartbeat: once a second the second's numbers are taken, and whoever looks on is told what has changed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Duration,
};

use longshore_client::EndpointVitals;
use serde::Serialize;
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{memory, models_view, samples::Present, servers::Server, wall_clock};
use crate::{Desk, calls::CallSummary, desk::Parts};

const SECOND: Duration = Duration::from_secs(1);
/// How often servers are asked for their models while somebody looks on.
const LISTS: Duration = Duration::from_secs(5);

/// What `servers` tells.
#[derive(Clone, Debug, Serialize)]
struct Servers {
    servers: Vec<Server>,
}

/// What `running` tells.
#[derive(Clone, Debug, Serialize)]
struct Running {
    running: Vec<CallSummary>,
}

/// Begins the tasks that go on until the desk is closed or dropped. Needs a runtime.
pub(crate) fn begin(desk: &Desk) {
    tokio::spawn(beat(desk.downgrade()));
    tokio::spawn(pass_on(desk.downgrade(), desk.calls.subscribe(), desk.closing.clone()));
}

async fn beat(desk: Weak<Parts>) {
    let mut ticks = interval(SECOND);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut listed: Option<Instant> = None;
    loop {
        ticks.tick().await;
        let Some(desk) = Desk::upgrade(&desk) else { return };
        if desk.closing.is_cancelled() {
            return;
        }
        let fleet = desk.live.now();
        if desk.hub.has_listeners() {
            desk.watched.ask(&fleet);
            if listed.is_none_or(|at| at.elapsed() >= LISTS) {
                listed = Some(Instant::now());
                // The view is filled as each answers; one that does not keeps nobody waiting.
                let fleet = Arc::clone(&fleet);
                tokio::spawn(async move { drop(fleet.refresh().await) });
            }
        }
        desk.take_sample(&fleet.vitals());
        if desk.hub.has_listeners() {
            desk.tell();
        }
    }
}

/// Tells of each call that begins or ends.
async fn pass_on(desk: Weak<Parts>, mut calls: Receiver<CallSummary>, closing: CancellationToken) {
    loop {
        let told = tokio::select! {
            () = closing.cancelled() => return,
            told = calls.recv() => told,
        };
        let Some(desk) = Desk::upgrade(&desk) else { return };
        match told {
            Ok(call) => {
                desk.hub.event("call", &call);
                if desk.hub.has_listeners() {
                    desk.hub.state("running", &Running { running: desk.calls.running() });
                }
            }
            // What is under way is told whole by the next beat.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

impl Desk {
    fn take_sample(&self, vitals: &[EndpointVitals]) {
        self.watched.follow(vitals);
        let mut servers = BTreeMap::new();
        for way in vitals {
            let (in_flight, waiting): &mut (usize, usize) = servers.entry(Arc::clone(&way.server)).or_default();
            *in_flight += way.in_flight;
            *waiting += way.waiting;
        }
        let present = Present {
            at: wall_clock(),
            running: self.calls.running_count(),
            servers,
            has_cache: self.settings().config.cache.enabled,
            rss_bytes: memory::resident(),
        };
        let sample = self.samples.take(present);
        self.hub.event("sample", &sample);
    }

    /// Tells those who look on how everything is, where it has changed.
    pub(crate) fn tell(&self) {
        let fleet = self.live.now();
        self.hub.state("servers", &Servers { servers: self.cards() });
        self.hub.state("running", &Running { running: self.calls.running() });
        self.hub.state("models", &models_view(&fleet, &self.loads, &self.pins));
    }

    /// The servers' cards as they are now.
    pub(crate) fn cards(&self) -> Vec<Server> {
        let fleet = self.live.now();
        self.watched.cards(&fleet, &fleet.vitals(), &self.samples)
    }
}
