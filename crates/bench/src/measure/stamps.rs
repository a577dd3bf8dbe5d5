//! Whose instants a measurement has: [`Stamps`].

use longshore_core::Received;
use serde::{Deserialize, Serialize};

/// Pieces of answers by who stamped them, where the kernel was asked to; else both are 0, and all instants are the client's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamps {
    /// By the kernel, when their bytes arrived.
    pub kernel: u64,
    /// By the client, when it had read them: the kernel told nothing, or nothing that was sure.
    pub client: u64,
}

impl Stamps {
    /// Those of one answer.
    pub fn of(received: &Received) -> Self {
        let (kernel, client) = received.stamps();
        Self { kernel, client }
    }

    /// These and others.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { kernel: self.kernel + other.kernel, client: self.client + other.client }
    }

    /// Whose they are, for people.
    pub fn told(self) -> String {
        match (self.kernel, self.client) {
            (0, _) => "the client's, when it had read the bytes".into(),
            (_, 0) => "the kernel's, when the bytes arrived".into(),
            (kernel, client) => {
                let share = 100.0 * kernel as f64 / (kernel + client) as f64;
                // What is not all must not look like it.
                let share = share.min(99.9);
                format!("the kernel's, when the bytes arrived, for {share:.1} % of what was read; else the client's")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_instants_they_are_is_told() {
        let check = |kernel, client, expected: &str| {
            assert!(Stamps { kernel, client }.told().contains(expected), "{kernel} {client}");
        };
        check(0, 0, "the client's");
        check(0, 7, "the client's");
        check(7, 0, "the kernel's, when the bytes arrived");
        check(3, 1, "for 75.0 %");
        check(1_000_000, 1, "for 99.9 %");
    }

    #[test]
    fn an_answer_that_was_counted_says_so() {
        let received = Received::default();
        assert_eq!(Stamps::of(&received), Stamps::default());
        for kernel in [true, true, false] {
            received.add_stamp(kernel);
        }
        assert_eq!(Stamps::of(&received).and(Stamps { kernel: 1, client: 1 }), Stamps { kernel: 3, client: 2 });
    }
}
