//! Who may come in, and what a browser may do with what it got.
//!
//! The page itself is open to whoever reaches the port; it says nothing. The API wants the token of this launch with
//! every request, and is not read by pages of other origins.

use http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts};
use longshore_core::Error;
use longshore_server::{AccessToken, Guard};

/// The doors of the page and of the API.
pub(crate) struct Door {
    api: Guard,
}

impl Door {
    pub(crate) fn new(token: &str, hosts: &[String]) -> Self {
        Self { api: Guard::new(Some(AccessToken::new(token)), hosts.to_vec()).own_pages_only() }
    }

    /// Whether the request of this head may ask the API.
    ///
    /// # Errors
    /// Why not, with the status that says so.
    pub(crate) fn check_api(&self, head: &Parts) -> Result<(), Error> {
        self.api.check(head)
    }
}

/// No script but our own files, no connection but to where the page came from: whatever a model's reply contains.
/// Attributes of style are let through, since positions are written there.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; \
     font-src 'self'; connect-src 'self'; img-src 'self' data: blob:; manifest-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";

/// What every response of the desk says.
pub(crate) fn put_headers(headers: &mut HeaderMap) {
    const SAID: [(HeaderName, &str); 6] = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in SAID {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
