//! Who may come in: decided from a request's head, before its body is read.
//!
//! A server on the loopback interface is still within reach of every web page that the person has open. Pages can send
//! "simple" requests anywhere and can point their own name at 127.0.0.1; the checks of `Host`, `Origin` and
//! `Content-Type` are against those, the token is against everybody else.

use std::{fmt, io, net::IpAddr, sync::Arc};

use http::{Method, Uri, header, request::Parts, uri::Authority};
use longshore_core::{Error, ErrorKind, Sent};

/// A shared secret that clients must show. Never printed; compared in constant time.
#[derive(Clone)]
pub struct AccessToken(Arc<str>);

impl AccessToken {
    /// The token, as the client sends it.
    pub fn new(token: impl Into<Arc<str>>) -> Self {
        Self(token.into())
    }

    /// Takes as long whatever the first wrong byte is; the length is no secret.
    fn matches(&self, shown: &[u8]) -> bool {
        let own = self.0.as_bytes();
        own.len() == shown.len() && own.iter().zip(shown).fold(0, |wrong, (a, b)| wrong | (a ^ b)) == 0
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(…)")
    }
}

/// A token that nobody guesses: 128 random bits in hexadecimal.
///
/// # Errors
/// The system gives no randomness.
pub fn fresh_token() -> io::Result<String> {
    let mut bytes = [0; 16];
    let random = rustls::crypto::ring::default_provider().secure_random;
    random.fill(&mut bytes).map_err(|_| io::Error::other("the system gives no randomness for a token"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Decides who may come in.
#[derive(Debug)]
pub struct Guard {
    token: Option<AccessToken>,
    hosts: Vec<String>,
    own_pages_only: bool,
}

/// A refusal that names its status.
fn refused(status: u16, kind: ErrorKind, message: String) -> Error {
    Error::new(kind, message).status(status).sent(Sent::No)
}

impl Guard {
    /// Wants this token, if any, and answers to `localhost`, addresses and these names.
    pub fn new(token: Option<AccessToken>, hosts: Vec<String>) -> Self {
        Self { token, hosts, own_pages_only: false }
    }

    /// Refuses what other origins' pages only read, too: for what no page but our own has any business with.
    #[must_use]
    pub fn own_pages_only(mut self) -> Self {
        self.own_pages_only = true;
        self
    }

    /// Whether the request of this head may be looked at any further.
    ///
    /// # Errors
    /// Why not, with the HTTP status that says so: 401, 403 or 415.
    pub fn check(&self, head: &Parts) -> Result<(), Error> {
        let host = self.check_host(head)?;
        let mutation = !matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS);
        if mutation || self.own_pages_only {
            check_origin(head, host.as_ref())?;
        }
        if mutation {
            check_content_type(head)?;
        }
        self.check_token(head)
    }

    pub(crate) fn check_host(&self, head: &Parts) -> Result<Option<Authority>, Error> {
        let unknown = |host: &str| {
            refused(
                403,
                ErrorKind::InvalidRequest,
                format!("this server does not answer as host {host:?}; name it in gateway.hosts if it should"),
            )
        };
        let authority = match (head.uri.authority(), head.headers.get(header::HOST)) {
            (Some(authority), _) => authority.clone(),
            (None, Some(host)) => host
                .to_str()
                .ok()
                .and_then(|host| host.parse().ok())
                .ok_or_else(|| unknown(&String::from_utf8_lossy(host.as_bytes())))?,
            // HTTP/1.0 has no Host, and no browser speaks it.
            (None, None) => return Ok(None),
        };
        let host = authority.host();
        let known = host.eq_ignore_ascii_case("localhost")
            || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
            || self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host));
        if known { Ok(Some(authority)) } else { Err(unknown(host)) }
    }

    fn check_token(&self, head: &Parts) -> Result<(), Error> {
        let Some(token) = &self.token else { return Ok(()) };
        let bearer = head.headers.get(header::AUTHORIZATION).and_then(|value| {
            let (scheme, token) = value.as_bytes().split_at_checked(7)?;
            scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
        });
        let shown = bearer.or_else(|| head.headers.get("x-api-key").map(|value| value.as_bytes()));
        match shown {
            Some(shown) if token.matches(shown) => Ok(()),
            Some(_) => Err(refused(401, ErrorKind::Unauthenticated, "the token is wrong".into())),
            None => Err(refused(
                401,
                ErrorKind::Unauthenticated,
                "this server wants a token: send it as `Authorization: Bearer TOKEN`".into(),
            )),
        }
    }
}

/// A page may only change something here if it was served from here.
fn check_origin(head: &Parts, host: Option<&Authority>) -> Result<(), Error> {
    let Some(origin) = head.headers.get(header::ORIGIN) else { return Ok(()) };
    let same = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok()).is_some_and(|origin| {
        origin.authority().zip(host).is_some_and(|(origin, host)| origin.as_str().eq_ignore_ascii_case(host.as_str()))
    });
    if same {
        return Ok(());
    }
    let origin = String::from_utf8_lossy(origin.as_bytes()).into_owned();
    Err(refused(403, ErrorKind::InvalidRequest, format!("requests from pages of {origin:?} are not taken")))
}

/// The types that a page may send to another origin without asking first are not taken.
fn check_content_type(head: &Parts) -> Result<(), Error> {
    let Some(value) = head.headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let essence = value.as_bytes().split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    let simple = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"];
    if simple.iter().any(|simple| essence.eq_ignore_ascii_case(simple.as_bytes())) {
        let found = String::from_utf8_lossy(essence).into_owned();
        let message = format!("the content type {found:?} is not taken: send `Content-Type: application/json`");
        return Err(refused(415, ErrorKind::InvalidRequest, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(token: Option<&str>, request: http::request::Builder, expected: Option<u16>) {
        let guard = Guard::new(token.map(AccessToken::new), vec!["desk.example".into()]);
        let head = request.body(()).unwrap().into_parts().0;
        let found = guard.check(&head).err().and_then(|error| error.http_status());
        assert_eq!(found, expected, "{head:?}");
    }

    fn get(host: &str) -> http::request::Builder {
        http::Request::get("/v1/models").header("host", host)
    }

    fn post(name: &str, value: &str) -> http::request::Builder {
        http::Request::post("/v1/x").header("host", "localhost:8400").header(name, value)
    }

    #[test]
    fn only_known_hosts_are_answered() {
        for host in ["localhost", "LOCALHOST:8400", "127.0.0.1:8400", "[::1]:1", "192.0.2.1", "desk.example"] {
            check(None, get(host), None);
        }
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "a b"] {
            check(None, get(host), Some(403));
        }
        check(None, http::Request::get("http://evil.example/v1/models").header("host", "localhost"), Some(403));
    }

    #[test]
    fn pages_of_others_change_nothing() {
        check(None, post("origin", "https://evil.example"), Some(403));
        check(None, post("origin", "null"), Some(403));
        check(None, post("origin", "http://localhost:8400"), None);
        check(None, post("content-type", "text/plain; charset=utf-8"), Some(415));
        check(None, post("content-type", "application/x-www-form-urlencoded"), Some(415));
        check(None, post("content-type", "application/json"), None);
        let read = get("localhost").header("origin", "https://evil.example");
        let head = read.body(()).unwrap().into_parts().0;
        let guard = Guard::new(None, Vec::new());
        assert!(guard.check(&head).is_ok());
        assert_eq!(guard.own_pages_only().check(&head).unwrap_err().http_status(), Some(403));
    }

    #[test]
    fn a_token_is_asked_for_when_one_is_set() {
        check(Some("s3cret"), get("localhost"), Some(401));
        check(Some("s3cret"), get("localhost").header("authorization", "Bearer s3cret"), None);
        check(Some("s3cret"), get("localhost").header("authorization", "bearer s3cret"), None);
        check(Some("s3cret"), get("localhost").header("authorization", "Bearer s3cres"), Some(401));
        check(Some("s3cret"), get("localhost").header("x-api-key", "s3cret"), None);
        check(Some("s3cret"), get("localhost").header("x-api-key", "other"), Some(401));
        assert_eq!(format!("{:?}", AccessToken::new("s3cret")), "AccessToken(…)");
    }
}
