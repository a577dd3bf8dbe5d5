//! One loop owns every attempt at a call: retry, failover, hedge, and the ledger of them.
//!
//! An attempt goes Unsent → Sent → HeadersSeen → Committed → Done. Until the first content event nothing is committed,
//! and the next way may be tried as [`outcome`] allows: the server's other protocol, then the next server. When all
//! have failed with something that may pass, the loop waits and goes round again, within the number of attempts, the
//! retry [`budget`] and the one deadline. After the commit the stream is the caller's, and an error in it is never made
//! good silently.
//!
//! Dropping the future drops the attempts in the air, the wait and the hedge with it.

pub(crate) mod backoff;
pub(crate) mod budget;
mod flight;
mod ledger;
mod line;
mod outcome;
mod resume;
mod watch;

use std::{collections::VecDeque, sync::Arc};

use longshore_core::{Call, Error, ErrorKind, Op, Reply, Route, Sent};
use tokio::time::{Instant, sleep_until, timeout_at};

use self::{
    backoff::{asked_for, backoff},
    budget::Budget,
    flight::{Air, Flight, Landed},
    ledger::Ledger,
    line::Line,
    outcome::{Next, after},
};
pub(crate) use self::{ledger::all_failed, line::Contender};
use crate::{
    config::Retry,
    endpoint::generates,
    member::{Member, Tried},
    metrics,
};

/// What all calls of a fleet go by.
pub(crate) struct Policy {
    pub(crate) retry: Retry,
    hedges: Budget,
}

impl Policy {
    pub(crate) fn new(retry: Retry) -> Self {
        // No floor: nobody needs a hedge.
        let hedges = Budget::new(retry.hedge_percent, 0);
        Self { retry, hedges }
    }
}

/// Asks `contenders`, the warmest first, until one has committed an answer.
///
/// # Errors
/// What went wrong, with every attempt. `Unsupported` when nobody has words for the operation.
pub(crate) async fn run(
    call: &Call,
    contenders: Vec<Contender>,
    policy: &Arc<Policy>,
    deadline: Instant,
) -> Result<Reply, Error> {
    if !resume::fits(call, policy) {
        return Attempts::new(call, contenders, Some(Arc::clone(policy)), deadline).run().await;
    }
    let reply = Attempts::new(call, contenders.clone(), Some(Arc::clone(policy)), deadline).run().await?;
    Ok(resume::over(reply, call.clone(), contenders, Arc::clone(policy), deadline))
}

/// Asks one server, once by each of its ways: for questions about the server itself, which nobody is judged by.
///
/// # Errors
/// As [`run`].
pub(crate) async fn ask(call: &Call, member: &Arc<Member>, deadline: Instant) -> Result<Reply, Error> {
    Attempts::new(call, vec![Contender::unknown(Arc::clone(member))], None, deadline).run().await
}

struct Attempts {
    call: Call,
    deadline: Instant,
    /// `None`: a question, asked once.
    policy: Option<Arc<Policy>>,
    /// Breakers, budgets and latencies are for what models answer.
    judged: bool,
    line: Line,
    ledger: Ledger,
    rounds: u32,
    /// The call is the continuation of one that broke off: whatever it takes is a repetition.
    again: bool,
    hedged: bool,
    /// Since when nothing is in the air.
    idle_since: Instant,
    /// Ways that have no words for the operation.
    speechless: Vec<Route>,
    /// The server whose retry budget did not pay for another attempt.
    refused: Option<Arc<str>>,
}

/// How a round ended.
enum Round {
    Committed(Reply),
    /// Everybody who could be asked has failed.
    Failed,
    /// No other round would do better; perhaps with a reason that the attempts do not tell.
    Over(Option<String>),
}

impl Attempts {
    fn new(call: &Call, contenders: Vec<Contender>, policy: Option<Arc<Policy>>, deadline: Instant) -> Self {
        Self {
            call: call.clone(),
            deadline,
            judged: policy.is_some() && generates(&call.op),
            policy,
            line: Line::new(contenders, call.protocol),
            ledger: Ledger::new(call),
            rounds: 0,
            again: false,
            hedged: false,
            idle_since: Instant::now(),
            speechless: Vec::new(),
            refused: None,
        }
    }

    async fn run(mut self) -> Result<Reply, Error> {
        if let Some(policy) = self.policy.as_ref().filter(|_| self.judged) {
            policy.hedges.deposit(self.idle_since);
        }
        loop {
            let reason = match self.round().await {
                Round::Committed(reply) => return Ok(reply),
                Round::Over(reason) => reason,
                Round::Failed => match self.pause().await {
                    Ok(()) => continue,
                    Err(reason) => reason,
                },
            };
            return Err(self.give_up(reason));
        }
    }

    /// Asks everybody who may be asked now, one after another, with a hedge beside where that is allowed.
    async fn round(&mut self) -> Round {
        self.rounds += 1;
        let mut line = self.line.up(self.model(), Instant::now());
        let mut air = Air::default();
        let mut flown = false;
        loop {
            if air.is_empty() {
                match self.launch(&mut line, !flown) {
                    Ok(Some(flight)) => air.launch(flight),
                    Ok(None) => return Round::Failed,
                    Err(over) => return over,
                }
                flown = true;
            }
            let landing = match self.hedge_at(&air) {
                None => air.landing().await,
                Some(due) => match timeout_at(due, air.landing()).await {
                    Ok(landing) => landing,
                    Err(_) => {
                        self.hedged = true;
                        self.launch_hedge(&mut line, &mut air);
                        continue;
                    }
                },
            };
            if let Some(end) = self.landed(landing, &mut line, &mut air) {
                return end;
            }
        }
    }

    /// Waits until somebody may be asked again.
    ///
    /// # Errors
    /// Nobody may, or not in time; perhaps with a reason.
    async fn pause(&mut self) -> Result<(), Option<String>> {
        let Some(policy) = self.policy.clone().filter(|_| may_come_back(&self.call.op)) else { return Err(None) };
        if let Some(server) = &self.refused {
            return Err(Some(format!("the retry budget of `{server}` is spent")));
        }
        if self.ledger.len() >= policy.retry.max_attempts {
            return Err(None);
        }
        let now = Instant::now();
        if let Some(server) = self.line.spent(now).filter(|_| self.judged && self.ledger.has_sent()) {
            metrics::retry_refused(&server);
            return Err(Some(format!("the retry budget of `{server}` is spent")));
        }
        let Some(next) = self.line.next_time(self.model(), now, backoff(&policy.retry, self.rounds, fastrand::f64()))
        else {
            return Err(self.ledger.last_word());
        };
        if next >= self.deadline {
            return Err(Some(self.too_late(next, now)));
        }
        tracing::debug!(call = &*self.call.id, wait = ?(next - now), "waiting before everybody is asked again");
        sleep_until(next).await;
        Ok(())
    }

    /// Starts an attempt at the next in line that may be asked. `must`: somebody has to be, whatever the breakers say.
    fn launch(&mut self, line: &mut VecDeque<usize>, must: bool) -> Result<Option<Flight>, Round> {
        let now = Instant::now();
        while let Some(place) = line.pop_front() {
            let limit = self.policy.as_ref().map_or(usize::MAX, |policy| policy.retry.max_attempts);
            if self.ledger.len() >= limit || now >= self.deadline {
                return Err(Round::Over(None));
            }
            let Ok(pass) = self.admit(place, now, must && line.is_empty()) else { continue };
            return Ok(Some(Flight::new(&self.call, self.line.place(place), place, pass, self.deadline)));
        }
        Ok(None)
    }

    /// The breaker's leave, and the budget's.
    fn admit(&mut self, place: usize, now: Instant, force: bool) -> Result<Option<crate::health::Pass>, ()> {
        if !self.judged {
            return Ok(None);
        }
        let model = self.line.model_of(&self.call);
        let spot = self.line.place_mut(place);
        let reading = spot.way().vitals().read(&model, now);
        let pass = spot.way().vitals().admit(&model, now, force).ok_or(())?;
        let free = std::mem::take(&mut spot.free);
        let budget = &spot.member.budget;
        if !self.again && !self.ledger.has_sent() {
            budget.deposit(now);
        } else if !free && (spot.asked || reading.troubled) {
            // Going on to a healthy server adds no load where there is trouble, so it costs nothing.
            if !budget.withdraw(now) {
                metrics::retry_refused(&spot.member.name);
                self.refused = Some(Arc::clone(&spot.member.name));
                return Err(());
            }
            metrics::retry(&spot.member.name);
        }
        self.refused = None;
        Ok(Some(pass))
    }

    /// When a hedge is due, if there may be one.
    fn hedge_at(&self, air: &Air) -> Option<Instant> {
        let after = self.policy.as_ref()?.retry.hedge_after?;
        let may = self.judged && self.call.replayable && !self.hedged;
        air.only().filter(|_| may).map(|flight| flight.launched + after)
    }

    /// A second attempt beside the first one: only at a server that has the model ready and is well.
    fn launch_hedge(&mut self, line: &mut VecDeque<usize>, air: &mut Air) {
        let (Some(policy), Some(first)) = (self.policy.clone(), air.only()) else { return };
        let now = Instant::now();
        let model = self.line.model_of(&self.call);
        let Some(at) = line.iter().position(|place| self.line.may_hedge(*place, first.place, &model, now)) else {
            return;
        };
        if self.ledger.len() + 2 > policy.retry.max_attempts || !policy.hedges.withdraw(now) {
            return;
        }
        let Some(place) = line.remove(at) else { return };
        let spot = self.line.place(place);
        let Some(pass) = spot.way().vitals().admit(&model, now, false) else { return };
        metrics::hedge(&spot.member.name);
        air.launch(Flight::new(&self.call, spot, place, Some(pass), self.deadline).hedge());
    }

    /// What became of an attempt, and whether that ends the round.
    fn landed(&mut self, landing: (Flight, Landed), line: &mut VecDeque<usize>, air: &mut Air) -> Option<Round> {
        let (flight, landed) = landing;
        let wait = if flight.hedge { Default::default() } else { landed.started - self.idle_since.min(landed.started) };
        match landed.tried {
            Tried::Speechless => {
                self.speechless.push(flight.route.clone());
                self.line.leave(flight.place);
                None
            }
            Tried::Committed(reply) => {
                air.cancel(|loser| self.ledger.cancelled(loser));
                self.ledger.committed(&flight, &reply.route, landed.started, wait);
                let ledger = std::mem::take(&mut self.ledger).into_attempts();
                Some(Round::Committed(watch::over(reply, ledger, flight, landed.slot)))
            }
            Tried::Failed(route, failure) => {
                let now = Instant::now();
                let next = after(&failure, self.call.replayable);
                tracing::debug!(
                    call = &*self.call.id, server = &*route.server, protocol = %route.protocol,
                    error = %failure.error, elapsed = ?(now - landed.started), "attempt failed"
                );
                metrics::attempt(&route.server, route.protocol, failure.error.kind().as_str());
                let out_of_time = failure.error.kind() == ErrorKind::Timeout && now >= self.deadline;
                let flight = flight.judge(&failure.error, out_of_time, now);
                self.learn(&flight, next, &failure, now, line);
                self.ledger.failed(&flight, route, landed.started, wait, failure.error);
                if air.is_empty() {
                    self.idle_since = now;
                }
                if next.stops() {
                    air.cancel(|loser| self.ledger.cancelled(loser));
                    return Some(Round::Over(None));
                }
                None
            }
        }
    }

    /// What a failure means for the ways that are left.
    fn learn(
        &mut self,
        flight: &Flight,
        next: outcome::Consequence,
        failure: &crate::transport::Failure,
        now: Instant,
        line: &mut VecDeque<usize>,
    ) {
        let place = flight.place;
        self.line.place_mut(place).asked |= failure.error.was_sent() != Sent::No;
        if let Some(policy) = &self.policy
            && let Some(wait) = asked_for(&failure.error, &policy.retry)
        {
            let jitter = backoff(&policy.retry, self.rounds, fastrand::f64());
            self.line.rest(place, now + wait + jitter);
        }
        if next.next == Next::OtherServer {
            line.retain(|other| !self.line.same_server(*other, place));
            if !next.again {
                self.line.leave_server(place);
            }
        } else if failure.at_once && self.line.spend_fresh(place) {
            line.push_front(place);
        } else if !next.again {
            self.line.leave(place);
        }
    }

    fn give_up(mut self, reason: Option<String>) -> Error {
        let now = Instant::now();
        let (notes, probe) = self.line.not_asked(self.model(), now);
        if let Some(error) = std::mem::take(&mut self.ledger).into_error(reason.as_deref(), &notes) {
            return match probe {
                Some(at) if error.wait().is_none() => error.retry_after(at.saturating_duration_since(now)),
                _ => error,
            };
        }
        match reason {
            Some(reason) => {
                let wait = self.line.next_time(self.model(), now, Default::default());
                let error = Error::new(ErrorKind::Overloaded, reason).sent(Sent::No);
                wait.map_or(error.clone(), |at| error.retry_after(at.saturating_duration_since(now)))
            }
            None => nobody_can(&self.call, &self.speechless),
        }
    }

    /// Why there is no waiting until `next`.
    fn too_late(&self, next: Instant, now: Instant) -> String {
        let left = self.deadline.saturating_duration_since(now);
        let wait = next.saturating_duration_since(now);
        let who = if self.line.was_asked_to_wait() { "the server asks to wait" } else { "the next try would be in" };
        format!("{who} {:.1} s, and {:.1} s of the call's time are left", wait.as_secs_f64(), left.as_secs_f64())
    }

    /// The model whose vitals are looked at, if any are.
    fn model(&self) -> Option<&str> {
        self.judged.then(|| self.call.model_name())
    }
}

/// Whether a call may be made again after a while. Loading is not: a load that failed would be begun anew, for minutes.
fn may_come_back(op: &Op) -> bool {
    generates(op) || matches!(op, Op::Describe { .. } | Op::ModelConfig { .. } | Op::Statistics { .. })
}

fn nobody_can(call: &Call, speechless: &[Route]) -> Error {
    let names: Vec<_> = speechless.iter().map(|route| format!("`{}` over {}", route.server, route.protocol)).collect();
    let whom = if names.is_empty() { "there is no server".to_owned() } else { format!("asked {}", names.join(", ")) };
    Error::new(ErrorKind::Unsupported, format!("no server can {}; {whom}", call.op.kind().name())).sent(Sent::No)
}
