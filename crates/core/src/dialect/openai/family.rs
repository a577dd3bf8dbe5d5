//! The members of the family, told apart by what they say, and what each has beyond the API they share.
//!
//! A member is recognised in two steps: the list of models names its owner, and a known owner is asked a little more.
//! Whoever is not known is not bothered. What was found out stands in the server's name and extensions.
//!
//! Source: recorded exchanges of llama-server; the documentation of vLLM and LM Studio.

use bytes::Bytes;
use http::{header::SERVER, response};
use serde_json::Value;

use super::lifecycle::{ADAPTERS, LOAD_ADAPTER, Lifecycle, ROUTER, SLEEP};
use super::lmstudio;
use crate::{ErrorKind, ServerInfo};

/// One member.
pub(super) struct Member {
    name: &'static str,
    /// What it writes as `owned_by` into its list of models.
    owner: &'static str,
    /// What it is asked once it is recognised, by `GET`.
    asks: &'static [&'static str],
    /// What the answers say: its version, and its extensions.
    learn: fn(&[Value]) -> (String, Vec<&'static str>),
    /// What a stream without a word means.
    pub(super) empty_stream: ErrorKind,
}

/// What holds of everybody of whom nothing else is known.
const OTHER: Member = Member {
    name: "openai",
    owner: "",
    asks: &[],
    learn: |_| (String::new(), Vec::new()),
    empty_stream: ErrorKind::Interrupted,
};

static FAMILY: &[Member] = &[
    Member { name: "longshore", owner: "longshore", ..OTHER },
    // A router says so; its list shows it too, unless it is empty.
    Member { name: "llama.cpp", owner: "llamacpp", asks: &["/props"], learn: of_props, ..OTHER },
    // Sleeping is there in its development mode alone, adapters can come and go where that was allowed at its start: its
    // own description lists the routes that there are.
    Member { name: "vllm", owner: "vllm", asks: &["/version", IS_SLEEPING, ROUTES], learn: of_vllm, ..OTHER },
    Member { name: LMSTUDIO, owner: "organization_owner", asks: &[lmstudio::MODELS], learn: of_lmstudio, ..OTHER },
    // Its own API has a dialect of its own.
    Member { name: "ollama", owner: "library", ..OTHER },
    // A prompt that is too long is answered with a stream that says nothing, at 200.
    Member { name: "llama-cpp-python", owner: "me", empty_stream: ErrorKind::ContextTooLong, ..OTHER },
    Member { name: "sglang", owner: "sglang", ..OTHER },
    // LM Studio may list loaded models alone; then an empty list is all that there is to recognise it by.
    Member { name: NOBODY, asks: &[lmstudio::MODELS], learn: of_lmstudio, ..OTHER },
    OTHER,
];

const LMSTUDIO: &str = "lmstudio";
/// Whoever lists no model, until it has been asked for more.
const NOBODY: &str = "openai-without-models";
pub(super) const IS_SLEEPING: &str = "/is_sleeping";
const ROUTES: &str = "/openapi.json";

/// The member that a peer is.
pub(super) fn member(peer: &ServerInfo) -> &'static Member {
    FAMILY.iter().find(|member| *member.name == *peer.name).unwrap_or(&OTHER)
}

/// The next thing to ask of a peer that is recognised.
pub(super) fn question(peer: &ServerInfo) -> Option<&'static str> {
    member(peer).asks.get(peer.told.len()).copied()
}

/// Who serves a list of models, as far as it shows, and as far as it has told since.
pub(super) fn recognise(list: &Value, head: &response::Parts, told: &[Option<Bytes>]) -> ServerInfo {
    let first = &list["data"][0];
    let owner = first["owned_by"].as_str().unwrap_or_default();
    let header = head.headers.get(SERVER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let by_owner = || FAMILY.iter().find(|member| !owner.is_empty() && member.owner == owner);
    let by_header = || FAMILY.iter().find(|member| member.name == header);
    let without_models = || FAMILY.iter().find(|member| member.name == NOBODY && first.is_null());
    let member = by_owner().or_else(by_header).or_else(without_models).unwrap_or(&OTHER);
    let mut server = ServerInfo { name: member.name.into(), ..ServerInfo::default() };
    // The router tells a status; no other member does.
    if first["status"]["value"].is_string() {
        server.extensions.push(ROUTER.to_owned());
    }
    if !told.is_empty() {
        let told: Vec<Value> = told.iter().map(|body| body.as_deref().map(json).unwrap_or_default()).collect();
        let (version, extensions) = (member.learn)(&told);
        server.version = version;
        if member.name == NOBODY {
            server.name = if extensions.is_empty() { OTHER.name.into() } else { LMSTUDIO.into() };
        }
        for word in extensions {
            if !server.extensions.iter().any(|known| known == word) {
                server.extensions.push(word.to_owned());
            }
        }
    }
    server
}

/// How a peer loads and unloads, if it does; vLLM may have two ways, for its model and for adapters to it.
pub(super) fn lifecycles(peer: &ServerInfo) -> impl Iterator<Item = Lifecycle> {
    Lifecycle::ALL.into_iter().filter(|way| way.is_of(peer))
}

/// An answer to an aside; some have nothing to say but that they are there.
fn json(body: &[u8]) -> Value {
    if body.is_empty() { Value::Bool(true) } else { serde_json::from_slice(body).unwrap_or_default() }
}

fn of_props(told: &[Value]) -> (String, Vec<&'static str>) {
    let props = told.first().unwrap_or(&Value::Null);
    (text(&props["build_info"]), Vec::from_iter((props["role"] == "router").then_some(ROUTER)))
}

fn of_vllm(told: &[Value]) -> (String, Vec<&'static str>) {
    let version = told.first().map(|version| text(&version["version"])).unwrap_or_default();
    let sleeps = told.get(1).is_some_and(|told| told["is_sleeping"].is_boolean());
    let adapts = told.get(2).is_some_and(|routes| routes["paths"][LOAD_ADAPTER]["post"].is_object());
    (version, [sleeps.then_some(SLEEP), adapts.then_some(ADAPTERS)].into_iter().flatten().collect())
}

fn of_lmstudio(told: &[Value]) -> (String, Vec<&'static str>) {
    let lists = told.first().is_some_and(|list| list["models"].is_array());
    (String::new(), Vec::from_iter(lists.then_some(lmstudio::INSTANCES)))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
