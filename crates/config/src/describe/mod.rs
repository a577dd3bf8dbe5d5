//! The settings described from their table: for editors, for people, for a first file. Everything here is constant.

mod list;
mod schema;
mod starter;
mod table;

pub use list::{Described, settings_list};
pub use schema::json_schema;
pub use starter::starter_file;
pub use table::settings_table_markdown;

use crate::read::reader::plain;
use crate::setting::{Field, Kind};

/// The range in words, if there is one.
fn range(field: &Field) -> Option<String> {
    field.range.as_ref().map(|(low, high)| format!("{} to {}", plain(low), plain(high)))
}

/// The words a setting can be, if only some are allowed.
fn choices(kind: &Kind) -> &'static [(&'static str, &'static str)] {
    match kind.inner() {
        Kind::Scalar(scalar) => scalar.choices,
        _ => &[],
    }
}
