//! Which fault a request gets: a function of the seed, the rule and the request's key, never of what came before.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::{Effect, Rule};
use crate::{
    engine::{clock::Tick, draw::Draw},
    observe::Key,
};

/// The rules in force, and how often each was applied.
pub(crate) struct Timeline {
    seed: u64,
    rules: RwLock<Arc<Vec<Counted>>>,
    /// There are some.
    any: AtomicBool,
}

struct Counted {
    rule: Rule,
    applied: AtomicU64,
    /// How far a limited rule's indices were counted, for each lane.
    counts: Mutex<HashMap<u64, Count>>,
}

/// Indices that a limited rule has met.
#[derive(Default)]
struct Count {
    /// Those below this were looked at.
    next: u64,
    /// So many of them were chosen.
    met: u64,
    /// The last one within the limit, once it is reached.
    last: Option<u64>,
}

/// A fault that was decided: what is done, and by which rule.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) rule: usize,
    pub(crate) effect: Effect,
}

impl Timeline {
    pub(crate) fn new(seed: u64, rules: &[Rule]) -> Self {
        let timeline = Self { seed, rules: RwLock::default(), any: AtomicBool::new(false) };
        timeline.set(rules);
        timeline
    }

    /// From now on these rules hold. Counts begin anew.
    pub(crate) fn set(&self, rules: &[Rule]) {
        let counted =
            |rule: &Rule| Counted { rule: rule.clone(), applied: AtomicU64::new(0), counts: Mutex::default() };
        let mut held = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        *held = Arc::new(rules.iter().map(counted).collect());
        self.any.store(!rules.is_empty(), Ordering::Release);
    }

    /// The rules and how often each was applied.
    pub(crate) fn rules(&self) -> Vec<(Rule, u64)> {
        self.get().iter().map(|counted| (counted.rule.clone(), counted.applied.load(Ordering::Relaxed))).collect()
    }

    /// Whether there can be any fault.
    pub(crate) fn has_rules(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// The fault of a request; `path` is that of HTTP.
    pub(crate) fn of_request(&self, key: &Key, path: &str, protocol: &str, now: Tick) -> Option<Fault> {
        let fits = |rule: &Rule| {
            let when = &rule.when;
            rule.what.reaches(key.op)
                && when.is_route(path)
                && when.op.as_deref().is_none_or(|op| op == key.op)
                && when.model.as_ref().is_none_or(|model| *model == key.model)
                && when.protocol.as_deref().is_none_or(|wanted| wanted == protocol)
        };
        self.decide(key.lane(), key.index, now, fits)
    }

    /// The fault of a connection, before there is a request.
    pub(crate) fn of_connection(&self, index: u64, now: Tick) -> Option<Fault> {
        self.decide(0, index, now, |rule| rule.what.is_of_connection())
    }

    fn decide(&self, lane: u64, index: u64, now: Tick, fits: impl Fn(&Rule) -> bool) -> Option<Fault> {
        if !self.has_rules() {
            return None;
        }
        let rules = self.get();
        let position = rules.iter().enumerate().position(|(position, counted)| {
            let rule = &counted.rule;
            let chosen = |index| in_range(rule, index) && self.drawn(rule, position, lane, index);
            fits(rule) && in_window(rule, now) && chosen(index) && counted.within_limit(lane, index, chosen)
        })?;
        rules[position].applied.fetch_add(1, Ordering::Relaxed);
        Some(Fault { rule: position, effect: rules[position].rule.what.clone() })
    }

    fn drawn(&self, rule: &Rule, position: usize, lane: u64, index: u64) -> bool {
        let probability = rule.probability();
        probability >= 1.0
            || (probability > 0.0
                && Draw::new(self.seed ^ lane, "rule", index, position as u64).uniform() < probability)
    }

    fn get(&self) -> Arc<Vec<Counted>> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Counted {
    /// Whether a chosen index is among the first ones that are.
    fn within_limit(&self, lane: u64, index: u64, chosen: impl Fn(u64) -> bool) -> bool {
        let Some(limit) = self.rule.limit else { return true };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(lane).or_default();
        while count.last.is_none() && count.next <= index {
            count.met += u64::from(chosen(count.next));
            count.last = (count.met >= limit).then_some(count.next);
            count.next += 1;
        }
        limit > 0 && count.last.is_none_or(|last| index <= last)
    }
}

fn in_window(rule: &Rule, now: Tick) -> bool {
    rule.when.after.is_none_or(|after| now >= after) && rule.when.before.is_none_or(|before| now < before)
}

fn in_range(rule: &Rule, index: u64) -> bool {
    let when = &rule.when;
    when.every.is_none_or(|every| (index + 1).is_multiple_of(every))
        && when.first.is_none_or(|first| index < first)
        && when.from.is_none_or(|from| index >= from)
        && when.to.is_none_or(|to| index < to)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::faults::When;

    fn key(op: &'static str, model: &str, index: u64) -> Key {
        Key { op, model: model.into(), index }
    }

    fn rule(when: When) -> Rule {
        Rule::new(Effect::NoHeaders).when(when)
    }

    /// The indices below 20 that the rule's fault reaches.
    fn reached(when: When) -> Vec<u64> {
        let timeline = Timeline::new(1, &[rule(when)]);
        let hit = |index: &u64| timeline.of_request(&key("chat", "a", *index), "/", "rest", Tick::ZERO).is_some();
        (0..20).filter(hit).collect()
    }

    #[test]
    fn conditions_choose_requests() {
        assert_eq!(reached(When { every: Some(7), ..When::default() }), [6, 13]);
        assert_eq!(reached(When { first: Some(2), ..When::default() }), [0, 1]);
        assert_eq!(reached(When { from: Some(17), to: Some(19), ..When::default() }), [17, 18]);
        assert_eq!(reached(When { op: Some("chat".into()), first: Some(1), ..When::default() }), [0]);
        assert_eq!(reached(When { op: Some("embed".into()), ..When::default() }), [0; 0]);
        assert_eq!(reached(When { model: Some("b".into()), ..When::default() }), [0; 0]);
        assert_eq!(reached(When { protocol: Some("grpc".into()), ..When::default() }), [0; 0]);
        assert_eq!(reached(When { after: Some(Duration::from_secs(1)), ..When::default() }), [0; 0]);
        assert_eq!(reached(When { before: Some(Duration::from_secs(1)), first: Some(1), ..When::default() }), [0]);
    }

    /// Over 100,000 requests and for twenty seeds, the number of faults lies within five standard deviations of the
    /// binomial distribution, whose chance to do so by luck is below 1 in 10^5 for all cases together.
    #[test]
    fn a_probability_is_the_share_of_requests_for_every_seed() {
        for probability in [0.002, 0.05, 0.5] {
            let requests = 100_000_u64;
            let mean = requests as f64 * probability;
            let deviation = (mean * (1.0 - probability)).sqrt();
            for seed in 0..20 {
                let when = When { probability: Some(probability), ..When::default() };
                let timeline = Timeline::new(seed, &[rule(when)]);
                let hit =
                    |index: &u64| timeline.of_request(&key("chat", "a", *index), "/", "rest", Tick::ZERO).is_some();
                let hits = (0..requests).filter(hit).count() as f64;
                assert!((hits - mean).abs() < 5.0 * deviation, "seed {seed}: {hits} of {requests} at {probability}");
            }
        }
    }

    #[test]
    fn toxicity_zero_is_as_if_the_rule_were_not_there() {
        let (harmless, other) = (Rule { toxicity: 0.0, ..rule(When::default()) }, rule(When::default()));
        let timeline = Timeline::new(1, &[harmless, other]);
        let fault = timeline.of_request(&key("chat", "a", 0), "/", "rest", Tick::ZERO).unwrap();
        assert_eq!((fault.rule, timeline.rules()[0].1), (1, 0));
    }

    #[test]
    fn a_limit_counts_indices_in_whatever_order_they_come() {
        let when = When { probability: Some(0.3), ..When::default() };
        let hits = |rule: Rule, order: &mut dyn Iterator<Item = u64>| {
            let timeline = Timeline::new(1, &[rule]);
            let hit = |index: &u64| timeline.of_request(&key("chat", "a", *index), "/", "rest", Tick::ZERO).is_some();
            let mut hits: Vec<u64> = order.filter(hit).collect();
            hits.sort_unstable();
            hits
        };
        let all = hits(rule(when.clone()), &mut (0..50));
        for limit in [0, 1, 4] {
            let limited = || rule(when.clone()).limit(limit);
            assert_eq!(hits(limited(), &mut (0..50)), all[..limit as usize]);
            assert_eq!(hits(limited(), &mut (0..50).rev()), all[..limit as usize]);
        }
    }

    #[test]
    fn an_effect_reaches_what_it_is_for() {
        let hit = |effect: Effect, op| {
            let timeline = Timeline::new(1, &[Rule::new(effect)]);
            timeline.of_request(&key(op, "a", 0), "/", "rest", Tick::ZERO).is_some()
        };
        let load_fails = || Effect::LoadFails { reason: "torn".into() };
        assert_eq!((hit(load_fails(), "load models"), hit(load_fails(), "chat")), (true, false));
        let unload = || Effect::UnloadMidStream { after_tokens: 0 };
        assert_eq!((hit(unload(), "chat"), hit(unload(), "embed")), (true, false));
        assert_eq!((hit(Effect::NoHeaders, "embed"), hit(Effect::TlsExpired, "chat")), (true, false));
    }

    #[test]
    fn operations_and_models_have_draws_of_their_own() {
        let when = When { probability: Some(0.5), ..When::default() };
        let timeline = Timeline::new(1, &[rule(when)]);
        let hits = |op, model: &str| -> Vec<bool> {
            (0..64)
                .map(|index| timeline.of_request(&key(op, model, index), "/", "grpc", Tick::ZERO).is_some())
                .collect()
        };
        assert_eq!(hits("chat", "a"), hits("chat", "a"));
        assert_ne!(hits("chat", "a"), hits("chat", "b"));
        assert_ne!(hits("chat", "a"), hits("embed", "a"));
    }
}
