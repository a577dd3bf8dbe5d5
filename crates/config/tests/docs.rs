//! What is written about the configuration is true: the page, the starter file, the schema.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a helper of a test fails the test")]

use longshore_config::{Config, Sources, json_schema, settings_table_markdown, starter_file};
use serde_json::{Value as Json, json};

/// The page, whatever line breaks the checkout gave it.
fn page() -> String {
    include_str!("../../../docs/configuration.md").replace("\r\n", "\n")
}

fn load(text: &str) -> Config {
    match Config::load(Sources::new().file("longshore.yaml", text).home("/home/me")) {
        Ok(loaded) => loaded.config,
        Err(problems) => panic!("{problems}\nin\n{text}"),
    }
}

#[test]
fn the_table_is_fresh() {
    let page = page();
    let (_, rest) = page.split_once("<!-- begin generated settings -->\n").unwrap();
    let (table, _) = rest.split_once("<!-- end generated settings -->").unwrap();
    let advice = "run `cargo run -p longshore-config --example settings-table`";
    assert!(table.trim() == settings_table_markdown().trim(), "docs/configuration.md is behind the types: {advice}");
}

#[test]
fn the_table_has_every_setting() {
    let table = settings_table_markdown();
    let yaml = "servers: [{name: a, rest: h, credential: {env: A}}]\ngateway: {tls: {certificate: c, key: k}}";
    let loaded = Config::load(Sources::new().file("f", yaml)).unwrap();
    for shown in loaded.settings() {
        let path = shown.path.replace("[0]", "[]");
        assert!(table.contains(&format!("| `{path}` |")), "{path}");
    }
}

#[test]
fn every_yaml_block_of_the_page_loads() {
    let mut count = 0;
    for block in page().split("```yaml\n").skip(1) {
        let (yaml, _) = block.split_once("```").unwrap();
        assert_ne!(load(yaml), Config::default(), "the block sets something:\n{yaml}");
        count += 1;
    }
    assert!(count >= 6, "the page has lost its examples");
}

#[test]
fn variables_on_the_page_load() {
    let page = page();
    let lines = page.lines().filter_map(|line| line.strip_prefix("    LONGSHORE_"));
    let variables: Vec<(String, String)> = lines
        .map(|line| line.split_once('=').unwrap())
        .map(|(name, value)| (format!("LONGSHORE_{name}"), value.to_owned()))
        .collect();
    assert_eq!(variables.len(), 5);
    let loaded = Config::load(Sources::new().environment(variables)).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.config.servers[0].name.as_str(), "gpu");
}

#[test]
fn the_starter_file_sets_nothing() {
    assert_eq!(load(&starter_file()), Config::default());
}

#[test]
fn any_setting_of_the_starter_file_can_be_uncommented() {
    let starter = starter_file();
    let lines: Vec<&str> = starter.lines().collect();
    let settings: Vec<usize> = (0..lines.len()).filter(|line| is_setting(lines[*line])).collect();
    assert!(settings.len() > 40, "{}", settings.len());
    for setting in &settings {
        load(&uncomment(&lines, &[*setting]));
    }
    let all = load(&uncomment(&lines, &settings));
    assert_eq!((all.servers.len(), all.inference.max_tokens), (2, Some(1024)));
    assert!(all.gateway.token.is_some() && all.gateway.tls.is_some());
}

#[test]
fn every_line_of_the_starter_file_is_prose_a_setting_or_a_section() {
    for line in starter_file().lines() {
        let rest = line.trim_start();
        let is_section = line.ends_with(':') && !line.starts_with([' ', '#']);
        assert!(line.is_empty() || is_section || rest == "#" || rest.starts_with("# ") || is_setting(line), "{line:?}");
        assert!(line.chars().count() <= 120, "{line:?}");
    }
}

fn is_setting(line: &str) -> bool {
    line.trim_start().strip_prefix('#').is_some_and(|rest| !rest.is_empty() && !rest.starts_with(' '))
}

fn uncomment(lines: &[&str], which: &[usize]) -> String {
    let uncommented = lines.iter().enumerate().map(|(index, line)| match which.contains(&index) {
        true => format!("{}\n", line.replacen('#', "", 1)),
        false => format!("{line}\n"),
    });
    uncommented.collect()
}

#[test]
fn the_schema_accepts_what_loads() {
    let schema = json_schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let starter = starter_file();
    let lines: Vec<&str> = starter.lines().collect();
    let all: Vec<usize> = (0..lines.len()).filter(|line| is_setting(lines[*line])).collect();
    let examples = uncomment(&lines, &all);
    for yaml in ["", examples.as_str(), "servers: [{name: a, rest: 'https://h', tls: {}}]"] {
        let loaded = Config::load(Sources::new().file("f", yaml).home("/home/me")).unwrap();
        let mut value = loaded.to_json();
        // A credential has exactly one member in a file; shown, the other is null.
        drop_nulls(&mut value);
        assert_eq!(mismatch(&schema, &value), None, "{yaml}");
    }
}

#[test]
fn the_schema_refuses_what_does_not_load() {
    let cases = [
        (json!({ "retri": {} }), "retri"),
        (json!({ "retry": { "max_attempts": 99 } }), "99"),
        (json!({ "retry": { "max_attempts": "4" } }), "\"4\""),
        (json!({ "logging": { "level": "loud" } }), "loud"),
        (json!({ "servers": [{ "rest": "h" }] }), "name"),
        (json!({ "gateway": { "token": "abc" } }), "abc"),
        (json!({ "inference": { "temperature": 3.5 } }), "3.5"),
    ];
    for (value, part) in cases {
        let found = mismatch(&json_schema(), &value);
        assert!(found.as_ref().is_some_and(|found| found.contains(part)), "{value}: {found:?}");
        assert!(Config::load(Sources::new().file("f", value.to_string())).is_err(), "{value}");
    }
}

fn drop_nulls(value: &mut Json) {
    match value {
        Json::Object(members) => {
            members.retain(|_, value| !value.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Json::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// The keywords that our schema uses, patterns excepted.
fn mismatch(schema: &Json, value: &Json) -> Option<String> {
    let names = match &schema["type"] {
        Json::Array(names) => names.clone(),
        one => vec![one.clone()],
    };
    let is_type = |name: &Json| match name.as_str().unwrap() {
        "null" => value.is_null(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64(),
        "number" => value.is_number(),
        other => panic!("{other}"),
    };
    let number = |key: &str| schema[key].as_f64();
    let too_low = number("minimum").is_some_and(|low| value.as_f64().is_some_and(|value| value < low));
    let too_high = number("maximum").is_some_and(|high| value.as_f64().is_some_and(|value| value > high));
    let is_no_choice = schema["enum"].as_array().is_some_and(|words| !words.contains(value));
    if !names.iter().any(is_type) || too_low || too_high || is_no_choice {
        return Some(value.to_string());
    }
    match value {
        Json::Array(items) => items.iter().find_map(|item| mismatch(&schema["items"], item)),
        Json::Object(members) => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str);
            let missing = required.into_iter().find(|name| !members.contains_key(*name)).map(str::to_owned);
            let member = |(name, value): (&String, &Json)| match schema["properties"].get(name) {
                Some(schema) => mismatch(schema, value),
                None => Some(name.clone()),
            };
            missing.or_else(|| members.iter().find_map(member))
        }
        _ => None,
    }
}
