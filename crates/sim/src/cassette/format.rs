//! The file: a line of JSON for each [`Exchange`], in the order in which they ended.
//!
//! ```json
//! {"format":1,
//!  "request":{"method":"POST","target":"/v1/chat/completions","headers":[["accept","*/*"]],"body":"{…}"},
//!  "response":{"at_ms":12.5,"status":200,"headers":[["content-type","text/event-stream"]]},
//!  "chunks":[{"at_ms":12.6,"data":"data: {…}\n\n"},{"at_ms":33.1,"data_base64":"AAECAw=="}],
//!  "trailers":[["grpc-status","0"]],
//!  "end":"clean","end_ms":33.4}
//! ```
//!
//! Times are milliseconds since the request had been read, as far as it had come when the reply began. Bytes that are
//! not UTF-8 are base64; header values are Latin-1. `response` is missing where the upstream ended without one;
//! `http2_code` is the code of a stream's reset.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    path::Path,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize, de, de::IgnoredAny};

use super::deck::about;

/// The version of the file's form.
const FORMAT: u32 = 1;

/// A request and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exchange {
    pub(super) format: Format,
    pub(super) request: Asked,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) response: Option<Head>,
    pub(super) chunks: Vec<Chunk>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trailers: Option<Headers>,
    pub(super) end: End,
    pub(super) end_ms: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) http2_code: Option<u32>,
}

/// Stands for [`FORMAT`]; another number is refused.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(into = "u32", try_from = "u32")]
pub(super) struct Format;

impl From<Format> for u32 {
    fn from(_: Format) -> Self {
        FORMAT
    }
}

impl TryFrom<u32> for Format {
    type Error = String;

    fn try_from(number: u32) -> Result<Self, String> {
        if number == FORMAT { Ok(Self) } else { Err(format!("format {number} is not known here, only {FORMAT}")) }
    }
}

/// A request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    pub(super) method: String,
    /// Path and query.
    pub(super) target: String,
    pub(super) headers: Headers,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body_base64: Option<Base64>,
}

impl Asked {
    pub(super) fn new(method: String, target: String, headers: Headers, body: Vec<u8>) -> Self {
        let (body, body_base64) = text_or_not(body);
        Self { method, target, headers, body, body_base64 }
    }

    pub(super) fn body(&self) -> &[u8] {
        bytes_of(&self.body, &self.body_base64)
    }
}

/// The head of a reply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    pub(super) at_ms: f64,
    pub(super) status: u16,
    pub(super) headers: Headers,
}

/// Bytes of a reply, as they were read together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Chunk {
    pub(super) at_ms: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data_base64: Option<Base64>,
}

impl Chunk {
    pub(super) fn new(at_ms: f64, bytes: Vec<u8>) -> Self {
        let (data, data_base64) = text_or_not(bytes);
        Self { at_ms, data, data_base64 }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        bytes_of(&self.data, &self.data_base64)
    }
}

/// How a reply ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum End {
    /// As complete ones do.
    Clean,
    /// In the middle: a connection closed, a stream reset.
    Broken,
}

/// Headers in their order, a name as often as it came.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Headers(pub(super) Vec<(String, String)>);

impl Headers {
    pub(super) fn push(&mut self, name: &HeaderName, value: &[u8]) {
        self.0.push((name.as_str().to_owned(), value.iter().copied().map(char::from).collect()));
    }

    /// # Errors
    /// One of them cannot be a header.
    pub(super) fn map(&self) -> Result<HeaderMap, String> {
        let one = |(name, value): &(String, String)| {
            let bytes: Option<Vec<u8>> = value.chars().map(|char| u8::try_from(char).ok()).collect();
            let value = HeaderValue::from_bytes(&bytes?).ok()?;
            Some((name.parse::<HeaderName>().ok()?, value))
        };
        let mut map = HeaderMap::new();
        for header in &self.0 {
            let (name, value) = one(header).ok_or_else(|| format!("{:?} cannot be a header", header.0))?;
            map.append(name, value);
        }
        Ok(map)
    }
}

/// Bytes that are written as base64.
#[derive(Clone, Debug, PartialEq)]
struct Base64(Vec<u8>);

impl Serialize for Base64 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(de::Error::custom)
    }
}

fn text_or_not(bytes: Vec<u8>) -> (Option<String>, Option<Base64>) {
    match String::from_utf8(bytes) {
        Ok(text) => (Some(text), None),
        Err(error) => (None, Some(Base64(error.into_bytes()))),
    }
}

fn bytes_of<'a>(text: &'a Option<String>, other: &'a Option<Base64>) -> &'a [u8] {
    match (text, other) {
        (Some(text), _) => text.as_bytes(),
        (None, Some(other)) => &other.0,
        (None, None) => &[],
    }
}

/// A cassette that is written.
pub(super) struct Writer {
    file: File,
    length: u64,
}

impl Writer {
    /// Makes the file, which only its owner can read where the system knows such a thing.
    ///
    /// # Errors
    /// It exists, or cannot be made.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                let message = format!("{} exists: a recording is not written over another", path.display());
                io::Error::new(error.kind(), message)
            }
            _ => about(path, &error),
        })?;
        Ok(Self { file, length: 0 })
    }

    /// Adds a line, whole or not at all.
    pub(super) fn add(&mut self, exchange: &Exchange) -> io::Result<()> {
        let mut line = serde_json::to_vec(exchange)?;
        line.push(b'\n');
        if let Err(error) = self.file.write_all(&line).and_then(|()| self.file.flush()) {
            // What stands there of the line would spoil those after it.
            self.file.set_len(self.length)?;
            self.file.seek(SeekFrom::Start(self.length))?;
            return Err(error);
        }
        self.length += line.len() as u64;
        Ok(())
    }
}

/// All exchanges of a cassette.
///
/// # Errors
/// The file cannot be read; a line of it, which is named, is not an exchange or has a body above `body_limit` bytes; it
/// has none.
pub(super) fn read(path: &Path, body_limit: usize) -> io::Result<Vec<Exchange>> {
    let text = fs::read_to_string(path).map_err(|error| about(path, &error))?;
    let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidData, format!("{}{message}", path.display()));
    let mut exchanges = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let exchange = parse(line, body_limit).map_err(|problem| invalid(format!(":{}: {problem}", index + 1)))?;
        exchanges.push(exchange);
    }
    if exchanges.is_empty() {
        return Err(invalid(": there is no exchange on this cassette".into()));
    }
    Ok(exchanges)
}

fn parse(line: &str, body_limit: usize) -> Result<Exchange, String> {
    let exchange: Exchange =
        serde_json::from_str(line).map_err(|error| match serde_json::from_str::<IgnoredAny>(line) {
            Ok(_) => error.to_string(),
            Err(_) => format!("the line is not whole JSON: {error}"),
        })?;
    let reply: usize = exchange.chunks.iter().map(|chunk| chunk.bytes().len()).sum();
    for (whose, length) in [("request", exchange.request.body().len()), ("reply", reply)] {
        if length > body_limit {
            return Err(format!("the {whose}'s body has {length} bytes, above the limit of {body_limit}"));
        }
    }
    let head_ms = exchange.response.as_ref().map_or(0.0, |head| head.at_ms);
    let times = [head_ms, exchange.end_ms];
    if !times.into_iter().chain(exchange.chunks.iter().map(|chunk| chunk.at_ms)).all(sensible) {
        return Err("a time is not between 0 and a year".into());
    }
    http::Method::from_bytes(exchange.request.method.as_bytes()).map_err(|error| error.to_string())?;
    if let Some(head) = &exchange.response {
        head.headers.map()?;
        if !(200..1000).contains(&head.status) {
            return Err(format!("{} is no status of a reply", head.status));
        }
    }
    exchange.trailers.iter().try_for_each(|trailers| trailers.map().map(drop))?;
    Ok(exchange)
}

fn sensible(ms: f64) -> bool {
    (0.0..=366.0 * 86_400_000.0).contains(&ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"format":1,"request":{"method":"GET","target":"/","headers":[],"body":""},"response":{"at_ms":0.0,"status":200,"headers":[["a","ÿ"]]},"chunks":[{"at_ms":1.0,"data":"é"},{"at_ms":2.0,"data_base64":"w6k="}],"end":"clean","end_ms":2.0}"#;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let exchange = parse(LINE, 4).unwrap();
        assert_eq!(exchange.chunks[0].bytes(), exchange.chunks[1].bytes());
        assert_eq!(exchange.response.as_ref().unwrap().headers.map().unwrap()["a"].as_bytes(), [0xFF]);
        assert_eq!(serde_json::to_string(&exchange).unwrap(), LINE);
        let split = Chunk::new(0.0, vec![0xC3]);
        assert_eq!((split.bytes(), split.data.is_none()), (&[0xC3][..], true));
    }

    #[test]
    fn what_is_wrong_with_a_line_is_named() {
        let check = |line: &str, part: &str| {
            let problem = parse(line, 4).unwrap_err();
            assert!(problem.contains(part), "{line}: {problem}");
        };
        check(&LINE[..90], "not whole");
        check(&LINE.replace("\"format\":1", "\"format\":2"), "format 2");
        check(&LINE.replace("\"é\"", "\"éé\""), "limit of 4");
        check(&LINE.replace("\"body\":\"\"", "\"body\":\"12345\""), "request's body has 5 bytes");
        check(&LINE.replace("w6k=", "?"), "nvalid");
        check(&LINE.replace("\"a\"", "\"a b\""), "header");
        check(&LINE.replace("ÿ", "Ā"), "header");
        check(&LINE.replace("200", "99"), "status");
        check(&LINE.replace("2.0", "-2.0"), "time");
        check(&LINE.replace("\"end\"", "\"ending\""), "ending");
    }
}
