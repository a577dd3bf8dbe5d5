//! Writes the table of settings into `docs/configuration.md`, between its markers: `cargo run -p longshore-config --example
//! settings-table`. A test fails while the page is behind the types.

use std::path::Path;
use std::{fs, io};

fn main() -> io::Result<()> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let text = fs::read_to_string(&page)?;
    let (before, rest) = text.split_once(BEGIN).ok_or(io::ErrorKind::InvalidData)?;
    let (_, after) = rest.split_once(END).ok_or(io::ErrorKind::InvalidData)?;
    let table = longshore_config::settings_table_markdown();
    fs::write(&page, format!("{before}{BEGIN}\n\n{table}\n{END}{after}"))
}

const BEGIN: &str = "<!-- begin generated settings -->";
const END: &str = "<!-- end generated settings -->";
