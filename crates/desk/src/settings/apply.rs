//! From edits to effect: read, compare, build, write, swap.

use std::{fs, io, path::PathBuf};

use http::StatusCode;
use longshore_config::{Config, Loaded, Origin, Problems, Shown};
use longshore_core::ErrorKind;

use super::{Edit, edit::edited, needs_restart};
use crate::{Desk, Refusal, files, problem::SettingProblem};

/// What a change came to.
#[derive(Debug)]
pub(crate) struct Changed {
    /// The file.
    pub(crate) saved_to: PathBuf,
    /// The settings that were changed and hold now.
    pub(crate) applied: Vec<String>,
    /// Those that hold after a new start.
    pub(crate) restart: Vec<String>,
    /// Those that a variable or a flag keeps as they were, with its name.
    pub(crate) overridden: Vec<(String, String)>,
}

impl Desk {
    /// Changes the configuration file, and puts into effect what can be. Changes come one after the other. `what` is
    /// being done, for the refusal.
    ///
    /// # Errors
    /// 422 with every problem, and nothing has changed; or the file cannot be read or written.
    pub(crate) async fn change(&self, what: &str, edits: Vec<Edit>) -> Result<Changed, Refusal> {
        let _turn = self.changing.lock().await;
        let desk = self.clone();
        let what = what.to_owned();
        // Files are read and certificates loaded: not on a worker that answers others.
        let work = tokio::task::spawn_blocking(move || desk.change_now(&what, &edits));
        work.await.unwrap_or_else(|_| Err(failed("change the settings", "it broke off")))
    }

    fn change_now(&self, what: &str, edits: &[Edit]) -> Result<Changed, Refusal> {
        let path = self.config_file();
        let before = match fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(what, &format!("{}: {error}", path.display()))),
        };
        let text = edited(before.as_deref().unwrap_or_default(), edits).map_err(|reason| failed(what, &reason))?;
        let house = &self.options.house;
        let loaded = house.load(Some(&text)).map_err(|problems| unsound(what, &problems))?;
        // Somebody may have changed the file by hand since it was read: what stands there is what is compared.
        let old = house.load(before.as_deref()).map_err(|problems| unsound(what, &problems))?;
        let changed = compare(&path, edits, &old, &loaded).map_err(|reason| failed(what, &reason))?;
        let current = self.settings();
        let fleet = if for_fleet(&loaded.config) == for_fleet(&current.config) {
            None
        } else {
            Some(house.build(&loaded.config).map_err(|error| {
                let problem = SettingProblem { path: String::new(), message: error.message().to_owned() };
                Refusal::new(what, &error.status(422)).problems(vec![problem])
            })?)
        };
        if before.as_deref() != Some(&text) {
            files::replace(&path, text.as_bytes())
                .map_err(|error| failed(what, &format!("{}: {error}", path.display())))?;
        }
        self.put_in_effect(loaded, fleet);
        Ok(changed)
    }
}

/// The settings that a fleet is made of.
fn for_fleet(config: &Config) -> Config {
    let Config { gateway, logging, metrics, desk, .. } = Config::default();
    Config { gateway, logging, metrics, desk, ..config.clone() }
}

/// Whether the edits did what was asked and nothing else.
fn compare(path: &std::path::Path, edits: &[Edit], old: &Loaded, new: &Loaded) -> Result<Changed, String> {
    let meant: Vec<&str> = edits
        .iter()
        .map(|edit| match edit {
            Edit::Set(path, _) | Edit::Unset(path) => path.as_str(),
            Edit::AddServer(_) | Edit::RemoveServer(_) => "servers",
        })
        .collect();
    let is_meant = |path: &str| {
        let below = |meant: &&str| {
            path.strip_prefix(*meant).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        meant.iter().any(below)
    };
    let (old, new) = (old.settings(), new.settings());
    let value = |all: &[Shown], path: &str| all.iter().find(|one| one.path == path).map(|one| one.value.clone());
    let touched = old.iter().chain(&new).filter(|one| !is_meant(&one.path));
    for other in touched {
        if value(&old, &other.path) != value(&new, &other.path) {
            return Err(format!("the file cannot be edited without changing {} too", other.path));
        }
    }
    let mut changed =
        Changed { saved_to: path.to_owned(), applied: Vec::new(), restart: Vec::new(), overridden: Vec::new() };
    for meant in meant {
        let origin = new.iter().find(|one| one.path == meant).map(|one| &one.origin);
        match origin {
            Some(origin @ (Origin::Env { .. } | Origin::Flag { .. })) => {
                changed.overridden.push((meant.to_owned(), origin.to_string()));
            }
            _ if needs_restart(meant) => changed.restart.push(meant.to_owned()),
            _ => changed.applied.push(meant.to_owned()),
        }
    }
    Ok(changed)
}

fn unsound(what: &str, problems: &Problems) -> Refusal {
    let list = problems.iter().map(|problem| {
        let hint = problem.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
        SettingProblem { path: problem.path.clone(), message: format!("{}{hint}", problem.message) }
    });
    let message = match problems.iter().count() {
        1 => "a setting is wrong; nothing was changed".to_owned(),
        count => format!("{count} settings are wrong; nothing was changed"),
    };
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    Refusal::with_status(what, status, ErrorKind::InvalidRequest, message).problems(list.collect())
}

fn failed(what: &str, reason: &str) -> Refusal {
    Refusal::with_status(what, StatusCode::INTERNAL_SERVER_ERROR, ErrorKind::Server, reason)
        .next("change the file by hand, and start Longshore again")
}
