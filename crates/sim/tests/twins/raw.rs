//! Clients that show bytes: HTTP/1.1 and HTTP/2 written by hand on a plain socket.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How a connection was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The server closed it (FIN).
    Closed,
    /// The server reset it (RST).
    Reset,
    /// Enough was read.
    Open,
}

/// No test waits longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What came back, unparsed.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) bytes: Vec<u8>,
    pub(crate) end: End,
}

pub(crate) const CHAT: &str = "/v1/chat/completions";

pub(crate) fn chat_body(stream: bool) -> String {
    format!(r#"{{"model":"sim","stream":{stream},"messages":[{{"role":"user","content":"hello"}}]}}"#)
}

/// Asks for a chat, and reads until the server closes.
pub(crate) async fn chat(address: SocketAddr, stream: bool) -> Got {
    post(address, CHAT, &chat_body(stream)).await
}

/// Sends a request as `curl` writes it, and reads until the server closes.
pub(crate) async fn post(address: SocketAddr, path: &str, body: &str) -> Got {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n");
    let request = format!("{head}Content-Type: application/json\r\n\r\n{body}");
    socket.write_all(request.as_bytes()).await.unwrap();
    read(&mut socket, |_| false).await
}

/// Reads until the connection ends, or there is enough.
async fn read(socket: &mut TcpStream, enough: impl Fn(&[u8]) -> bool) -> Got {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 256 << 10]);
    let end = loop {
        if enough(&bytes) {
            break End::Open;
        }
        match patiently(socket.read(&mut buffer)).await {
            Ok(0) => break End::Closed,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break End::Reset,
            Err(error) => panic!("{error}"),
        }
    };
    Got { bytes, end }
}

impl Got {
    /// The head, lower case, and what stands after it.
    pub(crate) fn split(&self) -> (String, &[u8]) {
        let at = self.bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or_else(|| {
            panic!("no head: {:?}", String::from_utf8_lossy(&self.bytes));
        });
        (String::from_utf8_lossy(&self.bytes[..at]).to_lowercase(), &self.bytes[at + 4..])
    }

    pub(crate) fn head(&self) -> String {
        self.split().0
    }

    pub(crate) fn status(&self) -> u16 {
        self.head().split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let head = self.head();
        head.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(": ")?.to_owned()))
    }

    /// The chunks of a chunked body, and whether its last, empty one came.
    pub(crate) fn chunks(&self) -> (Vec<Vec<u8>>, bool) {
        assert_eq!(self.header("transfer-encoding").as_deref(), Some("chunked"), "{}", self.head());
        let (mut chunks, mut rest) = (Vec::new(), self.split().1);
        while let Some(at) = rest.windows(2).position(|window| window == b"\r\n") {
            let length = usize::from_str_radix(std::str::from_utf8(&rest[..at]).unwrap(), 16).unwrap();
            if length == 0 {
                return (chunks, true);
            }
            let Some(chunk) = rest.get(at + 2..at + 2 + length) else { break };
            chunks.push(chunk.to_vec());
            rest = &rest[(at + 4 + length).min(rest.len())..];
        }
        (chunks, false)
    }

    /// The body, whichever way it was sent.
    pub(crate) fn body(&self) -> Vec<u8> {
        match self.header("transfer-encoding") {
            Some(_) => self.chunks().0.concat(),
            None => self.split().1.to_vec(),
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body()).unwrap()
    }

    /// The `data` of server-sent events that are written the usual way.
    pub(crate) fn data(&self) -> Vec<String> {
        data_of(&String::from_utf8_lossy(&self.body()))
    }

    /// How many events carry a piece of the answer.
    pub(crate) fn tokens(&self) -> usize {
        self.data().iter().filter(|data| is_token(data)).count()
    }
}

/// The `data` of each event, joined by line feeds.
pub(crate) fn data_of(text: &str) -> Vec<String> {
    let events = text.split("\n\n").filter(|event| !event.is_empty());
    let data =
        |event: &str| event.lines().filter_map(|line| line.strip_prefix("data: ")).collect::<Vec<_>>().join("\n");
    events.map(data).collect()
}

pub(crate) fn is_token(data: &str) -> bool {
    let Ok(value) = serde_json::from_str::<serde_json::Value>(data) else { return false };
    value["choices"][0]["delta"]["content"].as_str().is_some_and(|text| !text.is_empty())
}

// === HTTP/2 ===

/// One frame of HTTP/2 (RFC 9113, section 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }
}

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
const END_STREAM: u8 = 1;

/// Sends `body` as a POST over HTTP/2 with prior knowledge, and gives the frames that came back until the stream or the
/// connection ended.
pub(crate) async fn http2(address: SocketAddr, path: &str, content_type: &str, body: &[u8]) -> (Vec<Frame>, End) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let mut out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    out.extend(frame(4, 0, 0, &[]));
    let mut headers = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("content-type", content_type),
        ("te", "trailers"),
    ] {
        // A literal without indexing, its name new and nothing Huffman-coded (RFC 7541, section 6.2.2).
        headers.push(0);
        for text in [name, value] {
            headers.push(u8::try_from(text.len()).unwrap());
            headers.extend(text.as_bytes());
        }
    }
    out.extend(frame(HEADERS, 4, 1, &headers));
    out.extend(frame(DATA, END_STREAM, 1, body));
    socket.write_all(&out).await.unwrap();
    let over = |bytes: &[u8]| frames(bytes).iter().any(|frame| frame.kind == RST_STREAM || frame.ends_stream());
    let got = read(&mut socket, over).await;
    (frames(&got.bytes), got.end)
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn frames(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some(&[a, b, c, kind, flags, s0, s1, s2, s3]) = bytes.first_chunk() {
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let Some(payload) = bytes.get(9..9 + length) else { break };
        frames.push(Frame { kind, flags, stream: u32::from_be_bytes([s0, s1, s2, s3]), payload: payload.to_vec() });
        bytes = &bytes[9 + length..];
    }
    frames
}

/// Within a time that no working server needs.
pub(crate) async fn patiently<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("nothing happened in 20 s")
}
