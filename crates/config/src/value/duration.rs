//! Durations as people write them: `250ms`, `30s`, `1m30s`. A number without a unit is refused: it would be seconds to
//! one reader and milliseconds to another.

use std::time::Duration;

use serde_json::Value as Json;

use crate::problem::harmless;
use crate::setting::{Refusal, Scalar, ScalarKind, Written, scalar_settings};

/// Units from large to small, in microseconds, which is as fine as a duration can be.
const UNITS: [(&str, u64); 5] = [("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1000), ("us", 1)];

/// Reads a duration: numbers with the units `h`, `m`, `s`, `ms` and `us`, one after the other, fractions allowed.
/// `None` if the text is anything else, or finer than a microsecond, or longer than 500,000 years.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut micros: u64 = 0;
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| c != '.' && !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(unit_at);
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, next) = tail.split_at(unit_end);
        let scale = UNITS.iter().find(|(name, _)| *name == unit.trim()).map(|(_, scale)| *scale)?;
        micros = micros.checked_add(scaled(number, scale)?)?;
        rest = next;
    }
    (!text.trim().is_empty()).then(|| Duration::from_micros(micros))
}

/// Writes a duration the way [`parse_duration`] reads it, such as `1m30s`. What is finer than a microsecond is dropped.
pub fn format_duration(duration: Duration) -> String {
    let mut micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, scale) in UNITS {
        if micros >= scale {
            text.push_str(&format!("{}{unit}", micros / scale));
            micros %= scale;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// A decimal number times a scale, exactly; `None` when the result is no whole number or does not fit.
pub(super) fn scaled(number: &str, scale: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction = fraction.trim_end_matches('0');
    let tenths = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let part = if fraction.is_empty() { 0 } else { fraction.parse::<u64>().ok()?.checked_mul(scale)? };
    let exact = part.is_multiple_of(tenths);
    exact.then(|| whole.parse::<u64>().ok()?.checked_mul(scale)?.checked_add(part / tenths)).flatten()
}

impl Scalar for Duration {
    fn describe() -> ScalarKind {
        let pattern = r"^([0-9]+(\.[0-9]+)?(h|m|s|ms|us))+$";
        ScalarKind::pattern("duration", "a duration such as 250ms, 30s or 1m30s", pattern)
    }

    fn parse(written: &Written<'_>) -> Result<Self, Refusal> {
        parse_duration(written.text).ok_or_else(|| match written.text.trim().parse::<f64>() {
            Ok(number) if number >= 0.0 => {
                let number = harmless(written.text.trim());
                Refusal::hint(format!("add a unit: {number}s is seconds, {number}ms is milliseconds"))
            }
            _ => Refusal::PLAIN,
        })
    }

    fn to_json(&self) -> Json {
        format_duration(*self).into()
    }
}

scalar_settings!(Duration);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_parse_exactly_or_not_at_all() {
        let check = |text: &str, micros: Option<u64>| {
            assert_eq!(parse_duration(text), micros.map(Duration::from_micros), "{text:?}");
        };
        check("250ms", Some(250_000));
        check("30s", Some(30_000_000));
        check("5m", Some(300_000_000));
        check("1h", Some(3_600_000_000));
        check("1m30s", Some(90_000_000));
        check("1h 30m", Some(5_400_000_000));
        check("1.5s", Some(1_500_000));
        check("0s", Some(0));
        check("0.000001s", Some(1));
        check("0.0000001s", None);
        check("30", None);
        check("", None);
        check("s", None);
        check("-5s", None);
        check("1d", None);
        check("1e3s", None);
        check("1..5s", None);
        check(".5s", None);
        check("30S", None);
        check("99999999999999999999h", None);
        check("18446744073709551615h", None);
    }

    #[test]
    fn durations_are_written_shortest_first_unit() {
        let check = |text: &str, written: &str| {
            assert_eq!(parse_duration(text).map(format_duration).as_deref(), Some(written), "{text:?}");
        };
        check("120s", "2m");
        check("90s", "1m30s");
        check("1500ms", "1s500ms");
        check("0ms", "0s");
    }
}
