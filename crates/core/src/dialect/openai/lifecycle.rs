//! Loading and unloading, which OpenAI's API itself does not have: three members of the family do, each in its way.
//!
//! llama-server's router accepts at once and goes on in the background, so the answer ends as [`accepted`], never as
//! done. LM Studio answers when it is done; it loads another instance when one is there already, so a load is a look at
//! the list then. vLLM has one model and puts it to sleep; adapters to it (LoRA) come from a folder and go again
//! while it runs.
//!
//! Source: recorded exchanges of llama-server in router mode; the documentation of LM Studio and vLLM.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{family, lmstudio};
use crate::{
    Call, Error, ErrorKind, EventKind, Finish, ModelState, Op, Parameters, ServerInfo, capability::OpKind,
    dialect::parameters, model::Progress,
};

/// The extension of llama-server in router mode.
pub(super) const ROUTER: &str = "router";
/// The extension of vLLM in development mode.
pub(super) const SLEEP: &str = "sleep";

/// The extension of vLLM where adapters may come and go (`VLLM_ALLOW_RUNTIME_LORA_UPDATING`).
pub(super) const ADAPTERS: &str = "lora";

pub(super) const LOAD_ADAPTER: &str = "/v1/load_lora_adapter";
const UNLOAD_ADAPTER: &str = "/v1/unload_lora_adapter";
/// The option of a load that says where an adapter is, in the server's own file system.
const ADAPTER_PATH: &str = "lora_path";

/// A way to load and unload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lifecycle {
    /// llama-server's router.
    Router,
    /// LM Studio.
    Instances,
    /// vLLM's adapters.
    Adapters,
    /// vLLM's model.
    Sleep,
}

/// What a load or unload is written as.
pub(super) struct Written {
    pub(super) path: String,
    /// `None`: a `GET`.
    pub(super) body: Option<Bytes>,
}

impl Lifecycle {
    pub(super) const ALL: [Self; 4] = [Self::Router, Self::Instances, Self::Adapters, Self::Sleep];

    /// Whether a peer has it.
    pub(super) fn is_of(self, peer: &ServerInfo) -> bool {
        peer.extensions.iter().any(|extension| extension == self.extension())
    }

    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Router => ROUTER,
            Self::Instances => lmstudio::INSTANCES,
            Self::Adapters => ADAPTERS,
            Self::Sleep => SLEEP,
        }
    }

    /// What must be asked or done before: whether it is an adapter that vLLM is to unload; LM Studio's instances are
    /// looked up, and unloaded but for the last.
    pub(super) fn aside(self, call: &Call, peer: &ServerInfo) -> Option<Written> {
        if self == Self::Adapters && matches!(*call.op, Op::Unload { .. }) && peer.told.is_empty() {
            return Some(Written { path: super::MODELS.to_owned(), body: None });
        }
        let Self::Instances = self else { return None };
        let Some(done) = peer.told.len().checked_sub(1) else {
            return Some(Written { path: lmstudio::MODELS.to_owned(), body: None });
        };
        let instances = lmstudio::instances(peer.told.first(), call.model_name());
        let rest = matches!(*call.op, Op::Unload { .. }) && done + 1 < instances.len();
        rest.then(|| unload_instance(&instances[done]))
    }

    /// # Errors
    /// `InvalidRequest` where the call leaves out what this way needs, `Unsupported` where it has no words for it.
    pub(super) fn write(self, call: &Call, peer: &ServerInfo) -> Result<Written, Error> {
        let (loads, options) = match &*call.op {
            Op::Unload { parameters } => (false, parameters),
            Op::Load { parameters } => (true, parameters),
            _ => (true, &EMPTY),
        };
        let post = |path: &str, body: Value| Written { path: path.to_owned(), body: Some(body.to_string().into()) };
        Ok(match self {
            Self::Router if loads => post("/models/load", json!({"model": call.model_name()})),
            Self::Router => post("/models/unload", json!({"model": call.model_name()})),
            Self::Instances => {
                let mut instances = lmstudio::instances(peer.told.first(), call.model_name());
                match (loads, instances.pop()) {
                    (true, None) => post(lmstudio::LOAD, named("model", options, call)),
                    // With options it is another instance that is wanted.
                    (true, Some(_)) if !options.is_empty() => post(lmstudio::LOAD, named("model", options, call)),
                    (false, Some(last)) => unload_instance(&last),
                    _ => Written { path: lmstudio::MODELS.to_owned(), body: None },
                }
            }
            Self::Adapters if loads => {
                if !options.contains_key(ADAPTER_PATH) {
                    let message = "this vLLM loads adapters: say where, with the option `lora_path` (a folder or a \
                                   repository, as the server sees it)";
                    return Err(Error::invalid(message));
                }
                post(LOAD_ADAPTER, named("lora_name", options, call))
            }
            Self::Adapters if is_adapter(peer.told.first(), call.model_name()) => {
                post(UNLOAD_ADAPTER, named("lora_name", options, call))
            }
            Self::Adapters => {
                let message = format!("`{}` is no adapter: this vLLM has it as long as it runs", call.model_name());
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
            Self::Sleep if loads => Written { path: "/wake_up".to_owned(), body: Some(Bytes::new()) },
            Self::Sleep => {
                // 1 keeps the weights in the memory of the machine, 2 drops them.
                let level = options.get("level").and_then(crate::Parameter::as_i64).unwrap_or(1);
                Written { path: format!("/sleep?level={level}"), body: Some(Bytes::new()) }
            }
        })
    }

    /// What a reply to a load or unload tells. Asking for what is already so is no failure.
    pub(super) fn outcome(
        self,
        op: OpKind,
        model: &str,
        reply: Result<Value, Error>,
    ) -> Result<(EventKind, Finish), Error> {
        let told = |state| EventKind::Progress(Progress { model: model.into(), state, ..Progress::default() });
        let loads = op == OpKind::Load;
        if self == Self::Adapters {
            return match reply {
                Err(error) if loads && error.message().contains("has already been loaded") => {
                    Ok((told(ModelState::Ready), Finish::Stop))
                }
                Err(error) if !loads && error.message().contains("cannot be found") => {
                    Ok((told(ModelState::Unloaded), Finish::Stop))
                }
                reply => {
                    reply.map(|_| (told(if loads { ModelState::Ready } else { ModelState::Unloaded }), Finish::Stop))
                }
            };
        }
        if self != Self::Router {
            let list = lmstudio::read(&reply?);
            let state = match list.map(|list| list.into_iter().find(|listed| &*listed.id == model)) {
                Some(None) => return Err(unknown(model)),
                Some(Some(listed)) => listed.state,
                None if loads => ModelState::Ready,
                None => ModelState::Unloaded,
            };
            return Ok((told(state), Finish::Stop));
        }
        match reply {
            Ok(_) if loads => Ok((told(ModelState::Loading), accepted())),
            Ok(_) => Ok((told(ModelState::Draining), accepted())),
            Err(error) if error.message() == "model is already running" => Ok((told(ModelState::Ready), Finish::Stop)),
            Err(error) if error.message() == "model is not running" => Ok((told(ModelState::Unloaded), Finish::Stop)),
            // Which models there are, the router does not say.
            Err(error) if error.http_status() == Some(404) => Err(unknown(model).status(404).sent(error.was_sent())),
            Err(error) => Err(error),
        }
    }
}

static EMPTY: Parameters = Parameters::new();

/// How a lifecycle answer ends whose work goes on.
fn accepted() -> Finish {
    Finish::Other("accepted".into())
}

fn unknown(model: &str) -> Error {
    Error::new(ErrorKind::UnknownModel, format!("no model `{model}` on this server"))
}

/// The way that a load or unload goes; `None` of other calls, and where the peer has none.
pub(super) fn of_call(call: &Call, peer: &ServerInfo) -> Option<Lifecycle> {
    let adapter = match &*call.op {
        Op::Load { parameters } => parameters.contains_key(ADAPTER_PATH),
        Op::Unload { .. } => is_adapter(peer.told.first(), call.model_name()),
        _ => return None,
    };
    let mut ways = family::lifecycles(peer).filter(|way| *way != Lifecycle::Adapters || adapter);
    ways.next().or_else(|| family::lifecycles(peer).next())
}

/// Whether the list that vLLM has told has it as an adapter to another model.
fn is_adapter(told: Option<&Option<Bytes>>, model: &str) -> bool {
    let list: Value =
        told.and_then(Option::as_ref).and_then(|list| serde_json::from_slice(list).ok()).unwrap_or_default();
    let mut models = list["data"].as_array().into_iter().flatten();
    models.any(|card| card["id"] == model && card["parent"].is_string())
}

fn named(name: &str, options: &Parameters, call: &Call) -> Value {
    let mut body = Map::from_iter([(name.to_owned(), Value::from(call.model_name()))]);
    body.extend(parameters::object(options));
    body.into()
}

fn unload_instance(id: &str) -> Written {
    Written { path: lmstudio::UNLOAD.to_owned(), body: Some(json!({"instance_id": id}).to_string().into()) }
}

/// The state of vLLM's models, where it has told whether it sleeps.
pub(super) fn asleep(told: Option<&Option<Bytes>>) -> Option<bool> {
    let told: Value = serde_json::from_slice(told?.as_ref()?).ok()?;
    told["is_sleeping"].as_bool()
}

/// What must be asked before a list, for its states to be true.
pub(super) fn before_list(peer: &ServerInfo) -> Option<Written> {
    let sleeps = Lifecycle::Sleep.is_of(peer) && peer.told.is_empty();
    sleeps.then(|| Written { path: family::IS_SLEEPING.to_owned(), body: None })
}
