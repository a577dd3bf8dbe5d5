//! The protocol's paths, both ways.

use http::Method;

use super::super::model_id::{from_path_segment, to_path_segment};
use crate::Error;

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Live,
    Ready,
    Server,
    /// KServe's list of names.
    List,
    Index,
    Load,
    Unload,
    Metadata,
    ModelReady,
    Infer,
    InferStream,
    Generate,
    GenerateStream,
    Config,
    Statistics,
}

/// What stands after a model's name (and version), and the method it is asked with.
const OF_MODEL: &[(&str, Action, Method)] = &[
    ("ready", Action::ModelReady, Method::GET),
    ("config", Action::Config, Method::GET),
    ("stats", Action::Statistics, Method::GET),
    ("infer", Action::Infer, Method::POST),
    ("infer_stream", Action::InferStream, Method::POST),
    ("generate", Action::Generate, Method::POST),
    ("generate_stream", Action::GenerateStream, Method::POST),
];

/// Paths without a model.
const FIXED: &[(&str, Action, Method)] = &[
    ("/v2", Action::Server, Method::GET),
    ("/v2/health/live", Action::Live, Method::GET),
    ("/v2/health/ready", Action::Ready, Method::GET),
    ("/v2/models", Action::List, Method::GET),
    ("/v2/models/stats", Action::Statistics, Method::GET),
    ("/v2/repository/index", Action::Index, Method::POST),
];

const MODELS: &str = "/v2/models/";
const REPOSITORY: &str = "/v2/repository/models/";

/// A path that was understood; names are still percent-encoded.
#[derive(Debug, PartialEq)]
pub(super) struct Path<'a> {
    pub(super) action: Action,
    model: Option<&'a str>,
    version: Option<&'a str>,
}

impl Path<'_> {
    /// The model's name, decoded and let in.
    pub(super) fn model(&self) -> Result<Option<String>, Error> {
        self.model.map(from_path_segment).transpose()
    }

    /// The version, decoded.
    pub(super) fn version(&self) -> Result<Option<String>, Error> {
        self.version.map(from_path_segment).transpose()
    }
}

/// Understands a path. Models' names may hold slashes, encoded or not: `tritonclient` leaves them as they are.
pub(super) fn parse<'a>(method: &Method, path: &'a str) -> Option<Path<'a>> {
    let path = path.strip_suffix('/').unwrap_or(path);
    if let Some((_, action, _)) = FIXED.iter().find(|(fixed, _, of)| *fixed == path && of == method) {
        return Some(Path { action: *action, model: None, version: None });
    }
    if let Some(rest) = path.strip_prefix(REPOSITORY).filter(|_| *method == Method::POST) {
        let (model, word) = rest.rsplit_once('/')?;
        let action = match word {
            "load" => Action::Load,
            "unload" => Action::Unload,
            _ => return None,
        };
        return Some(Path { action, model: Some(model), version: None });
    }
    let rest = path.strip_prefix(MODELS).filter(|rest| !rest.is_empty())?;
    let known = rest.rsplit_once('/').and_then(|(name, word)| {
        let (_, action, _) = OF_MODEL.iter().find(|(known, _, of)| *known == word && of == method)?;
        Some((name, *action))
    });
    let (name, action) = known.or_else(|| (*method == Method::GET).then_some((rest, Action::Metadata)))?;
    let (model, version) = match name.rsplit_once("/versions/") {
        Some((model, version)) if !version.contains('/') => (model, Some(version)),
        _ => (name, None),
    };
    Some(Path { action, model: Some(model), version })
}

/// The path and method of an action.
pub(super) fn write(action: Action, model: &str, version: Option<&str>) -> (Method, String) {
    let of_model = |word: &str| {
        let version = version.map(|version| format!("/versions/{}", to_path_segment(version))).unwrap_or_default();
        format!("{MODELS}{}{version}{word}", to_path_segment(model))
    };
    match action {
        Action::Load => (Method::POST, format!("{REPOSITORY}{}/load", to_path_segment(model))),
        Action::Unload => (Method::POST, format!("{REPOSITORY}{}/unload", to_path_segment(model))),
        Action::Metadata => (Method::GET, of_model("")),
        _ => {
            let fixed = FIXED.iter().find(|(_, of, _)| *of == action);
            let own = OF_MODEL.iter().find(|(_, of, _)| *of == action).filter(|_| fixed.is_none() || !model.is_empty());
            match (own, fixed) {
                (Some((word, _, method)), _) => (method.clone(), of_model(&format!("/{word}"))),
                (None, Some((path, _, method))) => (method.clone(), (*path).to_owned()),
                (None, None) => (Method::GET, "/v2".to_owned()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_they_are_written() {
        let check = |action, model: &str, version: Option<&str>, written: &str| {
            let (method, path) = write(action, model, version);
            assert_eq!(path, written);
            let read = parse(&method, &path).unwrap();
            assert_eq!(read.action, action, "{path}");
            assert_eq!(read.model().unwrap().unwrap_or_default(), model);
            assert_eq!(read.version().unwrap().as_deref(), version);
        };
        check(Action::Server, "", None, "/v2");
        check(Action::Index, "", None, "/v2/repository/index");
        check(Action::Statistics, "", None, "/v2/models/stats");
        check(Action::Statistics, "m", Some("2"), "/v2/models/m/versions/2/stats");
        check(Action::Metadata, "org/m 1:x", None, "/v2/models/org%2Fm%201:x");
        check(Action::GenerateStream, "m", None, "/v2/models/m/generate_stream");
        check(Action::Unload, "a/b", None, "/v2/repository/models/a%2Fb/unload");
        check(Action::ModelReady, "infer", None, "/v2/models/infer/ready");
    }

    #[test]
    fn names_with_slashes_are_one_name() {
        let read = parse(&Method::POST, "/v2/models/org/m/versions/3/infer").unwrap();
        assert_eq!(read, Path { action: Action::Infer, model: Some("org/m"), version: Some("3") });
        assert_eq!(parse(&Method::GET, "/v2/models/m/").unwrap().model, Some("m"));
        for (method, path) in [
            (Method::GET, "/v2/nopath"),
            (Method::POST, "/v2/models/m"),
            (Method::GET, "/v2/repository/index"),
            (Method::POST, "/v2/repository/models/m"),
            (Method::GET, "/v1/models"),
        ] {
            assert_eq!(parse(&method, path), None, "{method} {path}");
        }
        assert!(parse(&Method::GET, "/v2/models/..%2Fx/ready").unwrap().model().is_err());
    }
}
