//! The server that is recorded: [`Upstream`] sends it what a client sent the recorder.

use std::{fs, io, path::Path, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, Version, header};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde_json::json;

use super::{deck::about, record::Tee};
use crate::faults::SimBody;

/// The server that is recorded.
pub(super) struct Upstream {
    /// `http://host:port/prefix`, without a slash at its end.
    pub(super) base: String,
    http1: Client<HttpsConnector<HttpConnector>, Tee>,
    /// Without TLS, HTTP/2 has to be known beforehand: whoever speaks it to the recorder wants it there.
    http2: Client<HttpsConnector<HttpConnector>, Tee>,
}

impl Upstream {
    /// # Errors
    /// `InvalidInput` where this is no URL of a server; what is wrong with the authorities.
    pub(super) fn new(url: &str, authority: Option<&Path>) -> io::Result<Self> {
        let tls = is_tls(url).map_err(|problem| io::Error::new(io::ErrorKind::InvalidInput, problem))?;
        let tls = client_config(if tls { trusted(authority)? } else { RootCertStore::empty() })?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(10)));
        // TLS is above it.
        connector.enforce_http(false);
        // A recorder that chose the protocol would record another reply than its client was to get.
        let https = || HttpsConnectorBuilder::new().with_tls_config(tls.clone()).https_or_http();
        let http1 = https().enable_http1().wrap_connector(connector.clone());
        let http2 = https().enable_http2().wrap_connector(connector);
        let client = || Client::builder(TokioExecutor::new());
        Ok(Self {
            base: url.trim_end_matches('/').to_owned(),
            http1: client().build(http1),
            http2: client().http2_only(true).build(http2),
        })
    }

    pub(super) async fn request(
        &self,
        head: http::request::Parts,
        body: Tee,
    ) -> Result<Response<Incoming>, hyper_util::client::legacy::Error> {
        let http2 = head.version == Version::HTTP_2;
        let mut request = Request::new(body);
        *request.method_mut() = head.method;
        *request.headers_mut() = head.headers;
        strip(request.headers_mut(), http2);
        // hyper writes the upstream's own.
        request.headers_mut().remove(header::HOST);
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        // Both halves were parts of a URI, so together they are one.
        if let Ok(uri) = format!("{}{target}", self.base).parse() {
            *request.uri_mut() = uri;
        }
        *request.version_mut() = if http2 { Version::HTTP_2 } else { Version::HTTP_11 };
        if http2 { self.http2.request(request).await } else { self.http1.request(request).await }
    }
}

/// Whether it is to be spoken to by TLS.
fn is_tls(url: &str) -> Result<bool, String> {
    let uri: Uri = url.parse().map_err(|error| format!("the upstream {url:?} is not a URL: {error}"))?;
    let tls = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err("the upstream must be an http:// or https:// URL, such as http://127.0.0.1:8000".into()),
    };
    if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) {
        return Err("the upstream must be a host and a port, without user and password: send those as a header".into());
    }
    if uri.query().is_some() {
        return Err("the upstream cannot have a query: each request brings its own".into());
    }
    Ok(tls)
}

/// The authorities of this file, or the system's.
fn trusted(authority: Option<&Path>) -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let Some(file) = authority else {
        let found = rustls_native_certs::load_native_certs();
        // Systems hold certificates that nobody can parse; the others still do.
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            return Err(io::Error::other("the system has no trusted authorities: name the upstream's own"));
        }
        return Ok(roots);
    };
    let unsound = |error: &dyn std::fmt::Display| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{}: no sound PEM certificate: {error}", file.display()))
    };
    let pem = fs::read(file).map_err(|error| about(file, &error))?;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate.map_err(|error| unsound(&error))?).map_err(|error| unsound(&error))?;
    }
    if roots.is_empty() { Err(unsound(&"there is none")) } else { Ok(roots) }
}

fn client_config(roots: RootCertStore) -> io::Result<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(io::Error::other)?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Headers that are about one connection alone (RFC 9110, section 7.6.1).
const HOP_BY_HOP: &[&str] =
    &["connection", "keep-alive", "proxy-authorization", "proxy-connection", "te", "transfer-encoding", "upgrade"];

/// Takes out what is about one connection alone. `te: trailers` stays in HTTP/2: gRPC servers insist on it.
pub(super) fn strip(headers: &mut HeaderMap, http2: bool) {
    let trailers = http2 && headers.get(header::TE).is_some_and(|value| value == "trailers");
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(*name);
    }
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
}

/// The code with which the upstream reset the stream.
pub(super) fn http2_code(error: &(dyn std::error::Error + 'static)) -> Option<u32> {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.filter_map(|error| error.downcast_ref::<h2::Error>()).find_map(|error| error.reason()).map(u32::from)
}

pub(super) fn bad_gateway(upstream: &str, error: &hyper_util::client::legacy::Error) -> Response<SimBody> {
    let message = format!("the upstream {upstream} cannot be reached: {}", because(error));
    let body = json!({ "error": { "message": message, "type": "upstream_unreachable" } }).to_string();
    let mut response = Response::new(SimBody::whole(body.into()));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The last cause is what the system said.
pub(super) fn because(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.last().map_or_else(String::new, ToString::to_string)
}
