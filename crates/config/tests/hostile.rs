//! Files that are no configurations are refused quickly, whatever they hold.

#![expect(clippy::expect_used, reason = "a helper of a test fails the test")]

use std::time::{Duration, Instant};

use longshore_config::{Config, MAX_FILE_BYTES, Problems, Sources};

/// Generous for a debug build on a busy machine; what it guards against takes minutes or all the memory.
const SOON: Duration = Duration::from_secs(1);

fn refuse(name: &str, bytes: impl Into<Vec<u8>>) -> Problems {
    let sources = Sources::new().file("longshore.yaml", bytes);
    let start = Instant::now();
    let problems = Config::load(sources).expect_err(name);
    let shown = problems.to_string();
    assert!(start.elapsed() < SOON, "{name}: {:?}", start.elapsed());
    assert!(shown.len() < 50_000, "{name}: {} bytes of problems", shown.len());
    problems
}

fn check(name: &str, bytes: impl Into<Vec<u8>>, expected: &str) {
    let problems = refuse(name, bytes).to_string();
    assert!(problems.contains(expected), "{name}: {problems}");
}

#[test]
fn too_large() {
    check("10 MB", "# ".to_owned() + &"x".repeat(10 << 20), "longshore.yaml: larger than 1024 KiB, so it is not read");
    check("one byte too large", vec![b'#'; MAX_FILE_BYTES + 1], "larger than 1024 KiB");
    let largest = Config::load(Sources::new().file("longshore.yaml", vec![b'#'; MAX_FILE_BYTES]));
    assert!(largest.is_ok(), "{largest:?}");
}

#[test]
#[cfg(unix)]
fn a_large_file_is_not_read_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("longshore.yaml");
    // A sparse file: reading all of it would fail for want of memory.
    std::fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    let problems = Config::load(Sources::new().read_file(&path).unwrap()).unwrap_err();
    assert!(problems.to_string().contains("larger than 1024 KiB"), "{problems}");
}

#[test]
fn aliases_twenty_levels_deep() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..=20 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    check("billion laughs", bomb, "more than 10000 values once aliases are written out");

    let mut tower = "a0: &a0 [x]\n".to_owned();
    for level in 1..=40 {
        tower.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    check("a tower of aliases", tower, "nested more than 32 levels deep");
}

#[test]
fn binary_junk() {
    check("no UTF-8", b"retry:\n  \xff\xfe\x00\x01".repeat(1000), "longshore.yaml:2:3: not UTF-8 text: byte 9");
    check("UTF-16", b"\xff\xfer\0e\0t\0r\0y\0:\0".to_vec(), "save the file as UTF-8");
    check("NULs", vec![0; 100_000], "not valid YAML");
    let mut seed: u32 = 1;
    let mut noise = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    };
    refuse("noise", (0..1_000_000).map(|_| noise()).collect::<Vec<u8>>());
    refuse("ASCII noise", (0..1_000_000).map(|_| noise() & 0x7f).collect::<Vec<u8>>());
}

#[test]
fn deep_and_wide() {
    refuse("brackets", "[".repeat(500_000));
    refuse("braces", "{a: ".repeat(100_000));
    refuse("hyphens", "- ".repeat(400_000));
    refuse("indentation", (0..1000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect::<String>());
    refuse("many keys", (0..100_000).map(|n| format!("k{n}: 1\n")).collect::<String>());
    let keys: String = (0..4900).map(|n| format!("k{n}: 1\n")).collect();
    let problems = refuse("as many keys as are read", keys);
    assert_eq!((problems.iter().count(), problems.omitted()), (100, 4800));
    refuse("long keys", (0..900).map(|n| format!("{}{n}: 1\n", "k".repeat(1000))).collect::<String>());
    refuse("many servers", format!("servers:\n{}", "- {name: a, rest: h}\n".repeat(1900)));
    refuse("quotes", "\"".to_owned() + &"\\u0041".repeat(150_000));
    refuse("anchors", (0..60_000).map(|n| format!("- &a{n} x\n")).collect::<String>());
}
