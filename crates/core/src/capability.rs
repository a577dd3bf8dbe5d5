//! What a dialect can say, or a server can do: a small set of operations, so that nobody has to try and fail.

use std::fmt;

/// An operation without its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum OpKind {
    /// [`Op::Chat`](crate::Op::Chat)
    Chat,
    /// [`Op::Complete`](crate::Op::Complete)
    Complete,
    /// [`Op::Embed`](crate::Op::Embed)
    Embed,
    /// [`Op::Infer`](crate::Op::Infer)
    Infer,
    /// [`Op::ListModels`](crate::Op::ListModels)
    ListModels,
    /// [`Op::Describe`](crate::Op::Describe)
    Describe,
    /// [`Op::ModelConfig`](crate::Op::ModelConfig)
    ModelConfig,
    /// [`Op::Statistics`](crate::Op::Statistics)
    Statistics,
    /// [`Op::Load`](crate::Op::Load)
    Load,
    /// [`Op::Unload`](crate::Op::Unload)
    Unload,
    /// [`Op::Pull`](crate::Op::Pull)
    Pull,
    /// [`Op::Health`](crate::Op::Health)
    Health,
    /// [`Op::ServerInfo`](crate::Op::ServerInfo)
    ServerInfo,
}

impl OpKind {
    /// Every kind, in the order of declaration.
    pub const ALL: [Self; 13] = [
        Self::Chat,
        Self::Complete,
        Self::Embed,
        Self::Infer,
        Self::ListModels,
        Self::Describe,
        Self::ModelConfig,
        Self::Statistics,
        Self::Load,
        Self::Unload,
        Self::Pull,
        Self::Health,
        Self::ServerInfo,
    ];

    /// A word for messages: "chat", "list models", …
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Complete => "complete",
            Self::Embed => "embed",
            Self::Infer => "infer",
            Self::ListModels => "list models",
            Self::Describe => "describe a model",
            Self::ModelConfig => "show a model's configuration",
            Self::Statistics => "give statistics",
            Self::Load => "load models",
            Self::Unload => "unload models",
            Self::Pull => "pull models",
            Self::Health => "tell its health",
            Self::ServerInfo => "name itself",
        }
    }
}

/// A set of operations.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Capabilities(u16);

impl Capabilities {
    /// Every operation.
    pub const ALL: Self = Self((1 << OpKind::ALL.len()) - 1);

    /// Exactly these operations.
    pub const fn of(kinds: &[OpKind]) -> Self {
        let (mut bits, mut i) = (0, 0);
        while i < kinds.len() {
            bits |= 1 << kinds[i] as u8;
            i += 1;
        }
        Self(bits)
    }

    /// Whether `kind` is among them.
    pub const fn contains(self, kind: OpKind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    /// These and those.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These without those.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The operations, in the order of [`OpKind::ALL`].
    pub fn iter(self) -> impl Iterator<Item = OpKind> {
        OpKind::ALL.into_iter().filter(move |&kind| self.contains(kind))
    }
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_what_was_put_in() {
        let set = Capabilities::of(&[OpKind::Chat, OpKind::ServerInfo]);
        assert_eq!(set.iter().collect::<Vec<_>>(), [OpKind::Chat, OpKind::ServerInfo]);
        assert!(OpKind::ALL.into_iter().all(|kind| Capabilities::ALL.contains(kind)));
        assert_eq!(Capabilities::ALL.without(set).union(set), Capabilities::ALL);
        assert!(!Capabilities::ALL.without(set).contains(OpKind::Chat));
    }
}
