//! How long to wait before everybody is asked once more.

use std::time::Duration;

use longshore_core::Error;

use crate::config::Retry;

/// A server that asks for more than this does not mean it: rate limits are per day at most.
pub(crate) const ABSURD: Duration = Duration::from_secs(24 * 3600);

/// The wait before round `round` (the second is 1): twice as much each time up to a limit, and a random part of that,
/// `unit` being between 0 and 1 (full jitter), so that those who failed together do not come back together.
pub(super) fn backoff(retry: &Retry, round: u32, unit: f64) -> Duration {
    let doubled = retry.base_delay.saturating_mul(1 << round.saturating_sub(1).min(20));
    doubled.min(retry.max_delay).mul_f64(unit.clamp(0.0, 1.0))
}

/// What the server itself asked for, if that makes sense; what does not is capped.
pub(super) fn asked_for(error: &Error, retry: &Retry) -> Option<Duration> {
    let wait = error.wait()?;
    Some(if wait > ABSURD { retry.max_delay } else { wait })
}

#[cfg(test)]
mod tests {
    use longshore_core::ErrorKind;

    use super::*;

    #[test]
    fn it_doubles_up_to_its_limit_and_takes_a_part() {
        let retry =
            Retry { base_delay: Duration::from_millis(100), max_delay: Duration::from_millis(350), ..Retry::default() };
        let check = |round, unit, expected| assert_eq!(backoff(&retry, round, unit).as_millis(), expected);
        check(1, 1.0, 100);
        check(2, 1.0, 200);
        check(3, 1.0, 350);
        check(3, 0.5, 175);
        check(1, 0.0, 0);
        check(u32::MAX, 7.0, 350);
    }

    #[test]
    fn a_server_is_believed_unless_it_is_absurd() {
        let retry = Retry::default();
        let check = |seconds: u64, expected: Duration| {
            let error = Error::new(ErrorKind::Overloaded, "x").retry_after(Duration::from_secs(seconds));
            assert_eq!(asked_for(&error, &retry), Some(expected));
        };
        check(0, Duration::ZERO);
        check(3600, Duration::from_secs(3600));
        check(10_000_000, retry.max_delay);
        assert_eq!(asked_for(&Error::new(ErrorKind::Overloaded, "x"), &retry), None);
    }
}
