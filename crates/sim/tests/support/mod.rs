//! A client that shows the raw bytes: a TCP stream and nothing else.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a helper fails the test it serves")]

use std::{io, net::SocketAddr};

use longshore_sim::{Builder, Model, Simulator};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A simulator whose one model answers four tokens.
pub(crate) fn builder() -> Builder {
    Simulator::builder().model(Model { tokens: 4, ..Model::chat("a") })
}

/// A request for a chat that closes its connection.
pub(crate) fn chat(stream: bool) -> String {
    let body = format!(r#"{{"model":"a","messages":[{{"role":"user","content":"tell me"}}],"stream":{stream}}}"#);
    post("/v1/chat/completions", "connection: close\r\n", &body)
}

pub(crate) fn post(path: &str, headers: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// What came back, and how it ended.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) bytes: Vec<u8>,
    /// `None`: closed with FIN.
    pub(crate) error: Option<io::ErrorKind>,
}

impl Seen {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub(crate) fn head(&self) -> String {
        self.text().split("\r\n\r\n").next().unwrap().to_ascii_lowercase()
    }

    /// Everything after the head, as it stands on the wire.
    pub(crate) fn raw_body(&self) -> &[u8] {
        let at = self.bytes.windows(4).position(|end| end == b"\r\n\r\n").expect("a head");
        &self.bytes[at + 4..]
    }

    /// The chunks of a chunked body, and whether its end came.
    pub(crate) fn chunks(&self) -> (Vec<Vec<u8>>, bool) {
        let (mut rest, mut chunks) = (self.raw_body(), Vec::new());
        loop {
            let Some(line) = rest.windows(2).position(|end| end == b"\r\n") else { return (chunks, false) };
            let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
            if length == 0 {
                return (chunks, true);
            }
            let chunk = &rest[line + 2..];
            if chunk.len() < length + 2 {
                chunks.push(chunk.to_vec());
                return (chunks, false);
            }
            chunks.push(chunk[..length].to_vec());
            rest = &chunk[length + 2..];
        }
    }

    /// The body, put together.
    pub(crate) fn body(&self) -> Vec<u8> {
        if self.head().contains("transfer-encoding: chunked") {
            self.chunks().0.concat()
        } else {
            self.raw_body().to_vec()
        }
    }

    pub(crate) fn body_text(&self) -> String {
        String::from_utf8(self.body()).unwrap()
    }

    /// Events of a stream that hold text.
    pub(crate) fn tokens(&self) -> usize {
        String::from_utf8_lossy(&self.body())
            .lines()
            .filter(|line| line.contains(r#""content":""#) && !line.contains(r#""content":"""#))
            .count()
    }
}

/// Sends the bytes and reads to the end.
pub(crate) async fn exchange(address: SocketAddr, request: &str) -> Seen {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    read_to_end(&mut stream).await
}

pub(crate) async fn read_to_end(stream: &mut TcpStream) -> Seen {
    let mut bytes = Vec::new();
    let error = stream.read_to_end(&mut bytes).await.err().map(|error| error.kind());
    Seen { bytes, error }
}

/// Reads until the bytes so far are enough.
pub(crate) async fn read_until(stream: &mut TcpStream, enough: impl Fn(&Seen) -> bool) -> Seen {
    let mut seen = Seen { bytes: Vec::new(), error: None };
    while !enough(&seen) {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "closed after {:?}", seen.text());
        seen.bytes.extend_from_slice(&buffer[..count]);
    }
    seen
}
