//! Edits of a configuration file's text that leave the rest of it as it is.

use std::str::FromStr;

use serde_json::Value as Json;
use yaml_edit::{Document, Mapping, path::YamlPath};

/// One change of the file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Edit {
    /// A setting gets this value.
    Set(String, Json),
    /// A setting is left to its default.
    Unset(String),
    /// One more server, as its settings.
    AddServer(Vec<(&'static str, Json)>),
    /// The server at this place of the list goes.
    RemoveServer(usize),
}

/// The text with these edits.
///
/// # Errors
/// Why it cannot be edited: a fragment that reads well after "failed to …: ".
pub(crate) fn edited(text: &str, edits: &[Edit]) -> Result<String, String> {
    let has_settings = text.lines().any(|line| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with(['#', '%']) && line != "---" && line != "null" && line != "{}"
    });
    if !has_settings {
        // There is no document yet that could be edited: only what a person wrote to people, which stays above it.
        let document = Document::new_mapping();
        apply_all(&document, edits)?;
        let kept: String = text
            .lines()
            .filter(|line| line.trim().starts_with('#') || line.trim().is_empty())
            .fold(String::new(), |kept, line| kept + line + "\n");
        return Ok(format!("{kept}{}\n", document.to_string().trim_matches('\n')));
    }
    let document = Document::from_str(text).map_err(|error| format!("the file cannot be edited: {error}"))?;
    if document.as_mapping().is_none() {
        return Err("the file holds no settings by name".into());
    }
    apply_all(&document, edits)?;
    let mut text = document.to_string();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

fn apply_all(document: &Document, edits: &[Edit]) -> Result<(), String> {
    edits.iter().try_for_each(|edit| apply(document, edit))
}

fn apply(document: &Document, edit: &Edit) -> Result<(), String> {
    match edit {
        Edit::Set(path, value) => set(document, path, value),
        Edit::Unset(path) => {
            // What is not there is at its default already.
            if document.try_get_path(path).is_ok() {
                document.try_remove_path(path).map_err(|error| format!("{path}: {error}"))?;
            }
            Ok(())
        }
        Edit::AddServer(settings) => add_server(document, settings),
        Edit::RemoveServer(index) => {
            let servers = document.as_mapping().and_then(|root| root.get_sequence("servers"));
            let servers = servers.ok_or("the file has no list of servers")?;
            servers.remove(*index).map(drop).ok_or_else(|| format!("the file has no server at place {index}"))?;
            if servers.is_empty() {
                document.remove("servers");
            }
            Ok(())
        }
    }
}

fn set(document: &Document, path: &str, value: &Json) -> Result<(), String> {
    let done = match value {
        Json::Bool(value) => document.try_set_path(path, *value),
        Json::String(text) => document.try_set_path(path, text.as_str()),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => document.try_set_path(path, whole),
            None => document.try_set_path(path, number.as_f64().unwrap_or_default()),
        },
        other => {
            // JSON is YAML.
            let written = Document::from_str(&other.to_string()).ok();
            let list = written.as_ref().and_then(Document::as_sequence);
            let list =
                list.ok_or_else(|| format!("{path}: a value is a text, a number, a switch or a list of them"))?;
            document.try_set_path(path, list)
        }
    };
    done.map_err(|error| format!("{path}: {error}"))
}

fn add_server(document: &Document, settings: &[(&'static str, Json)]) -> Result<(), String> {
    let root = document.as_mapping().ok_or("the file holds no settings by name")?;
    let text: String = settings.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    let server = Document::from_str(&text).ok().and_then(|server| server.as_mapping());
    let server: Mapping = server.ok_or("the server cannot be written")?;
    match root.get_sequence("servers") {
        Some(servers) => servers.push(server),
        None => {
            let list = Document::from_str(&format!("- {}\n", text.trim_end().replace('\n', "\n  ")));
            let list = list.ok().and_then(|list| list.as_sequence()).ok_or("the server cannot be written")?;
            root.set("servers", list);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FILE: &str = "\
# what we have
retry:
  # how often
  max_attempts: 3  # three
  hedge_after: 2s

servers:
  # under the table
  - name: a # A
    rest: \"http://127.0.0.1:1\"

  - { name: b, rest: \"http://x\" }
# the end
";

    fn check(text: &str, edits: &[Edit], expected: &str) {
        let found = edited(text, edits).unwrap();
        assert_eq!(found, expected, "{edits:?}");
    }

    fn set(path: &str, value: Json) -> Edit {
        Edit::Set(path.into(), value)
    }

    #[test]
    fn only_what_is_changed_changes() {
        check(FILE, &[set("retry.max_attempts", json!(7))], &FILE.replace("max_attempts: 3", "max_attempts: 7"));
        check(FILE, &[set("retry.hedge_after", json!("5s"))], &FILE.replace("hedge_after: 2s", "hedge_after: 5s"));
        check(FILE, &[Edit::Unset("retry.hedge_after".into())], &FILE.replace("  hedge_after: 2s\n", ""));
        check(FILE, &[Edit::Unset("cache.ttl".into())], FILE);
        let more = "  hedge_after: 2s\n  max_delay: 9s\n";
        check(FILE, &[set("retry.max_delay", json!("9s"))], &FILE.replace("  hedge_after: 2s\n", more));
        let last = format!("{FILE}gateway:\n  hosts: [\"a\", \"b\"]\n");
        check(FILE, &[set("gateway.hosts", json!(["a", "b"]))], &last.replace("\"a\", \"b\"", "\"a\",\"b\""));
    }

    #[test]
    fn servers_come_and_go() {
        let server = || Edit::AddServer(vec![("name", json!("c")), ("rest", json!("http://y"))]);
        let added = "  - { name: b, rest: \"http://x\" }\n  - name: \"c\"\n    rest: \"http://y\"\n";
        check(FILE, &[server()], &FILE.replace("  - { name: b, rest: \"http://x\" }\n", added));
        check(FILE, &[Edit::RemoveServer(1)], &FILE.replace("\n  - { name: b, rest: \"http://x\" }\n", "\n"));
        let alone = "servers:\n- name: \"c\"\n  rest: \"http://y\"\n";
        check("", &[server()], alone);
        check("# mine\n", &[server()], &format!("# mine\n{alone}"));
        check(alone, &[Edit::RemoveServer(0), set("retry.max_attempts", json!(2))], "retry:\n  max_attempts: 2\n");
        assert!(edited(FILE, &[Edit::RemoveServer(9)]).is_err());
    }

    #[test]
    fn a_file_of_comments_alone_is_begun() {
        check("# a\n#x: 1\n", &[set("cache.enabled", json!(true))], "# a\n#x: 1\ncache:\n  enabled: true\n");
        check(
            "cache:\n  # enabled: true\n",
            &[set("cache.enabled", json!(true))],
            "cache:\n  enabled: true\n  # enabled: true\n",
        );
        assert!(edited("- 1\n", &[set("a.b", json!(1))]).is_err());
    }
}
