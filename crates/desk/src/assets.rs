//! The built page, out of the binary: with an `ETag` each, and compressed for those who take that.

use std::{
    collections::HashMap,
    io::Write,
    sync::{Mutex, OnceLock, PoisonError},
};

use axum::body::Body;
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request::Parts};
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "../../desk/dist"]
#[allow_missing = true]
struct Page;

/// The file for what is asked below `/desk/`.
pub(crate) fn respond(head: &Parts) -> Response<Body> {
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "the page is only read\n");
    }
    let path = head.uri.path().trim_start_matches("/desk").trim_start_matches('/');
    let path = if path.is_empty() { "index.html" } else { path };
    match Page::get(path) {
        Some(file) => give(path, &file, &head.headers),
        None if path == "index.html" => plain(StatusCode::NOT_FOUND, "this program was built without its page\n"),
        None => plain(StatusCode::NOT_FOUND, "there is no such file\n"),
    }
}

fn give(path: &str, file: &EmbeddedFile, asked: &HeaderMap) -> Response<Body> {
    let hash: String = file.metadata.sha256_hash()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    let zipped = takes_gzip(asked).then(|| zipped(path, &file.data)).flatten();
    let tag = format!("\"{hash}{}\"", if zipped.is_some() { "-gz" } else { "" });
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    // Names are stable, so a browser asks each time; the answer is short when nothing has changed.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    if is_known(asked, &tag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(path)));
    *response.body_mut() = match zipped {
        Some(zipped) => {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            zipped.into()
        }
        None => match &file.data {
            std::borrow::Cow::Borrowed(data) => Bytes::from_static(data).into(),
            std::borrow::Cow::Owned(data) => data.clone().into(),
        },
    };
    response
}

/// Each file is compressed once, when it is first asked for; `None` where that makes nothing smaller.
fn zipped(path: &str, data: &[u8]) -> Option<Bytes> {
    static ZIPPED: OnceLock<Mutex<HashMap<String, Option<Bytes>>>> = OnceLock::new();
    let mut known = ZIPPED.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    // Only names of files come here, so there are as many as the page has.
    known.entry(path.to_owned()).or_insert_with(|| zip(data).filter(|zipped| zipped.len() < data.len())).clone()
}

fn zip(data: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).ok()?;
    encoder.finish().ok().map(Into::into)
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim().eq_ignore_ascii_case("gzip") && !matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
    })
}

fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|known| known.trim().trim_start_matches("W/") == tag)
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

pub(crate) fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
