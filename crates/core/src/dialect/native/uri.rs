//! Paths and queries, both ways, and the operations that need nothing else.

use std::sync::Arc;

use http::Method;
use percent_encoding::percent_decode_str;

use crate::{
    Call, Error, Op,
    call::HealthScope,
    dialect::{
        check_model_id,
        model_id::{from_path_segment, to_path_segment},
    },
};

const MODELS: &str = "/api/models";
const LOAD: &str = "/api/models/load";
const UNLOAD: &str = "/api/models/unload";
const PULL: &str = "/api/models/pull";
const INFER: &str = "/api/infer";
const HEALTH: &str = "/api/health";
const STATISTICS: &str = "/api/statistics";

/// What a method and a path stand for. Models are still percent-encoded.
#[derive(Debug, PartialEq)]
pub(super) enum Place<'a> {
    Models,
    Model(&'a str),
    Config(&'a str),
    Load,
    Unload,
    Pull,
    Infer,
    Health,
    Statistics,
}

impl<'a> Place<'a> {
    pub(super) fn of(method: &Method, path: &'a str) -> Option<Self> {
        match (method, path) {
            (&Method::GET, MODELS) => Some(Self::Models),
            (&Method::GET, HEALTH) => Some(Self::Health),
            (&Method::GET, STATISTICS) => Some(Self::Statistics),
            (&Method::POST, LOAD) => Some(Self::Load),
            (&Method::POST, UNLOAD) => Some(Self::Unload),
            (&Method::POST, PULL) => Some(Self::Pull),
            (&Method::POST, INFER) => Some(Self::Infer),
            (&Method::GET, _) => Self::of_model(path.strip_prefix(MODELS)?.strip_prefix('/')?),
            _ => None,
        }
    }

    /// `{id}` or `{id}/config`. Slashes of an id may stand as they are, except that one before a last `config` needs
    /// its percent-encoding.
    fn of_model(rest: &'a str) -> Option<Self> {
        match rest.strip_suffix("/config") {
            Some(id) if !id.is_empty() => Some(Self::Config(id)),
            _ => (!rest.is_empty()).then_some(Self::Model(rest)),
        }
    }
}

/// The path and query to send `call` to.
pub(super) fn written(call: &Call) -> Result<String, Error> {
    Ok(match &*call.op {
        Op::Chat(_) | Op::Complete(_) | Op::Embed(_) | Op::Infer(_) => INFER.into(),
        Op::Load { .. } => LOAD.into(),
        Op::Unload { .. } => UNLOAD.into(),
        Op::Pull { .. } => PULL.into(),
        Op::ListModels { ready_only: false } => MODELS.into(),
        Op::ListModels { ready_only: true } => format!("{MODELS}?ready=true"),
        Op::Describe { version } => {
            with_query(format!("{MODELS}/{}", to_path_segment(model(call)?)), &[("version", version)])
        }
        Op::ModelConfig { version } => {
            with_query(format!("{MODELS}/{}/config", to_path_segment(model(call)?)), &[("version", version)])
        }
        Op::Statistics { version } => with_query(STATISTICS.into(), &[("model", &call.model), ("version", version)]),
        Op::Health(HealthScope::Live) => format!("{HEALTH}?scope=live"),
        Op::Health(HealthScope::Ready) => format!("{HEALTH}?scope=ready"),
        Op::Health(HealthScope::Model { version }) => {
            model(call)?;
            with_query(HEALTH.into(), &[("model", &call.model), ("version", version)])
        }
        Op::ServerInfo => format!("{HEALTH}?scope=server"),
    })
}

/// The call that a path and query alone stand for.
pub(super) fn read(place: Place<'_>, query: &str) -> Result<Call, Error> {
    let query = Query(query);
    let version = query.get("version")?;
    Ok(match place {
        Place::Model(id) => Call::new(Op::Describe { version }).model(from_path_segment(id)?),
        Place::Config(id) => Call::new(Op::ModelConfig { version }).model(from_path_segment(id)?),
        Place::Statistics => Call { model: query.model()?, ..Call::new(Op::Statistics { version }) },
        Place::Health => return health(&query, version),
        Place::Models => match query.get("ready")?.as_deref() {
            None | Some("false") => Call::new(Op::ListModels { ready_only: false }),
            Some("true" | "") => Call::new(Op::ListModels { ready_only: true }),
            Some(other) => return Err(Error::invalid(format!("`ready` is true or false, not `{other}`"))),
        },
        Place::Load | Place::Unload | Place::Pull | Place::Infer => {
            return Err(Error::invalid("the request needs a body"));
        }
    })
}

fn health(query: &Query<'_>, version: Option<Arc<str>>) -> Result<Call, Error> {
    if let Some(model) = query.model()? {
        return Ok(Call::new(Op::Health(HealthScope::Model { version })).model(model));
    }
    match query.get("scope")?.as_deref() {
        None | Some("ready") => Ok(Call::new(Op::Health(HealthScope::Ready))),
        Some("live") => Ok(Call::new(Op::Health(HealthScope::Live))),
        Some("server") => Ok(Call::new(Op::ServerInfo)),
        Some(other) => Err(Error::invalid(format!("`scope` is live, ready or server, not `{other}`"))),
    }
}

fn model(call: &Call) -> Result<&str, Error> {
    call.model.as_deref().ok_or_else(|| Error::invalid(format!("to {} takes a model", call.op.kind().name())))
}

fn with_query(mut path: String, pairs: &[(&str, &Option<Arc<str>>)]) -> String {
    let mut separator = '?';
    for (name, value) in pairs.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
        path.push(separator);
        path.push_str(name);
        path.push('=');
        path.push_str(&to_path_segment(value));
        separator = '&';
    }
    path
}

/// The part of a URI after the question mark, as forms write it.
struct Query<'a>(&'a str);

impl Query<'_> {
    fn get(&self, name: &str) -> Result<Option<Arc<str>>, Error> {
        let pairs = self.0.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let Some((_, value)) = pairs.into_iter().find(|(key, _)| *key == name) else { return Ok(None) };
        let value = value.replace('+', " ");
        let value = percent_decode_str(&value).decode_utf8();
        value.map(|value| Some(value.into())).map_err(|_| Error::invalid(format!("`{name}` is not UTF-8")))
    }

    fn model(&self) -> Result<Option<Arc<str>>, Error> {
        let model = self.get("model")?;
        if let Some(model) = &model {
            check_model_id(model)?;
        }
        Ok(model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_places() {
        let check = |method, path, expected| assert_eq!(Place::of(&method, path), expected, "{path}");
        check(Method::GET, "/api/models", Some(Place::Models));
        check(Method::GET, "/api/models/", None);
        check(Method::GET, "/api/models/load", Some(Place::Model("load")));
        check(Method::POST, "/api/models/load", Some(Place::Load));
        check(Method::GET, "/api/models/a/b", Some(Place::Model("a/b")));
        check(Method::GET, "/api/models/a/b/config", Some(Place::Config("a/b")));
        check(Method::GET, "/api/models/a%2Fconfig", Some(Place::Model("a%2Fconfig")));
        check(Method::GET, "/api/models/config", Some(Place::Model("config")));
        check(Method::GET, "/api/infer", None);
        check(Method::GET, "/api/modelsx", None);
        check(Method::GET, "/", None);
    }

    #[test]
    fn queries_are_read_as_forms_write_them() {
        let check = |place, query, model: Option<&str>, op| {
            let call = read(place, query).unwrap();
            assert_eq!((call.model.as_deref(), &*call.op), (model, &op), "{query}");
        };
        check(Place::Models, "", None, Op::ListModels { ready_only: false });
        check(Place::Models, "x=1&ready=true", None, Op::ListModels { ready_only: true });
        check(Place::Health, "", None, Op::Health(HealthScope::Ready));
        check(Place::Health, "model=a+b%2Bc", Some("a b+c"), Op::Health(HealthScope::Model { version: None }));
        check(Place::Statistics, "version=2", None, Op::Statistics { version: Some("2".into()) });
        check(Place::Model("org%2Fm"), "", Some("org/m"), Op::Describe { version: None });
        for (place, query) in [
            (Place::Models, "ready=soon"),
            (Place::Health, "scope=all"),
            (Place::Health, "model=../x"),
            (Place::Health, "model=%ff"),
            (Place::Model("%2e%2e"), ""),
            (Place::Config("..%2Fx"), ""),
        ] {
            assert!(read(place, query).is_err(), "{query}");
        }
    }
}
