//! What is known of one way to one server: [`Vitals`].

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use longshore_core::{Blame, Error, Protocol, Sent, model::HealthReport};
use tokio::time::Instant;

use super::{
    breaker::{Breaker, Standing},
    gate::Gate,
    latency::Latency,
    pass::Pass,
    watch::Reach,
};
use crate::{
    attempts::backoff::ABSURD,
    config::{Breaker as Rules, FleetConfig},
    metrics,
};

/// Names of models come from callers, so what is kept about them is limited; the one used longest ago goes.
const MODELS: usize = 512;
/// After a failure others are preferred for this long, if there are any.
const TROUBLED: Duration = Duration::from_secs(30);
/// What one call was asked to wait holds for the others too, but no longer than this.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// See the module.
pub(crate) struct Vitals {
    rules: Rules,
    pub(crate) gate: Gate,
    labels: metrics::Way,
    models: Mutex<HashMap<Arc<str>, Condition>>,
    reach: Mutex<Reach>,
}

/// How one model does there.
pub(super) struct Condition {
    pub(super) breaker: Breaker,
    pub(super) latency: Latency,
    /// The server asked to be left alone until then.
    pub(super) rests_until: Option<Instant>,
    /// The last call failed or was turned away: others are preferred until then.
    troubled_until: Option<Instant>,
    touched: Instant,
}

/// A way at a glance, for whoever chooses among several.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) standing: Standing,
    /// The server asked to be left alone until then.
    pub(crate) rests_until: Option<Instant>,
    /// Its last call there failed or was turned away, and not long ago; or it could not be reached lately.
    pub(crate) troubled: bool,
    /// The time to first content that can be expected; `None` where nobody has measured lately.
    pub(crate) latency: Option<Duration>,
    /// Calls in flight or waiting for it.
    pub(crate) calls: usize,
}

impl Vitals {
    pub(crate) fn new(server: &Arc<str>, protocol: Protocol, config: &FleetConfig) -> Arc<Self> {
        let labels = metrics::Way::new(server, protocol);
        Arc::new(Self {
            rules: config.breaker.clone(),
            gate: Gate::new(&config.limits, labels.clone()),
            labels,
            models: Mutex::default(),
            reach: Mutex::default(),
        })
    }

    pub(crate) fn read(&self, model: &str, now: Instant) -> Reading {
        let calls = self.gate.in_flight() + self.gate.waiting();
        let lost = self.reach().lost;
        let models = self.lock();
        let Some(condition) = models.get(model) else {
            return Reading { standing: Standing::Closed, rests_until: None, troubled: lost, latency: None, calls };
        };
        Reading {
            standing: condition.breaker.standing(now),
            rests_until: condition.rests_until.filter(|until| *until > now),
            troubled: lost || condition.troubled_until.is_some_and(|until| until > now),
            latency: condition.latency.expected(now),
            calls,
        }
    }

    /// Lets a call through, or not; `force` lets it through in any case.
    pub(crate) fn admit(self: &Arc<Self>, model: &Arc<str>, now: Instant, force: bool) -> Option<Pass> {
        let admitted = self.change(model, now, |condition| condition.breaker.admit(&self.rules, now, force));
        admitted.then(|| Pass::new(Arc::clone(self), Arc::clone(model), now))
    }

    /// The first content of a call has come.
    pub(super) fn answered(&self, model: &Arc<str>, began: Instant, now: Instant) {
        self.reach().answered();
        self.change(model, now, |condition| {
            condition.latency.answered(now.saturating_duration_since(began), now);
            (condition.rests_until, condition.troubled_until) = (None, None);
            // Whoever is out to see has seen enough; others are judged at their end.
            if condition.breaker.state() != "closed" {
                condition.breaker.succeeded(began, now);
            }
        });
    }

    /// A call has ended well.
    pub(super) fn succeeded(&self, model: &Arc<str>, began: Instant, now: Instant) {
        self.change(model, now, |condition| condition.breaker.succeeded(began, now));
    }

    /// A call has ended in this error.
    pub(super) fn failed(&self, model: &Arc<str>, began: Instant, now: Instant, error: &Error) {
        let elapsed = now.saturating_duration_since(began);
        match error.blame() {
            // Our own queue was full, or the model is being unloaded by us: nobody was asked.
            Blame::BackPressure if error.was_sent() == Sent::No => self.released(model, began, now),
            Blame::BackPressure => self.change(model, now, |condition| {
                condition.trouble(elapsed, now);
                let wait = error.wait().filter(|wait| *wait <= ABSURD);
                condition.rests_until = wait.map(|wait| now + wait.min(LONGEST_REST));
                condition.breaker.released(began, now);
            }),
            Blame::Fault => self.change(model, now, |condition| {
                condition.trouble(elapsed, now);
                if condition.breaker.failed(&self.rules, began, now, error.message()) {
                    tracing::warn!(
                        server = %self.labels.server, protocol = %self.labels.protocol, model = &**model,
                        reason = condition.breaker.reason(), "breaker opened"
                    );
                }
            }),
            Blame::Caller => self.released(model, began, now),
        }
    }

    /// A call has ended and tells nothing about the way.
    pub(super) fn released(&self, model: &Arc<str>, began: Instant, now: Instant) {
        self.change(model, now, |condition| condition.breaker.released(began, now));
    }

    /// A call was too slow for its own deadline, which may have been short.
    pub(super) fn ran_out_of_time(&self, model: &Arc<str>, began: Instant, now: Instant) {
        self.change(model, now, |condition| {
            condition.latency.answered(now.saturating_duration_since(began), now);
            condition.breaker.released(began, now);
        });
    }

    /// The server was asked for its health.
    pub(crate) fn asked(&self, result: Result<Option<HealthReport>, Error>) {
        let mut reach = self.reach();
        let before = reach.lost;
        reach.asked(result, Instant::now());
        if reach.lost != before {
            let metrics::Way { server, protocol } = &self.labels;
            tracing::info!(%server, %protocol, reached = !reach.lost, "health check");
        }
    }

    /// What health checks have found.
    pub(super) fn reach(&self) -> MutexGuard<'_, Reach> {
        self.reach.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the breaker is not closed.
    pub(crate) fn reason(&self, model: &str) -> String {
        self.lock().get(model).map(|condition| condition.breaker.reason().to_owned()).unwrap_or_default()
    }

    /// Every model that was called by this way.
    pub(super) fn conditions<T>(&self, mut each: impl FnMut(&Arc<str>, &Condition) -> T) -> Vec<T> {
        self.lock().iter().map(|(model, condition)| each(model, condition)).collect()
    }

    fn change<T>(&self, model: &Arc<str>, now: Instant, change: impl FnOnce(&mut Condition) -> T) -> T {
        let mut models = self.lock();
        if models.len() >= MODELS && !models.contains_key(model) {
            let oldest =
                models.iter().min_by_key(|(_, condition)| condition.touched).map(|(model, _)| Arc::clone(model));
            oldest.map(|oldest| models.remove(&oldest));
        }
        let condition = models.entry(Arc::clone(model)).or_insert_with(|| Condition::new(now));
        condition.touched = now;
        let before = condition.breaker.state();
        let result = change(condition);
        let after = condition.breaker.state();
        drop(models);
        if before != after {
            metrics::breaker(&self.labels, model, after);
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Condition>> {
        self.models.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Condition {
    fn new(now: Instant) -> Self {
        let (breaker, latency) = (Breaker::new(now), Latency::default());
        Self { breaker, latency, rests_until: None, troubled_until: None, touched: now }
    }

    fn trouble(&mut self, elapsed: Duration, now: Instant) {
        self.latency.failed(elapsed, now);
        self.troubled_until = Some(now + TROUBLED);
    }
}

#[cfg(test)]
mod tests {
    use longshore_core::ErrorKind;

    use super::*;

    fn vitals() -> (Arc<Vitals>, Arc<str>) {
        (Vitals::new(&"a".into(), Protocol::Rest, &FleetConfig::default()), "m".into())
    }

    fn fail(vitals: &Arc<Vitals>, model: &Arc<str>, error: &Error, times: usize) {
        for _ in 0..times {
            let now = Instant::now();
            vitals.admit(model, now, true).unwrap().failed(error, now);
        }
    }

    #[test]
    fn faults_open_the_breaker_and_nothing_else_does() {
        let check = |kind: ErrorKind, standing_closed: bool, troubled: bool| {
            let (vitals, model) = vitals();
            fail(&vitals, &model, &Error::new(kind, "x").sent(Sent::Yes), 30);
            let reading = vitals.read("m", Instant::now());
            assert_eq!(reading.standing == Standing::Closed, standing_closed, "{kind:?}");
            assert_eq!(reading.troubled, troubled, "{kind:?}");
            assert_eq!(vitals.read("other", Instant::now()).standing, Standing::Closed);
        };
        for kind in [ErrorKind::Connect, ErrorKind::Server, ErrorKind::Timeout, ErrorKind::Interrupted] {
            check(kind, false, true);
        }
        for kind in [ErrorKind::Overloaded, ErrorKind::ModelNotReady] {
            check(kind, true, true);
        }
        for kind in [ErrorKind::InvalidRequest, ErrorKind::UnknownModel, ErrorKind::Unauthenticated] {
            check(kind, true, false);
        }
    }

    #[test]
    fn a_wait_holds_for_others_too_but_not_for_ever() {
        let (vitals, model) = vitals();
        let busy =
            |seconds| Error::new(ErrorKind::Overloaded, "x").sent(Sent::Yes).retry_after(Duration::from_secs(seconds));
        fail(&vitals, &model, &busy(7), 1);
        let rest = |now| vitals.read("m", now).rests_until.map(|until| until.saturating_duration_since(now).as_secs());
        assert!(matches!(rest(Instant::now()), Some(6 | 7)));
        fail(&vitals, &model, &busy(10_000), 1);
        assert!(matches!(rest(Instant::now()), Some(59 | 60)));
        // What makes no sense is not kept.
        fail(&vitals, &model, &busy(1_000_000), 1);
        assert_eq!(rest(Instant::now()), None);
        fail(&vitals, &model, &busy(7), 1);
        vitals.admit(&model, Instant::now(), false).unwrap().answered(Instant::now());
        assert_eq!(rest(Instant::now()), None);
    }

    #[test]
    fn what_is_kept_about_models_is_limited() {
        let (vitals, _) = vitals();
        for i in 0..2 * MODELS {
            drop(vitals.admit(&format!("m{i}").into(), Instant::now(), false));
        }
        assert_eq!(vitals.lock().len(), MODELS);
    }
}
