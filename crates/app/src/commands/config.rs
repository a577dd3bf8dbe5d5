//! `longshore config …`: check, show, begin and explain the configuration. Asks no server.

use std::{fs, io::Write, path::Path};

use longshore_config::{Credential, Loaded, json_schema, starter_file};
use serde_json::{Value, json};

use crate::{
    cli::{Config, Global},
    context,
    exit::Failure,
    terminal::{Out, Style, table::Table},
};

/// Does what the subcommand says.
pub(crate) fn run(command: Config, global: &Global, out: &mut Out) -> Result<(), Failure> {
    match command {
        Config::Check => check(global, out),
        Config::Show { origins } => show(origins, global, out),
        Config::Init { file, force } => init(&file, force, out),
        Config::Schema => out.json(&json_schema()),
        Config::Paths => paths(global, out),
    }
}

/// Secrets that are not there are no fault of the file: it may be checked on another machine than it is used on.
fn check(global: &Global, out: &mut Out) -> Result<(), Failure> {
    let found = context::load(global, &[])?;
    let missing = missing_secrets(&found.loaded);
    let file = found.file.as_ref().map(|file| file.display().to_string());
    if out.manner.json {
        return out.json(&json!({ "ok": true, "file": file, "warnings": missing }));
    }
    for warning in missing {
        out.note(&format!("warning: {warning}"));
    }
    match file {
        Some(file) => out.styled(Style::Green, &format!("{file} is sound")),
        None => out.styled(Style::Green, "there is no configuration file, and what variables and flags set is sound"),
    }
}

fn missing_secrets(loaded: &Loaded) -> Vec<String> {
    let config = &loaded.config;
    let servers = config
        .servers
        .iter()
        .filter_map(|server| Some((format!("server {}", server.name), server.credential.as_ref()?)));
    let gateway = config.gateway.token.as_ref().map(|token| ("the gateway".to_owned(), token));
    let missing = |(whose, credential): (String, &Credential)| {
        let error = credential.resolve(&context::variable).err()?;
        Some(format!("the credential of {whose}: {error}"))
    };
    servers.chain(gateway).filter_map(missing).collect()
}

fn show(origins: bool, global: &Global, out: &mut Out) -> Result<(), Failure> {
    let loaded = context::load(global, &[])?.loaded;
    if !out.manner.json {
        return out.raw_line(&loaded.to_yaml(origins));
    }
    if !origins {
        return out.json(&loaded.to_json());
    }
    let settings: Vec<Value> = loaded
        .settings()
        .into_iter()
        .map(|setting| json!({ "path": setting.path, "value": setting.value, "origin": setting.origin.to_string() }))
        .collect();
    out.json(&json!({ "settings": settings }))
}

fn init(file: &Path, force: bool, out: &mut Out) -> Result<(), Failure> {
    let written = if force { fs::File::create(file) } else { fs::File::create_new(file) }
        .and_then(|mut opened| opened.write_all(starter_file().as_bytes()));
    match written {
        Ok(()) if out.manner.json => out.json(&json!({ "file": file.display().to_string() })),
        Ok(()) => {
            out.line(format!("wrote {}: everything in it is explained and nothing is set", file.display()))?;
            out.line("next: name your servers in it, then `longshore config check` and `longshore servers`")
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(Failure::Other(format!("write {}: it exists; --force writes over it", file.display())))
        }
        Err(error) => Err(Failure::Other(format!("write {}: {error}", file.display()))),
    }
}

fn paths(global: &Global, out: &mut Out) -> Result<(), Failure> {
    let candidates = context::candidates(global);
    let used = candidates.iter().position(|candidate| candidate.path.is_file());
    let history = context::history_file().map(|path| path.display().to_string());
    if out.manner.json {
        let files: Vec<Value> = candidates.iter().enumerate().map(|(index, candidate)| {
            let path = candidate.path.display().to_string();
            json!({ "path": path, "reason": candidate.reason, "exists": candidate.path.is_file(), "used": used == Some(index) })
        }).collect();
        return out.json(&json!({ "configuration": files, "history": history }));
    }
    let mut table = Table::new(["FILE", "WHY", "STATE"]);
    for (index, candidate) in candidates.iter().enumerate() {
        let state = match (candidate.path.is_file(), used == Some(index)) {
            (_, true) => "used",
            (true, false) => "there, but an earlier one is used",
            (false, _) => "not there",
        };
        table.row([candidate.path.display().to_string(), candidate.reason.into(), state.into()]);
    }
    if let Some(history) = history {
        table.row([
            history.clone(),
            "questions asked in `chat`".into(),
            if Path::new(&history).is_file() { "there" } else { "not there" }.into(),
        ]);
    }
    out.line(table.text())
}
