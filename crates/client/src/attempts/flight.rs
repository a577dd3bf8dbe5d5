//! Attempts that are under way: one, or two where the second is a hedge.

use std::{future::poll_fn, sync::Arc, task::Poll};

use futures_core::future::BoxFuture;
use futures_util::FutureExt;
use longshore_core::{Call, Error, ErrorKind, Received, Route, Sent, Step};
use tokio::time::{Instant, timeout_at};

use super::line::Place;
use crate::{
    health::{Pass, Slot},
    member::{Errand, Tried, since},
    registry::Warmth,
    transport::{Failure, Subject},
};

/// One attempt under way. Dropping it gives the request up.
pub(super) struct Flight {
    /// Its place in the line.
    pub(super) place: usize,
    /// Where it goes, as far as that is known before.
    pub(super) route: Route,
    pub(super) launched: Instant,
    pub(super) hedge: bool,
    pub(super) received: Received,
    pub(super) pass: Option<Pass>,
    future: BoxFuture<'static, Landed>,
}

/// One that has come to its end, or to its first content.
pub(super) struct Landed {
    pub(super) tried: Tried,
    pub(super) slot: Option<Slot>,
    /// When it had its place among the calls in flight.
    pub(super) started: Instant,
}

impl Flight {
    /// `pass`: the breaker's leave, where the way is judged by the call.
    pub(super) fn new(call: &Call, spot: &Place, place: usize, pass: Option<Pass>, deadline: Instant) -> Self {
        let (route, received, limited) = (spot.way().route(), Received::default(), pass.is_some());
        let (member, way) = (Arc::clone(&spot.member), spot.way_index());
        let cold = matches!(spot.warmth, Warmth::Loading | Warmth::Unloaded);
        call.tell(Step::Begun(&route));
        let errand = Errand { call: call.clone(), deadline, cold, received: received.clone() };
        let future = async move {
            let way = &member.ways[way];
            let launched = Instant::now();
            let entering = async { if limited { way.vitals().gate.enter().await.map(Some) } else { Ok(None) } };
            let slot = match timeout_at(deadline, entering).await {
                Ok(Ok(slot)) => slot,
                Ok(Err(error)) => return Landed::failed(way.route(), error),
                Err(_) => {
                    let error = late(&way.route(), launched, "no free place", Sent::No);
                    return Landed::failed(way.route(), error);
                }
            };
            let started = Instant::now();
            errand.call.tell(Step::Connecting(&way.route()));
            let tried = timeout_at(deadline, member.attempt(way, &errand)).await;
            let tried = tried.unwrap_or_else(|_| {
                let route = way.route();
                let error = late(&route, started, "no answer", Sent::Maybe);
                Tried::Failed(route, Failure::from(error))
            });
            Landed { tried, slot, started }
        };
        let launched = Instant::now();
        Self { place, route, launched, hedge: false, received, pass, future: future.boxed() }
    }

    /// The same, begun beside another.
    pub(super) fn hedge(self) -> Self {
        Self { hedge: true, ..self }
    }

    /// Reports the failure to whoever judges the way.
    pub(super) fn judge(mut self, error: &Error, out_of_time: bool, now: Instant) -> Self {
        match self.pass.take() {
            Some(pass) if out_of_time => pass.ran_out_of_time(now),
            Some(pass) => pass.failed(error, now),
            None => {}
        }
        self
    }
}

impl Landed {
    fn failed(route: Route, error: Error) -> Self {
        Self { tried: Tried::Failed(route, Failure::from(error)), slot: None, started: Instant::now() }
    }
}

fn late(route: &Route, since_when: Instant, what: &str, sent: Sent) -> Error {
    let waited = since(since_when).as_secs_f64();
    let message = format!("{what} after {waited:.1} s, when the deadline of the whole call passed");
    let subject = Subject { server: Arc::clone(&route.server), endpoint: Arc::clone(&route.endpoint) };
    subject.locate(Error::new(ErrorKind::Timeout, message).sent(sent))
}

/// The attempts under way.
#[derive(Default)]
pub(super) struct Air(Vec<Flight>);

impl Air {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn launch(&mut self, flight: Flight) {
        self.0.push(flight);
    }

    /// The only one there is; `None` if there are none or two.
    pub(super) fn only(&self) -> Option<&Flight> {
        if let [flight] = &self.0[..] { Some(flight) } else { None }
    }

    /// The next to land. There must be one.
    pub(super) async fn landing(&mut self) -> (Flight, Landed) {
        poll_fn(|cx| {
            for i in 0..self.0.len() {
                if let Poll::Ready(landed) = self.0[i].future.as_mut().poll(cx) {
                    return Poll::Ready((self.0.remove(i), landed));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Gives up all that are left, each told to `each` first.
    pub(super) fn cancel(&mut self, each: impl FnMut(&Flight)) {
        self.0.iter().for_each(each);
        self.0.clear();
    }
}
