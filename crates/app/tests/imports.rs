//! Imports between the crates run one way: `core ← config ← {client, engine, server, sim, bench} ← desk ← app`, and
//! beside that only `bench → client`, `sim → server` and `{client, sim} → stamp`, which knows none of them; the desk knows
//! neither engine nor simulator. `sim` never uses `client`, not even in its tests: it would confirm the client's bugs.

use std::{collections::BTreeMap, process::Command};

/// Each crate and those of ours that it may use.
const ALLOWED: &[(&str, &[&str])] = &[
    ("longshore-core", &[]),
    ("longshore-config", &["longshore-core"]),
    ("longshore-stamp", &[]),
    ("longshore-client", &["longshore-core", "longshore-config", "longshore-stamp"]),
    ("longshore-engine", &["longshore-core", "longshore-config"]),
    ("longshore-server", &["longshore-core", "longshore-config"]),
    ("longshore-sim", &["longshore-core", "longshore-config", "longshore-server", "longshore-stamp"]),
    ("longshore-bench", &["longshore-core", "longshore-config", "longshore-client"]),
    ("xtask", &[]),
    (
        "longshore-desk",
        &["longshore-core", "longshore-config", "longshore-client", "longshore-server", "longshore-bench"],
    ),
    (
        "longshore",
        &[
            "longshore-core",
            "longshore-config",
            "longshore-client",
            "longshore-engine",
            "longshore-server",
            "longshore-sim",
            "longshore-bench",
            "longshore-desk",
        ],
    ),
];

/// Libraries that `core`, which does no I/O, must not have at any distance.
const NOT_IN_CORE: &[&str] = &["tokio", "hyper", "mio", "socket2"];

#[test]
fn imports_run_one_way() {
    let metadata = metadata(&["--no-deps"]);
    let mut seen = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let allowed = ALLOWED.iter().find(|(known, _)| *known == name);
        let (_, allowed) =
            allowed.unwrap_or_else(|| panic!("{name} has no place in the order of imports: give it one"));
        let ours = package["dependencies"].as_array().unwrap().iter().filter_map(|dependency| {
            // Tests may use more, but for the simulator's.
            let counts = dependency["kind"] != "dev" || name == "longshore-sim";
            dependency["name"].as_str().filter(|name| counts && name.starts_with("longshore"))
        });
        for dependency in ours {
            assert!(allowed.contains(&dependency), "{name} must not use {dependency}");
        }
        seen.insert(name.to_owned(), ());
    }
    assert!(seen.contains_key("longshore-core") && seen.contains_key("longshore"), "{seen:?}");
}

/// The window is outside the workspace, and cargo is not asked: that would fetch what its platforms need.
#[test]
fn the_window_uses_the_app_alone() {
    let manifest = include_str!("../../../shell/Cargo.toml");
    let ours: Vec<_> = manifest
        .lines()
        .filter_map(|line| line.split_once(" = { path = "))
        .filter(|(_, path)| path.contains(".."))
        .collect();
    assert_eq!(ours, [("longshore", r#""../crates/app" }"#)]);
    let root = include_str!("../../../Cargo.toml");
    assert!(root.contains(r#"exclude = ["shell"]"#), "its system packages are not needed by `cargo test --workspace`");
}

#[test]
fn core_does_no_io() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "-p", "longshore-core", "-e", "normal", "--prefix", "none", "--locked"])
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let names: Vec<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains(&"bytes"), "{tree}");
    for banned in NOT_IN_CORE {
        assert!(!names.contains(banned), "longshore-core must not depend on {banned}");
    }
}

#[expect(clippy::unwrap_used, reason = "this helper fails the test it serves")]
fn metadata(arguments: &[&str]) -> serde_json::Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
