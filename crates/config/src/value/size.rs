//! Sizes in bytes as people write them: `64KiB`, `1.5GiB`, `10MB`, `4096`.

use std::fmt;

use serde_json::{Value as Json, json};

use super::duration::scaled;
use crate::problem::harmless;
use crate::setting::{Refusal, Scalar, ScalarKind, Written, scalar_settings};

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

/// Binary units first, since sizes here are of memory.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1000),
    ("B", 1),
];

impl ByteSize {
    /// So many bytes.
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// So many KiB.
    pub const fn kib(count: u64) -> Self {
        Self(count << 10)
    }

    /// So many MiB.
    pub const fn mib(count: u64) -> Self {
        Self(count << 20)
    }

    /// So many GiB.
    pub const fn gib(count: u64) -> Self {
        Self(count << 30)
    }

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number of bytes for buffers; the largest possible where it does not fit.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// Reads a size. Without a unit it is bytes; `KiB` is 1024 and `KB` is 1000 bytes, in any case. `None` if the text is
    /// anything else, or no whole number of bytes.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let unit_at = text.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(unit_at);
        let unit = if unit.is_empty() { "B" } else { unit.trim() };
        let scale = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|(_, scale)| *scale)?;
        scaled(number, scale).map(Self)
    }
}

impl fmt::Display for ByteSize {
    /// The largest unit that gives a whole number: `64MiB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let divides = |scale: u64| self.0 >= scale && self.0.is_multiple_of(scale);
        match UNITS.iter().find(|(_, scale)| divides(*scale)) {
            Some((unit, scale)) => write!(f, "{}{unit}", self.0 / scale),
            None => f.write_str("0B"),
        }
    }
}

impl Scalar for ByteSize {
    fn describe() -> ScalarKind {
        let pattern = r"^[0-9]+(\.[0-9]+)? *([KkMmGgTt][Ii]?)?[Bb]?$";
        let schema = json!({ "type": ["string", "integer"], "pattern": pattern, "minimum": 0 });
        ScalarKind::new("size", "a size such as 64KiB or 1GiB", schema)
    }

    fn parse(written: &Written<'_>) -> Result<Self, Refusal> {
        Self::parse(written.text).ok_or_else(|| {
            match written.text.trim().strip_suffix(['k', 'K', 'm', 'M', 'g', 'G']) {
                Some(number) if number.trim().parse::<f64>().is_ok() => {
                    let number = harmless(&written.text.trim().to_uppercase());
                    Refusal::hint(format!("write {number}iB (1024s) or {number}B (1000s)"))
                }
                _ => Refusal::PLAIN,
            }
        })
    }

    fn to_json(&self) -> Json {
        self.to_string().into()
    }
}

scalar_settings!(ByteSize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_parse_exactly_or_not_at_all() {
        let check =
            |text: &str, bytes: Option<u64>| assert_eq!(ByteSize::parse(text).map(ByteSize::get), bytes, "{text:?}");
        check("4096", Some(4096));
        check("64KiB", Some(65536));
        check("64 kib", Some(65536));
        check("64MiB", Some(64 << 20));
        check("1GiB", Some(1 << 30));
        check("1.5GiB", Some(3 << 29));
        check("1KB", Some(1000));
        check("10B", Some(10));
        check("1.5B", None);
        check("64K", None);
        check("-1", None);
        check("", None);
        check("KiB", None);
        check("99999999TiB", None);
    }

    #[test]
    fn sizes_are_written_in_the_largest_whole_unit() {
        let check = |bytes: u64, text: &str| assert_eq!(ByteSize::bytes(bytes).to_string(), text);
        check(64 << 20, "64MiB");
        check(1000, "1KB");
        check(1001, "1001B");
        check(0, "0B");
    }
}
