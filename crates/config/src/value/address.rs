//! The address of a server: [`Address`].

use std::cmp::Ordering;
use std::fmt;

use http::Uri;
use serde_json::Value as Json;

use crate::setting::{Refusal, Scalar, ScalarKind, Written, scalar_settings};

/// An `http` or `https` address without user, query or fragment, and without a slash at its end.
///
/// `host:port` alone is read as `http://host:port`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address(Uri);

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// What is wrong with it, as a lowercase fragment that repeats none of it.
    pub fn parse(text: &str) -> Result<Self, String> {
        parse(text).map_err(|refusal| refusal.reason.unwrap_or_else(|| "not an http or https address".to_owned()))
    }

    /// The address as a URI; its path is `/` when there is none.
    pub fn uri(&self) -> &Uri {
        &self.0
    }

    /// Whether the scheme is `https`.
    pub fn is_tls(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    /// The host, an IPv6 address within brackets.
    pub fn host(&self) -> &str {
        self.0.host().unwrap_or_default()
    }

    /// The port, 80 or 443 when none is written.
    pub fn port(&self) -> u16 {
        self.0.port_u16().unwrap_or(if self.is_tls() { 443 } else { 80 })
    }

    /// What stands before every request's path: empty or `/base`, never with a slash at its end.
    pub fn base_path(&self) -> &str {
        self.0.path().trim_end_matches('/')
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.0.scheme_str().unwrap_or("http");
        let authority = self.0.authority().map_or("", http::uri::Authority::as_str);
        write!(f, "{scheme}://{authority}{}", self.base_path())
    }
}

/// Addresses are ordered as text.
impl Ord for Address {
    fn cmp(&self, other: &Self) -> Ordering {
        self.to_string().cmp(&other.to_string())
    }
}

impl PartialOrd for Address {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn parse(text: &str) -> Result<Address, Refusal> {
    let text = text.trim();
    let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    if text.contains('@') {
        let hint = "take the user and the password out and give a credential instead";
        return Err(Refusal::reason("an address cannot hold a user", hint));
    }
    if text.contains(['?', '#']) {
        return Err(Refusal::reason("an address has no query and no fragment", "leave out what follows ? or #"));
    }
    let uri: Uri = full.parse().map_err(|_| Refusal::PLAIN)?;
    let has_host = uri.host().is_some_and(|host| !host.is_empty());
    let has_scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    // `http` accepts any digits after the colon and then says there is no port.
    let authority = uri.authority().map_or("", http::uri::Authority::as_str);
    let port_text = authority.rsplit(']').next().and_then(|tail| tail.split_once(':')).map(|(_, port)| port);
    let port_is_sound = port_text.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    if !has_host || !has_scheme || !port_is_sound {
        return Err(Refusal::PLAIN);
    }
    let version = uri.path().trim_end_matches('/').rsplit('/').next().filter(|end| matches!(*end, "v1" | "v2"));
    if let Some(version) = version {
        let hint = format!("leave /{version} out: the dialect adds it");
        return Err(Refusal::reason(format!("an address ends before /{version}"), hint));
    }
    Ok(Address(uri))
}

impl Scalar for Address {
    fn describe() -> ScalarKind {
        let pattern = r"^([Hh][Tt][Tt][Pp][Ss]?://)?[^@?#/ ]+(/[^@?# ]*)?$";
        ScalarKind::pattern("address", "an address such as http://gpu.lan:8000", pattern)
    }

    fn parse(written: &Written<'_>) -> Result<Self, Refusal> {
        parse(written.text)
    }

    fn to_json(&self) -> Json {
        self.to_string().into()
    }
}

scalar_settings!(Address);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_normalised() {
        let check = |text: &str, written: &str, host: &str, port: u16, base: &str| {
            let address = Address::parse(text).unwrap();
            let parts = (address.to_string(), address.host(), address.port(), address.base_path());
            assert_eq!(parts, (written.to_owned(), host, port, base), "{text:?}");
        };
        check("http://gpu.lan:8000", "http://gpu.lan:8000", "gpu.lan", 8000, "");
        check("http://gpu.lan/", "http://gpu.lan", "gpu.lan", 80, "");
        check("https://host/base/", "https://host/base", "host", 443, "/base");
        check("localhost:8001", "http://localhost:8001", "localhost", 8001, "");
        check("gpu", "http://gpu", "gpu", 80, "");
        check("http://[::1]:8000", "http://[::1]:8000", "[::1]", 8000, "");
        check("HTTP://Host", "http://Host", "Host", 80, "");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let check = |text: &str, part: &str| {
            let error = Address::parse(text).unwrap_err();
            assert!(error.contains(part), "{text:?}: {error}");
        };
        check("", "not an http");
        check("http://", "not an http");
        check("ftp://host", "not an http");
        check("unix:///run/x", "not an http");
        check("http://host:0", "not an http");
        check("http://host:99999", "not an http");
        check("http://host:port", "not an http");
        check("http://ho st", "not an http");
        check("http://me:secret@host", "cannot hold a user");
        check("http://host/?a=1", "no query");
        check("http://host/#a", "no query");
        check("http://host/v1", "ends before /v1");
        check("http://host/api/v1/", "ends before /v1");
    }
}
