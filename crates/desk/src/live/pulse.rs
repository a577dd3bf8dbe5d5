//! The desk's heartbeat: once a second the second's numbers are taken, and whoever looks on is told what has changed.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, Weak},
    time::Duration,
};

use longshore_client::{EndpointVitals, Fleet};
use serde::Serialize;
use tokio::{
    sync::{broadcast::error::RecvError, watch},
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
    tokio::spawn(beat(desk.downgrade(), desk.hub.visits()));
    tokio::spawn(pass_on(desk.downgrade(), desk.hub.visits(), desk.closing.clone()));
}

async fn beat(desk: Weak<Parts>, mut visits: watch::Receiver<()>) {
    let mut ticks = interval(SECOND);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut listed: Option<(Instant, Weak<Fleet>)> = None;
    loop {
        // Who has just opened the page does not wait for the next beat.
        let beaten = tokio::select! {
            _ = ticks.tick() => true,
            Ok(()) = visits.changed() => false,
        };
        let Some(desk) = Desk::upgrade(&desk) else { return };
        if desk.closing.is_cancelled() {
            return;
        }
        let fleet = desk.live.now();
        if desk.hub.has_listeners() {
            desk.watched.ask(&fleet);
            // Other settings, another fleet: it knows no list yet.
            let known = listed.as_ref().filter(|(_, of)| of.as_ptr() == Arc::as_ptr(&fleet));
            if known.is_none_or(|(at, _)| at.elapsed() >= LISTS) {
                listed = Some((Instant::now(), Arc::downgrade(&fleet)));
                tokio::spawn(ask_for_models(Arc::clone(&fleet), desk.downgrade()));
            }
        }
        if beaten {
            desk.take_sample(&fleet.vitals());
        }
        if desk.hub.has_listeners() {
            desk.tell();
        }
    }
}

/// Asks all servers for their models, and tells what each says when it says it: one that is silent keeps nobody waiting.
async fn ask_for_models(fleet: Arc<Fleet>, desk: Weak<Parts>) {
    let mut news = fleet.watch_models();
    let mut asked = pin!(fleet.refresh());
    loop {
        let ended = tokio::select! {
            _ = &mut asked => true,
            _ = news.changed() => false,
        };
        let Some(desk) = Desk::upgrade(&desk) else { return };
        desk.tell();
        if ended {
            return;
        }
    }
}

/// Tells of each call that begins or ends. While nobody looks on, nobody sums them up: calls through the gateway would
/// pay for it.
async fn pass_on(desk: Weak<Parts>, mut visits: watch::Receiver<()>, closing: CancellationToken) {
    loop {
        let visited = tokio::select! {
            () = closing.cancelled() => return,
            visited = visits.changed() => visited,
        };
        let Some(mut calls) = visited.ok().and_then(|()| Some(Desk::upgrade(&desk)?.calls.subscribe())) else { return };
        loop {
            let told = tokio::select! {
                () = closing.cancelled() => return,
                told = calls.recv() => told,
            };
            let Some(desk) = Desk::upgrade(&desk) else { return };
            if !desk.hub.has_listeners() {
                break;
            }
            match told {
                Ok(call) => {
                    desk.hub.event("call", &call);
                    desk.hub.state("running", &Running { running: desk.calls.running() });
                }
                // What is under way is told whole by the next beat.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
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
