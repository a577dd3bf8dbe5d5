//! Who may control a simulator: whoever shows its token, from this machine, and is no web page of somebody else's.
//!
//! The rules are those of `longshore_server`, only stricter: the token is wanted for reading too, and what changes
//! something is JSON.

use http::{HeaderMap, Method, StatusCode, Uri, header, request::Parts, uri::Authority};

/// A refusal, and why.
pub(super) type Refused = (StatusCode, &'static str);

/// A token that nobody guesses, in hexadecimal.
///
/// # Errors
/// The system gives no randomness.
pub(crate) fn fresh_token() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    let random = rustls::crypto::ring::default_provider().secure_random;
    random.fill(&mut bytes).map_err(|_| std::io::Error::other("the system gives no randomness for a token"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether the request of this head may do something here.
pub(super) fn check(head: &Parts, token: &str) -> Result<(), Refused> {
    let host = host(head).ok_or((StatusCode::FORBIDDEN, "the simulator answers to localhost and addresses only"))?;
    if !matches!(head.method, Method::GET | Method::HEAD) {
        if !origin_fits(&head.headers, &host) {
            return Err((StatusCode::FORBIDDEN, "requests from pages of others are not taken"));
        }
        let json = head.headers.get(header::CONTENT_TYPE).is_some_and(|value| {
            value
                .as_bytes()
                .split(|byte| *byte == b';')
                .next()
                .is_some_and(|value| value.trim_ascii().eq_ignore_ascii_case(b"application/json"))
        });
        if !json {
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "send `Content-Type: application/json`"));
        }
    }
    if !shows(&head.headers, token) {
        let message = "the simulator wants the token that it told at its start, as `Authorization: Bearer TOKEN`";
        return Err((StatusCode::UNAUTHORIZED, message));
    }
    Ok(())
}

/// The host that was called, if it is one by which only this machine is called.
fn host(head: &Parts) -> Option<Authority> {
    let written = head.headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse().ok());
    let authority: Authority = head.uri.authority().cloned().or(written)?;
    let host = authority.host();
    let here =
        host.eq_ignore_ascii_case("localhost") || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
    here.then_some(authority)
}

fn origin_fits(headers: &HeaderMap, host: &Authority) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let origin: Option<Uri> = origin.to_str().ok().and_then(|origin| origin.parse().ok());
    origin.is_some_and(|origin| {
        origin.authority().is_some_and(|origin| origin.as_str().eq_ignore_ascii_case(host.as_str()))
    })
}

/// Takes as long whatever the first wrong byte is.
fn shows(headers: &HeaderMap, token: &str) -> bool {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.as_bytes().split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
    });
    let shown = bearer.or_else(|| headers.get("x-api-key").map(|value| value.as_bytes())).unwrap_or_default();
    let own = token.as_bytes();
    own.len() == shown.len() && own.iter().zip(shown).fold(0, |wrong, (a, b)| wrong | (a ^ b)) == 0
}
