//! The routes, by method and path alone. Longshore's native API lies below `/api/` too, and shares none of them.

use http::Method;

/// What a method and a path stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Chat,
    Generate,
    Embed,
    /// Superseded by `/api/embed`: one text, one vector.
    Embeddings,
    Show,
    Pull,
    Tags,
    Running,
    Version,
    /// What Ollama's own command line asks first.
    Root,
    /// What changes the files of a server, which is not ours to do: refused with a word.
    Delete,
    Copy,
    Create,
    Push,
}

const PLACES: [(Method, &str, Place); 14] = [
    (Method::POST, "/api/chat", Place::Chat),
    (Method::POST, "/api/generate", Place::Generate),
    (Method::POST, "/api/embed", Place::Embed),
    (Method::POST, "/api/embeddings", Place::Embeddings),
    (Method::POST, "/api/show", Place::Show),
    (Method::POST, "/api/pull", Place::Pull),
    (Method::GET, "/api/tags", Place::Tags),
    (Method::GET, "/api/ps", Place::Running),
    (Method::GET, "/api/version", Place::Version),
    (Method::HEAD, "/", Place::Root),
    (Method::DELETE, "/api/delete", Place::Delete),
    (Method::POST, "/api/copy", Place::Copy),
    (Method::POST, "/api/create", Place::Create),
    (Method::POST, "/api/push", Place::Push),
];

impl Place {
    /// A `HEAD` is a `GET` whose body nobody wants.
    pub(super) fn of(method: &Method, path: &str) -> Option<Self> {
        let fits = |known: &Method| known == method || (known == Method::GET && method == Method::HEAD);
        PLACES.iter().find(|(known, at, _)| *at == path && fits(known)).map(|&(_, _, place)| place)
    }

    pub(super) fn path(self) -> &'static str {
        PLACES.iter().find(|(_, _, place)| *place == self).map_or("/", |(_, path, _)| path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_exact() {
        let check = |method, path, expected| assert_eq!(Place::of(&method, path), expected, "{method} {path}");
        check(Method::POST, "/api/chat", Some(Place::Chat));
        check(Method::GET, "/api/chat", None);
        check(Method::GET, "/api/tags", Some(Place::Tags));
        check(Method::HEAD, "/api/tags", Some(Place::Tags));
        check(Method::HEAD, "/", Some(Place::Root));
        check(Method::GET, "/", None);
        for native in ["/api/models", "/api/models/load", "/api/infer", "/api/health", "/api/statistics"] {
            check(Method::GET, native, None);
            check(Method::POST, native, None);
        }
    }
}
