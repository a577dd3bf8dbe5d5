//! Servers: their cards, finding new ones, adding and deleting them, draining.

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use longshore_core::ErrorKind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Desk, Problem, Refusal,
    find::{self, Probe, Scan},
    live::Server,
    settings::Edit,
};

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new()
        .routes(routes!(servers, add))
        .routes(routes!(probe))
        .routes(routes!(scan))
        .routes(routes!(remove_server))
        .routes(routes!(drain))
}

/// All servers.
#[derive(Debug, Serialize, ToSchema)]
struct Servers {
    /// In the order of the configuration.
    servers: Vec<Server>,
}

/// All servers, as they were when they were last asked; they are asked anew beside this.
#[utoipa::path(get, path = "/servers", tag = "servers", responses((status = 200, body = Servers)))]
async fn servers(State(desk): State<Desk>) -> Json<Servers> {
    desk.watched.ask(&desk.live.now());
    Json(Servers { servers: desk.cards() })
}

/// An address that may be a server's.
#[derive(Debug, Deserialize, ToSchema)]
struct Address {
    /// Such as `http://127.0.0.1:11434`; without a scheme, `http://`.
    url: String,
    /// The environment variable whose value is sent as a token.
    #[serde(default)]
    token_env: Option<String>,
}

/// Asks who is at an address.
#[utoipa::path(post, path = "/servers/probe", tag = "servers", request_body = Address,
    responses((status = 200, body = Probe)))]
async fn probe(State(desk): State<Desk>, Json(address): Json<Address>) -> Result<Json<Probe>, Refusal> {
    let found = find::probe(&desk, &address.url, address.token_env.as_deref()).await;
    found.map(Json).map_err(|error| Refusal::new(&format!("ask {}", address.url), &error))
}

/// Asks this machine's usual ports. Ports where nobody listens are not asked further.
#[utoipa::path(post, path = "/servers/scan", tag = "servers", responses((status = 200, body = Scan)))]
async fn scan(State(desk): State<Desk>) -> Json<Scan> {
    Json(find::scan(&desk).await)
}

/// A server to be.
#[derive(Debug, Deserialize, ToSchema)]
struct NewServer {
    /// What it is called.
    name: String,
    /// Its REST address.
    #[serde(default)]
    rest: Option<String>,
    /// Its gRPC address.
    #[serde(default)]
    grpc: Option<String>,
    /// What it speaks; found out where nobody says.
    #[serde(default)]
    dialect: Option<String>,
    /// The environment variable that holds its token.
    #[serde(default)]
    token_env: Option<String>,
}

/// Adds a server to the configuration file and calls it from now on.
#[utoipa::path(post, path = "/servers", tag = "servers", request_body = NewServer,
    responses((status = 201, body = Server), (status = 422, body = Problem)))]
async fn add(State(desk): State<Desk>, Json(new): Json<NewServer>) -> Result<(StatusCode, Json<Server>), Refusal> {
    let what = format!("add the server `{}`", new.name);
    let mut settings: Vec<(&'static str, Value)> = vec![("name", json!(new.name))];
    let word = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let addresses = [("rest", word(new.rest)), ("grpc", word(new.grpc))];
    for (name, address) in addresses {
        settings.extend(address.map(|address| (name, json!(find::with_scheme(&address)))));
    }
    settings.extend(word(new.dialect).filter(|dialect| dialect != "auto").map(|dialect| ("dialect", json!(dialect))));
    settings.extend(word(new.token_env).map(|variable| ("credential", json!({ "env": variable }))));
    desk.change(&what, vec![Edit::AddServer(settings)]).await?;
    desk.watched.ask(&desk.live.now());
    let card = desk.cards().into_iter().find(|card| card.name == new.name);
    let card = card.ok_or_else(|| Refusal::missing(&what, "it was saved, and is hidden by a variable or a flag"))?;
    Ok((StatusCode::CREATED, Json(card)))
}

/// Takes a server out of the configuration file. Calls that it works on go on.
#[utoipa::path(delete, path = "/servers/{name}", tag = "servers", params(("name" = String, Path)),
    responses((status = 204)))]
async fn remove_server(State(desk): State<Desk>, Path(name): Path<String>) -> Result<StatusCode, Refusal> {
    let what = format!("delete the server `{name}`");
    let place = desk.settings().config.servers.iter().position(|server| server.name.as_str() == name);
    let Some(place) = place else {
        let refusal = Refusal::missing(&what, format!("the configuration has no server `{name}`"));
        return Err(refusal.next("the engine is turned off under Settings, engine.enabled"));
    };
    desk.change(&what, vec![Edit::RemoveServer(place)]).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether a server takes calls.
#[derive(Debug, Deserialize, ToSchema)]
struct Drain {
    /// It gets no more calls that do not name it.
    drain: bool,
}

/// Lets a server come to rest, or ends that. Holds until the program ends.
#[utoipa::path(post, path = "/servers/{name}/drain", tag = "servers", params(("name" = String, Path)),
    request_body = Drain, responses((status = 204)))]
async fn drain(
    State(desk): State<Desk>,
    Path(name): Path<String>,
    Json(drain): Json<Drain>,
) -> Result<StatusCode, Refusal> {
    let done = desk.live.now().drain(&name, drain.drain);
    done.map_err(|error| {
        let status = StatusCode::NOT_FOUND;
        Refusal::with_status("drain the server", status, ErrorKind::InvalidRequest, error.message())
    })?;
    desk.tell();
    Ok(StatusCode::NO_CONTENT)
}
