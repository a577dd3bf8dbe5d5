//! Loading and unloading, as llama-server's router has it beside OpenAI's API. Its word comes before its deed: a load
//! is accepted at once and goes on in the background, so the answer ends as [`accepted`], never as done.
//!
//! Source: recorded exchanges of llama-server in router mode.

use bytes::Bytes;
use serde_json::json;

use crate::{Call, Error, ErrorKind, EventKind, Finish, ModelState, capability::OpKind, model::Progress};

pub(super) const LOAD: &str = "/models/load";
pub(super) const UNLOAD: &str = "/models/unload";
/// The extension by which [`server_of`](super::models::server_of) marks a router.
pub(super) const ROUTER: &str = "router";

/// How a lifecycle answer ends whose work goes on.
pub(super) fn accepted() -> Finish {
    Finish::Other("accepted".into())
}

pub(super) fn body(call: &Call) -> Bytes {
    json!({"model": call.model_name()}).to_string().into()
}

/// What a reply to a load or unload tells. Asking for what is already so is no failure.
pub(super) fn outcome(op: OpKind, model: &str, reply: Result<(), Error>) -> Result<(EventKind, Finish), Error> {
    let told = |state| EventKind::Progress(Progress { model: model.into(), state, ..Progress::default() });
    match reply {
        Ok(()) if op == OpKind::Load => Ok((told(ModelState::Loading), accepted())),
        Ok(()) => Ok((told(ModelState::Draining), accepted())),
        Err(error) if error.message() == "model is already running" => Ok((told(ModelState::Ready), Finish::Stop)),
        Err(error) if error.message() == "model is not running" => Ok((told(ModelState::Unloaded), Finish::Stop)),
        Err(error) if error.http_status() == Some(404) => {
            // Which models there are, the router does not say.
            let message = format!("no model `{model}` on this server");
            Err(Error::new(ErrorKind::UnknownModel, message).status(404).sent(error.was_sent()))
        }
        Err(error) => Err(error),
    }
}
