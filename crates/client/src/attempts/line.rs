//! Who may be asked, and what this call has learnt of each: [`Line`].

use std::{collections::VecDeque, sync::Arc};

use longshore_core::{Call, Protocol};
use tokio::time::Instant;

use crate::{
    balance::{self, Form, Runner},
    health::{Reading, Standing},
    member::{Member, Way},
    registry::Warmth,
};

/// A server that may be asked.
#[derive(Clone)]
pub(crate) struct Contender {
    pub(crate) member: Arc<Member>,
    pub(crate) warmth: Warmth,
}

impl Contender {
    /// One of which nothing is known.
    pub(crate) fn unknown(member: Arc<Member>) -> Self {
        Self { member, warmth: Warmth::Unknown }
    }
}

/// A way to a contender, in this call's eyes.
pub(super) struct Place {
    pub(super) member: Arc<Member>,
    way: usize,
    pub(super) warmth: Warmth,
    /// Asking it again would be of no use.
    out: bool,
    /// The server asked not to be asked before.
    not_before: Option<Instant>,
    /// It has had a request of this call.
    pub(super) asked: bool,
    /// It may be asked again at once, without waiting, once.
    fresh: bool,
    /// That is what is being done, and costs nothing.
    pub(super) free: bool,
}

impl Place {
    pub(super) fn way(&self) -> &Way {
        &self.member.ways[self.way]
    }

    pub(super) fn way_index(&self) -> usize {
        self.way
    }

    /// Until when it is to be left alone, by what it told this call or others.
    fn rests_until(&self, reading: Option<&Reading>) -> Option<Instant> {
        self.not_before.max(reading.and_then(|reading| reading.rests_until))
    }
}

/// See the module. The ways of one server stand together.
pub(super) struct Line(Vec<Place>);

impl Line {
    /// `protocol`: the only one that may be used, if the call says so.
    pub(super) fn new(contenders: Vec<Contender>, protocol: Option<Protocol>) -> Self {
        let place = |member: &Arc<Member>, way, warmth| Place {
            member: Arc::clone(member),
            way,
            warmth,
            out: false,
            not_before: None,
            asked: false,
            fresh: true,
            free: false,
        };
        let ways = contenders.iter().flat_map(|Contender { member, warmth }| {
            (0..member.ways.len())
                .filter(move |way| member.ways[*way].is_over(protocol))
                .map(move |way| place(member, way, *warmth))
        });
        Self(ways.collect())
    }

    pub(super) fn place(&self, place: usize) -> &Place {
        &self.0[place]
    }

    pub(super) fn place_mut(&mut self, place: usize) -> &mut Place {
        &mut self.0[place]
    }

    /// The places to be asked now, in this order. `model`: whose vitals decide, if any do.
    pub(super) fn up(&self, model: Option<&str>, now: Instant) -> VecDeque<usize> {
        let Some(model) = model else { return (0..self.0.len()).filter(|place| self.is_free(*place, now)).collect() };
        let readings: Vec<_> = self.0.iter().map(|place| place.way().vitals().read(model, now)).collect();
        let mut servers: Vec<Vec<usize>> = Vec::new();
        for (i, place) in self.0.iter().enumerate() {
            if place.out || place.rests_until(Some(&readings[i])).is_some_and(|until| until > now) {
                continue;
            }
            match servers.last_mut().filter(|server| self.same_server(server[0], i)) {
                Some(server) => server.push(i),
                None => servers.push(vec![i]),
            }
        }
        for server in &mut servers {
            server.sort_by_key(|place| form(&readings[*place]) == Form::Blocked);
        }
        let runners: Vec<_> = servers.iter().map(|server| self.runner(server[0], &readings[server[0]])).collect();
        let order = balance::order(&runners, |below| fastrand::usize(..below));
        let mut places: Vec<usize> = order.into_iter().flat_map(|server| servers[server].iter().copied()).collect();
        // Of those that are to be left alone, the one that may be tried soonest comes last: the last is always tried.
        let blocked = |place: &usize| match readings[*place].standing {
            Standing::Blocked(until) => Some(std::cmp::Reverse(until)),
            _ => None,
        };
        places.sort_by_key(blocked);
        places.into()
    }

    fn runner(&self, place: usize, reading: &Reading) -> Runner {
        let Place { member, warmth, .. } = &self.0[place];
        let Reading { latency, calls, .. } = *reading;
        Runner { warmth: *warmth, form: form(reading), latency, calls, weight: member.weight }
    }

    /// When somebody may be asked: by what they asked for, else after `wait`. `None`: never.
    pub(super) fn next_time(&self, model: Option<&str>, now: Instant, wait: std::time::Duration) -> Option<Instant> {
        let left = self.0.iter().filter(|place| !place.out);
        left.map(|place| {
            let reading = model.map(|model| place.way().vitals().read(model, now));
            place.rests_until(reading.as_ref()).unwrap_or(now + wait)
        })
        .min()
    }

    /// Whether somebody asked to be left alone.
    pub(super) fn was_asked_to_wait(&self) -> bool {
        self.0.iter().any(|place| place.not_before.is_some())
    }

    /// A server whose retry budget is spent, if no server's is left.
    pub(super) fn spent(&self, now: Instant) -> Option<Arc<str>> {
        let mut left = self.0.iter().filter(|place| !place.out).peekable();
        let first = Arc::clone(&left.peek()?.member.name);
        left.all(|place| place.asked && !place.member.budget.has_any(now)).then_some(first)
    }

    /// Of no use any more.
    pub(super) fn leave(&mut self, place: usize) {
        self.0[place].out = true;
    }

    /// The same for the server's other ways.
    pub(super) fn leave_server(&mut self, place: usize) {
        self.each_of_server(place, |place| place.out = true);
    }

    /// The server asked not to be asked before `until`.
    pub(super) fn rest(&mut self, place: usize, until: Instant) {
        self.each_of_server(place, |place| place.not_before = Some(until));
    }

    /// Whether the place may be asked again at once; it may once.
    pub(super) fn spend_fresh(&mut self, place: usize) -> bool {
        let place = &mut self.0[place];
        place.free = std::mem::take(&mut place.fresh);
        place.free
    }

    pub(super) fn same_server(&self, one: usize, other: usize) -> bool {
        Arc::ptr_eq(&self.0[one].member, &self.0[other].member)
    }

    /// Whether a second attempt may be made here beside one at `first`: never where a model would have to be loaded.
    pub(super) fn may_hedge(&self, place: usize, first: usize, model: &str, now: Instant) -> bool {
        let reading = self.0[place].way().vitals().read(model, now);
        let ready = self.0[place].warmth == Warmth::Ready;
        ready && !self.same_server(place, first) && form(&reading) == Form::Sound
    }

    pub(super) fn model_of(&self, call: &Call) -> Arc<str> {
        call.model.clone().unwrap_or_else(|| Arc::from(""))
    }

    /// Those that were not asked because their breaker is open, each with a sentence, and when the first may be tried.
    pub(super) fn not_asked(&self, model: Option<&str>, now: Instant) -> (Vec<String>, Option<Instant>) {
        let (mut notes, mut probe) = (Vec::new(), None::<Instant>);
        for place in self.0.iter().filter(|_| model.is_some()) {
            let Standing::Blocked(until) = place.way().vitals().read(model.unwrap_or_default(), now).standing else {
                continue;
            };
            probe = Some(probe.map_or(until, |probe| probe.min(until)));
            if !place.asked {
                let route = place.way().route();
                let why = place.way().vitals().reason(model.unwrap_or_default());
                notes.push(format!(
                    "`{}` over {} was left alone: {why}; it is tried again in {:.1} s",
                    route.server,
                    route.protocol,
                    until.saturating_duration_since(now).as_secs_f64()
                ));
            }
        }
        (notes, probe)
    }

    fn is_free(&self, place: usize, now: Instant) -> bool {
        let place = &self.0[place];
        !place.out && place.not_before.is_none_or(|until| until <= now)
    }

    fn each_of_server(&mut self, place: usize, mut change: impl FnMut(&mut Place)) {
        let member = Arc::clone(&self.0[place].member);
        self.0.iter_mut().filter(|other| Arc::ptr_eq(&other.member, &member)).for_each(&mut change);
    }
}

fn form(reading: &Reading) -> Form {
    match reading.standing {
        Standing::Probe => Form::Probe,
        Standing::Blocked(_) => Form::Blocked,
        Standing::Closed if reading.troubled => Form::Troubled,
        Standing::Closed => Form::Sound,
    }
}
