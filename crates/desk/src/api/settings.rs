//! Settings: all of them, and changing some.

use axum::{Json, extract::State};
use longshore_config::{Origin, settings_list};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Desk, Problem, Refusal,
    settings::{Edit, needs_restart},
    words,
};

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new().routes(routes!(settings, change_settings))
}

/// All settings but those of servers, which have a screen of their own.
#[derive(Debug, Serialize, ToSchema)]
struct Settings {
    /// The file that changes are written to, if there is one already.
    file: Option<String>,
    /// In the order of the documentation.
    settings: Vec<Setting>,
}

/// A setting.
#[derive(Debug, Serialize, ToSchema)]
struct Setting {
    /// Such as `retry.max_attempts`.
    path: String,
    /// Such as `retry`.
    section: String,
    /// Such as `duration`, `whole number`, `switch`, `list`.
    kind: String,
    /// As it would be written; null where it is not set.
    value: Value,
    /// What holds where nothing is set.
    default: Value,
    /// Where the value comes from: `default`, a place in the file, a variable, a flag.
    origin: String,
    /// What it means.
    doc: String,
    /// What it may be, in words.
    range: Option<String>,
    /// The words that it may be.
    choices: Option<Vec<String>>,
    /// It says where a secret is kept.
    secret: bool,
    /// When a change of it holds.
    #[schema(value_type = words::Effect)]
    effect: &'static str,
}

/// All settings.
#[utoipa::path(get, path = "/settings", tag = "settings", responses((status = 200, body = Settings)))]
async fn settings(State(desk): State<Desk>) -> Json<Settings> {
    let loaded = desk.settings();
    let shown = loaded.settings();
    let all = settings_list().into_iter().filter(|one| one.section != "servers");
    let settings = all.map(|one| {
        // Lists are shown item by item, and are one setting here.
        let items =
            shown.iter().filter(|shown| shown.path.strip_prefix(&*one.path).is_some_and(|rest| rest.starts_with('[')));
        let value = match one.kind {
            "list" => items.map(|shown| shown.value.clone()).collect(),
            _ => shown.iter().find(|shown| shown.path == one.path).map_or(Value::Null, |shown| shown.value.clone()),
        };
        let origin = loaded.origins.of(&one.path);
        Setting {
            effect: if needs_restart(&one.path) { "restart" } else { "live" },
            value,
            origin: match origin {
                Origin::Default => "default".into(),
                other => other.to_string(),
            },
            path: one.path,
            section: one.section.into(),
            kind: one.kind.into(),
            default: one.default,
            doc: one.doc,
            range: one.range,
            choices: Some(one.choices.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
                .filter(|all| !all.is_empty()),
            secret: one.secret,
        }
    });
    let file = desk.config_file();
    Json(Settings { settings: settings.collect(), file: file.is_file().then(|| file.display().to_string()) })
}

/// Settings that shall be changed, all or none.
#[derive(Debug, Deserialize, ToSchema)]
struct Changes {
    /// One by one.
    changes: Vec<Change>,
}

/// A setting that shall be changed.
#[derive(Debug, Deserialize, ToSchema)]
struct Change {
    /// Which.
    path: String,
    /// To what; null leaves it to its default.
    value: Value,
}

/// What a change came to.
#[derive(Debug, Serialize, ToSchema)]
struct Saved {
    /// The file.
    saved_to: String,
    /// The settings that hold now.
    applied: Vec<String>,
    /// Those that hold after a new start.
    restart: Vec<String>,
    /// Those that something stronger than the file keeps as they were.
    overridden: Vec<Overridden>,
}

/// A setting that something stronger than the file keeps as it was.
#[derive(Debug, Serialize, ToSchema)]
struct Overridden {
    /// Which.
    path: String,
    /// By what: a variable, a flag.
    by: String,
}

/// Changes settings in the configuration file, whose comments stay, and puts into effect what can be.
#[utoipa::path(put, path = "/settings", tag = "settings", request_body = Changes,
    responses((status = 200, body = Saved), (status = 422, body = Problem)))]
async fn change_settings(State(desk): State<Desk>, Json(changes): Json<Changes>) -> Result<Json<Saved>, Refusal> {
    const WHAT: &str = "save the settings";
    let known = settings_list();
    let mut edits = Vec::new();
    for Change { path, value } in changes.changes {
        if !known.iter().any(|one| one.path == path && one.section != "servers") {
            return Err(Refusal::invalid(WHAT, format!("there is no setting {path:?}")));
        }
        edits.push(if value.is_null() { Edit::Unset(path) } else { Edit::Set(path, value) });
    }
    let changed = desk.change(WHAT, edits).await?;
    Ok(Json(Saved {
        saved_to: changed.saved_to.display().to_string(),
        applied: changed.applied,
        restart: changed.restart,
        overridden: changed.overridden.into_iter().map(|(path, by)| Overridden { path, by }).collect(),
    }))
}
