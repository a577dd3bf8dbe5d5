//! How long until the first content, as one number that is quick to rise and slow to fall: a peak EWMA.
//!
//! A failure counts as slow, or a server that fails at once would look like the quickest. What was last measured a
//! while ago is forgotten, so that a server that was slow is compared again.

use std::time::Duration;

use tokio::time::Instant;

/// A failed call counts as at least this slow.
const FAILED: Duration = Duration::from_secs(3);
/// A measurement is good for this long.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);
/// How much of a quicker sample is believed at once.
const SHARE: f64 = 0.3;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Latency(Option<(Duration, Instant)>);

impl Latency {
    /// What the next call may expect; `None` where nobody has measured lately.
    pub(crate) fn expected(&self, now: Instant) -> Option<Duration> {
        self.0.filter(|(_, at)| now.saturating_duration_since(*at) < FORGOTTEN_AFTER).map(|(value, _)| value)
    }

    /// A first content came after this long.
    pub(crate) fn answered(&mut self, after: Duration, now: Instant) {
        let value = match self.expected(now) {
            Some(before) if after < before => before - (before - after).mul_f64(SHARE),
            _ => after,
        };
        self.0 = Some((value, now));
    }

    /// Nothing came, and that was clear after this long.
    pub(crate) fn failed(&mut self, after: Duration, now: Instant) {
        let before = self.expected(now).unwrap_or_default();
        self.0 = Some((after.max(FAILED).max(before), now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn it_rises_at_once_and_falls_slowly() {
        let now = Instant::now();
        let mut latency = Latency::default();
        assert_eq!(latency.expected(now), None);
        for (sample, expected) in [(100, 100), (400, 400), (100, 310)] {
            latency.answered(millis(sample), now);
            assert_eq!(latency.expected(now), Some(millis(expected)));
        }
    }

    #[test]
    fn a_quick_failure_is_slow_and_is_forgotten_with_time() {
        let now = Instant::now();
        let mut latency = Latency::default();
        latency.answered(millis(10), now);
        latency.failed(millis(1), now);
        assert_eq!(latency.expected(now), Some(FAILED));
        assert_eq!(latency.expected(now + FORGOTTEN_AFTER), None);
    }
}
