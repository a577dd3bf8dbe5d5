//! When a fault happens: [`Rule`] joins a condition, [`When`], with what is then done.

use std::{fmt, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::Effect;
use crate::config::human;

/// One fault and its condition. Of several rules that fit, the first applies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// For people: what the rule is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Which requests; without any condition, all that a fault can reach.
    #[serde(default)]
    pub when: When,
    /// What happens to them.
    pub what: Effect,
    /// Multiplies the probability. 0 is exactly no effect, on anything: the rule is as if it were not there.
    #[serde(default = "one")]
    pub toxicity: f64,
    /// At most so many requests of each operation and model, and at most so many connections. They are counted by index,
    /// whatever their route, protocol and time, so that neither concurrency nor another rule changes which they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// How often it must have been applied when the simulator is dropped; checked by a panic there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<u64>,
}

fn one() -> f64 {
    1.0
}

impl Rule {
    /// This, to all requests.
    pub fn new(what: Effect) -> Self {
        Self { name: None, when: When::default(), what, toxicity: 1.0, limit: None, expect: None }
    }

    /// Under this condition.
    #[must_use]
    pub fn when(mut self, when: When) -> Self {
        self.when = when;
        self
    }

    /// At most so many; see [`Rule::limit`](Self#structfield.limit).
    #[must_use]
    pub fn limit(mut self, times: u64) -> Self {
        self.limit = Some(times);
        self
    }

    /// Must have been applied so often when the simulator is dropped.
    #[must_use]
    pub fn expect(mut self, times: u64) -> Self {
        self.expect = Some(times);
        self
    }

    /// The probability over the requests that fit, toxicity included.
    pub(crate) fn probability(&self) -> f64 {
        self.when.probability.unwrap_or(1.0) * self.toxicity
    }

    /// Whether the rule makes sense.
    ///
    /// # Errors
    /// What does not.
    pub fn check(&self) -> Result<(), RuleError> {
        let wrong = |message: &str| Err(RuleError(message.to_owned()));
        let unit = 0.0..=1.0;
        if !self.when.probability.is_none_or(|p| unit.contains(&p)) || !unit.contains(&self.toxicity) {
            return wrong("a probability and a toxicity lie between 0 and 1");
        }
        if self.when.every == Some(0) {
            return wrong("`every` counts from 1");
        }
        let when = &self.when;
        let of_request = when.op.is_some() || when.model.is_some() || when.route.is_some() || when.protocol.is_some();
        if self.what.is_of_connection() && of_request {
            return wrong(
                "a fault of the connection happens before there is a request: it cannot depend on `op`, `model`, `route` or `protocol`",
            );
        }
        self.what.check().map_err(RuleError)
    }
}

/// Which requests a rule is for: all conditions that are given must hold.
///
/// Requests are counted from 0 for each operation and model by themselves, so that a health check in between does not
/// shift the faults of a chat; connections (for faults that happen before there is a request) are counted as they come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct When {
    /// Every so many: 3 means the third, the sixth, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// The first so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// From this index on, counted from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// Up to this index, itself excluded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// This share of them, drawn from the seed and the index of each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// The operation, as the log names it: `chat`, `complete`, `embed`, `infer`, `load models`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub op: Option<String>,
    /// The model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Arc<str>>,
    /// The path of HTTP; `*` stands for any one segment: `/v2/models/*/infer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// `rest` or `grpc`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Not before this time after the server's start.
    #[serde(with = "human::optional_duration", skip_serializing_if = "Option::is_none")]
    pub after: Option<Duration>,
    /// Not from this time after the server's start on.
    #[serde(with = "human::optional_duration", skip_serializing_if = "Option::is_none")]
    pub before: Option<Duration>,
}

impl When {
    /// Whether `path` is the route, if one is wanted.
    pub(super) fn is_route(&self, path: &str) -> bool {
        self.route.as_deref().is_none_or(|route| {
            let (mut wanted, mut segments) = (route.split('/'), path.split('/'));
            loop {
                match (wanted.next(), segments.next()) {
                    (None, None) => return true,
                    (Some(wanted), Some(segment)) if wanted == "*" || wanted == segment => {}
                    _ => return false,
                }
            }
        })
    }
}

/// A rule that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError(pub(crate) String);

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RuleError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<Rule, String> {
        let rule: Rule = serde_saphyr::from_str(yaml).map_err(|error| error.to_string())?;
        rule.check().map_err(|error| error.to_string())?;
        Ok(rule)
    }

    #[test]
    fn rules_are_read_as_people_write_them() {
        for yaml in [
            "{ when: { every: 3, op: chat }, what: { effect: status, status: 429, retry_after: { seconds: 2 } } }",
            "{ when: { after: 10s, before: 20s, probability: 0.5 }, what: { effect: stall, after_tokens: 3 }, expect: 1 }",
            "{ what: { effect: drip, bytes: 3, every: 10ms }, toxicity: 0.1 }",
            "{ when: { first: 2 }, what: { effect: refuse, lasting: 1s } }",
            "{ name: torn, what: { effect: load_fails, reason: torn }, limit: 2 }",
            "{ when: { route: /v2/models/*/load }, what: { effect: load_out_of_memory, needed: 8GB } }",
        ] {
            let rule = read(yaml).unwrap();
            let written = serde_json::to_value(&rule).unwrap();
            assert_eq!(serde_json::from_value::<Rule>(written).unwrap(), rule, "{yaml}");
        }
    }

    #[test]
    fn routes_are_matched_by_segment() {
        let check = |route: &str, path: &str, expected: bool| {
            assert_eq!(
                When { route: Some(route.into()), ..When::default() }.is_route(path),
                expected,
                "{route} {path}"
            );
        };
        check("/v1/chat/completions", "/v1/chat/completions", true);
        check("/v1/chat", "/v1/chat/completions", false);
        check("/v1/chat/completions", "/v1/chat", false);
        check("/v2/models/*/infer", "/v2/models/a/infer", true);
        check("/v2/models/*/infer", "/v2/models/a/b/infer", false);
        assert!(When::default().is_route("/x"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let check = |yaml: &str, word: &str| {
            let error = read(yaml).unwrap_err();
            assert!(error.contains(word), "{yaml}: {error}");
        };
        check("{ what: { effect: status, status: 500 }, toxicity: 2 }", "between 0 and 1");
        check("{ what: { effect: status, status: 99 } }", "99");
        check("{ when: { every: 0 }, what: { effect: no_headers } }", "every");
        check("{ when: { op: chat }, what: { effect: slow_accept, delay: 1s } }", "before there is a request");
        check("{ when: { route: / }, what: { effect: tls_expired } }", "route");
        check("{ when: { evry: 1 }, what: { effect: no_headers } }", "evry");
        check("{ what: { effect: stal } }", "stal");
        check("{ what: { effect: drip, byts: 1 } }", "byts");
    }
}
