//! How a simulator is set up: [`SimConfig`], from YAML or from the builder.
//!
//! Rules for faults are part of it and live in [`crate::faults`].

pub(crate) mod human;
mod latency;
mod models;
mod shape;

use serde::{Deserialize, Serialize};

pub use latency::{Distribution, Latency, NoDistribution};
pub use models::{Memory, Model, TensorFunction, ToolUse, WhenFull};
pub use shape::{Freeze, Shape};

use crate::faults::Rule;

/// Everything about a simulated server but its address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimConfig {
    /// All chance comes from this number: the same seed gives the same faults, texts and durations.
    pub seed: u64,
    /// The models; the first answers calls that name none.
    pub models: Vec<Model>,
    /// Requests that models answer at a time; the others wait in order of arrival. 0: no limit.
    pub slots: usize,
    /// Requests that may wait for a slot; more are refused with 429.
    pub queue: usize,
    /// Load a model when it is first used. Otherwise a call to a model that is not loaded is refused.
    pub autoload: bool,
    /// How long things take.
    pub latency: Latency,
    /// How streams look.
    pub shape: Shape,
    /// Times in which the whole server stands still.
    pub freezes: Vec<Freeze>,
    /// What loaded models may take together.
    pub memory: Memory,
    /// The faults; of several rules that fit a request, the first applies.
    pub rules: Vec<Rule>,
    /// Time passes only when it is told to: `Simulator::advance`.
    pub virtual_time: bool,
}

impl Default for SimConfig {
    /// Seed 0, one chat model `sim`, no limits, no delays, no faults.
    fn default() -> Self {
        Self {
            seed: 0,
            models: vec![Model::default()],
            slots: 0,
            queue: 1024,
            autoload: true,
            latency: Latency::default(),
            shape: Shape::default(),
            freezes: Vec::new(),
            memory: Memory::default(),
            rules: Vec::new(),
            virtual_time: false,
        }
    }
}

impl SimConfig {
    /// Reads YAML; unknown fields are refused, by name.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn from_yaml(text: &str) -> Result<Self, ConfigError> {
        let config: Self = serde_saphyr::from_str(text).map_err(|error| ConfigError(error.to_string()))?;
        config.check()?;
        Ok(config)
    }

    /// Whether the parts fit together.
    ///
    /// # Errors
    /// The first thing that does not.
    pub fn check(&self) -> Result<(), ConfigError> {
        let wrong = |message: String| Err(ConfigError(message));
        if self.models.is_empty() {
            return wrong("a server without models answers nothing: declare one under `models`".into());
        }
        for (position, model) in self.models.iter().enumerate() {
            if self.models[..position].iter().any(|earlier| earlier.id == model.id) {
                return wrong(format!("the model `{}` is declared twice", model.id));
            }
            if let Err(error) = longshore_core::dialect::check_model_id(&model.id) {
                return wrong(format!("the model id {:?} cannot be used: {}", model.id, error.message()));
            }
        }
        self.rules.iter().enumerate().try_for_each(|(position, rule)| {
            rule.check().map_err(|error| ConfigError(format!("rule {}: {error}", position + 1)))
        })
    }
}

/// A configuration that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(pub(crate) String);

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_configuration_is_read_as_people_write_it() {
        let config = SimConfig::from_yaml(
            "seed: 7
slots: 4
latency: { ttft: 'normal(20ms, 5ms)', itl: 10ms, batch_slope: 0.1 }
memory: { budget: 10GB, when_full: refuse }
freezes: [{ at: 5s, lasting: 2s }]
models:
- { id: a, tokens: 50, load_time: 3s, loaded: false }
- { id: b, kind: embedding, size: 700MB }
- { id: c, tool_calls: 0.5 }
- { id: d, tool_calls: never }
",
        )
        .unwrap();
        assert_eq!((config.seed, config.slots, config.models.len()), (7, 4, 4));
        assert_eq!((config.models[2].tool_calls, config.models[3].tool_calls), (ToolUse::Share(0.5), ToolUse::Never));
        assert_eq!(config.latency.itl, Distribution::Fixed(Duration::from_millis(10)));
        assert_eq!((config.memory.budget, config.memory.when_full), (10_000_000_000, WhenFull::Refuse));
        assert_eq!((config.models[0].load_time, config.models[1].size), (Duration::from_secs(3), 700_000_000));
        assert_eq!(serde_json::from_value::<SimConfig>(serde_json::to_value(&config).unwrap()).unwrap(), config);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |yaml: &str, word: &str| {
            let error = SimConfig::from_yaml(yaml).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        };
        check("sed: 7", "sed");
        check("latency: { itl: 10 }", "distribution");
        check("models: []", "models");
        check("models: [{ id: a }, { id: a }]", "twice");
        check("models: [{ id: ../a }]", "../a");
        check("models: [{ id: a, load_time: 3 }]", "duration");
        check("models: [{ id: a, tool_calls: 2 }]", "from 0 to 1");
    }
}
