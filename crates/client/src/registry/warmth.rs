//! How soon a server could begin to answer with a model: [`Warmth`].

use longshore_core::ModelState;

/// How soon a server could begin to answer with a model, as far as its list tells. The warmer comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Warmth {
    /// At once. A server that lists a model without a state lists it because it answers.
    Ready,
    /// As soon as a load that is under way is over.
    Loading,
    /// After a load, which has perhaps failed before; or after an unload and a load.
    Unloaded,
    /// Nobody knows: its list is not known, or the server has fallen silent since it told it.
    Unknown,
}

impl Warmth {
    /// What a listed state says.
    pub(crate) fn of(state: &ModelState) -> Self {
        match state {
            ModelState::Ready | ModelState::Unknown => Self::Ready,
            ModelState::Loading => Self::Loading,
            _ => Self::Unloaded,
        }
    }
}
