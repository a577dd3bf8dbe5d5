//! Numbers as people read them: three digits that mean something, and an interval where there is one.

use crate::statistics::{Quantile, Share};

/// What stands where nothing is known.
pub(super) const NOTHING: &str = "–";

/// Three digits: `0.123`, `12.3`, `1234`.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if !value.is_finite() => NOTHING.into(),
        _ if size == 0.0 => "0".into(),
        _ if size < 10.0 => format!("{value:.3}"),
        _ if size < 100.0 => format!("{value:.2}"),
        _ if size < 1000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// The number, or that there is none.
pub(super) fn maybe(value: Option<f64>) -> String {
    value.map_or_else(|| NOTHING.into(), number)
}

/// A percentile, or that the sample was too small for it.
pub(super) fn percentile(quantile: Option<Quantile>) -> String {
    quantile.map_or_else(|| NOTHING.into(), |quantile| number(quantile.value))
}

/// A percentile and its interval: `12.3 [12.1, 12.6]`. An open end is `…`.
pub(super) fn interval(quantile: Option<Quantile>) -> String {
    let Some(Quantile { value, low, high }) = quantile else { return NOTHING.into() };
    if low.is_none() && high.is_none() {
        return number(value);
    }
    let end = |value: Option<f64>| value.map_or_else(|| "…".into(), number);
    format!("{} [{}, {}]", number(value), end(low), end(high))
}

/// `99.8 %`.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent == percent.round() { format!("{percent:.0} %") } else { format!("{percent:.1} %") }
}

/// `99.8 % [99.3, 99.9]`.
pub(super) fn share(share: Share) -> String {
    format!("{} [{:.1}, {:.1}]", percent(share.value()), share.low * 100.0, share.high * 100.0)
}

/// `1.5 KiB`.
pub(super) fn bytes(count: f64) -> String {
    let mut value = count;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value.abs() < 1024.0 {
            return if unit == "B" { format!("{value:.0} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

/// Bytes, or that nobody knows.
pub(super) fn maybe_bytes(count: Option<f64>) -> String {
    count.map_or_else(|| NOTHING.into(), bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::wilson;

    #[test]
    fn numbers_read_well() {
        for (value, text) in
            [(0.0, "0"), (0.1234, "0.123"), (12.345, "12.35"), (123.45, "123.5"), (12345.6, "12346"), (f64::NAN, "–")]
        {
            assert_eq!(number(value), text);
        }
        let quantile = Quantile { value: 12.0, low: Some(11.0), high: None };
        assert_eq!(interval(Some(quantile)), "12.00 [11.00, …]");
        assert_eq!((interval(None), percentile(Some(quantile)), maybe(None)), ("–".into(), "12.00".into(), "–".into()));
        assert_eq!((percent(1.0), percent(0.9981)), ("100 %".into(), "99.8 %".into()));
        assert_eq!(share(wilson(10, 10)), "100 % [72.2, 100.0]");
        assert_eq!(
            (bytes(75.0 * 1024.0), bytes(12.0), bytes(-2048.0)),
            ("75.0 KiB".into(), "12 B".into(), "-2.0 KiB".into())
        );
    }
}
