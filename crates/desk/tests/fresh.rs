//! What is committed beside the sources is not behind them: the API's description, and the built page.

#![expect(clippy::unwrap_used, reason = "these helpers fail the test they serve")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use ring::digest::{Context, SHA256};

const FOLDERS: [&str; 2] = ["public", "src"];
const FILES: [&str; 7] = [
    "index.html",
    "package-lock.json",
    "package.json",
    "source-hash.mjs",
    "svelte.config.js",
    "tsconfig.json",
    "vite.config.ts",
];

#[test]
fn the_description_is_that_of_the_types() {
    let told = longshore_desk::api::description().to_pretty_json().unwrap();
    let kept = fs::read_to_string(root().join("docs/desk-openapi.json")).unwrap_or_default();
    assert!(
        kept.trim_end() == told.trim_end(),
        "docs/desk-openapi.json is behind: run `cargo run -p longshore-desk --example openapi`"
    );
}

/// As `desk/source-hash.mjs` has it.
#[test]
fn the_page_was_built_after_its_last_change() {
    let desk = root().join("desk");
    let mut paths: Vec<String> = FILES.iter().map(|file| (*file).to_owned()).collect();
    FOLDERS.iter().for_each(|folder| walk(&desk, folder, &mut paths));
    paths.retain(|path| !path.ends_with(".test.ts"));
    paths.sort();
    let mut hash = Context::new(&SHA256);
    for path in &paths {
        hash.update(path.as_bytes());
        hash.update(b"\0");
        hash.update(&fs::read(desk.join(path)).unwrap());
        hash.update(b"\0");
    }
    let hash: String = hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let built = fs::read_to_string(desk.join("dist/SOURCE_HASH")).unwrap_or_default();
    assert_eq!(built.trim(), hash, "desk/dist is behind desk/src: run `cargo xtask desk` and commit what it builds");
}

fn walk(desk: &Path, folder: &str, paths: &mut Vec<String>) {
    for entry in fs::read_dir(desk.join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() { walk(desk, &path, paths) } else { paths.push(path) }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
