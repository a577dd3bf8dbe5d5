//! Writes the description of the desk's API to `docs/desk-openapi.json`: `cargo run -p longshore-desk --example openapi`.
//! A test fails while the file is behind the types.

use std::{fs, io, path::Path};

fn main() -> io::Result<()> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/desk-openapi.json");
    let text = longshore_desk::api::description().to_pretty_json()?;
    fs::write(page, format!("{text}\n"))
}
